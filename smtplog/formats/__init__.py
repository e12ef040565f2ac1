"""The formats: one module each; adding one costs its name in this list."""

from __future__ import annotations

from importlib import import_module

from smtplog.formats.base import Format

NAMES = ("companions", "postfix", "exim")


def all_formats() -> tuple[Format, ...]:
    """Every known format, in the order in which an entry without a telling program is offered to them."""
    return tuple(import_module(f"smtplog.formats.{name}").FORMAT for name in NAMES)
