"""Exim (4.60 to 4.99): main, reject and panic log, files and syslog. Shapes: grammars/exim.lark; sources are named there."""

from __future__ import annotations

from datetime import datetime, timezone

from smtplog.formats.base import Complete, Constant, Format, Kind, Lookup, Split, Step, Sum, Trim

SECONDS = {"weeks_part": 604800.0, "days_part": 86400.0, "hours_part": 3600.0, "minutes_part": 60.0, "seconds_part": 1.0}


def _seconds(source: str, target: str) -> tuple[Step, ...]:
    """`1h2m3s` in one field -> seconds in another."""
    return Split(source, ("duration",), is_spent=True), Sum(target, SECONDS)


# src/transports/smtp.c, smtp_deliver(): what was answered last; the first letters tell.
COMMAND_STAGE = {
    "init": "greeting", "EHLO": "helo", "HELO": "helo", "LHLO": "helo", "STAR": "starttls", "AUTH": "auth", "XCLI": "mail",
    "MAIL": "mail", "RCPT": "rcpt", "DATA": "data", "BDAT": "end_of_data", "end ": "end_of_data", "PRDR": "end_of_data",
    "QUIT": "quit", "send": "end_of_data",
}  # fmt: skip

# Errors of the system and of src/macros.h (ERRNO_*) that say where the attempt ended.
ERROR_STAGE = {
    "111": "connect", "110": "connect", "113": "connect", "101": "connect", "-32": "dns", "-36": "dns", "-37": "starttls",
    "-38": "starttls", "-42": "auth", "-43": "connect", "-44": "rcpt", "-45": "mail", "-46": "data",
}  # fmt: skip

# src/routers/queryprogram.c and others write `:blackhole:`; src/filter.c, seen finish; src/deliver.c, bypassed /dev/null.
NOWHERE = {":blackhole:": "discarded", "discarded": "discarded", "/dev/null": "discarded"}

TLS_VERSION = {
    "TLS1.3": "TLSv1.3", "TLS1.2": "TLSv1.2", "TLS1.1": "TLSv1.1", "TLS1.0": "TLSv1", "TLSv1.3": "TLSv1.3", "TLSv1.2": "TLSv1.2",
    "TLSv1.1": "TLSv1.1", "TLSv1": "TLSv1", "SSL3.0": "SSLv3", "SSLv3": "SSLv3",
}  # fmt: skip

_TLS = (Split("tls", ("tls_parts",), is_spent=True), Lookup("tls_name", "tls_version", TLS_VERSION))
_REASON = (
    Split("detail", ("remote_said", "malformed", "closed", "timed_out")),
    Lookup("command", "stage", COMMAND_STAGE, letters=4),
)
_ARRIVAL = (
    Split("auth", ("auth_parts",), is_spent=True),
    *_TLS,
    Split("tail", ("arrival_more", "arrival_more_for"), is_spent=True),
    *_seconds("receive_time", "receive_s"),
)
_SENT = (
    Lookup("recipient", "status", NOWHERE),
    Lookup("relay_ip", "status", {"": "sent"}, letters=0, default="delivered"),
    Complete("recipient", "original_recipient"),
    *_TLS,
    Split("tail", ("delivery_more",), is_spent=True),
    Split("auth", ("auth_parts",), is_spent=True),
    Split("confirmation", ("answered",)),
    Split("reply_text", ("queued_as", "accepted_id", "accepted_for_delivery")),
    *_seconds("queue_time", "delay_s"),
    *_seconds("delivery_time", "delay_transmit_s"),
)
_DEFERRED = (
    Split("after", ("after_host", "after_timed", "after_error_host", "after_error_timed", "after_plain"), is_spent=True),
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
    Constant("enhanced_code", "5.0.0"),
    *_TLS,
    Split("tail", ("delivery_more",), is_spent=True),
    Split("auth", ("auth_parts",), is_spent=True),
    *_seconds("queue_time", "delay_s"),
    *_seconds("delivery_time", "delay_transmit_s"),
)

_BASE_62 = {d: i for i, d in enumerate("0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz")}


def id_time(queue_id: str) -> datetime | None:
    """When an id was made, to the second. src/string.c, string_base62_32()."""
    seconds = 0
    for digit in queue_id[:6]:
        if digit not in _BASE_62:
            return None
        seconds = seconds * 62 + _BASE_62[digit]
    return datetime.fromtimestamp(seconds, timezone.utc)


FORMAT = Format(
    name="exim",
    title="Exim 4.60 - 4.99",
    grammar="exim",
    programs=("exim", "exim4"),
    unique_id_letters=1,
    timed_id="timed_id",
    id_time=id_time,
    is_plain=True,
    kinds=(
        Kind("delivery", ("delivery",), (), _SENT, hot=True, message="part", delivers=True),
        Kind("arrival", ("arrival", "arrival_for"), (), _ARRIVAL, hot=True, message="start", session="part", origin="smtp"),
        Kind("completed", ("completed",), (), _seconds("queue_time", "delay_s"), hot=True, message="end"),
        Kind("local_arrival", ("local_arrival", "local_arrival_for"), (), _ARRIVAL, hot=True, message="start", origin="local"),
        Kind("not_due", ("not_due",), (), _NOT_DUE, hot=True, message="part"),
        Kind("deferral", ("deferral",), (), _DEFERRED, hot=True, message="part", delivers=True),
        Kind("bounce_arrival", ("bounce_arrival", "bounce_arrival_for"), (), _ARRIVAL, hot=True, message="start", origin="bounce"),
        Kind("failure", ("failure",), (), _FAILED, hot=True, message="part", delivers=True),
        Kind("delivery", ("delivery_parents", "delivery_odd", "delivery_plain"), (), _SENT, may_refuse=True, message="part", delivers=True),
        Kind("not_due", ("not_due_parents", "not_due_odd"), (), _NOT_DUE, may_refuse=True, message="part"),
        Kind("deferral", ("deferral_parents", "deferral_odd", "deferral_plain"), (), _DEFERRED, may_refuse=True, message="part", delivers=True),
    ),
)
