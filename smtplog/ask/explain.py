"""One pasted text -> why it failed: a reply, a log line or a transcript."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from smtplog.ask import diagnose
from smtplog.ask.diagnose import Diagnosis
from smtplog.contract.records import Event, Reply, Session
from smtplog.formats import all_formats
from smtplog.read import dialogue, rows
from smtplog.read.clock import Clock


@dataclass(frozen=True)
class Answer:
    """A diagnosis and what it is about."""

    about: str
    """`reply`, `log line` or `transcript`."""
    diagnosis: Diagnosis
    recipient: str | None = None
    status: str | None = None


def explain(
    text: str, *, relay: str | None = None, stage: str | None = None, rules: Path | None = None
) -> list[Answer]:
    """Find out what a text is and diagnose it; one answer for each failure in it.

    Args:
        text: a reply, log lines (one a line) or a transcript.
        relay: the host that answered, when known.
        stage: the SMTP stage, when known.
        rules: a file of further rules.

    Returns:
        At least one answer, unless all that the text reports went well.

    Raises:
        QueryError: the rules file cannot be used.
    """
    known = diagnose.load_rules(rules)
    if dialogue.likelihood(text) >= 0.5:
        found = [answer for session in dialogue.sessions(text) for answer in _session(session, relay, known)]
        if found:
            return found
    expected = all_formats()
    events = [rows.event(line, expected, Clock()) for line in text.splitlines() if line.strip()]
    mine = [event for event in events if isinstance(event, Event)]
    if mine:
        return [answer for event in mine if (answer := _event(event, relay, stage, known))]
    found_reply = diagnose.reply(text.strip(), relay_name=relay, stage=stage, rules=known)
    return [] if found_reply.reply_code and found_reply.reply_code < 400 else [Answer("reply", found_reply)]


def _event(event: Event, relay: str | None, stage: str | None, rules: diagnose.RuleSet) -> Answer | None:
    text = event.detail or event.reply_text
    if text is None or event.status in diagnose.SUCCESSES:
        return None
    found = diagnose.reply(
        text, relay_name=relay or event.relay_name, stage=stage or event.stage, enhanced_code=event.enhanced_code,
        reply_code=event.reply_code, status=event.status, rules=rules,
    )  # fmt: skip
    return Answer("log line", found, event.recipient, event.status)


def _session(session: Session, relay: str | None, rules: diagnose.RuleSet) -> Iterator[Answer]:
    host = relay or session.server_name
    for transaction in session.transactions or []:
        for one in transaction.recipients:
            if one.outcome in ("rejected", "deferred") and one.reply:
                found = diagnose.reply(
                    _text(one.reply), relay_name=host, stage=one.stage,
                    enhanced_code=one.reply.enhanced_code, reply_code=one.reply.code, rules=rules,
                )  # fmt: skip
                yield Answer("transcript", found, one.address, one.outcome)
    if not session.transactions:
        for exchange in session.exchanges or []:
            for reply in exchange.replies:
                if (reply.code or 0) >= 400:
                    found = diagnose.reply(_text(reply), relay_name=host, reply_code=reply.code, rules=rules)
                    yield Answer("transcript", found)


def _text(reply: Reply) -> str:
    return "\n".join(reply.lines or []) or reply.text or ""


def explain_jsonl(lines: Iterable[str], rules: diagnose.RuleSet | None = None) -> Iterator[str]:
    """JSON objects in, one diagnosis per line out, in the same order.

    Args:
        lines: each a JSON object with `reply` and optionally `relay_name`, `stage`, `enhanced_code`, `reply_code`,
            `status`.
        rules: what `load_rules` returned; default: the built-in rules.

    Yields:
        The fields of `Diagnosis`; for a line that cannot be read, an object whose `error` says why.
    """
    for number, line in enumerate(lines, 1):
        yield json.dumps(_explained(line, number, rules), ensure_ascii=False)


def _explained(line: str, number: int, rules: diagnose.RuleSet | None) -> dict[str, Any]:
    try:
        asked = json.loads(line)
    except ValueError as error:
        return {"error": f"line {number} is no JSON: {error}"}
    if not isinstance(asked, dict) or not isinstance(asked.get("reply"), str):
        return {"error": f"line {number}: an object with a text `reply` is needed"}
    context = {k: asked.get(k) for k in ("relay_name", "stage", "enhanced_code", "reply_code", "status")}
    wrong = [k for k, v in context.items() if v is not None and not isinstance(v, int if k == "reply_code" else str)]
    if wrong:
        return {"error": f"line {number}: {wrong[0]} is to be {'a number' if wrong[0] == 'reply_code' else 'a text'}"}
    return asdict(diagnose.reply(asked["reply"], rules=rules, **context))
