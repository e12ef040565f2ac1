"""The truth: every scene gives its golden; rows, columns and Lark's own parser read every entry alike."""

from __future__ import annotations

import json
from functools import cache
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from smtplog.formats import all_formats
from smtplog.formats.base import Format, Kind
from smtplog.read import columns, envelope, grammar, rows, source
from smtplog.read.grammar import Refused
from tests.refresh import TABLES, Scene, scenes

SCENES = scenes()
NAMES = [scene.name for scene in SCENES]
FORMATS = all_formats()
Read = dict[int, tuple[Kind, dict[str, Any]]]


@pytest.mark.parametrize("scene", SCENES, ids=NAMES)
def test_golden(scene: Scene) -> None:
    """The answer beside a scene is what the program says; `python -m tests.refresh` writes it anew, then read it."""
    kept = [table for table in TABLES if table == "events" or scene.golden(table).exists()]
    for table in kept:
        want = [json.loads(line) for line in scene.golden(table).read_text("utf-8").splitlines()]
        have = [json.loads(line) for line in scene.answer(table).splitlines()]
        assert have == want, f"{scene.golden(table)} says something else"


@cache
def entries(scene: Scene) -> pl.DataFrame:
    """The entries of a scene behind their envelopes."""
    (block,) = source.blocks(next(iter(source.inputs([str(scene.log)]))))
    return envelope.entries(block, envelope.find(source.lines(block)["raw"].head(200)))


def by_columns(some: pl.DataFrame, size: int) -> Read:
    """Row -> kind and fields, read in blocks of `size` entries."""
    found: Read = {}
    for start in range(0, some.height, size):
        parsed = columns.parse(some.slice(start, size), FORMATS)
        for one in parsed.kinds:
            for row in one.frame.iter_rows(named=True):
                fields = {name: value for name, value in row.items() if name != "row" and value is not None}
                found[start + row["row"]] = (one.kind, fields)
    return found


def by_rows(some: pl.DataFrame) -> tuple[Read, list[tuple[Format, Kind, str, str]]]:
    """The same, one text at a time; and which rule of which kind read which text."""
    found: Read = {}
    read: list[tuple[Format, Kind, str, str]] = []
    parsed = columns.parse(some, FORMATS)
    for row, (text, number) in enumerate(parsed.entries.select("text", "place").iter_rows()):
        place = parsed.places[number]
        understood = rows.read(text, place.format, place.kinds) if place.format else None
        if understood and place.format:
            fields = {name: value for name, value in understood.fields.items() if value is not None}
            found[row] = (understood.kind, fields)
            read.append((place.format, understood.kind, understood.rule, text))
    return found, read


@cache
def rows_of(scene: Scene) -> tuple[Read, list[tuple[Format, Kind, str, str]]]:
    """What the rows engine says of a scene."""
    return by_rows(entries(scene))


def assert_alike(some: pl.DataFrame, mine: Read, theirs: Read) -> None:
    """Each entry has the same kind and the same fields in both."""
    for row in range(some.height):
        assert mine.get(row) == theirs.get(row), some["text"][row]


@pytest.mark.parametrize("scene", SCENES, ids=NAMES)
@pytest.mark.parametrize("size", [7, 1_000_000])
def test_rows_and_columns_agree(scene: Scene, size: int) -> None:
    """Kind and every field of every entry, whatever the size of the blocks."""
    some = entries(scene)
    assert_alike(some, rows_of(scene)[0], by_columns(some, size))


@pytest.mark.parametrize("scene", SCENES, ids=NAMES)
def test_rows_and_columns_agree_one_entry_at_a_time(scene: Scene) -> None:
    """A block may hold one entry."""
    some = entries(scene)
    assert_alike(some, rows_of(scene)[0], by_columns(some, 1))


@pytest.mark.parametrize("scene", SCENES, ids=NAMES)
def test_lark_agrees_or_refuses(scene: Scene) -> None:
    """Lark's own parser gives what the pattern gives, or refuses: only rules marked so, never a hot one."""
    for one, kind, rule, text in rows_of(scene)[1]:
        captured = grammar.compiled(one.grammar, rule).fullmatch(text)
        assert captured
        read = by_lark(one, rule, text)
        if isinstance(read, Refused):
            assert kind.may_refuse, f"{kind.name}, rule {rule}: {read}: {text}"
            assert not kind.hot, f"{rule} is hot: {read}: {text}"
        else:
            assert read == captured.groupdict(), f"{rule}: {text}"


def by_lark(one: Format, rule: str, text: str) -> dict[str, str | None] | Refused:
    """What Lark's parser says."""
    try:
        return grammar.parser(one.grammar, rule).read(text)
    except Refused as refused:
        return refused


POOL = [line for scene in SCENES for line in entries(scene)["raw"].to_list()]


@st.composite
def spoilt(draw: st.DrawFn) -> str:
    """A line of a sample, cut, doubled, with parts swapped or with a strange character in it."""
    line = draw(st.sampled_from(POOL))
    at, other = sorted((draw(st.integers(0, len(line))), draw(st.integers(0, len(line)))))
    how = draw(st.sampled_from(["cut", "without", "twice", "swap", "insert", "join"]))
    match how:
        case "cut":
            return line[:at]
        case "without":
            return line[:at] + line[other:]
        case "twice":
            return line[:other] + line[at:]
        case "swap":
            return line[other:] + line[:at] + line[at:other]
        case "insert":
            return line[:at] + draw(st.text(min_size=1, max_size=4)) + line[at:]
        case _:
            return line[:at] + draw(st.sampled_from(POOL))[other:]


@settings(max_examples=60, deadline=None)
@given(st.lists(spoilt(), min_size=1, max_size=40))
def test_spoilt_lines_are_read_alike(lines: list[str]) -> None:
    """Whatever a line has become, rows and columns say the same of it, and nothing raises."""
    whole = source.Block(
        "-", "\n".join(line.replace("\n", " ").replace("\r", " ") for line in lines).encode("utf-8", "replace"), 1, 0
    )
    some = envelope.split(source.lines(whole))
    assert_alike(some, by_rows(some)[0], by_columns(some, 1000))


@pytest.mark.parametrize("one", [one for one in FORMATS if one.reads == "entries"], ids=lambda one: one.name)
def test_every_kind_has_a_sample(one: Format) -> None:
    """What no sample shows, nobody has proved."""
    mine = [entries(scene) for scene in SCENES]
    seen = {kind.name for some in mine for kind, _ in by_columns(some, 1000).values() if kind in one.kinds}
    missing = sorted({kind.name for kind in one.kinds} - seen)
    assert not missing, f"{one.name}: no sample of {', '.join(missing)}"


def test_every_scene_says_where_it_came_from() -> None:
    """samples/SOURCES.toml names each scene."""
    text = (SCENES[0].log.parent.parent / "SOURCES.toml").read_text("utf-8")
    assert not [name for name in NAMES if f'["{name}"]' not in text]
