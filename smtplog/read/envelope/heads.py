"""The heads of lines: syslog stamps of several kinds, a server's own stamp, or nothing at all."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

import polars as pl

from smtplog.contract.fields import MOMENT
from smtplog.read import grammar

GRAMMAR = "envelope"


@dataclass(frozen=True)
class Envelope:
    """One kind of head: its rule and how its stamp is written (strftime words)."""

    rule: str
    stamp: str
    has_year: bool = True
    has_zone: bool = True
    is_plain: bool = False
    """A server's own file: lines without a stamp belong to the entry before."""
    is_general: bool = False
    """Fits what others fit better: tried after them."""
    is_narrow: bool = False
    """Fits what wider ones would take for another's: tried before them, where the first lines have it."""
    is_utc: bool = False
    """Its stamps are UTC without saying so in numbers."""
    program: str | None = None
    """Who writes it, where the head does not say."""
    stamp_letters: int = 0
    """How long its stamp is, where it always is and stands first."""

    @property
    def stamp_field(self) -> str:
        """The group that holds the stamp."""
        return next((name for name in grammar.shape(GRAMMAR, self.rule).fields if name.startswith("stamp")), "")


ENVELOPES = (
    Envelope("rfc3164", "%Y %b %e %H:%M:%S", has_year=False, has_zone=False, stamp_letters=15),
    Envelope("rfc3164_short", "%Y %b %e %H:%M:%S", has_year=False, has_zone=False),
    Envelope("rfc3339", "%Y-%m-%dT%H:%M:%S%.f%#z"),
    Envelope("rfc5424", "%Y-%m-%dT%H:%M:%S%.f%#z"),
    Envelope("rfc3164_precise", "%Y %b %e %H:%M:%S%.f", has_year=False, has_zone=False),
    Envelope("rfc3164_year", "%Y %b %e %H:%M:%S%.f", has_zone=False),
    Envelope("journal_full_utc", "%Y-%m-%d %H:%M:%S%.f", is_utc=True),
    Envelope("journal_full", "%Y-%m-%d %H:%M:%S%.f", has_zone=False, is_general=True),
    Envelope("journal_unix", "%s%.f", is_utc=True),
    Envelope("rspamd_file", "%Y-%m-%d %H:%M:%S%.f", has_zone=False, program="rspamd"),
    Envelope("dovecot_file", "%Y %b %e %H:%M:%S", has_year=False, has_zone=False, is_narrow=True, program="dovecot"),
    Envelope("dovecot_file_iso", "%Y-%m-%d %H:%M:%S%.f", has_zone=False, is_narrow=True, program="dovecot"),
    Envelope("stamped_zone", "%Y-%m-%d %H:%M:%S%.f %#z", is_plain=True),
    Envelope("stamped_program", "%Y-%m-%d %H:%M:%S%.f", has_zone=False),
    Envelope("program_stamped", "%Y-%m-%d %H:%M:%S%.f", has_zone=False),
    Envelope("stamped", "%Y-%m-%d %H:%M:%S%.f", has_zone=False, is_plain=True, is_general=True),
    Envelope("journal_remark", "", has_zone=False, is_general=True),
)
OWN = tuple(envelope for envelope in ENVELOPES if envelope.is_plain)
"""A server's own stamp, which may also stand behind a syslog head."""

INNER = (*ENVELOPES, Envelope("bare", "", has_zone=False, is_general=True))
"""Heads inside a container, which knows the time: a program may come without a stamp."""

SOME = 1000
"""So many different writers are few; among so many first lines one is sound."""
NAIVE_YEAR = 1904
"""Stamps without a year are read in this leap year; the clock moves them to their own."""

SCHEMA: Mapping[str, Any] = {
    "stamp": pl.String,
    "at": MOMENT,
    "naive_at": pl.Datetime("us"),
    "host": pl.String,
    "program": pl.String,
    "pid": pl.Int64,
    "text": pl.String,
    "envelope": pl.String,
}


@cache
def head_pattern(rule: str) -> str:
    """The head as one group more, so that its length says where the text begins."""
    head = grammar.shape(GRAMMAR, rule).pattern
    return f"^(?P<head>{head})"


def groups(texts: pl.Series, pattern: str) -> pl.DataFrame:
    """The groups of a pattern in each text, null where it does not fit."""
    return texts.str.extract_groups(pattern).struct.unnest()


def order(head: pl.Series, envelopes: tuple[Envelope, ...] = ENVELOPES) -> tuple[tuple[Envelope, ...], float]:
    """The envelopes, the one that fits most of the first entries first; and the share of entries that any fits, 0..1."""
    if head.is_empty():
        return envelopes, 0.0
    frame = pl.DataFrame({"raw": head})
    hits = frame.select(
        pl.col("raw").str.contains(head_pattern(e.rule)).fill_null(False).alias(e.rule) for e in envelopes
    )
    counts = {name: int(hits[name].sum()) for name in hits.columns}
    rate = float(hits.select(pl.any_horizontal(pl.all()).mean()).item() or 0.0)
    turn = sorted(envelopes, key=lambda e: (counts[e.rule] == 0, not e.is_narrow, e.is_general, -counts[e.rule]))
    return tuple(turn), rate


def take_off(lines: pl.DataFrame, envelopes: tuple[Envelope, ...]) -> pl.DataFrame:
    """Take the head off every line: `SCHEMA` is added, the rows and their order stay."""
    done: list[pl.DataFrame] = []
    rest = lines
    for envelope in envelopes:
        if rest.is_empty():
            break
        for take in (_take_alike, _take) if envelope.stamp_letters else (_take,):
            fits, rest = take(rest, envelope)
            if not fits.is_empty():
                done.append(fits)
    if not rest.is_empty() or not done:
        done.append(_nothing(rest))
    return done[0] if len(done) == 1 else pl.concat(done).sort("line")


def _take(rest: pl.DataFrame, envelope: Envelope) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Part lines into those with this head, which is taken off, and the others."""
    if rest.is_empty():
        return rest, rest
    found = _heads(rest["raw"], envelope)
    fits = found["head"].is_not_null()
    left = rest.clear()
    if not fits.all():
        left, rest, found = rest.filter(~fits), rest.filter(fits), found.filter(fits)
    end = found["head"].str.len_chars()
    if "kept" in found.columns:  # the end of the head is the beginning of the text
        end = end - found["kept"].str.len_chars()
    text = rest["raw"].str.slice(end)
    return _with_head(rest, envelope, found.with_columns(text.alias("text"))), left


def _take_alike(rest: pl.DataFrame, envelope: Envelope) -> tuple[pl.DataFrame, pl.DataFrame]:
    """The same for stamps of one length: few stamps and few writers make up the heads of a million lines.

    A head fits if its stamp does before a writer that fits, and its writer does behind a stamp that fits; so each is
    looked at once. What does so only in another way is left to `_take`. Octets are cut, which is quicker than characters.
    """
    every, letters = rest, envelope.stamp_letters
    stamp = rest["raw"].str.head(letters)
    stamps = stamp.rle().struct.field("value").unique()
    is_sound = stamps.str.contains(grammar.shape(GRAMMAR, envelope.stamp_field).anchored(())).fill_null(False)
    left = rest.clear()
    if not is_sound.all():
        fits = stamp.is_in(stamps.filter(is_sound).implode()).fill_null(False)
        left, rest, stamp = rest.filter(~fits), rest.filter(fits), stamp.filter(fits)
    sound = rest["raw"].head(SOME).str.extract(head_pattern(envelope.rule), 1).drop_nulls()
    if sound.is_empty():
        return every.clear(), every
    raw, end = pl.col("raw").cast(pl.Binary), pl.col("raw").str.find(": ", literal=True).cast(pl.Int64)
    parts = rest.select("raw", end=(end + 2).fill_null(letters).clip(letters)).select(
        who=raw.bin.slice(letters, pl.col("end") - letters).cast(pl.String), text=raw.bin.slice("end").cast(pl.String)
    )
    who = parts["who"].cast(pl.Categorical(pl.Categories.random()))
    different, who = who.unique().drop_nulls(), who.to_physical()
    writers, codes = different.cast(pl.String), different.to_physical()
    if len(writers) > max(SOME, rest.height // 4):
        return every.clear(), every
    known = _heads(sound[0][:letters] + writers, envelope)
    length = letters + writers.str.len_bytes()
    is_known = (known[envelope.stamp_field] == sound[0][:letters]) & (known["head"].str.len_bytes() == length)
    rank = pl.select(pl.when(is_known).then(pl.int_range(len(writers), dtype=pl.UInt32))).to_series()
    ranks = pl.Series([None], dtype=pl.UInt32).new_from_index(0, max(codes.to_list(), default=0) + 1)
    number = ranks.scatter(codes, rank).gather(who)
    fits = number.is_not_null()
    if not fits.all():
        left = pl.concat([left, rest.filter(~fits)])
        rest, parts, stamp, number = rest.filter(fits), parts.filter(fits), stamp.filter(fits), number.filter(fits)
    found = known.drop(envelope.stamp_field, "head").select(pl.all().gather(number))
    return _with_head(rest, envelope, found.hstack([stamp.alias(envelope.stamp_field), parts["text"]])), left


def _heads(texts: pl.Series, envelope: Envelope) -> pl.DataFrame:
    """The groups of some heads."""
    found = groups(texts, head_pattern(envelope.rule))
    return found.with_columns(pl.col("^pid$").cast(pl.Int64, strict=False))


def _with_head(rest: pl.DataFrame, envelope: Envelope, found: pl.DataFrame) -> pl.DataFrame:
    """Lines, the groups of their heads and their texts as entries."""
    nothing = pl.Series([None], dtype=pl.String)
    stamp = found[envelope.stamp_field] if envelope.stamp_field else nothing.new_from_index(0, rest.height)
    at, naive = read_stamps(stamp, envelope)
    fixed = {"program": envelope.program} if envelope.program else {}
    told = (
        found[name]
        if name in found.columns and name not in fixed
        else pl.lit(fixed.get(name), dtype=SCHEMA[name]).alias(name)
        for name in ("host", "program", "pid", "text")
    )
    return rest.with_columns(stamp.alias("stamp"), at, naive, *told, envelope=pl.lit(envelope.rule))


def _nothing(rest: pl.DataFrame) -> pl.DataFrame:
    null = {name: pl.lit(None, dtype=dtype) for name, dtype in SCHEMA.items() if name != "text"}
    return rest.with_columns(**null).with_columns(text=pl.col("raw")).select(*rest.columns, *SCHEMA)


def read_stamps(stamp: pl.Series, envelope: Envelope) -> tuple[pl.Series, pl.Series]:
    """`at` and `naive_at`. Equal stamps stand together, so each run is read once."""
    if not envelope.stamp_field:
        none = pl.Series("naive_at", [None], dtype=pl.Datetime("us")).new_from_index(0, len(stamp))
        return none.cast(MOMENT).alias("at"), none
    runs = stamp.rle().struct.unnest()
    words = pl.col("value").str.replace(",", ".", literal=True)
    if not envelope.has_year:
        words = pl.lit(f"{NAIVE_YEAR} ") + words
    read = words.str.to_datetime(envelope.stamp, time_unit="us", strict=False)
    if envelope.is_utc:
        read = read.dt.replace_time_zone("UTC")
    elif envelope.has_zone:
        read = read.dt.convert_time_zone("UTC")
    times = runs.select(read.alias("t"))["t"].gather(stamp.rle_id())
    none = pl.Series([None], dtype=pl.Datetime("us")).new_from_index(0, len(stamp))
    if envelope.has_zone:
        return times.alias("at"), none.alias("naive_at")
    return none.cast(MOMENT).alias("at"), times.alias("naive_at")
