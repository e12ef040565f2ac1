"""A rule, and a set of them: compared with a text, indexed, in their order.

Order is part of the data: in each step the first rule that fits decides. The steps, in this order, are `provider` (what
one operator means by its words and codes), `text` (what anybody means by these words), `enhanced`, `basic` and `state`
(what is left when the words say nothing: codes, stage, status).
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from functools import cached_property, lru_cache

from smtplog.ask.rules.phrases import Phrase
from smtplog.ask.rules.wording import Scope, parents

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
class Wanted:
    """The phrases of a rule."""

    any: tuple[Phrase, ...] = ()
    all: tuple[Phrase, ...] = ()
    none: tuple[Phrase, ...] = ()


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
    wanted: Wanted = field(default=Wanted(), repr=False)
    """`any`, `all` and `none`, ready to be looked for."""

    @property
    def is_textual(self) -> bool:
        """Whether it looks at the words at all."""
        return bool(self.any or self.all or self.signs)

    def fits(self, scope: Scope, context: Context) -> Hit | None:
        """Compare with one text; the codes, stage and status come from `context`."""
        if not self._fits_context(context):
            return None
        if any(phrase.find(scope) for phrase in self.wanted.none):
            return None
        sign = self._sign(scope) if self.signs else None
        said = next((span for phrase in self.wanted.any if (span := phrase.find(scope))), None)
        if (self.signs or self.wanted.any) and sign is None and said is None:
            return None
        for phrase in self.wanted.all:
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
    return any(fnmatchcase(code, code[0] + w[1:] if w[0] == "x" else w) for w in wanted)


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
            looked_for = rule.wanted.any if rule.wanted.any or rule.signs else rule.wanted.all[:1]
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

    def first(self, scope: Scope, context: Context, *steps: str, textual_only: bool = False) -> Hit | None:
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
