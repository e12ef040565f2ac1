"""What a check hands back, and small questions that several checks ask."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import NamedTuple

from smtplog.smtp.dialogue import Answer, Conversation, Step
from smtplog.smtp.replies import one_line


class Seen(NamedTuple):
    """A finding's code, its line, the evidence and what goes into its message."""

    code: str
    line: int
    evidence: str
    value: str = ""


Check = Callable[[Conversation], Iterator[Seen]]


def words(answer: Answer) -> str:
    """A reply on one line: code, enhanced code, text."""
    return one_line(answer.reply.code, answer.reply.enhanced_code, answer.reply.text)


def said(step: Step) -> str:
    """The command line as evidence; the greeting has none."""
    if step.verb == "AUTH":
        return f"AUTH {step.argument or ''}".strip()
    return step.text


def offered(talk: Conversation, place: int) -> dict[str, str] | None:
    """EHLO keywords in force at a step, None where they are not known."""
    offer = talk.offers.get(place)
    return None if offer is None else {p.name: p.value or "" for p in offer}


def seconds_between(step: Step, answer: Answer) -> float | None:
    """How long a reply took, None without times."""
    if step.clock is None or answer.clock is None:
        return None
    return answer.clock - step.clock
