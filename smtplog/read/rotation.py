"""Which inputs are one rotated log, and their order: `mail.log.2.gz`, `mail.log.1`, `mail.log`; dated names rise.

Sets are told apart by folder and by what is left of the name; they are read side by side in the order of time.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeVar

Piece = TypeVar("Piece")
PACKED = ("gz", "bz2", "xz", "zst", "lzma", "Z")
LAST = "~"
"""Sorts behind every date: the file that is still written to."""
NEVER = datetime.min.replace(tzinfo=UTC)


def order(path: Path) -> tuple[str, str, int, str]:
    """Sort key of a file in its folder: folder, name of the set, number (falling), date (rising)."""
    words = path.name.split(".")
    while len(words) > 1 and words[-1] in PACKED:
        words.pop()
    number, date, base = 0, "", []
    for word in words:
        if word.isdigit() and len(word) < 8:
            number = int(word)
            continue
        left, found = _without_date(word)
        date += found
        if left:
            base.append(left)
    return str(path.parent), ".".join(base), -number, date or LAST


def _without_date(word: str) -> tuple[str, str]:
    """`maillog-20261123-083611`, `mail-2026-11-23` -> what is left, the digits of date and time."""
    parts, date, left, i = word.split("-"), "", [], 0
    while i < len(parts):
        three = parts[i : i + 3]
        if parts[i].isdigit() and (len(parts[i]) >= 8 or (date and len(parts[i]) in (2, 4, 6))):
            date += parts[i]
        elif [len(p) for p in three] == [4, 2, 2] and all(p.isdigit() for p in three):
            date += "".join(three)
            i += 2
        else:
            left.append(parts[i])
        i += 1
    return "-".join(left), date


def sets(inputs: Iterable[Any]) -> list[list[Any]]:
    """Inputs as rotated sets, each in the order of time; a set stands where the first of its files was given.

    Args:
        inputs: with `name` (a path) and `is_borrowed`; a borrowed stream is a set of its own.
    """
    found: dict[Any, list[Any]] = {}
    for i, one in enumerate(inputs):
        key = i if one.is_borrowed else order(Path(one.name))[:2]
        found.setdefault(key, []).append(one)
    return [sorted(files, key=lambda f: order(Path(f.name))) if len(files) > 1 else files for files in found.values()]


def side_by_side(
    streams: Iterable[tuple[datetime | None, Iterator[tuple[datetime | None, Piece]]]],
) -> Iterator[tuple[Piece, datetime | None]]:
    """Pieces of several streams in the order of their times.

    Args:
        streams: for each the time it begins at (None: not known, it is begun at once) and its pieces with their times.

    Yields:
        Each piece, and before which time nothing can come any more; None when no other stream is left.
    """
    heap: list[tuple[datetime, int, list[Piece]]] = []
    pieces = []
    for number, (begins, stream) in enumerate(streams):
        pieces.append(stream)
        heapq.heappush(heap, (begins or NEVER, number, []))
    while heap:
        at, number, held = heapq.heappop(heap)
        if held:
            yield held[0], heap[0][0] if heap else None
        found = next(pieces[number], None)
        if found is not None:
            heapq.heappush(heap, (found[0] or at, number, [found[1]]))
