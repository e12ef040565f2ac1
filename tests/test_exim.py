"""Exim: what single entries mean, what fakes cannot do, how much of Exim's own test logs is understood."""

from __future__ import annotations

import itertools
import json
import os
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any

import polars as pl
import pytest

import smtplog
from smtplog.ask.summary import Summary
from smtplog.formats import exim
from smtplog.pipeline import Options, run
from smtplog.read import columns, envelope, grammar, rows, source
from tests.conftest import SAMPLES

ID = "1vxz00-00000000AB1-0Cd2"


@pytest.fixture
def corpora() -> Path:
    """The folder of logs that are not part of this project."""
    folder = os.environ.get("SMTPLOG_CORPORA")
    if not folder:
        pytest.skip("SMTPLOG_CORPORA is not set")
    return Path(folder)


def read(text: str) -> tuple[str, dict[str, Any]]:
    """Kind and fields of one text."""
    understood = rows.read(text, exim.FORMAT, exim.FORMAT.kinds)
    assert understood, text
    return understood.kind.name, {name: value for name, value in understood.fields.items() if value is not None}


@cache
def tables(*paths: str, log_host: str | None = None) -> dict[str, pl.DataFrame]:
    """All tables of some logs."""
    wanted = dict.fromkeys(("events", "messages", "deliveries", "sessions"))
    batches = list(run(paths, wanted, Options(year=2026, zone="UTC", log_host=log_host)))  # type: ignore[arg-type]
    return {
        name: pl.concat([b[name] for b in batches if name in b]) for name in wanted if any(name in b for b in batches)
    }


@pytest.mark.parametrize(
    "text",
    [
        "retry time not reached",
        "Retry time not yet reached",
        "retry time not reached for any host for 'b.example'",
        "all host address lookups for 'b.example' failed permanently",
        "connection limit reached for all hosts",
        "domain is in queue_domains",
        "remote deliveries suppressed",
        "SMTP delivery explicitly queued",
    ],
)
def test_what_is_not_due_is_known_by_its_text_whatever_the_number(text: str) -> None:
    """The numbers move with the version; what one of them called not due is an error of another."""
    for number in (0, *range(-70, -40)):
        assert read(f"{ID} == a@b.example R=r T=t defer ({number}): {text}")[0] == "not_due"
        assert read(f"{ID} == a@b.example routing defer ({number}) DT=0.001s: {text}")[0] == "not_due"
        assert read(f"{ID} == a@b.example R=r defer ({number}): mailbox moves; {text}")[0] == "deferral"


def test_a_deferral_that_a_router_asks_for_is_told_in_every_numbering() -> None:
    """`:defer:` has the number -53 in the newest Exim, which meant `not due` before."""
    told = tables(str(SAMPLES / "exim/not-due.log"))["deliveries"]

    assert told["line"].to_list() == [2, 16, 18, 19, 23]
    assert "message_expired" not in told["reason"].to_list()


def test_a_recipient_that_is_marked_delivered_by_hand_is_cancelled() -> None:
    """And those that its address became; not who had the mail already, and nobody else."""
    told = tables(str(SAMPLES / "exim/marked-delivered.log"))
    ends = told["messages"].select("status", pl.col("recipients").list.eval(pl.element().struct.field("status")))

    assert ends.rows() == [
        ("cancelled", ["cancelled"]),
        ("cancelled", ["delivered", "cancelled", "cancelled"]),
        ("cancelled", ["cancelled", "cancelled"]),
    ]
    cancelled = told["deliveries"].filter(status="cancelled").select("line", "recipient", "attempt")
    assert cancelled.rows() == [
        (3, "bert@far.example", 1), (9, "dora@far.example", 1), (9, "emil@far.example", 1), (14, "gerd@far.example", 1),
        (15, "fritz@far.example", 1),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("text", "kind", "want"),
    [
        (f"{ID} => a@b.example R=r T=remote_smtp H=mx.b.example [192.0.2.1]", "delivery", {"status": "sent", "relay_ip": "192.0.2.1"}),
        (f"{ID} -> ann <ann@b.example> R=r T=mbox", "delivery", {"status": "delivered", "recipient": "ann@b.example"}),
        (f"{ID} => ann <staff@b.example> R=r T=mbox", "delivery", {"recipient": "ann", "original_recipient": "staff@b.example"}),
        (f"{ID} => :blackhole: <x@b.example> R=r", "delivery", {"status": "discarded", "original_recipient": "x@b.example"}),
        (f"{ID} >> a@b.example R=r T=t H=mx [192.0.2.1] C=\"250 Ok\"", "cutthrough", {"status": "sent"}),
        (f"{ID} ** a@b.example: retry timeout exceeded", "failure", {"status": "expired"}),
        (f"{ID} ** a@b.example: Unrouteable address DT=0.010s", "failure", {"status": "bounced", "detail": "Unrouteable address"}),
        (f"{ID} == a@b.example R=r T=t defer (-54): retry time not reached for any host", "not_due", {"error_number": "-54"}),
        (f"{ID} H=mx.b.example [192.0.2.1] TLS error on connection (recv): cut off", "tls_lost", {"relay_ip": "192.0.2.1"}),
        (f"{ID} H=mx.b.example [192.0.2.1]: TLS error on connection (gnutls_handshake): no", "attempt", {"relay_ip": "192.0.2.1"}),
        (f"{ID} == a@b.example routing defer (-51): come back", "deferral", {"status": "deferred", "detail": "come back"}),
        (f"{ID} Completed QT=1d2h3m4.5s", "completed", {"delay_s": 93784.5}),
        (f"{ID} cancelled by timeout_frozen_after", "expired_frozen", {}),
        (f"{ID} removed by root", "removed", {"status": "cancelled"}),
        (f"{ID} Frozen (delivery error message)", "frozen_bounce", {"status": "held"}),
        ("H=(x) [192.0.2.9] F=<> temporarily rejected RCPT <a@b.example>: 450 4.2.1 later", "reject_rcpt",
         {"status": "temp_rejected", "sender": "", "reply_code": 450, "enhanced_code": "4.2.1", "reply_text": "later"}),
        ("H=mx.c.example [2001:db8::1]:99 rejected MAIL <a@c.example>", "reject_mail", {"stage": "mail", "client_ip": "2001:db8::1"}),
        ("H=(x) [192.0.2.9] rejected EHLO or HELO x: no", "reject_verb", {"stage": "helo", "detail": "no"}),
        ('U=carl rejected connection in "connect" ACL', "reject_connection", {"stage": "connect", "ident": "carl"}),
        ("login authenticator failed for H=(x) [192.0.2.9] U=q: 535 Incorrect authentication data (set_id=ann)", "auth_failed",
         {"auth_user": "ann", "reply_code": 535, "client_ip": "192.0.2.9"}),
    ],
)  # fmt: skip
def test_meaning(text: str, kind: str, want: dict[str, Any]) -> None:
    """One line of each meaning."""
    found, fields = read(text)
    assert found == kind
    assert want.items() <= fields.items(), fields


def test_both_layouts_say_the_same() -> None:
    """The host stood inside the reason until 4.92, before it since."""
    old = f"{ID} == a@b.example R=r T=t defer (-44): SMTP error from remote mail server after RCPT TO:<a@b.example>: host mx [192.0.2.1]: 450 4.2.0 wait"
    new = f"{ID} == a@b.example R=r T=t defer (-44) H=mx [192.0.2.1]: SMTP error from remote mail server after RCPT TO:<a@b.example>: 450 4.2.0 wait"
    names = ("status", "relay_name", "relay_ip", "reply_code", "reply_enhanced_code", "reply_text", "stage")
    assert [read(old)[1][n] for n in names] == [read(new)[1][n] for n in names]


@pytest.mark.parametrize(
    ("text", "want"),
    [
        (f'{ID} <= m@e.example H=(x) [192.0.2.66] P=esmtp S=1 id=f (y) [203.0.113.1]:25 P=esmtp S=7 id=t@e', {"client_ip": "203.0.113.1"}),
        (f'{ID} => a@b.example R=r T=t H=mx [192.0.2.1] C="250 Ok\\" DT=9s => x R=f T=f H=f [192.0.2.66]"', {"relay_ip": "192.0.2.1"}),
        (f"{ID} ** a@b.example R=r T=t H=mx [192.0.2.1]: 550 => a@b.example R=x T=y H=f [192.0.2.66] Completed", {"relay_ip": "192.0.2.1"}),
        ('H=(h) [192.0.2.1] F=<m@e.example> rejected RCPT <"> rejected RCPT <v@x>: fake"@b.example>: no', {"detail": "no"}),
        ('SMTP syntax error in "X H=(f) [192.0.2.66] y" H=(h) [192.0.2.1] unrecognized command', {"client_ip": "192.0.2.1"}),
    ],
)  # fmt: skip
def test_fakes(text: str, want: dict[str, Any]) -> None:
    """What a client or a remote writes is not taken for a field."""
    assert want.items() <= read(text)[1].items(), read(text)


def test_ids_carry_their_birth() -> None:
    """Six letters of base 62 are the seconds; both lengths."""
    assert exim.id_time("1xVPX3-0000X8-2d") == datetime(2026, 11, 23, 8, 36, 13, tzinfo=UTC)
    assert exim.id_time("1xVPX3-000000000X8-002d") == exim.id_time("1xVPX3-0000X8-2d")
    assert exim.id_time("not an id") is None


def test_hot_rules_are_one_pass() -> None:
    """The rules of most lines run on the columns' fast road."""
    for kind in exim.FORMAT.kinds:
        for rule in kind.rules if kind.hot else ():
            grammar.check_hot("exim", rule)


@pytest.mark.corpora
def test_own_test_suite(corpora: Path) -> None:
    """98 of 100 entries that Exim wrote in its own tests are understood, and none of ours is called foreign."""
    understood = unknown = 0
    for folder in ("log", "rejectlog", "paniclog", "msglog"):
        octets = b"\n".join(path.read_bytes() for path in sorted((corpora / "exim/test" / folder).iterdir()))
        parsed = columns.parse(envelope.split(source.lines(source.Block(folder, octets, 1, 0))), (exim.FORMAT,))
        understood += sum(one.frame.height for one in parsed.kinds)
        unknown += parsed.rest.filter(pl.col("why") == "unknown").height
    assert understood / (understood + unknown) >= 0.98


@pytest.mark.corpora
def test_files_and_syslog_give_the_same_events(corpora: Path) -> None:
    """One run through two channels: split entries and double copies are put together again."""
    ours = tables(f"{corpora}/lab/exim/exim1.mainlog.log", log_host="exim1")
    theirs = tables(f"{corpora}/lab/exim/exim1.classic.log")
    names = ["kind", "queue_id", "sender", "recipient", "status", "relay_ip", "client_ip", "client_port"]
    order = [*names]
    mine, other = (
        t["events"].filter(pl.col("format") == "exim").select(names).sort(order, nulls_last=True)
        for t in (ours, theirs)
    )
    assert mine.equals(other)


@pytest.mark.corpora
def test_fail2ban_lines(corpora: Path) -> None:
    """Time and host of lines that others collected, as they say themselves."""
    lines = (corpora / "postfix/fail2ban/exim").read_text("utf-8").splitlines()
    wrong = []
    for said, line in itertools.pairwise(lines):
        if not said.startswith("# failJSON:") or line.startswith("#"):
            continue
        want = json.loads(said.removeprefix("# failJSON:"))
        frame = pl.DataFrame({"line": [1], "line_count": [1], "raw": [line]})
        entry = envelope.split(frame).row(0, named=True)
        understood = rows.read(entry["text"], exim.FORMAT, exim.FORMAT.kinds)
        at = entry["naive_at"] or (entry["at"] and entry["at"].replace(tzinfo=None))
        host = understood and understood.fields.get("client_ip")
        if want["match"] and (
            host != want["host"] or (want.get("time") and at != datetime.fromisoformat(want["time"]))
        ):
            wrong.append((line, at, host))
    assert not wrong


SCENES = Path(__file__).parent.parent / "samples/exim"


def test_words_about_a_whole_message() -> None:
    """Held, thawed, cancelled, expired: each recipient that is still open has the word, those that are done have not."""
    made = tables(str(SCENES / "frozen-and-cancelled.log"))
    of = {
        row["queue_id"][-2:]: {one["address"]: one["status"] for one in row["recipients"]}
        for row in made["messages"].iter_rows(named=True)
        if row["queue_id"].startswith("1xVPa")
    }
    open_ones = dict.fromkeys(('"a b"@sink.example', "two@sink.example"), "cancelled")
    assert of["03"] == {"three@local.example": "delivered"} | open_ones
    assert of["01"] == dict.fromkeys(("one@sink.example", "two@sink.example"), "bounced")
    assert of["04"] == {"late@sink.example": "held"}
    assert of["05"] == {"thawed@sink.example": "active"}
    assert not made["deliveries"].filter(pl.col("status") == "active").height


def test_a_refusal_after_the_data_is_one_for_each_recipient() -> None:
    """The reject log names them."""
    made = tables(str(SCENES / "reject-log.log"))
    two = made["deliveries"].filter(pl.col("queue_id") == "1xVPXB-0000kH-1g")
    assert two["recipient"].to_list() == ["alice@local.example", "ok@sink.example"]
    assert two["status"].to_list() == ["rejected", "rejected"]


def test_bounces_know_what_they_are_about() -> None:
    """`R=` names the message that failed."""
    made = tables(str(SCENES / "frozen-and-cancelled.log"))
    found = {row["queue_id"][-2:]: row for row in made["messages"].iter_rows(named=True)}
    assert found["02"]["parent_key"] == "-/-/1xVPag-0001Zz-01"
    assert found["01"]["child_keys"] == ["-/-/1xVPag-0001Zz-02"]


@pytest.mark.parametrize("reject_first", [False, True])
def test_main_and_reject_log_count_a_refusal_once(tmp_path: Path, *, reject_first: bool) -> None:
    """The copy's headers name the recipients; two servers that say the same of one client do not copy each other."""
    refusal = f"2026-03-02 12:00:05 {ID} H=(h) [192.0.2.1] F=<a@b.example> rejected after DATA: no"
    login = "2026-03-02 12:00:06 login authenticator failed for (h) [192.0.2.1]: 535 Incorrect authentication data"
    arrival = f"2026-03-02 12:00:00 {ID[:-1]}9 <= a@b.example H=(h) [192.0.2.1] P=esmtp S=1"
    (tmp_path / "mainlog").write_text("\n".join((arrival, refusal, login, login)) + "\n")
    headers = (
        "Envelope-from: <a@b.example>",
        "Envelope-to: <x@c.example>",
        "    <y@c.example>",
        "F From: <a@b.example>",
    )
    (tmp_path / "rejectlog").write_text("\n".join((refusal, *headers, login, login)) + "\n")
    paths = [str(tmp_path / name) for name in ("mainlog", "rejectlog")]
    made = tables(*(paths[::-1] if reject_first else paths))
    assert made["deliveries"].filter(status="rejected")["recipient"].to_list() == ["x@c.example", "y@c.example"]
    assert made["sessions"]["auth"].list.len().sum() == 2
    assert made["events"].height == 7
    twins = tables(paths[0], paths[0].replace("mainlog", "./mainlog"))
    assert twins["deliveries"].filter(status="rejected").height == 2


def test_the_host_of_plain_files_can_be_told(tmp_path: Path) -> None:
    """On every record and in its keys."""
    (tmp_path / "mainlog").write_text(f"2026-03-02 12:00:00 {ID} <= a@b.example H=(h) [192.0.2.1] P=esmtp S=1\n")
    made = tables(str(tmp_path / "mainlog"), log_host="mx7")
    assert {made[name]["host"][0] for name in made} == {"mx7"}
    assert made["messages"]["message_key"][0] == f"mx7/-/{ID}"


def test_what_stands_before_the_log_does_not_hide_ids(tmp_path: Path) -> None:
    """A first line that is no entry leaves the others as they are."""
    (tmp_path / "mainlog").write_text(
        f"\n*** SERVER ***\n2026-03-02 12:00:00 {ID} Completed\n2026-03-02 12:00:00 {ID} => x <x@y> R=r\n"
    )
    assert tables(str(tmp_path / "mainlog"))["events"]["kind"].to_list() == ["completed", "delivery"]


def test_our_own_login_at_the_next_hop_is_no_users() -> None:
    """`A=` of a delivery is how this server logged in there; the users' logins stand in arrivals and refusals."""
    _, sent = read(f"{ID} => a@b.example R=r T=t H=mx [192.0.2.1] A=plain:relay")
    assert sent["relay_auth"] == "plain:relay"
    assert "auth_user" not in sent


def test_summary_has_what_eximstats_has() -> None:
    """Transports, hosts, relayed mail, refusals, time in the queue."""
    total = Summary()
    total.take(run([str(SCENES / "typical-with-pid.log"), str(SCENES / "refusals.log")], total.tables(), Options()))
    report = total.result(10)
    for name in ("transport", "host", "relay", "refused", "stay"):
        assert report[name], name
    assert {row["transport"] for row in report["transport"]} >= {"remote_smtp"}


@pytest.mark.parametrize("pid", ["", "[{}] "])
def test_connections_without_ports(tmp_path: Path, pid: str) -> None:
    """The daemon takes them, another process serves them: each is one session, with process ids and without."""
    lines = []
    for number in range(3):
        served, daemon = pid.format(200 + number), pid.format(100)
        at = f"2026-03-02 1{number}:00:0"
        lines.append(f"{at}0 {daemon}SMTP connection from [192.0.2.7] (TCP/IP connection count = 1)")
        lines.append(f"{at}1 {served}H=mx.b.example [192.0.2.7] F=<a@b.example> rejected RCPT <x@c.example>: no")
        lines.append(f"{at}2 {served}SMTP connection from mx.b.example [192.0.2.7] closed by QUIT")
    (tmp_path / "mainlog").write_text("\n".join(lines) + "\n")
    sessions = tables(str(tmp_path / "mainlog"))["sessions"]
    assert sessions["closed_by"].to_list() == ["quit"] * 3


def test_who_lists_recipients_and_who_does_not_may_be_one_input() -> None:
    """Arrivals of one log name no recipients, those of the other do; the messages of one are over before the other's."""
    logs = [str(SAMPLES / "exim" / f"{name}.log") for name in ("older-layouts", "all-selectors")]

    one, other, both = (smtplog.frames(given, "deliveries")["deliveries"].height for given in (*logs, logs))
    assert one + other == both > 0


def test_a_message_whose_declared_size_is_too_big_is_refused_for_that() -> None:
    refused = tables(str(SAMPLES / "exim/refusals.log"))["deliveries"].filter(sender="ex163@src.example")
    assert refused.select("detail", "reason").rows() == [("message too big: size=300000 max=204800", "message_too_big")]
