"""What was understood and what was not: the honest count that every run carries."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Self, overload

import polars as pl

from smtplog.read.secrets import without as without_secrets

if TYPE_CHECKING:
    from smtplog.contract.records import Session
    from smtplog.read.clock import Clock
    from smtplog.read.columns import Parsed

WHYS = ("understood", "foreign", "unknown", "debug", "malformed")
EXAMPLES = 3


class _Count:
    """How many entries there are of the sort it is named after."""

    def __set_name__(self, owner: type, name: str) -> None:
        self._why = name

    @overload
    def __get__(self, tally: None, owner: type) -> Self: ...
    @overload
    def __get__(self, tally: Tally, owner: type) -> int: ...
    def __get__(self, tally: Tally | None, owner: type) -> int | Self:
        return self if tally is None else sum(n for (_, _, why), n in tally.by_program.items() if why == self._why)


@dataclass
class Tally:
    """Counts of entries of one run.

    understood, foreign, unknown, debug, malformed: how many entries were so.
    lines, entries: how many there were.

    by_program: (format or None, program or None, why) -> entries.
    examples: the same key -> up to three of (source, line, raw); only for unknown and malformed.
    notes: how many of the understood are free text, of which only is known whom it is about.
    problems: what the inputs themselves lost: a cut file, dropped messages.
    year_sources, years: where years were inferred from (`ids`, `file`, `reference`), and which; empty when none was.
    """

    lines: int = 0
    entries: int = 0
    notes: int = 0
    by_program: Counter[tuple[str | None, str | None, str]] = field(default_factory=Counter)
    examples: dict[tuple[str | None, str | None, str], list[tuple[str, int, str]]] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)
    year_sources: set[str] = field(default_factory=set)
    years: set[int] = field(default_factory=set)
    zone_assumed: bool = False
    networks_assumed: bool = False
    """Directions are told from private networks, no others were named as ours."""
    repeated: int = 0
    """Entries left out because another input has them."""
    _vague: Counter[tuple[str | None, str | None]] = field(default_factory=Counter)
    """By format and program: notes that name no message. Any program may write such."""
    _timeless: Counter[str] = field(default_factory=Counter)
    """By source: entries of ours whose stamp is no date, such as a 29 February in a year that has none."""

    understood, foreign, unknown, debug, malformed = (_Count() for _ in range(5))

    def add(self, parsed: Parsed, source: str, clock: Clock) -> None:
        """Count one block."""
        entries = parsed.entries
        self.entries += entries.height
        self.lines += int(entries["line_count"].sum())
        self.zone_assumed |= clock.assumed_zone
        if clock.year_source:
            self.year_sources.add(clock.year_source)
            self.years |= clock.years
        ahead = f"{source}: lines lie after the time of the file; give the year of its first line with --year (year=)"
        if clock.is_ahead and ahead not in self.problems:
            self.problems.append(ahead)
        self._count_timeless(parsed, source)
        self.notes += sum(one.frame.height for one in parsed.kinds if one.kind.is_note)
        place = entries["place"]
        for one in parsed.kinds:
            if one.kind.is_note and not one.kind.message:
                for at, n in place.gather(one.frame["row"]).value_counts().iter_rows():
                    self._vague[self._key(parsed, at, "")[:2]] += n
        total = Counter(dict(place.value_counts().iter_rows()))
        strange = parsed.odd.with_columns(place=place.gather(parsed.odd["row"]))
        first = pl.col("row", "raw").head(EXAMPLES)
        groups = strange.group_by("place", "why", maintain_order=True).agg(pl.len(), first)
        for at, why, n, rows, raw in groups.iter_rows():
            total[at] -= n
            key = self._key(parsed, at, why)
            self.by_program[key] += n
            if why in ("unknown", "malformed"):
                known = self.examples.setdefault(key, [])
                lines = [(source, entries["line"][r], without_secrets(said)) for r, said in zip(rows, raw, strict=True)]
                known += lines[: EXAMPLES - len(known)]
        for at, n in total.items():
            if n:
                self.by_program[self._key(parsed, at, "understood")] += n

    def add_document(self, source: str, text: str, found: list[Session]) -> None:
        """Count a transcript: its lines, understood when a dialogue was found in it."""
        count = text.count("\n") + (not text.endswith("\n") and bool(text))
        self.lines += count
        self.entries += count
        self.by_program["transcript", None, "understood" if found else "malformed"] += count
        if not found and text:
            self.examples[None, None, "malformed"] = [(source, 1, without_secrets(text.partition("\n")[0])[:200])]

    def add_rows(self, understood: int, odd: int) -> None:
        """Count lines of a protocol log: rows and comments, and what is neither."""
        self.lines += understood + odd
        self.entries += understood + odd
        self.by_program["transcript", None, "understood"] += understood
        if odd:
            self.by_program[None, None, "malformed"] += odd

    def judge(self) -> None:
        """At the end of a run: a file without names of programs in which nothing but notes was found is another program's.

        And what has no time is told.
        """
        for (name, program), n in self._vague.items():
            if program is None and self.by_program[name, program, "understood"] == n:
                for why in ("understood", "unknown"):
                    self.by_program[None, None, "foreign"] += self.by_program.pop((name, program, why), 0)
                    self.examples.pop((name, program, why), None)
                self.notes -= n
        self._vague.clear()
        self.problems += [
            f"{source}: entries without a time, as their stamp is no date of its year: {n:,}; --since, --until and --last "
            "leave them out" for source, n in self._timeless.items()
        ]  # fmt: skip
        self._timeless.clear()

    def _count_timeless(self, parsed: Parsed, source: str) -> None:
        at = parsed.entries["at"]
        if at.null_count():
            ours = pl.Series([place.format is not None for place in parsed.places], dtype=pl.Boolean)
            n = int((at.is_null() & ours.gather(parsed.entries["place"])).sum())
            self._timeless.update({source: n} if n else {})

    def _key(self, parsed: Parsed, at: int, why: str) -> tuple[str | None, str | None, str]:
        place = parsed.places[at]
        return (place.format.name if place.format else None, place.program, why)

    def confession(self) -> str:
        """One line for the user: how much was not understood."""
        said = [f"{self.entries:,} entries", f"{self.understood:,} understood"]
        said += [f"{getattr(self, why):,} {why}" for why in WHYS[1:] if getattr(self, why)]
        said += [f"{self.repeated:,} left out: another input has them"] * bool(self.repeated)
        return ", ".join(said)
