"""Filters: which rows of a table a question is about."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import polars as pl
import pytest

import smtplog
from smtplog.ask import query
from smtplog.ask.query import FILTERS, Query
from smtplog.contract import schema
from smtplog.contract.records import TABLES
from smtplog.errors import QueryError
from tests.conftest import NOON, mail, stamp

HOURS = timedelta(hours=1)
LINES = [
    *mail("AAAA1", NOON, sender="ann@src.example", to="Bob@Dest.example"),
    *mail(
        "BBBB2",
        NOON + HOURS,
        sender="",
        to="carol@other.example",
        status="bounced",
        dsn="5.1.1",
        said="host x[10.1.1.1] said: 550 5.1.1 No such user",
    ),
    *mail("CCCC3", NOON + 2 * HOURS, sender="dave@src.example", to="eve@dest.example", host="mx2"),
    (
        f"{stamp(NOON + 3 * HOURS)} mx1 postfix/smtpd[7]: NOQUEUE: reject: RCPT from unknown[192.0.2.9]: 554 5.7.1 <x@dest.example>: "
        "Relay access denied; from=<spam@bad.example> to=<x@dest.example> proto=ESMTP helo=<h>"
    ),
]


@pytest.fixture(scope="module")
def frames() -> dict[str, pl.DataFrame]:
    """All tables of the lines above."""
    return smtplog.frames(LINES, year=2026)


def asked(frames: dict[str, pl.DataFrame], table: str, **given: object) -> pl.DataFrame:
    """The rows a query keeps."""
    patterns = {name: (value,) if isinstance(value, str) else value for name, value in given.items() if name in FILTERS}
    rest = {name: value for name, value in given.items() if name not in FILTERS}
    return frames[table].filter(Query(patterns, **rest).expression(table))  # type: ignore[arg-type]


@pytest.mark.parametrize("name", FILTERS)
@pytest.mark.parametrize("table", TABLES)
def test_every_filter_runs_on_every_table_it_is_said_to(frames: dict[str, pl.DataFrame], name: str, table: str) -> None:
    """`*` never fails; what the table has not is refused with the tables that have it."""
    if table in FILTERS[name]:
        assert asked(frames, table, **{name: "*"}).height <= frames[table].height
        assert asked(frames, table, **{name: "no such thing"}).is_empty()
        assert asked({table: frames[table].clear()}, table, **{name: "*"}).is_empty()
    else:
        with pytest.raises(QueryError, match=f"{table} have no such field; it works on"):
            asked(frames, table, **{name: "*"})


@pytest.mark.parametrize(
    ("table", "given", "expected"),
    [
        ("deliveries", {"sender": "ann@*"}, ["AAAA1"]),
        ("deliveries", {"sender": ""}, ["BBBB2"]),
        ("deliveries", {"sender": ("ann@*", "dave@*")}, ["AAAA1", "CCCC3"]),
        ("deliveries", {"recipient": "bob@dest.example"}, ["AAAA1"]),
        ("deliveries", {"recipient": "b?b@*"}, ["AAAA1"]),
        ("deliveries", {"recipient": "bob"}, []),
        ("deliveries", {"domain": "DEST.example"}, ["AAAA1", "CCCC3", None]),
        ("deliveries", {"domain": "*.example", "status": "bounced"}, ["BBBB2"]),
        ("deliveries", {"status": "rejected"}, [None]),
        ("deliveries", {"relay": "10.77.2.*"}, ["AAAA1", "BBBB2", "CCCC3"]),
        ("deliveries", {"client": "192.0.2.9"}, [None]),
        ("deliveries", {"host": "mx2"}, ["CCCC3"]),
        ("deliveries", {"queue_id": "AAAA1"}, ["AAAA1"]),
        ("deliveries", {"message_id": "CCCC3.m@*"}, ["CCCC3"]),
        ("messages", {"recipient": "carol@*"}, ["BBBB2"]),
        ("messages", {"domain": "dest.example"}, ["AAAA1", "CCCC3"]),
        ("messages", {"relay": "mx.dest.*", "sender": "dave@*"}, ["CCCC3"]),
        ("messages", {"status": "bounced"}, ["BBBB2"]),
        ("messages", {"client": "c1.src.example"}, ["AAAA1", "BBBB2", "CCCC3"]),
        ("events", {"recipient": "eve@*"}, ["CCCC3"]),
        ("events", {"domain": "other.example"}, ["BBBB2"]),
    ],
)
def test_what_filters_keep(
    frames: dict[str, pl.DataFrame], table: str, given: dict[str, str], expected: list[str]
) -> None:
    """Globs over whole values, upper and lower case alike; of one filter any pattern, of several filters all."""
    assert asked(frames, table, **given).sort("queue_id", nulls_last=True)["queue_id"].to_list() == expected


@pytest.mark.parametrize(
    ("table", "given", "like"),
    [
        ("deliveries", {"sender": "<ann@src.example>"}, {"sender": "ann@src.example"}),
        ("deliveries", {"sender": "<*@src.example>"}, {"sender": "*@src.example"}),
        ("deliveries", {"sender": "<>"}, {"sender": ""}),
        ("messages", {"sender": "<>"}, {"sender": ""}),
        ("deliveries", {"recipient": "<bob@dest.example>"}, {"recipient": "bob@dest.example"}),
        ("messages", {"recipient": "<carol@other.example>"}, {"recipient": "carol@other.example"}),
        ("messages", {"message_id": "<CCCC3.m@src.example>"}, {"message_id": "CCCC3.m@src.example"}),
        ("deliveries", {"domain": "@other.example"}, {"domain": "other.example"}),
        ("deliveries", {"queue_id": "AAAA1:"}, {"queue_id": "AAAA1"}),
        ("deliveries", {"client": "10.77.1.0/24"}, {"client": "10.77.1.*"}),
        ("sessions", {"client": "10.77.1.0/24"}, {"client": "10.77.1.*"}),
        ("events", {"client": "192.0.2.9/32"}, {"client": "192.0.2.9"}),
        ("messages", {"client": "c1.src.example[10.77.1.1]"}, {"client": "c1.src.example"}),
        ("messages", {"client": "c1.src.example [10.77.1.1]"}, {"client": "c1.src.example"}),
        ("deliveries", {"client": "unknown[192.0.2.9]"}, {"client": "192.0.2.9"}),
        ("deliveries", {"client": "[192.0.2.9]"}, {"client": "192.0.2.9"}),
        ("deliveries", {"relay": "mx.dest.example[10.77.2.1]:25"}, {"relay": "10.77.2.1"}),
        ("events", {"relay": "10.77.2.0/24"}, {"relay": "10.77.2.*"}),
    ],
)
def test_what_logs_write_may_be_pasted(
    frames: dict[str, pl.DataFrame], table: str, given: dict[str, str], like: dict[str, str]
) -> None:
    """Brackets, a name with its address, networks: what is found is what the plain pattern finds."""
    found = asked(frames, table, **given)
    assert found.height > 0
    assert found.equals(asked(frames, table, **like))


CLIENTS = ["10.1.2.3", "10.1.3.3", "2001:db8::5", "2001:db8:0:1::5", "::ffff:10.1.2.9", "no address", None]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("10.1.2.0/24", ["10.1.2.3", "::ffff:10.1.2.9"]),
        ("10.1.2.77/24", ["10.1.2.3", "::ffff:10.1.2.9"]),
        ("10.0.0.0/8", ["10.1.2.3", "10.1.3.3", "::ffff:10.1.2.9"]),
        ("0.0.0.0/0", ["10.1.2.3", "10.1.3.3", "::ffff:10.1.2.9"]),
        ("2001:db8::/64", ["2001:db8::5"]),
        ("2001:db8::/32", ["2001:db8::5", "2001:db8:0:1::5"]),
        ("2001:DB8:0:0:0:0:0:5", ["2001:db8::5"]),
        ("[2001:db8::5]", ["2001:db8::5"]),
        ("10.1.2.3", ["10.1.2.3"]),
        ("10.9.9.9[10.1.2.3]", []),
    ],
)
def test_networks_hold_addresses_of_both_kinds(text: str, expected: list[str]) -> None:
    frame = pl.DataFrame(
        [
            {"source": "-", "line": 1, "line_count": 1, "kind": "x", "client_ip": ip, "client_name": "n"}
            for ip in CLIENTS
        ],
        schema=schema.of(TABLES["events"]),
    )
    assert frame.filter(Query({"client": (text,)}).expression("events"))["client_ip"].to_list() == expected


@pytest.mark.parametrize("text", ["10.77/x", "10.77.1.0/33", "10.77.1.*/24", "2001:db8::/129", "a.example/24"])
def test_what_is_no_network_is_refused(text: str) -> None:
    """Rather than finding nothing."""
    with pytest.raises(QueryError, match="no network; write one such as"):
        Query({"client": (text,)}).expression("deliveries")


@pytest.mark.parametrize("text", ["10.77.2.0/24", "mx.dest.example[10.77.2.1]:25"])
def test_the_address_of_a_next_hop_is_refused_where_no_address_is_known(text: str) -> None:
    query = Query({"relay": (text,)})
    with pytest.raises(QueryError, match="messages have no such field; it works on events, deliveries"):
        query.expression("messages")
    assert query.expression("messages", lenient=True) is not None
    assert Query({"relay": ("private/lmtp",)}).expression("deliveries") is not None  # a socket has slashes too


@pytest.mark.parametrize("text", ["a.b*", "[x]", "a+b", "x|y", "(a", "\\", "^a$", "é?", "a\nb"])
def test_patterns_are_globs_and_nothing_else(text: str) -> None:
    """What means something in a regular expression means itself."""
    frame = pl.DataFrame(
        [{"source": "-", "line": 1, "line_count": 1, "kind": "x", "sender": text}], schema=schema.of(TABLES["events"])
    )

    assert frame.filter(Query({"sender": (text,)}).expression("events")).height == 1


def test_times_are_half_open(frames: dict[str, pl.DataFrame]) -> None:
    """`since` is within, `until` is not."""
    second = NOON + HOURS + timedelta(seconds=2)
    kept = asked(frames, "deliveries", since=second, until=NOON + 2 * HOURS + timedelta(seconds=2))

    assert kept["queue_id"].to_list() == ["BBBB2"]


def test_last_counts_from_the_end_of_the_log(frames: dict[str, pl.DataFrame]) -> None:
    """Not from today: an old log has its last hour too."""
    frame = frames["deliveries"].sort("at")
    end = frame["at"].max()
    assert isinstance(end, datetime)
    kept = Query({}, last=timedelta(minutes=90)).tail(frame, "deliveries", end)

    assert kept["queue_id"].to_list() == ["CCCC3", None]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("delay_s > 2", 3),
        ("delay_s BETWEEN 2 AND 3", 3),
        ("status IN ('bounced', 'rejected')", 2),
        ("status NOT IN ('bounced')", 3),
        ("recipient LIKE '%@dest.example'", 2),
        ("lower(recipient) LIKE '%@dest.example'", 3),
        ("sender = ''", 1),
        ("queue_id IS NULL", 1),
        ("enhanced_code LIKE '5.%' OR status = 'sent'", 4),
        ("CASE WHEN status = 'sent' THEN delay_s > 2 ELSE false END", 2),
        ("reply_code >= 550", 2),
        ("at >= '2026-11-23T14:00:00'", 2),
        ("recipient_domain ~ '^dest'", 3),
        ("true", 4),
        ("no_such IS NULL OR true", None),
    ],
)
def test_where_is_sql(frames: dict[str, pl.DataFrame], text: str, expected: int | None) -> None:
    """Comparisons, lists, patterns, CASE, times as text; a name that is not there is refused."""
    if expected is None:
        with pytest.raises(QueryError, match="no field no_such"):
            asked(frames, "deliveries", where=text)
    else:
        assert asked(frames, "deliveries", where=text).height == expected


@pytest.mark.parametrize(
    "text", ["sum(delay_s) > 1", "count(*) > 1", "delay_s > avg(delay_s)", "row_number() OVER (ORDER BY at) = 1"]
)
def test_where_looks_at_one_record(text: str) -> None:
    """What needs the whole table would depend on how the log is cut into blocks, and is refused."""
    with pytest.raises(QueryError, match="--where"):
        query.where(text, "deliveries")


@pytest.mark.parametrize(
    ("text", "expected"), [("90s", 90), ("5m", 300), ("12h", 43200), ("1d", 86400), ("2w", 1209600)]
)
def test_spans(text: str, expected: int) -> None:
    """A number and a unit."""
    assert query.span(text, "--last") == timedelta(seconds=expected)


@pytest.mark.parametrize("text", ["", "1", "d", "1.5h", "-1d", "1y", "١d", "²d", "1 d"])
def test_what_is_no_span(text: str) -> None:
    """The message shows how to write one."""
    with pytest.raises(QueryError, match="such as 90m, 12h, 1d or 2w"):
        query.span(text, "--last")


@pytest.mark.parametrize(
    ("text", "zone", "expected"),
    [
        ("2026-11-23", None, datetime(2026, 11, 23, tzinfo=UTC)),
        ("2026-11-23T08:30", None, datetime(2026, 11, 23, 8, 30, tzinfo=UTC)),
        ("2026-11-23 08:30:15", "Europe/Berlin", datetime(2026, 11, 23, 7, 30, 15, tzinfo=UTC)),
        ("2026-11-23T08:30+02:00", "Europe/Berlin", datetime(2026, 11, 23, 6, 30, tzinfo=UTC)),
        ("2026-11-23T08:30Z", None, datetime(2026, 11, 23, 8, 30, tzinfo=UTC)),
    ],
)
def test_moments(text: str, zone: str | None, expected: datetime) -> None:
    """ISO 8601; without an offset in the zone of the question."""
    assert query.moment(text, "--since", lambda: ZoneInfo(zone or "UTC")) == expected


def test_sorting() -> None:
    """A hyphen turns a key round; nulls come last; equal keys keep their order."""
    frame = pl.DataFrame({"a": [2, None, 1, 2], "b": [1, 2, 3, 4]})

    assert query.sort(frame, ["a"])["b"].to_list() == [3, 1, 4, 2]
    assert query.sort(frame, ["-a", "b"])["b"].to_list() == [1, 4, 3, 2]
    assert query.sort(frame, [])["b"].to_list() == [1, 2, 3, 4]
