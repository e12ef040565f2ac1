"""Which rules an entry is offered to: those that may begin like it.

Trying every rule on every text is what makes log readers slow. How a text begins, or what follows the id it begins
with, is short and mostly the same; so it is decided once for each such beginning which rules may fit.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache, cached_property

import polars as pl

from smtplog.formats.base import Kind, Split
from smtplog.read import grammar

NEAR = 12
"""So many characters of a beginning decide: short texts are held without a pointer."""


Rules = tuple[tuple[Kind | None, str], ...]
"""Rules by name, each with the kind it makes; none where it only reads a field again."""


@dataclass(frozen=True)
class Bucket:
    """Rules whose texts begin alike."""

    after_id: bool
    literals: tuple[str, ...]
    rules: Rules


@dataclass(frozen=True)
class Openings:
    """Some rules by how their texts begin; `others` may begin in any way and are tried last."""

    first: Rules
    """The hot ones: most texts are theirs, so they are tried before anything is sorted."""
    buckets: tuple[Bucket, ...]
    others: Rules
    id_shape: str = ""
    """What ids look like where no colon follows them."""

    @property
    def words(self) -> tuple[str, ...]:
        """Words that look like an id and its colon but are none: `warning: `."""
        literals = {text.partition(" ") for b in self.buckets if not b.after_id for text in b.literals}
        return tuple(sorted({f"{word} " for word, _, _ in literals if word.endswith(":")}))

    @cached_property
    def _beginnings(self) -> tuple[tuple[str, ...], ...]:
        """For each bucket the literals; what follows an id stands there with the blank before it."""
        return tuple(tuple(f" {t}"[:NEAR] if b.after_id else t for t in b.literals) for b in self.buckets)

    def bucket_of(self, begins: str) -> int:
        """The bucket of a beginning; past the last: none."""
        numbers = (number for number, literals in enumerate(self._beginnings) if begins.startswith(literals))
        return next(numbers, len(self.buckets))

    @property
    def in_order(self) -> Rules:
        """All rules in the order in which they are tried."""
        return (*self.first, *(pair for bucket in self.buckets for pair in bucket.rules), *self.others)


def of_kinds(name: str, kinds: tuple[Kind, ...]) -> Openings:
    """The rules of some kinds of a grammar."""
    return openings(name, tuple((kind, rule) for kind in kinds for rule in kind.rules))


def of_split(name: str, step: Split) -> Openings:
    """The rules by which a field is read again."""
    return openings(name, tuple((None, rule) for rule in step.rules))


@cache
def openings(name: str, order: Rules) -> Openings:
    """Sort rules into buckets: a text can only fit rules that begin as it does. Rows and columns both follow it.

    A rule whose beginning could be taken for an id, or for less than one word, is no bucket's.
    """
    buckets: list[Bucket] = []
    others = []
    first = tuple((kind, rule) for kind, rule in order if kind is not None and kind.hot)
    ids = next((c for _, rule in order if (c := grammar.shape(name, rule).id_characters)), "")
    for pair in order:
        if pair in first:
            continue
        after_id, literals = grammar.shape(name, pair[1]).opening
        literals = tuple({text[: NEAR - 1] for text in literals})
        words = [text.partition(" ") for text in literals]
        like_id = any(not space or grammar.is_made_of(word.removesuffix(":"), ids) for word, space, _ in words)
        if "" in literals or (not after_id and (like_id or any(text.startswith(" ") for text in literals))):
            others.append(pair)
            continue
        same = [b for b in buckets if b.after_id == after_id and _alike(b.literals, literals)]
        buckets = [b for b in buckets if b not in same]
        members = {p for b in same for p in b.rules} | {pair}
        every = {*literals, *(text for b in same for text in b.literals)}
        shortest = tuple(sorted(t for t in every if not any(t != o and t.startswith(o) for o in every)))
        buckets.append(Bucket(after_id, shortest, tuple(p for p in order if p in members)))
    id_shape = next((shape for _, rule in order if (shape := grammar.shape(name, rule).id_shape)), "")
    return Openings(first, tuple(buckets), tuple(others), id_shape)


def _alike(some: tuple[str, ...], others: tuple[str, ...]) -> bool:
    return any(a.startswith(b) or b.startswith(a) for a in some for b in others)


def sort_out(mine: pl.DataFrame, plan: Openings) -> dict[tuple[object, ...], pl.DataFrame]:
    """Part texts by bucket; the number past the last bucket stands for none.

    What decides is short and mostly the same: how a text begins, or what follows the id it begins with. So it is
    decided once for every such beginning, not for every text.
    """
    text = pl.col("text")
    space = text.str.find(" ", literal=True)
    if plan.id_shape:
        has_id = text.str.contains(f"^{plan.id_shape} ")
    else:
        is_word = pl.any_horizontal(pl.lit(False), *(text.str.starts_with(word) for word in plan.words))
        has_id = (text.str.find(": ", literal=True) + 1 == space).fill_null(False) & ~is_word
    begins = text.str.slice(pl.when(has_id).then(space).otherwise(0), NEAR).alias("begins")
    keyed = mine.with_columns(begins)
    keys = keyed["begins"].unique()
    buckets = pl.Series([plan.bucket_of(key) for key in keys], dtype=pl.UInt16)
    whole = keyed.join(
        pl.DataFrame({"begins": keys, "bucket": buckets}), on="begins", how="left", maintain_order="left"
    )
    return whole.drop("begins").partition_by("bucket", as_dict=True, include_key=False, maintain_order=True)
