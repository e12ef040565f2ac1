"""What the first entries of an input tell: whether it is a transcript, and when its ids were born."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import polars as pl

from smtplog.formats.base import Format
from smtplog.read import columns, envelope, grammar

HEAD = 200
"""So many first entries decide what an input is."""


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
    is_only_stamped = is_log >= 0.5 and envelope.find(head).container is not None
    if (is_only_stamped or _dialogue_share(head) >= 0.6) and not _tells_more(head, expected):
        is_log = 0.0  # a container's stamps may as well be those of a transcript
    if is_log >= 0.5:
        return False
    from smtplog.read import dialogue  # noqa: PLC0415 - only where the input may be one

    return dialogue.likelihood(data[:200_000].decode("utf-8", "replace")) > max(0.2, is_log)


def _dialogue_share(head: pl.Series) -> float:
    """The share of entries that are one side of a dialogue, as Postfix logs it for a peer in `debug_peer_list`."""
    said = head.str.contains("]: < ", literal=True) | head.str.contains("]: > ", literal=True)
    return float(pl.DataFrame({"said": said})["said"].sum() / max(len(head), 1))


def _tells_more(head: pl.Series, expected: Sequence[Format]) -> bool:
    """Is there anything of a session or a message in it but what was said? Then it is a log with a dialogue in it."""
    entries = envelope.split(pl.DataFrame({"line": 1, "line_count": 1, "raw": head}), envelope.find(head))
    kinds = [one.kind for one in columns.parse(entries, expected).kinds]
    return any(kind.message or (kind.session and not kind.dialogue) for kind in kinds)
