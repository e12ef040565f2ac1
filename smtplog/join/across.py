"""Messages that one host of an input handed to another: the next server's log is here too.

`queued as ID` is followed where another host has a message of that id which came in within the window, and either both
know the same Message-ID, or one does not know it and the client that brought it has the first host's name. An id that
only looks like one of ours has another Message-ID, or came from elsewhere.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import polars as pl

from smtplog.contract.fields import MOMENT
from smtplog.read.source import apart

_WINDOW = timedelta(hours=1)
SENT: Mapping[str, Any] = {
    "parent_host": pl.String,
    "parent_id": pl.String,
    "queue_id": pl.String,
    "sent_at": MOMENT,
    "parent_key": pl.String,
}
"""What a host says the next one calls it: `queue_id`."""
CAME: Mapping[str, Any] = {
    "host": pl.String,
    "queue_id": pl.String,
    "at": MOMENT,
    "message_key": pl.String,
    "client_name": pl.String,
}
CALLED: Mapping[str, Any] = {"host": pl.String, "queue_id": pl.String, "message_id": pl.String, "at": MOMENT}
LINK: Mapping[str, Any] = {
    "host": pl.String,
    "queue_id": pl.String,
    "at": MOMENT,
    "message_key": pl.String,
    "parent_host": pl.String,
    "parent_key": pl.String,
    "origin": pl.String,
}


@dataclass
class Across:
    """What hosts handed out and took in, of about the last day, and the links found so far."""

    sent: pl.DataFrame = field(default_factory=lambda: pl.DataFrame(schema=SENT))
    came: pl.DataFrame = field(default_factory=lambda: pl.DataFrame(schema=CAME))
    ids: pl.DataFrame = field(default_factory=lambda: pl.DataFrame(schema=CALLED))
    links: pl.DataFrame = field(default_factory=lambda: pl.DataFrame(schema=LINK))
    _joined: tuple[int, int] = (0, 0)

    def frames(self) -> dict[str, pl.DataFrame]:
        """All that is kept, by name."""
        return {name: getattr(self, name) for name in ("sent", "came", "ids", "links")}

    def sent_on(self, events: pl.DataFrame) -> None:
        """Take in deliveries {host, queue_id, next_queue_id, at, parent_key} to other systems."""
        named = {"host": "parent_host", "queue_id": "parent_id", "next_queue_id": "queue_id", "at": "sent_at"}
        self.sent = pl.concat([self.sent, events.select(*named, "parent_key").rename(named).select(*SENT)])

    def came_in(self, events: pl.DataFrame) -> None:
        """Take in the beginnings of messages {host, queue_id, at, message_key, client_name}."""
        events = events.with_columns(at="first_at")
        if "client_name" not in events.columns:
            events = events.with_columns(client_name=pl.lit(None, dtype=pl.String))
        self.came = pl.concat([self.came, events.select(*CAME)])

    def called(self, events: pl.DataFrame) -> None:
        """Take in the Message-IDs of messages {host, queue_id, message_id, at}."""
        known = events.filter(pl.col("message_id").is_not_null() & pl.col("queue_id").is_not_null())
        self.ids = pl.concat([self.ids, known.select(*CALLED)])

    def join(self) -> None:
        """Find the links between what is new and all that is known."""
        old_sent, old_came = self._joined
        self._joined = self.sent.height, self.came.height
        if self.sent.is_empty() or self.came.is_empty():
            return
        pairs = pl.concat(
            [
                self.sent.slice(old_sent).join(self.came, on="queue_id"),
                self.sent.slice(0, old_sent).join(self.came.slice(old_came), on="queue_id"),
            ]
        )
        near = (pl.col("sent_at") - pl.col("at")).abs() <= _WINDOW
        pairs = pairs.filter(near & (pl.col("host") != pl.col("parent_host")))
        if pairs.height:
            self.links = pl.concat([self.links, self._sure(pairs)]).unique(
                ["host", "queue_id", "at", "parent_key", "parent_host"], keep="first", maintain_order=True
            )

    def _sure(self, pairs: pl.DataFrame) -> pl.DataFrame:
        """The pairs that more speaks for than the id."""
        pairs = pairs.with_row_index("pair")
        said = self.ids.select("host", "queue_id", child_says="message_id")
        theirs = self.ids.select(parent_host="host", parent_id="queue_id", parent_says="message_id")
        both = pairs.join(said, on=["host", "queue_id"]).join(theirs, on=["parent_host", "parent_id"])
        told = both.group_by("pair").agg(is_same=(pl.col("child_says") == pl.col("parent_says")).any())
        pairs = pairs.join(told, on="pair", how="left", maintain_order="left")
        name, host = pl.col("client_name").str.to_lowercase(), pl.col("parent_host").str.to_lowercase()
        is_whole = host.str.contains(".", literal=True) & name.str.contains(".", literal=True)
        short = name.str.split(".").list.first() == host.str.split(".").list.first()
        is_named = pl.when(is_whole).then(name == host).otherwise(short).fill_null(False)
        sure = pairs.filter(pl.coalesce("is_same", is_named)).with_columns(origin=pl.lit("reinjection"))
        return sure.select(*LINK)

    def forget(self, recent: pl.Expr) -> None:
        """Keep what satisfies an expression over `at`."""
        self.sent = apart(self.sent.rename({"sent_at": "at"}).filter(recent).rename({"at": "sent_at"}))
        self.came, self.ids, self.links = (apart(f.filter(recent)) for f in (self.came, self.ids, self.links))
        self._joined = self.sent.height, self.came.height
