"""Which message came out of which: re-injection by a content filter, forwarding, bounces, a second instance.

Links, in the order of trust: the id that the next hop was told of (`orig_queue_id`), the MTA's own word (`forwarded as`,
`notification:`, a bounce's `R=`), and `queued as ID` by a relay that is this same system and where a message of that id really came in
from it. What a remote host calls its id may look like one of ours and is never followed.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import polars as pl

from smtplog.formats.base import Kind
from smtplog.join.assemble import message_key
from smtplog.join.view import View

_WINDOW = timedelta(hours=1)
_MEMORY = timedelta(days=1)
_STAMP = pl.Datetime("us", "UTC")
HANDOVER: Mapping[str, Any] = {
    "host": pl.String,
    "child_id": pl.String,
    "at": _STAMP,
    "parent_key": pl.String,
    "origin": pl.String,
}
BIRTH: Mapping[str, Any] = {"host": pl.String, "queue_id": pl.String, "at": _STAMP}
KNOWN: Mapping[str, Any] = {"host": pl.String, "queue_id": pl.String, "at": _STAMP, "message_key": pl.String}


def is_loopback(name: str) -> pl.Expr:
    """Is an address of this same host?"""
    return (pl.col(name).str.starts_with("127.") | (pl.col(name) == "::1")).fill_null(False)


@dataclass
class Hops:
    """What was handed on and what came in from this same system, of about the last day."""

    handovers: pl.DataFrame = field(default_factory=lambda: pl.DataFrame(schema=HANDOVER))
    births: pl.DataFrame = field(default_factory=lambda: pl.DataFrame(schema=BIRTH))
    known: pl.DataFrame = field(default_factory=lambda: pl.DataFrame(schema=KNOWN))
    seen: int = -1

    def learn(self, events: Mapping[str, pl.DataFrame], life: pl.Series, table: pl.DataFrame, view: View) -> None:
        """Take in the open events of messages.

        Args:
            events: for each kind all its open events, in the order of `life`.
            life: the number of each event's life in `table`.
            table: the lives.
            view: what the numbers stand for.
        """
        start, told, last = 0, [], self.seen
        for label, frame in events.items():
            mine = life.slice(start, frame.height)
            start += frame.height
            fresh = frame["seq"] > self.seen
            if not fresh.any():
                continue
            new = frame.with_columns(life=mine).filter(fresh)
            last = max(last, int(new["seq"].max()))  # type: ignore[arg-type]
            if view.wants_message_keys:
                told += self._handed(new, view.kind(label), table, view)
            if view.kind(label).message == "start" and "client_ip" in new.columns:
                came = new.filter(is_loopback("client_ip"))
                self.births = pl.concat([self.births, came.select(view.of_place(came, "host"), "queue_id", "at")])
        self.seen = last
        if told:
            self.handovers = pl.concat([self.handovers, *told])
        if self.handovers.height:
            self._name_children(events, life, table, view)
        self._forget(table)

    def _handed(self, new: pl.DataFrame, kind: Kind, table: pl.DataFrame, view: View) -> list[pl.DataFrame]:
        out = []
        if "parent_queue_id" in new.columns:
            out.append(_named_parents(new.filter(pl.col("parent_queue_id").is_not_null()), kind, view))
        if "next_queue_id" in new.columns:
            origin = pl.lit(kind.hands_over) if kind.hands_over else _origin(new, view)
            handed = new.with_columns(origin=origin).filter(
                pl.col("next_queue_id").is_not_null() & pl.col("origin").is_not_null()
            )
            if handed.height:
                keyed = handed.join(
                    table.select("life", "first_at", "has_start"), on="life", how="left", maintain_order="left"
                )
                keyed = keyed.with_columns(parent_key=message_key(keyed, view), host=view.of_place(keyed, "host"))
                out.append(
                    keyed.select("host", "at", "parent_key", "origin", child_id="next_queue_id").select(*HANDOVER)
                )
        return out

    def _name_children(
        self, events: Mapping[str, pl.DataFrame], life: pl.Series, table: pl.DataFrame, view: View
    ) -> None:
        """Find the keys of the messages that were handed on, as far as they are open now."""
        ids = self.handovers["child_id"].unique()
        parts, start = [], 0
        for frame in events.values():
            mine = frame.select("queue_id", "place").with_columns(life=life.slice(start, frame.height))
            start += frame.height
            parts.append(mine.filter(pl.col("queue_id").is_in(ids.implode())))
        found = pl.concat(parts).unique("life", keep="first")
        found = found.join(table.select("life", "first_at", "has_start"), on="life", maintain_order="left")
        found = found.with_columns(message_key=message_key(found, view), host=view.of_place(found, "host"))
        self.known = pl.concat(
            [self.known, found.select("host", "queue_id", "message_key", at="first_at").select(*KNOWN)]
        )
        self.known = self.known.unique("message_key", keep="first", maintain_order=True)

    def _forget(self, table: pl.DataFrame) -> None:
        now = table["last_at"].max()
        if now is not None:
            old = pl.col("at") > pl.lit(now) - _MEMORY
            self.handovers, self.births, self.known = (f.filter(old) for f in (self.handovers, self.births, self.known))

    def parents(self, told: pl.DataFrame) -> pl.DataFrame:
        """Add `parent_key`, `child_keys` and `origin` to messages {message_key, queue_id, place, first_at, origin}."""
        told = told.with_columns(
            parent_key=pl.lit(None, dtype=pl.String), child_keys=pl.lit(None, dtype=pl.List(pl.String))
        )
        if self.handovers.is_empty():
            return told
        linked = self._linked()
        up = linked.select("child_key", "parent_key", link="origin").unique("child_key", keep="first")
        down = linked.group_by("parent_key", maintain_order=True).agg(
            children=pl.col("child_key").unique(maintain_order=True)
        )
        told = told.drop("parent_key", "child_keys")
        told = told.join(up, left_on="message_key", right_on="child_key", how="left", maintain_order="left")
        told = told.join(down, left_on="message_key", right_on="parent_key", how="left", maintain_order="left")
        return told.with_columns(origin=pl.coalesce("link", "origin")).rename({"children": "child_keys"}).drop("link")

    def _linked(self) -> pl.DataFrame:
        pairs = self.handovers.join(
            self.known, left_on=["host", "child_id"], right_on=["host", "queue_id"], suffix="_child", nulls_equal=True
        )
        near = (pl.col("at_child") - pl.col("at")).abs() <= _WINDOW
        pairs = pairs.filter(near & (pl.col("message_key") != pl.col("parent_key")))
        return pairs.sort("at", "message_key", "parent_key").rename({"message_key": "child_key"})

    def internal(self, tries: pl.DataFrame, view: View) -> pl.Series:
        """Which deliveries handed the message to this same system again."""
        nothing = pl.Series("is_internal", [False]).new_from_index(0, tries.height)
        if "next_queue_id" not in tries.columns or self.births.is_empty():
            return nothing
        origin = tries.select("next_queue_id", view.of_place(tries, "host"), origin=_origin(tries, view), tried_at="at")
        maybe = origin.with_row_index("row").filter(
            (pl.col("origin") == "reinjection") & pl.col("next_queue_id").is_not_null()
        )
        if maybe.is_empty():
            return nothing
        came = maybe.join(
            self.births, left_on=["host", "next_queue_id"], right_on=["host", "queue_id"], nulls_equal=True
        )
        rows = came.filter((pl.col("tried_at") - pl.col("at")).abs() <= _WINDOW)["row"].unique()
        return nothing.scatter(rows, True) if len(rows) else nothing


def _named_parents(new: pl.DataFrame, kind: Kind, view: View) -> pl.DataFrame:
    """Messages whose first line names the message they are about (Exim's `R=`), where ids are never used again."""
    parent = new.select("place", first_at="at",
                        queue_id="parent_queue_id", has_start=pl.lit(True))  # fmt: skip
    return new.select(
        view.of_place(new, "host"), "at", parent.select(message_key(parent, view).alias("parent_key")).to_series(),
        origin=pl.lit(kind.origin, dtype=pl.String), child_id="queue_id",
    ).select(*HANDOVER)  # fmt: skip


def _origin(frame: pl.DataFrame, view: View) -> pl.Expr:
    """How a delivery hands a message on: `reinjection` to this host, `forward` by the local agent, or not at all."""
    host = view.of_place(frame, "host")
    to_us = pl.lit(False)
    if "relay_ip" in frame.columns:
        to_us = to_us | is_loopback("relay_ip")
    if "relay_name" in frame.columns:
        to_us = to_us | (pl.col("relay_name") == host).fill_null(False)
        local = (pl.col("relay_name") == "local").fill_null(False)
    else:
        local = pl.lit(False)
    return pl.when(to_us).then(pl.lit("reinjection")).when(local).then(pl.lit("forward"))
