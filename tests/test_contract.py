"""What things are called: kinds of value, records, and the schema they give."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import datetime, timedelta, timezone
from typing import Any, get_args, get_origin

import polars as pl
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import BaseModel, ValidationError

from smtplog.contract import fields, records, schema
from smtplog.contract.records import TABLES, Delivery, Event, Message, Session, Unparsed

RECORDS = [Event, Session, Message, Delivery, Unparsed]
ALL = [
    r
    for r in vars(records).values()
    if isinstance(r, type) and issubclass(r, records.Record) and r is not records.Record
]
SPELLINGS = {
    name: kind.__metadata__[0]
    for name, kind in vars(fields).items()
    if isinstance(getattr(kind, "__metadata__", (0,))[0], fields.Spelling)
}
NUMBERS = ("Number", "Count", "Bytes", "Bits", "Port", "Code")


def by_column(spelling: fields.Spelling, texts: list[str | None]) -> list[Any]:
    """What the columns engine makes of captured texts."""
    frame = pl.DataFrame({"c": pl.Series(texts, dtype=pl.String)})
    return frame.select(spelling.of_column(pl.col("c")).alias("c"))["c"].to_list()


@settings(max_examples=25, deadline=None)
@given(st.lists(st.text(alphabet=st.characters(codec="utf-8", exclude_characters="\n")), min_size=1, max_size=8))
@pytest.mark.parametrize("name", sorted(set(SPELLINGS) - {*NUMBERS, "Seconds", "Ratio", "Flag", "Timestamp", "Lower"}))
def test_texts_are_spelt_alike(name: str, texts: list[str]) -> None:
    """A text becomes the same value one at a time and as a column, whatever stands in it."""
    assert by_column(SPELLINGS[name], [*texts, None]) == [*map(SPELLINGS[name].of_text, texts), None]


@settings(max_examples=25, deadline=None)
@given(st.lists(st.integers(0, 10**18 - 1).map(str), min_size=1, max_size=8))
@pytest.mark.parametrize("name", NUMBERS)
def test_whole_numbers_are_spelt_alike(name: str, texts: list[str]) -> None:
    """Up to eighteen digits, as many as a rule allows."""
    assert by_column(SPELLINGS[name], texts) == [SPELLINGS[name].of_text(text) for text in texts]


@given(st.decimals(0, 10**9, places=2).map(str))
def test_seconds_are_spelt_alike(text: str) -> None:
    """Decimals as servers print them."""
    assert by_column(SPELLINGS["Seconds"], [text]) == [SPELLINGS["Seconds"].of_text(text)]


@pytest.mark.parametrize("text", ["TRUE.Example", "ÄÖ.example", "İ.example"])
def test_lower_case_is_spelt_alike(text: str) -> None:
    """Domains are compared in lower case by both engines, also beyond ASCII."""
    assert by_column(SPELLINGS["Lower"], [text]) == [SPELLINGS["Lower"].of_text(text)]


@pytest.mark.parametrize(
    ("name", "text", "value"),
    [
        ("Address", "@a.example,@b.example:user@c.example", "user@c.example"),
        ("Address", '"a:b"@c.example', '"a:b"@c.example'),
        ("Address", "@odd", "@odd"),
        ("Address", "", ""),
        ("HostName", "unknown", None),
        ("HostName", "unknown.example", "unknown.example"),
        ("NextHop", "none", None),
        ("QueueId", "NOQUEUE", None),
        ("MessageId", "<a@b>", "a@b"),
        ("MessageId", " <a@b> ", "a@b"),
        ("MessageId", "no brackets", "no brackets"),
        ("MessageId", "<>", None),
        ("MessageId", "", None),
    ],
)
def test_what_texts_mean(name: str, text: str, value: str | None) -> None:
    """Brackets, source routes and words that stand for nothing are taken off; the null sender stays empty text."""
    assert SPELLINGS[name].of_text(text) == value
    assert by_column(SPELLINGS[name], [text]) == [value]


def test_times_are_written_in_utc_with_six_decimals() -> None:
    """Always six decimals and Z, whatever zone a time was made in."""
    berlin = timezone(timedelta(hours=1))
    event = Event(source="-", line=1, line_count=1, kind="connect", at=datetime(2026, 11, 23, 9, 0, 0, tzinfo=berlin))

    assert json.loads(event.model_dump_json())["at"] == "2026-11-23T08:00:00.000000Z"
    assert event.model_dump()["at"] == event.at


@pytest.mark.parametrize("record", ALL, ids=lambda r: r.__name__)
def test_every_field_says_what_it_is(record: type[BaseModel]) -> None:
    """A doc on each record and on each field: they go into every export."""
    assert record.__doc__
    for name, field in record.model_fields.items():
        assert field.description, f"{record.__name__}.{name}"
        assert name == name.lower()
        assert name.isidentifier()


@pytest.mark.parametrize("record", RECORDS, ids=lambda r: r.__name__)
def test_records_are_closed_and_frozen(record: type[BaseModel]) -> None:
    """A name that is not in the contract is an error, and a record does not change."""
    must = {name: _value(field.annotation) for name, field in record.model_fields.items() if field.is_required()}
    one = record.model_validate(must)

    with pytest.raises(ValidationError, match="frozen"):
        one.line = 2  # type: ignore[attr-defined]
    with pytest.raises(ValidationError, match="Extra inputs"):
        record.model_validate({**must, "nonsense": 1})


def _value(annotation: object) -> object:
    return next((value for name, value in ((bool, True), (int, 1)) if name is annotation), "text")


@pytest.mark.parametrize("record", RECORDS, ids=lambda r: r.__name__)
def test_provenance_comes_first_on_every_record(record: type[BaseModel]) -> None:
    """source, line, format, host."""
    assert list(record.model_fields)[:4] == ["source", "line", "format", "host"]


def test_one_name_means_one_thing() -> None:
    """A field that stands in several records has one type everywhere."""
    seen: dict[str, tuple[str, pl.DataType]] = {}
    for record in (Event, Session, Message, Delivery):
        for name, dtype in schema.of(record).items():
            where, before = seen.setdefault(name, (record.__name__, dtype))
            assert dtype == before or name == "recipients", f"{record.__name__}.{name} is not as in {where}"


def test_units_stand_last() -> None:
    """Seconds are decimals, octets and counts whole numbers, times UTC in microseconds: the ending says which."""
    kinds = {
        "_s": pl.Float64(),
        "_bytes": pl.Int64(),
        "_count": pl.Int64(),
        "_port": pl.Int64(),
        "_at": pl.Datetime("us", "UTC"),
    }
    for record in TABLES.values():
        for name, dtype in schema.of(record).items():
            for ending, kind in kinds.items():
                assert not name.endswith(ending) or dtype == kind, name


@pytest.mark.parametrize("record", TABLES.values(), ids=TABLES)
def test_the_schema_is_the_record(record: type[records.Record]) -> None:
    """Columns are the record's fields in their order; docs, units and the version ride in the metadata; no maps."""
    arrow = schema.arrow(record)

    assert arrow.names == list(record.model_fields) == list(schema.of(record))
    assert arrow.metadata[b"smtplog.contract"] == schema.VERSION.encode()
    assert arrow.metadata[b"smtplog.record"] == record.__name__.encode()
    for field in arrow:
        assert field.metadata[b"doc"].decode() == record.model_fields[field.name].description
        if field.name.endswith(("_s", "_bytes")):
            assert field.metadata[b"unit"] in (b"seconds", b"octets")
        assert not pa.types.is_map(field.type)


def nodes(field: pa.Field, hint: Any, doc: str | None) -> Iterator[tuple[str, pa.Field, str | None]]:
    """A field and all that is in it: where it stands, and the doc that its record has for it."""
    hint = schema._bare(hint)
    yield field.name, field, doc
    inside: list[tuple[pa.Field, Any, str | None]] = []
    if get_origin(hint) is list:
        element = schema._bare(get_args(hint)[0])
        inside = [(field.type.value_field, element, getattr(element, "__doc__", None) if element in ALL else doc)]
    elif hint in ALL:
        assert [one.name for one in field.type] == list(hint.model_fields)
        inside = [(one, schema._hints(hint)[one.name], hint.model_fields[one.name].description) for one in field.type]
    for one in inside:
        yield from ((f"{field.name}.{name}", *rest) for name, *rest in nodes(*one))


@pytest.mark.parametrize("record", TABLES.values(), ids=TABLES)
def test_what_stands_deep_in_the_schema_says_what_it_is_too(record: type[records.Record]) -> None:
    """Every field inside a struct or a list has its record's doc, and the unit that its kind of value has anywhere."""
    arrow = schema.arrow(record)
    top = [(f, schema._hints(record)[f.name], record.model_fields[f.name].description) for f in arrow]
    units = {"_s": "seconds", "_bytes": "octets", "_count": "count", "bits": "bits", "_at": "UTC, microseconds"}
    found = [node for one in top for node in nodes(*one)]

    for where, field, doc in found:
        assert doc, where
        assert field.metadata[b"doc"].decode() == doc, where
        unit = field.metadata.get(b"unit", b"").decode()
        assert unit in {"", *units.values()}, where
        assert all(unit == word for ending, word in units.items() if where.endswith(ending)), where
        assert (unit == units["_at"]) == pa.types.is_timestamp(field.type), where
    assert len(found) > len(arrow) or record in (Event, Delivery)
    assert pl.DataFrame(schema=schema.of(record)).to_arrow().schema.equals(arrow)  # docs change no type


@pytest.mark.parametrize("record", TABLES.values(), ids=TABLES)
def test_a_row_is_a_record(record: type[records.Record]) -> None:
    """What a frame of the schema holds, the record takes, and the other way round."""
    must = {name: _value(f.annotation) for name, f in record.model_fields.items() if f.is_required()}
    one = record.model_validate(must)
    frame = pl.DataFrame([one.model_dump()], schema=schema.of(record))

    assert record.model_validate(frame.row(0, named=True)) == one
