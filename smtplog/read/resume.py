"""How far files were read: one that is given again, grown, renamed or packed, is read on from there.

A file is known by how it begins (unpacked): that stays the same while a log grows, when it is renamed, packed or copied.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import chain

from smtplog.read.source import Block

HEAD = 4096
"""So many first octets tell a file from others."""
MOST = 10_000
"""So many files are remembered: those read last."""

Known = dict[str, tuple[int, int]]
"""Digest of the first octets of a file -> how many octets these are, and how many of the file have been read."""


@dataclass
class Marks:
    """How far files have been read.

    Args:
        known: what earlier runs remembered.
    """

    known: Known
    fresh: Known = field(default_factory=dict)
    old: int = 0
    """So many files hold nothing new."""

    def rest(self, blocks: Iterator[Block]) -> Iterator[Block]:
        """What of a file is new; `offset` counts from there.

        A last line without an end is left for the next run, when all of it is there; the last block says so.

        Args:
            blocks: all of the file, in order.
        """
        held, head = [], b""
        for block in blocks:
            held.append(block)
            head += block.data[: HEAD - len(head)]
            if len(head) == HEAD or block.is_last:
                break
        begin = end = self._read(head)
        for block in chain(held, blocks):
            skipped = min(max(begin - block.offset, 0), block.size)
            whole = block.data.rfind(b"\n") + 1 if block.is_last else block.size
            if whole < block.size:
                block.problem = block.problem or f"{block.source}: its last line has no end yet; it is read next time"
            if skipped or whole < block.size:
                block.first_line += block.data.count(b"\n", 0, skipped)
                block.data = block.data[skipped:whole]
            end = max(end, block.offset + whole)
            block.offset, block.size = max(block.offset - begin, 0), len(block.data)
            if block.size or block.is_last:
                yield block
        self.old += 0 < begin == end
        if head[:end]:
            self.fresh[_digest(head[:end])] = len(head[:end]), end

    def _read(self, head: bytes) -> int:
        """How much was read of the file that begins so."""
        lengths = {length for length, _ in self.known.values() if length <= len(head)}
        return max((self.known.get(_digest(head[:length]), (0, 0))[1] for length in lengths), default=0)

    def now(self) -> Known:
        """What is to be remembered."""
        return dict(list({**self.known, **self.fresh}.items())[-MOST:])


def _digest(head: bytes) -> str:
    return hashlib.blake2b(head, digest_size=12).hexdigest()
