"""What wraps an entry, and entries over several lines. Formats only ever see `text`.

In: a frame of lines {line, line_count, raw}. Out: whole entries with {stamp, at, naive_at, host, program, pid, text,
envelope}. What no envelope fits keeps its text whole and a null `envelope`. What an input is wrapped in is decided by
its first lines, once.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import polars as pl

from smtplog.read import source
from smtplog.read.envelope import containers, export
from smtplog.read.envelope.containers import Container
from smtplog.read.envelope.heads import ENVELOPES, NAIVE_YEAR, SCHEMA, Envelope, take_off
from smtplog.read.envelope.repeat import repeat
from smtplog.read.envelope.unfold import unfold
from smtplog.read.envelope.whole import whole as _whole
from smtplog.read.envelope.whole import without_open as _without_open
from smtplog.read.source import Block

__all__ = [
    "ENVELOPES",
    "NAIVE_YEAR",
    "SCHEMA",
    "Container",
    "Envelope",
    "Wrapping",
    "entries",
    "find",
    "split",
    "whole",
    "without_open",
]


@dataclass(frozen=True)
class Wrapping:
    """What an input is wrapped in: the heads in the order in which to try them, in a container or in none.

    `rate`: the share of the first lines that it fits, 0..1. `host`: who wrote the lines that name no host; None: unknown.
    """

    order: tuple[Envelope, ...] = ENVELOPES
    container: Container | None = None
    rate: float = 0.0
    host: str | None = None


PLAIN = Wrapping()


def find(head: pl.Series) -> Wrapping:
    """What an input is wrapped in, by its first lines."""
    container, order, rate = containers.find(head)
    return Wrapping(order, container, rate, containers.host(head, container, order))


def split(lines: pl.DataFrame, wrapping: Wrapping = PLAIN, *, is_repeated: bool = True) -> pl.DataFrame:
    """Take the envelopes off and put together what belongs together.

    Args:
        lines: {line, line_count, raw}, in order; a block that `whole` has cut.
        wrapping: what `find` said of the input.
        is_repeated: a line may say that the one before came several times.

    Returns:
        One row per entry, in order, with the columns of `SCHEMA` added; the `line_count`s sum up to the lines. `at` is
        set where the stamp says year and zone; else `naive_at` holds the stamp as written, in `NAIVE_YEAR` where it has
        none.
    """
    if wrapping.container is None:
        told = take_off(lines, wrapping.order)
    else:
        told = containers.open_up(lines, wrapping.container, wrapping.order)
    return unfold(repeat(told) if is_repeated else told)


def entries(block: Block, wrapping: Wrapping) -> pl.DataFrame:
    """The entries of a block, as `split` gives them; its octets are let go."""
    is_blocks = wrapping.container is not None and wrapping.container.is_blocks
    lines = source.lines(export.plain(block) if is_blocks else block)
    block.taken()
    return split(lines, wrapping)


def whole(blocks: Iterable[Block], wrapping: Wrapping) -> Iterator[Block]:
    """Cut blocks again so that no entry is torn: see `whole.whole`."""
    return _whole(blocks, wrapping.order, wrapping.container)


def without_open(blocks: Iterable[Block], wrapping: Wrapping, *, is_complete: bool) -> Iterator[Block]:
    """Leave out what is not all there at the end: see `whole.without_open`."""
    return _without_open(blocks, wrapping.order, wrapping.container, is_complete=is_complete)
