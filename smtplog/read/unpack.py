"""How packed files begin, and what unpacks them; text in Windows' encodings is recoded in the same way."""

from __future__ import annotations

import bz2
import codecs
import gzip
import io
import lzma
import zlib
from collections.abc import Callable
from typing import IO, Any

from smtplog.read.handed import Recoded


class Resumed(io.RawIOBase):
    """A stream whose first octets have already been read."""

    def __init__(self, first: bytes, stream: IO[bytes]) -> None:
        self._first, self._stream = io.BytesIO(first), stream

    def readable(self) -> bool:
        """What unpacks asks it."""
        return True

    def read(self, size: int = -1) -> bytes:
        """At most so many octets."""
        return self._first.read(size) or self._stream.read(size)


def _zstd(packed: Any) -> Any:
    import pyarrow as pa  # noqa: PLC0415 - takes as long to load as a small log to read

    return pa.CompressedInputStream(pa.PythonFile(packed, mode="r"), "zstd")


PLAIN, PACKED, RECODED = "plain", "packed", "recoded"
MAGIC: tuple[tuple[bytes, str, Callable[[Any], Any]], ...] = (
    (b"\x1f\x8b", PACKED, lambda packed: gzip.GzipFile(fileobj=packed)),
    (b"BZh", PACKED, bz2.BZ2File),
    (b"\xfd7zXZ\x00", PACKED, lzma.LZMAFile),
    (b"]\x00\x00", PACKED, lzma.LZMAFile),
    (b"\x28\xb5\x2f\xfd", PACKED, _zstd),
    (codecs.BOM_UTF8, RECODED, lambda marked: Recoded(marked, "utf-8-sig")),
    (codecs.BOM_UTF16_LE, RECODED, lambda wide: Recoded(wide, "utf-16")),
    (codecs.BOM_UTF16_BE, RECODED, lambda wide: Recoded(wide, "utf-16")),
)
"""How packed files begin, and what unpacks them; several packed one behind the other are one. Windows marks its texts."""
MAGIC_BYTES = max(len(magic) for magic, _, _ in MAGIC)
POLARS_MAGIC = (b"\x1f\x8b", b"x", b"\x28\xb5")
"""How the packed files begin that Polars unpacks on its own account: gzip, zlib, zstd."""
UNREADABLE = (OSError, EOFError, zlib.error, lzma.LZMAError)
"""What is raised where something is not what it begins like."""


def checksum(octets: bytes | memoryview, before: int = 0) -> int:
    """The CRC-32 of octets, or of all up to them."""
    return zlib.crc32(octets, before)
