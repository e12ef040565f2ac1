"""A block of entries -> events, all at once. No Python loop touches a line.

Each entry goes to the kinds its service may write; the first rule that fits has it. What no rule fits stays, with the
reason. `rows.py` does the same for one entry; the samples prove the two equal.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache

import polars as pl

from smtplog.contract import fields as contract_fields
from smtplog.contract import schema
from smtplog.contract.fields import Spelling
from smtplog.contract.records import TABLES, Event
from smtplog.formats.base import Complete, Constant, Format, Kind, Lookup, Split, Step, Sum, Trim
from smtplog.read import grammar
from smtplog.read.detect import Place, place

Wanted = frozenset[str] | None
"""Names of the fields a question needs; None: all of them."""


@dataclass(frozen=True)
class KindFrame:
    """The entries of one kind: `row` (place in the block) and the fields its rule names."""

    format: Format
    kind: Kind
    frame: pl.DataFrame


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
    routes: dict[tuple[str, ...], list[int]] = {}
    for i, one in enumerate(places):
        if one.format:
            routes.setdefault((one.format.name, *(k.name for k in one.kinds)), []).append(i)
    found: list[KindFrame] = []
    rest: list[pl.DataFrame] = []
    text = entries.select("place", row=pl.int_range(entries.height, dtype=pl.UInt32), text="text")
    for members in routes.values():
        mine = text.filter(pl.col("place").is_in(members)).drop("place")
        one = places[members[0]]
        frames, left = _match_all(mine, one.format, one.kinds, wanted)  # type: ignore[arg-type]
        found += frames
        rest.append(left.select("row", why=pl.lit("unknown")))
    strange = [i for i, one in enumerate(places) if not one.format]
    if strange:
        lost = {i: "malformed" if one.program is None else "foreign" for i, one in enumerate(places)}
        mine = text.filter(pl.col("place").is_in(strange))
        rest.append(mine.select("row", why=pl.col("place").replace_strict(lost, return_dtype=pl.String)))
    unread = pl.concat(rest).sort("row") if rest else pl.DataFrame(schema={"row": pl.UInt32, "why": pl.String})
    return Parsed(entries, places, tuple(found), unread)


def _place(row: dict[str, str | None], formats: Sequence[Format]) -> Place:
    if row["envelope"] is None:
        return Place(None, None, None)
    return place(row["host"], row["program"], formats)


def _match_all(
    mine: pl.DataFrame, one: Format, kinds: Iterable[Kind], wanted: Wanted
) -> tuple[list[KindFrame], pl.DataFrame]:
    found: list[KindFrame] = []
    for kind in kinds:
        for rule in kind.rules:
            if mine.is_empty():
                return found, mine
            hits, mine = _match(mine, one.grammar, rule, needs(one.grammar, kind, rule, wanted))
            if not hits.is_empty():
                found.append(KindFrame(one, kind, meaning(hits, one.grammar, kind, wanted)))
    return found, mine


def _match(mine: pl.DataFrame, name: str, rule: str, fields: Wanted) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Split a frame {row, text} into what a rule fits, with its fields, and the rest."""
    shape = grammar.shape(name, rule)
    kept = shape.fields if fields is None else tuple(f for f in shape.fields if f in fields)
    witness = next((f for f in kept if f in shape.always), None)
    if witness is None:
        witness = next((f for f in shape.fields if f in shape.always), None)
        kept = (*kept, witness) if witness else kept
    if witness is None:
        fits = mine["text"].str.contains(shape.anchored(()))
        found = mine.select("row").with_columns(pl.lit(None, dtype=pl.String).alias(f) for f in kept)
        if kept:
            found = _groups(mine, shape.anchored(kept), kept)
    else:
        found = _groups(mine, shape.anchored(kept), kept)
        fits = found[witness].is_not_null()
    hits = int(fits.sum())
    if hits == 0:
        return found.clear(), mine
    if hits == mine.height:
        return found, mine.clear()
    return found.filter(fits), mine.filter(~fits)


def _groups(mine: pl.DataFrame, pattern: str, kept: tuple[str, ...]) -> pl.DataFrame:
    found = mine.select(pl.col("text").str.extract_groups(pattern).alias("g")).unnest("g").select(kept)
    return found.insert_column(0, mine["row"])


def meaning(hits: pl.DataFrame, name: str, kind: Kind, wanted: Wanted) -> pl.DataFrame:
    """Take the kind's steps and give every field its type."""
    for step in active(name, kind, wanted):
        hits = _take_step(hits, name, step)
    keep = [c for c in hits.columns if c == "row" or wanted is None or c in wanted]
    return hits.select(*("row" if c == "row" else spelling(c).of_column(pl.col(c)).alias(c) for c in keep))


def _take_step(hits: pl.DataFrame, name: str, step: Step) -> pl.DataFrame:
    match step:
        case Trim(source, suffix):
            return hits.with_columns(pl.col(source).str.strip_suffix(suffix))
        case Constant(target, value):
            return hits.with_columns(_first_of(hits, target, pl.lit(value)))
        case Lookup(source, target, table, letters, default):
            if source not in hits.columns:
                return hits.with_columns(_first_of(hits, target, pl.lit(default, dtype=pl.String)))
            key = pl.col(source) if letters is None else pl.col(source).str.head(letters)
            value = key.replace_strict(dict(table), default=pl.lit(default, dtype=pl.String), return_dtype=pl.String)
            return hits.with_columns(_first_of(hits, target, pl.when(value != "").then(value)))
        case Split():
            both = _split(hits, name, step)
            return both.drop(step.source, strict=False) if step.is_spent else both
        case Sum(target, parts):
            return _sum(hits, target, parts)
        case Complete(source, whole):
            part, full = pl.col(source), pl.col(whole)
            is_part = full.str.starts_with(pl.concat_str(part, pl.lit("@"))).fill_null(False)
            return hits.with_columns(
                pl.when(is_part).then(full).otherwise(part).alias(source), pl.when(~is_part).then(full).alias(whole)
            )


def _sum(hits: pl.DataFrame, target: str, parts: Mapping[str, float]) -> pl.DataFrame:
    here = [name for name in parts if name in hits.columns]
    total: pl.Expr = pl.lit(0.0)
    for name in here:
        total = total + pl.col(name).cast(pl.Float64, strict=False).fill_null(0.0) * parts[name]
    known = pl.any_horizontal(pl.col(name).is_not_null() for name in here) if here else pl.lit(False)
    return hits.with_columns(pl.when(known).then(total).alias(target)).drop(here)


def _first_of(hits: pl.DataFrame, target: str, value: pl.Expr) -> pl.Expr:
    return (pl.coalesce(pl.col(target), value) if target in hits.columns else value).alias(target)


def _split(hits: pl.DataFrame, name: str, step: Split) -> pl.DataFrame:
    added = split_fields(name, step)
    if step.source not in hits.columns:
        return hits.with_columns(pl.lit(None, dtype=pl.String).alias(f) for f in added if f not in hits.columns)
    mine = hits.select(row=pl.int_range(pl.len(), dtype=pl.UInt32), text=step.source).drop_nulls("text")
    parts = []
    for rule in step.rules:
        if mine.is_empty():
            break
        found, mine = _match(mine, name, rule, None)
        if not found.is_empty():
            parts.append(found)
    empty = pl.DataFrame(schema={"row": pl.UInt32, **dict.fromkeys(added, pl.String)})
    finer = pl.concat([empty, *parts], how="diagonal")
    if finer.height == hits.height and len(parts) == 1:
        finer = finer.drop("row")
    else:
        order = pl.DataFrame({"row": pl.int_range(hits.height, dtype=pl.UInt32, eager=True)})
        finer = order.join(finer, on="row", how="left", maintain_order="left").drop("row")
    fresh = {f: f"{f} " for f in added if f in hits.columns}
    both = hits.hstack(finer.rename(fresh))
    return both.with_columns(pl.coalesce(f, f"{f} ") for f in fresh).drop(fresh.values())


def split_fields(name: str, step: Split) -> tuple[str, ...]:
    """The fields that a finer reading may add, in order."""
    return tuple(dict.fromkeys(f for rule in step.rules for f in grammar.shape(name, rule).fields))


def _outputs(name: str, step: Step) -> tuple[str, ...]:
    match step:
        case Split():
            return split_fields(name, step)
        case Trim():
            return (step.source,)
        case Complete():
            return step.source, step.whole
        case _:
            return (step.target,)


def _inputs(step: Step) -> tuple[str, ...]:
    match step:
        case Constant():
            return ()
        case Sum():
            return tuple(step.parts)
        case Complete():
            return step.source, step.whole
        case _:
            return (step.source,)


@cache
def active(name: str, kind: Kind, wanted: Wanted) -> tuple[Step, ...]:
    """The steps that a question needs."""
    return _plan(name, kind, wanted)[0]


@cache
def needs(name: str, kind: Kind, rule: str, wanted: Wanted) -> Wanted:
    """The fields of a rule that a question needs, directly or for a step."""
    return None if wanted is None else _plan(name, kind, wanted)[1] & set(grammar.shape(name, rule).fields)


def _plan(name: str, kind: Kind, wanted: Wanted) -> tuple[tuple[Step, ...], frozenset[str]]:
    if wanted is None:
        return kind.steps, frozenset()
    need, taken = set(wanted), []
    for step in reversed(kind.steps):
        if need & set(_outputs(name, step)):
            taken.append(step)
            need.update(_inputs(step))
    return tuple(reversed(taken)), frozenset(need)


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
    body = pl.concat([pl.DataFrame(schema={"row": pl.UInt32, "format": pl.String, "kind": pl.String}), *frames], how="diagonal")
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
