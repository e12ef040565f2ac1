"""The state machine of SMTP: tokens in, conversations out (RFC 5321 s.3, s.4.1.4; RFC 2920; RFC 3030; RFC 2033).

Replies are paired with commands by a queue, never by who stands beside whom: with PIPELINING several commands are
under way at once. What the client says after 354 is the message, whatever it looks like, until the lone dot; after
BDAT n it is n octets. Where a transcript leaves things out (no message text, no dot, no QUIT, a cut head) the machine
goes on from what the codes allow: 354 answers only DATA, 221 only QUIT, 235 and 334 only AUTH.
"""

from __future__ import annotations

from collections.abc import Iterable

from smtplog.smtp import onesided
from smtplog.smtp.dialogue import Conversation, Kind, Token
from smtplog.smtp.machine.core import Machine, is_open

_FEWEST_ALONE = 3
"""Replies that must be there before anything is told from them alone."""


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
    machine, start = Machine(merged, replies), 0
    for i in range(len(merged)):
        if machine.ends_before(merged[i]):
            found += _finished(machine, merged[start:i])
            machine, start = Machine(merged, replies, machine.taken), i
        machine.take(i)
    return found + _finished(machine, merged[start:])


def _finished(machine: Machine, tokens: list[Token]) -> list[Conversation]:
    """The conversation; where only the server was heard, once more with what it must have been asked."""
    heard = sum(token.kind is Kind.SERVER for token in tokens)
    if machine.client_spoke or heard < _FEWEST_ALONE:
        return machine.finish()
    whole = onesided.completed(tokens)
    again = Machine(whole, [i for i, token in enumerate(whole) if token.kind is Kind.SERVER])
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
        if token.kind is Kind.SERVER and not is_open(token.text):
            close()
    close()
    return out
