"""Companions that name no host: what they say belongs to the mail that is surely meant, and else to none."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import polars as pl
import pytest

from smtplog import frames
from smtplog.pipeline import Options, export
from smtplog.read.tally import Tally
from tests.conftest import SAMPLES, Ran, write

Cli = Callable[..., Ran]
QUEUE_ID = "4C1F2A0B31"


def taken(host: str, message_id: str = "one@a.example", second: int = 0, queue_id: str = QUEUE_ID) -> list[str]:
    """A mail that came into a host's queue and left it."""
    head, pid = f"2026-05-04T12:00:{second:02}", 10 + second
    return [
        f"{head}.400000Z {host} postfix/smtpd[{pid}]: {queue_id}: client=a.example[192.0.2.1]",
        f"{head}.500000Z {host} postfix/cleanup[{pid}]: {queue_id}: message-id=<{message_id}>",
        f"{head}.600000Z {host} postfix/qmgr[9]: {queue_id}: removed",
    ]


def rspamd(message_id: str = "one@a.example", queue_id: str = QUEUE_ID, score: str = "1.50", second: int = 0) -> str:
    """What rspamd's own file says of it."""
    return (
        f"2026-05-04 12:00:{second:02} #21(normal) <abcdef>; task; rspamd_task_write_log: id: <{message_id}>, qid: <{queue_id}>, "
        f"ip: 192.0.2.1, from: <s@a.example>, (default: F (no action): [{score}/15.00] [FOO(1.50){{}}]), len: 999, time: 1.0ms"
    )


def dkim(queue_id: str = QUEUE_ID) -> str:
    """A word without a host, a time and a Message-ID."""
    return f"opendkim[9]: {queue_id}: DKIM verification successful"


def lmtp(message_id: str = "one@a.example", second: int = 0) -> str:
    """What Dovecot says of a Message-ID."""
    return f"May 04 12:00:{second:02} lmtp(bob)<5><abc>: Info: sieve: msgid=<{message_id}>: keep action: stored mail into mailbox 'INBOX'"


def composed(path: Path, **said: list[str]) -> Path:
    """The lines of containers, one container after the other."""
    return write(path, [f"{name}-1  | {line}" for name, lines in said.items() for line in lines])


def verdicts(*logs: Path, block_bytes: int = 1_000_000) -> dict[str, list[str]]:
    """Host and id of every message, and who has said something of it."""
    made = frames([str(log) for log in logs], "messages", year=2026, block_bytes=block_bytes)["messages"]
    rows = made.select("host", "message_id", "verdicts").sort("host", "message_id").iter_rows()
    return {f"{host} {name}": [one["program"] for one in told or []] for host, name, told in rows}


@pytest.mark.parametrize("block_bytes", [300, 1_000_000])
def test_other_containers_speak_of_the_mail(block_bytes: int) -> None:
    """By queue id and Message-ID, by the id alone, by the Message-ID alone; an id that comes back is another mail."""
    log = str(SAMPLES / "companions" / "containers.log")
    made = frames(log, "events", "messages", year=2026, zone="UTC", block_bytes=block_bytes)
    golden = (SAMPLES / "companions" / "containers.messages.jsonl").read_text("utf-8").splitlines()

    assert [row["verdicts"] for row in made["messages"].iter_rows(named=True)] == [
        json.loads(line)["verdicts"] for line in golden
    ]
    keys = dict(made["events"].select("line", "message_key").iter_rows())
    assert len(set(map(keys.get, range(1, 9)))) == 1
    assert len({keys[line] for line in (9, 10, 11, 13, 14, 15, 17)}) == 1
    assert keys[12] == f"-/-/{QUEUE_ID}"
    assert keys[16] is None


def test_a_strange_clock_moves_no_message(tmp_path: Path) -> None:
    """The companion's time, whole seconds in an unknown zone, is neither the message's beginning nor in its key."""
    alone = composed(tmp_path / "alone.log", mail=taken("mx1"))
    both = composed(tmp_path / "both.log", rspamd=[rspamd().replace("12:00:00", "05:00:00")], mail=taken("mx1"))
    columns = ["message_key", "received_at", "removed_at", "status"]
    want, have = (frames(str(log), "messages", year=2026)["messages"].select(columns) for log in (alone, both))
    assert have.equals(want)
    assert verdicts(both) == {"mx1 one@a.example": ["rspamd"]}


def test_two_servers_with_the_same_id_are_told_apart_by_the_message_id(tmp_path: Path) -> None:
    """What names the id alone could be of either: it is nobody's."""
    log = composed(
        tmp_path / "compose.log", a=taken("mx1"), b=taken("mx2", "two@a.example"), c=[rspamd("two@a.example"), dkim()]
    )
    assert verdicts(log) == {"mx1 one@a.example": [], "mx2 two@a.example": ["rspamd"]}


def test_a_short_id_alone_is_not_sure_where_there_are_two_servers(tmp_path: Path) -> None:
    """Nor where only one of them shows it; one that never comes back is."""
    long = "4gXkV93fmSz1nkLx"
    log = composed(
        tmp_path / "compose.log", a=taken("mx1"), b=taken("mx2", "two@a.example", queue_id=long), c=[dkim(), dkim(long)]
    )
    assert verdicts(log) == {"mx1 one@a.example": [], "mx2 two@a.example": ["opendkim"]}


def test_an_id_of_two_queues_is_nobodys(tmp_path: Path) -> None:
    """Not even both ids tell servers apart that have both, nor an id the instances of one host."""
    same = composed(tmp_path / "same.log", a=taken("mx1"), b=taken("mx2"), c=[rspamd(), dkim()])
    assert verdicts(same) == {"mx1 one@a.example": [], "mx2 one@a.example": []}
    second = [line.replace("postfix/", "postfix-out/") for line in taken("mx1", "two@a.example")]
    instances = composed(tmp_path / "instances.log", a=taken("mx1"), b=second, c=[dkim()])
    assert verdicts(instances) == {"mx1 one@a.example": [], "mx1 two@a.example": []}


def test_an_id_alone_is_not_that_of_a_mail_long_gone(tmp_path: Path) -> None:
    """Nor of one in another input."""
    late = composed(tmp_path / "late.log", a=taken("mx1"), b=[rspamd("undef", second=5), rspamd("undef", second=20)])
    assert verdicts(late) == {"mx1 one@a.example": ["rspamd"]}
    mail, own = write(tmp_path / "mail.log", taken("mx1")), write(tmp_path / "rspamd.log", [rspamd("undef")])
    assert verdicts(mail, own) == {"mx1 one@a.example": []}


def test_a_message_id_on_two_servers_is_nobodys(tmp_path: Path) -> None:
    """A mailbox server without a host is not known to be of the one or the other."""
    log = composed(tmp_path / "compose.log", a=taken("mx1"), b=taken("mx2", queue_id="5C1F2A0B31"), c=[lmtp()])
    assert verdicts(log) == {"mx1 one@a.example": [], "mx2 one@a.example": []}


def test_another_message_id_is_another_mail(tmp_path: Path) -> None:
    """The same queue id speaks of it, at another server that is not here."""
    log = composed(tmp_path / "compose.log", a=taken("mx1"), b=[rspamd("other@a.example")])
    assert verdicts(log) == {"mx1 one@a.example": []}


@pytest.mark.parametrize("block_bytes", [300, 1_000_000])
def test_a_file_of_its_own_needs_both_ids(tmp_path: Path, block_bytes: int) -> None:
    """The file of rspamd beside the mail log; an id used again and the id alone are no ground there."""
    lines = [*taken("mx1"), *taken("mx1", "two@a.example", 30)]
    mail = write(tmp_path / "mail.log", lines)
    own = write(tmp_path / "rspamd.log", [rspamd(), rspamd("two@a.example", second=30)])
    box = write(tmp_path / "dovecot.log", [lmtp(), lmtp("two@a.example", 30)])
    want = {"mx1 one@a.example": ["rspamd"], "mx1 two@a.example": ["rspamd"]}
    assert verdicts(mail, own, box, block_bytes=block_bytes) == want


@pytest.mark.parametrize("read", range(1, 17))
def test_the_next_night_speaks_of_the_mail_too(tmp_path: Path, read: int) -> None:
    """Wherever the run before stopped."""
    lines = (SAMPLES / "companions" / "containers.log").read_text("utf-8").splitlines()
    log, made, state = tmp_path / "all.log", tmp_path / "out", tmp_path / "state"
    later = f"mail-1  | 2026-05-30T12:00:00Z mail postfix/smtpd[1]: {QUEUE_ID}: client=a.example[192.0.2.1]"
    for many, more in ((read, []), (len(lines), [later, later])):
        write(log, [*lines[:many], *more])
        options = Options(year=2026, zone="UTC")
        export([str(log)], made, ["messages"], options, Tally(), state=state)
    told = pl.read_parquet(made / "messages" / "*.parquet").drop_nulls("message_id").sort("received_at")
    assert [[one["program"] for one in row] for row in told["verdicts"].to_list()] == [
        ["rspamd", "opendkim", "dovecot"],
        ["rspamd", "dovecot"],
    ]


def docker(*lines: str) -> list[str]:
    """The lines of one container as Docker keeps them."""
    stamp = "2026-05-04T12:00:0{}.0Z"
    return [
        json.dumps({"log": f"{line}\n", "stream": "stdout", "time": stamp.format(n % 10)})
        for n, line in enumerate(lines)
    ]


@pytest.mark.parametrize(
    ("hosts", "want"), [(("mx1",), ["mx1"] * 4), (("mx1", "mx2"), ["mx1"] * 3 + ["mx2"] * 3 + [None])]
)
def test_a_bare_line_of_a_container_is_of_its_only_host(
    tmp_path: Path, hosts: tuple[str, ...], want: list[str]
) -> None:
    """Where the others name two, it is nobody's."""
    bare = f"postfix/qmgr[9]: {QUEUE_ID}: removed"
    log = write(tmp_path / "json.log", docker(*(line for host in hosts for line in taken(host)), bare))
    made = frames(str(log), "events", "messages")
    assert made["events"]["host"].to_list() == want
    assert made["messages"].filter(pl.col("host").is_not_null()).height == len(hosts)


def test_a_bare_line_beside_other_containers_stays_without_a_host(tmp_path: Path) -> None:
    """What `docker compose logs` shows may be from anywhere."""
    log = composed(tmp_path / "compose.log", mail=taken("mx1"), dkim=[dkim()])
    assert frames(str(log), "events", year=2026)["events"]["host"].to_list() == ["mx1"] * 3 + [None]


def test_the_mailbox_is_told_with_the_delivery(cli: Cli) -> None:
    """`delivered` may be into Junk; a trace says so, and never shows a companion that says nothing."""
    rows = cli("trace", SAMPLES / "companions" / "sieve.log", "--message-id", "offer@*").rows
    said = [row.lstrip("├─ ") for row in rows]
    assert "dovecot: stored mail into mailbox 'Junk'" in said
    assert "opendkim: SSL error:04091068:rsa routines::bad signature" in said
    assert "opendkim: key retrieval failed" in said
    assert not [row for row in said if row.endswith("opendkim:")]


def test_every_verdict_says_something() -> None:
    """In all samples: who passes judgement on a message has a word for it, or a score."""
    empty = []
    for path in sorted(SAMPLES.glob("*/*.jsonl")):
        for event in map(json.loads, path.read_text("utf-8").splitlines()):
            said = event.get("fields") or {}
            judges = event.get("queue_id") and said.get("verdict_program")
            if judges and not (said.get("verdict") or said.get("score")):
                empty.append(f"{path.name}:{event['line']}")
    assert not empty


def test_what_is_said_of_a_mail_is_read_or_unknown(cli: Cli) -> None:
    """A form of Dovecot's that is not known is counted so where it names a mail; traces are counted apart."""
    out = cli("check", SAMPLES / "companions" / "sieve.log").out
    (dovecot,) = (row.split() for row in out.splitlines() if row.startswith("companions  dovecot"))
    assert dovecot[2:] == ["28", "1", "1"]
    assert "unknown: " in out
    assert "from=<shop@example.net>, msgid=<own@example.net>" in out
