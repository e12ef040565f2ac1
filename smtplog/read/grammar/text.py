"""The text of patterns: literals, shell patterns, atoms, and the look-aheads that a pattern does without."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from smtplog.errors import GrammarError

_META = frozenset("\\.+*?()|[]{}^$")
_MARK = re.compile(r"\x00([^\x00]*)\x00")
_GROUP_OPENS = re.compile(r"\(\?(?:P<\w+>|:)")


def escape(text: str) -> str:
    """A literal for both regex engines."""
    return "".join(f"\\{c}" if c in _META else c for c in text)


def is_made_of(text: str, characters: str) -> bool:
    """Is a text made of the characters of a class?"""
    return bool(characters) and re.fullmatch(f"{characters}+", text) is not None


def fits(text: str, pattern: str) -> bool:
    """Is a text of a shape?"""
    return re.fullmatch(pattern, text) is not None


def beginnings(literals: Iterable[str]) -> str:
    """One pattern for: begins with one of these literals."""
    return f"^(?:{'|'.join(escape(text) for text in sorted(literals))})"


def glob(text: str) -> str:
    """A shell pattern (`*`, `?`) as an anchored pattern for whole values, upper and lower case alike."""
    wild = {"*": ".*", "?": "."}
    return "(?is)^" + "".join(wild.get(c) or escape(c) for c in text) + "$"


def is_atom(text: str) -> bool:
    """One character, one class or one group: what an operator may stand behind."""
    if len(text) == 1 or (len(text) == 2 and text[0] == "\\"):
        return True
    opening, closing = text[0], text[-1]
    if (opening, closing) == ("[", "]"):
        return text.find("]", 3 if text[1] == "^" else 2) == len(text) - 1 and "\\]" not in text
    if (opening, closing) != ("(", ")"):
        return False
    depth = 0
    for i, (c, quoted) in enumerate(_plain(text)):
        depth += 0 if quoted else (c == "(") - (c == ")")
        if depth == 0 and i < len(text) - 1:
            return False
    return True


def _plain(text: str) -> Iterator[tuple[str, bool]]:
    """Each character with whether it is quoted: behind a backslash or inside a class."""
    escaped = in_class = False
    for c in text:
        yield c, escaped or in_class
        if escaped:
            escaped = False
        elif c == "\\":
            escaped = True
        elif c == "[":
            in_class = True
        elif c == "]":
            in_class = False


def drop_look_aheads(where: str, text: str) -> str:
    """Take the look-aheads out, after checking that what each names is what follows."""
    for mark in _MARK.finditer(text):
        named = [part for part in mark[1].split("|") if part != "$"]
        rest = _MARK.sub("", text[mark.end() :])
        first = _GROUP_OPENS.sub("", rest).lstrip(")?")
        if named and not any(first.startswith(part) for part in named):
            raise GrammarError(f"{where}: the look-ahead (?={mark[1]}) is not what follows: {first[:40]}")
        missing = [part for part in named if part not in _GROUP_OPENS.sub("", rest)]
        if missing:
            raise GrammarError(f"{where}: the look-ahead names {missing}, which does not follow")
    return _MARK.sub("", text)
