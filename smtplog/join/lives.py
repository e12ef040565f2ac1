"""Which events belong to one life of a key: a queue id in one queue, or a process serving one connection after another.

A life starts with a start and ends with an end. Ids come back, ends get lost, lines come a little late or early, logs
begin in the middle. The rules, for the events of one key in the order of the log:

* a start begins a new life, unless all that came before it was without a start and at most `grace` old: then it was late;
* after an end the next event begins a new life, unless it comes within `grace` and is no start: then it is late;
* an event more than `idle` after the one before begins a new life;
* where keys are never used again, all events of a key are one life.

A life that nothing started may have begun by itself (a bounce, a forwarded mail: their first word is a `begin`); it counts
as started (`begins`), unless it stands so near the head of the log that its start may have been cut off.
"""

from __future__ import annotations

from datetime import timedelta

import polars as pl

from smtplog.contract.fields import MOMENT

START, BEGIN, PART, END = 0, 1, 2, 3
ROLES = {"start": START, "begin": BEGIN, "part": PART, "end": END}

TIES = {
    "key": pl.UInt64,
    "role": pl.UInt8,
    "seq": pl.Int64,
    "at": MOMENT,
    "is_reused": pl.Boolean,
    "unit": pl.UInt32,
}
"""One row per event: whose key it has, what it does, its place in the order, its time, the queue it is in."""


def assign(ties: pl.DataFrame, grace: timedelta, idle: timedelta) -> tuple[pl.Series, pl.DataFrame]:
    """Number the lives.

    Args:
        ties: frame with the columns of `TIES`, any order.
        grace: how late a line may be.
        idle: how long a life may be silent.

    Returns:
        For each row of `ties` the number of its life, and the lives in the order of their numbers:
        {life, key, first_seq, last_seq, first_at, last_at, start_seq, end_seq, unit, begins, has_start, has_end}.
    """
    keys = _by(ties, "key")
    is_plain = (
        (pl.col("starts") <= 1)
        & (pl.col("ends") <= 1)
        & ((pl.col("starts") == 0) | (pl.col("start_seq") == pl.col("first_seq")))
        & ((pl.col("ends") == 0) | (pl.col("end_seq") == pl.col("last_seq")))
        & ((pl.col("last_at") - pl.col("first_at")).fill_null(timedelta(0)) <= idle)
    )
    keys = keys.with_columns(is_plain=is_plain | ~pl.col("is_reused"))
    if keys["is_plain"].all():
        lives = keys.with_row_index("life")
        life = ties.select("key").join(lives.select("key", "life"), on="key", how="left", maintain_order="left")["life"]
        return life, _tidy(lives)
    plain = keys.filter("is_plain").with_row_index("life")
    ties = ties.with_row_index("row")
    hard = ties.join(keys.filter(~pl.col("is_plain")).select("key"), on="key", how="semi")
    hard = _divide(hard, grace, idle).with_columns(life=(pl.col("part") + plain.height).cast(pl.UInt32))
    divided = _by(hard, "life").join(hard.select("life", "key").unique(), on="life").sort("life")
    life = (
        ties.join(plain.select("key", "life"), on="key", how="left", maintain_order="left")
        .join(hard.select("row", hard="life"), on="row", how="left", maintain_order="left")
        .select(pl.coalesce("hard", "life"))
        .to_series()
        .alias("life")
    )
    lives = pl.concat([plain.drop("is_plain"), divided.select(c for c in plain.columns if c != "is_plain")])
    return life, _tidy(lives)


def _by(ties: pl.DataFrame, key: str) -> pl.DataFrame:
    is_start, is_end = pl.col("role") == START, pl.col("role") == END
    return ties.group_by(key, maintain_order=True).agg(
        starts=is_start.sum(),
        ends=is_end.sum(),
        first_seq=pl.col("seq").min(),
        last_seq=pl.col("seq").max(),
        start_seq=pl.when(is_start).then("seq").min(),
        begin_seq=pl.when(pl.col("role") == BEGIN).then("seq").min(),
        unit=pl.col("unit").first(),
        end_seq=pl.when(is_end).then("seq").max(),
        first_at=pl.col("at").min(),
        last_at=pl.col("at").max(),
        is_reused=pl.col("is_reused").first(),
    )


def _tidy(lives: pl.DataFrame) -> pl.DataFrame:
    return lives.select(
        "life", "key", "first_seq", "last_seq", "first_at", "last_at", "start_seq", "end_seq",
        "unit", begins=(pl.col("begin_seq") == pl.col("first_seq")).fill_null(False), has_start=pl.col("starts") > 0, has_end=pl.col("ends") > 0,
    )  # fmt: skip


def _divide(hard: pl.DataFrame, grace: timedelta, idle: timedelta) -> pl.DataFrame:
    """Sort the events of the difficult keys and cut them into lives (`part`, from 0)."""
    hard = hard.sort("key", "seq")
    is_same = (pl.col("key") == pl.col("key").shift()).fill_null(False)
    gap = (pl.col("at") - pl.col("at").shift()).fill_null(timedelta(0))
    is_start = pl.col("role") == START
    after_end = pl.col("role").shift() == END
    cut = ~is_same | is_start | (gap > idle) | (after_end & (gap > grace))
    hard = hard.with_columns(gap=gap, is_same=is_same, cut=cut.fill_null(True)).with_columns(
        part=pl.col("cut").cum_sum()
    )
    whole = hard.group_by("part", maintain_order=True).agg(
        complete=((pl.col("role") == START) | (pl.col("role") == END)).any(),
        age=pl.col("at").max() - pl.col("at").min(),
    )
    whole = whole.with_columns(late_start=(~pl.col("complete").shift()).fill_null(False), before=pl.col("age").shift())
    hard = hard.join(whole.select("part", "late_start", "before"), on="part", how="left", maintain_order="left")
    joins = (
        pl.col("cut")
        & pl.col("is_same")
        & is_start
        & pl.col("late_start")
        & (pl.col("gap") + pl.col("before") <= grace)
    )
    return hard.with_columns(part=((pl.col("cut") & ~joins).cum_sum() - 1).cast(pl.UInt32)).drop(
        "gap", "is_same", "cut", "late_start", "before"
    )
