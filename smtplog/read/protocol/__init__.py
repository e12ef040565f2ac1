"""Protocol logs: CSV with one line of a dialogue a row, many sessions through each other, of any length.

The same answers as `read.dialogue` gives for the same text, at the speed of columns: sessions that go the same way are
taken through the state machine once, and what it says is filled with the words of each.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import polars as pl

from smtplog.contract import schema
from smtplog.contract.records import Session
from smtplog.read import source
from smtplog.read.protocol import build
from smtplog.read.protocol.rows import Rows, is_protocol
from smtplog.read.protocol.shapes import compared
from smtplog.read.protocol.ways import Ways

__all__ = ["frames", "is_protocol"]


def frames(
    blocks: Iterable[source.Block], name: str, *, show_secrets: bool = False
) -> Iterator[tuple[pl.DataFrame, int, int]]:
    """Read a protocol log.

    Args:
        blocks: of one input, in order.
        name: what the records name as their source.
        show_secrets: leave passwords, tokens and what carries them as they are.

    Yields:
        For each block and at the end: the sessions that are over, in the order of their first lines, with the columns
        of `Session`; how many lines were rows or comments, and how many were neither.

    Cost: memory for one block and the sessions that are open.
    """
    rows, ways = Rows(), Ways(show_secrets)
    for block in blocks:
        done, understood, odd = rows.take(block)
        yield _sessions(done, ways, name), understood, odd
    yield _sessions(rows.rest(), ways, name), 0, 0


def _sessions(done: pl.DataFrame, ways: Ways, name: str) -> pl.DataFrame:
    if done.is_empty():
        return pl.DataFrame(schema=schema.of(Session))
    return build.sessions(*ways.of(compared(done)), name)
