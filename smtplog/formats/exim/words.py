"""What the words in Exim's entries mean: steps and tables that its kinds share."""

from __future__ import annotations

from functools import partial
from typing import Any

from smtplog.formats import base
from smtplog.formats.base import Complete, Constant, Each, Instead, Kind, Lookup, Replace, Split, Step, Sum

SECONDS = {
    "weeks_part": 604800.0,
    "days_part": 86400.0,
    "hours_part": 3600.0,
    "minutes_part": 60.0,
    "seconds_part": 1.0,
}


def seconds(source: str, target: str) -> tuple[Step, ...]:
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

FAILED_CODE = "5.0.0"
"""What Exim's bounces say of every failure. src/deliver.c, deliver_message(), "Status: "."""

TLS = (Split("tls", ("tls_parts",), is_spent=True), Lookup("tls_name", "tls_version", TLS_VERSION))
# The lines of a reply are parted by a written-out line feed, with its code and enhanced code before each.
LINES = Replace("reply_text", "next_reply_line", "\n")
REASON = (
    Split("detail", ("remote_said", "malformed", "closed", "timed_out")),
    Lookup("command", "stage", COMMAND_STAGE, letters=4),
    LINES,
)
LISTED = (Replace("recipients", "cut_off", ""), Each("recipients", "one_listed"))
ARRIVAL = (
    Split("auth", ("auth_parts",), is_spent=True),
    *TLS,
    Split("tail", ("arrival_more", "arrival_more_for"), is_spent=True),
    Replace("subject", "escaped_quote", '"'),
    Lookup("spf", "spf_result", {"SPF": "pass"}),
    Lookup("dmarc", "dmarc_result", {"DMARC": "accept"}),
    *seconds("receive_time", "receive_s"),
    *LISTED,
)
SENT = (
    Lookup("recipient", "status", NOWHERE),
    Lookup("relay_ip", "status", {"": "sent"}, letters=0, default="delivered"),
    Complete("recipient", "original_recipient"),
    *TLS,
    Split("tail", ("delivery_more",), is_spent=True),
    Split("confirmation", ("answered",), fine=("25",)),
    Split("reply_text", ("queued_as", "accepted_id", "accepted_prdr", "accepted_for_delivery")),
    LINES,
    *seconds("queue_time", "delay_s"),
    *seconds("delivery_time", "delay_transmit_s"),
)
DEFERRED = (
    Split(
        "after", ("after_host", "after_timed", "after_error_host", "after_error_timed", "after_plain"), is_spent=True
    ),
    Instead("detail", "system_error"),
    *REASON,
    Lookup("error_number", "stage", ERROR_STAGE),
    *seconds("delivery_time", "delay_transmit_s"),
    Constant("status", "deferred"),
    Complete("recipient", "original_recipient"),
)
NOT_DUE = seconds("delivery_time", "delay_transmit_s")
FAILED = (
    Split("where", ("failed_for", "failed_for_parents", "failed_for_odd", "failed_for_plain"), is_spent=True),
    Split("said", ("said_timed", "said_plain"), is_spent=True),
    *REASON,
    Lookup("reply_code", "status", {"5": "bounced"}, letters=1),
    Split("detail", ("given_up", "all_failing")),
    Lookup("expiry", "status", {"retry timeout exceeded": "expired", "all hosts ": "expired"}, default="bounced"),
    Constant("enhanced_code", FAILED_CODE),
    *TLS,
    Split("tail", ("delivery_more",), is_spent=True),
    *seconds("queue_time", "delay_s"),
    *seconds("delivery_time", "delay_transmit_s"),
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


def refused(stage: str, *more: Step) -> tuple[Step, ...]:
    """What a refusal at a stage says, behind what else is read of it."""
    return (
        *more,
        Lookup("temporarily", "status", {"temporarily": "temp_rejected"}, default="rejected"),
        Split("detail", ("own_reply",)),
        LINES,
        Split("headers", ("reject_log",), is_spent=True),
        Split("header_fields", ("header_message_id",), is_spent=True),
        Each("recipients", "one_in_brackets"),
        Split("auth", ("auth_parts",), is_spent=True),
        *TLS,
        Constant("stage", stage),
    )


def session_of(steps: tuple[Step, ...] = ()) -> tuple[Step, ...]:
    """Steps of an entry that may say how long a connection was (`D=`)."""
    return (*steps, *seconds("session_time", "session_s"))


def closed(who: str) -> tuple[Step, ...]:
    """The end of a connection, and whose work it was."""
    return session_of((Constant("session_end", who),))


CLOSED = session_of((Lookup("closing", "session_end", CLOSED_BY),))
REFUSED_RCPT = refused("rcpt", Split("tail", ("refused_more",), is_spent=True), Constant("queue_id", "NOQUEUE"))


# What the reject and panic logs repeat: every log_write() with LOG_REJECT or LOG_PANIC in src/, refusals apart.
COPIED = frozenset({
    "auth_failed", "sender_verify", "synchronization_error", "call_dropped", "discard_rcpt", "warning", "note", "crash",
    "delivery_lost", "transport_ended", "config_error", "expansion_failed", "acl_misused", "scanner_failed",
    "tls_setup_failed", "tainted", "report_unsent", "never_user", "template_failed", "filter_failed", "uid_failed",
    "rewrite_problem", "syntax_error", "input_lost", "header_too_long", "data_timeout", "overflow",
})  # fmt: skip


def kind(name: str, *rules: str, **more: Any) -> Kind:
    """A kind of entry that is not hot: its texts may be anybody's."""
    if more.get("delivers") or more.get("message"):
        more["steps"] = (*more.get("steps", ()), Constant("queue_id", "NOQUEUE"))
    if more.get("session"):
        more["session_by"] = "peer"
    more.setdefault("copied", name in COPIED)
    return base.kind(name, *rules, **more)


part = partial(kind, message="part")
"""What is said of a message."""


def whole(name: str, status: str, *rules: str, code: str | None = None, stage: str | None = None, **more: Any) -> Kind:
    """A word about a whole message, for every recipient that is still open."""
    known = {"status": status, "enhanced_code": code, "stage": stage}
    said = tuple(Constant(name, value) for name, value in known.items() if value)
    return kind(name, *rules, steps=(*said, *LISTED), message="part", for_all=status, **more)


def refusal(name: str, stage: str, *rules: str, steps: tuple[Step, ...] = (), **more: Any) -> Kind:
    """A refusal at a stage: a delivery that was rejected. Where it names a queue id it is a word about that message."""
    return kind(
        name, *rules, steps=refused(stage, *steps), message="part", session="part", delivers=True, copied=True, **more
    )
