"""The story of a mail: which messages are meant, what they came out of and went on as, and everything tried for them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

import polars as pl

from smtplog.ask.query import Query


class Marks(Protocol):
    """Where a text was found."""

    @property
    def messages(self) -> frozenset[str]:
        """Keys of the messages one of whose lines has it."""

    @property
    def places(self) -> frozenset[tuple[str, int]]:
        """Source and line of every entry that has it."""


@dataclass
class Hop:
    """One message, the attempts for it, and the messages that came out of it."""

    message: dict[str, Any]
    deliveries: list[dict[str, Any]]
    children: list[Hop] = field(default_factory=list)

    def tried(self) -> Iterator[dict[str, Any]]:
        """Every attempt for this message and for all below it."""
        yield from self.deliveries
        for child in self.children:
            yield from child.tried()

    def messages(self) -> Iterator[dict[str, Any]]:
        """This message and all below it."""
        yield self.message
        for child in self.children:
            yield from child.messages()


@dataclass
class Trace:
    """Finds messages and tells their story; feed it `messages` and `deliveries`, then ask for the hops.

    Args:
        query: which are meant; a message is meant when it fits, or when a delivery of it does.
        subject: shell pattern as an expression over `subject`, or None.
        marked: where a text stands that is asked for: keys of messages and places of entries; or None.
    """

    query: Query
    subject: pl.Expr | None = None
    marked: Marks | None = None
    _messages: list[pl.DataFrame] = field(default_factory=list)
    _deliveries: list[pl.DataFrame] = field(default_factory=list)

    def tables(self) -> dict[str, frozenset[str] | None]:
        """What must be read for it."""
        return {"messages": None, "deliveries": None}

    def take(self, batches: Iterable[Mapping[str, pl.DataFrame]]) -> None:
        """Keep what a run of these tables gives out: all of it, for a parent may come after its child."""
        for frames in batches:
            if "messages" in frames:
                self._messages.append(frames["messages"])
            if "deliveries" in frames:
                self._deliveries.append(frames["deliveries"])

    def _frames(self) -> tuple[pl.DataFrame | None, pl.DataFrame | None]:
        return (
            pl.concat(self._messages) if self._messages else None,
            pl.concat(self._deliveries) if self._deliveries else None,
        )

    def hops(self) -> tuple[list[Hop], list[dict[str, Any]]]:
        """The trees of the messages that are meant, and the refusals that are meant but belong to no message."""
        messages, deliveries = self._frames()
        meant = self._meant(messages, deliveries)
        refused = [] if deliveries is None else self._refusals(deliveries)
        if messages is None or not meant:
            return [], refused
        links = {row[0]: row[1] for row in messages.select("message_key", "parent_key").iter_rows() if row[1]}
        roots = list(dict.fromkeys(_root(key, links) for key in meant))
        children: dict[str, list[str]] = {}
        for child, parent in links.items():
            children.setdefault(parent, []).append(child)
        family = list(dict.fromkeys(key for root in roots for key in _below(root, children)))
        known = {
            row["message_key"]: row
            for row in messages.filter(pl.col("message_key").is_in(family)).iter_rows(named=True)
        }
        tried: dict[str, list[dict[str, Any]]] = {}
        if deliveries is not None:
            mine = deliveries.filter(pl.col("message_key").is_in(family)).sort("at", "line", nulls_last=True)
            for row in mine.iter_rows(named=True):
                tried.setdefault(row["message_key"], []).append(row)
        trees = [_tree(root, known, tried, children) for root in roots if root in known]
        return sorted(trees, key=lambda hop: str(hop.message["received_at"] or hop.message["removed_at"])), refused

    def _meant(self, messages: pl.DataFrame | None, deliveries: pl.DataFrame | None) -> list[str]:
        """Keys of the messages that fit, or one of whose deliveries does; subject and text must fit as well."""
        if messages is None:
            return []
        keys = messages.filter(self.query.expression("messages", lenient=True))["message_key"].to_list()
        if deliveries is not None:
            keys += deliveries.filter(self.query.expression("deliveries"))["message_key"].drop_nulls().to_list()
        meant = dict.fromkeys(keys)
        if self.subject is not None:
            named = set(messages.filter(self.subject)["message_key"])
            meant = {key: None for key in meant if key in named}
        if self.marked is not None:
            meant = {key: None for key in meant if key in self.marked.messages}
        return list(meant)

    def _refusals(self, deliveries: pl.DataFrame) -> list[dict[str, Any]]:
        """Those that belong to no message; their subject nobody has seen."""
        if self.subject is not None:
            return []
        lone = deliveries.filter(pl.col("message_key").is_null() & self.query.expression("deliveries"))
        rows = lone.sort("at", "line", nulls_last=True).to_dicts()
        return [row for row in rows if self.marked is None or (row["source"], row["line"]) in self.marked.places]


def _root(key: str, links: Mapping[str, str]) -> str:
    seen = {key}
    while key in links and links[key] not in seen:
        key = links[key]
        seen.add(key)
    return key


def _below(key: str, children: Mapping[str, list[str]]) -> Iterable[str]:
    todo, seen = [key], set()
    while todo:
        one = todo.pop(0)
        if one not in seen:
            seen.add(one)
            yield one
            todo += children.get(one, [])


def _tree(
    key: str, known: Mapping[str, dict[str, Any]], tried: Mapping[str, list[dict[str, Any]]],
    children: Mapping[str, list[str]], seen: frozenset[str] = frozenset(),
) -> Hop:  # fmt: skip
    below = [c for c in children.get(key, []) if c in known and c not in seen]
    return Hop(known[key], tried.get(key, []), [_tree(c, known, tried, children, seen | {key}) for c in below])
