"""Connections that bring no mail to the simulated Exim host."""

from __future__ import annotations

from collections.abc import Callable

from world import Draw, World

# weight, what stands before the text: whether the sender is shown, the text; {r} recipient, {i} client address, {h} helo
_REFUSALS = (
    (30, True, "rejected RCPT <{r}>: {i} is listed at bl.dnsbl.example (https://www.dnsbl.example/query/ip/{i})"),
    (25, True, "rejected RCPT <{r}>: Unknown user"),
    (12, True, "rejected RCPT <{r}>: relay not permitted"),
    (10, True, "temporarily rejected RCPT <{r}>: greylisted, please try again later"),
    (8, True, "rejected RCPT <{r}>: Sender verify failed"),
    (5, True, "rejected after DATA: This message scored 12.4 spam points"),
    (4, False, "rejected EHLO or HELO {h}: HELO is my own name"),
    (4, True, "rejected RCPT <{r}>: Restricted characters in address"),
)
_LINES: tuple[tuple[int, str], ...] = (
    (6, "no host name found for IP address {i}"),
    (6, "SMTP connection from ({h}) [{i}]:{p} lost"),
    (5, "unexpected disconnection while reading SMTP command from ({h}) [{i}]:{p} D=1s"),
    (4, "SMTP command timeout on connection from ({h}) [{i}]:{p}"),
    (4, "no MAIL in SMTP connection from ({h}) [{i}]:{p} D=2s C=EHLO,QUIT"),
    (
        4,
        'SMTP protocol synchronization error (input sent without waiting for greeting): rejected connection from H=[{i}]:{p} input="EHLO {h}\\r\\n"',
    ),
    (
        3,
        "TLS error on connection from ({h}) [{i}]:{p} (gnutls_handshake): The TLS connection was non-properly terminated.",
    ),
    (2, 'SMTP call from ({h}) [{i}]:{p} dropped: too many unrecognized commands (last was "AUTH LOGIN")'),
    (1, "rejected EHLO from [{i}]:{p}: syntactically invalid argument(s): {h}"),
)
_HELO = ("ylmf-pc", "User", "[127.0.0.1]", "win-8kq2", "mx1.hub.example", "smtp.local")


class Refusals:
    """Refused recipients, failed logins, lost and probing clients."""

    def __init__(self, world: World, put: Callable[[int, str], None]) -> None:
        """Draw from `world`, write with `put`."""
        self.world, self.put = world, put
        self._refusal = Draw(world.rng, [r[1:] for r in _REFUSALS], [r[0] for r in _REFUSALS])
        self._line = Draw(world.rng, [text for _, text in _LINES], [weight for weight, _ in _LINES])

    def scenes(self) -> list[tuple[Callable[[int], None], float]]:
        """Give what can happen and its weight."""
        return [(self.refused, 21), (self.login_failed, 8), (self.lost, 9)]

    def _stranger(self) -> tuple[str, str, str, int]:
        """Give (host as Exim shows it, helo, ip, port)."""
        world = self.world
        helo, ip, port = world.one(_HELO), world.ip(), 1024 + world.below(60_000)
        name = "" if world.random() < 0.6 else f"{world.hexes(4).lower()}.pool.{world.sender_domain().name} "
        return f"{name}({helo}) [{ip}]:{port}", helo, ip, port

    def refused(self, at: int) -> None:
        """Refused recipients, one to three on a connection."""
        world = self.world
        host, helo, ip, port = self._stranger()
        self.put(at, f"SMTP connection from [{ip}]:{port} (TCP/IP connection count = {1 + world.below(30)})")
        has_sender, text = self._refusal()
        sender = f" F=<{world.local_part()}@{world.sender_domain().name}>" if has_sender else ""
        while True:
            at += 90_000 + world.below(900_000)
            recipient = f"{world.local_part()}@{world.home()}"
            if "Sender verify" in text:
                self.put(at - 40, f"H={host} sender verify fail for{sender[3:]}: Unrouteable address")
            self.put(at, f"H={host}{sender} {text.format(r=recipient, i=ip, h=helo)}")
            if not has_sender or world.random() > 0.25:
                break
        self.put(at + 90_000, f"SMTP connection from {host} closed by QUIT")

    def login_failed(self, at: int) -> None:
        """Somebody guesses passwords."""
        host, _, ip, port = self._stranger()
        self.put(at, f"SMTP connection from [{ip}]:{port} (TCP/IP connection count = {1 + self.world.below(30)})")
        user = f"{self.world.user()}@{self.world.home()}"
        at += 200_000 + self.world.below(900_000)
        self.put(at, f"plain_login authenticator failed for {host}: 535 Incorrect authentication data (set_id={user})")
        self.put(at + 90_000, f"SMTP connection from {host} closed by QUIT")

    def lost(self, at: int) -> None:
        """A client goes away, or speaks nonsense."""
        _, helo, ip, port = self._stranger()
        self.put(at, f"SMTP connection from [{ip}]:{port} (TCP/IP connection count = {1 + self.world.below(30)})")
        self.put(at + 100_000 + self.world.below(900_000), self._line().format(h=helo, i=ip, p=port))
