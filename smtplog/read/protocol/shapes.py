"""What a line must have in common with another so that the state machine cannot tell them apart.

Everything that a rule looks at stays: codes, verbs, keywords, the words of replies. What no rule looks at is taken out:
plain addresses, ids, figures in the text of a reply, the names of clients, sizes below every limit.
"""

from __future__ import annotations

import polars as pl

from smtplog.formats.transcripts import SERVER_PORTS, TIMEOUT_WORDS, TLS_WORDS
from smtplog.read import grammar
from smtplog.smtp.checks.flow import FILE_ENDINGS
from smtplog.smtp.commands import HELLOS

_CODES = [str(code) for code in range(200, 600)]
_KEYWORDS = ("PIPELINING", " SIZE", "8BITMIME", "ENHANCEDSTATUSCODES", "\n")
_BRISK_S = 30
"""In a session as short as this no rule looks at times."""


def _pattern(rule: str) -> str:
    return grammar.shape("shapes", rule).pattern


def compared(rows: pl.DataFrame) -> pl.DataFrame:
    """Lines of dialogues, each reply in one, with what they are compared by.

    Args:
        rows: of whole sessions, as `Rows` gives them.

    Returns:
        {sid, line, at, mark, text, ids, local, remote, context, side, key} in the order of the sessions' first lines and
        of the lines in them; `side` is `S`, `C` or null where nobody speaks; sessions with odd lines have a null `key`.
    """
    order = rows.group_by("ids").agg(first=pl.col("line").min()).sort("first").with_row_index("sid")
    lines = rows.join(order.select("ids", "sid"), on="ids", how="left").sort("sid", "line")
    spoken = pl.col("mark").is_in(["<", ">"])
    text = pl.col("text").fill_null("")
    is_reply = text.str.head(3).is_in(_CODES) & text.str.slice(3, 1).is_in(["", " ", "-", "\t"])
    lines = lines.with_columns(text=text, is_reply=is_reply & spoken, spoken=spoken)
    out = pl.col("mark") == ">"
    heard = (
        lines.filter("spoken")
        .group_by("sid")
        .agg(
            out=pl.coalesce(
                out.filter("is_reply").mean(), 1 - out.mean()
            )  # no reply is heard: who speaks is the client
        )
    )
    lines = lines.join(heard, on="sid", how="left", maintain_order="left")
    server = pl.when(pl.col("out").fill_null(1.0) >= 0.5).then(pl.lit(">")).otherwise(pl.lit("<"))
    side = pl.when(pl.col("spoken")).then(pl.when(pl.col("mark") == server).then(pl.lit("S")).otherwise(pl.lit("C")))
    low = text.str.to_lowercase() + " " + pl.col("context").fill_null("").str.to_lowercase()
    tells = low.str.contains(grammar.any_of([*TIMEOUT_WORDS, *TLS_WORDS]))
    lines = lines.with_columns(side=side).filter((pl.col("mark") != "*") | tells)
    lines = _merged(lines)
    names = lines.filter(pl.col("text").str.starts_with("220") & (pl.col("side") == "S"))["text"].str.slice(4)
    known = names.str.split(" ").list.first().str.to_lowercase().unique()
    has_low_limit = bool(lines["text"].str.contains(_pattern("low_limit")).any())
    return lines.with_columns(key=_key(known, has_low_limit=has_low_limit)).with_columns(_times())


def _merged(lines: pl.DataFrame) -> pl.DataFrame:
    """Lines of one reply become one (RFC 5321 s.4.2.1)."""
    before = {
        name: pl.when(pl.col("spoken")).then(pl.col(name)).shift().forward_fill() for name in ("sid", "side", "text")
    }
    goes_on = (
        (pl.col("side") == "S") & (before["side"] == "S") & (before["sid"] == pl.col("sid"))
        & (before["text"].str.slice(3, 1) == "-") & (before["text"].str.head(3) == pl.col("text").str.head(3))
    ).fill_null(False)  # fmt: skip
    lines = lines.with_columns(goes_on=goes_on)
    if not lines["goes_on"].any():
        return lines.drop("goes_on")
    lines = lines.with_columns(reply=pl.when("spoken").then((~pl.col("goes_on")).cum_sum()))
    whole = (
        lines.filter("spoken")
        .group_by("reply")
        .agg(whole=pl.col("text").str.join("\n"), n=pl.len())
        .filter(pl.col("n") > 1)
    )
    kept = lines.filter(~pl.col("goes_on")).join(whole, on="reply", how="left", maintain_order="left")
    return kept.with_columns(text=pl.coalesce("whole", "text")).drop("goes_on", "reply", "whole", "n")


def _key(known: pl.Series, *, has_low_limit: bool) -> pl.Expr:
    text, context = pl.col("text"), pl.col("context").fill_null("")
    is_out = pl.any_horizontal(pl.col("remote").str.ends_with(port) for port in SERVER_PORTS)
    end = pl.when(is_out).then("remote").otherwise("local")
    port = end.fill_null("").str.split(":").list.last()
    return (
        pl.when(pl.col("side") == "S").then(pl.when("is_reply").then(_reply_key(text)))
        .when(pl.col("side") == "C").then(_command_key(text, known, has_low_limit=has_low_limit))
        .when(pl.col("mark") == "+").then(pl.concat_str(pl.lit("+"), port))
        .when(pl.col("mark") == "-").then(pl.concat_str(pl.lit("-"), context))
        .otherwise(pl.concat_str(pl.lit("*"), text, pl.lit(" "), context))
    )  # fmt: skip


def _reply_key(text: pl.Expr) -> pl.Expr:
    parts = text.str.extract_groups(f"^{_pattern('reply')}").struct
    rest = parts.field("rest").str.replace_all(_pattern("address"), "<>").str.replace_all(_pattern("figures"), "0")
    plain = pl.concat_str(parts.field("head"), parts.field("first").str.replace_all(_pattern("address"), "<>"), rest)
    is_list = pl.any_horizontal(text.str.contains(word, literal=True) for word in _KEYWORDS)
    return pl.concat_str(
        pl.lit("S"), pl.when(is_list).then(text.str.replace_all(_pattern("literal"), "[]")).otherwise(plain)
    )


def _command_key(text: pl.Expr, known: pl.Series, *, has_low_limit: bool) -> pl.Expr:
    verb = text.str.head(4).str.to_uppercase()
    name = text.str.slice(5).str.to_lowercase()
    is_file = pl.any_horizontal(name.str.ends_with(ending) for ending in FILE_ENDINGS)
    hello = (
        pl.when(name.is_in(known.implode()) | is_file)
        .then(text)
        .otherwise(text.str.replace(_pattern("hello"), "$1 a.b"))
    )
    mail = text.str.replace_all(_pattern("address"), "<>")
    mail = mail if has_low_limit else mail.str.replace_all(_pattern("size"), "SIZE$1")
    told = (
        pl.when(verb.is_in(["MAIL", "RCPT"])).then(mail)
        .when(verb.is_in(list(HELLOS))).then(hello)
        .when(verb == "BDAT").then(text.str.replace(_pattern("chunk"), "$1 1"))
        .otherwise(text)
    )  # fmt: skip
    return pl.concat_str(pl.lit("C"), told)


def _times() -> pl.Expr:
    """Where a session took long, the seconds between lines count too."""
    at = pl.col("at")
    is_long = (at.max() - at.min()).over("sid").dt.total_seconds() >= _BRISK_S
    gap = (at - at.shift()).over("sid").dt.total_seconds().cast(pl.String)
    return (
        pl.when(is_long.fill_null(True))
        .then(pl.concat_str("key", pl.lit("\t"), gap.fill_null("")))
        .otherwise("key")
        .alias("key")
    )
