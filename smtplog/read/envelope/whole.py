"""Where blocks may be cut so that no entry is torn, and where a log ends whose last entry is still being written."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import polars as pl

from smtplog.read import grammar, source
from smtplog.read.envelope import export
from smtplog.read.envelope.containers import Container, unwrap
from smtplog.read.envelope.heads import ENVELOPES, GRAMMAR, Envelope
from smtplog.read.envelope.unfold import COPIED, stampers
from smtplog.read.source import LINE_BYTES, Block

REACH = 256 * 1024
"""So many octets from its end a block is searched for the beginning of its last entry."""
WINDOW = 200
"""So many lines may lie between the parts or copies of an entry."""
SOON = 20
"""So near to its end a log is still written to: what goes on is written at once, but other processes write too."""
_SURE = 3
"""So many refusals without a copy, and none with one, tell that this log has no copies."""
_DELIVERIES = (" => ", " -> ", " ** ", " == ")
"""What entries hold that are never copied, whatever the other server said."""


def whole(
    blocks: Iterable[Block], envelopes: tuple[Envelope, ...], container: Container | None = None
) -> Iterator[Block]:
    """Cut blocks again so that no entry is torn.

    Args:
        blocks: whole lines, in order, of one input.
        envelopes: as `order` sorted them.
        container: what the lines are packed in.

    Yields:
        Blocks with the same lines; the last entry of a block may stand in the next.
    """
    held, held_lines = b"", 0
    for block in blocks:
        data, first, offset = block.taken(), block.first_line - held_lines, block.offset - len(held)
        if len(data) < REACH or (container and container.is_blocks):  # the entry may begin in what is held
            data, held = held + data, b""
        end = len(data) if block.is_last else _cut(data, envelopes, container)
        if end or block.is_last:
            octets = b"".join([held, memoryview(data)[:end]]) if held or end < len(data) else data
            block = Block(block.source, octets, first, offset, is_last=block.is_last, problem=block.problem)
            held, data, octets = data[end:], b"", b""
            yield block
        else:
            held += data
        held_lines = held.count(b"\n")


def without_open(
    blocks: Iterable[Block], envelopes: tuple[Envelope, ...], container: Container | None, *, is_complete: bool
) -> Iterator[Block]:
    """Leave out of a log what is not all there yet: a last line without an end, an entry whose other parts or copy are to come.

    Args:
        blocks: as `whole` cut them; the last one says what it lacks.
        envelopes: as `order` sorted them.
        container: what the lines are packed in.
        is_complete: nothing comes any more: all is taken as it stands, unless reading failed.
    """
    for block in blocks:
        if block.is_last and not (is_complete and block.problem is None):
            end = block.data.rfind(b"\n") + 1
            what = "its last line has no end yet" if end < block.size else "its last entry goes on"
            end = _cut(block.data[:end], envelopes, container, is_end=True)
            if end < block.size:
                block.problem = block.problem or f"{block.source}: {what}; it is read next time"
                block.data, block.size = block.data[:end], end
        yield block


def _cut(data: bytes, envelopes: tuple[Envelope, ...], container: Container | None, *, is_end: bool = False) -> int:
    """Where the last entry begins that may go on in what follows; at the end of a log: of which more must come."""
    if container and container.is_blocks:
        if is_end and data.endswith(b"\n\n"):
            return len(data)
        return export.cut(data) or len(data) * (len(data) > LINE_BYTES)
    start = max(0, len(data) - REACH)
    start = data.find(b"\n", start - 1) + 1 if start else 0
    tail = data[start:]
    if container:
        keep = _first_open_inside(source.lines(Block("", tail, 0, 0)), container, is_end=is_end)
    else:
        texts = [line.decode("utf-8", "replace").rstrip("\r\n") for line in tail.split(b"\n")[:-1]]
        keep = _first_open(texts, envelopes, is_end=is_end)
    rest = tail.split(b"\n")[keep:-1]
    return len(data) - sum(map(len, rest)) - len(rest) if keep or not start else len(data)


def _first_open_inside(lines: pl.DataFrame, container: Container, *, is_end: bool) -> int:
    """Index of the first line, from the end, of what may still go on, in a container."""
    inside = unwrap(lines, container)
    cut = inside.filter(pl.col("is_cut"))["line"].min()
    keep = cut if isinstance(cut, int) else lines.height
    head = pl.format(" {}[{}]: ", pl.col("program").fill_null("-"), pl.col("pid").fill_null(0))
    if not container.names_program:
        head = pl.lit("")
    told = inside.select(t=pl.concat_str(head, pl.col("inner").fill_null("")))["t"].to_list()
    first = _first_open(told, ENVELOPES, is_end=is_end)
    return min(keep, inside["line"][first]) if first < len(told) else keep


def _first_open(lines: list[str], envelopes: tuple[Envelope, ...], *, is_end: bool) -> int:
    """Index of the first line, from the end, of what may still go on; at the end of a log: of what must."""
    last = len(lines) - 1
    if envelopes[0].is_plain:
        if is_end:  # such an entry is written at once, and nothing tells how many lines it has
            return len(lines)
        goes_on = grammar.compiled(GRAMMAR, "continuation")
        while last > 0 and (not lines[last] or goes_on.fullmatch(lines[last])):
            last -= 1
        return max(last, 0)
    start = max(0, len(lines) - WINDOW)
    mine = [i for i in range(start, len(lines)) if any(f" {p}[" in lines[i] for p in stampers())]
    part = grammar.compiled(GRAMMAR, "part")
    unpaired: dict[str, tuple[int, str]] = {}
    torn: dict[str, tuple[int, int, int]] = {}
    latest: dict[str, int] = {}
    pairs = alone = 0
    for i in mine:
        head, _, text = lines[i].partition("]: ")
        who = head.rpartition(" ")[2]
        latest[who] = i
        found = part.fullmatch(text)
        number = int(found["part_number"]) if found else 1
        if found:
            torn[who] = (i if number == 1 else torn.get(who, (i, 0, 0))[0], number, int(found["part_count"]))
            text = found["part_text"] or ""
        elif is_end:
            torn.pop(who, None)
        if number > 1:
            continue
        before = unpaired.pop(who, (i, ""))
        if before[1] == text:
            pairs += 1
            if found:
                torn[who] = (before[0], *torn[who][1:])
            continue
        alone += before[1] != ""
        if is_end and any(mark in text for mark in _DELIVERIES):
            continue
        is_last = i == mine[-1] and not is_end
        if is_last or (found and found["part_mark"] == "\\") or any(word in text for word in COPIED):
            unpaired[who] = (i, text)
    if is_end:
        near = {who for who, i in latest.items() if i >= len(lines) - SOON}
        torn = {who: one for who, one in torn.items() if who in near}
        alone += len(unpaired.keys() - near)
        has_copies = pairs or alone < _SURE
        unpaired = {who: one for who, one in unpaired.items() if who in near and has_copies}
    open_ones = [first for first, number, count in torn.values() if number < count]
    return min([len(lines), *open_ones, *(i for i, _ in unpaired.values())])
