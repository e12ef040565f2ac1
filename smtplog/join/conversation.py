"""Events of connections that are over -> sessions: verbs, TLS, logins, transactions, findings, how it ended."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import polars as pl

from smtplog.contract import schema
from smtplog.contract.records import Session
from smtplog.join import dialogues, lives
from smtplog.join.assemble import fill, shape
from smtplog.join.hops import is_loopback
from smtplog.join.view import Frames, View, line_of

_ENDS = {
    "lost connection": "client", "timeout": "timeout", "too many errors": "server",
    "quit": "quit", "client": "client", "server": "server", "error": "error",
}  # fmt: skip
_EVENT: Mapping[str, Any] = {
    "life": pl.UInt32, "seq": pl.Int64, "queue_id": pl.String, "sender": pl.String, "recipient": pl.String,
    "status": pl.String, "stage": pl.String, "reply_code": pl.Int64, "enhanced_code": pl.String, "reply_text": pl.String,
    "tls_version": pl.String, "tls_cipher": pl.String, "tls_bits": pl.Int64, "tls_trust": pl.String, "tls_sni": pl.String,
    "auth_mechanism": pl.String, "auth_user": pl.String, "auth_reason": pl.String, "session_end": pl.String,
    "command_counts": pl.String, "protocol": pl.String, "raw": pl.String, "role": pl.String, "login_failed": pl.Boolean,
    "starts_message": pl.Boolean, "refuses": pl.Boolean, "hands_on": pl.Boolean, "finding": pl.String, "severity": pl.String, "message": pl.String,
}  # fmt: skip


def sessions(events: Frames, table: pl.DataFrame, view: View) -> pl.DataFrame:
    """The sessions of the lives in `table`, in its order.

    Args:
        events: for each kind its events, with `life` = the number in `table`.
        table: the lives.
        view: what the numbers stand for.
    """
    told = _told(events, table, view)
    whole = _all_events(events, view)
    for part in (_tls(whole), _auth(whole), _commands(whole), _transactions(whole), _findings(whole), _end(whole)):
        told = told.join(part, left_on="number", right_on="life", how="left", maintain_order="left")
    verbs = pl.col("commands").list.eval(pl.element().struct.field("verb"))
    closed_by = pl.when(verbs.list.contains("quit")).then(pl.lit("quit")).otherwise(pl.col("ended"))
    told = told.with_columns(
        closed_by=pl.when("has_end").then(closed_by),
        protocol=pl.when(verbs.list.contains("lhlo")).then(pl.lit("lmtp"))
        .when(verbs.list.contains("ehlo")).then(pl.lit("esmtp"))
        .when(verbs.list.contains("helo")).then(pl.lit("smtp"))
        .otherwise(pl.col("said_protocol").str.to_lowercase()),
        duration_s=(pl.col("closed_at") - pl.col("opened_at")).dt.total_microseconds() / 1e6,
        session_key=pl.when("has_start").then("session_key")
        .otherwise(pl.col("session_key").str.splitn("@", 2).struct.field("field_0") + "@?"),
        is_internal=is_loopback("client_ip"),
    )  # fmt: skip
    told = told.filter(~(pl.col("is_handed_on").fill_null(False) & ~pl.col("has_end")))
    whole = shape(told, view.columns("sessions", Session), Session)
    spoken = dialogues.of_lives(events, view)
    return dialogues.filled(whole, told["number"], spoken, view) if spoken else whole


def _told(events: Frames, table: pl.DataFrame, view: View) -> pl.DataFrame:
    """One row per session with its plain fields, the earliest word first."""
    nothing = {name: pl.lit(None, dtype=pl.String) for name in ("session_key", "client_ip", "client_name")}
    told = table.select(
        "number", "first_seq", "first_at", "last_at", "has_start", "has_end", seq="first_seq", at="first_at"
    )
    told = told.with_columns(place=pl.lit(None, dtype=pl.UInt32), pid=pl.lit(None, dtype=pl.Int64), **nothing)
    names = set(schema.spellings(Session)) - {"host", "format", "instance", "service", "closed_by", "protocol"}
    for label in sorted(events, key=lambda label: (lives.ROLES[view.kind(label).session or "part"], label)):
        frame = events[label]
        told = fill(told, frame, {n: pl.col(n) for n in frame.columns if n in names or n in ("place", "pid")})
    return told.with_columns(
        line=view.line(told),
        opened_at=pl.when("has_start").then("first_at"),
        closed_at=pl.when("has_end").then("last_at"),
        role=pl.when(pl.col("number").is_in(_clients(events, view))).then(pl.lit("client")).otherwise(pl.lit("server")),
        is_partial=~(pl.col("has_start") & pl.col("has_end")),
        source=view.source(told),
        **{name: view.of_place(told, name) for name in ("host", "instance", "service", "format")},
    )


def _clients(events: Frames, view: View) -> list[int]:
    """The lives in which this system was the client: only where the log shows the dialogue."""
    mine = [frame["life"] for label, frame in events.items() if view.kind(label).dialogue == "client"]
    return pl.concat(mine).unique().to_list() if mine else []


def _all_events(events: Frames, view: View) -> pl.DataFrame:
    """Every event in order with the columns of `_EVENT` and what its kind says of it."""
    parts = [pl.DataFrame(schema=_EVENT)]
    for label, frame in events.items():
        kind = view.kind(label)
        finding = kind.finding or (None, None, None)
        said = {
            "role": kind.session, "login_failed": bool(kind.login_failed), "starts_message": kind.message == "start",
            "refuses": kind.delivers, "hands_on": kind.hands_on, "finding": finding[0], "severity": finding[1], "message": finding[2],
        }  # fmt: skip
        here = [name for name in _EVENT if name in frame.columns]
        parts.append(frame.select(*here, **{name: pl.lit(value, dtype=_EVENT[name]) for name, value in said.items()}))
    return pl.concat(parts, how="diagonal").sort("life", "seq")


def _tls(whole: pl.DataFrame) -> pl.DataFrame:
    layer = pl.struct(version="tls_version", cipher="tls_cipher", bits="tls_bits", trust="tls_trust", sni="tls_sni")
    return whole.filter(pl.col("tls_version").is_not_null()).group_by("life").agg(tls=layer.first())


def _auth(whole: pl.DataFrame) -> pl.DataFrame:
    """Logins that worked stand in the line that starts a message; those that failed in lines of their own."""
    tried = whole.filter(pl.col("login_failed") | (pl.col("starts_message") & pl.col("auth_mechanism").is_not_null()))
    tried = tried.unique(["life", "auth_mechanism", "auth_user", "login_failed", "seq"], maintain_order=True)
    outcome = pl.when("login_failed").then(pl.lit("rejected")).otherwise(pl.lit("accepted"))
    attempt = pl.struct(mechanism="auth_mechanism", user="auth_user", outcome=outcome, reply="auth_reason")
    return tried.group_by("life", maintain_order=True).agg(auth=attempt)


def _commands(whole: pl.DataFrame) -> pl.DataFrame:
    """`ehlo=1 mail=1/2 commands=3` (Postfix 3.0): accepted/received, accepted left out where equal."""
    counted = (
        whole.filter(pl.col("command_counts").is_not_null())
        .select("life", pair=pl.col("command_counts").str.split(" "))
        .explode("pair")
    )
    halves = pl.col("pair").str.splitn("=", 2).struct
    numbers = halves.field("field_1").str.split("/").list
    counted = counted.select("life", verb=halves.field("field_0"), ok=numbers.first(), total=numbers.last())
    count = pl.struct(
        "verb", ok=pl.col("ok").cast(pl.Int64, strict=False), total=pl.col("total").cast(pl.Int64, strict=False)
    )
    return counted.filter(pl.col("verb") != "commands").group_by("life", maintain_order=True).agg(commands=count)


def _transactions(whole: pl.DataFrame) -> pl.DataFrame:
    """One for each queue id, and one for each sender whose recipients were all refused before there was one."""
    refused = (
        pl.col("recipient").is_not_null() & pl.col("refuses") & pl.col("status").is_in(["rejected", "temp_rejected"])
    ).fill_null(False)
    part = whole.filter(pl.col("starts_message") | refused).with_columns(refused=refused)
    reply = pl.struct(
        code="reply_code",
        enhanced_code="enhanced_code",
        text="reply_text",
        lines=pl.lit(None, dtype=pl.List(pl.String)),
    )
    recipient = pl.struct(
        address="recipient", is_redacted=pl.lit(False), parameters=pl.lit(None, dtype=schema.of(Session)["extensions"]),
        outcome=pl.when(pl.col("status") == "rejected").then(pl.lit("rejected")).otherwise(pl.lit("deferred")),
        stage="stage", reply=reply,
    )  # fmt: skip
    key = pl.when(pl.col("queue_id").is_null()).then(pl.col("sender").fill_null(""))
    grouped = part.group_by("life", "queue_id", key.alias("key"), maintain_order=True).agg(
        sender=pl.col("sender").drop_nulls().first(), recipients=recipient.filter("refused")
    )
    types = schema.of(Session)["transactions"].inner.to_schema()  # type: ignore[attr-defined]
    known = {"sender": pl.col("sender"), "recipients": pl.col("recipients"), "queue_id": pl.col("queue_id"),
             "recipients_are_complete": pl.lit(False), "sender_is_redacted": pl.lit(False)}  # fmt: skip
    one = pl.struct(known.get(name, pl.lit(None)).cast(dtype).alias(name) for name, dtype in types.items())
    return grouped.group_by("life", maintain_order=True).agg(transactions=one)


def _findings(whole: pl.DataFrame) -> pl.DataFrame:
    found = pl.struct(
        "severity", "message", code="finding", hint=pl.lit(None, dtype=pl.String),
        evidence_line=line_of(pl.col("seq")), evidence="raw",
    )  # fmt: skip
    fields = [f.name for f in schema.of(Session)["findings"].inner.fields]  # type: ignore[attr-defined]
    ordered = pl.struct(found.struct.field(name) for name in fields)
    return whole.filter(pl.col("finding").is_not_null()).group_by("life", maintain_order=True).agg(findings=ordered)


def _end(whole: pl.DataFrame) -> pl.DataFrame:
    """How it ended, and what refusals say of the protocol."""
    ended = pl.col("session_end").replace_strict(_ENDS, default=None, return_dtype=pl.String)
    return whole.group_by("life").agg(
        ended=ended.drop_nulls().last(),
        said_protocol=pl.col("protocol").drop_nulls().first(),
        is_handed_on=pl.col("hands_on").any(),
    )
