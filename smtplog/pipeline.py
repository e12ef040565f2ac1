"""The whole flow on one page: input -> blocks -> entries -> events -> sessions, messages, deliveries.

Nothing walks back. Memory is bounded by the blocks under way and by what is still open.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import datetime
from functools import partial
from itertools import chain
from pathlib import Path

import polars as pl

from smtplog.ask.query import TIME
from smtplog.contract import schema
from smtplog.contract.records import TABLES, Session
from smtplog.errors import OutputError, QueryError
from smtplog.formats import all_formats
from smtplog.formats.base import Format
from smtplog.join.assemble import REASONS
from smtplog.join.copies import Copies
from smtplog.join.direction import Ours
from smtplog.join.needs import needed_fields
from smtplog.join.overlap import Overlap
from smtplog.join.stitch import Stitcher
from smtplog.read import columns, detect, envelope, first_lines, rotation, secrets, source
from smtplog.read.clock import Clock
from smtplog.read.columns import KindFrame, Parsed
from smtplog.read.first_lines import HEAD
from smtplog.read.options import Options
from smtplog.read.plan import Wanted
from smtplog.read.resume import Marks, Track
from smtplog.read.tally import Tally
from smtplog.work import UNFINISHED, Frames, Work, frames_of

DOCUMENT_BYTES = 64 * 1024 * 1024
MANY, SMALL_BYTES = 8, 1024 * 1024
"""Several logs read side by side share the memory of one; their blocks do not become smaller than this."""
Tables = dict[str, frozenset[str] | None]


def formats(options: Options) -> tuple[Format, ...]:
    """The formats to expect.

    Raises:
        QueryError: there is no such format.
    """
    known = all_formats()
    if options.input_format is None:
        return known
    named = tuple(one for one in known if one.name == options.input_format)
    if not named and options.input_format != "transcript":
        names = ", ".join([*(one.name for one in known), "transcript"])
        raise QueryError(f"--input-format {options.input_format}: no such format; known are {names}")
    return named


def run(
    given: Iterable[object], tables: Tables, options: Options | None = None, tally: Tally | None = None,
    state: bytes | None = None, keep: Callable[[bytes], None] | None = None,
) -> Generator[Frames]:  # fmt: skip
    """Read inputs and give out, block by block, what they complete.

    Args:
        given: what `source.inputs` takes.
        tables: the tables to make, each with its columns (None: all).
        options: how to read.
        tally: counts what was and was not understood.
        state: what an earlier run kept.
        keep: is given the open state at the end instead of flushing it; of files that an earlier run has read, only
            what is new is read then.

    Yields:
        For each block and at the end: table name -> frame; tables without new rows are left out.

    Raises:
        InputError: an input cannot be read. QueryError: an option makes no sense.
    """
    options = options or Options()
    tally = tally if tally is not None else Tally()
    expected = formats(options)
    stitcher = Stitcher(expected, tables, options.idle, _diagnosis(tables, options), options.show_secrets)
    tally.networks_assumed = not options.local_networks and "direction" in (tables.get("messages") or ())
    stitcher.ours = Ours(tuple(options.local_domains), tuple(options.local_networks))
    if state:
        stitcher.load(state, lambda host, program: detect.place(host, program, expected))
    marks = Marks(stitcher.read) if keep else None
    wanted = needed_fields(tables)
    copies, overlap = Copies(), Overlap(options.dedupe)
    sets = rotation.sets(source.inputs(given))
    stitcher.is_several, has_many = len(sets) > 1, sum(map(len, sets)) > 1
    newest = frozenset(files[-1] for files in sets)
    if marks:  # of a thousand files one may have something new
        sets = [new for files in sets if (new := [one for one in files if marks.look(one)])]
    if stitcher.is_several:
        wanted = columns.for_several_hosts(wanted)
        smaller = max(options.block_bytes // min(max(len(sets), 1), MANY), min(options.block_bytes, SMALL_BYTES))
        options = replace(options, block_bytes=smaller)
    needs = _Needs(
        wanted,
        texts=wanted is None or "raw" in (tables.get("events") or ()) or has_many or options.zone is not None,
        covers=not options.show_secrets and any(_shows(asked) for asked in tables.values()),
    )
    with Work(options.threads) as work:
        how = _Reading(tables, options, tally, expected, needs, work, marks, newest)
        streams = [
            (_begins(files[0], options) if stitcher.is_several else None, _one_set(files, how)) for files in sets
        ]
        for piece, stitcher.watermark in rotation.side_by_side(streams):
            if piece.parsed is not None:
                fresh = told = piece.parsed
                fuller: list[KindFrame] = []
                if has_many:
                    told = overlap.part(told, piece.name)
                    fresh, fuller = copies.part(told, piece.name)
                if options.watch:
                    options.watch(fresh, piece.name)
                is_over = piece.is_last and not keep and not stitcher.is_several
                work.finish(stitcher.take(fresh, piece.name, told, fuller, flush=is_over))
                yield from work.done(UNFINISHED)
            elif piece.frames:
                yield from work.done(0)
                yield piece.frames
        yield from work.done(0)
    tally.judge()
    tally.problems += overlap.twice()
    tally.repeated += overlap.dropped
    if keep and marks:
        tally.problems += marks.words()
        stitcher.read = marks.now()
        keep(stitcher.save())
        return
    stitcher.watermark = None
    yield from frames_of(stitcher.flush())


def _begins(one: source.Input, options: Options) -> datetime | None:
    """The time of an input's first entry, looked up in its first lines; None where it cannot be opened twice."""
    head = source.head(one, HEAD * 100)
    if head is None or one.modified is None:
        return None
    wrapping = envelope.find(source.lines(head)["raw"].head(HEAD))
    entries = envelope.entries(head, wrapping)
    clock = Clock(options.year, options.zone, one.modified)
    at = clock.apply(entries, [])["at"].drop_nulls()
    return at[0] if wrapping.rate >= 0.5 and len(at) else None


def _one_set(files: list[source.Input], how: _Reading) -> Iterator[tuple[datetime | None, _Piece]]:
    """The pieces of a rotated set, with their times; a year that was given goes on from file to file."""
    before: Clock | None = None
    year, zone, reference = how.options.year, how.options.zone, how.options.reference
    for one in files:
        clock = Clock(year, zone, one.modified or reference, is_lent=one.modified is None)
        if before and year is not None:
            clock.current, clock.month = before.current, before.month
        for piece in _one_input(one, clock, how):
            at = piece.parsed.entries["at"].drop_nulls().head(1).to_list() if piece.parsed else []
            yield (at[0] if at else None), replace(piece, is_last=piece.is_last and one is files[-1])
        before = clock


def _diagnosis(tables: Tables, options: Options) -> Callable[[pl.DataFrame], pl.DataFrame] | None:
    """The diagnosis, where a reason is asked for."""
    shown = (REASONS, tables.get("deliveries", frozenset())), (("recipients",), tables.get("messages", frozenset()))
    if all(asked is not None and asked.isdisjoint(names) for names, asked in shown):
        return None
    from smtplog.ask import diagnose  # noqa: PLC0415 - its rules take time to load

    # the built-in rules are loaded where they are first asked, beside the reading
    return partial(diagnose.column, rules=diagnose.load_rules(options.rules) if options.rules else None)


@dataclass(frozen=True)
class _Needs:
    """What is needed of entries: `fields` that rules name, the lines themselves (`texts`), secrets masked (`covers`)."""

    fields: Wanted
    texts: bool
    covers: bool


@dataclass(frozen=True)
class _Reading:
    """How all inputs of a run are read, and what is counted on the way."""

    tables: Tables
    options: Options
    tally: Tally
    expected: tuple[Format, ...]
    needs: _Needs
    work: Work
    marks: Marks | None
    """How far earlier runs have read; None: all is read."""
    newest: frozenset[source.Input]
    """The last file of each rotated set: the others are written to no more."""


@dataclass(frozen=True)
class _Piece:
    """What one block of an input holds: entries to be stitched, or what a transcript gave."""

    name: str
    parsed: Parsed | None = None
    frames: Frames | None = None
    is_last: bool = False
    """Nothing comes after it in its set."""


def _one_input(one: source.Input, clock: Clock, how: _Reading) -> Iterator[_Piece]:
    options, tally, expected, needs = how.options, how.tally, how.expected, how.needs
    track = how.marks.begin(one) if how.marks else None
    end, lines = (track.end, track.lines) if track else (0, 0)
    blocks = source.blocks(one, options.block_bytes, end, lines + 1)
    first = next(blocks)
    whole: Iterator[source.Block] = chain([first], blocks)
    if end:  # its beginning tells what it is
        first = next(source.blocks(one, HEAD * 1000))
    head = source.lines(source.Block(first.source, first.data[: HEAD * 1000], 1, 0))["raw"].head(HEAD)
    wrapping = envelope.find(head)
    if _is_transcript(head, wrapping.rate, first, options, expected):
        yield from _new_sessions(one, source.blocks(one, options.block_bytes) if end else whole, how, lines)
        return
    whole = envelope.whole(whole, wrapping)
    if how.marks and track:
        whole = envelope.without_open(whole, wrapping, is_complete=track.is_packed or one not in how.newest)
        whole = how.marks.follow(one, track, whole)
    parse = partial(_parse, wrapping=wrapping, expected=expected, needs=needs)
    answers = secrets.Answers()
    is_first = True
    for block, parsed in how.work.in_order(parse, whole):
        births = first_lines.births(parsed.entries, expected) if is_first else []
        is_first = False
        if clock.needs_reference(parsed.entries, births):
            raise QueryError(
                f"{one.name}: its stamps have no year and the input no time of its own; give --year (year=)"
            )
        doubtful = clock.is_doubtful(parsed.entries)
        if doubtful is not None:
            births = [*births, *first_lines.births(parsed.entries, expected, doubtful)]
        entries = clock.apply(parsed.entries, births)
        host = options.log_host or wrapping.host
        if host:
            entries = entries.with_columns(pl.col("host").fill_null(host))
        places = tuple(replace(p, host=p.host or host) for p in parsed.places)
        parsed = replace(parsed, entries=entries, places=places)
        if needs.covers:
            parsed = answers.covered(parsed)
        tally.add(parsed, one.name, clock)
        if block.problem:
            tally.problems.append(block.problem)
        if options.progress:
            options.progress(one.name, block.size)
        yield _Piece(one.name, parsed, is_last=block.is_last)


def _new_sessions(
    one: source.Input, blocks: Iterator[source.Block], how: _Reading, known: int
) -> Iterator[_Piece]:  # fmt: skip
    """What a transcript gives: one that has grown is read whole, and gives the sessions that begin behind the `known` lines."""
    if how.marks and one.modified is not None:
        blocks = how.marks.follow(one, Track(), blocks)
    for found in _document(one, blocks, how):
        fresh = found.filter(pl.col("line") > known)
        if "sessions" in how.tables and fresh.height:
            asked = how.tables["sessions"]
            shown = fresh.select(c for c in fresh.columns if asked is None or c in asked)
            yield _Piece(one.name, frames={"sessions": shown})


def _is_transcript(
    head: pl.Series, rate: float, first: source.Block, options: Options, expected: tuple[Format, ...]
) -> bool:
    if options.input_format:
        return options.input_format == "transcript"
    return first_lines.is_document(head, rate, first.data, expected)


def _shows(asked: frozenset[str] | None) -> bool:
    """Do these columns of a table show what log lines say?"""
    return asked is None or not asked.isdisjoint(secrets.SHOWING)


def _parse(
    block: source.Block, *, wrapping: envelope.Wrapping, expected: tuple[Format, ...], needs: _Needs
) -> Parsed:  # fmt: skip
    entries = envelope.entries(block, wrapping)
    entries = secrets.covered(entries) if needs.covers else entries
    keeps_texts = needs.texts or block.offset == 0  # its ids may tell the year
    return columns.parse(entries, expected, needs.fields, keeps_texts=keeps_texts)


def _document(one: source.Input, blocks: Iterator[source.Block], how: _Reading) -> Iterator[pl.DataFrame]:
    """The sessions of a transcript; of a protocol log, which may be of any length, block by block."""
    from smtplog.read import dialogue, protocol  # noqa: PLC0415 - transcripts are rarer than logs

    first = next(blocks)
    blocks, show_secrets = chain([first], blocks), how.options.show_secrets
    if protocol.is_protocol(source.lines(first)["raw"].head(HEAD)):
        for frame, understood, odd in protocol.frames(blocks, one.name, show_secrets=show_secrets):
            how.tally.add_rows(understood, odd)
            yield frame
        return
    data = bytearray()
    for block in blocks:
        data += block.data
        if block.problem:
            how.tally.problems.append(block.problem)
        if len(data) > DOCUMENT_BYTES:
            how.tally.problems.append(f"{one.name}: read as a transcript only up to {DOCUMENT_BYTES:,} octets")
            break
    text = data.decode("utf-8", "backslashreplace")
    found = dialogue.sessions(text, source=one.name, show_secrets=show_secrets)
    how.tally.add_document(one.name, text, found)
    yield pl.DataFrame([s.model_dump() for s in found], schema=schema.of(Session))


def export(
    given: Iterable[object], folder: Path, tables: Iterable[str], options: Options, tally: Tally, *,
    partition_by: str | None = None, state: Path | None = None,
) -> dict[str, int]:  # fmt: skip
    """Write tables as Parquet datasets under a folder; each appears whole or not at all.

    Args:
        given: what `source.inputs` takes.
        folder: each table becomes a folder in it; an older one there is replaced, or added to where there is a `state`.
        tables: names of tables.
        options: how to read.
        tally: counts what was and was not understood.
        partition_by: None, or `date`: Hive partitions by the day of the record (UTC).
        state: file with what earlier runs left open and how far they read; gets what this one does.

    Returns:
        Table name -> rows.

    Raises:
        QueryError: an unknown table or partition. OutputError: the folder cannot be written to. InputError: see `run`.
    """
    from smtplog.show.datasets import Datasets  # noqa: PLC0415 - queries write no Parquet

    names = list(tables)
    for name in names:
        if name not in TABLES:
            raise QueryError(f"--tables {name}: no such table; known are {', '.join(TABLES)}")
    if partition_by not in (None, "date"):
        raise QueryError(f"--partition-by {partition_by}: only date is known")
    if state and not state.parent.is_dir():
        raise OutputError(f"{state}: no such folder; the state of this run could not be kept")
    wanted: Tables = {name: frozenset(schema.of(TABLES[name])) for name in names}
    times = {name: TIME[name] for name in names}
    with Datasets(folder, times, by_date=partition_by == "date", state=state) as made:
        before = source.whole(state) if state else None  # now that no other run writes it
        if state and before is None and any((folder / name).exists() for name in names):
            tally.problems.append(
                f"{folder}: rows are added to those there, but {state} with what they left open is missing"
            )
        for frames in run(given, wanted, options, tally, before, made.keep if state else None):
            made.write(frames)
    return made.rows


def document(given: object, *, show_secrets: bool = False) -> list[Session]:
    """The sessions of one transcript, whatever else stands in the file.

    Raises:
        InputError: it cannot be read.
    """
    from smtplog.read import dialogue  # noqa: PLC0415

    data = b"".join(block.data for one in source.inputs([given]) for block in source.blocks(one))
    text = data[:DOCUMENT_BYTES].decode("utf-8", "backslashreplace")
    return dialogue.sessions(text, source=str(given), show_secrets=show_secrets)
