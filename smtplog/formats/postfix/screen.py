"""Before smtpd: postscreen with dnsblog and tlsproxy; the services that count and remember: verify, anvil, scache."""

from __future__ import annotations

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

KINDS = (
    Kind("screen_connect", ("screen_connect",), SCREEN, hot=True),
    Kind("screen_disconnect", ("screen_disconnect",), (*SCREEN, *TLSPROXY), hot=True),
    Kind("screen_pass", ("screen_pass",), SCREEN),
    Kind("screen_listed", ("screen_listed",), SCREEN),
    Kind("screen_hangup", ("screen_hangup",), SCREEN),
    Kind("screen_dnsbl", ("screen_dnsbl",), SCREEN),
    Kind("screen_pregreet", ("screen_pregreet",), SCREEN),
    Kind("screen_reject", ("screen_reject",), SCREEN, _REFUSAL, may_refuse=True, delivers=True),
    Kind("screen_busy", ("screen_busy", "screen_busy_old"), SCREEN),
    Kind("screen_limit", ("screen_limit",), SCREEN),
    Kind("screen_pipelining", ("screen_pipelining",), SCREEN, (_STAGE,), may_refuse=True),
    Kind("screen_not_smtp", ("screen_not_smtp",), SCREEN, (_STAGE,), may_refuse=True),
    Kind("screen_bare_newline", ("screen_bare_newline",), SCREEN, (_STAGE,), may_refuse=True),
    Kind("screen_no_recipient", ("screen_no_recipient",), SCREEN, (_STAGE,)),
    Kind("screen_stress", ("screen_stress",), SCREEN),
    Kind("command_replaced", ("screen_command_replaced",), SCREEN, may_refuse=True, session="part"),
    Kind("ehlo_discarded", ("screen_ehlo_discarded",), SCREEN, session="part"),
    Kind("screen_problem", ("screen_problem",), (*SCREEN, "dnsblog"), (WARNED,)),
    Kind("cache_cleanup", ("cache_cleanup",), CACHES, may_refuse=True),
    Kind("cache_slow", ("cache_slow",), CACHES, (WARNED,), may_refuse=True),
    Kind("dnsbl_listed", ("dnsbl_listed",), ("dnsblog",)),
    Kind("tls_proxy_connect", ("proxy_connect",), TLSPROXY),
    Kind("tls_from", ("tls_from_peer",), TLSPROXY, (Split("tls_parameters", ("tls_handshake",)),), session="part"),
    Kind(
        "tls_accept_error",
        ("tls_accept_error_peer",),
        TLSPROXY,
        (Constant("tls_call", "SSL_accept error"),),
        session="part",
    ),
    Kind("tls_setup_from", ("tls_setup_from_peer",), TLSPROXY, session="part"),
    Kind("tls_handshake_failed", ("handshake_failed",), TLSPROXY),
    Kind("anvil_max", ("anvil_max",), ("anvil",), may_refuse=True),
    Kind("anvil_cache", ("anvil_cache",), ("anvil",)),
    Kind("scache_statistics", ("scache_hits", "scache_max", "scache_start"), ("scache",)),
)
