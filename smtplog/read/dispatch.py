"""Which rules an entry is offered to: those that may begin like it.

Trying every rule on every text is what makes log readers slow. How a text begins, or what follows the id it begins
with, is short and mostly the same; so it is decided once for each such beginning which rules may fit.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cache, cached_property

import polars as pl

from smtplog.formats.base import Format, Kind, Split
from smtplog.read import grammar
from smtplog.read.match import Texts

NEAR = 12
"""So many octets of a beginning decide, and none behind an equals sign: short texts are held without a pointer."""
MOST_KNOWN = 100_000
"""So many beginnings are remembered."""
_SHAPED = "[-0-9A-Za-z]"
"""What ids of a fixed shape are made of."""


Rules = tuple[tuple[Kind | None, str], ...]
"""Rules by name, each with the kind it makes; none where it only reads a field again."""
Kinds = frozenset[Kind] | None
"""Kinds that count; None: all."""


@dataclass(frozen=True)
class Bucket:
    """Rules whose texts begin alike."""

    after_id: bool
    literals: tuple[str, ...]
    rules: Rules


@dataclass(frozen=True, eq=False)
class Openings:
    """Some rules by how their texts begin; `others` may begin in any way and are tried last."""

    buckets: tuple[Bucket, ...]
    others: Rules
    id_shape: str = ""
    """What ids look like where no colon follows them."""
    known: dict[bytes, int] = field(default_factory=dict, repr=False)
    """The buckets of the beginnings met so far."""

    @cached_property
    def words(self) -> frozenset[str]:
        """Words that look like an id and its colon but are none: `warning: `."""
        literals = (text.partition(" ")[0] for b in self.buckets if not b.after_id for text in b.literals)
        return frozenset(f"{word} " for word in literals if word.endswith(":"))

    @cached_property
    def _beginnings(self) -> tuple[tuple[bytes, ...], ...]:
        """For each bucket the literals; what follows an id stands there with the blank before it."""
        return tuple(tuple((f" {t}" if b.after_id else t).encode() for t in b.literals) for b in self.buckets)

    def bucket_of(self, begins: bytes) -> int:
        """The bucket of a beginning; past the last: none."""
        found = self.known.get(begins)
        if found is None:
            numbers = (number for number, literals in enumerate(self._beginnings) if begins.startswith(literals))
            found = next(numbers, len(self.buckets))
            if len(self.known) < MOST_KNOWN:
                self.known[begins] = found
        return found

    def rules_of(self, bucket: int, kinds: Kinds) -> Rules:
        """What the texts of a bucket are offered to, in order: the rules of these kinds."""
        mine = (*(self.buckets[bucket].rules if bucket < len(self.buckets) else ()), *self.others)
        return mine if kinds is None else tuple(pair for pair in mine if pair[0] in kinds)

    @property
    def in_order(self) -> Rules:
        """All rules in the order in which they are tried."""
        return (*(pair for bucket in self.buckets for pair in bucket.rules), *self.others)


@cache
def of_format(one: Format) -> Openings:
    """The rules of a format."""
    return openings(one.grammar, tuple((kind, rule) for kind in one.kinds for rule in kind.rules))


@cache
def of_split(name: str, step: Split) -> Openings:
    """The rules by which a field is read again."""
    return openings(name, tuple((None, rule) for rule in step.rules))


@cache
def offers(one: Format, kinds: tuple[Kind, ...]) -> tuple[Kinds, Kinds]:
    """What a service writes, and what it does not as far as is known: tried next, for logs that misname it."""
    return frozenset(kinds), frozenset(one.kinds) - frozenset(kinds)


def openings(name: str, order: Rules) -> Openings:
    """Sort rules into buckets: a text can only fit rules that begin as it does. Rows and columns both follow it.

    A rule whose beginning could be taken for an id, or is nothing at all, is no bucket's. The hot ones come first.
    """
    buckets: list[Bucket] = []
    others = []
    order = tuple(sorted(order, key=lambda pair: not (pair[0] and pair[0].hot)))
    shapes = [grammar.shape(name, rule) for _, rule in order]
    ids = next((shape.id_characters for shape in shapes if shape.id_characters), "")
    id_shape = next((shape.id_shape for shape in shapes if shape.id_shape), "")
    for pair, shape in zip(order, shapes, strict=True):
        after_id, literals = shape.opening
        literals = tuple({_decisive(text, NEAR - after_id) for text in literals})  # behind an id, the blank counts
        if "" in literals or (not after_id and any(_like_id(text, ids, id_shape) for text in literals)):
            others.append(pair)
            continue
        same = [b for b in buckets if b.after_id == after_id and _alike(b.literals, literals)]
        buckets = [b for b in buckets if b not in same]
        members = {p for b in same for p in b.rules} | {pair}
        every = {*literals, *(text for b in same for text in b.literals)}
        shortest = tuple(sorted(t for t in every if not any(t != o and t.startswith(o) for o in every)))
        buckets.append(Bucket(after_id, shortest, tuple(p for p in order if p in members)))
    return Openings(tuple(buckets), tuple(others), id_shape)


def _decisive(literal: str, most: int) -> str:
    """As much of a literal as decides."""
    word, equals, _ = literal[:most].partition("=")
    return word + equals


def _like_id(literal: str, ids: str, id_shape: str) -> bool:
    """Could a text that begins so be taken for one that begins with an id?"""
    word, space, _ = literal.partition(" ")
    if id_shape:
        return grammar.fits(word, id_shape) if space else grammar.is_made_of(word, _SHAPED)
    return not space or (word.endswith(":") and grammar.is_made_of(word[:-1], ids))


def _alike(some: tuple[str, ...], others: tuple[str, ...]) -> bool:
    return any(a.startswith(b) or b.startswith(a) for a in some for b in others)


def _beginnings_of(texts: pl.Series, id_shape: str, words: frozenset[str]) -> pl.Series:
    """What decides about each text: how it begins, or what follows the id it begins with."""
    text = pl.col("text")
    found = texts.to_frame("text").select(
        text.cast(pl.Binary),
        space=text.str.find(" ", literal=True),
        equals=text.str.find("=", literal=True).fill_null(1 << 31) + 1,
        has_id=_has_id(id_shape, words),
    )
    found = found.with_columns(begin=pl.when("has_id").then("space").otherwise(0))
    length = (pl.col("equals").clip("begin") - pl.col("begin")).clip(0, NEAR)
    return found.select(text.bin.slice("begin", length)).to_series()


@cache
def _has_id(id_shape: str, words: frozenset[str]) -> pl.Expr:
    text = pl.col("text")
    if id_shape:
        return text.str.contains(f"^{id_shape} ")
    has_id = text.str.find(": ", literal=True) + 1 == text.str.find(" ", literal=True)
    return (has_id & ~text.str.contains(grammar.beginnings(words)) if words else has_id).fill_null(False)


def sort_out(
    texts: Texts, plan: Openings, routes: Sequence[Kinds] = (None,), route: pl.Series | None = None
) -> list[tuple[Rules, Texts]]:
    """Give every lot of texts the rules it is to be offered to, in order.

    What decides is short and mostly the same; so it is decided once for every such beginning, not for every text.

    Args:
        texts: what to part.
        plan: the rules.
        routes: the kinds that the texts of each route may be of.
        route: for each text its place in `routes`; None: all go the first.
    """
    if texts.size == 0:
        return []
    begins = _beginnings_of(texts.text, plan.id_shape, plan.words)
    keys = begins.unique()
    bucket_of_key = pl.Series([plan.bucket_of(key) for key in keys.to_list()], dtype=pl.UInt32)
    numbers = pl.DataFrame({"begins": keys, "bucket": bucket_of_key})
    way = begins.to_frame("begins").join(numbers, on="begins", how="left", maintain_order="left")["bucket"]
    if route is not None:
        way = way * len(routes) + route
    lots: dict[Rules, int] = {}
    lot_of = dict.fromkeys(way.unique().to_list(), 0)
    for one in lot_of:
        bucket, number = divmod(one, len(routes)) if route is not None else (one, 0)
        lot_of[one] = lots.setdefault(plan.rules_of(bucket, routes[number]), len(lots))
    if len(lots) == 1:
        return [(next(iter(lots)), texts)]
    table = pl.Series([0], dtype=pl.UInt16).new_from_index(0, max(lot_of) + 1)
    lot = table.scatter(list(lot_of), pl.Series(list(lot_of.values()), dtype=pl.UInt16)).gather(way).alias("lot")
    parts = pl.DataFrame([texts.row, texts.text, lot]).partition_by(
        "lot", as_dict=True, include_key=False, maintain_order=True
    )
    ordered = list(lots)
    return [(ordered[number], Texts(*part.get_columns())) for (number,), part in sorted(parts.items())]
