"""The message inside a dialogue: its header counted and the few fields a session record wants (RFC 5322 s.2)."""

from __future__ import annotations

from email.errors import MessageError
from email.header import decode_header, make_header
from typing import NamedTuple

from smtplog.smtp import commands


class Facts(NamedTuple):
    """What a message tells of itself."""

    header_count: int
    body_line_count: int
    subject: str | None
    message_id: str | None


def facts(lines: list[str], total: int) -> Facts:
    """Count the header fields, folded ones once, and the lines behind the empty line.

    Args:
        lines: of the message, the first ones if it is long, without line ends.
        total: how many lines it had.
    """
    fields: list[tuple[str, str]] = []
    used = 0
    for line in lines:
        if not line.strip():
            used += 1
            break
        if line[0] in " \t" and fields:
            name, value = fields[-1]
            fields[-1] = (name, f"{value} {line.strip()}")
        else:
            name, colon, value = line.partition(":")
            if not colon or not name.strip() or not _is_name(name.rstrip()):
                break
            fields.append((name.strip().lower(), value.strip()))
        used += 1
    return Facts(len(fields), max(total - used, 0), _subject(fields), _message_id(fields))


def _is_name(name: str) -> bool:
    return name.isascii() and all(33 <= ord(c) <= 126 for c in name)


def _subject(fields: list[tuple[str, str]]) -> str | None:
    raw = next((value for name, value in fields if name == "subject"), None)
    if raw is None or "=?" not in raw:
        return raw
    try:
        return str(make_header(decode_header(raw)))
    except (LookupError, ValueError, MessageError):
        return raw


def _message_id(fields: list[tuple[str, str]]) -> str | None:
    raw = next((value for name, value in fields if name == "message-id"), None)
    if raw is None or commands.is_masked(raw):
        return None
    inside = raw.partition("<")[2].partition(">")[0] or raw
    return inside.strip() or None


_BEFORE = (
    "queued as",
    "queued mail for delivery as",
    "accepted as",
    "stored as",
    "saved as",
    "message queued",
    "id=",
    "queue id:",
    "queueid",
)
_AFTER = ("message accepted for delivery", "saved", "queued for delivery", "message received", "mail accepted")


def next_queue_id(text: str | None) -> str | None:
    """The id a server gave the message it took: `Ok: queued as 12345`, `OK id=1Mugho-0003D`."""
    said = " ".join((text or "").split())
    low = said.lower()
    for words in _BEFORE:
        place = low.find(words)
        if place >= 0:
            found = _id(said[place + len(words) :].lstrip(" :#").split(" ", 1)[0])
            if found:
                return found
    for words in _AFTER:
        place = low.find(words)
        if place > 0:
            before = said[:place].split()
            if before and _id(before[-1]):
                return _id(before[-1])
        if words == "saved" and place >= 0:
            return _id(said[place + len(words) :].strip().split(" ", 1)[0])
    words_ = said.split()
    if words_ and words_[-1] == "gsmtp" and len(words_) > 2:  # Google: `OK 1584701732 h13sm106940wrr.3 - gsmtp`
        return _id(words_[-3])
    return None


def _id(word: str) -> str | None:
    inside = word.strip("<>().,;:[]")
    is_id = (
        len(inside) >= 4 and any(c.isdecimal() for c in inside) and all(c.isalnum() or c in "-_.+=@/" for c in inside)
    )
    return inside if is_id else None
