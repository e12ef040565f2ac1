"""Phrases: how a rule writes the words it looks for.

    mailbox full                   these words, next to each other
    (mailbox|email account) is full    one of these; brackets may stand in brackets
    user (does not|) exist         nothing is a choice too
    quota .. exceeded              up to six words between, of the same clause
    greylist*                      any ending; *用户* any beginning and ending; *容量*超* anything between
    as * *                         any word
    blocked using @                @ is a host, an address, an IP, a URL or an id
    no such {recipient}            any of the words that stand under this name in [words]

Case, accents, apostrophes and punctuation do not count, on either side.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property

from smtplog.ask.rules.wording import MASK, Seen, fold

GAP = 6
"""Words that `..` may stand for."""

_COMMON = frozenset(
    {"a", "an", "and", "are", "as", "at", "be", "been", "by", "do", "does", "for", "from", "has", "have", "i", "in"}
    | {"is", "it", "mail", "message", "no", "not", "of", "on", "or", "the", "this", "to", "too", "was", "with", "you"}
    | {"your", "address", "recipient", "rejected", "user", "email", MASK}
)
"""Words that are in so many texts that looking for them excludes little."""

Choice = tuple[str, ...]
"""Words that follow each other; the empty choice is no word at all."""


@dataclass(frozen=True)
class Element:
    """One place of a phrase: a set of choices, maybe after a gap."""

    choices: tuple[Choice, ...]
    after_gap: bool = False

    @cached_property
    def by_first(self) -> dict[str, tuple[Choice, ...]]:
        """First word -> the choices of whole words that begin with it."""
        found: dict[str, tuple[Choice, ...]] = {}
        for choice in self.choices:
            if choice and not _has_piece(choice):
                found[choice[0]] = (*found.get(choice[0], ()), choice)
        return found

    @cached_property
    def pieces(self) -> tuple[Choice, ...]:
        """The choices with a star in them."""
        return tuple(choice for choice in self.choices if _has_piece(choice))

    @cached_property
    def is_optional(self) -> bool:
        """Whether no word at all is one of the choices."""
        return () in self.choices

    def ends(self, words: tuple[str, ...], at: int) -> Iterator[int]:
        """Where each choice that stands at a place ends."""
        if at < len(words):
            for choice in self.by_first.get(words[at], ()):
                end = at + len(choice)
                if words[at:end] == choice:
                    yield end
            for choice in self.pieces:
                end = at + len(choice)
                if end <= len(words) and all(map(_is, choice, words[at:end])):
                    yield end
        if self.is_optional:
            yield at


def _has_piece(choice: Choice) -> bool:
    return any("*" in word for word in choice)


def _is(wanted: str, word: str) -> bool:
    if "*" not in wanted:
        return wanted == word
    first, *between, last = wanted.split("*")
    if not word.startswith(first) or not word.endswith(last) or len(word) < len(first) + len(last):
        return False
    at, end = len(first), len(word) - len(last)
    for piece in between:
        found = word.find(piece, at, end)
        if found < 0:
            return False
        at = found + len(piece)
    return True


@dataclass(frozen=True)
class Phrase:
    """One phrase, taken apart when it is first looked for."""

    text: str
    spelling: Mapping[str, str] = field(repr=False, compare=False)

    @cached_property
    def elements(self) -> tuple[Element, ...]:
        """Its places, in their order.

        Raises:
            ValueError: its brackets do not close, or every word of it may be missing.
        """
        return tuple(_elements(self.text, self.spelling))

    @cached_property
    def anchors(self) -> frozenset[str]:
        """Keys (`keys_of`) of which a text must have one for the phrase to be there."""
        sets = [
            frozenset(min(map(_key, choice), key=_commonness) for choice in e.choices)
            for e in self.elements
            if not e.is_optional
        ]
        return min(sets, key=lambda keys: (ANYTHING in keys, len(keys & _COMMON), len(keys)))

    def find(self, seen: Seen) -> tuple[int, int] | None:
        """First and last-but-one word of its first place; None when it is not there."""
        return next(((at, end) for at in self._starts(seen) if (end := self._end(seen, at, 0)) is not None), None)

    def spans(self, seen: Seen) -> list[tuple[int, int]]:
        """First and last-but-one word of all its places."""
        return [(at, end) for at in self._starts(seen) if (end := self._end(seen, at, 0)) is not None]

    def _starts(self, seen: Seen) -> Iterable[int]:
        first = self.elements[0]
        if first.is_optional or first.pieces:
            return range(len(seen.words))
        places = seen.places
        return sorted(place for word in first.by_first.keys() & places.keys() for place in places[word])

    def _end(self, seen: Seen, at: int, number: int) -> int | None:
        if number == len(self.elements):
            return at
        element = self.elements[number]
        for start in range(at, min(at + GAP, len(seen.words)) + 1) if element.after_gap else (at,):
            if element.after_gap and start in seen.breaks:
                return None
            for end in element.ends(seen.words, start):
                found = self._end(seen, end, number + 1)
                if found is not None:
                    return found
        return None


@dataclass(frozen=True)
class Lookup:
    """Phrases that are looked for together, each by its first word, which has no star."""

    every: tuple[Phrase, ...] = ()

    @cached_property
    def _by_first(self) -> dict[str, tuple[int, ...]]:
        found: dict[str, tuple[int, ...]] = {}
        for number, phrase in enumerate(self.every):
            for word in phrase.elements[0].by_first:
                found[word] = (*found.get(word, ()), number)
        return found

    def possible(self, seen: Seen) -> list[Phrase]:
        """Those of which a first word is there, in their order."""
        words = self._by_first.keys() & seen.places.keys()
        return [self.every[number] for number in sorted({n for word in words for n in self._by_first[word]})]


ANYTHING = "*"
FOREIGN = "**"
_STEM = 4


def keys_of(seen: Seen) -> frozenset[str]:
    """What a text offers to look phrases up by: its words, their beginnings, and whether it leaves ASCII."""
    words = seen.places.keys()
    foreign = {FOREIGN} if any(not word.isascii() and word != MASK for word in words) else ()
    return frozenset((*words, *(f"{word[:_STEM]}*" for word in words), ANYTHING, *foreign))


def _key(word: str) -> str:
    """What a text must offer for a word of a phrase to be in it."""
    piece = word.strip("*")
    if "*" not in word:
        return word
    if not piece.isascii():
        return FOREIGN
    return ANYTHING if word.startswith("*") or len(piece) < _STEM else f"{piece[:_STEM]}*"


def _commonness(key: str) -> tuple[bool, bool, int]:
    return key == ANYTHING, key in _COMMON, -len(key)


@dataclass(frozen=True)
class Writing:
    """What phrases are written with."""

    spelling: Mapping[str, str]
    """Words and pairs of words -> what they are the same as."""
    words: Mapping[str, str]
    """Name -> the words that stand under it, as a choice."""

    def phrases(self, texts: Iterable[str]) -> tuple[Phrase, ...]:
        """Phrases, not yet taken apart.

        Raises:
            ValueError: there are no words under a name.
        """
        return tuple(Phrase(self._written_out(text) if "{" in text else text, self.spelling) for text in texts)

    def lookup(self, texts: Iterable[str]) -> Lookup:
        """Phrases that are looked for together."""
        return Lookup(self.phrases(texts))

    def _written_out(self, text: str) -> str:
        for name, words in self.words.items():
            text = text.replace(f"{{{name}}}", words)
        if "{" in text:
            raise ValueError(f"there are no words under {text[text.index('{') :]!r}; there are {', '.join(self.words)}")
        return text


def _elements(text: str, spelling: Mapping[str, str]) -> Iterator[Element]:
    for number, part in enumerate(text.split("..")):
        found = [Element(_spelt(choices, spelling)) for choices in _sequence(text, part)]
        if not found or all(e.is_optional for e in found):
            raise ValueError(f"the phrase {text!r} says nothing at one place")
        yield Element(found[0].choices, after_gap=number > 0)
        yield from found[1:]


def _sequence(text: str, part: str) -> Iterator[list[Choice]]:
    """The places of a part: a run of plain words is one, a pair of brackets is one."""
    rest = part
    while rest.strip():
        plain, bracket, rest = rest.partition("(")
        if plain.strip():
            yield [_words(plain)]
        if bracket:
            inside, rest = _brackets(text, rest)
            yield list(dict.fromkeys(_choices(text, inside)))


def _brackets(text: str, rest: str) -> tuple[str, str]:
    """What stands up to the bracket that closes, and behind it."""
    depth = 1
    for i, c in enumerate(rest):
        depth += (c == "(") - (c == ")")
        if depth == 0:
            return rest[:i], rest[i + 1 :]
    raise ValueError(f"the brackets of the phrase {text!r} do not close")


def _choices(text: str, inside: str) -> Iterator[Choice]:
    depth, start = 0, 0
    for i, c in enumerate(inside + "|"):
        depth += (c == "(") - (c == ")")
        if c == "|" and depth == 0:
            for combined in itertools.product(*_sequence(text, inside[start:i])):
                yield tuple(itertools.chain(*combined))
            start = i + 1


def _words(text: str) -> Choice:
    if ")" in text or "|" in text:
        raise ValueError(f"a bracket is missing before {text.strip()!r}")
    return tuple(text.replace("-", " ").replace("_", " ").replace("@", MASK).split())


def _spelt(choices: Iterable[Choice], spelling: Mapping[str, str]) -> tuple[Choice, ...]:
    return tuple(_spelt_choice([fold(word) for word in choice], spelling) for choice in choices)


def _spelt_choice(words: list[str], spelling: Mapping[str, str]) -> Choice:
    found, at = [], 0
    while at < len(words):
        pair = " ".join(words[at : at + 2])
        is_pair = at + 1 < len(words) and pair in spelling
        found.append(spelling[pair] if is_pair else spelling.get(words[at], words[at]))
        at += 2 if is_pair else 1
    return tuple(found)
