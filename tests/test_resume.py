"""Nights that add up: each reads what is new, and together they are one run over everything."""

from __future__ import annotations

import fcntl
import gzip
import os
import random
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path

import polars as pl
import pytest

import smtplog
from smtplog.contract.records import TABLES
from smtplog.read.resume import HEAD, Marks
from smtplog.read.source import Block
from tests.conftest import NOON, Ran, traffic, write

Cli = Callable[..., Ran]
LINES = traffic(120, gap=timedelta(minutes=9))
LATER = int((NOON + timedelta(days=30)).timestamp())


@pytest.fixture
def night(cli: Cli, tmp_path: Path) -> Callable[..., Ran]:
    """Export the folder `log` into the folder `lake`, with a state."""

    def run(*options: object) -> Ran:
        return cli("export", tmp_path / "log", "-o", tmp_path / "lake", "--state", tmp_path / "state", *options)

    (tmp_path / "log").mkdir()
    return run


def rows(folder: Path, table: str) -> pl.DataFrame:
    """All that was written of a table, in an order of its own."""
    parts = [pl.read_parquet(path, hive_partitioning=False) for path in folder.rglob(f"{table}/**/*.parquet")]
    found = pl.concat(parts).drop("source", "line")
    return found.sort([name for name, dtype in found.schema.items() if not dtype.is_nested()])


def sizes(folder: Path) -> dict[str, int]:
    return {table: rows(folder, table).height for table in TABLES}


def at_once(cli: Cli, folder: Path, lines: list[str]) -> Path:
    """One run over everything, of which the same is still open."""
    log = write(folder / "all.log", lines, modified=LATER)
    assert cli("export", log, "-o", folder / "once", "--state", folder / "once.state").code == 0
    return folder / "once"


@pytest.mark.parametrize("partition", [(), ("--partition-by", "date")], ids=["plain", "by-date"])
@pytest.mark.parametrize("seed", range(3))
def test_nights_in_one_folder_are_one_run(
    cli: Cli, night: Callable[..., Ran], tmp_path: Path, seed: int, partition: tuple[str, ...]
) -> None:
    """The log is cut anywhere and its pieces come under the same name: no row is lost, none comes twice."""
    once = at_once(cli, tmp_path, LINES)
    cuts = sorted(random.Random(seed).sample(range(1, len(LINES)), 4))
    for start, end in zip([0, *cuts], [*cuts, len(LINES)], strict=True):
        write(tmp_path / "log/mail.log", LINES[start:end], modified=LATER)
        assert night(*partition).code == 0

    for table in TABLES:
        assert rows(tmp_path / "lake", table).equals(rows(once, table)), table


def test_a_log_that_grows_and_is_rotated_is_read_on(cli: Cli, night: Callable[..., Ran], tmp_path: Path) -> None:
    """Read while it grows; renamed; packed; copied and cut: each line is read once, and `line` stays its line."""
    once = at_once(cli, tmp_path, LINES)
    log = tmp_path / "log/mail.log"

    def grow(start: int, end: int) -> None:
        before = log.read_bytes() if log.exists() else b""
        write(log, before + "".join(f"{line}\n" for line in LINES[start:end]).encode(), modified=LATER)

    def renamed() -> None:
        log.rename(log.with_name("mail.log.1"))

    def packed() -> None:
        old = log.with_name("mail.log.1")
        write(log.with_name("mail.log.2.gz"), gzip.compress(old.read_bytes(), mtime=LATER), modified=LATER)
        old.unlink()

    def copied_and_cut() -> None:
        shutil.copy2(log, log.with_name("mail.log.1"))
        log.write_bytes(b"")

    n = len(LINES)
    grow(0, n // 9)
    assert night().code == 0
    grow(n // 9, n // 4)
    assert night().code == 0
    grow(n // 4, n // 3)
    renamed()
    grow(n // 3, n // 2)
    assert night().code == 0
    packed()
    grow(n // 2, n // 2 + 30)
    copied_and_cut()
    assert night().code == 0
    grow(n // 2 + 30, n)
    assert night().code == 0

    for table in TABLES:
        assert rows(tmp_path / "lake", table).equals(rows(once, table)), table
    events = pl.concat(pl.read_parquet(path) for path in (tmp_path / "lake/events").glob("*.parquet"))
    first = events.filter(pl.col("source").str.ends_with("mail.log")).sort("at", "line")["raw", "line"].head(5)
    assert all(LINES[line - 1] == raw for raw, line in first.iter_rows())


def test_the_same_night_again_adds_nothing(night: Callable[..., Ran], tmp_path: Path) -> None:
    """It says that there is nothing new, and the tables stay as they are."""
    write(tmp_path / "log/mail.log", LINES, modified=LATER)
    night()
    before, files = sizes(tmp_path / "lake"), sorted((tmp_path / "lake").rglob("*.parquet"))
    again = night()

    assert again.code == 0
    assert "hold nothing new" in again.err
    assert sizes(tmp_path / "lake") == before
    assert sorted((tmp_path / "lake").rglob("*.parquet")) == files


def test_a_night_that_was_killed_at_its_end_is_run_again(night: Callable[..., Ran], tmp_path: Path) -> None:
    """The rows were there, the state was not yet: the same rows again take the same place."""
    write(tmp_path / "log/mail.log", LINES[:200], modified=LATER)
    night()
    state = (tmp_path / "state").read_bytes()
    write(tmp_path / "log/mail.log", LINES, modified=LATER)
    night()
    before = sizes(tmp_path / "lake")
    (tmp_path / "state").write_bytes(state)
    night()

    assert sizes(tmp_path / "lake") == before


KILLED = """
import os, sys
from smtplog.cli import main
from smtplog.show import datasets
kill, after = sys.argv.pop(1), int(sys.argv.pop(1))
method = getattr(datasets.Dataset, kill)
def stop(*given):
    global after
    after -= 1
    method(*given) if after >= 0 else os._exit(9)
setattr(datasets.Dataset, kill, stop)
main()
"""


@pytest.mark.parametrize(
    ("method", "after", "has_placed"),
    [("write", 0, False), ("finish", 2, False), ("place", 0, True), ("place", 2, True)],
)
def test_a_killed_night_is_ended_by_the_next(
    cli: Cli, night: Callable[..., Ran], tmp_path: Path, method: str, after: int, has_placed: bool
) -> None:
    """At whatever moment, and though the log has grown since: each row is there once, and nothing is left over."""
    once = at_once(cli, tmp_path, LINES)
    write(tmp_path / "log/mail.log", LINES[:200], modified=LATER)
    night()
    write(tmp_path / "log/mail.log", LINES[:-100], modified=LATER)
    given = ["export", tmp_path / "log", "-o", tmp_path / "lake", "--state", tmp_path / "state"]
    killed = subprocess.run([sys.executable, "-c", KILLED, method, str(after), *map(str, given)], check=False)
    assert killed.returncode == 9
    assert list(tmp_path.glob(".state-*.done") if has_placed else tmp_path.glob("lake/.*.part"))
    write(tmp_path / "log/mail.log", LINES, modified=LATER)
    assert night().code == 0

    for table in TABLES:
        assert rows(tmp_path / "lake", table).equals(rows(once, table)), table
    assert not list(tmp_path.rglob(".*"))


def test_a_state_that_cannot_be_written_puts_no_row_in_its_place(night: Callable[..., Ran], tmp_path: Path) -> None:
    """As on a full disk: the tables are those of the night before, and nothing is left over."""
    write(tmp_path / "log/mail.log", LINES[:200], modified=LATER)
    night()
    before = sorted((tmp_path / "lake").rglob("*"))
    write(tmp_path / "log/mail.log", LINES, modified=LATER)
    (tmp_path / ".state.part").mkdir()
    failed = night()

    assert failed.code == 2
    assert "state" in failed.err
    assert sorted((tmp_path / "lake").rglob("*")) == before


def test_a_last_line_without_an_end_waits_for_the_rest(night: Callable[..., Ran], tmp_path: Path) -> None:
    """A log caught in the middle of a line: it is said, and the line is read once, whole."""
    whole = "".join(f"{line}\n" for line in LINES)
    write(tmp_path / "log/mail.log", whole[:-20].encode(), modified=LATER)
    first = night()
    write(tmp_path / "log/mail.log", whole.encode(), modified=LATER)
    second = night()

    assert "its last line has no end yet" in first.err
    assert "no end yet" not in second.err
    raws = [line for line in LINES if "cron" not in line]
    assert sorted(rows(tmp_path / "lake", "events")["raw"]) == sorted(raws)


def test_a_state_is_one_for_its_tables(night: Callable[..., Ran], tmp_path: Path) -> None:
    """What other tables need is not in it: refused, with the tables that are."""
    write(tmp_path / "log/mail.log", LINES, modified=LATER)
    night("--tables", "messages")
    other = night("--tables", "messages,sessions")

    assert other.code == 2
    assert "one for the tables messages:" in other.err
    stitcher = smtplog.Stitcher("sessions")
    stitcher.load((tmp_path / "state").read_bytes())
    with pytest.raises(smtplog.InputError, match="one for the tables messages"):
        stitcher.flush()


def test_two_runs_do_not_add_to_one_folder_at_once(night: Callable[..., Ran], tmp_path: Path) -> None:
    """The second ends with a sentence, and all is as it was; when the first has ended, or was killed, it may start."""
    write(tmp_path / "log/mail.log", LINES, modified=LATER)
    assert night().code == 0
    before = sizes(tmp_path / "lake")
    other = os.open(tmp_path / "lake", os.O_RDONLY)
    fcntl.flock(other, fcntl.LOCK_EX)
    late = night()

    assert late.code == 2
    assert "another run is adding to it" in late.err
    assert [path.name for path in (tmp_path / "lake").iterdir() if path.name.startswith(".")] == []
    os.close(other)
    assert night().code == 0
    assert sizes(tmp_path / "lake") == before


def test_a_lost_state_loses_no_rows(night: Callable[..., Ran], tmp_path: Path) -> None:
    """What was exported stays, and it is said that rows may be there twice."""
    write(tmp_path / "log/mail.log", LINES[:200], modified=LATER)
    night()
    before = sizes(tmp_path / "lake")
    (tmp_path / "state").unlink()
    write(tmp_path / "log/mail.log", LINES[200:], modified=LATER)
    ran = night()

    assert "rows are added to those there" in ran.err
    assert sizes(tmp_path / "lake")["events"] > before["events"]


def test_lines_that_are_fed_are_all_read() -> None:
    """Only files are known again: lines that a program feeds may well be the same ones."""
    stitcher = smtplog.Stitcher("events", year=2026)

    assert [stitcher.feed(LINES[:1])["events"].height for _ in range(2)] == [1, 1]


def blocks(data: bytes, size: int) -> Iterator[Block]:
    """A file in blocks of whole lines, about so long."""
    start, line = 0, 1
    while start < len(data):
        end = data.find(b"\n", start + size) + 1 or len(data)
        yield Block("x", data[start:end], line, start, is_last=end == len(data))
        line, start = line + data.count(b"\n", start, end), end


@pytest.mark.parametrize("size", [10, 700, HEAD, 10**6])
@pytest.mark.parametrize("read", [40, HEAD - 1, HEAD, HEAD + 500, 9000])
def test_what_is_new_of_a_file_does_not_depend_on_blocks(size: int, read: int) -> None:
    """A file that was read up to anywhere goes on at the next line, whatever the blocks."""
    data = b"".join(b"line %d of a log\n" % n for n in range(1000))
    before, after = Marks({}), Marks({})
    known = data[: data.rfind(b"\n", 0, read) + 1]
    assert b"".join(block.data for block in before.rest(blocks(data[:read], 333))) == known
    after.known = before.now()
    found = list(after.rest(blocks(data, size)))

    assert known + b"".join(block.data for block in found) == data
    assert found[0].first_line == known.count(b"\n") + 1
    assert (found[0].offset, found[-1].is_last) == (0, True)
    assert after.now()[next(reversed(after.now()))] == (HEAD, len(data))
