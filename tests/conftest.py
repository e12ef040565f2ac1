"""What the tests share: small logs written here, and the command line run inside this process."""

from __future__ import annotations

import io
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

TOP = Path(__file__).parent.parent
SAMPLES = TOP / "samples"
NOON = datetime(2026, 11, 23, 12, 0, 0, tzinfo=UTC)
KEPT = tempfile.TemporaryDirectory(prefix="smtplog-tests-")
"""What the program keeps between runs is kept for these tests only; nothing is left in the user's folder."""
os.environ["XDG_CACHE_HOME"] = KEPT.name
JUNE_2026 = 1_782_000_000
"""A file time (2026-06-21): files made by tests are as old as this when the year matters."""


@dataclass(frozen=True)
class Ran:
    """What a command line did."""

    code: int
    out: str
    err: str

    @property
    def rows(self) -> list[str]:
        """Standard output by line."""
        return self.out.splitlines()


class _Terminalless(io.TextIOWrapper):
    """Standard input with octets behind it."""


@pytest.fixture
def cli(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Callable[..., Ran]:
    """Run `smtplog ARGS` in this process: exit code, standard output, standard error."""
    from smtplog.cli import main

    def run(*args: object, stdin: bytes = b"") -> Ran:
        monkeypatch.setattr(sys, "argv", ["smtplog", *map(str, args)])
        monkeypatch.setattr(sys, "stdin", _Terminalless(io.BytesIO(stdin)))
        capsys.readouterr()
        try:
            main()
            code = 0
        except SystemExit as end:
            code = int(end.code or 0)
        said = capsys.readouterr()
        assert "Traceback" not in said.err, said.err
        return Ran(code, said.out, said.err)

    return run


def process(
    *args: object, stdin: bytes | None = None, env: dict[str, str] | None = None
) -> subprocess.CompletedProcess[bytes]:
    """Run `python -m smtplog ARGS` as a process of its own."""
    return subprocess.run(
        [sys.executable, "-m", "smtplog", *map(str, args)], input=stdin, capture_output=True, check=False,
        env={**os.environ, **(env or {})}, cwd=TOP, timeout=120,
    )  # fmt: skip


def stamp(at: datetime) -> str:
    """RFC 3164: `Nov  3 08:28:36`."""
    return f"{at:%b} {at.day:2} {at:%H:%M:%S}"


def mail(
    queue_id: str = "4F3A12", at: datetime = NOON, *, pid: int = 101, sender: str = "ann@src.example", to: str = "bob@dest.example",
    said: str = "250 2.0.0 Ok: queued as 9ABC01", status: str = "sent", dsn: str = "2.0.0", when: Callable[[datetime], str] = stamp,
    host: str = "mx1", ends: bool = True,
) -> list[str]:  # fmt: skip
    """The seven lines of one mail through Postfix: connect, client, message-id, queue, delivery, disconnect, removed."""
    client = "c1.src.example[10.77.1.1]"
    relay = "mx.dest.example[10.77.2.1]:25"
    texts = [
        (0, f"smtpd[{pid}]: connect from {client}"),
        (0, f"smtpd[{pid}]: {queue_id}: client={client}"),
        (0, f"cleanup[{pid + 1}]: {queue_id}: message-id=<{queue_id}.m@src.example>"),
        (1, f"qmgr[9]: {queue_id}: from=<{sender}>, size=1234, nrcpt=1 (queue active)"),
        (1, f"smtpd[{pid}]: disconnect from {client} ehlo=1 mail=1 rcpt=1 data=1 quit=1 commands=5"),
        (
            2,
            f"smtp[{pid + 2}]: {queue_id}: to=<{to}>, relay={relay}, delay=2.3, delays=0.1/0.02/1.2/0.98, dsn={dsn}, status={status} ({said})",
        ),
        (2, f"qmgr[9]: {queue_id}: removed"),
    ]
    return [f"{when(at + timedelta(seconds=s))} {host} postfix/{text}" for s, text in texts[: 7 if ends else 6]]


def traffic(count: int, *, gap: timedelta = timedelta(seconds=7), start: datetime = NOON) -> list[str]:
    """Mails whose lines mingle as they do on a busy server: short ids that come back, late lines, refusals, retries."""
    lines: list[tuple[datetime, int, str]] = []
    for n in range(count):
        at = start + gap * n
        queue_id = f"{0xA000 + n % 17:X}{n % 3}"
        parts = mail(
            queue_id, at, pid=100 + n % 5 * 10, sender=f"s{n % 7}@src.example", to=f"r{n % 11}@dest{n % 3}.example"
        )
        if n % 9 == 4:
            parts = mail(queue_id, at, pid=100 + n % 5 * 10, said="host mx.dest.example[10.77.2.1] said: 451 4.7.1 Try again later (in reply to RCPT TO command)",
                         status="deferred", dsn="4.7.1", ends=n % 2 == 0)  # fmt: skip
        for i, text in enumerate(parts):
            lines.append((at + timedelta(seconds=(0, 0, 0, 1, 1, 2, 2)[i] + (n % 4)), n, text))
        if n % 6 == 5:
            refused = (f"{stamp(at)} mx1 postfix/smtpd[{100 + n % 5 * 10}]: NOQUEUE: reject: RCPT from unknown[192.0.2.{n % 200}]: 554 5.7.1 "
                       f"<x{n}@dest.example>: Relay access denied; from=<a@b.example> to=<x{n}@dest.example> proto=ESMTP helo=<h>")  # fmt: skip
            lines.append((at, n, refused))
        if n % 10 == 3:
            lines.append((at, n, f"{stamp(at)} mx1 cron[7]: (u{n}) CMD (true)"))
    return [text for _, _, text in sorted(lines, key=lambda line: line[:2])]


def text_of(lines: Iterable[str]) -> bytes:
    """Lines as a file holds them."""
    return "".join(f"{line}\n" for line in lines).encode("utf-8", "surrogateescape")


def write(path: Path, lines: Iterable[str] | bytes, *, modified: int = JUNE_2026) -> Path:
    """Make a file of lines or octets, as old as `modified` (seconds since 1970)."""
    path.write_bytes(lines if isinstance(lines, bytes) else text_of(lines))
    os.utime(path, (modified, modified))
    return path


@pytest.fixture
def log(tmp_path: Path) -> Path:
    """A log of one sent mail, dated by its file to 2026."""
    return write(tmp_path / "mail.log", mail(), modified=int(NOON.timestamp()) + 3600)
