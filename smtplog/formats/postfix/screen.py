"""Before smtpd: postscreen with dnsblog and tlsproxy; the services that count and remember: verify, anvil, scache."""

from __future__ import annotations

from functools import partial

from smtplog.formats.base import Constant, Lookup, Split, Step, fixed, kind
from smtplog.formats.postfix.words import HANDSHAKE, REPLY_STATUS, VERB_STAGE, WARNED

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

_part = partial(fixed, by=SCREEN, session="part", session_by="client")
"""What postscreen says while it holds a connection."""
_free = partial(kind, by=SCREEN, session="part", session_by="client")
"""The same with words of the client's."""
_tls = partial(fixed, by=TLSPROXY, session="part", session_by="client")
"""What tlsproxy says of the connection that postscreen holds."""

KINDS = (
    fixed("screen_connect", by=SCREEN, hot=True, session="start", session_by="client"),
    fixed("screen_disconnect", by=SCREEN, hot=True, session="end", session_by="client"),
    fixed("tlsproxy_disconnect", "screen_disconnect", by=TLSPROXY),
    _part("screen_pass", hands_on=True),
    _part("screen_listed", hands_on=True),
    _free("screen_dialogue", "dialogue_screen", dialogue="server"),
    _part("screen_hangup", finding=("hangup", "warning", "the client hung up during the tests")),
    _part("screen_dnsbl", finding=("dnsbl", "warning", "the client stands on DNS blocklists")),
    _part("screen_pregreet", finding=("pregreet", "error", "the client spoke before the greeting")),
    _free("screen_reject", steps=_REFUSAL, delivers=True),
    _part("screen_busy", "screen_busy", "screen_busy_old"),
    _part("screen_limit", finding=("command-limit", "warning", "the client went over a command limit")),
    _free(
        "screen_pipelining",
        steps=(_STAGE,),
        finding=("pipelining", "error", "the client sent commands without waiting"),
    ),
    _free("screen_not_smtp", steps=(_STAGE,), finding=("not-smtp", "error", "the client does not speak SMTP")),
    _free(
        "screen_bare_newline",
        steps=(_STAGE,),
        finding=("bare-newline", "error", "the client ends lines with a bare newline"),
    ),
    _part(
        "screen_no_recipient",
        steps=(_STAGE,),
        finding=("no-recipient", "warning", "the client sent data without a valid recipient"),
    ),
    fixed("screen_stress", by=SCREEN),
    _free("screen_command_replaced"),
    _part("screen_ehlo_discarded"),
    fixed("screen_problem", by=(*SCREEN, "dnsblog"), steps=(WARNED,)),
    kind("cache_cleanup", by=CACHES),
    kind("cache_slow", by=CACHES, steps=(WARNED,)),
    fixed("dnsbl_listed", by=("dnsblog",)),
    fixed("tls_proxy_connect", "proxy_connect", by=TLSPROXY),
    _tls("tlsproxy_tls", "tls_from_peer", steps=HANDSHAKE),
    _tls("tlsproxy_tls_error", "tls_accept_error_peer", steps=(Constant("tls_call", "SSL_accept error"),)),
    _tls("tlsproxy_tls_setup", "tls_setup_from_peer"),
    fixed("tls_handshake_failed", "handshake_failed", by=TLSPROXY),
    kind("anvil_max", by=("anvil",)),
    fixed("anvil_cache", by=("anvil",)),
    fixed("scache_statistics", "scache_hits", "scache_max", "scache_start", by=("scache",)),
)
