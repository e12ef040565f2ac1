"""A diagnosis for eyes: what it means, who must act, what to do, and the words that say so."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import asdict
from typing import IO

from rich.table import Table
from rich.text import Text

from smtplog.ask.explain import Answer
from smtplog.show import render

ACTORS = {
    "sender": "the sending side", "recipient": "the recipient or their administrator",
    "receiver": "the postmaster of the receiving server", "network": "whoever runs the network or the name service",
    "local": "the administrator of this host", "nobody": "nobody: waiting helps", "human": "somebody has to read it",
}  # fmt: skip
"""Who must act, in words."""
_RETRY = {"yes": "Yes. ", "no": "No. ", "after_fix": "Not yet. ", "unclear": "Unclear. "}


def show(answers: Iterable[Answer], form: str, stream: IO[str]) -> None:
    """Print answers as text or JSON lines."""
    console = render.console(stream, elsewhere=100)
    for i, answer in enumerate(answers):
        if form == "jsonl":
            about = {"about": answer.about, "recipient": answer.recipient, "status": answer.status}
            stream.write(json.dumps({**about, **asdict(answer.diagnosis)}, ensure_ascii=False) + "\n")
            continue
        if i:
            console.print()
        console.print(_grid(answer))


def _grid(answer: Answer) -> Table:
    d = answer.diagnosis
    wait = f" The text asks to wait {d.retry_after_s} s." if d.retry_after_s else ""
    return grid(
        ("reason", f"{d.reason}{f' ({d.reason_detail})' if d.reason_detail else ''}"),
        ("recipient", answer.recipient),
        ("meaning", d.meaning),
        ("who acts", ACTORS.get(d.actor, d.actor)),
        ("what to do", d.hint),
        ("retry", f"{_RETRY.get(d.retry, '')}{d.retry_when}{wait}"),
        ("persistence", d.persistence),
        ("code", _code(d.reply_code, d.reply_code_meaning)),
        ("enhanced", _code(d.enhanced_code, d.enhanced_code_meaning)),
        ("said", d.reply_text),
        ("evidence", d.evidence),
        ("rule", f"{d.rule} ({d.step}; {d.source})" if d.rule else "none fits"),
    )


def _code(code: object, meaning: str | None) -> str | None:
    return f"{code}: {meaning}" if code and meaning else str(code) if code else None


def grid(*rows: tuple[str, str | None]) -> Table:
    """Names and what stands behind them, without what is empty."""
    found = Table.grid(padding=(0, 2), pad_edge=False)
    found.add_column(style="bold", no_wrap=True)
    found.add_column(overflow="fold")
    for name, value in rows:
        if value:
            found.add_row(name, Text(render.harmless(value)))
    return found
