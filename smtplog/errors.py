"""What can go wrong that is not the log's fault.

    SmtplogError            everything below; one `except` is enough
    ├── GrammarError        a grammar or a format is written wrongly (a bug of ours or of an extension)
    ├── InputError          an input cannot be opened or is not what it was said to be
    ├── QueryError          a filter, a field or an option does not make sense
    └── OutputError         a place cannot be written to

A line that does not fit is never an exception: it is an `Unparsed` record.
A message says what, where (`path:line` or the text with a caret) and what to do.
"""

from __future__ import annotations


class SmtplogError(Exception):
    """The root of every exception that smtplog raises on purpose."""


class GrammarError(SmtplogError):
    """A grammar rule or a format cannot be used; names the grammar, the rule and the place."""


class InputError(SmtplogError):
    """An input cannot be read: missing, not permitted, of no known form."""


class QueryError(SmtplogError):
    """A question cannot be asked: unknown field, filter that the record lacks, bad time."""


class OutputError(SmtplogError):
    """A place cannot be written to."""


def caret(text: str, column: int) -> str:
    """`text` and, on the next line, a caret under `column` (from 0)."""
    return f"    {text}\n    {' ' * column}^"
