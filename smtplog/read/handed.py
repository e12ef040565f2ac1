"""What a program hands in to be read - open files, text, lines - as streams of octets."""

from __future__ import annotations

import codecs
import io
import os
from collections.abc import Iterable
from typing import Any, Protocol

from smtplog.errors import InputError


class Readable(Protocol):
    """What is read like a file, octets or text."""

    def read(self, size: int, /) -> bytes | str:
        """At most so many octets or letters; none at the end."""


Given = str | os.PathLike[str] | Readable | Iterable[str | bytes | os.PathLike[str] | Readable]
"""What a program hands in to be read: a path, directory or glob, an open file, lines; or a list of paths or open files."""


def octets(text: str) -> bytes:
    r"""Text as UTF-8; an octet that was none of it when it was read is itself again, half a letter reads as `\uNNNN`."""
    try:
        return text.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:
        return text.encode("utf-8", "backslashreplace")


def legible(text: str) -> str:
    r"""Text that can be written down anywhere: octets that are none read as `\xNN`, half a letter as `\uNNNN`."""
    return text if text.isascii() else octets(text).decode("utf-8", "backslashreplace")


class Recoded(io.BufferedIOBase):
    r"""Text in another encoding as UTF-8; what is none reads as `\xNN`."""

    def __init__(self, stream: Any, encoding: str) -> None:
        self._stream, self._decoder = stream, codecs.getincrementaldecoder(encoding)("backslashreplace")

    def read1(self, size: int = -1) -> bytes:
        """At most so many octets of the original, recoded."""
        while data := self._stream.read(size):
            if text := self._decoder.decode(data):
                return text.encode()
        return self._decoder.decode(b"", final=True).encode()


class Text(io.RawIOBase):
    """A stream of text read like a binary file."""

    def __init__(self, stream: Any) -> None:
        self._stream = stream

    def read(self, size: int = -1) -> bytes:
        """At most so many letters."""
        return octets(self._stream.read(size))


class Lines:
    """An iterable of lines read like a binary file."""

    def __init__(self, lines: Iterable[str | bytes]) -> None:
        self._lines = iter(lines)

    def read(self, size: int) -> bytes:
        """Whole lines, at least so many octets until there are no more."""
        out, length = [], 0
        for line in self._lines:
            if not isinstance(line, (str, bytes)):
                raise InputError(f"{type(line).__name__}: no line of text or octets; several files are given as a list")
            data = line if isinstance(line, bytes) else octets(line)
            out.append(data if data.endswith(b"\n") else data + b"\n")
            length += len(out[-1])
            if length >= size:
                break
        return b"".join(out)
