"""Which form is this text in: every form is tried on what stands around the first replies and commands.

A form is worth what it explains: lines of one mark that are replies, lines of another that are commands. The more
special form wins a tie.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

from smtplog.formats.transcripts import FLAT_FORMS, FORMS
from smtplog.formats.transcripts.form import Form
from smtplog.read import grammar
from smtplog.read.dialogue import guess, literal, peel
from smtplog.read.dialogue.clean import Row
from smtplog.read.dialogue.pieces import Piece, pieces
from smtplog.smtp import commands
from smtplog.smtp.replies import is_reply

SAMPLE = 600
"""Lines that a form is judged by."""
_AROUND = 5
"""Lines before and behind replies and commands that may belong to them."""
_ENOUGH = 2.0
_ENOUGH_UNMARKED = 1.5
BARE_CODE = "050 "
"""What sendmail puts before each line of its own where it speaks SMTP itself."""
_CODES = frozenset(
    {211, 214, 220, 221, 235, 250, 251, 252, 253, 334, 354, 421, 432, 450, 451, 452, 454, 455, 458, 459}
    | {500, 501, 502, 503, 504, 510, 511, 512, 521, 523, 530, 534, 535, 538, 541, *range(550, 557), 571}
)
"""Codes that a line without a mark must have to be taken for a reply."""
_TINY = 12
"""Lines of a text so short that one marked line is enough."""


@dataclass(slots=True)
class Choice:
    """A form, the lines as it sees them, and how much it explains."""

    form: Form
    rows: list[Row]
    score: float = 0.0
    tally: dict[str, Counter[str]] = field(default_factory=dict)
    is_flat: bool = False
    is_guess: bool = False
    peels: tuple[peel.Peel, ...] = ()
    """What was taken off its lines."""

    @property
    def name(self) -> str:
        """The form's name; what was on one line has a name of its own."""
        if not self.is_flat or self.form.grammar not in {None, "transcript_rfc"}:
            return self.form.name
        return FLAT_FORMS[0] if self.form.grammar else FLAT_FORMS[1]

    def pieces(self) -> list[Piece]:
        """The lines as pieces of a dialogue."""
        return list((guess.pieces if self.is_guess else pieces)(self.form, self.rows))

    @property
    def has_both(self) -> bool:
        """Both sides were heard."""
        total = sum(self.tally.values(), Counter[str]())
        return bool(total["reply"]) and bool(total["verb"])


def is_known_reply(text: str) -> bool:
    """A line of a reply with a code that SMTP servers use: what is asked of a line without a mark."""
    return is_reply(text) and int(text[:3]) in _CODES


def best(rows: list[Row], text: str) -> Choice | None:
    """The form that explains most of a text; None when none explains enough to speak of a dialogue."""
    start, stop = _window(rows)
    sample = rows[start:stop]
    if not sample:
        return None
    possible = [form for form in FORMS if _is_possible(form, text)]
    found: Choice | None = None
    for tried, variant in peel.variants(sample):
        for form in possible:
            if form.grammar and not peel.ONLY_UNMARKED.isdisjoint(tried):
                continue
            choice = judge(form, variant, rows)
            enough = _enough(choice, len(rows))
            if choice.score >= enough and (found is None or choice.score > found.score):
                found, found.peels = choice, tried
    found = _better_guess(sample, found) or found
    if found is not None:
        found.rows = [*rows[:start], *peel.peeled(rows[start:], found.peels, at_once=len(sample))]
    return found


def _enough(choice: Choice, rows: int) -> float:
    """How much a form must explain: more in a long text, and without marks both sides must be heard."""
    if choice.form.grammar is None:
        return _ENOUGH_UNMARKED if choice.has_both else _ENOUGH
    return _ENOUGH if rows > _TINY else 1.0


def _better_guess(sample: list[Row], found: Choice | None) -> Choice | None:
    """Marks that no form knows, where they explain more than any form does; with as much as possible taken off."""
    if found is not None and found.form.grammar is not None:
        return None
    best: Choice | None = None
    for tried, variant in peel.variants(sample):
        guessed = guess.form(variant)
        if guessed is not None and guessed[1] >= (best.score if best else found.score if found else 0.0):
            heard = {"": Counter(reply=1, verb=1)}
            best = Choice(guessed[0], variant, guessed[1], heard, is_guess=True, peels=tried)
    return best


def _is_possible(form: Form, text: str) -> bool:
    """Are the words in the text that a form must have, and none that it cannot?"""
    return (not form.signs or any(sign in text for sign in form.signs)) and not any(
        word in text for word in form.unless
    )


def _window(rows: list[Row]) -> tuple[int, int]:
    """Where to look: from a little before the first line that looks like a dialogue to the last of the next ones."""
    pattern = grammar.compiled("transcript", "anchor")
    first = next((i for i, row in enumerate(rows) if pattern.search(row.text)), None)
    if first is None:
        return 0, 0
    last = max(i for i in range(first, min(first + SAMPLE, len(rows))) if pattern.search(rows[i].text))
    return max(first - _AROUND, 0), last + _AROUND


def judge(form: Form, sample: Sequence[Row], rows: list[Row]) -> Choice:
    """What a form makes of a sample."""
    choice = Choice(form, rows)
    if form.blocks:
        for piece in pieces(form, list(sample)):
            if piece.mark is not None:
                _count(choice.tally, piece.mark, piece.text, form)
        choice.score = _score(form, choice.tally)
        return choice
    pattern = grammar.compiled(form.grammar, "line") if form.grammar else None
    has_mark = pattern is not None and "mark" in pattern.groupindex
    for row in sample:
        match = pattern.fullmatch(row.text) if pattern else None
        if match is None:
            if pattern is None:
                _count(choice.tally, "", row.text, form)
            elif form.bare_replies and is_known_reply(row.text.removeprefix(BARE_CODE)):
                choice.tally.setdefault("", Counter())["reply"] += 1
            continue
        mark = match["mark"] if has_mark else ""
        if mark is None:
            continue
        mark, texts = literal.spoken(form, mark, match["text"] or "")
        for text in texts:
            _count(choice.tally, mark, text, form)
    choice.score = _score(form, choice.tally)
    return choice


def _count(tally: dict[str, Counter[str]], mark: str, text: str, form: Form) -> None:
    if form.skips and text.lstrip().startswith(form.skips):
        return
    payload = text.lstrip() if form.grammar else text
    heard = tally.setdefault(mark, Counter())
    if is_reply(payload) if form.grammar else is_known_reply(payload):
        heard["reply"] += 1
    elif commands.is_certain(payload):
        heard["verb"] += 1
    else:
        heard["other"] += 1


def _score(form: Form, tally: dict[str, Counter[str]]) -> float:
    if form.grammar is None:
        heard = tally.get("", Counter())
        return (heard["reply"] + heard["verb"]) * form.weight if heard["reply"] else 0.0
    if form.bare_replies and not (tally.get("", Counter())["reply"] and any(h["verb"] for m, h in tally.items() if m)):
        return 0.0
    if _is_one_mark(tally):
        return 0.0
    marks = {"", *form.server, *form.client}
    counts = [one for mark, one in tally.items() if mark in marks or not form.server]
    score = sum(max(one["reply"], one["verb"]) - 0.5 * min(one["reply"], one["verb"]) for one in counts)
    return score * form.weight


def _is_one_mark(tally: dict[str, Counter[str]]) -> bool:
    """Do replies and commands stand behind the same mark? Then it tells nothing of who speaks."""
    heard = [one for one in tally.values() if one["reply"] or one["verb"]]
    fewer, more = sorted((heard[0]["reply"], heard[0]["verb"])) if len(heard) == 1 else (0, 0)
    return fewer > 1 and 8 * fewer > more
