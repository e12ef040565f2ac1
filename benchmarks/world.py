"""The mail world both generators draw from: domains, hosts, people, and what remote servers answer.

Everything comes out of one `random.Random(seed)`, of which only `random()` and `choices()` are used: their streams are
the same in every Python version, so the bytes are too. Names end in .example, addresses lie in the ranges that
RFC 2544, RFC 3849 and RFC 1918 set aside: nobody real is in the log.
"""

# ruff: noqa: SIM905, ISC004 - log texts and lists of words stay in one piece

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import accumulate
from typing import Generic, TypeVar

T = TypeVar("T")

_FIRST = (
    "anna ben carla david elif franz gita hanna ivan jana kemal lena marco nina omar paula quentin rosa sven tara ugo vera "
    "wim xenia yusuf zoe adam bea chris dora emil fay george helen igor judith klaus luis maria niels"
).split()
_LAST = (
    "abel brandt costa dumont eriksen fischer garcia huber ivanov jensen keller lopez meyer novak olsen peeters quinn rossi "
    "silva tanaka urban vogel weber xu yilmaz zimmer almeida bakker cohen duval engel ferrari gruber hansen"
).split()
_ROLES = (
    "info sales support billing office contact admin noreply no-reply newsletter service hr orders webmaster bounce "
    "notification jobs marketing press accounts"
).split()
_HEADS = (
    "nord sued ost west alpen berg tal see stadt land hafen stern sonne mond wald fluss stein metall holz glas papier "
    "text foto auto moto velo bau haus garten kuche werk licht strom wasser luft feuer data info inter trans euro global "
    "medi pharma bio agro techno logi soft hard cyber"
).split()
_TAILS = (
    "bank mail post net web hosting systems group media shop markt verlag druck service consult partner team lab studio "
    "center point line link works trade cargo reisen hotel schule uni klinik praxis kanzlei verein club forum energy "
    "solar finance invest"
).split()
_LANDS = ["", "", "", "-de", "-at", "-ch", "-fr", "-uk", "-it", "-nl", "-pl", "-us", "-br", "-jp"]
SUBJECTS = (
    "Your invoice", "Re: meeting on Thursday", "Order confirmation", "Weekly report", "Fwd: photos", "Reset your password",
    "Offer for spare parts", "Newsletter November", "Delivery note", "Re: Re: contract draft", "Ticket update",
)  # fmt: skip
SPAM_SUBJECTS = ("You have won", "Cheap pills online", "Urgent business proposal", "Verify your account now")
_KINDS = (
    ("postfix", 44), ("exim", 17), ("outlook", 12), ("gmail", 6), ("sendmail", 6), ("ses", 4), ("qmail", 3), ("amavis", 4),
    ("plain", 4),
)  # fmt: skip
_DEAD = (
    ("", 930), ("timeout", 22), ("refused", 10), ("noroute", 3), ("nxdomain", 12), ("servfail", 8), ("nullmx", 5),
    ("loops", 2), ("tls", 4), ("refuses", 8),
)  # fmt: skip
CIPHERS = (
    "TLSv1.3 with cipher TLS_AES_256_GCM_SHA384 (256/256 bits) key-exchange X25519 server-signature RSA-PSS (2048 bits) "
    "server-digest SHA256",
    "TLSv1.3 with cipher TLS_AES_256_GCM_SHA384 (256/256 bits) key-exchange ECDHE (P-256) server-signature ECDSA (P-256) "
    "server-digest SHA256",
    "TLSv1.2 with cipher ECDHE-RSA-AES256-GCM-SHA384 (256/256 bits)",
    "TLSv1.2 with cipher ECDHE-ECDSA-AES128-GCM-SHA256 (128/128 bits)",
    "TLSv1.2 with cipher DHE-RSA-AES256-GCM-SHA384 (256/256 bits)",
)
_HEX = "0123456789ABCDEF"
_ALNUM = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"


class Draw(Generic[T]):
    """A weighted choice that is drawn in batches, because one `choices()` call per value is slow."""

    def __init__(self, rng: random.Random, items: Sequence[T], weights: Sequence[float]) -> None:
        """Take the items and their weights (any unit)."""
        self._rng, self._items, self._cum = rng, list(items), list(accumulate(weights))
        self._left: list[T] = []

    def __call__(self) -> T:
        """Give one item."""
        if not self._left:
            self._left = self._rng.choices(self._items, cum_weights=self._cum, k=2048)
        return self._left.pop()


@dataclass(slots=True, eq=False)
class Domain:
    """One remote mail domain.

    Attributes:
        name: the part after the @.
        exchangers: (host, ip) of its MX hosts, best first.
        kind: whose replies it gives (key of `World.accepts`).
        dead: why nothing reaches it, or "".
        greylists: whether a first attempt is put off.
        cipher: TLS of its MX, or "" when it has none.
        trust: first word of Postfix's TLS line.
        client: host name of the outgoing server, "unknown" when its reverse name is wrong.
        client_ip: its address.
        helo: what it says in EHLO.
        seconds: its usual time for one transaction.
        suspended: until when (µs) nobody tries it again.
        reused: (time in µs until which the connection is kept, times it was used).
    """

    name: str
    exchangers: list[tuple[str, str]]
    kind: str
    dead: str
    greylists: bool
    cipher: str
    trust: str
    client: str
    client_ip: str
    helo: str
    seconds: float
    suspended: int = 0
    reused: tuple[int, int] = field(default=(0, 0))


class World:
    """Domains, people and answers, all drawn from one seed."""

    def __init__(self, seed: int, domains: int = 6000, hosted: int = 60) -> None:
        """Draw the world.

        Args:
            seed: of the one random stream.
            domains: how many remote domains; the n-th is drawn with weight 1/n.
            hosted: how many domains have their mailboxes here.
        """
        self.rng = random.Random(seed)
        self.random: Callable[[], float] = self.rng.random
        names = self._names(domains + hosted)
        self.hosted = names[:hosted]
        self._kind = Draw(self.rng, [k for k, _ in _KINDS], [w for _, w in _KINDS])
        self._dead = Draw(self.rng, [k for k, _ in _DEAD], [w for _, w in _DEAD])
        remote = [self._domain(name, rank) for rank, name in enumerate(names[hosted:])]
        weights = [1 / (rank + 3) for rank in range(domains)]
        self.domain = Draw(self.rng, remote, weights)
        alive = [(d, w) for d, w in zip(remote, weights, strict=True) if d.dead in {"", "refuses"}]
        self.sender_domain = Draw(self.rng, [d for d, _ in alive], [w for _, w in alive])
        self.home = Draw(self.rng, self.hosted, [1 / (n + 2) for n in range(hosted)])
        people = self._people(4000)
        self.local_part = Draw(self.rng, people, [1 / (n + 20) ** 0.7 for n in range(len(people))])
        self.user = Draw(self.rng, people[:400], [1 / (n + 5) for n in range(400)])
        self.accepts: dict[str, Callable[[int, str, int], str]] = {
            "postfix": lambda _at, _mid, _size: f"250 2.0.0 Ok: queued as {self.hexes(11)}",
            "exim": lambda _at, _mid, _size: f"250 OK id=1x{self.alnum(4)}-{self.alnum(6)}-{self.alnum(2)}",
            "outlook": self._outlook,
            "gmail": self._gmail,
            "sendmail": lambda _at, _mid, _size: f"250 2.0.0 4AK{self.hexes(5)}{self.digits(6)} Message accepted for delivery",
            "ses": lambda _at, _mid, _size: f"250 Ok 01{self.hexes(14).lower()}-{self.hexes(8).lower()}-000000",
            "qmail": lambda at, _mid, _size: f"250 ok {at // 1_000_000} qp {self.digits(5)}",
            "amavis": lambda _at, _mid, _size: f"250 2.0.0 from MTA(smtp:[127.0.0.1]:10025): 250 2.0.0 Ok: queued as {self.hexes(10)}",
            "plain": lambda _at, _mid, _size: "250 Message received",
        }  # fmt: skip

    def below(self, limit: int) -> int:
        """Give a whole number from 0 up to, not including, `limit`."""
        return int(self.random() * limit)

    def chance(self, share: float) -> bool:
        """Say yes in `share` of the cases (0-1)."""
        return self.random() < share

    def one(self, items: Sequence[T]) -> T:
        """Give one of the items, each as likely."""
        return items[int(self.random() * len(items))]

    def hexes(self, count: int) -> str:
        """Give `count` upper-case hexadecimal digits."""
        return f"{int(self.random() * (1 << 4 * count)):0{count}X}"

    def digits(self, count: int) -> str:
        """Give `count` decimal digits."""
        return f"{int(self.random() * 10**count):0{count}d}"

    def alnum(self, count: int) -> str:
        """Give `count` letters and digits."""
        return "".join(_ALNUM[int(self.random() * 62)] for _ in range(count))

    def ip(self) -> str:
        """Give an address out of 198.18.0.0/15."""
        number = int(self.random() * (1 << 17))
        return f"198.{18 + (number >> 16)}.{number >> 8 & 255}.{number & 255}"

    def ip6(self) -> str:
        """Give an address out of 2001:db8::/32."""
        return f"2001:db8:{self.below(65536):x}:{self.below(65536):x}::{self.below(65535) + 1:x}"

    def size(self) -> int:
        """Give a message size in bytes: mostly a few kB, now and then megabytes."""
        return int(900 + 2600 * (1 / (1.0001 - self.random())) ** 0.9)

    def message_id(self, domain: str) -> str:
        """Give a Message-ID without its brackets."""
        form = int(self.random() * 4)
        if form == 0:
            return f"{self.hexes(8).lower()}-{self.hexes(4).lower()}-4{self.hexes(3).lower()}-a{self.hexes(3).lower()}-{self.hexes(12).lower()}@{domain}"
        if form == 1:
            return f"20261120{self.digits(6)}.{self.hexes(10)}@mail.{domain}"
        if form == 2:
            return f"CA{self.alnum(28)}@mail.{domain}"
        return f"{self.digits(10)}.{self.digits(5)}.17954{self.digits(8)}@{domain}"

    def _gmail(self, at: int, _mid: str, _size: int) -> str:
        tail = f"{self.hexes(12).lower()}-{self.hexes(11).lower()}si{self.digits(8)}"
        return f"250 2.0.0 OK  {at // 1_000_000} {tail}.{self.below(700)} - gsmtp"

    def _outlook(self, _at: int, mid: str, size: int) -> str:
        host = f"AM{self.below(10)}PR{self.digits(2)}MB{self.digits(4)}.eurprd{self.digits(2)}.prod.protection.example"
        took = 0.05 + self.random() * 0.4
        return (
            f"250 2.6.0 <{mid}> [InternalId={self.digits(14)}, Hostname={host}] {size + 3000} bytes in {took:.3f}, "
            f"{size / 1024 / took:.3f} KB/sec Queued mail for delivery"
        )

    def _names(self, count: int) -> list[str]:
        seen: dict[str, None] = {}
        while len(seen) < count:
            land = self.one(_LANDS) if len(seen) > 40 else ""
            seen[f"{self.one(_HEADS)}{self.one(_TAILS)}{land}.example"] = None
        return list(seen)

    def _people(self, count: int) -> list[str]:
        seen: dict[str, None] = dict.fromkeys(_ROLES)
        while len(seen) < count:
            first, last = self.one(_FIRST), self.one(_LAST)
            form = self.below(5)
            number = str(self.below(99)) if form > 2 else ""
            seen[
                (f"{first}.{last}", f"{first[0]}.{last}", first, f"{first}{last}{number}", f"{last}{number}")[form]
            ] = None
        return list(seen)

    def _domain(self, name: str, rank: int) -> Domain:
        kind = ("gmail", "outlook", "postfix", "gmail", "outlook", "ses")[rank] if rank < 6 else self._kind()
        hosts = {"gmail": f"smtp-in.l.{name}", "outlook": f"{name.removesuffix('.example')}.mail.protection.example"}
        hosts_here = [hosts.get(kind, f"mx{n + 1}.{name}") for n in range(1 + self.below(3))]
        exchangers = [(f"alt{n}.{h}" if n and kind == "gmail" else h, self.ip()) for n, h in enumerate(hosts_here)]
        client = f"{self.one(('mail', 'smtp', 'out', 'mx', 'relay'))}{self.one(('', '', '1', '2'))}.{name}"
        return Domain(
            name=name,
            exchangers=exchangers,
            kind=kind,
            dead="" if rank < 150 else self._dead(),
            greylists=rank > 60 and self.chance(0.08),
            cipher=self.one(CIPHERS) if self.chance(0.78) else "",
            trust=self.one(("Trusted", "Trusted", "Untrusted", "Untrusted", "Untrusted", "Verified", "Anonymous")),
            client="unknown" if self.chance(0.05) and rank > 40 else client,
            client_ip=self.ip() if self.chance(0.92) else self.ip6(),
            helo=client,
            seconds=0.05 + self.random() ** 3 * 3,
        )
