"""Frames -> JSON lines, CSV, Parquet. The only room that writes data files."""

from __future__ import annotations

import hashlib
import io
import json
import os
import shutil
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, suppress
from datetime import datetime
from functools import cached_property, partial
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, Self

import polars as pl

from smtplog.contract import schema
from smtplog.contract.fields import STAMP, stamp
from smtplog.contract.records import TABLES, Record
from smtplog.errors import OutputError

try:
    import fcntl
except ImportError:  # Windows: there it is up to the user
    fcntl = None  # type: ignore[assignment]

if TYPE_CHECKING:
    import pyarrow as pa
    import pyarrow.parquet as pq

ROW_GROUP = 64 * 1024
_FILE = "part-0.parquet"
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


class Dataset:
    """One table as a Parquet dataset that appears whole or not at all.

    Files are written into a hidden folder beside the place (`finish`) and moved there (`place`); a killed run leaves only
    that folder, which no reader takes for data.

    Args:
        folder: becomes the dataset's folder.
        table: name of the table; decides the schema.
        time: the column by whose day the rows are parted.
        by_date: Hive partitions `date=YYYY-MM-DD` by the record's time (UTC); records without a time: `date=unknown`.
        adds: what is there stays, and files are added, named after what is in them: the same rows again take the same
            place.
    """

    def __init__(self, folder: Path, table: str, time: str, *, by_date: bool = False, adds: bool = False) -> None:
        self.folder, self.table, self.time, self.by_date, self.adds = folder, table, time, by_date, adds
        self.rows = 0
        self._writers: dict[str, pq.ParquetWriter] = {}
        self._held: dict[str, list[pl.DataFrame]] = {}
        self._pool = ThreadPoolExecutor(1)
        self._under_way: Future[None] | None = None
        try:
            folder.parent.mkdir(parents=True, exist_ok=True)
            self._work = Path(tempfile.mkdtemp(prefix=f".{folder.name}-", suffix=".part", dir=folder.parent))
        except OSError as error:
            raise OutputError(f"{folder}: {error.strerror}; choose a folder that may be written to with -o") from error

    def write(self, frame: pl.DataFrame) -> None:
        """Add rows with all columns of the table."""
        self.rows += frame.height
        for part, rows in self._parts(frame):
            held = self._held.setdefault(part, [])
            held.append(rows)
            count = sum(map(len, held))
            if count >= ROW_GROUP:
                self._write_groups(part, count - count % ROW_GROUP)

    def _parts(self, frame: pl.DataFrame) -> Iterable[tuple[str, pl.DataFrame]]:
        if not self.by_date:
            return [("", frame)]
        day = pl.col(self.time).dt.strftime("%Y-%m-%d").fill_null("unknown").alias("date")
        split = frame.with_columns(day).partition_by("date", as_dict=True, include_key=False, maintain_order=True)
        return [(f"date={key[0]}", rows) for key, rows in split.items()]

    def _write_groups(self, part: str, count: int | None = None) -> None:
        """Write so many of the rows that are held for a part; None: all of them."""
        rows = pl.concat(self._held.pop(part))
        if count is not None and count < rows.height:
            self._held[part] = [rows[count:]]
        self._wait()
        self._under_way = self._pool.submit(self._encode, part, rows[:count])

    def _encode(self, part: str, rows: pl.DataFrame) -> None:
        """One piece of work beside the reading; another begins when it is done."""
        import pyarrow.parquet as pq  # noqa: PLC0415 - takes long to load, and only Parquet needs it

        if part not in self._writers:
            (self._work / part).mkdir(parents=True, exist_ok=True)
            self._writers[part] = pq.ParquetWriter(self._work / part / _FILE, self.schema, compression="zstd")
        self._writers[part].write_table(self._as_arrow(rows), row_group_size=ROW_GROUP)

    @cached_property
    def schema(self) -> pa.Schema:
        """The table's columns."""
        return schema.arrow(TABLES[self.table])

    def _wait(self) -> None:
        if self._under_way:
            self._under_way.result()
            self._under_way = None

    def _as_arrow(self, rows: pl.DataFrame) -> pa.Table:
        return rows.to_arrow(compat_level=pl.CompatLevel.oldest()).cast(self.schema)

    def close(self) -> None:
        """Finish the files and put them in their place."""
        self.finish()
        self.place()

    def finish(self) -> None:
        """Write all there is; after that the disk may be full."""
        for part in list(self._held):
            self._write_groups(part)
        self._wait()
        if not self._writers and not self.by_date and not (self.adds and self.folder.exists()):
            self._held[""] = [pl.DataFrame(schema=schema.of(TABLES[self.table]))]
            self._write_groups("")
            self._wait()
        self._pool.shutdown()
        for writer in self._writers.values():
            writer.close()
        if self.adds:
            for path in list(self._work.rglob(_FILE)):
                with path.open("rb") as written:
                    path.rename(path.with_stem(f"part-{hashlib.file_digest(written, 'blake2b').hexdigest()[:16]}"))

    def place(self) -> None:
        """Put the dataset in its place; an older one there is replaced, or added to."""
        if self.adds and self.folder.exists():
            for path in sorted(self._work.rglob("*.parquet")):
                target = self.folder / path.relative_to(self._work)
                target.parent.mkdir(exist_ok=True)
                path.replace(target)
            shutil.rmtree(self._work)
            return
        if self.folder.exists():
            old = self._work.with_suffix(".old")
            self.folder.rename(old)
            self._work.rename(self.folder)
            shutil.rmtree(old)
        else:
            self._work.rename(self.folder)
        self.folder.chmod(0o755 & ~_umask())

    def abandon(self) -> None:
        """Leave nothing behind."""
        self._pool.shutdown(cancel_futures=True)
        with suppress(OSError):  # where the disk is full, closing fails again
            for writer in self._writers.values():
                writer.close()
        shutil.rmtree(self._work, ignore_errors=True)


class Datasets:
    """Tables side by side, and the state of the run that writes them: all is written before anything is put in its place.

    Args:
        folder: where their folders are.
        times: name of each table -> the column that dates its records.
        by_date: as for `Dataset`.
        state: file for what is given to `keep`; with one, rows are added to those of earlier runs.

    Raises:
        OutputError: a place cannot be written to; nothing is left over then.
    """

    def __init__(self, folder: Path, times: Mapping[str, str], *, by_date: bool, state: Path | None) -> None:
        self._folder, self._times, self._state = folder, times, state
        self._make = partial(Dataset, by_date=by_date, adds=state is not None)
        self._tables: dict[str, Dataset] = {}
        self._kept = b""
        self._ours = ExitStack()

    def __enter__(self) -> Self:
        try:
            for name, time in self._times.items():
                self._tables[name] = self._make(self._folder / name, name, time)
            if self._state:
                self._ours.enter_context(_alone(self._folder))
        except OutputError:
            self._abandon()
            raise
        return self

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        try:
            if error:
                raise error
            self._place()
        except BaseException as failed:
            self._abandon()
            if isinstance(failed, OSError) and not isinstance(failed, BrokenPipeError):
                raise OutputError(f"{self._folder}: {failed.strerror or failed}") from failed
            raise
        finally:
            self._ours.close()

    @property
    def rows(self) -> dict[str, int]:
        """How many were written, by table."""
        return {name: one.rows for name, one in self._tables.items()}

    def write(self, frames: Mapping[str, pl.DataFrame]) -> None:
        """Add rows with all columns of their tables; other tables are passed over."""
        for name in frames.keys() & self._tables.keys():
            self._tables[name].write(frames[name])

    def keep(self, state: bytes) -> None:
        """The state, to be written when all is."""
        self._kept = state

    def _place(self) -> None:
        for one in self._tables.values():
            one.finish()
        work = _written_beside(self._state, self._kept) if self._state else None
        for one in self._tables.values():  # from here on files are only renamed
            one.place()
        if self._state and work:
            work.replace(self._state)

    def _abandon(self) -> None:
        for one in self._tables.values():
            one.abandon()


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Keep other runs from adding to a folder meanwhile; a run that is killed lets go of it, too."""
    if fcntl is None:
        yield
        return
    place = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(place, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    except BlockingIOError as error:
        raise OutputError(f"{folder}: another run is adding to it; start again when it has ended") from error
    finally:
        os.close(place)


def _written_beside(path: Path, data: bytes) -> Path:
    """Write what is to take the place of a file beside it, so that it is there whole or as it was."""
    work = path.with_name(f".{path.name}.part")
    try:
        work.write_bytes(data)
    except OSError as error:
        work.unlink(missing_ok=True)
        raise OutputError(f"{path}: {error.strerror}") from error
    return work


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


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


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
