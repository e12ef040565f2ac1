"""Replies made to mislead, and replies in other languages than English: each has one right reason."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from smtplog.ask import diagnose
from tests.conftest import SAMPLES


def replies(name: str) -> list[dict[str, str]]:
    """The rows of samples/replies/NAME.jsonl: what `explain -` reads, and the reason that is right."""
    return [json.loads(line) for line in (SAMPLES / f"replies/{name}.jsonl").read_text("utf-8").splitlines()]


def diagnosed(row: dict[str, str], **context: str) -> diagnose.Diagnosis:
    """What is said of a row; the rest of it is context."""
    known = {name: said for name, said in row.items() if name not in {"reply", "expected_reason"}}
    return diagnose.reply(row["reply"], **(known | context))


@pytest.mark.parametrize("row", replies("misleading"), ids=lambda row: row["reply"][:60])
def test_hosts_addresses_codes_denials_and_quotes_do_not_mislead(row: dict[str, str]) -> None:
    """Words inside names and URLs, codes that lie, replies in replies, what is denied, asked, advised or quoted."""
    assert diagnosed(row).reason == row["expected_reason"]


@pytest.mark.parametrize("row", replies("plain-words"), ids=lambda row: row["reply"][:60])
def test_what_administrators_write_in_their_own_words_is_understood(row: dict[str, str]) -> None:
    """No stock phrases: what one types into a configuration."""
    assert diagnosed(row).reason == row["expected_reason"]


@pytest.mark.parametrize("row", replies("other-languages"), ids=lambda row: row["reply"][:60])
def test_the_usual_wordings_of_other_languages_are_understood(row: dict[str, str]) -> None:
    """As administrators and vendors write them."""
    assert diagnosed(row).reason == row["expected_reason"]


@pytest.mark.corpora
def test_replies_labelled_by_hand_have_their_reason() -> None:
    """The field manual's replies; one means what it does only at the operator that wrote it."""
    folder = os.environ.get("SMTPLOG_CORPORA")
    if not folder:
        pytest.skip("SMTPLOG_CORPORA is not set")
    path = Path(folder, "replies/smtp-field-manual/replies_handlabelled.jsonl")
    rows = [json.loads(line) for line in path.read_text("utf-8").splitlines()]
    hosts = {"qq": "mx3.qq.com"}
    told = [diagnose.reply(row["reply"], relay_name=hosts.get(row["provider"])).reason for row in rows]

    assert told == [row["our_reason"] for row in rows]
