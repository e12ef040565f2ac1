"""Whatever is given: a clear message or a counted record; never a traceback, nothing lost, nothing a terminal obeys."""

from __future__ import annotations

import gzip
import json
import os
import pty
import random
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import smtplog
from smtplog.contract.records import Event, Unparsed
from smtplog.errors import InputError, QueryError
from tests.conftest import NOON, SAMPLES, TOP, Ran, mail, process, stamp, text_of, traffic, write

Cli = Callable[..., Ran]
QUERIES = ("events", "sessions", "messages", "deliveries")


def run_over(path: object, **options: object) -> tuple[list[Event], smtplog.Tally]:
    """The events of an input and what was not understood."""
    run = smtplog.events(path, **{"year": 2026, **options})
    return list(run), run.tally


@pytest.mark.parametrize("command", QUERIES)
def test_an_empty_file(cli: Cli, tmp_path: Path, command: str) -> None:
    """Nothing found: exit 1, no output, one quiet line of counts."""
    ran = cli(command, write(tmp_path / "empty.log", b""))

    assert (ran.code, ran.out) == (1, "")
    assert ran.err.startswith("smtplog: 0 entries")


def test_an_empty_file_checks_and_exports(cli: Cli, tmp_path: Path) -> None:
    """It is clean, and its tables are empty."""
    empty = write(tmp_path / "empty.log", b"")

    assert cli("check", empty, "--strict").code == 0
    assert cli("export", empty, "-o", tmp_path / "out").code == 0
    assert list(smtplog.events(empty)) == []


@pytest.mark.parametrize("command", [*QUERIES, "check"])
def test_a_missing_file(cli: Cli, tmp_path: Path, command: str) -> None:
    """Exit 2 and a message that names it and says what to do."""
    ran = cli(command, tmp_path / "nowhere.log")

    assert (ran.code, ran.out) == (2, "")
    assert ran.err.startswith(f"smtplog: {tmp_path / 'nowhere.log'}: no such file")
    with pytest.raises(InputError):
        list(smtplog.events(tmp_path / "nowhere.log"))


@pytest.mark.parametrize(
    "command", ["events", "deliveries --raw", "summary", "check", "trace --sender *", "transcript"]
)
def test_an_empty_path_is_not_the_current_folder(
    cli: Cli, log: Path, monkeypatch: pytest.MonkeyPatch, command: str
) -> None:
    """A variable that a script forgot to set: exit 2, alone or beside a good input, and nothing is read."""
    monkeypatch.chdir(log.parent)
    name, *options = command.split()
    for inputs in [[""]] + [[log, ""]] * (name != "transcript"):
        ran = cli(name, *inputs, *options)

        assert (ran.code, ran.out) == (2, "")
        assert "an empty path names nothing" in ran.err


@pytest.mark.parametrize(
    "command",
    [
        "events -o",
        "export -o",
        "export -o out --state",
        "failures --rules",
        "failures --suppressions",
        "explain x --rules",
    ],
)
def test_an_empty_path_of_an_option_is_refused(
    cli: Cli, log: Path, monkeypatch: pytest.MonkeyPatch, command: str
) -> None:
    """Neither standard output nor the current folder is meant, and nothing is written."""
    monkeypatch.chdir(log.parent)
    ran = cli(*command.split(), "", *([] if command.startswith("explain") else [log]))

    assert (ran.code, ran.out) == (2, "")
    assert f"{command.rsplit(maxsplit=1)[-1]}" in ran.err
    assert "an empty path names nothing" in ran.err
    assert [one.name for one in log.parent.iterdir()] == ["mail.log"]


def test_a_state_that_is_a_folder(cli: Cli, log: Path, tmp_path: Path) -> None:
    """The message names --state, not the folder of the tables, and nothing is made."""
    ran = cli("export", log, "-o", tmp_path / "out", "--state", tmp_path)

    assert ran.code == 2
    assert ran.err.startswith(f"smtplog: --state {tmp_path}: Is a directory; name a file for it")
    assert [one.name for one in tmp_path.iterdir()] == ["mail.log"]


@pytest.mark.parametrize("command", ["events -", "explain -", "explain - --format jsonl", "transcript -", "check -"])
def test_a_closed_standard_input_is_said(command: str) -> None:
    """Exit 2 and a sentence; it is no empty log."""
    ran = subprocess.run(
        ["bash", "-c", f"{sys.executable} -m smtplog {command} <&-"], capture_output=True, cwd=TOP, check=False
    )

    assert (ran.returncode, ran.stdout) == (2, b"")
    assert ran.stderr.startswith(b"smtplog: -: standard input is closed; pipe the log in")


def test_one_missing_file_among_good_ones(cli: Cli, log: Path) -> None:
    """It is said before anything is read: no half answer."""
    ran = cli("deliveries", log, "nowhere.log")

    assert (ran.code, ran.out) == (2, "")


def test_a_directory_without_files(cli: Cli, tmp_path: Path) -> None:
    """Exit 2 with advice."""
    ran = cli("events", tmp_path)

    assert ran.code == 2
    assert "a directory without files" in ran.err


def test_a_directory_without_logs(cli: Cli, tmp_path: Path) -> None:
    """Files that hold no mail log are read, counted as malformed, and nothing is found."""
    write(tmp_path / "picture.png", b"\x89PNG\r\n\x1a\n" + bytes(range(256)) * 40)
    write(tmp_path / "notes.txt", b"buy milk\n")
    ran = cli("events", tmp_path)

    assert ran.code == 1
    assert "malformed" in ran.err


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_file_that_may_not_be_read(cli: Cli, log: Path) -> None:
    """Exit 2; the message says who may."""
    log.chmod(0)
    ran = cli("events", log)

    assert ran.code == 2
    assert "run as a user who may read it" in ran.err


def test_an_output_that_cannot_be_written(cli: Cli, log: Path, tmp_path: Path) -> None:
    """Exit 2 with the place, for -o of a query and of an export."""
    assert "no/such" in cli("events", log, "-o", tmp_path / "no/such/place").err
    (tmp_path / "taken").write_text("x")
    for command in ("events", "export"):
        target = tmp_path / "taken" / "below"
        assert cli(command, log, "-o", target).code == 2


def test_a_missing_input_leaves_the_output_alone(cli: Cli, tmp_path: Path) -> None:
    """An answer that cannot be given does not wipe the one that is there."""
    before = tmp_path / "answer.jsonl"
    before.write_text("precious\n")
    assert cli("events", tmp_path / "nowhere.log", "-o", before).code == 2

    assert before.read_text() == "precious\n"


def test_an_output_that_is_the_input(cli: Cli, log: Path) -> None:
    """A log is never written over."""
    before = log.read_bytes()

    assert cli("events", log, "-o", log).code == 2
    assert log.read_bytes() == before


@pytest.mark.parametrize("seed", range(3))
def test_binary_garbage(cli: Cli, tmp_path: Path, seed: int) -> None:
    """Random octets are entries that are not understood: each line counted, none lost."""
    data = random.Random(seed).randbytes(100_000)
    path = write(tmp_path / "garbage", data)
    ran = cli("events", path)
    _, tally = run_over(path)

    assert ran.code == 1
    assert tally.entries == tally.malformed > 0
    assert tally.lines == data.count(b"\n") + (not data.endswith(b"\n"))


def test_a_very_long_line(tmp_path: Path) -> None:
    """A line of 10 MB without an end, and a good line before it: one event, one malformed entry."""
    path = write(tmp_path / "long", text_of(mail()[:1]) + b"x" * 10_000_000)
    events, tally = run_over(path)

    assert [e.kind for e in events] == ["connect"]
    assert (tally.entries, tally.malformed) == (2, 1)


def test_a_very_long_field(tmp_path: Path) -> None:
    """A reply of a megabyte is still a delivery."""
    path = write(tmp_path / "long", mail(said="250 " + "y" * 1_000_000))
    found = list(smtplog.deliveries(path))

    assert len(found) == 1
    assert len(found[0].detail or "") == 1_000_004


@pytest.mark.parametrize("octets", [b"\xff\xfe\xe9", b"\xc3\x28", b"\xed\xa0\x80", b"\xf8\x88\x80\x80\x80"])
def test_octets_that_are_not_utf8(tmp_path: Path, octets: bytes) -> None:
    r"""They are spelt out as \xNN where they stand; the line is understood."""
    lines = text_of(mail(said="250 2.0.0 Ok: @@")).replace(b"@@", octets)
    found = list(smtplog.deliveries(write(tmp_path / "mail.log", lines)))

    assert len(found) == 1
    assert found[0].detail == "250 2.0.0 Ok: " + octets.decode("utf-8", "backslashreplace")


def test_nul_octets(tmp_path: Path) -> None:
    """After a crash a file holds runs of NUL: the line behind them is understood, the rest counted."""
    lines = text_of(mail())
    path = write(tmp_path / "mail.log", lines[:200].rpartition(b"\n")[0] + b"\n" + b"\0" * 5000 + lines)
    events, tally = run_over(path)

    assert tally.understood == len(events) >= 7
    assert len(list(smtplog.deliveries(path))) == 1
    assert tally.lines == path.read_bytes().count(b"\n")


def test_carriage_returns(tmp_path: Path) -> None:
    """A log that went through Windows is the same log."""
    unix, dos = write(tmp_path / "unix", mail()), write(tmp_path / "dos", text_of(mail()).replace(b"\n", b"\r\n"))

    assert [e.model_dump(exclude={"source"}) for e in run_over(dos)[0]] == [
        e.model_dump(exclude={"source"}) for e in run_over(unix)[0]
    ]


def test_a_byte_order_mark(tmp_path: Path) -> None:
    """Before the first line it takes nothing away but itself."""
    path = write(tmp_path / "bom.log", b"\xef\xbb\xbf" + text_of(mail()))

    assert run_over(path)[1].understood == 7
    assert len(list(smtplog.deliveries(path))) == 1


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be"])
def test_a_text_of_windows_in_wide_letters(cli: Cli, tmp_path: Path, encoding: str) -> None:
    """What PowerShell's `>` writes is read, log or transcript; cut in the middle of a letter, all before it."""
    mark = "" if encoding == "utf-16" else "\ufeff"
    said = mail(said="250 é 😀 ok")
    log = write(tmp_path / "wide.log", (mark + "".join(f"{line}\r\n" for line in said)).encode(encoding))
    text = mark + (SAMPLES / "transcript/rfc-quoted.txt").read_text("utf-8")
    write(tmp_path / "wide.txt", text.encode(encoding))

    assert [e.raw for e in run_over(log)[0]] == said
    assert next(smtplog.deliveries(log)).detail == "250 é 😀 ok"
    assert cli("sessions", tmp_path / "wide.txt", "--fields", "helo").rows == ['{"helo":"relay.example.org"}']
    _, cut = run_over(write(tmp_path / "cut.log", log.read_bytes()[:-5]))
    assert (cut.entries, cut.understood) == (7, 6)


def test_a_folder_that_may_not_be_read(tmp_path: Path, log: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Logs in it are not passed over in silence: the message names it."""
    (tmp_path / "closed").mkdir()
    scan = os.scandir

    def refuse(at: str) -> object:
        if at.endswith("closed"):
            raise PermissionError(13, "Permission denied", at)
        return scan(at)

    monkeypatch.setattr(os, "scandir", refuse)
    with pytest.raises(InputError, match="closed: Permission denied"):
        smtplog.frames(log.parent)


def test_a_truncated_last_line(tmp_path: Path) -> None:
    """Cut anywhere, the last line is counted and all before it is whole."""
    whole = text_of(mail())
    for cut in range(len(whole) - len(mail()[-1]), len(whole), 7):
        events, tally = run_over(write(tmp_path / "cut.log", whole[:cut]))
        assert tally.entries == 7
        assert len(events) in (6, 7)


def test_a_truncated_gzip(cli: Cli, tmp_path: Path) -> None:
    """What is there is read; the cut is said once, and check --strict is not content."""
    packed = gzip.compress(text_of(traffic(300)))
    path = write(tmp_path / "mail.log.gz", packed[: len(packed) // 2])
    ran = cli("events", path, "--count")

    assert ran.code == 0
    assert int(ran.out) > 100
    assert ran.err.count("reading stopped") == 1
    assert cli("check", path, "--strict").code == 1


def test_mixed_stamps_and_programs_in_one_file(tmp_path: Path) -> None:
    """RFC 3164, then RFC 3339, then RFC 5424, with other programs between: each line is what it is."""
    full = mail("BBBB2", when=lambda t: t.isoformat(timespec="microseconds"))
    other = [f"{stamp(NOON)} mx1 cron[7]: (root) CMD (true)", f"{NOON.isoformat()} mx1 kernel: [1.0] usb 1-1"]
    syslog = [f"<22>1 {NOON.isoformat()} mx1 postfix/qmgr 9 - - CCCC3: removed"]
    path = write(tmp_path / "mail.log", [*mail("AAAA1"), *other, *full, *syslog, "-- MARK --"])
    events, tally = run_over(path)

    assert (tally.understood, tally.foreign, tally.malformed, tally.unknown) == (15, 2, 1, 0)
    assert [e.queue_id for e in events if e.kind == "removed"] == ["AAAA1", "BBBB2", "CCCC3"]
    assert len(list(smtplog.messages(path, year=2026))) == 3


ESCAPES = "\x1b[31mred\x1b]0;title\x07\x1b[2J\x9b5m\u202eevil\x08\x7f"


Terminal = Callable[..., str]


def everything(control: int) -> bytes:
    """All that is written to a terminal until the last one there has left."""
    out = b""
    while True:
        try:
            data = os.read(control, 65536)
        except OSError:  # how Linux says that nobody is there any more
            return out
        if not data:
            return out
        out += data


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch) -> Terminal:
    """Run `smtplog ARGS` on a terminal, in this process, and give back all that it wrote there."""
    from smtplog.cli import main

    def run(*args: object) -> str:
        control, device = pty.openpty()
        with ThreadPoolExecutor(1) as pool, monkeypatch.context() as patch:
            out = pool.submit(everything, control)
            with os.fdopen(device, "w", encoding="utf-8") as screen, suppress(SystemExit):
                patch.setenv("TERM", "dumb")
                patch.setattr(sys, "argv", ["smtplog", *map(str, args)])
                patch.setattr(sys, "stdout", screen)
                patch.setattr(sys, "stderr", screen)
                main()
            text = out.result().decode("utf-8", "replace")
        os.close(control)
        assert "Traceback" not in text
        return text

    return run


@pytest.mark.parametrize(
    "options",
    [
        ["deliveries", "--fields", "at,sender,reply_text"],
        ["deliveries", "--format", "jsonl"],
        ["deliveries", "--format", "csv"],
        ["events", "--raw"],
        ["deliveries", "--raw"],
        ["trace", "--sender", "*"],
        ["messages", "--fields", "sender,recipients"],
        ["check"],
        ["check", "--format", "json"],
    ],
    ids=" ".join,
)
def test_a_terminal_gets_nothing_it_obeys(terminal: Terminal, tmp_path: Path, options: list[str]) -> None:
    """Escape sequences, C1 controls and marks that turn text round are spelt out in every form of output."""
    lines = [
        *mail(said=f"250 {ESCAPES}", sender=f"{ESCAPES}@src.example"),
        f"{stamp(NOON)} mx1 postfix/smtpd[1]: {ESCAPES}",
        ESCAPES,
    ]
    out = terminal(options[0], write(tmp_path / "mail.log", lines), *options[1:])
    printed = {c for c in out if ord(c) < 32 or 127 <= ord(c) < 160 or c == "\u202e"}

    assert printed <= {"\r", "\n"}, printed
    assert "x1b" in out or "u001b" in out


def test_a_file_name_is_text_of_others_too(terminal: Terminal, tmp_path: Path) -> None:
    """A name with an escape sequence in it does not reach the terminal as such."""
    assert "\x1b" not in terminal("events", write(tmp_path / "a\x1b[31m.log", b"x\n"))
    assert "\x1b" not in terminal("events", tmp_path / "no\x1b[31m.log")


def test_a_terminal_of_a_process_of_its_own(tmp_path: Path) -> None:
    """The same where the process finds out by itself what it writes to."""
    control, device = pty.openpty()
    log = write(tmp_path / "mail.log", mail(said=ESCAPES))
    command = [sys.executable, "-m", "smtplog", "events", "--raw", str(log)]
    env = {**os.environ, "TERM": "dumb"}
    with subprocess.Popen(command, stdout=device, stderr=device, stdin=device, cwd=TOP, env=env):
        os.close(device)
        out = everything(control)
    os.close(control)

    assert b"x1b" in out
    assert b"\x1b" not in out


FAKES = {
    "in a reply": {
        "said": "250 ok) to=<fake@x.example>, relay=fake[1.1.1.1]:25, delay=0, dsn=2.0.0, status=bounced (250 fake"
    },
    "in a sender": {"sender": "a>, size=9, nrcpt=9 (queue active) from=<fake"},
    "in a recipient": {"to": 'x>, relay=fake, status=sent (250 ok) "'},
}


@pytest.mark.parametrize("where", FAKES)
def test_faked_fields(where: str) -> None:
    """What a stranger wrote into a field stays in that field: relay, code and status are the server's own."""
    found = list(smtplog.deliveries(mail(**FAKES[where]), year=2026))  # type: ignore[arg-type]
    events = list(smtplog.events(mail(**FAKES[where]), year=2026))  # type: ignore[arg-type]

    for delivery in found:
        assert delivery.status == "sent"
        assert delivery.relay_name == "mx.dest.example"
        assert delivery.relay_ip == "10.77.2.1"
        assert delivery.enhanced_code == "2.0.0"
    assert {e.recipient for e in events} <= {None, "bob@dest.example", FAKES[where].get("to")}


def test_faked_fields_in_a_helo_and_a_message_id() -> None:
    """A HELO with `>, proto=` in it, a message id with a queue line in it: the true fields are the server's."""
    refused = (
        f"{stamp(NOON)} mx1 postfix/smtpd[101]: NOQUEUE: reject: RCPT from c1.src.example[10.77.1.1]: 554 5.7.1 <x@y.example>: "
        "Relay access denied; from=<a@b.example> to=<x@y.example> proto=ESMTP helo=<x> proto=FAKE helo=<fake>"
    )
    ids = f"{stamp(NOON)} mx1 postfix/cleanup[102]: 4F3A12: message-id=<a@b> from=<fake@x>, size=1, nrcpt=1 (queue active)"
    delivery = next(smtplog.deliveries([refused], year=2026))
    event = smtplog.parse_line(ids, year=2026)

    assert (delivery.status, delivery.sender, delivery.recipient, delivery.reply_code) == (
        "rejected",
        "a@b.example",
        "x@y.example",
        554,
    )
    assert isinstance(event, Event)
    assert (event.kind, event.sender, event.size_bytes) == ("message_id", None, None)


def test_nothing_in_a_log_is_executed(cli: Cli, tmp_path: Path) -> None:
    """Shell words, formulas, markup and format strings are text."""
    odd = [
        "$(touch pwned)",
        "`id`",
        "{0.__class__}",
        "%s%n",
        "[red]x[/red]",
        "=cmd|' /C calc'!A0",
        "'; DROP TABLE events; --",
    ]
    lines = [line for i, text in enumerate(odd) for line in mail(f"A{i}A{i}", said=f"250 {text}")]
    path = write(tmp_path / "mail.log", lines)
    ran = cli("deliveries", path, "--fields", "detail")

    assert [json.loads(row)["detail"] for row in ran.rows] == [f"250 {text}" for text in odd]
    assert "[red]x[/red]" in cli("deliveries", path, "--fields", "detail", "--format", "table").out


def test_a_broken_pipe_is_quiet(tmp_path: Path) -> None:
    """`smtplog events big | head -1`: one line, no complaint."""
    path = write(tmp_path / "big.log", traffic(90))
    for options in ("--format jsonl", "--format table", "--raw"):
        command = f"{sys.executable} -m smtplog events {path} {options} | head -1; exit ${{PIPESTATUS[0]}}"
        ran = subprocess.run(["bash", "-c", command], capture_output=True, cwd=TOP, check=False)
        assert ran.returncode in (0, 141)
        assert ran.stdout.count(b"\n") == 1
        assert b"rror" not in ran.stderr
        assert b"Traceback" not in ran.stderr


def test_a_closed_standard_output_and_error(tmp_path: Path) -> None:
    """Nothing to write to: no traceback."""
    path = write(tmp_path / "mail.log", mail())
    ran = subprocess.run(
        ["bash", "-c", f"{sys.executable} -m smtplog events {path} >&-"], capture_output=True, cwd=TOP, check=False
    )

    assert b"Traceback" not in ran.stderr


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--timezone", "Mars/Olympus"], "no such zone"),
        (["--timezone", "/etc/passwd"], "no such zone"),
        (["--timezone", "Europe"], "no such zone"),
        (["--since", "yesterday"], "write a date or time such as"),
        (["--until", "2026-13-01"], "write a date or time such as"),
        (["--since", "0001-01-01", "--timezone", "Asia/Tokyo"], "write a date or time such as"),
        (["--last", "1y"], "a number and a unit"),
        (["--last", ""], "a number and a unit"),
        (["--last", "999999999999d"], "--last"),
        (["--idle", "soon"], "a number and a unit"),
        (["--fields", "reciepient"], "did you mean recipient?"),
        (["--sort", "-delay"], "did you mean delay_s?"),
        (["--where", "delay_s >"], "not a SQL expression"),
        (["--where", "reciepient = 'x'"], "did you mean recipient?"),
        (["--where", "delay_s"], "gives a value, not yes or no"),
        (["--where", "delay_s = 'x'"], "--where"),
        (["--where", ""], "--where"),
        (["--where", "(SELECT 1)"], "--where"),
        (["--where", "sum(delay_s) > 1"], "one record at a time"),
        (["--where", "row_number() OVER (ORDER BY at) > 1"], "one record at a time"),
        (["--where", "true) FROM self; SELECT (true"], "not a SQL expression"),
        (["--format", "xml"], "known are table, jsonl, csv"),
        (["--input-format", "sendnail"], "no such format; known are"),
        (["--limit", "-1"], "limit"),
        (["--year", "last"], "year"),
        (["--nonsense"], "o such option"),
    ],
    ids=lambda v: " ".join(v) if isinstance(v, list) else "",
)
def test_wrong_options_are_explained(cli: Cli, log: Path, options: list[str], said: str) -> None:
    """Exit 2, nothing on standard output, and a message that says what would be right."""
    ran = cli("deliveries", log, *options)

    assert (ran.code, ran.out) == (2, "")
    assert said in ran.err


def test_a_filter_that_the_table_lacks(cli: Cli, log: Path) -> None:
    """It is refused with the tables that have it."""
    ran = cli("sessions", log, "--relay", "*")

    assert ran.code == 2
    assert "--relay: sessions have no such field; it works on" in ran.err


def test_years_that_cannot_be(cli: Cli, log: Path) -> None:
    """A year out of range is refused with an example, and so it is by the library; so is a zone that is none."""
    for year in (-5, 0, 1, 99999, 10**12):
        ran = cli("events", log, "--year", year, "--count")
        assert ran.code == 2
        assert "such as 2026" in ran.err
        with pytest.raises(QueryError, match="such as 2026"):
            list(smtplog.events(log, year=year))
    with pytest.raises(QueryError, match="no such zone"):
        list(smtplog.events(log, zone="Mars/Olympus"))


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\0",
        b"\xff" * 1000,
        b"\x1f\x8b\x08garbage",
        b"BZh9garbage",
        b"\xfd7zXZ\x00garbage",
        b"\x28\xb5\x2f\xfdgarbage",
    ],
)
def test_standard_input_may_be_anything(cli: Cli, data: bytes) -> None:
    """A pipe of garbage, also of what begins like a packed file."""
    assert cli("events", "-", stdin=data).code == 1


def test_a_process_of_its_own() -> None:
    """The same in a process: exit codes and streams as a shell sees them."""
    ran = process("deliveries", "-", stdin=text_of(mail()))

    assert (ran.returncode, ran.stdout.count(b"\n")) == (0, 1)
    assert b"7 entries, 7 understood" in ran.stderr


@settings(max_examples=40, deadline=None)
@given(st.text(max_size=200))
def test_any_line_is_an_event_or_says_why_not(text: str) -> None:
    """`parse_line` takes whatever text there is."""
    assert isinstance(smtplog.parse_line(text), Event | Unparsed)


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 6), st.integers(0, 200), st.integers(0, 200), st.text(max_size=5))
def test_any_damage_to_a_line_is_survived(which: int, start: int, length: int, put: str) -> None:
    """Cut out a piece, put another in: an event, or a record with the reason; the raw line is kept."""
    line = mail()[which]
    damaged = line[:start] + put + line[start + length :]
    found = smtplog.parse_line(damaged, year=2026)

    assert isinstance(found, Event | Unparsed)
    assert found.raw == damaged.rstrip("\r\n")


@settings(max_examples=15, deadline=None)
@given(st.binary(max_size=400), st.integers(0, 1500))
def test_any_octets_in_a_log_are_counted(data: bytes, place: int) -> None:
    """Octets put into a log anywhere: every physical line is counted once, and nothing raises."""
    whole = text_of(mail())
    damaged = whole[:place] + data + whole[place:]
    run = smtplog.messages([damaged] if b"\n" not in damaged else damaged.splitlines(keepends=True), year=2026)
    list(run)

    assert run.tally.entries == sum(run.tally.by_program.values())


@settings(max_examples=40, deadline=None)
@given(st.text(max_size=400))
def test_any_text_may_hold_a_transcript(text: str) -> None:
    """`parse_transcript` gives sessions or none."""
    assert isinstance(smtplog.parse_transcript(text), list)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="a system without a disk that is always full")
@pytest.mark.parametrize("command", ["events", "deliveries --format table", "summary", "check", "trace --sender *"])
def test_a_full_disk_is_said(log: Path, command: str) -> None:
    """Exit 2 and a sentence, whether standard output or a file of one's own has no room."""
    name, *options = command.split()
    ways = [["/dev/full", []]] + [["/dev/null", ["-o", "/dev/full"]]] * (name in QUERIES)
    for target, more in ways:
        with Path(str(target)).open("wb") as out:
            ran = subprocess.run(
                [sys.executable, "-m", "smtplog", name, str(log), *options, *more],
                stdout=out, stderr=subprocess.PIPE, cwd=TOP, check=False,
            )  # fmt: skip
        assert ran.returncode == 2
        assert b"cannot be written: No space left on device" in ran.stderr
        assert b"Traceback" not in ran.stderr
        assert b"ignored" not in ran.stderr
