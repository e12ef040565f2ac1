"""Commands: verbs, paths, parameters, keywords, and what is no command."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from smtplog.smtp import commands, secrets


@pytest.mark.parametrize(
    ("line", "verb", "argument"),
    [
        ("mail from:<a@b>", "MAIL", "from:<a@b>"),
        ("RCPT TO: <a@b>", "RCPT", "TO: <a@b>"),
        ("quit", "QUIT", None),
        ("EHLO  host.example.org ", "EHLO", "host.example.org"),
        ("FOO bar", "FOO", "bar"),
    ],
)
def test_verbs_are_upper_case_and_arguments_stay(line: str, verb: str, argument: str | None) -> None:
    """RFC 5321 s.2.4: verbs in any case."""
    assert commands.command(line) == commands.Command(verb, argument)


@pytest.mark.parametrize("line", ["", "   ", "<html>", "=== note", "250 Ok"])
def test_what_does_not_begin_with_a_word_is_no_command(line: str) -> None:
    """Notes and replies are not."""
    assert commands.command(line) is None


@pytest.mark.parametrize(
    "line",
    [
        "Data is what we want",
        "Mail from my aunt",
        "Help me with this, please",
        "quit smoking",
        "rset everything now",
        "Auth is hard",
    ],
)
def test_prose_is_never_certainly_a_command(line: str) -> None:
    """Sentences that begin with a verb's letters."""
    assert not commands.is_certain(line)


@pytest.mark.parametrize(
    ("argument", "address", "is_redacted"),
    [
        ("TO:<a@example.com>", "a@example.com", False),
        ("TO: a@example.com", "a@example.com", False),
        ("TO:<>", "", False),
        ("TO:", None, False),
        ("TO:<[email protected]>", None, True),
        ("TO:[email protected]", None, True),
        ("TO:<x***@example.com>", None, True),
        ('TO:<"a>b c"@example.com>', '"a>b c"@example.com', False),
        ("TO:<@one,@two:a@example.com>", "a@example.com", False),
        ("TO:a@[192.0.2.1]", "a@[192.0.2.1]", False),
    ],
)
def test_paths_come_without_brackets_and_masked_ones_are_null(
    argument: str, address: str | None, is_redacted: bool
) -> None:
    """RFC 5321 s.4.1.2, appendix C; only <> is the null sender."""
    path = commands.path("RCPT", argument)

    assert (path.address, path.is_redacted) == (address, is_redacted)


def test_parameters_follow_the_path() -> None:
    """RFC 5321 s.4.1.1.11."""
    path = commands.path("MAIL", "FROM:<a@b> size=12 SMTPUTF8")

    assert [(p.name, p.value) for p in path.parameters] == [("SIZE", "12"), ("SMTPUTF8", None)]


def test_keywords_of_a_reply_that_was_joined_into_one_line_are_cut_apart() -> None:
    """Exchange's receive log drops the inner codes."""
    found = commands.keywords(["mx Hello [192.0.2.1] SIZE 37748736 PIPELINING AUTH NTLM LOGIN 8BITMIME"])

    assert [(p.name, p.value) for p in found] == [
        ("SIZE", "37748736"), ("PIPELINING", None), ("AUTH", "NTLM LOGIN"), ("8BITMIME", None),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("mechanism", "said", "name"),
    [
        ("PLAIN", ["AGFubgBzZWNyZXQ="], "ann"),
        ("LOGIN", ["YW5u", "c2VjcmV0"], "ann"),
        ("CRAM-MD5", ["YW5uIGFiY2RlZg=="], "ann"),
        ("PLAIN", ["[credentials hidden]"], None),
        ("XOAUTH2", ["dXNlcj1hbm4BYXV0aD1CZWFyZXIgeAEB"], "ann"),
        ("LOGIN", [], None),
    ],
)
def test_the_login_name_is_read_and_never_guessed(mechanism: str, said: list[str], name: str | None) -> None:
    """RFC 4616, RFC 2195; a mask names nobody."""
    assert secrets.user(mechanism, said) == name


def test_every_spelling_of_a_secret_is_hidden_and_the_name_is_not() -> None:
    """Base64 and clear text of the password, whole and in parts."""
    found = secrets.hidden(["AGFubgBzZWNyZXQ="], "ann")

    assert {"AGFubgBzZWNyZXQ=", "secret", "c2VjcmV0"} <= set(found)
    assert "ann" not in found


def test_passwords_inside_urls_are_masked() -> None:
    """RFC 3986 s.3.2.1."""
    assert (
        secrets.without("see smtp://ann:secret@mx.example.com:25/", []) == "see smtp://ann:********@mx.example.com:25/"
    )


@given(st.text())
def test_no_text_makes_the_command_readers_raise(text: str) -> None:
    """Any line is taken."""
    commands.command(text)
    commands.is_certain(text)
    commands.path("MAIL", text)
    commands.keywords(text.split("\n"))
    secrets.user("PLAIN", [text])
    secrets.without(text, secrets.hidden([text], None))
