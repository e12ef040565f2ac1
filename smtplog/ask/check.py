"""How much of an input is understood, and what the log itself says it lost."""

from __future__ import annotations

from dataclasses import dataclass

from smtplog.formats import all_formats
from smtplog.read import detect, rows
from smtplog.read.tally import WHYS, Tally

TABLES: dict[str, frozenset[str] | None] = {"events": frozenset({"line"})}
"""What must be read for it: something, so that every entry is looked at, and as little as possible of it."""


@dataclass(frozen=True)
class Example:
    """One entry that was not understood, with what was expected."""

    source: str
    line: int
    program: str | None
    why: str
    raw: str
    expected: str | None


@dataclass(frozen=True)
class Check:
    """The counts, in all and by program, and examples."""

    tally: Tally
    examples: tuple[Example, ...]

    @property
    def is_clean(self) -> bool:
        """Nothing of ours was left over."""
        return not (self.tally.unknown or self.tally.malformed or self.tally.problems)

    @property
    def counts(self) -> dict[str, int]:
        """Entries by why."""
        return {why: getattr(self.tally, why) for why in WHYS}


def check(tally: Tally) -> Check:
    """What the counts of a whole run say, with what would have been expected of each example."""
    examples = []
    for (_, program, why), found in sorted(tally.examples.items(), key=lambda item: tuple(map(str, item[0]))):
        for source, line, raw in found:
            examples.append(Example(source, line, program, why, raw, _expected(raw, program, why)))
    return Check(tally, tuple(examples))


def _expected(raw: str, program: str | None, why: str) -> str | None:
    if why == "malformed":
        return "a log line with a time stamp"
    place = detect.place(None, program, all_formats())
    if place.format is None:
        return None
    return rows.explain(rows.text_of(raw), place.format, place.kinds)
