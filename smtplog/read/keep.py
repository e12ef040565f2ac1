"""Flattened patterns, kept between runs: flattening some hundred rules costs more than reading a small log.

They live in the user's cache folder under a name made of everything they depend on, so a changed grammar is never
read from an old file. What is new is written down when the process ends; where the folder cannot be written to,
nothing is kept and nothing is said.
"""

from __future__ import annotations

import atexit
import hashlib
import json
import os
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import Any

_FRESH: dict[str, Any] = {}


def _file(folder: Path) -> Path:
    digest = hashlib.blake2b(version("lark").encode(), digest_size=12)
    for path in [*sorted(folder.glob("*.lark")), *sorted(Path(__file__).parent.glob("*.py"))]:
        digest.update(path.read_text("utf-8").encode())
    home = Path(os.environ.get("XDG_CACHE_HOME") or Path("~/.cache").expanduser())
    return home / "smtplog" / f"patterns-{digest.hexdigest()}.json"


@cache
def _kept(folder: Path) -> dict[str, Any]:
    try:
        found = json.loads(_file(folder).read_text("utf-8"))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def find(folder: Path, name: str) -> Any:
    """What was kept under a name, as JSON values; None when nothing was."""
    return _kept(folder).get(name)


def add(folder: Path, name: str, value: Any) -> None:
    """Have something kept."""
    if not _FRESH:
        atexit.register(_save, folder)
    _FRESH[name] = value


def _save(folder: Path) -> None:
    """Write down what is new, whole or not at all."""
    path = _file(folder)
    work = path.with_name(f"{path.name}.{os.getpid()}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        work.write_text(json.dumps({**_kept(folder), **_FRESH}), "utf-8")
        work.replace(path)
    except OSError:
        return
