"""Postfix (2.x to 3.11). Shapes: grammars/postfix.lark; sources are named there."""

from __future__ import annotations

from datetime import datetime, timezone

from smtplog.formats.base import Format, Kind, Lookup, Split, Trim

AGENTS = ("smtp", "lmtp", "local", "virtual", "pipe", "error", "discard", "retry", "cleanup", "qmgr", "smtpd")
"""Daemons that log deliveries; cleanup, qmgr and smtpd did in old versions."""

SMTPD = ("smtpd",)

# src/global/sent.c, defer.c, bounce.c, verify.c: the last two are address probes, not mail.
STATUS = {
    "sent": "sent",
    "deferred": "deferred",
    "bounced": "bounced",
    "expired": "expired",
    "undeliverable": "",
    "deliverable": "",
    "undeliverable-but-not-cached": "",
}

# src/smtp/smtp_proto.c names the command that was answered.
COMMAND_STAGE = {
    "HELO": "helo", "EHLO": "helo", "LHLO": "helo", "STARTTLS": "starttls", "AUTH": "auth", "XFORWARD": "mail",
    "MAIL FROM": "mail", "RCPT TO": "rcpt", "DATA": "data", "end of DATA": "end_of_data", "QUIT": "quit",
}  # fmt: skip

# src/smtp/smtp_proto.c: the STATE words of smtp_state.
ACTIVITY_STAGE = {
    "receiving the initial server greeting": "greeting",
    "performing the EHLO handshake": "helo",
    "performing the HELO handshake": "helo",
    "performing the LHLO handshake": "helo",
    "receiving the STARTTLS response": "starttls",
    "sending XFORWARD name/address": "mail",
    "sending XFORWARD protocol/helo_name": "mail",
    "sending MAIL FROM": "mail",
    "sending RCPT TO": "rcpt",
    "sending DATA command": "data",
    "receiving the server reply to DATA": "data",
    "sending message body": "end_of_data",
    "sending end of data -- message may be sent more than once": "end_of_data",
    "sending final RSET": "end_of_data",
    "sending RSET probe": "mail",
    "sending QUIT": "quit",
}

VERB_STAGE = {
    "CONNECT": "connect", "HELO": "helo", "EHLO": "helo", "STARTTLS": "starttls", "AUTH": "auth", "MAIL": "mail",
    "RCPT": "rcpt", "DATA": "data", "BDAT": "data", "END-OF-MESSAGE": "end_of_data",
}  # fmt: skip

NEXT_HOP_ID = ("queued_as", "accepted_id", "accepted_for_delivery")

_DELIVERY = (
    Trim("detail", ")"),
    Lookup("status_word", "status", STATUS),
    Split("delays", ("four_delays",)),
    Split("detail", ("said", "refused", "answered", "lost_while", "timed_out_while", "not_connected", "not_resolved", "forwarded_as")),
    Lookup("command", "stage", COMMAND_STAGE),
    Lookup("activity", "stage", ACTIVITY_STAGE),
    Split("reply_text", NEXT_HOP_ID),
)

_REFUSAL = (
    Lookup("verb", "stage", VERB_STAGE),
    Lookup("reply_code", "status", {"4": "temp_rejected", "5": "rejected"}, letters=1),
)

_BASE_52 = {digit: value for value, digit in enumerate("0123456789BCDFGHJKLMNPQRSTVWXYZbcdfghjklmnpqrstvwxyz")}


def id_time(queue_id: str) -> datetime | None:
    """When a long queue id was made, to the second; None for a short one. src/global/mail_queue.h, MQID_*."""
    if len(queue_id) < 12 or not set(queue_id[:6]) <= _BASE_52.keys():
        return None
    seconds = 0
    for digit in queue_id[:6]:
        seconds = seconds * 52 + _BASE_52[digit]
    return datetime.fromtimestamp(seconds, timezone.utc)


FORMAT = Format(
    name="postfix",
    title="Postfix 2.x - 3.11",
    grammar="postfix",
    program="program",
    instances=("postfix",),
    unique_id_letters=12,
    timed_id="timed_id",
    id_time=id_time,
    kinds=(
        Kind("delivery", ("delivery",), AGENTS, _DELIVERY, hot=True, message="part", delivers=True),
        Kind("client", ("client",), SMTPD, hot=True, message="start", session="part", origin="smtp"),
        Kind("connect", ("connect",), SMTPD, hot=True, session="start"),
        Kind("disconnect", ("disconnect",), SMTPD, hot=True, session="end"),
        Kind("queued", ("queued",), ("qmgr",), hot=True, message="part"),
        Kind("removed", ("removed",), ("qmgr",), hot=True, message="end"),
        Kind("message_id", ("message_id_seen",), ("cleanup",), hot=True, message="part"),
        Kind("client", ("client_more",), SMTPD, may_refuse=True, message="start", session="part", origin="smtp"),
        Kind("reject", ("reject", "reject_early"), SMTPD, _REFUSAL, may_refuse=True, session="part", delivers=True),
    ),
)
