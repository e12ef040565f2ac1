"""One dialogue for eyes: who said what, what was answered, how long it took, what is the matter, what became of each.

Everything that came from outside is made harmless first: a terminal never gets a control character out of a transcript.
"""

from __future__ import annotations

from collections.abc import Iterator

from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from smtplog.contract.records import Exchange, Finding, Reply, Session, Transaction, TransactionRecipient
from smtplog.show.render import harmless
from smtplog.smtp.replies import one_line

_BY_FIRST_DIGIT = {2: "green", 3: "cyan", 4: "yellow", 5: "red"}
_BY_SEVERITY = {"error": "bold red", "warning": "yellow", "info": "cyan"}
_SIGNS = {"error": "✗", "warning": "!", "info": "·"}
_BY_OUTCOME = {
    "accepted": ("green", "✓"),
    "rejected": ("red", "✗"),
    "deferred": ("yellow", "…"),
    "not_sent": ("red", "–"),
    "unknown": ("magenta", "?"),
}
_WORDS = {
    "accepted": "accepted: the server took responsibility",
    "rejected": "refused for good",
    "deferred": "refused for now: try again",
    "not_sent": "accepted, but the message was never sent",
    "unknown": "nobody knows: no answer",
}
_LONG_GAP_S = 1.0
_MOST_LINES = 12
"""Lines of one reply that are shown; an EHLO list is seldom longer."""


def render(session: Session) -> RenderableType:
    """What `smtplog transcript` prints for one session: a heading, the dialogue, the verdict per recipient.

    Findings stand under the exchange that their line belongs to; those of no line stand at the end.
    """
    findings = list(session.findings or [])
    body = Table.grid(padding=(0, 1))
    for _ in range(3):
        body.add_column(overflow="fold")
    before = None
    for exchange, found in _with_findings(session, findings):
        gap = (exchange.at - before).total_seconds() if exchange.at and before else None
        if gap is not None and gap >= _LONG_GAP_S:
            body.add_row("", "", Text(f"… {gap:.1f} s", style="dim"))
        before = exchange.at or before
        for row in _exchange(exchange):
            body.add_row(*row)
        for finding in found:
            body.add_row("", "", _finding(finding))
    rest = [_finding(finding) for finding in findings if finding.evidence_line is None]
    return Group(_heading(session), body, *rest, *_verdicts(session))


def plain(text: str | None) -> str:
    """Text that a terminal only shows; nothing for None."""
    return harmless(text or "")


def _heading(session: Session) -> Text:
    server = plain(session.server_name or session.server_ip or "server")
    port = f":{session.server_port}" if session.server_port else ""
    out = Text()
    out.append(f"{plain(session.helo or 'client')} → {server}{port}", style="bold")
    facts = [
        plain(session.protocol),
        "TLS" + (f" {plain(session.tls.version)}" if session.tls.version else "") if session.tls else "no TLS seen",
        f"form {plain(session.form)}" if session.form else "",
        f"directions {session.confidence:.0%} sure" if session.confidence is not None else "",
        f"line {session.line}",
    ]
    out.append("  " + ", ".join(filter(None, facts)), style="dim")
    return out


def _with_findings(session: Session, findings: list[Finding]) -> Iterator[tuple[Exchange, list[Finding]]]:
    """Every exchange with the findings about it, what is about none of them with the last; none twice."""
    exchanges = session.exchanges or []
    left = [finding for finding in findings if finding.evidence_line is not None]
    for i, exchange in enumerate(exchanges):
        mine: dict[str, Finding] = {}
        for finding in left:
            if _is_about(finding, exchange):
                mine.setdefault(f"{finding.code} {finding.evidence}", finding)
        left = [finding for finding in left if all(finding is not one for one in mine.values())]
        yield exchange, [*mine.values(), *(left if i == len(exchanges) - 1 else ())]


def _is_about(finding: Finding, exchange: Exchange) -> bool:
    """Is the evidence this command or one of these replies?"""
    evidence = (finding.evidence or "").upper()
    said = f"{exchange.verb or ''} {exchange.argument or ''}".strip().upper()
    if not evidence:
        return False
    if exchange.verb and (
        evidence.startswith(said) or (said.startswith(evidence) and len(evidence) >= len(exchange.verb))
    ):
        return True
    return any(evidence == _words(reply).upper() for reply in exchange.replies)


def _words(reply: Reply) -> str:
    return one_line(reply.code, reply.enhanced_code, reply.text)


def _exchange(exchange: Exchange) -> Iterator[tuple[RenderableType, RenderableType, RenderableType]]:
    """The command beside its first reply, further replies below."""
    said = Text()
    if exchange.verb is not None:
        said.append(plain(exchange.verb) or "(empty line)", style="bold blue")
        said.append(f" {plain(exchange.argument)}" if exchange.argument else "")
    lock = Text("TLS" if exchange.is_tls else "", style="green")
    replies = [_reply(reply) for reply in exchange.replies] or [Text("(no answer)", style="magenta")]
    yield Text("→ ", style="blue").append_text(said) if exchange.verb is not None else Text(""), lock, replies[0]
    for reply in replies[1:]:
        yield "", "", reply


def _reply(reply: Reply) -> Text:
    style = _BY_FIRST_DIGIT.get((reply.code or 0) // 100, "")
    lines = (reply.text or "").split("\n")
    out = Text("← ", style=style)
    out.append(" ".join(str(part) for part in (reply.code, reply.enhanced_code) if part), style=f"bold {style}".strip())
    out.append(f" {plain(lines[0])}", style=style)
    for line in lines[1:_MOST_LINES]:
        out.append(f"\n      {plain(line)}", style=style)
    if len(lines) > _MOST_LINES:
        out.append(f"\n      … {len(lines) - _MOST_LINES} lines more", style="dim")
    return out


def _finding(finding: Finding) -> RenderableType:
    style = _BY_SEVERITY.get(finding.severity, "")
    out = Text(f"{_SIGNS.get(finding.severity, '·')} {finding.code}", style=style)
    out.append(f"  {plain(finding.message)}")
    if finding.evidence_line:
        out.append(f" (line {finding.evidence_line})", style="dim")
    return Group(out, Padding(Text(plain(finding.hint), style="dim"), (0, 0, 0, 4))) if finding.hint else out


def _verdicts(session: Session) -> Iterator[RenderableType]:
    transactions = session.transactions or []
    if not any(transaction.recipients for transaction in transactions):
        yield Text("No recipient was named.", style="dim")
        return
    yield Text("")
    for n, transaction in enumerate(transactions, 1):
        yield _message(transaction, n if len(transactions) > 1 else None)
        for recipient in transaction.recipients:
            yield _verdict(recipient)


def _message(transaction: Transaction, number: int | None) -> Text:
    out = Text(f"Message {number}" if number else "Message", style="bold")
    sender = "(masked)" if transaction.sender_is_redacted else transaction.sender
    out.append(f" from {plain('<>' if sender == '' else sender or '(not known)')}")
    if transaction.subject:
        out.append(f", subject {plain(transaction.subject)!r}")
    if transaction.next_queue_id:
        out.append(f", queued there as {plain(transaction.next_queue_id)}")
    return out


def _verdict(recipient: TransactionRecipient) -> RenderableType:
    style, sign = _BY_OUTCOME.get(recipient.outcome, ("", "·"))
    who = "(masked)" if recipient.is_redacted else plain(recipient.address) or "(not known)"
    out = Text(f"{who}: ", style=f"bold {style}".strip())
    out.append(_WORDS.get(recipient.outcome, plain(recipient.outcome)), style=style)
    if recipient.stage:
        out.append(f", at {recipient.stage.replace('_', ' ')}", style="dim")
    if recipient.reply is not None:
        out.append(f": {plain(_words(recipient.reply))}")
    row = Table.grid(padding=(0, 1))
    row.add_row(Text(f"  {sign}", style=f"bold {style}".strip()), out)
    return row
