"""Why a delivery failed, who must act and what to do: a reason for every reply.

Two engines, one answer: `reply` takes one text, `column` a frame of deliveries. Both make the text a template first,
then ask the same function; `column` asks it once for every distinct template, host and code.

The decision has a fixed order: the innermost reply; what its operator means by it; what its words mean, those first
that its enhanced code agrees with, and what it says outright before what it supposes, advises or quotes; what its
enhanced code means; what its basic code means; stage and status. Rules are data (`rules/rules.toml`); `unknown` is an
answer.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache, partial
from typing import Any, NamedTuple

import polars as pl

from smtplog.ask.rules import Context, Hit, Reason, Rule, RuleSet, built_in, load_rules, wording
from smtplog.read import grammar
from smtplog.smtp import replies

__all__ = [
    "LONGEST", "REFUSED_HERE", "SUCCESSES", "Diagnosis", "RuleSet", "Suppression", "built_in", "column", "load_rules", "reply",
    "suppression", "wording",
]  # fmt: skip

SUCCESSES = frozenset({"delivered", "sent", "expanded", "discarded", "held", "cancelled"})
"""Statuses that are no failure: nothing to diagnose."""
REFUSED_HERE = frozenset({"rejected", "temp_rejected"})
"""Statuses of mail that this host itself turned away."""
_GIVEN_UP = frozenset({"bounced", "expired"})
"""Statuses of mail that came back."""
LONGEST = 2048
"""So many characters of a text are looked at: replies are shorter, and hostile ones cost little time."""
_NOT_FINAL = SUCCESSES | {"deferred", "temp_rejected"}
_BEFORE_RECIPIENT = frozenset({"connect", "greeting", "helo", "starttls", "auth", "mail"})
_SAME_STAGE = {"ehlo": "helo", "lhlo": "helo"}
"""The verbs themselves name the stage, too."""
_OF_THE_SESSION = frozenset({500, 502, 503, 504, 521, 523, 530, 534, 535, 538})
"""Codes that speak of commands, login and encryption (RFC 5321 s.4.2.2, RFC 4954, RFC 3207), never of one mailbox."""
_REFUSING = frozenset({"receiver"})
_AT_HOME = _REFUSING | {"network"}
"""Who must act, where that is this host's own administrator: it refused by itself; it is also what was asked."""
_SURE_STEPS = frozenset({"provider", "text", "enhanced"})
_SECONDS = {"s": 1, "m": 60, "h": 3600}
_BY_CODE = {2: None, 3: None, 4: "soft", 5: "hard"}
_INPUTS = ("detail", "reply_text", "relay_name", "stage", "enhanced_code", "reply_code", "status")
_SAMPLE = 2000
"""So many rows tell whether the templates of a frame are nearly all different."""
_OUTPUTS = ("reason", "reason_detail", "persistence", "actor")


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """The answer to one failure."""

    reason: str
    """One of the canonical reasons; `unknown` when the text does not say."""
    reason_detail: str | None
    """A finer word: `spf`, `ptr`, the list's name; of an expired message the last transient reason."""
    persistence: str | None
    """`hard`, `soft` or `block`; null only where not even a code is known."""
    actor: str
    """Who must act: sender, recipient, receiver, network, local, nobody, human."""
    meaning: str
    hint: str
    """What to do."""
    retry: str
    """Whether trying again helps: `yes`, `no`, `after_fix`, `unclear`."""
    retry_when: str
    retry_after_s: int | None
    """The wait in seconds, when the text names one."""
    rule: str | None
    """Id of the rule that decided; null for `unknown`."""
    step: str | None
    """Where it stands in the order: provider, text, enhanced, basic, state."""
    evidence: str | None
    """The part of the text that the rule saw; null when it saw none."""
    source: str | None
    """Where the rule comes from."""
    reply_code: int | None
    reply_code_meaning: str | None
    enhanced_code: str | None
    enhanced_code_meaning: str | None
    reply_text: str
    """The innermost reply without its codes."""
    stage: str | None


@dataclass(frozen=True, slots=True)
class Suppression:
    """An address that need not be tried again for some time."""

    reason: str
    evidence: str
    expires_days: int


class _Question(NamedTuple):
    """What a decision depends on, and nothing else: equal questions have equal answers."""

    template: str
    providers: frozenset[str]
    stage: str | None
    enhanced_code: str | None
    reply_code: int | None
    status: str | None
    is_here: bool
    """Was it a server of this same host that was asked?"""


@dataclass(frozen=True, slots=True)
class _Verdict:
    hit: Hit | None
    scope: wording.Scope
    """What the rule saw: the innermost reply, or what stands before it."""
    offset: int
    """Where the scope begins in the template."""
    inner: tuple[int, int]
    """Where the innermost reply stands in the template."""
    code: int | None
    enhanced_code: str | None
    stage: str | None
    at_home: frozenset[str]
    """Who is this host's own administrator here."""
    carried: Hit | None = None
    """What else it said, where the reason carries another."""

    def placed(self, reasons: RuleSet) -> tuple[str, str | None, str | None, str]:
        """reason, detail, persistence, actor."""
        rule = self.hit.rule if self.hit else None
        reason = reasons.reasons[rule.reason if rule else "unknown"]
        detail = rule.detail if rule else None
        acting, who = rule, reason
        if self.carried:
            acting, detail = self.carried.rule, self.carried.rule.reason
            who = reasons.reasons[detail]
        actor = "local" if who.actor in self.at_home else who.actor
        actor = acting.actor if acting and acting.actor else actor
        return reason.name, detail, self._persistence(rule, reason), actor

    def _persistence(self, rule: Rule | None, reason: Reason) -> str | None:
        if rule and rule.persistence:
            return rule.persistence
        kind = (self.code or 0) // 100 or int((self.enhanced_code or "0")[0])
        if kind == 4 and reason.name != "message_expired":
            return "soft"
        return reason.persistence or _BY_CODE.get(kind)


def _decide(question: _Question, rules: RuleSet) -> _Verdict:
    """The one decision behind both engines."""
    template = question.template
    peeled = wording.peel(template)
    inner = wording.Scope(template[peeled.start : peeled.end], rules.writing.spelling)
    code = inner.code or question.reply_code
    enhanced = inner.enhanced_code or question.enhanced_code
    stage = _SAME_STAGE.get(question.stage or "", question.stage) or peeled.stage

    def context(scope: wording.Scope, code: int | None) -> Context:
        told = question.providers | rules.providers_told(scope.signs)
        return Context(told, code, enhanced, stage, question.status)

    asked = partial(_asked, rules, rules.known(inner.seen, enhanced), context(inner, code))
    scope, offset = inner, peeled.start
    hit = carried = None
    if code is None or code >= 400:
        hit = asked("provider", "text")
        if hit and hit.rule.step == "text" and enhanced and not hit.rule.is_own:
            coded = asked("enhanced")
            if coded and coded.rule.is_clear and coded.rule.reason != hit.rule.reason:
                hit = asked("text", reason=coded.rule.reason) or hit
        if hit and rules.reasons[hit.rule.reason].carries:
            carried = asked("provider", "text", beside=hit.rule.reason)
        if peeled.before:
            around = wording.Scope(template[: peeled.before], rules.writing.spelling)
            told = context(around, around.code)
            outer = _asked(rules, rules.known(around.seen), told, "provider", "text", textual_only=True)
            if outer and (hit is None or rules.reasons[outer.rule.reason].carries):
                hit, carried, scope, offset = outer, hit, around, 0
        hit = hit or asked("enhanced", "basic", "state")
    if carried and question.status == "expired":  # that it expired is said already
        hit, carried = carried, None
    at_home = _AT_HOME if question.is_here else _REFUSING if question.status in REFUSED_HERE else frozenset()
    return _Verdict(hit, scope, offset, (peeled.start, peeled.end), code, enhanced, stage, at_home, carried)


def _asked(rules: RuleSet, seen: wording.Seen, context: Context, *steps: str, **which: Any) -> Hit | None:
    """The first rule that fits, by what the text says outright if that says why."""
    hit = rules.first(seen, context, steps, **which)
    if hit is None or not hit.said or hit.rule.is_own:
        return hit
    outright = rules.asides.taken_out(seen)
    narrower = [outright.last_line] if seen.lead and hit.rule.step == "text" else []
    for part in (*narrower, outright):
        said = None if part is seen else rules.first(part, context, steps, **which)
        if said and not said.rule.is_vague:
            return said
    return hit


def reply(
    text: str,
    *,
    relay_name: str | None = None,
    stage: str | None = None,
    enhanced_code: str | None = None,
    reply_code: int | None = None,
    status: str | None = None,
    rules: RuleSet | None = None,
) -> Diagnosis:
    """Diagnose one failure text.

    Args:
        text: a reply, or the words of an MTA with or without a reply inside. Any text.
        relay_name: the host that answered; without it, the one that the text names.
        stage: where in the dialogue (`rcpt`, `end_of_data`, ...); without it, what the text says.
        enhanced_code: what the MTA recorded; counts where the reply has none of its own.
        reply_code: likewise for the basic code.
        status: the delivery's status (`deferred`, `bounced`, `expired`, ...).
        rules: what `load_rules` returned; default: the built-in rules.
    """
    rules, text = rules or built_in(), text[:LONGEST]
    template, places = wording.template_with_places(text)
    host = relay_name or wording.answerer(text)
    operators = rules.providers_of_host(host) if host else frozenset()
    is_here = wording.is_here(text, host)
    verdict = _decide(_Question(template, operators, stage, enhanced_code, reply_code, status, is_here), rules)
    reason_name, detail, persistence, actor = verdict.placed(rules)
    rule = verdict.hit.rule if verdict.hit else None
    reason = rules.reasons[reason_name]
    inner = _raw(text, places, *verdict.inner)
    deciding = rules.reasons[verdict.carried.rule.reason] if verdict.carried else reason
    hints = [rule.hint if rule else None, deciding.hint_final if status in _GIVEN_UP else None, deciding.hint]
    if actor == "local" and deciding.hint_here:
        hints.insert(1 if rule and rule.is_own else 0, deciding.hint_here)
    return Diagnosis(
        reason=reason_name,
        reason_detail=detail,
        persistence=persistence,
        actor=actor,
        meaning=reason.meaning,
        hint=next(filter(None, hints)),
        retry=reason.retry,
        retry_when=reason.retry_when,
        retry_after_s=_wait(inner) if reason.retry == "yes" else None,
        rule=rule.id if rule else None,
        step=rule.step if rule else None,
        evidence=_evidence(text, places, verdict),
        source=rule.source if rule else None,
        reply_code=verdict.code,
        reply_code_meaning=replies.explain_code(verdict.code),
        enhanced_code=verdict.enhanced_code,
        enhanced_code_meaning=replies.explain_enhanced(verdict.enhanced_code),
        reply_text=replies.parts(inner).text.strip(),
        stage=verdict.stage,
    )


def _raw(text: str, places: list[tuple[int, int]], start: int, end: int) -> str:
    """What stood in the text where the template has this span."""
    return text[places[start][0] : places[end - 1][1]].strip() if start < end else ""


def _evidence(text: str, places: list[tuple[int, int]], verdict: _Verdict) -> str | None:
    """The words that the rule saw, as they stand in the text; else the code it went by."""
    hit = verdict.hit
    if hit is None:
        return None
    if hit.said:
        start, end = verdict.scope.span(*hit.said)
        return _raw(text, places, verdict.offset + start, verdict.offset + end)
    if hit.sign:
        at = text.lower().find(hit.sign)
        return text[at : at + len(hit.sign)] if at >= 0 else hit.sign
    if hit.rule.enhanced:
        return verdict.enhanced_code
    return str(verdict.code) if hit.rule.codes else None


def _wait(text: str) -> int | None:
    found = grammar.compiled("reply", "wait").search(text)
    return int(found["number"]) * _SECONDS[found["unit"][0].lower()] if found else None


def column(frame: pl.DataFrame, rules: RuleSet | None = None) -> pl.DataFrame:
    """Diagnose every delivery of a frame.

    Args:
        frame: any of the columns `detail` (preferred) or `reply_text`, `relay_name`, `stage`, `enhanced_code`,
            `reply_code`, `status`; a column that is not there counts as null. One row per delivery.
        rules: what `load_rules` returned; default: the built-in rules.

    Returns:
        `reason`, `reason_detail`, `persistence`, `actor`: as many rows, in the same order; null where the status is a
        success, and where neither text nor code nor status is known. Otherwise what `reply` says of the row.

    Cost: linear in the texts for the masks, in the distinct templates for the decisions.
    """
    rules = rules or built_in()
    failed = _failed(frame, rules)
    hosts = failed.get_column("relay_name")
    if hosts.null_count():
        hosts = failed.select(pl.coalesce("relay_name", wording.answerer_column(pl.col("text")))).to_series()
    is_here = wording.is_here_column(pl.col("text"), pl.lit(hosts))
    asked = failed.with_columns(_operators(hosts, rules), is_here=is_here).group_by(_Question._fields).agg("row")
    answers = [_answer(question, rules) for question in asked.select(_Question._fields).iter_rows()]
    columns = zip(*answers, strict=True) if answers else ((),) * len(_OUTPUTS)
    said = pl.DataFrame([pl.Series(n, v, pl.String) for n, v in zip(_OUTPUTS, columns, strict=True)])
    # Which answer stands in which row: a number for every row, null where nothing is asked.
    numbered = asked.select("row", number=pl.int_range(pl.len(), dtype=pl.UInt32)).explode("row")
    which = pl.repeat(None, frame.height, dtype=pl.UInt32, eager=True)
    which = which.scatter(numbered.get_column("row"), numbered.get_column("number"))
    return said.select(pl.all().gather(which))


def _failed(frame: pl.DataFrame, rules: RuleSet) -> pl.DataFrame:
    """What is asked of the rows that failed: their number, the text and its template, and all that a question needs."""
    missing = [pl.lit(None, pl.String).alias(name) for name in _INPUTS if name not in frame.columns]
    present = [name for name in _INPUTS if name in frame.columns]
    text = pl.coalesce("detail", "reply_text").str.head(LONGEST)
    is_failure = pl.col("status").is_null() | ~pl.col("status").is_in(list(SUCCESSES))
    is_silent = pl.all_horizontal(pl.col(*_INPUTS).exclude("relay_name", "stage").is_null())
    failed = (
        frame.lazy()
        .select(*present, row=pl.int_range(pl.len(), dtype=pl.UInt32))
        .with_columns(missing)
        .filter(is_failure & ~is_silent)
        .select("row", *_INPUTS[2:], text=text, template=wording.template_column(text))
        .collect()
    )
    some = failed.get_column("template").head(_SAMPLE)
    if some.len() == _SAMPLE and some.n_unique() > _SAMPLE // 2:
        failed = failed.with_columns(wording.coarse_column(pl.col("template"), rules.marks))
    return failed


def _operators(hosts: pl.Series, rules: RuleSet) -> pl.Series:
    """Of every host the operators it belongs to, joined by spaces."""
    known = hosts.filter(hosts.str.contains_any(rules.hosts, ascii_case_insensitive=True)).unique()
    named = [" ".join(sorted(rules.providers_of_host(host))) for host in known]
    return hosts.replace_strict(known, named, default="", return_dtype=pl.String).alias("providers")


@lru_cache(maxsize=1 << 16)
def _answer(row: tuple[Any, ...], rules: RuleSet) -> tuple[str, str | None, str | None, str]:
    question = _Question(*row)
    code = int(question.reply_code) if question.reply_code is not None else None
    question = question._replace(template=question.template or "", providers=frozenset(row[1].split()), reply_code=code)
    return _decide(question, rules).placed(rules)


def suppression(diagnosis: Diagnosis, *, status: str | None = None, rules: RuleSet | None = None) -> Suppression | None:
    """Whether an address may be left out because of a diagnosis.

    Only for reasons that are about the address itself, said for good (5xx, or the sending server's own final words), in
    words all of which are known to speak of dead addresses or to say nothing; never beside blocking, quota, policy or a
    later try.

    Args:
        diagnosis: what `reply` returned.
        status: the delivery's status; nothing is suppressed while the queue still tries.
        rules: those the diagnosis was made with.
    """
    rules = rules or built_in()
    days = rules.reasons[diagnosis.reason].suppress_days
    rule = next((r for r in rules.rules if r.id == diagnosis.rule), None)
    if not days or rule is None or not rule.suppress or rule.step not in _SURE_STEPS:
        return None
    if not _is_final(diagnosis, status):
        return None
    if grammar.compiled("reply", "no_address").search(diagnosis.reply_text):
        return None
    scope = wording.Scope(wording.template(diagnosis.reply_text), rules.writing.spelling)
    words = set(scope.words) - {wording.MASK}
    if rule.step != "provider" and not all(map(rules.is_of_the_dead, words)):
        return None
    if any(doubt.find(scope.seen) for doubt in rules.doubts):
        return None
    return Suppression(diagnosis.reason, diagnosis.evidence or diagnosis.enhanced_code or "", days)


def _is_final(diagnosis: Diagnosis, status: str | None) -> bool:
    """Whether it was said for good, and at a moment that concerns the recipient."""
    code, enhanced = diagnosis.reply_code, diagnosis.enhanced_code
    is_said = code is not None or enhanced is not None or status in {"bounced", "rejected"}
    is_temporary = (code is not None and code < 500) or (enhanced or "").startswith("4")
    return (
        is_said
        and not is_temporary
        and code not in _OF_THE_SESSION
        and diagnosis.persistence == "hard"
        and status not in _NOT_FINAL
        and diagnosis.stage not in _BEFORE_RECIPIENT
    )
