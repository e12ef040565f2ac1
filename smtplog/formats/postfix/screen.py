"""Before smtpd: postscreen with dnsblog and tlsproxy; the services that count and remember: verify, anvil, scache."""

from __future__ import annotations

from functools import partial

from smtplog.formats.base import Constant, Kind, Lookup, Split, Step
from smtplog.formats.postfix.words import REPLY_STATUS, VERB_STAGE, WARNED

SCREEN = ("postscreen",)
TLSPROXY = ("tlsproxy",)
CACHES = ("postscreen", "verify", "tlsmgr", "tlsproxy")

_STAGE = Lookup("verb", "stage", VERB_STAGE)
_REFUSAL: tuple[Step, ...] = (
    _STAGE,
    Lookup("reply_code", "status", REPLY_STATUS, letters=1),
    Split("reply_text", ("blocked_using",)),
    Constant("action", "reject"),
)

_part = partial(Kind, services=SCREEN, session="part", session_by="client")
"""What postscreen says while it holds a connection."""
_tls = partial(Kind, services=TLSPROXY, session="part", session_by="client")
"""What tlsproxy says of the connection that postscreen holds."""

KINDS = (
    Kind("screen_connect", ("screen_connect",), SCREEN, hot=True, session="start", session_by="client"),
    Kind("screen_disconnect", ("screen_disconnect",), SCREEN, hot=True, session="end", session_by="client"),
    Kind("tlsproxy_disconnect", ("screen_disconnect",), TLSPROXY),
    _part("screen_pass", ("screen_pass",), hands_on=True),
    _part("screen_listed", ("screen_listed",), hands_on=True),
    _part("screen_dialogue", ("dialogue_screen",), may_refuse=True, dialogue="server"),
    _part("screen_hangup", ("screen_hangup",), finding=("hangup", "warning", "the client hung up during the tests")),
    _part("screen_dnsbl", ("screen_dnsbl",), finding=("dnsbl", "warning", "the client stands on DNS blocklists")),
    _part(
        "screen_pregreet", ("screen_pregreet",), finding=("pregreet", "error", "the client spoke before the greeting")
    ),
    _part("screen_reject", ("screen_reject",), steps=_REFUSAL, may_refuse=True, delivers=True),
    _part("screen_busy", ("screen_busy", "screen_busy_old")),
    _part(
        "screen_limit", ("screen_limit",), finding=("command-limit", "warning", "the client went over a command limit")
    ),
    _part(
        "screen_pipelining",
        ("screen_pipelining",),
        steps=(_STAGE,),
        may_refuse=True,
        finding=("pipelining", "error", "the client sent commands without waiting"),
    ),
    _part(
        "screen_not_smtp",
        ("screen_not_smtp",),
        steps=(_STAGE,),
        may_refuse=True,
        finding=("not-smtp", "error", "the client does not speak SMTP"),
    ),
    _part(
        "screen_bare_newline",
        ("screen_bare_newline",),
        steps=(_STAGE,),
        may_refuse=True,
        finding=("bare-newline", "error", "the client ends lines with a bare newline"),
    ),
    _part(
        "screen_no_recipient",
        ("screen_no_recipient",),
        steps=(_STAGE,),
        finding=("no-recipient", "warning", "the client sent data without a valid recipient"),
    ),
    Kind("screen_stress", ("screen_stress",), SCREEN),
    _part("screen_command_replaced", ("screen_command_replaced",), may_refuse=True),
    _part("screen_ehlo_discarded", ("screen_ehlo_discarded",)),
    Kind("screen_problem", ("screen_problem",), (*SCREEN, "dnsblog"), (WARNED,)),
    Kind("cache_cleanup", ("cache_cleanup",), CACHES, may_refuse=True),
    Kind("cache_slow", ("cache_slow",), CACHES, (WARNED,), may_refuse=True),
    Kind("dnsbl_listed", ("dnsbl_listed",), ("dnsblog",)),
    Kind("tls_proxy_connect", ("proxy_connect",), TLSPROXY),
    _tls("tlsproxy_tls", ("tls_from_peer",), steps=(Split("tls_parameters", ("tls_handshake",)),)),
    _tls("tlsproxy_tls_error", ("tls_accept_error_peer",), steps=(Constant("tls_call", "SSL_accept error"),)),
    _tls("tlsproxy_tls_setup", ("tls_setup_from_peer",)),
    Kind("tls_handshake_failed", ("handshake_failed",), TLSPROXY),
    Kind("anvil_max", ("anvil_max",), ("anvil",), may_refuse=True),
    Kind("anvil_cache", ("anvil_cache",), ("anvil",)),
    Kind("scache_statistics", ("scache_hits", "scache_max", "scache_start"), ("scache",)),
)
