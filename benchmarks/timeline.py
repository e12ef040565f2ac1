"""What the simulated hosts share: lines put down in any order and written in order, process ids, future work."""

from __future__ import annotations

import heapq
from collections import defaultdict
from collections.abc import Callable, Iterator
from math import log

from world import World

SECOND = 1_000_000  # all times are whole microseconds since 1970
_LOAD = (  # traffic of each hour of the day against its mean
    0.45, 0.4, 0.38, 0.38, 0.42, 0.5, 0.7, 1.0, 1.4, 1.7, 1.8, 1.7, 1.5, 1.5, 1.6, 1.6, 1.5, 1.3, 1.1, 1.0, 0.9, 0.8,
    0.7, 0.55,
)  # fmt: skip


class Timeline:
    """Second by second: run what is due, then give the second's lines in order."""

    def __init__(self, world: World, start: int) -> None:
        """Begin at `start` (seconds since 1970)."""
        self.world, self.start = world, start
        self._lines: defaultdict[int, list[tuple[int, str]]] = defaultdict(list)
        self._due: defaultdict[int, list[tuple[int, Callable[..., None], tuple[object, ...]]]] = defaultdict(list)

    def put(self, at: int, text: str) -> None:
        """Put down one line for the time `at` (µs)."""
        self._lines[at // SECOND].append((at, text))

    def later(self, at: int, work: Callable[..., None], *args: object) -> None:
        """Call `work(at, *args)` when the clock comes to the second of `at`."""
        self._due[at // SECOND].append((at, work, args))

    def seconds(
        self, scene: Callable[[], Callable[[int], None]], per_second: float, warm_up: int = 60
    ) -> Iterator[tuple[int, list[str]]]:
        """Run for ever.

        Args:
            scene: gives, for every new connection, what is called with its time (µs).
            per_second: how many of them, on the day's average.
            warm_up: seconds to run before the start; their lines are dropped, as a rotated log begins in the middle.

        Yields:
            The second since 1970 and its lines in order; seconds without lines are left out.
        """
        second = self.start - warm_up
        following = float(second)
        while True:
            rate = per_second * _LOAD[second // 3600 % 24]
            while following < second + 1:
                scene()(int(following * SECOND))
                following -= log(1 - self.world.random()) / rate
            while second in self._due:
                for at, work, args in sorted(self._due.pop(second), key=lambda due: due[0]):
                    work(at, *args)
            lines = self._lines.pop(second, None)
            if lines and second >= self.start:
                lines.sort()
                yield second, [text for _, text in lines]
            second += 1


class Pids:
    """Process numbers of one host: rising, with gaps, turning round at the kernel's limit."""

    def __init__(self, world: World, first: int = 210_431) -> None:
        """Begin behind `first`."""
        self._world, self._last = world, first

    def new(self) -> int:
        """Give the number of a new process."""
        self._last += 1 + self._world.below(7)
        if self._last > 4_194_303:
            self._last = 1200
        return self._last


class Pool:
    """The processes of one daemon: each does one thing at a time and leaves after many or when idle for long."""

    def __init__(self, pids: Pids, uses: int = 100, idle_s: int = 100) -> None:
        """Take the host's process numbers; a process leaves after `uses` leases or `idle_s` seconds of rest."""
        self._pids, self._uses, self._idle = pids, uses, idle_s * SECOND
        self._free: list[tuple[int, int, int]] = []

    def take(self, at: int) -> tuple[int, int]:
        """Give (number, leases so far) of a process that is free at `at` (µs)."""
        free = self._free
        while free and free[0][0] < at - self._idle:
            heapq.heappop(free)
        if not free or free[0][0] >= at:
            return self._pids.new(), 0
        _, pid, used = heapq.heappop(free)
        return pid, used

    def give(self, process: tuple[int, int], until: int) -> None:
        """Take back a process that is busy until `until` (µs)."""
        pid, used = process
        if used + 1 < self._uses:
            heapq.heappush(self._free, (until, pid, used + 1))

    def lease(self, at: int, until: int) -> int:
        """Give the number of a process that is busy from `at` to `until` (µs)."""
        process = self.take(at)
        self.give(process, until)
        return process[0]


class QueueIds:
    """Postfix's short queue ids: five hexadecimal digits of the microsecond, then the queue file's inode.

    Inodes come back as soon as the file is gone, so an id comes back when the microsecond does (Postfix
    src/global/mail_queue.c). One in `again` takes up the very id its inode had last.
    """

    def __init__(self, world: World, again: float = 1 / 2500) -> None:
        """Begin with an empty queue."""
        self._world, self._again = world, again
        self._free: list[tuple[int, int, str]] = []
        self._next = 0x4A2C1

    def new(self, at: int) -> str:
        """Give the id of a message that comes in at `at` (µs)."""
        if self._free and self._free[0][0] < at:
            _, inode, last = heapq.heappop(self._free)
            if self._world.chance(self._again):
                return last
        else:
            self._next += 1 + self._world.below(3)
            inode = self._next
        return f"{at % SECOND:05X}{inode:X}"

    def free(self, queue_id: str, at: int) -> None:
        """Take back the id of a message that is gone at `at` (µs)."""
        heapq.heappush(self._free, (at + 50_000, int(queue_id[5:], 16), queue_id))
