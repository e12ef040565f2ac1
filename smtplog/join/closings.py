"""Words about a whole message, for every recipient that is still open: expired, cancelled, discarded, held, thawed.

A word that names a recipient is for that one, and for what became of the address. Who is open: the recipients whose last attempt before the word was no final one, and those that the arrival listed and
no attempt has named.
"""

from __future__ import annotations

from typing import Any

import polars as pl

from smtplog.contract.fields import MOMENT
from smtplog.join.view import Frames, View

OPEN = ("deferred", "held", "active")
NO_ATTEMPT = ("expired", "held", "cancelled", "active")
"""What is said of a recipient without an attempt having been made."""
CARRIED = ("detail", "relay_name", "relay_ip", "relay_port", "reply_code", "reply_enhanced_code", "reply_text", "stage")
"""What the last attempt tells of why a recipient expires."""
PERSON = ("life", "recipient", "original_recipient")
ONE_PERSON = pl.struct(PERSON).hash(5)
"""The same for the same recipient of the same message."""


def listed(events: Frames, tries: pl.DataFrame, view: View) -> pl.DataFrame:
    """The recipients that arrivals list and no attempt names: {life, seq, at, place, queue_id, recipient, ...}."""
    empty = pl.DataFrame(
        schema={"life": pl.UInt32, "seq": pl.Int64, "place": pl.UInt32, "at": MOMENT,
                "queue_id": pl.String, "recipient": pl.String, "original_recipient": pl.String, "status": pl.String}
    )  # fmt: skip
    parts = [empty]
    for label, frame in events.items():
        if view.kind(label).message == "start" and "recipients" in frame.columns:
            some = frame.filter(pl.col("recipients").list.len() > 0)
            one = some.select("life", "seq", "place", "at", "queue_id", recipient="recipients")
            parts.append(one.explode("recipient"))
    named = pl.concat(parts, how="diagonal")
    if named.height == 0:
        return empty
    named = named.with_columns(low=pl.col("recipient").str.to_lowercase(), status=pl.lit("active"))
    known = [tries.select("life", low=pl.col(name).str.to_lowercase()) for name in PERSON[1:]]
    return (
        named.join(pl.concat(known), on=["life", "low"], how="anti")
        .unique(["life", "low"], maintain_order=True)
        .drop("low")
    )


def for_all(events: Frames, tries: pl.DataFrame, view: View) -> pl.DataFrame:
    """One row for each word about a whole message and each recipient that was open then and is meant.

    Args:
        events: for each kind its events.
        tries: the attempts {life, seq, recipient, original_recipient, status ...}.
        view: what the numbers stand for.

    Returns:
        Rows with columns of the attempts. Who expires keeps what the last attempt said, but for what the word itself says.
        Where nobody is known the word stands once, with the recipient it names, if any.
    """
    words = [_word(frame, view, label) for label, frame in events.items() if view.kind(label).for_all]
    if not words:
        return tries.clear()
    said = pl.concat(words, how="diagonal").sort("seq")
    tries = tries.filter(tries["life"].is_in(said["life"].implode()))
    ends = ~pl.col("status").is_in(OPEN)
    end = said.filter(ends & pl.col("named").is_null()).group_by("life").agg(end=pl.col("seq").min())
    said = said.join(end, on="life", how="left", maintain_order="left").filter(
        pl.col("end").is_null() | (pl.col("seq") <= pl.col("end"))
    )
    everybody = pl.concat([tries.select(PERSON), listed(events, tries, view).select(PERSON)])
    people = (
        everybody.filter(pl.col("recipient").is_not_null())
        .join(said, on="life", how="semi")
        .unique(maintain_order=True)
    )
    people = people.with_columns(person=ONE_PERSON)
    said = said.drop("recipient", "original_recipient", "end", strict=False)
    pairs = said.join(people, on="life").filter(_is_meant()).sort("seq")
    before = _before(tries, pairs)
    last = pl.col("status_before")
    is_open = last.is_null() | last.is_in(OPEN) | (pl.col("takes_back").list.contains(last))
    whole = before.filter(is_open)
    nameless = said.join(pairs, on="seq", how="anti").with_columns(recipient="named")
    return pl.concat([whole, nameless], how="diagonal").drop(
        "takes_back", "person", "status_before", "named", strict=False
    )


def _is_meant() -> pl.Expr:
    """Is the person of a pair the one whom the word names, or did it come from that address?"""
    named = pl.col("named").str.to_lowercase()
    people = (pl.col(name).str.to_lowercase() == named for name in PERSON[1:])
    return pl.col("named").is_null() | pl.any_horizontal(people).fill_null(False)


def with_reasons(tries: pl.DataFrame) -> pl.DataFrame:
    """Who expires by a line of its own that names no reply has that of the last attempt, and what was said with it.

    Sorted by life and place.
    """
    here = [name for name in CARRIED if name in tries.columns]
    if "reply_text" not in here:
        return tries
    lone = (tries["status"] == "expired") & tries["reply_text"].is_null()
    if not lone.any():
        return tries
    mine = tries["life"].is_in(tries["life"].filter(lone).implode())
    before = pl.struct(here).shift().over(PERSON)
    said = pl.when(lone.filter(mine)).then(before).struct
    told = tries.filter(mine).with_columns(
        pl.coalesce(said.field(name), name) if name == "detail" else pl.coalesce(name, said.field(name))
        for name in here
    )
    return tries.with_columns(tries[name].scatter(mine.arg_true(), told[name]) for name in here)


def _word(frame: pl.DataFrame, view: View, label: str) -> pl.DataFrame:
    kind = view.kind(label)
    return frame.with_columns(
        status=pl.lit(kind.for_all),
        _kind=pl.lit(label),
        takes_back=pl.lit(list(kind.takes_back), dtype=pl.List(pl.String)),
        named=pl.col("recipient") if "recipient" in frame.columns else pl.lit(None, dtype=pl.String),
    )


def _before(tries: pl.DataFrame, pairs: pl.DataFrame) -> pl.DataFrame:
    """Add to each pair the status of the person's last attempt before it (`status_before`); to who expires all it said."""
    own = ("seq", "at", "place", "life", "queue_id", "sender", "delay_s", "_kind", *PERSON)
    attempts = tries.with_columns(person=ONE_PERSON, status_before="status").sort("seq")
    attempts = attempts.drop("status", *(name for name in own if name != "seq" and name in tries.columns))
    both = pairs.join_asof(attempts, on="seq", by="person", suffix=" ", check_sortedness=False)
    add: dict[str, Any] = {}
    for name in attempts.columns:
        if name in ("seq", "person", "status_before"):
            continue
        theirs = f"{name} " if f"{name} " in both.columns else name
        carried = pl.when(pl.col("status") == "expired").then(theirs)
        add[name] = pl.coalesce(name, carried) if theirs != name else carried
    return both.with_columns(**add).select(c for c in both.columns if not c.endswith(" "))
