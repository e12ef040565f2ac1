"""The course of a session: greeting, hello, order, extensions, its end (RFC 5321 s.3, s.4.1.4, s.4.5.3.2; RFC 2920)."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

from smtplog.smtp import commands
from smtplog.smtp.checks.seen import Check, Seen, offered, said, seconds_between, words
from smtplog.smtp.dialogue import Conversation, Kind, Step

_SLOW_GREETING = 30.0
_SLOW_REPLY = 60.0
_WAITS = {"DATA": 120.0, ".": 600.0}
"""How long a client must wait (RFC 5321 s.4.5.3.2): 5 minutes where nothing else is said."""
FILE_ENDINGS = (".eml", ".txt", ".msg", ".mbox", ".html")
_NOT_NOW = frozenset({"AUTH", "STARTTLS", "BDAT"})
_UNKNOWN = frozenset({500, 502})
_PASSED_ON = frozenset({"XFORWARD", "XCLIENT"})
"""Commands of those who pass on what another client said (Postfix XFORWARD_README, XCLIENT_README)."""


def greeting(talk: Conversation) -> Iterator[Seen]:
    """RFC 5321 s.3.1, s.4.3.2: 220, or 554, 521, 421 to refuse."""
    first = talk.steps[0] if talk.steps and talk.has_greeting and talk.steps[0].verb is None else None
    if first is None or not first.answers:
        return
    answer = first.answers[0]
    if answer.code in {554, 521, 421} or answer.code >= 500:
        yield Seen("greeting-refused", answer.line, words(answer), words(answer))
    elif answer.code != 220:
        yield Seen("greeting-bad-code", answer.line, words(answer), str(answer.code))
    begun = talk.first.clock if talk.first and talk.first.kind is Kind.OPEN else None
    if begun is not None and answer.clock is not None and answer.clock - begun > _SLOW_GREETING:
        yield Seen("greeting-slow", answer.line, words(answer), f"{answer.clock - begun:.0f}")


def marks(talk: Conversation) -> Iterator[Seen]:
    """What the machine itself saw on the way."""
    for mark in talk.marks:
        if talk.hides_replies or (mark.code == "surplus-reply" and talk.is_one_sided):
            continue
        value = mark.evidence if mark.code == "surplus-reply" else mark.value
        yield Seen(mark.code, mark.line, mark.evidence, value)


def hello(talk: Conversation) -> Iterator[Seen]:
    """RFC 5321 s.4.1.1.1: the name; s.3.2: the way back to HELO."""
    steps = talk.steps
    back = max((i for i, step in enumerate(steps) if step.verb == "HELO"), default=-1)
    for step in steps[: back + 1]:
        if step.verb == "EHLO" and step.code >= 500:
            yield Seen("ehlo-fallback", step.line, said(step))
    first = next((s for s in steps if s.verb in commands.HELLOS and s.argument), None)
    if first is not None:
        yield from _name(talk, first, (first.argument or "").split()[0])


def _name(talk: Conversation, step: Step, name: str) -> Iterator[Seen]:
    if name.startswith("["):
        yield Seen("helo-literal", step.line, said(step), name)
    elif name.lower().endswith(FILE_ENDINGS):
        yield Seen("helo-file-name", step.line, said(step), name)
    elif "." not in name.rstrip("."):
        yield Seen("helo-not-fqdn", step.line, said(step), name)
    if talk.server_name and name.lower() == talk.server_name.lower() and not _is_inside(talk):
        yield Seen("helo-is-server", step.line, said(step), name)


def _is_inside(talk: Conversation) -> bool:
    """Does one host talk with itself, as a content filter does?"""
    ends = (talk.client_ip or "", talk.server_ip or "")
    return any(step.verb in _PASSED_ON for step in talk.steps) or any(ip.startswith(("127.", "::1")) for ip in ends)


def order(talk: Conversation) -> Iterator[Seen]:
    """RFC 5321 s.4.1.4: each command in its place. Where the head is missing, only what the server says counts."""
    if talk.is_one_sided:
        return
    has_hello = not talk.has_greeting
    for step in talk.steps:
        if step.verb in commands.HELLOS:
            has_hello = True
        why = _misplaced(step, has_hello=has_hello, is_whole=talk.has_greeting)
        if why:
            yield Seen("command-order", step.line, said(step), why)


def _misplaced(step: Step, *, has_hello: bool, is_whole: bool) -> str | None:
    if step.is_after_end:
        return None
    is_told = is_whole or step.code == 503
    rules = (
        (step.verb == "MAIL" and not has_hello, "MAIL before EHLO or HELO"),
        (step.verb == "MAIL" and step.is_nested, "MAIL inside an open transaction"),
        (step.verb == "RCPT" and step.mail is None and is_told, "RCPT without MAIL"),
        (step.verb == "DATA" and step.mail is None and is_told, "DATA without MAIL and RCPT"),
        (step.verb == "DATA" and step.mail is not None and not step.mail.rcpts and is_whole, "DATA without RCPT"),
        (step.verb in _NOT_NOW and step.code == 503, f"{step.verb} at a moment when it is not allowed"),
    )
    return next((words for holds, words in rules if holds), None)


def strange(talk: Conversation) -> Iterator[Seen]:
    """RFC 5321 s.4.2.4: what the server does not know."""
    for step in talk.steps:
        if step.verb and commands.is_http(step.text):
            yield Seen("http-on-smtp", step.line, step.text[:200])
        elif step.verb is not None and step.code in _UNKNOWN and step.verb not in commands.VERBS and not step.said:
            yield Seen("unknown-command", step.line, step.text[:200], step.verb[:40] or "an empty line")


def extensions(talk: Conversation) -> Iterator[Seen]:
    """RFC 5321 s.2.2.1: only what was offered may be used; BODY=BINARYMIME is RFC 3030's."""
    for place, step in enumerate(talk.steps):
        offer = offered(talk, place)
        if offer is None or step.verb is None or talk.is_one_sided:
            continue
        verb = commands.VERBS.get(step.verb)
        if verb and verb.keyword and verb.keyword not in offer and not (step.verb == "STARTTLS" and step.is_tls):
            yield Seen("ext-not-offered", step.line, said(step), step.verb)
        elif (
            step.verb == "AUTH"
            and step.argument
            and offer.get("AUTH")
            and step.argument not in offer["AUTH"].upper().split()
        ):
            yield Seen("ext-not-offered", step.line, said(step), f"the mechanism {step.argument}")
        for name in _parameters(step):
            keyword = commands.MAIL_PARAMETERS.get(name) if step.verb == "MAIL" else commands.RCPT_PARAMETERS.get(name)
            keyword = "BINARYMIME" if name == "BODY=BINARYMIME" else keyword
            if keyword and keyword not in offer:
                yield Seen("ext-not-offered", step.line, said(step), f"the parameter {name}")
        if step.verb == "MAIL":
            yield from _size(step, offer)


def _parameters(step: Step) -> list[str]:
    found = step.rcpt.parameters if step.rcpt else step.mail.parameters if step.mail and step.verb == "MAIL" else []
    return ["BODY=BINARYMIME" if p.name == "BODY" and p.value == "BINARYMIME" else p.name for p in found]


def _size(step: Step, offer: dict[str, str]) -> Iterator[Seen]:
    """RFC 1870 s.6: a declared size above the limit; 0 means no limit."""
    declared = next((p.value for p in step.mail.parameters if p.name == "SIZE"), None) if step.mail else None
    limit = offer.get("SIZE", "")
    if declared and declared.isdecimal() and limit.isdecimal() and 0 < int(limit[:18]) < int(declared[:18]):
        yield Seen("size-over-limit", step.line, said(step), f"{declared} octets, {limit} are allowed")


def encryption(talk: Conversation) -> Iterator[Seen]:
    """RFC 3207 s.4: STARTTLS used, refused, forgotten; RFC 8314 s.3.3: port 465."""
    steps = talk.steps
    for i, step in enumerate(steps):
        if step.verb != "STARTTLS":
            continue
        if step.code >= 400:
            yield Seen("starttls-refused", step.answers[-1].line, words(step.answers[-1]), words(step.answers[-1]))
        elif step.code == 220:
            after = steps[i + 1] if i + 1 < len(steps) else None
            if after is not None and after.verb in {"MAIL", "RCPT", "AUTH", "DATA"}:
                yield Seen("ehlo-missing-after-starttls", after.line, said(after))
        if talk.server_port == 465:
            yield Seen("starttls-on-465", step.line, said(step))
    if all(s.verb != "STARTTLS" for s in steps) and not _is_inside(talk):
        yield from _in_clear(talk)


def _in_clear(talk: Conversation) -> Iterator[Seen]:
    """The first MAIL or AUTH without TLS although STARTTLS had been offered."""
    steps = talk.steps
    for place, step in enumerate(steps):
        if step.verb in {"MAIL", "AUTH"} and not step.is_tls:
            offer = offered(talk, place)
            if offer is not None and "STARTTLS" in offer:
                yield Seen("starttls-not-used", step.line, said(step))
                return


def ending(talk: Conversation) -> Iterator[Seen]:
    """RFC 5321 s.3.8, s.4.1.1.10: how it ended, and what was said afterwards."""
    if talk.hides_replies:
        return
    has_421 = any(step.code == 421 for step in talk.steps)
    has_quit = any(step.verb == "QUIT" and step.answers for step in talk.steps)
    for step in talk.steps:
        if step.is_after_end and not (has_421 and step.verb == "QUIT"):  # to say goodbye is no more than polite
            code = "command-after-421" if has_421 else "command-after-quit" if has_quit else "command-after-end"
            yield Seen(code, step.line, said(step), step.verb or "")
    yield from _broken(talk)
    last = talk.steps[-1] if talk.steps else None
    is_ours = talk.closed_by in {None, "client"} and not has_421 and not talk.is_cut
    is_heard = last is not None and talk.has_greeting and bool(last.answers) and not talk.is_one_sided
    said_quit = any(step.verb == "QUIT" for step in talk.steps)
    if last is not None and is_heard and is_ours and not said_quit and any(step.verb for step in talk.steps):
        yield Seen("no-quit", last.line, said(last))


def _broken(talk: Conversation) -> Iterator[Seen]:
    """The first break or time-out that left a command without its answer."""
    for event in talk.events:
        if event.awaiting is None and not (event.kind is Kind.TIMEOUT and not talk.has_greeting):
            continue
        waiting = "the end of the message" if event.awaiting == "." else event.awaiting or "the greeting"
        if event.kind is Kind.TIMEOUT:
            yield Seen("timeout", event.line, event.text[:200], waiting)
            waited = _told_seconds(event.text)
            if waited is not None and waited < _WAITS.get(event.awaiting or "", 300.0):
                yield Seen("gave-up-early", event.line, event.text[:200], f"{waited} s")
            return
        if event.kind is Kind.CLOSED and event.awaiting != "QUIT":
            yield Seen("connection-lost", event.line, event.text[:200], waiting)
            return


def _told_seconds(text: str) -> int | None:
    """`Timeout (2 secs) waiting`, `no reply in 3 s`: the number before the unit."""
    parts = text.replace("(", " ").replace(")", " ").replace("]", " ").split()
    for number, unit in pairwise(parts):
        if (
            number.isdecimal()
            and len(number) < 6
            and unit.lower().rstrip(".,") in {"s", "sec", "secs", "second", "seconds"}
        ):
            return int(number)
    return None


def waiting(talk: Conversation) -> Iterator[Seen]:
    """RFC 5321 s.4.5.3.2: replies that took long, where there are times; commands that never got one."""
    answered = [i for i, step in enumerate(talk.steps) if step.answers]
    for i, step in enumerate(talk.steps):
        for answer in step.answers[:1]:
            took = seconds_between(step, answer)
            if took is not None and took >= _SLOW_REPLY and step.verb:
                yield Seen("slow-reply", answer.line, words(answer), f"{step.verb} took {took:.0f} s")
        is_followed = bool(answered) and i < answered[-1]
        if step.verb and not step.answers and is_followed and step.login is None and not step.is_maybe:
            yield Seen("missing-reply", step.line, said(step), step.verb)


def partial(talk: Conversation) -> Iterator[Seen]:
    """What the transcript leaves out."""
    if talk.is_one_sided:
        yield Seen("one-sided", talk.line, "", "the server was heard; its replies tell what it was asked")
    elif talk.hides_replies:
        yield Seen("one-sided", talk.line, "", "the client was heard; what it was answered is not known")
    elif not talk.has_greeting:
        yield Seen("transcript-partial", talk.line, "", "begins in the middle of a session")
    elif talk.is_cut and talk.closed_by is None and not any(e.awaiting for e in talk.events if e.kind is Kind.CLOSED):
        yield Seen("transcript-partial", talk.last.line if talk.last else 0, "", "ends before the session does")
    for event in talk.events:
        if event.kind is Kind.NOTE and event.text == "renegotiation":
            yield Seen("renegotiation", event.line, "RENEGOTIATING")
        elif event.kind is Kind.NOTE and event.text == "copies":
            yield Seen("duplicate-copy", event.line, "")


def ports(talk: Conversation) -> Iterator[Seen]:
    """RFC 6409 s.3.1, RFC 8314 s.3.3, RFC 2033 s.5: what a port is for."""
    port = talk.server_port
    login = next((s for s in talk.steps if s.verb == "AUTH"), None)
    sends = next((s for s in talk.steps if s.verb == "MAIL"), None)
    if port in {587, 465} and login is None and sends is not None and sends.is_good:
        yield Seen("submission-without-auth", sends.line, said(sends), str(port))
    if port == 25 and login is not None:
        yield Seen("auth-on-25", login.line, said(login))
    if port == 25 and talk.protocol == "lmtp":
        step = next(s for s in talk.steps if s.verb == "LHLO")
        yield Seen("lmtp-on-25", step.line, said(step))


CHECKS: tuple[Check, ...] = (
    greeting, hello, order, strange, extensions, encryption, waiting, ending, ports, partial, marks,
)  # fmt: skip
