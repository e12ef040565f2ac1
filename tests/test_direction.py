"""Where mails came from and where they went."""

from __future__ import annotations

import pytest

from smtplog import frames
from smtplog.errors import QueryError
from tests.conftest import SAMPLES


def directions(scene: str, **options: tuple[str, ...]) -> dict[str, str | None]:
    """Queue id -> direction."""
    table = frames(SAMPLES / f"postfix/{scene}.log", "messages", year=2026, zone="UTC", **options)["messages"]
    return dict(table.select("queue_id", "direction").iter_rows())


def test_with_the_domains_and_networks_of_ours() -> None:
    """A stranger's mail comes in, a user's goes out, a filter's hand-over stays, a bounce is ours."""
    ours = {"local_domains": ("local.example",), "local_networks": ("10.77.0.0/24",)}
    assert directions("delivery-local", **ours) == {"E1642282397": "inbound"}
    assert directions("content-filter", **ours) == {"52896282428": "internal", "5BDF828273C": "inbound"}
    assert set(directions("submission-tls-sasl", **ours).values()) == {"outbound"}
    bounce = directions("bounce-and-line-broken", **ours)
    assert (bounce["990EF2825EF"], bounce["9BAFB2825F5"]) == ("outbound", "local")
    assert bounce["216D0282521"] is None  # from a stranger to a stranger: the contract has no word for it


def test_private_networks_are_ours_by_default() -> None:
    """Nothing named: the laboratory's clients are neighbours."""
    assert directions("delivery-local") == {"E1642282397": "local"}


def test_a_network_that_is_none() -> None:
    """It is said with what to write."""
    with pytest.raises(QueryError, match="write an address or a network"):
        directions("delivery-local", local_networks=("10.77/x",))
