"""The queue of the simulated Postfix 3.7 host: messages, attempts, retries, expiry, notifications."""

# ruff: noqa: ISC004 - the text of a log line stays in one piece

from __future__ import annotations

from dataclasses import dataclass
from time import gmtime, strftime

from timeline import SECOND, Pids, Pool, QueueIds, Timeline
from world import Domain, World

HOST = "mx1"
NAME = "mx1.hub.example"
LIFETIME = (
    86_400 * SECOND
)  # maximal_queue_lifetime of this host, shorter than the default so that a day's log has expiry
Target = Domain | str
Recipient = tuple[str, str, Target]  # address, what the sender wrote when that differs, where it goes

# dsn, reason, whether a connection was tried; {h} host, {i} address, {d} domain
_DEAD = {
    "timeout": ("4.4.1", "connect to {h}[{i}]:25: Connection timed out", 30.0),
    "refused": ("4.4.1", "connect to {h}[{i}]:25: Connection refused", 0.1),
    "noroute": ("4.4.1", "connect to {h}[{i}]:25: No route to host", 0.4),
    "nxdomain": ("5.4.4", "Host or domain name not found. Name service error for name={d} type=AAAA: Host not found", 0.0),
    "servfail": ("4.4.3", "Host or domain name not found. Name service error for name={d} type=MX: Host not found, try again", 0.0),
    "nullmx": ("5.1.0", "Domain {d} does not accept mail (nullMX)", 0.0),
    "loops": ("5.4.6", "mail for {d} loops back to myself", 0.0),
    "tls": ("4.7.5", "Cannot start TLS: handshake failure", 0.3),
    "refuses": ("4.3.2", "host {h}[{i}] refused to talk to me: 421 4.3.2 Service not available, closing transmission channel", 0.2),
}  # fmt: skip
# dsn, reply, stage; {r} recipient, {d} domain, {c} this host's address
_REFUSED = (
    ("5.1.1", "550 5.1.1 <{r}>: Recipient address rejected: User unknown in virtual mailbox table", "RCPT TO"),
    ("5.1.1", "550-5.1.1 The email account that you tried to reach does not exist. Please try 550-5.1.1 double-checking the "
     "recipient's email address for typos or 550-5.1.1 unnecessary spaces. Learn more at 550 5.1.1  "
     "https://support.{d}/mail/?p=NoSuchUser - gsmtp", "RCPT TO"),
    ("5.4.1", "550 5.4.1 Recipient address rejected: Access denied. [AM7EUR03FT012.eop-EUR03.prod.protection.example]", "RCPT TO"),
    ("5.7.1", "554 5.7.1 Service unavailable; Client host [{c}] blocked using bl.dnsbl.example; https://dnsbl.example/{c}", "RCPT TO"),
    ("5.2.2", "552 5.2.2 <{r}> mailbox full (over quota)", "RCPT TO"),
    ("5.7.1", "550 5.7.1 message content rejected, id=4712-03 - spam", "end of DATA"),
    ("5.7.26", "550-5.7.26 This mail has been blocked because the sender is unauthenticated; 550 5.7.26 DKIM = did not pass", "end of DATA"),
    ("5.0.0", "550 No such user here", "RCPT TO"),
)  # fmt: skip
_PUT_OFF = (
    ("4.2.0", "450 4.2.0 <{r}>: Recipient address rejected: Greylisted, see http://postgrey.example/help/{d}.html", "RCPT TO"),
    ("4.7.1", "451 4.7.1 Greylisting in action, please come back in 00:05:00", "RCPT TO"),
    ("4.2.2", "452 4.2.2 <{r}>: user is over quota", "RCPT TO"),
    ("4.7.28", "421-4.7.28 Our system has detected an unusual rate of unsolicited mail; 421 4.7.28 try again later - gsmtp", "end of DATA"),
    ("4.3.0", "451 4.3.0 Temporary local problem - please try later", "MAIL FROM"),
    ("4.1.8", "450 4.1.8 <{r}>: temporary lookup failure", "RCPT TO"),
)  # fmt: skip
_LOST = (
    "lost connection with {h}[{i}] while sending RCPT TO",
    "lost connection with {h}[{i}] while receiving the initial server greeting",
    "conversation with {h}[{i}] timed out while sending message body",
    "lost connection with {h}[{i}] while sending end of data -- message may be sent more than once",
)


def _number(seconds: float) -> str:
    return f"{seconds:.2g}" if seconds >= 1 else f"{seconds:.2f}".rstrip("0").rstrip(".")


_SHORT = [_number(n / 100) for n in range(1000)]


def shown(seconds: float) -> str:
    """Write a delay as Postfix does: two significant digits, at most two decimals (src/util/format_tv.c)."""
    return _SHORT[int(seconds * 100)] if seconds < 9.99 else f"{seconds:.0f}"


@dataclass(slots=True)
class Message:
    """One message in the queue: times in µs, size in bytes, `home` is where a notification to its sender goes."""

    queue_id: str
    sender: str
    home: Target
    born: int
    size: int
    message_id: str
    total: int
    waiting: list[Recipient]
    tries: int = 0
    is_warned: bool = False


class Queue:
    """cleanup, qmgr, bounce and the delivery agents of one host."""

    def __init__(self, world: World, timeline: Timeline, pids: Pids) -> None:
        """Start the daemons."""
        self.world, self.timeline, self.put = world, timeline, timeline.put
        self.ids = QueueIds(world)
        self.qmgr = f"{HOST} postfix/qmgr[{pids.new()}]: "
        self.pools = {
            name: Pool(pids) for name in ("cleanup", "smtp", "lmtp", "local", "virtual", "pipe", "error", "bounce")
        }
        self.ip = "198.18.0.25"
        self._home_answers = {
            "lmtp": self._by_lmtp,
            "pipe": self._by_pipe,
            "local": self._by_local,
            "virtual": self._by_virtual,
            "hub": self._by_hub,
        }

    def line(self, daemon: str, at: int, took: int = 200) -> str:
        """Give the head of a line of one of the daemon's processes, busy for `took` µs."""
        return f"{HOST} postfix/{daemon}[{self.pools[daemon].lease(at, at + took)}]: "

    def prepare(self, at: int, sender: str, home: Target, recipients: list[Recipient], message_id: str = "") -> Message:
        """Give a message an id of its own and a size; nothing is written yet."""
        size = self.world.size()
        return Message(self.ids.new(at), sender, home, at, size, message_id, len(recipients), recipients)

    def activate(self, at: int, message: Message) -> None:
        """Take the message up: one attempt for each recipient that still waits, then notifications, retry or end."""
        self.put(
            at,
            f"{self.qmgr}{message.queue_id}: from=<{message.sender}>, size={message.size}, nrcpt={message.total} (queue active)",
        )
        end, failed, still = at, False, []
        for target, recipients in self._grouped(message.waiting):
            attempt = self._remote if isinstance(target, Domain) else self._at_home
            until, bounced, deferred = attempt(at, message, target, recipients)
            end, failed = max(end, until), failed or bounced
            still += deferred
        message.tries += 1
        message.waiting = still
        end += 400 + self.world.below(4000)
        age = end - message.born
        if still and age > LIFETIME:
            self.put(end, f"{self.qmgr}{message.queue_id}: from=<{message.sender}>, status=expired, returned to sender")
            still, failed = [], True
        if failed:
            end = self._notify(end + 300, message, "non-delivery")
        if not still:
            self.put(end + 900, f"{self.qmgr}{message.queue_id}: removed")
            self.ids.free(message.queue_id, end + 1000)
            return
        if age > LIFETIME / 6 and not message.is_warned:
            message.is_warned = True
            end = self._notify(end + 300, message, "delay")
        wait = min(max(age, 300 * SECOND), 4000 * SECOND)
        self.timeline.later(end + wait + self.world.below(60 * SECOND), self.activate, message)

    def _grouped(self, recipients: list[Recipient]) -> list[tuple[Target, list[Recipient]]]:
        if len(recipients) == 1:
            return [(recipients[0][2], recipients)]
        groups: dict[Target, list[Recipient]] = {}
        for recipient in recipients:
            groups.setdefault(recipient[2], []).append(recipient)
        return list(groups.items())

    def _notify(self, at: int, message: Message, word: str) -> int:
        """Send the sender a notification (nobody, when there is no sender); before 3.11 the bounce line comes last."""
        if not message.sender:
            return at
        stamp = strftime("%Y%m%d%H%M%S", gmtime(at // SECOND))
        note = self.prepare(at, "", message.home, [(message.sender, "", message.home)])
        note.message_id = f"{stamp}.{note.queue_id}@{NAME}"
        self.put(at + 150, f"{self.line('cleanup', at)}{note.queue_id}: message-id=<{note.message_id}>")
        self.put(
            at + 900, f"{self.line('bounce', at, 1000)}{message.queue_id}: sender {word} notification: {note.queue_id}"
        )
        self.activate(at + 700, note)
        return at + 1100

    def _report(
        self,
        at: int,
        head: str,
        message: Message,
        recipient: Recipient,
        *,
        relay: str,
        times: tuple[float, float, float, float],
        last: str,
    ) -> None:
        before, inside, setup, sending = times
        original = f", orig_to=<{recipient[1]}>" if recipient[1] else ""
        self.put(
            at,
            f"{head}{message.queue_id}: to=<{recipient[0]}>{original}, relay={relay}, "
            f"delay={shown(before + inside + setup + sending)}, "
            f"delays={shown(before)}/{shown(inside)}/{shown(setup)}/{shown(sending)}, {last}",
        )

    def _at_home(
        self, at: int, message: Message, target: Target, recipients: list[Recipient]
    ) -> tuple[int, bool, list[Recipient]]:
        """Deliver here: into mailboxes, into commands, to aliases, to the hub behind."""
        assert isinstance(target, str)
        agent = "smtp" if target == "hub" else target
        answer = self._home_answers[target]
        world, failed, still = self.world, False, []
        before, inside, sending = (at - message.born) / SECOND, world.random() * 0.05, 0.01 + world.random() ** 3 * 0.6
        end = at + int((inside + sending) * SECOND)
        head = self.line(agent, at + 100, int((inside + sending) * SECOND))
        for recipient in recipients:
            end += 150
            relay, last = answer(end, message, recipient[0])
            self._report(end, head, message, recipient, relay=relay, times=(before, inside, 0, sending), last=last)
            failed = failed or "bounced" in last
            if "=deferred" in last:
                still.append(recipient)
        return end, failed, still

    def _by_lmtp(self, at: int, message: Message, address: str) -> tuple[str, str]:
        session, roll = self.world.alnum(22), self.world.random()
        relay = f"{NAME}[private/dovecot-lmtp]"
        if roll < 0.012:
            full = f"452 4.2.2 <{address}> Quota exceeded (mailbox for user is full)"
            return relay, f"dsn=4.2.2, status=deferred (host {relay} said: {full} (in reply to end of DATA command))"
        if roll < 0.4:
            who = f"lmtp({address})<{9100 + self.world.below(40)}><{session}>"
            self.put(at - 60, f"{HOST} dovecot: {who}: msgid=<{message.message_id}>: saved mail to INBOX")
        return relay, f"dsn=2.0.0, status=sent (250 2.0.0 <{address}> {session} Saved)"

    def _by_pipe(self, _at: int, _message: Message, _address: str) -> tuple[str, str]:
        if self.world.random() < 0.01:
            died = 'Command died with status 1: "/usr/lib/mailman/mail/mailman"'
            return "mailman", f"dsn=5.3.0, status=bounced ({died})"
        return "mailman", "dsn=2.0.0, status=sent (delivered via mailman service)"

    def _by_local(self, at: int, message: Message, address: str) -> tuple[str, str]:
        roll = self.world.random()
        if roll < 0.03:
            return "local", f'dsn=5.1.1, status=bounced (unknown user: "{address.split("@", 1)[0]}")'
        if roll < 0.12:
            return "local", f"dsn=2.0.0, status=sent (forwarded as {self._forward(at, message)})"
        text = "delivered to maildir" if roll < 0.8 else 'delivered to command: procmail -a "$EXTENSION"'
        return "local", f"dsn=2.0.0, status=sent ({text})"

    def _by_virtual(self, _at: int, _message: Message, _address: str) -> tuple[str, str]:
        return "virtual", "dsn=2.0.0, status=sent (delivered to maildir)"

    def _by_hub(self, _at: int, _message: Message, _address: str) -> tuple[str, str]:
        return (
            "hub.int.example[10.0.5.20]:25",
            f"dsn=2.0.0, status=sent (250 2.0.0 Ok: queued as {self.world.hexes(11)})",
        )

    def _forward(self, at: int, message: Message) -> str:
        domain = self.world.domain()
        address = f"{self.world.local_part()}@{domain.name}"
        born = at - 1500
        copy = self.prepare(born, message.sender, message.home, [(address, "", domain)], message.message_id)
        self.put(born + 200, f"{self.line('cleanup', born)}{copy.queue_id}: message-id=<{message.message_id}>")
        self.activate(born + 900, copy)
        return copy.queue_id

    def _remote(
        self, at: int, message: Message, target: Target, recipients: list[Recipient]
    ) -> tuple[int, bool, list[Recipient]]:
        """Deliver to another site's MX hosts: one transaction for all its recipients."""
        assert isinstance(target, Domain)
        world = self.world
        if target.suspended > at:
            return self._suspended(at, message, target, recipients)
        if target.dead and world.random() > 0.06:
            return self._unreachable(at, message, target, recipients)
        inside, setup, sending = (
            world.random() ** 4 * 0.4,
            world.random() * 0.3,
            target.seconds * (0.5 + world.random()),
        )
        host, ip = target.exchangers[0]
        process = self.pools["smtp"].take(at)
        head = f"{HOST} postfix/smtp[{process[0]}]: "
        begin = at + int(inside * SECOND)
        if world.random() < 0.012:
            begin += 30 * SECOND
            self.put(begin, f"{head}connect to {host}[{ip}]:25: Connection timed out")
            host, ip = target.exchangers[-1]
        relay = f"{host}[{ip}]:25"
        until, uses = target.reused
        if until > begin and world.random() < 0.5:
            relay, setup = f"{relay}, conn_use={uses + 1}", 0.0
        elif target.cipher:
            uses = 0
            self.put(
                begin + int(setup * SECOND),
                f"{head}{target.trust} TLS connection established to {relay}: {target.cipher}",
            )
        end = begin + int((setup + sending) * SECOND) + 500
        target.reused = (end + 2 * SECOND, uses + 1) if len(recipients) > 1 or target.seconds < 0.3 else (0, 0)
        times = ((at - message.born) / SECOND, inside, (begin - at) / SECOND - inside + setup, sending)
        failed, still = self._answers(end, head, message, target, recipients, relay=relay, times=times)
        end += 20 * len(recipients)
        self.pools["smtp"].give(process, end)
        return end, failed, still

    def _answers(
        self,
        at: int,
        head: str,
        message: Message,
        target: Domain,
        recipients: list[Recipient],
        *,
        relay: str,
        times: tuple[float, float, float, float],
    ) -> tuple[bool, list[Recipient]]:
        world, failed, still = self.world, False, []
        host, ip = target.exchangers[0]
        roll = world.random()
        accepted = world.accepts[target.kind](at, message.message_id, message.size)
        whole = None
        if target.greylists and not message.tries:
            whole = _PUT_OFF[0]
        elif roll < 0.006 and not message.tries:
            whole = ("4.4.2", world.one(_LOST).format(h=host, i=ip), "")
        for recipient in recipients:
            roll = world.random()
            answer = whole or (world.one(_REFUSED) if roll < 0.022 else world.one(_PUT_OFF) if roll < 0.04 else None)
            at += 20
            if answer is None:
                self._report(
                    at, head, message, recipient, relay=relay, times=times, last=f"dsn=2.0.0, status=sent ({accepted})"
                )
                continue
            dsn, text, stage = answer
            status = "bounced" if dsn[0] == "5" else "deferred"
            if stage:
                text = text.format(r=recipient[0], d=target.name, c=self.ip)
                text = f"host {host}[{ip}] said: {text} (in reply to {stage} command)"
            self._report(
                at, head, message, recipient, relay=relay, times=times, last=f"dsn={dsn}, status={status} ({text})"
            )
            failed = failed or status == "bounced"
            if status == "deferred":
                still.append(recipient)
        return failed, still

    def _unreachable(
        self, at: int, message: Message, target: Domain, recipients: list[Recipient]
    ) -> tuple[int, bool, list[Recipient]]:
        dsn, text, setup = _DEAD[target.dead]
        host, ip = target.exchangers[-1]
        process = self.pools["smtp"].take(at)
        head = f"{HOST} postfix/smtp[{process[0]}]: "
        end = at + 2000
        relay = "none"
        if target.dead in {"timeout", "refused", "noroute"}:
            for name, address in target.exchangers:
                end += int(setup * SECOND)
                self.put(end, f"{head}{text.format(h=name, i=address)}")
            target.suspended = end + 600 * SECOND
        elif setup:
            end += int(setup * SECOND)
            relay = f"{host}[{ip}]:25"
            if target.dead == "tls":
                self.put(end, f"{head}SSL_connect error to {relay}: -1")
                self.put(
                    end + 20,
                    f"{head}warning: TLS library problem: error:0A00010B:SSL routines::wrong version number:../ssl/record/ssl3_record.c:350:",
                )
        times = ((at - message.born) / SECOND, 0.01, (end - at) / SECOND, 0.0)
        status = "bounced" if dsn[0] == "5" else "deferred"
        last = f"dsn={dsn}, status={status} ({text.format(h=host, i=ip, d=target.name)})"
        for recipient in recipients:
            end += 30
            self._report(end, head, message, recipient, relay=relay, times=times, last=last)
        self.pools["smtp"].give(process, end)
        return end, status == "bounced", recipients if status == "deferred" else []

    def _suspended(
        self, at: int, message: Message, target: Domain, recipients: list[Recipient]
    ) -> tuple[int, bool, list[Recipient]]:
        dsn, text, _ = _DEAD[target.dead]
        host, ip = target.exchangers[-1]
        head = self.line("error", at)
        times = ((at - message.born) / SECOND, 0.01, 0.0, 0.01)
        last = (
            f"dsn={dsn}, status=deferred (delivery temporarily suspended: {text.format(h=host, i=ip, d=target.name)})"
        )
        end = at + 20_000
        for recipient in recipients:
            end += 30
            self._report(end, head, message, recipient, relay="none", times=times, last=last)
        return end, False, list(recipients)
