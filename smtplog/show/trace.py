"""A traced mail for eyes: a tree of hops in the order of time; as JSON lines; or its log lines."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import IO, Any

from rich.text import Text
from rich.tree import Tree

from smtplog.ask.trace import Hop
from smtplog.show import export, render

_STYLE = {"sent": "green", "delivered": "green", "deferred": "yellow", "held": "yellow", "bounced": "red", "expired": "red",
          "rejected": "red", "temp_rejected": "yellow"}  # fmt: skip


def show(hops: Iterable[Hop], refused: Iterable[dict[str, Any]], stream: IO[str]) -> None:
    """Print the trees, then the refusals that belong to no message."""
    console = render.console(stream, width=None if stream.isatty() else 120)
    for hop in hops:
        console.print(_tree(hop))
    for row in refused:
        console.print(_delivery(row))


def jsonl(hops: Iterable[Hop], refused: Iterable[dict[str, Any]], stream: IO[str]) -> None:
    """One JSON object a line: a message with its deliveries and children, or a refusal."""
    for hop in hops:
        stream.write(json.dumps(export.in_json(_told(hop)), ensure_ascii=False) + "\n")
    for row in refused:
        stream.write(json.dumps({"delivery": export.in_json(row)}, ensure_ascii=False) + "\n")


def _tree(hop: Hop) -> Tree:
    m = hop.message
    head = Text.assemble(
        (render.harmless(m["queue_id"] or "?"), "bold"), " on ", render.harmless(m["host"] or "-"), "  ",
        (m["status"], _STYLE.get(m["status"], "")),
    )  # fmt: skip
    if m["sender"] is not None:
        head.append(f"  from <{render.harmless(m['sender'])}>")
    if m["message_id"]:
        head.append(f"  Message-ID {render.harmless(m['message_id'])}")
    tree = Tree(head)
    tree.add(_arrival(m))
    for verdict in m["verdicts"] or []:
        tree.add(
            Text(
                render.harmless(
                    f"{verdict['program']}: {render.cell(verdict['verdict'])} {render.cell(verdict['score'])}"
                )
            )
        )
    for row in hop.deliveries:
        tree.add(_delivery(row))
    for child in hop.children:
        tree.add(_tree(child))
    for end in _end(m):
        tree.add(end)
    return tree


def _arrival(m: dict[str, Any]) -> Text:
    name, ip = (render.cell(m[part]) for part in ("client_name", "client_ip"))
    who = f"{name} [{ip}]" if name and ip else name or ip
    came = f" from {who}" if who else f" as {m['origin']}" if m["origin"] else ""
    parts = [f"{_at(m['received_at'])}  received{came}"]
    parts += [f"HELO {m['helo']}"] if m["helo"] else []
    parts += [f"login {m['auth_user']}"] if m["auth_user"] else []
    parts += [f"{m['size_bytes']:,} octets"] if m["size_bytes"] is not None else []
    return Text(render.harmless(", ".join(parts)) + f"  ({render.harmless(m['source'])}:{m['line']})")


def _delivery(row: dict[str, Any]) -> Text:
    to, before = row["recipient"], row["original_recipient"]
    whom = f" <{to}>" if to is not None else ""
    was = f" (was {before})" if before and before != to else ""
    hop = f" by {row['relay_name']}" if row["relay_name"] else ""
    hop += f" [{row['relay_ip']}]" if row["relay_ip"] else ""
    delay = f" after {row['delay_s']:g} s" if row["delay_s"] is not None else ""
    inside = ", inside this system" if row["is_internal"] else ""
    text = Text.assemble(f"{_at(row['at'])}  ", (row["status"], _STYLE.get(row["status"], "")))
    text.append(render.harmless(f"{whom}{was}{hop}{delay}{inside}"))
    said = row["reply_text"] or row["detail"]
    words = [
        str(part) for part in (row["reply_code"], row["reply_enhanced_code"] or row["enhanced_code"], said) if part
    ]
    if words:
        text.append(render.harmless(f": {' '.join(words)}"))
    if row["reason"]:
        text.append(f"  [{row['reason']}: {row['actor']} must act]", style="bold")
    text.append(f"  ({render.harmless(row['source'])}:{row['line']})", style="dim")
    return text


def _end(m: dict[str, Any]) -> Iterator[Text]:
    if m["removed_at"]:
        yield Text(f"{_at(m['removed_at'])}  gone from the queue")
    elif m["status"] in ("deferred", "held", "active"):
        yield Text("still in the queue where the log ends")
    elif m["status"] not in ("rejected", "temp_rejected", "discarded"):
        yield Text("its end is not in the log")


def _at(at: datetime | None) -> str:
    return at.strftime("%Y-%m-%d %H:%M:%S") if at else "before the log"


def _told(hop: Hop) -> dict[str, Any]:
    return {
        "message": hop.message,
        "deliveries": hop.deliveries,
        "children": [_told(child) for child in hop.children],
    }
