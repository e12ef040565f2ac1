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


class Handed:
    """A stream that somebody else opened, of octets or of text, read like a binary file.

    Args:
        name: what it is called in messages.
        stream: has a `read(size)`.
    """

    def __init__(self, name: str, stream: Any) -> None:
        self._name, self._stream = name, stream

    def peek(self, size: int) -> bytes:
        """About so many octets of what is to come, which stay to be read; none where the stream does not let one look ahead."""
        ahead = getattr(self._stream, "peek", None)
        try:
            found = ahead(size) if ahead else b""
        except (OSError, EOFError, ValueError, TypeError):  # `read` says it
            return b""
        return found if isinstance(found, bytes) else b""

    def read(self, size: int = -1) -> bytes:
        """At most so many octets, or letters of a text.

        Raises:
            InputError: it is closed, opened to be written, does not wait for what is to come, or gives neither octets nor
                text; or a text of it is none in the encoding it was opened with.
        """
        try:
            data = self._stream.read(size)
        except (ValueError, TypeError) as error:  # io.UnsupportedOperation is a ValueError too
            why = str(error).rstrip(".")
            raise InputError(
                f"{self._name}: it cannot be read: {why}; open it for reading, best as octets (mode rb)"
            ) from error
        except BlockingIOError:
            data = None
        if data is None or (data == "" and not _waits(self._stream)):
            raise InputError(
                f"{self._name}: there is nothing to read yet, and it does not wait for more; make it: os.set_blocking(fd, True)"
            )
        if isinstance(data, str):
            return octets(data)
        if not isinstance(data, (bytes, bytearray, memoryview)):
            raise InputError(f"{self._name}: its read() gives {type(data).__name__}, neither octets nor text")
        return data if isinstance(data, bytes) else bytes(data)


def _waits(stream: Any) -> bool:
    """Does reading wait for what is to come? Of a text that does not, the end looks like a pause."""
    try:
        return os.get_blocking(stream.fileno())
    except (AttributeError, OSError, TypeError, ValueError):  # nothing that the system has opened
        return True


class Lines:
    """An iterable of lines read like a binary file."""

    def __init__(self, lines: Iterable[str | bytes]) -> None:
        self._lines = iter(lines)
        self._is_begun = False

    def read(self, size: int) -> bytes:
        """Whole lines, at least so many octets until there are no more.

        Raises:
            InputError: what comes is no line, or the first is the path of a file.
        """
        out, length = [], 0
        for line in self._lines:
            if not isinstance(line, (str, bytes)):
                raise InputError(f"{type(line).__name__}: no line of text or octets; {_SEVERAL}")
            if not self._is_begun and os.path.isfile(line):  # noqa: PTH113 - any line: `Path` takes no octets
                raise InputError(f"{os.fsdecode(line)}: a file, where a line of a log was expected; {_SEVERAL}")
            self._is_begun = True
            data = line if isinstance(line, bytes) else octets(line)
            out.append(data if data.endswith(b"\n") else data + b"\n")
            length += len(out[-1])
            if length >= size:
                break
        return b"".join(out)


_SEVERAL = "several files are given as a list, a name with a blank in it as a Path"
