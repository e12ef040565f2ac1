"""smtpd: the SMTP server, under whatever service name (submission/smtpd, smtps/smtpd ...)."""

from __future__ import annotations

from smtplog.formats.base import Constant, Lookup, Split, Step, fixed
from smtplog.formats.postfix.words import (
    ANSWER,
    DISCARDED,
    FILTER_DISCARDED,
    HANDSHAKE,
    HELD,
    REJECTED,
    REPLY_STATUS,
    SMTPD,
    VERB_STAGE,
    WARNED,
    named,
    part,
)

_STAGE = Lookup("verb", "stage", VERB_STAGE)
# src/smtpd/smtpd_peer.c: the name is `unknown` where the address does not resolve both ways, and then no name at all.
_UNKNOWN = Lookup("client_name", "client_name_state", {"unknown": "unknown"})
_REFUSAL: tuple[Step, ...] = (
    _STAGE,
    _UNKNOWN,
    Lookup("reply_code", "status", REPLY_STATUS, letters=1),
    Lookup("enhanced_code", "status", REPLY_STATUS, letters=1),
    Split("refusal", ("blocked_using",)),
    Split("reply_text", ("blocked_using",)),
)
_ACTION: tuple[Step, ...] = (_STAGE, _UNKNOWN, Split("action_text", ("about",)))
# src/smtpd/smtpd.c: the filter answers the client; accepted mail is reported again by the smtpd behind the filter.
_PROXIED: tuple[Step, ...] = (
    _STAGE,
    Split("detail", ("answered",)),
    *ANSWER,
    Lookup("reply_code", "status", REPLY_STATUS, letters=1),
    Lookup("reply_text", "status", FILTER_DISCARDED, letters=13),
    Lookup("proxy_verdict", "status", {"reject": "rejected"}),
)
_TLS_FAILED = ("tls-failed", "warning", "the TLS handshake failed")
_REJECT_RULES = (
    "reject_object",
    "reject_text",
    "reject_object_early",
    "reject_text_early",
    "reject_old",
    "reject_old_early",
    "reject_error",
    "reject_plain",
)

# The client may still break off: that the message is in the queue qmgr says.
CONNECTIONS = (
    fixed("client", by=SMTPD, hot=True, message="start", queues=False, session="part", origin="smtp"),
    fixed("connect", by=SMTPD, hot=True, session="start"),
    fixed("disconnect", by=SMTPD, hot=True, session="end"),
)
"""The hot ones: they come before everything else."""

KINDS = (
    fixed("tls_from", by=(*SMTPD, "tlsproxy"), steps=HANDSHAKE, hot=True, session="part"),
    named(
        "reject",
        *_REJECT_RULES,
        steps=(*_REFUSAL, *REJECTED),
        delivers=True,
    ),
    part("client", "client_more", message="start", queues=False, origin="smtp"),
    part(
        "auth_failed",
        "auth_failed_nobody",
        "auth_failed_user",
        "auth_failed",
        steps=(WARNED, _UNKNOWN),
        login_failed="server",
    ),
    part("dialogue", "dialogue_client", dialogue="server"),
    named("lost", "lost", "lost_queued", steps=(_STAGE, _UNKNOWN)),
    part("name_unverified", "name_unverified", "name_unverified_old", "address_unlisted", steps=(WARNED,)),
    named(
        "milter_reject",
        "milter_reject",
        "milter_reject_early",
        "milter_reject_message",
        "milter_reject_bare",
        steps=(*_REFUSAL, Constant("action", "reject")),
        delivers=True,
    ),
    named(
        "reject_warning",
        "warn_object",
        "warn_text",
        "warn_object_early",
        "warn_text_early",
        steps=(_STAGE, Constant("action", "reject_warning")),
    ),
    named("access", "access", "access_early", steps=_ACTION),
    named(
        "access_hold",
        "hold",
        "hold_early",
        steps=(*_ACTION, *HELD),
        delivers=True,
        foretells=True,
    ),
    named(
        "access_discard",
        "discard",
        "discard_early",
        steps=(*_ACTION, *DISCARDED),
        delivers=True,
        foretells=True,
    ),
    named("proxy", "proxy", "proxy_queued", steps=_PROXIED, delivers=True),
    part(
        "pipelining",
        "pipelining",
        "pipelining_empty",
        "pipelining_nested",
        steps=(_STAGE,),
        finding=("pipelining", "error", "the client sent commands without waiting"),
    ),
    named(
        "bare_newline",
        "bare_newline",
        "bare_newline_queued",
        steps=(_STAGE,),
        finding=("bare-newline", "error", "the client ends lines with a bare newline"),
    ),
    part("rate_limited", steps=(WARNED,), finding=("rate-limited", "warning", "the client went over a rate limit")),
    part(
        "not_smtp",
        "not_smtp",
        "not_smtp_header",
        steps=(WARNED,),
        finding=("not-smtp", "error", "the client does not speak SMTP"),
    ),
    part(
        "illegal_address",
        steps=(_STAGE, WARNED),
        finding=("illegal-address", "warning", "the client sent an address that is none"),
    ),
    part("request_too_long", steps=(WARNED,)),
    part("etrn_refused", steps=(WARNED,)),
    named("bdat_problem", steps=(WARNED,)),
    fixed(
        "tls_accept_error",
        by=(*SMTPD, "tlsproxy"),
        steps=(_UNKNOWN, Constant("tls_call", "SSL_accept error")),
        session="part",
        finding=_TLS_FAILED,
    ),
    fixed(
        "tls_aborted",
        by=SMTPD,
        session="part",
        message="part",
        finding=_TLS_FAILED,
    ),
    part("tls_not_served", steps=(WARNED,)),
    fixed("tls_setup_from", by=(*SMTPD, "tlsproxy"), session="part"),
    fixed("tls_from", "tls_from_sni", "tls_from_old", by=(*SMTPD, "tlsproxy"), steps=HANDSHAKE, session="part"),
    fixed("ehlo_discarded", by=(*SMTPD, "smtp", "lmtp"), session="part"),
    part("command_replaced"),
    named("reply_filtered", "reply_filtered", "reply_filtered_client"),
    # src/smtpd/smtpd.c, data_cmd(): the client is told 552; no line names sender or recipient.
    fixed(
        "message_too_big",
        "queue_file_limit",
        by=SMTPD,
        steps=(WARNED, *REJECTED, Constant("stage", "end_of_data")),
        session="part",
        message="part",
        delivers=True,
    ),
    part("client_named"),
    fixed("queue_full", by=(*SMTPD, "postscreen"), steps=(WARNED,)),
)
