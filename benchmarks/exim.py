"""A busy Exim 4.96 host as its main log shows it (log_selector = +incoming_port +received_recipients +smtp_connection)."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from exim_refusals import Refusals
from timeline import SECOND, Pids, Timeline
from world import Domain, Draw, World

_PER_SECOND = 3.4  # connections, on the day's average
_LIFETIME = 86_400 * SECOND
_BASE62 = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
CIPHERS = (
    "TLS1.3:ECDHE_X25519__RSA_PSS_RSAE_SHA256__AES_256_GCM:256", "TLS1.3:ECDHE_SECP256R1__RSA_PSS_RSAE_SHA256__AES_256_GCM:256",
    "TLS1.2:ECDHE_SECP256R1__RSA_SHA256__AES_256_GCM:256", "TLS1.2:ECDHE_SECP256R1__ECDSA_SHA256__AES_128_GCM:128",
)  # fmt: skip
# router, transport, what stands for the address; {u} local part, {a} address
_LOCAL = (
    (50, "virtual_user", "dovecot_lmtp", "{a}"), (22, "local_user", "maildir_home", "{u} <{a}>"), (10, "virtual_user", "virtual_userdelivery", "{u} <{a}>"),
    (6, "userforward", "address_pipe", "|/usr/lib/dovecot/deliver <{a}>"), (3, "system_aliases", "", ":blackhole: <{a}>"),
    (4, "vacation", "vacation_reply", ">{a} <{a}>"),
)  # fmt: skip
# errno, text after it; {h} host, {i} address, {d} domain, {r} recipient
_PUT_OFF = (
    ("-44", "H={h} [{i}]: SMTP error from remote mail server after RCPT TO:<{r}>: 451 4.7.1 Greylisting in action, please come back later"),
    ("-44", "H={h} [{i}]: SMTP error from remote mail server after RCPT TO:<{r}>: 452 4.2.2 <{r}>: user is over quota"),
    ("-46", "H={h} [{i}]: SMTP error from remote mail server after end of data: 421-4.7.28 Our system has detected an unusual rate of mail"),
    ("-45", "H={h} [{i}]: SMTP error from remote mail server after MAIL FROM:<> SIZE=9012: 450 4.1.8 temporary lookup failure"),
)  # fmt: skip
_REFUSED = (
    "SMTP error from remote mail server after RCPT TO:<{r}>: 550 5.1.1 <{r}>: Recipient address rejected: User unknown in virtual mailbox table",
    "SMTP error from remote mail server after RCPT TO:<{r}>: 550-5.1.1 The email account that you tried to reach does not exist.\\n550 5.1.1 - gsmtp",
    "SMTP error from remote mail server after end of data: 550 5.7.1 message content rejected, id=4712-03 - spam",
    "SMTP error from remote mail server after RCPT TO:<{r}>: 552 5.2.2 <{r}> mailbox full",
)
# line of the host that failed, errno and text of the deferral, "" = no line, failure when errno is ""
_DEAD = {
    "timeout": ("Connection timed out", "110", "Connection timed out"),
    "refused": ("Connection refused", "111", "Connection refused"),
    "noroute": ("No route to host", "113", "No route to host"),
    "servfail": ("", "-1", "host lookup did not complete"),
    "tls": ("TLS session: (gnutls_handshake): A TLS fatal alert has been received.", "-37", "failure while setting up TLS session"),
    "refuses": ("SMTP error from remote mail server after initial connection: 421 4.3.2 Service not available", "0",
                "SMTP error from remote mail server after initial connection: 421 4.3.2 Service not available"),
    "nxdomain": ("", "", "Unrouteable address"),
    "nullmx": ("", "", "an MX or SRV record indicated no SMTP service"),
    "loops": ("", "", "all relevant MX records point to non-existent hosts"),
}  # fmt: skip


def _base62(number: int, digits: int) -> str:
    text = ""
    for _ in range(digits):
        number, rest = divmod(number, 62)
        text = _BASE62[rest] + text
    return text


@dataclass(slots=True)
class Message:
    """One message in the queue; times in µs."""

    queue_id: str
    sender: str
    home: Domain | str
    born: int
    size: int
    message_id: str
    waiting: list[tuple[str, Domain | str]]
    tries: int = 0


class EximHost:
    """Everything that writes into /var/log/exim4/mainlog."""

    def __init__(self, seed: int, start: int) -> None:
        """Begin at `start` (seconds since 1970)."""
        self.world = World(seed)
        self.timeline = Timeline(self.world, start)
        self.put, self.pids = self.timeline.put, Pids(self.world, 41_200)
        self._local = Draw(self.world.rng, [form[1:] for form in _LOCAL], [form[0] for form in _LOCAL])
        self.refusals = Refusals(self.world, self.put)
        self.timeline.later(start * SECOND + 200 * SECOND, self._queue_run)

    def lines(self) -> Iterator[tuple[int, list[str]]]:
        """Give second after second, for ever; see `Timeline.seconds`."""
        scenes: list[tuple[Callable[[int], None], float]] = [
            (self._inbound, 46), (self._submission, 17), (self._mailing, 0.1), (self._program, 6), *self.refusals.scenes(),
        ]  # fmt: skip
        scene = Draw(self.world.rng, [s for s, _ in scenes], [w for _, w in scenes])
        return self.timeline.seconds(scene, _PER_SECOND)

    def _queue_run(self, at: int) -> None:
        pid = self.pids.new()
        self.put(at, f"Start queue run: pid={pid}")
        self.put(at + 40 * SECOND, f"End queue run: pid={pid}")
        self.timeline.later(at + 300 * SECOND, self._queue_run)

    def _message(
        self, at: int, sender: str, home: Domain | str, waiting: list[tuple[str, Domain | str]], domain: str
    ) -> Message:
        queue_id = f"{_base62(at // SECOND, 6)}-{_base62(self.pids.new(), 6)}-{_base62(at % SECOND // 500, 2)}"
        return Message(queue_id, sender, home, at, self.world.size(), self.world.message_id(domain), waiting)

    def _here(self) -> tuple[str, Domain | str]:
        return f"{self.world.user()}@{self.world.home()}", "here"

    def _elsewhere(self) -> tuple[str, Domain | str]:
        domain = self.world.domain()
        return f"{self.world.local_part()}@{domain.name}", domain

    def _receive(self, at: int, message: Message, source: str) -> None:
        to = " ".join(address for address, _ in message.waiting)
        self.put(
            at,
            f"{message.queue_id} <= {message.sender or '<>'} {source} S={message.size} id={message.message_id} for {to}",
        )
        self._deliver(at + 4000 + self.world.below(40_000), message)

    def _inbound(self, at: int) -> None:
        world, domain = self.world, self.world.sender_domain()
        port = 1024 + world.below(60_000)
        peer = f"[{domain.client_ip}]:{port}"
        host = (
            f"({domain.helo})"
            if domain.client == "unknown"
            else f"{domain.client} ({domain.helo})"
            if world.random() < 0.2
            else domain.client
        )
        self.put(at, f"SMTP connection from {peer} (TCP/IP connection count = {1 + world.below(30)})")
        secure = f"esmtps X={world.one(CIPHERS)} CV=no" if domain.cipher else "esmtp"
        while True:
            at += 60_000 + world.below(600_000)
            waiting = [self._here()]
            while world.random() < 0.12:
                waiting.append(self._here())
            sender = "" if world.random() < 0.04 else f"{world.local_part()}@{domain.name}"
            message = self._message(at, sender, domain, waiting, domain.name)
            self._receive(at, message, f"H={host} {peer} P={secure}{' K' if world.random() < 0.4 else ''}")
            if world.random() > 0.15:
                break
        self.put(at + 90_000, f"SMTP connection from {host} {peer} closed by QUIT")

    def _submission(self, at: int) -> None:
        world = self.world
        home = world.home()
        user = f"{world.user()}@{home}"
        peer = f"[{world.ip()}]:{1024 + world.below(60_000)}"
        self.put(at, f"SMTP connection from {peer} (TCP/IP connection count = {1 + world.below(30)})")
        waiting = [self._elsewhere() if world.random() < 0.85 else self._here()]
        while world.random() < 0.25:
            waiting.append(self._elsewhere())
        at += 200_000 + world.below(900_000)
        source = (
            f"H=([192.168.1.{world.below(250)}]) {peer} P=esmtpsa X={world.one(CIPHERS)} CV=no A=plain_login:{user}"
        )
        self._receive(at, self._message(at, user, "here", waiting, home), source)
        self.put(at + 90_000, f"SMTP connection from ([192.168.1.20]) {peer} closed by QUIT")

    def _mailing(self, at: int) -> None:
        waiting = list(
            {
                address: (address, target)
                for address, target in (self._elsewhere() for _ in range(20 + self.world.below(100)))
            }.values()
        )
        home = self.world.home()
        message = self._message(at, f"newsletter@{home}", "here", waiting, home)
        self._receive(at, message, "H=app1.int.example [10.0.5.31]:41822 P=esmtp")

    def _program(self, at: int) -> None:
        user = self.world.one(("root", "www-data", "backup", "list"))
        waiting = [self._elsewhere() if user == "www-data" else self._here()]
        self._receive(
            at, self._message(at, f"{user}@mx1.hub.example", "here", waiting, "mx1.hub.example"), f"U={user} P=local"
        )

    def _deliver(self, at: int, message: Message) -> None:
        """One attempt for each recipient that still waits, then bounce, retry or end."""
        groups: dict[Domain | str, list[str]] = {}
        for address, target in message.waiting:
            groups.setdefault(target, []).append(address)
        still: list[tuple[str, Domain | str]] = []
        end, is_failed, age = at, False, at - message.born
        for target, addresses in groups.items():
            if isinstance(target, Domain):
                end, failed, deferred = self._remote(end, message, target, addresses)
                is_failed, still = is_failed or failed, still + [(address, target) for address in deferred]
            else:
                end = self._at_home(end, message, addresses)
        message.tries += 1
        if still and age > _LIFETIME:
            for address, _ in still:
                end += 100
                self.put(end, f"{message.queue_id} ** {address}: retry timeout exceeded")
            still, is_failed = [], True
        if is_failed:
            end = self._bounce(end + 9000, message)
        message.waiting = still
        if not still:
            self.put(end + 500, f"{message.queue_id} Completed")
            return
        wait = min(max(age, 900 * SECOND), 7200 * SECOND)
        self.timeline.later(end + wait + self.world.below(60 * SECOND), self._deliver, message)

    def _bounce(self, at: int, message: Message) -> int:
        if not message.sender:
            self.put(at, f"{message.queue_id} Frozen (delivery error message)")
            return at
        note = self._message(at, "", message.home, [(message.sender, message.home)], "mx1.hub.example")
        self.put(at, f"{note.queue_id} <= <> R={message.queue_id} U=Debian-exim P=local S={message.size % 9000 + 1500}")
        self._deliver(at + 5000, note)
        return at + 1000

    def _at_home(self, at: int, message: Message, addresses: list[str]) -> int:
        for address in addresses:
            at += 5000 + self.world.below(90_000)
            router, transport, form = self._local()
            shown = form.format(u=address.split("@")[0], a=address)
            answer = f' C="250 2.0.0 <{address}> {self.world.alnum(22)} Saved"' if transport == "dovecot_lmtp" else ""
            way = f"R={router} T={transport}" if transport else f"R={router}"
            self.put(at, f"{message.queue_id} => {shown} {way}{answer}")
        return at

    def _remote(self, at: int, message: Message, target: Domain, addresses: list[str]) -> tuple[int, bool, list[str]]:
        world, queue_id = self.world, message.queue_id
        host, ip = target.exchangers[0]
        at += 30_000 + int(target.seconds * (0.5 + world.random()) * SECOND)
        if target.dead and world.random() > 0.06:
            return self._unreachable(at, message, target, addresses)
        is_late = target.greylists and not message.tries
        flag, failed, still = "=>", False, []
        way = "R=dnslookup T=remote_smtp"
        secure = f' X={CIPHERS[len(host) % 4]} CV=yes DN="CN={host}"' if target.cipher else ""
        accepted = world.accepts[target.kind](at, message.message_id, message.size)
        for address in addresses:
            at += 40
            roll = world.random()
            if is_late or roll < 0.02:
                number, text = _PUT_OFF[0] if is_late else world.one(_PUT_OFF)
                self.put(
                    at,
                    f"{queue_id} == {address} {way} defer ({number}) {text.format(h=host, i=ip, d=target.name, r=address)}",
                )
                still.append(address)
            elif roll < 0.04:
                failed = True
                self.put(
                    at,
                    f"{queue_id} ** {address} {way} H={host} [{ip}]{secure}: {world.one(_REFUSED).format(r=address)}",
                )
            else:
                self.put(at, f'{queue_id} {flag} {address} {way} H={host} [{ip}]{secure} K C="{accepted}"')
                flag = "->"
        return at, failed, still

    def _unreachable(
        self, at: int, message: Message, target: Domain, addresses: list[str]
    ) -> tuple[int, bool, list[str]]:
        line, number, text = _DEAD[target.dead]
        for host, ip in target.exchangers if line else ():
            at += SECOND
            self.put(at, f"{message.queue_id} H={host} [{ip}]{'' if line[0] in 'CN' else ':'} {line}")
        for address in addresses:
            at += 40
            if number:
                way = "R=dnslookup T=remote_smtp" if line else "R=dnslookup"
                self.put(at, f"{message.queue_id} == {address} {way} defer ({number}): {text}")
            else:
                self.put(at, f"{message.queue_id} ** {address}: {text}")
        return at, not number, addresses if number else []
