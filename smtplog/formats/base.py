"""What a format is: a value that says which grammar rule reads which entry, and what the entry means.

A format module holds data only; the engines in read/ and join/ do what it says, for one entry and for a million alike.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal

Role = Literal["start", "begin", "part", "end"]
"""What an entry does in the life of a message or of a session; `begin` starts it where nothing came before."""


@dataclass(frozen=True)
class Split:
    """Read a field's text again by finer rules: the first that fits adds its fields."""

    source: str
    rules: tuple[str, ...]
    fine: tuple[str, ...] = ()
    """A text that begins so reports a success: where a question is about failures it need not be read."""
    unless: tuple[str, ...] = ()
    """A fine text is read all the same where it contains one of these words, or this same host said it."""
    is_spent: bool = False
    """The source is no field of its own: it goes once it is read."""


@dataclass(frozen=True, eq=False)
class Lookup:
    """A field's text, or its first `letters` letters, looked up in a table gives another field."""

    source: str
    target: str
    table: Mapping[str, str]
    letters: int | None = None
    default: str | None = None


@dataclass(frozen=True)
class Constant:
    """Every entry of the kind that says nothing else of the field has this value."""

    target: str
    value: str


@dataclass(frozen=True)
class Trim:
    """Take a closing mark off a field's text."""

    source: str
    suffix: str


@dataclass(frozen=True, eq=False)
class Sum:
    """Numbers in several fields, each times its weight, added up; the parts go. Null where all parts are absent."""

    target: str
    parts: Mapping[str, float]


@dataclass(frozen=True)
class Complete:
    """A local part becomes the whole address that stands in another field (`user`, `user@domain`).

    The other field says nothing more then and is absent.
    """

    source: str
    whole: str


@dataclass(frozen=True)
class Each:
    """A field's text becomes the list of all that a rule finds in it, brackets taken off."""

    source: str
    rule: str


@dataclass(frozen=True)
class Replace:
    """Whatever a rule finds in a field's text becomes another text."""

    source: str
    rule: str
    by: str


@dataclass(frozen=True)
class Instead:
    """Where a field is absent, another stands in."""

    target: str
    source: str


Step = Split | Lookup | Constant | Trim | Sum | Complete | Each | Replace | Instead


@dataclass(frozen=True, eq=False)
class Kind:
    """One kind of entry: the rule that reads it, who writes it, what it means.

    `rules` are tried in order; a rule marked in `may_refuse` is one whose free text Lark's lexer cannot give back.
    """

    name: str
    rules: tuple[str, ...]
    services: tuple[str, ...]
    steps: tuple[Step, ...] = ()
    hot: bool = False
    may_refuse: bool = False
    carries_nothing: bool = False
    is_note: bool = False
    """Free text, about a message or under a name: the configuration's words, or such as are not known. Counted apart."""
    message: Role | None = None
    session: Role | None = None
    session_by: Literal["pid", "client", "peer"] = "pid"
    """One process serves one client after another; or many at once, with the help of others, told apart by address and
    port (`client`); or another process takes the connection than serves it: address and port alone, and where no port is
    known the process (`peer`)."""
    hands_on: bool = False
    """The session goes on in another service, whose record it is."""
    delivers: bool = False
    """It reports a delivery attempt; `status` is in the words of the contract, or absent for what is no mail. A list
    `recipients` makes one of each."""
    is_attempt: bool = False
    """One host did not take the message; what comes of its recipients another entry says. Told in the mail's story."""
    for_all: str | None = None
    """The status it gives every recipient that is still open, or the one it names, also by the address it came from;
    `active` undoes `held`."""
    takes_back: tuple[str, ...] = ()
    """With `for_all`: final words of the same delivery run that it takes back."""
    origin: str | None = None
    """Where a message comes from when it starts with this entry."""
    finding: tuple[str, str, str] | None = None
    """Code, severity and message of what such an entry tells about its session."""
    sure: tuple[str, ...] = ()
    """Fields of the message for which its word counts, whoever spoke before."""
    foretells: bool = False
    """Where it names no message it is about the one that the same process names next (`join/foretold.py`)."""
    queues: bool | None = None
    """From here on the message stands in the queue; null: where it starts with this entry."""
    hands_over: str | None = None
    """The message that its `next_queue_id` names comes out of this one: the child's origin."""
    copied: bool = False
    """The server writes it to two of its logs: who reads both counts it once."""
    login_failed: Literal["", "server", "database"] = ""
    """A client gave a wrong user or password, `attempt_count` times: the server's word that it was refused; or that of the
    database which the server asked, so the same failed login may be in the log twice."""
    dialogue: Literal["", "server", "client"] = ""
    """It is one line of a dialogue, `said`, behind a `mark`: `<` was read and `>` written by whoever logs it, the server
    or the client; where what is said tells otherwise, that counts."""

    @property
    def is_queued(self) -> bool:
        """Does such an entry show that the message stands in the queue?"""
        return self.message == "start" if self.queues is None else self.queues

    @property
    def counts_connection(self) -> bool:
        """Does each entry stand for one connection? Of a service that passes clients on, only those that end there do."""
        return self.session == ("end" if self.session_by == "client" else "start")


def fixed(name: str, *rules: str, by: tuple[str, ...] = (), **more: Any) -> Kind:
    """A kind whose texts are the server's own words around values that end by themselves.

    Args:
        name: its name, and that of its rule where no other is given.
        rules: its rules in order.
        by: the services that write it; none: any of them may.
        more: the other fields of `Kind`.
    """
    return Kind(name, rules or (name,), by, **more)


def kind(name: str, *rules: str, **more: Any) -> Kind:
    """A kind whose texts may be anybody's, so that Lark refuses some. See `fixed`."""
    return fixed(name, *rules, may_refuse=True, **more)


@dataclass(frozen=True, eq=False)
class Format:
    """A server's log: see the module docstring."""

    name: str
    grammar: str
    title: str
    kinds: tuple[Kind, ...]
    program: str | None = None
    """Rule that takes the syslog program apart into `instance` and `service`; None: one program, one service."""
    programs: tuple[str, ...] = ()
    """Syslog programs that are this format's, where `program` is None."""
    instances: tuple[str, ...] = ()
    """First letters of the instances that are this format's even when the service is not known."""
    keepers: tuple[str, ...] = ()
    """The services that every instance has under its own name: who has none of them is another name of a service."""
    head: str | None = None
    """Rule of what the server itself writes before the text (stamp, pid), also where syslog has written it already."""
    unique_id_letters: int = 0
    """Queue ids of at least so many letters are never used again; shorter ones may be, after a second."""
    timed_id: str | None = None
    """Rule that finds, in a raw entry, an id that carries its birth; `id_time` reads it."""
    id_time: Callable[[str], datetime | None] = field(default=lambda _id: None)
    joins: bool = False
    """Its entries belong to the messages of the server on the same host; it has none of its own."""
    is_plain: bool = False
    """It also writes files of its own, where no syslog head stands before its stamp."""
