"""The machine itself: one token after the other changes the state of one conversation."""

from __future__ import annotations

from smtplog.contract.records import Reply
from smtplog.smtp import commands, outcome, secrets
from smtplog.smtp.dialogue import Answer, Conversation, Event, Kind, Step, Token
from smtplog.smtp.machine.state import State
from smtplog.smtp.machine.verbs import ON, SAY
from smtplog.smtp.replies import parts

_ONLY = {354: frozenset({"DATA"}), 221: frozenset({"QUIT"}), 235: frozenset({"AUTH"}), 334: frozenset({"AUTH"})}
"""Codes that answer only one command: they find it in the queue even where replies before it are missing."""

_MOST_OUTSTANDING = 300
"""Commands without an answer that are waited for."""

_NEW_GREETING = frozenset({"STARTTLS", "XCLIENT"})


def is_open(text: str) -> bool:
    """Does the last line of this reply promise another one?"""
    last = text[text.rfind("\n") + 1 :]
    return last[:3].isdecimal() and last[3:4] == "-"


class Machine(State):
    """One conversation under way."""

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
        is_hello = token.kind is Kind.CLIENT and token.text[:4].upper() in commands.HELLOS and token.text[4:5] == " "
        return is_hello and self.is_over and not self.in_data

    # -- tokens

    def take(self, i: int) -> None:
        """Take the token at place i."""
        token = self.tokens[i]
        talk = self.talk
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
                pass  # only that there was a message is known
            case Kind.TLS:
                talk.is_tls = True
                outcome.note_tls(talk, token.text)
                self._event(token)
            case Kind.AUTH:
                self.told_login(token.text)
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
        self.talk.events.append(Event(token.kind, token.text, token.line, awaiting))

    # -- the server

    def _server(self, token: Token) -> None:
        self.taken += 1
        lines = token.text.split("\n")
        found = parts(token.text)
        reply = Reply(code=found.code, enhanced_code=found.enhanced_code, text=found.text, lines=lines)
        answer = Answer(reply, token.line, token.at, token.clock, is_cut=is_open(token.text))
        if any(line[:3] != lines[0][:3] for line in lines if line[:3].isdecimal()):
            self.mark("reply-code-changes", token.line, token.text)
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
                self.mark("early-talker", self.talk.steps[0].line, self.talk.steps[0].text)
            self.talk.steps.insert(0, step)
            return step
        only = _ONLY.get(code)
        if only and any(step.verb in only and not step.is_end for step in queue):
            while queue[0].verb not in only or queue[0].is_end:
                queue.popleft()
        elif self.in_data and not (queue and queue[0].owed):
            self.end_of_data(answer.line)
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
        elif answer.code in {221, 421} or not talk.steps or not self.client_spoke:
            step = Step(None, None, answer.line, is_tls=talk.is_tls, answers=[answer], owed=0)
            talk.steps.append(step)
            self._answered(step, answer)
        else:
            last = talk.steps[-1]
            is_same = bool(last.answers) and last.answers[-1].is_cut
            if is_same:  # the reply goes on, with another code
                last.answers[-1].is_cut = False
                self.mark("reply-code-changes", answer.line, answer.reply.text or "")
            last.answers.append(answer)
            if talk.has_greeting and not is_same:
                self.mark("surplus-reply", answer.line, answer.reply.text or "", last.verb or "")

    def _answered(self, step: Step, answer: Answer) -> None:
        """What a reply changes."""
        talk, code = self.talk, answer.code
        step.is_after_end = False
        if code == 221:
            talk.closed_by = talk.closed_by or "quit"
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
        handler = ON.get(step.verb)
        if handler is not None:
            handler(self, step, answer)

    # -- the client

    def _client(self, i: int, token: Token) -> None:
        text = token.text
        if self.chunk is not None and self.chunk_left > 0 and not self._shows_no_chunk(text):
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
            self.end_of_data(token.line)
            return
        self.keep(mail, token.text[1:] if token.text.startswith("..") else token.text)
        outcome.look_at(mail, token)

    def _shows_no_chunk(self, text: str) -> bool:
        """A command right behind BDAT: the octets are not in the transcript."""
        assert self.chunk is not None  # noqa: S101 - the caller looked
        mail = self.chunk.mail
        is_first = mail is None or not mail.body_lines
        if is_first and text.upper().startswith(("QUIT", "RSET", "BDAT ")):
            self.chunk = None
            return True
        return False

    def _chunk_line(self, text: str) -> None:
        """A line of a chunk: BDAT counts octets, dots mean nothing (RFC 3030 s.2)."""
        assert self.chunk is not None  # noqa: S101 - the caller looked
        mail = self.chunk.mail
        size = len(text.encode("utf-8", "replace")) + 2
        if mail is not None:
            self.keep(mail, text)
        self.chunk_left -= size
        if self.chunk_left <= 0:
            over = -self.chunk_left
            if over > 2:
                self.mark("bdat-count", self.chunk.line, self.chunk.text, str(over))
            if over:  # what is over is read as a command: an empty line, or the rest of a line
                self.queue.append(Step("", None, self.chunk.line, is_maybe=True))
            self.chunk = None

    def _command(self, i: int, token: Token) -> None:
        found = commands.command(token.text)
        talk = self.talk
        verb = found.verb if found else token.text.strip().split(" ", 1)[0].upper()
        step = Step(verb, found.argument if found else None, token.line, token.text, token.at, token.clock)
        step.is_tls = talk.is_tls
        step.is_after_end = self.is_over
        self.check_group(step)
        talk.offers[len(talk.steps)] = self.offered
        talk.steps.append(step)
        if len(self.queue) >= _MOST_OUTSTANDING:  # nobody pipelines so many: the answers are not in the transcript
            self.queue.popleft()
        handler = SAY.get(verb)
        if handler is not None:
            handler(self, step, i)
        self.queue.append(step)

    # -- small things

    def finish(self) -> list[Conversation]:
        """The conversation, with outcomes; nothing when nobody spoke."""
        talk = self.talk
        if not talk.steps and not talk.events:
            return []
        for step in self.queue:
            if step.verb == "AUTH":
                self.login(step, None, None)
        is_open = self.mail is not None and not self.mail.is_over and not self.is_over
        talk.is_cut = self.in_data or is_open or any(not step.is_maybe for step in self.queue)
        outcome.decide(talk, is_in_data=self.in_data)
        return [talk]
