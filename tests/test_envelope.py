"""Heads of lines, and entries over several lines: nothing is lost, nothing is torn."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import polars as pl
import pytest

import smtplog
from smtplog.read import envelope, source
from tests.conftest import SAMPLES

ID = "1vxz00-00000000AB1-0Cd2"


def split(*lines: str) -> list[dict[str, object]]:
    """The entries of some lines."""
    block = source.Block("-", "\n".join(lines).encode(), 1, 0)
    return envelope.split(source.lines(block)).to_dicts()


@pytest.mark.parametrize(
    ("line", "want"),
    [
        ("Nov  3 08:28:36 mx1 exim[7]: hello", {"host": "mx1", "program": "exim", "pid": 7, "text": "hello"}),
        ("<22>Nov 03 08:28:36 mx1 exim: hello", {"host": "mx1", "pid": None, "text": "hello"}),
        ("2026-11-03T08:28:36.5+01:00 mx1 exim[7]: hello", {"at": datetime(2026, 11, 3, 7, 28, 36, 500000, UTC)}),
        ("<22>1 2026-11-03T08:28:36Z mx1 exim 7 - - hello", {"at": datetime(2026, 11, 3, 8, 28, 36, 0, UTC), "pid": 7}),
        ("2026-11-03 08:28:36.250 +0100 [7] hello", {"at": datetime(2026, 11, 3, 7, 28, 36, 250000, UTC), "pid": 7}),
        ("2026-11-03 08:28:36 hello", {"naive_at": datetime(2026, 11, 3, 8, 28, 36), "program": None}),
        ("2026-11-03 08:28:36 mx1 exim[7]: hello", {"host": "mx1", "program": "exim", "pid": 7, "text": "hello"}),
        ("mx1 exim[7]: 2026-11-03 08:28:36 hello", {"host": "mx1", "naive_at": datetime(2026, 11, 3, 8, 28, 36)}),
        ("nothing at all", {"envelope": None, "text": "nothing at all"}),
    ],
)  # fmt: skip
def test_heads(line: str, want: dict[str, object]) -> None:
    """Each kind of head says what it says."""
    (entry,) = split(line)
    assert want.items() <= entry.items(), entry


@pytest.mark.parametrize(
    ("line", "container"),
    [
        ('{"MESSAGE":"hello","__REALTIME_TIMESTAMP":"1","SYSLOG_IDENTIFIER":"exim"}', "journal_json"),
        (
            '{"log":"Nov  3 08:28:36 mx1 exim[7]: hello\\n","stream":"stdout","time":"2026-11-03T08:28:36Z"}',
            "docker_json",
        ),
        ("2026-11-03T08:28:36.5Z stdout F exim[7]: hello", "cri"),
        ("2026-11-03T08:28:36.5Z exim[7]: hello", "clocked"),
        ("mail-1   | Nov  3 08:28:36 mx1 exim[7]: hello", "compose"),
        ("[pod/mail-0/exim] Nov  3 08:28:36 mx1 exim[7]: hello", "pod"),
        ("2026-11-03T08:28:36.5Z mx1 exim[7]: hello", None),
        ("no | container", None),
        ("{}", None),
    ],
)
def test_containers(line: str, container: str | None) -> None:
    """The first lines say what the rest is packed in; the text inside is the same."""
    found = envelope.find(pl.Series([line]))
    assert (found.container.name if found.container else None) == container
    if container:
        (entry,) = envelope.entries(source.Block("-", line.encode(), 1, 0), found).to_dicts()
        assert (entry["program"], entry["text"]) == ("exim", "hello")


def test_bad_json_costs_only_itself() -> None:
    """A line that is no JSON, or says strange things, is an entry of its own; the others are read."""
    good = '{"MESSAGE":"m","__REALTIME_TIMESTAMP":"1795422516000000","SYSLOG_IDENTIFIER":"exim","_PID":"7"}'
    strange = good.replace('"m"', '["a","b"]').replace('"7"', '["7","8"]')
    lines = [good, '{"MESSAGE":"x"', "", good, strange, good.replace('"m"', "null"), '"MESSAGE"', "{}", good]
    found = envelope.find(pl.Series([good]))
    entries = envelope.entries(source.Block("-", "\n".join(lines).encode(), 1, 0), found)
    assert entries["line"].to_list() == list(range(1, 10))
    assert entries["text"].gather([0, 3, 8]).to_list() == ["m"] * 3
    assert entries["envelope"].is_null().to_list() == [False, True, True, False, False, True, True, True, False]


def test_said_again() -> None:
    """The line stands for so many entries more; what it repeats, it says itself or its host said it last."""
    head = "Nov  3 08:28:36 mx1 exim[7]: "
    entries = split(
        f"{head}one",
        f"{head}message repeated 2 times: [ two]",
        "Nov  3 08:28:37 mx2 exim[8]: three",
        "Nov  3 08:28:38 mx1 last message repeated 2 times",
    )
    assert [(e["host"], e["text"], e["line_count"]) for e in entries] == [
        ("mx1", "one", 1), ("mx1", "two", 1), ("mx1", "two", 0), ("mx2", "three", 1), ("mx1", "two", 1), ("mx1", "two", 0),
    ]  # fmt: skip


def test_the_inner_stamp_wins() -> None:
    """The server's own stamp and pid stand behind syslog's: they are finer, and know the year."""
    (entry,) = split(f"Nov  3 08:28:36 mx1 exim[7]: 2026-11-03 08:28:35.900 [9] {ID} Completed")
    assert entry["naive_at"] == datetime(2026, 11, 3, 8, 28, 35, 900000)
    assert (entry["pid"], entry["text"]) == (9, f"{ID} Completed")


def test_a_zone_is_not_given_up_for_decimals() -> None:
    """Where only syslog says the zone, its time stays."""
    (entry,) = split(f"2026-11-03T08:28:36+01:00 mx1 exim[7]: 2026-11-03 08:28:35.900 {ID} Completed")
    assert entry["at"] == datetime(2026, 11, 3, 7, 28, 36, tzinfo=UTC)
    assert entry["text"] == f"{ID} Completed"


def test_parts_of_mingled_processes() -> None:
    """`/` joins, the backslash stands for a line feed; parts of others lie between."""
    head = "Nov  3 08:28:36 mx1 exim"
    first, other, alone = split(
        f"{head}[7]: [1/3] {ID} => a@b.example R=r",
        f"{head}[8]: [1\\2] SIGSEGV (maybe",
        f'{head}[7]: [2/3] outer T=t C="250',
        f"{head}[8]: [2/2] )",
        f'{head}[7]: [3/3]  Ok"',
        f"{head}[7]: [later] no part",
    )
    assert (first["text"], first["line_count"]) == (f'{ID} => a@b.example R=router T=t C="250 Ok"', 3)
    assert other["text"] == "SIGSEGV (maybe\n)"
    assert alone["text"] == "[later] no part"


def test_copies_of_two_logs() -> None:
    """Main and reject log through one syslog: one entry, the one with the header; without duplication nothing goes."""
    head = "Nov  3 08:28:36 mx1 exim[7]: "
    text = "H=(x) [192.0.2.9] F=<a@b.example> rejected RCPT <c@d.example>: no"
    data = f"{ID} H=(x) [192.0.2.9] F=<a@b.example> rejected after DATA: no"
    both = split(
        head + text, head + text, head + data, f"{head}[1\\2] {data}", f"{head}[2/2] Envelope-from: <a@b.example>"
    )
    assert [(entry["text"], entry["line_count"]) for entry in both] == [
        (text, 2),
        (f"{data}\nEnvelope-from: <a@b.example>", 3),
    ]
    assert len(split(head + text, head + data)) == 2


def test_lines_that_go_on() -> None:
    """Header lines of the reject log, the panic log's second line; not what stands alone."""
    one, two, three = split(
        f"2026-11-03 08:28:36 {ID} H=(x) [192.0.2.9] F=<a@b.example> rejected after DATA: no",
        "Envelope-from: <a@b.example>",
        "P Received: from x",
        "\tby y",
        "  Subject: z",
        "2026-11-03 08:28:37 Exim configuration error in line 1 of /etc/exim.conf:",
        "  no such option",
        "",
        "250 OK",
    )
    assert (one["line_count"], two["line_count"], three["envelope"]) == (5, 3, None)
    assert str(one["text"]).endswith(
        "rejected after DATA: no\nEnvelope-from: <a@b.example>\nP Received: from x\n\tby y\n  Subject: z"
    )
    assert str(two["text"]).endswith(":\n  no such option")


@pytest.mark.parametrize(
    "scene",
    [
        "exim/reject-log", "exim/syslog-copies", "exim/syslog-split", "exim/panic-log", "envelope/docker-json",
        "envelope/kubernetes-cri", "envelope/journal-json", "envelope/journal-export",
    ],
)  # fmt: skip
@pytest.mark.parametrize("size", [1, 100, 300, 1000, 5000])
def test_blocks_do_not_tear(scene: str, size: int) -> None:
    """The same entries at every size of block; no line is lost."""
    one = source.inputs([str(SAMPLES / f"{scene}.log")])[0]
    (block,) = source.blocks(one)
    lines = source.lines(block)
    wrapping = envelope.find(lines["raw"])
    whole = envelope.entries(block, wrapping)
    cut = [envelope.entries(b, wrapping) for b in envelope.whole(source.blocks(one, size), wrapping)]
    assert pl.concat(cut).equals(whole)
    assert whole["line_count"].sum() == lines.height


@pytest.mark.parametrize("size", [90, 150, 1_000_000])
def test_the_last_one_again_at_any_size_of_block(tmp_path: Path, size: int) -> None:
    """An old syslog daemon's `last message repeated`: its original ends the block before, or is itself repeated."""
    head = "Nov 23 08:00:0"
    lines = [f"{head}{n} mx1 postfix/smtpd[1]: connect from c{n}.example[192.0.2.{n}]" for n in range(3)]
    lines[2:2] = [f"{head}1 mx1 last message repeated {n} times" for n in (3, 2)]
    log = tmp_path / "mail.log"
    log.write_text("\n".join([*lines, f"{head}3 mx1 last message repeated 2 times"]) + "\n")
    events = smtplog.frames(str(log), "events", year=2026, block_bytes=size)["events"]

    assert events["line"].to_list() == [1, 2, 3, 3, 3, 4, 4, 5, 6, 6]
    assert events["client_ip"].to_list() == ["192.0.2.0", *["192.0.2.1"] * 6, *["192.0.2.2"] * 3]


def test_what_journalctl_says_itself_is_nobodys_entry() -> None:
    """Boots and the like between entries are foreign; other lines that begin so are no log lines."""
    lines = [
        "-- Journal begins at Fri 2026-11-20 00:00:01 UTC, ends at Mon 2026-11-23 08:30:00 UTC. --",
        "Nov 23 08:28:36 mx1 postfix/smtpd[16353]: connect from c1.src.example[10.77.1.1]",
        "-- Boot 3f9c1d3ad3b54e0c9f3b6d1b5ac0b3de --",
        "Nov 23 08:28:37 mx1 postfix/smtpd[16353]: disconnect from c1.src.example[10.77.1.1]",
        "-- Reboot --",
        "-- as I said --",
    ]
    run = smtplog.sessions(lines, year=2026)

    assert [session.closed_at is not None for session in run] == [True]
    assert (run.tally.understood, run.tally.foreign, run.tally.malformed) == (2, 3, 1)
