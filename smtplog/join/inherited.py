"""What a mail that came in again has from its first coming: who logged in, which client brought it, that it was made here.

A content filter hands mail back from this same host, a requeued one has no client at all, and the next of our servers
sees the one before: who is behind it stands only in the life that it came out of. What its own entries say stays as it is.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import polars as pl

from smtplog.contract import schema
from smtplog.contract.fields import MOMENT
from smtplog.join.view import View

SAME_MAIL = ("reinjection", "requeue")
"""The origins with which the same mail comes again; a bounce or a forwarded mail is another."""
ARRIVAL: Mapping[str, Any] = {
    "message_key": pl.String,
    "at": MOMENT,
    "auth_user": pl.String,
    "client_ip": pl.String,
    "orig_client_ip": pl.String,
    "origin": pl.String,
}
"""How a message that was handed on had come in; `at` is its beginning."""
_ROUNDS = 4
"""Each looks twice as far back as the one before: sixteen lives."""


def arrivals(events: Mapping[str, pl.DataFrame], life: pl.Series, handed: pl.DataFrame, view: View) -> pl.DataFrame:
    """How messages came in that were handed on.

    Args:
        events: for each kind all open events, in the order of `life`.
        life: the number of each event's life.
        handed: the lives that were handed on: {life, message_key, at}.
        view: what the numbers stand for.
    """
    found, start = [pl.DataFrame(schema=ARRIVAL)], 0
    for label, frame in events.items():
        mine = life.slice(start, frame.height)
        start += frame.height
        kind = view.kind(label)
        if kind.message == "start":
            said = [name for name in ARRIVAL if name in frame.columns and name not in handed.columns]
            rows = frame.select(*said, life=mine, origin=pl.lit(kind.origin, dtype=pl.String))
            found.append(rows.join(handed, on="life").drop("life"))
    return pl.concat(found, how="diagonal").select(*ARRIVAL)


def inherited(told: pl.DataFrame, known: pl.DataFrame, links: pl.DataFrame) -> pl.DataFrame:
    """Fill `auth_user` and `orig_client_ip` of messages that came in again, and add `first_origin`: how the mail first came.

    Args:
        told: messages {parent_key, origin ...}, in any order.
        known: how messages came in that were handed on, the columns of `ARRIVAL`.
        links: who came out of whom: {message_key, parent_key, origin}; one parent each.
    """
    told = schema.filled(told, dict.fromkeys(("auth_user", "orig_client_ip"), pl.String))
    is_again = pl.col("origin").is_in(SAME_MAIL)
    first = _first(known, links)
    parent = pl.when(is_again).then("parent_key")
    told = told.with_columns(parent=parent).join(
        first.rename({"auth_user": "their_user"}), left_on="parent", right_on="message_key", how="left", maintain_order="left"
    )  # fmt: skip
    return told.with_columns(
        auth_user=pl.coalesce("auth_user", "their_user"), orig_client_ip=pl.coalesce("orig_client_ip", "client")
    ).drop("parent", "their_user", "client")


def _first(known: pl.DataFrame, links: pl.DataFrame) -> pl.DataFrame:
    """How each mail first came: {message_key, auth_user, client, first_origin}, looked up through all its lives."""
    up = links.filter(pl.col("origin").is_in(SAME_MAIL)).select("message_key", up="parent_key").drop_nulls()
    is_again = pl.col("up").is_not_null()
    lives = known.join(up.unique("message_key", keep="first"), on="message_key", how="left", maintain_order="left")
    lives = lives.select(
        "message_key", "up", "auth_user",
        client=pl.coalesce("orig_client_ip", pl.when(~is_again).then("client_ip")),
        first_origin=pl.when(~is_again).then("origin"),
    )  # fmt: skip
    said = ("auth_user", "client", "first_origin")
    for _ in range(_ROUNDS):
        if lives["up"].null_count() == lives.height:
            break
        before = lives.select(pl.all().name.prefix("before "))
        lives = lives.join(before, left_on="up", right_on="before message_key", how="left", maintain_order="left")
        lives = lives.select(
            "message_key", pl.col("before up").alias("up"), *(pl.coalesce(name, f"before {name}") for name in said)
        )
    return lives.drop("up")
