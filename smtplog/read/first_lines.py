"""What the first entries of an input tell: whether it is a transcript, and when its ids were born."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import polars as pl

from smtplog.formats.base import Format
from smtplog.read import columns, envelope, grammar

HEAD = 200
"""So many first entries decide what an input is."""


_COMMANDS = ["EHLO ", "HELO ", "LHLO ", "ehlo ", "helo ", "MAIL FROM:", "RCPT TO:", "STARTTLS", "QUIT"]

_NEARLY_ALL = 0.8
"""The share of lines that are somebody's words in a transcript."""
_SOME = 50_000
"""So many letters tell that share."""

MANY = 500
"""So many ids are enough to tell one hour from the next."""


def births(
    entries: pl.DataFrame, expected: Sequence[Format], among: pl.Series | None = None
) -> list[tuple[int, datetime]]:
    """(row, time) of the first ids that carry their time; or of ids here and there `among` some entries."""
    found: list[tuple[int, datetime]] = []
    raw = entries["raw"].head(HEAD * 20) if among is None else entries["raw"].set(~among, None)
    for one in expected:
        if one.timed_id:
            shape = grammar.shape(one.grammar, one.timed_id)
            ids = raw.str.extract(shape.head(), 1)
            rows = ids.is_not_null().arg_true()
            for row in rows.head(20) if among is None else rows.gather_every(1 + len(rows) // MANY):
                born = one.id_time(ids[row])
                if born and 1995 < born.year < 2100:
                    found.append((row, born))
    return found


def is_document(head: pl.Series, is_log: float, data: bytes, expected: Sequence[Format]) -> bool:
    """Is an input a transcript and no log?

    Args:
        head: its first lines.
        is_log: the share of them that heads fit, 0..1.
        data: its first block.
        expected: the formats.
    """
    text = data[:200_000].decode("utf-8", "replace")
    if _is_only_stamped(head, is_log, text, expected):
        is_log = 0.0
    if is_log >= 0.5:
        return False
    from smtplog.read import dialogue  # noqa: PLC0415 - only where the input may be one

    return dialogue.likelihood(text) > max(0.2, is_log) or (not is_log and bool(dialogue.sessions(text)))


def _is_only_stamped(head: pl.Series, is_log: float, text: str, expected: Sequence[Format]) -> bool:
    """Have its lines a log's stamps and nothing else of one? They may as well be those of a transcript."""
    commands = _commands(head) if is_log >= 0.5 else 0
    is_stamped = is_log >= 0.5 and envelope.find(head).container is not None
    if not commands and not is_stamped and _dialogue_share(head) < 0.6:
        return False
    entries = envelope.split(pl.DataFrame({"line": 1, "line_count": 1, "raw": head}), envelope.find(head))
    more = _more(entries, expected)
    if not commands or bool(entries["program"].is_not_null().any()):
        return not more
    from smtplog.read import dialogue  # noqa: PLC0415 - only where the input may be one

    return more < commands or dialogue.share(text[:_SOME]) >= _NEARLY_ALL


def _commands(head: pl.Series) -> int:
    """How many entries have a command in them, as transcripts do and few logs; one alone may be a complaint."""
    count = int(head.str.contains_any(_COMMANDS).sum())
    return count if count > 1 else 0


def _dialogue_share(head: pl.Series) -> float:
    """The share of entries that are one side of a dialogue, as Postfix logs it for a peer in `debug_peer_list`."""
    said = head.str.contains("]: < ", literal=True) | head.str.contains("]: > ", literal=True)
    return int(said.sum()) / max(len(head), 1)


def _more(entries: pl.DataFrame, expected: Sequence[Format]) -> int:
    """How many entries tell anything of a session or a message but what was said: a log with a dialogue in it does."""
    found = columns.parse(entries, expected).kinds
    return sum(len(one.frame) for one in found if one.kind.message or (one.kind.session and not one.kind.dialogue))
