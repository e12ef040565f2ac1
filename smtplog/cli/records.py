"""The commands that give out records: events, sessions, messages, deliveries, export."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from smtplog.cli.frame import app, confess, options_of, progress_of, query_of, say, spare
from smtplog.cli.options import (
    Actor,
    Client,
    Count,
    Dedupe,
    DedupeWindow,
    Direction,
    Domain,
    Fields,
    Form,
    Host,
    Idle,
    InputFormat,
    Inputs,
    Last,
    Limit,
    LocalDomain,
    LocalNetwork,
    LogHost,
    MessageId,
    Output,
    QueueId,
    Raw,
    Reason,
    Recipient,
    Relay,
    Secrets,
    Sender,
    Since,
    Sort,
    Status,
    Until,
    Where,
    Year,
    Zone,
)
from smtplog.errors import QueryError


def _make_query(table: str) -> Callable[..., None]:
    def command(
        inputs: Inputs, input_format: InputFormat = None, year: Year = None, zone: Zone = None, idle: Idle = "5d",
        log_host: LogHost = None, dedupe: Dedupe = False, dedupe_window: DedupeWindow = "1d", show_secrets: Secrets = False, since: Since = None, until: Until = None,
        last: Last = None, sender: Sender = None, recipient: Recipient = None, domain: Domain = None,
        client: Client = None, relay: Relay = None, status: Status = None, queue_id: QueueId = None,
        message_id: MessageId = None, host: Host = None, reason: Reason = None, actor: Actor = None,
        direction: Direction = None, local_domain: LocalDomain = None, local_network: LocalNetwork = None,
        where: Where = None, fields: Fields = None, sort: Sort = None, limit: Limit = None, count: Count = False,
        raw: Raw = False, form: Form = None, output: Output = None,
    ) -> None:  # fmt: skip
        options = options_of(
            input_format=input_format,
            year=year,
            zone=zone,
            idle=idle,
            log_host=log_host,
            dedupe=dedupe,
            dedupe_window=dedupe_window,
            show_secrets=show_secrets,
            local_domains=local_domain,
            local_networks=local_network,
        )
        query = query_of(
            table, zone=zone, since=since, until=until, last=last, sender=sender, recipient=recipient, domain=domain,
            client=client, relay=relay, status=status, queue_id=queue_id, message_id=message_id, host=host,
            reason=reason, actor=actor, direction=direction, where=where,
        )  # fmt: skip
        from smtplog.lines import of_records
        from smtplog.pipeline import run
        from smtplog.read.tally import Tally
        from smtplog.show.answer import Answer

        twice = raw and table != "events"
        if twice and "-" in inputs:
            raise QueryError(f"{table} --raw reads its input twice; give a file instead of -")
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
def export(
    inputs: Inputs,
    output: Annotated[Path, typer.Option("-o", "--output", help="Folder for the datasets.")],
    tables: Annotated[str, typer.Option(help="Which tables, comma-separated.")] = "events,sessions,messages,deliveries",
    partition_by: Annotated[str | None, typer.Option(help="date: Hive partitions by day (UTC).")] = None,
    state: Annotated[Path | None, typer.Option(help="File that keeps what is still open until the next run.")] = None,
    input_format: InputFormat = None, year: Year = None, zone: Zone = None, idle: Idle = "5d",
    log_host: LogHost = None, dedupe: Dedupe = False, dedupe_window: DedupeWindow = "1d", show_secrets: Secrets = False,
    local_domain: LocalDomain = None, local_network: LocalNetwork = None,
) -> None:  # fmt: skip
    """Write Parquet datasets, one folder per table."""
    from smtplog.pipeline import export as write
    from smtplog.read.tally import Tally

    options = options_of(
        input_format=input_format,
        year=year,
        zone=zone,
        idle=idle,
        log_host=log_host,
        dedupe=dedupe,
        dedupe_window=dedupe_window,
        show_secrets=show_secrets,
        local_domains=local_domain,
        local_networks=local_network,
    )
    names, tally = [name.strip() for name in tables.split(",")], Tally()
    with progress_of(inputs) as progress:
        rows = write(
            inputs, output, names, replace(options, progress=progress), tally, partition_by=partition_by, state=state
        )
    for table, n in rows.items():
        print(f"{output / table}: {n:,} rows")
    confess(tally)
