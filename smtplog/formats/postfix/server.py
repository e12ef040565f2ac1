"""smtpd: the SMTP server, under whatever service name (submission/smtpd, smtps/smtpd ...)."""

from __future__ import annotations

from smtplog.formats.base import Constant, Kind, Lookup, Split, Step
from smtplog.formats.postfix.words import ANSWER, REPLY_STATUS, SMTPD, VERB_STAGE

_STAGE = Lookup("verb", "stage", VERB_STAGE)
_REFUSAL: tuple[Step, ...] = (
    _STAGE,
    Lookup("reply_code", "status", REPLY_STATUS, letters=1),
    Lookup("enhanced_code", "status", REPLY_STATUS, letters=1),
    Split("refusal", ("blocked_using",)),
    Split("reply_text", ("blocked_using",)),
)
_ACTION: tuple[Step, ...] = (_STAGE, Split("action_text", ("about",)))
_HANDSHAKE = (Split("tls_parameters", ("tls_handshake",)),)
_REJECTS = (
    "reject_object", "reject_text", "reject_object_early", "reject_text_early", "reject_old", "reject_old_early", "reject_error",
)  # fmt: skip

CONNECTIONS = (
    Kind("client", ("client",), SMTPD, hot=True, message="start", session="part", origin="smtp"),
    Kind("connect", ("connect",), SMTPD, hot=True, session="start"),
    Kind("disconnect", ("disconnect",), SMTPD, hot=True, session="end"),
)
"""The hot ones: they come before everything else."""

KINDS = (
    Kind("tls_from", ("tls_from",), (*SMTPD, "tlsproxy"), _HANDSHAKE, hot=True, session="part"),
    Kind("reject", _REJECTS, SMTPD, _REFUSAL, may_refuse=True, session="part", delivers=True),
    Kind("client", ("client_more",), SMTPD, may_refuse=True, message="start", session="part", origin="smtp"),
    Kind("auth_failed", ("auth_failed_user", "auth_failed"), SMTPD, may_refuse=True, session="part"),
    Kind("lost", ("lost", "lost_queued"), SMTPD, (_STAGE,), session="part", may_refuse=True),
    Kind("name_unverified", ("name_unverified", "name_unverified_old", "address_unlisted"), SMTPD, session="part"),
    Kind("milter_reject", ("milter_reject", "milter_reject_early"), SMTPD, _REFUSAL, may_refuse=True, session="part", delivers=True),
    Kind("reject_warning", ("warn_object", "warn_text", "warn_object_early", "warn_text_early"), SMTPD, _REFUSAL[:1], may_refuse=True, session="part"),
    Kind("access", ("access", "access_early"), SMTPD, _ACTION, may_refuse=True, session="part"),
    Kind("access_hold", ("hold", "hold_early"), SMTPD, (*_ACTION, Constant("status", "held")), may_refuse=True, session="part", delivers=True),
    Kind("access_discard", ("discard", "discard_early"), SMTPD, (*_ACTION, Constant("status", "discarded")), may_refuse=True, session="part", delivers=True),
    Kind("proxy", ("proxy", "proxy_queued"), SMTPD, (Split("reply_text", ("answered",)), *ANSWER), may_refuse=True, session="part"),
    Kind("pipelining", ("pipelining",), SMTPD, (_STAGE,), may_refuse=True, session="part"),
    Kind("bare_newline", ("bare_newline", "bare_newline_queued"), SMTPD, (_STAGE,), may_refuse=True, session="part"),
    Kind("rate_limited", ("rate_limited",), SMTPD, may_refuse=True, session="part"),
    Kind("not_smtp", ("not_smtp", "not_smtp_header"), SMTPD, may_refuse=True, session="part"),
    Kind("illegal_address", ("illegal_address",), SMTPD, (_STAGE,), may_refuse=True, session="part"),
    Kind("request_too_long", ("request_too_long",), SMTPD, may_refuse=True, session="part"),
    Kind("etrn_refused", ("etrn_refused",), SMTPD, may_refuse=True, session="part"),
    Kind("bdat_problem", ("bdat_problem",), SMTPD, may_refuse=True, session="part"),
    Kind("tls_accept_error", ("tls_accept_error",), (*SMTPD, "tlsproxy"), session="part"),
    Kind("tls_aborted", ("tls_aborted",), SMTPD, session="part"),
    Kind("tls_not_served", ("tls_not_served",), SMTPD, may_refuse=True, session="part"),
    Kind("tls_setup_from", ("tls_setup_from",), (*SMTPD, "tlsproxy"), session="part"),
    Kind("tls_from", ("tls_from_sni", "tls_from_old"), (*SMTPD, "tlsproxy"), _HANDSHAKE, session="part"),
    Kind("ehlo_discarded", ("ehlo_discarded",), (*SMTPD, "smtp", "lmtp"), session="part"),
    Kind("command_replaced", ("command_replaced",), SMTPD, may_refuse=True, session="part"),
    Kind("reply_filtered", ("reply_filtered", "reply_filtered_client"), SMTPD, may_refuse=True, session="part"),
    Kind("queue_file_limit", ("queue_file_limit",), SMTPD, session="part"),
    Kind("queue_full", ("queue_full",), (*SMTPD, "postscreen")),
)
