"""The command line: arguments in, exit code out."""

from __future__ import annotations

import csv
import io
import json
import subprocess
import sys
from collections.abc import Callable
from datetime import timedelta
from importlib.metadata import version
from pathlib import Path

import pytest

import smtplog
from smtplog.contract.records import TABLES
from smtplog.formats import all_formats
from tests.conftest import NOON, TOP, Ran, mail, stamp, text_of, write

Cli = Callable[..., Ran]
LINES = [
    *mail("AAAA1", NOON, to="bob@dest.example"),
    *mail("BBBB2", NOON + timedelta(hours=1), to="carol@other.example", status="bounced", dsn="5.1.1",
          said="host mx.dest.example[10.77.2.1] said: 550 5.1.1 <carol@other.example>: User unknown (in reply to RCPT TO command)"),
    *mail("CCCC3", NOON + timedelta(hours=2), to="eve@dest.example", status="deferred", dsn="4.4.1", said="connect to mx.dest.example[10.77.2.1]:25: Connection refused"),
]  # fmt: skip


@pytest.fixture
def three(tmp_path: Path) -> Path:
    """Three mails: sent, bounced, deferred and given up."""
    return write(tmp_path / "three.log", LINES, modified=int(NOON.timestamp()) + 86400)


@pytest.mark.parametrize("table", TABLES)
def test_json_lines_in_a_pipe(cli: Cli, three: Path, table: str) -> None:
    """Without a terminal: one JSON object a record, the same as the library's records; exit 0, a line of counts on stderr."""
    ran = cli(table, three)
    records = [r.model_dump_json() for r in getattr(smtplog, table)(three)]

    assert ran.code == 0
    assert ran.rows == records
    assert ran.err.startswith("smtplog: 21 entries, 21 understood")
    assert ran.err.count("\n") == 1


def test_nothing_found_is_exit_one(cli: Cli, three: Path) -> None:
    """As grep does."""
    for options in (["--sender", "nobody@*"], ["--where", "delay_s > 1e6"], ["--since", "2030-01-01"]):
        assert cli("deliveries", three, *options).code == 1
        assert cli("deliveries", three, *options, "--count").rows == ["0"]


def test_filters_and_fields(cli: Cli, three: Path) -> None:
    """Filters choose records, --fields what is shown of them, in that order."""
    ran = cli("deliveries", three, "--status", "bounced", "--status", "deferred", "--fields", "status,recipient")

    assert [json.loads(row) for row in ran.rows] == [
        {"status": "bounced", "recipient": "carol@other.example"},
        {"status": "deferred", "recipient": "eve@dest.example"},
    ]


def test_sort_and_limit(cli: Cli, three: Path) -> None:
    """A hyphen turns the order round; the limit comes after the sort; zero is a limit."""
    ran = cli("deliveries", three, "--sort", "-at", "--limit", 2, "--fields", "queue_id")

    assert [json.loads(row)["queue_id"] for row in ran.rows] == ["CCCC3", "BBBB2"]
    assert cli("deliveries", three, "--limit", 1, "--count").rows == ["1"]
    assert cli("deliveries", three, "--limit", 0).code == 1


def test_reports_know_the_last_hours_too(cli: Cli, three: Path) -> None:
    """As the tables do; the end of a pipe is not known beforehand."""
    for last, received in (("61m", 2), ("10m", 1)):
        ran = cli("summary", three, "--last", last, "--format", "json")
        assert json.loads(ran.out)["totals"]["received"] == received
    assert "CCCC3" in cli("trace", three, "--last", "10m").out
    assert "AAAA1" not in cli("trace", three, "--last", "10m").out
    assert cli("failures", three, "--last", "10m").out.count("who acts") == 1
    refused = cli("failures", "-", "--last", "10m")
    assert refused.code == 2
    assert "give a file instead of -" in refused.err


FAILED_LOGINS = [
    f"Nov 23 0{hour}:00:00 mx1 postfix/smtpd[7]: {text}"
    for hour, ip, user in ((8, 1, "ann"), (8, 2, "ann"), (9, 1, "bob"), (9, 3, "(unavailable)"))
    for text in (
        f"connect from unknown[192.0.2.{ip}]",
        f"warning: unknown[192.0.2.{ip}]: SASL LOGIN authentication failed: (reason unavailable), sasl_username={user}",
        f"disconnect from unknown[192.0.2.{ip}] ehlo=1 auth=0/1 quit=1 commands=2/3",
    )
]


@pytest.mark.parametrize(
    ("asked", "clients", "users"),
    [
        ((), {"192.0.2.1": 2, "192.0.2.2": 1, "192.0.2.3": 1}, {"ann": 2, "bob": 1}),
        (("--last", "30m"), {"192.0.2.1": 1, "192.0.2.3": 1}, {"bob": 1}),
        (("--until", "2026-11-23T08:30"), {"192.0.2.1": 1, "192.0.2.2": 1}, {"ann": 2}),
        (("--client", "192.0.2.1"), {"192.0.2.1": 2}, {"ann": 1, "bob": 1}),
        (("--host", "mx2"), {}, {}),
        (("--sender", "ann@*"), {}, {}),
    ],
)
def test_connections_and_logins_are_only_those_that_are_meant(
    cli: Cli, tmp_path: Path, asked: tuple[str, ...], clients: dict[str, int], users: dict[str, int]
) -> None:
    """A filter that connections have nothing for leaves none: never the numbers of all the others."""
    log = write(tmp_path / "mail.log", FAILED_LOGINS)
    told = json.loads(cli("summary", log, "--year", 2026, "--format", "json", *asked).out)
    assert {row["client"]: row["count"] for row in told["client"]} == clients
    assert {row["client_ip"]: row["count"] for row in told["login_failures"]} == clients
    assert {row["user"]: row["count"] for row in told["login_failures_user"]} == users
    assert told["totals"]["connections"] == sum(clients.values())


def test_a_failed_login_counts_once_whoever_tells_of_it(cli: Cli) -> None:
    """IMAP's tells the login process, SMTP's Postfix, which names no user, and Dovecot, which does.

    That LMTP asked for an unknown user is no login; who logs in cannot choose the address.
    """
    told = json.loads(cli("summary", "samples/companions/dovecot-logins.log", "--year", 2026, "--format", "json").out)

    ours = "203.0.113."
    assert {row["client_ip"].removeprefix(ours): row["count"] for row in told["login_failures"]} == {
        "10": 2, "14": 2, "11": 1, "12": 1, "15": 1,
    }  # fmt: skip
    assert {row["user"].removesuffix("@example.org"): row["count"] for row in told["login_failures_user"]} == {
        "bob": 2, "dave": 1, "erin": 1, "frank": 1, "x>, rip=192.0.2.66, y": 1,
    }  # fmt: skip


def test_last_is_counted_from_the_end_of_the_log(cli: Cli, three: Path) -> None:
    """The last hour of an old log."""
    assert [json.loads(r)["queue_id"] for r in cli("deliveries", three, "--last", "61m").rows] == ["BBBB2", "CCCC3"]
    assert [json.loads(r)["queue_id"] for r in cli("messages", three, "--last", "10m").rows] == ["CCCC3"]


def test_since_and_until_are_in_the_zone_of_the_log(cli: Cli, three: Path) -> None:
    """A time without an offset is local time of the log."""
    options = ["--timezone", "Europe/Berlin", "--since", "2026-11-23T12:30", "--until", "2026-11-23T13:30"]

    assert [json.loads(r)["queue_id"] for r in cli("deliveries", three, *options).rows] == ["BBBB2"]


@pytest.mark.parametrize(
    "asked",
    [
        ("summary", "samples/postfix/connect-refused.log"),
        ("failures", "samples/postfix/connect-refused.log"),
        ("trace", "samples/postfix/connect-refused.log", "--recipient", "*"),
        (
            "deliveries",
            "samples/postfix/connect-refused.log",
            "--format",
            "table",
            "--fields",
            "at,recipient,reply_text",
        ),
        ("check", "samples/postfix/second-host.log"),
        ("explain", "550 5.1.1 <bob@example.com>: Recipient address rejected: User unknown in local recipient table"),
        ("transcript", "samples/transcript/rfc-quoted.txt"),
        ("formats",),
    ],
    ids=lambda asked: asked[0],
)
def test_no_report_is_wider_than_COLUMNS_says_and_no_line_of_it_ends_in_blanks(  # noqa: N802 - the variable's name
    cli: Cli, monkeypatch: pytest.MonkeyPatch, asked: tuple[str, ...]
) -> None:
    """In a pipe as on a terminal."""
    ran = {}
    for columns in (64, 400):
        monkeypatch.setenv("COLUMNS", str(columns))
        ran[columns] = cli(*asked).rows
    assert all(row == row.rstrip() for rows in ran.values() for row in rows)
    assert max(map(len, ran[64])) <= 64
    assert max(map(len, ran[400])) > 64 or len(ran[400]) == len(ran[64])


@pytest.mark.parametrize("command", ["summary", "failures", "trace"])
def test_a_width_that_is_asked_for_counts(cli: Cli, monkeypatch: pytest.MonkeyPatch, command: str) -> None:
    """Whatever the terminal or COLUMNS says."""
    monkeypatch.setenv("COLUMNS", "200")
    rows = cli(command, "samples/postfix/connect-refused.log", "--recipient", "*", "--width", 50).rows
    assert max(map(len, rows)) <= 50


def test_a_summary_of_greylisting_alone_says_whom_and_when_it_put_off(cli: Cli, tmp_path: Path) -> None:
    """Clients that were refused for now count as those refused for good do, and so do the hours."""
    said = "NOQUEUE: reject: RCPT from a.example[192.0.2.1]: 450 4.2.0 <b@d.example>: Recipient address rejected: Greylisted"
    line = f"{stamp(NOON)} h postfix/smtpd[1]: {said}; from=<a@a.example> to=<b@d.example> proto=ESMTP helo=<a.example>"
    log = write(tmp_path / "log", [line, line])

    (row,) = json.loads(cli("summary", log, "--format", "json", "--by", "refused").out)["refused"]
    assert row == {"client": "a.example", "count": 2, "rejected": 0, "temp_rejected": 2}
    rows = [one.split() for one in cli("summary", log, "--year", 2026, "--by", "per_day,per_hour").rows]
    assert [one[-1] for one in rows if one and one[0] in ("2026-11-23", "12")] == ["2", "2"]


def test_a_summary_lists_where_nothing_arrived(cli: Cli, tmp_path: Path) -> None:
    """Destinations and next hops by attempts; what bounced stands apart from what expired, as in the totals."""
    no = "host mx.dest.example[10.77.2.1] said: 550 5.7.26 unauthenticated (in reply to end of DATA command)"
    lines = [
        line
        for n in range(3)
        for line in mail(f"A{n}", to=f"r{n}@gone.example", said=no, status="bounced", dsn="5.7.26")
    ]
    lines += [f"{stamp(NOON)} mx1 postfix/qmgr[9]: B1: from=<a@src.example>, size=9, nrcpt=1 (queue active)"]
    lines += [
        f"{stamp(NOON)} mx1 postfix/smtp[9]: B1: to=<x@slow.example>, relay=none, delay=1, delays=0/0/1/0, dsn=4.4.1, status=deferred (connect to mx.slow.example[192.0.2.1]:25: Connection refused)"
    ]
    lines += [f"{stamp(NOON)} mx1 postfix/qmgr[9]: B1: from=<a@src.example>, status=expired, returned to sender"]
    log = write(tmp_path / "log", lines + mail("C1", to="r@fine.example"))
    told = json.loads(cli("summary", log, "--year", 2026, "--format", "json").out)

    for table, names in (
        ("domain", ["gone.example", "slow.example", "fine.example"]),
        ("relay", ["mx.dest.example", "none"]),
    ):
        rows = told[table]
        assert [row[table] for row in rows] == names
        for status in ("deferrals", "bounced", "expired"):
            assert sum(row[status] for row in rows) == told["totals"][status], (table, status)
        assert sum(row["count"] for row in rows) == told["totals"]["sent"]
    assert told["domain"][0] == {
        "domain": "gone.example", "count": 0, "bytes": 0, "deferrals": 0, "bounced": 3, "expired": 0,
        "delay_median_s": None, "delay_p95_s": None, "delay_max_s": None,
    }  # fmt: skip
    assert len(told["domain"]) == told["totals"]["recipient_domains"]
    assert [row["domain"] for row in json.loads(cli("summary", log, "--year", 2026, "--by", "domain", "--top", 1, "--format", "json").out)["domain"]] == ["gone.example"]  # fmt: skip
    assert (
        "expired"
        in cli("summary", log, "--year", 2026, "--by", "relay", "--domain", "slow.*").out.split("Next hops")[1]
    )
    assert (
        "expired"
        not in cli("summary", log, "--year", 2026, "--by", "relay", "--domain", "gone.*").out.split("Next hops")[1]
    )


def test_a_table_of_sessions_tells_what_was_refused(cli: Cli) -> None:
    """Commands as Postfix writes them, accepted/received: a failed login does not look like one that worked."""
    ran = cli(
        "sessions", "samples/postfix/session-problems.log", "--year", 2026, "--format", "table", "--fields", "commands"
    )

    assert ran.rows[2:] == ["ehlo=1, mail=1, rcpt=1/2, data=1", "ehlo=1, starttls=0/1", "ehlo=1, auth=0/2"]


def test_a_wide_table_of_refusals_says_who_was_refused(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    """Client and sender stand beside the recipient where there is room."""
    monkeypatch.setenv("COLUMNS", "160")
    titles = cli("deliveries", "samples/postfix/reject-unknown-user.log", "--format", "table").rows[0].split()
    assert titles[:6] == ["at", "queue_id", "status", "client_ip", "sender", "recipient"]


def test_csv(cli: Cli, three: Path) -> None:
    """One header, every field, readable back."""
    rows = list(csv.DictReader(io.StringIO(cli("deliveries", three, "--format", "csv").out)))

    assert [row["status"] for row in rows] == ["sent", "bounced", "deferred"]
    assert list(rows[0]) == list(TABLES["deliveries"].model_fields)


def test_a_table_for_eyes(cli: Cli, three: Path) -> None:
    """Titles and a few fields; sorted by time."""
    ran = cli("deliveries", three, "--format", "table")

    assert ran.rows[0].split()[:3] == ["at", "queue_id", "status"]
    assert [row.split()[2] for row in ran.rows[2:] if row.startswith("2026")] == ["AAAA1", "BBBB2", "CCCC3"]


def test_raw_prints_the_lines_themselves(cli: Cli, three: Path) -> None:
    """`events --raw` is a grep that knows fields."""
    ran = cli("events", three, "--raw", "--queue-id", "BBBB2")

    assert ran.rows == [line for line in LINES if "BBBB2" in line]
    assert cli("events", three, "--raw").out == text_of(LINES).decode()


def test_output_to_a_file(cli: Cli, three: Path, tmp_path: Path) -> None:
    """-o writes there what would have been written here."""
    ran = cli("deliveries", three, "-o", tmp_path / "out.jsonl")

    assert ran.out == ""
    assert (tmp_path / "out.jsonl").read_text() == cli("deliveries", three).out


def test_several_inputs(cli: Cli, three: Path, tmp_path: Path) -> None:
    """Each record says where it is from."""
    other = write(tmp_path / "other.log", mail("DDDD4"), modified=int(NOON.timestamp()))
    ran = cli("deliveries", three, other, "--fields", "source")

    assert sorted(json.loads(row)["source"] for row in ran.rows) == [str(other), *[str(three)] * 3]


def test_standard_input(cli: Cli) -> None:
    """`-` reads it; its name is `-`."""
    ran = cli("deliveries", "-", "--year", 2026, stdin=text_of(LINES))

    assert [json.loads(row)["source"] for row in ran.rows] == ["-"] * 3


def test_a_forced_format(cli: Cli, three: Path) -> None:
    """--input-format expects only that; the others' lines are foreign."""
    assert cli("events", three, "--input-format", "postfix", "--count").rows == ["21"]
    assert cli("events", three, "--input-format", "exim", "--count").code == 1


def test_a_host_for_files_that_name_none(cli: Cli, tmp_path: Path) -> None:
    """--log-host fills in what a server's own file does not say, and only that."""
    own = write(tmp_path / "mainlog", ["2026-11-23 12:00:00 1AbCdE-000001-AB Completed"])

    assert json.loads(cli("events", own, "--log-host", "mx9").rows[0])["host"] == "mx9"
    assert json.loads(cli("events", own).rows[0])["host"] is None


def test_a_short_idle_time(cli: Cli) -> None:
    """--idle is how long a message may be silent."""
    late = [
        *mail("EEEE5", NOON, ends=False, status="deferred", said="x"),
        *mail("EEEE5", NOON + timedelta(hours=5))[5:],
    ]

    assert cli("messages", "-", "--year", 2026, "--idle", "1h", "--count", stdin=text_of(late)).rows == ["2"]
    assert cli("messages", "-", "--year", 2026, "--count", stdin=text_of(late)).rows == ["1"]


def test_a_transcript_is_sessions(cli: Cli, tmp_path: Path) -> None:
    """Found by content; the other tables have nothing of it."""
    talk = write(
        tmp_path / "talk.txt", b"S: 220 mx.example ESMTP\nC: EHLO me.example\nS: 250 mx.example\nC: QUIT\nS: 221 Bye\n"
    )
    ran = cli("sessions", talk)

    assert ran.code == 0
    assert json.loads(ran.rows[0])["helo"] == "me.example"
    assert cli("deliveries", talk).code == 1


def test_check_counts_by_program_with_examples(cli: Cli, tmp_path: Path) -> None:
    """What is not understood is shown with place, text and what was expected; --strict makes it exit 1."""
    odd = write(
        tmp_path / "odd.log",
        [*mail(), f"{stamp(NOON)} mx1 postfix/qmgr[9]: AAAA1: remoofed", f"{stamp(NOON)} mx1 cron[1]: x"],
    )
    ran = cli("check", odd)

    assert ran.code == 0
    assert "9 lines, 9 entries" in ran.out
    assert f"unknown: {odd}:8: {stamp(NOON)} mx1 postfix/qmgr[9]: AAAA1: remoofed" in ran.rows
    assert "    expected " in ran.out
    assert cli("check", odd, "--strict").code == 1
    assert cli("check", write(tmp_path / "good.log", mail()), "--strict").code == 0


def test_check_as_json(cli: Cli, tmp_path: Path) -> None:
    """The same for programs."""
    odd = write(tmp_path / "odd.log", [*mail(), f"{stamp(NOON)} mx1 postfix/qmgr[9]: AAAA1: remoofed"])
    found = json.loads(cli("check", odd, "--format", "json").out)

    assert (found["entries"], found["understood"], found["unknown"]) == (8, 7, 1)
    assert [(e["line"], e["program"], e["why"]) for e in found["examples"]] == [(8, "postfix/qmgr", "unknown")]
    assert found["examples"][0]["expected"]


def test_the_formats_are_listed(cli: Cli) -> None:
    """Every format, with its grammar."""
    ran = cli("formats")

    for one in all_formats():
        assert one.name in ran.out
        assert f"grammars/{one.grammar}.lark" in ran.out


def commands() -> list[str]:
    """The names of all commands."""
    from smtplog.cli import app

    return [c.name or getattr(c.callback, "__name__", "") for c in app.registered_commands]


@pytest.mark.parametrize("command", commands())
def test_every_command_explains_itself(cli: Cli, command: str) -> None:
    """--help says what it does and what each option is for."""
    ran = cli(command, "--help")

    assert ran.code == 0
    assert ran.err == ""
    assert ran.rows[0].startswith("Usage: smtplog")


def test_version(cli: Cli) -> None:
    """That of the installed package."""
    assert cli("--version").rows == [f"smtplog {version('smtplog')}"]


def test_help_is_quick() -> None:
    """The help loads no heavy room: neither columns nor grammars nor Arrow."""
    code = (
        "import sys; sys.argv=['smtplog','--help']\nfrom smtplog.cli import main\ntry: main()\nexcept SystemExit: pass\n"
        "print([m for m in ('polars','lark','pyarrow','pydantic') if m in sys.modules], file=sys.stderr)"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, cwd=TOP, check=True)

    assert ran.stderr.strip() == b"[]"


def test_python_dash_m() -> None:
    """`python -m smtplog` is the same program."""
    ran = subprocess.run([sys.executable, "-m", "smtplog", "--version"], capture_output=True, cwd=TOP, check=True)

    assert ran.stdout.startswith(b"smtplog ")


def test_shell_completion() -> None:
    """The shells' completion is offered."""
    ran = subprocess.run(
        [sys.executable, "-m", "smtplog", "--show-completion", "bash"], capture_output=True, cwd=TOP, check=False,
    )  # fmt: skip

    assert b"Traceback" not in ran.stderr


def test_an_interrupt_is_quiet(cli: Cli, three: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ctrl-C: exit 130 and no more words."""
    import smtplog.pipeline

    def interrupted(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(smtplog.pipeline, "run", interrupted)

    assert cli("events", three).code == 130


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        (("deliveries", "--status", "bouncd"), "did you mean bounced?"),
        (("deliveries", "--reason", "greylisting"), "did you mean greylisted?"),
        (("failures", "--actor", "us"), "known are sender, recipient, receiver, network, nobody, local, human"),
        (("messages", "--direction", "outbond"), "did you mean outbound?"),
        (("trace", "--status", "undelivered"), "did you mean delivered?"),
    ],
)
def test_a_word_that_nothing_can_have_is_an_error_and_no_empty_answer(
    cli: Cli, three: Path, asked: tuple[str, ...], said: str
) -> None:
    command, *filters = asked
    ran = cli(command, three, *filters)
    assert ran.code == 2
    assert said in ran.err
    assert cli(command, three, filters[0], "*").code == 0 or filters[0] == "--direction"


def test_a_file_is_not_explained_by_its_name(cli: Cli, three: Path) -> None:
    ran = cli("explain", three)
    assert ran.code == 2
    assert f"smtplog explain - < {three}" in ran.err
