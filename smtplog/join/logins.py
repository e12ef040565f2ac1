"""Refusals of a client that has logged in: who it is stands only in the lines of the session that name a message.

The login is that of the last message which the session began before, unless it ended, or another began, in between.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import polars as pl

from smtplog.contract.fields import MOMENT
from smtplog.formats.base import Kind
from smtplog.join.view import View
from smtplog.read.source import apart

_WITHIN = timedelta(hours=1)
"""Longer ago it may well have been another session: not every log shows where they begin and end."""
SCHEMA: Mapping[str, Any] = {
    "process": pl.UInt64, "seq": pl.Int64, "at": MOMENT, "client_ip": pl.String, "auth_user": pl.String,
}  # fmt: skip
Labelled = list[tuple[str, pl.DataFrame]]


@dataclass
class Logins:
    """For each process who has logged in at the connection that it serves now."""

    turns: pl.DataFrame = field(default_factory=lambda: pl.DataFrame(schema=SCHEMA))

    def added(self, frames: Labelled, view: View) -> Labelled:
        """The events of a block by label, refusals with the `auth_user` of their session."""
        is_told = any("auth_user" in frame.columns and _begins(view.kind(label)) for label, frame in frames)
        if not is_told and self.turns.is_empty():
            return frames
        turns = pl.concat([self.turns, *(_turns(frame, view.kind(label), view) for label, frame in frames)]).sort("seq")
        logged_in = pl.col("auth_user").is_not_null()
        if turns["auth_user"].null_count() == turns.height:
            return frames
        out = [(label, _named(frame, turns, view.kind(label), view)) for label, frame in frames]
        last = turns.unique("process", keep="last", maintain_order=True).filter(logged_in)
        is_recent = pl.col("at") >= pl.lit(turns["at"].max(), dtype=MOMENT) - _WITHIN
        self.turns = apart(last.filter(is_recent.fill_null(False)))
        return out


def _begins(kind: Kind) -> bool:
    """Does such an entry begin a message in a session?"""
    return kind.session is not None and kind.message == "start"


def _turns(frame: pl.DataFrame, kind: Kind, view: View) -> pl.DataFrame:
    """What says who is logged in, and what says that nobody is yet, or any more."""
    if not (_begins(kind) or kind.session in ("start", "end")):
        return pl.DataFrame(schema=SCHEMA)
    return pl.concat([pl.DataFrame(schema=SCHEMA), _tied(frame, kind, view)], how="diagonal")


def _tied(frame: pl.DataFrame, kind: Kind, view: View) -> pl.DataFrame:
    """{process, seq, at} and what is said of {client_ip, auth_user}, of the events whose session is known for sure."""
    said = [frame[name] for name in ("client_ip", "auth_user") if name in frame.columns]
    tie = view.session_tie(frame, kind).hstack(said)
    if kind.session_by == "pid":
        return tie
    told = [frame[name].is_not_null() for name in ("pid", "client_port", "connection_id") if name in frame.columns]
    return tie.filter(pl.any_horizontal(*told))  # of an address alone there may be many


def _named(frame: pl.DataFrame, turns: pl.DataFrame, kind: Kind, view: View) -> pl.DataFrame:
    if not (kind.delivers and kind.session) or _begins(kind):
        return frame
    rows = _tied(frame, kind, view)
    rows = rows.select("seq", "process", "at", *(name for name in ("client_ip",) if name in rows.columns))
    found = rows.sort("seq").join_asof(
        turns, on="seq", by="process", suffix=" then", allow_exact_matches=False, check_sortedness=False
    )
    is_same = (pl.col("at") - pl.col("at then") <= _WITHIN).fill_null(False)
    if "client_ip" in rows.columns:
        is_same = is_same & (pl.col("client_ip") == pl.col("client_ip then")).fill_null(False)
    found = found.filter(is_same & pl.col("auth_user").is_not_null()).select("seq", login="auth_user")
    found = found.unique("seq", keep="last", maintain_order=True)  # one line may stand for several entries
    if found.is_empty():
        return frame
    frame = frame.join(found, on="seq", how="left", maintain_order="left")
    own = ["auth_user"] if "auth_user" in frame.columns else []
    return frame.with_columns(auth_user=pl.coalesce(*own, "login")).drop("login")
