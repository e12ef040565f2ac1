"""Logs that overlap: what is left out, and what is only said."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from smtplog.pipeline import Options, run
from smtplog.read.tally import Tally
from tests.conftest import SAMPLES

HEAD = "2026-11-23T08:{:02}:00{}+00:00 mx1 postfix/smtpd[7]: "
TEXTS = [f"{HEAD}AAAAAA{n:02}: client=c.example[192.0.2.1]" for n in range(20)]


def lines(first: int, last: int, decimals: str = "") -> str:
    """Some minutes of a log; in minute 10 the same is said twice."""
    told = [TEXTS[n].format(n, decimals) for n in range(first, last)]
    return "".join(f"{line}\n" * (1 + (":10:00" in line)) for line in told)


def events(given: list[Path], **options: timedelta) -> tuple[int, Tally]:
    """How many events there are, and the counts."""
    tally = Tally()
    batches = run([str(path) for path in given], {"events": None}, Options(**options), tally)  # type: ignore[arg-type]
    return sum(batch["events"].height for batch in batches), tally


@pytest.fixture
def pair(tmp_path: Path) -> list[Path]:
    """Two logs, minutes 0 to 14 and 5 to 19, the second with decimals."""
    one, two = tmp_path / "one.log", tmp_path / "two.log"
    one.write_text(lines(0, 15))
    two.write_text(lines(5, 20, ".123456"))
    return [one, two]


def test_an_overlap_is_left_out(pair: list[Path]) -> None:
    """Each entry counts once, in either order of the logs; twice in both is twice."""
    for given in (pair, pair[::-1]):
        found, tally = events(given, dedupe=timedelta(days=1))
        assert (found, tally.repeated, tally.problems) == (21, 11, [])
        assert tally.entries == 32


def test_an_overlap_is_said(pair: list[Path]) -> None:
    """Without being told to, nothing is left out."""
    found, tally = events(pair)
    assert (found, tally.repeated) == (32, 0)
    assert "look like the same log twice" in tally.problems[0]


def test_each_copy_is_named_once(tmp_path: Path) -> None:
    """Four copies of a log: three are too many, told in one sentence."""
    copies = [tmp_path / f"{name}.log" for name in "abcd"]
    for copy in copies:
        copy.write_text(lines(0, 15))
    (problem,) = events(copies)[1].problems
    a, b, c, d = copies
    assert problem.startswith(f"{a}, {b}, {c} and {d} look like the same log 4 times (")


def test_the_window_ends(tmp_path: Path) -> None:
    """What was said longer ago is not known any more: the parts of a set come one after the other."""
    (tmp_path / "mail.log.1").write_text(lines(0, 15))
    (tmp_path / "mail.log").write_text(lines(5, 20))
    given = [tmp_path / "mail.log.1", tmp_path / "mail.log"]
    assert events(given, dedupe=timedelta(minutes=1))[1].repeated == 11
    (tmp_path / "mail.log").write_text(lines(15, 16) + lines(5, 6))
    assert events(given, dedupe=timedelta(days=1))[1].repeated == 1


def test_one_log_in_two_containers() -> None:
    """The journal's two exports are one log; two different logs are not."""
    journal = [SAMPLES / "envelope/journal-json.log", SAMPLES / "envelope/journal-export.log"]
    assert any("same log twice" in problem for problem in events(journal)[1].problems)
    others = [SAMPLES / "envelope/journal-json.log", SAMPLES / "envelope/message-repeated.log"]
    assert not any("same log twice" in problem for problem in events(others)[1].problems)
