"""Is a pattern one-pass: does the next character alone always decide where the reader stands?

Such patterns run at a third of a microsecond a line on columns; others fall back to a slower engine. The test is
Glushkov's: number the characters of the pattern, and no two that can come next may share a character.
"""

from __future__ import annotations

import re._parser as sre  # type: ignore[import-not-found]
from dataclasses import dataclass, field
from typing import Any

_ALL = 0x110000
_Set = frozenset[tuple[int, int]]


@dataclass
class _Part:
    """First and last positions of a piece of the pattern, and whether it may be empty."""

    first: set[int] = field(default_factory=set)
    last: set[int] = field(default_factory=set)
    empty: bool = True


def _ranges(items: Any) -> _Set:
    """A class as a set of code point ranges."""
    negate = bool(items) and str(items[0][0]) == "NEGATE"
    spans = sorted(_span(op, arg) for op, arg in items if str(op) != "NEGATE")
    if not negate:
        return frozenset(spans)
    out, at = [], 0
    for low, high in spans:
        if low > at:
            out.append((at, low - 1))
        at = max(at, high + 1)
    return frozenset([*out, (at, _ALL)])


def _span(op: Any, arg: Any) -> tuple[int, int]:
    return (arg, arg) if str(op) == "LITERAL" else (arg[0], arg[1])


class _Positions:
    def __init__(self) -> None:
        self.sets: list[_Set] = []
        self.follow: list[set[int]] = []

    def leaf(self, characters: _Set) -> _Part:
        self.sets.append(characters)
        self.follow.append(set())
        n = len(self.sets) - 1
        return _Part({n}, {n}, False)

    def concat(self, left: _Part, right: _Part) -> _Part:
        for n in left.last:
            self.follow[n] |= right.first
        return _Part(
            left.first | (right.first if left.empty else set()),
            right.last | (left.last if right.empty else set()),
            left.empty and right.empty,
        )

    def repeat(self, part: _Part) -> None:
        for n in part.last:
            self.follow[n] |= part.first

    def build(self, items: Any) -> _Part:
        whole = _Part()
        for op, arg in items:
            whole = self.concat(whole, self.one(str(op), arg))
        return whole

    def one(self, op: str, arg: Any) -> _Part:
        match op:
            case "LITERAL":
                return self.leaf(frozenset({(arg, arg)}))
            case "NOT_LITERAL":
                return self.leaf(frozenset({(0, arg - 1), (arg + 1, _ALL)}))
            case "ANY":
                return self.leaf(frozenset({(0, 9), (11, _ALL)}))
            case "IN":
                return self.leaf(_ranges(arg))
            case "SUBPATTERN":
                return self.build(arg[3])
            case "BRANCH":
                parts = [self.build(branch) for branch in arg[1]]
                return _Part(
                    set().union(*(p.first for p in parts)),
                    set().union(*(p.last for p in parts)),
                    any(p.empty for p in parts),
                )
            case "MAX_REPEAT" | "MIN_REPEAT":
                low, high, inner = arg
                part = self.build(inner)
                if part.empty:
                    raise ValueError("a repeated or optional part that may itself be empty")
                if high != 1:
                    self.repeat(part)
                return _Part(part.first, part.last, part.empty or low == 0)
            case _:
                raise ValueError(op)


def _overlap(a: _Set, b: _Set) -> int | None:
    return next((max(x, y) for x, i in a for y, j in b if max(x, y) <= min(i, j)), None)


def conflict(pattern: str) -> str | None:
    """None when the pattern is one-pass, else what may both come next and where (its place among the characters)."""
    positions = _Positions()
    try:
        whole = positions.build(sre.parse(pattern))
    except ValueError as error:
        return f"{error} cannot be followed character by character"
    for after, options in [(-1, whole.first), *enumerate(positions.follow)]:
        ordered = sorted(options)
        for i, a in enumerate(ordered):
            for b in ordered[i + 1 :]:
                shared = _overlap(positions.sets[a], positions.sets[b])
                if shared is not None:
                    return f"after its character {after + 1}, {chr(shared)!r} may be its character {a + 1} or {b + 1}"
    return None


def openings(pattern: str, most: int = 12) -> tuple[str, ...]:
    """The literals one of which every fitting text begins with; `("",)` when nothing can be said.

    Args:
        pattern: a flattened rule, or the rest of one.
        most: give up where there would be more.
    """
    found = _prefixes(list(sre.parse(pattern)), most)
    return tuple(sorted({text for text, _ in found}))


def _prefixes(items: list[Any], most: int) -> list[tuple[str, bool]]:
    """Each way to begin, and whether that way is the whole of the items (so that more may follow)."""
    ways = [("", True)]
    for op, arg in items:
        more = _ways(str(op), arg, most)
        grown = [(text + end, is_whole) for text, _ in ways for end, is_whole in more if _]
        grown += [way for way in ways if not way[1]]
        if len(grown) > most:
            return [(text, False) for text, _ in ways]
        ways = grown
        if not any(is_whole for _, is_whole in ways):
            break
    return ways


def _ways(op: str, arg: Any, most: int) -> list[tuple[str, bool]]:
    match op:
        case "LITERAL":
            return [(chr(arg), True)]
        case "SUBPATTERN":
            return _prefixes(list(arg[3]), most)
        case "BRANCH":
            return [way for branch in arg[1] for way in _prefixes(list(branch), most)]
        case "MAX_REPEAT" | "MIN_REPEAT" if arg[0] == 0 and arg[1] == 1:
            return [("", True), *_prefixes(list(arg[2]), most)]
        case _:
            return [("", False)]


def needle(pattern: str) -> str:
    """The longest literal that every fitting text holds; empty when there is none."""
    return max(_runs(list(sre.parse(pattern))), key=len, default="")


def _runs(items: list[Any]) -> list[str]:
    """The literals that must stand there, each as long as it goes."""
    runs = [""]
    for op, arg in items:
        match str(op):
            case "LITERAL":
                runs[-1] += chr(arg)
            case "SUBPATTERN":
                inner = _runs(list(arg[3]))
                runs[-1] += inner[0]
                runs += [*inner[1:], ""] if len(inner) > 1 or not _is_literal(arg[3]) else []
            case _:
                runs.append("")
    return runs


def _is_literal(items: Any) -> bool:
    return all(str(op) == "LITERAL" for op, _ in items)
