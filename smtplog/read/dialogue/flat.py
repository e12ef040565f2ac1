"""Dialogues that lost their line ends: web pages and shells put a whole transcript on one line.

With marks the line is cut before every mark; without, before every code and every command that can stand where it
stands. Inside the message nothing is cut that is not the message's own.
"""

from __future__ import annotations

from bisect import bisect
from collections.abc import Iterator
from itertools import islice
from re import Match

from smtplog.read import grammar
from smtplog.read.dialogue.clean import Row
from smtplog.smtp import commands

_SHORTEST = 60
_FEWEST = 3
_LONGEST = 8_000_000
MESSAGE = "(message)"
"""What stands for a message whose lines cannot be told apart any more."""


def split(rows: list[Row]) -> list[Row] | None:
    """The rows with flattened ones cut into the lines they once were; None when there is none."""
    out: list[Row] = []
    found = False
    anchor = grammar.compiled("transcript", "anchor")
    for row in rows:
        is_candidate = _SHORTEST <= len(row.text) <= _LONGEST and anchor.search(row.text)
        pieces = (_marked(row.text) or _unmarked(row.text)) if is_candidate else None
        if pieces is None:
            out.append(row)
            continue
        found = True
        out += [Row(row.line, piece, row.stamp, row.ids, is_piece=True) for piece in pieces]
    return out if found else None


def _marked(text: str) -> list[str] | None:
    """Cut before marks; None when there are too few of them to speak of a dialogue."""
    places = [m for m in grammar.compiled("transcript", "flat").finditer(text) if _stands_free(text, m)]
    if len(places) < _FEWEST:
        return None
    segments = [
        (m.group(), text[m.end() : n.start() if n else len(text)])
        for m, n in zip(places, [*places[1:], None], strict=True)
    ]
    said = [text.strip() for _, text in segments]
    if not any(one.startswith(("220", "250", "354", "5", "4")) or commands.is_certain(one) for one in said):
        return None
    head = text[: places[0].start()].strip()
    return [*([head] if head else []), *_lines(segments)]


def _stands_free(text: str, match: Match[str]) -> bool:
    before = text[match.start() - 1 : match.start()]
    return (len(match.group()) > 2 and match.group()[-1] == ":") or not before or before.isspace()


def _lines(segments: list[tuple[str, str]]) -> Iterator[str]:
    """One line for every mark; inside the message a server's mark is only text."""
    has_dot_ahead = _dots_ahead(segments)
    is_data = False
    held = ""
    for i, (mark, text) in enumerate(segments):
        is_server = mark[0] in "S<"
        said = text.strip()
        if is_data and is_server and has_dot_ahead[i]:
            held = f"{held} {mark} {said}".strip() if held else f"C: {mark} {said}"
            yield held
            held = ""
            continue
        if held:
            yield held
            held = ""
        line = f"{mark} {said}".rstrip()
        if is_data and not is_server and not said and i + 1 < len(segments) and segments[i + 1][0][0] in "S<":
            held = mark
            continue
        if is_server:
            is_data = said.startswith("354")
            line, _, note = line.partition(" {")
            yield line
            if note:
                yield "{" + note
            continue
        if said == ".":
            is_data = False
        yield line
    if held:
        yield held


def _dots_ahead(segments: list[tuple[str, str]]) -> list[bool]:
    """For every segment: does a lone dot come before the server asks for a message again?"""
    out, is_ahead = [False] * len(segments), False
    for i in range(len(segments) - 1, -1, -1):
        said = segments[i][1].strip()
        is_ahead = said == "." or (is_ahead and not said.startswith("354 "))
        out[i] = is_ahead
    return out


class _Walk:
    """What may come next on a line without marks."""

    def __init__(self) -> None:
        self.owed = 0
        self.code = ""
        self.is_open = False
        self.is_lmtp = False
        self.taken = 0
        self.asks_rcpt = False


def _unmarked(text: str) -> list[str] | None:
    """Cut before codes and commands that can stand where they stand."""
    replies = {
        m.start(): m for m in grammar.compiled("transcript", "unmarked_reply").finditer(text) if _starts(text, m)
    }
    said = {m.start(): m for m in grammar.compiled("transcript", "unmarked_command").finditer(text) if _starts(text, m)}
    if len(replies) < _FEWEST or len(said) < 2:
        return None
    cuts, messages = _cuts(text, replies, said)
    if len(cuts) < _FEWEST + 2:
        return None
    out = [text[: cuts[0]].strip()] if text[: cuts[0]].strip() else []
    for a, b in zip(cuts, [*cuts[1:], len(text)], strict=True):
        piece = text[a:b].strip()
        out += [MESSAGE, "."] if a in messages and piece.endswith(".") else [MESSAGE] if a in messages else [piece]
    return [line for piece in out for line in _loose_note(piece)]


def _loose_note(piece: str) -> list[str]:
    head, brace, note = piece.partition(" {")
    return [head, brace.strip() + note] if brace and note.endswith("}") else [piece]


def _starts(text: str, match: Match[str]) -> bool:
    return match.start() == 0 or text[match.start() - 1].isspace()


def _cuts(text: str, replies: dict[int, Match[str]], said: dict[int, Match[str]]) -> tuple[list[int], set[int]]:
    """Where lines begin, and which of these places is a whole message."""
    walk = _Walk()
    cuts: list[int] = []
    messages: set[int] = set()
    skip_to = 0
    reply_places = sorted(replies)
    for place in sorted(replies.keys() | said.keys()):
        if place < skip_to:
            continue
        if place in replies:
            match = replies[place]
            code, is_more = match.group()[:3], match.group()[3:4] == "-"
            if walk.is_open and code != walk.code:
                continue
            if not walk.is_open and cuts and walk.owed <= 0:
                continue
            cuts.append(place)
            walk.code, walk.is_open = code, is_more
            if is_more:
                continue
            walk.owed -= 1 if len(cuts) > 1 else 0
            walk.taken += walk.asks_rcpt and code[0] == "2"
            if code in {"334", "354"}:
                start, end = _behind(text, match.end(), reply_places, is_data=code == "354")
                cuts.append(start)
                if code == "354":
                    messages.add(start)
                walk.owed = max(walk.taken, 1) if walk.is_lmtp and code == "354" else 1
                skip_to = end
        elif not walk.is_open:
            word = said[place].group()[:4].upper()
            walk.is_lmtp = walk.is_lmtp or word == "LHLO"
            walk.asks_rcpt = word == "RCPT"
            walk.taken = 0 if word == "MAIL" else walk.taken
            walk.owed += 1
            cuts.append(place)
    return cuts, messages


def _behind(text: str, start: int, places: list[int], *, is_data: bool) -> tuple[int, int]:
    """Where the answer to 334, or the message after 354, begins and where the next reply does."""
    later = islice(places, bisect(places, start), None)
    if is_data:
        end = next((p for p in later if text[max(p - 9, 0) : p].rstrip().endswith(" .")), len(text))
        words_end = text.find("<CR><LF>.<CR><LF>", start, start + 120)
        begin = words_end + 17 if words_end >= 0 else _after_sentence(text, start, end)
        return min(begin, end), end
    end = next(later, len(text))
    words = text[start:end].split()
    if len(words) < 2:
        return end, end
    return text.rindex(words[-1], start, end), end


def _after_sentence(text: str, start: int, end: int) -> int:
    """The end of the words behind 354: before the first header field, else at once."""
    colon = text.find(": ", start, end)
    return text.rfind(" ", start, colon) if colon > start else start
