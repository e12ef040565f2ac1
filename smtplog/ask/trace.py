"""The story of a mail: which messages are meant, what they came out of and went on as, and everything tried for them."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import polars as pl

from smtplog.ask.query import Query
from smtplog.contract import schema
from smtplog.contract.records import TABLES, Delivery
from smtplog.read.source import apart

_ALWAYS = {
    "messages": frozenset({"message_key", "parent_key", "received_at", "removed_at", "source", "line"}),
    "deliveries": frozenset({"message_key", "at", "source", "line"}),
    "attempts": frozenset({"message_key", "at", "source", "line"}),
}
"""What ties records together, and their order."""
_ALL = {
    "attempts": _ALWAYS["attempts"] | {"relay_name", "relay_ip", "relay_port", "reply_code", "reply_enhanced_code", "reply_text",
                                       "detail", "stage", "reason", "reason_detail", "persistence", "actor"},
}  # fmt: skip
"""All columns of a table, where they are not all of its record."""
_RECORDS = TABLES | {"attempts": Delivery}
TOGETHER = 5000
"""So many trees are in memory at a time."""


class Shelf(Protocol):
    """Where frames lie that take no memory."""

    def put(self, frame: pl.DataFrame) -> int:
        """Put one away; returns its number."""

    def take(self, number: int, columns: Sequence[str] | None = None) -> pl.DataFrame:
        """One of them, or some of its columns."""


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
    """One message, the deliveries tried, what single hosts said of them, and the messages that came out of it."""

    message: dict[str, Any]
    deliveries: list[dict[str, Any]]
    attempts: list[dict[str, Any]] = field(default_factory=list)
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
    """Finds messages and tells their story; feed it the `tables`, then ask for the hops.

    Whole records lie on the shelf until it is known whose family is meant: memory is bounded by what is meant and by
    the links between messages, a few trees at a time.

    Args:
        query: which are meant; a message is meant when it fits, or when a delivery of it does.
        shelf: where the records lie meanwhile.
        subject: shell pattern as an expression over `subject`, or None.
        marked: where a text stands that is asked for: keys of messages and places of entries; or None.
        shown: the columns of each table that is told; None: all of them.

    Attributes:
        refused: the refusals that are meant but belong to no message.
    """

    query: Query
    shelf: Shelf
    subject: pl.Expr | None = None
    marked: Marks | None = None
    shown: Mapping[str, Iterable[str]] | None = None
    refused: pl.DataFrame = field(init=False)
    _lying: dict[str, list[int]] = field(default_factory=lambda: {name: [] for name in _ALWAYS})
    _children: dict[str, list[str]] = field(default_factory=dict)
    _roots: list[str] = field(default_factory=list)
    _where: dict[str, pl.DataFrame] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._fits = {
            name: self.query.expression(name, lenient=name == "messages") for name in ("messages", "deliveries")
        }
        if self.subject is not None:
            self._fits["messages"] &= self.subject
        self.refused = self._nothing("deliveries")

    def tables(self) -> dict[str, frozenset[str] | None]:
        """What must be read for it."""
        return {name: self._columns(name) for name in _ALWAYS if self.shown is None or name in self.shown}

    def _columns(self, table: str) -> frozenset[str] | None:
        if self.shown is None:
            return _ALL.get(table)
        asked = self._fits[table].meta.root_names() if table in self._fits else ()
        return _ALWAYS[table] | {*self.shown.get(table, ()), *asked}

    def _nothing(self, table: str, *columns: str) -> pl.DataFrame:
        kinds, asked = schema.of(_RECORDS[table]), columns or self._columns(table)
        return pl.DataFrame(schema={name: kind for name, kind in kinds.items() if asked is None or name in asked})

    @property
    def is_empty(self) -> bool:
        """Is nothing meant?"""
        return not self._roots and self.refused.is_empty()

    @property
    def sources(self) -> set[str]:
        """The inputs of all that is told."""
        return {one for frame in (*self._where.values(), self.refused) for one in frame["source"].unique()}

    def places(self) -> Iterator[tuple[str, int]]:
        """Source and line of every attempt and refusal that is told."""
        yield from self._where["deliveries"].select("source", "line").iter_rows()
        yield from self.refused.select("source", "line").iter_rows()

    def take(self, batches: Iterable[Mapping[str, pl.DataFrame]]) -> None:
        """Put away what a run of these tables gives out, for a parent may come after its child, and find who is meant."""
        meant: dict[str, None] = {}
        tried: dict[str, None] = {}
        named: set[str] = set()
        links: dict[str, str] = {}
        refused = [self.refused]
        for frames in batches:
            for name in self._lying.keys() & frames.keys():
                self._lying[name].append(self.shelf.put(frames[name]))
            if "messages" in frames:
                messages = frames["messages"]
                meant |= dict.fromkeys(messages.filter(self._fits["messages"])["message_key"])
                named |= set(messages.filter(self.subject)["message_key"]) if self.subject is not None else set()
                links |= dict(messages.select("message_key", "parent_key").drop_nulls().iter_rows())
            if "deliveries" in frames:
                fit = frames["deliveries"].filter(self._fits["deliveries"])
                refused.append(self._refusals(fit))
                if not self.query.is_open:
                    tried |= dict.fromkeys(fit["message_key"].drop_nulls())
        meant |= {key: None for key in tried if self.subject is None or key in named}
        self.refused = pl.concat(refused).sort("at", "line", nulls_last=True, maintain_order=True)
        self._find(meant, links)

    def _refusals(self, fit: pl.DataFrame) -> pl.DataFrame:
        """Those that belong to no message; their subject nobody has seen."""
        lone = fit.filter(pl.col("message_key").is_null()) if self.subject is None else fit.clear()
        if self.marked is not None:
            places = self.marked.places
            is_there = [place in places for place in lone.select("source", "line").iter_rows()]
            lone = lone.filter(pl.Series(is_there, dtype=pl.Boolean))
        return apart(lone)

    def _find(self, meant: Collection[str], links: Mapping[str, str]) -> None:
        """The families of those that are meant, and where their records lie; the oldest family comes first."""
        if self.marked is not None:
            meant = [key for key in meant if key in self.marked.messages]
        family = self._draw(meant, links)
        told = self._lie("messages", family, "received_at", "removed_at")
        seen = set(told["message_key"])
        if not seen.issuperset(self._roots):  # a parent that is in no log is none
            family = self._draw(meant, {child: parent for child, parent in links.items() if parent in seen})
            told = told.filter(pl.col("message_key").is_in(family.implode()))
        at = told.select("message_key", at=pl.coalesce("received_at", "removed_at")).unique("message_key", keep="last")
        order = pl.DataFrame({"message_key": self._roots}, schema={"message_key": pl.String})
        order = order.join(at, on="message_key", maintain_order="left").sort("at", nulls_last=True, maintain_order=True)
        self._roots = order["message_key"].to_list()
        self._where = {
            "messages": told,
            **{name: self._lie(name, family, "line") for name in ("deliveries", "attempts")},
        }

    def _draw(self, meant: Iterable[str], links: Mapping[str, str]) -> pl.Series:
        """Who came out of whom, and who came out of nobody; returns the family of those that are meant."""
        self._children = _children(links)
        self._roots = _roots(meant, links)
        return self._family(self._roots)

    def _family(self, roots: Iterable[str]) -> pl.Series:
        keys = dict.fromkeys(key for root in roots for key in _below(root, self._children))
        return pl.Series("message_key", list(keys), dtype=pl.String)

    def _lie(self, table: str, keys: pl.Series, *columns: str) -> pl.DataFrame:
        """{message_key, source, columns, number}: which frames on the shelf the records of messages are in."""
        names = ("message_key", "source", *columns)
        found = [self._nothing(table, *names).with_columns(number=pl.lit(None, dtype=pl.Int64))]
        for number in self._lying[table] if len(keys) else ():
            mine = self.shelf.take(number, found[0].columns[:-1]).filter(pl.col("message_key").is_in(keys.implode()))
            found.append(apart(mine).with_columns(number=pl.lit(number, dtype=pl.Int64)))
        return pl.concat(found)

    def _records(self, table: str, keys: pl.Series) -> pl.DataFrame:
        mine = pl.col("message_key").is_in(keys.implode())
        numbers = self._where[table].filter(mine)["number"].unique(maintain_order=True)
        return pl.concat([self._nothing(table), *(self.shelf.take(number).filter(mine) for number in numbers)])

    def hops(self) -> Iterator[Hop]:
        """The trees of the messages that are meant, the oldest first."""
        for start in range(0, len(self._roots), TOGETHER):
            roots = self._roots[start : start + TOGETHER]
            family = self._family(roots)
            known = {row["message_key"]: row for row in self._records("messages", family).iter_rows(named=True)}
            tried = tuple(self._by_message(name, family) for name in ("deliveries", "attempts"))
            yield from (_tree(root, known, tried, self._children) for root in roots)

    def _by_message(self, table: str, keys: pl.Series) -> dict[str, list[dict[str, Any]]]:
        """The rows of each message, in the order of time."""
        found: dict[str, list[dict[str, Any]]] = {}
        rows = self._records(table, keys).sort("at", "line", nulls_last=True, maintain_order=True)
        for row in rows.iter_rows(named=True):
            found.setdefault(row["message_key"], []).append(row)
        return found


def _children(links: Mapping[str, str]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for child, parent in links.items():
        found.setdefault(parent, []).append(child)
    return found


def _roots(keys: Iterable[str], links: Mapping[str, str]) -> list[str]:
    return list(dict.fromkeys(_root(key, links) for key in keys))


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
    key: str, known: Mapping[str, dict[str, Any]], tried: tuple[Mapping[str, list[dict[str, Any]]], ...],
    children: Mapping[str, list[str]], seen: frozenset[str] = frozenset(),
) -> Hop:  # fmt: skip
    below = [c for c in children.get(key, []) if c in known and c not in seen]
    deliveries, attempts = (rows.get(key, []) for rows in tried)
    return Hop(known[key], deliveries, attempts, [_tree(c, known, tried, children, seen | {key}) for c in below])
