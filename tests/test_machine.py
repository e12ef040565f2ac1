"""The state machine: replies find their commands, messages are messages, every recipient gets an outcome."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from smtplog.smtp import machine, report
from smtplog.smtp.dialogue import Conversation, Kind, Token

WHO = {"S": Kind.SERVER, "C": Kind.CLIENT}


def tokens(text: str) -> list[Token]:
    """`S 220 x` and `C QUIT` line by line; `!closed`, `!timeout`, `!open`, `!tls` are events."""
    found = []
    for n, line in enumerate(text.strip().split("\n"), 1):
        if line.startswith("!"):
            found.append(Token(Kind(line[1:]), "", n))
        else:
            found.append(Token(WHO[line[0]], line[2:], n))
    return found


def talks(text: str) -> list[Conversation]:
    """The conversations of a script."""
    return machine.run(tokens(text))


def outcomes(text: str) -> list[tuple[str | None, str, str | None, int | None]]:
    """(address, outcome, stage, code) of every recipient."""
    return [
        (r.address, r.outcome, r.stage, r.reply.code if r.reply else None)
        for talk in talks(text)
        for transaction in report.parts(talk)["transactions"]
        for r in transaction.recipients
    ]


def exchanges(text: str) -> list[tuple[str | None, list[int | None]]]:
    """(verb, codes) of every exchange."""
    return [(e.verb, [r.code for r in e.replies]) for talk in talks(text) for e in report.parts(talk)["exchanges"]]


START = "S 220 mx\nC EHLO me\nS 250-mx\nS 250 PIPELINING\nC MAIL FROM:<s@x>\nS 250 ok\n"
LMTP = START.replace("EHLO", "LHLO")


@pytest.mark.parametrize(
    ("script", "expected"),
    [
        ("C RCPT TO:<a@x>\nS 250 ok\nC DATA\nS 354 go\nC hi\nC .\nS 250 ok", ("accepted", "end_of_data", 250)),
        ("C RCPT TO:<a@x>\nS 550 no", ("rejected", "rcpt", 550)),
        ("C RCPT TO:<a@x>\nS 451 later", ("deferred", "rcpt", 451)),
        ("C RCPT TO:<a@x>\nS 250 ok\nC DATA\nS 354 go\nC hi\nC .\nS 554 spam", ("rejected", "end_of_data", 554)),
        ("C RCPT TO:<a@x>\nS 250 ok\nC DATA\nS 451 later", ("deferred", "data", 451)),
        ("C RCPT TO:<a@x>\nS 250 ok\nC QUIT\nS 221 bye", ("not_sent", "rcpt", 250)),
        ("C RCPT TO:<a@x>\nS 250 ok\nC DATA\n!closed", ("not_sent", "rcpt", 250)),
        ("C RCPT TO:<a@x>\nS 250 ok\nC DATA\nS 354 go\nC hi\nC .\n!closed", ("unknown", "end_of_data", None)),
        ("C RCPT TO:<a@x>\nS 250 ok\nC DATA\nS 354 go\nC hi", ("unknown", "end_of_data", None)),
        ("C RCPT TO:<a@x>\n!timeout", ("unknown", "rcpt", None)),
        ("C RCPT TO:<a@x>\nS 250 ok\nC DATA", ("unknown", "data", None)),
        ("C RCPT TO:<a@x>\nS 250 ok\nC BDAT 4 LAST\nC hi\nS 250 ok", ("accepted", "end_of_data", 250)),
        ("C RCPT TO:<a@x>\nS 250 ok\nC DATA\nS 354 go\nS 250 ok", ("accepted", "end_of_data", 250)),
    ],
)
def test_each_way_it_can_end_has_its_outcome(script: str, expected: tuple[str, str, int | None]) -> None:
    """Five outcomes, with the stage and the deciding reply."""
    assert outcomes(START + script) == [("a@x", *expected)]


@pytest.mark.parametrize(
    ("script", "expected"),
    [
        ("C RCPT TO:<a@x>\nS 250 ok\nC RSET\nS 250 ok", []),
        ("C RCPT TO:<a@x>\nS 250 ok\nC EHLO me\nS 250 mx\nC QUIT\nS 221 bye", []),
        ("C RCPT TO:<a@x>\nS 250 ok\nC MAIL FROM:<t@x>\nS 250 ok\nC QUIT\nS 221 bye", []),
        ("C RCPT TO:<a@x>\nS 250 ok\nC MAIL FROM:<t@x>\nS 503 nested\nC QUIT\nS 221 bye", ["not_sent"]),
        ("C RCPT TO:<a@x>\nS 250 ok\nC RSET\n!closed", ["not_sent"]),
        ("C RCPT TO:<a@x>\nS 550 no\nC RSET\nS 250 ok", ["rejected"]),
        ("C RCPT TO:<a@x>\nS 421 gone\nC RSET\n!closed", ["deferred"]),
        ("C DATA\nS 503 no\nC RCPT TO:<a@x>\nS 250 ok\nC QUIT\nS 221 bye", ["not_sent"]),
    ],
)
def test_who_was_taken_back_is_no_recipient(script: str, expected: list[str]) -> None:
    """RFC 5321 s.4.1.1.5, s.4.1.4: RSET, EHLO and another MAIL discard the recipients, where the server agrees."""
    assert [outcome for _, outcome, _, _ in outcomes(START + script)] == expected


def test_a_recipient_behind_a_refused_sender_is_none() -> None:
    """Pipelined: the server never had a transaction to put it into."""
    script = START.replace("C MAIL FROM:<s@x>\nS 250 ok\n", "")
    script += "C MAIL FROM:<s@x>\nC RCPT TO:<a@x>\nS 550 no\nS 503 need MAIL\nC QUIT\nS 221 bye"

    assert outcomes(script) == []


def test_a_client_that_broke_off_over_a_refusal_sent_nothing() -> None:
    """The last thing heard was a refusal; where everything went well, the rest of the transcript may be missing."""
    accepted = "C RCPT TO:<a@x>\nS 250 ok\n"

    assert outcomes(START + accepted + "C RCPT TO:<b@x>\nS 550 no")[1] == ("a@x", "not_sent", "rcpt", 250)
    assert outcomes(START + accepted) == [("a@x", "unknown", "data", None)]


def test_pipelined_replies_are_paired_by_queue() -> None:
    """RFC 2920: three commands, then three replies."""
    script = START + "C RCPT TO:<a@x>\nC RCPT TO:<b@x>\nC DATA\nS 550 no\nS 250 ok\nS 354 go\nC hi\nC .\nS 250 ok"

    assert outcomes(script) == [("a@x", "rejected", "rcpt", 550), ("b@x", "accepted", "end_of_data", 250)]


def test_lmtp_gives_every_accepted_recipient_its_own_reply() -> None:
    """RFC 2033 s.4.2: in order, none for the refused."""
    script = LMTP + "C RCPT TO:<a@x>\nS 250 ok\nC RCPT TO:<b@x>\nS 550 no\nC RCPT TO:<c@x>\nS 250 ok\n"
    script += "C DATA\nS 354 go\nC hi\nC .\nS 250 ok\nS 451 later"

    assert outcomes(script) == [
        ("b@x", "rejected", "rcpt", 550),
        ("a@x", "accepted", "end_of_data", 250),
        ("c@x", "deferred", "end_of_data", 451),
    ]


@pytest.mark.parametrize("line", ["250 ok", "QUIT", "RCPT TO:<trap@x>", "DATA", "S: 250 ok", "221 bye"])
def test_inside_the_message_nothing_is_a_command(line: str) -> None:
    """From 354 to the lone dot everything the client says is the message."""
    script = START + f"C RCPT TO:<a@x>\nS 250 ok\nC DATA\nS 354 go\nC {line}\nC .\nS 250 ok"

    assert [verb for verb, _ in exchanges(script)] == [None, "EHLO", "MAIL", "RCPT", "DATA"]


def test_replies_to_the_message_stand_with_data() -> None:
    """354 and the reply to the dot are one exchange."""
    script = START + "C RCPT TO:<a@x>\nS 250 ok\nC DATA\nS 354 go\nC .\nS 250 ok"

    assert exchanges(script)[-1] == ("DATA", [354, 250])


def test_a_second_greeting_is_a_second_session() -> None:
    """220 that nothing asked for."""
    assert len(talks("S 220 a\nC QUIT\nS 221 bye\nS 220 b\nC QUIT\nS 221 bye")) == 2


def test_220_after_starttls_is_the_same_session() -> None:
    """RFC 3207 s.4; what follows is encrypted."""
    [talk] = talks("S 220 a\nC EHLO me\nS 250-a\nS 250 STARTTLS\nC STARTTLS\nS 220 go\nC EHLO me\nS 250 a")

    assert [step.is_tls for step in talk.steps] == [False, False, False, True]


def test_what_was_offered_before_tls_is_forgotten() -> None:
    """RFC 3207 s.4.2: the second list counts."""
    [talk] = talks("S 220 a\nC EHLO me\nS 250-a\nS 250 STARTTLS\nC STARTTLS\nS 220 go\nC EHLO me\nS 250-a\nS 250 SIZE")

    assert [p.name for p in talk.extensions or []] == ["SIZE"]


def test_a_head_that_is_missing_makes_it_partial_but_not_useless() -> None:
    """A transcript that begins at RCPT."""
    script = "C RCPT TO:<a@x>\nS 250 ok\nC DATA\nS 354 go\nC .\nS 250 ok"

    assert outcomes(script) == [("a@x", "accepted", "end_of_data", 250)]
    assert report.parts(talks(script)[0])["is_partial"]


def test_replies_alone_tell_what_was_asked() -> None:
    """Telnet without echo: one recipient refused, one accepted."""
    script = (
        "S 220 mx\nS 250 mx\nS 250 2.1.0 ok\nS 550 5.1.1 <a@x>: no\nS 250 2.1.5 ok\nS 354 go\nS 250 2.0.0 ok\nS 221 bye"
    )

    assert outcomes(script) == [("a@x", "rejected", "rcpt", 550), (None, "accepted", "end_of_data", 250)]


@pytest.mark.parametrize(
    ("script", "verbs"),
    [
        ("S 250 2.1.0 ok\nS 250 2.1.5 ok\nS 250 2.0.0 ok\nS 221 bye", ["MAIL", "RCPT", "RSET", "QUIT"]),
        ("S 250 OK\nS 250 Accepted\nS 250 Reset OK\nS 221 bye", ["MAIL", "RCPT", "RSET", "QUIT"]),
        ("S 250 2.1.0 ok\nS 250 2.1.5 ok\nS 250-mx\nS 250 PIPELINING\nS 221 bye", ["MAIL", "RCPT", "EHLO", "QUIT"]),
        ("S 334 a\nS 334 b\nS 235 ok\nS 221 bye", ["AUTH", "QUIT"]),
    ],
)
def test_replies_alone_tell_more_where_they_have_enhanced_codes(script: str, verbs: list[str]) -> None:
    """RFC 3463 s.3.2: the subject says whether it is about the sender, a recipient or neither."""
    assert [verb for verb, _ in exchanges(f"S 220 mx\nS 250-mx\nS 250 PIPELINING\n{script}")][2:] == verbs


def test_replies_alone_of_lmtp() -> None:
    """One reply to the message for each recipient that was accepted."""
    script = "S 220 mx LMTP\nS 250-mx\nS 250 PIPELINING\nS 250 2.1.0 ok\nS 250 2.1.5 ok\nS 250 2.1.5 ok\nS 354 go\n"
    script += "S 250 2.0.0 ok\nS 550 5.7.1 spam\nS 221 bye"

    assert [outcome for _, outcome, _, _ in outcomes(script)] == ["accepted", "rejected"]


def test_what_is_said_into_a_closed_connection_is_no_exchange() -> None:
    """It is told as a finding."""
    [talk] = talks("S 220 mx\nC EHLO me\nS 421 closing\nC MAIL FROM:<s@x>\nC QUIT")
    found = report.parts(talk)

    assert [e.verb for e in found["exchanges"]] == [None, "EHLO"]
    assert "command-after-421" in {f.code for f in found["findings"]}


def test_server_lines_may_come_one_by_one_or_joined() -> None:
    """Logs give lines, the grammar gives whole replies: the same conversation."""
    joined = [Token(Kind.SERVER, "250-a\n250 b", 1), Token(Kind.CLIENT, "QUIT", 2)]
    single = [Token(Kind.SERVER, "250-a", 1), Token(Kind.SERVER, "250 b", 1), Token(Kind.CLIENT, "QUIT", 2)]

    assert report.parts(machine.run(joined)[0]) == report.parts(machine.run(single)[0])


def test_secrets_are_masked_everywhere_and_shown_only_on_demand() -> None:
    """Arguments, replies that repeat them, evidence; mechanism, user and outcome stay."""
    [talk] = talks("S 220 mx\nC EHLO me\nS 250 mx\nC AUTH PLAIN AGFubgBzZWNyZXQ=\nS 535 bad secret AGFubgBzZWNyZXQ=")
    hidden, shown = (str(report.parts(talk, show_secrets=show)) for show in (False, True))

    assert "AGFubgBzZWNyZXQ=" not in hidden
    assert "secret" not in hidden
    assert "AGFubgBzZWNyZXQ=" in shown
    assert [(a.mechanism, a.user, a.outcome) for a in talk.auth] == [("PLAIN", "ann", "rejected")]


_TEXT = st.one_of(
    st.sampled_from(["QUIT", "DATA", ".", "EHLO me", "MAIL FROM:<a@x>", "RCPT TO:<b@x>", "BDAT 5 LAST", "AUTH LOGIN", "RSET",
                     "220 x", "250 ok", "250-a", "354 go", "334 x", "235 y", "421 z", "550 no", "STARTTLS"]),
    st.text(max_size=20),
)  # fmt: skip


@settings(max_examples=300, deadline=None)
@given(st.lists(st.builds(Token, st.sampled_from(list(Kind)), _TEXT, st.integers(0, 99)), max_size=30))
def test_any_tokens_in_any_order_are_taken(found: list[Token]) -> None:
    """No order of words or events raises, and every conversation becomes record parts."""
    for talk in machine.run(found):
        report.parts(talk)
