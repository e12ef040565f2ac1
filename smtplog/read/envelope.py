"""What wraps an entry: syslog stamps of several kinds, or nothing at all. Formats only ever see `text`.

In: a frame of whole entries {line, line_count, raw}. Out: the same rows with {stamp, at, naive_at, host, program, pid,
text, envelope}. An entry that no envelope fits keeps its text whole and a null `envelope`.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import polars as pl

from smtplog.read import grammar

GRAMMAR = "envelope"


@dataclass(frozen=True)
class Envelope:
    """One kind of head: its rule and how its stamp is written (strftime words)."""

    rule: str
    stamp: str
    has_year: bool = True
    has_zone: bool = True

    @property
    def pattern(self) -> str:
        """The head, with its length recoverable from its groups and the whole match as group `head`."""
        return grammar.shape(GRAMMAR, self.rule).head()

    @property
    def stamp_field(self) -> str:
        """The group that holds the stamp."""
        return next(name for name in grammar.shape(GRAMMAR, self.rule).fields if name.startswith("stamp"))


ENVELOPES = (
    Envelope("rfc3164", "%Y %b %e %H:%M:%S", has_year=False, has_zone=False),
    Envelope("rfc3339", "%Y-%m-%dT%H:%M:%S%.f%#z"),
    Envelope("rfc5424", "%Y-%m-%dT%H:%M:%S%.f%#z"),
    Envelope("stamped_zone", "%Y-%m-%d %H:%M:%S%.f %#z"),
    Envelope("stamped", "%Y-%m-%d %H:%M:%S%.f", has_zone=False),
)

NAIVE_YEAR = 2000
"""Stamps without a year are read in this leap year; the clock moves them to their own."""

SCHEMA = {
    "stamp": pl.String,
    "at": pl.Datetime("us", "UTC"),
    "naive_at": pl.Datetime("us"),
    "host": pl.String,
    "program": pl.String,
    "pid": pl.Int64,
    "text": pl.String,
    "envelope": pl.String,
}


@cache
def _pattern(rule: str) -> str:
    """The head as one group more, so that its length says where the text begins."""
    head = grammar.shape(GRAMMAR, rule).pattern
    return f"^(?P<head>{head})"


def order(head: pl.Series) -> tuple[Envelope, ...]:
    """The envelopes, the one that fits most of the first entries first."""
    if head.is_empty():
        return ENVELOPES
    hits = {e.rule: int(head.str.contains(_pattern(e.rule)).sum()) for e in ENVELOPES}
    return tuple(sorted(ENVELOPES, key=lambda e: -hits[e.rule]))


def hit_rate(head: pl.Series) -> float:
    """The share of entries that any syslog envelope fits, 0..1."""
    if head.is_empty():
        return 0.0
    fits = pl.any_horizontal(pl.col("raw").str.contains(_pattern(e.rule)) for e in ENVELOPES)
    return float(pl.DataFrame({"raw": head}).select(fits.mean()).item() or 0.0)


def split(entries: pl.DataFrame, envelopes: tuple[Envelope, ...] = ENVELOPES) -> pl.DataFrame:
    """Take the envelope off every entry.

    Args:
        entries: {line, line_count, raw}, in order.
        envelopes: in the order in which to try them.

    Returns:
        The same rows, in order, with the columns of `SCHEMA` added. `at` is set where the stamp says year and zone;
        else `naive_at` holds the stamp as written, in `NAIVE_YEAR` where it has no year.
    """
    done: list[pl.DataFrame] = []
    rest = entries
    for envelope in envelopes:
        if rest.is_empty():
            break
        fits, rest = _take(rest, envelope)
        if not fits.is_empty():
            done.append(fits)
    if not rest.is_empty() or not done:
        done.append(_nothing(rest))
    return done[0] if len(done) == 1 else pl.concat(done).sort("line")


def _take(rest: pl.DataFrame, envelope: Envelope) -> tuple[pl.DataFrame, pl.DataFrame]:
    found = rest.select(pl.col("raw").str.extract_groups(_pattern(envelope.rule)).alias("g")).unnest("g")
    fits = found["head"].is_not_null()
    count = int(fits.sum())
    if count == 0:
        return rest.clear(), rest
    left = rest.clear()
    if count < rest.height:
        left, rest, found = rest.filter(~fits), rest.filter(fits), found.filter(fits)
    stamp = found[envelope.stamp_field]
    at, naive = _read_stamps(stamp, envelope)
    return rest.with_columns(
        stamp,
        at,
        naive,
        *(found[name] if name in found.columns else pl.lit(None, dtype=pl.String).alias(name) for name in ("host", "program")),
        found["pid"].cast(pl.Int64, strict=False),
        text=pl.col("raw").str.slice(found["head"].str.len_chars()),
        envelope=pl.lit(envelope.rule),
    ).rename({envelope.stamp_field: "stamp"}), left


def _nothing(rest: pl.DataFrame) -> pl.DataFrame:
    null = {name: pl.lit(None, dtype=dtype) for name, dtype in SCHEMA.items() if name != "text"}
    return rest.with_columns(**null).with_columns(text=pl.col("raw")).select(*rest.columns, *SCHEMA)


def _read_stamps(stamp: pl.Series, envelope: Envelope) -> tuple[pl.Series, pl.Series]:
    """`at` and `naive_at`. Equal stamps stand together, so each run is read once."""
    runs = pl.DataFrame({"stamp": stamp}).select(pl.col("stamp").rle()).unnest("stamp")
    words = pl.col("value").str.replace(",", ".", literal=True)
    if not envelope.has_year:
        words = pl.lit(f"{NAIVE_YEAR} ") + words
    read = words.str.to_datetime(envelope.stamp, time_unit="us", strict=False)
    if envelope.has_zone:
        read = read.dt.convert_time_zone("UTC")
    times = runs.select(read.repeat_by("len").explode().alias("t") if runs.height < len(stamp) else read.alias("t"))["t"]
    none = pl.Series([None], dtype=pl.Datetime("us")).new_from_index(0, len(stamp))
    if envelope.has_zone:
        return times.alias("at"), none.alias("naive_at")
    return none.cast(pl.Datetime("us", "UTC")).alias("at"), times.alias("naive_at")
