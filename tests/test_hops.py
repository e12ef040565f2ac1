"""Messages that came out of one another, on one host and across hosts; several logs side by side."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest

from smtplog import frames
from smtplog.ask.summary import Summary
from smtplog.pipeline import Options, run
from tests.conftest import write as write_lines

EDGE = """\
Nov 23 08:00:00 mx1 postfix/smtpd[1]: connect from c.example[192.0.2.1]
Nov 23 08:00:00 mx1 postfix/smtpd[1]: AAAAAA1111: client=c.example[192.0.2.1]
Nov 23 08:00:00 mx1 postfix/cleanup[2]: AAAAAA1111: message-id=<one@c.example>
Nov 23 08:00:00 mx1 postfix/qmgr[3]: AAAAAA1111: from=<a@c.example>, size=300, nrcpt=1 (queue active)
Nov 23 08:00:02 mx1 postfix/smtp[4]: AAAAAA1111: to=<b@d.example>, relay=mx2.lab.example[10.0.0.2]:25, delay=2, \
delays=0/0/1/1, dsn=2.0.0, status=sent (250 2.0.0 Ok: queued as BBBBBB2222)
Nov 23 08:00:02 mx1 postfix/qmgr[3]: AAAAAA1111: removed
Nov 23 09:00:00 mx1 postfix/anvil[5]: statistics: max cache size 1 at Nov 23 08:00:00
"""
INNER = """\
Nov 23 08:00:01 mx2 postfix/smtpd[7]: connect from mx1.lab.example[10.0.0.1]
Nov 23 08:00:01 mx2 postfix/smtpd[7]: BBBBBB2222: client=mx1.lab.example[10.0.0.1]
Nov 23 08:00:01 mx2 postfix/cleanup[8]: BBBBBB2222: message-id=<one@c.example>
Nov 23 08:00:01 mx2 postfix/qmgr[9]: BBBBBB2222: from=<a@c.example>, size=400, nrcpt=1 (queue active)
Nov 23 08:00:03 mx2 postfix/local[10]: BBBBBB2222: to=<b@d.example>, relay=local, delay=2, delays=2/0/0/0, dsn=2.0.0, \
status=sent (delivered to mailbox)
Nov 23 08:00:03 mx2 postfix/qmgr[9]: BBBBBB2222: removed
Nov 23 09:00:00 mx2 postfix/anvil[5]: statistics: max cache size 1 at Nov 23 08:00:00
"""
PARENT = "mx1/postfix/AAAAAA1111@2026-11-23T08:00:00.000000Z"
CHILD = "mx2/postfix/BBBBBB2222@2026-11-23T08:00:01.000000Z"


def write(path: Path, text: str) -> Path:
    """A file of that text."""
    return write_lines(path, text.encode())


def links(given: Iterable[Path], **options: Any) -> dict[str, tuple[Any, ...]]:
    """Queue id -> origin, parent and children of its message."""
    table = frames([str(path) for path in given], "messages", year=2026, zone="UTC", **options)["messages"]
    return {row["queue_id"]: (row["origin"], row["parent_key"], row["child_keys"]) for row in table.to_dicts()}


def totals(given: Iterable[Path]) -> dict[str, int]:
    """What is counted."""
    found = Summary()
    found.take(run([str(path) for path in given], found.tables(), Options(year=2026, zone="UTC")))
    return found.totals


@pytest.mark.parametrize("block_bytes", [200, 1_000_000])
@pytest.mark.parametrize("how", ["edge first", "inner first", "one file"])
def test_a_second_server_whose_log_is_here(tmp_path: Path, how: str, block_bytes: int) -> None:
    """The hand-over is followed, whatever the order of the logs; the mail counts once."""
    edge, inner = write(tmp_path / "edge.log", EDGE), write(tmp_path / "inner.log", INNER)
    both = write(tmp_path / "both.log", "".join(sorted((EDGE + INNER).splitlines(keepends=True))))
    given = {"edge first": [edge, inner], "inner first": [inner, edge], "one file": [both]}[how]
    assert links(given, block_bytes=block_bytes) == {
        "AAAAAA1111": ("smtp", None, [CHILD]),
        "BBBBBB2222": ("reinjection", PARENT, None),
    }
    counted = totals(given)
    assert {name: counted[name] for name in ("received", "sent", "delivered", "internal")} == {
        "received": 1, "sent": 0, "delivered": 1, "internal": 1,
    }  # fmt: skip


@pytest.mark.parametrize(
    "change",
    [
        ("message-id=<one@c.example>", "message-id=<other@e.example>"),  # an id like ours, another mail
        ("Nov 23 08", "Nov 23 03"),  # the id was used before
    ],
)
def test_an_id_that_only_looks_like_one_of_ours(tmp_path: Path, change: tuple[str, str]) -> None:
    """Another host's id is no link by itself."""
    given = [write(tmp_path / "edge.log", EDGE), write(tmp_path / "inner.log", INNER.replace(*change))]
    assert [parent for _, parent, _ in links(given).values()] == [None, None]
    assert totals(given)["internal"] == 0


def test_without_message_ids_the_client_must_be_the_other_host(tmp_path: Path) -> None:
    """`client=` names who handed it on, or it is no link."""
    edge = write(tmp_path / "edge.log", "".join(line for line in EDGE.splitlines(keepends=True) if "-id=" not in line))
    for client, parent in (("mx1.lab.example[10.0.0.1]", PARENT), ("elsewhere.example[192.0.2.7]", None)):
        inner = write(tmp_path / "inner.log", INNER.replace("mx1.lab.example[10.0.0.1]", client))
        assert links([edge, inner])["BBBBBB2222"][1] == parent


def test_the_child_names_its_parent(tmp_path: Path) -> None:
    """`orig_queue_id=` is enough, where the answer of the filter tells no id."""
    text = EDGE.replace("mx2.lab.example[10.0.0.2]:25", "127.0.0.1[127.0.0.1]:10025").replace(
        "queued as BBBBBB2222", "done"
    )
    text += INNER.replace("mx2 ", "mx1 ").replace(
        "mx1.lab.example[10.0.0.1]\n", "localhost[127.0.0.1], orig_queue_id=AAAAAA1111, orig_client=c.example[192.0.2.1]\n"
    )  # fmt: skip
    lines = sorted(text.splitlines(keepends=True))
    found = links([write(tmp_path / "one.log", "".join(lines))])
    assert found["BBBBBB2222"][:2] == ("reinjection", PARENT)


def test_a_given_year_goes_on_through_a_set(tmp_path: Path) -> None:
    """`--year` is that of the first stamp of the set, not of each of its files."""
    line = "{} mx1 postfix/anvil[5]: statistics: max cache size 1 at {}\n"
    for name, day in (("mail.log.1", "Dec 31 23:00:00"), ("mail.log", "Jan  1 01:00:00")):
        write(tmp_path / name, line.format(day, day))
    table = frames([tmp_path / "mail.log", tmp_path / "mail.log.1"], "events", year=2025, zone="UTC")["events"]
    assert [at.year for at in table["at"]] == [2025, 2026]


def test_every_line_with_its_id_belongs_to_a_message(tmp_path: Path) -> None:
    """Refusals, checks and companions too; a recipient refused at RCPT is none of the message's recipients."""
    lines = EDGE.splitlines(keepends=True)
    lines[2:2] = [
        (
            "Nov 23 08:00:00 mx1 postfix/smtpd[1]: AAAAAA1111: warn: RCPT from c.example[192.0.2.1]: odd; from=<a@c.example> "
            "to=<b@d.example> proto=ESMTP helo=<c.example>\n"
        ),
        (
            "Nov 23 08:00:00 mx1 postfix/smtpd[1]: AAAAAA1111: reject: RCPT from c.example[192.0.2.1]: 554 5.7.1 <x@y.example>: "
            "Relay access denied; from=<a@c.example> to=<x@y.example> proto=ESMTP helo=<c.example>\n"
        ),
        (
            "Nov 23 08:00:00 mx1 postgrey[9]: AAAAAA1111: action=pass, reason=triplet found, client_name=c.example, "
            "client_address=192.0.2.1, sender=a@c.example, recipient=b@d.example\n"
        ),
    ]
    log = write(tmp_path / "one.log", "".join(lines))
    all_of_it = frames(str(log), year=2026, zone="UTC")
    keys = all_of_it["events"].filter(all_of_it["events"]["raw"].str.contains("AAAAAA1111"))["message_key"]
    assert keys.to_list() == [PARENT] * 8
    alone = frames(str(log), "messages", year=2026, zone="UTC")["messages"]
    assert alone.equals(all_of_it["messages"])
    assert [(r["address"], r["status"]) for r in alone["recipients"][0]] == [("b@d.example", "sent")]
    assert alone["status"].to_list() == ["sent"]
    assert "rejected" in all_of_it["deliveries"]["status"].to_list()


def test_a_quiet_host_whose_block_holds_many_days(tmp_path: Path) -> None:
    """A filter's hand-over is known however much later the log ends."""
    days = "".join(
        f"""\
Nov 2{day} 08:00:00 mx1 postfix/smtpd[1]: A{day}: client=c.example[192.0.2.1]
Nov 2{day} 08:00:01 mx1 postfix/qmgr[3]: A{day}: from=<a@c.example>, size=300, nrcpt=1 (queue active)
Nov 2{day} 08:00:02 mx1 postfix/10025/smtpd[7]: B{day}: client=localhost[127.0.0.1]
Nov 2{day} 08:00:02 mx1 amavis[8]: (8-0{day}) Passed CLEAN {{RelayedInternal}}, LOCAL <a@c.example> -> <b@d.example>, queued_as: B{day}, ok
Nov 2{day} 08:00:02 mx1 postfix/smtp[4]: A{day}: to=<b@d.example>, relay=127.0.0.1[127.0.0.1]:10024, delay=2, \
delays=0/0/1/1, dsn=2.0.0, status=sent (250 2.0.0 from MTA(smtp:[127.0.0.1]:10025): 250 2.0.0 Ok: queued as B{day})
Nov 2{day} 08:00:02 mx1 postfix/qmgr[3]: A{day}: removed
Nov 2{day} 08:00:03 mx1 postfix/local[5]: B{day}: to=<b@d.example>, relay=local, delay=1, delays=0/0/0/1, dsn=2.0.0, status=sent (delivered)
Nov 2{day} 08:00:03 mx1 postfix/qmgr[3]: B{day}: removed
"""
        for day in range(4)
    )
    log = write(tmp_path / "mail.log", days)
    found = totals([log])

    assert (found["received"], found["delivered"], found["internal"]) == (4, 4, 4)
    assert {name: parent is not None for name, (_, parent, _) in links([log]).items()} == {
        f"{letter}{day}": letter == "B" for letter in "AB" for day in range(4)
    }


@pytest.mark.parametrize("block_bytes", [200, 1_000_000])
def test_verdicts_that_name_the_message_id_alone(tmp_path: Path, block_bytes: int) -> None:
    """Of the mail that is here; hours later the same Message-ID is another mail's, or nobody's."""
    head = "2026-05-06T10:00:0"
    lines = [
        f"{head}0Z mx1 postfix/smtpd[1]: 4F3A12BC01: client=c.example[192.0.2.1]",
        f"{head}0Z mx1 postfix/cleanup[2]: 4F3A12BC01: message-id=<a1@example.net>",
        f"{head}0Z mx1 spamd[3]: spamd: result: Y 12 - BAYES_99 scantime=1.2,size=2000,user=x,mid=<a1@example.net>,bayes=1.0",
        f"{head}0Z mx2 spamd[3]: spamd: result: . 1 - BAYES_00 scantime=1.2,size=2000,user=x,mid=<a1@example.net>,bayes=0.0",
        f"{head}1Z mx1 dovecot: lmtp(bob)<4242><b2xYZ>: msgid=<a1@example.net>: saved mail to INBOX",
        f"{head}1Z mx1 postfix/qmgr[4]: 4F3A12BC01: removed",
        f"{head}2Z mx1 dovecot: lmtp(eve)<4242><b2xYZ>: msgid=<other@example.net>: saved mail to INBOX",
        "2026-05-06T12:00:00Z mx1 dovecot: lmtp(eve)<4243><c2xYZ>: msgid=<a1@example.net>: saved mail to INBOX",
    ]
    log = write(tmp_path / "mail.log", "\n".join(lines) + "\n")
    made = frames(str(log), "messages", "events", block_bytes=block_bytes)

    (verdicts,) = made["messages"]["verdicts"].to_list()
    assert [(one["program"], one["verdict"], one["score"]) for one in verdicts] == [
        ("spamd", "spam", 12.0),
        ("dovecot", "saved mail to INBOX", None),
    ]
    assert made["events"].filter(queue_id="4F3A12BC01")["line"].to_list() == [1, 2, 6]
    assert made["events"].drop_nulls("message_key")["line"].to_list() == [1, 2, 3, 5, 6]
