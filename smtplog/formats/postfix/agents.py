"""The delivery agents: smtp, lmtp, local, virtual, pipe, error, discard, retry."""

from __future__ import annotations

from smtplog.formats.base import Constant, Kind, Lookup, Split, Step
from smtplog.formats.postfix.words import (
    ANSWER,
    ATTEMPT,
    FILTER_DISCARDED,
    LOCAL_AGENTS,
    OLD_AGENTS,
    SMTP,
    WHERE,
)

# What a delivery without a word of failure was: `status` is then still absent.
_DISCARDED = Lookup("reply_text", "status", FILTER_DISCARDED, letters=13)
# An address begins with a digit or a colon, a socket with the name of its folder.
_SOCKET = dict.fromkeys("/plrvs", "delivered")
_BY_SMTP: tuple[Step, ...] = (*ATTEMPT, _DISCARDED, Lookup("relay_ip", "status", _SOCKET, letters=1, default="sent"))
_BY_LMTP: tuple[Step, ...] = (
    *ATTEMPT,
    _DISCARDED,
    Lookup("relay_ip", "status", {"127.": "delivered", "::1": "delivered"}, letters=4),
    Lookup("relay_ip", "status", _SOCKET, letters=1, default="sent"),
)
# src/local/forward.c, alias.c: replaced by other recipients. src/discard/discard.c has no next hop.
_BY_THIS_HOST: tuple[Step, ...] = (
    *ATTEMPT,
    Lookup("detail", "status", {"forwarded as": "expanded", "alias expand": "expanded"}, letters=12),
    _DISCARDED,
    Lookup("relay_name", "status", {"none": "discarded"}, default="delivered"),
)
_OLD: tuple[Step, ...] = (
    *ATTEMPT,
    Lookup("relay_ip", "status", _SOCKET, letters=1),
    Lookup("relay_name", "status", {"none": "discarded", "local": "delivered", "virtual": "delivered"}, default="sent"),
)

_HANDSHAKE: tuple[Step, ...] = (Split("tls_parameters", ("tls_handshake",)),)

DELIVERIES = (
    Kind("delivery", ("delivery",), ("smtp",), _BY_SMTP, hot=True, message="part", delivers=True),
    Kind("delivery", ("delivery",), ("lmtp",), _BY_LMTP, hot=True, message="part", delivers=True),
    Kind(
        "delivery",
        ("delivery_here",),
        (*LOCAL_AGENTS, *SMTP, *OLD_AGENTS),
        _BY_THIS_HOST,
        hot=True,
        message="part",
        delivers=True,
    ),
)
"""The hot ones: they come before everything else."""

KINDS = (
    Kind("server_greeting", ("server_greeting",), SMTP, may_refuse=True, session="start", dialogue="client"),
    Kind("server_goodbye", ("server_goodbye",), SMTP, may_refuse=True, session="end", dialogue="client"),
    Kind("server_dialogue", ("dialogue_server",), SMTP, may_refuse=True, session="part", dialogue="client"),
    Kind("probe", ("probe",), (*SMTP, *LOCAL_AGENTS, *OLD_AGENTS), ATTEMPT, message="part"),
    Kind(
        "delivery",
        ("delivery_old", "delivery_plain", "delivery_bare"),
        (*SMTP, *LOCAL_AGENTS, *OLD_AGENTS),
        _OLD,
        message="part",
        delivers=True,
        may_refuse=True,
    ),
    Kind("tls_to", ("tls_to",), (*SMTP, "tlsproxy"), _HANDSHAKE, hot=True),
    Kind("tls_to", ("tls_to_sni", "tls_to_old"), (*SMTP, "tlsproxy"), _HANDSHAKE, may_refuse=True),
    Kind("connect_failed", ("connect_failed", "connect_failed_path"), SMTP, may_refuse=True),
    Kind("server_said", ("server_said",), SMTP, (*WHERE, *ANSWER), message="part", may_refuse=True),
    Kind("server_refused", ("server_refused",), SMTP, WHERE, message="part", may_refuse=True),
    Kind("server_lost", ("server_lost",), SMTP, WHERE, message="part"),
    Kind("server_timed_out", ("server_timed_out",), SMTP, WHERE, message="part"),
    Kind("server_tls_failed", ("server_tls_failed",), SMTP, message="part"),
    Kind("server_auth_failed", ("server_sasl_failed", "server_sasl_impossible"), SMTP, message="part"),
    Kind(
        "tls_connect_error",
        ("tls_connect_error",),
        (*SMTP, "tlsproxy"),
        (Constant("tls_call", "SSL_connect error"),),
        may_refuse=True,
    ),
    Kind("certificate_unverified", ("certificate_unverified",), (*SMTP, "tlsproxy")),
    Kind("pix_workaround", ("pix_workaround", "pix_workaround_old"), SMTP, message="part", may_refuse=True),
    Kind("line_broken", ("line_broken",), SMTP, message="part"),
    Kind("utf8_without_8bit", ("utf8_without_8bit",), SMTP),
    Kind("starttls_offered", ("starttls_offered",), SMTP),
    Kind("passed_on", ("passed_on",), (*SMTP, *LOCAL_AGENTS), message="part"),
    Kind("tlsrpt", ("tlsrpt",), (*SMTP, "tlsproxy")),
    Kind("tls_setup_to", ("tls_setup_to",), (*SMTP, "tlsproxy")),
    Kind("smtp_check", ("smtp_check",), SMTP, message="part", may_refuse=True),
)
