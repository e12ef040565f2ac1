"""The ways that dialogues go: each taken through the state machine once, kept as places in the session's lines.

A way says which line is which command of which transaction, what answered it and what became of it. Where that cannot be
said by places alone (passwords in it, message text, several connections) its sessions are read one by one.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import polars as pl

from smtplog.contract.records import Session
from smtplog.formats.transcripts import FORMS, PROTOCOL
from smtplog.read.dialogue import notes, pieces, sides, tree
from smtplog.read.dialogue.clean import Row
from smtplog.smtp import checks, commands, machine, outcome, report, secrets
from smtplog.smtp.checks.seen import Seen, words
from smtplog.smtp.dialogue import Conversation
from smtplog.smtp.findings import GROUNDS

_MOST_KEPT = 20_000
FORM = next(form for form in FORMS if form.grammar == PROTOCOL)


@dataclass
class Way:
    """One way a dialogue goes; numbers are places in the session's lines."""

    session: dict[str, Any]
    exchanges: list[tuple[Any, ...]]
    """n, verb, argument or None, line of the command, line of its time, is_tls, number of the reply, its line."""
    mails: list[tuple[Any, ...]]
    """n, line of MAIL, line of the deciding reply, line of the reply that took it."""
    rcpts: list[tuple[Any, ...]]
    """n of the mail, order, line of RCPT, outcome, stage, line of the deciding reply."""
    findings: list[tuple[Any, ...]]
    """order, code, line, evidence as text, evidence as (kind, line), value as text, value as (kind, line)."""


@dataclass
class Ways:
    """Every way seen so far."""

    show_secrets: bool = False
    known: dict[str, Way | None] = field(default_factory=dict)

    def of(self, lines: pl.DataFrame) -> tuple[pl.DataFrame, pl.DataFrame, list[Way], list[Session]]:
        """Sort sessions by the ways they go.

        Args:
            lines: what `compared` returned.

        Returns:
            The lines; {sid, start, way} of the sessions that go a way; the ways by number; the sessions that go none.
        """
        talks = lines.with_row_index("start").group_by("sid", maintain_order=True).agg(
            pl.col("start").first(), n=pl.len(), key=pl.col("key").str.join("\n", ignore_nulls=False)
        )  # fmt: skip
        numbers: dict[str, int] = {}
        ways: list[Way] = []
        number: list[int | None] = []
        alone: list[Session] = []
        for start, n, key in talks.select("start", "n", "key").iter_rows():
            place = numbers.get(key) if key is not None else None
            if place is None:
                way = self._way(key, lines.slice(start, n)) if key is not None else None
                if way is None:
                    alone += self._one_by_one(lines.slice(start, n))
                else:
                    place = numbers[key] = len(ways)
                    ways.append(way)
            number.append(place)
        placed = talks.select("sid", "start", way=pl.Series(number, dtype=pl.UInt32)).filter(
            pl.col("way").is_not_null()
        )
        return lines, placed, ways, alone

    def _way(self, key: str, lines: pl.DataFrame) -> Way | None:
        if key in self.known:
            return self.known[key]
        if len(self.known) >= _MOST_KEPT:
            self.known.clear()
        talks, who = spoken(lines)
        is_open = self.show_secrets and any(step.said for talk in talks for step in talk.steps)
        way = _places(talks[0], who.confidence, lines) if len(talks) == 1 and not is_open else None
        self.known[key] = way
        return way

    def _one_by_one(self, lines: pl.DataFrame) -> list[Session]:
        talks, who = spoken(lines)
        name = lines["ids"][0]
        ends = notes.ends(lines["local"][0] or "", lines["remote"][0] or "", is_server=who.is_server(FORM.own_mark))
        return [
            Session(
                source="-", line=talk.line, format="transcript", session_key=name if n == 1 else f"{name}.{n}",
                form=FORM.name, confidence=who.confidence, **{**report.parts(talk, show_secrets=self.show_secrets), **ends},
            )
            for n, talk in enumerate(talks, 1)
        ]  # fmt: skip


def spoken(lines: pl.DataFrame) -> tuple[list[Conversation], sides.Sides]:
    """The conversations of one session's lines, and who is who in them."""
    found = list(_pieces(lines))
    who = sides.decide(FORM, found)
    talks = machine.run(tree.tokens(FORM, found, who))
    return [talk for talk in talks if talk.is_dialogue], who


def _pieces(lines: pl.DataFrame) -> Iterator[pieces.Piece]:
    names = ("line", "stamp", "ids", "local", "remote", "mark", "text", "context")
    for line, stamp, ids, local, remote, mark, text, context in lines.select(names).iter_rows():
        row = Row(line, text, stamp, ids)
        for said in (text or "").split("\n"):
            yield pieces.Piece(mark, said, row, 0, None, (local or "", remote or ""), context)


def _places(talk: Conversation, sure: float, lines: pl.DataFrame) -> Way | None:
    """A conversation as places in its lines; None where places do not say all of it."""
    at = {line: place for place, line in enumerate(lines["line"])}
    steps = [step for step in talk.steps if not step.is_unheard]
    is_plain = not talk.is_one_sided and not any(m.body_lines or m.is_head_missing for m in talk.mails)
    hidden = [text for s in steps if s.said for text in secrets.hidden(s.said, s.login.user if s.login else None)]
    others = lines.filter(~pl.col("text").is_in([*hidden, *(s.text for s in steps if s.verb == "AUTH")]))[
        "text"
    ].fill_null("")
    hides = any(text in line for text in hidden for line in others)
    here = all(s.line in at for s in steps) and all(a.line in at for s in steps for a in s.answers)
    if not is_plain or hides or not here or not all(r.line in at for m in talk.mails for r in m.rcpts):
        return None
    exchanges: list[tuple[Any, ...]] = []
    for n, step in enumerate(steps):
        told = (
            None if step.verb != "AUTH" else " ".join(filter(None, [step.argument, *[secrets.MASK] * step.has_initial]))
        )
        command = None if step.verb in (None, "AUTH") else at[step.line]
        first = (n, step.verb, told, command, at[step.line] if step.at else None, step.is_tls)
        exchanges += [(*first, m, at[a.line]) for m, a in enumerate(step.answers)] or [(*first, None, None)]
    mails, rcpts = [], []
    for n, mail in enumerate(talk.mails):
        decisive, taken = mail.deciding(talk.protocol), mail.taken
        mails.append((n, at[mail.line], decisive and at[decisive.line], taken and at[taken.line]))
        rcpts += [
            (n, k, at[r.line], r.outcome, r.stage, at[r.deciding.line] if r.deciding else None)
            for k, r in enumerate(outcome.in_order(mail))
        ]
    findings = _findings(talk, at)
    if findings is None:
        return None
    return Way(_session(talk, at, sure), exchanges, mails, rcpts, findings)


def _session(talk: Conversation, at: dict[int, int], sure: float) -> dict[str, Any]:
    """What is the same for every session that goes this way, and the lines that tell the rest."""
    same = ("protocol", "tls", "auth", "extensions", "commands", "closed_by", "is_partial", "server_name")
    told = report.parts(talk)
    plain = {name: report.plain(told[name]) for name in same}
    good = [s for s in talk.steps if s.verb in commands.HELLOS and s.is_good] or [
        s for s in talk.steps if s.verb in commands.HELLOS
    ][:1]
    first, last = talk.first, talk.last
    return plain | {
        "confidence": sure,
        "helo_at": at[good[-1].line] if good and talk.helo is not None else None,
        "first_at": at.get(first.line) if first else None,
        "opened_at_": at.get(first.line) if first and first.at else None,
        "closed_at_": at.get(last.line) if last and last.at and first and first.at else None,
    }


def _findings(talk: Conversation, at: dict[int, int]) -> list[tuple[Any, ...]] | None:
    """What was found, with texts of the session as places; None where a text is none of its lines."""
    texts: dict[str, list[tuple[str, int]]] = {}
    for step in talk.steps:
        for answer in step.answers:
            texts.setdefault(words(answer), []).append(("words", at[answer.line]))
        if step.verb is not None and step.verb != "AUTH":
            texts.setdefault(step.text, []).append(("text", at[step.line]))
            if step.verb in commands.HELLOS and step.argument:
                texts.setdefault(step.argument.split()[0], []).append(("name", at[step.line]))
    for mail in talk.mails:
        for rcpt in mail.rcpts:
            texts.setdefault(rcpt.address or "", []).append(("address", at[rcpt.line]))
    out = []
    for n, found in enumerate(_seen(talk)):
        own = at.get(found.line)
        told = [_nearest(texts.get(text, []), own) if text else None for text in (found.evidence, found.value)]
        if found.line not in at and found.line:
            return None
        if (found.evidence and told[0] is None and not found.evidence.startswith("AUTH")) or found.code in _OWN_WORDS:
            return None
        kinds = [x for pair in told for x in (pair or (None, None))]
        out.append((n, found.code, at.get(found.line), found.evidence, *kinds[:2], found.value, *kinds[2:]))
    return out


def _nearest(places: list[tuple[str, int]], own: int | None) -> tuple[str, int] | None:
    """The line that a text is of: that of the finding, where it says it too."""
    return next((place for place in places if place[1] == own), places[0] if places else None)


_OWN_WORDS = frozenset(
    {"size-over-limit", "command-too-long", "bdat-count", "smuggling", "reply-hyphen", "surplus-reply"}
)
"""Findings whose words are made of several lines, or of numbers in them."""


def _seen(talk: Conversation) -> list[Seen]:
    found = checks.seen(talk)
    assert all(one.code in GROUNDS for one in found)  # noqa: S101 - every check has its words
    return found
