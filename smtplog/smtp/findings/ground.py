"""What one kind of finding is: its severity, its words, and where the rule behind it is written."""

from __future__ import annotations

from dataclasses import dataclass

ERROR, WARNING, INFO = "error", "warning", "info"


@dataclass(frozen=True)
class Ground:
    """One kind of finding."""

    severity: str
    message: str
    hint: str
    source: str
    """RFC section, or the note that tells of it."""
