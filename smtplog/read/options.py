"""How to read: what a run is told beside its inputs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path

from smtplog.read.columns import Parsed
from smtplog.read.source import BLOCK_BYTES

THREADS = 2
IDLE = timedelta(days=5)
"""Postfix's and Exim's usual queue lifetime."""


@dataclass(frozen=True)
class Options:
    """How to read.

    input_format: name of the only format to expect; None: find out.
    year: of the first stamp that has none. zone: IANA name for stamps without one.
    reference: stands in for the time of an input that has none (a pipe): stamps do not lie after it.
    idle: how long a message may be silent before it is given out as it stands.
    log_host: the host of files that do not name one.
    local_domains, local_networks: whose mail is ours, for `direction`; no networks: loopback and private addresses.
    dedupe: leave out what another input has said within so long before, in the time of the log; None: count it all.
    rules: file of further diagnosis rules.
    watch: is shown every parsed block with the name of its input.
    """

    input_format: str | None = None
    year: int | None = None
    zone: str | None = None
    reference: datetime | None = None
    idle: timedelta = IDLE
    log_host: str | None = None
    dedupe: timedelta | None = None
    local_domains: tuple[str, ...] = ()
    local_networks: tuple[str, ...] = ()
    show_secrets: bool = False
    rules: Path | None = None
    block_bytes: int = BLOCK_BYTES
    threads: int = THREADS
    watch: Callable[[Parsed, str], None] | None = field(default=None, compare=False)
    progress: Callable[[str, int], None] | None = field(default=None, compare=False)
