"""Words of companions that name no host: out of another container than the mail server's, or of a file of their own.

They belong to the message that is surely meant: the only one with the same queue id and Message-ID; or, as long as no
other Message-ID speaks against it, the one that has the id in the same input, where no second host could have made the
same id. There they have the place of the word they were known by, in the order and in time: their clock is another one.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

import polars as pl

from smtplog.contract import schema
from smtplog.contract.fields import MOMENT
from smtplog.join.view import View

_ASK: Mapping[str, Any] = {"seq": pl.Int64, "at": MOMENT, "queue_id": pl.String, "message_id": pl.String}
_WORD: Mapping[str, Any] = {**_ASK, "place": pl.UInt32, "is_end": pl.Boolean}
_SEAT: Mapping[str, Any] = {"seq": pl.Int64, "seat": pl.UInt32, "tie_seq": pl.Int64, "tie_at": MOMENT}
"""Which word of its message each of them was known by."""


def seat(opened: dict[str, pl.DataFrame], view: View, grace: timedelta) -> None:
    """Give open words of companions the place of their message, where it is sure.

    Args:
        opened: the open events of each kind; those that are seated get `place`, and `tie_seq` and `tie_at`.
        view: what the numbers stand for.
        grace: how late a line may be.
    """
    if not view.has_strangers:
        return
    mine = {label: _strange(frame, view) for label, frame in opened.items() if view.format(label).joins}
    asks = pl.concat(
        [pl.DataFrame(schema=_ASK), *(schema.filled(frame, _ASK).select(*_ASK) for frame in mine.values())]
    )
    if asks.is_empty():
        return
    asks = asks.unique("seq", keep="first", maintain_order=True)  # one line may stand for several entries
    words = _words(opened, asks["queue_id"].unique(), view)
    sure = _by_both(asks, words)
    rest = asks.join(sure, on="seq", how="anti")
    known = words.filter(pl.col("message_id").is_not_null())
    is_other = pl.col("message_id").is_not_null() & pl.col("queue_id").is_in(known["queue_id"].implode())
    found = pl.concat([sure, _by_stream(rest.filter(~is_other), words, view, grace)])
    for label, frame in mine.items():
        if found["seq"].is_in(frame["seq"].implode()).any():
            opened[label] = _seated(opened[label], found)


def _strange(frame: pl.DataFrame, view: View) -> pl.DataFrame:
    """Those that name a message and no host."""
    return frame.filter(view.of_place(frame, "host").is_null() & pl.col("queue_id").is_not_null())


def _words(opened: Mapping[str, pl.DataFrame], ids: pl.Series, view: View) -> pl.DataFrame:
    """What the mail servers say of some queue ids: in order, with the `unit` that is a queue, and the `input`."""
    parts = [pl.DataFrame(schema=_WORD)]
    for label, frame in opened.items():
        if not view.format(label).joins:
            is_end = pl.lit(view.kind(label).message == "end")
            said = frame.filter(pl.col("queue_id").is_in(ids.implode())).with_columns(is_end=is_end)
            parts.append(schema.filled(said, _WORD).select(*_WORD))
    words = pl.concat(parts).sort("seq")
    return words.with_columns(view.of_place(words, "queue_unit").alias("unit"), view.input(words))


def _seats(found: pl.DataFrame) -> pl.DataFrame:
    return found.select("seq", seat="place", tie_seq="word_seq", tie_at="word_at")


def _by_both(asks: pl.DataFrame, words: pl.DataFrame) -> pl.DataFrame:
    """Known by queue id and Message-ID, in whatever input."""
    told = words.drop("is_end", "input").rename({"seq": "word_seq", "at": "word_at"})
    pairs = asks.join(told, on=["queue_id", "message_id"], maintain_order="left_right")
    pairs = pairs.filter(pl.col("unit").n_unique().over("seq") == 1).unique("seq", keep="last", maintain_order=True)
    return _seats(pairs)


def _by_stream(asks: pl.DataFrame, words: pl.DataFrame, view: View, grace: timedelta) -> pl.DataFrame:
    """Known by the queue id, which stands in the same input: the word before it, or else the next."""
    told = words.filter(pl.col("unit").n_unique().over("input", "queue_id") == 1)
    if not view.has_one_server:  # ids that are used again may be those of two servers
        told = told.filter(told["queue_id"].str.len_bytes() >= view.of_place(told, "letters"))
    told = told.select("input", "queue_id", "seq", "place", "is_end", word_seq="seq", word_at="at")
    asks = asks.with_columns(view.input(asks)).sort("seq")
    by = ["input", "queue_id"]
    before = asks.join_asof(told, on="seq", by=by, check_sortedness=False)
    is_far = ((pl.col("at") - pl.col("word_at")).abs() > grace).fill_null(False)
    none = before.filter(pl.col("word_seq").is_null()).select(asks.columns)
    after = none.join_asof(told, on="seq", by=by, strategy="forward", check_sortedness=False).filter(~is_far)
    found = pl.concat([before.filter(~(pl.col("is_end") & is_far)), after])
    return _seats(found.filter(pl.col("word_seq").is_not_null()))


def _seated(frame: pl.DataFrame, found: pl.DataFrame) -> pl.DataFrame:
    new = frame.select("seq").join(found, on="seq", how="left", maintain_order="left")
    before = schema.filled(frame, _SEAT)
    ties = [new[name].zip_with(new[name].is_not_null(), before[name]) for name in ("tie_seq", "tie_at")]
    return frame.with_columns(pl.coalesce(new["seat"], frame["place"]).alias("place"), *ties)
