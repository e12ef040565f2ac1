"""What is done in threads: blocks are parsed, and what they completed is made up, while others are stitched.

Everything comes out in the order in which it was given; nothing here looks into a block.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import fields
from typing import Self

import polars as pl

from smtplog.join.stitch import Batch
from smtplog.read.columns import Parsed
from smtplog.read.source import Block

UNFINISHED = 2
"""So many batches may wait for being made up behind the blocks that are parsed."""

Frames = dict[str, pl.DataFrame]
"""Table name -> its new rows."""


def frames_of(batch: Batch) -> Iterator[Frames]:
    """The tables of a batch that have rows."""
    made = {one.name: getattr(batch, one.name) for one in fields(batch)}
    full = {name: frame for name, frame in made.items() if frame is not None and frame.height}
    if full:
        yield full


class Work:
    """Some threads and what they have to do."""

    def __init__(self, threads: int) -> None:
        self._threads = threads
        self._pool = ThreadPoolExecutor(threads)
        self._unfinished: deque[Future[Batch]] = deque()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._pool.shutdown(cancel_futures=True)

    def in_order(self, parse: Callable[[Block], Parsed], blocks: Iterator[Block]) -> Iterator[tuple[Block, Parsed]]:
        """Parse blocks, give them out in order; one is under way for each thread beside it: more only take memory."""
        under_way: deque[tuple[Block, Future[Parsed]]] = deque()
        for block in blocks:
            under_way.append((block, self._pool.submit(parse, block)))
            if len(under_way) > self._threads:
                block, future = under_way.popleft()
                yield block, future.result()
        while under_way:
            block, future = under_way.popleft()
            yield block, future.result()

    def finish(self, batch: Callable[[], Batch]) -> None:
        """Have made up what a block completed."""
        self._unfinished.append(self._pool.submit(batch))

    def done(self, most: int) -> Iterator[Frames]:
        """Give out in order what is made up, and wait until at most so many batches are under way."""
        while self._unfinished and (len(self._unfinished) > most or self._unfinished[0].done()):
            yield from frames_of(self._unfinished.popleft().result())
