"""The honest count: every entry is in it once, under what it was."""

from __future__ import annotations

import pytest

import smtplog
from smtplog.read.tally import WHYS, Tally
from tests.conftest import NOON, mail, stamp

LINES = [
    *mail(),
    f"{stamp(NOON)} mx1 cron[7]: (root) CMD (true)",
    f"{stamp(NOON)} mx1 postfix/smtpd[7]: a sentence that no Postfix ever wrote",
    "not a log line at all",
    "",
]


def counted(lines: list[str], **options: object) -> Tally:
    """The tally of a whole run."""
    run = smtplog.events(lines, year=2026, **options)
    list(run)
    return run.tally


@pytest.mark.parametrize("size", [100, 1 << 24])
def test_every_entry_is_counted_once(size: int) -> None:
    """Understood, foreign, unknown, debug and malformed add up to the entries, at any block size."""
    tally = counted(LINES, block_bytes=size)

    assert {why: getattr(tally, why) for why in WHYS} == {
        "understood": 7,
        "foreign": 1,
        "unknown": 1,
        "debug": 0,
        "malformed": 2,
    }
    assert tally.entries == tally.lines == len(LINES)


def test_counts_are_by_program() -> None:
    """The program as the envelope names it; none where there is no envelope."""
    tally = counted(LINES)

    assert tally.by_program["postfix", "postfix/smtpd", "understood"] == 3
    assert tally.by_program["postfix", "postfix/smtpd", "unknown"] == 1
    assert tally.by_program[None, "cron", "foreign"] == 1
    assert tally.by_program[None, None, "malformed"] == 2


def test_up_to_three_examples_of_what_was_not_understood() -> None:
    """With source and line number, the first ones; foreign lines need none."""
    odd = [f"{stamp(NOON)} mx1 postfix/smtpd[7]: odd {n}" for n in range(10)]
    for size in (100, 1 << 24):
        tally = counted([*odd, f"{stamp(NOON)} mx1 cron[7]: x"], block_bytes=size)
        assert [line for _, line, _ in tally.examples["postfix", "postfix/smtpd", "unknown"]] == [1, 2, 3]
        assert list(tally.examples) == [("postfix", "postfix/smtpd", "unknown")]


def test_the_confession_is_one_line() -> None:
    """Only what there was is named."""
    assert counted(LINES).confession() == "11 entries, 7 understood, 1 foreign, 1 unknown, 2 malformed"
    assert counted(mail()).confession() == "7 entries, 7 understood"
    assert Tally().confession() == "0 entries, 0 understood"


def test_an_unknown_name_is_no_count() -> None:
    """Only the five words are counts."""
    with pytest.raises(AttributeError):
        Tally().misunderstood  # noqa: B018


STAMPED = [f"2026-11-23 08:00:{second:02} status installed thing{second}:amd64 1.{second}" for second in range(20)]
"""What a package manager writes: the stamps of a server's own file, and free words."""


def test_a_file_of_free_words_is_another_programs() -> None:
    """Nothing but notes that name no message: no mail server wrote it, whatever its stamps look like."""
    run = smtplog.deliveries(STAMPED, zone="UTC")
    assert list(run) == []
    assert (run.tally.understood, run.tally.unknown, run.tally.foreign) == (0, 0, len(STAMPED))


def test_notes_beside_what_a_server_says_are_the_servers() -> None:
    """One line that only Exim writes, and the notes are of its configuration."""
    run = smtplog.deliveries([*STAMPED, "2026-11-23 08:00:30 Start queue run: pid=4242"], zone="UTC")
    assert list(run) == []
    assert run.tally.foreign == 0
