"""The log lines behind records: where a text stands, and all that was logged of a mail, a session, a refusal."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

import polars as pl

from smtplog.ask.trace import Trace
from smtplog.pipeline import run
from smtplog.read.columns import Parsed
from smtplog.read.options import Options

Spot = tuple[str, int]
"""Where an entry stands: its source and first line."""
_PLACE = frozenset({"source", "line"})
_LATE = timedelta(seconds=10)


@dataclass(frozen=True)
class Life:
    """A message as other programs may name it: by its id, while it was here."""

    queue_id: str
    host: str | None
    since: datetime | None
    until: datetime | None

    def named_in(self, raw: str, host: str | None, at: datetime | None) -> bool:
        """Does an entry of that host and time name the id as a word?"""
        if host != self.host:
            return False
        if at and ((self.since and at < self.since - _LATE) or (self.until and at > self.until + _LATE)):
            return False
        before, found, after = raw.partition(self.queue_id)
        return bool(found) and not (before[-1:].isalnum() or after[:1].isalnum())


@dataclass(frozen=True)
class Marks:
    """Entries by what they belong to, keys of messages and of sessions, and by their places."""

    messages: frozenset[str] = field(default_factory=frozenset)
    sessions: frozenset[str] = field(default_factory=frozenset)
    places: frozenset[Spot] = field(default_factory=frozenset)
    lives: tuple[Life, ...] = ()
    """The messages whose id entries that are not understood, of filters unknown, may name."""

    @classmethod
    def of_messages(cls, rows: Iterable[Mapping[str, Any]]) -> Marks:
        """The messages of these rows {message_key, queue_id, host, received_at, removed_at}."""
        keys, lives = set(), []
        for row in rows:
            keys.add(row["message_key"])
            lives.append(Life(row["queue_id"], row["host"], row["received_at"], row["removed_at"]))
        return cls(messages=frozenset(keys), lives=tuple(lives))

    @classmethod
    def of_trace(cls, found: Trace) -> Marks:
        """All that is told: messages, attempts, refusals."""
        mails = cls.of_messages(message for hop in found.hops() for message in hop.messages())
        return replace(mails, places=frozenset(found.places()))


def end_of(given: Iterable[object], options: Options) -> datetime | None:
    """When the last entry was logged."""
    told = run(given, {"events": frozenset({"at"})}, options)
    ends = [frames["events"]["at"].max() for frames in told if "events" in frames]
    return max((end for end in ends if isinstance(end, datetime)), default=None)


def lines_with(given: Iterable[object], options: Options, text: str) -> Marks:
    """Where a text stands, upper and lower case alike: the messages one of whose lines has it, and every such entry."""
    keys: set[str] = set()
    places: set[Spot] = set()
    for frames in run(given, {"events": _PLACE | {"message_key", "raw"}}, options):
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
    asked = {"message_key": marks.messages, "session_key": marks.sessions}
    keys = {name: pl.Series(sorted(some), dtype=pl.String).implode() for name, some in asked.items() if some}
    spots = pl.DataFrame(sorted(marks.places), schema={"source": pl.String, "line": pl.Int64}, orient="row")
    others = _Others(marks.lives)
    for frames in run(given, {"events": _PLACE | keys.keys() | {"raw"}}, replace(options, watch=others.see)):
        if "events" in frames:
            events = frames["events"]
            mine = pl.any_horizontal(pl.lit(False), *(pl.col(name).is_in(some) for name, some in keys.items()))
            by_place = events.join(spots, on=["source", "line"], how="semi")
            found = (
                pl.concat([events.filter(mine), by_place]).unique(["source", "line"]).select("source", "line", "raw")
            )
            beside = others.until(events["source"][0], events["line"][-1])
            yield from pl.concat([found, beside]).sort("line")["raw"]
    for source in list(others.waiting):
        yield from others.until(source, None)["raw"]


class _Others:
    """Entries that are not understood and name one of some messages, until their turn comes."""

    def __init__(self, lives: tuple[Life, ...]) -> None:
        self._lives: dict[str, list[Life]] = {}
        for life in lives:
            self._lives.setdefault(life.queue_id, []).append(life)
        self.waiting: dict[str, list[tuple[str, int, str]]] = {}

    def see(self, parsed: Parsed, source: str) -> None:
        """Take what a block has of them."""
        rest = parsed.entries[parsed.rest["row"]] if self._lives and parsed.rest.height else parsed.entries.clear()
        rest = rest.filter(pl.col("raw").str.contains_any(list(self._lives))) if rest.height else rest
        for line, raw, host, at in rest.select("line", "raw", "host", "at").iter_rows():
            near = [life for name, some in self._lives.items() if name in raw for life in some]
            if any(life.named_in(raw, host, at) for life in near):
                self.waiting.setdefault(source, []).append((source, line, raw))

    def until(self, source: str, line: int | None) -> pl.DataFrame:
        """Those of a source up to a line, None: all; each only once."""
        mine = self.waiting.pop(source, [])
        later = [one for one in mine if line is not None and one[1] > line]
        if later:
            self.waiting[source] = later
        ready = [one for one in mine if line is None or one[1] <= line]
        return pl.DataFrame(ready, schema={"source": pl.String, "line": pl.Int64, "raw": pl.String}, orient="row")


def of_records(given: Iterable[object], options: Options, table: str, records: pl.DataFrame) -> Iterator[str]:
    """The log lines behind the records of a table, told by the columns `query.BEHIND` names. Errors: see `lines_of`."""
    if table == "messages":
        return lines_of(given, options, Marks.of_messages(records.iter_rows(named=True)))
    told = records.drop_nulls()
    if table == "sessions":
        return lines_of(given, options, Marks(sessions=frozenset(told["session_key"])))
    return lines_of(given, options, Marks(places=frozenset(told.iter_rows())))
