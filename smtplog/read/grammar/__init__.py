"""Lark rules: found, loaded, flattened to patterns, and run as LALR parsers. The only room that knows Lark and regexes.

A shape is written once, in `grammars/<name>.lark`. From a rule come

* `shape(grammar, rule)`: one linear regular expression with a named group per field, that means the same to Python's
  `re` (rows) and to the regex engine of the columns;
* `parser(grammar, rule)`: Lark's own LALR parser of that rule's closure, which says where and why a text did not fit.

A lower-case rule used inside another is a field: its name is the group's, the text it spans the value; `x__said` and
`x__sent` are two shapes of the field `x`. `_rules` are structure only. A text terminal may end in one look-ahead naming the
literals that follow it; the pattern drops it, because they stand there anyway, and `shape` checks that they do. Lark itself
is imported where it is used: most runs find their patterns kept and need none of it.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import cache, cached_property
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from smtplog.errors import GrammarError
from smtplog.read import keep, onepass
from smtplog.read.grammar.text import beginnings, drop_look_aheads, escape, fits, glob, is_atom, is_made_of

if TYPE_CHECKING:
    from lark import Token, Tree
    from lark.load_grammar import Grammar

__all__ = [
    "MAX_GROUPS", "Parser", "Refused", "Shape", "beginnings", "check_hot", "compiled", "escape", "field_name", "fits", "folder", "glob",
    "is_made_of", "parser", "pattern", "rules", "shape",
]  # fmt: skip

_LOOK_AHEAD = re.compile(r"\(\?=((?:[^()\\]|\\.)*)\)$")
_NOT_LINEAR = re.compile(r"(?<!\\)(?:\(\?(?:[=!]|<[=!])|\\[1-9bBdDwWsSAZ]|\(\?P=)")
_ID = re.compile(r"\(\?P<queue_id>(\[[^\]]+\])\+\): ")
_SHAPED_ID = re.compile(r"\(\?P<queue_id>((?:\[[^\]]+\]\{[0-9,]+\}-?)+)\) ")
MAX_GROUPS = 16
"""The one-pass engine of the columns keeps this many groups; more leave its fast path."""


@dataclass(frozen=True)
class Shape:
    """A flattened rule: its pattern (unanchored) and the fields in the order of the groups."""

    grammar: str
    rule: str
    pattern: str
    fields: tuple[str, ...]
    always: frozenset[str] = field(repr=False)
    """Fields that are there whenever the rule fits."""
    opening: tuple[bool, tuple[str, ...]]
    """How every fitting text begins: is it an id (then what follows it counts), and the literals there."""
    needle: str
    """The longest literal that every fitting text holds; empty where there is none."""

    def anchored(self, fields: Iterable[str] | None = None) -> str:
        """`^...$` for the columns engine; with `fields`, the groups of other fields are dropped."""
        pattern = self.pattern
        if fields is not None:
            for name in set(self.fields) - set(fields):
                pattern = pattern.replace(f"(?P<{name}>", "(?:")
        return f"^(?:{pattern})$" if "|" in pattern else f"^{pattern}$"

    @cached_property
    def id_characters(self) -> str:
        """The class of the characters of the id it begins with; empty where it begins otherwise."""
        begins = _ID.match(self.pattern)
        return begins[1] if begins else ""

    @cached_property
    def id_shape(self) -> str:
        """The shape of the id it begins with, where a blank and no colon follows; empty where it begins otherwise."""
        begins = _SHAPED_ID.match(self.pattern)
        return begins[1] if begins else ""

    def head(self) -> str:
        """The pattern of a beginning: what follows is not looked at."""
        return f"^(?:{self.pattern})"


class Refused(Exception):  # noqa: N818 - an answer, not an error
    """A text that the LALR parser did not take: where it stopped and what it expected there."""

    def __init__(self, column: int, expected: list[str]) -> None:
        super().__init__(f"at column {column + 1}: expected {' or '.join(expected) or 'nothing more'}")
        self.column = column
        self.expected = expected


class Parser:
    """Lark's LALR parser of one rule."""

    def __init__(self, grammar: str, rule: str) -> None:
        import lark.load_grammar

        rules, terminals = _closure(grammar, rule)
        self.fields = {name: field_name(name) for name in rules if name != rule and not name.startswith("_")}
        closure = lark.load_grammar.Grammar(
            [d for d in _load(grammar).rule_defs if d[0] in rules],
            [d for d in _load(grammar).term_defs if d[0] in terminals],
            [],
        )
        try:
            self._lark = lark.Lark(
                closure,  # Lark takes a loaded grammar too
                start=rule, parser="lalr", lexer="contextual", keep_all_tokens=True, maybe_placeholders=False,
            )  # fmt: skip
        except lark.exceptions.LarkError as error:
            raise GrammarError(f"{grammar}.lark, rule {rule}: not LALR(1): {error}") from error

    def tree(self, text: str) -> Tree[Token]:
        """The parse tree of a whole text; `Refused` when it does not fit."""
        import lark

        try:
            return self._lark.parse(text)
        except lark.UnexpectedInput as error:
            at_end = getattr(getattr(error, "token", None), "type", "") in ("$END", "<EOF>")
            column = len(text) if at_end else (error.pos_in_stream or 0)
            names = getattr(error, "expected", None) or getattr(error, "allowed", None) or ()
            raise Refused(column, sorted({self._spell(name) for name in names})) from error

    def read(self, text: str) -> dict[str, str | None]:
        """Field name -> value, None for an absent one; `Refused` when the text does not fit."""
        from lark import Token

        found: dict[str, str | None] = dict.fromkeys(self.fields.values())
        for node in self.tree(text).iter_subtrees():
            if node.data in self.fields:
                tokens = list(node.scan_values(lambda v: isinstance(v, Token)))
                found[self.fields[node.data]] = text[tokens[0].start_pos : tokens[-1].end_pos] if tokens else ""
        return found

    def _spell(self, terminal: str) -> str:
        if terminal == "$END":
            return "the end"
        definition = next((t for t in self._lark.terminals if t.name == terminal), None)
        return f'"{definition.pattern.value}"' if definition and definition.pattern.type == "str" else terminal


def field_name(rule: str) -> str:
    """The field a rule stands for: `reply_text__said` is one of several shapes of `reply_text`."""
    return rule.partition("__")[0]


def folder() -> Path:
    """Where the grammars are: inside an installed package, else at the top of the source tree."""
    package = Path(__file__).parent.parent.parent
    shipped = package / "grammars"
    return shipped if shipped.is_dir() else package.parent / "grammars"


@cache
def _sources(grammars: Path) -> tuple[Path, ...]:
    """All that a pattern is made of: the grammars, and what flattens them."""
    lark_itself = Path(str(find_spec("lark").origin))  # type: ignore[union-attr]
    code = sorted(Path(__file__).parent.glob("*.py"))
    return (*sorted(grammars.glob("*.lark")), *code, Path(str(onepass.__file__)), lark_itself)


@cache
def _load(grammar: str) -> Grammar:
    import lark.load_grammar

    path = folder() / f"{grammar}.lark"
    builder = lark.load_grammar.GrammarBuilder(global_keep_all_tokens=True, import_paths=[str(folder())])
    try:
        builder.load_grammar(path.read_text("utf-8"), str(path))
        return builder.build()
    except FileNotFoundError as error:
        raise GrammarError(f"there is no grammar {path}") from error
    except lark.exceptions.LarkError as error:
        raise GrammarError(f"{path}: {error}") from error


@cache
def _definitions(grammar: str) -> dict[str, Tree[Any]]:
    loaded = _load(grammar)
    rules = {name: tree for name, _, tree, _ in loaded.rule_defs}
    return rules | {name: tree for name, (tree, _) in loaded.term_defs}


def rules(grammar: str) -> tuple[str, ...]:
    """The rules written in a grammar, in its order; structure (`_x`) and fields included."""
    return tuple(definition[0] for definition in _load(grammar).rule_defs)


def _closure(grammar: str, rule: str) -> tuple[set[str], set[str]]:
    """Names of the rules and of the terminals that a rule needs, itself included."""
    definitions = _definitions(grammar)
    seen: set[str] = set()
    todo = [rule]
    while todo:
        name = todo.pop()
        if name in seen:
            continue
        if name not in definitions:
            raise GrammarError(f"{grammar}.lark has no rule {name}")
        seen.add(name)
        for node in definitions[name].iter_subtrees():
            todo += [child.name for child in node.children if hasattr(child, "name")]
    return {name for name in seen if not name.isupper()}, {name for name in seen if name.isupper()}


@cache
def parser(grammar: str, rule: str) -> Parser:
    """Lark's LALR parser of one rule, built from that rule's closure on first use."""
    return Parser(grammar, rule)


@cache
def shape(grammar: str, rule: str) -> Shape:
    """Flatten a rule.

    Args:
        grammar: name of a file in grammars/, without its ending.
        rule: a rule in it.

    Raises:
        GrammarError: names the rule and the place that cannot become one linear pattern: recursion, a template, a
            field named twice, a look-around other than the one allowed, a class that the two engines read differently.
    """
    kept = keep.find(_sources(folder()), f"{grammar}/{rule}")
    if kept:
        flattened, fields, always, (after_id, begins), needle = kept
        return Shape(grammar, rule, flattened, tuple(fields), frozenset(always), (after_id, tuple(begins)), needle)
    flat = _Flattener(grammar, rule)
    text = drop_look_aheads(f"{grammar}.lark, rule {rule}", flat.rule(rule, optional=False))
    id_ = _ID.match(text) or _SHAPED_ID.match(text)
    opening = bool(id_), onepass.openings(text[id_.end() :] if id_ else text)
    needle = onepass.needle(text)
    keep.add(_sources(folder()), f"{grammar}/{rule}", [text, flat.fields, sorted(flat.always), opening, needle])
    return Shape(grammar, rule, text, tuple(flat.fields), frozenset(flat.always), opening, needle)


def pattern(grammar: str, rule: str, fields: Iterable[str] | None = None) -> str:
    """The anchored pattern of a rule; with `fields`, only these keep their group."""
    return shape(grammar, rule).anchored(fields)


@cache
def compiled(grammar: str, rule: str) -> re.Pattern[str]:
    """The same pattern for one text at a time: use `fullmatch` (or `match` for a beginning)."""
    return re.compile(shape(grammar, rule).pattern)


@cache
def inside(rule: str) -> re.Pattern[str]:
    """The pattern of a rule of secrets.lark, to be looked for in texts of several lines; `_line` rules end a line."""
    found = shape("secrets", rule).pattern
    return re.compile(f'(?m:{found}(?P<after>"|$))' if rule.endswith("_line") else f"(?m:{found})")


def any_of(words: Iterable[str]) -> str:
    """A pattern that any of these words fits."""
    return "|".join(escape(word) for word in words)


def check_hot(grammar: str, rule: str) -> None:
    """Refuse, with the place, a rule that is not one-pass or has more groups than the fast path keeps.

    Raises:
        GrammarError: names the rule and the two things that may both come next.
    """
    flat = shape(grammar, rule)
    if len(flat.fields) > MAX_GROUPS:
        raise GrammarError(
            f"{grammar}.lark, rule {rule}: {len(flat.fields)} fields, a hot rule has at most {MAX_GROUPS}"
        )
    conflict = onepass.conflict(flat.pattern)
    if conflict:
        raise GrammarError(f"{grammar}.lark, rule {rule}: not one-pass: {conflict}")


class _Flattener:
    """Walks Lark's tree of a rule and writes the pattern down."""

    def __init__(self, grammar: str, start: str) -> None:
        self.where = f"{grammar}.lark, rule {start}"
        self.definitions = _definitions(grammar)
        self.start = start
        self.fields: list[str] = []
        self.always: list[str] = []
        self.path: list[str] = []

    def rule(self, name: str, *, optional: bool) -> str:
        if name in self.path:
            raise GrammarError(f"{self.where}: {' -> '.join([*self.path, name])} is a recursion, not a line")
        if name not in self.definitions:
            raise GrammarError(f"{self.where}: there is no rule {name}")
        is_field = not name.isupper() and not name.startswith("_") and name != self.start
        if is_field:
            if field_name(name) in self.fields:
                raise GrammarError(f"{self.where}: the field {field_name(name)} stands twice")
            self.fields.append(field_name(name))
            if not optional:
                self.always.append(field_name(name))
        self.path.append(name)
        text = self.write(self.definitions[name], optional=optional)
        self.path.pop()
        return f"(?P<{field_name(name)}>{text})" if is_field else text

    def write(self, node: Any, *, optional: bool) -> str:
        writer = getattr(self, f"_{node.data}", None)
        if writer is None:
            raise GrammarError(f"{self.where}: a {node.data} cannot become a pattern (in {self.path[-1]})")
        return str(writer(node.children, optional))

    def _expansions(self, children: list[Any], optional: bool) -> str:
        if len(children) == 1:
            return self.write(children[0], optional=optional)
        return "(?:" + "|".join(self.write(child, optional=True) for child in children) + ")"

    def _expansion(self, children: list[Any], optional: bool) -> str:
        return "".join(self.write(child, optional=optional) for child in children)

    def _alias(self, children: list[Any], optional: bool) -> str:
        return self.write(children[0], optional=optional)

    def _maybe(self, children: list[Any], optional: bool) -> str:  # noqa: ARG002 - inside it, all is optional
        return f"(?:{self.write(children[0], optional=True)})?"

    def _expr(self, children: list[Any], optional: bool) -> str:
        inner, operator, *bounds = children
        text = self.write(inner, optional=optional or operator in "?*")
        text = text if is_atom(text) else f"(?:{text})"
        return f"{text}{{{','.join(bounds)}}}" if operator == "~" else f"{text}{operator}"

    def _value(self, children: list[Any], optional: bool) -> str:
        child = children[0]
        return (
            self.rule(child.name, optional=optional) if hasattr(child, "name") else self.write(child, optional=optional)
        )

    def _literal(self, children: list[Any], optional: bool) -> str:  # noqa: ARG002
        token = str(children[0])
        if token.startswith('"') and token.endswith('"'):
            return escape(ast.literal_eval(token))
        if not (token.startswith("/") and token.endswith("/")):
            raise GrammarError(f"{self.where}: {token}: flags change what a pattern means; write the class out")
        text = token[1:-1].replace("\\/", "/")
        look = _LOOK_AHEAD.search(text)
        text = text[: look.start()] if look else text
        if _NOT_LINEAR.search(text):
            raise GrammarError(f"{self.where}: {token}: no look-around, back-reference or \\d \\w \\s class here")
        if "|" in text and not is_atom(text):
            text = f"(?:{text})"
        return f"{text}\x00{look[1]}\x00" if look else text

    def _range(self, children: list[Any], optional: bool) -> str:  # noqa: ARG002
        first, last = (ast.literal_eval(str(c)) for c in children)
        return f"[{escape(first)}-{escape(last)}]"
