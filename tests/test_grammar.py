"""Rules become patterns and parsers; what cannot is refused with its name."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from smtplog.errors import GrammarError
from smtplog.formats import all_formats
from smtplog.formats.base import Format, Kind, Split
from smtplog.read import grammar, keep, onepass

ENTRIES = all_formats()
GRAMMARS = Path(__file__).parent.parent / "grammars"
RULES = [(one, kind, rule) for one in ENTRIES for kind in one.kinds for rule in kind.rules]
SPLITS = sorted(
    {(one.grammar, r) for one in ENTRIES for k in one.kinds for s in k.steps if isinstance(s, Split) for r in s.rules}
)


def name(value: object) -> str:
    """How a case is called."""
    return value.name if isinstance(value, (Format, Kind)) else str(value)


@pytest.fixture
def written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str], str]]:
    """Write a grammar for one test; gives back its name."""
    monkeypatch.setattr(grammar, "folder", lambda: tmp_path)
    monkeypatch.setattr(keep, "add", lambda *_: None)

    def write(text: str) -> str:
        grammar._load.cache_clear()
        grammar._definitions.cache_clear()
        grammar.shape.cache_clear()
        (tmp_path / "own.lark").write_text(text, "utf-8")
        return "own"

    yield write
    for cached in (grammar._load, grammar._definitions, grammar.shape, grammar.parser, grammar.compiled):
        cached.cache_clear()


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('line: "a" _more\n_more: "b" line\n', "recursion"),
        ('line: "a" word " " word\nword: /[a-z]+/\n', "stands twice"),
        ('line: word " " word__other\nword: /[a-z]+/\nword__other: /[0-9]+/\n', "stands twice"),
        ("line: WORD\nWORD: /(?!a)[a-z]+/\n", "look-around"),
        ("line: WORD\nWORD: /(?<=a)b/\n", "look-around"),
        ("line: WORD\nWORD: /\\d+/\n", "class here"),
        ("line: WORD\nWORD: /[a-z]+/i\n", "flags"),
        ('line: TEXT "!" \nTEXT: /.+(?=;)/\n', "not what follows"),
        ("line: _pair{WORD}\n_pair{x}: x x\nWORD: /a/\n", "cannot become a pattern"),
        ("line: nothing\n", "own.lark"),
        ("line: (\n", "own.lark"),
    ],
)
def test_what_cannot_be_one_linear_pattern_is_refused(written: Callable[[str], str], text: str, said: str) -> None:
    """The message names the rule and the reason."""
    with pytest.raises(GrammarError, match=said):
        grammar.shape(written(text), "line")


def test_unknown_names_are_refused(written: Callable[[str], str]) -> None:
    """A grammar or a rule that is not there."""
    mine = written('line: "a"\n')
    with pytest.raises(GrammarError, match="no rule other"):
        grammar.shape(mine, "other")
    with pytest.raises(GrammarError, match="there is no grammar"):
        grammar.shape("missing", "line")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('line: word "b"\nword: /[a-z]+/\n', "not one-pass"),
        ('line: "x" _a _b\n_a: ["delay=1 "]\n_b: ["delays=2 "]\n', "not one-pass"),
        (
            "line: " + ' "," '.join(f"f{i}" for i in range(17)) + "\n" + "".join(f"f{i}: /[a-z]/\n" for i in range(17)),
            "17 fields",
        ),
    ],
)
def test_a_hot_rule_is_one_pass(written: Callable[[str], str], text: str, said: str) -> None:
    """Refused with the place, where the next character does not decide."""
    with pytest.raises(GrammarError, match=said):
        grammar.check_hot(written(text), "line")


@pytest.mark.parametrize(
    ("pattern", "one_pass"),
    [
        ("a[0-9]+b", True), ("(?:a|b)c", True), ("[a-z]+: ", True), ("[a-z:]+: ", False), (".*x", False), ("(?:a)?b", True),
        ("(?:a)?ab", False),
    ],
)  # fmt: skip
def test_one_pass(pattern: str, one_pass: bool) -> None:
    """The next character alone decides, or it does not."""
    assert (onepass.conflict(pattern) is None) == one_pass


def test_fields_optional_parts_and_shapes_of_a_field(written: Callable[[str], str]) -> None:
    """A field is a group, an absent one None, `x__said` is a shape of `x`; the look-ahead is dropped."""
    mine = written('line: "to=" to__said _size\nto__said: /.+(?= size=)/\n_size: " size=" size\nsize: /[0-9]+/\n')
    shape = grammar.shape(mine, "line")
    assert shape.pattern == "to=(?P<to>.+) size=(?P<size>[0-9]+)"
    assert shape.fields == ("to", "size")
    assert grammar.pattern(mine, "line", ["size"]) == "^to=(?:.+) size=(?P<size>[0-9]+)$"
    assert grammar.parser(mine, "line").read("to=a b size=3") == {"to": "a b", "size": "3"}
    with pytest.raises(grammar.Refused, match="at column 1: expected"):
        grammar.parser(mine, "line").read("from=a")


@pytest.mark.parametrize(("one", "kind", "rule"), RULES, ids=name)
def test_rules_of_the_formats(one: Format, kind: Kind, rule: str) -> None:
    """Each becomes a pattern and an LALR parser; the hot ones are one-pass."""
    grammar.compiled(one.grammar, rule)
    grammar.parser(one.grammar, rule)
    if kind.hot:
        grammar.check_hot(one.grammar, rule)


@pytest.mark.parametrize(("where", "rule"), SPLITS)
def test_finer_rules_of_the_formats(where: str, rule: str) -> None:
    """The same for the rules that read a field's text again."""
    grammar.compiled(where, rule)
    grammar.parser(where, rule)


def described(where: str) -> set[str]:
    """The rules of a grammar that stand under a comment naming a source: a file, a function, a manual or a version."""
    under, found = False, set()
    is_comment = False
    for line in (grammar.folder() / f"{where}.lark").read_text("utf-8").splitlines():
        if line.startswith("//"):
            fresh = not is_comment
            under = (under and not fresh) or bool(
                re.search(r"\.[chpy]+\b|src/|conf/|RFC|[Ss]ame source|manual|\.pl\b|\.[a-z]+\(\)|\w\(\)", line)
            )
            is_comment = True
            continue
        is_comment = False
        head = re.match(r"([a-z_0-9]+):", line)
        if head and under:
            found.add(head[1])
    return found


@pytest.mark.parametrize("one", [one for one in ENTRIES if one.name in ("postfix", "companions")], ids=name)
def test_rules_name_their_source(one: Format) -> None:
    """Above every rule of a kind stands where the line comes from."""
    known = described(one.grammar)
    nameless = sorted({rule for kind in one.kinds for rule in kind.rules} - known)
    assert not nameless, f"{one.grammar}.lark: no source above {', '.join(nameless)}"


@pytest.mark.parametrize("path", sorted(GRAMMARS.glob("*.lark")), ids=lambda path: path.stem)
def test_every_rule_is_read(path: Path) -> None:
    """A rule is part of another, imported by one, or asked for by name in the code: else it says nothing."""
    lines = [line.partition("//")[0] for one in GRAMMARS.glob("*.lark") for line in one.read_text().splitlines()]
    begins = re.compile(r"[?!]?([A-Za-z_][A-Za-z0-9_]*)(?:\.\d+)?\s*:")
    heads = [(head[1], line[head.end() :]) if (head := begins.match(line)) else ("", line) for line in lines]
    used = {word for name, body in heads for word in re.findall(r"[A-Za-z_][A-Za-z0-9_]*", body) if word != name}
    code = "\n".join(source.read_text() for source in (GRAMMARS.parent / "smtplog").rglob("*.py"))
    used |= set(re.findall(r"[\"']([A-Za-z_][A-Za-z0-9_]*)[\"']", code)) | {"start"} | {rule for _, rule in SPLITS}
    mine = [head[1] for line in path.read_text().splitlines() if (head := begins.match(line))]

    assert sorted({name for name in mine if name not in used and name.lstrip("_").split("__")[0] not in used}) == []
