"""A conversation looked over: every check is one function that finds what `findings` has words for."""

from __future__ import annotations

from smtplog.contract.records import Finding
from smtplog.smtp.checks import flow, login, mail, reply
from smtplog.smtp.checks.seen import Check, Seen
from smtplog.smtp.dialogue import Conversation
from smtplog.smtp.findings import finding

CHECKS: tuple[Check, ...] = (*flow.CHECKS, *login.CHECKS, *mail.CHECKS, *reply.CHECKS)
"""Every check, in the order in which a reader would ask."""

_MOST = 200
"""Findings of one session that are told; a broken transcript has no end of them."""


def findings(talk: Conversation) -> list[Finding]:
    """What is the matter with a conversation, in the order of its lines; the same thing is not told twice of a line."""
    return [finding(f.code, f.line, f.evidence, f.value) for f in seen(talk)]


def seen(talk: Conversation) -> list[Seen]:
    """The same, before it is put into words."""
    found: dict[Seen, None] = {}
    for check in CHECKS:
        for one in check(talk):
            found.setdefault(one)
            if len(found) >= _MOST:
                break
    return sorted(found, key=lambda f: f.line)
