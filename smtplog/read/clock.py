"""The year and the zone that a stamp does not say. The machine's own clock is never read here.

The year comes from an option, else from ids that carry the time of their birth, else from the time of the file itself;
inside one input the order of the months says when a year turns. The zone comes from an option, else it is UTC. What is
not from the stamp or from an option is confessed on every entry.
"""

from __future__ import annotations

from calendar import isleap
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Literal
from zoneinfo import ZoneInfo

import polars as pl

from smtplog.contract.fields import MOMENT
from smtplog.errors import QueryError
from smtplog.read.envelope import NAIVE_YEAR

_HALF = timedelta(minutes=30)
_BACK = timedelta(minutes=5)
"""Writers that wait for one another are not so late: a stamp that much before the last one means that the clock went back."""
_LEAP_YEARS = 9
"""Among so many years is one that has a 29 February, also about 1900 and 2100."""
_SLACK = timedelta(days=1)
"""The zone of the log may be any, and a file be a little older than its last line."""


@dataclass
class Clock:
    """State of one input, from block to block.

    Args:
        year: of the first stamp without one, when the user says so.
        zone: IANA name for stamps without one, when the user says so.
        reference: the time of the file; stamps do not lie after it.
        is_lent: the input has no time of its own, the reference is the caller's.

    Raises:
        QueryError: there is no such year or zone.
    """

    year: int | None = None
    zone: str | None = None
    reference: datetime | None = None
    is_lent: bool = False
    current: int | None = None
    month: int | None = None
    years: set[int] = field(default_factory=set)
    year_source: str | None = None
    """Where a year was inferred from: `ids`, `file` or `reference`."""
    assumed_zone: bool = False
    last: datetime | None = None
    is_second: bool = False
    """Where the local times stand that occur twice: in their second hour."""
    is_ahead: bool = False
    """Entries lie after the time of the file: the guess was wrong, or the file holds more than a year."""

    def __post_init__(self) -> None:
        if self.year is not None and not 1970 <= self.year <= 9000:
            raise QueryError(f"--year {self.year}: write the year of the log's first line, such as 2026")
        if self.zone is not None:
            check_zone(self.zone)

    def needs_reference(self, entries: pl.DataFrame, births: list[tuple[int, datetime]]) -> bool:
        """Is a year missing that nothing here can tell?"""
        if self.current is not None or self.year is not None or self.reference is not None or births:
            return False
        return bool((entries["naive_at"].dt.year() == NAIVE_YEAR).any())

    def apply(self, entries: pl.DataFrame, births: list[tuple[int, datetime]]) -> pl.DataFrame:
        """Complete `at` and add `is_year_inferred`, `is_zone_assumed`.

        Args:
            entries: what `envelope.split` returned, blocks in order.
            births: (row, time) of ids in this block that say when they were made; looked at once per input.
        """
        naive = entries["naive_at"]
        if naive.null_count() == entries.height:
            return entries.with_columns(is_year_inferred=pl.lit(False), is_zone_assumed=pl.lit(False))
        run = naive.rle_id()  # equal stamps stand together: each run of them is looked at once
        naive = naive.rle().struct.field("value")
        yearless = pl.Series((naive.dt.year() == NAIVE_YEAR).fill_null(False))
        self.assumed_zone |= self.zone is None
        if yearless.any():
            naive = self._with_year(naive, yearless, [(run[row], born) for row, born in births])
        zoned = _in_zone(naive, self.zone or "UTC")
        if self.zone and self.zone != "UTC":
            zoned = self._folded(naive, zoned, [(run[row], born) for row, born in births])
        last = zoned.filter(yearless).max()
        if self.year_source and self.reference and isinstance(last, datetime):
            self.is_ahead |= last > self.reference + _SLACK
        at, had = zoned.gather(run), entries["at"]
        return entries.with_columns(
            at=at if had.null_count() == entries.height else had.zip_with(had.is_not_null(), at),
            is_year_inferred=yearless.gather(run) if self.year is None else pl.lit(False),
            is_zone_assumed=(naive.is_not_null().gather(run) if self.zone is None else pl.lit(False)),
        )

    def is_doubtful(self, entries: pl.DataFrame) -> pl.Series | None:
        """Which entries' local time occurs twice (the night the clocks go back); None: no entry's."""
        if not self.zone or self.zone == "UTC":
            return None
        naive = entries["naive_at"]
        twice = (_in_zone(naive, self.zone) != _in_zone(naive, self.zone, "latest")).fill_null(False)
        return twice if twice.any() else None

    def _folded(self, naive: pl.Series, zoned: pl.Series, births: list[tuple[int, datetime]]) -> pl.Series:
        """Of a time that occurs twice the second where the stamps have fallen back before it, or an id was born later."""
        late = _in_zone(naive, self.zone or "UTC", "latest")
        twice = (zoned != late).fill_null(False)
        if twice.any():
            back = (naive.diff() <= -_BACK).fill_null(False)
            if self.last is not None and naive[0] is not None:
                back[0] = naive[0] - self.last <= -_BACK
            turn = back.cum_sum()
            begins = {int(turn[at]): 0 for at in (back & twice).arg_true()} | ({0: 0} if self.is_second else {})
            first: dict[int, int] = {}
            for at, born in sorted(births):
                number, ahead = int(turn[at]), born - zoned[at] if zoned[at] is not None else -_HALF
                if -_HALF < ahead < _HALF:
                    first[number] = at
                elif ahead >= _HALF and number not in begins:
                    begins[number] = at if number in first else 0
            known = pl.Series([begins.get(number) for number in range(int(turn[-1]) + 1)], dtype=pl.UInt32).gather(turn)
            second = (known <= pl.int_range(len(turn), dtype=pl.UInt32, eager=True)).fill_null(False)
            self.is_second = bool(second[-1])
            zoned = late.zip_with(second & twice, zoned)
        else:
            self.is_second = False
        self.last = naive[-1]
        return zoned

    def _with_year(self, naive: pl.Series, yearless: pl.Series, births: list[tuple[int, datetime]]) -> pl.Series:
        months = naive.zip_with(yearless, pl.Series([None], dtype=naive.dtype).new_from_index(0, len(naive))).dt.month()
        months = months.cast(pl.Int32).fill_null(strategy="forward").fill_null(strategy="backward")
        step = months.diff().fill_null(months[0] - self.month if self.month else 0)
        turns = ((step <= -6).cast(pl.Int32) - (step >= 6).cast(pl.Int32)).cum_sum()
        if self.current is None:
            self.current = self._first_year(naive, yearless, turns, births)
            turns = turns - turns[0]
        years = turns + self.current
        self.current, self.month = int(years[-1]), int(months[-1])
        self.years.update(years.unique())
        by = f"{int(years[0]) - NAIVE_YEAR}y" if turns.n_unique() == 1 else pl.format("{}y", pl.col("y") - NAIVE_YEAR)
        moved = pl.DataFrame({"n": naive, "y": years}).with_columns(m=pl.col("n").dt.offset_by(by))
        if (months == 2).any():  # 29 February in a year that has none is no day at all
            moved = moved.with_columns(m=pl.when(pl.col("m").dt.day() == pl.col("n").dt.day()).then("m"))
        return moved["m"].zip_with(yearless, naive) if not yearless.all() else moved["m"]

    def _first_year(
        self, naive: pl.Series, yearless: pl.Series, turns: pl.Series, births: list[tuple[int, datetime]]
    ) -> int:
        if self.year is not None:
            return self.year
        for row, born in births:
            stamp = naive[row]
            if stamp is not None:
                self.year_source = "ids"
                return _nearest(stamp, born) - int(turns[row] - turns[0])
        first = naive.filter(yearless)[0]
        self.year_source = "reference" if self.is_lent else "file"
        if self.reference is None:
            return NAIVE_YEAR
        latest = self.reference.astimezone(UTC).replace(tzinfo=None) + _SLACK
        fits = (first.month, first.day, first.hour) <= (latest.month, latest.day, latest.hour)
        year = latest.year if fits else latest.year - 1
        leap = yearless & (naive.dt.month() == 2) & (naive.dt.day() == 29)
        later = (turns.filter(leap.fill_null(False)) - turns[0]).unique()
        tried = range(year, year - _LEAP_YEARS, -1)  # a day that the year has not is none that was logged
        return next((one for one in tried if all(isleap(one + turn) for turn in later)), year)


def _nearest(stamp: datetime, born: datetime) -> int:
    """The year in which a stamp without one lies nearest to a time."""
    naive = born.replace(tzinfo=None)

    def distance(year: int) -> float:
        day = min(stamp.day, 28) if stamp.month == 2 else stamp.day
        return abs((stamp.replace(year=year, day=day) - naive).total_seconds())

    return min((naive.year - 1, naive.year, naive.year + 1), key=distance)


def _in_zone(naive: pl.Series, zone: str, which: Literal["earliest", "latest"] = "earliest") -> pl.Series:
    """Local times as UTC; of a time that occurs twice the first or the last, one that never occurs an hour later."""
    if zone == "UTC":
        return naive.cast(MOMENT)
    frame = pl.DataFrame({"n": naive})
    there = pl.col("n").dt.replace_time_zone(zone, ambiguous=which, non_existent="null")
    later = (pl.col("n") + timedelta(hours=1)).dt.replace_time_zone(zone, ambiguous="earliest", non_existent="null")
    return frame.select(pl.coalesce(there, later).dt.convert_time_zone("UTC")).to_series()


def check_zone(name: str) -> None:
    """Is there such a zone?

    Raises:
        QueryError: there is none.
    """
    try:
        _in_zone(pl.Series([datetime(NAIVE_YEAR, 1, 1)]), str(ZoneInfo(name)))
    except (KeyError, ValueError, OSError, pl.exceptions.PolarsError) as error:
        raise QueryError(f"--timezone {name}: no such zone; write one such as Europe/Berlin or UTC") from error
