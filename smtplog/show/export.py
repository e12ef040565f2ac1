"""Frames -> JSON lines, CSV; frames that lie on disk meanwhile. This and `datasets` are the only rooms that write data files."""

from __future__ import annotations

import io
import json
import tempfile
from collections.abc import Sequence
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import IO, Any, Self

import polars as pl

from smtplog.contract.fields import STAMP, stamp
from smtplog.contract.records import Record
from smtplog.errors import OutputError

JSON_TEXT = {"events": ("fields",)}
"""Columns that hold JSON text and stand as objects in JSON lines."""


def _spelled(expr: pl.Expr, dtype: pl.DataType) -> pl.Expr:
    """Times as text with six decimals and Z, however deep they stand."""
    if isinstance(dtype, pl.Datetime):
        return expr.dt.strftime(STAMP)
    if isinstance(dtype, pl.List) and _has_time(dtype.inner):
        return expr.list.eval(_spelled(pl.element(), dtype.inner))  # type: ignore[arg-type]
    if isinstance(dtype, pl.Struct) and _has_time(dtype):
        parts = [_spelled(expr.struct.field(f.name), f.dtype).alias(f.name) for f in dtype.fields]  # type: ignore[arg-type]
        return pl.when(expr.is_not_null()).then(pl.struct(parts))
    return expr


def _has_time(dtype: object) -> bool:
    if isinstance(dtype, pl.Datetime):
        return True
    if isinstance(dtype, pl.List):
        return _has_time(dtype.inner)
    return isinstance(dtype, pl.Struct) and any(_has_time(f.dtype) for f in dtype.fields)


def jsonl(frame: pl.DataFrame, table: str) -> str:
    """JSON lines: what `model_dump(mode="json")` of each record gives, without a loop over rows."""
    spelled = frame.select(_spelled(pl.col(name), dtype).alias(name) for name, dtype in frame.schema.items())
    nested = [name for name in JSON_TEXT.get(table, ()) if name in frame.columns]
    if not nested:
        return spelled.write_ndjson()
    plain = [name for name in frame.columns if name not in nested]
    body = pl.struct(plain).struct.json_encode().str.strip_suffix("}") if plain else pl.lit("{")
    pieces = [body]
    for i, name in enumerate(nested):
        comma = "," if plain or i else ""
        pieces.append(pl.lit(f'{comma}"{name}":') + pl.col(name).fill_null("null"))
    lines = spelled.select(pl.concat_str(*pieces, pl.lit("}\n"))).to_series()
    return str(lines.str.join("").item()) if len(lines) else ""


def csv(frame: pl.DataFrame, *, header: bool) -> str:
    """CSV; times as in JSON lines, lists and structs as JSON text."""
    flat = []
    for name, dtype in frame.schema.items():
        expr = _spelled(pl.col(name), dtype)
        if isinstance(dtype, (pl.List, pl.Struct)):
            expr = pl.struct(expr.alias("v")).struct.json_encode().str.strip_prefix('{"v":').str.strip_suffix("}")
            expr = pl.when(pl.col(name).is_not_null()).then(expr)
        flat.append(expr.alias(name))
    return frame.select(flat).write_csv(include_header=header)


_ELSEWHERE = "name another folder with TMPDIR"


class Shelf:
    """Frames that lie on disk until some of their rows are wanted, packed, in one file without a name.

    The file is gone when the shelf is left or the process ends, however that happens.
    """

    def __init__(self) -> None:
        self._places: list[tuple[int, int]] = []
        try:
            self._file = tempfile.TemporaryFile(prefix="smtplog-")  # noqa: SIM115 - closed when the shelf is left
        except OSError as error:
            raise OutputError(f"no room for what is read meanwhile: {error.strerror}; {_ELSEWHERE}") from error

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        with suppress(OSError):  # where the disk is full, closing fails again
            self._file.close()

    def put(self, frame: pl.DataFrame) -> int:
        """Put a frame away; returns its number.

        Raises:
            OutputError: the disk is full.
        """
        packed = io.BytesIO()
        frame.write_parquet(packed, compression="lz4", statistics=False)
        try:
            self._places.append((self._file.seek(0, io.SEEK_END), self._file.write(packed.getbuffer())))
            self._file.flush()
        except OSError as error:
            raise OutputError(f"{tempfile.gettempdir()}: {error.strerror}; {_ELSEWHERE}") from error
        return len(self._places) - 1

    def take(self, number: int, columns: Sequence[str] | None = None) -> pl.DataFrame:
        """A frame, or some of its columns."""
        start, size = self._places[number]
        self._file.seek(start)
        return pl.read_parquet(self._file.read(size), columns=list(columns) if columns else None)


def open_output(path: str) -> IO[str]:
    """A text file to write to.

    Raises:
        OutputError: it cannot be opened.
    """
    try:
        return Path(path).open("w", encoding="utf-8", newline="")
    except OSError as error:
        raise OutputError(f"{path}: {error.strerror}; choose another place with -o") from error


def in_json(value: Any) -> Any:
    """A value for JSON: the times in it, however deep, as text like those of JSON lines."""
    if isinstance(value, datetime):
        return stamp(value)
    if isinstance(value, dict):
        return {name: in_json(one) for name, one in value.items()}
    return [in_json(one) for one in value] if isinstance(value, list) else value


def json_object(value: object) -> str:
    """One value as JSON text for people and programs."""
    return json.dumps(value, ensure_ascii=False, indent=2)


def json_line(record: Record) -> str:
    """One record as a JSON line."""
    return record.model_dump_json()
