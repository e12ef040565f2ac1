"""A query's answer on its way out: rows chosen, shaped and written as they come; and the export of whole tables."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path
from typing import IO, Any

import polars as pl

from smtplog import pipeline
from smtplog.ask import query as ask
from smtplog.contract import schema
from smtplog.contract.records import TABLES
from smtplog.errors import OutputError, QueryError
from smtplog.read.tally import Tally
from smtplog.show import export as out
from smtplog.show import render

FORMS = ("table", "jsonl", "csv")
Progress = Callable[[str, int], None] | None


@dataclass
class Answer:
    """What a query command was asked to show, and how. See the options of the same names."""

    table: str
    query: ask.Query
    fields: str | None = None
    sort: str | None = None
    limit: int | None = None
    count: bool = False
    raw: bool = False
    form: str | None = None
    output: str | None = None
    found: int = 0
    _end: datetime | None = None
    _kept: list[pl.DataFrame] = field(default_factory=list)

    def run(self, inputs: Iterable[Any], options: pipeline.Options, progress: Progress) -> tuple[int, Tally]:
        """Read, choose, write; returns how many records were found and what was understood."""
        tally = Tally()
        shown = self._shown()
        sort = ask.check_columns([k.lstrip("-") for k in _names(self.sort)], self.table, "--sort") and _names(self.sort)
        form = self._form()
        condition = self.query.expression(self.table)
        tables: pipeline.Tables = {self.table: self._needed(shown, condition)}
        whole = bool(sort) or self.query.last is not None or form == "table"
        stream = out.open_output(self.output) if self.output else sys.stdout
        for frames in pipeline.run(inputs, tables, replace(options, progress=progress), tally):
            frame = frames.get(self.table)
            if frame is None:
                continue
            if self.query.last is not None:
                self._see(frame)
            frame = frame.filter(condition)
            if whole:
                self._kept.append(frame)
            elif not self._write(frame, shown, form, stream):
                break
        if whole and self._kept:
            frame = self.query.tail(pl.concat(self._kept), self.table, self._end)
            self._write(ask.sort(frame, sort or self._order(form)), shown, form, stream)
        if self.count:
            stream.write(f"{self.found}\n")
        stream.flush()
        if self.output:
            stream.close()
        return self.found, tally

    def _shown(self) -> list[str]:
        if self.raw:
            if self.table != "events":
                raise QueryError(f"--raw: prints the lines of events; use `smtplog events --raw`, or `smtplog trace` for the lines of one of the {self.table}")
            return ["raw"]
        named = ask.check_columns(_names(self.fields), self.table, "--fields")
        if named:
            return named
        return list(render.COLUMNS[self.table]) if self._form() == "table" else list(ask.columns_of(self.table))

    def _form(self) -> str:
        form = self.form or ("table" if sys.stdout.isatty() and not self.output else "jsonl")
        if form not in FORMS:
            raise QueryError(f"--format {form}: no such form; known are {', '.join(FORMS)}")
        return form

    def _needed(self, shown: list[str], condition: pl.Expr) -> frozenset[str] | None:
        if self.table == "events":
            return None
        extra = {*condition.meta.root_names(), *(k.lstrip("-") for k in _names(self.sort))}
        times = {ask.TIME[self.table], *((ask.LATER[self.table],) if self.table in ask.LATER else ())}
        return frozenset(() if self.count else shown) | extra | times

    def _order(self, form: str) -> list[str]:
        return [ask.TIME[self.table]] if form == "table" and not self.count else []

    def _see(self, frame: pl.DataFrame) -> None:
        times = [frame[name].max() for name in (ask.TIME[self.table], ask.LATER.get(self.table)) if name]
        for at in times:
            if isinstance(at, datetime) and (self._end is None or at > self._end):
                self._end = at

    def _write(self, frame: pl.DataFrame, shown: list[str], form: str, stream: IO[str]) -> bool:
        """Write rows; False when the limit is reached."""
        if self.limit is not None:
            frame = frame.head(self.limit - self.found)
        first, self.found = self.found == 0, self.found + frame.height
        if not self.count and frame.height:
            frame = frame.select(shown)
            if self.raw:
                text = frame["raw"].str.join("\n").item() + "\n"
            elif form == "table":
                render.console(stream, width=None if stream.isatty() else 200).print(render.table(frame))
                text = ""
            elif form == "csv":
                text = out.csv(frame, header=first)
            else:
                text = out.jsonl(frame, self.table)
            stream.write(render.harmless(text, lines=True) if stream.isatty() else text)
        return self.limit is None or self.found < self.limit


def _names(text: str | None) -> list[str]:
    return [name.strip() for name in (text or "").split(",") if name.strip()]


def export(
    inputs: Iterable[Any], folder: Path, tables: str, partition_by: str | None, state: Path | None,
    options: pipeline.Options, progress: Progress,
) -> tuple[dict[str, int], Tally]:  # fmt: skip
    """Write the tables as Parquet datasets under `folder`; returns the rows of each and what was understood.

    Raises:
        QueryError: an unknown table or partition. OutputError: the folder cannot be written to. InputError: see `run`.
    """
    names = _names(tables)
    for name in names:
        if name not in TABLES:
            raise QueryError(f"--tables {name}: no such table; known are {', '.join(TABLES)}")
    if partition_by not in (None, "date"):
        raise QueryError(f"--partition-by {partition_by}: only date is known")
    tally = Tally()
    sets = {name: out.Dataset(folder / name, name, ask.TIME[name], by_date=partition_by == "date") for name in names}
    before = state.read_bytes() if state and state.exists() else None
    kept: list[bytes] = []
    try:
        wanted: pipeline.Tables = {name: frozenset(schema.of(TABLES[name])) for name in names}
        asked = replace(options, progress=progress)
        for frames in pipeline.run(inputs, wanted, asked, tally, before, kept.append if state else None):
            for name, frame in frames.items():
                if name in sets:
                    sets[name].write(frame)
        for one in sets.values():
            one.close()
    except BaseException as error:
        for one in sets.values():
            one.abandon()
        if isinstance(error, OSError) and not isinstance(error, BrokenPipeError):
            raise OutputError(f"{folder}: {error.strerror or error}") from error
        raise
    if state:
        out.replace_file(state, kept[0])
    return {name: one.rows for name, one in sets.items()}, tally
