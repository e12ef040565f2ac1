"""Which message came out of which: re-injection by a content filter, forwarding, bounces, a second instance or server.

Links, in the order of trust: the id that the next hop was told of (`orig_queue_id`, `orig_id`), the MTA's own word
(`forwarded as`, `notification:`, a bounce's `R=`, a filter's `queued_as:`), and `queued as ID` by a relay that is this same system, or
another host whose log is here too (`across.py`). What a remote host calls its id may look like one of ours and is never
followed.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any

import polars as pl

from smtplog.contract.fields import MOMENT
from smtplog.formats.base import Kind
from smtplog.join.across import Across
from smtplog.join.assemble import message_key
from smtplog.join.inherited import ARRIVAL, arrivals, inherited
from smtplog.join.view import View
from smtplog.read.source import apart

_WINDOW = timedelta(hours=1)
_MEMORY = timedelta(days=1)
HANDOVER: Mapping[str, Any] = {
    "host": pl.String,
    "child_id": pl.String,
    "at": MOMENT,
    "parent_key": pl.String,
    "origin": pl.String,
}
TOLD: Mapping[str, Any] = {"host": pl.String, "queue_id": pl.String, "at": MOMENT, "parent_id": pl.String}
"""A child that says itself which id it came out of."""
BIRTH: Mapping[str, Any] = {"host": pl.String, "queue_id": pl.String, "at": MOMENT}
KNOWN: Mapping[str, Any] = {**BIRTH, "message_key": pl.String}
"""Lives whose id was named as a child's or a parent's; `at` is their beginning."""
LIFE = ("host", "queue_id", "at")
_HANDED: Mapping[str, Any] = {"life": pl.UInt32, "message_key": pl.String, "at": MOMENT}
"""Lives that were handed on, while they are open."""
_KEPT = ("handovers", "told", "births", "known", "arrivals")
"""What `Hops` keeps of its own."""


def is_loopback(name: str) -> pl.Expr:
    """Is an address of this same host?"""
    return (pl.col(name).str.starts_with("127.") | (pl.col(name) == "::1")).fill_null(False)


def is_own(name: str) -> pl.Expr:
    """Is a name that of the host in column `host`, whole or without its domain?"""
    longer = pl.col(name).str.starts_with(pl.concat_str("host", pl.lit(".")))
    return ((pl.col(name) == pl.col("host")) | longer).fill_null(False)


@dataclass
class Hops:
    """What was handed on and what came in from this same system, of about the last day."""

    handovers: pl.DataFrame = field(default_factory=lambda: pl.DataFrame(schema=HANDOVER))
    told: pl.DataFrame = field(default_factory=lambda: pl.DataFrame(schema=TOLD))
    births: pl.DataFrame = field(default_factory=lambda: pl.DataFrame(schema=BIRTH))
    known: pl.DataFrame = field(default_factory=lambda: pl.DataFrame(schema=KNOWN))
    arrivals: pl.DataFrame = field(default_factory=lambda: pl.DataFrame(schema=ARRIVAL))
    across: Across = field(default_factory=Across)
    seen: int = -1

    def frames(self) -> dict[str, pl.DataFrame]:
        """All that is kept, by name, to be saved."""
        own = {name: getattr(self, name) for name in _KEPT}
        return own | self.across.frames()

    def take_over(self, frames: Mapping[str, pl.DataFrame], seen: int) -> None:
        """What `frames` gave out."""
        for name, frame in frames.items():
            setattr(self.across if name in self.across.frames() else self, name, frame)
        self.seen = seen

    def as_now(self) -> Hops:
        """What is known now, for use while more is learnt."""
        return replace(self, across=replace(self.across))

    def learn(self, events: Mapping[str, pl.DataFrame], life: pl.Series, table: pl.DataFrame, view: View) -> None:
        """Take in the open events of messages.

        Args:
            events: for each kind all its open events, in the order of `life`.
            life: the number of each event's life in `table`.
            table: the lives.
            view: what the numbers stand for.
        """
        start, last = 0, self.seen
        handed = [pl.DataFrame(schema=_HANDED)]
        for label, frame in events.items():
            mine = life.slice(start, frame.height)
            start += frame.height
            last = max(last, int(frame["seq"].max()))  # type: ignore[arg-type]
            fresh = frame["seq"] > self.seen
            if fresh.any() and _tells(view.kind(label), frame, view):
                new = frame.with_columns(view.of_place(frame, "host").fill_null("-"), life=mine).filter(fresh)
                handed += self._learn(new, view.kind(label), table, view)
        self.seen = last
        if self.handovers.height or self.told.height:
            handed.append(self._name_lives(events, life, table, view))
        lives = pl.concat(handed).unique("life", keep="first", maintain_order=True)
        if view.inherits and lives.height:
            told = pl.concat([self.arrivals, arrivals(events, life, lives, view)])
            self.arrivals = told.unique("message_key", keep="first", maintain_order=True)
        self.across.join()
        self._forget(table)

    def _learn(self, new: pl.DataFrame, kind: Kind, table: pl.DataFrame, view: View) -> list[pl.DataFrame]:
        """Take in new events of one kind; returns the lives that they say were handed on."""
        lives = []
        is_start = kind.message == "start"
        if "parent_queue_id" in new.columns and view.wants("messages", "parent_key", "child_keys"):
            named = _named_parents(new.filter(pl.col("parent_queue_id").is_not_null()), kind, view)
            self.handovers = pl.concat([self.handovers, named])
        if "next_queue_id" in new.columns:
            origin = pl.lit(kind.hands_over) if kind.hands_over else _origin(new)
            handed = new.filter(pl.col("next_queue_id").is_not_null()).with_columns(origin=origin)
            stays = handed["origin"].is_not_null()
            if stays.any():
                fresh = _with_key(handed.filter(stays), "parent_key", table, view).rename({"next_queue_id": "child_id"})
                self.handovers = pl.concat([self.handovers, fresh.select(*HANDOVER)])
                lives.append(fresh.select("life", message_key="parent_key", at="first_at"))
            if view.has_several_hosts and not stays.all():
                fresh = _with_key(handed.filter(~stays), "parent_key", table, view)
                self.across.sent_on(fresh)
                lives.append(fresh.select("life", message_key="parent_key", at="first_at"))
        if is_start and "orig_queue_id" in new.columns:
            told = new.filter(pl.col("orig_queue_id").is_not_null()).rename({"orig_queue_id": "parent_id"})
            self.told = pl.concat([self.told, told.select(*TOLD)])
        if is_start and "client_ip" in new.columns:
            own = is_loopback("client_ip")
            if "client_name" in new.columns:
                own = own | is_own("client_name")
            self.births = pl.concat([self.births, new.filter(own).select(*BIRTH)])
            if view.has_several_hosts:
                self.across.came_in(_with_key(new.filter(~own), "message_key", table, view))
        if view.has_several_hosts and "message_id" in new.columns and kind.message:
            self.across.called(new)
        return lives

    def _name_lives(
        self, events: Mapping[str, pl.DataFrame], life: pl.Series, table: pl.DataFrame, view: View
    ) -> pl.DataFrame:  # fmt: skip
        """Find the lives whose ids were named, as far as they are open now; returns them."""
        ids = pl.concat(
            [self.handovers["child_id"], *(self.told[n].alias("child_id") for n in ("queue_id", "parent_id"))]
        )
        ids = ids.unique()
        named = pl.DataFrame(
            [*(pl.concat([f[n] for f in events.values()]) for n in ("queue_id", "place")), life.alias("life")]
        )
        found = named.filter(pl.col("queue_id").is_in(ids.implode())).unique("life", keep="first", maintain_order=True)
        found = found.with_columns(view.of_place(found, "host").fill_null("-"))
        found = _with_key(found, "message_key", table, view).with_columns(at="first_at")
        fresh = pl.concat([self.known, found.select(*KNOWN)])
        self.known = fresh.unique(LIFE, keep="first", maintain_order=True)
        return found.select(*_HANDED)

    def _forget(self, table: pl.DataFrame) -> None:
        """What is older than all that is open, by more than a day: a block may hold weeks of a quiet host."""
        oldest = table["first_at"].min()
        if oldest is not None:
            kept = pl.col("at") > pl.lit(oldest) - _MEMORY
            for name in _KEPT:
                setattr(self, name, apart(getattr(self, name).filter(kept)))
            self.across.forget(kept)

    def parents(self, told: pl.DataFrame, view: View) -> pl.DataFrame:
        """Add `parent_key`, `child_keys` and `origin` to messages {queue_id, place, first_at, origin, message_key}.

        Without message keys only the origin is told. Where it is asked for, add what `inherited` finds.
        """
        nothing = {"parent_key": pl.lit(None, dtype=pl.String), "child_keys": pl.lit(None, dtype=pl.List(pl.String))}
        links = self._links()
        if links.is_empty():
            return told.with_columns(**nothing)
        nameless = pl.col("parent_key").is_null()  # a filter that names no id may speak before who handed it over
        links = links.sort(nameless, maintain_order=True).unique(LIFE, keep="first", maintain_order=True)
        up = links.select(*LIFE, "parent_key", link="origin")
        here = told.with_columns(view.of_place(told, "host").fill_null("-"), at="first_at")
        here = here.join(up, on=list(LIFE), how="left", maintain_order="left").drop("host", "at")
        kept = pl.when(pl.col("origin") == "requeue").then("origin")
        here = here.with_columns(origin=pl.coalesce(kept, "link", "origin")).drop("link")
        if "message_key" not in told.columns:
            return here.drop("parent_key").with_columns(**nothing)
        if view.inherits:
            here = inherited(here, self.arrivals, links)
        down = links.filter(pl.col("message_key").is_not_null()).sort("at", "message_key")
        down = down.group_by("parent_key", maintain_order=True).agg(child_keys="message_key")
        return here.join(down, left_on="message_key", right_on="parent_key", how="left", maintain_order="left")

    def _links(self) -> pl.DataFrame:
        """{host, queue_id, at, message_key} of children, `parent_key` and `origin`; the most trusted first."""
        return pl.concat(
            [self._links_told(), self._links_handed(), self.across.links.select(*KNOWN, "parent_key", "origin")]
        )

    def _links_told(self) -> pl.DataFrame:
        """The child named its parent: the life of that id that began last before it, on the same host."""
        own = self.known.select("host", parent_id="queue_id", parent_at="at", parent_key="message_key")
        pairs = self.told.join(own, on=["host", "parent_id"])
        other = (pl.col("parent_at") < pl.col("at")) | (pl.col("parent_id") != pl.col("queue_id"))
        pairs = pairs.filter(other & (pl.col("parent_at") <= pl.col("at")))
        pairs = pairs.sort("parent_at", descending=True).unique(LIFE, keep="first", maintain_order=True)
        pairs = pairs.join(self.known.rename({"at": "child_at"}), on=["host", "queue_id"])
        return _nearest(pairs.with_columns(origin=pl.lit("reinjection")), LIFE)

    def _links_handed(self) -> pl.DataFrame:
        """A handover named the child: of the lives of that id one that came from here, and that began nearest to it."""
        pairs = self.handovers.join(
            self.known.rename({"at": "child_at", "queue_id": "child_id"}), on=["host", "child_id"]
        ).rename({"child_id": "queue_id"})
        other = (pl.col("message_key") != pl.col("parent_key")).fill_null(True)
        born_here = self.births.with_columns(is_ours=pl.lit(True)).rename({"at": "child_at"}).unique()
        pairs = pairs.filter(other).join(
            born_here, on=["host", "queue_id", "child_at"], how="left", maintain_order="left"
        )
        return _nearest(pairs, (*LIFE, "parent_key"))

    def internal(self, tries: pl.DataFrame, view: View) -> pl.Series:
        """Which deliveries handed the message to this same system again, here or on another of its hosts."""
        nothing = pl.Series("is_internal", [False]).new_from_index(0, tries.height)
        if "next_queue_id" not in tries.columns or (self.births.is_empty() and self.across.links.is_empty()):
            return nothing
        here = tries.select("next_queue_id", view.of_place(tries, "host").fill_null("-"),
                            *(n for n in ("relay_name", "relay_ip") if n in tries.columns), tried_at="at")  # fmt: skip
        maybe = here.with_row_index("row").filter(pl.col("next_queue_id").is_not_null())
        ours = maybe.filter(_origin(maybe) == "reinjection")
        came = ours.join(self.births, left_on=["host", "next_queue_id"], right_on=["host", "queue_id"])
        over = maybe.join(
            self.across.links.select(host="parent_host", next_queue_id="queue_id", at="at"),
            on=["host", "next_queue_id"],
        )
        both = pl.concat([came.select("row", "at", "tried_at"), over.select("row", "at", "tried_at")])
        rows = both.filter((pl.col("tried_at") - pl.col("at")).abs() <= _WINDOW)["row"].unique()
        return nothing.scatter(rows, True) if len(rows) else nothing


def _tells(kind: Kind, frame: pl.DataFrame, view: View) -> bool:
    """May entries of a kind tell of links?"""
    names = {"parent_queue_id", "next_queue_id"}
    names |= {"orig_queue_id", "client_ip"} if kind.message == "start" else set()
    names |= {"message_id"} if view.has_several_hosts else set()
    return not names.isdisjoint(frame.columns)


def _named_parents(new: pl.DataFrame, kind: Kind, view: View) -> pl.DataFrame:
    """Messages whose first line names the message they are about (Exim's `R=`), where ids are never used again."""
    parent = new.select("place", first_at="at", queue_id="parent_queue_id", has_start=pl.lit(True))
    key = parent.select(message_key(parent, view).alias("parent_key")).to_series()
    origin = pl.lit(kind.origin, dtype=pl.String)
    return new.select("host", "at", key, origin=origin, child_id="queue_id").select(*HANDOVER)


def _with_key(frame: pl.DataFrame, name: str, table: pl.DataFrame, view: View) -> pl.DataFrame:
    """Add the beginning of each event's life, and its message key where one is asked for."""
    if frame.is_empty() or not view.wants_message_keys:
        frame = frame.join(table.select("life", "first_at"), on="life", how="left", maintain_order="left")
        return frame.with_columns(pl.lit(None, dtype=pl.String).alias(name))
    lives = table.select("life", "first_at", "has_start")
    frame = frame.join(lives, on="life", how="left", maintain_order="left")
    return frame.with_columns(message_key(frame, view).alias(name))


def _nearest(pairs: pl.DataFrame, word: tuple[str, ...]) -> pl.DataFrame:
    """Of the children that may be meant by one word (equal in these columns) the nearest in time, within the window."""
    distance = (pl.col("at") - pl.col("child_at")).abs()
    pairs = pairs.with_columns(distance=distance).filter(pl.col("distance") <= _WINDOW)
    first = ["is_ours"] if "is_ours" in pairs.columns else []
    pairs = pairs.sort(*first, "distance", "at", "parent_key", nulls_last=True)
    pairs = pairs.unique(word, keep="first", maintain_order=True)
    return pairs.sort("at", "parent_key").drop("at").rename({"child_at": "at"}).select(*KNOWN, "parent_key", "origin")


def _origin(frame: pl.DataFrame) -> pl.Expr:
    """How a delivery hands a message on: `reinjection` to this host, `forward` by the local agent, or not at all."""
    to_us = local = pl.lit(False)
    if "relay_ip" in frame.columns:
        to_us = to_us | is_loopback("relay_ip")
    if "relay_name" in frame.columns:
        to_us = to_us | is_own("relay_name")
        local = (pl.col("relay_name") == "local").fill_null(False)
    return pl.when(to_us).then(pl.lit("reinjection")).when(local).then(pl.lit("forward"))
