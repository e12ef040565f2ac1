"""What a client did: connections, refusals, what went wrong. Shapes: grammars/exim.lark."""

from __future__ import annotations

from smtplog.formats.base import Constant, Lookup, Split
from smtplog.formats.exim.words import (
    CLOSED,
    DATA_STAGE,
    LISTED,
    REASON,
    TLS,
    VERB_STAGE,
    closed,
    kind,
    part,
    refusal,
    session_of,
)

SESSIONS = (
    kind("connection", "connection_numbered", session="start"),
    kind("session_closed", "closed_session", steps=CLOSED, session="end"),
    refusal("reject_rcpt", "rcpt", "rejected_rcpt"),
    part("tls_lost"),
    part("attempt", steps=REASON, is_attempt=True),
    kind("no_mail", steps=session_of((*TLS, Split("auth", ("auth_parts",), is_spent=True))), session="part"),
    kind("syntax_error", session="part"),
    kind("queue_run", carries_nothing=True),
    kind("session_lost", "lost_session", steps=closed("client"), session="end"),
    kind("disconnected", "gone", steps=closed("client"), session="end"),
    kind("command_timeout", steps=closed("timeout"), session="end"),
    kind("data_timeout", steps=closed("timeout"), session="end"),
    kind("call_dropped", "dropped_call", steps=closed("server"), session="part"),
    kind("incomplete_transaction", "incomplete", steps=LISTED, session="part"),
    kind("synchronization_error", "sync_error", steps=closed("error"), session="part"),
    kind("input_lost", session="part"),
    kind("auth_failed", "auth_failed", "auth_failed_local", session="part", login_failed="server"),
    kind("sender_verify", session="part"),
    kind("tls_error", "tls_error_in", session="part"),
    kind("warning", session="part"),
    kind("vrfy_failed", session="part"),
    kind("auth_ignored", "ignored_auth", session="part"),
    kind("recipient_ignored", "ignored_recipient", session="part"),
    kind("etrn", "etrn", "atrn", session="part"),
)

REFUSALS = (
    refusal("reject_mail", "mail", "rejected_mail"),
    refusal("reject_data", "end_of_data", "rejected_data", steps=(Lookup("data_stage", "stage", DATA_STAGE),)),
    refusal("reject_connection", "connect", "rejected_connection", "dropped_connection"),
    refusal("reject_verb", "helo", "rejected_verb", steps=(Lookup("verb", "stage", VERB_STAGE),)),
    refusal("reject_helo", "helo", "rejected_helo", "unverified_helo"),
    refusal("no_helo", "mail"),
    refusal("too_big", "mail", "too_big_declared"),
    refusal("reject_message", "end_of_data", "rejected_message", "rejected_local", "rejected_scan"),
    refusal("reject_dcc", "end_of_data", "rejected_dcc"),
    refusal("unqualified", "rcpt"),
    refusal(
        "too_many_recipients", "rcpt", steps=(Lookup("excess", "status", {"excess temporarily": "temp_rejected"}),)
    ),
    refusal("too_many_messages", "mail"),
    refusal("refused_connection", "connect", "refused_connection", "temporarily_refused_connection", "overloaded"),
    kind(
        "discard_rcpt",
        "discarded_rcpt",
        steps=(Constant("status", "discarded"), Constant("stage", "rcpt")),
        session="part",
        delivers=True,
    ),
)
