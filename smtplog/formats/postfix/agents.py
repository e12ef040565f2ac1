"""The delivery agents: smtp, lmtp, local, virtual, pipe, error, discard, retry."""

from __future__ import annotations

from smtplog.formats.base import Constant, Lookup, Step, fixed, kind
from smtplog.formats.postfix.words import (
    ANSWER,
    ATTEMPT,
    FILTER_DISCARDED,
    HANDSHAKE,
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

DELIVERIES = (
    fixed("delivery", by=("smtp",), steps=_BY_SMTP, hot=True, message="part", delivers=True),
    fixed("delivery", by=("lmtp",), steps=_BY_LMTP, hot=True, message="part", delivers=True),
    fixed(
        "delivery", "delivery_here", by=(*LOCAL_AGENTS, *SMTP, *OLD_AGENTS), steps=_BY_THIS_HOST,
        hot=True, message="part", delivers=True,
    ),
)  # fmt: skip
"""The hot ones: they come before everything else."""

_EVERYBODY = (*SMTP, *LOCAL_AGENTS, *OLD_AGENTS)
_TLS_CLIENTS = (*SMTP, "tlsproxy")

KINDS = (
    kind("server_greeting", by=SMTP, session="start", dialogue="client"),
    kind("server_goodbye", by=SMTP, session="end", dialogue="client"),
    kind("server_dialogue", "dialogue_server", by=SMTP, session="part", dialogue="client"),
    fixed("probe", by=_EVERYBODY, steps=ATTEMPT, message="part"),
    kind(
        "delivery", "delivery_old", "delivery_plain", "delivery_bare",
        by=_EVERYBODY, steps=_OLD, message="part", delivers=True,
    ),
    fixed("tls_to", by=_TLS_CLIENTS, steps=HANDSHAKE, hot=True),
    kind("tls_to", "tls_to_sni", "tls_to_old", by=_TLS_CLIENTS, steps=HANDSHAKE),
    kind("connect_failed", "connect_failed", "connect_failed_path", by=SMTP),
    kind("server_said", by=SMTP, steps=(*WHERE, *ANSWER), message="part", is_attempt=True),
    kind("server_refused", by=SMTP, steps=WHERE, message="part", is_attempt=True),
    fixed("server_lost", by=SMTP, steps=WHERE, message="part", is_attempt=True),
    fixed("server_timed_out", by=SMTP, steps=WHERE, message="part", is_attempt=True),
    fixed("server_tls_failed", by=SMTP, message="part"),
    fixed("server_auth_failed", "server_sasl_failed", "server_sasl_impossible", by=SMTP, message="part"),
    kind("tls_connect_error", by=_TLS_CLIENTS, steps=(Constant("tls_call", "SSL_connect error"),)),
    fixed("certificate_unverified", by=_TLS_CLIENTS),
    kind("pix_workaround", "pix_workaround", "pix_workaround_old", by=SMTP, message="part"),
    fixed("line_broken", by=SMTP, message="part"),
    fixed("utf8_without_8bit", by=SMTP),
    fixed("starttls_offered", by=SMTP),
    fixed("passed_on", by=(*SMTP, *LOCAL_AGENTS), message="part"),
    fixed("tlsrpt", by=_TLS_CLIENTS),
    fixed("tls_setup_to", by=_TLS_CLIENTS),
    kind("smtp_check", by=SMTP, message="part"),
)  # fmt: skip
