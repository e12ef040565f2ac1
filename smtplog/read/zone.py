"""The zone whose days and hours a question means: the one that is named, else the one the log is written in, else UTC.

Filters are applied while reading, so the log's own zone is looked up before: it is that of the first stamp of the first
input. Records stay in UTC.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone, tzinfo
from zoneinfo import ZoneInfo

import polars as pl

from smtplog.contract.fields import MOMENT
from smtplog.read import envelope, rotation, source
from smtplog.read.envelope import containers
from smtplog.read.first_lines import HEAD

SLOT = "15m"
"""The longest time of which all zones have whole ones in their hours."""


@dataclass(frozen=True)
class Zone:
    """A zone, and how it is known.

    is_of_log: it is that of the first stamp.
    is_unknown: the log could not be looked at before reading it, so it is UTC.
    """

    info: tzinfo = UTC
    is_of_log: bool = False
    is_unknown: bool = False

    def __str__(self) -> str:
        return self.info.key if isinstance(self.info, ZoneInfo) else str(self.info)

    @property
    def words(self) -> str:
        """Its name, for people; and how it is known, where nobody named it."""
        return f"{self}, the zone of the first stamp" if self.is_of_log else str(self)

    def local(self, moments: pl.Expr) -> pl.Expr:
        """Moments as the clocks there show them, without zone."""
        if isinstance(self.info, ZoneInfo):
            return moments.cast(MOMENT).dt.convert_time_zone(self.info.key).dt.replace_time_zone(None)
        return moments.cast(MOMENT).dt.replace_time_zone(None) + (self.info.utcoffset(None) or timedelta(0))


def of_inputs(given: Iterable[object], name: str | None) -> Zone:
    """The zone of a question.

    Args:
        given: what `source.inputs` takes; looked at only where no name is given.
        name: of the zone that the user names.

    Raises:
        InputError: an input cannot be read.
    """
    if name is not None:
        return Zone(ZoneInfo(name))
    first = next((files[0] for files in rotation.sets(source.inputs(given))), None)
    block = source.head(first, HEAD * 100) if first else None
    if block is None:
        return Zone(is_unknown=True)
    offset = written(source.lines(block)["raw"].head(HEAD))
    return Zone(timezone(offset), is_of_log=True) if offset else Zone()


def written(head: pl.Series) -> timedelta | None:
    """How far the first stamp says that it is from UTC; None where it does not say.

    Args:
        head: the first lines of an input.
    """
    wrapping = envelope.find(head)
    lines = pl.DataFrame({"raw": head}).with_row_index("line", 1).cast({"line": pl.Int64})
    entries = envelope.split(lines.with_columns(line_count=pl.lit(1, dtype=pl.Int64)), wrapping)
    first = entries.filter(pl.any_horizontal(pl.col("at", "naive_at").is_not_null())).head(1)
    stamps = first["stamp"].to_list()
    if wrapping.container:
        stamps += containers.stamps(first["raw"], wrapping.container)
    return next((offset for stamp in stamps if stamp and (offset := _offset(stamp)) is not None), None)


def _offset(stamp: str) -> timedelta | None:
    """`2026-07-10T00:30:01+02:00`, `2026-07-10 00:30:01 +0200`."""
    try:
        return datetime.fromisoformat(stamp.replace(" ", "T", 1).replace(" ", "")).utcoffset()
    except ValueError:
        return None
