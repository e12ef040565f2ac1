"""Which format has an entry: by the program that wrote it, else by its shape."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

from smtplog.formats.base import Format, Kind
from smtplog.read import grammar


@dataclass(frozen=True)
class Place:
    """Who wrote an entry. `kinds` is what it may be; none: another program's."""

    host: str | None
    program: str | None
    format: Format | None
    instance: str | None = None
    service: str | None = None
    kinds: tuple[Kind, ...] = ()


def place(host: str | None, program: str | None, formats: Sequence[Format]) -> Place:
    """Find the format of a program, and the instance and service its name says."""
    for one in formats:
        known = _in_format(one, program)
        if known is not None:
            instance, service = known
            return Place(host, program, one, instance, service, kinds_of(one, service))
    return Place(host, program, None)


def _in_format(one: Format, program: str | None) -> tuple[str | None, str | None] | None:
    if program is None:
        return (None, None) if one.is_plain else None
    if program in one.programs:
        return None, (program if one.program is None and not one.is_plain else None)
    if one.program is None:
        return None
    parts = grammar.compiled(one.grammar, one.program).fullmatch(program)
    if not parts:
        return None
    instance, service = parts["instance"], parts["service"]
    if daemon(service) in _services(one) or (instance or "").startswith(one.instances):
        return instance, service
    return None


def daemon(service: str) -> str:
    """The daemon is the last part of a service: `submission/smtpd` is an smtpd."""
    return service.rpartition("/")[2]


@cache
def _services(one: Format) -> frozenset[str]:
    return frozenset(service for kind in one.kinds for service in kind.services)


@cache
def kinds_of(one: Format, service: str | None) -> tuple[Kind, ...]:
    """The kinds a service may write, the hot ones first; all kinds where the service is not known."""
    name = daemon(service) if service else None
    if name not in _services(one):
        return one.kinds
    return tuple(kind for kind in one.kinds if name in kind.services or not kind.services)
