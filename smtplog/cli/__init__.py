"""The command line: arguments in, exit code out. Each command is short; the work is in the pipeline and the rooms.

Exit codes: 0 found (or done), 1 nothing found (`check --strict`: something of ours not understood), 2 error.
"""

from __future__ import annotations

import gc
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from smtplog.cli.options import (
    Actor,
    Client,
    Count,
    Domain,
    Fields,
    Form,
    Host,
    Idle,
    InputFormat,
    Inputs,
    Last,
    Limit,
    LogHost,
    MessageId,
    Output,
    QueueId,
    Raw,
    Reason,
    Recipient,
    Relay,
    Rules,
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
from smtplog.errors import OutputError, QueryError, SmtplogError

if TYPE_CHECKING:
    from smtplog.ask.query import Query
    from smtplog.pipeline import Options
    from smtplog.read.tally import Tally

app = typer.Typer(
    help="Reads MTA logs and SMTP transcripts: filter, summarise, explain, export.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def main() -> None:
    """Run the command line; errors of the user's are a message and exit 2, a broken pipe is quiet."""
    for name in ("stdout", "stderr"):  # closed by the caller: write to nowhere
        if getattr(sys, name) is None:
            setattr(sys, name, os.fdopen(os.open(os.devnull, os.O_WRONLY), "w"))
    gc.set_threshold(50_000, 20, 20)  # frames make few cycles: looking for them often only takes time
    try:
        app(prog_name="smtplog")
    except SmtplogError as error:
        _say(f"smtplog: {error}")
        sys.exit(2)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(0)
    except KeyboardInterrupt:
        sys.exit(130)


def _say(text: str) -> None:
    from smtplog.show.render import harmless

    print(harmless(text, lines=True), file=sys.stderr)


def _options(**given: Any) -> Options:
    from smtplog.ask.query import span
    from smtplog.pipeline import Options
    from smtplog.read.clock import check_zone

    if given.get("zone") is not None:
        check_zone(given["zone"])
    given["idle"] = span(given.get("idle", "5d"), "--idle")
    return Options(**given, reference=datetime.now(UTC))


_YEAR_SOURCES = {"ids": "queue ids", "file": "the time of the file", "reference": "today's date"}


def _confess(tally: Tally) -> None:
    """What was not understood, in one line on stderr."""
    said = tally.confession()
    if tally.years:
        told = " and ".join(words for source, words in _YEAR_SOURCES.items() if source in tally.year_sources)
        said += f"; years inferred from {told} ({', '.join(map(str, sorted(tally.years)))})"
    if tally.zone_assumed:
        said += "; zone UTC assumed"
    _say(f"smtplog: {said}")
    for problem in tally.problems:
        _say(f"smtplog: {problem}")


@contextmanager
def _progress(inputs: list[str]) -> Iterator[Callable[[str, int], None] | None]:
    """A bar on stderr for long work on a terminal."""
    paths = [Path(one) for one in inputs if one != "-"]
    size = sum(p.stat().st_size for p in paths if p.is_file())
    if not sys.stderr.isatty() or size < 32 * 1024 * 1024:
        yield None
        return
    from rich.console import Console
    from rich.progress import Progress

    with Progress(console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("reading", total=size)
        yield lambda _name, octets: bar.update(task, advance=octets)


def _query(table: str, **given: Any) -> Query:
    from smtplog.ask.query import FILTERS, Query, moment, span

    zone = given.pop("zone", None)
    since, until, last = given.pop("since"), given.pop("until"), given.pop("last")
    query = Query(
        {name: tuple(given.get(name) or ()) for name in FILTERS},
        moment(since, "--since", zone) if since is not None else None,
        moment(until, "--until", zone) if until is not None else None,
        span(last, "--last") if last is not None else None,
        given.get("where"),
    )
    query.expression(table)
    return query


def _spare(inputs: list[str], output: str | None) -> None:
    """Never write over what is to be read."""
    if output and any(Path(one).exists() and Path(output).exists() and Path(one).samefile(output) for one in inputs):
        raise OutputError(f"{output}: is also an input; choose another place with -o")


def _make_query(table: str) -> Callable[..., None]:
    def command(
        inputs: Inputs, input_format: InputFormat = None, year: Year = None, zone: Zone = None, idle: Idle = "5d",
        log_host: LogHost = None, show_secrets: Secrets = False, since: Since = None, until: Until = None,
        last: Last = None, sender: Sender = None, recipient: Recipient = None, domain: Domain = None,
        client: Client = None, relay: Relay = None, status: Status = None, queue_id: QueueId = None,
        message_id: MessageId = None, host: Host = None, reason: Reason = None, actor: Actor = None,
        where: Where = None, fields: Fields = None, sort: Sort = None, limit: Limit = None, count: Count = False,
        raw: Raw = False, form: Form = None, output: Output = None,
    ) -> None:  # fmt: skip
        options = _options(
            input_format=input_format, year=year, zone=zone, idle=idle, log_host=log_host, show_secrets=show_secrets
        )
        query = _query(
            table, zone=zone, since=since, until=until, last=last, sender=sender, recipient=recipient, domain=domain,
            client=client, relay=relay, status=status, queue_id=queue_id, message_id=message_id, host=host,
            reason=reason, actor=actor, where=where,
        )  # fmt: skip
        from smtplog.pipeline import run
        from smtplog.read.tally import Tally
        from smtplog.show.answer import Answer

        answer = Answer(
            table, query, fields=fields, sort=sort, limit=limit, count=count, raw=raw, form=form, output=output
        )
        tally = Tally()
        _spare(inputs, output)
        with _progress(inputs) as progress:
            found = answer.write(run(inputs, answer.tables(), replace(options, progress=progress), tally))
        _confess(tally)
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
    log_host: LogHost = None, show_secrets: Secrets = False,
) -> None:  # fmt: skip
    """Write Parquet datasets, one folder per table."""
    from smtplog.pipeline import export as write
    from smtplog.read.tally import Tally

    options = _options(
        input_format=input_format, year=year, zone=zone, idle=idle, log_host=log_host, show_secrets=show_secrets
    )
    names, tally = [name.strip() for name in tables.split(",")], Tally()
    with _progress(inputs) as progress:
        rows = write(
            inputs, output, names, replace(options, progress=progress), tally, partition_by=partition_by, state=state
        )
    for table, n in rows.items():
        print(f"{output / table}: {n:,} rows")
    _confess(tally)


@app.command()
def summary(
    inputs: Inputs,
    top: Annotated[int, typer.Option(min=1, help="Rows in each table.")] = 10,
    by: Annotated[str | None, typer.Option(help="Only these tables, comma-separated: sender, recipient, domain, relay, failures, per_day ...")] = None,
    form: Annotated[str, typer.Option("--format", help="text or json.")] = "text",
    width: Annotated[int | None, typer.Option(help="Columns of the text (default: the terminal's, else 80).")] = None,
    input_format: InputFormat = None, year: Year = None, zone: Zone = None, idle: Idle = "5d", log_host: LogHost = None,
    since: Since = None, until: Until = None, sender: Sender = None, recipient: Recipient = None,
    domain: Domain = None, client: Client = None, relay: Relay = None, status: Status = None, host: Host = None,
    reason: Reason = None, actor: Actor = None,
) -> None:  # fmt: skip
    """What happened, in numbers: totals, times, tops, delays, failures."""
    from smtplog.ask.summary import Summary
    from smtplog.pipeline import run
    from smtplog.read.tally import Tally
    from smtplog.show import summary as show

    options = _options(input_format=input_format, year=year, zone=zone, idle=idle, log_host=log_host)
    query = _query(
        "deliveries", zone=zone, since=since, until=until, last=None, sender=sender, recipient=recipient, domain=domain,
        client=client, relay=relay, status=status, host=host, reason=reason, actor=actor, where=None,
    )  # fmt: skip
    found, tally = Summary(query), Tally()
    with _progress(inputs) as progress:
        found.take(run(inputs, found.tables(), replace(options, progress=progress, watch=found.watch), tally))
    show.show(found.result(top, [n.strip() for n in by.split(",")] if by else None), form, sys.stdout, width=width)
    _confess(tally)


@app.command()
def explain(
    text: Annotated[
        str, typer.Argument(metavar="TEXT|-", help="A reply, a log line or a transcript; - reads standard input.")
    ],
    relay: Annotated[str | None, typer.Option(help="The host that answered.")] = None,
    stage: Annotated[str | None, typer.Option(help="connect, helo, mail, rcpt, data, end_of_data ...")] = None,
    rules: Rules = None,
    form: Annotated[
        str, typer.Option("--format", help="text, or jsonl: with -, one JSON object a line in and out.")
    ] = "text",
) -> None:
    """Why it failed, who must act and what to do."""
    from smtplog.ask import diagnose
    from smtplog.ask.explain import explain as ask
    from smtplog.show import explain as show

    if form not in ("text", "jsonl"):
        raise QueryError(f"--format {form}: known are text, jsonl")
    if text == "-" and form == "jsonl":
        known = diagnose.load_rules(rules) if rules else None
        for line in diagnose.explain_jsonl(sys.stdin, known):
            print(line)
        return
    answers = ask(sys.stdin.read() if text == "-" else text, relay=relay, stage=stage, rules=rules)
    show.show(answers, form, sys.stdout)
    if not answers:
        _say("smtplog: nothing failed in it")
    raise typer.Exit(0 if answers else 1)


@app.command()
def failures(
    inputs: Inputs,
    top: Annotated[int, typer.Option(min=1, help="Groups to show.")] = 20,
    suppressions: Annotated[str | None, typer.Option(help="Write the addresses that are safe to suppress to this CSV file.")] = None,
    rules: Rules = None,
    form: Annotated[str, typer.Option("--format", help="text or json.")] = "text",
    input_format: InputFormat = None, year: Year = None, zone: Zone = None, idle: Idle = "5d", log_host: LogHost = None,
    since: Since = None, until: Until = None, sender: Sender = None, recipient: Recipient = None,
    domain: Domain = None, client: Client = None, relay: Relay = None, status: Status = None, host: Host = None,
    reason: Reason = None, actor: Actor = None, where: Where = None,
) -> None:  # fmt: skip
    """Failed and deferred deliveries by reason and operator: what to mend first."""
    from smtplog.ask import diagnose
    from smtplog.ask.failures import Failures
    from smtplog.pipeline import run
    from smtplog.read.tally import Tally
    from smtplog.show import failures as show

    options = _options(input_format=input_format, year=year, zone=zone, idle=idle, log_host=log_host, rules=rules)
    query = _query(
        "deliveries", zone=zone, since=since, until=until, last=None, sender=sender, recipient=recipient, domain=domain,
        client=client, relay=relay, status=status, host=host, reason=reason, actor=actor, where=where,
    )  # fmt: skip
    found, tally = Failures(query, diagnose.load_rules(rules) if rules else None, top), Tally()
    with _progress(inputs) as progress:
        found.take(run(inputs, found.tables(), replace(options, progress=progress), tally))
    show.show(found, form, sys.stdout)
    if suppressions:
        _say(f"smtplog: {show.write_suppressions(found, suppressions):,} addresses written to {suppressions}")
    _confess(tally)
    raise typer.Exit(0 if found.groups else 1)


@app.command()
def trace(
    inputs: Inputs,
    message_id: MessageId = None, queue_id: QueueId = None, sender: Sender = None, recipient: Recipient = None,
    subject: Annotated[str | None, typer.Option(help="Subject like this (glob), where the log has it.")] = None,
    grep: Annotated[str | None, typer.Option(help="Messages one of whose lines contains this text.")] = None,
    since: Since = None, until: Until = None, client: Client = None, host: Host = None, status: Status = None,
    raw: Raw = False,
    form: Annotated[str, typer.Option("--format", help="text or jsonl.")] = "text",
    input_format: InputFormat = None, year: Year = None, zone: Zone = None, idle: Idle = "5d", log_host: LogHost = None,
) -> None:  # fmt: skip
    """The story of a mail: received from whom, every attempt, what came out of it, what happened in the end."""
    from smtplog.ask.trace import Trace
    from smtplog.pipeline import lines_of, messages_with, run
    from smtplog.read import grammar
    from smtplog.read.tally import Tally
    from smtplog.show import trace as show

    if form not in ("text", "jsonl"):
        raise QueryError(f"--format {form}: known are text, jsonl")
    if "-" in inputs and (raw or grep):
        raise QueryError("trace --raw and --grep read their input twice; give a file instead of -")
    options = _options(input_format=input_format, year=year, zone=zone, idle=idle, log_host=log_host)
    query = _query(
        "deliveries", zone=zone, since=since, until=until, last=None, sender=sender, recipient=recipient, client=client,
        queue_id=queue_id, message_id=message_id, host=host, status=status, where=None,
    )  # fmt: skip
    if query.is_open and not (subject or grep):
        raise QueryError("trace: say which mail: --queue-id, --message-id, --sender, --recipient, --subject or --grep")
    import polars as pl

    like = pl.col("subject").str.contains(grammar.glob(subject)) if subject else None
    found, tally = Trace(query, like, messages_with(inputs, options, grep) if grep else None), Tally()
    with _progress(inputs) as progress:
        found.take(run(inputs, found.tables(), replace(options, progress=progress), tally))
    hops, refused = found.hops()
    if raw:
        keys = set().union(*(hop.keys() for hop in hops)) if hops else set()
        places = {(row["source"], row["line"]) for row in refused}
        for text in lines_of(inputs, options, keys, places):
            print(_harmless_on_terminal(text))
    elif form == "jsonl":
        show.jsonl(hops, refused, sys.stdout)
    else:
        show.show(hops, refused, sys.stdout)
    _confess(tally)
    raise typer.Exit(0 if hops or refused else 1)


def _harmless_on_terminal(text: str) -> str:
    from smtplog.show.render import harmless

    return harmless(text) if sys.stdout.isatty() else text


@app.command()
def transcript(
    file: Annotated[str, typer.Argument(metavar="FILE|-", help="A pasted dialogue; - reads standard input.")],
    form: Annotated[str, typer.Option("--format", help="text or jsonl.")] = "text",
    show_secrets: Secrets = False,
) -> None:
    """One dialogue for eyes: commands, replies, findings, a verdict per recipient."""
    from smtplog.pipeline import document
    from smtplog.show import dialogue, export, render

    if form not in ("text", "jsonl"):
        raise QueryError(f"--format {form}: known are text, jsonl")
    sessions = document(file, show_secrets=show_secrets)
    console = render.console(sys.stdout, width=None if sys.stdout.isatty() else 100)
    for session in sessions:
        if form == "jsonl":
            print(export.json_line(session))
        else:
            console.print(dialogue.render(session))
    if not sessions:
        _say(f"smtplog: {file}: no SMTP dialogue found in it; `smtplog check` tells what it is")
    raise typer.Exit(0 if sessions else 1)


@app.command()
def check(
    inputs: Inputs,
    strict: Annotated[bool, typer.Option("--strict", help="Exit 1 when anything of ours was not understood.")] = False,
    form: Annotated[str, typer.Option("--format", help="text or json.")] = "text",
    input_format: InputFormat = None, year: Year = None, zone: Zone = None, log_host: LogHost = None,
) -> None:  # fmt: skip
    """How much of the input is understood, by program, with examples of what is not."""
    from smtplog.ask.check import TABLES
    from smtplog.ask.check import check as look
    from smtplog.pipeline import run
    from smtplog.read.tally import Tally
    from smtplog.show import report

    options, tally = _options(input_format=input_format, year=year, zone=zone, log_host=log_host), Tally()
    with _progress(inputs) as progress:
        for _ in run(inputs, TABLES, replace(options, progress=progress), tally):
            pass
    found = look(tally)
    report.show_check(found, form, sys.stdout)
    raise typer.Exit(1 if strict and not found.is_clean else 0)


@app.command()
def formats() -> None:
    """The formats that can be read."""
    from smtplog.show import report

    report.show_formats(sys.stdout)


def _version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        print(f"smtplog {version('smtplog')}")
        raise typer.Exit


@app.callback()
def _top(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Reads MTA logs and SMTP transcripts: filter, summarise, explain, export."""
