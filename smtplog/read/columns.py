"""A block of entries -> events, all at once. No Python loop touches a line.

Each entry goes to the kinds its service may write; the first rule that fits has it. What no rule fits stays, with the
reason. `rows.py` does the same for one entry; the samples prove the two equal.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

import polars as pl

from smtplog.contract import schema
from smtplog.contract.records import Event
from smtplog.formats.base import Format, Kind
from smtplog.read import grammar
from smtplog.read.detect import Place
from smtplog.read.detect import place as found_place
from smtplog.read.dispatch import Rules, of_format, offers, sort_out
from smtplog.read.match import Texts, join, offer
from smtplog.read.meaning import meaning
from smtplog.read.plan import LIGHT, Wanted, needs, of_kind


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

    entries: one row per entry, in order: what the envelope said (without `raw` and `text` where nobody asks for them),
        and `place`, an index into `places`.
    kinds: the understood entries.
    rest: {row, why}: the others; `unknown` is ours, `foreign` another program's, `malformed` has no envelope.
    odd: {row, why, raw}: these, and those of which is known only that they are ours (`unknown`) or traces (`debug`).
    """

    entries: pl.DataFrame
    places: tuple[Place, ...]
    kinds: tuple[KindFrame, ...]
    rest: pl.DataFrame
    odd: pl.DataFrame


Found = dict[tuple[Format, Kind, str], list[pl.DataFrame]]
"""What each rule has found so far, whichever service wrote it: its steps are taken once."""


def for_several_hosts(wanted: Wanted) -> Wanted:
    """What is needed beside `wanted` where one host's messages may go on at another's: all that a success says."""
    return None if wanted is None else (wanted - {LIGHT}) | {"message_id"}


def parse(
    entries: pl.DataFrame, formats: Sequence[Format], wanted: Wanted = None, *, keeps_texts: bool = True
) -> Parsed:
    """Read all entries of a block.

    Args:
        entries: what `envelope.split` returned.
        formats: the formats to offer them to.
        wanted: the fields that are needed.
        keeps_texts: the lines themselves are needed too, not only what they say.
    """
    who, place = _writers(entries)
    places = tuple(_placed(row, formats) for row in who.iter_rows(named=True))
    if len({one.host for one in places if one.format}) > 1:
        wanted = for_several_hosts(wanted)
    texts = Texts(pl.int_range(entries.height, dtype=pl.UInt32, eager=True).alias("row"), entries["text"])
    found: Found = {}
    rest: list[pl.DataFrame] = []
    for one in dict.fromkeys(one.format for one in places):
        mine = texts.filter(pl.Series([p.format is one for p in places]).gather(place)) if who.height > 1 else texts
        if one is None:
            lost = pl.Series(["malformed" if p.program is None else "foreign" for p in places])
            rest.append(pl.DataFrame({"row": mine.row, "why": lost.gather(place.gather(mine.row))}))
            continue
        left = _read(mine, one, [p.kinds if p.format is one else () for p in places], place, wanted, found)
        rest.append(left.row.to_frame().with_columns(why=pl.lit("unknown")))
    unread = pl.concat(rest).sort("row") if rest else pl.DataFrame(schema={"row": pl.UInt32, "why": pl.String})
    frames = tuple(
        KindFrame(one, kind, meaning(pl.concat(hits, rechunk=True), one.grammar, kind, of_kind(kind, wanted)))
        for (one, kind, _), hits in found.items()
    )
    odd = [one.frame.select("row", why=pl.lit(why)) for one in frames if (why := _not_understood(one.kind))]
    strange = pl.concat([unread, *odd]).sort("row")
    strange = strange.with_columns(raw=entries["raw"].gather(strange["row"]))
    spent = ("stamp", "program", "envelope", *(() if keeps_texts else ("raw", "text")))
    return Parsed(entries.drop(spent).with_columns(place), places, frames, unread, strange)


def _not_understood(kind: Kind) -> str | None:
    """What the entries of a kind count as, where a rule fits them and they still say nothing."""
    if kind.name == "debug":
        return "debug"
    return "unknown" if kind.name == "other" and not kind.carries_nothing else None


def _writers(entries: pl.DataFrame) -> tuple[pl.DataFrame, pl.Series]:
    """Who wrote the entries: {host, program, envelope}, and for each entry a row of it."""
    keys = entries.select("host", "program", "envelope")
    different = [one.name for one in keys if not one.eq_missing(one[0]).all()] if keys.height else []
    if not different:
        return keys.head(1), pl.Series("place", [0], dtype=pl.UInt32).new_from_index(0, keys.height)
    known = keys.unique(different, keep="first", maintain_order=True).with_row_index("place")
    numbers = known.select(*different, "place")
    place = keys.join(numbers, on=different, how="left", nulls_equal=True, maintain_order="left")["place"]
    return known, place


def _placed(row: dict[str, str | None], formats: Sequence[Format]) -> Place:
    if row["envelope"] is None:
        return Place(None, None, None)
    return found_place(row["host"], row["program"], formats)


def _read(
    texts: Texts, one: Format, kinds: list[tuple[Kind, ...]], place: pl.Series, wanted: Wanted, found: Found
) -> Texts:  # fmt: skip
    """Offer texts to the kinds of their service, then to all others; gives back what none fits."""
    routes = list(dict.fromkeys(kinds))
    route_of = pl.Series([routes.index(mine) for mine in kinds], dtype=pl.UInt32)
    for turn in (0, 1):
        if texts.size == 0:
            break
        offered = [offers(one, mine)[turn] for mine in routes]
        route = route_of.gather(place.gather(texts.row)) if len(routes) > 1 else None
        left = [
            _try(mine, one, rules, wanted, found) for rules, mine in sort_out(texts, of_format(one), offered, route)
        ]
        texts = join(left)
    return texts


def _try(texts: Texts, one: Format, rules: Rules, wanted: Wanted, found: Found) -> Texts:
    """Note what the rules find; gives back the texts that none fits."""
    mine = [(kind, rule) for kind, rule in rules if kind]
    hits, rest = offer(texts, one.grammar, mine, lambda pair: needs(one.grammar, *pair, of_kind(pair[0], wanted)))
    for (kind, rule), frame in hits:
        found.setdefault((one, kind, rule), []).append(frame)
    return rest


_OF_ENTRIES = ("line", "line_count", "at", "is_year_inferred", "is_zone_assumed", "pid", "host", "raw")


def events(
    parsed: Parsed, source: str, keys: pl.DataFrame | None = None, asked: frozenset[str] | None = None
) -> pl.DataFrame:  # fmt: skip
    """The understood entries as one frame with the columns of Event, in order.

    Args:
        parsed: a block with complete times.
        source: name of the input.
        keys: {row, message_key, session_key} of the entries that have them; None: keys stay null.
        asked: the columns that are made; None: all of them.
    """
    columns = {name: kind for name, kind in schema.of(Event).items() if asked is None or name in asked}
    frames = [_event_frame(one, columns) for one in parsed.kinds]
    head = parsed.entries.select(
        row=pl.int_range(parsed.entries.height, dtype=pl.UInt32),
        source=pl.lit(source),
        **{name: name for name in _OF_ENTRIES if name in columns},
        place="place",
    )
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


def _event_frame(one: KindFrame, columns: Collection[str]) -> pl.DataFrame:
    shared = schema.of(Event)
    extra = [c for c in one.frame.columns if c != "row" and c not in shared]
    packed = pl.struct(extra).struct.json_encode() if extra else pl.lit(None, dtype=pl.String)
    made = {"format": pl.lit(one.format.name), "kind": pl.lit(one.kind.name), "fields": packed}
    kept = [c for c in one.frame.columns if c == "row" or c in columns]
    return one.frame.select(*kept, **{name: value for name, value in made.items() if name in columns})
