"""One entry -> its kind and fields. The same rules and steps as in columns.py, on one text with Python's `re`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import polars as pl

from smtplog.contract.records import Event, Unparsed
from smtplog.formats.base import (
    Complete,
    Constant,
    Each,
    Format,
    Instead,
    Kind,
    Lookup,
    Replace,
    Split,
    Step,
    Sum,
    Trim,
)
from smtplog.read import envelope, grammar, secrets
from smtplog.read.clock import Clock
from smtplog.read.detect import Place, place
from smtplog.read.dispatch import of_format, of_split, offers
from smtplog.read.grammar import Refused
from smtplog.read.handed import legible
from smtplog.read.meaning import spelling
from smtplog.read.plan import split_fields

Fields = dict[str, Any]


@dataclass(frozen=True)
class Understood:
    """What a text is: its kind, the rule that fitted, the fields with their types."""

    kind: Kind
    rule: str
    fields: Fields


def read(text: str, one: Format, kinds: Iterable[Kind]) -> Understood | None:
    """Read one text; None when no rule of these kinds fits. Never raises for text."""
    for offered in offers(one, tuple(kinds)):
        for kind, rule in of_format(one).in_order:
            if offered is not None and kind not in offered:
                continue
            fits = grammar.compiled(one.grammar, rule).fullmatch(text)
            if fits and kind:
                return Understood(kind, rule, meaning(fits.groupdict(), one.grammar, kind))
    return None


def meaning(captured: Fields, name: str, kind: Kind) -> Fields:
    """Take the kind's steps and give every field its type."""
    for step in kind.steps:
        captured = _take_step(captured, name, step)
    return {f: None if text is None else spelling(f).of_text(text) for f, text in captured.items()}


def _take_step(captured: Fields, name: str, step: Step) -> Fields:
    match step:
        case Trim(source, suffix):
            text = captured[source]
            return captured | {source: text.removesuffix(suffix) if text is not None else None}
        case Constant(target, value):
            return _first_of(captured, {target: value})
        case Lookup(source, target, table, letters, default):
            text = captured.get(source)
            word = default if text is None else table.get(text[:letters], default)
            return _first_of(captured, {target: word or None})
        case Split(source):
            found: Fields = dict.fromkeys(split_fields(name, step))
            text = captured.get(source)
            if text is not None:
                patterns = (grammar.compiled(name, rule) for _, rule in of_split(name, step).in_order)
                fits = next((m for p in patterns if (m := p.fullmatch(text))), None)
                found |= fits.groupdict() if fits else {}
            both = _first_of(captured, found)
            return {f: v for f, v in both.items() if f != source} if step.is_spent else both
        case Sum(target, parts):
            return _sum(captured, target, parts)
        case Replace(source, rule, by):
            text = captured.get(source)
            return captured if text is None else captured | {source: grammar.compiled(name, rule).sub(by, text)}
        case Instead(target, source):
            return _first_of(captured, {target: captured.get(source)})
        case Each(source, rule):
            text = captured.get(source)
            every = [] if text is None else grammar.compiled(name, rule).findall(text)
            return captured if text is None else captured | {source: [one.strip("<>") for one in every]}
        case Complete(source, whole):
            part, full = captured.get(source), captured.get(whole)
            is_part = part is not None and full is not None and full.startswith(f"{part}@")
            return captured | ({source: full, whole: None} if is_part else {})


def _sum(captured: Fields, target: str, parts: Mapping[str, float]) -> Fields:
    known = [(captured[name], weight) for name, weight in parts.items() if name in captured]
    total = 0.0
    for text, weight in known:
        total += float(text or 0.0) * weight
    rest = {f: v for f, v in captured.items() if f not in parts}
    return rest | {target: repr(total) if any(text is not None for text, _ in known) else None}


def _first_of(captured: Fields, added: Fields) -> Fields:
    return captured | {f: v for f, v in added.items() if captured.get(f) is None}


def explain(text: str, one: Format, kinds: Iterable[Kind]) -> str | None:
    """Why no rule fits: what the rule that came farthest expected, and where."""
    farthest: tuple[int, str, Refused] | None = None
    for kind in kinds:
        for rule in kind.rules:
            try:
                grammar.parser(one.grammar, rule).tree(text)
            except Refused as refused:
                if farthest is None or refused.column > farthest[0]:
                    farthest = refused.column, rule, refused
    return f"{farthest[1]}: {farthest[2]}" if farthest else None


def text_of(raw: str) -> str:
    """An entry without its envelope."""
    frame = pl.DataFrame({"line": 1, "line_count": 1, "raw": raw.split("\n")})
    return str(envelope.split(frame, envelope.find(frame["raw"]))["text"][0])


def event(line: str, formats: Sequence[Format], clock: Clock, *, show_secrets: bool = False) -> Event | Unparsed:
    """One log line -> its event, or why it is none. Keys that need other lines are null.

    Args:
        line: with its envelope, with or without line end.
        formats: the formats to expect.
        clock: knows year and zone; where a year is missing that it does not know, `at` is null.
        show_secrets: leave what AUTH carried, and passwords, as they are.
    """
    said = legible(line.rstrip("\r\n"))
    frame = pl.DataFrame({"line": [1], "line_count": [1], "raw": [said if show_secrets else secrets.without(said)]})
    entries = envelope.split(frame, envelope.find(frame["raw"]), is_repeated=False)
    timed = entries if clock.needs_reference(entries, []) else clock.apply(entries, [])
    row = timed.row(0, named=True)
    where = place(row["host"], row["program"], formats) if row["envelope"] else Place(None, None, None)
    common = {"source": "-", "line": 1, "line_count": 1, "host": where.host, "raw": row["raw"]}
    if where.format is None:
        why = "foreign" if row["envelope"] and row["program"] else "malformed"
        return Unparsed(**common, program=where.program, why=why)
    understood = read(row["text"], where.format, where.kinds)
    if understood is None:
        told = explain(row["text"], where.format, where.kinds)
        return Unparsed(**common, format=where.format.name, program=where.program, why="unknown", expected=told)
    shared = {name: value for name, value in understood.fields.items() if name in Event.model_fields}
    extra = {name: value for name, value in understood.fields.items() if name not in Event.model_fields}
    return Event(
        **common, **shared, format=where.format.name, instance=where.instance, service=where.service, pid=row["pid"],
        kind=understood.kind.name, at=row["at"], fields=extra or None,
        is_year_inferred=row.get("is_year_inferred", False), is_zone_assumed=row.get("is_zone_assumed", False),
    )  # fmt: skip
