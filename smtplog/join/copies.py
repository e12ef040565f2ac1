"""Entries that a server writes to two of its logs: read together, each is counted once.

Exim's reject and panic logs repeat what its main log says, the same to the last letter. An entry is a copy where another
input has said it as often already, and one of the two is no main log: two servers may say the same of one client. The
event of a copy stays, but it tells of nothing new.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import polars as pl

from smtplog.read.columns import KindFrame, Parsed

SCHEMA: Mapping[str, Any] = {"entry": pl.UInt64, "count": pl.UInt32}
MOST = 4_000_000
"""So many entries are kept in mind; the oldest inputs are forgotten first."""


def _nothing() -> pl.DataFrame:
    return pl.DataFrame(schema=SCHEMA)


def _together(parts: list[pl.DataFrame], how: pl.Expr) -> pl.DataFrame:
    return pl.concat(parts).group_by("entry", maintain_order=True).agg(how.cast(pl.UInt32))


@dataclass
class Copies:
    """How often each entry of the kinds that are copied was said: in the inputs before, and in this one."""

    main: pl.DataFrame = field(default_factory=_nothing)
    side: pl.DataFrame = field(default_factory=_nothing)
    now: list[pl.DataFrame] = field(default_factory=list)
    """One part a block; who says the same once more says it at the same time, in the same block or the next."""
    source: str | None = None
    is_main: bool = False
    """Has this input beginnings or ends of messages?"""

    def part(self, parsed: Parsed, source: str) -> tuple[Parsed, list[KindFrame]]:
        """Part a block with complete times: without its copies, and those copies that say more (`recipients`)."""
        if source != self.source:
            self._begin(source)
        self.is_main |= any(one.kind.message in ("start", "end") for one in parsed.kinds)
        mine = [one for one in parsed.kinds if one.kind.copied and one.format.is_plain]
        if not mine:
            return parsed, []
        rows = pl.concat([one.frame["row"] for one in mine])
        is_copy = self._take(_hashes(parsed, rows))
        if is_copy is None:
            return parsed, []
        fresh = [one for one in parsed.kinds if not (one.kind.copied and one.format.is_plain)]
        fuller, start = [], 0
        for one in mine:
            theirs = is_copy.slice(start, one.frame.height)
            start += one.frame.height
            fresh.append(replace(one, frame=one.frame.filter(~theirs)))
            if "recipients" in one.frame.columns and "queue_id" in one.frame.columns:
                fuller.append(replace(one, frame=one.frame.filter(theirs & one.frame["recipients"].is_not_null())))
        whole = replace(parsed, kinds=tuple(one for one in fresh if one.frame.height))
        return whole, [one for one in fuller if one.frame.height]

    def _begin(self, source: str) -> None:
        if self.now:
            name = "main" if self.is_main else "side"
            mine = _together(self.now, pl.col("count").sum())
            setattr(self, name, _together([getattr(self, name), mine], pl.col("count").max()).tail(MOST))
        self.now, self.source, self.is_main = [], source, False

    def _take(self, entry: pl.Series) -> pl.Series | None:
        """Which entries are copies (None: none); they are kept in mind."""
        said = entry.to_frame("entry")
        before = [self.side] if self.is_main else [self.main, self.side]
        told = self.now[-1] if self.now else _nothing()
        self.now.append(said.group_by("entry", maintain_order=True).agg(count=pl.len().cast(pl.UInt32)))
        if not any(part.height for part in before):
            return None
        earlier = _together(before, pl.col("count").max()).rename({"count": "before"})
        known = said.join(told, on="entry", how="left", maintain_order="left").join(
            earlier, on="entry", how="left", maintain_order="left"
        )
        ordinal = pl.int_range(1, pl.len() + 1).over("entry") + pl.col("count").fill_null(0)
        is_copy = known.select((ordinal <= pl.col("before")).fill_null(False)).to_series()
        return is_copy if is_copy.any() else None


def _hashes(parsed: Parsed, rows: pl.Series) -> pl.Series:
    """What makes an entry the same: time, process, host, and the first line of its text."""
    said = parsed.entries.select("at", "pid", "host", "text", "line_count")[rows]
    if (said["line_count"] > 1).any():
        said = said.with_columns(pl.col("text").str.splitn("\n", 2).struct.field("field_0").alias("text"))
    return said.select(pl.struct("at", "pid", "host", "text").hash(7)).to_series()
