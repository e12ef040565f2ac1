"""How far files were read: one that is given again, grown, renamed or packed, is read on from there.

A file is known by its octets as they are unpacked, never by its name. Remembered of each are its first octets, those
before the place where reading ended, and on the way to it check sums at even distances. A file that begins so and has
the same octets before that place goes on there: nothing else of it is looked at. One that begins so and is another there,
or ends before (cut in place, put back from a backup), is read from the last line up to which the sums agree; that is
said, for a few lines may then come twice. Files may begin alike: each is remembered by itself. A packed file is remembered
as it lies there, too: one in which nothing is new is not unpacked again.

Memory: at most some 2 KB for a file of any length; for all those given, and for `MOST` others.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Any

from smtplog.read import source, unpack
from smtplog.read.source import Block, Input

HEAD = 512
"""So many first octets, or a power of two below, tell what a file may be."""
NEAR = 4096
"""So many octets before the place where reading ended tell that it is this file."""
STEP, SUMS = 512, 256
"""The distance of the check sums, which doubles where there would be so many."""
MOST = 10_000
"""So many files are remembered beside those that were given last, those given last of them."""
_PIECE = 1 << 20
_DIGITS = 8


@dataclass(frozen=True)
class Way:
    """How far a file was read: what is remembered of it.

    head, near: digests of its first octets and of those before `end`.
    end, lines: so many octets and line feeds were read.
    total: check sum of all that was read.
    step, sums: the same after each so many octets, in hexadecimal digits.
    """

    head: str
    near: str
    end: int
    lines: int
    total: int
    step: int
    sums: str


@dataclass
class Track:
    """A file while it is read on: `end` octets of it are known, `lines` line feeds in them."""

    head: bytes = b""
    near: bytes = b""
    end: int = 0
    lines: int = 0
    total: int = 0
    step: int = STEP
    sums: str = ""
    since: Way | None = None
    """How far it was read before."""
    is_packed: bool = False

    def add(self, data: bytes) -> None:
        """Go on behind the octets that come next."""
        self.head += data[: HEAD - len(self.head)]
        self.near = (self.near + data[-NEAR:])[-NEAR:]
        self.lines += data.count(b"\n")
        rest = memoryview(data)
        while rest:
            length = min(self.step - self.end % self.step, len(rest))
            self.total = unpack.checksum(rest[:length], self.total)
            self.end += length
            rest = rest[length:]
            if self.end % self.step == 0 and self.end // self.step == len(self.sums) // _DIGITS + 1:
                self.sums += f"{self.total:0{_DIGITS}x}"
                if len(self.sums) == SUMS * _DIGITS:
                    self.step, self.sums = self.step * 2, "".join(_sums(self.sums)[1::2])

    def way(self) -> Way:
        """What is to be remembered."""
        head = self.head[: 1 << max(len(self.head).bit_length() - 1, 0)]
        return Way(_digest(head), _digest(self.near), self.end, self.lines, self.total, self.step, self.sums)


class Marks:
    """How far files have been read.

    Args:
        known: what earlier runs remembered.
    """

    def __init__(self, known: list[Way]) -> None:
        self._old = 0
        self._problems: list[str] = []
        self._known = dict.fromkeys(known)
        self._alike: dict[str, list[Way]] = {}
        for way in self._known:
            self._alike.setdefault(way.head, []).append(way)
        self._tracks: dict[Input, Track] = {}
        self._grown: set[Way | None] = set()
        self._fresh: dict[tuple[Input, str], Way] = {}
        """What is to be remembered of the files given: as they are unpacked, and as they lie there."""
        self._packed: dict[Input, Way] = {}
        """Packed files as they lie there, until they are known to have been read to their end."""

    def look(self, one: Input) -> bool:
        """Does an input hold anything new? Where it begins, `begin` says.

        What has no time of its own is piped in or given as lines: it may well say the same again, and is new.
        """
        if one.modified is None:
            return True
        with source.unpacked(one) as (stream, form):
            is_old = form == unpack.PACKED and self._is_unchanged(one)
            if is_old:
                self._done(one)
            else:
                track, is_old = self._found(one, _Octets(stream, can_seek=form == unpack.PLAIN))
                if is_old:
                    self._fresh[one, unpack.PLAIN] = track.way()
                    self._done(one)
                else:
                    self._tracks[one] = replace(track, is_packed=form == unpack.PACKED)
        self._old += is_old
        return not is_old

    def begin(self, one: Input) -> Track | None:
        """Where an input is to be read on, once; None: it is not remembered."""
        return self._tracks.pop(one, None)

    def follow(self, one: Input, track: Track, blocks: Iterable[Block]) -> Iterator[Block]:
        """Remember what goes by: `blocks` of an input, in order, behind the place where `track` is."""
        begin = track.end
        self._grown.add(track.since)
        for block in blocks:
            track.add(block.data)
            if track.end:
                self._fresh[one, unpack.PLAIN] = track.way()
            if block.is_last and block.problem is None:
                self._done(one)
            yield block
        self._old += 0 < begin == track.end

    def words(self) -> list[str]:
        """What is to be said: of files that hold nothing new, or are not what they were."""
        none_new = f"files that hold nothing new, as earlier runs have read them: {self._old:,}"
        return [*self._problems, *[none_new] * bool(self._old)]

    def now(self) -> list[Way]:
        """What is to be remembered: all that were given, and of the others those given last; briefly where a file has grown."""
        given = dict.fromkeys(self._fresh.values())
        others = [way for way in self._known if way not in given][-MOST:]
        return [*(replace(way, sums="") if way in self._grown else way for way in others), *given]

    def _is_unchanged(self, one: Input) -> bool:
        """Was a packed file read to its end as it lies there? What it is now is remembered."""
        with source.unpacked(one, as_it_is=True) as (stream, _):
            octets = _Octets(stream, can_seek=True)
            track, is_all = self._held(octets)
            if not is_all:
                size = stream.seek(0, os.SEEK_END)
                stream.seek(0)
                octets = _Octets(stream, can_seek=True)
                track = Track(octets.head, octets.before(size) or b"", size)
        if track:
            self._packed[one] = track.way()
        return is_all

    def _done(self, one: Input) -> None:
        """A packed file has been read to its end: as it lies there it need not be unpacked again."""
        if one in self._packed:
            self._fresh[one, unpack.PACKED] = self._packed.pop(one)

    def _found(self, one: Input, octets: _Octets) -> tuple[Track, bool]:
        """How far a file was read, and whether that is all of it."""
        held, is_all = self._held(octets)
        track = held or Track()
        if not is_all:  # it may have been read farther, and be another there
            farther = (_agreed(one, way) for way in self._like(octets.head) if way.end > track.end)
            track = max([track, *farther], key=lambda one: one.end)
            if track is not held and track.end:
                self._problems.append(
                    f"{one.name}: up to line {track.lines:,} it is a log that was read before and went on otherwise (cut, or "
                    "put back?); it is read on from there, so a few lines may come twice"
                )
        return track, is_all

    def _held(self, octets: _Octets) -> tuple[Track | None, bool]:
        """The farthest place known that is one of this file, and whether it ends there."""
        track, is_all = None, False
        for way in sorted(self._like(octets.head), key=lambda way: way.end):
            near = octets.before(way.end)
            if near is None:
                break
            if _digest(near) == way.near:
                track = Track(octets.head[: way.end], near, way.end, way.lines, way.total, way.step, way.sums, way)
                is_all = octets.is_over_at(way.end)
        return track, is_all

    def _like(self, head: bytes) -> list[Way]:
        """What is remembered of files that begin so."""
        lengths = [1 << n for n in range(len(head).bit_length())]
        return [way for length in lengths for way in self._alike.get(_digest(head[:length]), ())]


class _Octets:
    """The octets of a file, read forwards; `head` are its first ones."""

    def __init__(self, stream: Any, *, can_seek: bool) -> None:
        self._stream, self._can_seek = stream, can_seek
        self._at, self._near, self._rest = 0, b"", b""
        self.head = self.read(HEAD)

    def read(self, count: int) -> bytes:
        """So many, fewer where it ends."""
        while len(self._rest) < count and (more := self._more(count - len(self._rest))):
            self._rest += more
        data, self._rest = self._rest[:count], self._rest[count:]
        self._at += len(data)
        self._near = (self._near + data[-NEAR:])[-NEAR:]
        return data

    def before(self, end: int) -> bytes | None:
        """Those before a place, which is none before the last one asked for; None: it ends before."""
        if end <= len(self.head):
            return self.head[:end]
        if self._can_seek and end - self._at > NEAR:
            self._at = self._stream.seek(end - NEAR)
            self._near = self._rest = b""
        while self._at < end and self.read(min(end - self._at, _PIECE)):
            pass
        return self._near if self._at == end else None

    def is_over_at(self, end: int) -> bool:
        """Does it end at the place where it is read?"""
        self._rest = self._rest or self._more(1)
        return self._at == end and not self._rest

    def _more(self, count: int) -> bytes:
        try:
            return bytes(self._stream.read1(count))
        except unpack.UNREADABLE:  # it is said when it is read
            return b""


def _agreed(one: Input, way: Way) -> Track:
    """The last line of a file up to which it is another that was read, as far as the sums tell."""
    track, last, total = Track(), Track(), 0
    with source.unpacked(one) as (stream, _):
        octets = _Octets(stream, can_seek=False)
        piece = octets.head + octets.read(way.step - len(octets.head))
        for expected in _sums(way.sums):
            total = unpack.checksum(piece, total)
            if len(piece) < way.step or f"{total:0{_DIGITS}x}" != expected:
                break
            whole = piece.rfind(b"\n") + 1
            if whole:
                track.add(piece[:whole])
                last = replace(track)
            track.add(piece[whole:])
            piece = octets.read(way.step)
    return last


def _sums(digits: str) -> list[str]:
    return [digits[at : at + _DIGITS] for at in range(0, len(digits), _DIGITS)]


def _digest(octets: bytes) -> str:
    return hashlib.blake2b(octets, digest_size=12).hexdigest()
