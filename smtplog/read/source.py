"""The only room that opens input: path, directory, glob, standard input, file object; compressed or not.

Out come blocks of whole lines with the number of their first line. Memory is bounded by the block, not by the file.
"""

from __future__ import annotations

import bz2
import glob
import lzma
import sys
import zlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime, timezone
from pathlib import Path
from typing import IO, Any

import polars as pl
import pyarrow as pa

from smtplog.errors import InputError

BLOCK_BYTES = 16 * 1024 * 1024
LINE_BYTES = 64 * 1024 * 1024
"""A line longer than this is cut into pieces of this length: memory stays bounded on input without line ends."""

Opener = Callable[[], IO[bytes]]


@dataclass(frozen=True)
class Input:
    """One thing to read: its name as given, how to open it, the time of the file where it has one."""

    name: str
    open: Opener
    modified: datetime | None = None
    size: int | None = None


@dataclass(frozen=True)
class Block:
    """Whole lines of one input; `first_line` from 1, `offset` in decompressed octets."""

    source: str
    data: bytes = field(repr=False)
    first_line: int
    offset: int
    is_last: bool = False
    problem: str | None = None
    """Why reading ended early, e.g. a cut gzip file."""


class _Inflater:
    """Decompressors of the standard library behind one door; members may follow one another."""

    def __init__(self, make: Callable[[], Any]) -> None:
        self.make = make
        self.one = make()
        self.started = False

    def feed(self, data: bytes) -> bytes:
        out = []
        while data:
            if self.one.eof:
                self.one = self.make()
            out.append(self.one.decompress(data))
            data = self.one.unused_data if self.one.eof else b""
            if self.one.eof and not data.strip(b"\0"):
                break
        return b"".join(out)

    @property
    def is_whole(self) -> bool:
        return bool(self.one.eof)


_MAGIC: tuple[tuple[bytes, Callable[[], Any]], ...] = (
    (b"\x1f\x8b", lambda: zlib.decompressobj(31)),
    (b"BZh", bz2.BZ2Decompressor),
    (b"\xfd7zXZ\x00", lzma.LZMADecompressor),
    (b"]\x00\x00", lambda: lzma.LZMADecompressor(lzma.FORMAT_ALONE)),
)
_ZSTD = b"\x28\xb5\x2f\xfd"


def inputs(given: Iterable[Any]) -> list[Input]:
    """What was given on a command line or to the library, spelt out.

    Args:
        given: paths, globs, directories (their files, oldest rotation first), `-`, open binary files, iterables of lines.

    Raises:
        InputError: nothing there, or a directory without files.
    """
    return [one for item in given for one in _spell_out(item)]


def _spell_out(item: Any) -> list[Input]:
    if isinstance(item, Input):
        return [item]
    if item == "-":
        return [Input("-", lambda: sys.stdin.buffer)]
    if hasattr(item, "read"):
        return [Input(str(getattr(item, "name", "-")), lambda: item)]
    if isinstance(item, (str, Path)):
        return _paths(str(item))
    return [Input("-", lambda: _Lines(item))]  # type: ignore[list-item, return-value]


class _Lines:
    """An iterable of lines read like a binary file."""

    def __init__(self, lines: Iterable[str | bytes]) -> None:
        self._lines = iter(lines)

    def read(self, size: int) -> bytes:
        out, length = [], 0
        for line in self._lines:
            data = line if isinstance(line, bytes) else line.encode("utf-8", "surrogateescape")
            out.append(data if data.endswith(b"\n") else data + b"\n")
            length += len(out[-1])
            if length >= size:
                break
        return b"".join(out)

    def close(self) -> None:
        """Nothing to close."""


def _paths(given: str) -> list[Input]:
    path = Path(given)
    if path.is_dir():
        found = sorted((p for p in path.rglob("*") if p.is_file() and not p.name.startswith(".")), key=rotation)
        if not found:
            raise InputError(f"{given}: a directory without files; give the log file itself or a directory that holds logs")
    elif path.exists():
        found = [path]
    else:
        found = sorted((Path(p) for p in glob.glob(given, recursive=True) if Path(p).is_file()), key=rotation)
        if not found:
            hint = "no file matches it" if glob.has_magic(given) else "no such file; check the path or quote the pattern"
            raise InputError(f"{given}: {hint}")
    return [_file(p) for p in found]


def _file(path: Path) -> Input:
    try:
        stat = path.stat()
    except OSError as error:
        raise InputError(f"{path}: {error.strerror}") from error
    return Input(str(path), lambda: _open(path), datetime.fromtimestamp(stat.st_mtime, timezone.utc), stat.st_size)


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


def rotation(path: Path) -> tuple[str, str, int, str]:
    """Sort key that puts a rotated set in the order of time: `mail.log.2.gz`, `mail.log.1`, `mail.log`; dates rise."""
    parts = path.name.split(".")
    numbers = [part for part in parts if part.isdigit()]
    words = [part for part in parts if not part.isdigit() and part not in ("gz", "bz2", "xz", "zst", "lzma")]
    base, _, day = ".".join(words).partition("-")
    number = int(numbers[-1]) if numbers and len(numbers[-1]) < 8 else 0
    dated = day or next((n for n in numbers if len(n) >= 8), "")
    return str(path.parent), base, -number, dated or "~"


def blocks(one: Input, size: int = BLOCK_BYTES) -> Iterator[Block]:
    """Read an input as blocks of whole lines.

    Args:
        one: what to read.
        size: octets to aim at; a line longer than that makes its block longer.

    Raises:
        InputError: it cannot be opened or read.
    """
    line, offset, rest, problem = 1, 0, b"", None
    chunks = _octets(one, size)
    while True:
        try:
            chunk = next(chunks, b"")
        except (OSError, EOFError, zlib.error, lzma.LZMAError) as error:
            chunk, problem = b"", f"{one.name}: reading stopped: {error}"
        data = rest + chunk
        if not chunk:
            yield Block(one.name, data, line, offset, is_last=True, problem=problem)
            return
        end = data.rfind(b"\n") + 1
        if end == 0 and len(data) > LINE_BYTES:
            end = LINE_BYTES
        if end == 0:
            rest = data
            continue
        yield Block(one.name, data[:end], line, offset)
        line += data.count(b"\n", 0, end)
        offset += end
        rest = data[end:]


def _octets(one: Input, size: int) -> Iterator[bytes]:
    stream = one.open()
    try:
        first = stream.read(size)
        if first.startswith(_ZSTD):
            yield from _zstd(first, stream, size)
            return
        make = next((make for magic, make in _MAGIC if first.startswith(magic)), None)
        if make is None:
            yield from _plain(first, stream, size)
            return
        inflater = _Inflater(make)
        packed = min(size // 8, 1 << 20) or 1
        held: list[bytes] = []
        for start in range(0, len(first), packed):
            held.append(inflater.feed(first[start : start + packed]))
            if sum(map(len, held)) >= size:
                yield b"".join(held)
                held = []
        while data := stream.read(packed):
            held.append(inflater.feed(data))
            if sum(map(len, held)) >= size:
                yield b"".join(held)
                held = []
        yield b"".join(held)
        if not inflater.is_whole:
            raise EOFError("the compressed file is cut short")
    finally:
        if stream is not sys.stdin.buffer:
            stream.close()


def _plain(first: bytes, stream: IO[bytes], size: int) -> Iterator[bytes]:
    while first:
        yield first
        first = stream.read(size)


def _zstd(first: bytes, stream: IO[bytes], size: int) -> Iterator[bytes]:
    class Joined:
        """The octets already read, then the rest."""

        closed = False
        held = first

        def read(self, count: int = -1) -> bytes:
            if self.held:
                out, self.held = (self.held, b"") if count < 0 else (self.held[:count], self.held[count:])
                return out
            return stream.read(count)

        def readable(self) -> bool:
            return True

        def seekable(self) -> bool:
            return False

        def writable(self) -> bool:
            return False

        def close(self) -> None:
            """The caller closes."""

    with pa.CompressedInputStream(pa.PythonFile(Joined(), mode="r"), "zstd") as inflated:
        while data := inflated.read(size):
            yield data


def lines(block: Block) -> pl.DataFrame:
    """The lines of a block as a frame {line, line_count, raw}; octets that are not UTF-8 read as `\\xNN`.

    Line ends (LF or CRLF) are taken off; every line is there, also an empty one.
    """
    data = block.data
    if data and not data.endswith(b"\n"):
        data += b"\n"
    octets = pl.Series(pl.from_arrow(pa.Array.from_buffers(pa.uint8(), len(data), [None, pa.py_buffer(data)])))
    ends = (octets == 10).arg_true().cast(pl.Int64) + 1
    count = len(ends)
    offsets = pl.concat([pl.Series([0], dtype=pl.Int64), ends]).to_arrow().buffers()[1]
    cells = pl.Series(pl.from_arrow(pa.LargeBinaryArray.from_buffers(pa.large_binary(), count, [None, offsets, pa.py_buffer(data)])))
    try:
        raw = cells.cast(pl.String)
    except pl.exceptions.ComputeError:
        raw = pl.Series([cell.decode("utf-8", "backslashreplace") for cell in cells.to_list()], dtype=pl.String)
    raw = raw.str.head(-1)
    if b"\r\n" in data:
        raw = raw.str.strip_suffix("\r")
    return pl.DataFrame({"raw": raw}).select(
        line=pl.int_range(block.first_line, block.first_line + count, dtype=pl.Int64),
        line_count=pl.lit(1, dtype=pl.Int64),
        raw="raw",
    )
