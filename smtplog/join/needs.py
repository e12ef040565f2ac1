"""Which fields of events the columns of tables are made of."""

from __future__ import annotations

from collections.abc import Iterable

from smtplog.join import assemble
from smtplog.join.direction import NEEDS
from smtplog.join.view import LINKS
from smtplog.read.plan import CLIENT

HANDED_ON = frozenset(
    {"relay_name", "relay_ip", "client_ip", "client_name", "next_queue_id", "parent_queue_id", "orig_queue_id"}
)
"""What links are made of."""


def needed_fields(wanted: Iterable[str]) -> frozenset[str]:
    """The event fields that the columns of tables are made of."""
    names = frozenset(wanted)
    if "recipient_domain" in names:
        names |= {"recipient"}
    if not names.isdisjoint(("recipients", *assemble.REASONS)):
        names |= {"relay_name", "detail", "reply_text", "stage", "enhanced_code", "reply_code"}
    if "status" in names:
        names |= {"stage"}
    if "direction" in names:
        names |= NEEDS
    if "session_key" in names:
        names |= CLIENT
    if "verdicts" in names:
        names |= {"verdict_program", "verdict", "score", "message_id"}
    if not names.isdisjoint(LINKS):
        names |= HANDED_ON
    return names | assemble.ALWAYS
