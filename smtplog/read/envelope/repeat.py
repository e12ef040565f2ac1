"""`message repeated 3 times: [ text]`: the text three times more. One line, as many entries.

rsyslog writes the first of equal messages, counts the others, and then says how many more there were (action.c,
actionWriteToAction()); so the line stands for N entries beside the one before it. The old syslog daemons say
`last message repeated 3 times` of the last one of the host instead. Of the N entries the first has the line's
`line_count`, the others 0: the sum stays the number of lines.
"""

from __future__ import annotations

import polars as pl

from smtplog.read import grammar
from smtplog.read.envelope.heads import ENVELOPES, GRAMMAR, groups, head_pattern, read_stamps
from smtplog.read.source import SPEAKS_OF_THE_LAST

MARK = b"message repeated "


def repeat(lines: pl.DataFrame) -> pl.DataFrame:
    """Write such lines out.

    Args:
        lines: with their heads off, in order.

    Returns:
        As many rows as there were messages, same columns.
    """
    told = lines["text"].str.starts_with(MARK.decode())
    last = lines["envelope"].is_null()
    if last.any():
        last = last & lines["text"].str.contains(SPEAKS_OF_THE_LAST, literal=True)
    if not (told | last).any():
        return lines
    lines = lines.with_columns(times=pl.lit(1, dtype=pl.Int64))
    if told.any():
        lines = _quoted(lines, told)
    if last.any():
        lines = _of_the_last(lines, last)
    if lines["times"].max() == 1:
        return lines.drop("times")
    lines = lines.with_row_index("entry").select(pl.all().repeat_by("times").explode())
    is_first = pl.col("entry") != pl.col("entry").shift()
    count = pl.when(is_first.fill_null(True)).then("line_count").otherwise(0)
    return lines.with_columns(line_count=count).drop("times", "entry")


def _quoted(lines: pl.DataFrame, told: pl.Series) -> pl.DataFrame:
    found = groups(lines["text"].set(~told, None), grammar.pattern(GRAMMAR, "repeated"))
    return lines.with_columns(
        times=pl.coalesce(found["repeat_count"].cast(pl.Int64, strict=False), "times"),
        text=pl.coalesce(found["repeated_text"], "text"),
    )


def _of_the_last(lines: pl.DataFrame, last: pl.Series) -> pl.DataFrame:
    """The line names the host alone; what it repeats is the entry before it of the same host."""
    found = groups(lines["raw"], head_pattern("repeated_last"))
    mine = last & found["head"].is_not_null()
    at, naive = read_stamps(found["stamp_3164"], ENVELOPES[0])
    who = ["program", "pid", "text", "envelope"]
    here = lines.with_columns(
        host=found["host"].zip_with(mine, lines["host"]), is_last=mine, **{f"{n} ": pl.when(~mine).then(n) for n in who}
    )
    here = here.with_columns(pl.col(f"{n} ").forward_fill().over("host").alias(f"{n} ") for n in who)
    known = mine & here["envelope "].is_not_null()
    return here.with_columns(
        *(pl.col(f"{n} ").alias(n) for n in who),
        stamp=found["stamp_3164"].zip_with(known, lines["stamp"]),
        at=at.zip_with(known, lines["at"]),
        naive_at=naive.zip_with(known, lines["naive_at"]),
        host=here["host"].zip_with(known, lines["host"]),
        times=found["repeat_count"].cast(pl.Int64, strict=False).zip_with(known, lines["times"]),
    ).select(lines.columns)
