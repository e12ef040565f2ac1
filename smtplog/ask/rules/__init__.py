"""The rules that turn a failure text into a reason: loaded from `rules.toml`, indexed, compared.

Order is part of the data: in each step the first rule that fits decides. The steps, in this order, are `provider` (what one
operator means by its words and codes), `text` (what anybody means by these words), `enhanced`, `basic` and `state` (what is
left when the words say nothing: codes, stage, status).
"""

from __future__ import annotations

import itertools
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, fields
from fnmatch import fnmatchcase
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any

from smtplog.ask.rules.phrases import Phrase, phrases
from smtplog.ask.rules.wording import Scope, parents
from smtplog.errors import QueryError

STEPS = ("provider", "text", "enhanced", "basic", "state")
PERSISTENCES = ("hard", "soft", "block")
ACTORS = ("sender", "recipient", "receiver", "network", "nobody", "local", "human")
RETRIES = ("yes", "no", "after_fix", "unclear")


@dataclass(frozen=True)
class Reason:
    """One canonical reason; everything in it is a default that a rule may refine."""

    name: str
    meaning: str
    actor: str
    retry: str
    retry_when: str
    hint: str
    persistence: str | None = None
    suppress_days: int = 0
    """How long an address may be left out after this; 0: never because of this."""


@dataclass(frozen=True)
class Provider:
    """An operator: the hosts it answers from (and all under them) and the tokens that give it away in a text."""

    name: str
    hosts: tuple[str, ...] = ()
    signs: tuple[str, ...] = ()


@dataclass(frozen=True)
class Rule:
    """When all of the conditions it names hold, the reason is known."""

    step: str
    id: str
    reason: str
    source: str
    examples: tuple[str, ...]
    detail: str | None = None
    persistence: str | None = None
    actor: str | None = None
    hint: str | None = None
    suppress: bool = True
    """False: even where the reason allows it, these words are too weak to give an address up."""
    provider: str | None = None
    any: tuple[str, ...] = ()
    all: tuple[str, ...] = ()
    none: tuple[str, ...] = ()
    signs: tuple[str, ...] = ()
    codes: tuple[str, ...] = ()
    enhanced: tuple[str, ...] = ()
    stages: tuple[str, ...] = ()
    statuses: tuple[str, ...] = ()
    is_reply: bool | None = None
    """True: only inside an SMTP reply; False: only in the sending server's own words."""
    _any: tuple[Phrase, ...] = field(default=(), repr=False)
    _all: tuple[Phrase, ...] = field(default=(), repr=False)
    _none: tuple[Phrase, ...] = field(default=(), repr=False)

    @property
    def is_textual(self) -> bool:
        """Whether it looks at the words at all."""
        return bool(self.any or self.all or self.signs)

    def fits(self, scope: Scope, context: Context) -> Hit | None:
        """Compare with one text; the codes, stage and status come from `context`."""
        if not self._fits_context(context):
            return None
        if any(phrase.find(scope) for phrase in self._none):
            return None
        sign = self._sign(scope) if self.signs else None
        said = next((span for phrase in self._any if (span := phrase.find(scope))), None)
        if (self.signs or self._any) and sign is None and said is None:
            return None
        for phrase in self._all:
            span = phrase.find(scope)
            if span is None:
                return None
            said = said or span
        return Hit(self, said, sign)

    def _fits_context(self, context: Context) -> bool:
        return (
            (self.provider is None or self.provider in context.providers)
            and (self.is_reply is None or self.is_reply == (context.code is not None))
            and (not self.codes or (context.code is not None and str(context.code).startswith(self.codes)))
            and (not self.enhanced or _has_enhanced(self.enhanced, context.enhanced_code))
            and (not self.stages or context.stage in self.stages)
            and (not self.statuses or context.status in self.statuses)
        )

    def _sign(self, scope: Scope) -> str | None:
        for sign in self.signs:
            if "*" not in sign and "?" not in sign:
                if sign in scope.signs:
                    return sign
            elif found := sorted(s for s in scope.signs if s[:2] == sign[:2] and fnmatchcase(s, sign)):
                return found[0]
        return None


@dataclass(frozen=True)
class Context:
    """What is known about a failure beside its words."""

    providers: frozenset[str]
    code: int | None
    enhanced_code: str | None
    stage: str | None
    status: str | None


@dataclass(frozen=True)
class Hit:
    """A rule that fits, and by what: a span of the scope's words, or a token."""

    rule: Rule
    said: tuple[int, int] | None
    sign: str | None


def _has_enhanced(wanted: Iterable[str], code: str | None) -> bool:
    if code is None:
        return False
    return any(code == w or (w[0] == "x" and code[1:] == w[1:]) or fnmatchcase(code, w) for w in wanted)


@dataclass(frozen=True, eq=False)
class RuleSet:
    """Rules in their order, with the tables they refer to."""

    rules: tuple[Rule, ...]
    reasons: Mapping[str, Reason]
    providers: tuple[Provider, ...]
    spelling: Mapping[str, str]
    doubts: tuple[Phrase, ...] = ()
    """Phrases beside which no address is given up, whatever else is said."""

    @cached_property
    def _by_host(self) -> dict[str, str]:
        return {host: p.name for p in self.providers for host in p.hosts}

    @cached_property
    def _by_tell(self) -> dict[str, str]:
        return {sign: p.name for p in self.providers for sign in p.signs}

    @cached_property
    def _index(self) -> tuple[dict[str, tuple[int, ...]], dict[str, tuple[int, ...]], tuple[int, ...]]:
        """Word -> rules it may fire; beginning of a sign -> rules; rules that no word or sign can exclude."""
        by_word: dict[str, set[int]] = {}
        by_sign: dict[str, set[int]] = {}
        rest: list[int] = []
        for number, rule in enumerate(self.rules):
            looked_for = rule._any if rule._any or rule.signs else rule._all[:1]
            anchors = [phrase.anchors for phrase in looked_for]
            if not rule.is_textual or None in anchors:
                rest.append(number)
                continue
            for word in itertools.chain.from_iterable(a for a in anchors if a):
                by_word.setdefault(word, set()).add(number)
            for sign in rule.signs:
                by_sign.setdefault(sign[:2], set()).add(number)
        return _frozen(by_word), _frozen(by_sign), tuple(rest)

    @lru_cache(maxsize=1 << 14)  # noqa: B019 - a rule set lives as long as the process
    def providers_of_host(self, host: str) -> frozenset[str]:
        """The operators a host name belongs to: by itself or by any domain above it."""
        return frozenset(self._by_host[p] for p in parents(host) if p in self._by_host)

    def providers_told(self, scope: Scope) -> frozenset[str]:
        """The operators that a text gives away by tokens only they write."""
        return frozenset(self._by_tell[s] for s in scope.signs if s in self._by_tell)

    def first(self, scope: Scope, context: Context, steps: tuple[str, ...], *, textual_only: bool = False) -> Hit | None:
        """The first rule of these steps that fits, in the order of the data."""
        by_word, by_sign, rest = self._index
        numbers = set(rest)
        numbers.update(*(by_word[w] for w in scope.places.keys() & by_word.keys()))
        numbers.update(*(by_sign[s] for s in {sign[:2] for sign in scope.signs} & by_sign.keys()))
        for number in sorted(numbers):
            rule = self.rules[number]
            if rule.step in steps and (rule.is_textual or not textual_only) and (hit := rule.fits(scope, context)):
                return hit
        return None


def _frozen(index: dict[str, set[int]]) -> dict[str, tuple[int, ...]]:
    return {key: tuple(sorted(numbers)) for key, numbers in index.items()}


@lru_cache(maxsize=1)
def built_in() -> RuleSet:
    """The rules that come with smtplog."""
    folder = Path(__file__).parent
    return _rule_set(folder / "rules.toml", _read(folder / "rules.toml") | _read(folder / "reasons.toml"))


@lru_cache(maxsize=8)
def load_rules(path: str | Path) -> RuleSet:
    """The built-in rules with those of a file of your own before them.

    Args:
        path: TOML like `rules.toml`: `[[provider]]`, `[[text]]`, `[[enhanced]]`, `[[basic]]`, `[[state]]` tables in the order
            in which they are to be tried, and `[operator.NAME]` tables. A rule with the id of a built-in one takes its place;
            others are tried before all built-in rules of their step.

    Raises:
        QueryError: the file is missing, is no TOML, or a rule in it cannot be used; names file, rule and field.
    """
    own = _rule_set(Path(path), _read(Path(path)), known=built_in())
    base = built_in()
    by_id = {rule.id: rule for rule in own.rules}
    kept = {rule.id: by_id.get(rule.id, rule) for rule in base.rules}
    fresh = [rule for rule in own.rules if rule.id not in kept]
    every = sorted([*fresh, *kept.values()], key=lambda rule: STEPS.index(rule.step))
    return RuleSet(tuple(every), base.reasons, (*own.providers, *base.providers), base.spelling, base.doubts)


def _read(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text("utf-8"))
    except OSError as error:
        raise QueryError(f"{path}: cannot be read: {error.strerror or error}; give the path of a TOML file of rules") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise QueryError(f"{path}: not TOML: {error}") from error


def _rule_set(path: Path, data: dict[str, Any], known: RuleSet | None = None) -> RuleSet:
    reasons = known.reasons if known else {r["name"]: Reason(**r) for r in data["reason"]}
    spelling = known.spelling if known else data["spelling"]
    providers = tuple(_operators(path, data.get("operator", {})))
    operators = {p.name for p in (*providers, *(known.providers if known else ()))}
    unknown = sorted(data.keys() - {*STEPS, "operator", "spelling", "reason", "doubts"})
    if unknown:
        raise QueryError(f"{path}: there is no table [[{unknown[0]}]]; there are {', '.join(STEPS)} and operator")
    rules, seen = [], set()
    for step in STEPS:
        for number, table in enumerate(data.get(step, []), 1):
            where = f"{path}: [[{step}]] number {number} ({table.get('id', 'without id')})"
            rule = _rule(where, step, table, spelling)
            _check(where, rule, reasons, operators)
            if rule.id in seen:
                raise QueryError(f"{where}: the id {rule.id} stands twice")
            seen.add(rule.id)
            rules.append(rule)
    doubts = phrases(data.get("doubts", []), spelling)
    return RuleSet(tuple(rules), reasons, providers, spelling, doubts)


def _operators(path: Path, tables: dict[str, Any]) -> Iterator[Provider]:
    for name, table in tables.items():
        if not isinstance(table, dict) or not table.keys() <= {"hosts", "signs"}:
            raise QueryError(f"{path}: [operator.{name}]: it has hosts and signs, two lists of text")
        hosts = tuple(host.lower().removeprefix("*.") for host in table.get("hosts", []))
        yield Provider(name, hosts, tuple(s.lower() for s in table.get("signs", [])))


def _rule(where: str, step: str, table: dict[str, Any], spelling: Mapping[str, str]) -> Rule:
    allowed = {f.name: f for f in fields(Rule) if not f.name.startswith("_") and f.name != "step"}
    for name, value in table.items():
        if name not in allowed:
            raise QueryError(f"{where}: there is no field {name}; there are {', '.join(allowed)}")
        kind = str(allowed[name].type)
        wanted = list if kind.startswith("tuple") else bool if kind.startswith("bool") else str
        is_right = isinstance(value, wanted) and (wanted is not list or all(isinstance(v, str) for v in value))
        if not is_right:
            raise QueryError(f"{where}: {name} is to be {'a list of texts' if wanted is list else wanted.__name__}")
    missing = [name for name in ("id", "reason", "source", "examples") if not table.get(name)]
    if missing:
        raise QueryError(f"{where}: {missing[0]} is missing")
    values = {k: tuple(v) if isinstance(v, list) else v for k, v in table.items()}
    values["signs"] = tuple(sign.lower() for sign in values.get("signs", ()))
    try:
        compared = {
            "_any": phrases(values.get("any", ()), spelling),
            "_all": phrases(values.get("all", ()), spelling),
            "_none": phrases(values.get("none", ()), spelling),
        }
    except ValueError as error:
        raise QueryError(f"{where}: {error}") from error
    return Rule(step=step, **values, **compared)


def _check(where: str, rule: Rule, reasons: Mapping[str, Reason], operators: set[str]) -> None:
    choices = (
        ("reason", rule.reason, reasons),
        ("persistence", rule.persistence, (*PERSISTENCES, None)),
        ("actor", rule.actor, (*ACTORS, None)),
        ("provider", rule.provider, (*operators, None)),
    )
    for name, value, allowed in choices:
        if value not in allowed:
            raise QueryError(f"{where}: there is no {name} {value}; there are {', '.join(sorted(filter(None, allowed)))}")
    conditions = itertools.chain(rule.any, rule.all, rule.signs, rule.codes, rule.enhanced, rule.stages, rule.statuses)
    if not any(conditions) and rule.provider is None and rule.is_reply is None:
        raise QueryError(f"{where}: it has no condition, so it would decide everything")
