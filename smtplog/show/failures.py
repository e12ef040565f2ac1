"""Failures for eyes, as JSON, and the file of suppressions."""

from __future__ import annotations

from datetime import datetime
from typing import IO, Any

import polars as pl
from rich.padding import Padding
from rich.table import Table

from smtplog.ask.failures import Failures
from smtplog.contract.fields import MOMENT
from smtplog.show import export, render
from smtplog.show.explain import ACTORS, grid


def show(found: Failures, form: str, stream: IO[str], *, width: int | None = None) -> None:
    """Print groups of failures as text, so many columns wide, or JSON."""
    if form == "json":
        body = {
            "groups": found.groups,
            "more_groups": found.more,
            "unclassified": found.unclassified,
            "suppressions": len(found.suppressions),
        }
        stream.write(export.json_object(export.in_json(body)) + "\n")
        return
    console = render.console(stream, width=width, elsewhere=100)
    if not found.groups:
        console.print("Nothing failed.")
    for row in found.groups:
        console.print(_title(row), style="bold red" if row["is_incident"] else "bold")
        console.print(Padding(_grid(row), (0, 0, 1, 2)))
    if found.more:
        console.print(f"{_count(found.more, 'smaller group')} not shown (--top)\n")
    if found.unclassified:
        console.print("Texts of no known reason", style="bold")
        rows = [
            (r["attempts"], r["recipients"], r["example"] or "(none)", f"{r['source']}:{r['line']}")
            for r in found.unclassified
        ]
        console.print(render.plain(rows, ("attempts", "recipients", "text", "seen at"), (0, 1)))


def _title(row: dict[str, Any]) -> str:
    where = "" if row["operator"] == "-" else f" at {render.harmless(row['operator'])}"
    by = ", refused by this host" if row["is_refusal"] else ""
    return f"{'INCIDENT: ' if row['is_incident'] else ''}{row['reason']}{where}{by}"


def _grid(row: dict[str, Any]) -> Table:
    hit = _span(row["incident_recipients"], row["incident_at"], row["incident_until"]) if row["is_incident"] else None
    many = [_count(row["recipients"], "recipient"), _count(row["domains"], "domain")] if row["recipients"] else []
    return grid(
        ("at once", hit),
        ("in all", f"{', '.join([*many, _count(row['attempts'], 'attempt')])}; {', '.join(row['statuses'])}"),
        ("from", _whence(row)),
        ("time", _times(row["first_at"], row["last_at"], "" if row["trend"] == "steady" else f", {row['trend']}")),
        ("said", row["example"]),
        ("seen at", f"{row['source']}:{row['line']}"),
        ("who acts", ACTORS.get(row["actor"], row["actor"])),
        ("what to do", row["hint"]),
    )


def _whence(row: dict[str, Any]) -> str | None:
    """Whom this host refused."""
    if not row["is_refusal"] or row["client_ip"] is None:
        return None
    most = f"{row['client_ip']} ({_count(row['client_attempts'], 'attempt')})"
    return most if row["clients"] == 1 else f"{_count(row['clients'], 'client')}, most from {most}"


def _span(recipients: int, begin: datetime, end: datetime) -> str:
    minutes = max(round((end - begin).total_seconds() / 60), 1)
    return f"{_count(recipients, 'recipient')} within {_count(minutes, 'minute')} from {render.cell(begin)} UTC"


def _times(first: datetime | None, last: datetime | None, more: str) -> str | None:
    if first is None or last is None:
        return None
    until = render.cell(last) if last.date() != first.date() else f"{last:%H:%M:%S}"
    return f"{render.cell(first)} UTC" if first == last else f"{render.cell(first)} to {until} UTC{more}"


def _count(number: int, name: str) -> str:
    return f"{number:,} {name}{'' if number == 1 else 's'}"


def write_suppressions(found: Failures, path: str) -> int:
    """Write the addresses as CSV; returns how many."""
    names = ("address", "reason", "at", "expires_at", "evidence", "source", "line")
    times: dict[str, Any] = {"at": MOMENT, "expires_at": MOMENT, "line": pl.Int64}
    frame = pl.DataFrame(found.suppressions, schema={name: times.get(name, pl.String) for name in names}, orient="row")
    with export.open_output(path) as out:
        out.write(export.csv(frame, header=True))
    return frame.height
