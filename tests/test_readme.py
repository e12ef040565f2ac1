"""The README does not lie: its examples run and show what it says, its tables are those of the program.

`python tests/test_readme.py` writes the tables anew.
"""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
from collections.abc import Callable
from datetime import datetime
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Annotated, get_args, get_origin

import pytest
from pydantic import BaseModel

from smtplog.ask.query import FILTERS
from smtplog.ask.rules import built_in
from smtplog.contract import records
from smtplog.contract.records import TABLES
from smtplog.formats import all_formats
from smtplog.formats.transcripts import FORMS

TOP = Path(__file__).parent.parent
README = TOP / "README.md"


def table(titles: tuple[str, ...], rows: list[tuple[str, ...]]) -> str:
    """A table in Markdown."""
    lines = [titles, ("---",) * len(titles), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def commands() -> str:
    """Every command and what it is for."""
    from smtplog.cli import app

    found = [
        (c.name or getattr(c.callback, "__name__", ""), c.help or str(c.callback.__doc__))
        for c in app.registered_commands
        if c.callback
    ]
    return table(("command", "what it gives"), [(f"`{name}`", text.strip().partition("\n")[0]) for name, text in found])


def filters() -> str:
    """Which filter works on which table."""
    rows = [
        (f"`--{name.replace('_', '-')}`", *("yes" if t in on else "" for t in TABLES)) for name, on in FILTERS.items()
    ]
    return table(("filter", *TABLES), rows)


def formats() -> str:
    """Every format of logs."""
    return table(
        ("name", "what", "shape"), [(f"`{f.name}`", f.title, f"`grammars/{f.grammar}.lark`") for f in all_formats()]
    )


def forms() -> str:
    """Every form of transcripts."""
    return "; ".join(f"`{form.name}` ({form.title})" for form in FORMS) + "."


def reasons() -> str:
    """Every reason, with what a rule may refine."""
    rows = [
        (f"`{r.name}`", r.meaning, r.persistence or "by the code", r.actor, "" if not r.suppress_days else "yes")
        for r in built_in().reasons.values()
    ]
    return table(("reason", "what it means", "persistence", "who acts", "may give an address up"), rows)


PLAIN = {str: "text", int: "integer", float: "number", bool: "boolean", datetime: "time"}
"""What a value that is no record is called."""


def kind(hint: object) -> tuple[str, list[type[BaseModel]]]:
    """How a type reads, and the records inside it."""
    from smtplog.contract.schema import _bare

    hint = _bare(hint)
    if get_origin(hint) is list:
        text, inside = kind(get_args(hint)[0])
        return f"list of {text}", inside
    if isinstance(hint, type) and issubclass(hint, BaseModel):
        return hint.__name__, [hint]
    base = get_args(hint)[0] if get_origin(hint) is Annotated else hint
    return PLAIN.get(base, "object"), []


def fields() -> str:
    """The fields of every table, then those of the records inside them."""
    from smtplog.contract.schema import _hints

    out, inner = [], []
    shown = set(records.Provenance.model_fields)
    todo: list[tuple[str, type[BaseModel]]] = [(f"### {name}", record) for name, record in TABLES.items()]
    while todo:
        title, record = todo.pop(0)
        rows = []
        for name, hint in _hints(record).items():
            text, inside = kind(hint)
            for one in inside:
                if one not in inner:
                    inner.append(one)
                    todo.append((f"#### {one.__name__}", one))
            if name not in shown or record not in TABLES.values():
                rows.append((f"`{name}`", text, str(record.model_fields[name].description).replace("|", "\\|")))
        out.append(f"{title}\n\n{(record.__doc__ or '').strip()}\n\n{table(('field', 'kind', 'meaning'), rows)}")
    return "\n\n".join(out)


GENERATED: dict[str, Callable[[], str]] = {
    "commands": commands,
    "filters": filters,
    "formats": formats,
    "forms": forms,
    "fields": fields,
    "reasons": reasons,
}


def parts(text: str, name: str) -> tuple[str, str, str]:
    """What stands before, between and after the marks of a generated part."""
    before, opened, rest = text.partition(f"<!-- {name} -->\n")
    inside, closed, after = rest.partition("<!-- end -->")
    assert opened
    assert closed
    return before + opened, inside, closed + after


def blocks(language: str) -> list[str]:
    """The code blocks of a language."""
    pieces = README.read_text("utf-8").split(f"```{language}\n")[1:]
    return [piece.partition("```")[0] for piece in pieces]


def examples() -> list[tuple[str, str]]:
    """(command, expected output) of every console block."""
    found: list[list[str]] = []
    for block in blocks("console"):
        for line in block.splitlines():
            if line.startswith("$ "):
                found.append([line[2:], ""])
            else:
                found[-1][1] += f"{line}\n"
    return [(command, expected) for command, expected in found]


def alike(shown: str, expected: str) -> bool:
    """Is it what was expected, where `...` stands for anything?"""
    lines = "\n".join(line.rstrip() for line in shown.splitlines())
    pattern = expected.rstrip("\n").replace("[", "[[]").replace("...", "*")
    return fnmatchcase(lines, pattern.replace("?", "[?]"))


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder that holds the samples and nothing else."""
    (tmp_path / "samples").symlink_to(TOP / "samples")
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize(
    ("command", "expected"), examples(), ids=lambda v: v[:60] if v.startswith(("smtplog", "gzip")) else ""
)
def test_examples_show_what_they_say(place: Path, cli: Callable[..., object], command: str, expected: str) -> None:
    """Every command of a console block, in a folder with the samples: exit 0 and the output shown."""
    if "|" in command and command.startswith("gzip"):
        env = {**os.environ, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}", "PYTHONPATH": str(TOP)}
        ran = subprocess.run(
            ["bash", "-c", command.replace("smtplog", f"{sys.executable} -m smtplog", 1)],
            capture_output=True,
            text=True,
            check=False,
            env=env,
            cwd=place,
        )
        code, out, err = ran.returncode, ran.stdout, ran.stderr
    else:
        answer = cli(*shlex.split(command)[1:])
        code, out, err = answer.code, answer.out, answer.err  # type: ignore[attr-defined]

    assert code == 0, err
    assert alike(out, expected), out


@pytest.mark.usefixtures("place")
@pytest.mark.parametrize("code", blocks("python"))
def test_python_runs(code: str) -> None:
    """Every block of Python."""
    exec(compile(code, "README.md", "exec"), {})  # noqa: S102 - our own examples


@pytest.mark.parametrize("name", GENERATED)
def test_tables_are_the_programs(name: str) -> None:
    """Commands, filters, formats, forms, fields, reasons: as the program has them (mend with `python tests/test_readme.py`)."""
    assert parts(README.read_text("utf-8"), name)[1].strip() == GENERATED[name]().strip()


def test_two_commands() -> None:
    """Each is one line that needs nothing but Python, and the second runs the tests."""
    lines = [block.strip() for block in blocks("sh")]

    assert len(lines) == 2
    assert all(line.startswith("python3 -m venv ") and "\n" not in line for line in lines)
    assert "samples/" in lines[0]
    assert lines[1].endswith("pytest -q")


if __name__ == "__main__":
    text = README.read_text("utf-8")
    for part, made in GENERATED.items():
        before, _, after = parts(text, part)
        text = f"{before}{made()}\n{after}"
    README.write_text(text, "utf-8")
