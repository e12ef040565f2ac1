"""A busy Postfix 3.7 host as its log shows it: MX with postscreen, submission, and the way out."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from time import gmtime, strftime

from postfix_front import Front
from postfix_queue import HOST, LIFETIME, Queue
from postfix_refusals import Refusals
from timeline import SECOND, Pids, Timeline
from world import Draw, World

_PER_SECOND = 1.25  # connections, on the day's average
_OLD = 60  # messages that wait since before the log begins


class PostfixHost:
    """Everything that writes into /var/log/mail.log."""

    def __init__(self, seed: int, start: int) -> None:
        """Begin at `start` (seconds since 1970)."""
        self.world = World(seed)
        self.timeline = Timeline(self.world, start)
        self.put = self.timeline.put
        self._pids = Pids(self.world)
        self.queue = Queue(self.world, self.timeline, self._pids)
        self.front = Front(self.world, self.timeline, self.queue, self._pids)
        self.refusals = Refusals(self.front, self._pids)
        self.postfix = f"{HOST} postfix/"
        self.anvil, self.scache, self.tlsmgr = (self._pids.new() for _ in range(3))
        self._wait_since_before(start * SECOND)
        self._regularly(start * SECOND)

    def lines(self) -> Iterator[tuple[int, list[str]]]:
        """Give second after second, for ever; see `Timeline.seconds`."""
        front, refusals = self.front, self.refusals
        scenes: list[tuple[Callable[[int], None], float]] = [
            (front.inbound, 40), (front.submission, 15), (front.bulk, 0.12), (front.pickup, 5), (refusals.refused, 17),
            (refusals.login_failed, 9), (refusals.lost, 6), (refusals.screened, 7), (refusals.probe, 2), (front.held, 0.06),
            (front.discarded, 0.06), (self._dovecot, 7),
        ]  # fmt: skip
        scene = Draw(self.world.rng, [s for s, _ in scenes], [w for _, w in scenes])
        return self.timeline.seconds(scene, _PER_SECOND)

    def _wait_since_before(self, start: int) -> None:
        world = self.world
        for _ in range(_OLD):
            domain = world.domain()
            home = world.home()
            born = start - world.below(LIFETIME)
            message = self.queue.prepare(
                born,
                f"{world.user()}@{home}",
                "lmtp",
                [(f"{world.local_part()}@{domain.name}", "", domain)],
                world.message_id(home),
            )
            message.tries = 1
            self.timeline.later(start + world.below(4000 * SECOND), self.queue.activate, message)

    def _regularly(self, start: int) -> None:
        for work, every in (
            (self._statistics, 600),
            (self._connection_cache, 900),
            (self._system, 47),
            (self._master, 14_400),
        ):
            self.timeline.later(start + self.world.below(every * SECOND), self._repeat, work, every)

    def _repeat(self, at: int, work: Callable[[int], None], every: int) -> None:
        work(at)
        self.timeline.later(at + int(every * SECOND * (0.5 + self.world.random())), self._repeat, work, every)

    def _statistics(self, at: int) -> None:
        ip, stamp = self.world.ip(), strftime("%b %e %H:%M:%S", gmtime(at // SECOND - 250))
        head = f"{self.postfix}anvil[{self.anvil}]: statistics: max"
        self.put(at, f"{head} connection rate {1 + self.world.below(60)}/60s for (smtp:{ip}) at {stamp}")
        self.put(at + 10, f"{head} connection count {1 + self.world.below(12)} for (smtp:{ip}) at {stamp}")
        self.put(
            at + 20, f"{head} message rate {1 + self.world.below(30)}/60s for (submission:{self.world.ip()}) at {stamp}"
        )
        self.put(at + 30, f"{head} cache size {10 + self.world.below(90)} at {stamp}")

    def _connection_cache(self, at: int) -> None:
        head = f"{self.postfix}scache[{self.scache}]: statistics:"
        hits, miss = self.world.below(60), 1 + self.world.below(60)
        share = 100 * hits // (hits + miss)
        self.put(at, f"{head} start interval {strftime('%b %e %H:%M:%S', gmtime(at // SECOND - 600))}")
        self.put(at + 10, f"{head} domain lookup hits={hits} miss={miss} success={share}%")
        self.put(at + 20, f"{head} address lookup hits={hits // 2} miss={miss} success={share // 2}%")
        self.put(at + 30, f"{head} max simultaneous domains={miss % 7} addresses={miss % 9} connection={miss % 9}")

    def _master(self, at: int) -> None:
        head = f"{self.postfix}master[{1187}]: "
        if self.world.chance(0.3):
            self.put(at, f"{head}reload -- version 3.7.11, configuration /etc/postfix")
            return
        self.put(
            at,
            f'{head}warning: service "smtp" (25) has reached its process limit "100": new clients may experience noticeable delays',
        )
        self.put(
            at + 10,
            f"{head}warning: to avoid this condition, increase the process count in master.cf or reduce the service time per client",
        )
        self.put(
            at + 20,
            f"{head}warning: see https://www.postfix.org/STRESS_README.html for examples of stress-adapting configuration settings",
        )

    def _system(self, at: int) -> None:
        form, pid = self.world.below(5), self._pids.new()
        if form == 0:
            self.put(at, f"{HOST} CRON[{pid}]: pam_unix(cron:session): session opened for user root(uid=0) by (uid=0)")
            self.put(at + 90_000, f"{HOST} CRON[{pid}]: pam_unix(cron:session): session closed for user root")
        elif form == 1:
            self.put(at, f"{HOST} systemd[1]: Started logrotate.service - Rotate log files.")
        elif form == 2:
            text = f"Failed password for invalid user admin from {self.world.ip()} port {self.world.digits(5)} ssh2"
            self.put(at, f"{HOST} sshd[{pid}]: {text}")
        elif form == 3:
            self.put(at, f"{self.postfix}tlsmgr[{self.tlsmgr}]: table hash:/etc/aliases has changed -- restarting")
        else:
            self.put(
                at,
                f"{self.postfix}trivial-rewrite[{pid}]: table hash:/etc/postfix/transport(0,lock|fold_fix) has changed -- restarting",
            )

    def _dovecot(self, at: int) -> None:
        world = self.world
        user, ip, session = f"{world.user()}@{world.home()}", world.ip(), world.alnum(16)
        took = 1 + world.below(600)
        pid = self._pids.new()
        self.put(
            at,
            f"{HOST} dovecot: imap-login: Login: user=<{user}>, method=PLAIN, rip={ip}, lip=10.0.5.10, mpid={pid}, TLS, session=<{session}>",
        )
        text = f"in={world.below(9000)} out={world.below(90000)} deleted=0 expunged=0 trashed=0 hdr_count=0 hdr_bytes=0 body_count=0 body_bytes=0"
        self.put(at + took * SECOND, f"{HOST} dovecot: imap({user})<{pid}><{session}>: Disconnected: Logged out {text}")
