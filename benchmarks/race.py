"""Race smtplog against pflogsumm and eximstats on the same log, in the same run, turn by turn.

    python benchmarks/race.py                      # 1,000,000 Postfix lines
    python benchmarks/race.py --format exim        # 2,000,000 Exim lines
    python benchmarks/race.py --all                # also ten times the lines, gzip, unknown daemon, start

Nothing is asserted: the tables say what was measured, on this machine, this time. The last one has everything in
Markdown, as benchmarks/README.md shows it.
"""

from __future__ import annotations

import argparse
import gzip
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from time import perf_counter

from rich.console import Console
from rich.table import Table
from totals import of_eximstats, of_pflogsumm, side_by_side

PEERS = {"postfix": "pflogsumm", "exim": "eximstats"}
PACKAGES = {"pflogsumm": "pflogsumm", "eximstats": "exim4-base"}
LINES = {"postfix": 1_000_000, "exim": 2_000_000}
BLOCK = 1 << 20
FEW = 100
OUT = Console(highlight=False)
TITLES = ("command", "median s", "best s", "cpu s", "lines/s", "peak MB", "against")
AS_INSTALLED = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
"""What is installed has its modules compiled, a source tree where this is set has not."""
FIGURES: list[tuple[str, ...]] = []
"""Everything that was measured, one row a command, for the last table."""


@dataclass
class Runner:
    """One contender: its command, and what its runs took.

    Attributes:
        name: shown in the table.
        command: its arguments; "{out}" becomes a fresh folder in every run.
        seconds: wall time of every run.
        busy: processor time of every run, user and system, all threads.
        peak: highest resident memory of any run, bytes.
        output: what the last run wrote to standard output.
        failure: the end of its messages, when a run ended with an error.
    """

    name: str
    command: list[str]
    seconds: list[float] = field(default_factory=list)
    busy: list[float] = field(default_factory=list)
    peak: int = 0
    output: str = ""
    failure: str = ""

    def run(self, folder: Path) -> None:
        """Run it once; what it writes is kept in `folder` only as long as it runs."""
        with tempfile.TemporaryDirectory(dir=folder) as scratch:
            out, err = Path(scratch, "stdout"), Path(scratch, "stderr")
            command = [part.replace("{out}", str(Path(scratch, "export"))) for part in self.command]
            with out.open("wb") as stdout, err.open("wb") as stderr:
                begin = perf_counter()
                child = subprocess.Popen(
                    command, stdout=stdout, stderr=stderr, stdin=subprocess.DEVNULL, env=AS_INSTALLED
                )
                _, status, usage = os.wait4(child.pid, 0)
                took = perf_counter() - begin
            child.returncode = os.waitstatus_to_exitcode(status)
            self.seconds.append(took)
            self.busy.append(usage.ru_utime + usage.ru_stime)
            self.peak = max(self.peak, usage.ru_maxrss * (1 if sys.platform == "darwin" else 1024))
            self.output = out.read_text(errors="replace") if out.stat().st_size < 50_000_000 else ""
            if child.returncode:
                last = err.read_text(errors="replace").strip().splitlines()[-1:] or ["no message"]
                self.failure = f"exit {child.returncode}: {last[0]}"

    @property
    def middle(self) -> float:
        """Median of the wall times, seconds."""
        return median(self.seconds)


def contenders(smtplog: str, log: Path) -> list[Runner]:
    """Give what is measured of smtplog on one log."""
    path = str(log)
    return [
        Runner("smtplog summary", [smtplog, "summary", path]),
        Runner("smtplog export", [smtplog, "export", path, "-o", "{out}", "--tables", "messages,deliveries"]),
        Runner("smtplog events", [smtplog, "events", path, "--count"]),
        Runner("smtplog deliveries", [smtplog, "deliveries", path, "--count"]),
    ]


def race(runners: list[Runner], runs: int, folder: Path) -> None:
    """Let all run in turn, `runs` times, so that a slow minute of the machine meets everybody."""
    for number in range(runs):
        for runner in runners:
            with OUT.status(f"run {number + 1} of {runs}: {runner.name}"):
                runner.run(folder)


def ratio(over: float, under: float) -> str:
    """Write how many times `under` goes into `over`."""
    return f"{over / under:.2f}"


def show(title: str, runners: list[Runner], lines: int, against: dict[str, str] | None = None) -> None:
    """Print what was measured, and remember it for the last table; `against` has words by the name of a runner."""
    table = Table(title=title, title_justify="left")
    for column in TITLES:
        table.add_column(column, justify="left" if column in {"command", "against"} else "right")
    for runner in runners:
        if runner.failure:
            table.add_row(runner.name, "failed")
            continue
        row = (
            runner.name,
            f"{runner.middle:.2f}",
            f"{min(runner.seconds):.2f}",
            f"{median(runner.busy):.2f}",
            f"{lines / runner.middle:,.0f}" if lines else "",
            f"{runner.peak / 1e6:,.0f}",
            (against or {}).get(runner.name, ""),
        )
        table.add_row(*row)
        FIGURES.append(row)
    OUT.print(table)
    for runner in runners:
        if runner.failure:
            OUT.print(f"{runner.name} failed: {runner.failure}", style="bold red", markup=False)


def compare(smtplog: str, log: Path, peer: Runner, folder: Path) -> None:
    """Print the peer's totals beside those of `smtplog summary --format json`."""
    ours = Runner("totals", [smtplog, "summary", str(log), "--format", "json"])
    ours.run(folder)
    try:
        totals = json.loads(ours.output)["totals"]
    except (ValueError, KeyError):
        OUT.print(f"no totals from smtplog summary --format json {ours.failure}", style="bold red", markup=False)
        return
    theirs = of_pflogsumm(peer.output) if peer.name == "pflogsumm" else of_eximstats(peer.output)
    table = Table(title=f"totals: {peer.name} and smtplog", title_justify="left")
    for column in (peer.name, "", "smtplog", "", "difference"):
        table.add_column(column, justify="left" if column in {peer.name, "smtplog"} else "right")
    for row in side_by_side(peer.name, theirs, totals):
        table.add_row(*row)
    OUT.print(table)


def at_ten_times(options: argparse.Namespace, log: Path, once: list[Runner], folder: Path) -> None:
    """Run everything on ten times the lines, and set time and peak against the first table's."""
    longer = folder / f"{log.stem}-x10{log.suffix}"
    ensure(longer, options.lines * 10, options)
    more = contenders(options.smtplog, longer)
    race(more, 1, folder)
    against = {}
    for small, large in zip(once, more, strict=True):
        large.name += ", ten times the lines"
        if not small.failure and not large.failure:
            time, peak = ratio(large.middle, small.middle), ratio(large.peak, small.peak)
            against[large.name] = f"{time} x the time, {peak} x the memory of once"
    show(f"ten times the lines: {longer.name}", more, options.lines * 10, against)


def with_gzip(options: argparse.Namespace, log: Path, folder: Path) -> None:
    """Measure what a compressed log costs, against unpacking it with zcat."""
    packed = folder / f"{log.name}.gz"
    if not packed.exists():
        with (
            OUT.status(f"packing {packed.name}"),
            log.open("rb") as source,
            packed.open("wb") as raw,
            gzip.GzipFile(log.name, "wb", 6, raw, mtime=log.stat().st_mtime) as out,
        ):
            shutil.copyfileobj(source, out, BLOCK)
        os.utime(packed, (log.stat().st_mtime,) * 2)
    zcat = Runner("zcat", ["zcat", str(packed)])
    plain = Runner("smtplog summary, plain", [options.smtplog, "summary", str(log)])
    gzipped = Runner("smtplog summary, gzip", [options.smtplog, "summary", str(packed)])
    race([zcat, plain, gzipped], options.runs, folder)
    extra = gzipped.middle - plain.middle
    against = {gzipped.name: f"{extra:+.2f} s, {ratio(extra, zcat.middle)} x zcat"}
    show("gzip", [zcat, plain, gzipped], options.lines, against)


def _renamed(log: Path, daemon: bytes) -> Iterator[bytes]:
    """Give the lines with the last part of every Postfix daemon's name replaced."""
    with log.open("rb") as source:
        for line in source:
            head, mark, rest = line.partition(b"[")
            slash = head.rfind(b"/")
            is_postfix = mark and slash > 0 and b" postfix/" in head and b": " not in head
            yield head[: slash + 1] + daemon + mark + rest if is_postfix else line


def with_unknown_daemon(options: argparse.Namespace, log: Path, folder: Path) -> None:
    """Measure what it costs when no daemon name says which shapes to expect."""
    renamed = folder / f"{log.stem}-{options.unknown_daemon}{log.suffix}"
    if not renamed.exists():
        with OUT.status(f"writing {renamed.name}"), renamed.open("wb") as out:
            out.writelines(_renamed(log, options.unknown_daemon.encode()))
        os.utime(renamed, (log.stat().st_mtime,) * 2)
    known = [runner for runner in contenders(options.smtplog, log) if runner.name.endswith(("summary", "events"))]
    other = [runner for runner in contenders(options.smtplog, renamed) if runner.name.endswith(("summary", "events"))]
    for first, second in zip(known, other, strict=True):
        first.name += ", known daemons"
        second.name += ", unknown daemon"
    race([*known, *other], options.runs, folder)
    against = {
        second.name: f"{ratio(second.middle, first.middle)} x the time with known names"
        for first, second in zip(known, other, strict=True)
    }
    show(f"daemon called {options.unknown_daemon!r}", [*known, *other], options.lines, against)


def at_the_start(options: argparse.Namespace, log: Path, folder: Path) -> None:
    """Measure what a command costs before it has read anything to speak of."""
    short = folder / f"{log.stem}-{FEW}{log.suffix}"
    with log.open("rb") as source:
        short.write_bytes(b"".join(line for line, _ in zip(source, range(FEW), strict=False)))
    os.utime(short, (log.stat().st_mtime,) * 2)
    runners = [
        Runner("smtplog --help", [options.smtplog, "--help"]),
        Runner(f"smtplog summary, {FEW} lines", [options.smtplog, "summary", str(short)]),
    ]
    race(runners, options.runs, folder)
    show("start", runners, 0)


def in_markdown() -> None:
    """Print everything that was measured as one table for a README."""
    lines = [TITLES, ("---", *["---:"] * (len(TITLES) - 2), "---"), *FIGURES]
    OUT.print("\nAs Markdown:\n", style="bold")
    for line in lines:
        OUT.print(f"| {' | '.join(line)} |", markup=False, soft_wrap=True)


def ensure(log: Path, lines: int, options: argparse.Namespace) -> None:
    """Write the log unless it is there already, and read it once, so that nobody pays for a cold disk."""
    if not log.exists():
        with OUT.status(f"writing {log.name}: {lines:,} lines"):
            part = log.with_name(log.name + ".part")
            generator = [sys.executable, str(Path(__file__).with_name("generate.py")), "--format", options.format]
            subprocess.run(
                [*generator, "--lines", str(lines), "--seed", str(options.seed), "-o", str(part)],
                check=True,
                stdout=subprocess.DEVNULL,
            )
            part.rename(log)
    with log.open("rb") as source:
        while source.read(BLOCK):
            pass


def run(options: argparse.Namespace, folder: Path) -> None:
    """Do everything that the options ask for."""
    log = options.log or folder / f"{options.format}-{options.lines}-{options.seed}.log"
    ensure(log, options.lines, options)
    if options.log:
        with log.open("rb") as source:
            options.lines = sum(block.count(b"\n") for block in iter(lambda: source.read(BLOCK), b""))
    size, cores = (
        log.stat().st_size,
        len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
    )
    OUT.print(
        f"{log}: {options.lines:,} lines, {size / 1e6:.1f} MB; {cores} cores, load {os.getloadavg()[0]:.2f}",
        markup=False,
    )
    name = PEERS[options.format]
    peer = Runner(name, [name, str(log)]) if shutil.which(name) else None
    if not peer:
        OUT.print(f"{name} is not installed (Debian: apt-get install {PACKAGES[name]}); smtplog runs alone")
    ours = contenders(options.smtplog, log)
    runners = [*([peer] if peer else []), *ours]
    race(runners, options.runs, folder)
    against = {one.name: f"{ratio(peer.middle, one.middle)} x as fast as {name}" for one in ours} if peer else {}
    show(f"median of {options.runs}, in turn", runners, options.lines, against)
    if peer:
        compare(options.smtplog, log, peer, folder)
    if options.ten:
        at_ten_times(options, log, ours, folder)
    if options.gzip:
        with_gzip(options, log, folder)
    if options.unknown_daemon:
        with_unknown_daemon(options, log, folder)
    if options.start:
        at_the_start(options, log, folder)
    in_markdown()


def main() -> None:
    """Read the options and race."""
    parser = argparse.ArgumentParser(description="Race smtplog against pflogsumm or eximstats on the same log.")
    parser.add_argument("--format", choices=sorted(PEERS), default="postfix", help="whose log (postfix)")
    parser.add_argument("--lines", type=int, help="length of the log (1,000,000; Exim 2,000,000)")
    parser.add_argument("--runs", type=int, default=3, help="how often each contender runs (3)")
    parser.add_argument("--seed", type=int, default=1, help="another seed, another log (1)")
    parser.add_argument("--folder", type=Path, help="keep logs here and use them again (else a temporary folder)")
    parser.add_argument("--log", type=Path, help="race on this log instead of a generated one")
    parser.add_argument("--smtplog", help="the command to race (else the one beside this Python, else on the PATH)")
    parser.add_argument("--ten", action="store_true", help="also at ten times the lines: time and peak")
    parser.add_argument("--gzip", action="store_true", help="also on the gzipped log, against zcat")
    parser.add_argument(
        "--unknown-daemon", nargs="?", const="agent", metavar="NAME", help="also with Postfix's daemons renamed"
    )
    parser.add_argument("--start", action="store_true", help=f"also --help, and a summary of {FEW} lines")
    parser.add_argument("--all", action="store_true", help="all of these that fit the format")
    options = parser.parse_args()
    if options.all:
        options.ten, options.gzip, options.start = not options.log, True, True
        if options.format == "postfix":
            options.unknown_daemon = options.unknown_daemon or "agent"
    if options.ten and options.log:
        parser.error("--ten needs a generated log: leave out --log")
    options.lines = options.lines or LINES[options.format]
    beside = Path(sys.executable).with_name("smtplog")
    options.smtplog = options.smtplog or (str(beside) if beside.exists() else shutil.which("smtplog"))
    if not options.smtplog:
        sys.exit(
            "race.py: no smtplog beside this Python nor on the PATH: pip install . first, or name it with --smtplog"
        )
    if options.folder:
        options.folder.mkdir(parents=True, exist_ok=True)
        run(options, options.folder)
    else:
        with tempfile.TemporaryDirectory(prefix="smtplog-race-") as folder:
            run(options, Path(folder))


if __name__ == "__main__":
    main()
