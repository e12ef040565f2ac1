"""Record class -> column schema -> Arrow schema. Nobody else names an Arrow type."""

from __future__ import annotations

import types
from collections.abc import Iterable, Mapping
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


def _fields(record: type[BaseModel], plain: Iterable[pa.Field]) -> list[pa.Field]:
    """The fields of a record with what is known of them: the docs of the record, the units of the kinds of its values."""
    about = {name: str(field.description) for name, field in record.model_fields.items()}
    return [_told(field, _hints(record)[field.name], about[field.name]) for field in plain]


def _told(field: pa.Field, hint: Any, doc: str) -> pa.Field:
    """A field and all that is in it, with its doc and unit; an element of a list has the doc of its record, else of the list."""
    import pyarrow as pa  # noqa: PLC0415 - see `arrow`

    hint = _bare(hint)
    spelling = _spelling(hint)
    if get_origin(hint) is list:
        inside = _bare(get_args(hint)[0])
        is_record = isinstance(inside, type) and issubclass(inside, BaseModel)
        element = _told(field.type.value_field, inside, str(inside.__doc__) if is_record else doc)
        field = field.with_type(pa.large_list(element))
    elif isinstance(hint, type) and issubclass(hint, BaseModel):
        field = field.with_type(pa.struct(_fields(hint, field.type)))
    unit = {b"unit": spelling.unit.encode()} if spelling and spelling.unit else {}
    return field.with_metadata({b"doc": doc.encode()} | unit)


@cache
def arrow(record: type[Record]) -> pa.Schema:
    """The Arrow schema of a record: types, and in the metadata each field's doc and unit, however deep it stands, and the contract's version."""
    import pyarrow as pa  # noqa: PLC0415 - only an export needs it, and it takes long to load

    plain = pl.DataFrame(schema=of(record)).to_arrow().schema
    about = {b"smtplog.contract": VERSION.encode(), b"smtplog.record": record.__name__.encode()}
    return pa.schema(_fields(record, plain), about)


def filled(frame: pl.DataFrame, kinds: Mapping[str, Any]) -> pl.DataFrame:
    """A frame that has these columns too: null where it had none of them."""
    return frame.with_columns(
        pl.lit(None, dtype=k).alias(name) for name, k in kinds.items() if name not in frame.columns
    )
