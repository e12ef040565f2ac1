"""The truth: every scene gives its golden; rows, columns and Lark's own parser read every entry alike."""

from __future__ import annotations

import json
import random
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
from tests.refresh import Scene, scenes

SCENES = scenes()
NAMES = [scene.name for scene in SCENES]
FORMATS = all_formats()
Read = dict[int, tuple[Kind, dict[str, Any]]]


@pytest.mark.parametrize("scene", SCENES, ids=NAMES)
def test_golden(scene: Scene) -> None:
    """The answer beside a scene is what the program says; `python -m tests.refresh` writes it anew, then read it."""
    for table, answer in scene.answers().items():
        want = [json.loads(line) for line in scene.golden(table).read_text("utf-8").splitlines()]
        have = [json.loads(line) for line in answer.splitlines()]
        assert have == want, f"{scene.golden(table)} says something else"


@cache
def entries(scene: Scene) -> pl.DataFrame:
    """The entries of a scene behind their envelopes."""
    (block,) = source.blocks(next(iter(source.inputs([str(scene.log)]))))
    return envelope.entries(block, envelope.find(source.lines(block)["raw"].head(200)))


def fields_of(parsed: columns.Parsed) -> Read:
    """Row -> kind and fields."""
    found: Read = {}
    for one in parsed.kinds:
        for row in one.frame.iter_rows(named=True):
            found[row["row"]] = one.kind, {n: v for n, v in row.items() if n != "row" and v is not None}
    return found


def in_blocks(some: pl.DataFrame, size: int) -> Read:
    """The same for entries that stand in blocks of some size."""
    found: Read = {}
    for start in range(0, some.height, size):
        part = fields_of(columns.parse(some.slice(start, size), FORMATS))
        found |= {start + row: told for row, told in part.items()}
    return found


def by_rows(parsed: columns.Parsed) -> tuple[Read, list[tuple[Format, Kind, str, str]]]:
    """The same, one text at a time; and which rule of which kind read which text."""
    found: Read = {}
    read: list[tuple[Format, Kind, str, str]] = []
    for row, (text, number) in enumerate(parsed.entries.select("text", "place").iter_rows()):
        place = parsed.places[number]
        understood = rows.read(text, place.format, place.kinds) if place.format else None
        if understood and place.format:
            fields = {name: value for name, value in understood.fields.items() if value is not None}
            found[row] = (understood.kind, fields)
            read.append((place.format, understood.kind, understood.rule, text))
    return found, read


@cache
def parsed_of(scene: Scene) -> columns.Parsed:
    """What the columns engine says of a scene in one block."""
    return columns.parse(entries(scene), FORMATS)


@cache
def rows_of(scene: Scene) -> tuple[Read, list[tuple[Format, Kind, str, str]]]:
    """What the rows engine says of it."""
    return by_rows(parsed_of(scene))


def assert_alike(some: pl.DataFrame, mine: Read, theirs: Read) -> None:
    """Each entry has the same kind and the same fields in both."""
    for row in range(some.height):
        assert mine.get(row) == theirs.get(row), some["text"][row]


@pytest.mark.parametrize("scene", SCENES, ids=NAMES)
def test_rows_and_columns_agree(scene: Scene) -> None:
    """Kind and every field of every entry."""
    assert_alike(entries(scene), rows_of(scene)[0], fields_of(parsed_of(scene)))


@cache
def crowd() -> tuple[pl.DataFrame, Read]:
    """The entries of all scenes in one mixed order, and what the rows engine says of each."""
    told = [rows_of(scene)[0].get(row) for scene in SCENES for row in range(entries(scene).height)]
    order = random.Random(5321).sample(range(len(told)), len(told))
    everything = pl.concat(entries(scene) for scene in SCENES)
    return everything[order], {row: one for row, number in enumerate(order) if (one := told[number])}


@pytest.mark.parametrize("size", [400, 1_000_000])
def test_what_else_stands_in_a_block_does_not_matter(size: int) -> None:
    """Entries of all servers, hosts and stamps mixed: each is read as it is in its own log, at any size of blocks."""
    some, theirs = crowd()
    assert_alike(some, in_blocks(some, size), theirs)


def test_a_block_may_hold_one_entry() -> None:
    """One entry of each rule, and one that no rule fits, each in a block of its own."""
    by_rule = {(one.name, kind.name, rule): text for scene in SCENES for one, kind, rule, text in rows_of(scene)[1]}
    everything, told = crowd()
    wanted = set(by_rule.values())
    rows_wanted = [row for row, text in enumerate(everything["text"]) if text in wanted or row not in told]
    some = everything[rows_wanted]
    assert_alike(some, in_blocks(some, 1), {new: told[row] for new, row in enumerate(rows_wanted) if row in told})


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


@settings(max_examples=25, deadline=None)
@given(st.lists(spoilt(), min_size=1, max_size=60))
def test_spoilt_lines_are_read_alike(lines: list[str]) -> None:
    """Whatever a line has become, rows and columns say the same of it, and nothing raises."""
    whole = source.Block(
        "-", "\n".join(line.replace("\n", " ").replace("\r", " ") for line in lines).encode("utf-8", "replace"), 1, 0
    )
    some = envelope.split(source.lines(whole))
    parsed = columns.parse(some, FORMATS)
    assert_alike(some, by_rows(parsed)[0], fields_of(parsed))


@pytest.mark.parametrize("one", FORMATS, ids=lambda one: one.name)
def test_every_kind_has_a_sample(one: Format) -> None:
    """What no sample shows, nobody has proved."""
    seen = {kind.name for scene in SCENES for kind, _ in rows_of(scene)[0].values() if kind in one.kinds}
    missing = sorted({kind.name for kind in one.kinds} - seen)
    assert not missing, f"{one.name}: no sample of {', '.join(missing)}"


def test_every_scene_says_where_it_came_from() -> None:
    """samples/SOURCES.toml names each scene."""
    text = (SCENES[0].log.parent.parent / "SOURCES.toml").read_text("utf-8")
    assert not [name for name in NAMES if f'["{name}"]' not in text]
