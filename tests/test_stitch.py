"""Events become messages, deliveries and sessions: the same ones however the input is cut."""

from __future__ import annotations

import random
from datetime import timedelta
from functools import cache
from pathlib import Path

import polars as pl
import pytest

import smtplog
from smtplog.contract import schema
from smtplog.contract.records import Delivery, Message, Session
from smtplog.pipeline import Options, run
from tests.conftest import NOON, SAMPLES, mail, stamp, text_of, traffic, write

KEYS = {"events": "line", "messages": "message_key", "deliveries": "delivery_key", "sessions": "session_key"}


def tables(source: object, **options: object) -> dict[str, pl.DataFrame]:
    """All tables of a source, each sorted by its key."""
    made = smtplog.frames(source, year=2026, **options)
    return {table: frame.sort(KEYS[table], "line") for table, frame in made.items()}


def same(one: dict[str, pl.DataFrame], other: dict[str, pl.DataFrame], *but: str) -> None:
    """Are the tables equal, row by row?"""
    for table, frame in one.items():
        mine, theirs = frame.drop(*but, strict=False), other[table].drop(*but, strict=False)
        assert mine.height == theirs.height, table
        for name in mine.columns:
            assert mine[name].equals(theirs[name], null_equal=True), f"{table}.{name}"


def logs() -> list[Path]:
    """The longest logs among the samples of every format: cutting them cuts messages."""
    folders = [folder for folder in SAMPLES.iterdir() if folder.is_dir()]
    return [path for one in folders for path in sorted(one.glob("*.log"), key=lambda p: p.stat().st_size)[-5:]]


@cache
def whole(path: Path, **options: object) -> dict[str, pl.DataFrame]:
    """All tables of a log read in one block."""
    return tables(path, **options)


@pytest.fixture(scope="module")
def busy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A busy hour in which ids come back within a minute."""
    return write(tmp_path_factory.mktemp("busy") / "mail.log", traffic(40, gap=timedelta(seconds=3)))


def test_blocks_do_not_matter(busy: Path) -> None:
    """Blocks of some mails or the whole file: the same keys and the same rows, events included."""
    same(whole(busy), tables(busy, block_bytes=3_000))


def test_blocks_of_a_few_lines_do_not_matter(tmp_path: Path) -> None:
    """Nor where every mail is torn."""
    few = write(tmp_path / "mail.log", traffic(12, gap=timedelta(seconds=3)))

    same(whole(few), tables(few, block_bytes=500))


def test_blocks_do_not_matter_for_samples() -> None:
    """Nor for samples of any format, cut in three."""
    for path in logs():
        try:
            same(whole(path), tables(path, block_bytes=max(300, path.stat().st_size // 3)))
        except AssertionError as error:
            raise AssertionError(f"{path.name}: {error}") from error


def test_nights_do_not_matter_for_samples() -> None:
    """Nor where one run ends and the next begins, when the state is saved and loaded: keys, links, results."""
    for path in logs():
        lines = path.read_bytes().splitlines(keepends=True)
        once = whole(path)
        if once["events"]["line_count"].max() > 1:  # type: ignore[operator]  # the cut may fall into an entry
            continue
        first, second = smtplog.Stitcher(year=2026), smtplog.Stitcher(year=2026)
        parts = [first.feed(lines[: len(lines) // 2])]
        second.load(first.save())
        parts += [second.feed(lines[len(lines) // 2 :]), second.flush()]
        for table in ("messages", "deliveries"):
            nights = pl.concat(part[table] for part in parts).drop("source", "line").sort(KEYS[table])
            assert nights.equals(once[table].drop("source", "line").sort(KEYS[table])), f"{path.name}: {table}"


def test_threads_do_not_matter(busy: Path) -> None:
    """One thread or many: the same, in the same order."""
    one, four = (
        smtplog.frames(busy, year=2026, threads=1),
        smtplog.frames(busy, year=2026, threads=4, block_bytes=6_000),
    )

    for table in KEYS:
        assert sorted(one[table].rows(), key=str) == sorted(four[table].rows(), key=str)


@pytest.mark.parametrize("share", [0.1, 0.5, 0.93])
def test_a_split_file_is_the_same_log(tmp_path: Path, share: float) -> None:
    """Rotated in the middle, the two files together give what the one gave; only source and line differ."""
    lines = traffic(100, gap=timedelta(seconds=3))
    cut = int(len(lines) * share)
    one = write(tmp_path / "whole", lines)
    parts = [str(write(tmp_path / "mail.log.1", lines[:cut])), str(write(tmp_path / "mail.log", lines[cut:]))]
    made = {}
    for name, source in (("whole", one), ("parts", parts)):
        found = smtplog.frames(source, year=2026)
        made[name] = {
            t: f.sort(*(("raw", "at") if t == "events" else (KEYS[t],))).drop("source", "line")
            for t, f in found.items()
        }

    same(made["whole"], made["parts"], "line")


def test_keys_are_unique(busy: Path) -> None:
    """No two records of a table have one key."""
    for table, frame in whole(busy).items():
        if table != "events":
            assert frame[KEYS[table]].is_unique().all(), table


def test_an_id_used_again_within_a_minute_is_another_message() -> None:
    """Short Postfix ids come back; each life has its own key, with the time of its first line."""
    lines = mail("4F3A12", NOON, to="first@dest.example") + mail(
        "4F3A12", NOON + timedelta(seconds=20), to="second@dest.example"
    )
    found = list(smtplog.messages(lines, year=2026))

    assert [m.message_key for m in found] == [
        "mx1/postfix/4F3A12@2026-11-23T12:00:00.000000Z",
        "mx1/postfix/4F3A12@2026-11-23T12:00:20.000000Z",
    ]
    assert [m.recipients[0].address for m in found if m.recipients] == ["first@dest.example", "second@dest.example"]
    assert not any(m.is_partial for m in found)


def test_a_long_id_is_its_own_key() -> None:
    """Long Postfix ids never come back: no time in the key, however long the message waits."""
    queue_id = "4hPxMG1Qkwz7x2"
    lines = (
        mail(queue_id, NOON, status="deferred", said="timed out", ends=False)
        + mail(queue_id, NOON + timedelta(days=3))[5:]
    )
    found = list(smtplog.messages(lines, year=2026))

    assert [m.message_key for m in found] == [f"mx1/postfix/{queue_id}"]
    assert found[0].recipients is not None
    assert found[0].recipients[0].attempts == 2


def test_retries_are_attempts_of_one_message() -> None:
    """A deferral, another one, then success: three deliveries numbered from 1, one message that was sent."""
    told = {
        "status": "deferred",
        "said": "connect to mx.dest.example[10.77.2.1]:25: Connection refused",
        "dsn": "4.4.1",
    }
    lines = (
        mail("4F3A12", NOON, ends=False, **told)
        + mail("4F3A12", NOON + timedelta(minutes=10), **told)[5:6]
        + mail("4F3A12", NOON + timedelta(minutes=30))[5:]
    )
    deliveries, messages = list(smtplog.deliveries(lines, year=2026)), list(smtplog.messages(lines, year=2026))

    assert [(d.attempt, d.status, d.is_final) for d in deliveries] == [
        (1, "deferred", False),
        (2, "deferred", False),
        (3, "sent", True),
    ]
    assert len(messages) == 1
    assert messages[0].status == "sent"
    assert messages[0].recipients is not None
    assert (messages[0].recipients[0].attempts, messages[0].recipients[0].status) == (3, "sent")


def test_what_began_before_the_log_is_partial() -> None:
    """Without its first lines a message says so, and its key does not pretend to know its birth."""
    found = list(smtplog.messages(mail()[3:], year=2026))

    assert [(m.message_key, m.is_partial, m.received_at) for m in found] == [("mx1/postfix/4F3A12@?", True, None)]


def test_what_ends_after_the_log_is_partial() -> None:
    """Without its last line a message is still there, as it stands."""
    found = list(smtplog.messages(mail(ends=False, status="deferred", said="x"), year=2026))

    assert [(m.status, m.is_partial, m.removed_at) for m in found] == [("deferred", True, None)]


def test_the_queues_word_for_the_sender_counts() -> None:
    """Mail picked up on the machine begins with a user's name; the queue manager says the whole address."""
    picked_up = f"{stamp(NOON)} mx1 postfix/pickup[7]: 4F3A12: uid=0 from=<root>"
    lines = [picked_up, *mail(sender="root@src.example")[2:]]

    assert [m.sender for m in smtplog.messages(lines, year=2026)] == ["root@src.example"]
    assert [d.sender for d in smtplog.deliveries(lines, year=2026)] == ["root@src.example"]
    assert [m.sender for m in smtplog.messages([picked_up], year=2026)] == ["root"]


def test_a_silent_message_leaves_after_the_stated_time() -> None:
    """`idle` says how long; what comes later under its short id is another message, and memory is given back."""
    lines = mail("4F3A12", NOON, ends=False, status="deferred", said="x") + mail("4F3A12", NOON + timedelta(days=2))[5:]

    assert len(list(smtplog.messages(lines, year=2026, idle=timedelta(days=1)))) == 2
    assert len(list(smtplog.messages(lines, year=2026, idle=timedelta(days=5)))) == 1


def test_a_message_leaves_the_carry_when_it_is_over() -> None:
    """Messages come out while the log is still being read: an endless log needs no endless memory."""

    def endless() -> object:
        n = 0
        while True:
            yield from mail(f"{n:X}0A", NOON + timedelta(seconds=30 * n))
            n += 1

    run = smtplog.messages(endless(), year=2026, block_bytes=10_000)
    first = [next(run) for _ in range(200)]

    assert len({m.message_key for m in first}) == 200


def test_two_hosts_in_one_log_stay_apart() -> None:
    """The same queue id and pid on two hosts are two messages and two sessions, as interleaved as they may be."""
    mixed = [line for pair in zip(mail(host="mx1"), mail(host="mx2"), strict=True) for line in pair]
    found = list(smtplog.messages(mixed, year=2026))

    assert sorted(m.message_key.partition("/")[0] for m in found) == ["mx1", "mx2"]
    assert not any(m.is_partial for m in found)
    assert len({s.session_key for s in smtplog.sessions(mixed, year=2026)}) == 2


def test_a_message_knows_its_session() -> None:
    """The keys on message, session and events are the same text."""
    session = next(smtplog.sessions(mail(), year=2026))
    message = next(smtplog.messages(mail(), year=2026))
    events = list(smtplog.events(mail(), year=2026))

    assert session.session_key == message.session_key == "mx1/postfix/smtpd/101@2026-11-23T12:00:00.000000Z.1"
    assert {e.session_key for e in events if e.service == "smtpd"} == {session.session_key}
    assert {e.message_key for e in events if e.queue_id} == {message.message_key}


def test_two_connections_of_a_process_in_one_second() -> None:
    """The ordinal within the second tells them apart."""
    once = [mail()[0], mail()[4].replace("12:00:01", "12:00:00")]

    assert [s.session_key[-2:] for s in smtplog.sessions(once * 3, year=2026)] == [".1", ".2", ".3"]


def test_connections_out_whose_beginning_no_line_tells() -> None:
    """A client's dialogues that only what was said tells apart have keys of their own, with times like all others."""
    said = ("< 220 mx ESMTP", "> EHLO mx1.src.example", "< 250 mx", "> MAIL FROM:<a@b.example>", "< 421 later")
    lines = [
        f"{stamp(NOON + timedelta(minutes=m, seconds=s))} mx1 postfix/smtp[7]: {text[0]} mx.dest.example[10.77.2.1]:25:{text[1:]}"
        for m in (0, 1)
        for s, text in enumerate(said)
    ]
    found = smtplog.sessions(lines, year=2026, input_format="postfix")

    assert [s.session_key for s in found] == [
        "mx1/postfix/smtp/7@?",
        "mx1/postfix/smtp/7@2026-11-23T12:01:00.000000Z.2",
    ]


def test_a_refusal_is_a_delivery_of_its_session() -> None:
    """A NOQUEUE reject has no message; it has the session's client, and a key of its own."""
    refused = (
        f"{stamp(NOON)} mx1 postfix/smtpd[101]: NOQUEUE: reject: RCPT from c1.src.example[10.77.1.1]: 554 5.7.1 <x@y.example>: "
        "Relay access denied; from=<a@b.example> to=<x@y.example> proto=ESMTP helo=<h.example>"
    )
    lines = [mail()[0], refused, refused, mail()[4]]
    found = list(smtplog.deliveries(lines, year=2026))

    assert [(d.status, d.message_key, d.queue_id, d.client_ip) for d in found] == [
        ("rejected", None, None, "10.77.1.1")
    ] * 2
    assert len({d.session_key for d in found}) == 1


def test_late_and_early_lines_of_several_daemons() -> None:
    """Lines of one second may change places: messages and deliveries stay the same but for the order of lines."""
    lines = traffic(40, gap=timedelta(seconds=20))
    expected = {m.message_key: m.status for m in smtplog.messages(lines, year=2026)}
    rng = random.Random(7)
    for _ in range(3):
        mixed = sorted(lines, key=lambda line: (line[:15], rng.random()))
        found = {m.message_key: m.status for m in smtplog.messages(mixed, year=2026)}
        assert found == expected


def test_only_what_is_asked_for_is_made(busy: Path) -> None:
    """A table alone, or with others, or only some of its columns: the values are the same."""
    for table, key in KEYS.items():
        alone = smtplog.frames(busy, table, year=2026)
        assert list(alone) == [table]
        same({table: alone[table].sort(key, "line")}, {table: whole(busy)[table]})


def test_what_else_is_asked_for_does_not_matter() -> None:
    """A table made alone, of all its columns or a few, says what it says beside the others."""
    for path in logs():
        for table, record in (("deliveries", Delivery), ("messages", Message)):
            for columns in (frozenset(schema.of(record)), frozenset({"line", "session_key", "status"})):
                alone = list(run([path], {table: columns}, Options(year=2026)))
                made = pl.concat(
                    [
                        pl.DataFrame(schema=schema.of(record)).select(sorted(columns)),
                        *(f[table].select(sorted(columns)) for f in alone),
                    ]
                )
                beside = whole(path)[table].select(made.columns)
                assert made.sort(pl.all()).equals(beside.sort(pl.all())), (path.name, table)


def test_records_take_every_row(busy: Path) -> None:
    """Every row of every table is a valid record."""
    for table, record in (("messages", Message), ("deliveries", Delivery), ("sessions", Session)):
        rows = whole(busy)[table]
        assert [record.model_validate(row) for row in rows.iter_rows(named=True)]


def test_the_same_input_twice_is_not_one_log(tmp_path: Path) -> None:
    """Given twice, a file is read twice: nothing of it is merged away."""
    path = str(write(tmp_path / "mail.log", text_of(mail())))
    once, twice = smtplog.frames([path], year=2026), smtplog.frames([path, path], year=2026)

    assert twice["events"].height == 2 * once["events"].height
