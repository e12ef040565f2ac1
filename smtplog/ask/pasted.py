"""What is pasted for a filter, as logs and this program write it: `<bob@x.example>`, `<>`, `mx.example[192.0.2.1]:25`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from ipaddress import ip_address

from smtplog.errors import QueryError
from smtplog.join.networks import Network, network


def _unbracketed(text: str) -> str:
    """Records hold addresses and ids without brackets; `<>` is the null sender, the empty text."""
    return text[1:-1] if text.startswith("<") and text.endswith(">") else text


_BARE: Mapping[str, Callable[[str], str]] = {
    "sender": _unbracketed,
    "recipient": _unbracketed,
    "message_id": _unbracketed,
    "domain": lambda text: text.removeprefix("@"),
    "queue_id": lambda text: text.removesuffix(":"),
}


def bare(name: str, text: str) -> str:
    """The pattern that is meant by what was given for a filter."""
    return _BARE.get(name, str)(text)


@dataclass(frozen=True)
class Peer:
    """Which host is meant: by a pattern for its name or address, or by the network of its address, with a name or without."""

    either: str | None = None
    network: Network | None = None
    name: str | None = None


def peer(option: str, text: str) -> Peer:
    """Take apart a pattern, a network, or a host as logs write it: `NAME[ADDRESS]:PORT`.

    Raises:
        QueryError: a client that seems to be a network and is none.
    """
    name, _, rest = text.partition("[")
    address, closing, port = rest.partition("]")
    if closing and _is_address(address) and (not port or port.removeprefix(":").isdigit()):
        return Peer(network=network(address), name=None if name.strip() in ("", "unknown") else name.rstrip())
    if "/" in text or ":" in text:  # an IPv6 address has several spellings
        try:
            return Peer(network=network(text))
        except ValueError as error:
            if option == "client" and "/" in text:  # a next hop may be the path of a socket
                raise QueryError(
                    f"--client {text}: no network; write one such as 192.0.2.0/24 or 2001:db8::/32"
                ) from error
    return Peer(either=text)


def _is_address(text: str) -> bool:
    try:
        ip_address(text)
    except ValueError:
        return False
    return True
