"""The journal's export format: fields `NAME=value` a line, entries parted by an empty line.

A value with strange octets or line feeds is written as `NAME`, a line feed, its length in 8 octets (little-endian), the
value, a line feed (systemd.io/JOURNAL_EXPORT_FORMATS).
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace

import polars as pl

from smtplog.read.source import Block

FEED, FILLER = "\x1e", "\x1f"
"""What stands for a line feed inside a value, and for a line that this takes away."""
_LENGTH = 8
_HIGH = b"\0\0\0\0"
"""The upper half of a length: no field is so long."""


def plain(block: Block) -> Block:
    """The block with binary fields written as text: as many lines as before."""
    data, done, out = block.data, 0, []
    at = data.find(_HIGH)
    while at >= 0:
        start = next((s for s in range(at - 4, at + 1) if s > done and _is_length(data, s)), None)
        size = int.from_bytes(data[start : start + _LENGTH], "little") if start else 0
        end = start + _LENGTH + size if start else len(data)
        if not start or data[end : end + 1] != b"\n":
            at = data.find(_HIGH, at + 1)
            continue
        lost = data.count(b"\n", start - 1, end)
        value = data[start + _LENGTH : end].replace(b"\n", FEED.encode())
        out += [data[done : start - 1], b"=", value, (b"\n" + FILLER.encode()) * lost]
        done = end
        at = data.find(_HIGH, end)
    return replace(block, data=b"".join([*out, data[done:]])) if out else block


def _is_length(data: bytes, start: int) -> bool:
    """Does a field's length stand here: behind a line that is a name and nothing more?"""
    name = data[data.rfind(b"\n", 0, max(start - 1, 0)) + 1 : start - 1]
    high = data[start + 4 : start + _LENGTH]
    return data[start - 1 : start] == b"\n" and name.replace(b"_", b"A").isalnum() and name.isupper() and high == _HIGH


def cut(data: bytes) -> int:
    """Where the last entry begins: it may go on in what follows."""
    first = b"\n\n__CURSOR=" if data.startswith(b"__CURSOR=") else b"\n\n"
    last = data.rfind(first)
    return last + 2 if last >= 0 else 0


def entries(lines: pl.DataFrame, names: Collection[str]) -> pl.DataFrame:
    """Lines of fields -> entries.

    Args:
        lines: {line, line_count, raw}, in order, whole entries.
        names: the fields to take.

    Returns:
        {line, line_count, raw} of the entries, and the fields as text; empty lines count for the entry before.
    """
    is_blank = lines["raw"] == ""
    opens = ~is_blank & is_blank.shift(1, fill_value=True)
    if len(opens) and not opens[0]:
        opens = opens | pl.Series([True]).extend_constant(False, len(opens) - 1)
    told = lines.with_columns(entry=opens.cum_sum())
    own = pl.col("raw").filter((pl.col("raw") != "") & ~pl.col("raw").str.starts_with(FILLER))
    whole = told.group_by("entry", maintain_order=True).agg(
        pl.col("line").first(), pl.col("line_count").sum(), own.str.join("\n").str.replace_all(FEED, "\n", literal=True)
    )
    pairs = told.select("entry", pl.col("raw").str.splitn("=", 2)).unnest("raw")
    for name in names:
        mine = pairs.filter(pl.col("field_0") == name).unique("entry", keep="first")
        value = pl.col("field_1").fill_null("").str.replace_all(FEED, "\n", literal=True)
        whole = whole.join(mine.select("entry", value.alias(name)), on="entry", how="left", maintain_order="left")
    return whole.drop("entry")
