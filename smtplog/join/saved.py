"""What a stitcher keeps for a later run, made small."""

from __future__ import annotations

import polars as pl

from smtplog.join.view import SOURCE_SHIFT

_PLACED = {"seq": 1 << SOURCE_SHIFT, "tie_seq": 1 << SOURCE_SHIFT, "mark": 1 << (SOURCE_SHIFT + 1)}
"""Columns that are places in the order of everything, and what one source further is in them."""


def renumbered(frames: dict[str, pl.DataFrame], sources: list[str]) -> list[str]:
    """Count only the sources of what is open: else they become more with every run.

    Args:
        frames: what is kept, by name; their places are counted anew.
        sources: all that were read.

    Returns:
        The sources that are left, in their order.
    """
    placed = [
        (name, column, one)
        for name, frame in frames.items()
        for column, one in _PLACED.items()
        if frame.schema.get(column) == pl.Int64  # what a line of a dialogue begins with is a mark, too
    ]
    numbers = [frames[name][column] // one for name, column, one in placed]
    used = (
        pl.concat([pl.Series("", [], dtype=pl.Int64), *(one.alias("") for one in numbers)]).drop_nulls().unique().sort()
    )
    for (name, column, one), number in zip(placed, numbers, strict=True):
        fresh = used.search_sorted(number.fill_null(0)).cast(pl.Int64) * one + frames[name][column] % one
        frames[name] = frames[name].with_columns(fresh.alias(column))
    return [sources[number] for number in used]
