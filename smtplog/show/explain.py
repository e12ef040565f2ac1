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

_RETRY = {"yes": "yes", "no": "no", "after_fix": "only after it is mended", "unclear": "unclear"}


def show(answers: Iterable[Answer], form: str, stream: IO[str]) -> None:
    """Print answers as text or JSON lines."""
    console = render.console(stream, width=None if stream.isatty() else 100)
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
    rows = [
        ("reason", f"{d.reason}{f' ({d.reason_detail})' if d.reason_detail else ''}"),
        ("recipient", answer.recipient),
        ("meaning", d.meaning),
        ("who acts", d.actor),
        ("what to do", d.hint),
        (
            "retry helps",
            f"{_RETRY.get(d.retry, d.retry)}: {d.retry_when}{wait}" if d.retry_when else _RETRY.get(d.retry, d.retry),
        ),
        ("persistence", d.persistence),
        ("reply", f"{d.reply_code}: {d.reply_code_meaning}" if d.reply_code else None),
        (
            "enhanced",
            f"{d.enhanced_code}: {d.enhanced_code_meaning}"
            if d.enhanced_code and d.enhanced_code_meaning
            else d.enhanced_code,
        ),
        ("said", d.reply_text or None),
        ("evidence", d.evidence),
        ("rule", f"{d.rule} ({d.step})" if d.rule else "none fits"),
    ]
    grid = Table.grid(padding=(0, 2))
    grid.add_column(style="bold")
    grid.add_column(overflow="fold")
    for name, value in rows:
        if value:
            grid.add_row(name, Text(render.harmless(value)))
    return grid
