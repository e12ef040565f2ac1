"""A rule, and a set of them: compared with a text, indexed, in their order.

Order is part of the data: in each step the first rule that fits decides. The steps, in this order, are `provider` (what
one operator means by its words and codes), `text` (what anybody means by these words), `enhanced`, `basic` and `state`
(what is left when the words say nothing: codes, stage, status).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from functools import cached_property, lru_cache

from smtplog.ask.rules.phrases import Phrase, keys_of
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

    def fits(self, scope: Scope, context: Context, phrases: Iterable[Phrase]) -> Hit | None:
        """Compare with one text.

        Args:
            scope: the text.
            context: codes, stage, status, operator.
            phrases: those of `any` that may be there at all, in their order.
        """
        if not self._fits_context(context):
            return None
        said = next((span for phrase in phrases if (span := phrase.find(scope))), None)
        sign = self._sign(scope) if self.signs and said is None else None
        if (self.signs or self.any) and sign is None and said is None:
            return None
        for phrase in self.wanted.all:
            span = phrase.find(scope)
            if span is None:
                return None
            said = said or span
        if any(phrase.find(scope) for phrase in self.wanted.none):
            return None
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


Candidates = list[tuple[Rule, list[Phrase]]]


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
    keys: Mapping[str, Sequence[Sequence[int]]] | None = field(default=None, repr=False)
    """What `phrase_keys` gives, where it is known before."""

    @cached_property
    def _by_host(self) -> dict[str, str]:
        return {host: p.name for p in self.providers for host in p.hosts}

    @cached_property
    def _by_tell(self) -> dict[str, str]:
        return {sign: p.name for p in self.providers for sign in p.signs}

    @cached_property
    def phrase_keys(self) -> Mapping[str, Sequence[Sequence[int]]]:
        """Key -> numbers of rule and phrase of `any` that cannot be there without it or its like."""
        if self.keys is not None:
            return self.keys
        found: dict[str, list[tuple[int, int]]] = {}
        for number, rule in enumerate(self.rules):
            for which, phrase in enumerate(rule.wanted.any):
                for key in phrase.anchors:
                    found.setdefault(key, []).append((number, which))
        return found

    @cached_property
    def _by_sign(self) -> dict[str, list[int]]:
        """The first two characters of a sign -> rules."""
        found: dict[str, list[int]] = {}
        for number, rule in enumerate(self.rules):
            for beginning in dict.fromkeys(sign[:2] for sign in rule.signs):
                found.setdefault(beginning, []).append(number)
        return found

    @cached_property
    def _always(self) -> tuple[int, ...]:
        """Rules that no word and no sign can exclude."""
        return tuple(number for number, rule in enumerate(self.rules) if not rule.any and not rule.signs)

    def candidates(self, scope: Scope) -> Candidates:
        """The rules that may fit a text, in their order, each with its phrases that may be there."""
        found: dict[int, set[int]] = {number: set() for number in self._always}
        by_key, by_sign = self.phrase_keys, self._by_sign
        for key in keys_of(scope) & by_key.keys():
            for number, which in by_key[key]:
                found.setdefault(number, set()).add(which)
        for beginning in {sign[:2] for sign in scope.signs} & by_sign.keys():
            for number in by_sign[beginning]:
                found.setdefault(number, set())
        return [
            (rule := self.rules[number], [rule.wanted.any[which] for which in sorted(found[number])])
            for number in sorted(found)
        ]

    @lru_cache(maxsize=1 << 14)  # noqa: B019 - a rule set lives as long as the process
    def providers_of_host(self, host: str) -> frozenset[str]:
        """The operators a host name belongs to: by itself or by any domain above it."""
        return frozenset(self._by_host[p] for p in parents(host) if p in self._by_host)

    def providers_told(self, scope: Scope) -> frozenset[str]:
        """The operators that a text gives away by tokens only they write."""
        return frozenset(self._by_tell[s] for s in scope.signs if s in self._by_tell)


def first(
    scope: Scope, context: Context, candidates: Candidates, *steps: str, textual_only: bool = False
) -> Hit | None:
    """The first of some rules that is of these steps and fits."""
    for rule, phrases in candidates:
        if rule.step in steps and (rule.is_textual or not textual_only) and (hit := rule.fits(scope, context, phrases)):
            return hit
    return None
