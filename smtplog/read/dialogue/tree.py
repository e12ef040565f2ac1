"""Lark's LALR parser over dialogue tokens, and from its tree to the tokens of the state machine.

The grammar is grammars/transcript_dialogue.lark; its terminals are not letters but whole lines, which `turns` names.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache

from lark import Lark, Tree
from lark import Token as LarkToken
from lark.common import LexerConf
from lark.lexer import Lexer

from smtplog.formats.transcripts.form import Form
from smtplog.read import grammar
from smtplog.read.dialogue import clean
from smtplog.read.dialogue.pieces import Piece
from smtplog.read.dialogue.sides import Sides
from smtplog.read.dialogue.turns import Stream
from smtplog.smtp.dialogue import Kind, Token

_EVENTS = {kind.name: kind for kind in Kind if kind not in {Kind.SERVER, Kind.CLIENT}}


def tokens(form: Form, found: list[Piece], sides: Sides) -> list[Token]:
    """The tokens of one stream of pieces; never raises, whatever the pieces are."""
    stream = Stream(form, found, sides)
    tree = _parser().parse(stream)
    return list(_walk(tree, stream))


class _Lexer(Lexer):
    """Hands a stream's own tokens to Lark."""

    def __init__(self, conf: LexerConf) -> None:
        """Lark hands its configuration over; nothing of it is needed."""

    def lex(self, data: object) -> Iterator[LarkToken]:  # type: ignore[override]
        """The tokens of a stream, each with the place of its piece."""
        if isinstance(data, Stream):
            for name, text, place in data.lex():
                yield LarkToken(name, text, start_pos=place)


@cache
def _parser() -> Lark:
    text = (grammar.folder() / "transcript_dialogue.lark").read_text("utf-8")
    return Lark(text, parser="lalr", lexer=_Lexer, maybe_placeholders=False)


def _walk(tree: Tree[LarkToken], stream: Stream) -> Iterator[Token]:
    for child in tree.children:
        if isinstance(child, LarkToken):
            yield _token(_EVENTS[child.type], str(child), child, stream)
        elif child.data == "session":
            yield from _walk(child, stream)
        else:
            yield _grouped([c for c in child.children if isinstance(c, LarkToken)], str(child.data), stream)


def _grouped(lines: list[LarkToken], rule: str, stream: Stream) -> Token:
    """A reply of several lines, a folded line, an event: one token."""
    first = lines[0]
    if rule == "happened":
        return _token(_EVENTS[first.type], str(first), first, stream)
    said: list[str] = []
    for line in lines:
        if line.type == "WRAP":
            said[-1] = f"{said[-1].removesuffix(chr(92)).rstrip()} {line}"
        elif line.type != "CUT":
            said.append(str(line))
    return _token(Kind.SERVER if rule == "reply" else Kind.CLIENT, "\n".join(said), first, stream)


def _token(kind: Kind, text: str, at: LarkToken, stream: Stream) -> Token:
    piece = stream.found[at.start_pos or 0]
    moment, clock = clean.time(piece.row.stamp)
    return Token(kind, text, piece.row.line, moment, clock, piece.is_tls)
