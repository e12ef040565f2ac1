"""Transcripts: every form is read as its sample says, and no text is an error."""

from __future__ import annotations

import io
import json
import os
import tomllib
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.console import Console

import smtplog
from smtplog.formats.transcripts import FORMS
from smtplog.read import dialogue, grammar
from smtplog.show import dialogue as show

SAMPLES = Path(__file__).parent.parent / "samples" / "transcript"
SCENES = sorted(SAMPLES.glob("*.txt"))
SECRETS = ("s3cret", "czNjcmV0", "AGJhZABzM2NyZXQ=", "AGFsaWNlAHMzY3JldA==", "YmFkAGJhZABzM2NyZXQ=", "YTk3NTNhODZi")


def text_of(scene: Path) -> str:
    """A sample as it stands, line ends untouched."""
    return scene.read_bytes().decode("utf-8", "replace")


@pytest.mark.parametrize("scene", SCENES, ids=lambda p: p.stem)
def test_a_sample_is_read_as_its_golden_says(scene: Path) -> None:
    """Every field of every session."""
    golden = [json.loads(line) for line in scene.with_suffix(".jsonl").read_text("utf-8").splitlines()]
    found = [json.loads(s.model_dump_json()) for s in dialogue.sessions(text_of(scene), source=scene.name)]

    assert found == golden


def test_every_form_has_a_sample() -> None:
    """A form without a sample is only claimed."""
    seen = {
        json.loads(line)["form"]
        for scene in SCENES
        for line in scene.with_suffix(".jsonl").read_text("utf-8").splitlines()
    }

    assert {form.name for form in FORMS} <= seen


def test_every_sample_says_where_it_came_from() -> None:
    """samples/SOURCES.toml names each."""
    said = tomllib.loads((SAMPLES.parent / "SOURCES.toml").read_text("utf-8"))

    assert not [scene.stem for scene in SCENES if f"transcript/{scene.stem}" not in said]


@pytest.mark.parametrize("form", [form for form in FORMS if form.grammar], ids=lambda form: form.name)
def test_every_form_has_a_grammar_whose_rule_names_mark_and_text(form: object) -> None:
    """Shapes are written in grammars/ only."""
    name = form.grammar  # type: ignore[attr-defined]
    rule = "line" if "line" in grammar.rules(name) else "head"

    assert "mark" in grammar.shape(name, rule).fields


@pytest.mark.parametrize("scene", SCENES, ids=lambda p: p.stem)
def test_a_sample_cut_at_any_line_is_still_read_and_tells_no_secret(scene: Path) -> None:
    """Heads and tails missing."""
    lines = text_of(scene).split("\n")
    step = max(1, len(lines) // 25)
    for cut in range(0, len(lines), step):
        for part in ("\n".join(lines[:cut]), "\n".join(lines[cut:])):
            out = "".join(session.model_dump_json() for session in dialogue.sessions(part))
            assert not any(secret in out for secret in SECRETS)


@pytest.mark.parametrize("name", ["rfc-json-lines", "rfc-numbered", "rfc-quoted", "unmarked-quoted", "swaks-tls"])
def test_long_prose_around_a_dialogue_does_not_hide_it(name: str) -> None:
    """What is taken off its lines is decided where it stands."""
    text = text_of(SAMPLES / f"{name}.txt")
    prose = "And so it went on for a long time, as these things do.\n\n" * 500

    alone, around = dialogue.sessions(text), dialogue.sessions(prose + text + prose)

    assert [(s.form, s.commands, s.transactions) for s in around] == [
        (s.form, s.commands, s.transactions) for s in alone
    ]


@pytest.mark.parametrize("scene", SCENES, ids=lambda p: p.stem)
def test_a_sample_is_no_log(scene: Path) -> None:
    """Whatever stamps it has: the whole program takes it for what it is."""
    found = [session.form for session in smtplog.sessions(str(scene))]

    assert found == [session.form for session in dialogue.sessions(text_of(scene))]


@pytest.mark.parametrize("scene", SCENES, ids=lambda p: p.stem)
def test_a_sample_looks_like_a_transcript(scene: Path) -> None:
    """Detection; where only one side is heard it is less sure."""
    sessions = dialogue.sessions(text_of(scene))
    is_heard = all(any(e.verb and e.replies for e in s.exchanges or []) for s in sessions) and not any(
        finding.code == "one-sided" for s in sessions for finding in s.findings or ()
    )

    assert dialogue.likelihood(text_of(scene)) >= (0.5 if is_heard else 0)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "Dear all,\nthe data is in. We had 250 guests and 354 chairs.\nMail from my aunt says hello.\n",
        "Nov 23 08:00:00 mx postfix/smtp[9]: 4Xy: to=<a@b>, relay=mx[192.0.2.1]:25, delay=1, status=sent (250 ok)\n" * 50,
        "2026-11-23 08:00:00 1xVPLc-0006je-1Z => a@b R=r T=t H=mx [192.0.2.1] C=\"250 ok\"\n" * 50,
        "\x00\x01\x02\xff" * 1000,
        "x" * 100_000,
    ],
    ids=["empty", "prose", "postfix", "exim", "binary", "long"],
)  # fmt: skip
def test_what_is_no_transcript_is_not_taken_for_one(text: str) -> None:
    """Logs, prose and rubbish."""
    assert dialogue.likelihood(text) < 0.2
    assert dialogue.sessions(text) == []


def test_a_page_in_another_language_with_a_flattened_transcript() -> None:
    """Masked addresses are null, the message is counted, the words around are no error."""
    first, second = dialogue.sessions(text_of(SAMPLES / "page.txt"))
    [transaction] = first.transactions or []

    assert first.form == "flattened"
    assert first.closed_by == "quit"
    assert (transaction.sender, transaction.sender_is_redacted) == (None, True)
    assert [(r.address, r.is_redacted, r.outcome) for r in transaction.recipients] == [(None, True, "accepted")] * 2
    assert (transaction.header_count, transaction.body_line_count, transaction.subject) == (5, 4, "A test")
    assert transaction.next_queue_id == "12345"
    assert [r.outcome for t in second.transactions or [] for r in t.recipients] == ["rejected"]


@pytest.mark.parametrize(
    ("server", "client"), [("<<<", ">>>"), (">>>", "<<<"), ("<--", "-->"), ("-->", "<--"), ("In:", "Out:")]
)
def test_directions_are_told_by_what_is_said_and_not_by_the_marks(server: str, client: str) -> None:
    """The same marks, both ways round."""
    said = [
        (server, "220 mx"),
        (client, "EHLO r.example.org"),
        (server, "250 hi"),
        (client, "QUIT"),
        (server, "221 bye"),
    ]
    text = "".join(f" {mark} {words}\n" if mark.endswith(":") else f"{mark} {words}\n" for mark, words in said)
    [session] = dialogue.sessions(text)

    assert [e.verb for e in session.exchanges or []] == [None, "EHLO", "QUIT"]
    assert (session.confidence or 0) > 0.7


def test_the_form_of_a_tool_nobody_knows_is_worked_out() -> None:
    """What always stands before replies is the server's mark."""
    [session] = dialogue.sessions(text_of(SAMPLES / "other.txt"))

    assert session.form == "other"
    assert [e.verb for e in session.exchanges or []] == [None, "EHLO", "MAIL", "RCPT", "DATA", "QUIT"]


def test_interleaved_sessions_of_a_log_are_taken_apart() -> None:
    """By the ids that the log gives them."""
    lines = ["S: 220 mx", "C: EHLO r.example.org", "S: 250 hi", "C: QUIT", "S: 221 bye"]
    text = "".join(f"[{n}] {line}\n" for line in lines for n in ("aa1", "bb2"))

    assert [[e.verb for e in s.exchanges or []] for s in dialogue.sessions(text)] == [[None, "EHLO", "QUIT"]] * 2


def test_keys_and_places_are_stable() -> None:
    """The same text gives the same keys; the source is not in them."""
    text = text_of(SAMPLES / "page.txt")
    one, two = dialogue.sessions(text, source="a"), dialogue.sessions(text, source="b")

    assert [s.session_key for s in one] == [s.session_key for s in two] == ["transcript/5.1", "transcript/9.2"]


def test_show_secrets_shows_them() -> None:
    """Only on demand."""
    text = text_of(SAMPLES / "swaks-tls.txt")

    assert "AGJhZABzM2NyZXQ=" in "".join(s.model_dump_json() for s in dialogue.sessions(text, show_secrets=True))


@pytest.mark.parametrize("scene", SCENES, ids=lambda p: p.stem)
def test_a_dialogue_for_eyes_obeys_no_escape(scene: Path) -> None:
    """Control characters of the text never reach the terminal; every recipient has a verdict."""
    poisoned = text_of(scene).replace("example.com", "example\x1b]0;x\x07.com")
    for session in dialogue.sessions(poisoned):
        out = io.StringIO()
        Console(file=out, width=200, color_system=None, force_terminal=False).print(show.render(session))
        assert not set(out.getvalue()) & {"\x1b", "\x07", "\r"}
        verdicts = sum(len(t.recipients) for t in session.transactions or [])
        assert sum(line.startswith("  ") and ": " in line for line in out.getvalue().splitlines()) >= verdicts


def test_long_hostile_texts_end_soon() -> None:
    """Linear: ten times the text takes about ten times as long; no limit of the interpreter is met."""
    for text in (
        "S: 250-x\n" * 20_000,
        "C: DATA\n" * 5_000,
        ">" * 200_000,
        "SERVER -> CLIENT: " + "250-x" * 50_000,
        "S: 220 a C: DATA S: 354 go " * 2_000,
    ):
        dialogue.sessions(text)


_LINES = [line for scene in SCENES for line in text_of(scene).split("\n")[:30]]


@settings(max_examples=150, deadline=None)
@given(st.lists(st.one_of(st.sampled_from(_LINES), st.text(max_size=40)), max_size=25))
def test_lines_of_all_forms_in_any_order_raise_nothing(lines: list[str]) -> None:
    """Shuffled, cut, mixed with anything."""
    for session in dialogue.sessions("\n".join(lines)):
        session.model_dump_json()


@settings(max_examples=100, deadline=None)
@given(st.sampled_from(SCENES), st.data())
def test_a_sample_with_damaged_letters_raises_nothing(scene: Path, data: st.DataObject) -> None:
    """A few characters replaced anywhere."""
    text = text_of(scene)[:4000]
    for place in data.draw(st.lists(st.integers(0, max(len(text) - 1, 0)), max_size=8)):
        text = text[:place] + data.draw(st.text(max_size=2)) + text[place + 1 :]
    dialogue.sessions(text)
    dialogue.likelihood(text)


@pytest.mark.corpora
def test_posted_transcripts_raise_nothing_and_most_are_dialogues() -> None:
    """What people put on the net."""
    folder = os.environ.get("SMTPLOG_CORPORA")
    if not folder:
        pytest.skip("SMTPLOG_CORPORA is not set")
    files = [p for p in sorted(Path(folder, "transcripts-public").rglob("*.txt")) if p.parent.name != "zeek-log"]
    read = [path for path in files if dialogue.sessions(text_of(path))]

    assert len(read) >= 0.85 * len(files)


@pytest.mark.parametrize("digit", ["\u00b2", "\u0663", "\u2460"])
def test_digits_that_are_no_decimals_are_no_numbers(digit: str) -> None:
    """Superscripts and circled digits are digits to Python and no numbers to anybody."""
    text = (
        f"* Connected to mx port {digit}\n< 220 mx\n> EHLO a.example\n< 250 SIZE {digit}\n"
        f"* SSL connection using TLSv1.3 / X / {digit}\n> MAIL FROM:<a@x> SIZE={digit}\n< 250 ok\n> BDAT {digit} LAST\n< 250 ok\n"
    )

    assert [session.helo for session in dialogue.sessions(text)] == ["a.example"]
