"""Failures: one cause is one row, a block is one incident, and no living address is given up."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import polars as pl

from smtplog.ask import diagnose
from smtplog.ask.failures import Failures

START = datetime(2026, 11, 20, 10, 0, tzinfo=UTC)
UNKNOWN_USER = "550 5.1.1 <{}>: Recipient address rejected: User unknown"
TEXTS = {
    "quota": "552 5.2.2 <{}>: Mailbox full",
    "grey": "450 4.2.0 <{}>: Recipient address rejected: Greylisted",
    "block": "554 5.7.1 Service unavailable; client [192.0.2.1] blocked using zen.spamhaus.org",
    "silent": "550 Requested action not taken",
    "dead": UNKNOWN_USER,
}


def told(*rows: tuple[str, str, str | None]) -> Failures:
    """What is said of deliveries, given as address, status and text, an hour apart."""
    frame = pl.DataFrame(
        [
            {
                "at": START + timedelta(hours=n), "source": "mail.log", "line": n + 1, "status": status,
                "recipient": address, "recipient_domain": address.rpartition("@")[2], "relay_name": "mx.example.com",
                "relay_ip": "192.0.2.7", "reply_code": int(text[:3]) if text else None, "enhanced_code": None,
                "reply_text": text, "detail": text, "stage": "rcpt", "is_internal": False,
            }
            for n, (address, status, text) in enumerate(rows)
        ],
        infer_schema_length=None,
    )  # fmt: skip
    found = Failures()
    found.take([{"deliveries": frame.hstack(diagnose.column(frame))}])
    return found


def addresses(found: Failures) -> list[Any]:
    return [row["address"] for row in found.suppressions]


def test_one_cause_at_one_operator_is_one_row_with_what_to_do():
    found = told(*((f"u{n}@example.com", "bounced", UNKNOWN_USER.format(f"u{n}@example.com")) for n in range(3)))
    (row,) = found.groups
    assert (row["reason"], row["operator"], row["recipients"], row["actor"]) == (
        "user_unknown",
        "example.com",
        3,
        "sender",
    )
    assert (row["first_at"], row["last_at"]) == (START, START + timedelta(hours=2))
    assert "typing error" in row["hint"]


def test_the_hint_is_that_of_the_rule_that_understood_the_text():
    text = "553 5.7.1 <info@example.com>: Sender address rejected: not owned by user bob"
    (row,) = told(("a@example.com", "bounced", text)).groups
    assert row["hint"] == diagnose.reply(text).hint != diagnose.built_in().reasons["sender_rejected"].hint


def test_a_block_that_meets_many_recipients_is_an_incident_and_nobody_is_given_up():
    found = told(*((f"u{n}@example.com", "bounced", TEXTS["block"]) for n in range(9)))
    assert [(row["reason"], row["is_incident"]) for row in found.groups] == [("ip_blocklisted", True)]
    assert found.suppressions == []


def test_only_what_is_said_of_the_address_itself_gives_it_up():
    rows = [(f"{name}@example.com", "bounced", text.format(f"{name}@example.com")) for name, text in TEXTS.items()]
    found = told(*rows)
    assert addresses(found) == ["dead@example.com"]
    (dead,) = found.suppressions
    assert dead["evidence"] == "User unknown"
    assert dead["expires_at"] > dead["at"]
    assert [row["example"] for row in found.unclassified] == [TEXTS["silent"]]


def test_an_address_that_mail_arrived_at_afterwards_is_alive():
    dead = UNKNOWN_USER.format("a@example.com")
    assert addresses(told(("a@example.com", "bounced", dead), ("a@example.com", "sent", None))) == []
    assert addresses(told(("a@example.com", "sent", None), ("a@example.com", "bounced", dead))) == ["a@example.com"]


def test_an_address_that_was_only_put_off_afterwards_is_not_given_up():
    dead, later = UNKNOWN_USER.format("a@example.com"), TEXTS["grey"].format("a@example.com")
    assert addresses(told(("a@example.com", "bounced", dead), ("a@example.com", "deferred", later))) == []
