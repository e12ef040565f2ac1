"""A query's answer on its way out: rows chosen, shaped and written as they come."""

from __future__ import annotations

import io
import sys
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from itertools import chain, islice
from typing import IO

import polars as pl

from smtplog.ask import query as ask
from smtplog.show import export as out
from smtplog.show import render

FORMS = ("table", "jsonl", "csv")
WIDE = 200
"""Columns of a table that is written to no terminal."""
TOGETHER = 10_000
"""So many rows are text at a time."""


@dataclass
class Answer:
    """What a query command was asked to show, and how. See the options of the same names.

    behind: with `raw`, the records that were found, by the columns of `query.BEHIND` -> their log lines.
    """

    table: str
    query: ask.Query
    fields: str | None = None
    sort: str | None = None
    limit: int | None = None
    count: bool = False
    raw: bool = False
    form: str | None = None
    output: str | None = None
    behind: Callable[[pl.DataFrame], Iterable[str]] | None = None
    found: int = 0
    lines: int = 0
    _end: datetime | None = None
    _kept: list[pl.DataFrame] = field(default_factory=list)
    _marked: list[pl.DataFrame] = field(default_factory=list)

    def tables(self) -> dict[str, frozenset[str] | None]:
        """What must be read for it: the table with the columns that are shown, looked at or sorted by.

        Raises:
            QueryError: a field, a form or a filter that the table has not.
        """
        shown, condition = self._shown(), self.query.expression(self.table)
        ask.check_columns(self._sorted_by(), self.table, "--sort")
        return {self.table: self._needed(shown, condition)}

    def write(self, batches: Iterable[Mapping[str, pl.DataFrame]]) -> int:
        """Choose and write what a run of these tables gives out; returns how many records were found."""
        shown, form, sort = self._shown(), self._form(), _names(self.sort)
        condition = self.query.expression(self.table)
        whole = bool(sort) or self.query.last is not None or form == "table"
        coming = iter(batches)
        first = list(islice(coming, 1))  # an input that cannot be read leaves the output as it is
        stream = out.open_output(self.output) if self.output else sys.stdout
        for frames in chain(first, coming):
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
        if self._marked and self.behind:
            for text in self.behind(pl.concat(self._marked)):
                render.put(f"{text}\n", stream)
                self.lines += 1
        if self.count:
            stream.write(f"{self.found}\n")
        stream.flush()
        if self.output:
            stream.close()
        return self.found

    def _shown(self) -> list[str]:
        if self.raw:
            return list(ask.BEHIND[self.table])
        named = ask.check_columns(_names(self.fields), self.table, "--fields")
        if named:
            return named
        if self._form() != "table":
            return list(ask.columns_of(self.table))
        stream = io.StringIO() if self.output else sys.stdout
        return list(render.columns(self.table, render.console(stream, elsewhere=WIDE).width))

    def _form(self) -> str:
        form = self.form or ("table" if sys.stdout.isatty() and not self.output else "jsonl")
        render.check_form(form, *FORMS)
        return form

    def _needed(self, shown: list[str], condition: pl.Expr) -> frozenset[str] | None:
        extra = {*condition.meta.root_names(), *self._sorted_by()}
        return frozenset(() if self.count else shown) | extra | {*ask.times(self.table)}

    def _sorted_by(self) -> list[str]:
        return [key.lstrip("-") for key in _names(self.sort)]

    def _order(self, form: str) -> list[str]:
        return [ask.TIME[self.table]] if form == "table" and not self.count else []

    def _see(self, frame: pl.DataFrame) -> None:
        for at in (frame[name].max() for name in ask.times(self.table)):
            if isinstance(at, datetime) and (self._end is None or at > self._end):
                self._end = at

    def _write(self, frame: pl.DataFrame, shown: list[str], form: str, stream: IO[str]) -> bool:
        """Write rows; False when the limit is reached."""
        if self.limit is not None:
            frame = frame.head(self.limit - self.found)
        first, self.found = self.found == 0, self.found + frame.height
        if self.count or frame.is_empty():
            pass
        elif self.raw and self.behind:
            self._marked.append(frame.select(shown))
        elif form == "table" and not self.raw:
            render.console(stream, elsewhere=WIDE).print(render.table(frame.select(shown)))
        else:
            for part in frame.select(shown).iter_slices(TOGETHER):
                render.put(self._text(part, form, header=first), stream)
                first = False
        return self.limit is None or self.found < self.limit

    def _text(self, frame: pl.DataFrame, form: str, *, header: bool) -> str:
        if self.raw:
            self.lines += frame.height
            return str(frame["raw"].str.join("\n").item()) + "\n"
        return out.csv(frame, header=header) if form == "csv" else out.jsonl(frame, self.table)


def _names(text: str | None) -> list[str]:
    return [name.strip() for name in (text or "").split(",") if name.strip()]
