"""Postfix's words and what they mean in the words of the contract; the steps that several daemons share."""

from __future__ import annotations

from functools import partial

from smtplog.formats.base import Constant, Lookup, Split, Step, Trim, kind

SMTPD = ("smtpd",)
SMTP = ("smtp", "lmtp")
CLEANUP = ("cleanup",)
QMGR = ("qmgr", "oqmgr", "nqmgr")
LOCAL_AGENTS = ("local", "virtual", "pipe", "error", "discard", "retry")
OLD_AGENTS = ("cleanup", *QMGR, "smtpd", "bounce", "defer")
"""Daemons that log deliveries to nobody: recipients that cannot be resolved, and in old versions more."""

# src/global/sent.c, defer.c, bounce.c. What `sent` means, the next hop tells.
STATUS = {"deferred": "deferred", "bounced": "bounced", "expired": "expired", "SOFTBOUNCE": "deferred"}

# src/smtp/smtp_proto.c names the command that was answered.
COMMAND_STAGE = {
    "HELO": "helo", "EHLO": "helo", "LHLO": "helo", "STARTTLS": "starttls", "AUTH": "auth", "XFORWARD": "mail",
    "MAIL FROM": "mail", "RCPT TO": "rcpt", "DATA": "data", "end of DATA": "end_of_data", "QUIT": "quit",
    "initial server greeting": "greeting", "RSET": "mail",
}  # fmt: skip

# src/smtp/smtp_proto.c: the STATE words of smtp_state.
ACTIVITY_STAGE = {
    "refused to talk to me": "greeting",
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

WARNED = Constant("level", "warning")
"""Where the rules of a kind spell the level out."""

HEAD_LETTERS = 11
"""So many letters tell the reasons apart that name no command."""
REASON_STAGE = {
    reason[:HEAD_LETTERS]: stage
    for reason, stage in {
        "connect to ": "connect",
        "Host or domain name not found": "dns",
        "Host not found": "dns",
        "unable to look up host": "dns",
        "Name service error": "dns",
        "no TLSA records found": "dns",
        "TLSA lookup error": "dns",
        "TLS is required": "starttls",
        "Cannot start TLS": "starttls",
        "Server certificate not": "starttls",
        "SMTPUTF8 is required": "mail",
        "message size": "mail",
        "message requires SMTPUTF8": "mail",
        "SASL authentication failed": "auth",
        "SASL [CACHED] authentication": "auth",
    }.items()
}

# src/smtpd/smtpd.c, smtpd_cmd_table, and the states of smtpd.h.
VERB_STAGE = {
    "CONNECT": "connect", "HELO": "helo", "EHLO": "helo", "STARTTLS": "starttls", "AUTH": "auth", "MAIL": "mail",
    "RCPT": "rcpt", "DATA": "data", "BDAT": "data", "END-OF-MESSAGE": "end_of_data", "QUIT": "quit",
}  # fmt: skip

REPLY_STATUS = {"4": "temp_rejected", "5": "rejected"}
"""What a refusal is, by the first digit of its reply code or enhanced code."""

REJECTED = (Constant("status", "rejected"), Constant("action", "reject"))
HELD = (Constant("status", "held"), Constant("action", "hold"))
DISCARDED = (Constant("status", "discarded"), Constant("action", "discard"))
"""What a table, a filter or a milter did with a message, where the rule has no code of its own."""

FILTER_DISCARDED = dict.fromkeys(("Ok, discarded", "OK, discarded", "ok, discarded"), "discarded")
"""amavis and the like take a message, say so, and throw it away."""

HANDSHAKE: tuple[Step, ...] = (Split("tls_parameters", ("tls_handshake",)),)
"""What is said of a TLS session."""

NEXT_HOP_ID = ("ok_queued", "queued_as", "accepted_id", "accepted_for_delivery")
REASONS = (
    "said", "said_odd", "not_connected", "lost_while", "timed_out_while", "refused", "not_resolved", "unknown_user",
    "sasl_refused", "tls_refused", "tls_failed", "null_mx", "loops_back", "forwarding_loop", "too_big",
    "command_died", "command_said", "not_looked_up", "said_only",
)  # fmt: skip

ANSWER: tuple[Step, ...] = (Split("reply_text", NEXT_HOP_ID),)
"""What a remote's answer to the end of data says."""

WHERE: tuple[Step, ...] = (Lookup("command", "stage", COMMAND_STAGE), Lookup("activity", "stage", ACTIVITY_STAGE))

ATTEMPT: tuple[Step, ...] = (
    Trim("detail", ")"),
    Lookup("status_word", "status", STATUS),
    Split("delays", ("four_delays",)),
    Split(
        "detail",
        ("answered_enhanced", "answered", "delivered_to", "delivered_via", "forwarded_as", "suspended", *REASONS),
        fine=("25", "delivered to "),
        unless=("discard",),
    ),
    Split("earlier_detail", REASONS),
    *WHERE,
    Lookup("lookup_type", "stage", {"nullMX": "dns"}),
    Lookup("detail", "stage", REASON_STAGE, letters=HEAD_LETTERS),
    Lookup("earlier_detail", "stage", REASON_STAGE, letters=HEAD_LETTERS),
    *ANSWER,
)

part = partial(kind, by=SMTPD, session="part")
"""What a server says in a session."""
named = partial(part, message="part")
"""The same of a message too, where the line begins with its queue id."""
