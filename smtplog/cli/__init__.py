"""The command line: arguments in, exit code out. Each command is short; the work is in the pipeline and the rooms.

Exit codes: 0 found (or done), 1 nothing found (`check --strict`: something of ours not understood), 2 error.
"""

from __future__ import annotations

import gc
import os
import signal
import sys
from contextlib import suppress
from typing import Annotated, TextIO

import typer

from smtplog.cli import records, reports
from smtplog.cli.frame import app, say
from smtplog.errors import SmtplogError

__all__ = ["app", "main", "records", "reports"]


MEMORY = "narenas:1,lg_tcache_max:20,background_thread:false,dirty_decay_ms:10000,muzzy_decay_ms:0"
"""How Polars' allocator (jemalloc) keeps for a while what it was given: each block needs about as much as the one before."""


def main() -> None:
    """Run the command line; errors of the user's are a message and exit 2, a broken pipe ends it as it does others."""
    if hasattr(signal, "SIGPIPE"):
        signal.signal(signal.SIGPIPE, signal.SIG_DFL)
    for name in ("stdout", "stderr"):  # closed by the caller: write to nowhere
        if getattr(sys, name) is None:
            setattr(sys, name, os.fdopen(os.open(os.devnull, os.O_WRONLY), "w"))
    os.environ.setdefault("_RJEM_MALLOC_CONF", MEMORY)
    gc.set_threshold(200_000, 50, 50)  # frames make few cycles: looking for them often only takes time
    try:
        app(prog_name="smtplog")
    except SmtplogError as error:
        say(f"smtplog: {error}")
        sys.exit(2)
    except BrokenPipeError:
        raise
    except OSError as error:  # inputs say for themselves what is the matter with them
        _let_go(sys.stdout)
        say(f"smtplog: the answer cannot be written: {error.strerror or error}; choose another place with -o")
        sys.exit(2)
    except KeyboardInterrupt:
        sys.exit(130)
    finally:
        gc.freeze()  # at the end of the process nothing needs to be looked through once more


def _let_go(stream: TextIO) -> None:
    """What could not be written is not tried again at the end of the process."""
    with suppress(OSError, ValueError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


def _version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        print(f"smtplog {version('smtplog')}")
        raise typer.Exit


@app.callback()
def _top(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Reads MTA logs and SMTP transcripts: filter, summarise, explain, export."""
