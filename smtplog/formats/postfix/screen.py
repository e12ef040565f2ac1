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
    Kind("screen_connect", ("screen_connect",), SCREEN, hot=True, session="start", session_by="client"),
    Kind("screen_disconnect", ("screen_disconnect",), SCREEN, hot=True, session="end", session_by="client"),
    Kind("tlsproxy_disconnect", ("screen_disconnect",), TLSPROXY),
    Kind("screen_pass", ("screen_pass",), SCREEN, session="part", session_by="client", hands_on=True),
    Kind("screen_listed", ("screen_listed",), SCREEN, session="part", session_by="client", hands_on=True),
    Kind(
        "screen_dialogue",
        ("dialogue_screen",),
        SCREEN,
        may_refuse=True,
        session="part",
        session_by="client",
        dialogue="server",
    ),
    Kind(
        "screen_hangup",
        ("screen_hangup",),
        SCREEN,
        session="part",
        session_by="client",
        finding=("hangup", "warning", "the client hung up during the tests"),
    ),
    Kind(
        "screen_dnsbl",
        ("screen_dnsbl",),
        SCREEN,
        session="part",
        session_by="client",
        finding=("dnsbl", "warning", "the client stands on DNS blocklists"),
    ),
    Kind(
        "screen_pregreet",
        ("screen_pregreet",),
        SCREEN,
        session="part",
        session_by="client",
        finding=("pregreet", "error", "the client spoke before the greeting"),
    ),
    Kind(
        "screen_reject",
        ("screen_reject",),
        SCREEN,
        _REFUSAL,
        may_refuse=True,
        delivers=True,
        session="part",
        session_by="client",
    ),
    Kind("screen_busy", ("screen_busy", "screen_busy_old"), SCREEN, session="part", session_by="client"),
    Kind(
        "screen_limit",
        ("screen_limit",),
        SCREEN,
        session="part",
        session_by="client",
        finding=("command-limit", "warning", "the client went over a command limit"),
    ),
    Kind(
        "screen_pipelining",
        ("screen_pipelining",),
        SCREEN,
        (_STAGE,),
        may_refuse=True,
        session="part",
        session_by="client",
        finding=("pipelining", "error", "the client sent commands without waiting"),
    ),
    Kind(
        "screen_not_smtp",
        ("screen_not_smtp",),
        SCREEN,
        (_STAGE,),
        may_refuse=True,
        session="part",
        session_by="client",
        finding=("not-smtp", "error", "the client does not speak SMTP"),
    ),
    Kind(
        "screen_bare_newline",
        ("screen_bare_newline",),
        SCREEN,
        (_STAGE,),
        may_refuse=True,
        session="part",
        session_by="client",
        finding=("bare-newline", "error", "the client ends lines with a bare newline"),
    ),
    Kind(
        "screen_no_recipient",
        ("screen_no_recipient",),
        SCREEN,
        (_STAGE,),
        session="part",
        session_by="client",
        finding=("no-recipient", "warning", "the client sent data without a valid recipient"),
    ),
    Kind("screen_stress", ("screen_stress",), SCREEN),
    Kind(
        "screen_command_replaced",
        ("screen_command_replaced",),
        SCREEN,
        may_refuse=True,
        session="part",
        session_by="client",
    ),
    Kind("screen_ehlo_discarded", ("screen_ehlo_discarded",), SCREEN, session="part", session_by="client"),
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
