"""Frames -> Parquet datasets, and the state of the run that writes them: all of it appears, or none."""

from __future__ import annotations

import hashlib
import os
import shutil
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, suppress
from functools import cached_property, partial
from pathlib import Path
from typing import TYPE_CHECKING, Self

import polars as pl

from smtplog.contract import schema
from smtplog.contract.records import TABLES
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
            place. Names who adds, where several do by turns; "": nobody, an older dataset is replaced.
    """

    def __init__(self, folder: Path, table: str, time: str, *, by_date: bool = False, adds: str = "") -> None:
        self.folder, self.table, self.time, self.by_date, self.adds = folder, table, time, by_date, adds
        self.rows = 0
        self._writers: dict[str, pq.ParquetWriter] = {}
        self._held: dict[str, list[pl.DataFrame]] = {}
        self._pool = ThreadPoolExecutor(1)
        self._under_way: Future[None] | None = None
        try:
            folder.parent.mkdir(parents=True, exist_ok=True)
            if adds:
                self._work = _work(folder, adds)
                self._work.mkdir(mode=0o700)
            else:
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
        if self.adds:
            _add(self.folder, self.adds)
            return
        if self.folder.exists():
            old = self._work.with_suffix(".old")
            self.folder.rename(old)
            self._work.rename(self.folder)
            shutil.rmtree(old)
        else:
            self._work.rename(self.folder)
        _open_to_others(self.folder)

    def abandon(self) -> None:
        """Leave nothing behind."""
        self._pool.shutdown(cancel_futures=True)
        with suppress(OSError):  # where the disk is full, closing fails again
            for writer in self._writers.values():
                writer.close()
        shutil.rmtree(self._work, ignore_errors=True)


def _work(folder: Path, adds: str) -> Path:
    """Where what is to be added to a dataset is written."""
    return folder.with_name(f".{folder.name}-{adds}.part")


def _add(folder: Path, adds: str) -> None:
    """Put what was written in its place; files that were put there before, by a run that was killed, stay."""
    work = _work(folder, adds)
    if not folder.exists():
        work.rename(folder)
        _open_to_others(folder)
        return
    for path in sorted(work.rglob("*.parquet")):
        target = folder / path.relative_to(work)
        target.parent.mkdir(exist_ok=True)
        path.replace(target)
    shutil.rmtree(work)


class Datasets:
    """Tables side by side, and the state of the run that writes them: all is written before anything is put in its place.

    With a state a run that was killed is ended by the next one into the same folder: what it had written whole is put in
    its place, what it had not is thrown away.

    Args:
        folder: where their folders are.
        times: name of each table -> the column that dates its records.
        by_date: as for `Dataset`.
        state: file for what is given to `keep`; with one, rows are added to those of earlier runs.

    Raises:
        OutputError: a place cannot be written to; nothing is left over then.
    """

    def __init__(self, folder: Path, times: Mapping[str, str], *, by_date: bool, state: Path | None) -> None:
        self._folder, self._times, self._state, self._by_date = folder, times, state, by_date
        self._adds = _digest(bytes(state.resolve())) if state else ""
        self._make = partial(Dataset, by_date=by_date, adds=self._adds)
        self._tables: dict[str, Dataset] = {}
        self._kept = b""
        self._ours = ExitStack()

    def __enter__(self) -> Self:
        if self._state:
            self._done(self._state)  # one that cannot be read is told before anything is made
        try:
            if self._state:
                self._folder.mkdir(parents=True, exist_ok=True)
                self._ours.enter_context(_alone(self._folder))
                self._end_killed_run(self._state)
                self._check_layout()
            for name, time in self._times.items():
                self._tables[name] = self._make(self._folder / name, name, time)
        except OSError as error:
            self._give_up()
            raise OutputError(
                f"{self._folder}: {error.strerror}; choose a folder that may be written to with -o"
            ) from error
        except OutputError:
            self._give_up()
            raise
        return self

    def _give_up(self) -> None:
        self._abandon()
        self._ours.close()

    def _end_killed_run(self, state: Path) -> None:
        done = self._done(state)
        for folder in map(self._folder.joinpath, TABLES):
            if _work(folder, self._adds).exists():
                (_add if done.exists() else _throw_away)(folder, self._adds)
        if done.exists():
            done.replace(state)

    def _check_layout(self) -> None:
        """Rows in folders by date and rows beside them make no dataset."""
        for folder in map(self._folder.joinpath, self._times):
            if any(folder.glob("*.parquet" if self._by_date else "date=*")):
                raise OutputError(
                    f"{folder}: the rows there are {'not ' * self._by_date}parted by date: leave --partition-by as it "
                    "was, or choose another folder with -o and a state of its own"
                )

    def _done(self, state: Path) -> Path:
        """Where the new state waits while the tables are put in their place; only where the old one is as it was."""
        try:
            old = state.read_bytes() if state.exists() else b""
        except OSError as error:
            raise OutputError(
                f"--state {state}: {error.strerror}; name a file for it, new or of an earlier run"
            ) from error
        which = _digest(bytes(self._folder.resolve()) + b"\0" + old)
        return state.with_name(f".{state.name}-{which}.done")

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
        done = _written_beside(self._state, self._kept, self._done(self._state)) if self._state else None
        for one in self._tables.values():  # from here on files are only renamed
            one.place()
        if self._state and done:
            done.replace(self._state)

    def _abandon(self) -> None:
        if self._state and self._done(self._state).exists():
            return  # all is written: the next run puts it in its place
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


def _throw_away(folder: Path, adds: str) -> None:
    shutil.rmtree(_work(folder, adds))


def _digest(octets: bytes) -> str:
    return hashlib.blake2b(octets, digest_size=8).hexdigest()


def _written_beside(path: Path, data: bytes, done: Path) -> Path:
    """Write what is to take the place of a file beside it, so that it is there whole or as it was."""
    work = path.with_name(f".{path.name}.part")
    try:
        work.write_bytes(data)
        return work.replace(done)
    except OSError as error:
        with suppress(OSError):
            work.unlink(missing_ok=True)
        raise OutputError(f"{path}: {error.strerror}") from error


def _open_to_others(folder: Path) -> None:
    """As the user's umask has it, which hidden folders have not."""
    mask = os.umask(0)
    os.umask(mask)
    folder.chmod(0o755 & ~mask)
