"""Reports for eyes and their JSON: check, formats."""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict
from typing import IO

from smtplog.ask.check import Check
from smtplog.formats import all_formats
from smtplog.read.tally import WHYS
from smtplog.show import render
from smtplog.show.export import json_object


def show_check(found: Check, form: str, stream: IO[str]) -> None:
    """Print a check as text or JSON."""
    by_program: dict[tuple[str | None, str | None], Counter[str]] = {}
    for (name, program, why), n in found.tally.by_program.items():
        by_program.setdefault((name, program), Counter())[why] += n
    programs = sorted(by_program.items(), key=str)
    if form == "json":
        rows = [{"format": f, "program": p, **{why: c[why] for why in WHYS}} for (f, p), c in programs]
        examples = [asdict(example) for example in found.examples]
        counts = {"entries": found.tally.entries, "lines": found.tally.lines, "notes": found.tally.notes}
        whole = {**counts, **found.counts, "programs": rows}
        text = json_object({**whole, "examples": examples, "problems": found.tally.problems})
        render.put(f"{text}\n", stream)
        return
    console = render.console(stream)
    console.print(f"{found.tally.lines:,} lines, {found.tally.entries:,} entries")
    table = [(f or "-", p or "-", *(c[why] or "" for why in WHYS)) for (f, p), c in programs]
    console.print(
        render.plain([*table, ("", "all", *found.counts.values())], ("format", "program", *WHYS), range(2, 7))
    )
    if found.tally.notes:
        console.print(
            f"{found.tally.notes:,} of the understood are notes: free text of a server's configuration, or unknown"
        )
    for example in found.examples:
        place = render.harmless(f"{example.source}:{example.line}: {example.raw}")
        console.print(f"{example.why}: {place}", soft_wrap=True)
        if example.expected:
            console.print(f"    expected {render.harmless(example.expected)}", soft_wrap=True)
    for problem in found.tally.problems:
        console.print(render.harmless(problem), soft_wrap=True)


def show_formats(stream: IO[str]) -> None:
    """Print the formats that can be read."""
    rows = [(one.name, one.title, f"grammars/{one.grammar}.lark") for one in all_formats()]
    rows.append(("transcript", "SMTP dialogues in many forms", "grammars/transcript*.lark"))
    render.console(stream).print(render.plain(rows, ("format", "what", "shape")))
