"""Why mail was not delivered, grouped so that one cause is one row: reason by operator, incidents, suppressions."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from functools import cached_property
from typing import Any

import polars as pl

from smtplog.ask import diagnose
from smtplog.ask.diagnose import wording
from smtplog.ask.query import Query
from smtplog.read.source import apart

FAILED = ("deferred", "bounced", "expired", "rejected", "temp_rejected")
ARRIVED = ("sent", "delivered")
_COLUMNS = frozenset(
    {"at", "source", "line", "status", "recipient", "recipient_domain", "relay_name", "relay_ip", "reply_code", "enhanced_code",
     "reply_text", "detail", "stage", "reason", "reason_detail", "persistence", "actor", "is_internal", "client_ip"}
)  # fmt: skip
_CONTEXT = ("relay_name", "stage", "enhanced_code", "reply_code", "status")
_INCIDENT_RECIPIENTS = 5
_INCIDENT_WINDOW, _INCIDENT_STEP = "1h", "15m"
_INCIDENT_SHARE = 0.25
"""A block or outage is an incident where it hits so many recipients within so long, and so much of what was tried."""
_OUTAGE_OPERATORS, _OUTAGE_SHARE = 5, 0.5
"""The same reason at so many operators within the hour, and for so much of all mail, is an outage of this host's own, if
none of them has half of it."""
SEVERAL = "several operators"
DOMAINS = "several domains"
"""Where one client was refused for recipients of as many domains as make an outage: the client is the cause, not they."""
HERE = "this host"
"""Where its own administrator must act, whosever mail it was."""
_INCIDENT = ("incident_recipients", "incident_at", "incident_until")
_KEYS = ("reason", "operator", "is_refusal")
_TREND_ATTEMPTS = 4
"""Of fewer attempts no trend is told."""


@dataclass
class Failures:
    """What failed, grouped.

    Args:
        query: which deliveries count; None: all.
        rules: those of the diagnosis.
        top: groups to give out.

    Attributes:
        groups: reason x operator, incidents first, then the largest; what this host refused itself (`is_refusal`) stands
            apart from what others did. Of an incident `incident_recipients` were hit
            from `incident_at` to `incident_until`, its busiest hour.
        more: how many groups there are beside those.
        unclassified: texts of no known reason by their wording.
    """

    query: Query | None = None
    rules: diagnose.RuleSet = field(default_factory=diagnose.built_in)
    top: int = 50
    groups: list[dict[str, Any]] = field(default_factory=list)
    more: int = 0
    unclassified: list[dict[str, Any]] = field(default_factory=list)
    _whole: pl.DataFrame | None = None
    _arrived: list[pl.DataFrame] = field(default_factory=list)

    def tables(self) -> dict[str, frozenset[str] | None]:
        """What must be read for it."""
        return {"deliveries": _COLUMNS | frozenset(self._condition().meta.root_names())}

    def _condition(self) -> pl.Expr:
        return self.query.expression("deliveries") if self.query and not self.query.is_open else pl.lit(True)

    def take(self, batches: Iterable[Mapping[str, pl.DataFrame]]) -> None:
        """Group what a run of these tables gives out."""
        keep = pl.col("status").is_in(FAILED) & ~pl.col("is_internal") & self._condition()
        kept, passed = [], []
        for frames in batches:
            if "deliveries" in frames:
                kept.append(apart(frames["deliveries"].filter(keep)))
                came = frames["deliveries"].filter(pl.col("status").is_in(ARRIVED) & pl.col("recipient").is_not_null())
                self._arrived.append(apart(came.group_by("recipient").agg(arrived_at=pl.col("at").max())))
                passed.append(apart(_passed(came.filter(~pl.col("is_internal")), self.rules)))
        if not kept:
            return
        whole = pl.concat(kept)
        is_refusal = pl.col("status").is_in(list(diagnose.REFUSED_HERE))
        named = _operators(whole, self.rules)
        at = pl.when(pl.col("actor") == "local").then(pl.lit(HERE)).otherwise(named)
        whole = _floods(whole.with_columns(operator=at, is_refusal=is_refusal))
        through = pl.concat(passed)
        whole = _outages(whole, through, self.rules)
        incidents = _incidents(whole, through, self.rules)
        self.groups = _groups(whole, incidents, self.top, self.rules)
        self.more = whole.select(_KEYS).n_unique() - len(self.groups)
        self.unclassified = _clusters(whole.filter(pl.col("reason") == "unknown"), self.top)
        self._whole = whole

    @cached_property
    def suppressions(self) -> list[dict[str, Any]]:
        """Addresses safe to leave out."""
        return [] if self._whole is None else _suppressions(self._whole, _latest(self._arrived), self.rules)


def _passed(came: pl.DataFrame, rules: diagnose.RuleSet) -> pl.DataFrame:
    """How much mail arrived in each minute: by operator; for each domain, for what came in is refused by domain; at all."""
    named = came.select("recipient_domain", _operators(came, rules), minute=pl.col("at").dt.truncate("1m"))
    of_domains = named.filter(pl.col("recipient_domain") != pl.col("operator")).with_columns(
        operator=pl.col("recipient_domain")
    )
    here = named.with_columns(operator=pl.lit(HERE))
    both = pl.concat([named.with_columns(is_domain=False), pl.concat([of_domains, here]).with_columns(is_domain=True)])
    return both.group_by("operator", "is_domain", "minute").agg(arrived=pl.len())


def _latest(arrived: list[pl.DataFrame]) -> pl.DataFrame:
    return pl.concat(arrived).group_by("recipient").agg(pl.col("arrived_at").max())


def _operators(whole: pl.DataFrame, rules: diagnose.RuleSet) -> pl.Series:
    """Who runs the next hop: a known operator, else the host's registered part as logged, else the domain."""
    hosts = whole["relay_name"].unique().drop_nulls().to_list()
    names = {host: " ".join(sorted(rules.providers_of_host(host))) or _stem(host) for host in hosts}
    named = (
        whole["relay_name"].replace_strict(names, default=None, return_dtype=pl.String)
        if names
        else whole["relay_name"]
    )
    return (
        whole.select(pl.coalesce(named.alias("n"), pl.col("recipient_domain"), pl.lit("-")))
        .to_series()
        .alias("operator")
    )


def _stem(host: str) -> str:
    """The last two labels of a host name: MX hosts of one operator share them."""
    labels = host.rsplit(".", 2)
    return ".".join(labels[-2:]) if len(labels) > 2 and not host.replace(".", "").isdigit() else host


def _floods(whole: pl.DataFrame) -> pl.DataFrame:
    """What one client was refused for one reason and recipients of many domains gets one name for these domains."""
    many = pl.col("operator").n_unique().over("reason", "client_ip", "is_refusal") >= _OUTAGE_OPERATORS
    is_flood = pl.col("is_refusal") & pl.col("client_ip").is_not_null() & many
    return whole.with_columns(operator=pl.when(is_flood).then(pl.lit(DOMAINS)).otherwise("operator"))


def _outages(whole: pl.DataFrame, passed: pl.DataFrame, rules: diagnose.RuleSet) -> pl.DataFrame:
    """Failures of one reason at many operators at once, while hardly any mail left: then it is this host's own outage.

    Returns:
        The frame, with one name for the operators in the hours of such an outage.
    """
    hours = _hours(whole, rules, ("reason",)).filter(
        (pl.col("operators") >= _OUTAGE_OPERATORS) & (pl.col("largest") <= pl.col("incident_recipients") / 2)
    )
    everywhere = passed.filter(~pl.col("is_domain")).group_by("minute").agg(pl.col("arrived").sum())
    hours = _much_of_what_was_tried(hours, everywhere, ("reason",), _OUTAGE_SHARE)
    is_outage = pl.lit(False)
    for reason, begin, end in hours.select("reason", "incident_at", "incident_until").iter_rows():
        is_outage |= (pl.col("reason") == reason) & pl.col("at").is_between(begin, end)
    return whole.with_columns(operator=pl.when(is_outage).then(pl.lit(SEVERAL)).otherwise("operator"))


def _incidents(whole: pl.DataFrame, passed: pl.DataFrame, rules: diagnose.RuleSet) -> pl.DataFrame:
    """Which reasons hit many recipients of an operator at once, each with its busiest hour."""
    hours = _much_of_what_was_tried(_hours(whole, rules, _KEYS), passed, _KEYS, _INCIDENT_SHARE)
    busiest = hours.sort("incident_recipients", "incident_at", descending=[True, False])
    return busiest.unique(_KEYS, keep="first", maintain_order=True)


def _hours(whole: pl.DataFrame, rules: diagnose.RuleSet, keys: tuple[str, ...]) -> pl.DataFrame:
    """The hours in which many recipients were hit.

    Only by reasons that hit all recipients alike. What this host itself turns away does not count, unless it was out
    of order.
    """
    alike = [name for name, reason in rules.reasons.items() if reason.is_shared]
    is_ours = pl.col("is_refusal") & (pl.col("actor") != "local")
    return (
        whole.filter(pl.col("reason").is_in(alike) & ~is_ours & pl.col("at").is_not_null())
        .select(*_KEYS, "at", "recipient", moment=pl.col("at"), named=pl.col("operator"))
        .sort("at")
        .group_by_dynamic("at", every=_INCIDENT_STEP, period=_INCIDENT_WINDOW, group_by=keys)
        .agg(
            incident_recipients=_different("recipient"), incident_at=pl.col("moment").min(),
            incident_until=pl.col("moment").max(), operators=_different("named"),
            largest=pl.col("named").unique_counts().max(),
        )
        .filter(pl.col("incident_recipients") >= _INCIDENT_RECIPIENTS)
    )  # fmt: skip


def _much_of_what_was_tried(
    hours: pl.DataFrame, passed: pl.DataFrame, keys: tuple[str, ...], share: float
) -> pl.DataFrame:
    """The hours in which much of what was tried was hit, at that operator where the keys name one."""
    by = [key for key in keys if key in passed.columns]
    so_far = pl.col("arrived").cum_sum()
    sums = passed.sort("minute").select(*by, "minute", so_far=so_far.over(by) if by else so_far)

    def arrived(until: pl.Expr, *, inclusive: bool) -> pl.Series:
        at = hours.select(*by, minute=until).with_row_index().sort("minute")
        met = at.join_asof(sums, on="minute", by=by or None, allow_exact_matches=inclusive, check_sortedness=False)
        return met.sort("index")["so_far"].fill_null(0)

    before = arrived(pl.col("incident_at").dt.truncate("1m"), inclusive=False)
    after = arrived(pl.col("incident_until"), inclusive=True)
    hit = hours["incident_recipients"]
    return hours.filter(hit > (hit + after - before) * share).select(*keys, *_INCIDENT)


def _different(name: str) -> pl.Expr:
    return pl.col(name).drop_nulls().n_unique()


_MOST = pl.col("client_ip").drop_nulls().mode().sort().first()
"""The client of most of them."""


def _groups(whole: pl.DataFrame, incidents: pl.DataFrame, top: int, rules: diagnose.RuleSet) -> list[dict[str, Any]]:
    first, last = whole["at"].min(), whole["at"].max()
    middle = first + (last - first) / 2 if first is not None and last is not None else None  # type: ignore[operator]
    late = (pl.col("at") > middle).sum() if middle is not None else pl.lit(0)
    text = pl.coalesce("reply_text", "detail")
    grouped = (
        whole.sort("at")
        .group_by(*_KEYS, maintain_order=True)
        .agg(
            persistence=pl.col("persistence").last(), actor=pl.col("actor").last(), attempts=pl.len(),
            recipients=_different("recipient"), domains=_different("recipient_domain"),
            first_at=pl.col("at").min(), last_at=pl.col("at").max(), late=late, example=text.last(),
            said=pl.struct("detail", *_CONTEXT).last(),
            clients=_different("client_ip"), client_ip=_MOST, client_attempts=(pl.col("client_ip") == _MOST).sum(),
            source=pl.col("source").last(), line=pl.col("line").last(), statuses=pl.col("status").unique().sort(),
        )
        .join(incidents, on=_KEYS, how="left", nulls_equal=True)
        .with_columns(is_incident=pl.col("incident_at").is_not_null())
        .sort("is_incident", "recipients", "attempts", *_KEYS, descending=[True] * 3 + [False] * len(_KEYS))
        .head(top)
    )  # fmt: skip
    rows = grouped.to_dicts()
    for row in rows:
        row["trend"] = _trend(row.pop("late"), row["attempts"])
        still = {"status": "deferred"} if "deferred" in row["statuses"] else {}  # some of it is still tried
        row["hint"] = _hint(row["reason"], row["example"], row.pop("said") | still, rules)
    return rows


def _trend(late: int, attempts: int) -> str:
    """How the attempts lie in the time of the log: most in its second half, most in its first, or neither."""
    if attempts < _TREND_ATTEMPTS:
        return "steady"
    return "rising" if late > 0.7 * attempts else "falling" if late < 0.3 * attempts else "steady"


def _hint(reason: str | None, example: str | None, said: dict[str, Any], rules: diagnose.RuleSet) -> str | None:
    """What to do about the text that stands for a group: its own rule knows better than the reason alone."""
    text = said.pop("detail") or example or ""
    found = diagnose.reply(text, rules=rules, **said)
    known = rules.reasons.get(reason or "")
    return found.hint if found.reason == reason else known.hint if known else None


def _clusters(unknown: pl.DataFrame, top: int) -> list[dict[str, Any]]:
    """Texts that no rule knows, put together by their wording."""
    if unknown.is_empty():
        return []
    text = pl.coalesce("reply_text", "detail", pl.lit(""))
    worded = unknown.with_columns(template=wording.worded_column(text), text=text)
    grouped = worded.group_by("template", maintain_order=True).agg(
        attempts=pl.len(), recipients=pl.col("recipient").n_unique(), example=pl.col("text").first(),
        source=pl.col("source").first(), line=pl.col("line").first(),
    )  # fmt: skip
    return grouped.sort("attempts", descending=True, maintain_order=True).head(top).to_dicts()


def _suppressions(whole: pl.DataFrame, arrived: pl.DataFrame, rules: diagnose.RuleSet) -> list[dict[str, Any]]:
    """The addresses whose last word is safe to act on, with evidence and the day it expires.

    The last word counts, whatever it is: an address that mail arrived at afterwards, or that was only put off then, is
    alive.
    """
    last = (
        whole.filter(pl.col("recipient").is_not_null()).sort("at").unique("recipient", keep="last", maintain_order=True)
    )
    hard = last.filter(pl.col("persistence") == "hard").join(arrived, on="recipient", how="left", maintain_order="left")
    hard = hard.filter(pl.col("arrived_at").is_null() | (pl.col("arrived_at") < pl.col("at")))
    out = []
    for row in hard.iter_rows(named=True):
        found = diagnose.reply(
            row["detail"] or row["reply_text"] or "", relay_name=row["relay_name"], stage=row["stage"],
            enhanced_code=row["enhanced_code"], reply_code=row["reply_code"], status=row["status"], rules=rules,
        )  # fmt: skip
        safe = diagnose.suppression(found, status=row["status"], rules=rules)
        if safe and row["at"] is not None:
            until = row["at"] + timedelta(days=safe.expires_days)
            out.append({"address": row["recipient"], "reason": safe.reason, "at": row["at"], "expires_at": until,
                        "evidence": safe.evidence, "source": row["source"], "line": row["line"]})  # fmt: skip
    return out
