"""Which fields of events the columns of tables are made of."""

from __future__ import annotations

from collections.abc import Mapping

from smtplog.join import assemble
from smtplog.join.direction import NEEDS
from smtplog.join.view import LINKS
from smtplog.read.plan import CLIENT, LOGIN, WATCHED, Wanted

HANDED_ON = frozenset(
    {"relay_name", "relay_ip", "client_ip", "client_name", "next_queue_id", "parent_queue_id", "orig_queue_id"}
)
"""What links are made of."""
BARE = frozenset(
    {"source", "line", "format", "host", "line_count", "at", "is_year_inferred", "is_zone_assumed", "instance", "service", "pid",
     "message_key", "session_key", "kind", "raw"}
)  # fmt: skip
"""What is known of an event beyond what its rule names."""


def needed_fields(tables: Mapping[str, frozenset[str] | None]) -> Wanted:
    """The event fields that tables are made of, each with its columns (None: all); None: all fields."""
    asked = [columns for columns in tables.values() if columns is not None]
    if len(asked) < len(tables) or "sessions" in tables or not BARE.issuperset(tables.get("events") or ()):
        return None
    names = frozenset[str]().union(*asked)
    if "events" in tables:
        names |= {"message_id"}  # other programs name a mail by it
    if "recipient_domain" in names:
        names |= {"recipient"}
    if not names.isdisjoint(("recipients", *assemble.REASONS)):
        names |= {"relay_name", "detail", "reply_text", "stage", "enhanced_code", "reply_code"}
    if "status" in names:
        names |= {"stage"}
    if "direction" in names:
        names |= NEEDS
    if "auth_user" in names:
        names |= {"session_key"}  # a refusal has it from its session
    if "session_key" in names:
        names |= CLIENT
    if "verdicts" in names:
        names |= {"verdict_program", "verdict", "score", "message_id"}
    if not names.isdisjoint(LINKS):
        names |= HANDED_ON
    if WATCHED in names:  # counted where they are read: no record is to have them
        names |= LOGIN
    return names | assemble.ALWAYS
