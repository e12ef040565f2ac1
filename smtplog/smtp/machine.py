"""The state machine of SMTP: tokens in, conversations out (RFC 5321 s.3, s.4.1.4; RFC 2920; RFC 3030; RFC 2033).

Replies are paired with commands by a queue, never by who stands beside whom: with PIPELINING several commands are
under way at once. What the client says after 354 is the message, whatever it looks like, until the lone dot; after
BDAT n it is n octets. Where a transcript leaves things out (no message text, no dot, no QUIT, a cut head) the machine
goes on from what the codes allow: 354 answers only DATA, 221 only QUIT, 235 and 334 only AUTH.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable

from smtplog.contract.records import Auth, Reply
from smtplog.smtp import commands, onesided, outcome, secrets
from smtplog.smtp.dialogue import Answer, Conversation, Event, Kind, Mail, Mark, Rcpt, Step, Token
from smtplog.smtp.replies import parts

_ONLY = {354: frozenset({"DATA"}), 221: frozenset({"QUIT"}), 235: frozenset({"AUTH"}), 334: frozenset({"AUTH"})}
"""Codes that answer only one command: they find it in the queue even where replies before it are missing."""

_NEW_GREETING = frozenset({"STARTTLS", "XCLIENT"})
_FEWEST_ALONE = 3
"""Replies that must be there before anything is told from them alone."""
_LONGEST_HELD = 10_000
"""Lines of a message that are kept to read its header; the rest is only counted."""


def run(tokens: Iterable[Token]) -> list[Conversation]:
    """Take dialogues through the states.

    Args:
        tokens: in order, of one connection or of several one after the other. Server lines may come one by one or as
            whole replies joined by a line feed.

    Returns:
        One conversation per connection. Any order of tokens is taken; what breaks the rules is in `marks`.

    Cost: linear in the number of tokens.
    """
    found: list[Conversation] = []
    merged = _merged(tokens)
    replies = [i for i, token in enumerate(merged) if token.kind is Kind.SERVER]
    machine, start = _Machine(merged, replies), 0
    for i in range(len(merged)):
        if machine.ends_before(merged[i]):
            found += _finished(machine, merged[start:i])
            machine, start = _Machine(merged, replies, machine.taken), i
        machine.take(i)
    return found + _finished(machine, merged[start:])


def _finished(machine: _Machine, tokens: list[Token]) -> list[Conversation]:
    """The conversation; where only the server was heard, once more with what it must have been asked."""
    heard = sum(token.kind is Kind.SERVER for token in tokens)
    if machine.client_spoke or heard < _FEWEST_ALONE:
        return machine.finish()
    whole = onesided.completed(tokens)
    again = _Machine(whole, [i for i, token in enumerate(whole) if token.kind is Kind.SERVER])
    for i in range(len(whole)):
        again.take(i)
    again.talk.is_one_sided = True
    return again.finish()


def _merged(tokens: Iterable[Token]) -> list[Token]:
    """Lines of one reply become one token (RFC 5321 s.4.2.1); words in between stay behind it."""
    out: list[Token] = []
    open_at: int | None = None
    grown: list[str] = []

    def close() -> None:
        nonlocal open_at
        if open_at is not None and len(grown) > 1:
            t = out[open_at]
            out[open_at] = Token(t.kind, "\n".join(grown), t.line, t.at, t.clock, t.is_tls)
        open_at = None

    for token in tokens:
        if token.kind is Kind.NOTE:
            out.append(token)
            continue
        if token.kind is Kind.SERVER and open_at is not None and token.text[:3] == grown[-1][:3]:
            grown.append(token.text)
        else:
            close()
            out.append(token)
            if token.kind is Kind.SERVER:
                open_at, grown = len(out) - 1, [token.text]
        if token.kind is Kind.SERVER and not _is_open(token.text):
            close()
    close()
    return out


def _is_open(text: str) -> bool:
    """Does the last line of this reply promise another one?"""
    last = text[text.rfind("\n") + 1 :]
    return last[:3].isdigit() and last[3:4] == "-"


class _Machine:
    """One conversation under way."""

    def __init__(self, tokens: list[Token], replies: list[int], taken: int = 0) -> None:
        self.tokens = tokens
        self.replies = replies
        self.taken = taken
        """How many of `replies` have been seen."""
        self.talk = Conversation()
        self.queue: deque[Step] = deque()
        self.mail: Mail | None = None
        self.in_data = False
        self.chunk: Step | None = None
        self.chunk_left = 0
        self.challenge: Step | None = None
        self.offered: list[commands.Parameter] | None = None
        self.is_over = False
        self.client_spoke = False

    # -- where one session ends and the next begins

    def ends_before(self, token: Token) -> bool:
        """Does this token open another connection?"""
        talk = self.talk
        if not talk.steps:
            return False
        if token.kind is Kind.OPEN:
            return True
        if token.kind is Kind.SERVER and token.text.startswith("220") and not self.in_data:
            is_asked = any(step.verb in _NEW_GREETING for step in self.queue)
            if is_asked or (not self.client_spoke and "TLS" in token.text.upper()):
                return False
            return talk.has_greeting or any(step.answers for step in talk.steps)
        is_hello = token.kind is Kind.CLIENT and token.text[:5].upper() in {"EHLO ", "HELO ", "LHLO "}
        return is_hello and self.is_over and not self.in_data

    # -- tokens

    def take(self, i: int) -> None:
        """Take the token at place i."""
        token = self.tokens[i]
        talk = self.talk
        talk.tokens += 1
        talk.first = talk.first or token
        talk.last = token
        talk.line = talk.line or token.line
        if token.is_tls:
            talk.is_tls = True
        match token.kind:
            case Kind.SERVER:
                self._server(token)
            case Kind.CLIENT:
                self._client(i, token)
            case Kind.BODY:
                self._unseen_body()
            case Kind.TLS:
                talk.is_tls = True
                outcome.note_tls(talk, token.text)
                self._event(token)
            case Kind.AUTH:
                self._told_login(token.text)
            case Kind.OPEN:
                outcome.note_peer(talk, token.text)
            case Kind.CLOSED | Kind.TIMEOUT:
                self._event(token)
                self.is_over = bool(talk.steps)
                talk.closed_by = talk.closed_by or ("timeout" if token.kind is Kind.TIMEOUT else token.text or None)
            case Kind.NOTE:
                self._event(token)

    def _event(self, token: Token) -> None:
        waiting = next((step for step in self.queue if step.owed > 0), None)
        awaiting = None if waiting is None else "." if waiting.is_end else waiting.verb
        if self.in_data and awaiting is None:
            awaiting = "."
        self.talk.events.append(Event(token.kind, token.text, token.line, len(self.talk.steps), awaiting))

    # -- the server

    def _server(self, token: Token) -> None:
        self.taken += 1
        lines = token.text.split("\n")
        found = parts(token.text)
        reply = Reply(code=found.code, enhanced_code=found.enhanced_code, text=found.text, lines=lines)
        answer = Answer(reply, token.line, token.at, token.clock, is_cut=_is_open(token.text))
        if any(line[:3] != lines[0][:3] for line in lines if line[:3].isdigit()):
            self._mark("reply-code-changes", token.line, token.text)
        step = self._asked(answer)
        if step is None:
            self._unasked(answer)
            return
        step.answers.append(answer)
        self._answered(step, answer)

    def _asked(self, answer: Answer) -> Step | None:
        """The command this reply belongs to, taken off the queue; None when nothing was asked."""
        code, queue = answer.code, self.queue
        if not self.talk.has_greeting and self._is_greeting(answer):
            self.talk.has_greeting = True
            step = Step(None, None, answer.line, is_tls=self.talk.is_tls, at=answer.at, clock=answer.clock)
            if self.client_spoke:
                self._mark("early-talker", self.talk.steps[0].line, self.talk.steps[0].text)
            self.talk.steps.insert(0, step)
            return step
        only = _ONLY.get(code)
        if only and any(step.verb in only and not step.is_end for step in queue):
            while queue[0].verb not in only or queue[0].is_end:
                queue.popleft()
        elif self.in_data and not (queue and queue[0].owed):
            self._end_of_data(answer.line)
        while queue and queue[0].is_maybe and code not in {500, 501, 502, 503}:
            queue.popleft()
        if not queue:
            return None
        step = queue[0]
        step.owed -= 1
        if step.owed <= 0:
            queue.popleft()
        return step

    def _is_greeting(self, answer: Answer) -> bool:
        steps = self.talk.steps
        if any(step.answers for step in steps) or any(step.verb in _NEW_GREETING for step in self.queue):
            return False
        return answer.code == 220 or (answer.code >= 400 and not steps)

    def _unasked(self, answer: Answer) -> None:
        """A reply to nothing: the server closes (421), the head is missing, or there are more replies than commands."""
        talk = self.talk
        if answer.code == 334:
            step = Step("AUTH", None, answer.line, is_tls=talk.is_tls, answers=[answer], owed=0)
            talk.steps.append(step)
            self._answered(step, answer)
        elif answer.code == 421 or not talk.steps or not self.client_spoke:
            step = Step(None, None, answer.line, is_tls=talk.is_tls, answers=[answer], owed=0)
            talk.steps.append(step)
            self._answered(step, answer)
        else:
            last = talk.steps[-1]
            last.answers.append(answer)
            self._mark("surplus-reply", answer.line, answer.reply.text or "", last.verb or "")

    def _answered(self, step: Step, answer: Answer) -> None:
        """What a reply changes."""
        talk, code = self.talk, answer.code
        if code == 421:
            self.is_over = True
            talk.closed_by = talk.closed_by or "server"
        if step.verb is None:
            if step is talk.steps[0] and code == 220:
                talk.server_name = outcome.first_host(answer.reply.text)
            return
        if step.is_end:
            if step.mail is not None:
                step.mail.ends.append(answer)
                step.mail.is_over = True
                if step.mail.data_step is not None:
                    step.mail.data_step.answers.append(answer)
            return
        if step.is_maybe:
            talk.steps.append(step)
            return
        if step.verb not in commands.VERBS and code in {235, 334, 535}:
            step.said, step.verb, step.argument = [step.text], "AUTH", None
        handler = _ON.get(step.verb)
        if handler is not None:
            handler(self, step, answer)

    def _on_hello(self, step: Step, answer: Answer) -> None:
        if not step.is_good:
            return
        self._drop_mail()
        self.talk.helo = step.argument
        self.talk.protocol = {"EHLO": "esmtp", "LHLO": "lmtp"}.get(step.verb or "", "smtp")
        if step.verb == "HELO":
            self.offered = []
        else:
            self.offered = commands.keywords((answer.reply.text or "").split("\n"))
            self.talk.extensions = self.offered
        self.talk.server_name = self.talk.server_name or outcome.first_host(answer.reply.text)

    def _on_starttls(self, step: Step, answer: Answer) -> None:
        if answer.code == 220:
            self.talk.is_tls = True
            self.offered = None  # RFC 3207 s.4.2: what was known before is forgotten
            self.talk.tls = self.talk.tls or {}
            step.owed = 0

    def _on_auth(self, step: Step, answer: Answer) -> None:
        if answer.code == 334:
            self.challenge = step
            return
        self.challenge = None
        self._login(step, "accepted" if answer.code == 235 else "rejected", answer.reply.text)

    def _on_mail(self, step: Step, answer: Answer) -> None:
        if step.mail is not None:
            step.mail.answer = answer
            if answer.code >= 400:
                step.mail.is_over = True
                if self.mail is step.mail and not self.queue:
                    self.mail = None

    def _on_rcpt(self, step: Step, answer: Answer) -> None:
        if step.rcpt is not None:
            step.rcpt.answer = answer

    def _on_data(self, step: Step, answer: Answer) -> None:
        mail = step.mail
        if answer.code == 354:
            if mail is None:
                mail = step.mail = self._unseen_mail(step)
            mail.has_data, mail.data_step = True, step
            if not mail.is_ended:
                self.in_data = True
                self.mail = mail
        elif mail is not None:
            mail.data = answer
            self.in_data = False
            mail.is_over = True
            self.mail = None

    def _on_bdat(self, step: Step, answer: Answer) -> None:
        if step.mail is not None and ("LAST" in (step.argument or "").upper() or answer.code >= 400):
            step.mail.ends.append(answer)

    def _on_rset(self, step: Step, answer: Answer) -> None:
        if step.is_good:
            self.chunk = None

    def _on_quit(self, step: Step, answer: Answer) -> None:  # noqa: ARG002 - one signature for all
        self.is_over = True
        self.talk.closed_by = "quit"

    # -- the client

    def _client(self, i: int, token: Token) -> None:
        text = token.text
        if self.chunk is not None and self.chunk_left > 0:
            self._chunk_line(text)
        elif self.in_data and not self._is_quit_answered(i, text):
            self._data_line(token)
        elif self.challenge is not None:
            self._login_answer(self.challenge, text)
        elif self._is_hidden_answer(text):
            self.queue[-1].said.append(text)
        elif text.strip():
            self.client_spoke = True
            self._command(i, token)

    def _is_quit_answered(self, i: int, text: str) -> bool:
        """QUIT where a message was awaited, answered 221: the transcript left the message and its reply out."""
        if text.strip().upper() != "QUIT" or i + 1 >= len(self.tokens):
            return False
        after = self.tokens[i + 1]
        if after.kind is Kind.SERVER and after.text.startswith("221"):
            self.in_data = False
            return True
        return False

    def _is_hidden_answer(self, text: str) -> bool:
        """An answer to a challenge that the transcript does not show."""
        if not self.queue or self.queue[-1].verb != "AUTH" or commands.is_certain(text):
            return False
        word = text.strip()
        return secrets.is_masked(word) or secrets.is_base64(word) or word == "*"

    def _login_answer(self, step: Step, text: str) -> None:
        step.said.append(text.strip())
        self.challenge = None
        step.owed = 1
        self.queue.append(step)

    def _data_line(self, token: Token) -> None:
        mail = self.mail
        if mail is None:
            self.in_data = False
            return
        if token.text.rstrip() == ".":
            self._end_of_data(token.line, is_shown=True)
            return
        mail.octets += len(token.text.encode("utf-8", "replace")) + 2
        self._keep(mail, token.text[1:] if token.text.startswith("..") else token.text)
        outcome.look_at(mail, token)

    def _keep(self, mail: Mail, text: str) -> None:
        mail.body_lines += 1
        if len(mail.body) < _LONGEST_HELD:
            mail.body.append(text)

    def _unseen_body(self) -> None:
        if self.in_data and self.mail is not None:
            self.mail.has_unseen_body = True

    def _end_of_data(self, line: int, *, is_shown: bool = False) -> None:
        """The message is complete: one reply is owed, in LMTP one per accepted recipient (RFC 2033 s.4.2)."""
        self.in_data = False
        mail = self.mail
        if mail is None:
            return
        mail.is_ended, mail.end_line = True, line
        mail.is_end_shown = is_shown
        waiting = sum(step.rcpt is not None and step.rcpt.answer is None for step in self.queue)
        owed = len(mail.accepted) + waiting if self.talk.protocol == "lmtp" else 1
        self.queue.append(Step("DATA", None, line, owed=max(owed, 1), mail=mail, is_end=True))
        self.mail = None

    def _chunk_line(self, text: str) -> None:
        """A line of a chunk: BDAT counts octets, dots mean nothing (RFC 3030 s.2)."""
        assert self.chunk is not None  # noqa: S101 - the caller looked
        mail = self.chunk.mail
        size = len(text.encode("utf-8", "replace")) + 2
        if mail is not None:
            mail.octets += min(size, self.chunk_left)
            self._keep(mail, text)
        self.chunk_left -= size
        if self.chunk_left <= 0:
            over = -self.chunk_left
            if over > 2:
                self._mark("bdat-count", self.chunk.line, self.chunk.text, str(over))
            if over:  # what is over is read as a command: an empty line, or the rest of a line
                self.queue.append(Step("", None, self.chunk.line, is_maybe=True))
            self.chunk = None

    def _command(self, i: int, token: Token) -> None:
        found = commands.command(token.text)
        talk = self.talk
        verb = found.verb if found else token.text.strip().split(" ", 1)[0].upper()
        step = Step(verb, found.argument if found else None, token.line, token.text, token.at, token.clock)
        step.is_tls = talk.is_tls
        step.waited = not self.queue
        step.is_after_end = self.is_over
        talk.offers[len(talk.steps)] = self.offered
        talk.steps.append(step)
        handler = _SAY.get(verb)
        if handler is not None:
            handler(self, step, i)
        self.queue.append(step)

    def _say_hello(self, step: Step, i: int) -> None:  # noqa: ARG002
        self.talk.helo = self.talk.helo or step.argument
        if step.verb == "LHLO":
            self.talk.protocol = "lmtp"

    def _say_auth(self, step: Step, i: int) -> None:  # noqa: ARG002
        mechanism, _, initial = (step.argument or "").partition(" ")
        step.argument = mechanism.upper() or None
        if initial.strip():
            step.said.append(initial.strip())
            step.has_initial = True

    def _say_mail(self, step: Step, i: int) -> None:  # noqa: ARG002
        path = commands.path("MAIL", step.argument)
        mail = Mail(path.address, path.is_redacted, list(path.parameters), step.line)
        if self.mail is not None and not self.mail.is_over and self.mail.rcpts:
            step.is_nested = True
        self.mail = step.mail = mail
        self.talk.mails.append(mail)

    def _say_rcpt(self, step: Step, i: int) -> None:  # noqa: ARG002
        path = commands.path("RCPT", step.argument)
        step.rcpt = Rcpt(path.address, path.is_redacted, list(path.parameters), step.line, step.text)
        step.mail = self.mail if self.mail is not None and not self.mail.is_ended else None
        if step.mail is None and not any(s.verb == "MAIL" for s in self.talk.steps) and not self.talk.has_greeting:
            step.mail = self._unseen_mail(step)
        if step.mail is not None:
            step.mail.rcpts.append(step.rcpt)

    def _say_data(self, step: Step, i: int) -> None:
        step.mail = self.mail
        if step.mail is None and not self.talk.has_greeting and not self.talk.mails:
            step.mail = self._unseen_mail(step)
        if step.mail is not None:
            step.mail.data_step = step
        ahead = self.taken + sum(s.owed for s in self.queue if not s.is_maybe)
        code = self.tokens[self.replies[ahead]].text[:3] if ahead < len(self.replies) else ""
        if not self.queue and code:
            return  # its reply decides, when it comes
        is_message = code == "354" or (not code and self._looks_like_message(i))
        if is_message and step.mail is not None:
            self.in_data = True

    def _looks_like_message(self, i: int) -> bool:
        """No reply is shown: is what follows a message rather than commands?"""
        if i + 1 >= len(self.tokens) or self.tokens[i + 1].kind is not Kind.CLIENT:
            return False
        return not commands.is_certain(self.tokens[i + 1].text)

    def _say_bdat(self, step: Step, i: int) -> None:  # noqa: ARG002
        words = (step.argument or "").split()
        size = int(words[0]) if words and words[0].isdigit() and len(words[0]) < 12 else 0
        step.mail = self.mail
        if self.mail is None:
            return
        self.mail.has_data = True
        self.chunk, self.chunk_left = step, size
        self.mail.is_ended = self.mail.is_ended or "LAST" in (step.argument or "").upper()

    def _say_rset(self, step: Step, i: int) -> None:  # noqa: ARG002
        self._drop_mail()

    # -- small things

    def _unseen_mail(self, step: Step) -> Mail:
        """A transaction whose MAIL is not shown."""
        self.mail = Mail(None, False, [], step.line)
        self.mail.is_head_missing = True
        self.talk.mails.append(self.mail)
        return self.mail

    def _drop_mail(self) -> None:
        if self.mail is not None:
            self.mail.is_over = True
        self.mail = None

    def _told_login(self, how: str) -> None:
        step = next((s for s in self.queue if s.verb == "AUTH"), None)
        if step is not None:
            self.queue.remove(step)
            self._login(step, how or None, None)

    def _login(self, step: Step, result: str | None, words: str | None) -> None:
        name = secrets.user(step.argument, step.said)
        step.login = Auth(mechanism=step.argument, user=name, outcome=result, reply=words)
        self.talk.auth.append(step.login)

    def _mark(self, code: str, line: int, evidence: str, value: str = "") -> None:
        self.talk.marks.append(Mark(code, line, evidence, value))

    def finish(self) -> list[Conversation]:
        """The conversation, with outcomes; nothing when nobody spoke."""
        talk = self.talk
        if not talk.steps and not talk.events:
            return []
        for step in self.queue:
            if step.verb == "AUTH":
                self._login(step, None, None)
        talk.is_cut = self.in_data or bool(self.queue) or not self.is_over
        outcome.decide(talk, is_in_data=self.in_data)
        return [talk]


_SAY: dict[str, Callable[[_Machine, Step, int], None]] = {
    "EHLO": _Machine._say_hello,
    "HELO": _Machine._say_hello,
    "LHLO": _Machine._say_hello,
    "AUTH": _Machine._say_auth,
    "MAIL": _Machine._say_mail,
    "RCPT": _Machine._say_rcpt,
    "DATA": _Machine._say_data,
    "BDAT": _Machine._say_bdat,
    "RSET": _Machine._say_rset,
    "QUIT": _Machine._say_rset,
}
"""What a command changes when it is sent."""

_ON: dict[str, Callable[[_Machine, Step, Answer], None]] = {
    "EHLO": _Machine._on_hello,
    "HELO": _Machine._on_hello,
    "LHLO": _Machine._on_hello,
    "STARTTLS": _Machine._on_starttls,
    "AUTH": _Machine._on_auth,
    "MAIL": _Machine._on_mail,
    "RCPT": _Machine._on_rcpt,
    "DATA": _Machine._on_data,
    "BDAT": _Machine._on_bdat,
    "RSET": _Machine._on_rset,
    "QUIT": _Machine._on_quit,
}
"""What its answer changes."""
