"""Record class -> column schema -> Arrow schema. Nobody else names an Arrow type."""

from __future__ import annotations

import types
from functools import cache
from typing import TYPE_CHECKING, Annotated, Any, Union, get_args, get_origin

import polars as pl
from pydantic import BaseModel

from smtplog.contract.fields import Spelling
from smtplog.contract.records import Record

if TYPE_CHECKING:
    import pyarrow as pa

VERSION = "1"
"""Version of the record contract: raised when a name or a type changes, not when a field is added."""

_UNITS = {"_s": "seconds", "_bytes": "octets", "_at": "UTC, microseconds", "_count": "count"}


def _spelling(hint: Any) -> Spelling | None:
    return next((m for m in getattr(hint, "__metadata__", ()) if isinstance(m, Spelling)), None)


def _bare(hint: Any) -> Any:
    """`X | None` without the None."""
    if get_origin(hint) in (Union, types.UnionType):
        return next(arg for arg in get_args(hint) if arg is not type(None))
    return hint


def _dtype(hint: Any) -> pl.DataType:
    hint = _bare(hint)
    spelling = _spelling(hint)
    if spelling:
        return spelling.dtype
    if get_origin(hint) is Annotated:
        return _dtype(get_args(hint)[0])
    if get_origin(hint) is list:
        return pl.List(_dtype(get_args(hint)[0]))
    if isinstance(hint, type) and issubclass(hint, BaseModel):
        return pl.Struct(dict(of(hint)))
    return pl.String()  # an open object: JSON text in columns


@cache
def _hints(record: type[BaseModel]) -> dict[str, Any]:
    from typing import get_type_hints  # noqa: PLC0415 - only here

    hints = get_type_hints(record, include_extras=True)
    return {name: hints[name] for name in record.model_fields}


@cache
def of(record: type[BaseModel]) -> pl.Schema:
    """The columns of a record, in the order of its fields."""
    return pl.Schema({name: _dtype(hint) for name, hint in _hints(record).items()})


@cache
def spellings(record: type[BaseModel]) -> dict[str, Spelling]:
    """How each plain field of a record is spelt; lists and structs are left out."""
    found = {name: _spelling(_bare(hint)) for name, hint in _hints(record).items()}
    return {name: spelling for name, spelling in found.items() if spelling}


def _field_metadata(record: type[Record], name: str) -> dict[bytes, bytes]:
    unit = next((unit for ending, unit in _UNITS.items() if name.endswith(ending)), None)
    doc = {b"doc": (record.model_fields[name].description or "").encode()}
    return doc | ({b"unit": unit.encode()} if unit else {})


@cache
def arrow(record: type[Record]) -> pa.Schema:
    """The Arrow schema of a record: types, and in the metadata each field's doc and unit, and the contract's version."""
    import pyarrow as pa  # noqa: PLC0415 - only an export needs it, and it takes long to load

    plain = pl.DataFrame(schema=of(record)).to_arrow().schema
    fields = [plain.field(name).with_metadata(_field_metadata(record, name)) for name in plain.names]
    return pa.schema(fields, {b"smtplog.contract": VERSION.encode(), b"smtplog.record": record.__name__.encode()})
