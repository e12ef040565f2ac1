"""Where a mail came from and where it went: no line says it, the addresses do.

It is from us when it was made here, when its client logged in, or when the client's address lies in a network of ours. A
recipient is ours when its domain is, when this host put the mail into a mailbox, or when the next hop lies in a network of
ours. What a filter handed back came from the client that it names, or as the life did that was handed to it
(`inherited.py`); that life itself, whose every recipient stayed in this system, is internal.
"""

from __future__ import annotations

from dataclasses import dataclass

import polars as pl

from smtplog.contract import schema
from smtplog.errors import QueryError
from smtplog.join import networks

PRIVATE = (
    "127.0.0.0/8", "10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "169.254.0.0/16", "::1/128", "fc00::/7", "fe80::/10",
)  # fmt: skip
"""Loopback, private and link-local addresses (RFC 1122 s.3.2.1.3, RFC 1918, RFC 3927, RFC 4193, RFC 4291)."""
NEEDED_OF_MESSAGES = ("sender", "client_ip", "auth_user", "origin", "orig_client_ip")
_MADE_HERE = ("local", "bounce", "forward")
_NEEDED_OF_ATTEMPTS = ("recipient", "original_recipient", "relay_ip")
NEEDS = frozenset({*NEEDED_OF_MESSAGES, *_NEEDED_OF_ATTEMPTS})
"""What it is told from."""


@dataclass(frozen=True)
class Ours:
    """Domains and networks of ours; no networks: the private ones are."""

    domains: tuple[str, ...] = ()
    networks: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        for network in self.networks:
            _network(network)

    def has_domain(self, address: pl.Expr) -> pl.Expr:
        """Is the domain of an address one of ours, or below one that was given as `.example.org`? Null without domains."""
        if not self.domains:
            return pl.lit(None, dtype=pl.Boolean)
        domain = address.str.to_lowercase().str.split("@").list.last()
        whole = [name.lower() for name in self.domains if not name.startswith(".")]
        below = [name.lower() for name in self.domains if name.startswith(".")]
        is_ours = domain.is_in(whole)
        for name in below:
            is_ours = is_ours | domain.str.ends_with(name)
        return pl.when(address.str.contains("@", literal=True)).then(is_ours)

    def has_address(self, addresses: pl.Series) -> pl.Series:
        """Does each address lie in a network of ours? Null where there is no address."""
        return networks.inside(addresses, map(_network, self.networks or PRIVATE))


PRIVATE_ONLY = Ours()


def _network(text: str) -> networks.Network:
    """A network.

    Raises:
        QueryError: it is none.
    """
    try:
        return networks.network(text)
    except ValueError as error:
        raise QueryError(f"--local-network {text}: write an address or a network such as 192.0.2.0/24") from error


def direction(told: pl.DataFrame, attempts: pl.DataFrame, ours: Ours) -> pl.Series:
    """The direction of every message.

    Args:
        told: messages {number, sender, client_ip, auth_user, origin, orig_client_ip, first_origin}.
        attempts: their deliveries {life, status, is_internal, recipient, original_recipient, relay_ip}.
        ours: domains and networks.
    """
    told = schema.filled(told, dict.fromkeys((*NEEDED_OF_MESSAGES, "first_origin"), pl.String))
    own = pl.when((pl.col("origin") != "reinjection").fill_null(True)).then("client_ip")
    client = told.select(pl.coalesce("orig_client_ip", own))
    made_here = [pl.col(name).is_in(_MADE_HERE).fill_null(False) for name in ("origin", "first_origin")]
    is_made_here = pl.any_horizontal(*made_here, pl.col("auth_user").is_not_null())
    from_us = pl.when(is_made_here).then(True).otherwise(pl.coalesce("is_near", ours.has_domain(pl.col("sender"))))
    told = told.select("number", is_near=ours.has_address(client.to_series())).hstack(
        told.select("sender", "auth_user", "origin", "first_origin")
    )
    where = _recipients(attempts, ours)
    told = told.with_columns(from_us=from_us).join(
        where, left_on="number", right_on="life", how="left", maintain_order="left"
    )
    is_from, to_us, away = pl.col("from_us"), pl.col("to_us"), pl.col("away")
    return told.select(
        direction=pl.when("stays").then(pl.lit("internal"))
        .when(is_from & away).then(pl.lit("outbound"))
        .when(is_from & to_us).then(pl.lit("local"))
        .when(~is_from & to_us).then(pl.lit("inbound"))
    ).to_series()  # fmt: skip


def _recipients(attempts: pl.DataFrame, ours: Ours) -> pl.DataFrame:
    """For each message: did all of it stay in this system, is any recipient ours, is any known to be elsewhere."""
    tries = schema.filled(attempts, dict.fromkeys(_NEEDED_OF_ATTEMPTS, pl.String))
    if "is_internal" not in tries.columns:
        tries = tries.with_columns(is_internal=pl.lit(False))
    is_put = pl.col("status").is_in(["delivered", "expanded"])
    named = ours.has_domain(pl.col("original_recipient")) | ours.has_domain(pl.col("recipient"))
    tries = tries.with_columns(is_near=ours.has_address(tries["relay_ip"]))
    is_ours = pl.when(is_put | named).then(True).otherwise(pl.coalesce("is_near", named))
    told = tries.select("life", "is_internal", is_ours=is_ours)
    outside = told.filter(~pl.col("is_internal"))
    return told.group_by("life").agg(stays=pl.col("is_internal").all()).join(
        outside.group_by("life").agg(to_us=pl.col("is_ours").any(), away=(~pl.col("is_ours")).any()),
        on="life", how="left",
    )  # fmt: skip
