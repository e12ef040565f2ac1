"""smtpd: the SMTP server, under whatever service name (submission/smtpd, smtps/smtpd ...)."""

from __future__ import annotations

from smtplog.formats.base import Constant, Kind, Lookup, Split, Step
from smtplog.formats.postfix.words import ANSWER, FILTER_DISCARDED, REPLY_STATUS, SMTPD, VERB_STAGE, WARNED, part

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
_HANDSHAKE = (Split("tls_parameters", ("tls_handshake",)),)
_REJECTS = (
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
    Kind("client", ("client",), SMTPD, hot=True, message="start", queues=False, session="part", origin="smtp"),
    Kind("connect", ("connect",), SMTPD, hot=True, session="start"),
    Kind("disconnect", ("disconnect",), SMTPD, hot=True, session="end"),
)
"""The hot ones: they come before everything else."""

KINDS = (
    Kind("tls_from", ("tls_from",), (*SMTPD, "tlsproxy"), _HANDSHAKE, hot=True, session="part"),
    part(
        "reject",
        *_REJECTS,
        steps=(*_REFUSAL, Constant("status", "rejected"), Constant("action", "reject")),
        delivers=True,
    ),
    part("client", "client_more", message="start", queues=False, origin="smtp"),
    part(
        "auth_failed",
        "auth_failed_nobody",
        "auth_failed_user",
        "auth_failed",
        steps=(WARNED, _UNKNOWN),
        login_failed=True,
    ),
    part("dialogue", "dialogue_client", dialogue="server"),
    part("lost", "lost", "lost_queued", steps=(_STAGE, _UNKNOWN)),
    part("name_unverified", "name_unverified", "name_unverified_old", "address_unlisted", steps=(WARNED,)),
    part(
        "milter_reject",
        "milter_reject",
        "milter_reject_early",
        "milter_reject_message",
        "milter_reject_bare",
        steps=(*_REFUSAL, Constant("action", "reject")),
        delivers=True,
    ),
    part(
        "reject_warning",
        "warn_object",
        "warn_text",
        "warn_object_early",
        "warn_text_early",
        steps=(_STAGE, Constant("action", "reject_warning")),
    ),
    part("access", "access", "access_early", steps=_ACTION),
    part(
        "access_hold",
        "hold",
        "hold_early",
        steps=(*_ACTION, Constant("status", "held"), Constant("action", "hold")),
        delivers=True,
        foretells=True,
    ),
    part(
        "access_discard",
        "discard",
        "discard_early",
        steps=(*_ACTION, Constant("status", "discarded"), Constant("action", "discard")),
        delivers=True,
        foretells=True,
    ),
    part("proxy", "proxy", "proxy_queued", steps=_PROXIED, delivers=True),
    part("pipelining", "pipelining", "pipelining_empty", "pipelining_nested", steps=(_STAGE,)),
    part(
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
    part("bdat_problem", steps=(WARNED,)),
    Kind(
        "tls_accept_error",
        ("tls_accept_error",),
        (*SMTPD, "tlsproxy"),
        (_UNKNOWN, Constant("tls_call", "SSL_accept error")),
        session="part",
    ),
    Kind(
        "tls_aborted",
        ("tls_aborted",),
        SMTPD,
        session="part",
        finding=("tls-failed", "warning", "the TLS handshake failed"),
    ),
    part("tls_not_served", steps=(WARNED,)),
    Kind("tls_setup_from", ("tls_setup_from",), (*SMTPD, "tlsproxy"), session="part"),
    Kind("tls_from", ("tls_from_sni", "tls_from_old"), (*SMTPD, "tlsproxy"), _HANDSHAKE, session="part"),
    Kind("ehlo_discarded", ("ehlo_discarded",), (*SMTPD, "smtp", "lmtp"), session="part"),
    part("command_replaced"),
    part("reply_filtered", "reply_filtered", "reply_filtered_client"),
    # src/smtpd/smtpd.c, data_cmd(): the client is told 552; no line names sender or recipient.
    Kind(
        "message_too_big",
        ("queue_file_limit",),
        SMTPD,
        (WARNED, Constant("status", "rejected"), Constant("action", "reject"), Constant("stage", "end_of_data")),
        session="part",
        message="part",
        delivers=True,
    ),
    part("client_named"),
    Kind("queue_full", ("queue_full",), (*SMTPD, "postscreen"), (WARNED,)),
)
