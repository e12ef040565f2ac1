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


@dataclass
class Copies:
    """How often each entry of the kinds that are copied was said: in the inputs before, and in this one."""

    main: pl.DataFrame = field(default_factory=_nothing)
    side: pl.DataFrame = field(default_factory=_nothing)
    now: list[pl.DataFrame] = field(default_factory=list)
    last: dict[str, pl.DataFrame] = field(default_factory=dict)
    """Of each kind what the block before said: who says the same once more says it at the same time."""
    source: str | None = None
    is_main: bool = False
    """Has this input beginnings or ends of messages?"""

    def part(self, parsed: Parsed, source: str) -> tuple[Parsed, list[KindFrame]]:
        """Part a block with complete times: without its copies, and those copies that say more (`recipients`)."""
        if source != self.source:
            self._begin(source)
        self.is_main |= any(one.kind.message in ("start", "end") for one in parsed.kinds)
        before = self.side if self.is_main else pl.concat([self.main, self.side])
        fresh, fuller = [], []
        for one in parsed.kinds:
            if not one.kind.copied or not one.format.is_plain:
                fresh.append(one)
                continue
            is_copy = self._take(parsed, one, before)
            fresh.append(one if not is_copy.any() else replace(one, frame=one.frame.filter(~is_copy)))
            if is_copy.any() and "recipients" in one.frame.columns and "queue_id" in one.frame.columns:
                more = one.frame.filter(is_copy & one.frame["recipients"].is_not_null())
                fuller.append(replace(one, frame=more))
        whole = replace(parsed, kinds=tuple(one for one in fresh if one.frame.height))
        return whole, [one for one in fuller if one.frame.height]

    def _begin(self, source: str) -> None:
        if self.now:
            name = "main" if self.is_main else "side"
            whole = pl.concat([getattr(self, name), *self.now])
            setattr(self, name, whole.group_by("entry", maintain_order=True).agg(pl.col("count").max()).tail(MOST))
        self.now, self.last, self.source, self.is_main = [], {}, source, False

    def _take(self, parsed: Parsed, one: KindFrame, before: pl.DataFrame) -> pl.Series:
        """Which entries of a kind are copies; they are kept in mind."""
        rows = one.frame["row"]
        said = parsed.entries.select(
            pl.struct("at", "pid", "host", pl.col("text").str.splitn("\n", 2).struct.field("field_0"))
            .gather(rows)
            .hash(7)
            .alias("entry")
        )
        told = self.last.get(one.kind.name, _nothing())
        counted = said.join(told, on="entry", how="left", maintain_order="left").with_columns(
            count=(pl.int_range(1, pl.len() + 1).over("entry") + pl.col("count").fill_null(0)).cast(pl.UInt32)
        )
        self.last[one.kind.name] = counted.group_by("entry", maintain_order=True).agg(pl.col("count").max())
        self.now.append(self.last[one.kind.name])
        if before.is_empty():
            return pl.Series([False]).new_from_index(0, len(rows))
        known = counted.join(
            before.group_by("entry").agg(count_before=pl.col("count").max()),
            on="entry",
            how="left",
            maintain_order="left",
        )
        return known.select((pl.col("count") <= pl.col("count_before")).fill_null(False)).to_series()
