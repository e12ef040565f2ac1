"""Rules on many texts at once: what fits a rule comes out as a frame of its fields, the rest stays texts.

Texts are kept as two bare columns: parting a column costs microseconds, every step on a frame a quarter of a millisecond
whatever its size, and a block holds some hundred parts.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache
from typing import NamedTuple, TypeVar

import polars as pl

from smtplog.read import grammar

SHORT_NEEDLE = 3
"""Shorter literals are in too many texts to tell."""
MANY = 1000
"""Fewer texts are read sooner than looked at."""


class Texts(NamedTuple):
    """Texts with their places in the block."""

    row: pl.Series
    text: pl.Series

    @property
    def size(self) -> int:
        """How many."""
        return len(self.row)

    def filter(self, mask: pl.Series) -> Texts:
        """Those where the mask is true."""
        return Texts(self.row.filter(mask), self.text.filter(mask))

    def split(self, mask: pl.Series) -> tuple[Texts, Texts]:
        """Those where the mask is true, and the others."""
        return self.filter(mask), self.filter(~mask)


def join(parts: Sequence[Texts]) -> Texts:
    """Several lots of texts as one."""
    if len(parts) == 1:
        return parts[0]
    return Texts(pl.concat([one.row for one in parts]), pl.concat([one.text for one in parts]))


@cache
def _reader(name: str, rule: str, kept: frozenset[str] | None) -> tuple[pl.Expr, str | None]:
    """How to read a rule: an expression on `text`, and the field that says whether it fitted.

    Where no field always does, or none is asked for, the expression is a test alone or beside the fields.
    """
    shape = grammar.shape(name, rule)
    fields = tuple(f for f in shape.fields if kept is None or f in kept)
    text = pl.col("text")
    if not fields:
        return text.str.contains(shape.anchored(())).alias("fits"), None
    witness = next((f for f in (*fields, *shape.fields) if f in shape.always), None)
    if witness is None:
        both = [text.str.extract_groups(shape.anchored(fields)).alias("groups")]
        return pl.struct(*both, text.str.contains(shape.anchored(())).alias("fits")), "fits"
    return text.str.extract_groups(shape.anchored({*fields, witness})), witness


def match(texts: Texts, name: str, rule: str, kept: frozenset[str] | None) -> tuple[pl.DataFrame | None, Texts]:
    """Part texts into what a rule fits, as a frame {row, its fields}, and the rest.

    Args:
        texts: what to read.
        name: the grammar.
        rule: a rule of it.
        kept: the fields that are needed; None: all.
    """
    read, witness = _reader(name, rule, kept)
    found = texts.text.to_frame("text").select(read).to_series()
    if witness is None:
        return _parted([], texts, found)
    columns = found.struct.unnest()
    if witness == "fits":
        return _parted(columns["groups"].struct.unnest().get_columns(), texts, columns["fits"])
    misses = columns[witness].null_count()
    if misses == texts.size:
        return None, texts
    if misses == 0:
        return pl.DataFrame([texts.row, *columns.get_columns()]), Texts(texts.row.clear(), texts.text.clear())
    return _parted(columns.get_columns(), texts, columns[witness].is_not_null())


def _parted(columns: list[pl.Series], texts: Texts, fits: pl.Series) -> tuple[pl.DataFrame | None, Texts]:
    hits, rest = texts.split(fits)
    if hits.size == 0:
        return None, texts
    return pl.DataFrame([hits.row, *(one.filter(fits) for one in columns)]), rest


def match_near(
    texts: Texts, name: str, rule: str, kept: frozenset[str] | None, *, is_first: bool = False
) -> tuple[pl.DataFrame | None, Texts]:
    """The same; of many texts only those are read that hold what every fitting text does: searching is cheap.

    The first rule that texts are offered to fits most of them: there searching would be in vain.
    """
    needle = grammar.shape(name, rule).needle
    if is_first or texts.size < MANY or len(needle) < SHORT_NEEDLE:
        return match(texts, name, rule, kept)
    is_near = texts.text.to_frame("text").select(_holds(needle)).to_series()
    count = int(is_near.sum())
    if count == 0:
        return None, texts
    if count == texts.size:
        return match(texts, name, rule, kept)
    near, far = texts.split(is_near)
    hits, left = match(near, name, rule, kept)
    return hits, join([far, left]) if left.size else far


Ruled = TypeVar("Ruled", bound=tuple[object, str])
"""A rule by name, behind what it is for."""


def offer(
    texts: Texts, name: str, rules: Sequence[Ruled], kept: Callable[[Ruled], frozenset[str] | None]
) -> tuple[list[tuple[Ruled, pl.DataFrame]], Texts]:
    """The first rule that fits a text has it: what each found, and the texts that none fits.

    Args:
        texts: what to read.
        name: the grammar.
        rules: in the order in which they are tried.
        kept: the fields of a rule that are needed.
    """
    found = []
    for number, rule in enumerate(rules):
        if texts.size == 0:
            break
        hits, texts = match_near(texts, name, rule[1], kept(rule), is_first=number == 0)
        if hits is not None:
            found.append((rule, hits))
    return found, texts


@cache
def _holds(needle: str) -> pl.Expr:
    return pl.col("text").str.contains(needle, literal=True)
