"""The kinds of value a record holds, each spelt for Python and for columns side by side.

A captured text becomes a value in one of two ways: the rows engine calls `Spelling.of_text` on a string, the columns
engine applies `Spelling.of_column` to a whole column. The two must mean the same; the samples prove it entry by entry.
That a number is made of digits, and of how many, is the grammar's word: nothing is checked twice here.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Annotated, Any

import polars as pl
from pydantic import PlainSerializer

Parse = Callable[[str], Any]
Cast = Callable[[pl.Expr], pl.Expr]


@dataclass(frozen=True)
class Spelling:
    """How one kind of value is held in a column and made out of captured text; `unit` is what it is counted or told in."""

    dtype: pl.DataType
    of_text: Parse
    of_column: Cast
    unit: str | None = None


def _address(text: str) -> str:
    """Without a source route (RFC 5321 appendix C): `@a,@b:user@c` is `user@c`."""
    return text.partition(":")[2] if text.startswith("@") and ":" in text else text


def _address_column(e: pl.Expr) -> pl.Expr:
    end = pl.when(e.str.starts_with("@")).then(e.str.find(":", literal=True) + 1)
    return e.str.slice(end.fill_null(0))


def _absent(word: str) -> Spelling:
    """Text in which one word stands for nothing at all."""
    return Spelling(
        pl.String(),
        lambda text: None if text == word else text,
        lambda e: pl.when(e != word).then(e),
    )


def _bare_id(text: str) -> str | None:
    """A Message-ID without its brackets (RFC 5322 s.3.6.4); blanks around it belong to the log."""
    return text.strip(" <>") or None


def _bare_id_column(e: pl.Expr) -> pl.Expr:
    bare = e.str.strip_chars(" <>")
    return pl.when(bare != "").then(bare)


MOMENT = pl.Datetime("us", "UTC")
"""What holds a time in columns."""
STAMP = "%Y-%m-%dT%H:%M:%S%.6fZ"
"""How columns spell a time: UTC, six decimals, Z; `stamp` says the same in Python."""


def stamp(at: datetime) -> str:
    """A time as text: UTC, six decimals, Z."""
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


_TEXT = Spelling(pl.String(), lambda text: text, lambda e: e)
_LOWER = Spelling(pl.String(), str.lower, lambda e: e.str.to_lowercase())
_WHOLE = Spelling(pl.Int64(), int, lambda e: e.cast(pl.Int64, strict=False))
_NUMBER = Spelling(pl.Float64(), float, lambda e: e.cast(pl.Float64, strict=False))
_FLAG = Spelling(pl.Boolean(), lambda text: text == "true", lambda e: e == "true")
_TIME = Spelling(MOMENT, datetime.fromisoformat, lambda e: e.str.to_datetime(time_zone="UTC"), unit="UTC, microseconds")

Text = Annotated[str, _TEXT]
Lower = Annotated[str, _LOWER]
Address = Annotated[str, Spelling(pl.String(), _address, _address_column)]
HostName = Annotated[str, _absent("unknown")]
NextHop = Annotated[str, _absent("none")]
QueueId = Annotated[str, _absent("NOQUEUE")]
MessageId = Annotated[str, Spelling(pl.String(), _bare_id, _bare_id_column)]
EnhancedCode = Annotated[str, _TEXT]
Number = Annotated[int, _WHOLE]
Count = Annotated[int, replace(_WHOLE, unit="count")]
Bytes = Annotated[int, replace(_WHOLE, unit="octets")]
Bits = Annotated[int, replace(_WHOLE, unit="bits")]
Port = Annotated[int, _WHOLE]
Code = Annotated[int, _WHOLE]
Seconds = Annotated[float, replace(_NUMBER, unit="seconds")]
Ratio = Annotated[float, _NUMBER]
Flag = Annotated[bool, _FLAG]
Timestamp = Annotated[datetime, _TIME, PlainSerializer(stamp, when_used="json")]

# What a rule names beyond the shared columns is typed by its name: the unit stands last (`delay_s`, `size_bytes`).
_BY_ENDING: tuple[tuple[str, Spelling], ...] = (
    ("_s", _NUMBER),
    ("_bytes", _WHOLE),
    ("_count", _WHOLE),
    ("_total", _WHOLE),
    ("_ok", _WHOLE),
    ("_port", _WHOLE),
    ("_bits", _WHOLE),
    ("_code", _TEXT),
)


def by_name(name: str) -> Spelling:
    """The spelling of a field that no record declares, by the ending of its name; text when no ending says more."""
    return next((spelling for ending, spelling in _BY_ENDING if name.endswith(ending)), _TEXT)
