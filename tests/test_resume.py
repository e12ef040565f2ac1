"""Nights that add up: each reads what is new, and together they are one run over everything."""

from __future__ import annotations

import fcntl
import gzip
import io
import json
import os
import random
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import polars as pl
import pytest

import smtplog
from smtplog.contract.records import TABLES
from smtplog.read import envelope, resume, source
from smtplog.read.resume import HEAD, NEAR, Marks, Way
from tests.conftest import NOON, SAMPLES, Ran, text_of, traffic, write

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


@pytest.mark.parametrize("size", [10, 700, 10**6])
@pytest.mark.parametrize(
    "packs", [bytes, gzip.compress, lambda data: b"\xef\xbb\xbf" + data], ids=["plain", "gz", "bom"]
)
@pytest.mark.parametrize("read", [40, HEAD - 1, HEAD, HEAD + 500, NEAR, 9000, 400_000])
def test_what_is_new_of_a_file_does_not_depend_on_blocks(
    tmp_path: Path, size: int, packs: Callable[[bytes], bytes], read: int
) -> None:
    """A file that was read up to anywhere goes on there, whatever the blocks, and what is remembered is the same."""
    data = b"".join(b"line %d of a log\n" % n for n in range(30_000 if read > 9000 else 1000))
    known = data[: data.rfind(b"\n", 0, read) + 1]
    _, first = followed([], write(tmp_path / "a.log", known), 333)
    lines, then = followed(first, write(tmp_path / "b.log", packs(data)), size)
    _, at_once = followed([], write(tmp_path / "c.log", data), 10**6)

    assert lines == data[len(known) :]
    assert set(then) >= set(at_once)


def followed(known: list[Way], log: Path, size: int) -> tuple[bytes, list[Way]]:
    """What is new of a file, and what is remembered then."""
    marks, (one,) = Marks(known), source.inputs([log])
    assert marks.look(one)
    track = marks.begin(one)
    assert track
    blocks = list(source.blocks(one, size, track.end, track.lines + 1))
    assert blocks[0].first_line == track.lines + 1
    return b"".join(block.data for block in marks.follow(one, track, blocks)), marks.now()


def events_of(folder: Path) -> list[str]:
    """The lines of all events, sorted."""
    return sorted(rows(folder, "events")["raw"])


def told(lines: list[str]) -> list[str]:
    """Those of some lines that are events, sorted."""
    return sorted(line for line in lines if "cron" not in line)


@pytest.mark.parametrize("seed", range(3))
def test_older_copies_beside_a_log_are_not_read_again(night: Callable[..., Ran], tmp_path: Path, seed: int) -> None:
    """A copy of every night lies in the folder, or is put back later: each line is read once."""
    log = tmp_path / "log/mail.log"
    cuts = sorted(random.Random(seed).sample(range(1, len(LINES)), 5))
    for number, end in enumerate([*cuts, len(LINES)]):
        write(log, LINES[:end], modified=LATER)
        night()
        shutil.copy2(log, log.with_name(f"mail.log.bak{number}"))
    copies = sorted(log.parent.glob("*.bak*"))
    for copy in copies[1:]:
        copy.unlink()
    night()
    write(copies[2], LINES[: cuts[2]], modified=LATER)
    again = night()

    assert events_of(tmp_path / "lake") == told(LINES)
    assert "hold nothing new, as earlier runs have read them: 3" in again.err


def test_logs_that_begin_alike_are_each_read_on(night: Callable[..., Ran], tmp_path: Path) -> None:
    """As after copytruncate, where a writer goes on at its place and leaves NULs before it."""
    hosts = {"a": LINES, "b": [line.replace(" mx1 ", " mx9 ") for line in LINES]}
    hole = b"\0" * 9000 + b"\n"
    for ends in ({"a": 300, "b": 50}, {"a": 300, "b": 290}, {"a": 310, "b": 400}, {"a": 600, "b": 600}):
        for host, end in ends.items():
            path = tmp_path / "log" / host / "mail.log"
            path.parent.mkdir(exist_ok=True)
            path.write_bytes(hole + text_of(hosts[host][:end]))
            os.utime(path, (LATER, LATER))
        night()

    assert events_of(tmp_path / "lake") == sorted(told(hosts["a"][:600]) + told(hosts["b"][:600]))


@pytest.mark.parametrize("seed", range(4))
def test_a_log_that_was_cut_in_place_is_read_on(night: Callable[..., Ran], tmp_path: Path, seed: int) -> None:
    """Cut to a part of it, and others written behind that: it is said, no line is lost and few come twice."""
    log, chance = tmp_path / "log/mail.log", random.Random(seed)
    cut, grown = chance.randrange(10, 400), chance.choice([0, 3, 200])
    write(log, LINES[:500], modified=LATER)
    night()
    write(log, LINES[:cut] + LINES[500 : 500 + grown], modified=LATER)
    second = night()
    write(log, LINES[:cut] + LINES[500:], modified=LATER)
    third = night()
    found = events_of(tmp_path / "lake")

    assert "it is a log that was read before and went on otherwise (cut, or put back?)" in second.err
    assert "put back" not in third.err
    assert sorted(set(found)) == sorted(set(told(LINES)))
    assert len(found) - len(told(LINES)) <= 6


def test_a_log_that_was_cut_to_where_a_night_ended_before_is_read_on(night: Callable[..., Ran], tmp_path: Path) -> None:
    """What earlier nights read is known, but farther on it is another log: that is said, and few lines come twice."""
    log = tmp_path / "log/mail.log"
    for lines in (LINES[:200], LINES[:400], LINES[:380] + LINES[400:]):
        write(log, lines, modified=LATER)
        ran = night()
    found = events_of(tmp_path / "lake")

    assert "it is a log that was read before and went on otherwise (cut, or put back?)" in ran.err
    assert sorted(set(found)) == sorted(set(told(LINES)))
    assert len(found) - len(told(LINES)) <= 6


def test_a_packed_log_that_could_not_be_read_once_is_read_the_next_time(tmp_path: Path) -> None:
    """A disk that fails for a moment loses nothing."""
    (tmp_path / "mail.log.1.gz").write_bytes(
        gzip.compress(b"".join(f"line {n * 7919}\n".encode() for n in range(9000)))
    )
    known: list[Way] = []
    read = []
    for most in (20_000, None, None):
        marks, (one,) = Marks(known), source.inputs([tmp_path / "mail.log.1.gz"])
        if marks.look(one) and (track := marks.begin(one)):
            blocks = list(source.blocks(failing(one, most), 4000, track.end, track.lines + 1))
            read += [block.data for block in marks.follow(one, track, blocks)]
        known = marks.now()

    assert b"".join(read) == gzip.decompress((tmp_path / "mail.log.1.gz").read_bytes())


def failing(one: source.Input, most: int | None) -> source.Input:
    """An input that fails behind so many packed octets."""

    class Broken(io.BytesIO):
        def read(self, size: int | None = -1) -> bytes:
            if most is not None and self.tell() >= most:
                raise OSError(5, "Input/output error")
            return super().read(min(size or -1, 1000) if size and size > 0 else size)

    return replace(one, open=lambda: Broken(Path(one.name).read_bytes()))


def test_two_states_in_one_folder_leave_each_others_rows_alone(cli: Cli, tmp_path: Path) -> None:
    """A night that was killed is ended by its own next one, though another was between."""
    others = [line.replace(" mx1 ", " mx9 ") for line in LINES]
    write(tmp_path / "one.log", LINES, modified=LATER)
    write(tmp_path / "two.log", others, modified=LATER)

    def given(name: str) -> list[object]:
        return ["export", tmp_path / f"{name}.log", "-o", tmp_path / "lake", "--state", tmp_path / f"{name}.state"]

    killed = subprocess.run([sys.executable, "-c", KILLED, "place", "0", *map(str, given("one"))], check=False)
    assert killed.returncode == 9
    assert cli(*given("two")).code == 0
    assert cli(*given("one")).code == 0

    assert events_of(tmp_path / "lake") == sorted(told(LINES) + told(others))


def test_another_log_under_the_name_of_an_old_one_is_read_whole(night: Callable[..., Ran], tmp_path: Path) -> None:
    """The place where reading ended is one of another file: nothing is skipped."""
    others = [line.replace(" mx1 ", " mx9 ") for line in LINES]
    for lines in (LINES[:300], others[:400]):
        write(tmp_path / "log/mail.log", lines, modified=LATER)
        night()

    assert events_of(tmp_path / "lake") == sorted(told(LINES[:300]) + told(others[:400]))


SPLIT = [
    line
    for name in ("syslog-split", "syslog-copies")
    for line in (SAMPLES / f"exim/{name}.log").read_text("utf-8").splitlines()
]


@pytest.mark.parametrize("container", [False, True], ids=["plain", "docker"])
def test_a_night_that_ends_inside_an_entry_leaves_it_for_the_next(tmp_path: Path, container: bool) -> None:
    """Whatever line is the last one there: the parts that syslog was given are put together, and so are the two copies."""
    lines = [docker(line) for line in SPLIT] if container else SPLIT
    expected = entries_of(tmp_path, [lines])
    cuts = [entries_of(tmp_path, [lines[:cut], lines[:cut], lines]) for cut in range(1, len(lines))]

    assert [cut for cut, found in enumerate(cuts, 1) if not found.equals(expected)] == []


def entries_of(folder: Path, nights: list[list[str]]) -> pl.DataFrame:
    """The entries of a log as they are read night after night."""
    known: list[Way] = []
    found = []
    for lines in nights:
        marks, (one,) = Marks(known), source.inputs([write(folder / "exim.log", lines)])
        if marks.look(one) and (track := marks.begin(one)):
            blocks = source.blocks(one, 10**6, track.end, track.lines + 1)
            wrapping = envelope.find(pl.Series(lines))
            blocks = envelope.without_open(envelope.whole(blocks, wrapping), wrapping, is_complete=False)
            found += [envelope.entries(block, wrapping) for block in marks.follow(one, track, blocks)]
        known = marks.now()
    return pl.concat(found)


def test_nights_that_end_inside_an_entry_are_one_run(cli: Cli, night: Callable[..., Ran], tmp_path: Path) -> None:
    """It is said, and each recipient, refusal and message id is there once."""
    once = at_once(cli, tmp_path, SPLIT)
    said = 0
    for end in (40, 45, 61, 82, 90, len(SPLIT)):
        write(tmp_path / "log/exim.log", SPLIT[:end], modified=LATER)
        said += "log/exim.log: its last entry goes on; it is read next time" in night().err

    assert said >= 2
    for table in TABLES:
        assert rows(tmp_path / "lake", table).equals(rows(once, table)), table


@pytest.mark.parametrize("copies", [False, True])
def test_only_a_log_that_has_copies_waits_for_one(tmp_path: Path, copies: bool) -> None:
    """With `syslog_duplication = false` Exim sends each refusal once: the last one is read like the others."""
    once = [
        f"Nov 23 08:36:3{n} exim1 exim[{3439 + n // 3}]: H=(c) [10.77.1.1]:55079 F=<a@src.example> rejected RCPT <x{n}@y.example>: no"
        for n in range(6)
    ]
    lines = [line for line in once for _ in range(1 + copies)]

    assert entries_of(tmp_path, [lines[: len(lines) - copies]]).height == len(once) - copies


def docker(line: str) -> str:
    """A line as Docker keeps it."""
    return json.dumps({"log": f"{line}\n", "stream": "stdout", "time": "2026-11-23T12:00:00Z"})


def test_a_file_that_was_rotated_is_read_to_its_end(night: Callable[..., Ran], tmp_path: Path) -> None:
    """Nothing comes any more where a newer file is, or where it is packed: a last line without an end is the last line."""
    log = tmp_path / "log/mail.log"
    whole = text_of(LINES)
    packed = log.with_name("mail.log.2.gz")
    write(packed, gzip.compress(text_of(LINES[:100])[:-1], mtime=LATER), modified=LATER)
    write(log.with_name("mail.log.1"), text_of(LINES[100:300])[:-1], modified=LATER)
    write(log, whole[len(text_of(LINES[:300])) : -1], modified=LATER)
    first, second = night(), night()

    assert first.err.count("its last line has no end yet") == second.err.count("its last line has no end yet") == 1
    assert events_of(tmp_path / "lake") == told(LINES[:-1])
    packed.write_bytes(gzip.compress(text_of(LINES[:100]) + b"x")[:-30])
    assert "log/mail.log.2.gz: reading stopped" in night().err


def test_transcripts_are_read_once(night: Callable[..., Ran], tmp_path: Path) -> None:
    """Also night after night; of one that has grown the new sessions are added."""
    text = (SAMPLES / "transcript/aiosmtpd.txt").read_text("utf-8")
    protocol = next(SAMPLES.rglob("exchange-receive.txt")).read_text("utf-8")
    write(tmp_path / "log/mail.log", LINES, modified=LATER)
    write(tmp_path / "log/pasted.txt", text.encode(), modified=LATER)
    write(tmp_path / "log/recv.log", protocol.encode(), modified=LATER)
    first, second = night("--tables", "sessions"), night("--tables", "sessions")
    once = rows(tmp_path / "lake", "sessions").height

    assert "hold nothing new, as earlier runs have read them: 3" in second.err
    assert ": 0 rows" in second.out
    assert f": {once:,} rows" in first.out
    count = smtplog.frames(tmp_path / "log/pasted.txt", "sessions")["sessions"].height
    write(tmp_path / "log/pasted.txt", f"{text}\n\n{text}".encode(), modified=LATER)
    night("--tables", "sessions")
    assert rows(tmp_path / "lake", "sessions").height == once + count


def test_many_files_are_remembered_as_long_as_they_are_given(
    night: Callable[..., Ran], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """More than are remembered of others; nothing of them is read where nothing is new, and the state stays as it is."""
    monkeypatch.setattr(resume, "MOST", 3)
    for n in range(40):
        path = tmp_path / "log" / f"host{n}" / "mail.log"
        path.parent.mkdir()
        write(path, [line.replace(" mx1 ", f" mx{n} ") for line in LINES[:30]], modified=LATER)
    write(tmp_path / "log/host7/mail.log.1.gz", gzip.compress(text_of(LINES)), modified=LATER)
    night("--tables", "events")
    size = (tmp_path / "state").stat().st_size
    before = sizes_of_events(tmp_path)
    monkeypatch.setattr(source, "blocks", None)
    for _ in range(3):
        ran = night("--tables", "events")
        assert ran.code == 0
        assert "as earlier runs have read them: 41" in ran.err
    assert sizes_of_events(tmp_path) == before
    assert (tmp_path / "state").stat().st_size <= size + 100


def sizes_of_events(folder: Path) -> int:
    """How many events there are."""
    return rows(folder / "lake", "events").height


def test_the_state_does_not_grow_with_the_nights(night: Callable[..., Ran], tmp_path: Path) -> None:
    """The names of files that nothing open came from are forgotten, and each open mail keeps its own."""
    for n in range(20):
        write(tmp_path / "log" / f"mail-202611{n:02}.log", LINES[n * 20 : n * 20 + 20], modified=LATER)
        night()
    with zipfile.ZipFile(tmp_path / "state") as archive:
        meta = json.loads(archive.read("state.json"))
        opened = pl.concat([pl.read_ipc(archive.read(f)).select("seq") for f in archive.namelist() if "/" in f])
    made = pl.concat([pl.read_parquet(path) for path in (tmp_path / "lake/messages").glob("*.parquet")])

    assert sorted((opened["seq"] // 2**40).unique()) == list(range(len(meta["sources"])))
    assert len(meta["sources"]) < 20
    for source_name, line, queue_id in made.select("source", "line", "queue_id").iter_rows():
        assert queue_id in Path(source_name).read_text().splitlines()[line - 1]


@pytest.mark.parametrize(("before", "now"), [((), ("--partition-by", "date")), (("--partition-by", "date"), ())])
def test_rows_are_parted_by_date_or_are_not(
    night: Callable[..., Ran], tmp_path: Path, before: tuple[str, ...], now: tuple[str, ...]
) -> None:
    """Another --partition-by than before is refused, and all stays as it is."""
    write(tmp_path / "log/mail.log", LINES[:200], modified=LATER)
    night(*before)
    there, state = sorted((tmp_path / "lake").rglob("*")), (tmp_path / "state").read_bytes()
    write(tmp_path / "log/mail.log", LINES, modified=LATER)
    other = night(*now)

    assert other.code == 2
    assert "--partition-by" in other.err
    assert sorted((tmp_path / "lake").rglob("*")) == there
    assert (tmp_path / "state").read_bytes() == state
    assert night(*before).code == 0


def test_a_state_of_an_older_version_is_refused(night: Callable[..., Ran], tmp_path: Path) -> None:
    """It knows files in another way."""
    write(tmp_path / "log/mail.log", LINES, modified=LATER)
    night()
    old = tmp_path / "old"
    with zipfile.ZipFile(tmp_path / "state") as archive, zipfile.ZipFile(old, "w") as made:
        for name in archive.namelist():
            octets = archive.read(name)
            made.writestr(name, octets.replace(b'"ways"', b'"read"') if name == "state.json" else octets)
    old.replace(tmp_path / "state")
    refused = night()

    assert refused.code == 2
    assert "none of this version" in refused.err
