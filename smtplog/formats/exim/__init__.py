"""Exim (4.60 to 4.99): main, reject and panic log, files and syslog. Shapes and sources: grammars/exim.lark."""

from __future__ import annotations

from datetime import UTC, datetime

from smtplog.formats.base import Format
from smtplog.formats.exim import queue, sessions, system

_BASE_62 = {d: i for i, d in enumerate("0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz")}


def id_time(queue_id: str) -> datetime | None:
    """When an id was made, to the second. src/string.c, string_base62_32()."""
    seconds = 0
    for digit in queue_id[:6]:
        if digit not in _BASE_62:
            return None
        seconds = seconds * 62 + _BASE_62[digit]
    return datetime.fromtimestamp(seconds, UTC)


FORMAT = Format(
    name="exim",
    title="Exim 4.60 - 4.99",
    grammar="exim",
    programs=("exim", "exim4"),
    unique_id_letters=1,
    timed_id="timed_id",
    id_time=id_time,
    head="stamped",
    is_plain=True,
    kinds=(
        *queue.HOT,
        *sessions.SESSIONS,
        *sessions.REFUSALS,
        *queue.QUEUE,
        *system.OTHER,
        *system.PROBLEMS,
        *queue.MESSAGE_LOG,
        *system.NOTES,
    ),
)
