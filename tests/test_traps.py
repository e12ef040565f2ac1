"""How lines of Postfix tie together, and where readers of its logs go wrong: each trap has a scene that holds it.

What each expects is a sentence about the records of its scene, as SQL over one table; EACH, SOME and NUMBER say of how
many rows something is true.
"""

from __future__ import annotations

from functools import cache

import polars as pl
import pytest

import smtplog
from tests.refresh import scenes

TRAPS = (
    ("one process serves one connection after another", "postfix/milter-reject", "sessions",
     "EACH(NOT is_partial) AND NUMBER(closed_at IS NOT NULL) > count(DISTINCT split_part(session_key, '@', 1))"),
    ("a queue id comes back within a minute", "postfix/id-reused-within-a-minute", "messages",
     "count(DISTINCT queue_id) = 1 AND count(DISTINCT message_key) = 2"),
    ("the queue manager says `from=` again at every retry", "postfix/retry-lost-connection-expired", "deliveries",
     "max(attempt) > 1 AND count(DISTINCT message_key) < count(*)"),
    ("what was deferred and came through is not deferred", "postfix/tls-failed-plain-retry", "messages",
     "EACH(status IN ('sent', 'delivered'))"),
    ("a filter hands mail back: the hand-over is no delivery", "postfix/content-filter", "deliveries",
     "SOME(is_internal) AND SOME(NOT is_internal) AND EACH(is_internal = (coalesce(relay_ip, '-') = '127.0.0.1'))"),
    ("and the mail that came back is the one that went in", "postfix/content-filter", "messages",
     "NUMBER(origin = 'reinjection') = NUMBER(parent_key IS NOT NULL)"),
    ("a forwarded mail comes out of another", "postfix/forwarded-and-lookalike", "messages",
     "NUMBER(origin = 'forward' AND parent_key LIKE '%5A00000001%') = 1"),
    ("a remote host's queue id that looks like one of ours is not followed", "postfix/forwarded-and-lookalike", "messages",
     "NUMBER(queue_id = '5A00000003' AND parent_key IS NULL AND origin = 'smtp') = 1"),
    ("instances share no ids", "postfix/instances", "messages", "count(DISTINCT message_key) > count(DISTINCT queue_id)"),
    ("a filter before the queue: the outer connection has no id", "postfix/proxy-accept", "events",
     "NUMBER(kind = 'client' AND queue_id IS NULL) > 0"),
    ("TLS lines of the client name no id", "postfix/novelties-3.10", "events",
     "NUMBER(kind = 'tls_to' AND message_key IS NULL) > 0"),
    ("a notice is logged before the lines of its message since 3.11", "postfix/novelties-3.10", "messages",
     "NUMBER(origin = 'bounce' AND parent_key IS NOT NULL AND sender = '') > 0"),
    ("and after them before", "postfix/sender-and-postmaster-notified", "messages",
     "NUMBER(origin = 'bounce' AND parent_key IS NOT NULL) > 0"),
    ("an alias: whom the user wrote to is another than who got it", "postfix/loops", "deliveries",
     "SOME(original_recipient <> recipient)"),
    ("the head of a log is cut off", "postfix/lmtp", "messages", "SOME(is_partial AND message_key LIKE '%@?')"),
    ("one line says that another came several times", "envelope/message-repeated", "events",
     "count(*) > sum(line_count) AND SOME(line_count = 0)"),
    ("verbs at the end say what became of the recipients", "postfix/rate-limit", "sessions", "SOME(closed_by IS NOT NULL)"),
    ("a queue id before `lost connection`, since 3.10", "postfix/novelties-3.10", "events",
     "NUMBER(kind = 'lost' AND queue_id IS NOT NULL) > 0"),
    ("a refusal without an id belongs to its connection only", "postfix/reject-unknown-user", "deliveries",
     "EACH(message_key IS NULL AND session_key IS NOT NULL)"),
    ("no field says the direction", "postfix/id-reused-within-a-minute", "messages", "count(DISTINCT direction) = 2"),
    ("HOLD stands before the id of the message it is about", "postfix/access-hold", "messages", "EACH(status = 'held')"),
    ("expiry has no line per recipient", "postfix/retry-lost-connection-expired", "deliveries",
     "SOME(status = 'expired' AND recipient IS NOT NULL)"),
    ("an address probe is no mail", "postfix/probes", "deliveries", "EACH(detail NOT LIKE 'delivers to%')"),
    ("a relay cuts the daemon off its name", "postfix/rfc5424-program-cut", "events", "count(DISTINCT kind) > 3"),
)  # fmt: skip
KNOWN = {scene.name: scene for scene in scenes()}


WORDS = {"EACH": ("min", " = 1"), "SOME": ("max", " = 1"), "NUMBER": ("sum", "")}


def spelt(text: str) -> str:
    """The words that SQL has not, written out; what they hold ends at their closing bracket."""
    for word, (function, end) in WORDS.items():
        while f"{word}(" in text:
            start = text.index(f"{word}(")
            at, depth = start + len(word) + 1, 1
            while depth:
                depth += {"(": 1, ")": -1}.get(text[at], 0)
                at += 1
            what = text[start + len(word) + 1 : at - 1]
            text = f"{text[:start]}{function}(CASE WHEN {what} THEN 1 ELSE 0 END){end}{text[at:]}"
    return text


@cache
def tables(name: str) -> dict[str, pl.DataFrame]:
    """All tables of a scene."""
    scene = KNOWN[name]
    return smtplog.frames(str(scene.log), year=scene.year, zone=scene.timezone)


@pytest.mark.parametrize(("trap", "scene", "table", "holds"), TRAPS, ids=[trap[0] for trap in TRAPS])
def test_every_trap_has_a_scene_that_holds_it(trap: str, scene: str, table: str, holds: str) -> None:
    """The scene shows it and the records say it right."""
    frame = tables(scene)[table]

    assert frame.height, trap
    assert frame.sql(f"SELECT ({spelt(holds)}) AS holds FROM self")["holds"].item(), trap  # noqa: S608
