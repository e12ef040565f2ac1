"""Who is who: outside the message, the side that speaks three-digit replies is the server, whatever the marks say."""

from __future__ import annotations

from typing import NamedTuple

from smtplog.formats.transcripts.form import Form
from smtplog.read.dialogue.pieces import Piece
from smtplog.smtp import commands
from smtplog.smtp.replies import is_reply


class Sides(NamedTuple):
    """Marks of either side, and how sure that is, 0 to 1."""

    server: frozenset[str]
    client: frozenset[str]
    confidence: float

    def is_server(self, own: str) -> bool:
        """Whether it is the server that logs, where `own` marks what the logging side says; one side's words are enough."""
        return any(mark.endswith(own) for mark in self.server) or any(not mark.endswith(own) for mark in self.client)


def decide(form: Form, found: list[Piece]) -> Sides:
    """Decide for one session; the form's own marks are only the prior."""
    server, client = _priors(form, found)
    if not server and not client:
        return Sides(frozenset(), frozenset(), _unmarked_confidence(found))
    straight = _evidence(found, server, client)
    swapped = _evidence(found, client, server)
    if swapped > straight:
        server, client = client, server
    best, other = max(straight, swapped), min(straight, swapped)
    sure = (best + 1) / (best + 1 + max(other, 0)) if best > 0 else 0.5
    return Sides(server, client, round(min(sure, 1.0), 3))


def _priors(form: Form, found: list[Piece]) -> tuple[frozenset[str], frozenset[str]]:
    """The form's marks; where a service stands before the mark, both spellings."""
    marks = {piece.mark for piece in found if piece.mark is not None}
    server = {mark for mark in marks if mark in form.server or _own(mark) in form.server}
    client = {mark for mark in marks if mark in form.client or _own(mark) in form.client}
    both = server & client
    return frozenset(server - both), frozenset(client - both)


def _own(mark: str) -> str:
    """`SMTPC RECEIVED` -> `RECEIVED`."""
    return mark.rpartition(" ")[2] or mark


def _evidence(found: list[Piece], server: frozenset[str], client: frozenset[str]) -> int:
    """Replies on the server's side and commands on the client's, less what is on the wrong one; the message apart."""
    score, in_data = 0, False
    for piece in found:
        if piece.mark in server:
            text = piece.text.lstrip()
            if is_reply(text):
                score += 1
                in_data = text.startswith("354")
            else:
                score -= 2 * commands.is_certain(text)
        elif piece.mark in client and not in_data:
            text = piece.text.lstrip()
            score += commands.is_certain(text) - 2 * is_reply(text)
        elif piece.mark in client and piece.text.strip() == ".":
            in_data = False
    return score


def _unmarked_confidence(found: list[Piece]) -> float:
    """Without marks everything is told from what it looks like."""
    replies = sum(is_reply(piece.text) for piece in found)
    verbs = sum(commands.is_certain(piece.text) for piece in found)
    return 0.8 if replies and verbs else 0.6
