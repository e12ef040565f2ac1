"""A block of entries -> events, all at once. No Python loop touches a line.

Each entry goes to the kinds its service may write; the first rule that fits has it. What no rule fits stays, with the
reason. `rows.py` does the same for one entry; the samples prove the two equal.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache

import polars as pl

from smtplog.contract import fields as contract_fields
from smtplog.contract import schema
from smtplog.contract.fields import Spelling
from smtplog.contract.records import TABLES, Event
from smtplog.formats.base import Complete, Constant, Each, Format, Kind, Lookup, Split, Step, Sum, Trim
from smtplog.read import grammar
from smtplog.read.detect import Place, place
from smtplog.read.dispatch import Rules, of_kinds, of_split, sort_out
from smtplog.read.plan import Wanted, active, needs, outputs, split_fields


@dataclass(frozen=True)
class KindFrame:
    """The entries of one kind: `row` (place in the block) and the fields its rule names."""

    format: Format
    kind: Kind
    frame: pl.DataFrame

    def names(self, field: str) -> bool:
        """Does any rule of the kind name this field, whether it was asked for or not?"""
        return any(field in grammar.shape(self.format.grammar, rule).fields for rule in self.kind.rules)


@dataclass(frozen=True)
class Parsed:
    """A block after parsing.

    entries: one row per entry, in order: what the envelope said, and `place`, an index into `places`.
    kinds: the understood entries.
    rest: {row, why}: the others; `unknown` is ours, `foreign` another program's, `malformed` has no envelope.
    """

    entries: pl.DataFrame
    places: tuple[Place, ...]
    kinds: tuple[KindFrame, ...]
    rest: pl.DataFrame


FEW = 3
"""So few rules are quicker tried than sorted out."""
AS_WRITTEN = pl.QueryOptFlags.none()
"""The plans here are as short as they can be: looking for better ones would cost more than running them."""
LIGHT = "failures"
"""Among the wanted: what a success says beyond that it is one need not be read."""
Found = dict[tuple[Format, Kind, str], list[pl.DataFrame]]
"""What each rule has found so far, whichever service wrote it: its steps are taken once."""
SHORT_NEEDLE = 3
"""Shorter literals are in too many texts to tell."""


@cache
def spelling(name: str) -> Spelling:
    """How a field is spelt: as the records say, else by the ending of its name."""
    for record in (Event, *TABLES.values()):
        if name in schema.spellings(record):
            return schema.spellings(record)[name]
    return contract_fields.by_name(name)


def parse(entries: pl.DataFrame, formats: Sequence[Format], wanted: Wanted = None) -> Parsed:
    """Read all entries of a block.

    Args:
        entries: what `envelope.split` returned.
        formats: the formats to offer them to.
        wanted: the fields that are needed.
    """
    who = entries.select("host", "program", "envelope").unique(maintain_order=True).with_row_index("place")
    places = tuple(_place(row, formats) for row in who.iter_rows(named=True))
    if who.height == 1:
        entries = entries.with_columns(place=pl.lit(0, dtype=pl.UInt32))
    else:
        keys = ["host", "program", "envelope"]
        entries = entries.join(who, on=keys, how="left", nulls_equal=True, maintain_order="left")
    routes: dict[tuple[str, tuple[Kind, ...]], int] = {}
    route = [routes.setdefault((one.format.name, one.kinds), len(routes)) if one.format else None for one in places]
    by_place = pl.Series(route, dtype=pl.UInt16)
    text = entries.select(
        row=pl.int_range(pl.len(), dtype=pl.UInt32), text="text", route=by_place.gather(entries["place"])
    )
    found: Found = {}
    rest: list[pl.DataFrame] = []
    for (number,), mine in text.partition_by("route", as_dict=True, include_key=False, maintain_order=True).items():
        if number is None:
            lost = pl.Series(["malformed" if one.program is None else "foreign" for one in places])
            rest.append(mine.select("row", why=lost.gather(entries["place"].gather(mine["row"]))))
            continue
        one = places[route.index(int(number))]
        for kinds in (one.kinds, other_kinds(one.format, one.kinds)):
            mine = _match_all(mine, one.format, kinds, wanted, found)  # type: ignore[arg-type]
        rest.append(mine.select("row", why=pl.lit("unknown")))
    unread = pl.concat(rest).sort("row") if rest else pl.DataFrame(schema={"row": pl.UInt32, "why": pl.String})
    frames = (
        KindFrame(one, kind, meaning(pl.concat(hits), one.grammar, kind, wanted))
        for (one, kind, _), hits in found.items()
    )
    return Parsed(entries, places, tuple(frames), unread)


def _place(row: dict[str, str | None], formats: Sequence[Format]) -> Place:
    if row["envelope"] is None:
        return Place(None, None, None)
    return place(row["host"], row["program"], formats)


@cache
def other_kinds(one: Format, kinds: tuple[Kind, ...]) -> tuple[Kind, ...]:
    """What a service does not write, as far as is known: tried where nothing of its own fits, for logs that misname it."""
    return tuple(kind for kind in one.kinds if kind not in kinds)


def _match_all(mine: pl.DataFrame, one: Format, kinds: Sequence[Kind], wanted: Wanted, found: Found) -> pl.DataFrame:
    """Offer every text to the rules that may begin like it; gives back what none fits."""
    if mine.is_empty():
        return mine
    plan = of_kinds(one.grammar, tuple(kinds))
    mine = _try(mine, one, plan.first, wanted, found)
    if len(plan.buckets) < 2 or mine.is_empty():
        return _try(mine, one, plan.in_order[len(plan.first) :], wanted, found)
    left: list[pl.DataFrame] = []
    for (number,), part in sorted(sort_out(mine, plan).items()):
        rules = plan.buckets[number].rules if number < len(plan.buckets) else ()  # type: ignore[call-overload,operator]
        left.append(_try(part, one, rules, wanted, found))
    return _try(pl.concat(left), one, plan.others, wanted, found)


def _try(mine: pl.DataFrame, one: Format, rules: Rules, wanted: Wanted, found: Found) -> pl.DataFrame:
    """The first rule that fits a text has it; gives back what none fits."""
    for kind, rule in rules:
        if mine.is_empty() or kind is None:
            break
        hits, mine = _match_near(mine, one.grammar, rule, needs(one.grammar, kind, rule, wanted))
        if not hits.is_empty():
            found.setdefault((one, kind, rule), []).append(hits)
    return mine


def _match(mine: pl.DataFrame, name: str, rule: str, fields: Wanted) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Split a frame {row, text} into what a rule fits, as {row, its fields}, and the rest."""
    shape = grammar.shape(name, rule)
    kept = shape.fields if fields is None else tuple(f for f in shape.fields if f in fields)
    witness = next((f for f in (*kept, *shape.fields) if f in shape.always), None)
    if witness is None:
        fits = mine["text"].str.contains(shape.anchored(())).alias("fits")
        found = mine.hstack([fits]) if not kept else _groups(mine, shape.anchored(kept)).hstack([fits])
        hits = found.filter("fits").drop("text", "fits")
        return hits, mine if hits.is_empty() else mine.filter(~fits)
    found = _groups(mine, shape.anchored(kept if witness in kept else (*kept, witness)))
    misses = found[witness].null_count()
    if misses == mine.height:
        return found.clear().drop("text"), mine
    if misses == 0:
        return found.drop("text"), mine.clear()
    fits = found[witness].is_not_null()
    return found.filter(fits).drop("text"), mine.filter(~fits)


def _match_near(mine: pl.DataFrame, name: str, rule: str, fields: Wanted) -> tuple[pl.DataFrame, pl.DataFrame]:
    """The same, but only texts that may fit are read: a look at the beginning or a search is cheaper than a pattern."""
    shape = grammar.shape(name, rule)
    after_id, begins = shape.opening
    if not after_id and "" not in begins:
        is_near = mine.select(pl.any_horizontal(pl.col("text").str.starts_with(text) for text in begins)).to_series()
    elif len(shape.needle) >= SHORT_NEEDLE:
        is_near = mine["text"].str.contains(shape.needle, literal=True)
    else:
        return _match(mine, name, rule, fields)
    count = int(is_near.sum())
    if count == 0:
        return mine.clear().drop("text"), mine
    if count == mine.height:
        return _match(mine, name, rule, fields)
    hits, left = _match(mine.filter(is_near), name, rule, fields)
    far = mine.filter(~is_near)
    return hits, pl.concat([far, left]) if left.height else far


def _groups(mine: pl.DataFrame, pattern: str) -> pl.DataFrame:
    return (
        mine.lazy()
        .with_columns(pl.col("text").str.extract_groups(pattern).alias(" "))
        .unnest(" ")
        .collect(optimizations=AS_WRITTEN)
    )


def meaning(hits: pl.DataFrame, name: str, kind: Kind, wanted: Wanted) -> pl.DataFrame:
    """Take the kind's steps and give every field its type."""
    lazy, names = hits.lazy(), list(hits.columns)
    for step in active(name, kind, wanted):
        if isinstance(step, Split):
            hits = _split(lazy.collect(optimizations=AS_WRITTEN), name, step, wanted)
            hits = hits.drop(step.source, strict=False) if step.is_spent else hits
            lazy, names = hits.lazy(), list(hits.columns)
            continue
        lazy = lazy.with_columns(_step(step, names, name))
        names += [n for n in outputs(name, step) if n not in names and not isinstance(step, Complete | Each)]
        if isinstance(step, Sum):
            names = [n for n in names if n not in step.parts]
            lazy = lazy.select(names)
    keep = [c for c in names if c == "row" or wanted is None or c in wanted]
    return lazy.select(*("row" if c == "row" else spelling(c).of_column(pl.col(c)).alias(c) for c in keep)).collect(
        optimizations=AS_WRITTEN
    )


def _step(step: Step, names: list[str], name: str) -> pl.Expr | list[pl.Expr]:
    """What a step adds."""
    match step:
        case Each(source, rule) if source in names:
            found = pl.col(source).str.extract_all(grammar.shape(name, rule).pattern)
            return found.list.eval(pl.element().str.strip_chars("<>"))
        case Each():
            return []
        case Trim(source, suffix):
            text = pl.col(source)
            return pl.when(text.str.ends_with(suffix)).then(text.str.head(-len(suffix))).otherwise(text)
        case Constant(target, value):
            return _first_of(names, target, pl.lit(value))
        case Lookup(source, target, table, letters, default):
            if source not in names:
                return _first_of(names, target, pl.lit(default, dtype=pl.String))
            looked = pl.col(source) if letters is None else pl.col(source).str.head(letters)
            found = looked.replace_strict(dict(table), default=pl.lit(default, dtype=pl.String), return_dtype=pl.String)
            return _first_of(names, target, pl.when(found != "").then(found))
        case Sum(target, parts):
            return _sum([name for name in parts if name in names], target, parts)
        case Complete(source, whole) if source not in names or whole not in names:
            return []
        case Complete(source, whole):
            part, full = pl.col(source), pl.col(whole)
            is_part = full.str.starts_with(pl.concat_str(part, pl.lit("@"))).fill_null(False)
            return [
                pl.when(is_part).then(full).otherwise(part).alias(source),
                pl.when(~is_part).then(full).alias(whole),
            ]
        case _:
            raise TypeError(step)


def _sum(here: list[str], target: str, parts: Mapping[str, float]) -> pl.Expr:
    total: pl.Expr = pl.lit(0.0)
    for name in here:
        total = total + pl.col(name).cast(pl.Float64, strict=False).fill_null(0.0) * parts[name]
    known = pl.any_horizontal(pl.col(name).is_not_null() for name in here) if here else pl.lit(False)
    return pl.when(known).then(total).alias(target)


def _first_of(names: list[str], target: str, value: pl.Expr) -> pl.Expr:
    return (pl.coalesce(pl.col(target), value) if target in names else value).alias(target)


def _split(hits: pl.DataFrame, name: str, step: Split, wanted: Wanted) -> pl.DataFrame:
    added = split_fields(name, step)
    if step.source not in hits.columns:
        return hits.with_columns(pl.lit(None, dtype=pl.String).alias(f) for f in added if f not in hits.columns)
    numbered = hits.lazy().with_columns(row=pl.int_range(pl.len(), dtype=pl.UInt32), text=pl.col(step.source))
    worth = _worth_reading(step, hits.columns) if wanted is not None and LIGHT in wanted else pl.lit(True)
    mine = numbered.filter(pl.col("text").is_not_null() & worth).select("row", "text").collect(optimizations=AS_WRITTEN)
    parts: list[pl.DataFrame] = []
    plan = of_split(name, step)
    if len(plan.buckets) > FEW and not mine.is_empty():
        left = []
        for (number,), part in sorted(sort_out(mine, plan).items()):
            rules = plan.buckets[number].rules if number < len(plan.buckets) else ()  # type: ignore[call-overload,operator]
            left.append(_try_again(part, name, rules, parts))
        _try_again(pl.concat(left), name, plan.others, parts)
    else:
        _try_again(mine, name, plan.in_order, parts)
    if len(parts) == 1 and parts[0].height == hits.height:
        one = parts[0]
        finer = one.select(f if f in one.columns else pl.lit(None, dtype=pl.String).alias(f) for f in added)
    else:
        empty = pl.DataFrame(schema={"row": pl.UInt32, **dict.fromkeys(added, pl.String)})
        order = pl.LazyFrame({"row": pl.int_range(hits.height, dtype=pl.UInt32, eager=True)})
        finer = pl.concat([empty, *parts], how="diagonal")
        finer = (
            order.join(finer.lazy(), on="row", how="left", maintain_order="left")
            .drop("row")
            .collect(optimizations=AS_WRITTEN)
        )
    fresh = {f: f"{f} " for f in added if f in hits.columns}
    both = hits.hstack(finer.rename(fresh))
    return both.with_columns(pl.coalesce(f, f"{f} ") for f in fresh).drop(fresh.values()) if fresh else both


def _worth_reading(step: Split, here: list[str]) -> pl.Expr:
    """Which texts tell more than that all went well, where only that is asked."""
    if not step.fine:
        return pl.lit(True)
    text = pl.col("text")
    is_fine = pl.any_horizontal(text.str.starts_with(word) for word in step.fine)
    for word in step.unless:
        is_fine = is_fine & ~text.str.contains(word, literal=True)
    if "relay_ip" in here:
        is_fine = is_fine & ~(pl.col("relay_ip").str.starts_with("127.") | (pl.col("relay_ip") == "::1")).fill_null(
            False
        )
    return ~is_fine


def _try_again(mine: pl.DataFrame, name: str, rules: Rules, parts: list[pl.DataFrame]) -> pl.DataFrame:
    for _, rule in rules:
        if mine.is_empty():
            break
        found, mine = _match_near(mine, name, rule, None)
        if not found.is_empty():
            parts.append(found)
    return mine


def events(parsed: Parsed, source: str, keys: pl.DataFrame | None = None) -> pl.DataFrame:
    """The understood entries as one frame with the columns of Event, in order.

    Args:
        parsed: a block with complete times.
        source: name of the input.
        keys: {row, message_key, session_key} of the entries that have them; None: keys stay null.
    """
    columns = schema.of(Event)
    frames = [_event_frame(one) for one in parsed.kinds]
    head = parsed.entries.select(
        row=pl.int_range(parsed.entries.height, dtype=pl.UInt32),
        source=pl.lit(source),
        **{name: name for name in ("line", "line_count", "at", "is_year_inferred", "is_zone_assumed", "pid", "host", "place", "raw")},
    )  # fmt: skip
    places = pl.DataFrame(
        [(i, p.instance, p.service) for i, p in enumerate(parsed.places)],
        schema={"place": pl.UInt32, "instance": pl.String, "service": pl.String},
        orient="row",
    )
    body = pl.concat(
        [pl.DataFrame(schema={"row": pl.UInt32, "format": pl.String, "kind": pl.String}), *frames], how="diagonal"
    )
    whole = body.join(head, on="row", how="left").join(places, on="place", how="left").sort("row")
    if keys is not None:
        whole = whole.drop("session_key", strict=False).join(keys, on="row", how="left", maintain_order="left")
    missing = [pl.lit(None, dtype=dtype).alias(name) for name, dtype in columns.items() if name not in whole.columns]
    return whole.with_columns(missing).select(pl.col(name).cast(dtype) for name, dtype in columns.items())


def _event_frame(one: KindFrame) -> pl.DataFrame:
    shared = schema.of(Event)
    extra = [c for c in one.frame.columns if c != "row" and c not in shared]
    packed = pl.struct(extra).struct.json_encode() if extra else pl.lit(None, dtype=pl.String)
    return one.frame.with_columns(fields=packed, format=pl.lit(one.format.name), kind=pl.lit(one.kind.name)).drop(extra)
