"""Connections that bring no mail to the simulated Postfix host: refusals, failed logins, lost and probing clients."""

# ruff: noqa: ISC004 - the text of a log line stays in one piece

from __future__ import annotations

from postfix_front import Front, Talk
from postfix_queue import HOST
from timeline import SECOND, Pids
from world import CIPHERS, Draw

# weight, stage, text; {r} recipient, {s} sender, {h} helo, {i} client address, {d} recipient's domain
_REFUSALS = (
    (30, "RCPT", "554 5.7.1 Service unavailable; Client host [{i}] blocked using bl.dnsbl.example; https://www.dnsbl.example/query/ip/{i}"),
    (24, "RCPT", "550 5.1.1 <{r}>: Recipient address rejected: User unknown in virtual mailbox table"),
    (4, "RCPT", "550 5.1.1 <{r}>: Recipient address rejected: User unknown in local recipient table"),
    (12, "RCPT", "450 4.2.0 <{r}>: Recipient address rejected: Greylisted, see http://postgrey.example/help/{d}.html"),
    (9, "RCPT", "554 5.7.1 <{r}>: Relay access denied"),
    (6, "RCPT", "450 4.7.1 <{h}>: Helo command rejected: Host not found"),
    (4, "RCPT", "504 5.5.2 <{h}>: Helo command rejected: need fully-qualified hostname"),
    (6, "RCPT", "450 4.1.8 <{s}>: Sender address rejected: Domain not found"),
    (6, "RCPT", "450 4.7.25 Client host rejected: cannot find your hostname, [{i}]"),
    (3, "RCPT", "550 5.7.23 <{r}>: Recipient address rejected: Message rejected due to: SPF fail - not authorized. Please see "
     "http://www.openspf.example/Why?s=mfrom;id={s};ip={i};r=<UNKNOWN>"),
    (2, "MAIL", "552 5.3.4 Message size exceeds fixed limit"),
    (2, "RCPT", "451 4.3.5 <{r}>: Recipient address rejected: Server configuration problem"),
)  # fmt: skip
_BAD_HELO = ("ylmf-pc", "localhost", "User", "[127.0.0.1]", "mail", "win-8kq2", "mx1.hub.example", "smtp.local")
_COMMANDS = ("CONNECT", "EHLO", "EHLO", "AUTH", "STARTTLS", "RCPT", "UNKNOWN", "HELO", "MAIL", "NOOP")


class Refusals:
    """What the same daemons write about clients that bring nothing."""

    def __init__(self, front: Front, pids: Pids) -> None:
        """Use the daemons of `front`."""
        self.front, self.world, self.put = front, front.world, front.put
        self._postgrey = f"{HOST} postgrey[{pids.new()}]: "
        self._pids = pids
        self._refusal = Draw(
            self.world.rng, [(stage, text) for _, stage, text in _REFUSALS], [w for w, _, _ in _REFUSALS]
        )

    def _stranger(self) -> tuple[str, str, str]:
        """Give (name[ip], ip, helo) of somebody nobody knows."""
        world = self.world
        ip = world.ip() if world.random() < 0.94 else world.ip6()
        if world.random() < 0.55:
            return f"unknown[{ip}]", ip, world.one(_BAD_HELO)
        name = f"{world.hexes(4).lower()}.pool.{world.sender_domain().name}"
        return f"{name}[{ip}]", ip, name

    def refused(self, at: int) -> None:
        """Refused recipients, one to three on a connection."""
        world, front = self.world, self.front
        who, ip, helo = self._stranger()
        if world.random() < 0.3:
            at = front.screen(at, ip)
        if who.startswith("unknown") and world.random() < 0.3:
            at = front.unresolved(at, f"{world.hexes(4).lower()}.static.{world.sender_domain().name}", ip)
        talk = front.open(at, "smtpd", who)
        talk.count("ehlo")
        if world.random() < 0.3:
            front.secure(talk, CIPHERS[world.below(4)])
        stage, text = self._refusal()
        sender = f"{world.local_part()}@{world.sender_domain().name}"
        talk.count("mail", ok=stage != "MAIL")
        while True:
            self._refuse(talk, stage, text, sender, helo, ip=ip)
            if stage == "MAIL" or world.random() > 0.25:
                break
        if world.random() < 0.25:
            self.put(front.wait(talk, 2), f"{talk.head}lost connection after {stage} from {who}")
        else:
            talk.count("quit")
        front.close(talk)

    def _refuse(self, talk: Talk, stage: str, text: str, sender: str, helo: str, *, ip: str) -> None:
        world = self.world
        home = world.sender_domain().name if "Relay" in text else world.home()
        recipient = f"{world.local_part()}@{home}"
        at = self.front.wait(talk, 0.4)
        if "Greylisted" in text:
            name = talk.who.split("[")[0]
            self.put(
                at - 20,
                f"{self._postgrey}action=greylist, reason=new, client_name={name}, client_address={ip}, sender={sender}, recipient={recipient}",
            )
        shown = text.format(r=recipient, s=sender, h=helo, i=ip, d=home)
        to = f" to=<{recipient}>" if stage == "RCPT" else ""
        self.put(
            at,
            f"{talk.head}NOQUEUE: reject: {stage} from {talk.who}: {shown}; from=<{sender}>{to} proto=ESMTP helo=<{helo}>",
        )
        if stage == "RCPT":
            talk.count("rcpt", ok=False)

    def login_failed(self, at: int) -> None:
        """Somebody guesses passwords."""
        world, front = self.world, self.front
        who, _, _ = self._stranger()
        service = world.one(("smtpd", "submission/smtpd", "submission/smtpd", "smtps/smtpd"))
        talk = front.open(at, service, who)
        talk.count("ehlo")
        if service != "smtpd" and world.random() < 0.6:
            front.secure(talk, CIPHERS[world.below(3)])
        user = f"{world.user()}@{world.home()}" if world.random() < 0.7 else world.user()
        while True:
            reason = world.one(
                (
                    "UGFzc3dvcmQ6",
                    "authentication failure",
                    "(reason unavailable)",
                    "Connection lost to authentication server",
                )
            )
            name = f", sasl_username={user}" if world.random() < 0.6 else ""
            self.put(
                front.wait(talk, 1.5),
                f"{talk.head}warning: {who}: SASL {world.one(('LOGIN', 'PLAIN', 'LOGIN'))} authentication failed: {reason}{name}",
            )
            talk.count("auth", ok=False)
            if world.random() > 0.2:
                break
        if world.random() < 0.7:
            self.put(front.wait(talk, 0.2), f"{talk.head}lost connection after AUTH from {who}")
        else:
            talk.count("quit")
        front.close(talk)

    def lost(self, at: int) -> None:
        """A client goes away, or never says anything."""
        world, front = self.world, self.front
        who, _, _ = self._stranger()
        talk = front.open(at, world.one(("smtpd", "smtpd", "submission/smtpd", "smtps/smtpd")), who)
        stage = world.one(_COMMANDS)
        if stage != "CONNECT":
            talk.count("helo" if stage == "HELO" else "ehlo")
        if stage == "STARTTLS":
            text = world.one(("lost connection", "-1", "Connection reset by peer", "Connection timed out"))
            self.put(front.wait(talk, 0.2), f"{talk.head}SSL_accept error from {who}: {text}")
            if text == "-1":
                library = "error:1417A0C1:SSL routines:tls_post_process_client_hello:no shared cipher:../ssl/statem/statem_srvr.c:2283:"
                self.put(talk.at + 20, f"{talk.head}warning: TLS library problem: {library}")
            talk.count("starttls", ok=False)
        word = "timeout" if world.random() < 0.15 else "lost connection"
        self.put(front.wait(talk, 300 if word == "timeout" else 0.5), f"{talk.head}{word} after {stage} from {who}")
        front.close(talk)

    def probe(self, at: int) -> None:
        """Scanners: other protocols, pipelining before its time, too many errors, limits."""
        world, front = self.world, self.front
        who, _, _ = self._stranger()
        talk = front.open(at, "smtpd", who)
        form = world.below(4)
        if form == 0:
            text = world.one(
                (
                    "GET / HTTP/1.1",
                    "GET /nice%20ports%2C/Tri%6Eity.txt%2ebak HTTP/1.0",
                    "CONNECT example.com:443 HTTP/1.1",
                )
            )
            self.put(front.wait(talk, 0.2), f"{talk.head}warning: non-SMTP command from {who}: {text}")
            talk.count("unknown", ok=False)
        elif form == 1:
            self.put(
                front.wait(talk, 0.2),
                f"{talk.head}improper command pipelining after CONNECT from {who}: EHLO ylmf-pc\\r\\nAUTH LOGIN\\r\\n",
            )
            talk.count("ehlo", ok=False)
        elif form == 2:
            talk.counts = {"ehlo": [1, 1], "auth": [0, 12], "unknown": [0, 8]}
            self.put(front.wait(talk, 8), f"{talk.head}too many errors after AUTH from {who}")
        else:
            limit = world.one(
                ("Connection rate", "Connection concurrency", "AUTH command rate", "Message delivery request rate")
            )
            self.put(
                front.wait(talk, 0.01),
                f"{talk.head}warning: {limit} limit exceeded: {21 + world.below(60)} from {who} for service smtp",
            )
        front.close(talk)

    def screened(self, at: int) -> None:
        """Postscreen keeps a client out."""
        world, put, head = self.world, self.put, self.front.postscreen
        _, ip, helo = self._stranger()
        peer = f"[{ip}]:{1024 + world.below(60_000)}"
        put(at, f"{head}CONNECT from {peer} to [198.18.0.25]:25")
        form = world.below(4)
        if form == 0:
            put(
                at + 40_000,
                f"{head}PREGREET {11 + world.below(20)} after 0.0{world.below(9) + 1} from {peer}: EHLO {helo}\\r\\n",
            )
        if form < 3:
            number = self._pids.new()
            for list_name in ("bl.dnsbl.example", "zen.dnsbl.example")[: 1 + form % 2]:
                put(
                    at + 90_000,
                    f"{HOST} postfix/dnsblog[{number}]: addr {ip} listed by domain {list_name} as 127.0.0.{2 + world.below(9)}",
                )
            put(at + 2 * SECOND, f"{head}DNSBL rank {3 + world.below(7)} for {peer}")
        at += 6 * SECOND + world.below(SECOND)
        if form < 2:
            recipient = f"{world.local_part()}@{world.home()}"
            sender = f"{world.local_part()}@{world.sender_domain().name}"
            put(at, f"{head}NOQUEUE: reject: RCPT from {peer}: 550 5.7.1 Service unavailable; client [{ip}] blocked using zen.dnsbl.example; "
                f"from=<{sender}>, to=<{recipient}>, proto=ESMTP, helo=<{helo}>")  # fmt: skip
        else:
            put(
                at,
                f"{head}HANGUP after {world.below(9)}.{world.below(10)} from {peer} in tests {'before' if form == 2 else 'after'} SMTP handshake",
            )
        put(at + 40_000, f"{head}DISCONNECT {peer}")
