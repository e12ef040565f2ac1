"""How to read: what a run is told beside its inputs."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, TypedDict

from smtplog.errors import QueryError
from smtplog.read.columns import Parsed
from smtplog.read.source import BLOCK_BYTES

THREADS = 2
IDLE = timedelta(days=5)
"""Postfix's and Exim's usual queue lifetime."""


class Reading(TypedDict, total=False):
    """The fields of `Options`, as the functions of the library take them by name."""

    input_format: str | None
    year: int | None
    zone: str | None
    reference: datetime | None
    idle: timedelta
    log_host: str | None
    dedupe: timedelta | None
    local_domains: tuple[str, ...]
    local_networks: tuple[str, ...]
    show_secrets: bool
    rules: Path | None
    block_bytes: int
    threads: int
    watch: Callable[[Parsed, str], None] | None
    progress: Callable[[str, int], None] | None


def _is_length(value: Any) -> bool:
    return isinstance(value, timedelta) and value >= timedelta(0)


def _is_number(value: Any) -> bool:
    return isinstance(value, int) and value > 0


def _is_text(value: Any) -> bool:
    return isinstance(value, str)


def _are_texts(value: Any) -> bool:
    return isinstance(value, (tuple, list)) and all(map(_is_text, value))


_SENSE: tuple[tuple[str, Callable[[Any], bool], str], ...] = (
    ("input_format", _is_text, 'the name of a format, such as "postfix"'),
    ("year", lambda year: isinstance(year, int), "the year of the log's first line, such as 2026"),
    ("zone", _is_text, 'the name of a zone, such as "Europe/Berlin"'),
    ("reference", lambda at: isinstance(at, datetime) and at.tzinfo is not None, "a time with its zone"),
    ("idle", _is_length, "a length of time, such as timedelta(days=5)"),
    ("log_host", _is_text, "the name of a host"),
    ("dedupe", _is_length, "a length of time, such as timedelta(days=1)"),
    ("local_domains", _are_texts, 'several names, such as ("example.org",)'),
    ("local_networks", _are_texts, 'several networks, such as ("192.0.2.0/24",)'),
    ("show_secrets", lambda choice: isinstance(choice, bool), "True or False"),
    ("rules", lambda path: isinstance(path, (str, os.PathLike)) and path != "", "the path of a file"),
    ("block_bytes", _is_number, "a number of octets above 0"),
    ("threads", _is_number, "a number above 0"),
    ("watch", callable, "a function"),
    ("progress", callable, "a function"),
)
"""What each option must be, unless it is None and may be."""


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
    show_secrets: leave passwords and what AUTH carried as they are.
    rules: file of further diagnosis rules.
    block_bytes: how much is read at a time; threads: how many parse. Both change only time and memory.
    watch: is shown every parsed block with the name of its input.
    progress: is told the name of an input and how many more octets of it have been read (unpacked).

    Raises:
        QueryError: a value makes no sense.
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

    def __post_init__(self) -> None:
        for name, fits, expected in _SENSE:
            value = getattr(self, name)
            if not (fits(value) or (value is None and getattr(Options, name) is None)):
                raise QueryError(f"{name}={value!r}: give {expected}")
