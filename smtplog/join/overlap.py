"""Logs that overlap: entries that another input has said already, and two inputs that are one log.

An entry is the same where text, host, process and second are; the second alone, for one log may have decimals and the
other not. Where an input says a thing several times, so many are its own: the third of one is the third of the other.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import timedelta
from itertools import combinations
from typing import Any

import polars as pl

from smtplog.contract.fields import MOMENT
from smtplog.read.columns import Parsed

SAMPLE = 1000
"""So many entries of each input, those with the smallest hashes, are compared at the end."""
ALIKE = 0.5
SCHEMA: Mapping[str, Any] = {
    "entry": pl.UInt64,
    "source": pl.String,
    "count": pl.UInt32,
    "at": MOMENT,
}


@dataclass
class Overlap:
    """What the inputs said, of about the last `window`; None: nothing is left out."""

    window: timedelta | None = None
    dropped: int = 0
    said: pl.DataFrame = field(default_factory=lambda: pl.DataFrame(schema=SCHEMA))
    samples: dict[str, pl.Series] = field(default_factory=dict)

    def part(self, parsed: Parsed, source: str) -> Parsed:
        """A block with complete times without the entries that another input has said; blocks in the order of time."""
        if self.window is None:
            self._sample(parsed, source)
            return parsed
        is_known = self._known(parsed.entries, source, self.window)
        if not is_known.any():
            return parsed
        self.dropped += int(is_known.sum())
        kinds = (replace(one, frame=one.frame.filter(~is_known.gather(one.frame["row"]))) for one in parsed.kinds)
        return replace(parsed, kinds=tuple(one for one in kinds if one.frame.height))

    def _known(self, entries: pl.DataFrame, source: str, window: timedelta) -> pl.Series:
        here = entries.select("at", entry=pl.struct(pl.col("at").dt.truncate("1s"), "host", "pid", "text").hash(11))
        now = here["at"].min()
        if now is not None:
            self.said = self.said.filter(pl.col("at") >= pl.lit(now) - window)
        own = self.said.filter(pl.col("source") == source).select("entry", own="count")
        others = self.said.filter(pl.col("source") != source).group_by("entry").agg(others=pl.col("count").max())
        here = here.join(own, on="entry", how="left", maintain_order="left")
        here = here.join(others, on="entry", how="left", maintain_order="left")
        nth = pl.int_range(1, pl.len() + 1).over("entry") + pl.col("own").fill_null(0)
        here = here.with_columns(count=nth.cast(pl.UInt32))
        fresh = here.filter(pl.col("at").is_not_null()).group_by("entry").agg(
            source=pl.lit(source), count=pl.col("count").max(), at=pl.col("at").max()
        )  # fmt: skip
        self.said = pl.concat([self.said, fresh.select(*SCHEMA)]).unique(["entry", "source"], keep="last")
        known = pl.col("at").is_not_null() & (pl.col("count") <= pl.col("others"))
        return here.select(known.fill_null(False)).to_series()

    def _sample(self, parsed: Parsed, source: str) -> None:
        """Of the entries with which messages begin and end some, the same of both where two inputs have them."""
        rows = [one.frame["row"] for one in parsed.kinds if one.kind.message in ("start", "end")]
        if not rows:
            return
        picked = pl.concat(rows)
        mine = pl.DataFrame(
            {"pid": parsed.entries["pid"].gather(picked), "text": parsed.entries["text"].gather(picked)}
        )
        hashes = [mine.select(h=pl.struct("pid", "text").hash(13))["h"]]
        if source in self.samples:
            hashes.append(self.samples[source])
        self.samples[source] = pl.concat(hashes).unique().sort().head(SAMPLE)

    def twice(self) -> list[str]:
        """Words about inputs that look like one log: each that an earlier one says already is named once."""
        copies: dict[str, dict[str, tuple[int, int]]] = {}
        for (one, mine), (other, theirs) in combinations(self.samples.items(), 2):
            if any(other in some for some in copies.values()):
                continue
            ends = [s[-1] for s in (mine, theirs) if len(s) == SAMPLE]
            a, b = (s.filter(s <= min(ends)) if ends else s for s in (mine, theirs))
            both, of = int(a.is_in(b.implode()).sum()), min(len(a), len(b))
            if of > 1 and both > of * ALIKE:
                copies.setdefault(one, {})[other] = both, of
        return [_words(one, others) for one, others in copies.items()]


def _words(one: str, others: Mapping[str, tuple[int, int]]) -> str:
    both, of = (sum(counts) for counts in zip(*others.values(), strict=True))
    *names, last = one, *others
    return (
        f"{', '.join(names)} and {last} look like the same log {'twice' if len(others) == 1 else f'{len(others) + 1} times'}"
        f" ({both:,} of {of:,} entries compared are the same): leave out all but one, or give --dedupe (dedupe=)"
    )
