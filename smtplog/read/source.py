"""The only room that opens input: path, directory, glob, standard input, file object; compressed or not.

Out come blocks of whole lines with the number of their first line. Memory is bounded by the block, not by the file.
"""

from __future__ import annotations

import glob
import io
import os
import stat
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, Any, TextIO

import polars as pl

from smtplog.errors import InputError
from smtplog.read import rotation, unpack
from smtplog.read.handed import Handed, Lines

BLOCK_BYTES = 30 * 1024 * 1024
"""Below 32 MiB the C library keeps such memory for the next block instead of giving it back (mallopt(3))."""
_SOON = 6
"""So many blocks of this length a log may have that is over soon; then they are shorter, see `_aim`."""
LINE_BYTES = 64 * 1024 * 1024
"""A line longer than this is cut into pieces of this length: memory stays bounded on input without line ends."""

SPEAKS_OF_THE_LAST = "last message repeated "
"""What a line holds that says how often the one before it came (BSD syslogd): they stay in one block."""

ANSWERS = (".jsonl", ".parquet")
"""How files end that smtplog writes: in a directory they stand beside logs and are none."""

Opener = Callable[[], IO[bytes]]


@dataclass(frozen=True)
class Input:
    """One thing to read: its name as given, how to open it, the time of the file where it has one.

    A borrowed stream belongs to the caller, who closes it.
    """

    name: str
    open: Opener
    modified: datetime | None = None
    """None: it can be read only once."""
    is_borrowed: bool = False


@dataclass
class Block:
    """Whole lines of one input; `first_line` from 1, `offset` and `size` in decompressed octets."""

    source: str
    data: bytes = field(repr=False)
    first_line: int
    offset: int
    is_last: bool = False
    problem: str | None = None
    """What is the matter with the input here: a cut gzip file, a line beyond measure."""
    size: int = 0

    def __post_init__(self) -> None:
        self.size = len(self.data)

    def taken(self) -> bytes:
        """The octets, which are let go: the next block has room where they were."""
        data, self.data = self.data, b""
        return data


_REACH = 64 * 1024
"""So many octets at its end are searched for where a block of a file may end."""


def inputs(given: Iterable[Any]) -> list[Input]:
    """What was given on a command line or to the library, spelt out.

    Args:
        given: paths, globs, directories (their files but `ANSWERS`, oldest rotation first), `-`, open files, iterables of lines.

    Raises:
        InputError: nothing there, no leave, an empty path, a directory without files, or nothing that can be read at all.
    """
    return [one for item in given for one in _spell_out(item)]


def _spell_out(item: Any) -> list[Input]:
    if isinstance(item, Input):
        return [item]
    if item == "-":
        return [Input("-", lambda: Handed("-", standard_input().buffer), is_borrowed=True)]  # type: ignore[arg-type, return-value]
    if isinstance(item, (str, os.PathLike)):
        return _paths(str(os.fspath(item)))
    name = str(getattr(item, "name", "-"))
    if hasattr(item, "read"):
        return [Input(name, lambda: Handed(name, item), is_borrowed=True)]  # type: ignore[arg-type, return-value]
    if isinstance(item, (bytes, bytearray, memoryview)) or not isinstance(item, Iterable):
        raise InputError(
            f"{type(item).__name__}: nothing to read; give a path, an open file (io.BytesIO for octets) or lines of text"
        )
    if isinstance(item, (set, frozenset)):
        raise InputError(f"{type(item).__name__}: its lines have no order; give lines or several files as a list")
    return [Input(name, lambda: Lines(item), is_borrowed=True)]  # type: ignore[arg-type, return-value]


def standard_input() -> TextIO:
    """Where a program is piped into.

    Raises:
        InputError: whoever started this one has closed it.
    """
    if sys.stdin is None:
        raise InputError("-: standard input is closed; pipe the log in or name a file")
    return sys.stdin


def only_once(given: Iterable[Any]) -> list[str]:
    """The names of those inputs that are gone when they have been read: standard input, pipes, what a program handed in.

    Raises:
        InputError: see `inputs`.
    """
    return [one.name for one in inputs(given) if one.modified is None]


def _paths(given: str) -> list[Input]:
    if not given:
        raise InputError("an empty path names nothing (a variable that is not set?); a dot is the current folder")
    try:
        return [_file(p) for p in _files(given)]
    except OSError as error:
        hint = "; the text of a log is given as text.splitlines()" * ("\n" in given)
        place = error.filename if isinstance(error, PermissionError) else given.partition("\n")[0]
        raise InputError(f"{place}: {error.strerror}{hint}") from error


def _raise(error: OSError) -> None:
    raise error


def _files(given: str) -> list[Path]:
    path = Path(given)
    if path.is_dir():
        below = (Path(at, name) for at, _, names in os.walk(path, onerror=_raise) for name in names)
        files = (p for p in below if p.is_file() and not p.name.startswith("."))
        found = sorted((p for p in files if p.suffix not in ANSWERS), key=rotation.order)
        if not found:
            raise InputError(
                f"{given}: a directory without files; give the log file itself or a directory that holds logs"
            )
    elif path.exists():
        found = [path]
    else:
        matching = glob.glob(given, recursive=True)  # noqa: PTH207 - Path.glob takes no absolute pattern
        found = sorted((p for p in map(Path, matching) if p.is_file()), key=rotation.order)
        if not found:
            hint = (
                "no file matches it" if glob.has_magic(given) else "no such file; check the path or quote the pattern"
            )
            raise InputError(f"{given}: {hint}")
    return found


def _file(path: Path) -> Input:
    about = path.stat()
    if not stat.S_ISREG(about.st_mode):  # a pipe has no time of its own, and what is read of it is gone
        return Input(str(path), lambda: _open(path))
    return Input(str(path), lambda: _open(path), datetime.fromtimestamp(_packed_at(path) or about.st_mtime, UTC))


def _packed_at(path: Path) -> int:
    """The time of the original in a gzip header (RFC 1952 s.2.3.1, MTIME), seconds since 1970; 0 when not known."""
    with _open(path) as stream:
        head = stream.read(8)
    return int.from_bytes(head[4:8], "little") if head.startswith(b"\x1f\x8b") else 0


def _open(path: Path) -> IO[bytes]:
    try:
        return path.open("rb")
    except OSError as error:
        raise InputError(f"{path}: {error.strerror}; run as a user who may read it, or pipe the log in") from error


def whole(path: Path) -> bytes | None:
    """All of a small file of our own; None when there is none yet.

    Raises:
        InputError: it is there and cannot be read.
    """
    try:
        return path.read_bytes()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise InputError(f"{path}: {error.strerror}") from error


def head(one: Input, size: int) -> Block | None:
    """The beginning of an input that is to be read later; None where it cannot be looked at without taking it.

    Args:
        one: a file, or a stream that lets one look ahead, as standard input does.
        size: octets to aim at.

    Raises:
        InputError: it cannot be opened or read.
    """
    if one.modified is not None:
        return next(blocks(one, size))
    stream = one.open() if one.is_borrowed else None
    ahead = stream.peek(size) if isinstance(stream, Handed) else b""
    return next(blocks(replace(one, open=lambda: io.BytesIO(ahead)), size)) if ahead else None


def blocks(one: Input, size: int = BLOCK_BYTES, begin: int = 0, line: int = 1) -> Iterator[Block]:
    """Read an input as blocks of whole lines.

    Args:
        one: what to read.
        size: octets to aim at; a line longer than that makes its block longer.
        begin: where to begin, in unpacked octets; `offset` counts from there.
        line: the number of the line there.

    Raises:
        InputError: it cannot be opened or read.
    """
    offset, aim, problem = 0, _aim(size, 0), None
    held, length = [], 0
    coming = _octets(one, size, begin)
    while True:
        try:
            piece, is_cut = next(coming, (None, False))
        except unpack.UNREADABLE as error:
            piece, is_cut, problem = None, False, f"{one.name}: reading stopped: {error}"
        if piece is not None:
            held.append(piece)
            length += len(piece)
            if length < aim and not is_cut:
                continue
        if piece is None:
            yield Block(one.name, b"".join(held), line, offset, is_last=True, problem=problem)
            return
        last, cut = len(piece) if is_cut else _begin_of_last(piece), None
        if last:  # the common case, without a copy more
            ends = piece if is_cut else memoryview(piece)[:last]
            block = Block(one.name, b"".join([*held[:-1], ends]), line, offset)
            line, offset = line + block.data.count(b"\n"), offset + block.size
            held, length, aim = [piece[last:]] if last < len(piece) else [], len(piece) - last, _aim(size, offset)
            del piece, ends
            yield block
            continue
        data = b"".join(held)
        end = _begin_of_last(data)
        if end == 0 and length > LINE_BYTES:
            end = data.rfind(b"\n") + 1
        if end == 0 and length > LINE_BYTES:
            end, cut = LINE_BYTES, f"{one.name}:{line}: a line longer than {LINE_BYTES:,} octets is read in pieces"
        if end:
            yield Block(one.name, data[:end], line, offset, problem=cut)
            line += data.count(b"\n", 0, end)
            offset += end
        held = [data[end:]]
        length -= end
        aim = _aim(size, offset) + (0 if end else length)


def _aim(size: int, offset: int) -> int:
    """How long a block is to be: what is known of a long log grows with it, so its later blocks take less memory."""
    return size if offset < _SOON * size else size - size * 2 // 5


def _begin_of_last(piece: bytes) -> int:
    """Where the last line begins that may be spoken of next: it goes into the next block. 0: it has no line before it."""
    begin = piece.rfind(b"\n")
    while begin > 0:
        end, begin = begin, piece.rfind(b"\n", 0, begin)
        if piece.find(SPEAKS_OF_THE_LAST.encode(), begin + 1, end) < 0:
            break
    return begin + 1


@contextmanager
def unpacked(one: Input, *, as_it_is: bool = False) -> Iterator[tuple[Any, str]]:
    """The stream of an input, unpacked unless it is wanted `as_it_is`, and what it was: plain, packed or recoded.

    A plain file can be read anywhere, what is made of others only from the beginning, with `read1`.
    """
    stream = one.open()
    try:
        first = stream.read(unpack.MAGIC_BYTES)
        fits = ((form, how) for magic, form, how in unpack.MAGIC if first.startswith(magic) and not as_it_is)
        form, opened = next(fits, (unpack.PLAIN, None))
        if opened is not None:
            with opened(unpack.Resumed(first, stream)) as made:
                yield made, form
        elif one.modified is not None:
            stream.seek(0)
            yield stream, form
        else:
            yield unpack.Resumed(first, stream), form
    finally:
        if not one.is_borrowed:
            stream.close()


def _octets(one: Input, size: int, begin: int) -> Iterator[tuple[bytes, bool]]:
    """The unpacked octets in pieces of at most `size`, and whether a piece ends where a block may end.

    No piece is held here while it is worked on.
    """
    with unpacked(one) as (stream, form):
        if form == unpack.PLAIN and one.modified is not None:
            yield from _cut(stream, size, begin)
        else:
            yield from _pieces(stream.read if form == unpack.PLAIN else stream.read1, size, begin)


def _pieces(read: Callable[[int], bytes], size: int, begin: int) -> Iterator[tuple[bytes, bool]]:
    """The octets behind `begin` as they come, to be cut by whoever reads lines."""
    at = -begin
    while piece := read(_aim(size, at)):
        at += len(piece)
        held = [piece[-at:] if at < len(piece) else piece]
        del piece
        if at > 0:
            yield held.pop(), False


def _cut(stream: IO[bytes], size: int, begin: int) -> Iterator[tuple[bytes, bool]]:
    """The octets of a file, of which the ends are looked at first: so no piece must be copied to be cut."""
    at = begin
    while True:
        length = _aim(size, at - begin)
        reach = min(length, _REACH)
        stream.seek(at + length - reach)
        ends = stream.read(reach)
        end = _begin_of_last(ends) if len(ends) == reach else 0
        stream.seek(at)
        held = [stream.read(length - reach + end if end else length)]
        if not held[0]:
            return
        at += len(held[0])
        yield held.pop(), end > 0


def lines(block: Block) -> pl.DataFrame:
    r"""The lines of a block as a frame {line, line_count, raw}; octets that are not UTF-8 read as `\xNN`.

    Line ends (LF or CRLF) are taken off; every line is there, also an empty one.
    """
    try:
        raw = _split(block.data)
    except pl.exceptions.ComputeError:
        raw = _split(block.data.decode("utf-8", "backslashreplace").encode())
    return pl.DataFrame({"raw": raw}).select(
        line=pl.int_range(block.first_line, block.first_line + len(raw), dtype=pl.Int64),
        line_count=pl.lit(1, dtype=pl.Int64),
        raw="raw",
    )


def _split(data: bytes) -> pl.Series:
    """Octets as lines; Polars would unpack what begins like a compressed file, so such a text begins a line later."""
    is_magic = data.startswith(unpack.POLARS_MAGIC)
    found = pl.read_lines(b"\n" + data if is_magic else data, name="raw")
    return found.to_series().slice(int(is_magic)).rechunk()


def apart(rows: pl.DataFrame) -> pl.DataFrame:
    """A few rows that outlive their block, their texts copied: else they would keep all of the block's."""
    return rows.with_columns(pl.col(pl.String) + "")


def text_of(cells: pl.Series) -> pl.Series:
    r"""Octets as text; what is not UTF-8 reads as `\xNN`."""
    try:
        return cells.cast(pl.String)
    except pl.exceptions.ComputeError:
        return pl.Series([cell.decode("utf-8", "backslashreplace") for cell in cells.to_list()], dtype=pl.String)
