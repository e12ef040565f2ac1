"""Whose days and hours a question means: the zone that is named, else the log's own, else UTC; and the output says which."""

from __future__ import annotations

import gzip
import json
import os
import threading
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import polars as pl
import pytest

import smtplog
from smtplog.read import zone
from tests.conftest import NOON, Ran, mail, process, stamp, write

Cli = Callable[..., Ran]
BERLIN, INDIA = ZoneInfo("Europe/Berlin"), ZoneInfo("Asia/Kolkata")
TWO = timedelta(hours=2)
TEXT = "mx1 postfix/qmgr[3]: 4F3A12: removed"


def day(where: ZoneInfo, when: Callable[[datetime], str] = datetime.isoformat) -> list[str]:
    """Two mails of one day there, in its first hour and in its last: in UTC they are of two days."""
    first, last = (datetime(2026, 7, 10, hour, 30, tzinfo=where) for hour in (0, 23))
    written = lambda at: when(at.astimezone(where))  # noqa: E731 - it is handed on at once
    return mail("AAAA1", first, when=written) + mail("BBBB2", last, when=written)


@pytest.mark.parametrize(
    ("line", "offset"),
    [
        (f"2026-07-10T00:30:00+02:00 {TEXT}", TWO),
        (f"2026-07-10T00:30:00.123456789+0200 {TEXT}", TWO),
        (f"2026-07-10T00:30:00,5-03:30 {TEXT}", -timedelta(hours=3, minutes=30)),
        ("<22>1 2026-07-10T00:30:00+02:00 mx1 postfix/qmgr 3 - - 4F3A12: removed", TWO),
        ("2026-07-10 00:30:00.250 +0200 [7] 1ABCDE-000001-AA Completed", TWO),
        (f"2026-07-10T00:30:00.5+02:00 stdout F Jul 10 00:30:00 {TEXT}", TWO),
        (f"2026-07-10T00:30:00.5+02:00 stdout F 2026-07-10T01:30:00+03:00 {TEXT}", timedelta(hours=3)),
        (f"2026-07-10T00:30:00Z {TEXT}", timedelta(0)),
        (f"Jul 10 00:30:00 {TEXT}", None),
        ("2026-07-10 00:30:00 1ABCDE-000001-AA Completed", None),
        ("no stamp at all", None),
        ("", None),
    ],
)
def test_the_first_stamp_says_where_the_log_is_written(line: str, offset: timedelta | None) -> None:
    """In a syslog head, a server's own stamp or a container's prefix; lines without a stamp before it say nothing."""
    assert zone.written(pl.Series([line] * 3, dtype=pl.String)) == offset
    assert zone.written(pl.Series(["-- not a line of it", *[line] * 9], dtype=pl.String)) == offset


def test_an_empty_log_has_no_zone(tmp_path: Path) -> None:
    """And nothing to look at is nothing to stumble over."""
    assert zone.of_inputs([str(write(tmp_path / "log", b""))], None) == zone.Zone()
    assert zone.of_inputs([], None).is_unknown


@pytest.mark.parametrize("where", [BERLIN, INDIA], ids=str)
@pytest.mark.parametrize("how", ["the stamps say", "an option says"])
def test_a_day_is_the_one_that_the_log_shows(cli: Cli, tmp_path: Path, where: ZoneInfo, how: str) -> None:
    """To the filters and to the tables alike, also where hours begin at the half of UTC's; records stay in UTC."""
    is_told = how == "an option says"
    path = write(tmp_path / "mail.log", day(where, stamp) if is_told else day(where))
    options = ["--year", 2026, *(["--timezone", where.key] if is_told else [])]
    name = where.key if is_told else {BERLIN: "UTC+02:00", INDIA: "UTC+05:30"}[where]

    found = cli("deliveries", path, *options, "--since", "2026-07-10", "--until", "2026-07-11", "--fields", "at")
    assert len(found.rows) == 2
    assert found.rows[0].startswith('{"at":"2026-07-09T')
    assert (f"--since and --until without a zone are in {name}" in found.err) is not is_told
    told = json.loads(cli("summary", path, *options, "--format", "json").out)
    assert told["zone"] == name
    assert [(row["day"], row["sent"]) for row in told["per_day"]] == [("2026-07-10", 2)]
    assert [(row["hour"], row["sent"]) for row in told["per_hour"]] == [(0, 1), (23, 1)]
    text = cli("summary", path, *options, "--by", "per_day,per_hour").out
    assert f"Per day ({name}" in text
    assert f"Per hour of the day ({name}" in text
    assert ("the zone of the first stamp" in text) is not is_told


def test_a_named_zone_outweighs_the_stamps(cli: Cli, tmp_path: Path) -> None:
    """Who asks for the days of UTC gets them."""
    path = write(tmp_path / "mail.log", day(BERLIN))
    told = json.loads(cli("summary", path, "--timezone", "UTC", "--format", "json").out)

    assert told["zone"] == "UTC"
    assert [row["day"] for row in told["per_day"]] == ["2026-07-09", "2026-07-10"]
    ran = cli("deliveries", path, "--timezone", "UTC", "--since", "2026-07-10", "--count")
    assert ran.rows == ["1"]
    assert ran.err.count("\n") == 1


def test_a_time_with_a_zone_is_in_that_zone(cli: Cli, tmp_path: Path) -> None:
    """Then no zone is looked up, and none is told."""
    path = write(tmp_path / "mail.log", day(BERLIN))
    ran = cli("deliveries", path, "--since", "2026-07-10T00:00Z", "--count")

    assert ran.rows == ["1"]
    assert ran.err.count("\n") == 1


@pytest.mark.parametrize("pack", [bytes, gzip.compress], ids=["plain", "gzip"])
def test_the_zone_of_a_pipe_is_seen_before_it_is_read(pack: Callable[[bytes], bytes]) -> None:
    """Standard input lets one look ahead; nothing of it is lost."""
    octets = pack("\n".join(day(BERLIN)).encode())
    ran = process("deliveries", "-", "--since", "2026-07-10", "--until", "2026-07-11", "--count", stdin=octets)

    assert ran.stdout == b"2\n"
    assert b"UTC+02:00" in ran.stderr
    assert b"14 entries, 14 understood" in ran.stderr


def test_a_named_pipe_cannot_be_looked_at_before_it_is_read(cli: Cli, tmp_path: Path) -> None:
    """Then days are UTC's, and that is said."""
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    writer = threading.Thread(target=lambda: pipe.write_bytes("\n".join(day(BERLIN)).encode()))
    writer.start()
    ran = cli("deliveries", pipe, "--since", "2026-07-10", "--count")
    writer.join()

    assert ran.rows == ["1"]
    assert "are in UTC; the zone of the first input cannot be looked up" in ran.err


def test_the_zone_of_the_oldest_file_counts(cli: Cli, tmp_path: Path) -> None:
    """Of a rotated set the first stamp is that of its oldest file, in whatever order it is given."""
    write(tmp_path / "mail.log.1", day(BERLIN))
    write(tmp_path / "mail.log", mail("CCCC3", NOON, when=lambda at: at.isoformat()))
    told = json.loads(cli("summary", tmp_path / "mail.log", tmp_path / "mail.log.1", "--format", "json").out)

    assert told["zone"] == "UTC+02:00"


def test_a_stream_that_cannot_be_looked_at_ahead_is_told_when_it_is_read(tmp_path: Path) -> None:
    """The error is the same as without another input beside it."""
    log = tmp_path / "mail.log"
    log.write_text("Jul 10 10:00:00 mx postfix/qmgr[101]: 4AAAAA0001: removed\n")
    closed = log.open("rb")
    closed.close()

    with pytest.raises(smtplog.InputError, match="cannot be read"):
        list(smtplog.events([closed, log], year=2026))
