"""Whose address is given up, and whose never: replies that look as if a mailbox were dead, and replies that say it is."""

from __future__ import annotations

import pytest

from smtplog.ask import diagnose
from tests.test_misleading import diagnosed, replies


def given_up(row: dict[str, str]) -> diagnose.Suppression | None:
    return diagnose.suppression(diagnosed(row, status="bounced"), status="bounced")


@pytest.mark.parametrize("row", replies("address-may-live"), ids=lambda row: row["reply"][:60])
def test_what_looks_dead_and_may_live_is_never_given_up(row: dict[str, str]) -> None:
    """A block, a quota, an outage, a sender's fault, a later try or any word of unknown meaning beside it forbids it."""
    assert given_up(row) is None


@pytest.mark.parametrize("row", replies("address-is-dead"), ids=lambda row: row["reply"][:60])
def test_what_is_plainly_dead_is_given_up(row: dict[str, str]) -> None:
    """Every word is known to speak of dead addresses, or says nothing."""
    found = given_up(row)

    assert found is not None
    assert found.evidence
