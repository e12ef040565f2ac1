"""The options that more than one command has."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

Inputs = Annotated[
    list[str],
    typer.Argument(
        metavar="INPUT...",
        help="Files, globs, directories of rotated logs (.jsonl and .parquet in them are left out), or - for standard "
        "input; gzip, bzip2, xz, zstd.",
    ),
]
InputFormat = Annotated[
    str | None, typer.Option("--input-format", help="Expect only this format (see `smtplog formats`).")
]
Year = Annotated[int | None, typer.Option(help="Year of the first stamp that has none.")]
Zone = Annotated[
    str | None, typer.Option("--timezone", help="Zone of stamps that have none, e.g. Europe/Berlin (default UTC).")
]
Idle = Annotated[str, typer.Option(help="Give a message out when it has been silent for so long.")]
Dedupe = Annotated[
    bool, typer.Option("--dedupe", help="Leave out what another input has too: same second, host, process and text.")
]
DedupeWindow = Annotated[
    str, typer.Option("--dedupe-window", help="How far back --dedupe looks, in the time of the log.")
]
LogHost = Annotated[str | None, typer.Option(help="Host of log files that do not name one.")]
Secrets = Annotated[
    bool, typer.Option("--show-secrets", help="Show passwords of AUTH exchanges instead of masking them.")
]
Since = Annotated[str | None, typer.Option(help="Only from this time on (ISO 8601).")]
Until = Annotated[str | None, typer.Option(help="Only before this time (ISO 8601).")]
Last = Annotated[str | None, typer.Option(help="Only the last 90m, 12h, 1d, 2w of the log.")]
Globs = list[str] | None
Sender = Annotated[Globs, typer.Option(help="Envelope sender like this (glob, repeatable).")]
Recipient = Annotated[Globs, typer.Option(help="Recipient like this, before or after expansion (glob).")]
Domain = Annotated[Globs, typer.Option(help="Recipient's domain like this (glob).")]
Client = Annotated[Globs, typer.Option(help="Client name or address like this (glob).")]
Relay = Annotated[Globs, typer.Option(help="Next hop's name or address like this (glob).")]
Status = Annotated[Globs, typer.Option(help="sent, delivered, deferred, bounced, expired, rejected ... (glob).")]
QueueId = Annotated[Globs, typer.Option(help="Queue id (glob).")]
MessageId = Annotated[Globs, typer.Option(help="Message-ID without brackets (glob).")]
Host = Annotated[Globs, typer.Option(help="Logging host like this (glob).")]
Reason = Annotated[Globs, typer.Option(help="Canonical reason of the failure (glob).")]
Actor = Annotated[Globs, typer.Option(help="Who must act (glob).")]
Direction = Annotated[Globs, typer.Option(help="inbound, outbound, local or internal (glob).")]
LocalDomain = Annotated[
    Globs, typer.Option(help="A domain of ours, for direction (repeatable; .example.org: all below it).")
]
LocalNetwork = Annotated[
    Globs, typer.Option(help="A network of ours, for direction (repeatable; default: loopback and private addresses).")
]
Where = Annotated[str | None, typer.Option(help='SQL expression over the record\'s fields, e.g. "delay_s > 60".')]
Fields = Annotated[str | None, typer.Option(help="Comma-separated fields to show.")]
Sort = Annotated[str | None, typer.Option(help="Comma-separated fields to sort by; -field turns round.")]
Limit = Annotated[int | None, typer.Option(min=0, help="Show at most so many.")]
Count = Annotated[bool, typer.Option("--count", help="Print only how many.")]
Raw = Annotated[bool, typer.Option("--raw", help="Print the log lines behind what was found.")]
Form = Annotated[
    str | None, typer.Option("--format", help="table, jsonl or csv (default: table on a terminal, else jsonl).")
]
Output = Annotated[str | None, typer.Option("-o", "--output", help="Write to this file instead of standard output.")]
Rules = Annotated[
    Path | None,
    typer.Option("--rules", help="File of your own diagnosis rules (TOML), tried before the built-in ones."),
]
