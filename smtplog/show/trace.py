"""A traced mail for eyes: a tree of hops in the order of time; as JSON lines; or its log lines."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import IO, Any

from rich.text import Text
from rich.tree import Tree

from smtplog.ask.trace import Hop, Trace
from smtplog.show import export, render
from smtplog.show.explain import ACTORS

COLUMNS = {
    "messages": ("queue_id", "host", "status", "sender", "message_id", "verdicts", "received_at", "removed_at", "parent_key",
                 "client_name", "client_ip", "origin", "helo", "auth_user", "size_bytes", "source", "line"),
    "deliveries": ("at", "status", "recipient", "original_recipient", "relay_name", "relay_ip", "delay_s", "is_internal",
                   "reply_code", "reply_enhanced_code", "enhanced_code", "reply_text", "detail", "reason", "actor", "source", "line",
                   "sender", "client_name", "client_ip", "helo", "auth_user"),
    "attempts": ("at", "relay_name", "relay_ip", "reply_code", "reply_enhanced_code", "enhanced_code", "reply_text", "detail",
                 "reason", "actor", "source", "line"),
}  # fmt: skip
"""What eyes are shown of each table."""


def show(found: Trace, stream: IO[str], *, width: int | None = None) -> None:
    """Print the trees, then the refusals that belong to no message; where it stands: the line, or source and line."""
    sources = found.sources
    places = _Places(only=sources.pop() if len(sources) == 1 else None)
    console = render.console(stream, width=width, elsewhere=120)
    where = f"{render.harmless(places.only)}, times" if places.only is not None else "times"
    if not found.is_empty:
        console.print(Text(f"{where} in UTC", style="dim"))
    for hop in found.hops():
        console.print(_tree(hop, places))
    for row in found.refused.iter_rows(named=True):
        console.print(_delivery(row, places, _whence(row)))


@dataclass(frozen=True)
class _Places:
    """How a place is written."""

    only: str | None
    """The one source of all that is shown."""

    def of(self, row: dict[str, Any]) -> str:
        """Where a record's first line stands."""
        return f"line {row['line']}" if self.only is not None else f"{render.harmless(row['source'])}:{row['line']}"


def jsonl(found: Trace, stream: IO[str]) -> None:
    """One JSON object a line: a message with its deliveries, attempts at hosts and children, or a refusal."""
    for hop in found.hops():
        stream.write(json.dumps(export.in_json(_told(hop)), ensure_ascii=False) + "\n")
    for row in found.refused.iter_rows(named=True):
        stream.write(json.dumps({"delivery": export.in_json(row)}, ensure_ascii=False) + "\n")


def _tree(hop: Hop, places: _Places) -> Tree:
    m = hop.message
    head = Text.assemble(
        (render.harmless(m["queue_id"] or "?"), "bold"), f" on {render.harmless(m['host'])}  " if m["host"] else "  ",
        (m["status"], render.STYLES.get(m["status"], "")),
    )  # fmt: skip
    if m["sender"] is not None:
        head.append(f"  from <{render.harmless(m['sender'])}>")
    if m["message_id"]:
        head.append(f"  Message-ID {render.harmless(m['message_id'])}")
    tree = Tree(head)
    tree.add(_arrival(m, places))
    for verdict in m["verdicts"] or []:
        words = (verdict["program"] + ":", render.cell(verdict["verdict"]), render.cell(verdict["score"]))
        tree.add(Text(render.harmless(" ".join(word for word in words if word))))
    happened: list[tuple[Any, Text | Tree]] = [
        (_begin(row["at"], row), _delivery(row, places)) for row in hop.deliveries
    ]
    happened += [(_begin(row["at"], row), _attempt(row, places)) for row in hop.attempts]
    happened += [(_begin(_first(child), child.message), _tree(child, places)) for child in hop.children]
    for _, node in sorted(happened, key=lambda one: one[0]):
        tree.add(node)
    for end in _end(m):
        tree.add(end)
    return tree


def _first(hop: Hop) -> datetime | None:
    """When a message came, as far as is known."""
    times = [hop.message["received_at"], *(row["at"] for row in hop.deliveries), hop.message["removed_at"]]
    return next((at for at in times if at), None)


def _begin(at: datetime | None, row: dict[str, Any]) -> tuple[bool, datetime | None, str, int]:
    """Its place in the order of time."""
    return at is None, at, row["source"], row["line"]


def _arrival(m: dict[str, Any], places: _Places) -> Text:
    who = _client(m)
    came = f" from {who}" if who else f" as {m['origin']}" if m["origin"] else ""
    when = f"{_at(m['received_at'])}  " if m["received_at"] or not m["parent_key"] else ""
    parts = [f"{when}{'coming' if _is_nowhere(m) else 'received'}{came}"]
    parts += [f"HELO {m['helo']}"] if m["helo"] else []
    parts += [f"login {m['auth_user']}"] if m["auth_user"] else []
    parts += [f"{m['size_bytes']:,} octets"] if m["size_bytes"] is not None else []
    return Text(render.harmless(", ".join(parts)) + f"  ({places.of(m)})")


def _client(row: dict[str, Any]) -> str:
    name, ip = (render.cell(row[part]) for part in ("client_name", "client_ip"))
    return f"{name} [{ip}]" if name and ip else name or ip


def _whence(row: dict[str, Any]) -> str:
    """Who wanted to send what was refused."""
    parts = [f" from <{row['sender']}>"] if row["sender"] is not None else []
    parts += [f" by {client}"] if (client := _client(row)) else []
    parts += [f" HELO {row['helo']}"] if row["helo"] and not row["client_name"] else []
    return "".join(parts) + (f" login {row['auth_user']}" if row["auth_user"] else "")


def _delivery(row: dict[str, Any], places: _Places, whence: str = "") -> Text:
    to, before = row["recipient"], row["original_recipient"]
    whom = f" <{to}>" if to is not None else ""
    was = f" (was {before})" if before and before != to else ""
    hop = f" by {_relay(row)}" if row["relay_name"] or row["relay_ip"] else ""
    delay = f" after {row['delay_s']:g} s" if row["delay_s"] is not None else ""
    inside = ", inside this system" if row["is_internal"] else ""
    text = Text.assemble(f"{_at(row['at'])}  ", (row["status"], render.STYLES.get(row["status"], "")))
    text.append(render.harmless(f"{whom}{was}{whence}{hop}{delay}{inside}"))
    return _because(text, row, places)


def _attempt(row: dict[str, Any], places: _Places) -> Text:
    """What one host said, before the word about the delivery."""
    host = f" {_relay(row)}" if row["relay_name"] or row["relay_ip"] else ""
    text = Text.assemble(f"{_at(row['at'])}  ", ("tried", render.STYLES.get("deferred", "")), render.harmless(host))
    return _because(text, row, places)


def _relay(row: dict[str, Any]) -> str:
    return " ".join(filter(None, (row["relay_name"], f"[{row['relay_ip']}]" if row["relay_ip"] else None)))


def _because(text: Text, row: dict[str, Any], places: _Places) -> Text:
    """Add what was said, what it means and where it stands."""
    said = row["reply_text"] or row["detail"]
    words = [
        str(part) for part in (row["reply_code"], row["reply_enhanced_code"] or row["enhanced_code"], said) if part
    ]
    if words:
        text.append(render.harmless(f": {' '.join(words)}"))
    if row["reason"]:
        text.append(f"  [{row['reason']}; who acts: {ACTORS.get(row['actor'], row['actor'])}]", style="bold")
    text.append(f"  ({places.of(row)})", style="dim")
    return text


def _end(m: dict[str, Any]) -> Iterator[Text]:
    if m["removed_at"]:
        yield Text(f"{_at(m['removed_at'])}  gone from the queue")
    elif m["status"] in ("deferred", "held", "active"):
        yield Text("still in the queue where the log ends")
    elif _is_nowhere(m):
        yield Text("the log does not show that it came into the queue")
    elif m["status"] not in ("rejected", "temp_rejected", "discarded"):
        yield Text("its end is not in the log")


def _is_nowhere(m: dict[str, Any]) -> bool:
    """Is a message only known to have been begun? Its client broke off, or the log ends."""
    return m["status"] == "unknown" and m["removed_at"] is None


def _at(at: datetime | None) -> str:
    return at.strftime("%Y-%m-%d %H:%M:%S") if at else "before the log"


def _told(hop: Hop) -> dict[str, Any]:
    return {
        "message": hop.message,
        "deliveries": hop.deliveries,
        "attempts": hop.attempts,
        "children": [_told(child) for child in hop.children],
    }
