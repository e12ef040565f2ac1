"""The log lines behind records: where a text stands, and all that was logged of a mail, a session, a refusal."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

import polars as pl

from smtplog.pipeline import Options, run

Spot = tuple[str, int]
"""Where an entry stands: its source and first line."""


@dataclass(frozen=True)
class Marks:
    """Entries by what they belong to, keys of messages and of sessions, and by their places."""

    messages: frozenset[str] = field(default_factory=frozenset)
    sessions: frozenset[str] = field(default_factory=frozenset)
    places: frozenset[Spot] = field(default_factory=frozenset)


def lines_with(given: Iterable[object], options: Options, text: str) -> Marks:
    """Where a text stands, upper and lower case alike: the messages one of whose lines has it, and every such entry."""
    keys: set[str] = set()
    places: set[Spot] = set()
    for frames in run(given, {"events": None}, options):
        if "events" in frames:
            hit = frames["events"].filter(pl.col("raw").str.to_lowercase().str.contains(text.lower(), literal=True))
            keys.update(hit["message_key"].drop_nulls())
            places.update(hit.select("source", "line").iter_rows())
    return Marks(messages=frozenset(keys), places=frozenset(places))


def lines_of(given: Iterable[object], options: Options, marks: Marks) -> Iterator[str]:
    """The log lines that are marked, each once, in the order of the log.

    Raises:
        InputError: an input cannot be read, or not a second time.
    """
    messages, sessions = (
        pl.Series(sorted(keys), dtype=pl.String).implode() for keys in (marks.messages, marks.sessions)
    )
    spots = pl.DataFrame(sorted(marks.places), schema={"source": pl.String, "line": pl.Int64}, orient="row")
    for frames in run(given, {"events": None}, options):
        if "events" in frames:
            events = frames["events"].select("source", "line", "message_key", "session_key", "raw")
            mine = pl.col("message_key").is_in(messages) | pl.col("session_key").is_in(sessions)
            by_place = events.join(spots, on=["source", "line"], how="semi")
            yield from pl.concat([events.filter(mine), by_place]).unique(["source", "line"]).sort("line")["raw"]


def of_records(given: Iterable[object], options: Options, table: str, records: pl.DataFrame) -> Iterator[str]:
    """The log lines behind the records of a table, told by the columns `query.BEHIND` names. Errors: see `lines_of`."""
    told = records.drop_nulls()
    if table == "messages":
        return lines_of(given, options, Marks(messages=frozenset(told["message_key"])))
    if table == "sessions":
        return lines_of(given, options, Marks(sessions=frozenset(told["session_key"])))
    return lines_of(given, options, Marks(places=frozenset(told.iter_rows())))
