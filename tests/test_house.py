"""The laws of the house: which room may use which, and what lives in one place only.

Every law reads the source as a syntax tree, so a breach is named with its file and line.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

import smtplog
from smtplog.formats import NAMES, all_formats

TOP = Path(__file__).parent.parent
HOUSE = TOP / "smtplog"
FILES = sorted(HOUSE.rglob("*.py"))

# From the ground upwards: a room may use its own floor's folder and what stands before it. The files at the top of the
# tree are floors of their own.
FLOORS = (
    "errors",
    "contract",
    "smtp",
    "formats",
    "read",
    "join",
    "ask",
    "show",
    "work",
    "pipeline",
    "lines",
    "library",
    "cli",
)
LONGEST_FILE = 400

OPENERS = {"open", "read_bytes", "write_bytes", "write_text", "NamedTemporaryFile", "TemporaryFile", "mkdtemp"}
STREAMS = {"stdin", "stdout", "stderr"}
CLOCKS = {("datetime", "now"), ("datetime", "utcnow"), ("datetime", "today"), ("date", "today"), ("time", "time"),
          ("time", "time_ns"), ("time", "localtime"), ("time", "gmtime")}  # fmt: skip


def room(path: Path) -> str:
    """`smtplog/read/source.py` -> `read/source`; the name by which the laws speak of it."""
    return path.relative_to(HOUSE).with_suffix("").as_posix()


def floor(module: str) -> str:
    """The floor of `smtplog.read.source` is `read`."""
    parts = module.split(".")
    return parts[1] if len(parts) > 1 else "__init__"


@cache
def modules() -> dict[str, Path]:
    """Module name -> file."""
    found = {}
    for path in FILES:
        parts = path.relative_to(TOP).with_suffix("").parts
        found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


@cache
def tree(path: Path) -> ast.Module:
    """The syntax tree of a file."""
    return ast.parse(path.read_text("utf-8"), str(path))


def is_for_types_only(node: ast.AST) -> bool:
    """`if TYPE_CHECKING:`, which never runs."""
    return isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING"


def running(node: ast.AST) -> Iterator[ast.AST]:
    """Every node that can run."""
    for child in ast.iter_child_nodes(node):
        if not is_for_types_only(child):
            yield child
            yield from running(child)


def imported(path: Path, *, types_too: bool = False) -> Iterator[tuple[str, int]]:
    """(module, line) of everything a file imports; `from a import b` counts as a.b where that is a module."""
    known = modules()
    for node in ast.walk(tree(path)) if types_too else running(tree(path)):
        if isinstance(node, ast.Import):
            yield from ((alias.name, node.lineno) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            for alias in node.names:
                inner = f"{node.module}.{alias.name}"
                yield inner if inner in known else str(node.module), node.lineno


def calls(path: Path) -> Iterator[tuple[str, str, int]]:
    """(what it is called on, name, line) of every call; `""` for a plain name."""
    for node in ast.walk(tree(path)):
        if not isinstance(node, ast.Call):
            continue
        if isinstance(node.func, ast.Name):
            yield "", node.func.id, node.lineno
        elif isinstance(node.func, ast.Attribute):
            owner = node.func.value
            yield owner.id if isinstance(owner, ast.Name) else getattr(owner, "attr", "?"), node.func.attr, node.lineno


def breaches(found: Iterator[str] | list[str]) -> str:
    """A readable list."""
    return "\n".join(sorted(found))


def test_rooms_import_only_what_stands_below_them() -> None:
    """The arrows point downwards, in the order of the tree."""
    wrong = []
    for name, path in modules().items():
        mine = floor(name)
        if mine in ("__init__", "__main__"):
            continue
        for used, line in imported(path, types_too=True):
            theirs = floor(used)
            if not used.startswith("smtplog") or theirs == mine:
                continue
            if theirs not in FLOORS or FLOORS.index(theirs) > FLOORS.index(mine):
                wrong.append(f"{path.relative_to(TOP)}:{line}: {mine} uses {used}")

    assert not wrong, breaches(wrong)


def test_no_circles() -> None:
    """No module comes back to itself by its imports."""
    arrows = {
        name: {used for used, _ in imported(path) if used in modules()} - {name} for name, path in modules().items()
    }
    done: set[str] = set()

    def walk(name: str, trail: tuple[str, ...]) -> None:
        assert name not in trail, " -> ".join([*trail[trail.index(name) :], name])
        if name not in done:
            for used in sorted(arrows[name]):
                walk(used, (*trail, name))
            done.add(name)

    for name in arrows:
        if floor(name) != "__init__":
            walk(name, ())


def test_formats_know_only_what_is_known() -> None:
    """A format module imports its base, the contract and the RFCs, and its own folder; never another format."""
    wrong = []
    for name, path in modules().items():
        if floor(name) != "formats" or name == "smtplog.formats":
            continue
        family = ".".join(name.split(".")[:3])
        for used, line in imported(path, types_too=True):
            fine = (family, "smtplog.formats.base", "smtplog.contract", "smtplog.smtp")
            if used.startswith("smtplog") and not used.startswith(fine):
                wrong.append(f"{path.relative_to(TOP)}:{line}: uses {used}")

    assert not wrong, breaches(wrong)


@pytest.mark.parametrize(
    ("package", "rooms"),
    [
        ("lark", ("read/grammar", "read/dialogue/")),
        ("typer", ("cli",)),
        ("click", ("cli",)),
        ("zlib", ("read/unpack",)),
        ("gzip", ("read/unpack",)),
        ("tempfile", ("show/datasets", "show/export")),
        ("shutil", ("show/datasets",)),
        ("subprocess", ()),
        ("socket", ()),
        ("pickle", ()),
        ("logging", ()),
    ],
)
def test_one_door_for_each_package(package: str, rooms: tuple[str, ...]) -> None:
    """What only some rooms may import, the others do not import."""
    wrong = [
        f"{path.relative_to(TOP)}:{line}"
        for path in FILES
        for used, line in imported(path, types_too=True)
        if used.partition(".")[0] == package and not room(path).startswith(rooms or ("-",))
    ]

    assert not wrong, f"{package}: {breaches(wrong)}"


def test_input_is_opened_in_one_room_and_output_in_another() -> None:
    """Input is opened in source, output in datasets and export; what ships with a room is read by its read_text."""
    wrong = [
        f"{path.relative_to(TOP)}:{line}: {name}()"
        for path in FILES
        for owner, name, line in calls(path)
        if name in OPENERS
        and room(path) not in ("read/source", "show/datasets", "show/export", "read/keep")
        and (owner, name) != ("os", "open")
    ]

    assert not wrong, breaches(wrong)


def test_streams_are_named_in_few_rooms() -> None:
    """Standard input belongs to source, standard output and error to the command line and to the answer it writes."""
    wrong = [
        f"{path.relative_to(TOP)}:{node.lineno}: sys.{node.attr}"
        for path in FILES
        for node in ast.walk(tree(path))
        if isinstance(node, ast.Attribute) and node.attr in STREAMS and isinstance(node.value, ast.Name)
        and node.value.id == "sys" and not room(path).startswith(("cli", "read/source", "show/answer"))
    ]  # fmt: skip

    assert not wrong, breaches(wrong)


def test_only_the_command_line_prints() -> None:
    """No `print` or `echo` outside cli; a console of show/ writes to the stream it is given."""
    wrong = [
        f"{path.relative_to(TOP)}:{line}: {owner}.{name}()"
        for path in FILES
        for owner, name, line in calls(path)
        if (name in ("echo", "secho") or (name == "print" and owner == "")) and not room(path).startswith("cli")
    ]

    assert not wrong, breaches(wrong)


def test_the_clock_is_read_in_one_room() -> None:
    """A log means the same whenever it is read: only cli asks what day it is, for a pipe."""
    wrong = [
        f"{path.relative_to(TOP)}:{line}: {owner}.{name}()"
        for path in FILES
        for owner, name, line in calls(path)
        if (owner, name) in CLOCKS and not room(path).startswith("cli")
    ]

    assert not wrong, breaches(wrong)


def test_only_the_grammar_room_compiles() -> None:
    """`re` is for the names of its types elsewhere; onepass reads Python's own tree of a pattern."""
    wrong = [
        f"{path.relative_to(TOP)}:{node.lineno}"
        for path in FILES
        for node in ast.walk(tree(path))
        if (isinstance(node, ast.Import) and any(a.name == "re" for a in node.names))
        or (
            isinstance(node, ast.ImportFrom)
            and node.module == "re"
            and {a.name for a in node.names} - {"Match", "Pattern"}
        )
        if not room(path).startswith("read/grammar")
    ]

    assert not wrong, breaches(wrong)


def test_patterns_come_out_of_the_grammar_room() -> None:
    """No regular expression of our own goes to Polars: it is a literal or comes from a rule."""
    takes = {"extract", "extract_all", "extract_groups", "contains", "replace", "replace_all", "count_matches", "find"}
    wrong = []
    for path in FILES:
        if room(path).startswith("read/grammar"):
            continue
        for node in ast.walk(tree(path)):
            if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in takes):
                continue
            owner = node.func.value
            first = node.args[0] if node.args else None
            is_column = isinstance(owner, ast.Attribute) and owner.attr == "str"
            is_literal = any(
                k.arg == "literal" and isinstance(k.value, ast.Constant) and k.value.value for k in node.keywords
            )
            if is_column and isinstance(first, ast.Constant) and not is_literal:
                wrong.append(f"{path.relative_to(TOP)}:{node.lineno}: {node.func.attr}({first.value!r})")

    assert not wrong, breaches(wrong)


def test_no_branch_on_the_name_of_a_format() -> None:
    """`if format == "postfix"` is a row that is missing in a table of that format."""
    names = {*NAMES, *(one.name for one in all_formats())}
    wrong = []
    for path in FILES:
        if room(path).startswith("formats/"):
            continue
        for node in ast.walk(tree(path)):
            if isinstance(node, ast.Compare):
                said = {c.value for c in ast.walk(node) if isinstance(c, ast.Constant) and isinstance(c.value, str)}
                wrong += [f"{path.relative_to(TOP)}:{node.lineno}: compares with {name!r}" for name in said & names]

    assert not wrong, breaches(wrong)


def test_rooms_stay_small() -> None:
    """A room that outgrows 400 lines becomes a folder with the same door."""
    big = [
        f"{path.relative_to(TOP)}: {n} lines"
        for path in FILES
        if (n := len(path.read_text("utf-8").splitlines())) > LONGEST_FILE
    ]

    assert not big, breaches(big)


def test_rooms_are_named_for_what_they_do() -> None:
    """No util, helper, common or manager."""
    wrong = [
        str(path)
        for path in FILES
        if set(path.stem.split("_")) & {"util", "utils", "helper", "helpers", "common", "manager", "misc"}
    ]

    assert not wrong, breaches(wrong)


def _public(
    body: list[ast.stmt], prefix: str
) -> Iterator[tuple[str, ast.FunctionDef | ast.ClassDef | ast.AsyncFunctionDef]]:
    for node in body:
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)) and not node.name.startswith("_"):
            yield f"{prefix}{node.name}", node
            if isinstance(node, ast.ClassDef):
                yield from _public(node.body, f"{node.name}.")


def test_everything_public_says_what_it_is() -> None:
    """Modules, public classes, functions and methods have a docstring; overridden visits of Lark are no exception."""
    wrong = []
    for path in FILES:
        parsed = tree(path)
        if not ast.get_docstring(parsed):
            wrong.append(f"{path.relative_to(TOP)}: the module")
        for name, node in _public(parsed.body, ""):
            is_private_class = any(part.startswith("_") for part in name.split("."))
            if not is_private_class and not ast.get_docstring(node):
                wrong.append(f"{path.relative_to(TOP)}:{node.lineno}: {name}")

    assert not wrong, breaches(wrong)


def test_the_front_door_is_what_it_says() -> None:
    """`__all__` is sorted, each name is there, and what type checkers see is what runs."""
    door = tree(HOUSE / "__init__.py")
    typed = {
        alias.asname or alias.name
        for node in ast.walk(door)
        if is_for_types_only(node)
        for inner in ast.walk(node)
        if isinstance(inner, ast.ImportFrom)
        for alias in inner.names
    }

    assert smtplog.__all__ == sorted(smtplog.__all__)
    assert set(smtplog.__all__) == typed
    for name in smtplog.__all__:
        assert getattr(smtplog, name).__module__.startswith("smtplog")
    with pytest.raises(AttributeError, match="no attribute 'nonsense'"):
        smtplog.nonsense  # noqa: B018


def test_every_all_is_true() -> None:
    """A module that says what it exports has it."""
    import importlib

    for name, path in modules().items():
        if "__all__" in path.read_text("utf-8"):
            module = importlib.import_module(name)
            assert [one for one in module.__all__ if not hasattr(module, one)] == [], name


def test_a_format_is_one_word_in_a_list() -> None:
    """Every name in the list has its module, its grammar and a folder of samples; every module is in the list."""
    folder = HOUSE / "formats"
    there = {p.stem for p in folder.iterdir() if p.stem not in ("__init__", "base", "__pycache__", "transcripts")}

    assert set(NAMES) <= there
    for one in all_formats():
        assert (TOP / "grammars" / f"{one.grammar}.lark").is_file()
        assert list((TOP / "samples" / one.name).glob("*.log")), f"no sample of {one.name}"
