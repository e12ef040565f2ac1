"""Which events belong to one life of a key: the columns say what a plain reading of the rules says."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import smtplog
from smtplog.join import lives
from smtplog.join.lives import END, PART, START
from tests.conftest import SAMPLES

GRACE, IDLE = timedelta(seconds=10), timedelta(hours=1)
BEGIN = datetime(2026, 11, 23, tzinfo=UTC)


@dataclass(frozen=True)
class Tie:
    """One event."""

    key: int
    role: int
    at: datetime
    is_reused: bool = True


def by_the_rules(ties: list[Tie]) -> list[set[int]]:
    """The rules of lives.py, one event after another, as sets of places in the list."""
    out: list[set[int]] = []
    for key in dict.fromkeys(tie.key for tie in ties):
        mine = [i for i, tie in enumerate(ties) if tie.key == key]
        if not ties[mine[0]].is_reused:
            out.append(set(mine))
            continue
        pieces: list[list[int]] = []
        for n, i in enumerate(mine):
            tie, before = ties[i], ties[mine[n - 1]] if n else None
            gap = tie.at - before.at if before else timedelta(0)
            begins = before is None or tie.role == START or gap > IDLE or (before.role == END and gap > GRACE)
            if begins and before and tie.role == START and _is_late(pieces[-1], ties, tie):
                begins = False
            if begins:
                pieces.append([])
            pieces[-1].append(i)
        out += map(set, pieces)
    return out


def _is_late(piece: list[int], ties: list[Tie], start: Tie) -> bool:
    """All of a life so far is without start and end, and young: this start belongs to it."""
    whole = [ties[i] for i in piece]
    age = max(t.at for t in whole) - min(t.at for t in whole)
    return all(t.role == PART for t in whole) and (start.at - whole[-1].at) + age <= GRACE


def assigned(ties: list[Tie], order: list[int] | None = None) -> tuple[list[set[int]], pl.DataFrame]:
    """The lives that `assign` finds, as sets of places in the list; and its table."""
    frame = pl.DataFrame(
        [(t.key, t.role, i, t.at, t.is_reused, 0) for i, t in enumerate(ties)], schema=lives.TIES, orient="row"
    )
    frame = frame[order] if order else frame
    life, table = lives.assign(frame, GRACE, IDLE)
    sets: dict[int, set[int]] = {}
    for number, seq in zip(life, frame["seq"], strict=True):
        sets.setdefault(number, set()).add(seq)
    assert table["life"].to_list() == list(range(table.height))
    return [sets[number] for number in range(table.height)], table


def at(seconds: float) -> datetime:
    """So long after the beginning."""
    return BEGIN + timedelta(seconds=seconds)


EVENTS = st.lists(
    st.tuples(
        st.integers(1, 3),
        st.sampled_from([START, PART, PART, END]),
        st.sampled_from([0, 0, 1, 3, 9, 10, 11, 3599, 3600, 3601, 9000, -1]),
    ),
    min_size=1,
    max_size=40,
)


@settings(max_examples=120, deadline=None)
@given(EVENTS, st.randoms(use_true_random=False), st.sets(st.integers(1, 3)))
def test_columns_and_rules_agree(events: list[tuple[int, int, int]], random: object, unique: set[int]) -> None:
    """Ids that come back, ends that got lost, late lines, any order of rows: the lives are those of the rules."""
    ties, now = [], 100
    for key, role, step in events:
        now += step
        ties.append(Tie(key, role, at(now), key not in unique))
    order = list(range(len(ties)))
    random.shuffle(order)  # type: ignore[attr-defined]
    found, table = assigned(ties, order)

    assert sorted(map(sorted, found)) == sorted(map(sorted, by_the_rules(ties)))
    for places, row in zip(found, table.iter_rows(named=True), strict=True):
        mine = [ties[i] for i in sorted(places)]
        assert row["key"] == mine[0].key
        assert (row["first_seq"], row["last_seq"]) == (min(places), max(places))
        assert (row["first_at"], row["last_at"]) == (min(t.at for t in mine), max(t.at for t in mine))
        assert row["has_start"] == any(t.role == START for t in mine)
        assert row["has_end"] == any(t.role == END for t in mine)


@pytest.mark.parametrize(
    ("count", "events"),
    [
        pytest.param(1, [(START, 0), (PART, 1), (END, 2)], id="a-life"),
        pytest.param(2, [(START, 0), (END, 1), (START, 1), (END, 2)], id="an-id-used-again-at-once"),
        pytest.param(1, [(START, 0), (END, 1), (PART, 5)], id="a-late-line-after-the-end"),
        pytest.param(2, [(START, 0), (END, 1), (PART, 12)], id="a-line-long-after-the-end-is-another-life"),
        pytest.param(1, [(PART, 0), (START, 2), (END, 3)], id="a-late-start"),
        pytest.param(2, [(PART, 0), (START, 12), (END, 13)], id="a-start-long-after-is-another-life"),
        pytest.param(2, [(START, 0), (PART, 1), (START, 60), (END, 61)], id="a-lost-end"),
        pytest.param(2, [(START, 0), (PART, 3700), (END, 3701)], id="silence"),
    ],
)
def test_small_stories(count: int, events: list[tuple[int, int]]) -> None:
    """Each rule by itself."""
    found, _ = assigned([Tie(1, role, at(second)) for role, second in events])

    assert len(found) == count


def test_keys_that_never_come_back_are_one_life() -> None:
    """Long queue ids: however long the silence, it is the same mail."""
    found, _ = assigned(
        [
            Tie(1, START, at(0), is_reused=False),
            Tie(1, PART, at(9e5), is_reused=False),
            Tie(1, END, at(9e6), is_reused=False),
        ]
    )

    assert found == [{0, 1, 2}]


HELD = (
    "postfix/smtpd[5]: NOQUEUE: hold: RCPT from c.example[192.0.2.1]: <a@c.example>: Sender address look; "
    "from=<a@c.example> to=<b@d.example> proto=ESMTP helo=<c>"
)
REFUSED = (
    "postfix/smtpd[5]: NOQUEUE: reject: RCPT from c.example[192.0.2.1]: 550 5.1.1 <b@d.example>: Recipient address "
    "rejected: User unknown; from=<a@c.example> to=<b@d.example> proto=ESMTP helo=<c>"
)
CLIENT = "postfix/smtpd[5]: 4F3A12BC01: client=c.example[192.0.2.1]"


@pytest.mark.parametrize("block_bytes", [100, 1_000_000])
@pytest.mark.parametrize(
    ("texts", "status"),
    [
        ((HELD, CLIENT), "held"),
        ((HELD, HELD, CLIENT), "held"),
        ((HELD, "postfix/smtpd[6]: connect from d.example[192.0.2.2]", CLIENT), "held"),
        ((HELD, REFUSED, CLIENT), "unknown"),
        ((HELD, "postfix/smtpd[5]: disconnect from c.example[192.0.2.1]", CLIENT), "unknown"),
        ((HELD, CLIENT.replace("[5]", "[6]")), "unknown"),
    ],
)
def test_a_word_before_the_id(texts: tuple[str, ...], status: str, block_bytes: int) -> None:
    """HOLD of an access table stands before the queue id: it is about the message that its process names next."""
    lines = [f"2026-11-23T08:00:0{n}+00:00 mx1 {text}" for n, text in enumerate(texts)]
    made = smtplog.frames(lines, "messages", "deliveries", block_bytes=block_bytes)

    assert made["messages"].select("queue_id", "status").rows() == [("4F3A12BC01", status)]
    keys = made["deliveries"].filter(status="held")["message_key"]
    assert keys.is_null().all() if status == "unknown" else keys.is_not_null().all()


REMOVED = "Jun  1 10:00:09 mx1 postfix/qmgr[9]: A1B2C3: removed"
REQUEUED = "Jun  1 10:00:09 mx1 postfix/postsuper[9]: A1B2C3: requeued"
HELD = "Jun  1 10:00:08 mx1 postfix/postsuper[9]: A1B2C3: placed on hold"


def _tried(to: str, status: str) -> str:
    return (
        f"Jun  1 10:00:03 mx1 postfix/smtp[7]: A1B2C3: to=<{to}>, relay=mx.example[192.0.2.1]:25, delay=1, delays=0/0/0/1, "
        f"dsn=4.2.0, status={status} (host mx.example[192.0.2.1] said: 450 4.2.0 try later (in reply to RCPT TO command))"
    )


@pytest.mark.parametrize(
    ("lines", "status", "recipients"),
    [
        ([_tried("a@x.example", "deferred")], "deferred", ["deferred"]),
        ([_tried("a@x.example", "deferred"), REQUEUED], "unknown", ["unknown"]),
        ([_tried("a@x.example", "deferred"), HELD, REQUEUED], "unknown", ["unknown"]),
        ([_tried("a@x.example", "deferred"), REMOVED], "unknown", ["unknown"]),
        (
            [_tried("a@x.example", "deferred"), _tried("b@x.example", "bounced"), REMOVED],
            "bounced",
            ["unknown", "bounced"],
        ),
        ([HELD, REMOVED], "unknown", None),
        ([HELD], "held", None),
    ],
)
def test_nobody_waits_in_a_queue_that_the_message_has_left(
    lines: list[str], status: str, recipients: list[str] | None
) -> None:
    """It was requeued, or the line that says what became of it is lost: its attempts stay what they were."""
    begin = [
        "Jun  1 10:00:00 mx1 postfix/smtpd[8]: A1B2C3: client=c.example[192.0.2.7]",
        "Jun  1 10:00:00 mx1 postfix/qmgr[9]: A1B2C3: from=<s@c.example>, size=300, nrcpt=1 (queue active)",
    ]
    found = smtplog.frames([*begin, *lines], year=2026)
    (message,) = found["messages"].to_dicts()
    assert message["status"] == status
    assert (message["recipients"] and [one["status"] for one in message["recipients"]]) == recipients
    tried = found["deliveries"].filter(pl.col("relay_name").is_not_null())["status"].to_list()
    assert tried == [line.partition("status=")[2].partition(" ")[0] for line in lines if "status=" in line]


def test_no_message_of_any_sample_waits_after_it_has_left() -> None:
    for log in sorted(SAMPLES.glob("*/*.log")):
        messages = smtplog.frames(str(log), "messages", year=2026)["messages"]
        gone = messages.filter(pl.col("removed_at").is_not_null())
        assert gone.filter(pl.col("status").is_in(["deferred", "held", "active"])).is_empty(), log.name
