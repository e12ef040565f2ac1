"""What the numbers in stitched events stand for, and what a question asks of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Protocol

import polars as pl

from smtplog.contract import schema
from smtplog.contract.records import Record
from smtplog.formats.base import Format, Kind
from smtplog.join import lives
from smtplog.join.direction import PRIVATE_ONLY, Ours
from smtplog.read.detect import Place, daemon

SOURCE_SHIFT = 40
"""A place in the order of everything: number of the source, then the line."""


def line_of(place: Any) -> Any:
    """The line of a place in the order of everything: of a number, a column or an expression."""
    return place % (1 << SOURCE_SHIFT)


def source_of(place: Any) -> Any:
    """The number of the source of a place in the order of everything: of a number, a column or an expression."""
    return place // (1 << SOURCE_SHIFT)


LINKS = frozenset({"is_internal", "parent_key", "child_keys", "origin", "direction", "auth_user"})
"""What is known only when messages are linked."""

Frames = Mapping[str, pl.DataFrame]


class Links(Protocol):
    """What hops.py knows of messages that came out of one another."""

    def parents(self, told: pl.DataFrame, view: View) -> pl.DataFrame:
        """Add parent_key, child_keys, origin."""

    def internal(self, tries: pl.DataFrame, view: View) -> pl.Series:
        """Which deliveries stayed in this system."""


@dataclass(frozen=True)
class View:
    """What the numbers in the events stand for."""

    places: list[Place]
    sources: list[str]
    kinds: Mapping[tuple[str, str], Kind]
    wanted: Mapping[str, frozenset[str] | None]
    formats: tuple[Format, ...] = ()
    diagnose: Callable[[pl.DataFrame], pl.DataFrame] | None = None
    show_secrets: bool = False
    ours: Ours = PRIVATE_ONLY
    is_several: bool = False
    """Several logs are read side by side."""

    def kind(self, label: str) -> Kind:
        """The kind of a label `format/kind`."""
        one, _, name = label.partition("/")
        return self.kinds[one, name]

    def format(self, label: str) -> Format:
        """The format of a label `format/kind`."""
        return next(one for one in self.formats if one.name == label.partition("/")[0])

    def rank(self, label: str) -> tuple[int, bool, str]:
        """Whose word counts first: who starts a message before who adds to it, its own server before others."""
        return lives.ROLES[self.kind(label).message or "end"], self.format(label).joins, label

    def wants(self, table: str, *columns: str) -> bool:
        """Is any of these columns of a table asked for?"""
        if table not in self.wanted:
            return False
        asked = self.wanted[table]
        return asked is None or not asked.isdisjoint(columns)

    def columns(self, table: str, record: type[Record]) -> list[str]:
        """The columns asked for, in the order of the record; then what is asked for beside it (`life`, `size_bytes`)."""
        asked = self.wanted[table]
        names = [name for name in schema.of(record) if asked is None or name in asked]
        return names + sorted((asked or frozenset()) - set(schema.of(record)))

    @cached_property
    def place_frame(self) -> pl.DataFrame:
        """Each place: host, instance, service, format, its `unit` for messages and for sessions, whose messages it tells of."""
        queues: dict[Any, int] = {}
        services: dict[Any, int] = {}
        keepers: dict[Any, set[str | None]] = {}
        masters: dict[str | None, Place] = {}
        for place in self.places:
            if place.format and not place.format.joins:
                queues.setdefault((place.format.name, place.host, place.instance), len(queues))
                masters.setdefault(place.host, place)
                if daemon(place.service or "") in place.format.keepers:
                    keepers.setdefault((place.format.name, place.host), set()).add(place.instance)
        rows = []
        for i, place in enumerate(self.places):
            name = place.format.name if place.format else None
            joins = bool(place.format and place.format.joins)
            own = queues.setdefault((name, place.host, place.instance), len(queues))
            service = services.setdefault((name, place.host, place.instance, place.service), len(services))
            transport = daemon(place.service) if place.service else None
            queue, letters, owner = own, 0, place.instance
            if (one := masters.get(place.host, place) if joins else place).format:
                # an instance without a queue is another name of a service of the only one that has a queue
                known = keepers.get((one.format.name, one.host), ())
                owner = next(iter(known)) if len(known) == 1 else one.instance
                queue, letters = queues[one.format.name, one.host, owner], one.format.unique_id_letters
            rows.append(
                (i, place.host, place.instance, place.service, name, transport, queue, service, letters, joins, owner)
            )
        schema: dict[str, Any] = {
            "place": pl.UInt32, "host": pl.String, "instance": pl.String, "service": pl.String, "format": pl.String,
            "daemon": pl.String, "queue_unit": pl.UInt32, "service_unit": pl.UInt32, "letters": pl.UInt32,
            "joins": pl.Boolean, "owner": pl.String,
        }  # fmt: skip
        return pl.DataFrame(rows, schema=schema, orient="row")

    @cached_property
    def _servers(self) -> set[str | None]:
        """The hosts of what has come so far of mail servers."""
        return {place.host for place in self.places if place.format and not place.format.joins}

    @property
    def has_one_server(self) -> bool:
        """Are all messages that have come so far of one host?"""
        return len(self._servers) == 1

    @property
    def has_strangers(self) -> bool:
        """Did a companion speak without a host, where all mail servers have one?"""
        nameless = any(place.format and place.format.joins and place.host is None for place in self.places)
        return nameless and bool(self._servers) and None not in self._servers

    @property
    def has_several_hosts(self) -> bool:
        """Did more than one host write what has come so far?"""
        return self.is_several or len({place.host for place in self.places if place.format}) > 1

    @property
    def wants_hops(self) -> bool:
        """Does any table show what was handed on?"""
        return any(self.wants(table, *LINKS) for table in ("messages", "deliveries"))

    @property
    def wants_message_keys(self) -> bool:
        """Does any table show them, or something made of them?"""
        return (
            any(
                self.wants(table, "message_key", "delivery_key", "attempt", "parent_key", "child_keys")
                for table in ("messages", "deliveries")
            )
            or self.inherits
        )

    @property
    def inherits(self) -> bool:
        """Does any table show what a mail that came in again has from its first coming?"""
        return self.wants("messages", "direction", "auth_user") or self.wants("deliveries", "auth_user")

    @property
    def wants_session_keys(self) -> bool:
        """Does any table show them?"""
        return "sessions" in self.wanted or any(self.wants(table, "session_key") for table in self.wanted)

    def session_tie(self, frame: pl.DataFrame, kind: Kind) -> pl.DataFrame:
        """{process, seq, at}: what the sessions of events are known by."""
        who: dict[str, Any] = {"unit": self.of_place(frame, "service_unit"), "pid": frame["pid"]}
        if kind.session_by == "peer":
            who = {"unit": who["unit"], "process": _process(frame, kind)}
        elif kind.session_by == "client":
            nobody = pl.lit(None, dtype=pl.Int64)
            who = {"unit": self.of_place(frame, "queue_unit")}
            who |= {name: frame[name] if name in frame.columns else nobody for name in ("client_ip", "client_port")}
        return frame.select("seq", "at", process=pl.struct(**who).hash(3))

    def session_stem(self, frame: pl.DataFrame, kind: Kind) -> pl.Series:
        """How the keys of the events' sessions begin: host/instance/service/process."""
        names = [self.of_place(frame, name).fill_null("-") for name in ("host", "instance", "service")]
        stem = pl.concat_str(*names, _process(frame, kind).fill_null("-"), separator="/")
        return frame.select(stem=stem).to_series()

    def of_place(self, frame: pl.DataFrame, name: str) -> pl.Series:
        """A property of the place of every row."""
        return self.place_frame[name].gather(frame["place"]).alias(name)

    def line(self, frame: pl.DataFrame) -> pl.Series:
        """The line of every row."""
        return pl.Series("line", line_of(frame["seq"]))

    def source(self, frame: pl.DataFrame) -> pl.Series:
        """The source of every row."""
        if len(self.sources) == 1:
            return pl.Series("source", self.sources, dtype=pl.String).new_from_index(0, frame.height)
        return pl.Series("source", self.sources, dtype=pl.String).gather(source_of(frame["seq"]))

    def input(self, frame: pl.DataFrame) -> pl.Series:
        """The number of the input of every row: the same for what an earlier run has read under the same name."""
        first: dict[str, int] = {}
        numbers = [first.setdefault(name, number) for number, name in enumerate(self.sources)]
        return pl.Series("input", numbers, dtype=pl.Int64).gather(source_of(frame["seq"]))

    def ties(self, events: Frames, sort: str) -> pl.DataFrame:
        """The ties of all events for lives of a sort, kind after kind: the columns of `lives.TIES`."""
        roles = {label: lives.ROLES[getattr(self.kind(label), sort) or "part"] for label in events}
        if sort == "session":
            parts = [
                self.session_tie(frame, self.kind(label)).select(
                    "seq", "at", unit=self.of_place(frame, "queue_unit"), key="process", is_reused=pl.lit(True),
                    role=pl.lit(roles[label], dtype=pl.UInt8),
                )
                for label, frame in events.items()
            ]  # fmt: skip
            return pl.concat([part.select(*lives.TIES) for part in parts])
        names = ("seq", "at", "place", "queue_id")
        bare = [
            pl.DataFrame([*(_tie(frame, name) for name in names), _repeat("role", roles[label], frame.height)])
            for label, frame in events.items()
        ]
        ties = pl.concat(bare)
        is_alone = pl.col("queue_id").is_null()  # an event that belongs to no message is a life of its own
        unit = self.of_place(ties, "queue_unit")
        key, alone = pl.struct(unit, "queue_id").hash(1), pl.struct(unit, "seq").hash(2)
        return ties.select(
            "seq", "at", unit=unit, key=pl.when(is_alone).then(alone).otherwise(key),
            is_reused=pl.col("queue_id").str.len_bytes().fill_null(0) < self.of_place(ties, "letters"),
            role=pl.when(is_alone).then(pl.lit(lives.END, dtype=pl.UInt8)).otherwise("role"),
        ).select(*lives.TIES)  # fmt: skip


def _process(frame: pl.DataFrame, kind: Kind) -> pl.Expr:
    """What the two sides of a connection are told apart by: the process that serves it, or the peer."""
    process = pl.col("pid").cast(pl.String)
    if kind.session_by != "peer":
        return process
    nothing = pl.lit(None, dtype=pl.String)
    given = ("client_ip", "client_port", "connection_id")
    ip, port, connection = (pl.col(n).cast(pl.String) if n in frame.columns else nothing for n in given)
    return pl.coalesce(pl.concat_str(ip, pl.lit(":"), port), connection, process, ip)


def _tie(frame: pl.DataFrame, name: str) -> pl.Series:
    """What ties events to their message: where a stranger was given another place in the order, that counts."""
    if f"tie_{name}" not in frame.columns:
        return frame[name]
    return frame.select(pl.coalesce(f"tie_{name}", name).alias(name)).to_series()


def _repeat(name: str, value: int, count: int) -> pl.Series:
    return pl.Series(name, [value], dtype=pl.UInt8).new_from_index(0, count)
