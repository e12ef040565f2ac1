"""Events of lives that are over -> frames of messages, deliveries, sessions with the columns of their records."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from typing import Any

import polars as pl

from smtplog.contract import schema
from smtplog.contract.fields import MOMENT, STAMP
from smtplog.contract.records import Delivery, Message, Record
from smtplog.join import closings
from smtplog.join.closings import NO_ATTEMPT
from smtplog.join.direction import NEEDED_OF_MESSAGES, direction
from smtplog.join.view import Frames, Links, View, line_of

ALWAYS = frozenset({"queue_id", "status", "recipient", "original_recipient", "recipients"})

FINAL = ("delivered", "sent", "bounced", "expired", "rejected", "discarded", "expanded", "cancelled")
WORST_FIRST = ("bounced", "expired", "rejected", "cancelled", "discarded", "sent", "delivered", "expanded")

OF_MESSAGE = ("message_id", "sender", "client_name", "client_ip", "helo", "auth_user")
"""What a delivery shows of its message."""
REASONS = ("reason", "reason_detail", "persistence", "actor")
"""What a diagnosis adds to a delivery."""


def messages_and_deliveries(
    events: Frames, table: pl.DataFrame, view: View, hops: Links
) -> tuple[pl.DataFrame | None, pl.DataFrame | None]:
    """The frames of the lives in `table`, in its order.

    Args:
        events: for each kind its events, with `life` = the number in `table`.
        table: the lives.
        view: what the numbers stand for.
        hops: what was handed on.
    """
    told = _told(events, table, view)
    if view.inherits or view.wants("messages", "parent_key", "child_keys", "origin"):
        told = hops.parents(told, view)
    attempts = _attempts(events, told, view, hops)
    deliveries = None
    if "deliveries" in view.wanted:
        deliveries = shape(
            attempts.filter(pl.col("status") != "active"), view.columns("deliveries", Delivery), Delivery
        )
    messages = None
    if "messages" in view.wanted:
        if view.wants("messages", "verdicts"):
            told = told.join(_verdicts(events), left_on="number", right_on="life", how="left", maintain_order="left")
        if view.wants("messages", "status"):
            told = told.with_columns(is_queued=_queued(events, told.height, view))
        messages = _messages(told, attempts, view)
    return messages, deliveries


def _told(events: Frames, table: pl.DataFrame, view: View) -> pl.DataFrame:
    """One row per life: what its events say of the message, the earliest word first."""
    names = set(schema.of(Message)) - {"queue_id", "status", "recipients", "host", "instance", "format"}
    asked = (view.wanted.get("messages", frozenset()), view.wanted.get("deliveries", frozenset()))
    if None not in asked:
        names &= {name for one in asked for name in one or ()}
    if view.wants("messages", "direction"):
        names |= set(NEEDED_OF_MESSAGES)
    told = table.select(
        "number", "first_seq", "end_seq", "first_at", "has_start", "has_end",
        origin=pl.lit(None, dtype=pl.String), removed_at=pl.lit(None, dtype=MOMENT),
    )  # fmt: skip
    ranked = [(view.kind(label), events[label]) for label in sorted(events, key=view.rank)]
    ranked = [(kind, frame) for kind, frame in ranked if kind.message or kind.delivers]
    told = told.hstack(_whose([frame for _, frame in ranked], told.height))
    for kind, frame in ranked:
        gives: dict[str, Any] = {name: pl.col(name) for name in frame.columns if name in names}
        if kind.delivers:
            gives = {name: expr for name, expr in gives.items() if name in ("subject", *OF_MESSAGE)}
        elif kind.message == "end":
            gives["removed_at"] = pl.col("at")
        if kind.message == "start":
            if kind.origin:
                gives["origin"] = pl.when(pl.col("seq").is_not_null()).then(pl.lit(kind.origin))
            if "recipients" in frame.columns:
                gives["recipient_count"] = pl.col("recipients").list.len().cast(pl.Int64)
        gives = {name: expr for name, expr in gives.items() if name in kind.sure or _lacks(told, name)}
        if gives:
            told = fill(told, frame, gives, kind.sure)
    return told.with_columns(message_key=message_key(told, view)) if view.wants_message_keys else told


def _whose(frames: list[pl.DataFrame], height: int) -> list[pl.Series]:
    """`place` and `queue_id` of each life, as the earliest event says of the first frame that has any."""
    names = {"life": pl.UInt32, "place": pl.UInt32, "queue_id": pl.String}
    ordered = [frame if frame["seq"].is_sorted() else frame.sort("seq") for frame in frames]
    whole = pl.concat([pl.DataFrame(schema=names), *(frame.select(*names) for frame in ordered)])
    last_first = pl.int_range(whole.height, dtype=pl.UInt32, eager=True).reverse()
    row = _places(height, whole["life"].reverse(), last_first)
    return [whole[name].gather(row) for name in ("place", "queue_id")]


def _lacks(told: pl.DataFrame, name: str) -> bool:
    return name not in told.columns or told[name].null_count() > 0


def fill(told: pl.DataFrame, frame: pl.DataFrame, gives: dict[str, Any], sure: Iterable[str] = ()) -> pl.DataFrame:
    """Fill what is still null, or not as sure, with what the first event of each life says; the last one ends it."""
    order = frame["seq"].arg_sort(descending=True)  # what is written last stays
    first = _places(told.height, frame["life"].gather(order), order)
    last = (
        _places(told.height, frame["life"].gather(order.reverse()), order.reverse()) if "removed_at" in gives else first
    )
    said = frame.select(
        expr.gather(last if name == "removed_at" else first).alias(name) for name, expr in gives.items()
    )
    return told.with_columns(
        pl.coalesce(*((one, one.name) if one.name in sure else (one.name, one))) if one.name in told.columns else one
        for one in said.get_columns()
    )


def _places(height: int, life: pl.Series, row: pl.Series) -> pl.Series:
    """For each life a row, of several the last; null where there is none."""
    return pl.Series([None], dtype=pl.UInt32).new_from_index(0, height).scatter(life, row)


def message_key(told: pl.DataFrame, view: View) -> pl.Expr:
    """host/instance/queue_id, and where ids come back the time of the first line; no key without a queue id."""
    letters = view.of_place(told, "letters")
    is_short = told["queue_id"].str.len_bytes() < letters
    known = pl.concat_str(pl.lit("@"), pl.col("first_at").dt.strftime(STAMP))
    since = pl.when(is_short).then(pl.when("has_start").then(known).otherwise(pl.lit("@?"))).otherwise(pl.lit(""))
    parts = [view.of_place(told, name).fill_null("-") for name in ("host", "owner")]
    return pl.concat_str(pl.lit(parts[0]), pl.lit("/"), pl.lit(parts[1]), pl.lit("/"), "queue_id", since)


def _attempts(events: Frames, told: pl.DataFrame, view: View, hops: Links) -> pl.DataFrame:
    """Every delivery attempt of these lives with the columns that were asked for, and what ends them."""
    mine = [
        _each(frame).with_columns(_kind=pl.lit(label)) for label, frame in events.items() if view.kind(label).delivers
    ]
    empty = pl.DataFrame(
        schema={"life": pl.UInt32, "seq": pl.Int64, "place": pl.UInt32, "status": pl.String, "queue_id": pl.String,
                "recipient": pl.String, "original_recipient": pl.String, "at": MOMENT, "_kind": pl.String}
    )  # fmt: skip
    tries = pl.concat([empty, *mine], how="diagonal").filter(pl.col("status").is_not_null())
    more = [closings.for_all(events, tries, view)]
    if view.wants("messages", "status", "recipients"):
        over = told.filter("has_end").select("number")
        more.append(closings.listed(events, tries, view).join(over, left_on="life", right_on="number", how="anti"))
    tries = pl.concat([tries, *(rows for rows in more if rows.height)], how="diagonal")
    is_tie = pl.struct("life", "seq").is_duplicated()
    order = [pl.when(is_tie).then(name) for name in ("recipient", "original_recipient")]
    tries = closings.with_reasons(tries.sort("life", "seq", *order))
    if tries.is_empty() and "deliveries" not in view.wanted and not view.wants("messages", "status", "recipients"):
        return tries
    gives = [name for name in ("message_key", *OF_MESSAGE, "size_bytes") if name in told.columns]
    message = [told[name].gather(tries["life"]) for name in gives]
    tries = tries.with_columns(pl.coalesce(one.name, one) if one.name in tries.columns else one for one in message)
    if view.wants_hops:
        tries = tries.with_columns(hops.internal(tries, view))
    return _complete(tries, view)


def _each(frame: pl.DataFrame) -> pl.DataFrame:
    """An entry that names many recipients tells of as many deliveries."""
    if "recipients" not in frame.columns:
        return frame
    one = pl.coalesce("recipients", "recipient") if "recipient" in frame.columns else pl.col("recipients")
    some = pl.when(pl.col("recipients").list.len() > 0).then("recipients")
    return frame.with_columns(recipients=some).explode("recipients").with_columns(recipient=one).drop("recipients")


def _complete(tries: pl.DataFrame, view: View) -> pl.DataFrame:
    """Add what follows from the rest: domain, transport, attempt, finality, keys, provenance."""
    wants = view.wants
    add: dict[str, pl.Expr | pl.Series] = {"is_final": pl.col("status").is_in(FINAL)}
    if wants("deliveries", "recipient_domain"):
        domain = pl.col("recipient").str.split("@").list.last().str.to_lowercase()
        add["recipient_domain"] = pl.when(pl.col("recipient").str.contains("@", literal=True)).then(domain)
    if wants("deliveries", "transport"):
        service = view.of_place(tries, "daemon")
        add["transport"] = pl.coalesce("transport", service) if "transport" in tries.columns else service
    for name in ("host", "format"):
        if wants("deliveries", name):
            add[name] = view.of_place(tries, name)
    if wants("deliveries", "source"):
        add["source"] = view.source(tries)
    add["line"] = line_of(pl.col("seq"))
    tries = tries.with_columns(**add)
    if wants("deliveries", "attempt"):
        tries = tries.with_columns(attempt=_attempt())
    if view.diagnose and (wants("deliveries", *REASONS) or wants("messages", "recipients")):
        waiting = tries.with_columns(pl.col("status").replace({"active": "held"}))  # nothing has failed
        tries = tries.hstack(view.diagnose(waiting))
    if wants("deliveries", "delivery_key"):
        tries = tries.with_columns(delivery_key=_delivery_key(tries))
    return tries


def _attempt() -> pl.Expr:
    """Which attempt for its recipient; giving up is none, it keeps the number of the last."""
    counted = (~pl.col("status").is_in(NO_ATTEMPT)).cum_sum().over(closings.ONE_PERSON).cast(pl.Int64)
    return pl.when(pl.col("message_key").is_not_null()).then(pl.max_horizontal(counted, pl.lit(1)))


def _delivery_key(tries: pl.DataFrame) -> pl.Series:
    """A short hash of what makes an attempt one of its own. Stable over versions: no engine's own hash is."""
    names = ("message_key", "session_key", "recipient", "original_recipient", "at", "detail", "reply_text", "status")
    texts = [
        (pl.col(name).cast(pl.String) if name in tries.columns else pl.lit(None, dtype=pl.String)).fill_null("")
        for name in names
    ]
    joined = tries.select(pl.concat_str(texts, separator="\0").cast(pl.Binary)).to_series().to_list()
    return pl.Series([hashlib.blake2b(octets, digest_size=10).hexdigest() for octets in joined], dtype=pl.String)


def _messages(told: pl.DataFrame, attempts: pl.DataFrame, view: View) -> pl.DataFrame:
    is_gone = told["has_end"]
    told = told.filter(pl.col("queue_id").is_not_null() & ~view.of_place(told, "joins").fill_null(False))
    if view.wants("messages", "status", "recipients", "recipient_count"):
        results = _results(_of_messages(attempts, view), is_gone)
        told = told.join(results, left_on="number", right_on="life", how="left", maintain_order="left")
        told = told.with_columns(status=_status() if "is_queued" in told.columns else None).drop("statuses")
    if view.wants("messages", "direction"):
        told = told.with_columns(direction(told, attempts, view.ours).alias("direction"))
    add: dict[str, Any] = {
        "line": line_of(pl.col("first_seq")),
        "received_at": pl.when("has_start").then("first_at"),
        "is_partial": ~(pl.col("has_start") & pl.col("has_end")),
        "source": view.source(told.rename({"first_seq": "seq"}) if "seq" not in told.columns else told),
        **{name: view.of_place(told, name) for name in ("host", "format")},
        "instance": view.of_place(told, "owner"),
    }
    return shape(told.with_columns(**add), view.columns("messages", Message), Message)


def _queued(events: Frames, height: int, view: View) -> pl.Series:
    """Which lives have an entry that shows them in the queue."""
    shown = [frame["life"] for label, frame in events.items() if view.kind(label).is_queued]
    nothing = pl.Series([False], dtype=pl.Boolean).new_from_index(0, height)
    return nothing.scatter(pl.concat(shown), True) if shown else nothing


def _verdicts(events: Frames) -> pl.DataFrame:
    """For each life what filters said of it."""
    names = ("life", "seq", "verdict_program", "verdict", "score")
    empty = pl.DataFrame(
        schema={
            "life": pl.UInt32,
            "seq": pl.Int64,
            "verdict_program": pl.String,
            "verdict": pl.String,
            "score": pl.String,
        }
    )
    said = [f.select(n for n in names if n in f.columns) for f in events.values() if "verdict_program" in f.columns]
    whole = (
        pl.concat([empty, *said], how="diagonal_relaxed")
        .filter(pl.col("verdict_program").is_not_null())
        .sort("life", "seq")
    )
    verdict = pl.struct(
        program="verdict_program", verdict="verdict", score=pl.col("score").cast(pl.Float64, strict=False)
    )
    return whole.group_by("life", maintain_order=True).agg(verdicts=verdict)


def _of_messages(attempts: pl.DataFrame, view: View) -> pl.DataFrame:
    """The attempts that say what became of a message: a recipient refused at RCPT is none of its recipients."""
    refusing = [label for label in attempts["_kind"].unique() if label and view.kind(label).session]
    if not refusing or "stage" not in attempts.columns:
        return attempts
    is_early = ~pl.col("stage").is_in(["data", "end_of_data"]).fill_null(False)
    is_refusal = pl.col("_kind").is_in(refusing) & pl.col("status").is_in(["rejected", "temp_rejected"])
    return attempts.filter(~(is_refusal & is_early))


def _results(attempts: pl.DataFrame, is_gone: pl.Series) -> pl.DataFrame:
    """For each life its recipients' results, and the set of their states; where nobody is named, the last word.

    What has left the queue waits there for nobody (`is_gone`, by life): requeued, or the lines that say it are lost.
    """
    known = {
        name: name if name in attempts.columns else pl.lit(None, dtype=pl.String) for name in ("reason", "relay_name")
    }
    last = (
        attempts.filter(pl.col("recipient").is_not_null())
        .select("life", "recipient", "original_recipient", "status", "at", "seq", **known)
        .group_by("life", "recipient", "original_recipient", maintain_order=True)
        .agg(
            status=pl.col("status").last(),
            attempts=(~pl.col("status").is_in(NO_ATTEMPT)).sum().cast(pl.Int64),
            first_at=pl.col("at").filter(pl.col("status") != "active").first(),
            last_at=pl.col("at").filter(pl.col("status") != "active").last(),
            reason=pl.col("reason").last(),
            relay_name=pl.col("relay_name").last(),
        )
        .rename({"recipient": "address", "original_recipient": "original_address"})
    )
    last = last.with_columns(_closed(last, is_gone))
    fields = [name for name in last.columns if name != "life"]
    told = last.group_by("life").agg(statuses=pl.col("status").unique(), recipients=pl.struct(fields))
    if attempts["recipient"].null_count() == 0:
        return told
    nameless = attempts.join(told, on="life", how="anti").group_by("life").agg(pl.col("status").last())
    nameless = nameless.with_columns(_closed(nameless, is_gone)).group_by("life").agg(statuses="status")
    return pl.concat([told, nameless], how="diagonal")


def _closed(last: pl.DataFrame, is_gone: pl.Series) -> pl.Expr:
    """The last status of {life, status}: unknown where somebody was to wait in a queue that the message has left."""
    is_over = pl.lit(is_gone.gather(last["life"])) & pl.col("status").is_in(closings.OPEN)
    return pl.when(is_over).then(pl.lit("unknown")).otherwise("status").alias("status")


def _status() -> Any:
    """Deferred, held or active while any recipient is open; else the worst.

    Unknown what was never seen in the queue, and what left it with no word of how.
    """
    statuses = pl.col("statuses")
    is_open = pl.col("is_queued") & ~pl.col("has_end")
    out: Any = pl.when(statuses.is_null()).then(pl.when(is_open).then(pl.lit("active")).otherwise(pl.lit("unknown")))
    for name in (*closings.OPEN, *WORST_FIRST):
        out = out.when(statuses.list.contains(name)).then(pl.lit(name))
    return out.otherwise(statuses.list.first())


def shape(frame: pl.DataFrame, columns: list[str], record: type[Record]) -> pl.DataFrame:
    """Exactly these columns with the types of the record."""
    types = schema.of(record)
    here = set(frame.columns)
    flags = {name for name, field in record.model_fields.items() if field.default is False}

    def column(name: str) -> pl.Expr:
        expr = pl.col(name) if name in here else pl.lit(None)
        expr = expr.cast(types[name]) if name in types else expr
        return (expr.fill_null(False) if name in flags else expr).alias(name)

    return frame.with_columns(column(name) for name in columns).select(
        columns
    )  # of constants alone select makes one row
