"""Secrets in logs: masked in whatever leaves, at any block size; shown on demand."""

from __future__ import annotations

import json
from pathlib import Path

import polars as pl
import pytest
from typer.testing import CliRunner

import smtplog
from smtplog.cli import app
from smtplog.read import grammar, secrets
from smtplog.read.tally import Tally
from smtplog.smtp.secrets import MASK

TOP = Path(__file__).parent.parent
LOG = TOP / "samples" / "postfix" / "verbose-dialogue.log"
SPELLINGS = (
    "hunter2",
    "AHJlbGF5AGh1bnRlcjI=",
    "YWxpY2U",
    "AGFsaWNlAHMzY3JldA",
    "YWxpY2UgYTk3NTN",
    "decoded response: alice",
)

SAID = [
    ("Nov 23 08:00:00 h postfix/smtpd[9]: < a.b[192.0.2.5]: AUTH PLAIN AGFsaWNlAHMzY3JldA==", "AGFsaWNlAHMzY3JldA=="),
    ("Nov 23 08:00:00 h postfix/smtpd[9]: < a.b[192.0.2.5]:4711: auth login YWxpY2U=", "YWxpY2U="),
    ("Nov 23 08:00:00 h postfix/smtpd[9]: < a.b[192.0.2.5]: AUTH PLAIN alice s3cret", "s3cret"),
    ("Nov 23 08:00:00 h postfix/smtp[9]: > a.b[192.0.2.5]:25: czNjcmV0cGFzcw==", "czNjcmV0cGFzcw=="),
    ("Nov 23 08:00:00 h postfix/smtpd[9]: xsasl_cyrus_server_first: sasl_method PLAIN, init_response AGFsaWNl", "AGFsaWNl"),
    ("Nov 23 08:00:00 h postfix/smtpd[9]: smtpd_sasl_authenticate: sasl_method PLAIN, init_response AGFsaWNl", "AGFsaWNl"),
    ("Nov 23 08:00:00 h postfix/smtp[9]: xsasl_cyrus_client_get_passwd: s3cret", "s3cret"),
    ("Nov 23 08:00:00 h postfix/smtp[9]: xsasl_cyrus_client_next: uncoded client response s3cret", "s3cret"),
    ("Nov 23 08:00:00 h postfix/smtp[9]: smtp_sasl_passwd_lookup: host `a.b' user `alice' pass `s3cret'", "s3cret"),
    ("Nov 23 08:00:00 h postfix/smtp[9]: maps_find: smtp_sasl_password_maps: hash:/etc/x(0,lock): a.b = alice:s3cret", "s3cret"),
    ("Nov 23 08:00:00 h postfix/smtpd[9]: warning: improper command pipelining after AUTH from a.b[192.0.2.5]: s3cret\\r\\n", "s3cret"),
    ("Nov 23 08:00:00 h exim[9]: SMTP<< AUTH PLAIN AGFsaWNlAHMzY3JldA==", "AGFsaWNlAHMzY3JldA=="),
    ("Nov 23 08:00:00 h exim[9]: SMTP>> czNjcmV0cGFzcw==", "czNjcmV0cGFzcw=="),
    ('2026-11-23 08:00:00 SMTP protocol error in "AUTH LOGIN aW5mb0BtYW5iYXQub3Jn" H=(x) [192.0.2.5] AUTH command used when not advertised', "aW5mb"),
    ("  $auth2 = s3cret", "s3cret"),
    ('2026-11-23T08:41:50.777933+00:00 s smtpd[1]: dc73 smtp failed-command command="AUTH PLAIN AGFsaWNlAHNlY3JldA==" result="503"', "AGFsaWNl"),
    ("2026-11-23T08:00:00.000Z [PROTOCOL] [5A6E8F61-0000-4000-8000-000000000001.1] [core] C: AUTH PLAIN AGFsaWNl", "AGFsaWNl"),
    ("Nov 23 08:00:00 h dovecot: auth: Debug: client in: AUTH#0111#011PLAIN#011service=smtp#011resp=AGFsaWNl", "AGFsaWNl"),
    ("Nov 23 08:00:00 h dovecot: auth: Debug: client in: CONT#0111#011AGFsaWNlAHMzY3JldA==", "AGFsaWNl"),
    ("Nov 23 08:00:00 h dovecot: auth: passwd-file(alice,192.0.2.5): Password mismatch (given password: s3cret)", "s3cret"),
    ("Nov 23 08:00:00 h dovecot: auth: Debug: sql(alice,192.0.2.5): PLAIN(s3cret) != 'other'", "s3cret"),
    ("Nov 23 08:00:00 h dovecot: auth: Debug: sql(alice,192.0.2.5): SHA256-CRYPT(a)b) != '$5$salt$hash'", "$5$salt$hash"),
    ("Nov 23 08:00:00 h proxy[9]: relaying by smtp://alice:s3cret@mx.example.com:587/", "s3cret"),
    (" -> AUTH PLAIN AGFsaWNlAHMzY3JldA==", "AGFsaWNl"),
]  # fmt: skip

PLAIN = [
    "Nov 23 08:00:00 h postfix/smtpd[9]: > a.b[192.0.2.5]: 250-AUTH PLAIN LOGIN CRAM-MD5",
    "Nov 23 08:00:00 h postfix/smtpd[9]: > a.b[192.0.2.5]: 250 AUTH LOGIN PLAIN EXTERNAL",
    "Nov 23 08:00:00 h postfix/smtpd[9]: < a.b[192.0.2.5]: AUTH LOGIN",
    "Nov 23 08:00:00 h postfix/smtpd[9]: < a.b[192.0.2.5]: STARTTLS",
    "Nov 23 08:00:00 h postfix/smtpd[9]: < a.b[192.0.2.5]: QUIT",
    "Nov 23 08:00:00 h postfix/smtpd[9]: < a.b[192.0.2.5]: Quit",
    "Nov 23 08:00:00 h postfix/smtpd[9]: warning: a.b[192.0.2.5]: SASL LOGIN authentication failed: UGFzc3dvcmQ6, sasl_username=bob",
    "2013-06-02 09:22:06 SMTP call from [192.0.2.109] dropped: too many syntax errors (last command was \"AUTH LOGIN\")",
    "2026-11-23 08:00:00 1xVPLc-0006je-1Z => a@b R=r T=t H=mx [192.0.2.1] A=plain C=\"250 ok\"",
]  # fmt: skip


@pytest.mark.parametrize(("line", "secret"), SAID)
def test_what_is_secret_is_masked_in_a_line(line: str, secret: str) -> None:
    """Alone, in a block, and by the one-line reader."""
    block = pl.DataFrame({"raw": ["x", line], "text": ["x", line]})

    assert secret not in secrets.without(line)
    assert MASK in secrets.without(line)
    if not line.startswith(" "):
        assert secrets.covered(block)["raw"].to_list() == ["x", secrets.without(line)]
    assert secret not in smtplog.parse_line(line, year=2026).model_dump_json()
    assert secret in smtplog.parse_line(line, year=2026, show_secrets=True).model_dump_json()


@pytest.mark.parametrize("line", PLAIN)
def test_what_is_not_secret_stays(line: str) -> None:
    """Offers of mechanisms, commands, challenges, how a login ended."""
    assert secrets.without(line) == line


def test_every_rule_is_in_use() -> None:
    """Each shape of the grammar masks something above."""
    used = {rule for rule in secrets.RULES if any(grammar.inside(rule).search(line) for line, _ in SAID)}

    assert used == set(secrets.RULES)


@pytest.mark.parametrize("size", [300, 2000, 1 << 24])
def test_no_table_shows_a_secret_at_any_block_size(size: int) -> None:
    """Answers to challenges too, where the challenge stands in the block before."""
    tables = smtplog.frames(LOG, year=2026, block_bytes=size)
    shown = "".join(frame.write_json() for frame in tables.values())

    assert not [secret for secret in SPELLINGS if secret in shown]
    assert '"alice"' in shown


@pytest.mark.parametrize(
    "command",
    ["events --format jsonl", "events --raw", "sessions --format jsonl", "messages --format jsonl", "summary", "check",
     "deliveries --format jsonl", "failures", "trace --raw 4Xy44723DD4", "transcript"],
)  # fmt: skip
def test_no_command_shows_a_secret(command: str) -> None:
    """By default; also where the log is not understood at all."""
    input_format = "exim" if "check" in command else ""
    arguments = [*command.split(), str(LOG)] if "trace" not in command else ["trace", "--raw", "4Xy44723DD4", str(LOG)]
    if command != "transcript":
        arguments += ["--year", "2026", *(["--input-format", input_format] if input_format else [])]
    result = CliRunner().invoke(app, arguments)
    said = result.output

    assert not [secret for secret in SPELLINGS if secret in said], said


def test_a_transcript_nobody_understands_shows_no_secret_as_an_example() -> None:
    """The count of what was not understood gives examples."""
    tally = Tally()
    tally.add_document("-", "smtp://alice:s3cret@host AUTH PLAIN AGFsaWNlAHMzY3JldA==\n", [])

    assert "AGFsaWNl" not in json.dumps(list(tally.examples.values()))
    assert "s3cret" not in json.dumps(list(tally.examples.values()))


def test_show_secrets_shows_the_log_as_it_is() -> None:
    """Only on demand."""
    events = smtplog.frames(LOG, "events", year=2026, show_secrets=True)["events"]

    assert "\n".join(events["raw"]) + "\n" == LOG.read_text("utf-8")


@pytest.mark.parametrize(
    "text", ["x", "AUTH PLAIN " + "a" * 500, "dict_", "smtp_sasl_", "://", "a://b:", "< ", "passw="]
)
def test_a_long_line_is_looked_through_once(text: str) -> None:
    """A line without an end, of whatever looks like the beginning of a secret, is soon done with."""
    said = "".join((text * 1_000_000)[:1_000_000])

    assert len(secrets.without(said)) > 0
