"""Text -> sessions: decorations peeled off, the form chosen, directions decided, Lark's LALR over what was said.

A text may hold anything around its dialogues, in any language; only what is a dialogue becomes a session, and bad text
is never an error.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from smtplog.contract.records import Session
from smtplog.formats.transcripts.form import Form
from smtplog.read.dialogue import choose, clean, flat, notes, pieces, sides, tree
from smtplog.read.dialogue.choose import Choice
from smtplog.read.dialogue.clean import Row
from smtplog.read.dialogue.pieces import Piece
from smtplog.read.dialogue.sides import Sides
from smtplog.smtp import machine, report
from smtplog.smtp.dialogue import Conversation, Kind, Token

_LONGEST_FLAT = 16 * 1024 * 1024
"""Characters of a text in which flattened dialogues are looked for: web pages are shorter."""
_MOST_FORMS = 4
"""Further forms that are looked for in one text, one behind the other."""
_Told = tuple[Conversation, str, float, dict[str, Any]]
"""A conversation, its form, how sure its directions are, what its log tells beside."""
_LONGEST = 64 * 1024 * 1024
"""Characters of a document that are read; a dialogue is a small thing."""


def sessions(text: str, *, source: str = "-", show_secrets: bool = False) -> list[Session]:
    """Every SMTP session that a text tells of.

    Args:
        text: a transcript in any known form, or a text with transcripts in it.
        source: what the records name as their source.
        show_secrets: leave passwords, tokens and what carries them as they are.

    Returns:
        One record per connection, in the order of the text, `format` "transcript"; empty when there is no dialogue.
        Never raises on text.

    Cost: linear in the text.
    """
    found = list(_found(clean.rows(text[:_LONGEST]), text[:_LONGEST]))
    found.sort(key=lambda f: f[0].line)
    return [
        Session(
            source=source,
            line=talk.line,
            format="transcript",
            form=form,
            confidence=sure,
            **{"session_key": f"transcript/{talk.line}.{n}", **report.parts(talk, show_secrets=show_secrets), **told},
        )
        for n, (talk, form, sure, told) in enumerate(found, 1)
    ]


def _found(rows: list[Row], text: str, *, others: int = _MOST_FORMS) -> Iterator[_Told]:
    """Every dialogue in some rows, and then those in another form before the first or behind the last of them."""
    choice = _choice(rows, text)
    if choice is None or (others < _MOST_FORMS and not choice.has_both):
        return
    everything = choice.pieces()
    lines = [piece.row.line for piece in everything if piece.mark is not None]
    has_copies = False
    if choice.form.repeats:
        whole, everything = everything, pieces.without_repeats(everything)
        has_copies = sum(p.mark is not None for p in whole) - sum(p.mark is not None for p in everything) > 2
    for stream in pieces.sessions(everything, ids_are_sure=choice.form.is_whole):
        who = sides.decide(choice.form, stream)
        spoken: list[Token] = tree.tokens(choice.form, stream, who)
        if has_copies and spoken:
            spoken.insert(0, Token(Kind.NOTE, "copies", spoken[0].line))
        lines += [token.line for token in spoken]
        told = _told(choice.form, stream, who)
        for n, talk in enumerate((one for one in machine.run(spoken) if one.is_dialogue), 1):
            again = {"session_key": f"{told['session_key']}.{n}"} if n > 1 and "session_key" in told else {}
            yield talk, choice.name, who.confidence, told | again
    if lines and others:
        for part in ([row for row in rows if row.line < min(lines)], [row for row in rows if row.line > max(lines)]):
            yield from _found(part, "\n".join(row.text for row in part), others=others - 1)


def _told(form: Form, stream: list[Piece], who: Sides) -> dict[str, Any]:
    """What a log of one of the two sides tells of its session beside the words."""
    ends = next((piece.peer for piece in stream if piece.peer is not None), None)
    if not form.own_mark or ends is None:
        return {}
    told = notes.ends(*ends, is_server=who.is_server(form.own_mark))
    if not ends[0]:  # it does not name its own end
        told = {name: value for name, value in told.items() if value is not None}
    name = next((piece.row.ids for piece in stream if piece.mark is not None), "")
    return told | ({"session_key": name} if form.names_sessions and name else {})


def likelihood(head: str) -> float:
    """How likely a text that begins like this is a transcript, 0 to 1.

    Near 0 for logs of mail servers, prose and binary data: both sides must be heard, or one side at length. Where a
    form's lines are a server's log, the share of such lines counts: a log with a dialogue in it is a log.
    """
    choice = _choice(clean.rows(head), head)
    if choice is None:
        return 0.0
    if not choice.has_both:
        return min(0.45, 0.2 + choice.score / 20) if choice.form.signs else min(0.15, choice.score / 50)
    sure = min(1.0, 0.5 + choice.score / 20)
    return sure if not choice.form.is_log else min(sure, _share(choice))


def share(head: str) -> float:
    """How many of the lines of a text are somebody's words behind a mark, 0 to 1; 0 unless both sides are heard."""
    choice = _choice(clean.rows(head), head)
    return _share(choice) if choice is not None and choice.has_both and choice.form.grammar else 0.0


def _share(choice: Choice) -> float:
    """How many of the lines have a mark, of those with anything on them."""
    said = sum(piece.mark is not None for piece in choice.pieces())
    return said / max(sum(bool(row.text.strip()) for row in choice.rows), 1)


def _choice(rows: list[Row], text: str) -> Choice | None:
    plain = clean.without_html(rows) or rows
    choice = choose.best(plain, text)
    cut = flat.split(plain) if len(text) <= _LONGEST_FLAT else None
    other = choose.best(cut, text) if cut is not None else None
    if other is None or (choice is not None and choice.score >= other.score):
        return choice
    other.is_flat = True
    return other
