"""Data files: Parquet that other programs read as it is, whole or not there at all; JSON lines that are the records."""

from __future__ import annotations

import csv
import io
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from datetime import date, timedelta
from pathlib import Path

import duckdb
import pandas as pd
import polars as pl
import pyarrow.dataset as ds
import pyarrow.parquet as pq
import pytest

import smtplog
from smtplog.contract import schema
from smtplog.contract.records import TABLES
from smtplog.errors import OutputError
from smtplog.show import export
from smtplog.show.datasets import Dataset
from tests.conftest import NOON, SAMPLES, TOP, Ran, mail, traffic, write

Cli = Callable[..., Ran]
READERS = {
    "pyarrow": lambda folder: pl.from_arrow(ds.dataset(folder, partitioning="hive").to_table()),
    "polars": lambda folder: pl.read_parquet(folder / "**/*.parquet", hive_partitioning=True),
    "duckdb": lambda folder: duckdb.sql(f"SET TimeZone='UTC'; SELECT * FROM '{folder}/**/*.parquet'").pl(),  # noqa: S608
    "pandas": lambda folder: pl.from_pandas(pd.read_parquet(folder, engine="pyarrow", dtype_backend="pyarrow")),
}


@pytest.fixture(scope="module")
def week(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A log of some days with everything in it: retries, refusals, foreign lines, a transcript's absence."""
    path = tmp_path_factory.mktemp("week") / "mail.log"
    return write(path, traffic(60, gap=timedelta(hours=1)), modified=int(NOON.timestamp()) + 86400 * 7)


@pytest.fixture(scope="module")
def datasets(week: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """That log, exported in one piece."""
    folder = tmp_path_factory.mktemp("data")
    exported(week, folder)
    return folder


def exported(log: Path, folder: Path, **options: object) -> dict[str, int]:
    """Write all tables of a log."""
    from smtplog.pipeline import Options, export
    from smtplog.read.tally import Tally

    return export([log], folder, list(TABLES), Options(), Tally(), **options)  # type: ignore[arg-type]


@pytest.mark.parametrize("reader", READERS)
@pytest.mark.parametrize("table", TABLES)
def test_four_programs_read_the_same(datasets: Path, week: Path, reader: str, table: str) -> None:
    """pyarrow.dataset, Polars, DuckDB and pandas read every table as it is: the same rows, columns and times."""
    expected = smtplog.frames(week, table)[table]
    found = READERS[reader](datasets / table)

    assert found.columns == expected.columns
    assert found.height == expected.height > 0
    for name, dtype in expected.schema.items():
        if not dtype.is_nested():
            mine = found[name].dt.convert_time_zone("UTC") if dtype.is_temporal() else found[name]
            assert mine.cast(dtype).equals(expected[name], null_equal=True), name
        else:
            assert found[name].null_count() == expected[name].null_count(), name


@pytest.mark.parametrize("reader", READERS)
def test_partitions_by_date(week: Path, tmp_path: Path, reader: str) -> None:
    """Hive folders by the day of the record; a reader finds the day as a column, and all rows."""
    rows = exported(week, tmp_path, partition_by="date")
    days = sorted(p.name for p in (tmp_path / "deliveries").iterdir())
    found = READERS[reader](tmp_path / "deliveries")

    assert days == [f"date=2026-11-{n}" for n in (23, 24, 25)]
    assert found.height == rows["deliveries"]
    assert set(found["date"].cast(pl.String).str.head(10)) == {"2026-11-23", "2026-11-24", "2026-11-25"}
    assert (found["at"].dt.convert_time_zone("UTC").dt.date() == found["date"].cast(pl.String).str.to_date()).all()


def test_records_without_a_time_have_a_partition_of_their_own(tmp_path: Path) -> None:
    """Nothing is lost for want of a date."""
    data = Dataset(tmp_path / "events", "events", "at", by_date=True)
    data.write(
        pl.DataFrame([{"source": "-", "line": 1, "line_count": 1, "kind": "x"}], schema=schema.of(TABLES["events"]))
    )
    data.close()

    assert [p.name for p in (tmp_path / "events").iterdir()] == ["date=unknown"]


def test_the_schema_travels_with_the_file(datasets: Path) -> None:
    """Docs, units and the version of the contract stand in the file's metadata; it is packed with zstd."""
    for table, record in TABLES.items():
        file = pq.ParquetFile(next((datasets / table).glob("*.parquet")))
        found = file.schema_arrow
        assert found.metadata[b"smtplog.contract"] == schema.VERSION.encode()
        assert found.field("line").metadata[b"doc"] == b"first physical line, from 1"
        assert {f.name: f.metadata[b"doc"].decode() for f in found} == {
            n: f.description for n, f in record.model_fields.items()
        }
        assert file.metadata.row_group(0).column(0).compression == "ZSTD"
    deliveries = pq.read_schema(next((datasets / "deliveries").glob("*.parquet")))
    assert deliveries.field("delay_s").metadata[b"unit"] == b"seconds"
    assert deliveries.field("at").metadata[b"unit"] == b"UTC, microseconds"
    tls = pq.read_schema(next((datasets / "sessions").glob("*.parquet"))).field("tls").type
    assert tls.field("bits").metadata == {b"doc": b"bits used", b"unit": b"bits"}
    recipients = pq.read_schema(next((datasets / "messages").glob("*.parquet"))).field("recipients").type
    assert recipients.value_field.metadata[b"doc"] == b"The result for one recipient of a message."
    assert recipients.value_type.field("last_at").metadata == {b"doc": b"last attempt", b"unit": b"UTC, microseconds"}


def test_an_empty_table_is_a_table(tmp_path: Path) -> None:
    """A log without mail gives tables of no rows with all their columns; a partitioned one an empty folder."""
    log = write(tmp_path / "mail.log", ["Nov 23 12:00:00 mx1 cron[1]: nothing"])
    exported(log, tmp_path / "out")

    for table, record in TABLES.items():
        assert pq.read_table(tmp_path / "out" / table).schema.names == list(record.model_fields)
    exported(log, tmp_path / "parts", partition_by="date")
    assert (tmp_path / "parts" / "messages").is_dir()


def test_rows_come_in_few_groups(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Many small blocks are gathered: row groups are as large as they were meant to be."""
    monkeypatch.setattr("smtplog.show.datasets.ROW_GROUP", 1000)
    data = Dataset(tmp_path / "events", "events", "at")
    row = {"source": "-", "line_count": 1, "kind": "x"}
    for n in range(50):
        data.write(pl.DataFrame([{**row, "line": n * 70 + i} for i in range(70)], schema=schema.of(TABLES["events"])))
    data.close()
    meta = pq.ParquetFile(tmp_path / "events" / "part-0.parquet").metadata

    assert meta.num_rows == 3500
    assert meta.num_row_groups <= 4
    assert pq.read_table(tmp_path / "events")["line"].to_pylist() == list(range(3500))


def test_a_second_export_replaces_the_first(week: Path, tmp_path: Path) -> None:
    """The folder holds the newest data and nothing of the older, partitioned or not."""
    exported(week, tmp_path, partition_by="date")
    rows = exported(write(tmp_path / "small.log", mail(), modified=int(NOON.timestamp())), tmp_path)

    assert [p.name for p in (tmp_path / "deliveries").iterdir()] == ["part-0.parquet"]
    assert pq.read_table(tmp_path / "deliveries").num_rows == rows["deliveries"] == 1
    assert sorted(p.name for p in tmp_path.iterdir()) == [*sorted(TABLES), "small.log"]


def test_a_killed_run_leaves_nothing_that_looks_whole(tmp_path: Path) -> None:
    """Whatever is there after a kill is hidden and ends in .part; no table has its name, no file can be mistaken."""
    log = tmp_path / "pipe"
    os.mkfifo(log)
    command = [
        sys.executable,
        "-m",
        "smtplog",
        "export",
        str(log),
        "-o",
        str(tmp_path / "out"),
        "--partition-by",
        "date",
    ]
    run = subprocess.Popen(command, cwd=TOP, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    with log.open("wb") as pipe:
        pipe.write(b"".join(f"{line}\n".encode() for line in traffic(50)))
        pipe.flush()
        for _ in range(600):
            if list((tmp_path / "out").glob(".*.part")):
                break
            time.sleep(0.05)
        run.send_signal(signal.SIGKILL)
        run.communicate()
    left = [p.name for p in (tmp_path / "out").iterdir()]

    assert left
    assert all(name.startswith(".") and name.endswith(".part") for name in left)
    assert ds.dataset(tmp_path / "out").files == []


def test_a_failed_run_leaves_nothing(tmp_path: Path, week: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """When reading stops with an error, the older data is still there and no work is left over."""
    exported(week, tmp_path)
    before = sorted(p for p in tmp_path.rglob("*") if p.is_file())

    def fail(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(Dataset, "write", fail)
    with pytest.raises(KeyboardInterrupt):
        exported(week, tmp_path)

    assert sorted(p for p in tmp_path.rglob("*") if p.is_file()) == before


def test_a_folder_that_cannot_be(tmp_path: Path, log: Path) -> None:
    """A file stands in the way: the message names the place and what to do."""
    (tmp_path / "taken").write_text("x")
    with pytest.raises(OutputError, match="choose a folder"):
        exported(log, tmp_path / "taken")


def test_the_folder_may_be_read_by_others(datasets: Path) -> None:
    """Permissions are those of the user's umask, not a temporary folder's."""
    mask = os.umask(0)
    os.umask(mask)

    assert (datasets / "events").stat().st_mode & 0o777 == 0o777 & ~mask & 0o755


def sources(week: Path) -> list[object]:
    """A week, then all samples: the logs of a format as one log, each transcript by itself."""
    formats: list[object] = [
        io.BytesIO(b"".join(log.read_bytes() for log in sorted(folder.glob("*.log"))))
        for folder in SAMPLES.iterdir()
        if folder.is_dir()
    ]
    return [week, *formats, [str(path) for path in sorted(SAMPLES.rglob("*.txt"))]]


def test_json_lines_are_the_records(week: Path) -> None:
    """Written from frames without a loop, byte for byte what each record's model_dump_json gives, for every sample."""
    for source in sources(week):
        for table, frame in smtplog.frames(source, year=2026).items():
            rows = (
                {**row, **({"fields": json.loads(row["fields"])} if row.get("fields") else {})}
                for row in frame.iter_rows(named=True)
            )
            records = "".join(f"{TABLES[table].model_validate(row).model_dump_json()}\n" for row in rows)
            assert export.jsonl(frame, table) == records, table


@pytest.mark.parametrize("table", TABLES)
def test_json_lines_are_the_librarys_records(week: Path, table: str) -> None:
    """The same records come out of the iterators."""
    records = [record.model_dump_json() for record in getattr(smtplog, table)(week)]

    assert export.jsonl(smtplog.frames(week, table)[table], table) == "".join(f"{line}\n" for line in records)


def test_json_lines_of_odd_values() -> None:
    """Controls, quotes, beyond-BMP letters, tiny and huge numbers, NUL: the two writers agree."""
    event = TABLES["events"]
    odd = ['a"b\\c/', "tab\tcr\rff\fbs\b", "\0\x01\x1f\x7f\x80", "é\u2028\u2029😀", "</script>", ""]
    rows = [
        event.model_validate(
            {
                "source": text,
                "line": n,
                "line_count": 1,
                "kind": "x",
                "delay_s": number,
                "fields": {"t": text, "n": number, "l": [text]},
            }
        )
        for n, (text, number) in enumerate(zip(odd, [0.0, 0.1, 1e-7, 1e22, 86400.0, 0.30000000000000004], strict=True))
    ]
    frame = pl.DataFrame([{**r.model_dump(), "fields": json.dumps(r.fields, ensure_ascii=False, separators=(",", ":"))} for r in rows],
                         schema=schema.of(event))  # fmt: skip
    mine = [json.loads(line) for line in export.jsonl(frame, "events").rstrip("\n").split("\n")]

    assert mine == [json.loads(r.model_dump_json()) for r in rows]
    assert export.jsonl(frame.drop("fields", "delay_s"), "events").rstrip("\n").split("\n") == [
        r.model_dump_json(exclude={"fields", "delay_s"}) for r in rows
    ]


def test_csv_is_read_back(week: Path) -> None:
    """One header, times as in JSON, lists as JSON text."""
    frame = smtplog.frames(week, "messages")["messages"]
    rows = list(csv.DictReader(io.StringIO(export.csv(frame, header=True))))

    assert len(rows) == frame.height
    assert rows[0]["received_at"].endswith(".000000Z")
    assert json.loads(rows[0]["recipients"])[0]["address"] == frame["recipients"][0][0]["address"]
    assert rows[0]["removed_at"] in ("", rows[0]["removed_at"])
    assert export.csv(frame.head(1), header=False).count("\n") == 1


def test_the_command_says_what_it_wrote(cli: Cli, log: Path, tmp_path: Path) -> None:
    """One line for each table; `--tables` picks."""
    ran = cli("export", log, "-o", tmp_path / "out", "--tables", "messages, deliveries")

    assert ran.code == 0
    assert [line.rpartition("/")[2] for line in ran.rows] == ["messages: 1 rows", "deliveries: 1 rows"]
    assert sorted(p.name for p in (tmp_path / "out").iterdir()) == ["deliveries", "messages"]


@pytest.mark.parametrize(
    ("options", "said"),
    [(["--tables", "mails"], "no such table; known are"), (["--partition-by", "host"], "only date is known")],
)
def test_wrong_words_are_refused(cli: Cli, log: Path, tmp_path: Path, options: list[str], said: str) -> None:
    """Exit 2, the right words in the message, and nothing written."""
    ran = cli("export", log, "-o", tmp_path / "out", *options)

    assert ran.code == 2
    assert said in ran.err
    assert not (tmp_path / "out").exists()


def test_two_nights_join_up(cli: Cli, tmp_path: Path) -> None:
    """What the first night leaves open is kept in the state file; the second night's data has it whole, once."""
    whole = traffic(40)
    half = len(whole) // 2
    modified = int(NOON.timestamp()) + 86400
    log = write(tmp_path / "all.log", whole, modified=modified)
    at_once = {table: frame.drop("source", "line") for table, frame in smtplog.frames(log).items()}
    for night, lines in (("one", whole[:half]), ("two", whole[half:])):
        log = write(tmp_path / "mail.log.1", lines, modified=modified)
        assert cli("export", log, "-o", tmp_path / night, "--state", tmp_path / "state").code == 0
    later = write(
        tmp_path / "later.log",
        mail("FFFF9", NOON + timedelta(days=9), host="mx2") + mail("EEEE9", NOON + timedelta(days=9)),
        modified=modified + 10 * 86400,
    )
    assert cli("export", later, "-o", tmp_path / "three", "--state", tmp_path / "state").code == 0
    for table in ("messages", "deliveries", "sessions"):
        key = {"messages": "message_key", "deliveries": "delivery_key", "sessions": "session_key"}[table]
        nights = pl.concat(pl.read_parquet(tmp_path / night / table) for night in ("one", "two", "three"))
        nights = nights.drop("source", "line").filter(pl.col("host") == "mx1")

        assert nights.sort(key).equals(at_once[table].sort(key)), table


def test_a_state_that_is_none(cli: Cli, log: Path, tmp_path: Path) -> None:
    """A file that is no state is refused with its name; the data that was there stays."""
    (tmp_path / "state").write_bytes(b"not a state")
    ran = cli("export", log, "-o", tmp_path / "out", "--state", tmp_path / "state")

    assert ran.code == 2
    assert "state" in ran.err
    assert (tmp_path / "state").read_bytes() == b"not a state"


def test_a_state_that_cannot_be_kept(cli: Cli, log: Path, tmp_path: Path) -> None:
    """Said before anything is read or written."""
    ran = cli("export", log, "-o", tmp_path / "out", "--state", tmp_path / "no/such/state")

    assert ran.code == 2
    assert "no such folder" in ran.err
    assert not (tmp_path / "out").exists()


def test_dates_are_utc(tmp_path: Path) -> None:
    """An evening in New York is the next day in UTC, and lies in that day's folder."""
    log = write(tmp_path / "mail.log", mail(at=NOON.replace(hour=22)))
    from smtplog.pipeline import Options, export
    from smtplog.read.tally import Tally

    export(
        [log],
        tmp_path / "out",
        ["deliveries"],
        Options(year=2026, zone="America/New_York"),
        Tally(),
        partition_by="date",
    )

    assert [p.name for p in (tmp_path / "out/deliveries").iterdir()] == [f"date={date(2026, 11, 24)}"]
