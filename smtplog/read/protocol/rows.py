"""Blocks of a protocol log -> rows of whole sessions."""

from __future__ import annotations

import io
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import polars as pl

from smtplog.contract.fields import MOMENT
from smtplog.formats.transcripts import PROTOCOL, PROTOCOL_CELLS, PROTOCOL_FIELDS
from smtplog.read import grammar, source

NAMES = ("stamp", "ids", "local", "remote", "mark", "text", "context")
_ROW: dict[str, Any] = {"line": pl.Int64, "at": MOMENT, **dict.fromkeys(NAMES, pl.String)}
_IDLE = timedelta(hours=1)
"""A session that was silent for so long is over, though nobody said so."""
_HEADER = "#Fields:"


def is_protocol(head: pl.Series) -> bool:
    """Are the first lines of an input rows of a protocol log, nothing before them?"""
    said = head.filter(~head.str.starts_with("#") & (head != ""))
    if not len(said):
        return False
    if head.filter(head.str.starts_with(_HEADER)).str.contains("session-id", literal=True).any():
        return True
    fits = said.str.contains(grammar.pattern(PROTOCOL, "line", ()))
    return len(said) > 2 and bool(fits.mean() > 0.8)  # type: ignore[operator]


@dataclass
class Rows:
    """Reads rows and holds back those of sessions that are not over.

    names: the columns, as the last `#Fields:` named them.
    """

    names: tuple[str, ...] = PROTOCOL_FIELDS
    open: pl.DataFrame = field(default_factory=lambda: pl.DataFrame(schema=_ROW))

    def take(self, block: source.Block) -> tuple[pl.DataFrame, int, int]:
        """The rows of sessions that are over; how many lines were rows or comments, how many were neither."""
        lines = source.lines(block).select("line", raw=pl.col("raw").str.strip_chars_end("\r"))
        comment = lines["raw"].str.starts_with("#") | (lines["raw"] == "")
        for header in lines["raw"].filter(lines["raw"].str.starts_with(_HEADER)):
            self.names = tuple(header.removeprefix(_HEADER).strip().split(","))
        body = lines.filter(~comment)
        fresh = _typed(_cells(body, self.names))
        odd = body.height - fresh.height
        every = pl.concat([self.open, fresh])
        over = every.filter(pl.col("mark") == "-")["ids"].unique()
        last = every.group_by("ids").agg(pl.col("at").max())
        silent = last.filter(pl.col("at") < last["at"].max() - _IDLE)["ids"] if last.height else over  # type: ignore[operator]
        is_over = every["ids"].is_in(pl.concat([over, silent]).implode())
        self.open = every.filter(~is_over)
        return every.filter(is_over), lines.height - odd, odd

    def rest(self) -> pl.DataFrame:
        """What is left at the end."""
        rest, self.open = self.open, self.open.clear()
        return rest


def _cells(body: pl.DataFrame, names: tuple[str, ...]) -> pl.DataFrame:
    """The cells by name; line by line where quotes are not as CSV wants them."""
    known = {theirs: ours for theirs, ours in PROTOCOL_CELLS.items() if theirs in names}
    try:
        read = pl.read_csv(
            io.BytesIO("\n".join(body["raw"]).encode()), has_header=False, infer_schema=False,
            new_columns=list(names), truncate_ragged_lines=True, schema=dict.fromkeys(names, pl.String),
        )  # fmt: skip
    except pl.exceptions.PolarsError:
        read = pl.DataFrame()
    if read.height == body.height and len(known) == len(NAMES):
        return read.select(pl.col(theirs).alias(ours) for theirs, ours in known.items()).with_columns(body["line"])
    cells = body.select("line", cells=pl.col("raw").str.extract_groups(grammar.pattern(PROTOCOL, "line"))).unnest(
        "cells"
    )
    text = pl.col("text")
    plain = text.str.slice(1, text.str.len_chars() - 2).str.replace_all('""', '"', literal=True)
    return cells.with_columns(text=pl.when(text.str.starts_with('"')).then(plain).otherwise(text))


def _typed(cells: pl.DataFrame) -> pl.DataFrame:
    at = pl.col("stamp").str.to_datetime("%Y-%m-%dT%H:%M:%S%.fZ", time_unit="us", time_zone="UTC", strict=False)
    whole = cells.filter(pl.col("mark").is_in(["<", ">", "+", "-", "*"]) & pl.col("ids").is_not_null())
    return whole.with_columns(at=at).select(pl.col(name).cast(kind) for name, kind in _ROW.items())
