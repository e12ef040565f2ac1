"""Refusals in a session whose client had logged in."""

from __future__ import annotations

import pytest

import smtplog
from smtplog.pipeline import Options, run

LOGIN = "Jun  2 01:01:00 mx1 postfix/submission/smtpd[13]: A1B2C3D4E5: client={0}, sasl_method=LOGIN, sasl_username=eva@corp.example"
PLAIN = "Jun  2 01:01:00 mx1 postfix/submission/smtpd[13]: A1B2C3D4E6: client={0}"
CONNECT = "Jun  2 01:01:00 mx1 postfix/submission/smtpd[13]: connect from {0}"
DISCONNECT = "Jun  2 01:01:00 mx1 postfix/submission/smtpd[13]: disconnect from {0} ehlo=1 quit=1 commands=2"
FAILED = (
    "Jun  2 01:01:00 mx1 postfix/submission/smtpd[13]: warning: {0}: SASL LOGIN authentication failed: "
    "UGFzc3dvcmQ6, sasl_username=eva@corp.example"
)
REFUSAL = (
    "Jun  2 01:0{1}:01 mx1 postfix/submission/smtpd[13]: NOQUEUE: reject: RCPT from {0}: 450 4.7.1 <v@x.example>: Recipient "
    "address rejected: sending limit exceeded; from=<eva@corp.example> to=<v@x.example> proto=ESMTP helo=<h>"
)
EVA, OTHER = "unknown[203.0.113.6]", "unknown[203.0.113.7]"


def users(lines: list[str], columns: frozenset[str] | None = None, block_bytes: int = 1_000_000) -> list[str | None]:
    """The login of each refusal."""
    options = Options(year=2026, zone="UTC", block_bytes=block_bytes)
    parts = run([[f"{line}\n".encode() for line in lines]], {"deliveries": columns}, options)
    return [user for part in parts for user in part["deliveries"]["auth_user"]]


@pytest.mark.parametrize("columns", [None, frozenset({"auth_user"})])
@pytest.mark.parametrize("block_bytes", [100, 1_000_000])
def test_a_refusal_has_the_login_that_its_session_named_before(
    columns: frozenset[str] | None, block_bytes: int
) -> None:
    lines = [text.format(EVA, 1) for text in (CONNECT, REFUSAL, LOGIN, REFUSAL, REFUSAL)]
    assert users(lines, columns, block_bytes) == [None, "eva@corp.example", "eva@corp.example"]


@pytest.mark.parametrize(
    "between",
    [
        [CONNECT.format(EVA)],
        [DISCONNECT.format(EVA)],
        [PLAIN.format(EVA)],
        [REFUSAL.format(OTHER, 1)],
    ],
)
def test_another_session_is_another_client(between: list[str]) -> None:
    """What ends the session ends the login, also where the log shows nothing but another address."""
    last = OTHER if "reject" in between[0] else EVA
    lines = [CONNECT.format(EVA), LOGIN.format(EVA), *between, REFUSAL.format(last, 1)]
    assert set(users(lines)) == {None}


def test_long_after_it_is_nobodys() -> None:
    """Process ids come back."""
    late = REFUSAL.format(EVA, 1).replace("Jun  2 01:", "Jun  2 03:")
    assert users([LOGIN.format(EVA), late]) == [None]


def test_who_failed_to_log_in_is_nobody() -> None:
    assert users([text.format(EVA, 1) for text in (CONNECT, FAILED, REFUSAL)]) == [None]


def test_of_an_address_alone_nobody_knows_whose_session_it_is() -> None:
    """Exim without ports and process ids: behind one address there may be many."""
    lines = [
        "2026-06-02 01:01:00 1abcde-000000001Ab-2Xyz <= eva@corp.example H=h [203.0.113.6] P=esmtpsa A=plain:eva S=300",
        "2026-06-02 01:01:01 H=h [203.0.113.6] F=<x@corp.example> rejected RCPT <v@x.example>: relay not permitted",
    ]
    assert users(lines) == [None]
    told = [line.replace(" H=h [203.0.113.6]", " H=h [203.0.113.6]:4711") for line in lines]
    assert users(told) == ["eva"]


def test_the_login_outlives_the_night() -> None:
    """Where one run ends and the next begins."""
    lines = [text.format(EVA, 1) for text in (CONNECT, LOGIN, REFUSAL)]
    first, second = smtplog.Stitcher("deliveries", year=2026), smtplog.Stitcher("deliveries", year=2026)
    first.feed(lines[:2])
    second.load(first.save())
    second.feed(lines[2:])
    assert second.flush()["deliveries"]["auth_user"].to_list() == ["eva@corp.example"]


def test_a_repeated_line_is_as_many_refusals_as_it_says() -> None:
    """One line stands for several entries; each has the login once."""
    refusal = REFUSAL.format(EVA, 1)
    head, _, text = refusal.partition("]: ")
    lines = [CONNECT.format(EVA), LOGIN.format(EVA), refusal, f"{head}]: message repeated 3 times: [ {text}]"]

    assert users(lines) == ["eva@corp.example"] * 4


def test_logins_without_a_time_are_read_too() -> None:
    """A 29 February in a year that has none is no time."""
    lines = [line.replace("Jun  2", "Feb 29") for line in (LOGIN.format(EVA), REFUSAL.format(EVA, 1))]

    assert users(lines) == [None]
