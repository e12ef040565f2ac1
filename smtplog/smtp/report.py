"""A conversation as parts of a session record: what the contract asks for, with the secrets taken out.

Masking happens here, once, on everything that leaves: arguments, replies, evidence. Nothing else decides what is shown.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Any

from smtplog.contract.records import (
    CommandCount,
    Exchange,
    Finding,
    Record,
    Reply,
    Tls,
    Transaction,
    TransactionRecipient,
)
from smtplog.smtp import checks, commands, message, outcome, secrets
from smtplog.smtp.dialogue import Answer, Conversation, Mail, Rcpt, Step


def parts(talk: Conversation, *, show_secrets: bool = False) -> dict[str, Any]:
    """The fields of a `Session` that a dialogue tells, by name.

    What the dialogue does not tell is absent or None: whoever has a log session beside it keeps its own values.
    Provenance, the key, the form and the confidence are the caller's.
    """
    cover = _Cover(talk, show_secrets=show_secrets)
    opened, closed = _times(talk)
    return {
        "opened_at": opened,
        "closed_at": closed,
        "duration_s": (closed - opened).total_seconds() if opened and closed else None,
        "protocol": _protocol(talk),
        "server_name": talk.server_name,
        "server_ip": talk.server_ip,
        "server_port": talk.server_port,
        "client_ip": talk.client_ip,
        "helo": talk.helo,
        "tls": Tls.model_validate(talk.tls or {}) if talk.is_tls else None,
        "auth": [a.model_copy(update={"reply": cover(a.reply)}) for a in talk.auth],
        "extensions": talk.extensions,
        "commands": _counts([step for step in talk.steps if not step.is_unheard]),
        "transactions": [_transaction(talk, mail, cover) for mail in talk.mails],
        "closed_by": talk.closed_by,
        "exchanges": [_exchange(step, cover) for step in talk.steps if not step.is_unheard],
        "findings": [_covered(finding, cover) for finding in checks.findings(talk)],
        "is_partial": not talk.has_greeting or (talk.is_cut and talk.closed_by in {None, "quit"}) or talk.is_one_sided,
    }


def plain(value: Any) -> Any:
    """Records as plain values, all the way down."""
    if isinstance(value, list):
        return [plain(item) for item in value]
    return value.model_dump() if isinstance(value, Record) else value


_MOST_SECRETS = 400
"""Spellings that are looked for in every text; what AUTH itself carried is never shown, however many there are."""


class _Cover:
    """Masks the secrets of one conversation in any text."""

    def __init__(self, talk: Conversation, *, show_secrets: bool) -> None:
        self.show = show_secrets
        self.secrets: list[str] = []
        found: dict[str, None] = {}
        if not show_secrets:
            for step in talk.steps:
                if step.said:
                    found.update(dict.fromkeys(secrets.hidden(step.said, step.login.user if step.login else None)))
            self.secrets = sorted(found, key=len, reverse=True)[:_MOST_SECRETS]

    def __call__(self, text: str | None) -> str | None:
        if text is None or self.show:
            return text
        return secrets.without(text, self.secrets)

    def reply(self, answer: Answer) -> Reply:
        """A reply without secrets."""
        reply = answer.reply
        if self.show:
            return reply
        lines = [self(line) or "" for line in reply.lines or []]
        return Reply(code=reply.code, enhanced_code=reply.enhanced_code, text=self(reply.text), lines=lines)


def _protocol(talk: Conversation) -> str | None:
    if talk.protocol is None and any(step.verb == "EHLO" for step in talk.steps):
        return "esmtp"
    return talk.protocol


def _times(talk: Conversation) -> tuple[datetime | None, datetime | None]:
    first = talk.first.at if talk.first else None
    last = talk.last.at if talk.last else None
    return first, last if first else None


def _argument(step: Step, cover: _Cover) -> str | None:
    if step.verb != "AUTH":
        return cover(step.argument)
    said = step.said if cover.show else [secrets.MASK] * step.has_initial
    return " ".join(filter(None, [step.argument, *said])) or None


def _exchange(step: Step, cover: _Cover) -> Exchange:
    return Exchange(
        verb=cover(step.verb),
        argument=_argument(step, cover),
        replies=[cover.reply(answer) for answer in step.answers],
        at=step.at,
        is_tls=step.is_tls,
    )


def _counts(steps: Iterable[Step]) -> list[CommandCount]:
    """How often each verb was used, in the order of first use; what is no verb is `unknown`, as Postfix counts it."""
    counts: dict[str, list[int]] = {}
    for step in steps:
        if step.verb is None:
            continue
        count = counts.setdefault(step.verb.lower() if step.verb in commands.VERBS else "unknown", [0, 0])
        count[0] += step.is_good and not (step.verb == "DATA" and step.code == 354)
        count[1] += 1
    return [CommandCount(verb=verb, ok=ok, total=total) for verb, (ok, total) in counts.items()]


def _recipient(rcpt: Rcpt, cover: _Cover) -> TransactionRecipient:
    return TransactionRecipient(
        address=rcpt.address,
        is_redacted=rcpt.is_redacted,
        parameters=rcpt.parameters or None,
        outcome=rcpt.outcome,
        stage=rcpt.stage,
        reply=cover.reply(rcpt.deciding) if rcpt.deciding else None,
    )


def _transaction(talk: Conversation, mail: Mail, cover: _Cover) -> Transaction:
    facts = message.facts(mail.body, mail.body_lines) if mail.body_lines else None
    decisive = mail.deciding(talk.protocol)
    return Transaction(
        sender=mail.sender,
        sender_is_redacted=mail.sender_is_redacted,
        parameters=mail.parameters or None,
        recipients=[_recipient(rcpt, cover) for rcpt in outcome.in_order(mail)],
        recipients_are_complete=not mail.is_head_missing and not talk.is_one_sided,
        message_id=cover(facts.message_id) if facts else None,
        subject=cover(facts.subject) if facts else None,
        header_count=facts.header_count if facts else None,
        body_line_count=facts.body_line_count if facts else None,
        size_bytes=commands.declared_size(mail.parameters),
        next_queue_id=message.next_queue_id(mail.taken.reply.text) if mail.taken else None,
        reply=cover.reply(decisive) if decisive else None,
    )


def _covered(finding: Finding, cover: _Cover) -> Finding:
    return finding.model_copy(update={"evidence": cover(finding.evidence), "message": cover(finding.message)})
