"""What the fields of an entry mean: a kind's steps and the type of every field, on whole columns.

Steps become expressions that are put into one another and run at once; only a field that is read again (`Split`) has to
be there before what follows from it can be said. `rows.py` does the same for one entry.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache, lru_cache

import polars as pl

from smtplog.contract import fields as contract_fields
from smtplog.contract import schema
from smtplog.contract.fields import Spelling
from smtplog.contract.records import TABLES, Event
from smtplog.formats.base import Complete, Constant, Each, Instead, Kind, Lookup, Replace, Split, Step, Sum, Trim
from smtplog.read import grammar
from smtplog.read.dispatch import of_split, sort_out
from smtplog.read.match import Texts, offer
from smtplog.read.plan import LIGHT, Wanted, active, asked_of, split_fields

FEW = 3
"""So few rules are quicker tried than sorted out."""
_NOTHING = pl.lit(None, dtype=pl.String)
_Known = dict[str, pl.Expr]
"""What is known of each field so far, in terms of the columns that are there."""


@cache
def spelling(name: str) -> Spelling:
    """How a field is spelt: as the records say, else by the ending of its name."""
    for record in (Event, *TABLES.values()):
        if name in schema.spellings(record):
            return schema.spellings(record)[name]
    return contract_fields.by_name(name)


def meaning(hits: pl.DataFrame, name: str, kind: Kind, wanted: Wanted) -> pl.DataFrame:
    """Take the kind's steps and give every field its type.

    Args:
        hits: {row, fields} of one rule, as texts.
        name: the grammar.
        kind: whose steps are taken.
        wanted: the fields that are needed; None: all of them, also those that nothing here fills.
    """
    for number, step in enumerate(active(name, kind, wanted)):
        if isinstance(step, Split):
            known = _known(name, kind, wanted, number, tuple(hits.columns))
            hits = hits.hstack(_read_again(hits, known, name, kind, number, wanted))
    return hits.select(_columns(name, kind, wanted, tuple(hits.columns)))


@lru_cache(10_000)
def _columns(name: str, kind: Kind, wanted: Wanted, here: tuple[str, ...]) -> list[pl.Expr]:
    """The fields that are wanted, as expressions on the columns that are there."""
    steps = active(name, kind, wanted)
    known = _known(name, kind, wanted, len(steps), here)
    spent = {step.source for step in steps if isinstance(step, Split) and step.is_spent}
    keep = [f for f in known if f not in spent and (wanted is None or f in wanted)]
    return [pl.col("row"), *(spelling(f).of_column(known[f]).alias(f) for f in keep)]


@lru_cache(10_000)
def _known(name: str, kind: Kind, wanted: Wanted, until: int, here: tuple[str, ...]) -> _Known:
    """What is known before step `until`, given the columns; what nothing here fills is among it only where all is wanted."""
    known = {f: pl.col(f) for f in here if f != "row" and "@" not in f}
    for number, step in enumerate(active(name, kind, wanted)[:until]):
        if not isinstance(step, Split):
            _take(step, known, name)
            continue
        for f in split_fields(name, step):
            column = f"{f}@{number}"
            if column in here:
                known[f] = pl.coalesce(known[f], column) if f in known else pl.col(column)
            elif wanted is None:
                known.setdefault(f, _NOTHING)
    return known


def _take(step: Step, known: _Known, name: str) -> None:
    """What is known after a step."""
    match step:
        case Each(source, rule):
            if source in known:
                every = known[source].str.extract_all(grammar.shape(name, rule).pattern)
                known[source] = every.list.eval(pl.element().str.strip_chars("<>"))
        case Replace(source, rule, by):
            if source in known:
                known[source] = known[source].str.replace_all(grammar.shape(name, rule).pattern, by)
        case Instead(target, source):
            _add(known, target, known.get(source))
        case Trim(source, suffix):
            text = known[source]
            known[source] = pl.when(text.str.ends_with(suffix)).then(text.str.head(-len(suffix))).otherwise(text)
        case Constant(target, value):
            _add(known, target, pl.lit(value))
        case Lookup(source, target, table, letters, default):
            _add(known, target, _looked_up(known.get(source), table, letters, default))
        case Sum(target, parts):
            known[target] = _sum({name: known.pop(name) for name in parts if name in known}, parts)
        case Complete(source, whole):
            if source in known and whole in known:
                part, full = known[source], known[whole]
                is_part = full.str.starts_with(pl.concat_str(part, pl.lit("@"))).fill_null(False)
                known[source] = pl.when(is_part).then(full).otherwise(part)
                known[whole] = pl.when(~is_part).then(full)
        case _:
            raise TypeError(step)


def _add(known: _Known, target: str, value: pl.Expr | None) -> None:
    """A value for what is not known yet."""
    if value is not None:
        known[target] = pl.coalesce(known[target], value) if target in known else value
    known.setdefault(target, _NOTHING)


def _looked_up(
    source: pl.Expr | None, table: Mapping[str, str], letters: int | None, default: str | None
) -> pl.Expr | None:
    if source is None:
        return None if default is None else pl.lit(default)
    looked = source if letters is None else source.str.head(letters)
    other = pl.lit(default, dtype=pl.String)
    found = looked.replace_strict(dict(table), default=other, return_dtype=pl.String)
    return pl.when(found != "").then(found) if "" in table.values() else found


def _sum(terms: _Known, parts: Mapping[str, float]) -> pl.Expr:
    if not terms:
        return pl.lit(None, dtype=pl.Float64)
    values = (term.cast(pl.Float64, strict=False).fill_null(0.0) * parts[name] for name, term in terms.items())
    return pl.when(pl.any_horizontal(term.is_not_null() for term in terms.values())).then(pl.sum_horizontal(values))


def _read_again(
    hits: pl.DataFrame, known: _Known, name: str, kind: Kind, number: int, wanted: Wanted
) -> pl.DataFrame:  # fmt: skip
    """The fields that a step's finer rules find, as columns `field@number`; those that none gives are left out."""
    step = active(name, kind, wanted)[number]
    nothing = pl.DataFrame(height=hits.height)
    if not isinstance(step, Split) or step.source not in known:
        return nothing
    is_light = wanted is not None and LIGHT in wanted
    text, mask = hits.select(
        known[step.source].alias("text"), _worth_reading(step, known, is_light=is_light)
    ).get_columns()
    order = pl.int_range(hits.height, dtype=pl.UInt32, eager=True).alias("row")
    texts = Texts(order, text).filter(mask)
    parts = _finer(texts, name, step, asked_of(name, kind, wanted, number))
    if not parts:
        return nothing
    whole = parts[0] if len(parts) == 1 else pl.concat(parts, how="diagonal")
    row, whole = whole["row"], whole.drop("row")
    spelt = [pl.col(f).alias(f"{f}@{number}") for f in whole.columns]
    if len(row) == hits.height and len(parts) == 1:
        return whole.select(spelt)
    place = pl.Series([None], dtype=pl.UInt32).new_from_index(0, hits.height).scatter(row, order.head(len(row)))
    return whole.select(one.gather(place) for one in spelt)


def _worth_reading(step: Split, known: _Known, *, is_light: bool) -> pl.Expr:
    """Which texts are read again: where only failures are asked for, none that says that all went well."""
    text = known[step.source]
    is_there = text.is_not_null().alias("is_worth")
    if not step.fine or not is_light:
        return is_there
    is_fine = pl.any_horizontal(text.str.starts_with(word) for word in step.fine)
    for word in step.unless:
        is_fine = is_fine & ~text.str.contains(word, literal=True)
    if "relay_ip" in known:
        here = known["relay_ip"].str.starts_with("127.") | (known["relay_ip"] == "::1")
        is_fine = is_fine & ~here.fill_null(False)
    return (is_there & ~is_fine).fill_null(False)


def _finer(texts: Texts, name: str, step: Split, kept: Wanted) -> list[pl.DataFrame]:
    """What each of the rules finds; the first that fits a text has it."""
    if texts.size == 0:
        return []
    plan = of_split(name, step)
    lots = [(plan.in_order, texts)] if len(plan.buckets) <= FEW else sort_out(texts, plan)
    return [hits for rules, mine in lots for _, hits in offer(mine, name, rules, lambda _: kept)[0]]
