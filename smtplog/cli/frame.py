"""What every command needs: the application, options made of arguments, words on stderr."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, tzinfo
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from smtplog.errors import OutputError, QueryError

if TYPE_CHECKING:
    from smtplog.ask.query import Query
    from smtplog.read.options import Options
    from smtplog.read.tally import Tally
    from smtplog.read.zone import Zone

app = typer.Typer(
    help="Reads MTA logs and SMTP transcripts: filter, summarise, explain, export.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def say(text: str) -> None:
    """Words for the user, on stderr."""
    from smtplog.show.render import harmless

    print(harmless(text, lines=True), file=sys.stderr)


def options_of(**given: Any) -> Options:
    """How to read, out of the arguments of a command.

    Raises:
        QueryError: a zone or a length of time that is none.
    """
    from smtplog.ask.query import span
    from smtplog.read.clock import check_zone
    from smtplog.read.options import Options

    if given.get("zone") is not None:
        check_zone(given["zone"])
    window = span(given.pop("dedupe_window", "1d"), "--dedupe-window")
    given["dedupe"] = window if given.get("dedupe") else None
    for name in ("local_domain", "local_network"):
        given[f"{name}s"] = tuple(given.pop(name, None) or ())
    given["idle"] = span(given.get("idle", "5d"), "--idle")
    return Options(**given, reference=datetime.now(UTC))


_YEAR_SOURCES = {"ids": "queue ids", "file": "the time of the file", "reference": "today's date"}


def confess(tally: Tally) -> None:
    """What was not understood, in one line on stderr."""
    said = tally.confession()
    if tally.years:
        told = " and ".join(words for source, words in _YEAR_SOURCES.items() if source in tally.year_sources)
        said += f"; years inferred from {told} ({', '.join(map(str, sorted(tally.years)))})"
    if tally.zone_assumed:
        said += "; zone UTC assumed"
    if tally.networks_assumed:
        said += "; loopback and private networks taken for ours (--local-network)"
    say(f"smtplog: {said}")
    if tally.entries and not (tally.understood or tally.debug):
        names = [
            str(program) for (_, program, why), _ in tally.by_program.most_common(4) if program and why == "foreign"
        ]
        others = f" (it was written by {', '.join(names)})" if names else ""
        say(f"smtplog: nothing in it is of a mail server that smtplog knows{others}; `smtplog check` shows examples")
    for problem in tally.problems:
        say(f"smtplog: {problem}")


@contextmanager
def progress_of(inputs: list[str]) -> Iterator[Callable[[str, int], None] | None]:
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


def zone_of(inputs: list[str], options: Options) -> Zone:
    """The zone in which days and hours of these inputs are meant.

    Raises:
        InputError: an input cannot be read.
    """
    from smtplog.read import zone

    return zone.of_inputs(inputs, options.zone)


def query_of(table: str, inputs: list[str], options: Options, **given: Any) -> Query:
    """What to keep of a table, out of the arguments of a command.

    Raises:
        QueryError: a filter that makes no sense or that the table lacks.
    """
    from smtplog.ask.query import FILTERS, Query, check_words, moment, span

    @cache
    def zone() -> tzinfo:
        found = zone_of(inputs, options)
        if found.is_of_log:
            say(f"smtplog: --since and --until without a zone are in {found.words}")
        elif found.is_unknown:
            say("smtplog: --since and --until are in UTC; the zone of the first input cannot be looked up (--timezone)")
        return found.info

    since, until, last = given.get("since"), given.get("until"), given.get("last")
    query = Query(
        {name: tuple(given.get(name) or ()) for name in FILTERS},
        moment(since, "--since", zone) if since is not None else None,
        moment(until, "--until", zone) if until is not None else None,
        span(last, "--last") if last is not None else None,
        given.get("where"),
    )
    check_words(query.patterns)
    query.expression(table)
    return query


def check_twice(why: str, inputs: list[str], otherwise: str = "") -> None:
    """Refuse what is gone when it has been read.

    Raises:
        QueryError: `why`, and which input cannot be read twice.
    """
    from smtplog.read.source import only_once

    passing = only_once(inputs)
    if passing:
        raise QueryError(f"{why}; give a file instead of {passing[0]}{otherwise}")


def counted_back(query: Query, inputs: list[str], options: Options) -> Query:
    """`--last` as a beginning, for answers that cannot wait for the end of the log: that is looked up first.

    Raises:
        QueryError: the input cannot be read twice.
    """
    if query.last is None:
        return query
    check_twice("--last reads its input twice here", inputs, ", or --since")
    from smtplog.lines import end_of

    end = end_of(inputs, options)
    begin = end - query.last if end else None
    return replace(query, since=max(filter(None, (query.since, begin)), default=None), last=None)


def spare(inputs: list[str], output: str | None) -> None:
    """Never write over what is to be read."""
    if output and any(Path(one).exists() and Path(output).exists() and Path(one).samefile(output) for one in inputs):
        raise OutputError(f"{output}: is also an input; choose another place with -o")
