"""Transactions: what was refused, what was accepted and not sent, and a message that breaks the rules."""

from __future__ import annotations

from collections.abc import Iterator

from smtplog.smtp.checks.seen import Check, Seen, said, words
from smtplog.smtp.dialogue import Answer, Conversation, Kind, Mail, Step
from smtplog.smtp.replies import OUT_OF_ORDER

_LONGEST_COMMAND = 510
_LONGEST_LOGIN = 12288
_LONGEST_LOCAL, _LONGEST_DOMAIN = 64, 255


def refused(talk: Conversation) -> Iterator[Seen]:
    """RFC 5321 s.3.3, s.4.2.1: 5yz for good, 4yz for now, wherever it was said."""
    for mail in talk.mails:
        if mail.answer is not None and mail.answer.code >= 400 and mail.answer.code != OUT_OF_ORDER:
            yield _refusal(mail.answer, "sender-refused")
        for rcpt in mail.rcpts:
            if rcpt.answer is not None and rcpt.answer.code >= 400 and rcpt.answer.code != OUT_OF_ORDER:
                yield _refusal(rcpt.answer, "recipient-refused")
        for answer in [*([mail.data] if mail.data and mail.accepted else []), *mail.ends]:
            if answer.code >= 400:
                yield _refusal(answer, "message-refused")


def _refusal(answer: Answer, code: str) -> Seen:
    is_for_now = answer.code // 100 == 4
    return Seen("try-later" if is_for_now else code, answer.line, words(answer), words(answer))


def outcome(talk: Conversation) -> Iterator[Seen]:
    """RFC 5321 s.6.1, RFC 1047: accepted and never sent, no answer to the end, one better off than another."""
    taken = {rcpt.address for mail in talk.mails for rcpt in mail.rcpts if rcpt.outcome == "accepted"}
    for mail in talk.mails:
        has_refused = any(r.answer is not None and r.answer.code >= 400 for r in mail.rcpts)
        for rcpt in mail.rcpts:
            if rcpt.outcome == "not_sent":
                is_harmless = mail.is_withdrawn and (not has_refused or rcpt.address in taken)
                code = "recipient-withdrawn" if is_harmless else "accepted-not-sent"
                yield Seen(code, rcpt.line, rcpt.evidence, rcpt.address or "a recipient")
        unknown = [r for r in mail.rcpts if r.outcome == "unknown" and r.stage == "end_of_data"]
        if unknown:
            why = "the connection ended before the reply" if talk.closed_by else "the transcript ends before the reply"
            yield Seen("outcome-unknown", mail.end_line or mail.line, unknown[0].evidence, why)
        kinds = {r.outcome for r in mail.rcpts} & {"accepted", "rejected", "deferred"}
        if len(kinds) > 1:
            counts = ", ".join(f"{sum(r.outcome == k for r in mail.rcpts)} {k}" for k in sorted(kinds))
            yield Seen("mixed-outcome", mail.line, "", counts)
        if talk.protocol == "lmtp" and mail.ends and len(mail.ends) != max(len(mail.accepted), 1):
            yield Seen(
                "lmtp-count", mail.ends[-1].line, words(mail.ends[-1]), f"{len(mail.ends)} for {len(mail.accepted)}"
            )


def text(talk: Conversation) -> Iterator[Seen]:
    """RFC 5321 s.4.5.2 dots, s.4.5.3.1.6 length, RFC 6152 octets beyond ASCII, s.2.3.8 line ends."""
    for mail in talk.mails:
        if mail.unstuffed is not None:
            yield Seen("dot-stuffing", mail.unstuffed.line, mail.unstuffed.text[:80])
        if mail.longest is not None:
            yield Seen("line-too-long", mail.longest.line, mail.longest.text[:80], str(len(mail.longest.text)))
        if mail.eight_bit is not None and not _declares(mail, "8BITMIME", "BINARYMIME"):
            yield Seen("8bit-undeclared", mail.eight_bit.line, mail.eight_bit.text[:80])
    for event in talk.events:
        if event.kind is Kind.NOTE and event.text in {"line feed", "carriage return"}:
            yield Seen("bare-line-feed", event.line, "", event.text)


def _declares(mail: Mail, *bodies: str) -> bool:
    return any(
        (p.name == "BODY" and (p.value or "").upper() in bodies) or p.name == "SMTPUTF8" for p in mail.parameters
    )


def lengths(talk: Conversation) -> Iterator[Seen]:
    """RFC 5321 s.4.5.3.1: command lines, local parts, domains."""
    for step in talk.steps:
        size = len(step.text.encode("utf-8", "replace"))
        if size > (_LONGEST_LOGIN if step.verb == "AUTH" else _LONGEST_COMMAND):
            yield Seen("command-too-long", step.line, said(step)[:80], str(size))
    for address, line in (one for mail in talk.mails for one in _addresses(mail)):
        local, _, domain = address.rpartition("@")
        if len(local.encode("utf-8", "replace")) > _LONGEST_LOCAL or len(domain) > _LONGEST_DOMAIN:
            told = f"{len(local)} octets before the @, {len(domain)} behind it"
            yield Seen("address-too-long", line, address[:80], told)


def _addresses(mail: Mail) -> list[tuple[str, int]]:
    """Sender and recipients, each with its line."""
    return [(mail.sender or "", mail.line), *((rcpt.address or "", rcpt.line) for rcpt in mail.rcpts)]


def utf8(talk: Conversation) -> Iterator[Seen]:
    """RFC 6531 s.3.4: an address beyond ASCII needs SMTPUTF8 at MAIL."""
    for mail in talk.mails:
        if any(p.name == "SMTPUTF8" for p in mail.parameters):
            continue
        for address, line in _addresses(mail):
            if not address.isascii():
                yield Seen("utf8-address", line, address, address)


def chunks(talk: Conversation) -> Iterator[Seen]:
    """RFC 3030 s.2, s.3: BDAT after a failure, BDAT and DATA together, binary with DATA."""
    by_mail: dict[int, list[Step]] = {}
    for step in talk.steps:
        if step.mail is not None and step.verb in {"BDAT", "DATA"}:
            by_mail.setdefault(id(step.mail), []).append(step)
    for mail in talk.mails:
        steps = by_mail.get(id(mail), [])
        bdats = [step for step in steps if step.verb == "BDAT"]
        datas = [step for step in steps if step.verb == "DATA"]
        failed = next((step for step in bdats if step.code >= 400), None)
        after = next((step for step in bdats if failed is not None and step.line > failed.line), None)
        if after is not None:
            yield Seen("bdat-after-failure", after.line, said(after))
        if bdats and datas:
            yield Seen("bdat-with-data", max(bdats[0].line, datas[0].line), said(datas[0]))
        if datas and any(p.name == "BODY" and (p.value or "").upper() == "BINARYMIME" for p in mail.parameters):
            yield Seen("binarymime-with-data", datas[0].line, said(datas[0]))


def smuggled(talk: Conversation) -> Iterator[Seen]:
    """CVE-2023-51764 and its kin: commands of a second transaction straight behind the end of the first message."""
    for mail in talk.mails:
        if mail.is_smuggled:
            yield Seen("smuggling", mail.line, f"line {mail.line}", "MAIL stood right behind the end of a message")
    for mark in talk.marks:
        if mark.code == "surplus-reply" and mark.value == "DATA" and not talk.is_one_sided:
            yield Seen("smuggling", mark.line, mark.evidence, "more replies came behind the message than were owed")


CHECKS: tuple[Check, ...] = (refused, outcome, text, lengths, utf8, chunks, smuggled)
