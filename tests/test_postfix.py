"""Postfix: what a text means, where a golden would not show why."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

import smtplog
from smtplog.ask.summary import Summary
from smtplog.formats import postfix
from smtplog.pipeline import Options, run
from smtplog.read import rows
from smtplog.read.detect import place

RELAY = "relay=mx.example.com[198.51.100.26]:25, delay=1, delays=0.1/0/0.4/0.5, dsn=2.0.0, "


def read(text: str, program: str = "postfix/smtp") -> tuple[str, dict[str, Any]]:
    """Kind and present fields of one text."""
    where = place("mx1", program, [postfix.FORMAT])
    assert where.format
    understood = rows.read(text, where.format, where.kinds)
    assert understood, text
    return understood.kind.name, {name: value for name, value in understood.fields.items() if value is not None}


@pytest.mark.parametrize(
    ("program", "attempt", "status"),
    [
        ("postfix/smtp", RELAY + "status=sent (250 2.0.0 Ok: queued as 77AA88BB99)", "sent"),
        ("postfix/smtp", RELAY + "status=sent (250 2.7.0 Ok, discarded, id=1-2 - spam)", "discarded"),
        ("postfix/smtp", RELAY.replace("mx.example.com[198.51.100.26]:25", "mx1[private/dovecot-lmtp]") + "status=sent (250 2.0.0 Saved)", "delivered"),
        ("postfix/lmtp", RELAY.replace("198.51.100.26", "127.0.0.1") + "status=sent (250 2.0.0 Saved)", "delivered"),
        ("postfix/smtp", RELAY.replace("198.51.100.26", "127.0.0.1") + "status=sent (250 2.0.0 Ok)", "sent"),
        ("postfix/lmtp", RELAY + "status=sent (250 2.0.0 Saved)", "sent"),
        ("postfix", RELAY + "status=sent (250 2.0.0 Ok)", "sent"),
        ("postfix/local", "relay=local, delay=1, delays=1/0/0/0, dsn=2.0.0, status=sent (delivered to maildir)", "delivered"),
        ("postfix", "relay=local, delay=1, delays=1/0/0/0, dsn=2.0.0, status=sent (forwarded as 9C3D4E5F60)", "expanded"),
        ("postfix/pipe", "relay=dovecot, delay=1, delays=1/0/0/0, dsn=2.0.0, status=sent (delivered via dovecot service)", "delivered"),
        ("postfix/discard", "relay=none, delay=1, delays=1/0/0/0, dsn=2.0.0, status=sent (silently)", "discarded"),
        ("postfix/error", "relay=none, delay=1, delays=1/0/0/0, dsn=4.3.0, status=deferred (mail transport unavailable)", "deferred"),
        ("postfix/smtp", RELAY + "status=bounced (host mx.example.com[198.51.100.26] said: 550 no (in reply to RCPT TO command))", "bounced"),
    ],
)  # fmt: skip
def test_status_of_a_delivery(program: str, attempt: str, status: str) -> None:
    """`sent` alone does not say whether it is in a mailbox, at the next hop, or thrown away."""
    kind, fields = read(f"4F3A12: to=<a@example.com>, {attempt}", program)
    assert (kind, fields["status"]) == ("delivery", status)


@pytest.mark.parametrize(
    ("detail", "expected"),
    [
        ("host mx[192.0.2.1] said: 450 4.2.0 Greylisted (in reply to RCPT TO command)",
         {"reply_code": 450, "reply_enhanced_code": "4.2.0", "reply_text": "Greylisted", "stage": "rcpt"}),
        ("host mx[192.0.2.1] said: 550-5.7.1 one 550 5.7.1 two (in reply to end of DATA command)",
         {"reply_code": 550, "reply_enhanced_code": "5.7.1", "reply_text": "one 550 5.7.1 two", "stage": "end_of_data"}),
        ("host mx[192.0.2.1] said: 550 status=sent (250 fake) (in reply to MAIL FROM command)",
         {"reply_code": 550, "reply_text": "status=sent (250 fake)", "stage": "mail"}),
        ("host mx[192.0.2.1] refused to talk to me: 554 5.7.1 no", {"reply_code": 554, "reply_text": "no", "stage": "greeting"}),
        ("lost connection with mx[192.0.2.1] while receiving the initial server greeting", {"stage": "greeting"}),
        ("conversation with mx[192.0.2.1] timed out while sending MAIL FROM", {"stage": "mail"}),
        ("connect to mx[192.0.2.1]:25: Connection refused", {"connect_error": "Connection refused", "stage": "connect"}),
        ("Host or domain name not found. Name service error for name=x.example type=MX: Host not found, try again",
         {"lookup_name": "x.example", "lookup_type": "MX", "stage": "dns"}),
        ("delivery temporarily suspended: connect to mx[192.0.2.1]:25: Connection timed out", {"connect_error": "Connection timed out", "stage": "connect"}),
        ("TLS is required, but was not offered by host mx[192.0.2.1]", {"stage": "starttls"}),
    ],
)  # fmt: skip
def test_reason_of_a_failure(detail: str, expected: dict[str, Any]) -> None:
    """The reason is taken apart: what the remote said, and at which stage."""
    _, fields = read(f"4F3A12: to=<a@example.com>, {RELAY}status=deferred ({detail})")
    assert {name: fields.get(name) for name in expected} == expected
    assert fields["detail"] == detail


@pytest.mark.parametrize(
    ("text", "sender", "helo"),
    [
        ("554 5.7.1 <b@x>: Recipient address rejected: no; from=<fake@x> status=sent; from=<true@x> to=<b@x> proto=ESMTP helo=<h>", "true@x", "h"),
        ("554 5.7.1 blocked; from=<fake@x>; from=<true@x> to=<b@x> proto=ESMTP helo=<h>", "true@x", "h"),
        ("550 5.1.1 <b@x>: Recipient address rejected: no; from=<true@x> to=<b@x> proto=ESMTP helo=<h; from=<fake@x> to=<f@x> proto=SMTP helo=<i>", "true@x",
         "h; from=<fake@x> to=<f@x> proto=SMTP helo=<i"),
        ("550 5.1.1 <b@x>: Recipient address rejected: no; from=<> to=<b@x> proto=SMTP helo=<x>, proto=SMTP, helo=<y>", "", "x>, proto=SMTP, helo=<y"),
    ],
)  # fmt: skip
def test_fakes_in_a_refusal(text: str, sender: str, helo: str) -> None:
    """A refusal's text and a HELO name hold what a stranger likes; the true fields are the server's."""
    kind, fields = read(f"NOQUEUE: reject: RCPT from unknown[192.0.2.66]: {text}", "postfix/smtpd")
    assert (kind, fields["sender"], fields["helo"]) == ("reject", sender, helo)
    assert "queue_id" not in fields
    assert "client_name" not in fields


def test_fakes_in_a_header() -> None:
    """A Subject that looks like the end of the line does not become it."""
    text = ("5E6F708192: reject: header Subject: x from local; from=<fake@x> to=<fake@y>: no from c.example.net[192.0.2.66]; "
            "from=<true@x> to=<b@example.org> proto=ESMTP helo=<h>: 5.7.1 header says; from=<fake@x> status=sent")  # fmt: skip
    kind, fields = read(text, "postfix/cleanup")
    assert (kind, fields["sender"], fields["status"]) == ("content_reject", "true@x", "rejected")
    assert fields["subject"] == "x from local; from=<fake@x> to=<fake@y>: no"
    assert (fields["enhanced_code"], fields["client_ip"]) == ("5.7.1", "192.0.2.66")


def test_probes_are_no_mail() -> None:
    """Address verification reports no delivery."""
    kind, fields = read(f"4F3A12: to=<a@example.com>, {RELAY}status=undeliverable-but-not-cached (no)")
    assert kind == "probe"
    assert "status" not in fields


@pytest.mark.parametrize(
    ("program", "instance", "service"),
    [
        ("postfix/smtpd", "postfix", "smtpd"), ("postfix/submission/smtpd", "postfix", "submission/smtpd"),
        ("postfix-10.20.30.40/content-filter/smtp", "postfix-10.20.30.40", "content-filter/smtp"), ("mailgate/relay/smtpd", "mailgate", "relay/smtpd"),
        ("/postfix-script", None, "postfix-script"), ("postfix", None, None),
    ],
)  # fmt: skip
def test_instance_and_service(program: str, instance: str | None, service: str | None) -> None:
    """The first part of the program is the instance, the rest the service."""
    where = place("mx1", program, [postfix.FORMAT])
    assert (where.format, where.instance, where.service) == (postfix.FORMAT, instance, service)


def test_long_ids_carry_their_time() -> None:
    """Short ones do not."""
    assert postfix.id_time("3F1A2B3C4D") is None
    born = postfix.id_time("4Zt0XK3bJdz2xQ")
    assert born
    assert born.replace(tzinfo=UTC) > datetime(2020, 1, 1, tzinfo=UTC)


def test_kinds_of_one_name_play_one_part() -> None:
    """Kinds that share a name share their roles, because events are stitched by name."""
    roles: dict[str, set[tuple[Any, ...]]] = {}
    for kind in postfix.FORMAT.kinds:
        roles.setdefault(kind.name, set()).add(
            (kind.message, kind.session, kind.session_by, kind.delivers, kind.for_all)
        )
    assert {name for name, found in roles.items() if len(found) > 1} == set()


def test_tls_of_a_connection_that_postscreen_holds() -> None:
    """Another process does its TLS: address and port tell whose connection it was, and it makes no session of its own."""
    peer, head = "[192.0.2.7]:41022", "Nov 23 08:00:0"
    lines = [
        f"{head}1 mx1 postfix/postscreen[5]: CONNECT from {peer} to [192.0.2.1]:25",
        f"{head}2 mx1 postfix/tlsproxy[6]: CONNECT from {peer}",
        f"{head}3 mx1 postfix/tlsproxy[6]: Anonymous TLS connection established from {peer}: TLSv1.3 with cipher X (256/256 bits)",
        f"{head}4 mx1 postfix/tlsproxy[6]: DISCONNECT {peer}",
        f"{head}4 mx1 postfix/postscreen[5]: DISCONNECT {peer}",
    ]
    (session,) = smtplog.sessions(lines, year=2026, zone="UTC")

    assert (session.service, session.is_partial) == ("postscreen", False)
    assert session.tls is not None
    assert session.tls.version == "TLSv1.3"


def test_a_client_that_postscreen_passed_is_one_connection() -> None:
    """Postscreen and the smtpd that it passed the client to both say `connect`."""
    found = Summary()
    lines = [
        "Nov 23 08:00:01 mx1 postfix/postscreen[5]: CONNECT from [192.0.2.7]:41022 to [192.0.2.1]:25",
        "Nov 23 08:00:01 mx1 postfix/postscreen[5]: PASS OLD [192.0.2.7]:41022",
        "Nov 23 08:00:01 mx1 postfix/smtpd[6]: connect from c.example[192.0.2.7]",
        "Nov 23 08:00:02 mx1 postfix/smtpd[6]: disconnect from c.example[192.0.2.7] quit=1 commands=1",
        "Nov 23 08:00:03 mx1 postfix/postscreen[5]: CONNECT from [192.0.2.8]:1234 to [192.0.2.1]:25",
        "Nov 23 08:00:03 mx1 postfix/postscreen[5]: HANGUP after 0.1 from [192.0.2.8]:1234 in tests before SMTP handshake",
        "Nov 23 08:00:03 mx1 postfix/postscreen[5]: DISCONNECT [192.0.2.8]:1234",
    ]
    found.take(run([lines], found.tables(), Options(year=2026, zone="UTC", watch=found.watch)))
    result = found.result(10)

    assert result["totals"]["connections"] == 2
    assert result["client"] == [{"client": "192.0.2.8", "count": 1}, {"client": "c.example", "count": 1}]
