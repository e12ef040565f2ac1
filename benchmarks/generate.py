"""Write a large, realistic mail log: the same seed gives the same bytes.

python benchmarks/generate.py --lines 1000000 --seed 1 -o postfix.log
python benchmarks/generate.py --lines 2000000 --format exim -o mainlog
"""

from __future__ import annotations

import argparse
import os
from calendar import timegm
from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path
from time import gmtime, strftime

START = timegm((2026, 11, 20, 0, 0, 0))
STAMPS = {"postfix": "%b %e %H:%M:%S ", "exim": "%Y-%m-%d %H:%M:%S "}


def _host(form: str) -> Callable[[int, int], Iterator[tuple[int, list[str]]]]:
    """Give what starts a host of that kind: (seed, start) -> its seconds."""
    if form == "exim":
        from exim import EximHost

        return lambda seed, start: EximHost(seed, start).lines()
    from postfix import PostfixHost

    return lambda seed, start: PostfixHost(seed, start).lines()


def write(path: Path, lines: int, seed: int = 1, form: str = "postfix") -> int:
    """Write a log.

    Args:
        path: the file; it gets the time of its last line, because a stamp without a year is read against that.
        lines: how many.
        seed: of everything in it.
        form: "postfix" or "exim".

    Returns:
        Its size in bytes.
    """
    left, second = lines, START
    with path.open("wb") as out:
        for at, texts in _host(form)(seed, START):
            stamp = strftime(STAMPS[form], gmtime(at))
            part = list(islice(texts, left))
            out.write("".join([f"{stamp}{text}\n" for text in part]).encode())
            left, second = left - len(part), at
            if not left:
                break
    os.utime(path, (second, second))
    return path.stat().st_size


def main() -> None:
    """Read the options and write the file."""
    parser = argparse.ArgumentParser(
        description="Write a large, realistic mail log; the same seed gives the same bytes."
    )
    parser.add_argument("--lines", type=int, default=1_000_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--format", choices=sorted(STAMPS), default="postfix")
    parser.add_argument("-o", "--output", type=Path, required=True)
    options = parser.parse_args()
    size = write(options.output, options.lines, options.seed, options.format)
    print(f"{options.output}: {options.lines:,} lines, {size / 1e6:.1f} MB")


if __name__ == "__main__":
    main()
