"""The commands that answer a question: summary, explain, failures, trace, transcript, check, formats."""

from __future__ import annotations

import shlex
import sys
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

import typer

from smtplog.cli.frame import app, check_twice, confess, counted_back, options_of, progress_of, query_of, say, zone_of
from smtplog.cli.options import (
    EVERY_FILTER,
    FILTERS,
    READING,
    Given,
    Inputs,
    Raw,
    Rules,
    Secrets,
    Width,
    named,
    shared,
    some,
)  # fmt: skip
from smtplog.errors import QueryError

MAILS = some(
    EVERY_FILTER, "message_id", "queue_id", "sender", "recipient", "since", "until", "last", "client", "host", "status"
)  # fmt: skip
"""What names mails whose story is to be told."""


_LONGEST_PATH = 200
"""A longer text is none of a file's names."""


@app.command()
@shared(reading=READING, filters=FILTERS)
def summary(
    inputs: Inputs,
    top: Annotated[int, typer.Option(min=1, help="Rows in each table.")] = 10,
    by: Annotated[str | None, typer.Option(help="Only these tables, comma-separated: sender, recipient, domain, relay, failures, per_day ...")] = None,
    form: Annotated[str, typer.Option("--format", help="text or json.")] = "text",
    width: Width = None,
    *, reading: Given, filters: Given,
) -> None:  # fmt: skip
    """What happened, in numbers: totals, times, tops, delays."""
    from smtplog.ask.summary import Summary
    from smtplog.pipeline import run
    from smtplog.read.tally import Tally
    from smtplog.show import summary as show
    from smtplog.show.render import check_form

    check_form(form, "text", "json")
    options = options_of(**reading)
    query = counted_back(query_of("deliveries", inputs, options, **filters), inputs, options)
    found, tally = Summary(query, zone_of(inputs, options)), Tally()
    with progress_of(inputs) as progress:
        found.take(
            run(
                inputs, found.tables(), replace(options, progress=progress, watch=found.watch, show_secrets=True), tally
            )
        )
    show.show(found.result(top, [n.strip() for n in by.split(",")] if by else None), form, sys.stdout, width=width)
    confess(tally)


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
    from smtplog.ask.explain import explain_jsonl
    from smtplog.read.source import standard_input
    from smtplog.show import explain as show
    from smtplog.show.render import check_form

    check_form(form, "text", "jsonl")
    if len(text) < _LONGEST_PATH and Path(text).is_file():
        raise QueryError(f"explain takes the text itself; for what stands in a file: smtplog explain - < {text}")
    if text == "-" and form == "jsonl":
        for line in explain_jsonl(standard_input(), diagnose.load_rules(rules)):
            print(line)
        return
    answers = ask(standard_input().read() if text == "-" else text, relay=relay, stage=stage, rules=rules)
    show.show(answers, form, sys.stdout)
    if not answers:
        say("smtplog: nothing failed in it")
    raise typer.Exit(0 if answers else 1)


@app.command()
@shared(reading=READING, filters={**FILTERS, **some(EVERY_FILTER, "where")})
def failures(
    inputs: Inputs,
    top: Annotated[int, typer.Option(min=1, help="Groups to show.")] = 20,
    suppressions: Annotated[str | None, typer.Option(parser=named, metavar="<path>", help="Write the addresses that are safe to suppress to this CSV file.")] = None,
    rules: Rules = None,
    form: Annotated[str, typer.Option("--format", help="text or json.")] = "text",
    width: Width = None,
    *, reading: Given, filters: Given,
) -> None:  # fmt: skip
    """What failed or was put off, by reason and operator."""
    from smtplog.ask import diagnose
    from smtplog.ask.failures import Failures
    from smtplog.pipeline import run
    from smtplog.read.tally import Tally
    from smtplog.show import failures as show
    from smtplog.show.render import check_form

    check_form(form, "text", "json")
    options = options_of(**reading, rules=rules)
    query = counted_back(query_of("deliveries", inputs, options, **filters), inputs, options)
    found, tally = Failures(query, diagnose.load_rules(rules), top), Tally()
    with progress_of(inputs) as progress:
        found.take(run(inputs, found.tables(), replace(options, progress=progress), tally))
    show.show(found, form, sys.stdout, width=width)
    if suppressions:
        say(f"smtplog: {show.write_suppressions(found, suppressions):,} addresses written to {suppressions}")
    confess(tally)
    raise typer.Exit(0 if found.groups else 1)


@app.command()
@shared(reading=READING, filters=MAILS)
def trace(
    inputs: Inputs,
    subject: Annotated[str | None, typer.Option(help="Subject like this (glob), where the log has it.")] = None,
    grep: Annotated[str | None, typer.Option(help="Messages one of whose lines contains this text.")] = None,
    raw: Raw = False,
    form: Annotated[str, typer.Option("--format", help="text or jsonl.")] = "text",
    width: Width = None,
    *, reading: Given, filters: Given,
) -> None:  # fmt: skip
    """The story of a mail: from whom, every attempt, its end."""
    from smtplog.ask.query import BEHIND
    from smtplog.ask.trace import Trace
    from smtplog.lines import Marks, lines_of, lines_with
    from smtplog.pipeline import run
    from smtplog.read import grammar
    from smtplog.read.tally import Tally
    from smtplog.show import trace as show
    from smtplog.show.export import Shelf
    from smtplog.show.render import check_form, put

    check_form(form, "text", "jsonl")
    if raw or grep:
        check_twice("trace --raw and --grep read their input twice", inputs)
    options = options_of(**reading)
    query = counted_back(query_of("deliveries", inputs, options, **filters), inputs, options)
    if query.is_open and not (subject or grep):
        raise QueryError("trace: say which mail: --queue-id, --message-id, --sender, --recipient, --subject or --grep")
    import polars as pl

    like = pl.col("subject").str.contains(grammar.glob(subject)) if subject else None
    marked = lines_with(inputs, options, grep) if grep else None
    shown = BEHIND if raw else None if form == "jsonl" else show.COLUMNS
    with Shelf() as shelf:
        found, tally = Trace(query, shelf, like, marked, shown), Tally()
        with progress_of(inputs) as progress:
            found.take(run(inputs, found.tables(), replace(options, progress=progress), tally))
        if raw:
            for text in lines_of(inputs, options, Marks.of_trace(found)):
                put(f"{text}\n", sys.stdout)
        elif form == "jsonl":
            show.jsonl(found, sys.stdout)
        else:
            show.show(found, sys.stdout, width=width)
    if found.is_empty:
        asked = {**filters, "subject": subject, "grep": grep}
        say(f"smtplog: no mail and no refusal found in {', '.join(inputs)} {_words(asked)}")
        if marked and marked.places:
            source, line = min(marked.places)
            say(
                f"smtplog: the text stands in {len(marked.places):,} entries that belong to none, the first in {source}:{line}"
            )
        missed = tally.unknown + tally.malformed
        if missed and tally.understood:
            say(
                f"smtplog: it may be among what was not understood ({missed:,}); `smtplog check {shlex.join(inputs)}` shows some"
            )
    confess(tally)
    raise typer.Exit(1 if found.is_empty else 0)


def _words(asked: dict[str, Any]) -> str:
    """Options as they were given: `with --queue-id 4Xy, --since 2026-11-23`."""
    given = (
        (name, one) for name, value in asked.items() if value for one in ([value] if isinstance(value, str) else value)
    )
    return "with " + ", ".join(f"--{name.replace('_', '-')} {one}" for name, one in given)


@app.command()
def transcript(
    file: Annotated[str, typer.Argument(metavar="FILE|-", help="A pasted dialogue; - reads standard input.")],
    form: Annotated[str, typer.Option("--format", help="text or jsonl.")] = "text",
    show_secrets: Secrets = False,
) -> None:
    """One dialogue for eyes: what was said, and what went wrong."""
    from smtplog.pipeline import document
    from smtplog.show import dialogue, export, render

    render.check_form(form, "text", "jsonl")
    sessions = document(file, show_secrets=show_secrets)
    console = render.console(sys.stdout, elsewhere=100)
    for session in sessions:
        if form == "jsonl":
            print(export.json_line(session))
        else:
            console.print(dialogue.render(session))
    if not sessions:
        say(f"smtplog: {file}: no SMTP dialogue found in it; `smtplog check` tells what it is")
    raise typer.Exit(0 if sessions else 1)


@app.command()
@shared(reading=READING)
def check(
    inputs: Inputs,
    strict: Annotated[bool, typer.Option("--strict", help="Exit 1 when anything of ours was not understood.")] = False,
    form: Annotated[str, typer.Option("--format", help="text or json.")] = "text",
    *, reading: Given,
) -> None:  # fmt: skip
    """How much is understood, by program; examples of what is not."""
    from smtplog.ask.check import TABLES
    from smtplog.ask.check import check as look
    from smtplog.pipeline import run
    from smtplog.read.tally import Tally
    from smtplog.show import report
    from smtplog.show.render import check_form

    check_form(form, "text", "json")
    options, tally = options_of(**reading), Tally()
    with progress_of(inputs) as progress:
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
