"""The functions a program calls: typed records in flat memory, with the count of what was not understood."""

from __future__ import annotations

import codecs
import copy
import gc
import gzip
import io
import multiprocessing
import os
import pickle
import subprocess
import sys
import tempfile
import threading
import tracemalloc
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from dataclasses import fields
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, get_type_hints

import polars as pl
import pytest

import smtplog
from smtplog import Delivery, Event, Message, Options, Session, Stitcher, Unparsed
from smtplog.contract import schema
from smtplog.contract.records import TABLES
from smtplog.errors import InputError, QueryError, SmtplogError
from smtplog.read.options import _SENSE, Reading
from tests.conftest import NOON, TOP, mail, stamp, traffic, write

RECORDS = {"events": Event, "sessions": Session, "messages": Message, "deliveries": Delivery}


@pytest.mark.parametrize("table", TABLES)
def test_typed_records(log: Path, table: str) -> None:
    """Each function iterates over records of its type."""
    found = list(getattr(smtplog, table)(log))

    assert found
    assert all(type(record) is RECORDS[table] for record in found)


def test_every_kind_of_source_is_the_same_log(log: Path) -> None:
    """A path as text or Path, a list of paths, open files, packed ones, lines as text or octets, a generator."""
    data = log.read_bytes()
    sources: list[object] = [
        str(log), log, [str(log)], [log], io.BytesIO(data), io.BytesIO(gzip.compress(data)), io.StringIO(data.decode()),
        data.decode().splitlines(), data.splitlines(keepends=True), (line for line in data.decode().splitlines()),
    ]  # fmt: skip
    found = [[d.model_dump(exclude={"source"}) for d in smtplog.deliveries(source, year=2026)] for source in sources]

    assert len(found[0]) == 1
    assert all(one == found[0] for one in found)
    with log.open("rb") as stream:
        assert [d.source for d in smtplog.deliveries(stream, year=2026)] == [str(log)]


def test_whatever_reads_like_a_file_is_one(log: Path, tmp_path: Path) -> None:
    """A temporary file, a wrapped stream of text, a reader of a few octets, a path of another class."""

    class Few:
        def __init__(self) -> None:
            self.stream = io.BytesIO(log.read_bytes())

        def read(self, size: int = -1) -> bytes:
            return self.stream.read(min(size, 7))

    class Place:
        def __fspath__(self) -> str:
            return str(log)

    with tempfile.NamedTemporaryFile("w+", dir=tmp_path, encoding="utf-8") as words:
        words.write(log.read_text())
        words.seek(0)
        found = [smtplog.frames(source, "events", year=2026)["events"] for source in (
            words, codecs.getreader("utf-8")(io.BytesIO(log.read_bytes())), Few(), Place(), [Place()], str(log),
        )]  # fmt: skip

    assert found[0].height == 7
    assert all(one.drop("source").equals(found[0].drop("source")) for one in found)


class Shaped:
    """Reads like a file, and gives always the same."""

    def __init__(self, what: object) -> None:
        self.what = what

    def read(self, _: int) -> object:
        """That, whatever it is."""
        return self.what


@pytest.mark.parametrize(
    ("source", "said"),
    [
        (None, "NoneType: nothing to read"),
        (3, "int: nothing to read"),
        (b"a line", "io.BytesIO for octets"),
        ([1, 2], "int: no line of text"),
        ({Path("a"), Path("b")}, "set: its lines have no order; give lines or several files as a list"),
        ({"a.log", "b.log"}, "set: its lines have no order; give lines or several files as a list"),
        (iter([Path("a")]), "Path: no line of text or octets; several files are given as a list"),
        ((name for name in (__file__, "x")), f"{__file__}: a file, where a line of a log was expected"),
        (
            [__file__, "a name with blanks.log"],
            "several files are given as a list, a name with a blank in it as a Path",
        ),
        ("", "an empty path names nothing"),
        ([__file__, ""], "an empty path names nothing"),
        (Shaped(3), "its read() gives int, neither octets nor text"),
        (Shaped(None), "does not wait for more"),
        (io.TextIOWrapper(io.BytesIO(b"\xe9\n"), "utf-8"), "best as octets"),
        ("\n".join(mail() * 9), "given as text.splitlines()"),
        ("a\0b", "no such file"),
    ],
)
def test_what_is_no_source_is_refused(source: Any, said: str) -> None:
    """An `InputError` that says what to give instead."""
    with pytest.raises(InputError) as raised:
        list(smtplog.events(source, year=2026))

    assert said in str(raised.value)


@pytest.mark.parametrize("mode", ["w", "wb", "ab", "x"])
def test_a_file_opened_to_be_written_is_refused(tmp_path: Path, mode: str) -> None:
    """It is no empty log; neither is one that was closed."""
    with (tmp_path / "mail.log").open(mode) as stream, pytest.raises(InputError, match=r"mail\.log: it cannot be read"):
        list(smtplog.events(stream, year=2026))
    write(tmp_path / "mail.log", mail())
    with (tmp_path / "mail.log").open("rb") as closed:
        pass
    with pytest.raises(InputError, match="closed file; open it"):
        list(smtplog.events(closed, year=2026))


@pytest.mark.parametrize(("mode", "buffering"), [("rb", 0), ("rb", -1), ("r", -1)])
def test_a_pipe_that_does_not_wait_is_refused(mode: str, buffering: int) -> None:
    """Nothing there yet is not the end: an error, also after some lines, and none once the writer has gone."""
    data = "".join(f"{line}\n" for line in mail()).encode()
    for before in (b"", data):
        out, into = os.pipe()
        os.set_blocking(out, False)
        os.write(into, before)
        with os.fdopen(out, mode, buffering) as pipe, pytest.raises(InputError, match="does not wait for more"):
            list(smtplog.events(pipe, year=2026))
        os.close(into)
    out, into = os.pipe()
    os.write(into, data)
    os.close(into)
    os.set_blocking(out, mode == "r")  # of a text that does not wait, end and pause look the same
    with os.fdopen(out, mode, buffering) as pipe:
        assert len(list(smtplog.events(pipe, year=2026))) == 7


def test_half_a_letter_is_text_too() -> None:
    """Lone surrogates, as JSON may hold them: no error, and every record can be written down."""
    line = next(line for line in mail(said="250 ok \ud83d") if "\ud83d" in line)
    found = [smtplog.parse_line(line, year=2026), *smtplog.events([line], year=2026)]
    found += smtplog.parse_transcript("S: 220 x \ud83d \udcff\nC: HELO y\nS: 250 ok\nC: QUIT\nS: 221 bye\n")

    assert len(found) == 3
    assert all("ud83d" in one.model_dump_json() for one in found)


def test_one_line_is_a_log() -> None:
    """A list that holds a single line."""
    assert len(list(smtplog.events([mail()[0]], year=2026))) == 1
    assert len(list(smtplog.events([mail()[0] + "\n"], year=2026))) == 1


def test_the_count_comes_with_the_iterator() -> None:
    """`tally` is complete once the iterator is at its end."""
    run = smtplog.deliveries([*mail(), f"{stamp(NOON)} mx1 postfix/qmgr[1]: odd", "x"], year=2026)

    assert run.tally.entries == 0
    assert len(list(run)) == 1
    assert (run.tally.understood, run.tally.unknown, run.tally.malformed) == (7, 1, 1)


def test_an_iterator_may_be_left_early(log: Path) -> None:
    """Nothing is left open: a with-statement or a full read is not needed."""
    run = smtplog.events(log, block_bytes=100)

    assert next(run).kind == "connect"
    del run


def test_an_iterator_left_early_leaves_nothing_open(log: Path) -> None:
    """At once, without the garbage collector: no thread runs on and no file stays open."""
    write(log, traffic(60))
    before = threading.active_count()
    gc.disable()
    try:
        with smtplog.events(log, block_bytes=1000) as run:
            next(run)
        closed = smtplog.events(log, block_bytes=1000)
        next(closed)
        closed.close()
        for _ in smtplog.events(log, block_bytes=1000):
            break
        assert threading.active_count() == before
        assert list(run) == list(closed) == []
        assert log not in [one.readlink() for one in Path("/proc/self/fd").iterdir() if one.is_file()]
    finally:
        gc.enable()


def test_two_threads_read_two_logs(log: Path) -> None:
    """Nothing is shared between runs but what is read only."""
    write(log, traffic(60))
    expected = [d.model_dump_json() for d in smtplog.deliveries(log)]

    def read(_: int) -> list[str]:
        return [d.model_dump_json() for d in smtplog.deliveries(log, block_bytes=9000)]

    with ThreadPoolExecutor(4) as pool:
        assert all(found == expected for found in pool.map(read, range(4)))


@pytest.mark.parametrize("way", ["spawn", "forkserver"])
def test_a_pool_of_processes_reads_logs(log: Path, way: str) -> None:
    """Processes that start afresh; records travel between them."""
    expected = list(smtplog.deliveries(log))
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context(way)) as pool:
        assert pool.submit(_deliveries, log).result(timeout=60) == expected


def _deliveries(log: Path) -> list[Delivery]:
    return list(smtplog.deliveries(log))


@pytest.mark.parametrize("table", TABLES)
def test_records_come_back_as_they_were(log: Path, table: str) -> None:
    """From JSON, from a dict, from a pickle, from a copy: equal records, and the same JSON again."""
    write(log, traffic(20))
    for record in getattr(smtplog, table)(log):
        said = record.model_dump_json()
        for back in (
            type(record).model_validate_json(said), type(record).model_validate(record.model_dump()),
            pickle.loads(pickle.dumps(record)), copy.deepcopy(record), record.model_copy(),  # noqa: S301
        ):  # fmt: skip
            assert back == record
            assert back.model_dump_json() == said


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("year", "2026"), ("year", 2026.0), ("zone", 3), ("reference", datetime(2026, 1, 1)), ("reference", "2026"),
        ("idle", 5), ("idle", "5d"), ("idle", None), ("idle", timedelta(-1)), ("log_host", 5), ("dedupe", True),
        ("local_domains", "example.org"), ("local_networks", [1]), ("show_secrets", "no"), ("rules", 1), ("rules", ""),
        ("block_bytes", 0), ("block_bytes", -5), ("threads", 0), ("watch", 1), ("input_format", 3),
    ],
)  # fmt: skip
def test_an_option_that_makes_no_sense_is_refused(name: str, value: object) -> None:
    """At once, with what to give instead; nothing is read in some other way in silence."""
    for call in (smtplog.events, smtplog.parse_line):
        with pytest.raises(QueryError, match=f"^{name}=.*: give "):
            call(mail()[0], **{name: value})  # type: ignore[operator]


def test_keywords_are_the_options() -> None:
    """What editors and type checkers are told is what there is."""
    told = get_type_hints(Reading)

    assert told == get_type_hints(Options)
    assert list(told) == [one.name for one in fields(Options)] == [name for name, _, _ in _SENSE]


PROGRAM = """
import smtplog
from pathlib import Path
from typing import assert_type
from datetime import datetime

with smtplog.deliveries([Path("a")], year=2026) as run:
    for one in run:
        assert_type(one.at, datetime | None)
assert_type(run.tally.understood, int)
assert_type(smtplog.parse_line("x"), smtplog.Event | smtplog.Unparsed)
smtplog.deliveries("a", yaer=2026)
smtplog.deliveries("a", year="2026")
smtplog.deliveries(b"a")
smtplog.nothing
run.tally.nothing
"""


def test_a_program_is_checked_by_its_types(tmp_path: Path) -> None:
    """`mypy --strict` finds a wrong option, source or name in a program that uses the library, and nothing else."""
    program = tmp_path / "program.py"
    program.write_text(PROGRAM)
    ran = subprocess.run(
        [sys.executable, "-m", "mypy", "--strict", str(program)], capture_output=True, text=True, cwd=TOP, check=False
    )
    wrong = [int(line.split(":")[1]) for line in ran.stdout.splitlines() if ": error:" in line]

    assert wrong == [12, 13, 14, 15, 16], ran.stdout


def test_memory_is_flat() -> None:
    """Five times the log does not take five times the memory: what is over is given out and forgotten."""

    def lines(count: int) -> Iterator[str]:
        for n in range(count):
            yield from mail(f"{n:X}0A", NOON + timedelta(seconds=20 * n))

    def peak(count: int) -> int:
        tracemalloc.start()
        for _ in smtplog.messages(lines(count), year=2026, block_bytes=20_000, threads=1):
            pass
        _, most = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        return most

    peak(30)
    assert peak(400) < 2 * peak(80)


def test_frames_are_whole_tables(log: Path) -> None:
    """Polars frames with the columns of the records; empty tables are there too; Arrow is one call away."""
    made = smtplog.frames(log)

    assert list(made) == list(TABLES)
    for table, frame in made.items():
        assert frame.schema == schema.of(TABLES[table])
        assert frame.to_arrow().num_rows == frame.height > 0
    assert list(smtplog.frames(log, "messages")) == ["messages"]
    assert all(frame.is_empty() for frame in smtplog.frames(["nothing here"], year=2026).values())
    with pytest.raises(QueryError, match="no table mails; known are events, sessions, messages, deliveries"):
        smtplog.frames(log, "mails")


def test_errors_have_one_root() -> None:
    """`except SmtplogError` is enough."""
    for source, options, error in (
        ("nowhere.log", {}, InputError),
        (mail(), {}, QueryError),
        (mail(), {"input_format": "x"}, QueryError),
    ):
        with pytest.raises(SmtplogError) as raised:
            list(smtplog.events(source, **options))  # type: ignore[arg-type]
        assert type(raised.value) is error


def test_an_unknown_option_is_refused() -> None:
    """As Python refuses any wrong keyword."""
    with pytest.raises(TypeError, match="yaer"):
        smtplog.events(mail(), yaer=2026)
    assert Options().year is None


def test_a_line_by_itself() -> None:
    """`parse_line` gives the event that a run over the file gives, but for what needs other lines."""
    for line, event in zip(mail(), smtplog.events(mail(), year=2026), strict=True):
        alone = smtplog.parse_line(line, year=2026)
        assert isinstance(alone, Event)
        assert alone.model_dump(exclude={"line", "message_key", "session_key"}) == event.model_dump(
            exclude={"line", "message_key", "session_key"}
        )


def test_a_line_without_a_year_has_no_time() -> None:
    """Absent is null, never a guess; a line end does not matter."""
    event = smtplog.parse_line(mail()[0] + "\r\n")

    assert isinstance(event, Event)
    assert event.at is None
    assert smtplog.parse_line(mail()[0], reference=datetime(2027, 1, 1, tzinfo=UTC)).at == NOON  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("line", "why", "program"),
    [
        ("nonsense", "malformed", None),
        ("", "malformed", None),
        (f"{stamp(NOON)} mx1 cron[1]: x", "foreign", "cron"),
        (f"{stamp(NOON)} mx1 postfix/smtpd[1]: an odd sentence", "unknown", "postfix/smtpd"),
    ],
)
def test_a_line_that_is_none(line: str, why: str, program: str | None) -> None:
    """The record says why, and for our own programs what was expected where."""
    found = smtplog.parse_line(line, year=2026)

    assert isinstance(found, Unparsed)
    assert (found.why, found.program, found.raw) == (why, program, line)
    assert (found.expected is not None) == (why == "unknown")


def test_a_transcript() -> None:
    """`parse_transcript` gives the sessions in a text, in any surroundings; an empty list where there is none."""
    found = smtplog.parse_transcript(
        "Look:\nS: 220 mx.example\nC: HELO me.example\nS: 250 hello\nC: QUIT\nS: 221 bye\nThanks!"
    )

    assert [(s.helo, s.closed_by, s.format) for s in found] == [("me.example", "quit", "transcript")]
    assert smtplog.parse_transcript("Dear all, nothing to see.") == []
    assert smtplog.parse_transcript("") == []


def test_a_stitcher_joins_what_is_fed_piece_by_piece() -> None:
    """feed, save, load, flush: what one piece leaves open, a later one closes, with the keys and rows of one run."""
    lines = traffic(30)
    whole = smtplog.frames(lines, year=2026)
    first = Stitcher(year=2026)
    made = [first.feed(lines[:60]), first.feed(lines[60:100])]
    second = Stitcher(year=2026)
    second.load(first.save())
    made += [second.feed(lines[100:]), second.flush()]

    for table, key in (
        ("messages", "message_key"),
        ("deliveries", "delivery_key"),
        ("sessions", "session_key"),
        ("events", "raw"),
    ):
        joined = pl.concat(batch[table] for batch in made).drop("line").sort(key, "host")
        assert joined.equals(whole[table].drop("line").sort(key, "host")), table
    assert first.tally.entries + second.tally.entries == len(lines)
    assert first.save() is not None
    assert second.save() is None


def test_a_stitcher_refuses_what_is_no_state() -> None:
    """At the next feed, with what to do; a table that is none at once."""
    stitcher = Stitcher("messages", year=2026)
    stitcher.load(b"nonsense")

    with pytest.raises(InputError, match="none of this version"):
        stitcher.feed(mail())
    with pytest.raises(QueryError, match="no table mails"):
        Stitcher("mails")


def test_secrets_are_masked_unless_asked_for() -> None:
    """Passwords of an AUTH exchange do not leave the library by default."""
    text = "S: 220 x\nC: EHLO y\nS: 250 AUTH PLAIN\nC: AUTH PLAIN AGFubgBzM2NyZXQ=\nS: 235 ok\nC: QUIT\nS: 221 bye\n"
    hidden, shown = smtplog.parse_transcript(text), smtplog.parse_transcript(text, show_secrets=True)

    assert "AGFubgBzM2NyZXQ" not in hidden[0].model_dump_json()
    assert "AGFubgBzM2NyZXQ" in shown[0].model_dump_json()


def test_the_example_of_the_front_door() -> None:
    """The package's own docstring runs."""
    import doctest

    assert doctest.testmod(smtplog).failed == 0


def test_a_directory(tmp_path: Path) -> None:
    """All files of a rotated set, the oldest first."""
    lines = traffic(20)
    write(tmp_path / "mail.log.1", lines[:60])
    write(tmp_path / "mail.log", lines[60:])

    assert [e.raw for e in smtplog.events(tmp_path, year=2026)] == [line for line in lines if "cron" not in line]
