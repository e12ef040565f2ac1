"""Pieces become tokens: the lexer of the dialogue's grammar, which knows the state.

It decides what a line is: a line of a reply, a command or a line of the message, something that happened, or
nothing. Between 354 and the lone dot nothing is a reply, whatever it looks like.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from smtplog.formats.transcripts import BODY_WORDS, SERVER_PORTS, UNSEEN_BODY
from smtplog.formats.transcripts.form import Form
from smtplog.read import grammar
from smtplog.read.dialogue import notes
from smtplog.read.dialogue.choose import BARE_CODE, is_known_reply
from smtplog.read.dialogue.pieces import Piece
from smtplog.read.dialogue.sides import Sides
from smtplog.smtp import commands, secrets
from smtplog.smtp.replies import is_reply

_NOTE_MARKS = frozenset("{[(<*=-+!#")
_MOST_GLUED = 1000
"""Lines that one glued reply is cut into."""
_LONGEST_GLUED = 4000
_FRAGMENT = "DATA fragment, "
"""What Wireshark calls the octets of a message, and of a chunk with its BDAT (epan/dissectors/packet-smtp.c)."""
_FRAGMENT_QUIT = "DATA fragment, 6 bytes"
"""And what it calls QUIT behind a refused DATA."""
_AFTERWORDS = 4
"""Lines behind the last spoken one in which notes still belong to the dialogue."""


class Stream:
    """One stream on its way through the lexer."""

    def __init__(self, form: Form, found: list[Piece], sides: Sides) -> None:
        self.form = form
        self.found = found
        self.sides = sides
        self.in_data = False
        self.is_first_of_data = False
        self.loose_body = False
        self.chunk_left = 0
        self.awaits_login = False
        self.open_code = ""
        """Code of a reply whose last line promised another."""
        self.quoted_code = ""
        """Code of a reply that an exception quotes and that goes on."""
        self.last = ""
        """Name of the token before."""
        self.base = _base_lead(found, sides)
        self.dots = _next(found, lambda piece: piece.mark is None and piece.text.strip() == ".")
        self.marks = _next(found, lambda piece: piece.mark is not None)
        self.place = 0
        self.asked_tls = self.is_dark = False
        """STARTTLS was said; what follows on the wire is encrypted."""
        self.rules = {
            name: grammar.compiled(form.grammar, name)
            for name in ("body", "more")
            if form.grammar and name in grammar.rules(form.grammar)
        }
        self.spoken = [i for i in range(len(found)) if found[i].mark is not None or self._could_be_said(found[i].text)]
        self.first = self.spoken[0] if self.spoken else 0
        self.final = self.spoken[-1] if self.spoken else -1

    def _could_be_said(self, text: str) -> bool:
        """For forms with unmarked lines: a reply or a command."""
        if self.form.grammar is not None and not self.form.bare_replies:
            return False
        return is_known_reply(text) or (self.form.grammar is None and commands.is_certain(text))

    # -- tokens for Lark

    def lex(self) -> Iterator[tuple[str, str, int]]:
        """Name and text of every token, and the place of its piece."""
        for i in range(len(self.found)):
            for name, text in [] if self.is_dark else self._piece(i):
                if self.open_code and name not in {"MORE", "LAST", "WRAP", "CUT", "NOTE"}:
                    self.open_code = ""
                    yield "CUT", "", i
                elif name == "NOTE" and self.open_code:
                    continue
                self.last = name
                yield name, text, i
        if self.open_code:
            yield "CUT", "", max(len(self.found) - 1, 0)

    def _piece(self, i: int) -> Iterator[tuple[str, str]]:
        piece, self.place = self.found[i], i
        side = "" if piece.mark is None else "S" if piece.mark in self.sides.server else "C"
        if piece.mark is not None and piece.mark not in self.sides.server | self.sides.client:
            side = "*"
        if self.chunk_left > 0 and side != "S":
            self.chunk_left -= len(piece.text.encode("utf-8", "replace")) + 2
            yield "CLIENT", piece.text
        elif self.in_data and self._is_body(i, piece, side):
            yield from self._body(piece, side)
        elif side == "S":
            yield from self._server(piece)
        elif side == "C":
            yield from self._client(piece.text.removeprefix(" ") if piece.mark else piece.text, piece)
        elif side == "*":
            yield from self._event(piece)
        elif self.form.grammar is None:
            yield from self._unmarked(i, piece)
        else:
            yield from self._foreign(i, piece)

    # -- the message

    def _is_body(self, i: int, piece: Piece, side: str) -> bool:
        """Is this line one of the message, though it has no mark or the wrong one?"""
        was_first, self.is_first_of_data = self.is_first_of_data, False
        if self.form.body == "bare":
            looks_said = side == "S" or (not side and self.form.grammar is None and is_known_reply(piece.text))
            if was_first and looks_said and self.dots[i] < 0:
                self.in_data = False
            is_broken = self.in_data and not side and self.dots[i] < 0 and i >= len(self.found) - _AFTERWORDS
            return self.in_data and not (is_broken and (notes.happened(piece.text) or ("",))[0] == "CLOSED")
        return self.form.body == "loose" and self._is_loose_body(piece, side, was_first=was_first)

    def _is_loose_body(self, piece: Piece, side: str, *, was_first: bool) -> bool:
        """Only the first line of the message had a mark, or none had; deeper than the marks nothing is one."""
        if side or not piece.text.strip():
            return piece.lead > self.base if side else self.loose_body or self._ends_unmarked(piece)
        indent = len(piece.text) - len(piece.text.lstrip())
        if indent <= self.base and (piece.text.lstrip()[:1] in "{[(" or notes.happened(piece.text)):
            return False
        return self.loose_body or was_first or indent > self.base or self._ends_unmarked(piece)

    def _ends_unmarked(self, piece: Piece) -> bool:
        """Does a lone dot without a mark come before the next mark does?"""
        dot, mark = self.dots[self.place], self.marks[self.place]
        return piece.mark is None and dot >= 0 and (mark < 0 or dot < mark)

    def _body(self, piece: Piece, side: str) -> Iterator[tuple[str, str]]:
        text = piece.row.text if self.form.grammar is not None and side else piece.text
        if self.form.body == "loose":
            self.loose_body = True
            text = text[self.base + 3 :] if text[: self.base + 3].isspace() or not text.strip() else text.strip()
        elif self.form.is_whole and side:
            text = f"{piece.mark}:{piece.text}"
        if _is_unseen(piece.text.strip()):
            self.in_data = self.in_data and self.form.body != "bare"
            yield "BODY", text
            return
        if text.strip() == ".":
            self._end_data()
            text = "."
        yield "CLIENT", text

    def _end_data(self) -> None:
        self.in_data = self.loose_body = False

    # -- the server

    def _server(self, piece: Piece) -> Iterator[tuple[str, str]]:
        text = piece.text.strip()
        if not is_reply(text):
            told = notes.happened(text)
            if told and told[0] in {"TIMEOUT", "CLOSED"}:
                yield told
            elif self.awaits_login and secrets.is_base64(text):  # whoever it is put down to, it is a secret
                yield from self._client(text, piece)
            elif text and self.last in {"MORE", "LAST", "WRAP"}:
                yield "WRAP", text
            return
        for line in unglued(text, is_flat=piece.row.is_piece):
            yield from self._reply_line(line)

    def _reply_line(self, line: str) -> Iterator[tuple[str, str]]:
        code = line[:3]
        if self.open_code and self.open_code != code:
            yield "CUT", ""
        if line[3:4] == "-":
            self.open_code = code
            yield "MORE", line
            return
        self.open_code = ""
        self.in_data = self.is_first_of_data = code == "354"
        self.loose_body = False
        self.awaits_login = code == "334"
        self.is_dark = self.form.blocks in {"octets", "hex"} and self.asked_tls and code == "220"
        self.asked_tls = False
        yield "LAST", line

    # -- the client

    def _client(self, text: str, piece: Piece) -> Iterator[tuple[str, str]]:
        plain = text.strip()
        if piece.bare_end:
            yield "NOTE", piece.bare_end
        if _is_unseen(plain) or piece.mark == "data":
            yield "BODY", text
            return
        if plain.startswith(_FRAGMENT) and not self.in_data:
            yield "CLIENT", "QUIT" if plain == _FRAGMENT_QUIT else "BDAT"
            return
        if self.in_data:
            if text.rstrip() == ".":
                self._end_data()
            elif self.form.is_unstuffed and text.startswith("."):
                text = f".{text}"
            yield "CLIENT", text
            return
        told = notes.happened(plain) if plain[:1] in "<({[" or plain[:1] == "*" else None
        if told:
            yield told
            return
        for mark in self.sides.server:  # `>>> QUIT <<< 221 goodbye`: both on one line
            head, both, tail = text.partition(f" {mark} ")
            if both and is_reply(tail.lstrip()) and commands.is_certain(head):
                yield "CLIENT", head.strip()
                yield from self._reply_line(tail.strip())
                return
        self.awaits_login = False
        self.asked_tls = plain.upper() == "STARTTLS"
        self._count_chunk(plain)
        yield "CLIENT", text.rstrip() if plain != "." else "."

    def _count_chunk(self, text: str) -> None:
        words = text.split()
        if (
            len(words) > 1
            and words[0].upper() == "BDAT"
            and words[1].isdecimal()
            and self.form.body in {"bare", "loose"}
        ):
            self.chunk_left = int(words[1][:9])

    # -- lines without a mark

    def _unmarked(self, i: int, piece: Piece) -> Iterator[tuple[str, str]]:
        """No marks at all: what a line is shows in what it looks like and in what came before."""
        text = piece.text
        plain = text.strip()
        if self._is_quoted(text):
            return
        if is_known_reply(text) or (self.open_code and text.startswith(self.open_code)):
            for line in unglued(text.rstrip()):
                yield from self._reply_line(line)
        elif self.awaits_login and plain and " " not in plain:
            self.awaits_login = False
            yield "CLIENT", plain
        elif commands.is_certain(plain) or self._is_answered_as_unknown(i, plain):
            self._count_chunk(plain)
            yield "CLIENT", plain
        elif self._is_masked_answer(plain):
            yield "CLIENT", plain
        else:
            yield from self._told(i, plain)

    def _is_quoted(self, text: str) -> bool:
        """Is this a further line of a reply that an exception quotes? It was heard before."""
        if self.quoted_code and text.startswith(self.quoted_code):
            self.quoted_code = self.quoted_code if text[3:4] == "-" else ""
            return True
        quoted = text.rpartition("Exception: ")[2] if "Exception: " in text else ""
        self.quoted_code = quoted[:3] if quoted[3:4] == "-" and is_known_reply(quoted) else ""
        return False

    def _is_masked_answer(self, plain: str) -> bool:
        """`********`, `[credentials hidden]`: what was typed after 334; stars before words are Exim -bh's own."""
        is_note = plain.startswith("**** ") or bool(notes.happened(plain))
        return self.last == "LAST" and len(plain) < 80 and secrets.is_masked(plain) and not is_note

    def _is_answered_as_unknown(self, i: int, plain: str) -> bool:
        """Not a command we know, but the server answered it as one it does not know either."""
        if self.last not in {"LAST", "WRAP"} or not plain or len(plain) > 500 or i + 1 >= len(self.found):
            return False
        after = self.found[i + 1].text
        return (
            is_reply(after) and after[:3] in {"500", "501", "502", "503", "504"} and commands.command(plain) is not None
        )

    def _foreign(self, i: int, piece: Piece) -> Iterator[tuple[str, str]]:
        """A line that has none of the form's marks."""
        text = piece.text
        plain = text.strip().removeprefix("\u21aa").strip()
        if "body" in self.rules and self.rules["body"].fullmatch(plain):
            yield "BODY", plain
        elif self.open_code and (more := self._more(plain, text)):
            yield from self._reply_line(more)
        elif self.form.bare_replies and is_known_reply(text.removeprefix(BARE_CODE)):
            yield from self._reply_line(text.removeprefix(BARE_CODE).rstrip())
        elif self._goes_on(i, piece):
            yield "WRAP", plain
        else:
            yield from self._told(i, plain)

    def _more(self, plain: str, text: str) -> str | None:
        """A further line of the reply that is open, without a mark of its own."""
        if "more" in self.rules and (match := self.rules["more"].fullmatch(text)):
            plain = match["reply"]
        return plain if plain.startswith(self.open_code) and is_reply(plain) else None

    def _goes_on(self, i: int, piece: Piece) -> bool:
        """The line before was too long for whoever wrote it down."""
        if i == 0 or self.last not in {"MORE", "LAST", "CLIENT", "WRAP"}:
            return False
        before = self.found[i - 1]
        is_next = before.row.line + 1 >= piece.row.line
        if before.mark is not None and before.text.rstrip().endswith("\\"):
            return is_next
        indent = len(piece.text) - len(piece.text.lstrip())
        return (
            self.form.is_folded and is_next and indent > self.base + 1 and bool(piece.text.strip()) and not self.in_data
        )

    def _told(self, i: int, plain: str) -> Iterator[tuple[str, str]]:
        if i < self.first - _AFTERWORDS * 2:
            return
        is_note = plain[:1] in _NOTE_MARKS
        if self.form.body == "loose" and not is_note:  # among prose only what is set apart is a note
            return
        told = notes.happened(plain)
        if told is None or (told[0] == "OPEN" and i > self.final):
            return
        if i > self.final + _AFTERWORDS and told[0] not in {"AUTH", "CLIENT"}:
            return
        if i < self.first and (told[0] in {"CLOSED", "TLS"} or (told[0] == "TIMEOUT" and not is_note)):
            return
        yield told

    def _event(self, piece: Piece) -> Iterator[tuple[str, str]]:
        """A log's own words about a connection (Exchange: `+` opens, `-` closes, `*` tells)."""
        if piece.mark == "+":
            local, remote = piece.peer or ("", "")
            yield "OPEN", notes.peer(remote if remote.endswith(SERVER_PORTS) else local)
        elif piece.mark == "-":
            yield "CLOSED", ""
        else:
            told = notes.happened(f"{piece.text} {piece.context or ''}".strip())
            if told and told[0] in {"TLS", "TIMEOUT"}:
                yield told


def _is_unseen(plain: str) -> bool:
    """Does this stand for a message that is not shown?"""
    return plain.lower() in BODY_WORDS or (plain.startswith("<") and plain.endswith(UNSEEN_BODY))


def unglued(text: str, *, is_flat: bool = False) -> list[str]:
    """`250-a250-b250 c`: lines of one reply that lost the line ends between them, or lost them to blanks."""
    more, end = f"{text[:3]}-", f"{text[:3]} "
    if text[3:4] != "-" or (text.count(more) < 2 and end not in text):
        return [text]
    out: list[str] = []
    start = 0
    while text.startswith(more, start):
        places = (_glued(text, mark, start, is_flat=is_flat) for mark in (more, end))
        cut = min((p for p in places if p > 0), default=-1)
        if cut < 0 or len(out) >= _MOST_GLUED:
            break
        out.append(text[start:cut].rstrip())
        start = cut
    return [*out, text[start:]]


def _glued(text: str, mark: str, start: int, *, is_flat: bool) -> int:
    """Where a mark stands right behind a letter, -1 when nowhere near."""
    stop = start + _LONGEST_GLUED
    place = text.find(mark, start + 4, stop)
    while place > 0 and text[place - 1] == " " and not is_flat:
        place = text.find(mark, place + 1, stop)
    return place


def _base_lead(found: list[Piece], sides: Sides) -> int:
    """How far the marks themselves are indented: as most of the server's are."""
    leads = [piece.lead for piece in found if piece.mark in sides.server and is_reply(piece.text.lstrip())]
    return max(set(leads), key=leads.count) if leads else 0


def _next(found: list[Piece], fits: Callable[[Piece], bool]) -> list[int]:
    """For every place, where the next piece that fits stands, itself included; -1 when nowhere."""
    out, place = [-1] * (len(found) + 1), -1
    for i in range(len(found) - 1, -1, -1):
        place = i if fits(found[i]) else place
        out[i] = place
    return out
