"""Phrases: how a rule writes the words it looks for.

    mailbox full                   these words, next to each other
    (mailbox|account) is full      one of these
    user (does not|) exist         nothing is a choice too
    quota .. exceeded              up to six words between
    greylist*                      any ending; *用户* any beginning and ending
    blocked using @                @ is a host, an address, an IP, a URL or an id

Case, accents, apostrophes and punctuation do not count, on either side.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from smtplog.ask.rules.wording import MASK, fold

GAP = 6
"""Words that `..` may stand for."""

_COMMON = frozenset("a an and are at be been by can for from has have i in is it its no not of on or our that the this to was we with you your".split())  # noqa: E501, SIM905 - a list of words reads best as one


@dataclass(frozen=True)
class Phrase:
    """One phrase without choices."""

    parts: tuple[str, ...]
    """Each with a space where a word begins or ends."""
    anchor: str | None
    """A word without which the phrase cannot be there; None when it has only pieces of words."""

    def find(self, words: str) -> tuple[int, int] | None:
        """The span of its first place in ` word word `; None when it is not there."""
        first = self.parts[0]
        start = words.find(first)
        if len(self.parts) == 1:
            return (start, start + len(first)) if start >= 0 else None
        while start >= 0:
            end = self._rest(words, start + len(first))
            if end:
                return start, end
            start = words.find(first, start + 1)
        return None

    def _rest(self, words: str, end: int) -> int:
        """Where the parts after the first end; 0 when they do not follow closely enough."""
        for part in self.parts[1:]:
            at = words.find(part, end - 1)
            if at < 0 or words.count(" ", end, at + 1) > GAP:
                return 0
            end = at + len(part)
        return end


def phrases(texts: Iterable[str], spelling: Mapping[str, str]) -> tuple[Phrase, ...]:
    """Every phrase that some texts stand for, choices written out.

    Raises:
        ValueError: a text is empty or its brackets do not close.
    """
    found = [phrase for text in texts for choice in _choices(text) if (phrase := _phrase(text, choice, spelling))]
    return tuple(dict.fromkeys(found))


def _choices(text: str) -> list[str]:
    pieces: list[list[str]] = []
    rest = text
    while rest:
        plain, bracket, rest = rest.partition("(")
        pieces.append([plain])
        if bracket:
            inside, closing, rest = rest.partition(")")
            if not closing or "(" in inside:
                raise ValueError(f"the brackets of the phrase {text!r} do not close")
            pieces.append(inside.split("|"))
    return ["".join(choice) for choice in itertools.product(*pieces)]


def _phrase(text: str, choice: str, spelling: Mapping[str, str]) -> Phrase:
    parts, anchors = [], []
    for part in choice.split(".."):
        words = part.replace("-", " ").replace("@", MASK).split()
        if not words:
            raise ValueError(f"the phrase {text!r} is empty at one place")
        open_left, open_right = words[0].startswith("*"), words[-1].endswith("*")
        folded = _spelt([fold(word.strip("*")) for word in words], spelling)
        parts.append(f"{'' if open_left else ' '}{' '.join(folded)}{'' if open_right else ' '}")
        anchors += folded[1 if open_left else 0 : len(folded) - 1 if open_right else len(folded)]
    anchor = max(anchors, key=lambda word: (word not in _COMMON, len(word)), default=None)
    return Phrase(tuple(parts), anchor)


def _spelt(words: list[str], spelling: Mapping[str, str]) -> list[str]:
    found, at = [], 0
    while at < len(words):
        pair = " ".join(words[at : at + 2])
        at += 2 if (is_pair := pair in spelling and at + 1 < len(words)) else 1
        found.append(spelling[pair] if is_pair else spelling.get(words[at - 1], words[at - 1]))
    return found
