"""The commands that give out records: events, sessions, messages, deliveries, export."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from smtplog.cli.frame import app, check_twice, confess, options_of, progress_of, query_of, say, spare
from smtplog.cli.options import (
    EVERY_FILTER,
    SHOWING,
    Count,
    Fields,
    Form,
    Given,
    Inputs,
    Limit,
    Output,
    Raw,
    Sort,
    path,
    shared,
)  # fmt: skip


def _make_query(table: str) -> Callable[..., None]:
    @shared(reading=SHOWING, filters=EVERY_FILTER)
    def command(
        inputs: Inputs, fields: Fields = None, sort: Sort = None, limit: Limit = None, count: Count = False,
        raw: Raw = False, form: Form = None, output: Output = None, *, reading: Given, filters: Given,
    ) -> None:  # fmt: skip
        options = options_of(**reading)
        query = query_of(table, inputs, options, **filters)
        from smtplog.lines import of_records
        from smtplog.pipeline import run
        from smtplog.read.tally import Tally
        from smtplog.show.answer import Answer

        twice = raw and table != "events"
        if twice:
            check_twice(f"{table} --raw reads its input twice", inputs)
        answer = Answer(
            table, query, fields=fields, sort=sort, limit=limit, count=count, raw=raw, form=form, output=output,
            behind=partial(of_records, inputs, options, table) if twice else None,
        )  # fmt: skip
        tally = Tally()
        spare(inputs, output)
        with progress_of(inputs) as progress:
            found = answer.write(run(inputs, answer.tables(), replace(options, progress=progress), tally))
        if twice and found and not (answer.lines or count):
            say("smtplog: no log lines stand behind them: dialogues have none; see `smtplog transcript`")
        confess(tally)
        raise typer.Exit(0 if found else 1)

    return command


_HELP = {
    "events": "Every understood entry, typed.",
    "sessions": "SMTP conversations, from logs and transcripts.",
    "messages": "Mails by queue id, with the result for each recipient.",
    "deliveries": "Every delivery attempt and refusal.",
}
for _table, _help in _HELP.items():
    app.command(_table, help=_help)(_make_query(_table))


@app.command()
@shared(reading=SHOWING)
def export(
    inputs: Inputs,
    output: Annotated[
        Path,
        typer.Option(
            "-o",
            "--output",
            parser=path,
            metavar="<path>",
            help="Folder for the datasets; without --state older ones there are replaced.",
        ),
    ],
    tables: Annotated[str, typer.Option(help="Which tables, comma-separated.")] = "events,sessions,messages,deliveries",
    partition_by: Annotated[str | None, typer.Option(help="date: Hive partitions by day (UTC).")] = None,
    state: Annotated[
        Path | None,
        typer.Option(
            parser=path,
            metavar="<path>",
            help="File that keeps what is still open, and how far each file was read, until the next run, which adds its rows.",
        ),
    ] = None,
    *,
    reading: Given,
) -> None:
    """Write Parquet datasets, one folder per table."""
    from smtplog.pipeline import export as write
    from smtplog.read.tally import Tally

    options = options_of(**reading)
    names, tally = [name.strip() for name in tables.split(",")], Tally()
    with progress_of(inputs) as progress:
        rows = write(
            inputs, output, names, replace(options, progress=progress), tally, partition_by=partition_by, state=state
        )
    for table, n in rows.items():
        print(f"{output / table}: {n:,} rows")
    confess(tally)
