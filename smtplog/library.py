"""The functions a program calls. Each reads a path, a file object or an iterable of lines, in flat memory."""

from __future__ import annotations

import json
from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import closing
from os import PathLike
from typing import Any, Generic, Self, TypeVar, Unpack

import polars as pl

from smtplog import pipeline
from smtplog.contract import schema
from smtplog.contract.records import TABLES, Delivery, Event, Message, Provenance, Session, Unparsed
from smtplog.errors import QueryError
from smtplog.read import rows
from smtplog.read.clock import Clock
from smtplog.read.handed import Given, legible
from smtplog.read.options import Options, Reading
from smtplog.read.tally import Tally
from smtplog.work import Frames

R = TypeVar("R", bound=Provenance)


class Run(Generic[R]):
    """An iterator of records, for one thread at a time, that also carries what was not understood.

    It may be left early: threads and files end with it, or at once with `close()` or a with-statement. `events` and its
    like make one.

    Attributes:
        tally: counts of entries understood, foreign, unknown, debug, malformed; complete at the iterator's end.
    """

    def __init__(self, source: Given, table: str, record: type[R], options: Options) -> None:
        self.tally = Tally()
        self._records = _records(pipeline.run(_given(source), {table: None}, options, self.tally), table, record)

    def __iter__(self) -> Iterator[R]:
        return self

    def __next__(self) -> R:
        return next(self._records)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Read no further: what is open is closed, nothing more comes."""
        self._records.close()


def _records(batches: Generator[Frames], table: str, record: type[R]) -> Generator[R]:
    with closing(batches):
        for frames in batches:
            for row in frames[table].iter_rows(named=True) if table in frames else ():
                if row.get("fields") is not None:
                    row["fields"] = json.loads(row["fields"])
                yield record.model_validate(row)


def _given(source: Given) -> list[Any]:
    """A path or an open file is one input; a list of paths or open files several; any other iterable holds lines."""
    if isinstance(source, (list, tuple)) and any(one != "" for one in source) and all(map(_is_input, source)):
        return list(source)
    return [source]


def _is_input(item: Any) -> bool:
    """Text in a list is a path when there is no blank in it, as a log line has one behind its stamp; empty text an empty one."""
    return hasattr(item, "read") or isinstance(item, PathLike) or (isinstance(item, str) and not set(item) & set(" \n"))


def events(source: Given, **options: Unpack[Reading]) -> Run[Event]:
    """Every understood entry of a source, in its order.

    Args:
        source: a path, a directory or a glob; an open file whose reading waits for what is to come; an iterable of
            lines; or a list of paths or open files (a path with a blank in it as a `Path`). The text of a log is given as `text.splitlines()`, its octets as
            `io.BytesIO(octets)`.
        options: the fields of `Options` by name.

    Raises:
        InputError: it cannot be read. QueryError: an option makes no sense, or a year is missing (pass `year=`).
    """
    return Run(source, "events", Event, Options(**options))


def sessions(source: Given, **options: Unpack[Reading]) -> Run[Session]:
    """The SMTP conversations of a source, in the order of their ends; see `events`."""
    return Run(source, "sessions", Session, Options(**options))


def messages(source: Given, **options: Unpack[Reading]) -> Run[Message]:
    """The mails of a source, in the order in which they were done; see `events`."""
    return Run(source, "messages", Message, Options(**options))


def deliveries(source: Given, **options: Unpack[Reading]) -> Run[Delivery]:
    """Every delivery attempt and refusal of a source; see `events`."""
    return Run(source, "deliveries", Delivery, Options(**options))


def frames(source: Given, *tables: str, **options: Unpack[Reading]) -> dict[str, pl.DataFrame]:
    """Whole tables in memory as Polars frames (`.to_arrow()` for Arrow).

    Args:
        source: as for `events`.
        tables: which of events, sessions, messages, deliveries; none: all of them.
        options: the fields of `Options` by name.

    Returns:
        Table name -> frame with the columns of its record; empty tables are there too.
    """
    wanted = _tables(tables)
    return _collected(pipeline.run(_given(source), wanted, Options(**options)), wanted)


def _tables(names: tuple[str, ...]) -> dict[str, frozenset[str] | None]:
    unknown = set(names) - set(TABLES)
    if unknown:
        raise QueryError(f"no table {', '.join(sorted(unknown))}; known are {', '.join(TABLES)}")
    return dict.fromkeys(names or TABLES)


def _collected(batches: Iterable[Frames], wanted: Iterable[str]) -> Frames:
    made = {name: [pl.DataFrame(schema=schema.of(TABLES[name]))] for name in wanted}
    for batch in batches:
        for name in made.keys() & batch.keys():
            made[name].append(batch[name])
    return {name: pl.concat(parts) for name, parts in made.items()}


class Stitcher:
    """Reads a log piece by piece, today's after yesterday's; keys are the same as in one run over everything.

    A file that is fed again, grown, renamed or packed, is read on from where it was left; lines and open files are read as
    they come. For one thread at a time.

    Args:
        tables: which of events, sessions, messages, deliveries; none: all of them.
        options: the fields of `Options` by name.

    Attributes:
        tally: counts of everything fed so far.
    """

    def __init__(self, *tables: str, **options: Unpack[Reading]) -> None:
        self.tally = Tally()
        self._tables, self._options = _tables(tables), Options(**options)
        self._state: bytes | None = None

    def feed(self, source: Given) -> dict[str, pl.DataFrame]:
        """Read the next piece, a source as for `events`; returns the frames of what it completed."""
        return _collected(self._run(_given(source), self.load), self._tables)

    def flush(self) -> dict[str, pl.DataFrame]:
        """Give out what is still open, as it stands, and begin anew."""
        done = _collected(self._run([], None), self._tables)
        self._state = None
        return done

    def _run(self, given: list[Any], keep: Callable[[bytes], None] | None) -> Iterator[Frames]:
        return pipeline.run(given, self._tables, self._options, self.tally, self._state, keep)

    def save(self) -> bytes | None:
        """What is still open, for `load` in a later run; None before anything was fed."""
        return self._state

    def load(self, state: bytes | None) -> None:
        """Go on from what `save` gave out.

        A state that is none is an `InputError` at the next `feed` or `flush`.
        """
        self._state = state


def parse_line(line: str, **options: Unpack[Reading]) -> Event | Unparsed:
    """One log line -> its event, or why it is none. Keys that need other lines are null.

    Args:
        line: with its envelope, with or without line end.
        options: `year`, `zone`, `reference`, `input_format`, `show_secrets` of `Options`; others change nothing. Without
            a year, `at` of a stamp that has none is null.

    Raises:
        QueryError: an option makes no sense. Never for the text.
    """
    asked = Options(**options)
    clock = Clock(asked.year, asked.zone, asked.reference)
    return rows.event(line, pipeline.formats(asked), clock, show_secrets=asked.show_secrets)


def parse_transcript(text: str, *, show_secrets: bool = False) -> list[Session]:
    """The sessions in a pasted text; an empty list when there is no dialogue in it. Never raises for text."""
    from smtplog.read import dialogue  # noqa: PLC0415 - transcripts are rarer than logs

    return dialogue.sessions(legible(text), show_secrets=show_secrets)
