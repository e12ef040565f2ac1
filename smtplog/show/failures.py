"""Failures for eyes, as JSON, and the file of suppressions."""

from __future__ import annotations

from typing import IO, Any

import polars as pl

from smtplog.ask.failures import Failures
from smtplog.errors import QueryError
from smtplog.show import export, render


def show(found: Failures, form: str, stream: IO[str]) -> None:
    """Print groups of failures as text or JSON.

    Raises:
        QueryError: another form.
    """
    if form == "json":
        body = {"groups": found.groups, "unclassified": found.unclassified, "suppressions": len(found.suppressions)}
        stream.write(export.json_object(export.in_json(body)) + "\n")
        return
    if form != "text":
        raise QueryError(f"--format {form}: known are text, json")
    console = render.console(stream, width=None if stream.isatty() else 100)
    if not found.groups:
        console.print("Nothing failed.")
    for row in found.groups:
        sign = "incident: " if row["is_incident"] else ""
        console.print(f"{sign}{row['reason']} at {render.harmless(row['operator'])}", style="bold")
        console.print(
            f"  {row['recipients']:,} recipients, {row['domains']:,} domains, {row['attempts']:,} attempts, {row['trend']}; {', '.join(row['statuses'])}"
        )
        console.print(f"  {render.cell(row['first_at'])} to {render.cell(row['last_at'])} UTC")
        console.print(f"  {render.harmless(row['example'] or '')}")
        console.print(f"  line {row['line']} of {render.harmless(row['source'])}", style="dim")
        console.print(f"  {row['actor']} must act: {row['hint']}\n")
    if found.unclassified:
        console.print("Texts of no known reason", style="bold")
        rows = [(r["attempts"], r["recipients"], r["example"], r["line"]) for r in found.unclassified]
        console.print(render.plain(rows, ("attempts", "recipients", "text", "line"), (0, 1, 3)))


def write_suppressions(found: Failures, path: str) -> int:
    """Write the addresses as CSV; returns how many."""
    names = ("address", "reason", "at", "expires_at", "evidence", "source", "line")
    times: dict[str, Any] = {"at": pl.Datetime("us", "UTC"), "expires_at": pl.Datetime("us", "UTC"), "line": pl.Int64}
    frame = pl.DataFrame(found.suppressions, schema={name: times.get(name, pl.String) for name in names}, orient="row")
    with export.open_output(path) as out:
        out.write(export.csv(frame, header=True))
    return frame.height
