"""Replies taken apart, and what their codes say (RFC 5321 s.4.2, RFC 2034, RFC 3463)."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from smtplog.smtp import replies


@pytest.mark.parametrize(
    ("text", "code", "enhanced", "said"),
    [
        ("550 5.1.1 No such user", 550, "5.1.1", "No such user"),
        ("550-5.1.1 No such user\n550 5.1.1 here", 550, "5.1.1", "No such user\nhere"),
        ("550-5.1.1 No such user\r\n550 5.1.1 here", 550, "5.1.1", "No such user\nhere"),
        ("550-5.1.1 No such user 550 5.1.1 here", 550, "5.1.1", "No such user\nhere"),
        ("554-a\\n554 5.7.1 b", 554, "5.7.1", "a\nb"),
        ("421 Service not available", 421, None, "Service not available"),
        ("550 #5.1.0 Address rejected.", 550, "5.1.0", "Address rejected."),
        ("552-5.2.3 Too big", 552, "5.2.3", "Too big"),
        ("5.2.2 user is over quota", None, "5.2.2", "user is over quota"),
        ("421", 421, None, ""),
        ("250-mx.example\n250-SIZE 100\n250 HELP", 250, None, "mx.example\nSIZE 100\nHELP"),
    ],
)
def test_a_reply_gives_its_codes_and_its_words(text: str, code: int, enhanced: str, said: str):
    parts = replies.parts(text)
    assert (parts.code, parts.enhanced_code, parts.text) == (code, enhanced, said)


@pytest.mark.parametrize("text", ["", "connect to mx.example: Connection refused", "5500 units", "192.0.2.1 said no"])
def test_what_is_no_reply_has_no_codes_and_keeps_its_words(text: str):
    parts = replies.parts(text)
    assert (parts.code, parts.enhanced_code, parts.text) == (None, None, text)


def test_a_number_inside_the_words_is_no_code():
    assert replies.parts("user 550 has 5.1.1 left").code is None


def test_the_lines_are_kept_as_received():
    assert replies.parts("550-5.1.1 a\n550 5.1.1 b").lines == ["550-5.1.1 a", "550 5.1.1 b"]


@given(st.text())
def test_any_text_is_taken(text: str):
    parts = replies.parts(text)
    assert parts.code is None or 200 <= parts.code <= 599
    assert parts.enhanced_code is None or replies.is_enhanced(parts.enhanced_code)


@given(st.integers(200, 599), st.lists(st.text("abc xyz", min_size=1).filter(str.strip), min_size=1, max_size=4))
def test_a_reply_written_on_several_lines_is_read_back(code: int, words: list[str]):
    lines = [f"{code}{' ' if i == len(words) - 1 else '-'}{w.strip()}" for i, w in enumerate(words)]
    assert replies.parts("\r\n".join(lines)) == (code, None, "\n".join(w.strip() for w in words), lines)


@pytest.mark.parametrize("code", sorted(replies.BASIC))
def test_every_basic_code_is_explained(code: int):
    assert replies.explain_code(code)


@pytest.mark.parametrize("detail", sorted(replies.DETAILS))
def test_every_enhanced_code_is_explained_with_its_class(detail: str):
    assert replies.explain_enhanced(f"4.{detail}") == f"{replies.DETAILS[detail]} (trouble that may pass)"
    assert replies.explain_enhanced(f"X.{detail}") == replies.DETAILS[detail]


def test_an_unknown_code_is_explained_by_its_class():
    assert replies.explain_code(599) == "refused for good: the same command will fail again"
    assert replies.explain_enhanced("5.7.999") == "something about the security and policy (trouble that stays)"


@pytest.mark.parametrize("code", [None, 0, 199, 600, 999])
def test_a_number_that_is_no_reply_code_is_not_explained(code: int | None):
    assert replies.explain_code(code) is None


@pytest.mark.parametrize("code", [None, "", "5", "3.1.1", "5.9.1", "abc"])
def test_a_text_that_is_no_enhanced_code_is_not_explained(code: str | None):
    assert replies.explain_enhanced(code) is None
