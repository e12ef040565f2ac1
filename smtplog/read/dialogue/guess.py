"""A form nobody told us of: what always stands before replies is one mark, what always stands before commands another.

Numbers in a mark may change from line to line (times, process ids), the rest may not.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from smtplog.formats.transcripts.form import Form
from smtplog.read import grammar
from smtplog.read.dialogue.clean import Row
from smtplog.read.dialogue.pieces import Piece

_LONGEST_MARK = 160
_FEWEST = 3
_DAILY = frozenset({"220 ", "220-", "250 ", "250-", "354 "})
"""Replies of which every dialogue has one."""


def form(sample: Sequence[Row]) -> tuple[Form, float] | None:
    """The marks that a sample shows, as a form, and what they explain; None without a mark for either side."""
    heard: dict[str, Counter[str]] = {}
    words: dict[str, set[str]] = {}
    for row in sample:
        place, kind = speech(row.text)
        if 0 < place <= _LONGEST_MARK:
            mark = shape(row.text[:place])
            heard.setdefault(mark, Counter())[kind] += 1
            words.setdefault(mark, set()).add(row.text[place : place + 4].upper())
    server = tuple(m for m, n in heard.items() if n["reply"] > n["verb"] and len(words[m]) > 1 and words[m] & _DAILY)
    client = tuple(m for m, n in heard.items() if n["verb"] > n["reply"] and len(words[m]) > 1)
    score = sum(max(heard[m].values()) - min(heard[m]["reply"], heard[m]["verb"]) for m in (*server, *client))
    if not server or not client or score < _FEWEST:
        return None
    return Form("other", "marks of a tool that is not known", "transcript", server, client), score * 0.5


def speech(text: str) -> tuple[int, str]:
    """Where a reply or a command begins in a line, and which it is; -1 when neither does."""
    head = text[: _LONGEST_MARK + 40]
    reply = grammar.compiled("transcript", "unmarked_reply").search(head)
    said = grammar.compiled("transcript", "unmarked_command").search(head)
    places = [
        (m.start(), kind) for m, kind in ((reply, "reply"), (said, "verb")) if m and not _inside_word(head, m.start())
    ]
    return min(places, default=(-1, ""))


def _inside_word(text: str, place: int) -> bool:
    return place > 0 and (text[place - 1].isalnum() or text[place - 1] in ".-_")


def shape(mark: str) -> str:
    """A mark with every number in it as one 0."""
    out: list[str] = []
    for c in mark:
        if not c.isdecimal():
            out.append(c)
        elif not out or out[-1] != "0":
            out.append("0")
    return "".join(out)


def pieces(found: Form, rows: list[Row]) -> list[Piece]:
    """Every row with its mark, if it has one."""
    marks = sorted((*found.server, *found.client), key=len, reverse=True)
    out = []
    for row in rows:
        mark, place = next(((m, p) for m in marks if (p := behind(m, row.text)) >= 0), (None, 0))
        text = row.text[place:]
        quote = row.text[place - 1 : place]
        if mark is not None and quote in {'"', "'"} and text.endswith((quote, quote + ",")):
            text = text.rstrip(",")[:-1]
        out.append(Piece(mark, text.removesuffix("\\n").removesuffix("\\r") if mark is not None else text, row))
    return out


def behind(mark: str, text: str) -> int:
    """How much of a line a mark covers, -1 when it does not begin with it; a blank at the mark's end may be missing."""
    at = 0
    for i, c in enumerate(mark):
        if c == "0":
            if not text[at : at + 1].isdecimal():
                return -1
            while text[at : at + 1].isdecimal():
                at += 1
        elif text[at : at + 1] == c:
            at += 1
        else:
            return at if c == " " and i == len(mark) - 1 and at == len(text) else -1
    return at
