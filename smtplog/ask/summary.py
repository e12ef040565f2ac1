"""What happened, in numbers: totals, times, tops, delays, failures. Frames in, one small value out.

Every table is a group-by that can be added up: each block is aggregated on its own and merged into what is known, so
memory follows the number of distinct senders, recipients and domains, not the log. Delays are counted in bins one per
cent wide; a quantile is exact to half a per cent.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from math import exp
from typing import Any

import polars as pl

from smtplog.ask.diagnose import wording
from smtplog.ask.query import Query
from smtplog.errors import QueryError
from smtplog.read import secrets
from smtplog.read.columns import Parsed
from smtplog.read.plan import LIGHT, WATCHED
from smtplog.read.source import apart
from smtplog.read.zone import SLOT, Zone

STATUSES = ("delivered", "sent", "deferrals", "bounced", "expired", "rejected", "temp_rejected", "discarded", "held",
            "cancelled", "expanded", "internal")  # fmt: skip
TOTALS = ("received", *STATUSES)
SUCCESS = ("delivered", "sent")
FAILURE = {"deferrals": "deferred", "bounced": "bounced", "expired": "expired"}
"""What else became of an attempt: as it is counted, and its status."""
ATTEMPTS = ("count", "bytes", *FAILURE)
"""What is told of a destination: what it took, and what it did not."""
WITNESSES = ("server", "database")
"""Who says that a login failed. What both say is one failed login: of their two counts the larger is told."""
_BIN = 0.01
_COMPACT = 100_000
"""So many rows at least are added before they are summed up with those from before."""

MESSAGES = frozenset(
    {"received_at", "removed_at", "origin", "sender", "size_bytes", "client_ip", "client_name", "is_partial"}
)
DELIVERIES = frozenset(
    {"at", "status", "sender", "recipient", "recipient_domain", "relay_name", "relay_ip", "delay_s", "reply_code",
     "enhanced_code", "reply_text", "detail", "stage", "reason", "actor", "client_ip", "client_name", "is_internal", "life", "size_bytes",
     "transport"}
)  # fmt: skip

STAYS = {"under 1 m": 60, "under 5 m": 300, "under 15 m": 900, "under 30 m": 1800, "under 1 h": 3600, "under 3 h": 10800,
         "under 6 h": 21600, "under 12 h": 43200, "under 1 d": 86400}  # fmt: skip
"""How long a message was in the queue, by the upper bound in seconds."""
LONGER = "1 d and more"


@dataclass
class _Counts:
    """One group-by, added up block by block."""

    keys: tuple[str, ...]
    values: tuple[str, ...]
    parts: list[pl.DataFrame] = field(default_factory=list)

    def add(self, frame: pl.DataFrame, *keys: pl.Expr, **values: pl.Expr) -> None:
        """Aggregate a frame and keep it; values are summed, except a `max_` one."""
        part = frame.group_by(*(k.alias(n) for k, n in zip(keys, self.keys, strict=True))).agg(
            expr.alias(name) for name, expr in values.items()
        )
        self.parts.append(apart(part))
        if sum(one.height for one in self.parts[1:]) > max(_COMPACT, self.parts[0].height // 2):
            self._merge()

    def merged(self) -> pl.DataFrame:
        """The sums over everything so far."""
        if not self.parts:
            return pl.DataFrame(schema=[*self.keys, *self.values])
        self._merge()
        return self.parts[0]

    def _merge(self) -> None:
        if len(self.parts) > 1:
            add = [pl.col(v).max() if v.startswith("max_") else pl.col(v).sum() for v in self.values]
            self.parts = [apart(pl.concat(self.parts, how="vertical_relaxed").group_by(self.keys).agg(add))]


@dataclass
class Summary:
    """The aggregates of one run; `result` makes the report's value of them.

    It masks the secrets in the few texts it shows by itself, so the run need not look for them in every line.
    """

    query: Query | None = None
    zone: Zone = field(default_factory=Zone)
    """Whose days and hours are told."""
    totals: dict[str, int] = field(
        default_factory=lambda: dict.fromkeys((*TOTALS, "deferred", "bytes_received", "bytes_delivered"), 0)
    )
    slots: _Counts = field(default_factory=lambda: _Counts(("slot",), TOTALS))
    senders: _Counts = field(default_factory=lambda: _Counts(("sender",), ("count", "bytes")))
    recipients: _Counts = field(default_factory=lambda: _Counts(("recipient",), ("count", "bytes")))
    domains: _Counts = field(default_factory=lambda: _Counts(("domain",), ATTEMPTS))
    delays: _Counts = field(default_factory=lambda: _Counts(("domain", "bin"), ("count", "max_delay_s")))
    relays: _Counts = field(default_factory=lambda: _Counts(("relay",), ATTEMPTS))
    transports: _Counts = field(default_factory=lambda: _Counts(("transport",), ATTEMPTS))
    hosts: _Counts = field(default_factory=lambda: _Counts(("host",), ("count", "bytes")))
    relayed: _Counts = field(default_factory=lambda: _Counts(("host", "relay"), ("count", "bytes")))
    refused: _Counts = field(default_factory=lambda: _Counts(("client",), ("count", "rejected", "temp_rejected")))
    stays: _Counts = field(default_factory=lambda: _Counts(("stay",), ("count",)))
    failures: _Counts = field(default_factory=lambda: _Counts(("status", "reason", "text"), ("count",)))
    clients: _Counts = field(default_factory=lambda: _Counts(("client",), ("count",)))
    logins: _Counts = field(default_factory=lambda: _Counts(("user",), ("count",)))
    login_failures: _Counts = field(default_factory=lambda: _Counts(("client_ip",), WITNESSES))
    login_failures_user: _Counts = field(default_factory=lambda: _Counts(("user",), WITNESSES))
    tls: dict[str, int] = field(default_factory=lambda: {"connections": 0, "connections_tls": 0, "tls_out": 0})

    def tables(self) -> dict[str, frozenset[str] | None]:
        """What must be read for it."""
        wanted = {"messages": MESSAGES, "deliveries": DELIVERIES | {WATCHED, LIGHT}}
        conditions = {table: self._condition(table) for table in wanted}
        return {
            t: names | frozenset(c.meta.root_names() if (c := conditions[t]) is not None else ())
            for t, names in wanted.items()
        }

    def _condition(self, table: str) -> pl.Expr | None:
        return None if self.query is None or self.query.is_open else self.query.expression(table, lenient=True)

    def take(self, batches: Iterable[Mapping[str, pl.DataFrame]]) -> None:
        """Add up what a run of these tables gives out; `watch` is shown its parsed blocks."""
        keep = {table: self._condition(table) for table in ("messages", "deliveries")}
        for frames in batches:
            for table, frame in frames.items():
                if table in keep:
                    condition = keep[table]
                    getattr(self, table)(frame if condition is None else frame.filter(condition))

    def messages(self, frame: pl.DataFrame) -> None:
        """Add what came in."""
        came = frame.filter(pl.col("received_at").is_not_null() & pl.col("origin").is_in(["smtp", "local"]))
        self.totals["received"] += came.height
        self.totals["bytes_received"] += int(came["size_bytes"].sum() or 0)
        self.slots.add(
            came, _slot("received_at"), received=pl.len(), **dict.fromkeys(STATUSES, pl.lit(0, dtype=pl.UInt32))
        )
        self.senders.add(came, pl.col("sender"), count=pl.len(), bytes=_bytes())
        self.hosts.add(came, pl.coalesce(_CLIENT, pl.lit("(local)")), count=pl.len(), bytes=_bytes())
        done = came.filter(pl.col("removed_at").is_not_null())
        stayed = (pl.col("removed_at") - pl.col("received_at")).dt.total_seconds()
        self.stays.add(
            done, pl.sum_horizontal((stayed >= limit).cast(pl.Int64) for limit in STAYS.values()), count=pl.len()
        )

    def deliveries(self, frame: pl.DataFrame) -> None:
        """Add what became of it. An internal hand-off is no delivery."""
        internal, frame = frame.filter("is_internal"), frame.filter(~pl.col("is_internal"))
        self.totals["internal"] += internal.height
        is_of = {
            name: pl.col("status") == ("deferred" if name == "deferrals" else name)
            for name in STATUSES
            if name != "internal"
        }
        self.slots.add(
            frame,
            _slot("at"),
            received=pl.lit(0, dtype=pl.UInt32),
            **{n: e.sum() for n, e in is_of.items()},
            internal=pl.lit(0, dtype=pl.UInt32),
        )
        counts = dict(frame["status"].value_counts().iter_rows())
        for name in is_of:
            self.totals[name] += counts.get("deferred" if name == "deferrals" else name, 0)
        self.totals["deferred"] += frame.filter(is_of["deferrals"])["life"].n_unique()
        came = frame.filter(pl.col("status").is_in(SUCCESS))
        self.totals["bytes_delivered"] += int(came["size_bytes"].sum() or 0)
        self.recipients.add(came, pl.col("recipient"), count=pl.len(), bytes=_bytes())
        tried = frame.filter(pl.col("status").is_in([*SUCCESS, *FAILURE.values()]))
        success = pl.col("status").is_in(SUCCESS)
        sums = {"count": success.sum(), "bytes": pl.col("size_bytes").filter(success).sum().cast(pl.Int64)}
        sums |= {name: (pl.col("status") == status).sum() for name, status in FAILURE.items()}
        domain = pl.coalesce("recipient_domain", pl.lit("(local)"))
        self.domains.add(tried, domain, **sums)
        self.relays.add(tried, pl.coalesce("relay_name", pl.lit("none")), **sums)
        self.transports.add(tried, pl.coalesce("transport", pl.lit("none")), **sums)
        passed = came.filter((pl.col("status") == "sent") & _CLIENT.is_not_null())
        self.relayed.add(passed, _CLIENT, pl.col("relay_name"), count=pl.len(), bytes=_bytes())
        late = came.filter(pl.col("delay_s").is_not_null())
        bins = (pl.col("delay_s").clip(0.001).log() / _BIN).floor().cast(pl.Int32)
        self.delays.add(late, domain, bins, count=pl.len(), max_delay_s=pl.col("delay_s").max())
        failed = frame.filter(~pl.col("status").is_in([*SUCCESS, "expanded"]))
        if failed.height:
            self._fail(failed)

    def _fail(self, failed: pl.DataFrame) -> None:
        refused = {name: (pl.col("status") == name).sum() for name in ("rejected", "temp_rejected")}
        self.refused.add(failed.filter(pl.col("status").is_in(list(refused))), _CLIENT, count=pl.len(), **refused)
        said = pl.coalesce("reply_text", "detail", pl.lit(""))
        texts = failed.select(text=said).unique()
        texts = texts.with_columns(normal=secrets.masked(texts["text"]))
        texts = texts.with_columns(normal=wording.template_column(pl.col("normal")))
        known = failed.with_columns(text=said).join(texts, on="text", how="left")
        self.failures.add(known, pl.col("status"), pl.col("reason"), pl.col("normal"), count=pl.len())

    def watch(self, parsed: Parsed, source: str) -> None:  # noqa: ARG002 - the pipeline says where from
        """Add connections, TLS and logins, which are neither messages nor deliveries.

        Where a filter looks at what they have not (a recipient, a status), none of them is counted.
        """
        condition = self._watched()
        if condition is None:
            return
        for one in parsed.kinds:
            kind, frame = one.kind, _met(one.frame, parsed, condition)
            n = frame.height
            if kind.counts_connection:
                self.tls["connections"] += n
                named = [name for name in ("client_name", "client_ip") if name in frame.columns]
                self.clients.add(frame, pl.coalesce(*named, pl.lit(None, dtype=pl.String)), count=pl.len())
            if one.names("tls_version") and not kind.delivers and not kind.message:
                self.tls["connections_tls" if kind.session else "tls_out"] += n
            if kind.message == "start" and "auth_user" in frame.columns:
                self.logins.add(frame.filter(pl.col("auth_user").is_not_null()), pl.col("auth_user"), count=pl.len())
            if kind.login_failed:
                self._login_failed(kind.login_failed, frame)

    def _login_failed(self, witness: str, frame: pl.DataFrame) -> None:
        """Add failed logins, by who says so."""
        times = pl.col("attempt_count").fill_null(1).sum() if "attempt_count" in frame.columns else pl.len()
        said = {name: times.cast(pl.Int64) if name == witness else pl.lit(0, dtype=pl.Int64) for name in WITNESSES}
        for counts, name in ((self.login_failures, "client_ip"), (self.login_failures_user, "auth_user")):
            if name in frame.columns:
                counts.add(frame.filter(pl.col(name).is_not_null()), pl.col(name), **said)

    def _watched(self) -> pl.Expr | None:
        """Which connections are meant; null: none, for the filters are not about connections."""
        if self.query is None or self.query.is_open:
            return pl.lit(True)
        asked = {name: globs for name, globs in self.query.patterns.items() if globs}
        is_about = asked.keys() <= {"client", "host"} and self.query.where is None
        return replace(self.query, patterns=asked).expression("events") if is_about else None

    def result(self, top: int, by: Iterable[str] | None = None) -> dict[str, Any]:
        """The report: `totals`, the `zone` whose days and hours are told, then one list per table, longest first."""
        local = self.slots.merged().with_columns(self.zone.local(pl.col("slot")))
        out: dict[str, Any] = {"totals": self._totals(), "zone": self.zone}
        day, hour = pl.col("slot").dt.truncate("1d"), pl.col("slot").dt.hour().cast(pl.Int64)
        parts: dict[str, Callable[[], list[dict[str, Any]]]] = {
            "per_day": lambda: _times(local, day, "day", "%Y-%m-%d"),
            "per_hour": lambda: _times(local, hour, "hour", None),
            "sender": lambda: _top(self.senders, top, "count"),
            "sender_bytes": lambda: _top(self.senders, top, "bytes"),
            "recipient": lambda: _top(self.recipients, top, "count"),
            "recipient_bytes": lambda: _top(self.recipients, top, "bytes"),
            "domain": lambda: self._with_delays(top),
            "relay": lambda: _most_tried(self.relays, top),
            "transport": lambda: _most_tried(self.transports, top),
            "host": lambda: _top(self.hosts, top, "count"),
            "host_bytes": lambda: _top(self.hosts, top, "bytes"),
            "relayed": lambda: _top(self.relayed, top, "count"),
            "refused": lambda: _top(self.refused, top, "count"),
            "stay": self._stays,
            "client": lambda: _top(self.clients, top, "count"),
            "failures": lambda: _top(self.failures, top * 3, "count"),
            "login": lambda: _top(self.logins, top, "count"),
            "login_failures": lambda: _top(_witnessed(self.login_failures), top, "count"),
            "login_failures_user": lambda: _top(_witnessed(self.login_failures_user), top, "count"),
        }
        wanted = list(by) if by else list(parts)
        for name in wanted:
            if name not in parts:
                raise QueryError(f"--by {name}: no such table; known are {', '.join(parts)}")
            out[name] = parts[name]()
        return out

    def _stays(self) -> list[dict[str, Any]]:
        words = [*STAYS, LONGER]
        counts = sorted(self.stays.merged().iter_rows())
        return [{"stay": words[number], "count": count} for number, count in counts]

    def _totals(self) -> dict[str, Any]:
        totals = {name: n for name, n in self.totals.items() if name not in ("internal", "expanded", "temp_rejected")}
        more = {name: self.totals[name] for name in ("temp_rejected", "expanded", "internal")}
        distinct = {"senders": self.senders, "recipients": self.recipients, "recipient_domains": self.domains}
        return {**totals, **more, **{name: counts.merged().height for name, counts in distinct.items()}, **self.tls}

    def _with_delays(self, top: int) -> list[dict[str, Any]]:
        rows = _most_tried(self.domains, top)
        names = [row["domain"] for row in rows]
        bins = self.delays.merged()
        found: dict[str, list[tuple[float, int, float]]] = {}
        if not bins.is_empty():
            bins = bins.filter(pl.col("domain").is_in(names)).sort("domain", "bin")
        for domain, number, count, most in bins.iter_rows():
            found.setdefault(domain, []).append((exp((number + 0.5) * _BIN), count, most))
        for row in rows:
            cells = found.get(row["domain"], [])
            row["delay_median_s"], row["delay_p95_s"] = _quantile(cells, 0.5), _quantile(cells, 0.95)
            row["delay_max_s"] = max((most for _, _, most in cells), default=None)
        return rows


def _met(frame: pl.DataFrame, parsed: Parsed, condition: pl.Expr) -> pl.DataFrame:
    """The entries of a kind that a filter means; what its rule does not name is null."""
    names = condition.meta.root_names()
    if not names:
        return frame
    hosts = pl.Series("host", [one.host for one in parsed.places], dtype=pl.String)
    row = frame["row"]
    known = {"at": parsed.entries["at"].gather(row), "host": hosts.gather(parsed.entries["place"].gather(row))}
    missing = {name: pl.lit(None, dtype=pl.String) for name in names if name not in (*known, *frame.columns)}
    return frame.with_columns(**known, **missing).filter(condition)


def _quantile(cells: list[tuple[float, int, float]], share: float) -> float | None:
    left = share * sum(count for _, count, _ in cells)
    for value, count, most in cells:
        left -= count
        if left <= 0:
            return round(min(value, most), 3)
    return None


_CLIENT = pl.coalesce("client_name", "client_ip")


def _slot(column: str) -> pl.Expr:
    return pl.col(column).dt.truncate(SLOT)


def _bytes() -> pl.Expr:
    return pl.col("size_bytes").sum().cast(pl.Int64)


def _times(slots: pl.DataFrame, part: pl.Expr, key: str, form: str | None) -> list[dict[str, Any]]:
    frame = slots.drop_nulls("slot").group_by(part.alias(key)).agg(pl.col(TOTALS).sum()).sort(key)
    if form:
        frame = frame.with_columns(pl.col(key).dt.strftime(form))
    return frame.to_dicts()


def _witnessed(counts: _Counts) -> _Counts:
    """One count of what several say."""
    whole = counts.merged().select(*counts.keys, count=pl.max_horizontal(WITNESSES))
    return _Counts(counts.keys, ("count",), [whole])


def _top(counts: _Counts, top: int, by: str) -> list[dict[str, Any]]:
    return _first(counts, top, pl.col(by))


def _most_tried(counts: _Counts, top: int) -> list[dict[str, Any]]:
    """By attempts, whatever became of them: where everything fails is what is looked for on a bad day."""
    return _first(counts, top, pl.sum_horizontal(pl.col("count", *FAILURE).cast(pl.Int64)))


def _first(counts: _Counts, top: int, by: pl.Expr) -> list[dict[str, Any]]:
    whole = counts.merged()
    if whole.is_empty():
        return []
    whole = whole.with_columns(by.alias("_by"))
    least = whole["_by"].top_k(top).min()
    return (
        whole.filter((pl.col("_by") > 0) & (pl.col("_by") >= least))
        .sort(["_by", *counts.keys], descending=[True] + [False] * len(counts.keys), nulls_last=True)
        .head(top)
        .drop("_by")
        .to_dicts()
    )
