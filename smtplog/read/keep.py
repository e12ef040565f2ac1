"""What is made of files of ours and takes long to make, kept between runs: flattened patterns, rules ready for use.

It lives in the user's cache folder, in a file named after all it was made of, so a changed grammar or rule is never
read from an old file. What is new is written down when the process ends; where the folder cannot be written to,
nothing is kept and nothing is said.
"""

from __future__ import annotations

import atexit
import hashlib
import json
import os
from functools import cache
from pathlib import Path
from typing import Any

Sources = tuple[Path, ...]

_FRESH: dict[Sources, dict[str, Any]] = {}


@cache
def _file(sources: Sources) -> Path:
    digest = hashlib.blake2b(digest_size=12)
    for path in sources:
        digest.update(path.read_text("utf-8").encode())
    home = Path(os.environ.get("XDG_CACHE_HOME") or Path("~/.cache").expanduser())
    return home / "smtplog" / f"kept-{digest.hexdigest()}.json"


@cache
def _kept(sources: Sources) -> dict[str, Any]:
    try:
        found = json.loads(_file(sources).read_text("utf-8"))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def find(sources: Sources, name: str) -> Any:
    """What was kept under a name, as JSON values; None when nothing was.

    Args:
        sources: all files that it was made of, code and data.
        name: what it was kept as.
    """
    return _kept(sources).get(name)


def add(sources: Sources, name: str, value: Any) -> None:
    """Have a value kept that JSON can hold."""
    if not _FRESH:
        atexit.register(_save)
    _FRESH.setdefault(sources, {})[name] = value


def _save() -> None:
    """Write down what is new, each file whole or not at all."""
    for sources, fresh in _FRESH.items():
        path = _file(sources)
        work = path.with_name(f"{path.name}.{os.getpid()}")
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            work.write_text(json.dumps({**_kept(sources), **fresh}), "utf-8")
            work.replace(path)
        except OSError:
            return
