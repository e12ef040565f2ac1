"""Filters: which rows of a table a question is about. Frames in, frames out."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, tzinfo
from functools import cache, partial

import polars as pl

from smtplog.ask import pasted
from smtplog.contract import schema
from smtplog.contract.records import TABLES
from smtplog.errors import QueryError, caret
from smtplog.join import networks
from smtplog.read import grammar

Matcher = Callable[[str], pl.Expr]
"""A shell pattern -> which rows fit."""

TIME = {"events": "at", "sessions": "opened_at", "messages": "received_at", "deliveries": "at"}
"""The time by which a record is chosen and sorted."""
LATER = {"messages": "removed_at", "sessions": "closed_at"}
"""Stands in where the beginning lies outside the input."""


def times(table: str) -> tuple[str, ...]:
    """The columns that tell the time of a record, the first that is there counts."""
    return (TIME[table], LATER[table]) if table in LATER else (TIME[table],)


def _like(*names: str) -> Matcher:
    """Any of these columns is like the pattern."""
    return lambda text: pl.any_horizontal(_fits(pl.col(name), text) for name in names)


def _within(column: str, *path: str) -> Matcher:
    """Any element of a list of structs has a field like the pattern."""
    return lambda text: _any(pl.col(column), _element_like(text, path))


def _in_transactions(*path: str) -> Matcher:
    """Any recipient of any transaction has a field like the pattern."""

    def matcher(text: str) -> pl.Expr:
        recipients = _any(pl.element().struct.field("recipients"), _element_like(text, path))
        return _any(pl.col("transactions"), recipients)

    return matcher


def _fits(values: pl.Expr, text: str) -> pl.Expr:
    return values.str.contains(grammar.glob(text)).fill_null(False)


def _any(lists: pl.Expr, fits: pl.Expr) -> pl.Expr:
    return lists.list.eval(fits).list.any().fill_null(False)


def _element_like(text: str, path: tuple[str, ...]) -> pl.Expr:
    return pl.any_horizontal(_fits(pl.element().struct.field(name), text) for name in path)


def _domain_of(matcher: Matcher) -> Matcher:
    """A domain's pattern, made one for whole addresses."""
    return lambda text: matcher(f"*@{text}")


def _peer(option: str) -> Matcher:
    """The host in the columns `<option>_name` and `<option>_ip`: by a pattern, a network, or as logs write it."""
    name, ip = pl.col(f"{option}_name"), pl.col(f"{option}_ip")

    def matcher(text: str) -> pl.Expr:
        meant = pasted.peer(option, text)
        if meant.network is None:
            return _fits(name, meant.either or "") | _fits(ip, meant.either or "")
        inside = ip.map_batches(partial(networks.inside, networks=(meant.network,)), return_dtype=pl.Boolean)
        is_called = pl.lit(True) if meant.name is None else _fits(name, meant.name)
        return inside.fill_null(False) & is_called

    return matcher


def _relay_of_messages(text: str) -> pl.Expr | None:
    """Messages know the names of next hops only."""
    meant = pasted.peer("relay", text)
    return None if meant.either is None else _within("recipients", "relay_name")(meant.either)


FILTERS: Mapping[str, Mapping[str, Callable[[str], pl.Expr | None]]] = {
    "sender": {
        "events": _like("sender"), "messages": _like("sender"), "deliveries": _like("sender"),
        "sessions": _within("transactions", "sender"),
    },
    "recipient": {
        "events": _like("recipient", "original_recipient"),
        "deliveries": _like("recipient", "original_recipient"),
        "messages": _within("recipients", "address", "original_address"),
        "sessions": _in_transactions("address"),
    },
    "domain": {
        "events": _domain_of(_like("recipient")),
        "deliveries": _like("recipient_domain"),
        "messages": _domain_of(_within("recipients", "address")),
        "sessions": _domain_of(_in_transactions("address")),
    },
    "client": dict.fromkeys(TABLES, _peer("client")),
    "relay": {"events": _peer("relay"), "deliveries": _peer("relay"), "messages": _relay_of_messages},
    "status": dict.fromkeys(("events", "messages", "deliveries"), _like("status")),
    "queue_id": {
        **dict.fromkeys(("events", "messages", "deliveries"), _like("queue_id")),
        "sessions": _within("transactions", "queue_id"),
    },
    "message_id": {
        **dict.fromkeys(("events", "messages", "deliveries"), _like("message_id")),
        "sessions": _within("transactions", "message_id"),
    },
    "host": dict.fromkeys(TABLES, _like("host")),
    "reason": {"deliveries": _like("reason"), "messages": _within("recipients", "reason")},
    "actor": {"deliveries": _like("actor")},
    "direction": {"messages": _like("direction")},
}  # fmt: skip
"""Filter -> table -> how it looks at that table. A filter that a table lacks is refused; None: it lacks what this text asks."""


BEHIND = {
    "events": ("raw",), "sessions": ("session_key",), "deliveries": ("source", "line"),
    "messages": ("message_key", "queue_id", "host", "received_at", "removed_at"),
}  # fmt: skip
"""By what the log lines behind a record are found."""


@dataclass(frozen=True)
class Query:
    """What to keep of a table.

    patterns: filter name -> shell patterns, of which one must fit. since, until: UTC, half open. last: before the end
    of the log. where: a Polars SQL expression over the record's columns.
    """

    patterns: Mapping[str, tuple[str, ...]]
    since: datetime | None = None
    until: datetime | None = None
    last: timedelta | None = None
    where: str | None = None

    @property
    def is_open(self) -> bool:
        """Does it keep everything?"""
        return not (any(self.patterns.values()) or self.since or self.until or self.last or self.where is not None)

    def expression(self, table: str, *, lenient: bool = False) -> pl.Expr:
        """The filter as one expression, `last` excepted; `lenient` leaves out what the table has no field for.

        Raises:
            QueryError: the table lacks what a filter looks at, or `where` is not a sentence about its columns.
        """
        parts = [pl.lit(True)]
        for name, globs in self.patterns.items():
            if globs:
                asked = [pasted.bare(name, text) for text in globs]
                fits = _looks(name, table, asked)
                if fits is None and lenient:
                    continue
                if fits is None:
                    has = ", ".join(t for t in TABLES if _looks(name, t, asked) is not None)
                    raise QueryError(f"--{name.replace('_', '-')}: {table} have no such field; it works on {has}")
                parts.append(fits)
        at = _time(table)
        if self.since:
            parts.append((at >= self.since).fill_null(False))
        if self.until:
            parts.append((at < self.until).fill_null(False))
        if self.where is not None:
            parts.append(where(self.where, table))
        return pl.all_horizontal(parts)

    def tail(self, frame: pl.DataFrame, table: str, end: datetime | None) -> pl.DataFrame:
        """Keep what lies within `last` of the end of the log."""
        if self.last is None or end is None:
            return frame
        return frame.filter((_time(table) > end - self.last).fill_null(False))


def _looks(name: str, table: str, asked: Iterable[str]) -> pl.Expr | None:
    """A filter as an expression: any of the patterns fits; None where the table lacks what it looks at."""
    look = FILTERS[name].get(table)
    looks = [look(text) for text in asked] if look else [None]
    fits = [one for one in looks if one is not None]
    return pl.any_horizontal(fits) if len(fits) == len(looks) else None


def _time(table: str) -> pl.Expr:
    return pl.coalesce(*times(table))


@cache
def columns_of(table: str) -> tuple[str, ...]:
    """The columns a table can be asked for."""
    return tuple(schema.of(TABLES[table]))


STATUSES = ("sent", "delivered", "expanded", "deferred", "held", "active", "bounced", "expired", "rejected", "temp_rejected",
            "discarded", "cancelled", "unknown")  # fmt: skip
DIRECTIONS = ("inbound", "outbound", "local", "internal")


def check_words(patterns: Mapping[str, tuple[str, ...]]) -> None:
    """Filters over few known words name some of them.

    Raises:
        QueryError: a pattern fits none; says what was probably meant.
    """
    words = {"status": lambda: STATUSES, "direction": lambda: DIRECTIONS, "actor": _actors, "reason": _reasons}
    for name in words.keys() & patterns.keys():
        for glob in patterns[name]:
            known = words[name]()
            if not pl.Series(known).str.contains(grammar.glob(glob)).any():
                hint = _meant(glob.lower(), known) or f"known are {', '.join(known)}"
                raise QueryError(f"--{name} {glob}: nothing has this {name}; {hint}")


def _actors() -> tuple[str, ...]:
    from smtplog.ask.rules.model import ACTORS  # noqa: PLC0415 - most questions need no rules

    return ACTORS


def _reasons() -> tuple[str, ...]:
    from smtplog.ask.rules import built_in  # noqa: PLC0415 - as above

    return tuple(built_in().reasons)


def check_columns(names: Iterable[str], table: str, option: str) -> list[str]:
    """The names, when the table has them all.

    Raises:
        QueryError: one is unknown; says what was probably meant.
    """
    known = columns_of(table)
    for name in names:
        if name not in known:
            hint = _meant(name, known) or f"{table} have {', '.join(known)}"
            raise QueryError(f"{option}: {table} have no field {name}; {hint}")
    return list(names)


def _meant(name: str, known: Iterable[str]) -> str | None:
    near = difflib.get_close_matches(name, list(known), 1)
    return f"did you mean {near[0]}?" if near else None


def where(text: str, table: str) -> pl.Expr:
    """A Polars SQL expression over the columns of a table, as an expression that any part of the table may be given to.

    Raises:
        QueryError: it is no expression, names a column that the table has not, or asks about more than one row.
    """
    columns = schema.of(TABLES[table])
    sample = pl.DataFrame({name: _plain(dtype, 2) for name, dtype in columns.items()})
    is_window = any("over(" in part.lower().replace(" ", "") for part in text.split("'")[::2])
    try:
        kept = _kept(sample, text)
    except pl.exceptions.ColumnNotFoundError as error:
        name = str(error).split('"')[1]
        hint = _meant(name, columns) or "text stands in single quotes, column names without"
        place = max(text.find(name), 0)
        raise QueryError(f"--where: {table} have no field {name}; {hint}\n{caret(text, place)}") from error
    except pl.exceptions.PolarsError as error:
        raise QueryError(f"--where: not a SQL expression: {_first_line(error)}\n{caret(text, 0)}") from error
    if len(kept) != sample.height or is_window:
        raise QueryError(f"--where: looks at one record at a time, not at sums over all of them\n{caret(text, 0)}")
    if kept.dtype != pl.Boolean:
        raise QueryError(f"--where: gives a value, not yes or no; compare it with something\n{caret(text, 0)}")
    named = [name for name in columns if name in text] or ["line"]
    return pl.struct(named).map_batches(lambda rows: _kept(rows.struct.unnest(), text), return_dtype=pl.Boolean)


def _plain(dtype: pl.DataType, count: int) -> pl.Series:
    """Some values of a type: zero, empty text, an empty list; nulls would hide what does not go together."""
    value: object = [] if isinstance(dtype, pl.List) else {} if isinstance(dtype, pl.Struct) else 0
    if isinstance(dtype, pl.String):
        value = ""
    return pl.Series([value] * count, dtype=dtype, strict=False)


def _kept(frame: pl.DataFrame, text: str) -> pl.Series:
    """`text` for every row; null where SQL says so, which a filter takes for no."""
    return frame.sql(f"SELECT ({text}) AS kept FROM self")["kept"]  # noqa: S608 - the user's own question


def _first_line(error: Exception) -> str:
    return str(error).partition("\n")[0]


_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days", "w": "weeks"}


def span(text: str, option: str) -> timedelta:
    """`90m`, `1d`, `2w` as a length of time.

    Raises:
        QueryError: it is none.
    """
    number, unit = text[:-1], text[-1:]
    if unit not in _UNITS or not number.isascii() or not number.isdigit() or len(number) > 5:
        raise QueryError(f"{option} {text}: write a number and a unit, such as 90m, 12h, 1d or 2w")
    return timedelta(**{_UNITS[unit]: int(number)})


def moment(text: str, option: str, zone: Callable[[], tzinfo]) -> datetime:
    """A date or a time in ISO 8601; one without an offset is in a zone that is asked for only then.

    Raises:
        QueryError: it is none.
    """
    try:
        at = datetime.fromisoformat(text)
        if at.tzinfo is None:
            at = at.replace(tzinfo=zone())
        return at.astimezone(UTC)
    except (ValueError, OverflowError) as error:
        raise QueryError(f"{option} {text}: write a date or time such as 2026-11-23 or 2026-11-23T08:30") from error


def sort(frame: pl.DataFrame, keys: Iterable[str]) -> pl.DataFrame:
    """Sort by columns; a leading hyphen turns one round."""
    names = [key.lstrip("-") for key in keys]
    if not names:
        return frame
    return frame.sort(names, descending=[key.startswith("-") for key in keys], nulls_last=True, maintain_order=True)
