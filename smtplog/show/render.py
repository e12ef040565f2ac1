"""Text for eyes. Decides nothing about content; whatever comes from a log is made harmless for a terminal first."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import IO, Any

import polars as pl
from rich import box
from rich.console import Console, ConsoleOptions, ConsoleRenderable, RenderableType, RenderHook, RenderResult
from rich.segment import Segment
from rich.table import Table
from rich.text import Text

from smtplog.errors import QueryError

COLUMNS: dict[str, tuple[tuple[int, tuple[str, ...]], ...]] = {
    "events": (
        (
            140,
            (
                "line",
                "at",
                "host",
                "service",
                "kind",
                "queue_id",
                "client_ip",
                "sender",
                "recipient",
                "status",
                "detail",
            ),
        ),
        (100, ("line", "at", "service", "kind", "queue_id", "client_ip", "recipient", "status")),
        (0, ("line", "at", "service", "kind", "queue_id", "status")),
    ),
    "sessions": (
        (100, ("opened_at", "duration_s", "client_name", "client_ip", "helo", "closed_by", "transactions", "findings")),
        (0, ("opened_at", "client_name", "client_ip", "closed_by", "transactions")),
    ),
    "messages": (
        (100, ("received_at", "queue_id", "status", "sender", "recipients", "size_bytes", "client_name")),
        (0, ("received_at", "queue_id", "status", "recipients")),
    ),
    "deliveries": (
        (
            160,
            (
                "at",
                "queue_id",
                "status",
                "client_ip",
                "sender",
                "recipient",
                "relay_name",
                "delay_s",
                "enhanced_code",
                "reply_text",
            ),
        ),
        (
            140,
            ("at", "queue_id", "status", "sender", "recipient", "relay_name", "delay_s", "enhanced_code", "reply_text"),
        ),
        (100, ("at", "queue_id", "status", "recipient", "relay_name", "enhanced_code", "reply_text")),
        (0, ("at", "queue_id", "status", "recipient", "enhanced_code")),
    ),
}
"""What a terminal of at least so many columns shows when no fields are named."""


def columns(table: str, width: int) -> tuple[str, ...]:
    """What is shown of a table where there are so many columns."""
    return next(names for least, names in COLUMNS[table] if width >= least)


WHOLE = frozenset({"queue_id", "status", "enhanced_code", "kind", "service", "closed_by"})
"""Columns of words that are not folded where the terminal is narrow; numbers and times are none either."""

STYLES = {
    "bounced": "red", "expired": "red", "rejected": "red", "deferred": "yellow", "temp_rejected": "yellow",
    "held": "yellow", "sent": "green", "delivered": "green",
}  # fmt: skip
"""Status -> its colour."""

# C0 and C1 controls move the cursor or start an escape sequence; bidirectional marks turn text round (Unicode TR 36).
_CONTROLS = {
    **{n: f"\\x{n:02x}" for n in (*range(0x20), *range(0x7F, 0xA0))},
    **{n: f"\\u{n:04x}" for n in (0x200E, 0x200F, *range(0x202A, 0x202F), *range(0x2066, 0x206A))},
}
_LINE_SAFE = {**_CONTROLS, ord("\n"): "\n", ord("\t"): "\t"}


def harmless(text: str, *, lines: bool = False) -> str:
    """Text without anything that a terminal obeys; with `lines`, line feeds and tabs stay."""
    return text.translate(_LINE_SAFE if lines else _CONTROLS)


def put(text: str, stream: IO[str]) -> None:
    """Write text: as it is to a file or a pipe, harmless to a terminal."""
    stream.write(harmless(text, lines=True) if stream.isatty() else text)


def cell(value: Any) -> str:
    """One value as short text."""
    if value is None:
        return ""
    if isinstance(value, datetime):
        return value.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S")
    if isinstance(value, float):
        return f"{value:g}"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, (list, pl.Series)):
        return ", ".join(_element(one) for one in value)
    if isinstance(value, dict):
        return _element(value)
    return str(value)


def _element(one: Any) -> str:
    if not isinstance(one, dict):
        return cell(one)
    if "verb" in one and "total" in one:  # as Postfix writes it: accepted/received, or one number for both
        counts = [one["total"]] if one.get("ok") in (None, one["total"]) else [one["ok"], one["total"]]
        return f"{one['verb']}={'/'.join(map(cell, counts))}"
    for names in (("address", "status"), ("sender", "queue_id"), ("code", "message")):
        if all(name in one for name in names):
            return " ".join(cell(one[name]) for name in names if one[name] is not None)
    return ", ".join(f"{k}={cell(v)}" for k, v in one.items() if v is not None)


def table(frame: pl.DataFrame) -> RenderableType:
    """A frame as a table: one row per record."""
    out = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False)
    for name, dtype in frame.schema.items():
        is_whole = name in WHOLE or (dtype != pl.String and not dtype.is_nested())
        out.add_column(name, justify="right" if dtype.is_numeric() else "left", overflow="fold", no_wrap=is_whole)
    for row in frame.iter_rows(named=True):
        cells = (harmless(cell(value)) for value in row.values())
        out.add_row(*(Text(text, style=STYLES.get(text, "")) for text in cells))
    return out


def plain(
    rows: Iterable[Sequence[Any]], titles: Sequence[str], right: Iterable[int] = (), *, has_titles: bool = True
) -> Table:
    """Small tables of reports: titles, and which columns stand to the right."""
    out = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False, show_header=has_titles, padding=(0, 1, 0, 0))
    numbers = set(right)
    for i, title in enumerate(titles):
        out.add_column(title, justify="right" if i in numbers else "left", overflow="fold")
    for row in rows:
        out.add_row(*(Text(harmless(cell(value))) for value in row))
    return out


def check_form(form: str, *known: str) -> None:
    """Is there such a form of output?

    Raises:
        QueryError: there is none.
    """
    if form not in known:
        raise QueryError(f"--format {form}: known are {', '.join(known)}")


def console(file: IO[str], *, width: int | None = None, elsewhere: int | None = None) -> Console:
    """A console that adds no markup of its own to log text, and no blanks at the ends of lines.

    Args:
        file: where it writes to.
        width: columns; None: those of the terminal or of the environment (COLUMNS).
        elsewhere: columns where neither says.
    """
    is_said = file.isatty() or os.environ.get("COLUMNS", "").isdigit()
    width = width or (None if is_said else elsewhere)
    out = Console(file=file, width=width, highlight=False, markup=False, emoji=False, soft_wrap=False)
    out.push_render_hook(_NoBlanksBehind())
    return out


class _NoBlanksBehind(RenderHook):
    """What is printed ends where its words end."""

    def process_renderables(self, renderables: list[ConsoleRenderable]) -> list[ConsoleRenderable]:
        return [_Trimmed(one) for one in renderables]


@dataclass(frozen=True)
class _Trimmed:
    """The same without blanks at the ends of lines."""

    whole: ConsoleRenderable

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        for line in Segment.split_lines(console.render(self.whole, options)):
            while line and not line[-1].control:
                text, style, _ = line.pop()
                if text := text.rstrip(" "):
                    line.append(Segment(text, style))
                    break
            yield from line
            yield Segment.line()
