"""What lines may be packed in: journald's exports, the JSON lines of Docker, the prefixes of Kubernetes and others.

A container knows the time, often the stream, journald also the program. Inside stands a line with its own head, or a
text. JSON is decoded by Polars. Which container an input has is decided once, by its first lines.
"""

from __future__ import annotations

import io
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import polars as pl

from smtplog.contract.fields import MOMENT
from smtplog.read.envelope.export import entries as export_entries
from smtplog.read.envelope.heads import INNER, SCHEMA, Envelope, groups, head_pattern, order, take_off
from smtplog.read.source import text_of

SURE, CLEAR = 0.5, 0.9
"""The share of first lines that a container must fit; where heads alone fit so many, no container is looked for."""
INSIDE: Mapping[str, Any] = {
    "inner": pl.String,
    "outer_at": MOMENT,
    "host": pl.String,
    "program": pl.String,
    "pid": pl.Int64,
    "stream": pl.String,
    "is_cut": pl.Boolean,
}
"""What a container says of each line; `inner` null: the line is not packed in it. `is_cut`: it goes on in the next."""


@dataclass(frozen=True)
class Container:
    """One way to pack lines.

    fields: for JSON, what to take: our name -> the names it may have there, the first that has a value.
    rule: for a prefix, the rule of it.
    is_weak: fits many texts; chosen only where it uncovers heads that are otherwise none.
    names_program: the text inside has no head of its own.
    """

    name: str
    marks: tuple[str, ...] = ()
    fields: Mapping[str, tuple[str, ...]] | None = None
    rule: str | None = None
    is_weak: bool = False
    names_program: bool = False
    is_blocks: bool = False
    """Entries of several lines, parted by empty ones."""
    is_one: bool = False
    """All lines of an input come out of one container, so from one host."""

    def fits(self, lines: pl.Series) -> float:
        """The share of lines that look like it, 0..1."""
        if self.rule:
            hits = lines.str.contains(head_pattern(self.rule))
        elif self.is_blocks:
            return float(bool(len(lines)) and lines[0].startswith(self.marks))
        else:
            hits = lines.str.starts_with("{")
            for mark in self.marks:
                hits = hits & lines.str.contains(f'"{mark}"', literal=True)
        return float(hits.mean() or 0.0)  # type: ignore[arg-type]


JOURNAL = {
    "inner": ("MESSAGE",),
    "outer_at": ("_SOURCE_REALTIME_TIMESTAMP", "__REALTIME_TIMESTAMP"),
    "host": ("_HOSTNAME",),
    "program": ("SYSLOG_IDENTIFIER", "_COMM"),
    "pid": ("SYSLOG_PID", "_PID"),
}
"""systemd.journal-fields(7); the program's own pid before that of who spoke for it."""
CONTAINERS = (
    Container("journal_json", ("MESSAGE", "__REALTIME_TIMESTAMP"), JOURNAL, names_program=True),
    Container("journal_export", ("__CURSOR=",), JOURNAL, names_program=True, is_blocks=True),
    Container(
        "docker_json", ("log", "time"), {"inner": ("log",), "outer_at": ("time",), "stream": ("stream",)}, is_one=True
    ),
    Container("cri", rule="cri", is_one=True),
    Container("compose", rule="compose", is_weak=True),
    Container("pod", rule="pod", is_weak=True),
    Container("clocked", rule="clocked", is_weak=True),
)


def find(head: pl.Series) -> tuple[Container | None, tuple[Envelope, ...], float]:
    """The container of an input, the order of the heads in it, and the share of its first lines that are understood.

    Args:
        head: the first lines of the input.
    """
    plain, rate = order(head)
    told = head.filter(head != "")
    if rate > CLEAR or not len(told):
        return None, plain, rate
    frame = _lines(told)
    for one in CONTAINERS:
        if one.fits(told) < SURE:
            continue
        inside = unwrap(frame, one)
        if one.names_program:
            return one, plain, float(inside["program"].is_not_null().mean() or 0.0)  # type: ignore[arg-type]
        texts = inside["inner"].drop_nulls()
        inner, found = order(texts, INNER)
        if not one.is_weak or found > max(rate, SURE):
            return one, inner, found
    return None, plain, rate


def host(head: pl.Series, one: Container | None, inner: tuple[Envelope, ...]) -> str | None:
    """The host of an input's lines that name none: the only one that its first lines name, where all come from one."""
    if one is None or not one.is_one:
        return None
    named = open_up(_lines(head), one, inner)["host"].drop_nulls().unique()
    return str(named[0]) if len(named) == 1 else None


def _lines(texts: pl.Series) -> pl.DataFrame:
    """Some first lines as `unwrap` takes them."""
    frame = pl.DataFrame({"raw": texts}).with_row_index("line", 1).cast({"line": pl.Int64})
    return frame.with_columns(line_count=pl.lit(1, dtype=pl.Int64))


def unwrap(lines: pl.DataFrame, one: Container) -> pl.DataFrame:
    """Take lines out of their container and put together what it had cut.

    Args:
        lines: {line, line_count, raw}, in order.
        one: their container.

    Returns:
        {line, line_count, raw} of whole entries with the columns of `INSIDE`; the `line_count`s sum up to the lines.
    """
    if one.is_blocks:
        inside = _typed(export_entries(lines, {name for names in (one.fields or {}).values() for name in names}), one)
    elif one.fields:
        inside = _typed(_decoded(lines, one), one)
    else:
        inside = _prefix(lines, one)
    return _join_cut(inside)


def open_up(lines: pl.DataFrame, one: Container, inner: tuple[Envelope, ...]) -> pl.DataFrame:
    """Entries out of their container, their own heads off: `SCHEMA` is added.

    A stamp inside counts where it says year and zone; else the container's. What is not packed is read as it is.
    """
    inside = unwrap(lines, one)
    keep = ("line", "line_count", "raw")
    packed = inside["inner"].is_not_null()
    if one.names_program:
        mine = inside.filter(packed).select(
            *keep, stamp=pl.lit(None, dtype=pl.String), at="outer_at", naive_at=pl.lit(None, dtype=SCHEMA["naive_at"]),
            host="host", program="program", pid="pid", text="inner", envelope=pl.lit(one.name),
        )  # fmt: skip
    else:
        told = inside.filter(packed).with_row_index("place").cast({"place": pl.Int64})
        heads = take_off(told.select(line="place", line_count="line_count", raw="inner"), inner)
        at = pl.coalesce("at", "outer_at")
        mine = heads.drop("line", "line_count", "raw").hstack(told.select(*keep, "outer_at")).with_columns(
            at=at, naive_at=pl.when(at.is_null()).then("naive_at")
        )  # fmt: skip
    mine = mine.select(*keep, *SCHEMA)
    if packed.all():
        return mine
    loose = take_off(inside.filter(~packed).select(keep), inner)
    return pl.concat([mine, loose.select(mine.columns)]).sort("line")


def stamps(raw: pl.Series, one: Container) -> list[str | None]:
    """The stamps in the prefixes of some lines, as written."""
    if one.rule is None:
        return []
    found = groups(raw, head_pattern(one.rule))
    return found["stamp_3339"].to_list() if "stamp_3339" in found.columns else []


def _prefix(lines: pl.DataFrame, one: Container) -> pl.DataFrame:
    found = groups(lines["raw"], head_pattern(str(one.rule)))
    here = lines.with_columns(found)
    add: dict[str, pl.Expr] = {
        "inner": pl.when(pl.col("head").is_not_null()).then(pl.col("raw").str.slice(pl.col("head").str.len_chars()))
    }
    if "stamp_3339" in found.columns:
        words = pl.col("stamp_3339").str.replace(",", ".", literal=True)
        add["outer_at"] = words.str.to_datetime("%Y-%m-%dT%H:%M:%S%.f%#z", time_unit="us", strict=False)
        add["outer_at"] = add["outer_at"].dt.convert_time_zone("UTC")
    if "tag" in found.columns:
        add["is_cut"] = (pl.col("tag") == "P").fill_null(False)
    return _complete(here.with_columns(**add))


def _decoded(lines: pl.DataFrame, one: Container) -> pl.DataFrame:
    names = {name: pl.String for names in (one.fields or {}).values() for name in names}
    looks = lines["raw"].str.starts_with("{")
    if looks.all():
        return lines.hstack(_read_json(lines["raw"], names))
    rows = looks.arg_true()
    read = _read_json(lines["raw"].gather(rows), names).with_columns(row=rows.cast(pl.UInt32))
    return lines.with_row_index("row").join(read, on="row", how="left", maintain_order="left").drop("row")


def _read_json(texts: pl.Series, names: Mapping[str, Any]) -> pl.DataFrame:
    """One row for each text; one that is no JSON object has nothing but nulls. Halves until the bad ones stand alone."""
    if texts.is_empty():
        return pl.DataFrame(schema=names)
    octets = "\n".join(texts.to_list()).encode("utf-8", "replace")
    try:
        read = pl.read_ndjson(io.BytesIO(octets), schema=names)
        if read.height == len(texts):
            return read
    except pl.exceptions.PolarsError:
        pass
    if len(texts) == 1:
        return pl.DataFrame({name: [None] for name in names}, schema=names)
    half = len(texts) // 2
    return pl.concat([_read_json(texts[:half], names), _read_json(texts[half:], names)])


def _typed(read: pl.DataFrame, one: Container) -> pl.DataFrame:
    """The container's fields under our names, with their types."""
    fields = one.fields or {}
    read = read.with_columns(pl.coalesce(names).alias(name) for name, names in fields.items())
    if one.names_program:
        micros = pl.col("outer_at").cast(pl.Int64, strict=False)
        at = pl.from_epoch(micros, "us").dt.replace_time_zone("UTC")
        read = _from_octets(read)
    else:
        at = pl.col("outer_at").str.to_datetime("%Y-%m-%dT%H:%M:%S%.f%#z", time_unit="us", strict=False)
        at = at.dt.convert_time_zone("UTC")
    read = read.with_columns(outer_at=at)
    if "pid" in fields:
        read = read.with_columns(pl.col("pid").cast(pl.Int64, strict=False))
    if "stream" in fields:
        is_whole = pl.col("inner").str.ends_with("\n")
        read = read.with_columns(
            inner=pl.col("inner").str.strip_suffix("\n").str.strip_suffix("\r"), is_cut=(~is_whole).fill_null(False)
        )
    return _complete(read)


def _from_octets(read: pl.DataFrame) -> pl.DataFrame:
    """What journald writes of a text that is no plain UTF-8, a list of octets, as text."""
    is_list = read["inner"].str.starts_with("[") & (
        read["raw"].str.contains('"MESSAGE":[', literal=True) | read["raw"].str.contains('"MESSAGE" : [', literal=True)
    )
    rows = is_list.fill_null(False).arg_true()
    if not len(rows):
        return read
    try:
        lists = read["inner"].gather(rows).str.json_decode(pl.List(pl.UInt8))
    except pl.exceptions.PolarsError:  # several texts in one field
        return read
    return read.with_columns(read["inner"].scatter(rows, text_of(lists.list.drop_nulls().cast(pl.Binary))))


def _complete(read: pl.DataFrame) -> pl.DataFrame:
    nothing = {"is_cut": pl.lit(False)}
    missing = {n: nothing.get(n, pl.lit(None, dtype=d)) for n, d in INSIDE.items() if n not in read.columns}
    return read.with_columns(**missing).select("line", "line_count", "raw", *INSIDE)


def _join_cut(inside: pl.DataFrame) -> pl.DataFrame:
    """Parts of a text become one, stream by stream; it has the time of the first."""
    if not inside["is_cut"].any():
        return inside
    goes_on = pl.col("is_cut").shift().fill_null(False).over("stream")
    inside = inside.with_columns(entry=(~goes_on).cum_sum().over("stream"))
    several = pl.len().over("stream", "entry") > 1
    alone, parts = inside.filter(~several), inside.filter(several)
    first = [pl.col(c).first() for c in ("line", "outer_at", "host", "program", "pid")]
    joined = parts.group_by("stream", "entry", maintain_order=True).agg(
        *first, pl.col("line_count").sum(), pl.col("raw").str.join("\n"), pl.col("inner").str.join(""),
        pl.col("is_cut").last(),
    )  # fmt: skip
    columns = ["line", "line_count", "raw", *INSIDE]
    return pl.concat([alone.select(columns), joined.select(columns)]).sort("line")
