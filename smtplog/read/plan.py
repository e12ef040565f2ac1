"""Which steps and which fields a question needs: what is not asked for is not read."""

from __future__ import annotations

from functools import cache

from smtplog.formats.base import Complete, Constant, Each, Kind, Replace, Split, Step, Sum, Trim
from smtplog.read import grammar

Wanted = frozenset[str] | None
"""Names of the fields a question needs; None: all of them."""


LIGHT = "failures"
"""Among the wanted: what a success says beyond that it is one need not be read."""
WATCHED = "clients"
"""Among the wanted: who connects and who fails to log in is counted."""
CLIENT = frozenset({"client_name", "client_ip", "client_port", "connection_id"})
"""Who is at the other end; sessions are told apart by it."""
LOGIN = frozenset({"auth_user", "attempt_count"})
"""As whom a client failed to log in, and how often."""


def of_kind(kind: Kind, wanted: Wanted) -> Wanted:
    """What a question needs of a kind: what is stitched into nothing is only understood, unless it is watched.

    Where keys of sessions are asked for, who their clients are tells them apart.
    """
    if wanted is None or kind.message or kind.delivers or kind.dialogue:
        return wanted
    is_watched = WATCHED in wanted and (kind.counts_connection or bool(kind.login_failed))
    is_keyed = "session_key" in wanted and kind.session is not None
    told = CLIENT | LOGIN if kind.login_failed else CLIENT
    return wanted & told if is_watched or is_keyed else frozenset()


def split_fields(name: str, step: Split) -> tuple[str, ...]:
    """The fields that a finer reading may add, in order."""
    return tuple(dict.fromkeys(f for rule in step.rules for f in grammar.shape(name, rule).fields))


def outputs(name: str, step: Step) -> tuple[str, ...]:
    """The fields that a step gives."""
    match step:
        case Split():
            return split_fields(name, step)
        case Trim() | Each() | Replace():
            return (step.source,)
        case Complete():
            return step.source, step.whole
        case _:
            return (step.target,)


def _inputs(step: Step) -> tuple[str, ...]:
    match step:
        case Constant():
            return ()
        case Sum():
            return tuple(step.parts)
        case Complete():
            return step.source, step.whole
        case _:
            return (step.source,)


@cache
def active(name: str, kind: Kind, wanted: Wanted) -> tuple[Step, ...]:
    """The steps that a question needs."""
    return _plan(name, kind, wanted)[0]


@cache
def needs(name: str, kind: Kind, rule: str, wanted: Wanted) -> Wanted:
    """The fields of a rule that a question needs, directly or for a step."""
    return None if wanted is None else _plan(name, kind, wanted)[1] & set(grammar.shape(name, rule).fields)


@cache
def asked_of(name: str, kind: Kind, wanted: Wanted, number: int) -> Wanted:
    """The fields that the active step `number` has to give."""
    if wanted is None:
        return None
    need = set(wanted)
    for step in reversed(active(name, kind, wanted)[number + 1 :]):
        need.update(_inputs(step))
    return frozenset(need)


def _plan(name: str, kind: Kind, wanted: Wanted) -> tuple[tuple[Step, ...], frozenset[str]]:
    if wanted is None:
        return kind.steps, frozenset()
    need, taken = set(wanted), []
    for step in reversed(kind.steps):
        if need & set(outputs(name, step)):
            taken.append(step)
            need.update(_inputs(step))
    return tuple(reversed(taken)), frozenset(need)
