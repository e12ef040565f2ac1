"""The year and the zone that a stamp does not say: from options, ids, the file; confessed where they are not its own."""

from __future__ import annotations

import gzip
import io
import os
import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import smtplog
from smtplog.errors import QueryError
from smtplog.formats.postfix import id_time
from smtplog.read import envelope
from smtplog.read.clock import Clock
from tests.conftest import Ran, mail, stamp, write

Cli = Callable[..., Ran]


def at(year: int, month: int = 1, day: int = 1, hour: int = 0, minute: int = 0, second: int = 0) -> datetime:
    """A time in UTC."""
    return datetime(year, month, day, hour, minute, second, tzinfo=UTC)


def clocked(stamps: list[str], clock: Clock, block: int = 1000) -> list[datetime | None]:
    """The times of lines with these stamps, read in blocks of so many lines."""
    out: list[datetime | None] = []
    for start in range(0, len(stamps), block):
        raw = [f"{s} mx1 postfix/qmgr[1]: A1: removed" for s in stamps[start : start + block]]
        frame = pl.DataFrame({"line": range(1, len(raw) + 1), "line_count": [1] * len(raw), "raw": raw})
        out += clock.apply(envelope.split(frame), [])["at"].to_list()
    return out


def times(path: object, **options: object) -> list[datetime | None]:
    """The times of the events of an input."""
    return [event.at for event in smtplog.events(path, **options)]


def test_the_year_from_an_option_is_no_guess(log: Path) -> None:
    """`year=` is the year of the first stamp, and nothing is said to be inferred."""
    run = smtplog.events(log, year=2019)
    events = list(run)

    assert {event.at.year for event in events if event.at} == {2019}
    assert not any(event.is_year_inferred for event in events)
    assert not run.tally.years


def test_the_year_from_the_file(tmp_path: Path) -> None:
    """Stamps do not lie after the file's own time: June's file holds last November's lines; each event says so."""
    path = write(tmp_path / "mail.log", mail())
    run = smtplog.events(path)
    events = list(run)

    assert {event.at.year for event in events if event.at} == {2025}
    assert all(event.is_year_inferred for event in events)
    assert run.tally.year_sources == {"file"}
    assert run.tally.years == {2025}


def test_the_year_from_a_gzip_header(tmp_path: Path) -> None:
    """The time in the header is when the log was packed; copying the file has changed the file's own."""
    packed = gzip.compress("\n".join(mail()).encode(), mtime=int(at(2020, 11, 24).timestamp()))
    path = write(tmp_path / "mail.log.2.gz", packed)

    assert {t.year for t in times(path) if t} == {2020}


def test_the_year_from_long_queue_ids(tmp_path: Path) -> None:
    """A long Postfix id carries its birth; it outweighs the time of a file that was copied about."""
    queue_id = "4hPxMG1Qkwz7x2"
    born = id_time(queue_id)
    assert born is not None
    path = write(tmp_path / "mail.log", mail(queue_id, born))

    assert {t.year for t in times(path) if t} == {born.year}
    assert times(io.BytesIO(path.read_bytes()))[0] == born.replace(microsecond=0)


def test_a_pipe_by_name_has_no_time_of_its_own(cli: Cli, tmp_path: Path) -> None:
    """What a shell puts in the place of `<(...)` is a pipe as well: today counts, not the moment it was made."""
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    writer = threading.Thread(target=lambda: pipe.write_bytes("\n".join(mail()).encode()))
    writer.start()
    ran = cli("events", pipe)
    writer.join()

    assert ran.code == 0
    assert "inferred from today's date" in ran.err


def test_december_turns_into_january() -> None:
    """Inside one file the year turns where the months fall; late lines of the old year stay in it."""
    stamps = [
        stamp(at(2025, 12, 31, 23, 59, 58)),
        stamp(at(2026, 1, 1)),
        "Dec 31 23:59:59",
        stamp(at(2026, 1, 1, 0, 0, 1)),
    ]
    expected = [at(2025, 12, 31, 23, 59, 58), at(2026), at(2025, 12, 31, 23, 59, 59), at(2026, 1, 1, 0, 0, 1)]

    for block in (1, 2, 3, 100):
        assert clocked(stamps, Clock(year=2025), block) == expected


def test_a_file_that_ends_in_the_new_year(tmp_path: Path) -> None:
    """A file of January 2 whose lines begin in December has them in the year before; both years are confessed."""
    lines = mail("AAAA1", at(2025, 12, 31, 23, 59, 59)) + mail("BBBB2", at(2026, 1, 2))
    run = smtplog.events(write(tmp_path / "mail.log", lines, modified=int(at(2026, 1, 2, 1).timestamp())))
    found = [event.at for event in run]

    assert found[0] == at(2025, 12, 31, 23, 59, 59)
    assert found[-1] == at(2026, 1, 2, 0, 0, 2)
    assert run.tally.years == {2025, 2026}


def test_a_log_longer_than_a_year() -> None:
    """Every fall of the months is another year, as long as no half year is without a line."""
    days = [at(2023, 3, 1) + timedelta(days=20 * n) for n in range(60)]

    assert clocked([stamp(day) for day in days], Clock(year=2023)) == days
    assert clocked([stamp(day) for day in days], Clock(year=2023), 7) == days


def test_lines_after_the_files_own_time_are_a_problem(tmp_path: Path) -> None:
    """A file that holds more than a year gives its first line too late a year: that is said, with what to do."""
    lines = [line for n in range(8) for line in mail("AAAA1", at(2024, 3, 1) + timedelta(days=60 * n))]
    run = smtplog.events(write(tmp_path / "mail.log", lines, modified=int(at(2025, 4, 26).timestamp())))
    list(run)

    assert len(run.tally.problems) == 1
    assert "--year" in run.tally.problems[0]


def test_the_year_2000_is_a_year(tmp_path: Path) -> None:
    """A stamp that says its year is believed, whatever it says."""
    path = write(tmp_path / "mainlog", ["2000-02-29 12:00:00 1ABCDE-000001-AA Completed"])

    assert times(path) == [at(2000, 2, 29, 12)]


@settings(max_examples=50, deadline=None)
@given(st.lists(st.integers(0, 150 * 86400), min_size=1, max_size=30), st.integers(1, 40))
def test_any_log_without_gaps_of_half_a_year(steps: list[int], block: int) -> None:
    """Whatever the pauses (up to five months), the stamps without a year come out as they were."""
    whole, now = [], at(2021, 2, 3)
    for step in steps:
        now += timedelta(seconds=step)
        whole.append(now)

    assert clocked([stamp(t) for t in whole], Clock(year=2021), block) == whole


def test_leap_day() -> None:
    """29 February stands in a leap year; in a year that has none the time is null and the line is kept."""
    assert clocked(["Feb 29 12:00:00"], Clock(year=2024)) == [at(2024, 2, 29, 12)]
    assert clocked(["Feb 28 12:00:00", "Feb 29 12:00:00"], Clock(year=2023))[0] == at(2023, 2, 28, 12)
    assert clocked(["Dec 31 12:00:00", "Feb 29 12:00:00"], Clock(year=2022)) == [at(2022, 12, 31, 12), None]
    assert clocked(["Feb 29 12:00:00"], Clock(year=2023)) == [None]
    assert clocked(["Feb 29 12:00:00"], Clock(reference=at(2025, 3, 1))) == [at(2024, 2, 29, 12)]


def test_a_leap_day_tells_the_year_wherever_it_stands() -> None:
    """The last year not after the file's time that has the day; also where a new year begins between."""
    late = Clock(reference=at(2026, 11, 30))
    stamps = ["Dec 31 23:59:59", "Feb 28 23:59:59", "Feb 29 00:00:01", "Mar  1 00:00:01"]
    times = [
        at(2023, 12, 31, 23, 59, 59),
        at(2024, 2, 28, 23, 59, 59),
        at(2024, 2, 29, 0, 0, 1),
        at(2024, 3, 1, 0, 0, 1),
    ]

    assert clocked(stamps, late) == times
    assert clocked(stamps[1:], Clock(reference=at(2026, 11, 30))) == times[1:]
    assert clocked(stamps[2:3], Clock(reference=at(1903, 3, 1))) == [at(1896, 2, 29, 0, 0, 1)]


def test_days_that_are_none_are_counted_and_told(cli: Cli, tmp_path: Path) -> None:
    """`--year` names one that has no such day: the entries are there, filters of time cannot find them, and that is said."""
    path = write(tmp_path / "mail.log", mail("AAAA1", at(2024, 2, 28)) + mail("BBBB2", at(2024, 2, 29)))
    said = "mail.log: entries without a time, as their stamp is no date of its year: 7;"
    wrong, right = (cli("events", path, "--year", year, "--count") for year in (2025, 2024))

    assert wrong.rows == right.rows == ["14"]
    assert said in wrong.err
    assert "without a time" not in right.err
    assert cli("events", path, "--year", 2025, "--since", "2020-01-01", "--count").rows == ["7"]
    assert cli("events", path, "--count").err.count("\n") == 1


@pytest.mark.parametrize("block", [1, 2, 100])
def test_the_hour_that_comes_twice_is_told_by_stamps_that_fall_back(block: int) -> None:
    """However quiet the night; what is late by seconds is only late."""
    stamps = [
        "Oct 25 02:30:00",
        "Oct 25 02:10:00",
        "Oct 25 02:09:58",
        "Oct 25 02:40:00",
        "Oct 25 03:30:00",
        "Oct 26 02:30:00",
    ]
    twice = [at(2026, 10, 25, 0, 30), at(2026, 10, 25, 1, 10), at(2026, 10, 25, 1, 9, 58), at(2026, 10, 25, 1, 40)]
    after = [at(2026, 10, 25, 2, 30), at(2026, 10, 26, 1, 30)]

    assert clocked(stamps, Clock(year=2026, zone="Europe/Berlin"), block) == twice + after
    late = ["Oct 25 02:30:00", "Oct 25 02:29:57", "Oct 25 02:59:59"]
    assert [t.hour for t in clocked(late, Clock(year=2026, zone="Europe/Berlin"), block) if t] == [0, 0, 0]


def test_impossible_stamps_do_not_stop_the_clock() -> None:
    """`Foo 99` is no time; the lines around it keep theirs."""
    found = clocked(["Nov 23 12:00:00", "Foo 99 99:99:99", "Nov 31 12:00:00", "Nov 23 12:00:01"], Clock(year=2026))

    assert found == [at(2026, 11, 23, 12), None, None, at(2026, 11, 23, 12, 0, 1)]


def test_zone_from_an_option_with_summer_time() -> None:
    """Local times become UTC; of the hour that comes twice the first, of the one that never comes the hour after."""
    berlin = Clock(year=2026, zone="Europe/Berlin")
    stamps = [
        "Mar 29 01:59:59",
        "Mar 29 02:30:00",
        "Mar 29 03:00:00",
        "Jul  1 12:00:00",
        "Oct 25 02:30:00",
        "Oct 25 03:00:00",
    ]

    assert clocked(stamps, berlin) == [
        at(2026, 3, 29, 0, 59, 59), at(2026, 3, 29, 1, 30), at(2026, 3, 29, 1), at(2026, 7, 1, 10), at(2026, 10, 25, 0, 30),
        at(2026, 10, 25, 2),
    ]  # fmt: skip


def test_the_year_is_that_of_the_logs_own_zone() -> None:
    """New Year's Eve in New York is New Year's Day in UTC; the file's time counts in the log's zone."""
    new_york = ZoneInfo("America/New_York")
    reference = datetime(2025, 12, 31, 22, 0, tzinfo=new_york)

    assert clocked(["Dec 31 21:00:00"], Clock(zone="America/New_York", reference=reference)) == [at(2026, 1, 1, 2)]


def test_an_assumed_zone_is_confessed_on_every_event(log: Path) -> None:
    """Without an option the zone is UTC and the event says that this was assumed; with one it was not."""
    assert all(event.is_zone_assumed for event in smtplog.events(log))
    assert not any(event.is_zone_assumed for event in smtplog.events(log, zone="Europe/Berlin"))


def test_full_stamps_need_nothing() -> None:
    """RFC 3339 stamps keep their own year and zone, and no option moves them."""
    lines = mail(when=lambda t: t.isoformat(timespec="microseconds"))
    plus_two = mail(when=lambda t: t.astimezone(ZoneInfo("Africa/Cairo")).isoformat())
    run = smtplog.events(lines, year=1999, zone="Asia/Tokyo")
    found = list(run)

    assert found[0].at == at(2026, 11, 23, 12)
    assert not any(event.is_year_inferred or event.is_zone_assumed for event in found)
    assert not run.tally.zone_assumed
    assert [e.at for e in smtplog.events(plus_two)] == [e.at for e in found]


def test_two_kinds_of_stamps_in_one_file(tmp_path: Path) -> None:
    """After a change of rsyslog's template the old lines still get their year, the new ones have theirs."""
    old, new = mail("AAAA1", at(2026, 6, 1)), mail("BBBB2", at(2026, 6, 2), when=lambda t: t.isoformat())
    events = list(smtplog.events(write(tmp_path / "mail.log", old + new)))

    assert [e.at for e in events[:2]] == [at(2026, 6, 1)] * 2
    assert [e.at for e in events[7:9]] == [at(2026, 6, 2)] * 2
    assert [e.is_year_inferred for e in events] == [True] * 7 + [False] * 7


def test_the_library_never_guesses_from_the_clock() -> None:
    """Lines that have no year, from a source that has no time: the caller is asked for the year."""
    with pytest.raises(QueryError, match="year="):
        list(smtplog.events(mail()))
    assert next(smtplog.events(mail(), year=2026)).at == at(2026, 11, 23, 12)
    assert next(smtplog.events(mail(), reference=at(2027, 1, 1))).at == at(2026, 11, 23, 12)


def test_the_command_line_takes_today_for_a_pipe_and_says_so(cli: Cli) -> None:
    """Only the command line asks what day it is; the guess is confessed once on standard error and on every event."""
    ran = cli("events", "-", stdin="\n".join(mail()).encode())

    assert ran.code == 0
    assert ran.err.count("inferred from today's date") == 1
    assert ran.err.count("zone UTC assumed") == 1
    assert '"is_year_inferred":true' in ran.rows[0]
    assert '"is_zone_assumed":true' in ran.rows[0]


def test_the_command_line_confesses_what_a_file_told(cli: Cli, log: Path) -> None:
    """The confession names the year and where it came from; nothing is confessed of what options said."""
    guessed, told = cli("events", log), cli("events", log, "--year", 2026, "--timezone", "UTC")

    assert "years inferred from the time of the file (2026)" in guessed.err
    assert "inferred" not in told.err
    assert "assumed" not in told.err
    assert '"is_zone_assumed":false' in told.rows[0]


@pytest.mark.parametrize(
    ("times", "want"),
    [
        (("00:10", "00:50", "01:10", "01:50", "02:10"), ("00:10", "00:50", "01:10", "01:50", "02:10")),
        (("01:10", "01:40"), ("01:10", "01:40")),
        (("00:10", "01:12"), ("00:10", "01:12")),
        (("00:40", "00:50"), ("00:40", "00:50")),
    ],
)
def test_the_hour_that_comes_twice_is_told_by_ids(
    tmp_path: Path, times: tuple[str, ...], want: tuple[str, ...]
) -> None:
    """An Exim file in local time without zone, the night the clocks go back (Berlin, 25 October 2026)."""
    digits = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
    lines = []
    for time in times:
        at = datetime.fromisoformat(f"2026-10-25T{time}:00+00:00")
        seconds, letters = int(at.timestamp()), ""
        for _ in range(6):
            seconds, letters = seconds // 62, digits[seconds % 62] + letters
        local = at.astimezone(ZoneInfo("Europe/Berlin"))
        lines.append(f"{local:%Y-%m-%d %H:%M:%S} {letters}-00000000A01-0000 <= a@b.example U=x P=local S=1")
    (tmp_path / "mainlog").write_text("\n".join(lines) + "\n")
    found = smtplog.frames(str(tmp_path / "mainlog"), "events", zone="Europe/Berlin")["events"]["at"]
    assert tuple(f"{at:%H:%M}" for at in found) == want
