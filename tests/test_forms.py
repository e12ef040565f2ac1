"""Every form in which people keep dialogues has a sample that is taken for it, and whose dialogue is all there."""

from __future__ import annotations

from pathlib import Path

import pytest

from smtplog.formats.transcripts import FLAT_FORMS, FORMS
from smtplog.read.dialogue import sessions

SAMPLES = Path(__file__).parent.parent / "samples" / "transcript"

ROWS: tuple[tuple[str, str, str], ...] = (
    ("RFC 5321 style", "rfc-order", "rfc"),
    ("RFC style, indented", "rfc-indented", "rfc"),
    ("RFC 821, R: and S:", "rfc821", "rfc821"),
    ("a web page with a dialogue", "page", "flattened"),
    ("flattened", "flattened", "flattened"),
    ("flattened, no marks", "flattened-unmarked", "flattened-unmarked"),
    ("decorated: quoted", "rfc-quoted", "rfc"),
    ("decorated: quoted, no marks", "unmarked-quoted", "unmarked"),
    ("decorated: indented, no marks", "unmarked-indented", "unmarked"),
    ("decorated: stamped", "rfc-stamped", "rfc"),
    ("decorated: escaped line ends", "rfc-escaped", "rfc"),
    ("decorated: numbered", "rfc-numbered", "rfc"),
    ("decorated: smart quotes", "rfc-smart-quotes", "rfc"),
    ("decorated: HTML", "rfc-html-table", "rfc"),
    ("decorated: JSON lines", "rfc-json-lines", "other"),
    ("obfuscated addresses", "rfc-masked", "rfc"),
    ("angle brackets lost", "rfc-angles-eaten", "rfc"),
    ("swaks", "swaks-tls", "swaks"),
    ("swaks, raw", "swaks-raw", "swaks"),
    ("swaks, only what was sent", "swaks-client-only", "swaks"),
    ("curl -v", "curl", "curl"),
    ("curl --trace-ascii", "curl-trace", "curl-trace"),
    ("openssl s_client", "openssl", "openssl"),
    ("telnet", "telnet", "telnet"),
    ("telnet without echo", "telnet-server-only", "telnet"),
    ("smtplib", "smtplib", "smtplib"),
    ("aiosmtpd", "aiosmtpd", "aiosmtpd"),
    ("aiosmtpd, another layout", "aiosmtpd-layout", "aiosmtpd"),
    ("Ruby Net::SMTP", "ruby", "ruby"),
    ("Perl Net::SMTP", "perl", "perl"),
    ("PHPMailer", "phpmailer", "phpmailer"),
    ("PHPMailer, HTML", "phpmailer-html", "phpmailer"),
    ("Swift Mailer", "swiftmailer", "swiftmailer"),
    ("Symfony Mailer", "symfony", "symfony"),
    ("nodemailer", "nodemailer", "nodemailer"),
    ("nodemailer's server", "nodemailer-server", "nodemailer"),
    ("smtpmock", "smtpmock", "rfc"),
    ("JavaMail", "javamail", "javamail"),
    ("MailKit", "mailkit", "mailkit"),
    ("go-mail", "gomail", "go-mail"),
    ("msmtp -d", "msmtp", "msmtp"),
    ("s-nail -v", "s-nail", "s-nail"),
    ("mutt -d", "mutt", "mutt"),
    ("sendmail -v", "sendmail", "sendmail"),
    ("sendmail -X", "sendmail-traffic", "arrows"),
    ("delivery report", "dsn", "dsn"),
    ("Postfix notice, server", "postfix-notice-server", "postfix-notice"),
    ("Postfix notice, client", "postfix-notice-client", "postfix-notice"),
    ("debug_peer_list, server", "postfix-debug-server", "postfix-debug"),
    ("debug_peer_list, client", "postfix-debug-client", "postfix-debug"),
    ("Exim -v", "exim", "exim"),
    ("Exim -d", "exim-debug", "exim"),
    ("Exim -bs -d", "exim-server", "exim"),
    ("Exim -bh", "exim-bh", "unmarked"),
    ("Exchange, receive", "exchange-receive", "exchange"),
    ("Exchange, send", "exchange-send", "exchange"),
    ("hMailServer", "hmailserver", "hmailserver"),
    ("MDaemon", "mdaemon", "mdaemon"),
    ("Haraka", "haraka", "haraka"),
    ("Haraka, among its other lines", "haraka-log", "haraka"),
    ("Stalwart", "stalwart", "stalwart"),
    ("maddy io_debug", "maddy", "unmarked"),
    ("Thunderbird", "thunderbird", "thunderbird"),
    ("Outlook Express", "outlook", "outlook"),
    (".NET network trace", "dotnet", "dotnet"),
    ("tshark follow", "tshark-follow", "tshark-follow"),
    ("tshark -Y smtp", "tshark-fields", "tshark-fields"),
    ("smtp-cli", "smtp-cli", "smtp-cli"),
    ("Qsmtpd", "qsmtpd", "qsmtpd"),
    ("go-guerrilla", "go-guerrilla", "go-guerrilla"),
    ("sendEmail -v", "sendemail", "sendemail"),
    ("marks of nobody known", "other", "other"),
    ("marks of nobody known, PEAR", "other-pear", "other"),
)
"""What it is called, its sample, the form it is taken for."""


@pytest.mark.parametrize(("name", "sample", "form"), ROWS, ids=[name for name, _, _ in ROWS])
def test_a_form_is_taken_for_what_it_is(name: str, sample: str, form: str) -> None:
    """All of its sessions, with commands or replies, and no reply that nothing had asked for."""
    found = sessions((SAMPLES / f"{sample}.txt").read_bytes().decode("utf-8", "replace"))

    assert {session.form for session in found} == {form}, name
    assert all(session.exchanges for session in found)
    assert "surplus-reply" not in {one.code for session in found for one in session.findings or ()}


def test_every_form_is_in_the_list() -> None:
    """A form that nobody walks past is only claimed."""
    assert {form.name for form in FORMS} | set(FLAT_FORMS) <= {form for _, _, form in ROWS}


def test_several_forms_in_one_text_are_each_read_as_their_own() -> None:
    """A telnet, a swaks and a smtplib session, one behind the other, with words in between."""
    found = sessions((SAMPLES / "several-forms.txt").read_text("utf-8"))

    assert [session.form for session in found] == ["telnet", "swaks", "smtplib"]
    assert [len(t.recipients) for session in found for t in session.transactions or ()] == [1, 4, 0]
