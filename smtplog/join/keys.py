"""Keys of sessions: which connection of a process an event belongs to, known as soon as the event is read.

A process serves one connection after another; the last start before an event says which. Keys read
host/instance/service/pid@opening time.ordinal within that second, and `@?` where the opening lies outside the input.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import polars as pl

from smtplog.contract.fields import MOMENT, STAMP
from smtplog.formats.base import Kind
from smtplog.join.view import View
from smtplog.read.source import apart

_RECENT = timedelta(seconds=2)

SCHEMA: Mapping[str, Any] = {
    "process": pl.UInt64,
    "stem": pl.String,
    "mark": pl.Int64,
    "at": MOMENT,
    "ordinal": pl.Int64,
    "is_start": pl.Boolean,
    "session_key": pl.String,
}


@dataclass
class SessionKeys:
    """What is open: for each process its last start or end, and the starts of the last seconds."""

    turns: pl.DataFrame = field(default_factory=lambda: pl.DataFrame(schema=SCHEMA))

    def added(self, frames: Sequence[tuple[str, pl.DataFrame]], view: View) -> list[tuple[str, pl.DataFrame]]:
        """The events of a block by label, with `session_key` where they belong to sessions and it will be shown."""
        kinds = {label: view.kind(label) for label, _ in frames}
        turns = []
        for label, frame in frames:
            if kinds[label].session in ("start", "end"):
                is_start = kinds[label].session == "start"
                stem = view.session_stem(frame, kinds[label]) if is_start else pl.lit(None, dtype=pl.String)
                turn = view.session_tie(frame, kinds[label])
                turns.append(turn.with_columns(is_start=pl.lit(is_start), stem=stem))
        if turns:
            self.turn(pl.concat(turns))
        shows_all = "sessions" in view.wanted or "events" in view.wanted
        mine = [n for n, (label, _) in enumerate(frames) if kinds[label].session]
        mine = [n for n in mine if shows_all or kinds[frames[n][0]].message or kinds[frames[n][0]].delivers]
        out = list(frames)
        if mine:
            ties = [view.session_tie(frames[n][1], kinds[frames[n][0]]) for n in mine]
            keys, start = self.of(pl.concat(ties)), 0
            for n in mine:
                label, frame = frames[n]
                key = keys.slice(start, frame.height)
                start += frame.height
                if key.null_count():  # opened before the input began
                    key = key.zip_with(key.is_not_null(), view.session_stem(frame, kinds[label]) + "@?")
                out[n] = label, frame.with_columns(key)
        self.forget()
        return out

    def turn(self, events: pl.DataFrame) -> None:
        """Take in the starts and ends of a block.

        Args:
            events: {process, seq, at, is_start, stem}, of one block; after a seq in `turns` only. Ends need no stem.
        """
        if events.is_empty():
            return
        fresh = events.select(
            "process",
            "stem",
            mark=pl.col("seq") * 2 + (~pl.col("is_start")).cast(pl.Int64),
            at="at",
            is_start="is_start",
        )
        second = pl.struct("stem", pl.col("at").dt.truncate("1s")).hash().alias("second")
        before = self.turns.filter("is_start").group_by(second).agg(used=pl.col("ordinal").max())
        starts = fresh.filter("is_start").with_columns(second)
        starts = starts.join(before, on="second", how="left").sort("second", "mark")
        place = pl.int_range(pl.len())
        first = pl.when((pl.col("second") != pl.col("second").shift()).fill_null(True)).then(place).forward_fill()
        ordinal = place - first + 1 + pl.col("used").fill_null(0)
        opened = pl.col("at").dt.strftime(STAMP).fill_null("-")
        key = pl.concat_str("stem", pl.lit("@"), opened, pl.lit("."), "ordinal")
        starts = starts.with_columns(ordinal=ordinal).with_columns(session_key=key).select(*SCHEMA)
        fresh = pl.concat([starts, fresh.filter(~pl.col("is_start"))], how="diagonal")
        self.turns = pl.concat([self.turns, fresh])

    def of(self, events: pl.DataFrame) -> pl.Series:
        """The session key of every event of {process, seq}; any order. Null where no start or end came before it."""
        numbered = events.with_row_index("row").select("row", "process", mark=pl.col("seq") * 2).sort("mark")
        found = numbered.join_asof(
            self.turns.select("process", "mark", "session_key").sort("mark"),
            on="mark", by="process", check_sortedness=False,
        )  # fmt: skip
        return found.sort("row")["session_key"]

    def forget(self) -> None:
        """Keep what later blocks can still need: what began last and is not over, and the last seconds."""
        if self.turns.is_empty():
            return
        now = self.turns["at"].max()
        last = pl.col("mark") == pl.col("mark").max().over("process")
        recent = (pl.col("at") > pl.lit(now) - _RECENT).fill_null(False)
        self.turns = apart(self.turns.filter((last & pl.col("is_start")) | recent))


def tellable(frame: pl.DataFrame, kind: Kind) -> pl.DataFrame:
    """Without the starts that another process logged than serves the connection, where nothing else ties the two."""
    if kind.session != "start" or kind.session_by != "peer":
        return frame
    told = [pl.col("pid").is_null()]
    told += [pl.col(name).is_not_null() for name in ("client_port", "connection_id") if name in frame.columns]
    return frame.filter(pl.any_horizontal(told))
