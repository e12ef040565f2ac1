"""The summary for eyes: laid out for 80 columns and wider; and as JSON."""

from __future__ import annotations

from collections.abc import Sequence
from typing import IO, Any

from rich.console import Console

from smtplog.show import render
from smtplog.show.export import json_object

_TOTALS = (
    ("received", "messages received"), ("delivered", "delivered here"), ("sent", "sent to the next hop"),
    ("deferred", "messages deferred"), ("deferrals", "deferrals (attempts)"), ("bounced", "bounced"),
    ("expired", "expired"), ("rejected", "rejected (5xx)"), ("temp_rejected", "rejected for now (4xx)"),
    ("held", "held"), ("discarded", "discarded"), ("cancelled", "cancelled"), ("internal", "handed on internally"),
    ("bytes_received", "bytes received"), ("bytes_delivered", "bytes delivered"), ("senders", "senders"),
    ("recipients", "recipients"), ("recipient_domains", "recipient domains"), ("connections", "connections"),
)  # fmt: skip

_ATTEMPTS = ("count", "bytes", "deferrals", "bounced", "expired")
_SECTIONS: dict[str, tuple[str, tuple[str, ...]]] = {
    "per_day": ("Per day ({zone})", ("day", "received", "delivered", "sent", "deferrals", "bounced", "rejected", "temp_rejected")),
    "per_hour": ("Per hour of the day ({zone})", ("hour", "received", "delivered", "sent", "deferrals", "bounced", "rejected", "temp_rejected")),
    "sender": ("Senders by messages", ("count", "bytes", "sender")),
    "sender_bytes": ("Senders by size", ("bytes", "count", "sender")),
    "recipient": ("Recipients by deliveries", ("count", "bytes", "recipient")),
    "recipient_bytes": ("Recipients by size", ("bytes", "count", "recipient")),
    "domain": (
        "Destinations by attempts", (*_ATTEMPTS, "delay_median_s", "delay_p95_s", "delay_max_s", "domain"),
    ),
    "relay": ("Next hops by attempts", (*_ATTEMPTS, "relay")),
    "transport": ("Transports by attempts", (*_ATTEMPTS, "transport")),
    "host": ("Sending hosts by messages", ("count", "bytes", "host")),
    "host_bytes": ("Sending hosts by size", ("bytes", "count", "host")),
    "relayed": ("Relayed from host to host", ("count", "bytes", "host", "relay")),
    "refused": ("Clients by refusals", ("rejected", "temp_rejected", "client")),
    "stay": ("Time in the queue", ("count", "stay")),
    "client": ("Clients by connections", ("count", "client")),
    "failures": ("Why mail was not taken", ("count", "status", "reason", "text")),
    "login": ("Logins by user", ("count", "user")),
    "login_failures": ("Failed logins by address", ("count", "client_ip")),
    "login_failures_user": ("Failed logins by user", ("count", "user")),
}  # fmt: skip
_SHORT = {
    "temp_rejected": "for now",
    "delay_median_s": "median",
    "delay_p95_s": "95 %",
    "delay_max_s": "longest",
}
_RARE = frozenset(("expired",))
"""Columns that are left out where they are empty: the room is for names."""
_WORDS = frozenset(
    ("sender", "recipient", "domain", "relay", "transport", "host", "stay", "client", "status", "reason", "text", "user", "day", "client_ip")
)  # fmt: skip
"""Columns of words; numbers stand to the right."""
_UNITS = (("d", 86_400), ("h", 3_600), ("m", 60))
_BYTES = ("bytes", "bytes_received", "bytes_delivered")


def show(report: dict[str, Any], form: str, stream: IO[str], *, width: int | None = None) -> None:
    """Print a report.

    Args:
        report: what `Summary.result` returned.
        form: text or json.
        stream: where to.
        width: columns; None: those of the terminal or of COLUMNS, else 80.
    """
    if form == "json":
        stream.write(json_object({**report, "zone": str(report["zone"])}) + "\n")
        return
    console = render.console(stream, width=width, elsewhere=80)
    _totals(console, report["totals"])
    for name, (title, columns) in _SECTIONS.items():
        rows = report.get(name)
        if rows:
            console.print(f"\n{title.format(zone=report['zone'].words)}\n", style="bold")
            columns = tuple(name for name in columns if name not in _RARE or any(row[name] for row in rows))
            console.print(
                render.plain([_row(row, columns) for row in rows], [_SHORT.get(c, c) for c in columns], _right(columns))
            )


def _totals(console: Console, totals: dict[str, Any]) -> None:
    console.print("Totals\n", style="bold")
    rows = [
        (_number(totals[name], name), words)
        for name, words in _TOTALS
        if totals.get(name) or name in ("received", "sent")
    ]
    console.print(render.plain(rows, ("count", "what"), (0,), has_titles=False))
    if totals.get("connections") and totals.get("connections_tls"):
        console.print(f"  TLS on {100 * totals['connections_tls'] / totals['connections']:.1f} % of connections in")
    if totals.get("tls_out"):
        console.print(f"  TLS connections out: {totals['tls_out']:,}")


def _row(row: dict[str, Any], columns: Sequence[str]) -> list[str]:
    return [_number(row.get(name), name) for name in columns]


def _number(value: Any, name: str) -> str:
    if value is None:
        return "-"
    if name in _BYTES:
        return _size(int(value))
    if name.startswith("delay_"):
        return f"{'~' if name != 'delay_max_s' else ''}{_span(value)}"
    if isinstance(value, int) and name != "hour":
        return f"{value:,}"
    if name == "sender" and value == "":
        return "<>"
    return str(value)


def _size(octets: int) -> str:
    size = float(octets)
    for unit in ("", "k", "M", "G"):
        if size < 10_000:
            return f"{size:,.0f}{unit}"
        size /= 1024
    return f"{size:,.0f}T"


def _span(seconds: float) -> str:
    """A length of time, by the largest unit of which it has one."""
    unit, size = next(((unit, size) for unit, size in _UNITS if seconds >= size), ("s", 1))
    return f"{seconds / size:.3g}{unit}"


def _right(columns: Sequence[str]) -> list[int]:
    return [i for i, name in enumerate(columns) if name not in _WORDS]
