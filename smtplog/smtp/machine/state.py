"""What the machine knows while a conversation is under way, and the small steps that commands and replies share."""

from __future__ import annotations

from collections import deque

from smtplog.contract.records import Auth, Parameter
from smtplog.smtp import commands, secrets
from smtplog.smtp.dialogue import Conversation, Kind, Mail, Mark, Step, Token

_LONGEST_HELD = 10_000
"""Lines of a message that are kept to read its header; the rest is only counted."""


class State:
    """One conversation under way."""

    def __init__(self, tokens: list[Token], replies: list[int], taken: int = 0) -> None:
        """Begin with all tokens, the places of replies among them, and how many of these belong to earlier talks."""
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
        self.offered: list[Parameter] | None = None
        self.is_over = False
        self.client_spoke = False

    def unseen_mail(self, step: Step) -> Mail:
        """A transaction whose MAIL is not shown."""
        self.mail = Mail(None, False, [], step.line)
        self.mail.is_head_missing = True
        self.talk.mails.append(self.mail)
        return self.mail

    def drop_mail(self) -> Mail | None:
        """The open transaction is over (RFC 5321 s.4.1.1.5); it, where its message had not begun."""
        mail, self.mail = self.mail, None
        is_open = mail is not None and not (mail.is_over or mail.has_data)
        if mail is not None:
            mail.is_over = True
        return mail if is_open else None

    def mark(self, code: str, line: int, evidence: str, value: str = "") -> None:
        """Remember a finding where it was seen."""
        self.talk.marks.append(Mark(code, line, evidence, value))

    def login(self, step: Step, result: str | None, words: str | None) -> None:
        """A login ended, one way or the other; None where nobody says how."""
        name = secrets.user(step.argument, step.said)
        step.login = Auth(mechanism=step.argument, user=name, outcome=result, reply=words)
        self.talk.auth.append(step.login)

    def told_login(self, how: str) -> None:
        """The log says how a login ended that it does not show."""
        step = next((s for s in self.queue if s.verb == "AUTH"), None)
        if step is not None:
            self.queue.remove(step)
            self.login(step, how or None, None)

    def looks_like_message(self, i: int) -> bool:
        """No reply is shown: is what follows a message rather than commands?"""
        if i + 1 >= len(self.tokens) or self.tokens[i + 1].kind is not Kind.CLIENT:
            return False
        return not commands.is_certain(self.tokens[i + 1].text)

    def check_group(self, step: Step) -> None:
        """RFC 2920 s.3.1: what may be sent while answers are outstanding; RFC 3207 s.6: nothing behind STARTTLS."""
        waiting = [s for s in self.queue if not s.is_maybe]
        if not waiting or self.is_over or (step.verb or "") not in commands.VERBS:
            return
        before = waiting[-1]
        known = commands.VERBS.get(before.verb or "")
        if before.verb == "STARTTLS":
            self.mark("starttls-injection", step.line, step.text, step.verb or "")
        elif known is not None and known.ends_group and not before.is_end and step.verb != "QUIT":
            self.mark("pipelining-violation", step.line, step.text, step.verb or "")
        elif self.offered is not None and all(p.name != "PIPELINING" for p in self.offered) and not before.is_end:
            self.mark("ext-not-offered", step.line, step.text, "PIPELINING")

    def end_of_data(self, line: int) -> None:
        """The message is complete: one reply is owed, in LMTP one per accepted recipient (RFC 2033 s.4.2)."""
        self.in_data = False
        mail = self.mail
        if mail is None:
            return
        mail.is_ended, mail.end_line = True, line
        waiting = sum(step.rcpt is not None and step.rcpt.answer is None for step in self.queue)
        owed = len(mail.accepted) + waiting if self.talk.protocol == "lmtp" else 1
        self.queue.append(Step("DATA", None, line, owed=max(owed, 1), mail=mail, is_end=True))
        self.mail = None

    def keep(self, mail: Mail, text: str) -> None:
        """A line of the message."""
        mail.body_lines += 1
        if len(mail.body) < _LONGEST_HELD:
            mail.body.append(text)
