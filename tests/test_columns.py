"""Blocks of entries to frames of events: order, types, what is left, and what a question needs."""

from __future__ import annotations

import json
from dataclasses import replace

import polars as pl
import pytest

from smtplog.contract import schema
from smtplog.contract.records import Event
from smtplog.formats import all_formats
from smtplog.read import columns, envelope, rows, source
from smtplog.read.columns import Parsed
from tests.conftest import mail, text_of

FORMATS = all_formats()
POSTFIX = next(one for one in FORMATS if one.name == "postfix")


def parsed(lines: list[str], wanted: frozenset[str] | None = None) -> Parsed:
    """Lines as a block, parsed."""
    return columns.parse(envelope.split(source.lines(source.Block("-", text_of(lines), 1, 0))), FORMATS, wanted)


def timed(one: Parsed) -> Parsed:
    """With complete times, as the clock leaves them."""
    whole = one.entries.with_columns(is_year_inferred=pl.lit(False), is_zone_assumed=pl.lit(True))
    return replace(one, entries=whole)


def test_events_keep_order_and_types() -> None:
    """One row per understood entry, in the order of the file, with the columns of the record."""
    events = columns.events(timed(parsed(mail())), "x.log")
    assert events.schema == schema.of(Event)
    assert events["kind"].to_list() == [
        "connect",
        "client",
        "message_id",
        "queued",
        "disconnect",
        "delivery",
        "removed",
    ]
    assert events["line"].to_list() == [1, 2, 3, 4, 5, 6, 7]
    delivery = events.row(5, named=True)
    assert (delivery["relay_name"], delivery["relay_port"], delivery["delay_s"]) == ("mx.dest.example", 25, 2.3)
    assert json.loads(delivery["fields"])["delay_connect_s"] == 1.2


def test_nothing_is_lost() -> None:
    """Entries understood and entries left add up; each of these says why."""
    lines = [
        *mail(),
        "Nov 23 12:00:09 mx1 sshd[5]: hello",
        "no head at all",
        "Nov 23 12:00:09 mx1 postfix/smtpd[5]: what is this",
    ]
    one = parsed(lines)
    assert sum(kind.frame.height for kind in one.kinds) + one.rest.height == len(lines)
    assert one.rest["why"].to_list() == ["foreign", "malformed", "unknown"]


def test_empty_block() -> None:
    """No entry, no event, all the columns."""
    assert columns.events(timed(parsed([])), "-").schema == schema.of(Event)


@pytest.mark.parametrize(
    "wanted", [{"recipient"}, {"status", "reply_code"}, {"next_queue_id"}, {"delay_transmit_s"}, {"stage"}]
)
def test_a_question_needs_only_its_fields(wanted: set[str]) -> None:
    """With fewer fields wanted, these are the same and the others are not read."""
    whole = next(k.frame for k in parsed(mail()).kinds if k.kind.name == "delivery")
    part = next(k.frame for k in parsed(mail(), frozenset(wanted)).kinds if k.kind.name == "delivery")
    assert set(part.columns) - {"row"} <= wanted
    assert part.select(sorted(wanted)).equals(whole.select(sorted(wanted)))


def test_a_misnamed_daemon_is_read_by_its_shape() -> None:
    """A log that calls every daemon smtpd is still understood."""
    lines = [line.replace("qmgr[", "smtpd[").replace("cleanup[", "smtpd[") for line in mail()]
    assert parsed(lines).rest.is_empty()


def test_explain_names_the_place() -> None:
    """Why a text did not fit: the rule that came farthest, the column, what it expected."""
    kinds = tuple(kind for kind in POSTFIX.kinds if kind.name in ("delivery", "connect"))
    said = rows.explain("4F3A12: to=<a@b.example>, relay=mx[192.0.2.1]:25, delay=x", POSTFIX, kinds)
    assert said
    assert "delivery" in said
    assert "column" in said
