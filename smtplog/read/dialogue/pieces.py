"""The lines of a text as pieces of a dialogue: whose mark stood there and what was said, session by session."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from smtplog.formats.transcripts.form import Form
from smtplog.read import grammar
from smtplog.read.dialogue import literal
from smtplog.read.dialogue.clean import Row


@dataclass(slots=True)
class Piece:
    """One line as a form sees it.

    Attributes:
        mark: what stood before it; None when nothing of the form's did.
        text: what was said, or the whole line when there is no mark.
        row: where it stood.
        lead: blanks before the mark.
        is_tls: whether the mark tells of encryption.
    """

    mark: str | None
    text: str
    row: Row
    lead: int = 0
    is_tls: bool | None = None
    peer: tuple[str, str] | None = None
    """Local and remote end, where the line names them."""
    context: str | None = None
    bare_end: str = ""
    """`line feed` or `carriage return` where the text shows octets and one stands alone."""


_ENDS = frozenset({"local", "remote", "peer"})


def pieces(form: Form, rows: list[Row]) -> Iterable[Piece]:
    """Every row as one piece or more, in order."""
    if form.blocks == "rows":
        return _rows(form, rows)
    if form.blocks == "hex":
        return _hex(form, rows)
    if form.blocks == "octets":
        return _octets(form, rows)
    return _lines(form, rows)


def _lines(form: Form, rows: list[Row]) -> Iterator[Piece]:
    if form.grammar is None:
        for row in rows:
            yield Piece(None, literal.visible_ends(row.text), row)
        return
    pattern = grammar.compiled(form.grammar, "line")
    names = frozenset(pattern.groupindex)
    for row in rows:
        match = pattern.fullmatch(row.text)
        if match is None:
            yield Piece(None, row.text, row)
            continue
        said = match.groupdict()
        mark = said["mark"]
        if mark is None:  # the form's own line, but nobody's words: a line of the message
            yield Piece(None, (said["text"] or "").removeprefix(" "), _stamped(row, said))
            continue
        if "service" in names:  # two services of one program: the same mark means two things
            mark = f"{said['service']} {mark}"
        is_tls = True if mark in form.tls_marks or said.get("tls_class") else (False if form.tls_marks else None)
        mark, texts = literal.spoken(form, mark, said["text"] or "")
        ends = (said.get("local") or "", said.get("remote") or said.get("peer") or "") if names & _ENDS else None
        bare = literal.bare_end(said["text"] or "") if form.shows_octets else ""
        for text in texts:
            if form.skips and text.lstrip().startswith(form.skips):
                continue
            lead = len(said.get("lead") or "")
            yield Piece(mark, text, _stamped(row, said), lead, is_tls, ends, said.get("context"), bare)
            bare = ""


def _stamped(row: Row, said: dict[str, str | None]) -> Row:
    stamp, ids = said.get("stamp"), said.get("ids")
    if stamp is None and ids is None:
        return row
    return Row(row.line, row.text, stamp or row.stamp, (ids or row.ids).strip(), row.is_piece)


def _rows(form: Form, rows: list[Row]) -> Iterator[Piece]:
    """A head says who speaks and how many octets; rows with an offset follow (curl --trace-ascii, --trace)."""
    head, line, info = (grammar.compiled(form.grammar or "", rule) for rule in ("head", "row", "info"))
    open_head: tuple[str, Row, bool] | None = None
    grown: list[str] = []

    def close() -> Iterator[Piece]:
        if open_head is not None:
            mark, row, is_data = open_head
            text = "".join(grown)
            for said in [f"({len(text)} octets)"] if is_data else text.split("\n"):
                yield Piece("data" if is_data else mark, said.rstrip("."), row)

    for row in rows:
        match = head.fullmatch(row.text)
        if match:
            yield from close()
            open_head, grown = (match["mark"], Row(row.line, row.text, match["stamp"]), " data, " in row.text), []
            continue
        match = line.fullmatch(row.text) if open_head else None
        if match:
            grown.append(row_text(match["text"] or ""))
            continue
        yield from close()
        open_head, grown = None, []
        note = info.fullmatch(row.text)
        yield Piece(None, (note["text"] or "").strip() if note else row.text, row)
    yield from close()


def row_text(text: str) -> str:
    """The characters of a row; with `--trace` sixteen octets in hex stand before them."""
    text = text.removeprefix(" ")
    cells = text[:48].split(" ")
    is_hex = len(text) > 48 and all(len(cell) == 2 or not cell for cell in cells) and text[2:3] == " "
    return text[48:].removeprefix(" ") if is_hex else text


def _hex(form: Form, rows: list[Row]) -> Iterator[Piece]:
    """A head says which socket speaks; rows with sixteen octets in hex follow, in which line ends count."""
    head, line = (grammar.compiled(form.grammar or "", rule) for rule in ("head", "row"))
    open_row: Row | None = None
    mark, grown = "", bytearray()

    def close() -> Iterator[Piece]:
        if open_row is not None and grown:
            for said in grown.decode("utf-8", "replace").removesuffix("\n").split("\n"):
                yield Piece(mark, said.removesuffix("\r"), open_row)

    for row in rows:
        match = head.fullmatch(row.text.rstrip())
        if match:
            if open_row is None or (match["mark"], match["ids"]) != (mark, open_row.ids):
                yield from close()
                mark, grown = match["mark"], bytearray()
                open_row = Row(row.line, row.text, row.stamp, match["ids"])
        elif open_row is not None and (match := line.fullmatch(row.text)):
            grown += bytes.fromhex(match["octets"].replace("-", " "))
    yield from close()


def _octets(form: Form, rows: list[Row]) -> Iterator[Piece]:
    """A head says how many octets follow; line ends count (tshark -z follow)."""
    head = grammar.compiled(form.grammar or "", "head")
    left, mark = 0, ""
    for row in rows:
        if left > 0:
            left -= len(row.text) + 2
            yield Piece(mark, row.text, row)
            continue
        match = head.fullmatch(row.text)
        if match:
            left, mark = int(match["size"][:9]), match["mark"] or ""
        else:
            yield Piece(None, row.text, row)


def sessions(found: Iterable[Piece], *, ids_are_sure: bool = False) -> list[list[Piece]]:
    """Pieces of sessions that a log writes through each other, taken apart by their ids.

    Where the ids change with nearly every line they name lines and not sessions, and the text stays whole, unless it
    is sure that they name sessions.
    """
    everything = list(found)
    marked = [piece for piece in everything if piece.mark is not None]
    names = {piece.row.ids for piece in marked}
    if len(names) < 2 or (not ids_are_sure and len(names) * 3 > len(marked)):
        return [everything]
    streams: dict[str, list[Piece]] = {
        name: [] for name in dict.fromkeys(p.row.ids for p in everything) if name in names
    }
    last = ""
    for piece in everything:
        name = piece.row.ids if piece.row.ids in streams else last
        if name in streams and (piece.mark is not None or piece.row.ids == name or not piece.row.ids):
            streams[name].append(piece)
            last = name
    return list(streams.values())


def without_repeats(found: list[Piece]) -> list[Piece]:
    """Take out copies of a log inside itself (exceptions of Swift Mailer hold it whole, several times).

    A copy begins at a restart (`++`), says again what was said from the beginning or from somewhere inside, and what
    is new goes on behind it.
    """
    known: list[Piece] = []
    keys: list[tuple[str | None, str]] = []
    at: set[int] | None = None
    for piece in found:
        if piece.mark is None:
            if piece.text.startswith("++"):
                at = {0} if "Starting" in piece.text or not keys else set(range(len(keys)))
            if not keys or at is None or at == {len(keys)}:
                known.append(piece)
            continue
        key = (piece.mark, piece.text.strip())
        if not key[1]:
            continue
        places = at if at is not None else {len(keys)}
        again = {p + 1 for p in places if p < len(keys) and keys[p] == key}
        if again:
            at = again
        else:
            known.append(piece)
            keys.append(key)
            at = {len(keys)}
    return known
