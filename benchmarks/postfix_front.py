"""Connections that bring mail to the simulated Postfix host: MX, submission, mailings, local programs."""

from __future__ import annotations

from dataclasses import dataclass

from postfix_queue import HOST, Message, Queue, Recipient
from timeline import SECOND, Pids, Pool, Timeline
from world import CIPHERS, SPAM_SUBJECTS, SUBJECTS, Domain, Draw, World

_AGENTS = (("lmtp", 60), ("virtual", 12), ("local", 12), ("hub", 12), ("pipe", 4))
_METHODS = ("PLAIN", "PLAIN", "PLAIN", "LOGIN", "CRAM-MD5")


@dataclass(slots=True)
class Talk:
    """One SMTP connection while it is being written: where it stands in time (µs) and what was counted."""

    at: int
    process: tuple[int, int]
    pool: Pool
    head: str
    who: str
    counts: dict[str, list[int]]

    def count(self, verb: str, *, ok: bool = True) -> None:
        """Count one command."""
        pair = self.counts.setdefault(verb, [0, 0])
        pair[0] += ok
        pair[1] += 1


class Front:
    """smtpd, postscreen, submission, smtps and pickup."""

    def __init__(self, world: World, timeline: Timeline, queue: Queue, pids: Pids) -> None:
        """Start the daemons."""
        self.world, self.put, self.queue = world, timeline.put, queue
        self.timeline = timeline
        self.pools = {service: Pool(pids) for service in ("smtpd", "submission/smtpd", "smtps/smtpd")}
        self.postscreen = f"{HOST} postfix/postscreen[{pids.new()}]: "
        self._pickup = f"{HOST} postfix/pickup[{pids.new()}]: "
        self._opendkim = f"{HOST} opendkim[{pids.new()}]: "
        self._agent = Draw(world.rng, [a for a, _ in _AGENTS], [w for _, w in _AGENTS])
        self._agent_of = {name: self._agent() for name in world.hosted}

    def open(self, at: int, service: str, who: str) -> Talk:
        """Write `connect` and give the connection."""
        pool = self.pools[service]
        process = pool.take(at)
        head = f"{HOST} postfix/{service}[{process[0]}]: "
        self.put(at, f"{head}connect from {who}")
        return Talk(at, process, pool, head, who, {})

    def close(self, talk: Talk) -> None:
        """Write `disconnect` with the counts."""
        done = all_ = 0
        parts = []
        for verb, (ok, total) in talk.counts.items():
            parts.append(f"{verb}={ok}/{total} " if ok != total else f"{verb}={total} ")
            done, all_ = done + ok, all_ + total
        share = f"{done}/{all_}" if done != all_ or not all_ else f"{all_}"
        talk.at += 500 + self.world.below(30_000)
        self.put(talk.at, f"{talk.head}disconnect from {talk.who} {''.join(parts)}commands={share}")
        talk.pool.give(talk.process, talk.at)

    def wait(self, talk: Talk, seconds: float) -> int:
        """Let up to about twice `seconds` pass and give the time (µs)."""
        talk.at += 300 + int(seconds * 2 * self.world.random() * SECOND)
        return talk.at

    def secure(self, talk: Talk, cipher: str, trust: str = "Anonymous") -> None:
        """STARTTLS and a second EHLO."""
        self.put(self.wait(talk, 0.05), f"{talk.head}{trust} TLS connection established from {talk.who}: {cipher}")
        talk.counts = {"ehlo": [2, 2], "starttls": [1, 1]}

    def home_recipient(self) -> Recipient:
        """Give one mailbox here, now and then through an alias."""
        domain = self.world.home()
        address = f"{self.world.user()}@{domain}"
        original = (
            f"{self.world.one(('team', 'office', 'all', 'support'))}@{domain}" if self.world.random() < 0.08 else ""
        )
        return address, original, self._agent_of[domain]

    def remote_recipient(self) -> Recipient:
        """Give one address elsewhere."""
        domain = self.world.domain()
        return f"{self.world.local_part()}@{domain.name}", "", domain

    def inbound(self, at: int) -> None:
        """Mail from outside for mailboxes here."""
        world = self.world
        domain = world.sender_domain()
        who = f"{domain.client}[{domain.client_ip}]"
        if world.random() < 0.3:
            at = self.screen(at, domain.client_ip)
        if domain.client == "unknown":
            at = self.unresolved(at, domain.helo, domain.client_ip)
        talk = self.open(at, "smtpd", who)
        talk.count("ehlo")
        if domain.cipher:
            self.secure(talk, domain.cipher)
        while True:
            self._incoming(talk, domain)
            if world.random() > 0.14:
                break
        if world.random() < 0.94:
            talk.count("quit")
        else:
            self.put(
                self.wait(talk, 3), f"{talk.head}lost connection after DATA ({world.below(9000)} bytes) from {who}"
            )
        self.close(talk)

    def unresolved(self, at: int, name: str, ip: str) -> int:
        """The warning that comes before `connect` from the same process; gives the time of that."""
        pid, used = self.pools["smtpd"].take(at)
        self.pools["smtpd"].give((pid, used - 1), at + 39)
        reason = self.world.one(("", ": Name or service not known", ": No address associated with hostname"))
        self.put(at, f"{HOST} postfix/smtpd[{pid}]: warning: hostname {name} does not resolve to address {ip}{reason}")
        return at + 40

    def screen(self, at: int, ip: str) -> int:
        """Postscreen's lines before an smtpd gets the client; gives the time of that."""
        peer = f"[{ip}]:{1024 + self.world.below(60_000)}"
        self.put(at, f"{self.postscreen}CONNECT from {peer} to [198.18.0.25]:25")
        is_new = self.world.random() < 0.25
        at += 6_000_000 + self.world.below(90_000) if is_new else 500
        self.put(at, f"{self.postscreen}PASS {'NEW' if is_new else 'OLD'} {peer}")
        return at + 1200

    def _incoming(self, talk: Talk, domain: Domain) -> None:
        world = self.world
        sender = "" if world.random() < 0.04 else f"{world.local_part()}@{domain.name}"
        recipients = [self.home_recipient()]
        while world.random() < 0.12:
            recipients.append(self.home_recipient())
        talk.count("mail")
        for _ in recipients:
            talk.count("rcpt")
        message = self.queue.prepare(self.wait(talk, 0.1), sender, domain, recipients, world.message_id(domain.name))
        self.put(talk.at, f"{talk.head}{message.queue_id}: client={talk.who}")
        if self._accept(talk, message, domain.helo):
            self.queue.activate(talk.at + 600, message)

    def _accept(self, talk: Talk, message: Message, helo: str) -> bool:
        """Write cleanup's part of a transaction; False when it refuses the message."""
        world, put = self.world, self.put
        at = self.wait(talk, 0.08)
        head = self.queue.line("cleanup", at, 60_000)
        mid = message.message_id
        put(at, f"{head}{message.queue_id}: message-id={f'<{mid}>' if world.random() < 0.995 else ''}")
        at = self.wait(talk, 0.03)
        roll = world.random()
        tail = f"; from=<{message.sender}> to=<{message.waiting[0][0]}> proto=ESMTP helo=<{helo}>"
        if roll < 0.012:
            text = world.one(
                ("5.7.1 Spam message rejected", "5.7.1 virus found: Eicar-Test-Signature", "4.7.1 Try again later")
            )
            put(at, f"{head}{message.queue_id}: milter-reject: END-OF-MESSAGE from {talk.who}: {text}{tail}")
        elif roll < 0.02:
            subject = world.one(SPAM_SUBJECTS)
            put(
                at,
                f"{head}{message.queue_id}: reject: header Subject: {subject} from {talk.who}{tail}: 5.7.1 message content rejected",
            )
        else:
            if roll < 0.2:
                put(at, f"{self._opendkim}{message.queue_id}: {helo} [{world.ip()}] not internal")
                put(at + 60, f"{self._opendkim}{message.queue_id}: DKIM verification successful")
            elif roll < 0.204:
                subject = world.one(SUBJECTS)
                put(at, f"{head}{message.queue_id}: warning: header Subject: {subject} from {talk.who}{tail}")
            talk.count("data")
            return True
        talk.count("data", ok=False)
        self.queue.ids.free(message.queue_id, at)
        return False

    def submission(self, at: int) -> None:
        """A customer's program sends mail out."""
        world = self.world
        service = "submission/smtpd" if world.random() < 0.7 else "smtps/smtpd"
        home = world.home()
        user = f"{world.user()}@{home}"
        talk = self.open(at, service, self.customer())
        talk.count("ehlo")
        self.secure(talk, CIPHERS[world.below(3)])
        if service == "smtps/smtpd":
            talk.counts = {"ehlo": [1, 1]}
        talk.count("auth")
        recipients = [self.remote_recipient() if world.random() < 0.86 else self.home_recipient()]
        while world.random() < 0.25:
            recipients.append(self.remote_recipient())
        self._send_out(talk, user, recipients)
        talk.count("quit")
        self.close(talk)

    def customer(self) -> str:
        """Give the name and address of a dial-up or office line."""
        ip = self.world.ip()
        if self.world.random() < 0.3:
            return f"unknown[{ip}]"
        return f"{ip.replace('.', '-')}.dyn.access.example[{ip}]"

    def _send_out(self, talk: Talk, user: str, recipients: list[Recipient]) -> None:
        world = self.world
        talk.count("mail")
        for _ in recipients:
            talk.count("rcpt")
        home = user.split("@")[1]
        message = self.queue.prepare(
            self.wait(talk, 0.1), user, self._agent_of[home], recipients, world.message_id(home)
        )
        method = world.one(_METHODS)
        self.put(
            talk.at, f"{talk.head}{message.queue_id}: client={talk.who}, sasl_method={method}, sasl_username={user}"
        )
        if self._accept(talk, message, "[192.168.1.20]"):
            self.queue.activate(talk.at + 600, message)

    def bulk(self, at: int) -> None:
        """A mailing: one message for many recipients."""
        world = self.world
        talk = self.open(at, "submission/smtpd", "app1.int.example[10.0.5.31]")
        talk.count("ehlo")
        self.secure(talk, CIPHERS[0])
        talk.count("auth")
        recipients = {
            address: (address, original, target)
            for address, original, target in (self.remote_recipient() for _ in range(20 + world.below(130)))
        }
        self._send_out(talk, f"newsletter@{world.home()}", list(recipients.values()))
        talk.count("quit")
        self.close(talk)

    def pickup(self, at: int) -> None:
        """Mail of a program on the host itself."""
        world = self.world
        user, uid = world.one((("root", 0), ("www-data", 33), ("backup", 34), ("list", 38)))
        recipients = [self.remote_recipient() if uid == 33 else self.home_recipient()]
        message = self.queue.prepare(at, f"{user}@mx1.hub.example", "local", recipients)
        message.message_id = f"20261120{world.digits(6)}.{message.queue_id}@mx1.hub.example"
        self.put(at, f"{self._pickup}{message.queue_id}: uid={uid} from=<{user}>")
        self.put(at + 900, f"{self.queue.line('cleanup', at)}{message.queue_id}: message-id=<{message.message_id}>")
        self.queue.activate(at + 2100, message)

    def held(self, at: int) -> None:
        """A message that waits for a person, who lets it go."""
        domain = self.world.sender_domain()
        who = f"{domain.client}[{domain.client_ip}]"
        talk = self.open(at, "smtpd", who)
        for verb in ("ehlo", "mail", "rcpt", "data", "quit"):
            talk.count(verb)
        world, recipients = self.world, [self.home_recipient()]
        message = self.queue.prepare(
            self.wait(talk, 0.1),
            f"{world.local_part()}@{domain.name}",
            domain,
            recipients,
            world.message_id(domain.name),
        )
        self.put(talk.at, f"{talk.head}{message.queue_id}: client={who}")
        head = self.queue.line("cleanup", talk.at, 60_000)
        self.put(talk.at + 500, f"{head}{message.queue_id}: message-id=<{message.message_id}>")
        tail = f"; from=<{message.sender}> to=<{recipients[0][0]}> proto=ESMTP helo=<{domain.helo}>"
        self.put(
            talk.at + 800,
            f"{head}{message.queue_id}: hold: header Subject: {world.one(SPAM_SUBJECTS)} from {who}{tail}: please check",
        )
        talk.at += 1000
        self.close(talk)
        self.timeline.later(talk.at + (60 + world.below(7200)) * SECOND, self._let_go, message)

    def _let_go(self, at: int, message: Message) -> None:
        pid = 1200 + self.world.below(4_000_000)
        self.put(at, f"{HOST} postfix/postsuper[{pid}]: {message.queue_id}: released from hold")
        self.put(at + 300, f"{HOST} postfix/postsuper[{pid}]: Released from hold: 1 message")
        self.queue.activate(at + 40_000, message)

    def discarded(self, at: int) -> None:
        """A message that a rule throws away while the client believes it was taken."""
        world, domain = self.world, self.world.sender_domain()
        talk = self.open(at, "smtpd", f"{domain.client}[{domain.client_ip}]")
        for verb in ("ehlo", "mail", "rcpt", "data", "quit"):
            talk.count(verb)
        sender, recipient = f"{world.local_part()}@{domain.name}", self.home_recipient()[0]
        text = (
            f"<{sender}>: Sender address thrown away; from=<{sender}> to=<{recipient}> proto=ESMTP helo=<{domain.helo}>"
        )
        self.put(self.wait(talk, 0.1), f"{talk.head}NOQUEUE: discard: RCPT from {talk.who}: {text}")
        self.close(talk)
