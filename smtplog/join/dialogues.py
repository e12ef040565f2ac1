"""The dialogue that a log shows of its sessions: through the one state machine, into that log's own session records.

Where a server logs what was said, the log's session gets its exchanges and what follows from them. What the log says
itself counts first; a session is never told twice.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import polars as pl

from smtplog.contract.fields import MOMENT, stamp
from smtplog.join.view import Frames, View, line_of
from smtplog.smtp import machine, report
from smtplog.smtp.dialogue import Conversation, Kind, Token
from smtplog.smtp.replies import is_reply

_HAPPENED = {"lost connection": (Kind.CLOSED, "client"), "client": (Kind.CLOSED, "client"),
             "server": (Kind.CLOSED, "server"), "timeout": (Kind.TIMEOUT, "")}  # fmt: skip
_LINE: dict[str, Any] = {"life": pl.UInt32, "seq": pl.Int64, "at": MOMENT, "mark": pl.String, "said": pl.String,
         "tls_version": pl.String, "session_end": pl.String}  # fmt: skip
_LISTS = ("exchanges", "findings")
"""What several connections of one session add up."""
_CUT = {"transcript-partial"}
"""Findings that do not hold where the log tells beginning and end of the session."""
_OWN = ("opened_at", "closed_at", "duration_s", "closed_by", "is_partial")
"""What the log itself knows better, where it names the session's beginning."""


def of_lives(events: Frames, view: View) -> dict[int, list[Conversation]]:
    """The conversations of each life that has a dialogue, by its number; empty where no log shows any."""
    shown = [label for label in events if view.kind(label).dialogue]
    if not shown:
        return {}
    lives = pl.concat([events[label]["life"] for label in shown]).unique()
    lines = [pl.DataFrame(schema=_LINE)]
    for label, frame in events.items():
        if label in shown or not {"tls_version", "session_end"}.isdisjoint(frame.columns):
            here = frame.select(name for name in _LINE if name in frame.columns)
            lines.append(here.with_columns(side=pl.lit(view.kind(label).dialogue or None, dtype=pl.String)))
    whole = pl.concat(lines, how="diagonal").filter(pl.col("life").is_in(lives.implode())).sort("life", "seq")
    return {
        life: machine.run(_tokens(list(part.iter_rows(named=True))))
        for (life,), part in whole.partition_by("life", as_dict=True, maintain_order=True).items()
    }


def _tokens(lines: list[dict[str, Any]]) -> Iterator[Token]:
    """One token for each line; who is the server, most replies say."""
    side = next((line["side"] for line in lines if line["side"]), "server")
    replies = [line["mark"] for line in lines if line["mark"] and is_reply(line["said"] or "")]
    server = ">" if side == "server" else "<"
    if 2 * replies.count(server) < len(replies):
        server = "<" if server == ">" else ">"
    for line in lines:
        at, place = line["at"], line_of(line["seq"])
        clock = at.timestamp() if at else None
        if line["mark"] is None:
            kind, text = (Kind.TLS, line["tls_version"]) if line["tls_version"] else _HAPPENED.get(
                line["session_end"] or "", (Kind.NOTE, "")
            )  # fmt: skip
            if kind is not Kind.NOTE:
                yield Token(kind, text, place, at, clock)
            continue
        text = line["said"] or ""
        if line["mark"] != server:
            yield Token(Kind.CLIENT, text, place, at, clock)
        elif is_reply(text):
            yield Token(Kind.SERVER, text, place, at, clock)


def filled(sessions: pl.DataFrame, lives: pl.Series, spoken: dict[int, list[Conversation]], view: View) -> pl.DataFrame:
    """Session records with what was said in them.

    Args:
        sessions: one row per life, columns as they were asked for.
        lives: its number, for each row.
        spoken: what `of_lives` found.
        view: what is asked for.
    """
    rows: list[dict[str, Any]] = []
    for row, life in zip(sessions.iter_rows(named=True), lives, strict=True):
        talks = [report.parts(talk, show_secrets=view.show_secrets) for talk in spoken.get(life, ()) if talk.steps]
        rows += _told(row, talks) if talks else [row]
    return pl.DataFrame(rows, schema=sessions.schema)


def _told(row: dict[str, Any], talks: list[dict[str, Any]]) -> Iterable[dict[str, Any]]:
    """The record; where the log does not say when connections began, one for each."""
    plain = [{name: report.plain(value) for name, value in talk.items()} for talk in talks]
    if row.get("role") != "client":
        return [_one(row, plain, is_server=True)]
    key = row.get("session_key")
    out = []
    for n, talk in enumerate(plain, 1):
        one = _one(row, [talk], is_server=False)
        if n > 1 and key is not None:
            opened = stamp(talk["opened_at"]) if talk["opened_at"] else "?"
            one["session_key"] = f"{key.rpartition('@')[0]}@{opened}.{n}"
        out.append(one)
    return out


def _one(row: dict[str, Any], talks: list[dict[str, Any]], *, is_server: bool) -> dict[str, Any]:
    told = dict(talks[-1])
    for name in _LISTS:
        told[name] = [item for talk in talks for item in talk[name] or ()]
    told["transactions"] = [one for talk in talks for one in talk["transactions"]]
    for one in told["transactions"] if is_server else ():
        one["queue_id"], one["next_queue_id"] = one["next_queue_id"], None
    out = dict(row)
    for name in told.keys() & row.keys():
        match name:
            case "transactions":
                out[name] = _transactions(row[name] or [], told[name])
            case "findings":
                known = {found["code"] for found in row[name] or ()} | (set() if row.get("is_partial", True) else _CUT)
                out[name] = [*(row[name] or ()), *(f for f in told[name] if f["code"] not in known)] or None
            case _ if name in _OWN and is_server:
                out[name] = row[name]
            case "is_partial":
                out[name] = told[name]
            case _:
                out[name] = told[name] if row[name] is None else row[name]
    return out


def _transactions(logged: list[dict[str, Any]], said: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Those of the dialogue, with what the log knows more of each, and those that only the log knows."""
    left = list(logged)
    for one in said:
        found = next((old for old in left if _is_same(old, one)), None)
        if found is not None:
            left.remove(found)
            one |= {name: found[name] for name, value in one.items() if value is None}
    return [*said, *left]


def _is_same(logged: dict[str, Any], said: dict[str, Any]) -> bool:
    if logged["queue_id"] and said["queue_id"]:
        return bool(logged["queue_id"] == said["queue_id"])
    return logged["sender"] is None or logged["sender"] == said["sender"]
