"""What of a text counts: nothing that it denies, and first what it says outright, before what it supposes, asks or quotes."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace

from smtplog.ask.rules.phrases import GAP, Lookup
from smtplog.ask.rules.wording import Seen

ASIDE = 24
"""Words that an aside has at most."""


@dataclass(frozen=True)
class Denials:
    """How a text says what it is not: `not a spam problem`, `no trouble with SPF`, `your IP is fine`."""

    phrases: Lookup = field(default_factory=Lookup)
    openings: Lookup = field(default_factory=Lookup)
    """These deny what follows them in the clause."""
    closings: Lookup = field(default_factory=Lookup)
    """These deny what stands before them in the clause."""
    turns: frozenset[str] = frozenset()
    """Words at which what is denied ends, too: `but`."""
    doubted: frozenset[str] = frozenset()
    """Words before which it says no such thing: `if this is not a spam problem`."""

    def taken_out(self, seen: Seen) -> tuple[str, ...]:
        """The words of a text, those that are denied empty."""
        denied: set[int] = set()
        for start, end in self._spans(seen):
            if self.doubted.isdisjoint(seen.clause_before(start, GAP)):
                denied.update(range(start, end))
        return tuple("" if at in denied else word for at, word in enumerate(seen.words)) if denied else seen.words

    def _spans(self, seen: Seen) -> Iterator[tuple[int, int]]:
        for phrase in self.phrases.possible(seen):
            yield from phrase.spans(seen)
        turns = {at for turn in self.turns for at in seen.places.get(turn, ())}
        ends = sorted({0, len(seen.words)} | seen.breaks | seen.pauses | turns)
        for phrase in self.openings.possible(seen):
            for start, end in phrase.spans(seen):
                yield start, next(at for at in ends if at >= end)
        for phrase in self.closings.possible(seen):
            for start, end in phrase.spans(seen):
                before = [at for at in ends if at <= start]
                while len(before) > 1 and before[-1] - before[-2] == 1:  # `SPF, DKIM and DMARC are fine`
                    before.pop()
                yield max(before[-1], start - GAP), end


@dataclass(frozen=True)
class Asides:
    """How a text turns from what happened to what might: `if you are on a list`. To the end of the clause."""

    openings: Lookup = field(default_factory=Lookup)

    def taken_out(self, seen: Seen) -> Seen:
        """The words a text says outright; those of asides and quotations are empty."""
        beside = set(seen.quoted)
        for opening in self.openings.possible(seen):
            for start, _ in opening.spans(seen):
                ends = [end for end in seen.breaks if end > start]
                beside.update(range(start, min([start + ASIDE, len(seen.words), *ends])))
        if not beside:
            return seen
        return replace(seen, words=tuple("" if at in beside else word for at, word in enumerate(seen.words)))
