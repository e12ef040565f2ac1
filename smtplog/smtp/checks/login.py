"""Logins: refused, tried again and again, in clear, readable in the transcript (RFC 4954)."""

from __future__ import annotations

from collections.abc import Iterator

from smtplog.smtp import secrets
from smtplog.smtp.checks.seen import Check, Seen, said, words
from smtplog.smtp.dialogue import Conversation, Step

_KINDS = {
    "XOAUTH2": "token",
    "OAUTHBEARER": "token",
    "CRAM-MD5": "answer to a challenge",
    "DIGEST-MD5": "answer to a challenge",
}


def _logins(talk: Conversation) -> list[Step]:
    return [step for step in talk.steps if step.verb == "AUTH"]


def refused(talk: Conversation) -> Iterator[Seen]:
    """RFC 4954 s.6: a login that was refused; one bad password tried with several mechanisms."""
    bad = [step for step in _logins(talk) if step.code >= 400]
    for step in bad:
        yield Seen("auth-failed", step.answers[-1].line, words(step.answers[-1]), words(step.answers[-1]))
    for step in _logins(talk):
        if not step.answers and step.login is not None and step.login.outcome == "rejected":
            yield Seen("auth-failed", step.line, said(step), "the log says so and hides the reply")
    mechanisms = list(dict.fromkeys(step.argument for step in bad if step.argument))
    if len(mechanisms) > 1:
        yield Seen("auth-cascade", bad[0].line, said(bad[0]), ", ".join(mechanisms))
    if bad and not any(step.code == 235 for step in _logins(talk)):
        after = next((s for s in talk.steps if s.verb == "MAIL" and s.line >= bad[-1].line), None)
        if after is not None:
            yield Seen("auth-fail-ignored", after.line, said(after))


def exposed(talk: Conversation) -> Iterator[Seen]:
    """RFC 4954 s.4, s.9: a password on the wire without TLS; a secret that the transcript shows."""
    for step in _logins(talk):
        if step.argument in {"PLAIN", "LOGIN"} and not step.is_tls and not talk.is_tls:
            yield Seen("auth-in-clear", step.line, said(step), f"AUTH {step.argument}")
        if any(not secrets.is_masked(text) and text != "*" for text in _secret_part(step)):
            yield Seen("credential-exposed", step.line, said(step), _KINDS.get(step.argument or "", "password"))


def _secret_part(step: Step) -> list[str]:
    """What of an AUTH exchange is the secret: of LOGIN the second answer, of the others everything."""
    return step.said[1:] if step.argument == "LOGIN" else step.said


def wanted(talk: Conversation) -> Iterator[Seen]:
    """RFC 3207 s.4, RFC 4954 s.6: 530 and 538 want TLS or a login first."""
    for step in talk.steps:
        for answer in step.answers:
            if answer.code in {530, 538} and step.verb is not None:
                text = words(answer)
                wants_tls = (
                    "TLS" in text.upper() or "SSL" in text.upper() or "encrypt" in text.lower() or answer.code == 538
                )
                yield Seen("need-tls" if wants_tls else "need-auth", answer.line, text, text)


CHECKS: tuple[Check, ...] = (refused, exposed, wanted)
