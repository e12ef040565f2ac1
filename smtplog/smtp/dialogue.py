"""The words of a dialogue: tokens that come in, steps and transactions that the state machine makes of them.

A token is one thing one side said, or one thing that happened. Where it stood in the input and when travel with it, so
that whatever is found later can name its line. Session in the sense of RFC 5321 s.3.1, transaction of s.3.3.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from enum import Enum

from smtplog.contract.records import Auth, Parameter, Reply

_FEWEST_ALONE = 3
"""Commands that nobody says without an answer."""


class Kind(Enum):
    """Who spoke, or what happened."""

    OPEN = "open"
    """A connection begins."""
    SERVER = "server"
    """A line of the server's, or the lines of a whole reply joined by a line feed."""
    CLIENT = "client"
    """A line of the client's: command, answer to a challenge, or line of the message; the machine knows which."""
    BODY = "body"
    """Message text of which only the fact (`208 bytes`) is known."""
    TLS = "tls"
    """From here on the connection is encrypted."""
    AUTH = "auth"
    """How a login ended that the transcript hides: `accepted` or `rejected`."""
    CLOSED = "closed"
    """The connection ended: `client`, `server` or nothing known."""
    TIMEOUT = "timeout"
    """Somebody waited in vain."""
    NOTE = "note"
    """Words about the dialogue."""


@dataclass(frozen=True, slots=True)
class Token:
    """One token of a dialogue.

    Attributes:
        kind: who spoke or what happened.
        text: what was said, without marks and line ends.
        line: physical line it began in, from 1; 0 when there is none.
        at: when, where the input says so with a date.
        clock: seconds on some clock, for distances between tokens only.
        is_tls: whether the input marks this as encrypted; None when it does not say.
    """

    kind: Kind
    text: str = ""
    line: int = 0
    at: datetime | None = None
    clock: float | None = None
    is_tls: bool | None = None


@dataclass(slots=True)
class Answer:
    """One reply and where it stood."""

    reply: Reply
    line: int
    at: datetime | None = None
    clock: float | None = None
    is_cut: bool = False
    """Its last line promised another one."""

    @property
    def code(self) -> int:
        """Its code, 0 when it has none."""
        return self.reply.code or 0


@dataclass(slots=True)
class Rcpt:
    """One RCPT command of a transaction."""

    address: str | None
    is_redacted: bool
    parameters: list[Parameter]
    line: int
    evidence: str
    answer: Answer | None = None
    outcome: str = "unknown"
    stage: str | None = None
    deciding: Answer | None = None

    @property
    def is_accepted(self) -> bool:
        """The server said yes to the address."""
        return self.answer is not None and 200 <= self.answer.code < 300


@dataclass(slots=True)
class Mail:
    """One transaction as it grows."""

    sender: str | None
    sender_is_redacted: bool
    parameters: list[Parameter]
    line: int
    answer: Answer | None = None
    rcpts: list[Rcpt] = field(default_factory=list)
    data: Answer | None = None
    """The answer to DATA when it was not 354."""
    has_data: bool = False
    """The message began to flow: 354 was said, or a chunk was sent."""
    is_ended: bool = False
    """The end of the message was sent."""
    is_over: bool = False
    ends: list[Answer] = field(default_factory=list)
    """Replies to the end of data; in LMTP one for every accepted recipient."""
    body: list[str] = field(default_factory=list)
    """Lines of the message, dot-stuffing taken off; of a long one only the first."""
    body_lines: int = 0
    is_smuggled: bool = False
    """Its MAIL was sent behind the end of a message without waiting for the reply."""
    is_head_missing: bool = False
    """MAIL itself is not in the input."""
    is_withdrawn: bool = False
    """The client took it back before the message: RSET, another EHLO, another MAIL (RFC 5321 s.4.1.1.5, s.4.1.4)."""
    before: Mail | None = None
    """The transaction that was open when its MAIL was said."""
    longest: Token | None = None
    """A line longer than the RFC allows."""
    eight_bit: Token | None = None
    unstuffed: Token | None = None
    """A line that begins with one dot, which the protocol would have doubled."""
    end_line: int = 0
    data_step: Step | None = None
    """The DATA command, whose exchange the replies to the end of data belong to."""

    @property
    def taken(self) -> Answer | None:
        """The reply by which the server took responsibility for the message."""
        return next((answer for answer in self.ends if answer.code // 100 == 2), None)

    def deciding(self, protocol: str | None) -> Answer | None:
        """The reply that stands for all to the end of data: the last; in LMTP, where each is one recipient's, one that took it."""
        last = self.ends[-1] if self.ends else None
        return (self.taken or last) if protocol == "lmtp" else last

    @property
    def accepted(self) -> list[Rcpt]:
        """Recipients the server said yes to, in order."""
        return [r for r in self.rcpts if r.is_accepted]

    @property
    def withdrawn(self) -> list[Rcpt]:
        """Those of them that the client took back, so that they are recipients of nothing."""
        return self.accepted if self.is_withdrawn else []


@dataclass(slots=True)
class Step:
    """One command and what answered it; verb None for the greeting."""

    verb: str | None
    argument: str | None
    line: int
    text: str = ""
    at: datetime | None = None
    clock: float | None = None
    is_tls: bool = False
    answers: list[Answer] = field(default_factory=list)
    mail: Mail | None = None
    rcpt: Rcpt | None = None
    owed: int = 1
    """Replies still awaited."""
    is_end: bool = False
    """Stands for the lone dot: its answers belong to DATA's exchange."""
    is_maybe: bool = False
    """Stands for an empty line that a server may or may not answer."""
    is_nested: bool = False
    """A MAIL inside an open transaction."""
    is_after_end: bool = False
    """Said after QUIT was answered, after 421, or after the connection was gone."""
    said: list[str] = field(default_factory=list)
    """What AUTH carried: initial response and answers to challenges. Secret."""
    has_initial: bool = False
    login: Auth | None = None

    @property
    def is_unheard(self) -> bool:
        """Said into a connection that was gone: nobody answered, so it is a finding and no exchange."""
        return self.is_after_end and not self.answers

    @property
    def code(self) -> int:
        """Code of its last reply, 0 without one."""
        return self.answers[-1].code if self.answers else 0

    @property
    def is_good(self) -> bool:
        """Its last reply was positive (2yz, 3yz)."""
        return 200 <= self.code < 400


@dataclass(slots=True)
class Event:
    """Something that happened between the commands."""

    kind: Kind
    text: str
    line: int
    awaiting: str | None = None
    """The verb that had no answer yet; `.` for the end of data."""


@dataclass(slots=True)
class Mark:
    """A finding's code where the machine itself saw it."""

    code: str
    line: int
    evidence: str
    value: str = ""


@dataclass(slots=True)
class Conversation:
    """One session as the machine saw it: everything records and findings are made of."""

    line: int = 0
    steps: list[Step] = field(default_factory=list)
    mails: list[Mail] = field(default_factory=list)
    events: list[Event] = field(default_factory=list)
    marks: list[Mark] = field(default_factory=list)
    auth: list[Auth] = field(default_factory=list)
    extensions: list[Parameter] | None = None
    offers: dict[int, list[Parameter] | None] = field(default_factory=dict)
    """Position in `steps` -> EHLO keywords in force at that step."""
    helo: str | None = None
    protocol: str | None = None
    server_name: str | None = None
    client_ip: str | None = None
    server_ip: str | None = None
    server_port: int | None = None
    tls: dict[str, str | int] | None = None
    is_tls: bool = False
    closed_by: str | None = None
    has_greeting: bool = False
    is_one_sided: bool = False
    is_cut: bool = False
    first: Token | None = None
    last: Token | None = None

    @property
    def is_dialogue(self) -> bool:
        """More than one line that happens to look like a command."""
        return any(step.answers for step in self.steps) or len(self.steps) > 1 or bool(self.steps and self.events)

    @property
    def hides_replies(self) -> bool:
        """Only the client's side was written down: nobody goes on like this without an answer."""
        return len(self.steps) >= _FEWEST_ALONE and not any(step.answers for step in self.steps)
