"""Protocol logs by columns: the same answers as line by line, at any block size, in bounded memory."""

from __future__ import annotations

import json
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import smtplog
from smtplog.read import dialogue

SAMPLES = Path(__file__).parent.parent / "samples" / "transcript"
HEADER = (
    "#Software: Microsoft Exchange Server\n#Fields: date-time,connector-id,session-id,sequence-number,local-endpoint,"
    "remote-endpoint,event,data,context\n"
)
TALKS = [
    ["+", "> 220 mx.example.com ready at {n}", "< EHLO r{n}.example.org", "> 250  mx.example.com Hello [192.0.2.{n}] SIZE 37748736 PIPELINING AUTH NTLM 8BITMIME",
     "< MAIL FROM:<a{n}@example.org> SIZE={n}00", "> 250 2.1.0 Ok", "< RCPT TO:<u{n}@example.com>", "> 250 2.1.5 Ok",
     "< RCPT TO:<no{n}@example.com>", "> 550 5.1.1 <no{n}@example.com>: no such user", "< DATA", "> 354 go",
     "> 250 2.0.0 Ok: queued as 4Xy{n}DD4", "< QUIT", "> 221 2.0.0 Bye", "-"],
    ["+", "> 220 mx.example.com", "< HELO r{n}.example.org", "> 250 mx.example.com", "< MAIL FROM:<>", "> 250 Ok",
     "< RCPT TO:<u{n}@example.com>", "> 451 4.7.1 <u{n}@example.com>: greylisted for {n} s", "< QUIT", "> 221 Bye", "-"],
    ["+", "> 220 mx.example.com", "< EHLO mx.example.com", "> 250-mx.example.com", "> 250-SIZE 500", "> 250-AUTH LOGIN", "> 250 CHUNKING",
     "< AUTH LOGIN", "> 334 VXNlcm5hbWU6", "< dXNlcnt9", "> 334 UGFzc3dvcmQ6", "< czNjcmV0cGFzcw==", "> 235 2.7.0 Ok",
     "< MAIL FROM:<a{n}@example.org> SIZE={n}", "> 250 2.1.0 Ok", "< RCPT TO:<u{n}@example.com>", "> 250 2.1.5 Ok", "< BDAT {n}34 LAST",
     "> 250 2.6.0 <{n}.x@example.org> [InternalId={n}] Queued mail for delivery", "< QUIT", "> 221 Bye", "-"],
    ["+", "> 554 5.7.1 go away [192.0.2.{n}]", "-"],
    ["+", "> 220 mx.example.com", "< EHLO r{n}", "> 250 mx.example.com Hello", "< RCPT TO:<u{n}@example.com>", "> 503 5.5.2 Need mail", "-"],
    ["+", "> 220 mx.example.com", "< EHLO r.example.org", "> 250-mx.example.com", "> 250 STARTTLS", "< STARTTLS", "> 220 2.0.0 ready",
     "* TLS protocol SP_PROT_TLS1_2_SERVER negotiation succeeded using CALG_AES_256", "< EHLO r.example.org", "> 250 mx.example.com Hello",
     "< MAIL FROM:<\"odd {n}\"@example.org>", "> 250 Ok", "< RCPT TO:<x@example.com>", "> 250 Ok", "< DATA", "> 354 go", "-"],
]  # fmt: skip


def log(which: list[int], *, is_sent: bool = False, step_s: int = 0) -> str:
    """A log of sessions that go on through each other; `which` names their talks."""
    rows = []
    for n, number in enumerate(which):
        for place, said in enumerate(TALKS[number % len(TALKS)]):
            mark, _, text = said.partition(" ")
            mark = {"<": ">", ">": "<"}.get(mark, mark) if is_sent else mark
            text = text.replace("{n}", str(n + 1))
            text = f'"{text.replace(chr(34), chr(34) * 2)}"' if "," in text or '"' in text else text
            ends = f"192.0.2.1:4{n:04d},192.0.2.9:25" if is_sent else f"192.0.2.9:25,198.51.100.7:4{n:04d}"
            rows.append((place + n % 7, n, f"{{at}},EX1,08DB{n:012X},{place},{ends},{mark},{text},"))
    rows.sort(key=lambda row: row[:2])
    times = [i * step_s for i in range(len(rows))]
    stamps = [
        f"2026-11-23T{t // 3600 % 24:02d}:{t // 60 % 60:02d}:{t % 60:02d}.{i % 1000:03d}Z" for i, t in enumerate(times)
    ]
    return HEADER + "".join(row[2].replace("{at}", at, 1) + "\n" for row, at in zip(rows, stamps, strict=True))


def by_columns(path: Path, **options: object) -> list[dict[str, object]]:
    """What the whole program says of a file."""
    return [session.model_dump(mode="json") for session in smtplog.sessions(path, **options)]


def by_lines(text: str, name: str) -> list[dict[str, object]]:
    """What the reader of pasted transcripts says of the same text."""
    return [session.model_dump(mode="json") for session in dialogue.sessions(text, source=name)]


@pytest.mark.parametrize("is_sent", [False, True])
@pytest.mark.parametrize("step_s", [0, 7, 400])
def test_columns_say_what_lines_say(tmp_path: Path, is_sent: bool, step_s: int) -> None:
    """Every field of every session, whichever side logs, whether it went fast or slowly."""
    path = tmp_path / "protocol.log"
    path.write_text(log(list(range(24)), is_sent=is_sent, step_s=step_s))

    assert by_columns(path) == by_lines(path.read_text(), str(path))


@settings(max_examples=10, deadline=None)
@given(
    which=st.lists(st.integers(0, 5), min_size=1, max_size=5),
    is_sent=st.booleans(),
    cut=st.integers(0, 60),
    data=st.data(),
)
def test_columns_say_what_lines_say_of_damaged_logs(
    which: list[int], is_sent: bool, cut: int, data: st.DataObject, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Lines left out anywhere: heads, replies, ends."""
    path = tmp_path_factory.mktemp("protocol") / "protocol.log"
    lines = log(which, is_sent=is_sent).splitlines(keepends=True)[2:]
    gone = data.draw(st.sets(st.integers(0, len(lines) - 1), max_size=5))
    kept = [line for i, line in enumerate(lines) if i not in gone][: max(3, len(lines) - cut)]
    path.write_text(HEADER + "".join(kept))

    told = sorted(
        by_columns(path, input_format="transcript"), key=lambda one: int(str(one["line"]))
    )  # the open come last
    assert told == by_lines(path.read_text(), str(path))


@pytest.mark.parametrize("is_sent", [False, True])
@pytest.mark.parametrize("talk", [0, 2, 4])
def test_commands_alone_tell_who_logs(tmp_path: Path, talk: int, is_sent: bool) -> None:
    """Where no reply is left, who gives commands is the client."""
    path = tmp_path / "protocol.log"
    own, other = (">", "<") if is_sent else ("<", ">")
    kept = [line for line in log([talk], is_sent=is_sent).splitlines(keepends=True) if f",{other}," not in line]
    assert any(f",{own}," in line for line in kept)
    path.write_text("".join(kept))
    told = by_columns(path, input_format="transcript")

    assert [one["role"] for one in told] == ["client" if is_sent else "server"]
    assert told == by_lines(path.read_text(), str(path))


def test_two_conversations_under_one_id_have_keys_of_their_own(tmp_path: Path) -> None:
    """Where the end of one and the beginning of the next are lost, the second is told from the first."""
    lines = log([0, 5, 0, 0]).splitlines(keepends=True)
    path = tmp_path / "protocol.log"
    path.write_text("".join(line for i, line in enumerate(lines) if i != 21))
    keys = [one["session_key"] for one in by_columns(path, input_format="transcript")]

    assert "08DB000000000001.2" in keys
    assert len(keys) == len(set(keys))
    assert sorted(map(str, keys)) == sorted(str(one["session_key"]) for one in by_lines(path.read_text(), str(path)))


@pytest.mark.parametrize("name", ["exchange-receive", "exchange-send"])
def test_samples_by_columns(name: str) -> None:
    """The goldens of the samples."""
    golden = [json.loads(line) for line in (SAMPLES / f"{name}.jsonl").read_text("utf-8").splitlines()]

    assert [one | {"source": f"{name}.txt"} for one in by_columns(SAMPLES / f"{name}.txt")] == golden


def test_the_size_of_blocks_does_not_matter(tmp_path: Path) -> None:
    """Sessions that are open go on in the next block."""
    path = tmp_path / "protocol.log"
    path.write_text(log(list(range(40))))
    whole = by_columns(path)

    for size in (900, 5000):
        small = by_columns(path, block_bytes=size, input_format="transcript")
        assert sorted(small, key=lambda one: str(one["session_key"])) == sorted(
            whole, key=lambda one: str(one["session_key"])
        )


def test_no_secret_is_shown(tmp_path: Path) -> None:
    """Not in exchanges, not in findings; on demand they are."""
    path = tmp_path / "protocol.log"
    path.write_text(log([2, 2, 2]))

    assert "czNjcmV0cGFzcw" not in json.dumps(by_columns(path))
    assert "czNjcmV0cGFzcw" in json.dumps(by_columns(path, show_secrets=True))


def test_columns_are_found_by_the_header(tmp_path: Path) -> None:
    """`#Fields:` names them, in any order."""
    path = tmp_path / "protocol.log"
    lines = log([0, 1]).splitlines()
    names = lines[1].removeprefix("#Fields: ").split(",")
    turned = ["#Fields: " + ",".join(reversed(names)), *(",".join(reversed(line.split(","))) for line in lines[2:])]
    path.write_text("\n".join(turned) + "\n")
    told = by_columns(path, input_format="transcript")

    assert [len(one["exchanges"]) for one in told] == [7, 5]  # type: ignore[arg-type]


def test_odd_lines_are_counted(tmp_path: Path) -> None:
    """What is no row is lost to nobody."""
    path = tmp_path / "protocol.log"
    path.write_text(log([0, 1]) + "a line of something else\n\n")
    run = smtplog.sessions(path)
    list(run)

    assert (run.tally.malformed, run.tally.lines) == (1, path.read_text().count("\n"))


def test_columns_of_the_table(tmp_path: Path) -> None:
    """The frame has the columns of the record."""
    path = tmp_path / "protocol.log"
    path.write_text(log([0]))
    frame = smtplog.frames(path, "sessions")["sessions"]

    assert isinstance(frame, pl.DataFrame)
    assert frame["role"].to_list() == ["server"]
    assert frame["client_ip"].to_list() == ["198.51.100.7"]
