"""What every command changes when it is sent, and what its answer changes.

RFC 5321 s.3.3, s.4.1.1; RFC 3030; RFC 3207; RFC 4954. All functions of a table take the same arguments.
"""

# ruff: noqa: ARG001 - one signature for all functions of a table

from __future__ import annotations

from collections.abc import Callable

from smtplog.smtp import commands, outcome
from smtplog.smtp.dialogue import Answer, Mail, Rcpt, Step
from smtplog.smtp.machine.state import State


def _say_hello(state: State, step: Step, i: int) -> None:
    state.talk.helo = state.talk.helo or step.argument
    if step.verb == "LHLO":
        state.talk.protocol = "lmtp"


def _say_auth(state: State, step: Step, i: int) -> None:
    mechanism, _, initial = (step.argument or "").partition(" ")
    step.argument = mechanism.upper() or None
    if initial.strip():
        step.said.append(initial.strip())
        step.has_initial = True


def _say_mail(state: State, step: Step, i: int) -> None:
    path = commands.path("MAIL", step.argument)
    mail = Mail(path.address, path.is_redacted, list(path.parameters), step.line)
    if state.mail is not None and not state.mail.is_over and state.mail.rcpts:
        step.is_nested = True
        mail.before = state.mail
    mail.is_smuggled = any(s.is_end for s in state.queue) and not state.is_over
    state.mail = step.mail = mail
    state.talk.mails.append(mail)


def _say_rcpt(state: State, step: Step, i: int) -> None:
    path = commands.path("RCPT", step.argument)
    step.rcpt = Rcpt(path.address, path.is_redacted, list(path.parameters), step.line, step.text)
    step.mail = state.mail if state.mail is not None and not state.mail.is_ended else None
    if step.mail is None and not state.talk.mails and not state.talk.has_greeting:
        step.mail = state.unseen_mail(step)
    if step.mail is not None:
        step.mail.rcpts.append(step.rcpt)


def _say_data(state: State, step: Step, i: int) -> None:
    step.mail = state.mail
    if step.mail is None and not state.talk.has_greeting and not state.talk.mails:
        step.mail = state.unseen_mail(step)
    if step.mail is not None:
        step.mail.data_step = step
    ahead = state.taken + sum(s.owed for s in state.queue if not s.is_maybe)
    code = state.tokens[state.replies[ahead]].text[:3] if ahead < len(state.replies) else ""
    if not state.queue and code:
        return  # its reply decides, when it comes
    is_message = code == "354" or (not code and state.looks_like_message(i))
    if is_message and step.mail is not None:
        state.in_data = True


def _say_bdat(state: State, step: Step, i: int) -> None:
    words = (step.argument or "").split()
    size = int(words[0]) if words and words[0].isdecimal() and len(words[0]) < 12 else 0
    step.mail = state.mail
    if state.mail is None:
        return
    state.mail.has_data = True
    state.chunk, state.chunk_left = step, size
    state.mail.is_ended = state.mail.is_ended or "LAST" in (step.argument or "").upper()


def _say_rset(state: State, step: Step, i: int) -> None:
    step.mail = state.drop_mail()


def _on_hello(state: State, step: Step, answer: Answer) -> None:
    if not step.is_good:
        return
    _withdraw(state.drop_mail())
    state.talk.helo = step.argument
    state.talk.protocol = {"EHLO": "esmtp", "LHLO": "lmtp"}.get(step.verb or "", "smtp")
    if step.verb == "HELO":
        state.offered = []
    else:
        state.offered = commands.keywords((answer.reply.text or "").split("\n"))
        state.talk.extensions = state.offered
    state.talk.server_name = state.talk.server_name or outcome.first_host(answer.reply.text)


def _on_starttls(state: State, step: Step, answer: Answer) -> None:
    if answer.code == 220:
        state.talk.is_tls = True
        state.offered = None  # RFC 3207 s.4.2: what was known before is forgotten
        state.talk.tls = state.talk.tls or {}
        step.owed = 0


def _on_auth(state: State, step: Step, answer: Answer) -> None:
    if answer.code == 334:
        state.challenge = step
        return
    state.challenge = None
    state.login(step, "accepted" if answer.code == 235 else "rejected", answer.reply.text)


def _on_mail(state: State, step: Step, answer: Answer) -> None:
    if step.mail is not None:
        step.mail.answer = answer
        if answer.code >= 400:
            step.mail.is_over = True
            if state.mail is step.mail and not state.queue:
                state.mail = step.mail.before  # what was open stays open
        elif step.mail.before is not None:
            step.mail.before.is_over = step.mail.before.is_withdrawn = True


def _on_rcpt(state: State, step: Step, answer: Answer) -> None:
    if step.rcpt is None:
        return
    step.rcpt.answer = answer
    if step.mail is not None and step.mail.data is not None and step.rcpt.is_accepted:
        step.mail.data, step.mail.is_over = None, False  # DATA had come too early, and the transaction goes on


def _on_data(state: State, step: Step, answer: Answer) -> None:
    mail = step.mail
    if answer.code == 354:
        if mail is None:
            mail = step.mail = state.unseen_mail(step)
        mail.has_data, mail.data_step = True, step
        if not mail.is_ended:
            state.in_data = True
            state.mail = mail
    elif mail is not None:
        mail.data = answer
        state.in_data = False
        mail.is_over = True
        if mail.accepted:
            state.mail = None


def _on_bdat(state: State, step: Step, answer: Answer) -> None:
    if state.chunk is step:  # the server has read it all; what is not there, the transcript does not show
        state.chunk = None
    if step.mail is not None and step.argument is None:  # the input does not say which chunk was the last
        step.mail.ends = [answer]
    elif step.mail is not None and ("LAST" in (step.argument or "").upper() or answer.code >= 400):
        step.mail.ends.append(answer)


def _on_rset(state: State, step: Step, answer: Answer) -> None:
    if step.is_good:
        state.chunk = None
        _withdraw(step.mail)


def _withdraw(mail: Mail | None) -> None:
    if mail is not None:
        mail.is_withdrawn = True


def _on_quit(state: State, step: Step, answer: Answer) -> None:
    state.is_over = True
    state.talk.closed_by = "quit"


SAY: dict[str, Callable[[State, Step, int], None]] = {
    "EHLO": _say_hello,
    "HELO": _say_hello,
    "LHLO": _say_hello,
    "AUTH": _say_auth,
    "MAIL": _say_mail,
    "RCPT": _say_rcpt,
    "DATA": _say_data,
    "BDAT": _say_bdat,
    "RSET": _say_rset,
    "QUIT": _say_rset,
}
"""What a command changes when it is sent; the number is its place among the tokens."""

ON: dict[str, Callable[[State, Step, Answer], None]] = {
    "EHLO": _on_hello,
    "HELO": _on_hello,
    "LHLO": _on_hello,
    "STARTTLS": _on_starttls,
    "AUTH": _on_auth,
    "MAIL": _on_mail,
    "RCPT": _on_rcpt,
    "DATA": _on_data,
    "BDAT": _on_bdat,
    "RSET": _on_rset,
    "QUIT": _on_quit,
}
"""What its answer changes."""
