"""Failures: one cause is one row, a block is one incident, and no living address is given up."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from io import StringIO
from typing import Any

import polars as pl

from smtplog.ask import diagnose
from smtplog.ask.failures import Failures
from smtplog.show import failures as show

START = datetime(2026, 11, 20, 10, 0, tzinfo=UTC)
UNKNOWN_USER = "550 5.1.1 <{}>: Recipient address rejected: User unknown"
TEXTS = {
    "quota": "552 5.2.2 <{}>: Mailbox full",
    "grey": "450 4.2.0 <{}>: Recipient address rejected: Greylisted",
    "block": "554 5.7.1 Service unavailable; client [192.0.2.1] blocked using zen.spamhaus.org",
    "silent": "550 Requested action not taken",
    "dead": UNKNOWN_USER,
}


def told(*rows: tuple[str, str, str | None], top: int = 50, hop: str | None = "mx.example.com") -> Failures:
    """What is said of deliveries, given as address, status and text, an hour apart."""
    frame = pl.DataFrame(
        [
            {
                "at": START + timedelta(hours=n), "source": "mail.log", "line": n + 1, "status": status,
                "recipient": address, "recipient_domain": address.rpartition("@")[2], "relay_name": hop,
                "relay_ip": "192.0.2.7", "reply_code": int(text[:3]) if text else None, "enhanced_code": None,
                "reply_text": text, "detail": text, "stage": "rcpt", "is_internal": False, "client_ip": "192.0.2.1",
            }
            for n, (address, status, text) in enumerate(rows)
        ],
        infer_schema_length=None,
    )  # fmt: skip
    found = Failures(top=top)
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


def test_the_hint_waits_as_long_as_some_of_it_is_still_tried():
    text = TEXTS["grey"].format("a@example.com")
    (gone,) = told(("a@example.com", "deferred", text), ("b@example.com", "expired", text)).groups
    (over,) = told(("b@example.com", "expired", text)).groups

    assert gone["hint"] == diagnose.reply(text, status="deferred").hint
    assert over["hint"] == diagnose.reply(text, status="expired").hint != gone["hint"]


def test_a_block_that_meets_many_recipients_is_an_incident_and_nobody_is_given_up():
    found = at_once(*blocked([*range(9)]))
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


def at_once(*rows: tuple[str, str, str | None, str | None, float]) -> Failures:
    """What is said of deliveries, given as address, status, text, next hop and minute."""
    frame = pl.DataFrame(
        [
            {
                "at": START + timedelta(minutes=minute), "source": "mail.log", "line": n + 1, "status": status,
                "recipient": address, "recipient_domain": address.rpartition("@")[2], "relay_name": relay,
                "relay_ip": None, "reply_code": None, "enhanced_code": None,
                "reply_text": None, "detail": text, "stage": "rcpt", "is_internal": False, "client_ip": "192.0.2.1",
            }
            for n, (address, status, text, relay, minute) in enumerate(rows)
        ],
        infer_schema_length=None,
    )  # fmt: skip
    found = Failures()
    found.take([{"deliveries": frame.hstack(diagnose.column(frame))}])
    return found


HOP = "mx.example.com"


def blocked(minutes: list[float]) -> list[tuple[str, str, str | None, str | None, float]]:
    return [(f"u{n}@example.com", "bounced", TEXTS["block"], HOP, minute) for n, minute in enumerate(minutes)]


def test_an_incident_says_how_many_were_hit_and_when():
    (row,) = at_once(*blocked([0, 2, 4, 6, 8, 900])).groups
    assert row["is_incident"]
    assert row["incident_recipients"] == 5
    assert (row["incident_at"], row["incident_until"]) == (START, START + timedelta(minutes=8))
    assert row["recipients"] == 6


def test_the_same_number_spread_over_the_day_is_no_incident():
    (row,) = at_once(*blocked([100 * n for n in range(9)])).groups
    assert not row["is_incident"]
    assert row["incident_at"] is None


def test_few_refusals_among_much_that_arrives_are_no_incident():
    arrived = [(f"ok{n}@example.com", "sent", None, HOP, n / 4) for n in range(40)]
    (row,) = at_once(*blocked([0, 2, 4, 6, 8]), *arrived).groups
    assert not row["is_incident"]
    later = [(address, status, text, relay, minute + 60) for address, status, text, relay, minute in arrived]
    (row,) = at_once(*blocked([0, 2, 4, 6, 8]), *later).groups
    assert row["is_incident"], "what arrived after the block was lifted does not count"


def test_what_concerns_single_recipients_is_no_incident_however_many_there_are():
    rows = [(f"u{n}@example.com", "bounced", UNKNOWN_USER.format("x@example.com"), HOP, n) for n in range(9)]
    (row,) = at_once(*rows).groups
    assert not row["is_incident"]


def test_what_this_host_turns_away_itself_is_no_incident_unless_it_is_out_of_order():
    block, broken = TEXTS["block"], "451 4.3.5 <x@example.com>: Server configuration error"
    (row,) = at_once(*((f"u{n}@example.com", "rejected", block, None, n) for n in range(9))).groups
    assert not row["is_incident"]
    (row,) = at_once(*((f"u{n}@example.com", "temp_rejected", broken, None, n) for n in range(9))).groups
    assert row["is_incident"]


def test_one_reason_with_temporary_and_final_refusals_is_one_row():
    soft = [
        (f"v{n}@example.com", "deferred", "421 4.7.0 [192.0.2.1] blocked using zen.spamhaus.org", HOP, n)
        for n in range(5)
    ]
    (row,) = at_once(*soft, *blocked([5, 6])).groups
    assert (row["attempts"], row["statuses"]) == (7, ["bounced", "deferred"])


def test_an_outage_of_this_host_that_meets_many_operators_is_one_incident():
    text = "connect to mx.d{0}.example[192.0.2.{0}]:25: Network is unreachable"
    rows = [(f"u@d{n}.example", "deferred", text.format(n), None, n) for n in range(8)]
    alone = ("u@later.example", "deferred", text.format(99), None, 900)
    first, second = at_once(*rows, alone).groups
    assert (first["operator"], first["recipients"], first["is_incident"]) == ("several operators", 8, True)
    assert (second["operator"], second["is_incident"]) == ("later.example", False)
    arrived = [(f"ok{n}@example.com", "sent", None, HOP, n / 4) for n in range(40)]
    assert not any(row["is_incident"] for row in at_once(*rows, *arrived).groups), "mail leaves: the others are down"


def test_no_trend_is_told_of_a_few_attempts():
    assert [row["trend"] for row in at_once(*blocked([0])).groups] == ["steady"]
    assert [row["trend"] for row in at_once(*blocked([0, 90, 92, 94, 96])).groups] == ["rising"]


def test_for_eyes_an_incident_says_what_hit_how_many_when_and_what_to_do():
    out = StringIO()
    show.show(at_once(*blocked([0, 2, 4, 6, 8])), "text", out)
    lines = [line.rstrip() for line in out.getvalue().splitlines()]
    assert lines[:3] == [
        "INCIDENT: ip_blocklisted at example.com",
        "  at once     5 recipients within 8 minutes from 2026-11-20 10:00:00 UTC",
        "  in all      5 recipients, 1 domain, 5 attempts; bounced",
    ]
    assert "  who acts    the sending side" in lines


def test_texts_of_no_known_reason_that_differ_in_numbers_only_are_one_wording():
    texts = [f"550 sorry, case {n}-{n} of 10:0{n}:00 for u{n}@example.com" for n in range(3)]
    found = told(*((f"u{n}@example.com", "bounced", text) for n, text in enumerate(texts)))
    (row,) = found.unclassified
    assert (row["attempts"], row["recipients"], row["example"], row["line"]) == (3, 3, texts[0], 1)


def test_every_kind_of_block_can_be_an_incident():
    reasons = diagnose.built_in().reasons.values()
    assert [reason.name for reason in reasons if reason.persistence == "block" and not reason.is_shared] == []


def test_what_this_host_refused_stands_apart_from_what_others_did():
    found = told(
        ("a@example.com", "bounced", UNKNOWN_USER.format("a@example.com")),
        ("b@example.com", "rejected", UNKNOWN_USER.format("b@example.com")),
    )
    assert [(row["operator"], row["is_refusal"], row["statuses"]) for row in found.groups] == [
        ("example.com", False, ["bounced"]),
        ("example.com", True, ["rejected"]),
    ]
    out = StringIO()
    show.show(found, "text", out)
    assert "user_unknown at example.com\n" in out.getvalue()
    assert "user_unknown at example.com, refused by this host\n" in out.getvalue()


def test_what_one_client_was_refused_for_many_domains_is_one_row_that_names_the_client():
    """A client that tries everybody says nothing of any of them; few domains stay what they are."""

    def refused(domains: int) -> list[dict[str, Any]]:
        text = "554 5.7.1 <{}>: Relay access denied"
        return told(
            *((f"u@d{n}.example", "rejected", text.format(f"u@d{n}.example")) for n in range(domains)), hop=None
        ).groups

    (row,) = refused(9)
    assert (row["operator"], row["domains"], row["client_ip"], row["clients"], row["client_attempts"]) == (
        "several domains", 9, "192.0.2.1", 1, 9,
    )  # fmt: skip
    assert [row["operator"] for row in refused(3)] == ["d0.example", "d1.example", "d2.example"]


def test_where_this_host_is_at_fault_it_is_named_whosever_mail_it_was():
    down = "connect to 127.0.0.1[127.0.0.1]:10024: Connection refused"
    rows = [(f"u{n}@d{n}.example", "deferred", down, None, n) for n in range(9)]
    (row,) = at_once(*rows).groups
    assert (row["operator"], row["actor"], row["recipients"], row["is_incident"]) == ("this host", "local", 9, True)
    assert "Start the service" in row["hint"]
    (row,) = at_once(*rows, *((f"v{n}@example.com", "sent", None, HOP, n % 9) for n in range(90))).groups
    assert not row["is_incident"]


def test_groups_that_are_not_shown_are_counted():
    found = told(
        ("a@example.com", "bounced", TEXTS["dead"]), ("b@example.com", "deferred", TEXTS["grey"]), top=1
    )  # fmt: skip
    out = StringIO()
    show.show(found, "text", out)
    assert len(found.groups) == found.more == 1
    assert "1 smaller group not shown (--top)" in out.getvalue()
