"""smtpd: the SMTP server, under whatever service name (submission/smtpd, smtps/smtpd ...)."""

from __future__ import annotations

from smtplog.formats.base import Constant, Kind, Lookup, Split, Step
from smtplog.formats.postfix.words import ANSWER, FILTER_DISCARDED, REPLY_STATUS, SMTPD, VERB_STAGE, WARNED

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

CONNECTIONS = (
    Kind("client", ("client",), SMTPD, hot=True, message="start", session="part", origin="smtp"),
    Kind("connect", ("connect",), SMTPD, hot=True, session="start"),
    Kind("disconnect", ("disconnect",), SMTPD, hot=True, session="end"),
)
"""The hot ones: they come before everything else."""

KINDS = (
    Kind("tls_from", ("tls_from",), (*SMTPD, "tlsproxy"), _HANDSHAKE, hot=True, session="part"),
    Kind(
        "reject",
        _REJECTS,
        SMTPD,
        (*_REFUSAL, Constant("status", "rejected"), Constant("action", "reject")),
        may_refuse=True,
        session="part",
        delivers=True,
    ),
    Kind("client", ("client_more",), SMTPD, may_refuse=True, message="start", session="part", origin="smtp"),
    Kind(
        "auth_failed",
        ("auth_failed_user", "auth_failed"),
        SMTPD,
        (WARNED, _UNKNOWN),
        may_refuse=True,
        session="part",
        login_failed=True,
    ),
    Kind("dialogue", ("dialogue_client",), SMTPD, may_refuse=True, session="part", dialogue="server"),
    Kind("lost", ("lost", "lost_queued"), SMTPD, (_STAGE, _UNKNOWN), session="part", may_refuse=True),
    Kind(
        "name_unverified",
        ("name_unverified", "name_unverified_old", "address_unlisted"),
        SMTPD,
        (WARNED,),
        may_refuse=True,
        session="part",
    ),
    Kind(
        "milter_reject",
        ("milter_reject", "milter_reject_early", "milter_reject_message", "milter_reject_bare"),
        SMTPD,
        (*_REFUSAL, Constant("action", "reject")),
        may_refuse=True,
        session="part",
        delivers=True,
    ),
    Kind(
        "reject_warning",
        ("warn_object", "warn_text", "warn_object_early", "warn_text_early"),
        SMTPD,
        (_STAGE, Constant("action", "reject_warning")),
        may_refuse=True,
        session="part",
    ),
    Kind("access", ("access", "access_early"), SMTPD, _ACTION, may_refuse=True, session="part"),
    Kind(
        "access_hold",
        ("hold", "hold_early"),
        SMTPD,
        (*_ACTION, Constant("status", "held"), Constant("action", "hold")),
        may_refuse=True,
        session="part",
        delivers=True,
        foretells=True,
    ),
    Kind(
        "access_discard",
        ("discard", "discard_early"),
        SMTPD,
        (*_ACTION, Constant("status", "discarded"), Constant("action", "discard")),
        may_refuse=True,
        session="part",
        delivers=True,
        foretells=True,
    ),
    Kind(
        "proxy",
        ("proxy", "proxy_queued"),
        SMTPD,
        _PROXIED,
        may_refuse=True,
        session="part",
        delivers=True,
    ),
    Kind(
        "pipelining",
        ("pipelining", "pipelining_empty", "pipelining_nested"),
        SMTPD,
        (_STAGE,),
        may_refuse=True,
        session="part",
    ),
    Kind(
        "bare_newline",
        ("bare_newline", "bare_newline_queued"),
        SMTPD,
        (_STAGE,),
        may_refuse=True,
        session="part",
        finding=("bare-newline", "error", "the client ends lines with a bare newline"),
    ),
    Kind(
        "rate_limited",
        ("rate_limited",),
        SMTPD,
        (WARNED,),
        may_refuse=True,
        session="part",
        finding=("rate-limited", "warning", "the client went over a rate limit"),
    ),
    Kind(
        "not_smtp",
        ("not_smtp", "not_smtp_header"),
        SMTPD,
        (WARNED,),
        may_refuse=True,
        session="part",
        finding=("not-smtp", "error", "the client does not speak SMTP"),
    ),
    Kind(
        "illegal_address",
        ("illegal_address",),
        SMTPD,
        (_STAGE, WARNED),
        may_refuse=True,
        session="part",
        finding=("illegal-address", "warning", "the client sent an address that is none"),
    ),
    Kind("request_too_long", ("request_too_long",), SMTPD, (WARNED,), may_refuse=True, session="part"),
    Kind("etrn_refused", ("etrn_refused",), SMTPD, (WARNED,), may_refuse=True, session="part"),
    Kind("bdat_problem", ("bdat_problem",), SMTPD, (WARNED,), may_refuse=True, session="part"),
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
    Kind("tls_not_served", ("tls_not_served",), SMTPD, (WARNED,), may_refuse=True, session="part"),
    Kind("tls_setup_from", ("tls_setup_from",), (*SMTPD, "tlsproxy"), session="part"),
    Kind("tls_from", ("tls_from_sni", "tls_from_old"), (*SMTPD, "tlsproxy"), _HANDSHAKE, session="part"),
    Kind("ehlo_discarded", ("ehlo_discarded",), (*SMTPD, "smtp", "lmtp"), session="part"),
    Kind("command_replaced", ("command_replaced",), SMTPD, may_refuse=True, session="part"),
    Kind("reply_filtered", ("reply_filtered", "reply_filtered_client"), SMTPD, may_refuse=True, session="part"),
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
    Kind("client_named", ("client_named",), SMTPD, session="part", may_refuse=True),
    Kind("queue_full", ("queue_full",), (*SMTPD, "postscreen"), (WARNED,)),
)
