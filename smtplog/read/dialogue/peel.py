"""What is around the lines of a dialogue comes off: quote marks, time stamps, numbers, blanks, JSON, names of programs."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import replace
from itertools import pairwise
from typing import Any

from smtplog.read import grammar
from smtplog.read.dialogue import guess
from smtplog.read.dialogue.clean import Row
from smtplog.smtp import commands
from smtplog.smtp.replies import is_reply

_MESSAGES = ("message", "msg", "text", "data", "line", "log", "content", "payload")
"""What loggers call the text of an entry."""
_SIDES = ("direction", "dir", "side", "type", "event", "from", "who", "source")
"""What they call who said it."""
_TIMES = ("time", "timestamp", "ts", "@timestamp", "date")
"""What they call when."""
_LONGEST_NUMBER = 7
_FEWEST = 3


def without_quotes(found: list[Row]) -> list[Row] | None:
    """Quote marks of mail and markdown, heading and comment marks off; None when hardly a line has any."""
    pattern = grammar.compiled("transcript", "quoted")
    out, hits = [], 0
    for row in found:
        match = pattern.match(row.text)
        hits += match is not None
        out.append(Row(row.line, row.text[match.end() :], row.stamp, row.ids, row.is_piece) if match else row)
    return out if hits * 5 > len(found) or hits > 3 else None


def without_prefix(found: list[Row]) -> list[Row] | None:
    """Time stamps, levels and bracketed names off, and remembered; None when hardly a line has any."""
    pattern = grammar.compiled("transcript", "prefix")
    out, hits = [], 0
    for row in found:
        match = pattern.match(row.text)
        if match is None or not match.end():
            out.append(row)
            continue
        hits += 1
        ids = " ".join(word for word in (match["ids"] or "").split() if word[:1] == "[")  # levels stand without
        out.append(Row(row.line, row.text[match.end() :], match["stamp"] or row.stamp, ids or row.ids, row.is_piece))
    return out if hits >= 2 else None


def without_json(found: list[Row]) -> list[Row] | None:
    """Entries written as JSON, one on a line: their text, behind who said it; None when hardly a line is one."""
    entries = [_entry(row.text) for row in found]
    if sum(entry is not None for entry in entries) * 5 < sum(bool(row.text.strip()) for row in found) * 4:
        return None
    out: list[Row] = []
    for row, entry in zip(found, entries, strict=True):
        who, said, at = entry or ("", row.text, None)
        lines = said.rstrip("\r\n").split("\n")
        out += [replace(row, text=f"{who} {line}".strip(), stamp=at or row.stamp) for line in lines]
    return out


def _entry(text: str) -> tuple[str, str, str | None] | None:
    """Who says what and when, as an entry tells it."""
    if not text.lstrip().startswith("{"):
        return None
    try:
        value: Any = json.loads(text)
    except (ValueError, RecursionError):
        return None
    said = next((value[name] for name in _MESSAGES if isinstance(value.get(name), str)), None)
    who = next((value[name] for name in _SIDES if isinstance(value.get(name), str)), "")
    at = next((value[name] for name in _TIMES if isinstance(value.get(name), str)), None)
    return None if said is None else (who, said, at)


def without_numbers(found: list[Row]) -> list[Row] | None:
    """Numbers of lines off; None where they do not count upwards, one by one."""
    numbers = [_number(row.text) for row in found]
    steps = sum(b[0] == a[0] + 1 for a, b in pairwise(numbers))
    if steps < _FEWEST or steps * 10 < 8 * sum(number >= 0 for number, _ in numbers):
        return None
    return [replace(row, text=row.text[end:]) for row, (_, end) in zip(found, numbers, strict=True)]


def _number(text: str) -> tuple[int, int]:
    """The number at the head of a line and where the line itself begins; one that counts for nothing without one."""
    rest = text.lstrip(" ")
    digits = len(rest) - len(rest.lstrip("0123456789"))
    if not 0 < digits <= _LONGEST_NUMBER or not rest[:digits].isascii():
        return -2, 0
    end = len(text) - len(rest) + digits
    while text[end : end + 1] in {":", ".", ")", "|", "\t", " "} and text[end - 1 : end] != " ":
        end += 1
    return int(rest[:digits]), end + 2 * (text[end : end + 2] == "| ")


def without_indent(found: list[Row]) -> list[Row] | None:
    """As many blanks off as most of what is said is indented by; None where it is not."""
    depths = Counter(len(row.text) - len(row.text.lstrip(" \t")) for row in found if _is_said(row.text.strip()))
    depth = depths.most_common(1)[0][0] if depths else 0
    if not depth:
        return None
    return [replace(row, text=row.text[depth:]) if not row.text[:depth].strip() else row for row in found]


def _is_said(text: str) -> bool:
    return is_reply(text) or commands.is_certain(text)


def without_quotation(found: list[Row]) -> list[Row] | None:
    """What each line quotes, without its quotes; None when hardly a line quotes anything."""
    out, hits = [], 0
    for row in found:
        head, quote, rest = row.text.rstrip().partition('"')
        is_quoted = bool(quote) and rest.endswith('"')
        hits += is_quoted
        out.append(replace(row, text=head + rest[:-1]) if is_quoted else row)
    return out if hits * 10 > 9 * sum(bool(row.text.strip()) for row in found) else None


def without_name(found: list[Row]) -> list[Row] | None:
    """What stands before replies and commands alike off, as it tells nothing of either; None when nothing does."""
    heard: dict[str, Counter[str]] = {}
    for row in found:
        place, kind = guess.speech(row.text)
        if place > 0:
            heard.setdefault(guess.shape(row.text[:place]), Counter())[kind] += 1
    best = max(heard, key=lambda mark: min(heard[mark]["reply"], heard[mark]["verb"]), default=None)
    if best is None or min(heard[best]["reply"], heard[best]["verb"]) < _FEWEST:
        return None
    return [replace(row, text=row.text[max(guess.behind(best, row.text), 0) :]) for row in found]


Peel = Callable[[list[Row]], list[Row] | None]
PEELS: tuple[tuple[Peel, ...], ...] = (
    (),
    (without_prefix,),
    (without_quotes,),
    (without_quotes, without_prefix),
    (without_prefix, without_quotes),
    (without_json,),
    (without_numbers,),
    (without_indent,),
    (without_quotation,),
    (without_name,),
)
"""What may be taken off, least first."""
ONLY_UNMARKED = frozenset({without_indent, without_name})
"""What is a form's own business where lines have marks."""


def variants(found: list[Row]) -> Iterable[tuple[tuple[Peel, ...], list[Row]]]:
    """A sample as it is and with less and less around it, each with what was taken off; only where it differs."""
    for peels in PEELS:
        now: list[Row] | None = found
        for peel in peels:
            now = peel(now) if now is not None else None
        if now is not None:
            yield peels, now


def peeled(found: list[Row], peels: tuple[Peel, ...], *, at_once: int) -> list[Row]:
    """All rows with the same taken off, as many at once as were looked at when it was decided."""
    for peel in peels:
        parts = (found[i : i + at_once] for i in range(0, len(found), at_once))
        found = [row for part in parts for row in (peel(part) or part)]
    return found
