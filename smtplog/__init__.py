"""smtplog: MTA logs and SMTP transcripts as typed records.

>>> import smtplog
>>> run = smtplog.deliveries(["Nov 23 08:28:36 mx1 postfix/local[16]: DBF902: to=<a@b.example>, relay=local, "
...     "delay=0.03, delays=0.01/0.02/0/0, dsn=2.0.0, status=sent (delivered to mailbox)"], year=2026)
>>> [(d.recipient, d.enhanced_code) for d in run], run.tally.understood
([('a@b.example', '2.0.0')], 1)
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from smtplog.contract.records import Delivery, Event, Message, Session, Unparsed
    from smtplog.errors import GrammarError, InputError, OutputError, QueryError, SmtplogError
    from smtplog.library import (
        Run,
        Stitcher,
        deliveries,
        events,
        frames,
        messages,
        parse_line,
        parse_transcript,
        sessions,
    )
    from smtplog.read.options import Options
    from smtplog.read.tally import Tally

_ROOMS = {
    "smtplog.contract.records": ("Delivery", "Event", "Message", "Session", "Unparsed"),
    "smtplog.errors": ("GrammarError", "InputError", "OutputError", "QueryError", "SmtplogError"),
    "smtplog.library": (
        "Run",
        "Stitcher",
        "deliveries",
        "events",
        "frames",
        "messages",
        "parse_line",
        "parse_transcript",
        "sessions",
    ),
    "smtplog.read.options": ("Options",),
    "smtplog.read.tally": ("Tally",),
}

__all__ = [
    "Delivery",
    "Event",
    "GrammarError",
    "InputError",
    "Message",
    "Options",
    "OutputError",
    "QueryError",
    "Run",
    "Session",
    "SmtplogError",
    "Stitcher",
    "Tally",
    "Unparsed",
    "deliveries",
    "events",
    "frames",
    "messages",
    "parse_line",
    "parse_transcript",
    "sessions",
]


def __dir__() -> list[str]:
    return __all__


if not TYPE_CHECKING:  # a name that is none is one for type checkers too

    def __getattr__(name: str) -> object:
        """Open a room when something out of it is asked for: `smtplog --help` needs none of them."""
        for room, names in _ROOMS.items():
            if name in names:
                return getattr(import_module(room), name)
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
