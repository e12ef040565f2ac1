"""Which addresses lie in which networks, IPv4 and IPv6, for a whole column."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network

import polars as pl

Network = IPv4Network | IPv6Network


@cache
def network(text: str) -> Network:
    """`192.0.2.0/24`, `2001:db8::/32`, or one address; bits of a host are cleared.

    Raises:
        ValueError: it is none.
    """
    return ip_network(text, strict=False)


def inside(addresses: pl.Series, networks: Iterable[Network]) -> pl.Series:
    """Does each address lie in one of the networks? Null where there is no address."""
    networks = tuple(networks)
    known = addresses.unique().drop_nulls()
    number = _numbers(known)
    v4 = [one for one in networks if one.version == 4]
    bits = pl.col("number")
    near = [(bits & int(one.netmask)) == int(one.network_address) for one in v4]
    found = number.to_frame().select(pl.any_horizontal(bits.is_null(), *near)).to_series()
    others = number.is_null().arg_true()  # no IPv4 address in the usual spelling
    told = found.scatter(others, [_holds(networks, one) for one in known.gather(others).to_list()])
    both = pl.DataFrame({"a": known, "inside": told})
    return pl.DataFrame({"a": addresses}).join(both, on="a", how="left", maintain_order="left")["inside"]


def _holds(networks: Iterable[Network], address: str) -> bool | None:
    try:
        ip = ip_address(address)
    except ValueError:
        return None
    mapped = getattr(ip, "ipv4_mapped", None)
    return any(ip in one or (mapped is not None and mapped in one) for one in networks)


def _numbers(addresses: pl.Series) -> pl.Series:
    """`number`: IPv4 addresses as one number each; null for all else."""
    parts = addresses.str.split_exact(".", 3).struct.unnest()
    octets = [pl.col(name).cast(pl.UInt8, strict=False).cast(pl.Int64) for name in parts.columns]
    number = pl.sum_horizontal(*(one * 256 ** (3 - place) for place, one in enumerate(octets)), ignore_nulls=False)
    is_whole = addresses.str.count_matches(".", literal=True) == 3
    return parts.select(number=pl.when(is_whole).then(number)).to_series()
