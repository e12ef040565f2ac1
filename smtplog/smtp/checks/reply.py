"""Replies: codes that may not answer this command, or contradict each other (RFC 5321 s.4.2, s.4.3.2; RFC 2034)."""

from __future__ import annotations

from collections.abc import Iterator

from smtplog.smtp import commands
from smtplog.smtp.checks.seen import Check, Seen, offered, words
from smtplog.smtp.dialogue import Answer, Conversation, Step
from smtplog.smtp.replies import is_enhanced

_NEVER_ENHANCED = commands.HELLOS | {None, "HELP"}


def unexpected(talk: Conversation) -> Iterator[Seen]:
    """RFC 5321 s.4.3.2: which codes may answer which command; another code of the right class is only odd."""
    for step in talk.steps:
        verb = commands.VERBS.get(step.verb or "")
        if verb is None:
            continue
        for answer in step.answers:
            allowed = verb.good | verb.bad | commands.ANYWHERE | _also(step, answer)
            if answer.code and answer.code not in allowed:
                yield Seen(
                    "unexpected-code", answer.line, words(answer), f"{answer.code} is no usual answer to {step.verb}"
                )


def _also(step: Step, answer: Answer) -> frozenset[int]:
    """Codes of a second answer: the end of data, a challenge; and 250 to QUIT, which many servers say."""
    if step.verb == "DATA" and answer is not step.answers[0]:
        return frozenset({250, 450, 451, 452, 550, 552, 554, 541, 571})
    return {"AUTH": frozenset({334}), "QUIT": frozenset({250})}.get(step.verb or "", frozenset())


def multiline(talk: Conversation) -> Iterator[Seen]:
    """RFC 5321 s.4.2.1: the last line has a blank behind the code."""
    for step in talk.steps:
        for answer in step.answers:
            if answer.is_cut:
                yield Seen("reply-hyphen", answer.line, (answer.reply.lines or [""])[-1])


def enhanced(talk: Conversation) -> Iterator[Seen]:
    """RFC 2034 s.4: same class as the code, on every line the same, on every reply where they are offered."""
    missing: Seen | None = None
    for place, step in enumerate(talk.steps):
        offer = offered(talk, place)
        for answer in step.answers:
            code, status = answer.code, answer.reply.enhanced_code
            if status and code and status[0] != str(code)[0]:
                yield Seen("enhanced-class", answer.line, words(answer), f"{code} and {status}")
            if len(_statuses(answer)) > 1:
                yield Seen("enhanced-mixed", answer.line, words(answer))
            is_due = offer is not None and "ENHANCEDSTATUSCODES" in offer and code // 100 in {2, 4, 5}
            if (
                is_due
                and not status
                and missing is None
                and step.verb not in _NEVER_ENHANCED
                and code not in {220, 221, 214}
            ):
                missing = Seen("enhanced-missing", answer.line, words(answer), f"the reply to {step.verb}")
    if missing is not None:
        yield missing


def _statuses(answer: Answer) -> set[str]:
    found = (line[4:].split(" ", 1)[0] for line in answer.reply.lines or [])
    return {word for word in found if is_enhanced(word)}


CHECKS: tuple[Check, ...] = (unexpected, multiline, enhanced)
