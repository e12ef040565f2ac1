"""Where mails came from and where they went."""

from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest

from smtplog import frames
from smtplog.errors import QueryError
from smtplog.pipeline import Options, run
from tests.conftest import SAMPLES, write
from tests.test_hops import EDGE, INNER


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


def test_what_a_filter_handed_back_goes_where_its_first_life_came_from() -> None:
    """The filter tells nothing of the client: a user's mail goes out, a stranger's comes in, also behind two filters."""
    found = directions("filter-hides-client")
    assert (found["E100000001"], found["E100000002"]) == ("internal", "outbound")
    assert [found[f"E20000000{n}"] for n in (1, 2, 3)] == ["internal", "internal", "inbound"]
    assert (found["E300000001"], found["E300000002"]) == ("internal", "outbound")  # made here, it has no client at all
    assert directions("requeued")["B1198282A08"] == "local"


def test_the_next_of_our_servers_knows_where_it_came_from(tmp_path: Path) -> None:
    """Its client is the server before, whose log is here too."""
    paths = [str(write(tmp_path / name, text.encode())) for name, text in (("edge", EDGE), ("inner", INNER))]
    table = frames(paths, "messages", year=2026, zone="UTC")["messages"]
    assert dict(table.select("queue_id", "direction").iter_rows()) == {
        "AAAAAA1111": "internal",
        "BBBBBB2222": "inbound",
    }


@pytest.mark.parametrize("table", ["messages", "deliveries"])
@pytest.mark.parametrize("block_bytes", [300, 1_000_000])
def test_who_logged_in_is_known_behind_a_filter(table: str, block_bytes: int) -> None:
    """Whatever else is asked for; the address that is logged stays."""
    log, asked = str(SAMPLES / "postfix/filter-hides-client.log"), frozenset({"queue_id", "auth_user", "client_ip"})
    for columns in (asked, None):
        options = Options(year=2026, zone="UTC", block_bytes=block_bytes)
        parts = [
            batch[table].select(sorted(asked)) for batch in run([log], {table: columns}, options) if table in batch
        ]
        found = {queue_id: (user, ip) for user, ip, queue_id in pl.concat(parts).rows()}
        assert found["E100000001"] == ("bob@corp.example", "203.0.113.5")
        assert found["E100000002"] == ("bob@corp.example", "127.0.0.1")
        assert found["E200000003"] == (None, "127.0.0.1")


def test_a_network_that_is_none() -> None:
    """It is said with what to write."""
    with pytest.raises(QueryError, match="write an address or a network"):
        directions("delivery-local", local_networks=("10.77/x",))
