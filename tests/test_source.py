"""The room that opens input: whatever is given becomes blocks of whole lines, and nothing of it is lost."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import os
from datetime import UTC, datetime
from pathlib import Path

import polars as pl
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from smtplog.errors import InputError
from smtplog.read import rotation, source
from smtplog.read.source import Input
from tests.conftest import write

TEXT = b"".join(b"line %d of a log that is long enough to be packed\n" % n for n in range(3000))


def read(given: object, size: int = 16 * 1024) -> list[source.Block]:
    """The blocks of everything given."""
    return [block for one in source.inputs([given]) for block in source.blocks(one, size)]


def whole(blocks: list[source.Block]) -> bytes:
    """What the blocks hold together."""
    return b"".join(block.data for block in blocks)


def zstd(data: bytes) -> bytes:
    """Packed with zstd."""
    return bytes(pa.compress(data, "zstd", asbytes=True))


PACKERS = {"plain": bytes, "gzip": gzip.compress, "bzip2": bz2.compress, "xz": lzma.compress, "zstd": zstd}


@pytest.mark.parametrize("packer", PACKERS)
@pytest.mark.parametrize("size", [100, 4096, 1 << 24])
def test_packing_is_known_by_content(tmp_path: Path, packer: str, size: int) -> None:
    """gzip, bzip2, xz and zstd are unpacked whatever the file is called, at any block size."""
    blocks = read(write(tmp_path / "mail.log", PACKERS[packer](TEXT)), size)

    assert whole(blocks) == TEXT
    assert blocks[-1].is_last
    assert [block.problem for block in blocks if block.problem] == []


@pytest.mark.parametrize("packer", ["gzip", "bzip2", "xz", "zstd"])
def test_packed_files_joined_end_to_end_are_one(tmp_path: Path, packer: str) -> None:
    """`cat a.gz b.gz` is a packed file too."""
    both = PACKERS[packer](TEXT) + PACKERS[packer](b"the second\n")

    assert whole(read(write(tmp_path / "two", both))) == TEXT + b"the second\n"


@pytest.mark.parametrize("packer", ["gzip", "bzip2", "xz", "zstd"])
def test_a_cut_packed_file_gives_what_it_has_and_says_so(tmp_path: Path, packer: str) -> None:
    """The lines before the cut are read; the last block carries the reason."""
    noise = b"".join(b"%d %s\n" % (n, os.urandom(40).hex().encode()) for n in range(20_000))
    packed = PACKERS[packer](noise)
    blocks = read(write(tmp_path / "cut.gz", packed[: len(packed) // 2]), 64 * 1024)

    assert noise.startswith(whole(blocks))
    assert len(whole(blocks)) > len(noise) // 4 or packer in ("bzip2", "xz")
    assert blocks[-1].problem is not None
    assert "cut.gz" in blocks[-1].problem


def test_a_packed_file_with_rubbish_behind_it(tmp_path: Path) -> None:
    """What follows the packed part and is none is a problem, not a crash; NUL padding is nothing."""
    padded = read(write(tmp_path / "padded", gzip.compress(TEXT) + b"\0" * 512))
    dirty = read(write(tmp_path / "dirty", gzip.compress(TEXT) + b"rubbish"))

    assert whole(padded) == TEXT
    assert padded[-1].problem is None
    assert whole(dirty) == TEXT
    assert dirty[-1].problem is not None


@pytest.mark.parametrize("data", [b"", b"\n", b"a", b"a\nb", b"\n\n\n", b"a\r\nb\r\n", b"\xff\xfd\n\x00\n"])
def test_every_octet_is_in_one_block(data: bytes) -> None:
    """Blocks joined are the input, numbered without a gap, at every block size from one octet on."""
    for size in (1, 2, 3, 100):
        blocks = read(io.BytesIO(data), size)
        line = 1
        for block in blocks:
            assert block.first_line == line
            assert block.is_last or block.data.endswith(b"\n")
            line += block.data.count(b"\n")
        assert whole(blocks) == data
        assert blocks[-1].is_last


@pytest.mark.parametrize("packer", PACKERS)
def test_the_later_blocks_of_a_long_log_are_shorter(tmp_path: Path, packer: str) -> None:
    """What is known of a log grows with it: its later blocks make room, packed or not, and from a pipe."""
    packed = PACKERS[packer](TEXT)
    for given_as in (write(tmp_path / "mail.log", packed), io.BytesIO(packed)):
        sizes = [block.size for block in read(given_as, 4096) if not block.is_last]

        assert sum(sizes[:3]) > 3 * 4000
        assert all(2 * 1024 < size < 3 * 1024 for size in sizes[8:])


@settings(max_examples=60, deadline=None)
@given(st.binary(max_size=200), st.integers(1, 50))
def test_lines_are_numbered_and_complete(data: bytes, size: int) -> None:
    """Each physical line is a row with its number, whatever octets it holds and however blocks are cut."""
    frame = pl.concat([source.lines(block) for block in read(io.BytesIO(b"x" + data), size)])
    data = b"x" + data
    expected = data.removesuffix(b"\n").split(b"\n")

    assert frame["line"].to_list() == list(range(1, len(expected) + 1))
    assert frame["line_count"].unique().to_list() == [1]
    assert [t.count("\n") for t in frame["raw"]] == [0] * len(expected)
    for text, octets in zip(frame["raw"], expected, strict=True):
        clean = octets.removesuffix(b"\r")
        assert text in (clean.decode("utf-8", "backslashreplace"), octets.decode("utf-8", "backslashreplace"))


def test_line_ends_and_odd_octets() -> None:
    """CRLF is a line end, a lone CR is not; octets that are not UTF-8 are spelt out; NUL stays."""
    frame = source.lines(source.Block("-", b"one\r\ntwo\rand\n\xe9t\xe9\nnul\0\n\n\xc3\xa9", 1, 0))

    assert frame["raw"].to_list() == ["one", "two\rand", "\\xe9t\\xe9", "nul\0", "", "é"]


@pytest.mark.parametrize("data", [b"\x1f\x8b\x08", b"x\x01text", b"x^text", b"x\x9ctext", b"\x28\xb5\x2f\xfd"])
def test_a_line_that_begins_like_a_packed_file_is_a_line(data: bytes) -> None:
    """Unpacking is done before; a block may begin with any octets."""
    frame = source.lines(source.Block("-", data + b"\nnext\n", 7, 0))

    assert frame["raw"].to_list() == [data.decode("utf-8", "backslashreplace"), "next"]
    assert frame["line"].to_list() == [7, 8]


def test_a_line_without_end_is_cut_in_bounded_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    """Memory stays bounded on input without line ends; nothing is lost, lines keep their numbers, and it is said."""
    monkeypatch.setattr(source, "LINE_BYTES", 1000)
    data = b"x" * 2500 + b"\nlast\n"
    blocks = read(io.BytesIO(data), 100)

    assert whole(blocks) == data
    assert max(len(block.data) for block in blocks) <= 1100
    assert sum(source.lines(block).height for block in blocks) == 4
    assert pl.concat([source.lines(block) for block in blocks])["line"].to_list() == [1, 1, 1, 2]
    assert "longer than 1,000 octets" in str(blocks[0].problem)


def test_iterables_of_lines() -> None:
    """Text or octets, with or without line ends, are one log."""
    assert whole(read(iter(["a", "b\n"]))) == b"a\nb\n"
    assert whole(read([b"a", b"b\n"])) == b"a\nb\n"
    assert whole(read(x for x in ("a", "b"))) == b"a\nb\n"


def test_a_text_file_object() -> None:
    """A file opened as text is read as well as one opened in binary."""
    assert whole(read(io.StringIO("a\né\n"))) == "a\né\n".encode()


def test_what_the_caller_opened_stays_open() -> None:
    """A file object belongs to the caller."""
    stream = io.BytesIO(b"a\n")
    read(stream)

    assert not stream.closed


def test_rotated_sets_come_in_the_order_of_time(tmp_path: Path) -> None:
    """Numbers fall, dates rise, the live file comes last; hidden files are left out."""
    names = [
        "mail.log",
        "mail.log.1",
        "mail.log.2.gz",
        "mail.log.10.gz",
        "maillog-20260102",
        "maillog-20260101.xz",
        "maillog",
        ".hidden",
    ]
    for name in names:
        (tmp_path / name).write_bytes(b"x\n")
    found = [Path(one.name).name for one in source.inputs([str(tmp_path)])]

    assert found == [
        "mail.log.10.gz",
        "mail.log.2.gz",
        "mail.log.1",
        "mail.log",
        "maillog-20260101.xz",
        "maillog-20260102",
        "maillog",
    ]


def test_globs_directories_and_files_may_be_mixed(tmp_path: Path) -> None:
    """Each is spelt out where it stands."""
    for name in ("b.log", "a.log", "c.txt"):
        (tmp_path / name).write_bytes(b"x\n")
    found = [Path(one.name).name for one in source.inputs([f"{tmp_path}/*.log", tmp_path / "c.txt"])]

    assert found == ["a.log", "b.log", "c.txt"]


def test_answers_beside_logs_are_not_read(tmp_path: Path) -> None:
    """In a directory, what smtplog wrote itself is no log; by its own name it is read."""
    for name in ("mail.log", "mail.jsonl", ".mail.swp", "out/deliveries/part-0.parquet"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(b"x\n")

    assert [one.name for one in source.inputs([tmp_path])] == [str(tmp_path / "mail.log")]
    assert len(source.inputs([tmp_path / "mail.jsonl"])) == 1


def test_a_name_with_brackets_is_a_file_first(tmp_path: Path) -> None:
    """A file whose name looks like a pattern is still that file."""
    (tmp_path / "mail[1].log").write_bytes(b"x\n")

    assert whole(read(str(tmp_path / "mail[1].log"))) == b"x\n"


@pytest.mark.parametrize(
    ("name", "said"),
    [("nowhere.log", "no such file"), ("nothing*.log", "no file matches it"), (".", "a directory without files")],
)
def test_nothing_there_is_said_with_advice(tmp_path: Path, name: str, said: str) -> None:
    """The message names the place and what is the matter."""
    with pytest.raises(InputError, match=said):
        source.inputs([str(tmp_path / name)])


def test_the_time_of_a_file(tmp_path: Path) -> None:
    """A file's time is its modification time; a packed file's is the one its header keeps, unless that is zero."""
    plain = write(tmp_path / "plain", b"x\n", modified=1_700_000_000)
    stamped = write(tmp_path / "stamped.gz", gzip.compress(b"x\n", mtime=1_600_000_000), modified=1_700_000_000)
    unstamped = write(tmp_path / "unstamped.gz", gzip.compress(b"x\n", mtime=0), modified=1_700_000_000)
    times = [one.modified for one in source.inputs([plain, stamped, unstamped])]

    assert times == [datetime.fromtimestamp(t, UTC) for t in (1_700_000_000, 1_600_000_000, 1_700_000_000)]
    assert [one.modified for one in source.inputs([io.BytesIO(b"x\n")])] == [None]


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_file_that_may_not_be_read(tmp_path: Path) -> None:
    """The message says who may."""
    path = write(tmp_path / "secret", b"x\n")
    path.chmod(0)
    with pytest.raises(InputError, match="may read it"):
        read(path)


@pytest.mark.parametrize(
    "names",
    [
        ("mail.log.10.gz", "mail.log.2.gz", "mail.log.1", "mail.log"),
        ("maillog-20261101.xz", "maillog-20261108", "maillog"),
        ("maillog.20261101-083000", "maillog.20261101-101500", "maillog"),
        ("mail-2026-11-01.log", "mail-2026-11-08.log"),
    ],
)
def test_a_set_in_any_order_is_one_set(names: tuple[str, ...]) -> None:
    """However it was given; other logs keep to themselves, also such as `mx-2.log`."""
    given = [Input(f"/var/log/{name}", io.BytesIO, None) for name in (*names[::-1], "mx-1.log", "mx-2.log")]
    found = [[Path(one.name).name for one in files] for files in rotation.sets(given)]
    assert found == [list(names), ["mx-1.log"], ["mx-2.log"]]


def test_side_by_side_in_the_order_of_time() -> None:
    """The piece that begins first comes first; with it, when the next of another stream may come."""

    def at(hour: int) -> datetime:
        return datetime(2026, 11, 1, hour, tzinfo=UTC)

    one = iter([(at(1), "1"), (at(3), "3"), (at(9), "9")])
    two = iter([(at(2), "2"), (None, "2?"), (at(5), "5")])
    found = list(rotation.side_by_side([(at(1), one), (None, two)]))
    assert [piece for piece, _ in found] == ["1", "2", "2?", "3", "5", "9"]
    assert [until for _, until in found] == [at(2), at(3), at(3), at(5), at(9), None]
