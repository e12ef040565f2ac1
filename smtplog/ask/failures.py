"""Why mail was not delivered, grouped so that one cause is one row: reason by operator, incidents, suppressions."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import polars as pl

from smtplog.ask import diagnose
from smtplog.ask.diagnose import wording
from smtplog.ask.query import Query

FAILED = ("deferred", "bounced", "expired", "rejected", "temp_rejected")
ARRIVED = ("sent", "delivered")
_COLUMNS = frozenset(
    {"at", "source", "line", "status", "recipient", "recipient_domain", "relay_name", "relay_ip", "reply_code", "enhanced_code",
     "reply_text", "detail", "stage", "reason", "reason_detail", "persistence", "actor", "is_internal"}
)  # fmt: skip
_CONTEXT = ("relay_name", "stage", "enhanced_code", "reply_code", "status")
_INCIDENT_REASONS = ("ip_blocklisted", "domain_blocklisted", "bad_reputation", "rate_limited", "connection_failed", "timeout",
                     "server_error", "dns_failure", "tls_failed")  # fmt: skip
_INCIDENT_RECIPIENTS = 5
"""A block or outage that meets so many recipients is one incident."""


@dataclass
class Failures:
    """What failed, grouped.

    Args:
        query: which deliveries count; None: all.
        rules: those of the diagnosis; None: the built-in ones.
        top: groups to give out.

    Attributes:
        groups: reason x operator, the largest first.
        unclassified: texts of no known reason by their wording.
        suppressions: addresses safe to leave out.
    """

    query: Query | None = None
    rules: diagnose.RuleSet | None = None
    top: int = 50
    groups: list[dict[str, Any]] = field(default_factory=list)
    unclassified: list[dict[str, Any]] = field(default_factory=list)
    suppressions: list[dict[str, Any]] = field(default_factory=list)

    def tables(self) -> dict[str, frozenset[str] | None]:
        """What must be read for it."""
        return {"deliveries": _COLUMNS | frozenset(self._condition().meta.root_names())}

    def _condition(self) -> pl.Expr:
        return self.query.expression("deliveries") if self.query and not self.query.is_open else pl.lit(True)

    def take(self, batches: Iterable[Mapping[str, pl.DataFrame]]) -> None:
        """Group what a run of these tables gives out."""
        keep = pl.col("status").is_in(FAILED) & ~pl.col("is_internal") & self._condition()
        kept, arrived = [], []
        for frames in batches:
            if "deliveries" in frames:
                kept.append(frames["deliveries"].filter(keep))
                arrived.append(_arrivals(frames["deliveries"]))
        if not kept:
            return
        whole = pl.concat(kept)
        whole = whole.with_columns(operator=_operators(whole, self.rules))
        self.groups = _groups(whole, self.top, self.rules)
        self.unclassified = _clusters(whole.filter(pl.col("reason") == "unknown"), self.top)
        self.suppressions = _suppressions(whole, _latest(arrived), self.rules)


def _arrivals(frame: pl.DataFrame) -> pl.DataFrame:
    """The recipients that mail arrived at, each with the last time."""
    came = frame.filter(pl.col("status").is_in(ARRIVED) & pl.col("recipient").is_not_null())
    return came.group_by("recipient").agg(arrived_at=pl.col("at").max())


def _latest(arrived: list[pl.DataFrame]) -> pl.DataFrame:
    return pl.concat(arrived).group_by("recipient").agg(pl.col("arrived_at").max())


def _operators(whole: pl.DataFrame, rules: diagnose.RuleSet | None) -> pl.Series:
    """Who runs the next hop: a known operator, else the host's registered part as logged, else the domain."""
    known = rules or diagnose.built_in()
    hosts = whole["relay_name"].unique().drop_nulls().to_list()
    names = {host: " ".join(sorted(known.providers_of_host(host))) or _stem(host) for host in hosts}
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


def _groups(whole: pl.DataFrame, top: int, rules: diagnose.RuleSet | None) -> list[dict[str, Any]]:
    first, last = whole["at"].min(), whole["at"].max()
    middle = first + (last - first) / 2 if first is not None and last is not None else None  # type: ignore[operator]
    late = (pl.col("at") > middle).sum() if middle is not None else pl.lit(0)
    text = pl.coalesce("reply_text", "detail")
    grouped = (
        whole.sort("at")
        .group_by("reason", "operator", "persistence", "actor", maintain_order=True)
        .agg(
            attempts=pl.len(), recipients=pl.col("recipient").n_unique(), domains=pl.col("recipient_domain").n_unique(),
            first_at=pl.col("at").min(), last_at=pl.col("at").max(), late=late, example=text.last(),
            said=pl.struct("detail", *_CONTEXT).last(),
            source=pl.col("source").last(), line=pl.col("line").last(), statuses=pl.col("status").unique().sort(),
        )
        .sort("recipients", "attempts", "reason", "operator", descending=[True, True, False, False])
        .head(top)
    )  # fmt: skip
    rows = grouped.to_dicts()
    for row in rows:
        late_n = row.pop("late")
        row["trend"] = (
            "rising" if late_n > 0.7 * row["attempts"] else "falling" if late_n < 0.3 * row["attempts"] else "steady"
        )
        row["is_incident"] = row["reason"] in _INCIDENT_REASONS and row["recipients"] >= _INCIDENT_RECIPIENTS
        row["hint"] = _hint(row["reason"], row["example"], row.pop("said"), rules)
    return rows


def _hint(reason: str | None, example: str | None, said: dict[str, Any], rules: diagnose.RuleSet | None) -> str | None:
    """What to do about the text that stands for a group: its own rule knows better than the reason alone."""
    text = said.pop("detail") or example or ""
    found = diagnose.reply(text, rules=rules, **said)
    reasons = diagnose.built_in().reasons
    return found.hint if found.reason == reason else reasons[reason].hint if reason and reason in reasons else None


def _clusters(unknown: pl.DataFrame, top: int) -> list[dict[str, Any]]:
    """Texts that no rule knows, put together by their wording."""
    if unknown.is_empty():
        return []
    text = pl.coalesce("reply_text", "detail", pl.lit(""))
    worded = unknown.with_columns(template=wording.template_column(text), text=text)
    grouped = worded.group_by("template", maintain_order=True).agg(
        attempts=pl.len(), recipients=pl.col("recipient").n_unique(), example=pl.col("text").first(),
        source=pl.col("source").first(), line=pl.col("line").first(),
    )  # fmt: skip
    return grouped.sort("attempts", descending=True, maintain_order=True).head(top).to_dicts()


def _suppressions(whole: pl.DataFrame, arrived: pl.DataFrame, rules: diagnose.RuleSet | None) -> list[dict[str, Any]]:
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
