"""Exim (4.60 to 4.99): main, reject and panic log, files and syslog. Shapes and sources: grammars/exim.lark."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from smtplog.formats.base import Complete, Constant, Each, Format, Instead, Kind, Lookup, Replace, Split, Step, Sum

SECONDS = {
    "weeks_part": 604800.0,
    "days_part": 86400.0,
    "hours_part": 3600.0,
    "minutes_part": 60.0,
    "seconds_part": 1.0,
}


def _seconds(source: str, target: str) -> tuple[Step, ...]:
    """`1h2m3s` in one field -> seconds in another."""
    return Split(source, ("duration",), is_spent=True), Sum(target, SECONDS)


# src/transports/smtp.c, smtp_deliver(): what was answered last; the first letters tell.
COMMAND_STAGE = {
    "init": "greeting", "EHLO": "helo", "HELO": "helo", "LHLO": "helo", "STAR": "starttls", "AUTH": "auth",
    "XCLI": "mail",
    "MAIL": "mail", "RCPT": "rcpt", "DATA": "data", "BDAT": "end_of_data", "end ": "end_of_data", "PRDR": "end_of_data",
    "QUIT": "quit", "send": "end_of_data",
}  # fmt: skip

# Errors of the system and of src/macros.h (ERRNO_*) that say where the attempt ended.
ERROR_STAGE = {
    "111": "connect", "110": "connect", "113": "connect", "101": "connect", "-32": "dns", "-36": "dns",
    "-37": "starttls",
    "-38": "starttls", "-42": "auth", "-43": "connect", "-44": "rcpt", "-45": "mail", "-46": "data",
}  # fmt: skip

# src/routers/ write `:blackhole:`; src/filter.c, seen finish; src/deliver.c bypasses /dev/null.
NOWHERE = {":blackhole:": "discarded", "discarded": "discarded", "/dev/null": "discarded"}

TLS_VERSION = {
    "TLS1.3": "TLSv1.3", "TLS1.2": "TLSv1.2", "TLS1.1": "TLSv1.1", "TLS1.0": "TLSv1",
    "TLSv1.3": "TLSv1.3", "TLSv1.2": "TLSv1.2",
    "TLSv1.1": "TLSv1.1", "TLSv1": "TLSv1", "SSL3.0": "SSLv3", "SSLv3": "SSLv3",
}  # fmt: skip

FAILED = "5.0.0"
"""What Exim's bounces say of every failure. src/deliver.c, deliver_message(), "Status: "."""

_TLS = (Split("tls", ("tls_parts",), is_spent=True), Lookup("tls_name", "tls_version", TLS_VERSION))
# The lines of a reply are parted by a written-out line feed, with its code and enhanced code before each.
_LINES = Replace("reply_text", "next_reply_line", "\n")
_REASON = (
    Split("detail", ("remote_said", "malformed", "closed", "timed_out")),
    Lookup("command", "stage", COMMAND_STAGE, letters=4),
    _LINES,
)
_LISTED = Each("recipients", "one_listed")
_ARRIVAL = (
    Split("auth", ("auth_parts",), is_spent=True),
    *_TLS,
    Split("tail", ("arrival_more", "arrival_more_for"), is_spent=True),
    Replace("subject", "escaped_quote", '"'),
    Lookup("spf", "spf_result", {"SPF": "pass"}),
    Lookup("dmarc", "dmarc_result", {"DMARC": "accept"}),
    *_seconds("receive_time", "receive_s"),
    _LISTED,
)
_SENT = (
    Lookup("recipient", "status", NOWHERE),
    Lookup("relay_ip", "status", {"": "sent"}, letters=0, default="delivered"),
    Complete("recipient", "original_recipient"),
    *_TLS,
    Split("tail", ("delivery_more",), is_spent=True),
    Split("auth", ("auth_parts",), is_spent=True),
    Split("confirmation", ("answered",), fine=("25",)),
    Split("reply_text", ("queued_as", "accepted_id", "accepted_prdr", "accepted_for_delivery")),
    _LINES,
    *_seconds("queue_time", "delay_s"),
    *_seconds("delivery_time", "delay_transmit_s"),
)
_DEFERRED = (
    Split(
        "after", ("after_host", "after_timed", "after_error_host", "after_error_timed", "after_plain"), is_spent=True
    ),
    Instead("detail", "system_error"),
    *_REASON,
    Lookup("error_number", "stage", ERROR_STAGE),
    *_seconds("delivery_time", "delay_transmit_s"),
    Constant("status", "deferred"),
    Complete("recipient", "original_recipient"),
)
_NOT_DUE = _DEFERRED[:-2]
_FAILED = (
    Split("where", ("failed_for", "failed_for_parents", "failed_for_odd", "failed_for_plain"), is_spent=True),
    Split("said", ("said_timed", "said_plain"), is_spent=True),
    *_REASON,
    Lookup("reply_code", "status", {"5": "bounced"}, letters=1),
    Split("detail", ("given_up", "all_failing")),
    Lookup("expiry", "status", {"retry timeout exceeded": "expired", "all hosts ": "expired"}, default="bounced"),
    Constant("enhanced_code", FAILED),
    *_TLS,
    Split("tail", ("delivery_more",), is_spent=True),
    Split("auth", ("auth_parts",), is_spent=True),
    *_seconds("queue_time", "delay_s"),
    *_seconds("delivery_time", "delay_transmit_s"),
)

# src/acl.c, acl_wherenames; src/smtp_in.c, smtp_handle_acl_fail().
VERB_STAGE = {
    "EHLO": "helo", "HELO": "helo", "EHLO or HELO": "helo", "AUTH": "auth", "STARTTLS": "starttls", "QUIT": "quit",
    "MAIL": "mail", "MAILAUTH": "mail", "DKIM": "end_of_data",
}  # fmt: skip
DATA_STAGE = {"DATA": "data"}
CLOSED_BY = {
    "QUIT": "quit", "by QUIT": "quit", "by EOF": "client", "by DROP in ACL": "server", "by TCP close": "client",
    "after error": "error", "after SIGTERM": "server",
}  # fmt: skip


def _refused(stage: str, *more: Step) -> tuple[Step, ...]:
    return (
        *more,
        Lookup("temporarily", "status", {"temporarily": "temp_rejected"}, default="rejected"),
        Split("detail", ("own_reply",)),
        Split("headers", ("reject_log",), is_spent=True),
        Split("header_fields", ("header_message_id",), is_spent=True),
        Each("recipients", "one_in_brackets"),
        Split("auth", ("auth_parts",), is_spent=True),
        *_TLS,
        Constant("stage", stage),
    )


def _session(steps: tuple[Step, ...] = ()) -> tuple[Step, ...]:
    return (*steps, *_seconds("session_time", "session_s"))


def _closed(who: str) -> tuple[Step, ...]:
    return _session((Constant("session_end", who),))


_CLOSED = _session((Lookup("closing", "session_end", CLOSED_BY),))
_REFUSED_RCPT = _refused("rcpt", Split("tail", ("refused_more",), is_spent=True), Constant("queue_id", "NOQUEUE"))


# What the reject and panic logs repeat: every log_write() with LOG_REJECT or LOG_PANIC in src/, refusals apart.
COPIED = frozenset({
    "auth_failed", "sender_verify", "synchronization_error", "call_dropped", "discard_rcpt", "warning", "note", "crash",
    "delivery_lost", "transport_ended", "config_error", "expansion_failed", "acl_misused", "scanner_failed",
    "tls_setup_failed", "tainted", "report_unsent", "never_user", "template_failed", "filter_failed", "uid_failed",
    "rewrite_problem", "syntax_error", "input_lost", "header_too_long", "data_timeout", "overflow",
})  # fmt: skip


def _kind(name: str, *rules: str, **more: Any) -> Kind:
    """A kind of entry that is not hot: its texts may be anybody's."""
    if more.get("delivers") or more.get("message"):
        more["steps"] = (*more.get("steps", ()), Constant("queue_id", "NOQUEUE"))
    if more.get("session"):
        more["session_by"] = "peer"
    more.setdefault("copied", name in COPIED)
    return Kind(name, rules or (name,), (), may_refuse=True, **more)


def _whole(name: str, status: str, *rules: str, code: str | None = None, **more: Any) -> Kind:
    """A word about a whole message, for every recipient that is still open."""
    said = (Constant("status", status), *((Constant("enhanced_code", code),) if code else ()))
    return _kind(name, *rules, steps=said, message="part", for_all=status, **more)


def _refusal(name: str, stage: str, *rules: str, steps: tuple[Step, ...] = (), **more: Any) -> Kind:
    """A refusal at a stage: a delivery that was rejected."""
    return _kind(name, *rules, steps=_refused(stage, *steps), session="part", delivers=True, copied=True, **more)


_HOT = (
    Kind("delivery", ("delivery",), (), _SENT, hot=True, message="part", delivers=True),
    Kind(
        "arrival",
        ("arrival_for", "arrival"),
        (),
        _ARRIVAL,
        hot=True,
        message="start",
        session="part",
        session_by="peer",
        origin="smtp",
    ),
    Kind("connection", ("connection",), (), hot=True, session="start", session_by="peer"),
    Kind("session_closed", ("closed_by_peer",), (), _CLOSED, hot=True, session="end", session_by="peer"),
    Kind("completed", ("completed",), (), _seconds("queue_time", "delay_s"), hot=True, message="end"),
    Kind(
        "local_arrival", ("local_arrival_for", "local_arrival"), (), _ARRIVAL, hot=True, message="start", origin="local"
    ),
    Kind("not_due", ("not_due",), (), _NOT_DUE, hot=True, message="part"),
    Kind("deferral", ("deferral",), (), _DEFERRED, hot=True, message="part", delivers=True),
    Kind(
        "bounce_arrival",
        ("bounce_arrival_for", "bounce_arrival"),
        (),
        _ARRIVAL,
        hot=True,
        message="start",
        origin="bounce",
    ),
    Kind("failure", ("failure",), (), _FAILED, hot=True, message="part", delivers=True),
    Kind(
        "reject_rcpt",
        ("refused_rcpt",),
        (),
        _REFUSED_RCPT,
        hot=True,
        session="part",
        session_by="peer",
        delivers=True,
        copied=True,
    ),
    Kind("cutthrough", ("cutthrough",), (), _SENT, hot=True, message="part", delivers=True),
)

_SESSIONS = (
    _kind("connection", "connection_numbered", session="start"),
    _kind("session_closed", "closed_session", steps=_CLOSED, session="end"),
    _refusal("reject_rcpt", "rcpt", "rejected_rcpt"),
    _kind("attempt", steps=_REASON, message="part"),
    _kind("no_mail", steps=_session((*_TLS, Split("auth", ("auth_parts",), is_spent=True))), session="part"),
    _kind("syntax_error", session="part"),
    _kind("queue_run", carries_nothing=True),
    _kind("session_lost", "lost_session", steps=_closed("client"), session="end"),
    _kind("disconnected", "gone", steps=_closed("client"), session="end"),
    _kind("command_timeout", steps=_closed("timeout"), session="end"),
    _kind("data_timeout", steps=_closed("timeout"), session="end"),
    _kind("call_dropped", "dropped_call", steps=_closed("server"), session="part"),
    _kind("incomplete_transaction", "incomplete", steps=(_LISTED,), session="part"),
    _kind("synchronization_error", "sync_error", steps=_closed("error"), session="part"),
    _kind("input_lost", session="part"),
    _kind("auth_failed", "auth_failed", "auth_failed_local", session="part", login_failed=True),
    _kind("sender_verify", session="part"),
    _kind("tls_error", "tls_error_in", session="part"),
    _kind("warning", session="part"),
    _kind("vrfy_failed", session="part"),
    _kind("auth_ignored", "ignored_auth", session="part"),
    _kind("recipient_ignored", "ignored_recipient", session="part"),
    _kind("etrn", "etrn", "atrn", session="part"),
)

_REFUSALS = (
    _refusal("reject_mail", "mail", "rejected_mail"),
    _refusal("reject_data", "end_of_data", "rejected_data", steps=(Lookup("data_stage", "stage", DATA_STAGE),)),
    _refusal("reject_connection", "connect", "rejected_connection", "dropped_connection"),
    _refusal("reject_verb", "helo", "rejected_verb", steps=(Lookup("verb", "stage", VERB_STAGE),)),
    _refusal("reject_helo", "helo", "rejected_helo", "unverified_helo"),
    _refusal("no_helo", "mail"),
    _refusal("too_big", "mail", "too_big_declared"),
    _refusal("reject_message", "end_of_data", "rejected_message", "rejected_local", "rejected_scan"),
    _refusal("unqualified", "rcpt"),
    _refusal(
        "too_many_recipients", "rcpt", steps=(Lookup("excess", "status", {"excess temporarily": "temp_rejected"}),)
    ),
    _refusal("too_many_messages", "mail"),
    _refusal("refused_connection", "connect", "refused_connection", "temporarily_refused_connection", "overloaded"),
    _kind(
        "discard_rcpt",
        "discarded_rcpt",
        steps=(Constant("status", "discarded"), Constant("stage", "rcpt")),
        session="part",
        delivers=True,
    ),
)

_QUEUE = (
    _kind(
        "delivery",
        "delivery_local",
        "delivery_parents",
        "delivery_odd",
        "delivery_plain",
        steps=_SENT,
        message="part",
        delivers=True,
    ),
    _kind("not_due", "not_due_parents", "not_due_odd", steps=_NOT_DUE, message="part"),
    _kind(
        "deferral", "deferral_parents", "deferral_odd", "deferral_plain", steps=_DEFERRED, message="part", delivers=True
    ),
    _whole("discarded", "discarded", "blackholed", "blackholed_otherwise", "discarded_filter"),
    _kind("suppressed", message="part", steps=_SENT[2:]),
    _kind("arrival", "arrival_odd", steps=_ARRIVAL, message="start", session="part", origin="smtp"),
    _kind("local_arrival", "local_arrival_odd", steps=_ARRIVAL, message="start", origin="local"),
    _kind(
        "fake_reject_local",
        "fake_reject_local",
        "fake_reject_local_for",
        steps=_ARRIVAL,
        message="start",
        origin="local",
    ),
    _kind(
        "fake_reject", "fake_reject", "fake_reject_for", steps=_ARRIVAL, message="start", session="part", origin="smtp"
    ),
    _kind("still_frozen", message="part"),
    _whole("frozen_bounce", "held", takes_back=("bounced",)),
    _whole("frozen", "held"),
    _kind("unfrozen", message="part", for_all="active"),
    _whole("expired_frozen", "expired", "expired_frozen", "expired_old", code=FAILED),
    _whole("cancelled_by_filter", "bounced", code=FAILED),
    _whole("cancelled", "cancelled", code=FAILED),
    _whole("removed", "cancelled"),
    _kind("locked", message="part"),
    _kind("error_ignored", message="part"),
    _kind("marked_delivered", message="part"),
    _kind("recipient_added", message="part"),
    _kind("sender_changed", message="part"),
    _kind("recipients_ignored", message="part"),
    _kind("not_now", message="part"),
    _kind("prdr_result", "prdr_result", "prdr_said", message="part"),
    _kind("cutthrough_failed", message="part"),
    _kind("dkim", message="part"),
    _kind("spam_verdict", steps=(_LISTED,), message="part"),
    _kind("dkim_problem", message="part"),
    _kind("dane", message="part"),
    _kind("certificate", message="part"),
    _kind("tls_session", "tls_session_out", message="part"),
    _kind("auth_out_failed", message="part"),
    _kind("attempt", "attempt_old", steps=_REASON, message="part"),
    _kind("rewritten", message="part"),
    _kind("rewrite_problem", message="part"),
    _kind("delivery_lost", "delivery_lost", "subprocess_lost", message="part"),
    _kind("transport_ended", message="part"),
    _kind("pipe_output", message="part"),
    _kind("spool_lost", message="part"),
    _kind("connection_lost_after", message="part"),
    _kind("crash", "crash", "crash_code", message="part"),
)

_MESSAGE_LOG = (
    _kind("msglog_arrival", "msglog_received", steps=_ARRIVAL, message="start", origin="smtp"),
    _kind("bounce_arrival", "msglog_bounce", steps=_ARRIVAL, message="start", origin="bounce"),
    _kind("not_due", "msglog_not_due", steps=_NOT_DUE, message="part"),
    _kind("deferral", "msglog_deferral", steps=_DEFERRED, message="part", delivers=True),
    _kind("attempt", "msglog_attempt", steps=_REASON, message="part"),
    _kind("delivered", "msglog_done", steps=(Constant("status", "delivered"),), message="part", delivers=True),
    _kind("children_done", "msglog_children", message="part"),
    _kind("failure", "msglog_failure", steps=_FAILED[2:], message="part", delivers=True),
)

_OTHER = (
    _kind("daemon"),
    _kind("no_host_name"),
    _kind("no_address"),
    _kind("ident_timeout"),
    _kind("command_line"),
    _kind("overflow", carries_nothing=True),
    _kind("config_error"),
    _kind("header_too_long"),
    _kind("local_session", "connection_local", session="start"),
)

_PROBLEMS = (
    _kind("expansion_failed", "directory_failed", "expansion_failed"),
    _kind("acl_misused", "acl_misused", "acl_failed"),
    _kind("scanner_failed", message="part"),
    _kind("tls_setup_failed"),
    _kind("router_skipped", message="part"),
    _kind("tainted", message="part"),
    _kind("report_unsent", message="part"),
    _kind("spool_moved", message="part"),
    _kind("never_user", message="part"),
    _kind("certificate_status", message="part"),
    _kind("template_failed", "template_failed", "template_odd", message="part"),
    _kind("filter_failed", message="part"),
    _kind("uid_failed", message="part"),
    _kind("local_timeout", message="part", carries_nothing=True),
    _kind("no_recipients", message="part"),
)

_NOTES = (_kind("note", message="part"), _kind("note_value"))

_BASE_62 = {d: i for i, d in enumerate("0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz")}


def id_time(queue_id: str) -> datetime | None:
    """When an id was made, to the second. src/string.c, string_base62_32()."""
    seconds = 0
    for digit in queue_id[:6]:
        if digit not in _BASE_62:
            return None
        seconds = seconds * 62 + _BASE_62[digit]
    return datetime.fromtimestamp(seconds, UTC)


FORMAT = Format(
    name="exim",
    title="Exim 4.60 - 4.99",
    grammar="exim",
    programs=("exim", "exim4"),
    unique_id_letters=1,
    timed_id="timed_id",
    id_time=id_time,
    head="stamped",
    is_plain=True,
    kinds=(*_HOT, *_SESSIONS, *_REFUSALS, *_QUEUE, *_OTHER, *_PROBLEMS, *_MESSAGE_LOG, *_NOTES),
)
