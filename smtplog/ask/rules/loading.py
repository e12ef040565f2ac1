"""Rules read from TOML: the built-in ones, and a file of one's own before them."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping
from dataclasses import fields, replace
from functools import lru_cache
from pathlib import Path
from typing import Any

from smtplog.ask.rules import model
from smtplog.ask.rules.clauses import Asides, Denials
from smtplog.ask.rules.model import Provider, Reason, Rule, RuleSet, Wanted
from smtplog.ask.rules.phrases import Writing
from smtplog.errors import QueryError
from smtplog.read import keep


@lru_cache(maxsize=1)
def built_in() -> RuleSet:
    """The rules that come with smtplog: checked and indexed once, then kept."""
    folder = Path(__file__).parent
    sources = (*sorted(folder.glob("*.toml")), *sorted(folder.glob("*.py")))
    kept = keep.find(sources, "rules")
    if kept:
        return _rule_set(folder / "rules.toml", kept["tables"], keys=kept["keys"])
    tables = _read(folder / "rules.toml") | _read(folder / "reasons.toml")
    found = _rule_set(folder / "rules.toml", tables)
    keep.add(sources, "rules", {"tables": tables, "keys": found.phrase_keys})
    return found


@lru_cache(maxsize=8)
def load_rules(path: str | Path | None) -> RuleSet:
    """The built-in rules with those of a file of your own before them.

    Args:
        path: None: the built-in rules alone. TOML like `rules.toml`: `[[provider]]`, `[[text]]`, `[[enhanced]]`, `[[basic]]`, `[[state]]` tables in the
            order in which they are to be tried, and `[operator.NAME]` tables. A rule with the id of a built-in one
            takes its place; others are tried before all built-in rules of their step.

    Raises:
        QueryError: the file is missing, is no TOML, or a rule in it cannot be used; names file, rule and field.
    """
    base = built_in()
    if path is None:
        return base
    own = _rule_set(Path(path), _read(Path(path)), known=base)
    by_id = {rule.id: replace(rule, is_own=True) for rule in own.rules}
    kept = {rule.id: by_id.get(rule.id, rule) for rule in base.rules}
    fresh = [rule for rule in by_id.values() if rule.id not in kept]
    every = sorted([*fresh, *kept.values()], key=lambda rule: model.STEPS.index(rule.step))
    return replace(base, rules=tuple(every), providers=(*own.providers, *base.providers), keys=None)


def _read(path: Path) -> dict[str, Any]:
    import tomllib  # noqa: PLC0415 - not needed where the rules are kept

    try:
        return tomllib.loads(path.read_text("utf-8"))
    except OSError as error:
        raise QueryError(f"{path}: cannot be read: {error.strerror or error}; give a TOML file of rules") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise QueryError(f"{path}: not TOML: {error}") from error


def _rule_set(
    path: Path, data: dict[str, Any], known: RuleSet | None = None, keys: Mapping[str, Any] | None = None
) -> RuleSet:
    """Rules made of tables, checked unless their `keys` are known: then they have been before."""
    reasons = known.reasons if known else {r["name"]: Reason(**r) for r in data["reason"]}
    writing = (
        known.writing if known else Writing(data["spelling"], {n: f"({'|'.join(w)})" for n, w in data["words"].items()})
    )
    providers = tuple(_operators(path, data.get("operator", {})))
    operators = {p.name for p in (*providers, *(known.providers if known else ()))}
    unknown = sorted(data.keys() - {*model.STEPS, "operator"}) if known else []
    if unknown:
        raise QueryError(f"{path}: there is no table [[{unknown[0]}]]; there are {', '.join(model.STEPS)} and operator")
    rules, seen = [], set()
    for step in model.STEPS:
        for number, table in enumerate(data.get(step, []), 1):
            where = f"{path}: [[{step}]] number {number} ({table.get('id', 'without id')})"
            if keys is None:
                _check_fields(where, table)
            rule = _rule(where, step, table, writing)
            if keys is None:
                _check(where, rule, reasons, operators)
            if rule.id in seen:
                raise QueryError(f"{where}: the id {rule.id} stands twice")
            seen.add(rule.id)
            rules.append(rule)
    doubts = writing.phrases(data.get("doubts", []))
    denied = data.get("denials", {})
    denials = Denials(
        phrases=writing.lookup(denied.get("phrases", [])),
        openings=writing.lookup(denied.get("openings", [])),
        closings=writing.lookup(denied.get("closings", [])),
        turns=frozenset(denied.get("turns", [])),
        doubted=frozenset(denied.get("doubted", [])),
    )
    asides = Asides(writing.lookup(data.get("asides", {}).get("openings", [])))
    plain = frozenset(data.get("plain", []))
    return RuleSet(tuple(rules), reasons, providers, writing, doubts, plain, denials, asides, keys)


def _operators(path: Path, tables: dict[str, Any]) -> Iterator[Provider]:
    for name, table in tables.items():
        if not isinstance(table, dict) or not table.keys() <= {"hosts", "signs"}:
            raise QueryError(f"{path}: [operator.{name}]: it has hosts and signs, two lists of text")
        hosts = tuple(host.lower().removeprefix("*.") for host in table.get("hosts", []))
        yield Provider(name, hosts, tuple(s.lower() for s in table.get("signs", [])))


def _rule(where: str, step: str, table: dict[str, Any], writing: Writing) -> Rule:
    values: dict[str, Any] = {k: tuple(v) if isinstance(v, list) else v for k, v in table.items()}
    values["signs"] = tuple(sign.lower() for sign in values.get("signs", ()))
    try:
        wanted = Wanted(*(writing.phrases(values.get(name, ())) for name in ("any", "all", "none")))
    except ValueError as error:
        raise QueryError(f"{where}: {error}") from error
    return Rule(step=step, wanted=wanted, **values)


def _check_fields(where: str, table: dict[str, Any]) -> None:
    allowed = {f.name: str(f.type) for f in fields(Rule) if f.name not in {"step", "wanted", "is_own"}}
    for name, value in table.items():
        if name not in allowed:
            raise QueryError(f"{where}: there is no field {name}; there are {', '.join(allowed)}")
        if not _is_kind(allowed[name], value):
            raise QueryError(f"{where}: {name} is to be {_KINDS[allowed[name].split('[')[0].split(' ')[0]]}")
    missing = [name for name in ("id", "reason", "source", "examples") if not table.get(name)]
    if missing:
        raise QueryError(f"{where}: {missing[0]} is missing")


_KINDS = {"tuple": "a list of texts", "bool": "true or false", "str": "a text"}


def _is_kind(kind: str, value: object) -> bool:
    if kind.startswith("tuple"):
        return isinstance(value, list) and all(isinstance(v, str) for v in value)
    return isinstance(value, bool if kind.startswith("bool") else str)


def _check(where: str, rule: Rule, reasons: Mapping[str, Reason], operators: set[str]) -> None:
    try:
        for phrase in (*rule.wanted.any, *rule.wanted.all, *rule.wanted.none):
            _ = phrase.elements
    except ValueError as error:
        raise QueryError(f"{where}: {error}") from error
    choices = (
        ("reason", rule.reason, reasons),
        ("persistence", rule.persistence, (*model.PERSISTENCES, None)),
        ("actor", rule.actor, (*model.ACTORS, None)),
        ("provider", rule.provider, (*operators, None)),
    )
    for name, value, allowed in choices:
        if value not in allowed:
            known = ", ".join(sorted(filter(None, allowed)))
            raise QueryError(f"{where}: there is no {name} {value}; there are {known}")
    conditions = itertools.chain(rule.any, rule.all, rule.signs, rule.codes, rule.enhanced, rule.stages, rule.statuses)
    if not any(conditions) and rule.provider is None and rule.is_reply is None:
        raise QueryError(f"{where}: it has no condition, so it would decide everything")
