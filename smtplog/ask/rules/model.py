"""A rule, and a set of them: compared with a text, indexed, in their order.

Order is part of the data: in each step the first rule that fits decides. The steps, in this order, are `provider` (what
one operator means by its words and codes), `text` (what anybody means by these words), `enhanced`, `basic` and `state`
(what is left when the words say nothing: codes, stage, status).
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from fnmatch import fnmatchcase
from functools import cached_property, lru_cache

from smtplog.ask.rules.clauses import Asides, Denials
from smtplog.ask.rules.phrases import Phrase, Writing, keys_of
from smtplog.ask.rules.wording import Seen, parents

STEPS = ("provider", "text", "enhanced", "basic", "state")
PERSISTENCES = ("hard", "soft", "block")
ACTORS = ("sender", "recipient", "receiver", "network", "nobody", "local", "human")


@dataclass(frozen=True)
class Reason:
    """One canonical reason; everything in it is a default that a rule may refine."""

    name: str
    meaning: str
    actor: str
    retry: str
    retry_when: str
    hint: str
    hint_here: str | None = None
    """What to do where the server at fault is this host itself; null: the same."""
    hint_final: str | None = None
    """What to do where the message came back all the same; null: the same."""
    persistence: str | None = None
    suppress_days: int = 0
    """How long an address may be left out after this; 0: never because of this."""
    carries: bool = False
    """Whether it only ends what another reason began: that one, where the text says it too, is its detail and who must act."""
    is_shared: bool = False
    """Whether it is no matter of one recipient or message: many at once are one incident."""


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
    is_clear: bool = False
    """A code so plain that words of the same reason beside it decide before all other words."""
    is_vague: bool = False
    """It says what was done rather than why: what the text supposes or quotes may say more."""
    is_reply: bool | None = None
    """True: only inside an SMTP reply; False: only in the sending server's own words."""
    is_own: bool = False
    """Of the user's file: no built-in rule decides before it."""
    wanted: Wanted = field(default=Wanted(), repr=False)
    """`any`, `all` and `none`, ready to be looked for."""

    @property
    def is_textual(self) -> bool:
        """Whether it looks at the words at all."""
        return bool(self.any or self.all or self.signs)

    def fits(self, seen: Seen, context: Context, which: Iterable[int]) -> Hit | None:
        """Compare with one text.

        Args:
            seen: what the text offers.
            context: codes, stage, status, operator.
            which: numbers of the phrases of `any` that may be there at all.
        """
        if not self._fits_context(context):
            return None
        every = self.wanted.any if which else ()
        said = next((span for number in sorted(which) if (span := every[number].find(seen))), None)
        sign = self._sign(seen) if self.signs and said is None else None
        if (self.signs or self.any) and sign is None and said is None:
            return None
        for phrase in self.wanted.all:
            span = phrase.find(seen)
            if span is None:
                return None
            said = said or span
        if any(phrase.find(seen) for phrase in self.wanted.none):
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

    def _sign(self, seen: Seen) -> str | None:
        for sign in self.signs:
            if "*" not in sign and "?" not in sign:
                if sign in seen.signs:
                    return sign
            elif found := sorted(s for s in seen.signs if s[:2] == sign[:2] and fnmatchcase(s, sign)):
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
    """A rule that fits, and by what: a span of the text's words, or a token."""

    rule: Rule
    said: tuple[int, int] | None
    sign: str | None


Candidates = list[tuple[Rule, Collection[int]]]
"""Rules in their order, each with the numbers of its phrases (of `any`) that may be there."""


_WILD = frozenset("*?[")
"""What makes a code a pattern of codes."""


@lru_cache(maxsize=1 << 14)
def _has_enhanced(wanted: tuple[str, ...], code: str | None) -> bool:
    if code is None:
        return False
    spelt = (code[0] + w[1:] if w[0] == "x" else w for w in wanted)
    return any(w == code or (not _WILD.isdisjoint(w) and fnmatchcase(code, w)) for w in spelt)


@dataclass(frozen=True, eq=False)
class RuleSet:
    """Rules in their order, with the tables they refer to."""

    rules: tuple[Rule, ...]
    reasons: Mapping[str, Reason]
    providers: tuple[Provider, ...]
    writing: Writing
    doubts: tuple[Phrase, ...] = ()
    """Phrases beside which no address is given up, whatever else is said."""
    plain: frozenset[str] = frozenset()
    """Words that say nothing of their own."""
    denials: Denials = field(default_factory=Denials, repr=False)
    asides: Asides = field(default_factory=Asides, repr=False)
    keys: Mapping[str, Sequence[Sequence[int]]] | None = field(default=None, repr=False)
    """What `phrase_keys` gives, where it is known before."""

    @cached_property
    def _of_the_dead(self) -> tuple[frozenset[str], tuple[str, ...]]:
        """The words by which rules know that an address is dead, and those that say nothing: plain ones, patterns."""
        phrases = (
            phrase
            for rule in self.rules
            if rule.step == "text" and rule.suppress and self.reasons[rule.reason].suppress_days
            for phrase in (*rule.wanted.any, *rule.wanted.all)
        )
        words = {word for p in phrases for element in p.elements for choice in element.choices for word in choice}
        return self.plain | words, tuple(word for word in words if "*" in word)

    def is_of_the_dead(self, word: str) -> bool:
        """Is this nothing but a word of what is said of an address that is dead, or says it nothing, as ids and numbers?"""
        words, patterns = self._of_the_dead
        return (
            word in words or any(c.isdigit() for c in word) or any(fnmatchcase(word, pattern) for pattern in patterns)
        )

    @cached_property
    def _by_host(self) -> dict[str, str]:
        return {host: p.name for p in self.providers for host in p.hosts}

    @cached_property
    def _by_tell(self) -> dict[str, str]:
        return {sign: p.name for p in self.providers for sign in p.signs}

    @cached_property
    def hosts(self) -> list[str]:
        """The hosts of all operators: no other name is one of theirs that has none of these in it."""
        return list(self._by_host)

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
    def _always(self) -> Mapping[str | None, tuple[int, ...]]:
        """Operator, or None where any may have answered -> rules that no word and no sign can exclude."""
        found: dict[str | None, list[int]] = {None: []}
        for number, rule in enumerate(self.rules):
            if not rule.any and not rule.signs:
                found.setdefault(rule.provider, []).append(number)
        return {name: tuple(numbers) for name, numbers in found.items()}

    @lru_cache(maxsize=16)  # noqa: B019 - a rule set lives as long as the process
    def candidates(self, seen: Seen, told: frozenset[str]) -> Candidates:
        """The rules that may fit a text that one of these operators wrote, in their order."""
        found: dict[int, list[int]] = {}
        for name in (None, *told):
            found.update((number, []) for number in self._always.get(name, ()))
        by_key, by_sign = self.phrase_keys, self._by_sign
        for key in keys_of(seen) & by_key.keys():
            for number, which in by_key[key]:
                found.setdefault(number, []).append(which)
        for beginning in {sign[:2] for sign in seen.signs} & by_sign.keys():
            for number in by_sign[beginning]:
                found.setdefault(number, [])
        return [(self.rules[number], found[number]) for number in sorted(found)]

    @lru_cache(maxsize=1 << 14)  # noqa: B019 - as above
    def providers_of_host(self, host: str) -> frozenset[str]:
        """The operators a host name belongs to: by itself or by any domain above it."""
        return frozenset(self._by_host[p] for p in parents(host) if p in self._by_host)

    def providers_told(self, signs: Iterable[str]) -> frozenset[str]:
        """The operators that a text gives away by tokens only they write."""
        return frozenset(self._by_tell[s] for s in signs if s in self._by_tell)

    @cached_property
    def _signs(self) -> tuple[frozenset[str], Mapping[str, tuple[str, ...]]]:
        """The signs of all rules: the plain ones; those with a wild card, by their first two characters."""
        every = dict.fromkeys(sign for rule in self.rules for sign in rule.signs)
        wild: dict[str, tuple[str, ...]] = {}
        for sign in every:
            if "*" in sign or "?" in sign:
                wild[sign[:2]] = (*wild.get(sign[:2], ()), sign)
        return frozenset(every), wild

    @cached_property
    def marks(self) -> list[str]:
        """What a text must have one of for a host or URL in it to be a sign: no sign without a letter is."""
        every = (*self._by_tell, *(sign for rule in self.rules for sign in rule.signs if sign.upper() != sign.lower()))
        return sorted({max(sign.replace("?", "*").split("*"), key=len) for sign in every})

    def known(self, seen: Seen, code: str | None = None) -> Seen:
        """What rules can tell apart: without what the text denies, and the signs that none of them looks for.

        Args:
            seen: what a text offers.
            code: its enhanced code, a sign like others.
        """
        plain, wild = self._signs
        signs = frozenset(
            sign
            for sign in (*seen.signs, *((code,) if code else ()))
            if sign in plain or (sign[:2] in wild and any(fnmatchcase(sign, w) for w in wild[sign[:2]]))
        )
        kept = replace(seen, signs=signs)
        words = self.denials.taken_out(kept)
        return kept if words is kept.words else replace(kept, words=words)

    @lru_cache(maxsize=1 << 14)  # noqa: B019 - as above
    def first(
        self, seen: Seen, context: Context, steps: tuple[str, ...], *, textual_only: bool = False, reason: str = "",
        beside: str = "",
    ) -> Hit | None:  # fmt: skip
        """The first rule of these steps that fits.

        Args:
            seen: what `known` leaves of a text.
            context: codes, stage, status, operators.
            steps: some of `STEPS`.
            textual_only: leave out the rules that look at no words.
            reason: only rules of this reason, and none of the weak ones; "": any.
            beside: only rules of other reasons than this, and none of the weak ones; "": any.
        """
        for rule, which in self.candidates(seen, context.providers):
            if (
                rule.step in steps
                and (rule.is_textual or not textual_only)
                and (not reason or (rule.reason == reason and rule.suppress))
                and (not beside or (rule.reason != beside and rule.suppress))
                and (hit := rule.fits(seen, context, which))
            ):
                return hit
        return None
