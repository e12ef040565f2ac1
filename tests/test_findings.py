"""Every finding has a dialogue that raises it and one, as like it as can be, that does not."""

from __future__ import annotations

import pytest

from smtplog.read.dialogue import sessions
from smtplog.smtp.findings import GROUNDS, finding

HELLO = """\
S: 220 mx.example.com ESMTP
C: EHLO relay.example.org
S: 250-mx.example.com
S: 250-PIPELINING
S: 250-SIZE 1000
S: 250-8BITMIME
S: 250 DSN
"""
BARE = "S: 220 mx.example.com ESMTP\nC: EHLO relay.example.org\nS: 250-mx.example.com\nS: 250 HELP\n"
MAIL = "C: MAIL FROM:<a@example.org>\nS: 250 ok\n"
RCPT = "C: RCPT TO:<b@example.com>\nS: 250 ok\n"
DATA = "C: DATA\nS: 354 go\nC: Subject: x\nC: \nC: hello\nC: .\nS: 250 ok\n"
QUIT = "C: QUIT\nS: 221 bye\n"
CLEAN = HELLO + MAIL + RCPT + DATA + QUIT
LOGIN = BARE.replace("250 HELP", "250 AUTH PLAIN LOGIN CRAM-MD5")
TLS = BARE.replace("250 HELP", "250 STARTTLS")
LMTP = HELLO.replace("EHLO", "LHLO") + MAIL + RCPT + "C: RCPT TO:<c@example.com>\nS: 250 ok\n"
CHUNKS = BARE.replace("250 HELP", "250-CHUNKING\nS: 250 BINARYMIME") + MAIL + RCPT
STATUS = BARE.replace("250 HELP", "250 ENHANCEDSTATUSCODES")
SMTPLIB = (
    "reply: b'220 mx.example.com\\r\\n'\nsend: 'ehlo relay.example.org\\r\\n'\nreply: b'250 mx.example.com\\r\\n'\n"
)
ON = "Connected to smtp://mx.example.com:{}/?starttls=when-available\n"


def message(*lines: str) -> str:
    """A whole session whose message has these lines."""
    body = "".join(f"C: {line}\n" for line in lines)
    return BARE + MAIL + RCPT + f"C: DATA\nS: 354 go\n{body}C: .\nS: 250 ok\n" + QUIT


def stamped(*lines: tuple[str, str]) -> str:
    """Lines with times of one day."""
    return "".join(f"2026-11-23T{time}Z {line}\n" for time, line in lines)


CASES: dict[str, tuple[str, str]] = {
    "greeting-refused": ("S: 554 no service here\n" + QUIT, CLEAN),
    "greeting-bad-code": ("S: 450 not now\n" + QUIT, "S: 421 not now\n" + QUIT),
    "early-talker": (
        "C: EHLO relay.example.org\nS: 220 mx.example.com\nS: 250 mx.example.com\n" + MAIL + QUIT,
        BARE + MAIL + QUIT,
    ),
    "greeting-slow": (
        stamped(("08:00:00", "[Connected to mx.example.com]"), ("08:00:45", "S: 220 mx.example.com"),
                ("08:00:46", "C: QUIT"), ("08:00:46", "S: 221 bye")),
        stamped(("08:00:00", "[Connected to mx.example.com]"), ("08:00:02", "S: 220 mx.example.com"),
                ("08:00:46", "C: QUIT"), ("08:00:46", "S: 221 bye")),
    ),
    "ehlo-fallback": (
        "S: 220 mx.example.com\nC: EHLO r.example.org\nS: 502 what\nC: HELO r.example.org\nS: 250 hi\n" + QUIT,
        "S: 220 mx.example.com\nC: HELO r.example.org\nS: 250 hi\n" + QUIT,
    ),
    "helo-not-fqdn": (CLEAN.replace("relay.example.org", "desktop"), CLEAN),
    "helo-literal": (CLEAN.replace("relay.example.org", "[192.0.2.1]"), CLEAN),
    "helo-is-server": (CLEAN.replace("relay.example.org", "mx.example.com"), CLEAN),
    "helo-file-name": (CLEAN.replace("relay.example.org", "msg.eml"), CLEAN),
    "command-order": (BARE + RCPT.replace("250", "503") + QUIT, CLEAN),
    "unknown-command": (BARE + "C: FOO bar\nS: 500 what\n" + QUIT, BARE + "C: VRFY bar\nS: 502 no\n" + QUIT),
    "http-on-smtp": ("S: 220 mx.example.com\nC: GET / HTTP/1.1\nS: 500 what\n" + QUIT, CLEAN),
    "pipelining-violation": (
        HELLO + MAIL + "C: DATA\nC: RSET\nS: 503 no\nS: 250 ok\n" + QUIT,
        HELLO + "C: MAIL FROM:<a@example.org>\nC: RCPT TO:<b@example.com>\nS: 250 ok\nS: 250 ok\n" + QUIT,
    ),
    "command-after-421": (BARE + "C: NOOP\nS: 421 closing\nC: RSET\n", BARE + "C: NOOP\nS: 421 closing\nC: QUIT\n"),
    "command-after-quit": (BARE + QUIT + "C: NOOP\n", CLEAN),
    "command-after-end": (
        BARE + MAIL + "C: RCPT TO:<b@example.com>\n{The server closes the connection}\nC: RSET\n",
        BARE + MAIL + "{The server closes the connection}\n",
    ),
    "no-quit": (BARE + MAIL + RCPT + DATA, CLEAN),
    "surplus-reply": (BARE + "C: NOOP\nS: 250 ok\nS: 250 ok\n" + QUIT, CLEAN),
    "missing-reply": (HELLO + "C: MAIL FROM:<a@example.org>\nC: RCPT TO:<b@example.com>\nC: DATA\nS: 354 go\n"
                      "C: .\nS: 250 ok\n" + QUIT, CLEAN),
    "lmtp-count": (LMTP + DATA + QUIT, LMTP + DATA + "S: 250 ok\n" + QUIT),
    "lmtp-on-25": (ON.format(25) + LMTP + QUIT, ON.format(24) + LMTP + QUIT),
    "connection-lost": (BARE + "C: MAIL FROM:<a@example.org>\n{The server closes the connection}\n",
                        CLEAN + "{The server closes the connection}\n"),
    "timeout": (BARE + "C: MAIL FROM:<a@example.org>\n[timeout: no reply in 400 s]\n", CLEAN),
    "gave-up-early": (BARE + "C: MAIL FROM:<a@example.org>\n[timeout: no reply in 3 s]\n",
                      BARE + "C: MAIL FROM:<a@example.org>\n[timeout: no reply in 301 s]\n"),
    "slow-reply": (
        stamped(("08:00:00", "S: 220 mx"), ("08:00:01", "C: EHLO r.example.org"), ("08:02:01", "S: 250 hi"),
                ("08:02:02", "C: QUIT"), ("08:02:02", "S: 221 bye")),
        stamped(("08:00:00", "S: 220 mx"), ("08:00:01", "C: EHLO r.example.org"), ("08:00:02", "S: 250 hi"),
                ("08:02:02", "C: QUIT"), ("08:02:02", "S: 221 bye")),
    ),
    "transcript-partial": (MAIL + RCPT + DATA + QUIT, CLEAN),
    "one-sided": ("220 mx.example.com\n250 mx.example.com\n250 2.1.0 ok\n250 2.1.5 ok\n354 go\n250 2.0.0 ok\n221 bye\n",
                  CLEAN),
    "duplicate-copy": (("++ Starting Swift_SmtpTransport\n<< 220 x\n>> EHLO y.example.org\n<< 502 no\n!! failed\nLog data:\n"
                       "++ Starting Swift_SmtpTransport\n<< 220 x\n>> EHLO y.example.org\n<< 502 no\n!! failed\nLog data:\n"
                       "++ Starting Swift_SmtpTransport\n<< 220 x\n>> EHLO y.example.org\n<< 502 no\n"),
                       "++ Starting Swift_SmtpTransport\n<< 220 x\n>> EHLO y.example.org\n<< 502 no\n!! failed\n"),
    "renegotiation": (("CONNECTED(00000003)\n220 mx.example.com\nEHLO r.example.org\n250 mx\nMAIL FROM:<a@example.org>\n"
                      "250 ok\nRENEGOTIATING\n"),
                      "CONNECTED(00000003)\n220 mx.example.com\nEHLO r.example.org\n250 mx\nQUIT\n221 bye\n"),
    "ext-not-offered": (BARE + MAIL.replace(">", "> SIZE=5") + RCPT + DATA + QUIT,
                        HELLO + MAIL.replace(">", "> SIZE=5") + RCPT + DATA + QUIT),
    "ehlo-missing-after-starttls": (TLS + "C: STARTTLS\nS: 220 go\n" + MAIL + QUIT,
                                    TLS + "C: STARTTLS\nS: 220 go\nC: EHLO relay.example.org\nS: 250 mx\n" + MAIL + QUIT),
    "starttls-refused": (TLS + "C: STARTTLS\nS: 454 not now\n" + QUIT, TLS + "C: STARTTLS\nS: 220 go\n" + QUIT),
    "starttls-not-used": (TLS + MAIL + RCPT + DATA + QUIT, TLS + QUIT),
    "starttls-injection": (TLS + "C: STARTTLS\nC: MAIL FROM:<a@example.org>\nS: 220 go\nS: 250 ok\n" + QUIT,
                           TLS + "C: STARTTLS\nS: 220 go\n" + QUIT),
    "starttls-on-465": (ON.format(465) + TLS + "C: STARTTLS\nS: 220 go\n" + QUIT,
                        ON.format(587) + TLS + "C: STARTTLS\nS: 220 go\n" + QUIT),
    "need-tls": (BARE + MAIL.replace("250 ok", "530 Must issue a STARTTLS command first") + QUIT,
                 BARE + MAIL.replace("250 ok", "530 Authentication required") + QUIT),
    "size-over-limit": (HELLO + MAIL.replace(">", "> SIZE=5000") + QUIT, HELLO + MAIL.replace(">", "> SIZE=500") + QUIT),
    "need-auth": (BARE + MAIL.replace("250 ok", "530 Authentication required") + QUIT, CLEAN),
    "auth-failed": (LOGIN + "C: AUTH PLAIN ***\nS: 535 no\n" + QUIT, LOGIN + "C: AUTH PLAIN ***\nS: 235 yes\n" + QUIT),
    "auth-in-clear": (
        LOGIN + "C: AUTH PLAIN ***\nS: 235 yes\n" + QUIT,
        TLS + "C: STARTTLS\nS: 220 go\nC: EHLO relay.example.org\nS: 250-mx\nS: 250 AUTH PLAIN\n"
        "C: AUTH PLAIN ***\nS: 235 yes\n" + QUIT,
    ),
    "credential-exposed": (LOGIN + "C: AUTH PLAIN AGFubgBzZWNyZXQ=\nS: 235 yes\n" + QUIT,
                           LOGIN + "C: AUTH PLAIN [credentials hidden]\nS: 235 yes\n" + QUIT),
    "auth-cascade": (LOGIN + "C: AUTH PLAIN ***\nS: 535 no\nC: AUTH LOGIN ***\nS: 535 no\n" + QUIT,
                     LOGIN + "C: AUTH PLAIN ***\nS: 535 no\nC: AUTH PLAIN ***\nS: 535 no\n" + QUIT),
    "auth-fail-ignored": (LOGIN + "C: AUTH PLAIN ***\nS: 535 no\n" + MAIL + QUIT,
                          LOGIN + "C: AUTH PLAIN ***\nS: 535 no\n" + QUIT),
    "submission-without-auth": (ON.format(587) + CLEAN, ON.format(25) + CLEAN),
    "auth-on-25": (ON.format(25) + LOGIN + "C: AUTH PLAIN ***\nS: 235 yes\n" + QUIT,
                   ON.format(587) + LOGIN + "C: AUTH PLAIN ***\nS: 235 yes\n" + QUIT),
    "sender-refused": (BARE + MAIL.replace("250 ok", "550 no") + QUIT, CLEAN),
    "recipient-refused": (BARE + MAIL + RCPT.replace("250 ok", "550 no") + QUIT,
                          BARE + MAIL + RCPT.replace("250 ok", "451 later") + QUIT),
    "try-later": (BARE + MAIL + RCPT.replace("250 ok", "451 later") + QUIT,
                  BARE + MAIL + RCPT.replace("250 ok", "550 no") + QUIT),
    "message-refused": (BARE + MAIL + RCPT + DATA.replace("250 ok", "554 spam") + QUIT, CLEAN),
    "accepted-not-sent": (BARE + MAIL + RCPT + QUIT, CLEAN),
    "recipient-withdrawn": (BARE + MAIL + RCPT + "C: RSET\nS: 250 ok\n" + QUIT, BARE + MAIL + RCPT + QUIT),
    "mixed-outcome": (BARE + MAIL + RCPT + RCPT.replace("250 ok", "550 no") + DATA + QUIT,
                      BARE + MAIL + RCPT + RCPT + DATA + QUIT),
    "outcome-unknown": (BARE + MAIL + RCPT + DATA.replace("S: 250 ok\n", "") + "{The server closes the connection}\n", CLEAN),
    "smuggling": (HELLO + MAIL + RCPT + DATA.replace("S: 250 ok\n", "") + "C: MAIL FROM:<c@example.org>\n"
                  "S: 250 ok\nS: 250 ok\n" + QUIT, HELLO + MAIL + RCPT + DATA + MAIL + QUIT),
    "bare-line-feed": (SMTPLIB + "send: b'Subject: x\\n\\nhello\\r\\n.\\r\\n'\nreply: b'250 ok\\r\\n'\n",
                       SMTPLIB + "send: 'quit\\r\\n'\nreply: b'221 bye\\r\\n'\n"),
    "dot-stuffing": (message("Subject: x", "", ".hidden"), message("Subject: x", "", "..shown")),
    "line-too-long": (message("Subject: x", "", "y" * 999), message("Subject: x", "", "y" * 998)),
    "command-too-long": (BARE + f"C: NOOP {'x' * 600}\nS: 250 ok\n" + QUIT, BARE + f"C: NOOP {'x' * 400}\nS: 250 ok\n" + QUIT),
    "address-too-long": (BARE + f"C: MAIL FROM:<{'x' * 65}@example.org>\nS: 250 ok\n" + QUIT,
                         BARE + f"C: MAIL FROM:<{'x' * 64}@example.org>\nS: 250 ok\n" + QUIT),
    "8bit-undeclared": (message("Subject: x", "", "Grüße"),
                        message("Subject: x", "", "Grüße").replace("org>", "org> BODY=8BITMIME")),
    "utf8-address": (BARE + "C: MAIL FROM:<jürgen@example.org>\nS: 250 ok\n" + QUIT,
                     BARE + "C: MAIL FROM:<jürgen@example.org> SMTPUTF8\nS: 250 ok\n" + QUIT),
    "bdat-count": (CHUNKS + "C: BDAT 3 LAST\nC: hello\nS: 250 ok\n" + QUIT,
                   CHUNKS + "C: BDAT 7 LAST\nC: hello\nS: 250 ok\n" + QUIT),
    "bdat-after-failure": (CHUNKS + "C: BDAT 7\nC: hello\nS: 452 full\nC: BDAT 7 LAST\nC: world\nS: 503 no\n" + QUIT,
                           CHUNKS + "C: BDAT 7\nC: hello\nS: 250 ok\nC: BDAT 7 LAST\nC: world\nS: 250 ok\n" + QUIT),
    "binarymime-with-data": (CHUNKS.replace("org>", "org> BODY=BINARYMIME") + DATA + QUIT, CHUNKS + DATA + QUIT),
    "bdat-with-data": (CHUNKS + "C: BDAT 7\nC: hello\nS: 250 ok\nC: DATA\nS: 503 no\n" + QUIT,
                       CHUNKS + "C: BDAT 7 LAST\nC: hello\nS: 250 ok\n" + QUIT),
    "reply-hyphen": (BARE + "C: NOOP\nS: 250-ok\n" + QUIT, CLEAN),
    "reply-code-changes": ("S: 220 mx.example.com\nC: HELO r.example.org\nS: 250-hello\nS: 251 there\n" + QUIT, CLEAN),
    "unexpected-code": (BARE + "C: NOOP\nS: 299 odd\n" + QUIT, BARE + "C: NOOP\nS: 250 ok\n" + QUIT),
    "enhanced-class": (BARE + MAIL.replace("250 ok", "550 4.1.1 no") + QUIT, BARE + MAIL.replace("250 ok", "550 5.1.1 no") + QUIT),
    "enhanced-missing": (STATUS + MAIL + QUIT, STATUS + MAIL.replace("250 ok", "250 2.1.0 ok") + QUIT),
    "enhanced-mixed": (BARE + MAIL.replace("S: 250 ok", "S: 550-5.1.1 no\nS: 550 5.7.1 no") + QUIT,
                       BARE + MAIL.replace("S: 250 ok", "S: 550-5.1.1 no\nS: 550 5.1.1 no") + QUIT),
}  # fmt: skip


def codes(text: str) -> set[str]:
    """Findings of all sessions in a text."""
    return {found.code for session in sessions(text) for found in session.findings or []}


def test_every_finding_has_its_pair_of_dialogues() -> None:
    """No finding goes untested, no test is of a finding that is gone."""
    assert set(CASES) == set(GROUNDS)


@pytest.mark.parametrize("code", CASES)
def test_a_finding_is_raised_where_it_holds(code: str) -> None:
    """The first dialogue of the pair raises it."""
    assert code in codes(CASES[code][0])


@pytest.mark.parametrize("code", CASES)
def test_a_finding_is_silent_where_it_does_not_hold(code: str) -> None:
    """The second dialogue of the pair does not."""
    assert code not in codes(CASES[code][1])


def test_a_clean_session_has_no_findings() -> None:
    """Nothing is the matter with what the RFC shows."""
    assert codes(CLEAN) == set()


@pytest.mark.parametrize("code", GROUNDS)
def test_every_finding_says_what_to_do_and_where_it_is_written(code: str) -> None:
    """Severity, words, a hint and a source."""
    found, ground = finding(code, 3, "evidence", "value"), GROUNDS[code]

    assert found.severity in {"error", "warning", "info"}
    assert found.message
    assert found.hint
    assert ground.source
    assert found.evidence_line == 3


def test_findings_name_their_line_and_evidence() -> None:
    """The line is the physical one of the text."""
    [found] = [
        f
        for s in sessions("prose\n\n" + CASES["sender-refused"][0])
        for f in s.findings or []
        if f.code == "sender-refused"
    ]

    assert found.evidence_line == 8
    assert found.evidence == "550 no"


def test_a_broken_dialogue_does_not_drown_in_findings() -> None:
    """However much is the matter, a session tells a bounded number of things."""
    text = BARE + "C: FOO\nS: 500 what\n" * 1000 + QUIT

    assert all(len(session.findings or []) <= 200 for session in sessions(text))
