"""`trace`: the messages that are meant, every line of them and no other; and what stands behind records (`--raw`)."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import polars as pl
import pytest

import smtplog
from smtplog.ask.query import Query
from smtplog.ask.trace import Trace
from smtplog.contract.records import TABLES
from smtplog.lines import Marks, lines_of, lines_with
from smtplog.pipeline import Options, run
from smtplog.show.export import Shelf
from tests.conftest import SAMPLES, TOP, Ran, write

Cli = Callable[..., Ran]
SELF = f"{sys.executable} -m smtplog"
LOG = """\
Nov 23 08:00:00 mx1 postfix/smtpd[1]: connect from c.example[192.0.2.1]
Nov 23 08:00:00 mx1 postfix/smtpd[1]: NOQUEUE: reject: RCPT from c.example[192.0.2.1]: 550 5.1.1 <no@d.example>: Recipient \
address rejected: User unknown; from=<ann@c.example> to=<no@d.example> proto=ESMTP helo=<c.example>
Nov 23 08:00:01 mx1 postfix/smtpd[1]: AAAAAA1111: client=c.example[192.0.2.1]
Nov 23 08:00:01 mx1 postfix/cleanup[2]: AAAAAA1111: message-id=<one@c.example>
Nov 23 08:00:01 mx1 postfix/qmgr[3]: AAAAAA1111: from=<ann@c.example>, size=300, nrcpt=1 (queue active)
Nov 23 08:00:02 mx1 postfix/local[4]: AAAAAA1111: to=<b@d.example>, relay=local, delay=2, delays=0/0/1/1, dsn=2.0.0, \
status=sent (delivered to mailbox)
Nov 23 08:00:02 mx1 postfix/qmgr[3]: AAAAAA1111: removed
Nov 23 08:00:03 mx1 postfix/smtpd[1]: BBBBBB2222: client=c.example[192.0.2.1]
Nov 23 08:00:03 mx1 postfix/cleanup[2]: BBBBBB2222: reject: header Subject: win a prize from c.example[192.0.2.1]; \
from=<eve@c.example> to=<b@d.example> proto=ESMTP helo=<c.example>: 5.7.1 no prizes
Nov 23 08:00:09 mx1 postfix/smtpd[1]: disconnect from c.example[192.0.2.1] ehlo=1 mail=3 rcpt=2/3 data=1/2 quit=1 commands=8/10
"""
LINES = LOG.splitlines()


@pytest.fixture
def log(tmp_path: Path) -> Path:
    """A refusal without an id, a mail that came through, one that a header check refused."""
    return write(tmp_path / "mail.log", LOG.encode(), modified=1_795_500_000)


@pytest.mark.parametrize(
    ("asked", "want"),
    [
        (("--grep", "no@d.example"), [1]),
        (("--grep", "ANN@C.example"), [1, 2, 3, 4, 5, 6]),
        (("--sender", "ann@*"), [1, 2, 3, 4, 5, 6]),
        (("--recipient", "no@*"), [1]),
        (("--queue-id", "BBBBBB2222"), [7, 8]),
        (("--subject", "*prize*"), [7, 8]),
        (("--grep", "prize", "--sender", "eve@*"), [7, 8]),
        (("--grep", "prize", "--sender", "ann@*"), []),
        (("--message-id", "one@*", "--since", "2026-11-23T08:00:01"), [2, 3, 4, 5, 6]),
        (("--sender", "ann@*", "--until", "2026-11-23T08:00:01"), [1]),
        (("--sender", "ann@*", "--since", "2026-11-24"), []),
        (("--client", "192.0.2.1", "--status", "rejected"), [1, 7, 8]),
        (("--grep", "disconnect"), []),
    ],
)
def test_the_lines_of_what_is_meant(cli: Cli, log: Path, asked: tuple[str, ...], want: list[int]) -> None:
    """Each selector, alone and together; a refusal that belongs to no message is found like one."""
    ran = cli("trace", log, "--raw", *asked)

    assert ran.rows == [LINES[n] for n in want]
    assert ran.code == (0 if want else 1)


def test_as_json_lines(cli: Cli, log: Path) -> None:
    """A message with its deliveries, or a refusal."""
    told = [json.loads(row) for row in cli("trace", log, "--sender", "ann@*", "--format", "jsonl").rows]

    assert [one["message"]["queue_id"] for one in told if "message" in one] == ["AAAAAA1111"]
    assert [one["delivery"]["recipient"] for one in told if "delivery" in one] == ["no@d.example"]


def test_a_mail_that_came_out_of_one_before_the_log(cli: Cli) -> None:
    """It is the first of its story; what else came out of that one is another."""
    path = SAMPLES / "exim/refusals.log"
    told = [json.loads(row) for row in cli("trace", path, "--subject", "*2Q delayed*", "--format", "jsonl").rows]

    assert [one["message"]["line"] for one in told] == [38]
    assert told[0]["message"]["parent_key"] == "-/-/1xVPX6-0000cb-2Q"


@pytest.mark.parametrize("block_bytes", [300, 1_000_000])
@pytest.mark.parametrize("together", [1, 5000])
@pytest.mark.parametrize(
    "scene",
    ["postfix/content-filter", "postfix/requeued", "postfix/refused-to-talk", "exim/refusals", "exim/hosts-in-turn"],
)
def test_however_the_records_lie_and_are_taken(
    monkeypatch: pytest.MonkeyPatch, scene: str, together: int, block_bytes: int
) -> None:
    """Every message and attempt of a log once, parents above what came out of them, the oldest first."""
    monkeypatch.setattr("smtplog.ask.trace.TOGETHER", together)
    path, options = str(SAMPLES / f"{scene}.log"), Options(year=2026, zone="UTC", block_bytes=block_bytes)
    with Shelf() as shelf:
        found = Trace(Query({}), shelf)
        found.take(run([path], found.tables(), options))
        hops = list(found.hops())
    messages = [one["message_key"] for hop in hops for one in hop.messages()]
    tried = [one["delivery_key"] for hop in hops for one in hop.tried()]
    hosts = [one["line"] for hop in hops for one in hop.attempts]
    whole = smtplog.frames(path, "messages", "deliveries", "events", year=2026, zone="UTC")

    assert sorted(messages) == sorted(whole["messages"]["message_key"])
    assert sorted([*tried, *found.refused["delivery_key"]]) == sorted(whole["deliveries"]["delivery_key"])
    kinds = ("attempt", "auth_out_failed", "server_refused")
    assert hosts == whole["events"].filter(pl.col("kind").is_in(kinds))["line"].to_list()
    came = [hop.message["received_at"] or hop.message["removed_at"] for hop in hops]
    assert came == sorted(came, key=lambda at: (at is None, at))
    for hop in hops:
        assert all(child.message["parent_key"] == hop.message["message_key"] for child in hop.children)


def test_what_each_host_said_is_part_of_the_story(cli: Cli) -> None:
    """In the order of time, with its reason, also where the deferral itself has another host's; filters mean the mail."""
    path = SAMPLES / "exim/hosts-in-turn.log"
    told = cli("trace", path, "--recipient", "bert@*", "--width", 300).rows

    assert told[3] == (
        "├── 2026-03-05 11:00:01  tried mx1.far.example [198.51.100.5]: 421 4.7.1 Your IP 203.0.113.1 is on our block list"
        "  [ip_blocklisted; who acts: the sending side]  (line 2)"
    )
    assert [row.split()[3] for row in told[2:-1]] == ["received", "tried", "tried", "deferred", "tried", "sent"]
    (mail,) = (json.loads(row) for row in cli("trace", path, "--recipient", "bert@*", "--format", "jsonl").rows)
    assert [(one["line"], one["reason"]) for one in mail["attempts"]] == [
        (2, "ip_blocklisted"),
        (3, "timeout"),
        (5, "timeout"),
    ]
    assert cli("trace", path, "--recipient", "bert@*", "--raw").rows == path.read_text("utf-8").splitlines()[:8]


def test_a_full_disk_is_said(cli: Cli, log: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is laid aside needs room; the message says where there may be more."""
    full = Path("/dev/full")
    if not full.exists():
        pytest.skip("no device that is always full")
    monkeypatch.setattr("tempfile.TemporaryFile", lambda **_: full.open("w+b"))
    ran = cli("trace", log, "--sender", "ann@*")

    assert ran.code == 2
    assert "No space left on device; name another folder with TMPDIR" in ran.err


def test_nothing_found_says_what_was_searched(cli: Cli, log: Path) -> None:
    """And where the text stands, when it belongs to no mail."""
    ran = cli("trace", log, "--grep", "disconnect from")

    assert (ran.code, ran.out) == (1, "")
    assert f"no mail and no refusal found in {log} with --grep disconnect from" in ran.err
    assert f"stands in 1 entries that belong to none, the first in {log}:10" in ran.err


@pytest.mark.parametrize(
    ("table", "asked", "want"),
    [
        ("messages", ("--status", "rejected"), [7, 8]),
        ("deliveries", ("--status", "rejected"), [1, 8]),
        ("deliveries", ("--status", "rejected", "--limit", "1"), [1]),
        ("sessions", (), [0, 1, 2, 7, 9]),
    ],
)
def test_lines_behind_records(cli: Cli, log: Path, table: str, asked: tuple[str, ...], want: list[int]) -> None:
    """`--raw` prints the lines of what was found, in the order of the log."""
    assert cli(table, log, "--raw", *asked).rows == [LINES[n] for n in want]


@pytest.mark.parametrize("table", [name for name in TABLES if name != "events"])
def test_lines_behind_records_need_a_file(cli: Cli, table: str) -> None:
    """A pipe cannot be read twice."""
    ran = cli(table, "-", "--raw", stdin=LOG.encode())

    assert ran.code == 2
    assert "give a file instead of -" in ran.err


TWICE = [
    "sessions --raw",
    "messages --raw",
    "deliveries --raw",
    "summary --last 1d",
    "failures --last 1d",
    "trace --sender * --last 1d",
    "trace --sender * --raw",
    "trace --grep x",
]
"""What reads its inputs twice."""


@pytest.mark.parametrize("command", TWICE)
def test_a_pipe_by_name_is_not_read_twice(cli: Cli, log: Path, tmp_path: Path, command: str) -> None:
    """A FIFO, beside a file or alone, is refused like `-` before anything of it is read: nobody need write into it."""
    os.mkfifo(tmp_path / "fifo")
    name, *options = command.split()
    for inputs in ([tmp_path / "fifo"], [log, tmp_path / "fifo"]):
        ran = cli(name, *inputs, *options)

        assert (ran.code, ran.out) == (2, "")
        assert f"; give a file instead of {tmp_path / 'fifo'}" in ran.err
    assert cli(name, log, *options, "--year", 2026).code < 2


@pytest.mark.skipif(not Path("/dev/stdin").exists(), reason="a system without /dev/stdin")
def test_a_pipe_that_the_shell_made_is_not_read_twice(log: Path) -> None:
    """`/dev/stdin` and `<(...)` are refused where they are pipes; a file behind `/dev/stdin` is a file."""
    for command, code, said in (
        (f"cat {log} | {SELF} summary /dev/stdin --year 2026 --last 1d", 2, "instead of /dev/stdin, or --since"),
        (f"{SELF} failures <(cat {log}) --year 2026 --last 1d", 2, "give a file instead of /dev/fd/"),
        (f"{SELF} deliveries /dev/stdin --raw --year 2026 < {log}", 0, ""),
        (f"cat {log} | {SELF} deliveries /dev/stdin --year 2026 --last 1d", 0, ""),
    ):
        ran = subprocess.run(["bash", "-c", command], capture_output=True, text=True, cwd=TOP, check=False)

        assert (ran.returncode, bool(ran.stdout)) == (code, code == 0), ran.stderr
        assert said in ran.stderr


@pytest.mark.parametrize("scene", ["postfix/content-filter", "postfix/requeued", "postfix/lmtp", "exim/refusals"])
def test_every_line_with_an_id_and_no_other(scene: str) -> None:
    """Compared with a search for the id as a word: ids of these scenes are not used twice."""
    path = SAMPLES / f"{scene}.log"
    options = Options(year=2026, zone="UTC")
    lines = path.read_text("utf-8").splitlines()
    messages = smtplog.frames(str(path), "messages", year=2026, zone="UTC")["messages"]
    assert messages.height
    for key, queue_id in messages.select("message_key", "queue_id").iter_rows():
        mine = re.compile(rf"(?:: |^[-0-9]+ [.:0-9]+ (?:\[\d+\] )?)(?:warning: )?{re.escape(queue_id)}(?:: | )")
        found = list(lines_of([str(path)], options, Marks(messages=frozenset([key]))))
        assert found == [line for line in lines if mine.search(line)], queue_id


def test_a_text_in_upper_and_lower_case(log: Path) -> None:
    """Where it stands: keys of messages and places."""
    marks = lines_with([str(log)], Options(year=2026, zone="UTC"), "ONE@c.example")

    assert marks.places == {(str(log), 4)}
    assert len(marks.messages) == 1


@pytest.mark.parametrize("block_bytes", [150, 1_000_000])
def test_a_filter_that_nobody_knows_names_the_message(tmp_path: Path, block_bytes: int) -> None:
    """Its lines belong to the message while that is here; another id that only begins like it is none."""
    said = "mx1 ourfilter[9]: AAAAAA1111: looks fine"
    lines = [*LINES[:5], f"Nov 23 08:00:01 {said}", *LINES[5:], "Nov 23 08:00:02 mx1 ourfilter[9]: AAAAAA1111B: other",
             f"Nov 23 09:00:00 {said}", "Nov 23 08:00:01 mx2 ourfilter[9]: AAAAAA1111: other host"]  # fmt: skip
    path = str(write(tmp_path / "mail.log", lines))
    options = Options(year=2026, zone="UTC", block_bytes=block_bytes)
    messages = smtplog.frames(path, "messages", year=2026, zone="UTC")["messages"].filter(queue_id="AAAAAA1111")

    assert list(lines_of([path], options, Marks.of_messages(messages.iter_rows(named=True)))) == lines[2:8]


@pytest.mark.parametrize(
    ("scene", "queue_id", "head", "end"),
    [
        ("client-broke-off", "78BE52827A9", "unknown", "the log does not show that it came into the queue"),
        ("client-broke-off", "76F172827A4", "active", "still in the queue where the log ends"),
        ("deleted-by-admin", "9F660282333", "cancelled", "2026-11-23 08:30:38  gone from the queue"),
        ("requeued", "AD8B82829F2", "unknown", "2026-11-23 08:30:45  gone from the queue"),
    ],
)
def test_only_what_is_in_the_queue_is_said_to_be_there(
    cli: Cli, scene: str, queue_id: str, head: str, end: str
) -> None:
    ran = cli("trace", SAMPLES / f"postfix/{scene}.log", "--year", 2026, "--queue-id", queue_id)
    lines = ran.out.splitlines()
    assert lines[1].startswith(f"{queue_id} on mx1  {head}")
    assert lines[-1] == f"└── {end}"
    assert ("still in the queue" in ran.out) == (head == "active")


def test_what_is_asked_beside_the_status_does_not_change_it() -> None:
    logs = [str(SAMPLES / f"postfix/{scene}.log") for scene in ("client-broke-off", "requeued", "held-released")]
    options, asked = Options(year=2026), frozenset({"queue_id", "status"})
    for log in logs:
        (few,) = [frames["messages"] for frames in run([log], {"messages": asked}, options)]
        (many,) = [frames["messages"] for frames in run([log], {"messages": None}, options)]
        assert few.select("queue_id", "status").equals(many.select("queue_id", "status"))


def test_a_refusal_says_who_wanted_to_send_what(cli: Cli, log: Path) -> None:
    ran = cli("trace", log, "--recipient", "no@*")
    assert ran.out.startswith(f"{log}, times in UTC\n")
    told = " ".join(ran.out.split())
    assert (
        "08:00:00 rejected <no@d.example> from <ann@c.example> by c.example [192.0.2.1]: 550 5.1.1 <no@d.example>"
        in told
    )
    assert "[user_unknown; who acts: the sending side]" in told


def test_where_no_mail_is_found_it_says_whether_one_may_stand_in_lines_that_were_not_understood(
    cli: Cli, log: Path
) -> None:
    """It names the command that shows them, as it can be pasted into a shell."""
    strange = log.with_name("mail of today.log")
    write(strange, f"{LOG}Nov 23 08:00:09 mx1 postfix/smtpd[1]: no such words\n".encode())
    hint = f"among what was not understood (1); `smtplog check '{strange}'` shows some"

    assert hint in cli("trace", strange, "--sender", "nobody@*").err
    assert "smtplog check" not in cli("trace", strange, "--sender", "ann@*").err
    assert "smtplog check" not in cli("trace", log, "--sender", "nobody@*").err
