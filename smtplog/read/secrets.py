"""Secrets in log lines: what AUTH carried, and passwords, masked before anything else reads a line.

The shapes are in grammars/secrets.lark. Where nothing of the kind is in a block, one search for a few words is all it
costs. An answer to a challenge that looks like nothing is known by what stood before it: `Answers`.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

import polars as pl

from smtplog.read import grammar
from smtplog.read.columns import KindFrame, Parsed
from smtplog.smtp.secrets import MASK

RULES = (
    "said", "quoted", "written", "answer_line", "too_early", "initial_response", "sasl_trace", "sasl_password",
    "sasl_lookup", "table_lookup", "password", "given_password", "mismatch", "continued", "variable", "url",
)  # fmt: skip
"""Rules of grammars/secrets.lark, in the order in which they are taken."""

WORDS = (
    "AUTH ", "auth ", "]: < ", "]: > ", "SMTP<<", "SMTP>>", "] C: ", "init_resp", "initial re", "xsasl_", "passw",
    "pass=", "resp=", "$auth", "client in: CONT", ") != '",
)  # fmt: skip
"""A line of a log without any of these, and without a URL that names a user, has no secret. More words, or shorter ones,
cost six times as much."""

SHOWING = frozenset(
    {"raw", "fields", "detail", "reply_text", "exchanges", "findings", "transactions", "auth", "recipients"}
)
"""Columns that show what a log line says."""


def without(text: str) -> str:
    """A text of one or more lines with its secrets masked."""
    for rule in RULES:
        text = grammar.inside(rule).sub(_masked, text)
    return text


def _masked(found: Any) -> str:
    said = found.groupdict()
    return f"{said['before']}{MASK}{said.get('after') or ''}"


def covered(entries: pl.DataFrame) -> pl.DataFrame:
    """Entries with the secrets in `raw` and `text` masked.

    Args:
        entries: what `envelope.split` returned.
    """
    rows = _near(entries["raw"])
    if rows.is_empty():
        return entries
    return entries.with_columns(_masked_at(entries[name], rows) for name in ("raw", "text"))


def masked(texts: pl.Series) -> pl.Series:
    """Texts with their secrets masked."""
    rows = _near(texts)
    return texts if rows.is_empty() else _masked_at(texts, rows)


def _masked_at(texts: pl.Series, rows: pl.Series) -> pl.Series:
    near = texts.gather(rows).to_frame("text").select(_replaced(pl.col("text"))).to_series()
    return texts.clone().scatter(rows, near)


def _near(texts: pl.Series) -> pl.Series:
    """Where secrets may be."""
    has_login = texts.str.contains(grammar.shape("secrets", "url_login").pattern)
    return (texts.str.contains(grammar.any_of(WORDS)) | has_login).arg_true()


def _replaced(text: pl.Expr) -> pl.Expr:
    for rule in RULES:
        pattern = grammar.inside(rule)
        after = "${after}" if "after" in pattern.groupindex else ""
        text = text.str.replace_all(pattern.pattern, f"${{before}}{MASK}{after}")
    return text


@dataclass
class Answers:
    """Answers to challenges (RFC 4954 s.4), whatever they look like: what a client says behind a reply 334.

    asked: processes whose last line of a dialogue was such a reply, with its mark.
    """

    asked: dict[tuple[str | None, str | None, int | None], str] = field(default_factory=dict)

    def covered(self, parsed: Parsed) -> Parsed:
        """A block with these answers masked; blocks come in order."""
        mine = [one for one in parsed.kinds if one.kind.dialogue and {"mark", "said"}.issubset(one.frame.columns)]
        if not mine:  # or what was said is not asked for
            return parsed
        lines = self._lines(parsed, mine)
        rows = lines.filter("is_answer")["row"]
        if rows.is_empty():
            return parsed
        kinds = tuple(_without_answers(one, rows) if one.kind.dialogue else one for one in parsed.kinds)
        return replace(parsed, entries=_without_said(parsed.entries, lines.filter("is_answer")), kinds=kinds)

    def _lines(self, parsed: Parsed, mine: list[KindFrame]) -> pl.DataFrame:
        """Every line of a dialogue in order, with whether it answers a challenge."""
        said = pl.concat([one.frame.select("row", "mark", "said") for one in mine]).sort("row")
        where = parsed.entries.select("place", "pid")[said["row"]]
        stream = ["place", "pid"]
        lines = said.hstack(where).with_columns(
            before=pl.col("said").shift().over(stream), asked=pl.col("mark").shift().over(stream),
            is_first=pl.int_range(pl.len()).over(stream) == 0,
        )  # fmt: skip
        names = [(one.host, one.program) for one in parsed.places]
        carried = {key: mark for key, mark in self.asked.items() if key[:2] in names}
        is_asked = pl.col("before").str.starts_with("334") & (pl.col("asked") != pl.col("mark"))
        lines = lines.with_columns(is_answer=is_asked.fill_null(False))
        if carried:
            first = lines.filter("is_first")
            hit = [
                row
                for row, place, pid, mark in first.select("row", "place", "pid", "mark").iter_rows()
                if self.asked.get((*names[place], pid), mark) != mark
            ]
            lines = lines.with_columns(is_answer=pl.col("is_answer") | pl.col("row").is_in(hit))
        for place, pid, text, mark in lines.group_by(stream).agg(pl.col("said", "mark").last()).iter_rows():
            key = (*names[place], pid)
            self.asked.pop(key, None)
            if (text or "").startswith("334"):
                self.asked[key] = mark
        return lines


def _without_answers(one: KindFrame, rows: pl.Series) -> KindFrame:
    said = pl.when(pl.col("row").is_in(rows.implode()) & pl.col("said").is_not_null()).then(pl.lit(MASK))
    return replace(one, frame=one.frame.with_columns(said=said.otherwise("said")))


def _without_said(entries: pl.DataFrame, lines: pl.DataFrame) -> pl.DataFrame:
    """Entries without what was said in them: in the text of the line, or in what it is packed into."""
    raw = []
    for whole, said in zip(entries["raw"].gather(lines["row"]), lines["said"], strict=True):
        head, found, tail = whole.rpartition(said or "\0")
        raw.append(f"{head}{MASK}{tail}" if found else whole if said is None else MASK)
    return entries.with_columns(entries["raw"].scatter(lines["row"], pl.Series(raw, dtype=pl.String)))
