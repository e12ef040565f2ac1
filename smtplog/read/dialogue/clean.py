"""Lines of a text, without what web pages do to letters and line ends; time stamps as moments."""

from __future__ import annotations

import html
from dataclasses import dataclass
from datetime import UTC, datetime

_LETTERS = str.maketrans(
    {"\u00a0": " ", "\uff1c": "<", "\uff1e": ">", "\uff20": "@", "\uff1a": ":", "\u200b": None, "\ufeff": None,
     "\u2011": "-", "\u2212": "-", "\u2018": "'", "\u2019": "'", "\u201c": '"', "\u201d": '"', "\u00ad": None}
)  # fmt: skip
_ENTITIES = ("&gt;", "&lt;", "&amp;", "&quot;", "<br", "&#", "&nbsp;")
_BLOCKS = frozenset(
    {"br", "p", "pre", "div", "tr", "li", "ul", "ol", "table", "tbody", "blockquote", "h1", "h2", "h3", "hr"}
)
"""Tags at which a line ends."""
_INLINE = frozenset(
    {"code", "span", "td", "th", "b", "i", "em", "strong", "a", "tt", "samp", "font", "u", "html", "body"}
)
"""Tags that are nothing to the text; what else stands in angle brackets is a path (RFC 5321 s.4.1.2)."""
_MONTHS = {
    name: n
    for n, name in enumerate(["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"], 1)
}
_DATED = (
    "%d/%b/%Y:%H:%M:%S",
    "%d/%b/%Y %H:%M:%S",
    "%a %Y-%m-%d %H:%M:%S",
    "%m/%d/%y %I:%M:%S %p",
    "%m/%d/%Y %I:%M:%S %p",
)


@dataclass(slots=True)
class Row:
    """One physical line, or a piece of one: its number, its text and what stood before it."""

    line: int
    text: str
    stamp: str | None = None
    ids: str = ""
    is_piece: bool = False


def rows(text: str) -> list[Row]:
    """The lines of a text, numbered from 1; letters that only look like the right ones are set right."""
    plain = text.translate(_LETTERS) if not text.isascii() else text
    return [Row(n, line.rstrip("\r").removesuffix("^M")) for n, line in enumerate(plain.split("\n"), 1)]


def without_html(found: list[Row]) -> list[Row] | None:
    """Entities and line-break tags resolved; None when there are none."""
    if not any(mark in row.text for row in found[:2000] for mark in _ENTITIES):
        return None
    out = []
    for row in found:
        text = _without_tags(row.text)
        pieces = html.unescape(text).translate(_LETTERS).split("\n") if text else [""]
        pieces = [p for p in pieces if p.strip()] or [""]
        out += [Row(row.line, p, row.stamp, row.ids, is_piece=i > 0) for i, p in enumerate(pieces)]
    return out


def _without_tags(text: str) -> str:
    head, *parts = text.split("<")
    out = [head]
    for part in parts:
        inside, close, rest = part.partition(">")
        name = inside.strip("/").split(" ", 1)[0].rstrip("/").lower() if close else ""
        out.append(f"\n{rest}" if name in _BLOCKS else rest if name in _INLINE else f"<{part}")
    return "".join(out)


def time(stamp: str | None) -> tuple[datetime | None, float | None]:
    """A stamp as a moment in UTC, when it has a date with a year, and as seconds for distances.

    A stamp without a zone is taken as UTC.
    """
    if not stamp:
        return None, None
    text = stamp.strip().strip("[]").replace(",", ".")
    at = _iso(text) or next(filter(None, (_strptime(text, shape) for shape in _DATED)), None)
    return (at, at.timestamp()) if at is not None else (None, _clock(text))


def _iso(text: str) -> datetime | None:
    try:
        at = datetime.fromisoformat(text.replace("/", "-"))
    except ValueError:
        return None
    try:
        return at.astimezone(UTC) if at.tzinfo else at.replace(tzinfo=UTC)
    except (OverflowError, ValueError):
        return None


def _strptime(text: str, shape: str) -> datetime | None:
    try:
        return datetime.strptime(text, shape).replace(tzinfo=UTC)
    except ValueError:
        return None


def _clock(text: str) -> float | None:
    """`Nov 23 08:00:00` or `08:00:00.123`: seconds within a year of no name."""
    words = text.split()
    days = 0
    if len(words) == 3 and words[0] in _MONTHS and words[1].isdecimal():
        days = _MONTHS[words[0]] * 31 + int(words[1])
    parts = (words[-1] if words and ":" in words[-1] else text).split(":")
    try:
        h, m, s = int(parts[0]), int(parts[1]), float(parts[2])
    except (ValueError, IndexError):
        return None
    return days * 86400 + h * 3600 + m * 60 + s
