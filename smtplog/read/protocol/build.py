"""Ways and the lines of the sessions that go them -> session records, all at once."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import polars as pl

from smtplog.contract import schema
from smtplog.contract.records import Session
from smtplog.read.dialogue import notes
from smtplog.read.protocol.ways import FORM, Way
from smtplog.smtp import commands, message, replies, secrets
from smtplog.smtp.findings import finding

_SESSION = schema.of(Session)
_PLACE = pl.Int32


def _inner(name: str) -> dict[str, Any]:
    return dict(_SESSION[name].inner.to_schema())  # type: ignore[attr-defined]


_REPLY = _inner("transactions")["reply"]
_PARAMETERS = _SESSION["extensions"]


def sessions(
    lines: pl.DataFrame, talks: pl.DataFrame, ways: list[Way], alone: list[Session], name: str
) -> pl.DataFrame:
    """The records of all sessions, in the order of their first lines.

    Args:
        lines: what `compared` returned.
        talks: {sid, start, way}.
        ways: by number.
        alone: sessions that were read one by one.
        name: of the input.
    """
    parts = [pl.DataFrame([one.model_dump() for one in alone], schema=_SESSION)]
    if talks.height:
        parts.append(_told(lines, talks, ways))
    return pl.concat(parts).sort("line", maintain_order=True).with_columns(source=pl.lit(name))


def _told(lines: pl.DataFrame, talks: pl.DataFrame, ways: list[Way]) -> pl.DataFrame:
    said = _Said(lines)
    told = talks.join(_same(ways), on="way", how="left", maintain_order="left")
    first = told["start"]
    for one in (_exchanges(said, talks, ways), _transactions(said, talks, ways), _findings(said, talks, ways)):
        told = told.join(one, on="sid", how="left", maintain_order="left")
    ids, at, line = lines["ids"].gather(first), lines["at"], lines["line"]
    opened = at.gather(told["start"] + told["opened_at_"])
    closed = at.gather(told["start"] + told["closed_at_"])
    is_server = _is_server(lines, talks)
    told = told.with_columns(
        source=pl.lit("-"), format=pl.lit("transcript"), form=pl.lit(FORM.name), session_key=ids,
        line=line.gather(told["start"] + told["first_at"].fill_null(0)), opened_at=opened, closed_at=closed,
        duration_s=pl.Series([None if us is None else us / 1e6 for us in (closed - opened).dt.total_microseconds()], dtype=pl.Float64),
        helo=said.argument.gather(told["start"] + told["helo_at"]),
        exchanges=_listed("exchanges"), transactions=_listed("transactions"), findings=_listed("findings"),
    ).hstack(_ends(lines["local"].gather(first), lines["remote"].gather(first), is_server))  # fmt: skip
    missing = [
        pl.lit(None, dtype=kind).alias(column) for column, kind in _SESSION.items() if column not in told.columns
    ]
    told = told.with_columns(missing).with_columns(is_internal=pl.lit(value=False))
    return told.select(pl.col(column).cast(kind) for column, kind in _SESSION.items())


def _listed(name: str) -> pl.Expr:
    return pl.col(name).fill_null(pl.lit([], dtype=_SESSION[name]))


class _Said:
    """What each line says, worked out once for each text."""

    def __init__(self, lines: pl.DataFrame) -> None:
        self.text = lines["text"]
        self.at = lines["at"]
        self.line = lines["line"]
        sides = lines["side"]
        self.argument = _of(self.text.set(sides != "C", None), _argument, pl.String)
        self.reply = _of(self.text.set((sides != "S").fill_null(value=True), None), _reply, _REPLY)

    def derived(self, how: Callable[[str], Any], places: pl.Series, kind: Any) -> pl.Series:
        """Something of the texts at some places, null where there is none."""
        return _of(self.text.gather(places), how, kind)


def _of(texts: pl.Series, how: Callable[[str], Any], kind: Any) -> pl.Series:
    """Apply a function once to each text."""
    keys = texts.drop_nulls().unique()
    table = pl.DataFrame({"text": keys, "value": pl.Series([how(key) for key in keys], dtype=kind)})
    return texts.to_frame("text").join(table, on="text", how="left", maintain_order="left")["value"]


def _argument(text: str) -> str | None:
    found = commands.command(text)
    return secrets.without(found.argument, ()) if found and found.argument is not None else None


def _reply(text: str) -> dict[str, Any]:
    found = replies.parts(text)
    told = secrets.without(found.text, ()) if found.text is not None else None
    lines = [secrets.without(line, ()) for line in text.split("\n")]
    return {"code": found.code, "enhanced_code": found.enhanced_code, "text": told, "lines": lines}


def _path(text: str) -> dict[str, Any]:
    found = commands.command(text)
    path = commands.path(found.verb if found else "", found.argument if found else None)
    return {
        "address": path.address, "is_redacted": path.is_redacted,
        "parameters": [p.model_dump() for p in path.parameters] or None,
        "size": commands.declared_size(path.parameters),
    }  # fmt: skip


_PATH = pl.Struct({"address": pl.String, "is_redacted": pl.Boolean, "parameters": _PARAMETERS, "size": pl.Int64})


_EVIDENCE: dict[str, Callable[[str], str]] = {
    "words": lambda text: replies.one_line(*replies.parts(text)[:3]),
    "text": lambda text: text,
    "name": lambda text: (_argument(text) or " ").split(" ")[0],
    "address": lambda text: _path(text)["address"] or "",
}
"""What a finding shows of a line, by the word `Way.findings` has for it."""


def _same(ways: list[Way]) -> pl.DataFrame:
    """What every session of a way has in common."""
    kinds: dict[str, Any] = {
        **{name: _SESSION[name] for name in ("protocol", "tls", "auth", "extensions", "commands", "closed_by", "is_partial", "server_name", "confidence")},
        **dict.fromkeys(("helo_at", "first_at", "opened_at_", "closed_at_"), _PLACE),
    }  # fmt: skip
    return pl.DataFrame([way.session for way in ways], schema=kinds).with_columns(
        way=pl.int_range(pl.len(), dtype=pl.UInt32)
    )


def _spread(talks: pl.DataFrame, rows: Iterable[tuple[int, tuple[Any, ...]]], kinds: dict[str, Any]) -> pl.DataFrame:
    """The rows of each way, for every session that goes it; places become places among all lines."""
    table = pl.DataFrame([(way, *row) for way, row in rows], schema={"way": pl.UInt32, **kinds}, orient="row")
    both = talks.join(table, on="way", how="inner", maintain_order="left_right")
    return both.with_columns(
        (pl.col(name) + pl.col("start")).cast(pl.UInt32) for name, kind in kinds.items() if kind == _PLACE
    )


def _exchanges(said: _Said, talks: pl.DataFrame, ways: list[Way]) -> pl.DataFrame:
    kinds = {"n": pl.Int32, "verb": pl.String, "told": pl.String, "command": _PLACE, "time": _PLACE, "is_tls": pl.Boolean,
             "m": pl.Int32, "answer": _PLACE}  # fmt: skip
    rows = _spread(talks, ((i, row) for i, way in enumerate(ways) for row in way.exchanges), kinds)
    rows = rows.with_columns(
        argument=pl.coalesce("told", said.argument.gather(rows["command"])).replace({"": None}), at=said.at.gather(rows["time"]),
        reply=said.reply.gather(rows["answer"]),
    )  # fmt: skip
    each = rows.group_by("sid", "n", maintain_order=True).agg(
        pl.col("verb", "argument", "at", "is_tls").first(),
        replies=pl.col("reply").filter(pl.col("answer").is_not_null()),
    )
    return each.group_by("sid", maintain_order=True).agg(exchanges=pl.struct(*_inner("exchanges")))


def _transactions(said: _Said, talks: pl.DataFrame, ways: list[Way]) -> pl.DataFrame:
    kinds: dict[str, Any] = {"n": pl.Int32, "mail": _PLACE, "end": _PLACE, "taken": _PLACE}
    mails = _spread(talks, ((i, row) for i, way in enumerate(ways) for row in way.mails), kinds)
    kinds = {"n": pl.Int32, "k": pl.Int32, "rcpt": _PLACE, "outcome": pl.String, "stage": pl.String, "answer": _PLACE}
    rcpts = _spread(talks, ((i, row) for i, way in enumerate(ways) for row in way.rcpts), kinds)
    path = said.derived(_path, rcpts["rcpt"], _PATH).struct
    rcpts = rcpts.with_columns(
        address=path.field("address"), is_redacted=path.field("is_redacted"), parameters=path.field("parameters"),
        reply=said.reply.gather(rcpts["answer"]),
    )  # fmt: skip
    fields = _inner("transactions")["recipients"].inner.to_schema()
    listed = rcpts.group_by("sid", "n", maintain_order=True).agg(recipients=pl.struct(*fields))
    path = said.derived(_path, mails["mail"], _PATH).struct
    mails = mails.join(listed, on=["sid", "n"], how="left", maintain_order="left").with_columns(
        sender=path.field("address"), sender_is_redacted=path.field("is_redacted"), parameters=path.field("parameters"),
        size_bytes=path.field("size"), reply=said.reply.gather(mails["end"]),
        next_queue_id=said.derived(lambda text: message.next_queue_id(replies.parts(text).text), mails["taken"], pl.String),
        recipients_are_complete=pl.lit(True),
    )  # fmt: skip
    inner = _inner("transactions")
    one = pl.struct(
        (pl.col(name) if name in mails.columns else pl.lit(None)).cast(kind).alias(name) for name, kind in inner.items()
    )
    mails = mails.with_columns(recipients=pl.col("recipients").fill_null(pl.lit([], dtype=inner["recipients"])))
    return mails.group_by("sid", maintain_order=True).agg(transactions=one)


def _findings(said: _Said, talks: pl.DataFrame, ways: list[Way]) -> pl.DataFrame:
    kinds = {"n": pl.Int32, "code": pl.String, "place": _PLACE, "evidence": pl.String, "evidence_as": pl.String,
             "evidence_at": _PLACE, "value": pl.String, "value_as": pl.String, "value_at": _PLACE}  # fmt: skip
    rows = _spread(talks, ((i, row) for i, way in enumerate(ways) for row in way.findings), kinds)
    for name in ("evidence", "value"):
        for kind in rows[f"{name}_as"].drop_nulls().unique():
            here = (rows[f"{name}_as"] == kind).fill_null(value=False)
            texts = said.derived(_EVIDENCE[kind], rows[f"{name}_at"].set(~here, None), pl.String)
            rows = rows.with_columns(pl.when(here).then(texts).otherwise(name).alias(name))
    line = said.line.gather(rows["place"])
    found = [
        finding(code, 0, secrets.without(evidence or "", ()), secrets.without(value or "", ()))
        for code, evidence, value in rows.select("code", "evidence", "value").iter_rows()
    ]
    told = {name: [getattr(one, name) for one in found] for name in ("severity", "message", "hint", "evidence")}
    rows = rows.select("sid", "code").with_columns(
        evidence_line=line, **{name: pl.Series(values, dtype=pl.String) for name, values in told.items()}
    )
    return rows.group_by("sid", maintain_order=True).agg(findings=pl.struct(*_inner("findings")))


def _is_server(lines: pl.DataFrame, talks: pl.DataFrame) -> pl.Series:
    """Whether it is the server that logs: what it says has its own mark, what the client says has not."""
    own = ((pl.col("side") == "S") == (pl.col("mark") == FORM.own_mark)).first()
    told = lines.filter(pl.col("side").is_not_null()).group_by("sid").agg(is_server=own)
    return talks.join(told, on="sid", how="left", maintain_order="left")["is_server"]


def _ends(local: pl.Series, remote: pl.Series, is_server: pl.Series) -> pl.DataFrame:
    """Role, client and server of each session; worked out once for each pair of ends."""
    pairs = pl.DataFrame({"local": local, "remote": remote, "is_server": is_server})
    unique = pairs.unique()
    told = [notes.ends(a or "", b or "", is_server=c) for a, b, c in unique.iter_rows()]
    kinds: dict[str, Any] = {
        name: _SESSION[name] for name in ("role", "client_ip", "client_port", "server_ip", "server_port")
    }
    table = unique.hstack(pl.DataFrame(told, schema=kinds))
    keys = ["local", "remote", "is_server"]
    return pairs.join(table, on=keys, how="left", nulls_equal=True, maintain_order="left").select(*kinds)
