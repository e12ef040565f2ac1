"""What wraps an entry, and entries over several lines. Formats only ever see `text`.

In: a frame of lines {line, line_count, raw}. Out: whole entries with {stamp, at, naive_at, host, program, pid, text,
envelope}. What no envelope fits keeps its text whole and a null `envelope`.
"""

from __future__ import annotations

import polars as pl

from smtplog.read.envelope.heads import ENVELOPES, NAIVE_YEAR, SCHEMA, Envelope, hit_rate, order, take_off
from smtplog.read.envelope.unfold import unfold, whole

__all__ = ["ENVELOPES", "NAIVE_YEAR", "SCHEMA", "Envelope", "hit_rate", "order", "split", "whole"]


def split(lines: pl.DataFrame, envelopes: tuple[Envelope, ...] = ENVELOPES) -> pl.DataFrame:
    """Take the envelopes off and put together what belongs together.

    Args:
        lines: {line, line_count, raw}, in order; a block that `whole` has cut.
        envelopes: in the order in which to try them.

    Returns:
        One row per entry, in order, with the columns of `SCHEMA` added; the `line_count`s sum up to the lines. `at` is
        set where the stamp says year and zone; else `naive_at` holds the stamp as written, in `NAIVE_YEAR` where it has
        none.
    """
    return unfold(take_off(lines, envelopes))
