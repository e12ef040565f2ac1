"""Postfix (2.x to 3.11). Shapes: grammars/postfix.lark; sources are named there."""

from __future__ import annotations

from datetime import UTC, datetime

from smtplog.formats.base import Format
from smtplog.formats.postfix import agents, queue, screen, server, system
from smtplog.formats.postfix.words import QMGR

_BASE_52 = {digit: value for value, digit in enumerate("0123456789BCDFGHJKLMNPQRSTVWXYZbcdfghjklmnpqrstvwxyz")}


def id_time(queue_id: str) -> datetime | None:
    """When a long queue id was made, to the second; None for a short one. src/global/mail_queue.h, MQID_*."""
    if len(queue_id) < 12 or not set(queue_id[:6]) <= _BASE_52.keys():
        return None
    seconds = 0
    for digit in queue_id[:6]:
        seconds = seconds * 52 + _BASE_52[digit]
    return datetime.fromtimestamp(seconds, UTC)


FORMAT = Format(
    name="postfix",
    title="Postfix 2.x - 3.11",
    grammar="postfix",
    program="program",
    programs=("postfix",),
    instances=("postfix",),
    keepers=("master", *QMGR),
    unique_id_letters=12,
    timed_id="timed_id",
    id_time=id_time,
    kinds=(
        *agents.DELIVERIES,
        *server.CONNECTIONS,
        *queue.LIFE,
        *agents.KINDS,
        *server.KINDS,
        *queue.KINDS,
        *screen.KINDS,
        *system.KINDS,
        *system.WARNINGS,
    ),
)
