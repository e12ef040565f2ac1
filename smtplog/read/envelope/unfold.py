"""Entries over several lines: parts that a server split for syslog, copies it made, lines that go on.

`line_count` says how many lines an entry had, `raw` has them all; the text goes on with line feeds.
"""

from __future__ import annotations

from functools import cache

import polars as pl

from smtplog.formats import all_formats
from smtplog.read import grammar
from smtplog.read.envelope.heads import GRAMMAR, OWN, groups, head_pattern, read_stamps

WHO = ("host", "program", "pid")
COPIED = (
    "rejected", "discarded by ", " dropped", "authenticator failed for ", "synchronization error", " sender verify ",
    "too many ", "refused connection", "SIGSEGV", "SEGV_", "Delivery status for ",
    "transport process returned", "ailed to ",
)  # fmt: skip
"""What entries hold that go to two of Exim's logs, and so twice to syslog unless `syslog_duplication` is off: every
log_write() with LOG_REJECT or LOG_PANIC in its src/."""


@cache
def stampers() -> tuple[str, ...]:
    """Programs that write their own head also behind a syslog head."""
    return tuple(program for one in all_formats() if one.head for program in one.programs)


def unfold(lines: pl.DataFrame) -> pl.DataFrame:
    """Put lines together.

    Args:
        lines: with their heads off, in order.

    Returns:
        The entries, in order, same columns.
    """
    is_mine = lines["program"].is_in(stampers()).fill_null(False)
    if is_mine.any():
        lines = _own_heads(_join_parts(lines, is_mine))
        lines = _drop_copies(lines)
    if lines["envelope"].null_count():
        lines = _continue(lines)
    return lines


def _join_parts(lines: pl.DataFrame, is_mine: pl.Series) -> pl.DataFrame:
    r"""`[1/3] `, `[2\3] `, `[3/3] ` of one process become one entry."""
    looks = is_mine & lines["text"].str.starts_with("[")
    if not looks.any():
        return lines
    numbered = lines.with_row_index("row")
    found = numbered.filter(looks)
    found = found.hstack(groups(found["text"], grammar.pattern(GRAMMAR, "part")))
    found = found.filter(pl.col("part_number").is_not_null())
    if found.is_empty():
        return lines
    turn = (pl.col("part_number") == "1").cum_sum().over(*WHO, "part_count")
    feed = pl.when(pl.col("part_mark") == "\\").then(pl.lit("\n")).otherwise(pl.lit(""))
    found = found.with_columns(turn=turn, text=pl.col("part_text").fill_null("") + feed).filter(pl.col("turn") > 0)
    joined = found.group_by(*WHO, "part_count", "turn", maintain_order=True).agg(
        pl.col("row"), pl.col("text").str.join(""), pl.col("raw").str.join("\n"), pl.col("line_count").sum()
    )
    joined = joined.with_columns(first=pl.col("row").list.first(), text=pl.col("text").str.strip_suffix("\n"))
    gone = joined.select(pl.col("row").list.tail(-1).explode()).to_series().drop_nulls()
    return _replace(numbered, joined.select("text", "raw", "line_count", row="first"), gone)


def _replace(numbered: pl.DataFrame, fresh: pl.DataFrame, gone: pl.Series) -> pl.DataFrame:
    """Rows of `fresh` take the place of those with their `row`; the rows in `gone` go."""
    return numbered.update(fresh, on="row").filter(~pl.col("row").is_in(gone.implode())).drop("row")


def _own_heads(lines: pl.DataFrame) -> pl.DataFrame:
    """Take the server's own stamp and pid off; they win, unless only syslog knows the zone."""
    for envelope in OWN:
        digit = lines["text"].str.head(4).str.contains_any(["0", "1", "2"]) & lines["program"].is_in(stampers())
        found = groups(lines["text"].set(~digit.fill_null(False), None), head_pattern(envelope.rule))
        fits = found["head"].is_not_null()
        if not fits.any():
            continue
        at, naive = read_stamps(found[envelope.stamp_field], envelope)
        knows_more = fits & (at.is_not_null() | lines["at"].is_null())
        lines = lines.with_columns(
            stamp=found[envelope.stamp_field].zip_with(knows_more, lines["stamp"]),
            at=at.zip_with(knows_more, lines["at"]),
            naive_at=naive.zip_with(knows_more, lines["naive_at"]),
            pid=found["pid"].cast(pl.Int64, strict=False).zip_with(fits & found["pid"].is_not_null(), lines["pid"]),
            text=lines["text"].str.slice(found["head"].str.len_chars().fill_null(0)),
        )
    return lines


def _drop_copies(lines: pl.DataFrame) -> pl.DataFrame:
    """Of two copies, one right after the other from the same process, the one that says more."""
    mine = lines.with_row_index("row").filter(pl.col("program").is_in(stampers()) & pl.col("pid").is_not_null())
    mine = mine.with_columns(first_line=pl.col("text").str.split("\n").list.first())
    says_more = pl.col("first_line") != pl.col("text")
    mine = mine.sort(*WHO, "row").with_columns(run=pl.struct(*WHO, "stamp", "first_line").rle_id())
    is_copied = says_more.any().over("run") | pl.col("first_line").str.contains_any(list(COPIED))
    mine = mine.filter((pl.len().over("run") % 2 == 0) & is_copied)
    if mine.is_empty():
        return lines
    pair = mine.with_columns(pair=pl.int_range(pl.len()) // 2).group_by("pair", maintain_order=True).agg(
        row=pl.col("row").first(), gone=pl.col("row").last(), raw=pl.col("raw").str.join("\n"),
        line_count=pl.col("line_count").sum(),
        text=pl.col("text").sort_by(pl.col("text").str.len_bytes(), descending=True).first(),
    )  # fmt: skip
    return _replace(lines.with_row_index("row"), pair.drop("pair", "gone").cast({"row": pl.UInt32}), pair["gone"])


def _continue(lines: pl.DataFrame) -> pl.DataFrame:
    """Lines without a head behind an entry of a server's own file belong to it."""
    goes_on = lines["envelope"].is_null() & (
        (lines["text"] == "") | lines["text"].str.contains(grammar.pattern(GRAMMAR, "continuation"))
    )
    if not goes_on.any():
        return lines
    grouped = lines.with_columns(goes_on=goes_on, entry=(~goes_on).cum_sum())
    plain = [envelope.rule for envelope in OWN]
    root = pl.col("envelope").first().over("entry").is_in(plain).fill_null(False)
    grouped = grouped.with_columns(goes_on=pl.col("goes_on") & root)
    grouped = grouped.with_columns(entry=(~pl.col("goes_on")).cum_sum())
    more = pl.col("text").filter(~pl.col("goes_on") | (pl.col("text") != "")).str.join("\n")
    rest = [c for c in lines.columns if c not in ("line_count", "raw", "text")]
    single = grouped.filter(pl.len().over("entry") == 1)
    many = grouped.filter(pl.len().over("entry") > 1)
    many = many.group_by("entry", maintain_order=True).agg(
        *(pl.col(c).first() for c in rest), pl.col("line_count").sum(), pl.col("raw").str.join("\n"), text=more
    )
    return pl.concat([single.select(lines.columns), many.select(lines.columns)]).sort("line")
