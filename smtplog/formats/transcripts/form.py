"""What a transcript form is: a value that says how its lines are marked and what to make of the rest.

The shape of a line is the rule `line` of the form's grammar, with the fields `mark` and `text` and, where the form has
them, `stamp`, `ids` (which session a line belongs to) and `lead` (what it is indented by). Everything else is here.
Which mark is whose is only a prior: directions are decided for every session from what is said.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class Form:
    """One way of writing a dialogue down."""

    name: str
    title: str
    grammar: str | None = None
    """Name of its grammar; None: its lines have no marks."""
    server: tuple[str, ...] = ()
    """Marks of the server's lines, as far as the form alone tells."""
    client: tuple[str, ...] = ()
    tls_marks: tuple[str, ...] = ()
    """Marks that say that a line went through TLS."""
    literal: Literal["", "python", "quoted", "csv", "bars", "commas", "state", "cell"] = ""
    """How the text is written: as a Python literal, in quotes with backslashes, as a CSV cell, lines joined by bars or commas,
    with ` state=1` behind it, a cell in quotes with `[nl]` for line ends."""
    shows_octets: bool = False
    """Line ends are written as they were on the wire."""
    body: Literal["marked", "bare", "loose", "absent"] = "marked"
    """Lines of the message: marked like commands; without any mark; only the first one marked; not there."""
    bare_replies: bool = False
    """Replies stand without a mark."""
    is_folded: bool = False
    """Long lines go on, indented, on the next."""
    blocks: Literal["", "rows", "hex", "octets"] = ""
    """A line tells whose turn it is, then come rows with an offset, of characters or of octets in hex, or as many octets
    as it says."""
    code_in_mark: bool = False
    """The mark of a reply is its code: `[250] 'text'`."""
    signs: tuple[str, ...] = ()
    """Words of which one must be in the text."""
    unless: tuple[str, ...] = ()
    """Words of which none may be in the text."""
    skips: tuple[str, ...] = ()
    """Beginnings of texts that repeat what was said, or are nobody's words."""
    is_whole: bool = False
    """Its rule reads the time stamp and the names before the mark itself."""
    is_unstuffed: bool = False
    """Lines of the message are printed before their dots are doubled."""
    is_log: bool = False
    """Its lines are lines of a server's log, among others of that log."""
    own_mark: str = ""
    """What the side that logs wrote itself stands behind this mark: the other end is the one that its lines name."""
    names_sessions: bool = False
    """Its ids of sessions are never used again."""
    repeats: bool = False
    """The same log may stand in the text several times, as a quotation of itself."""
    weight: float = 1.0
    """What a line that fits is worth against other forms."""
