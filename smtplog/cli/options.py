"""The options that more than one command has."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import wraps
from inspect import Parameter, signature
from pathlib import Path
from typing import Annotated, Any

import typer


def named(text: str) -> str:
    """A path that names something.

    Raises:
        typer.BadParameter: it is empty; `Path` would take it for the current folder.
    """
    if not text:
        raise typer.BadParameter("an empty path names nothing (a variable that is not set?)")
    return text


def path(text: str) -> Path:
    """`named` as a `Path`."""
    return Path(named(text))


Inputs = Annotated[
    list[str],
    typer.Argument(
        metavar="INPUT",
        help="Files, globs, directories of rotated logs (.jsonl and .parquet in them are left out), or - for standard "
        "input; gzip, bzip2, xz, zstd.",
    ),
]
InputFormat = Annotated[
    str | None, typer.Option("--input-format", help="Expect only this format (see `smtplog formats`).")
]
Year = Annotated[int | None, typer.Option(help="Year of the first stamp that has none.")]
Zone = Annotated[
    str | None,
    typer.Option(
        "--timezone", help="Zone of stamps that have none (default UTC), and of days and hours; e.g. Europe/Berlin."
    ),
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
Since = Annotated[
    str | None, typer.Option(help="Only from this time on (ISO 8601, in the zone of --timezone or of the log).")
]
Until = Annotated[str | None, typer.Option(help="Only before this time (as --since).")]
Last = Annotated[str | None, typer.Option(help="Only the last 90m, 12h, 1d, 2w of the log.")]
Globs = list[str] | None
Sender = Annotated[
    Globs, typer.Option(help="Envelope sender like this (glob, repeatable; '<>' or '': the null sender).")
]
Recipient = Annotated[Globs, typer.Option(help="Recipient like this, before or after expansion (glob).")]
Domain = Annotated[Globs, typer.Option(help="Recipient's domain like this (glob).")]
Client = Annotated[Globs, typer.Option(help="Client name or address like this (glob), or in this network (CIDR).")]
Relay = Annotated[Globs, typer.Option(help="Next hop's name or address like this (glob), or in this network (CIDR).")]
Status = Annotated[Globs, typer.Option(help="sent, delivered, deferred, bounced, expired, rejected ... (glob).")]
QueueId = Annotated[Globs, typer.Option(help="Queue id (glob).")]
MessageId = Annotated[Globs, typer.Option(help="Message-ID like this (glob).")]
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
Width = Annotated[
    int | None, typer.Option(min=20, help="Columns of the text (default: the terminal's, or what COLUMNS says).")
]
Raw = Annotated[bool, typer.Option("--raw", help="Print the log lines behind what was found.")]
Form = Annotated[
    str | None, typer.Option("--format", help="table, jsonl or csv (default: table on a terminal, else jsonl).")
]
Output = Annotated[
    str | None,
    typer.Option(
        "-o", "--output", parser=named, metavar="<path>", help="Write to this file instead of standard output."
    ),
]
Rules = Annotated[
    Path | None,
    typer.Option(
        "--rules",
        parser=path,
        metavar="<path>",
        help="File of your own diagnosis rules (TOML), tried before the built-in ones.",
    ),
]

Group = Mapping[str, tuple[Any, Any]]
"""Options by the name of their argument: what they are, and their default."""
Given = dict[str, Any]
"""What was given for the options of a group."""

READING: Group = {
    "input_format": (InputFormat, None), "year": (Year, None), "zone": (Zone, None), "idle": (Idle, "5d"),
    "log_host": (LogHost, None), "dedupe": (Dedupe, False), "dedupe_window": (DedupeWindow, "1d"),
}  # fmt: skip
"""How to read."""
SHOWING: Group = {
    **READING, "show_secrets": (Secrets, False), "local_domain": (LocalDomain, None), "local_network": (LocalNetwork, None),
}  # fmt: skip
"""How to read what is shown record by record."""
EVERY_FILTER: Group = {
    "since": (Since, None), "until": (Until, None), "last": (Last, None), "sender": (Sender, None),
    "recipient": (Recipient, None), "domain": (Domain, None), "client": (Client, None), "relay": (Relay, None),
    "status": (Status, None), "queue_id": (QueueId, None), "message_id": (MessageId, None), "host": (Host, None),
    "reason": (Reason, None), "actor": (Actor, None), "direction": (Direction, None), "where": (Where, None),
}  # fmt: skip
"""What to keep of a table."""


def some(group: Group, *names: str) -> Group:
    """A few options of a group."""
    return {name: group[name] for name in names}


FILTERS = some(
    EVERY_FILTER, "since", "until", "last", "sender", "recipient", "domain", "client", "relay", "status", "host", "reason", "actor"
)  # fmt: skip
"""What to keep of deliveries in a report."""


def shared(**groups: Group) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Give a command options that others have too: each group comes to it as one argument of type `Given`."""

    def decorate(command: Callable[..., None]) -> Callable[..., None]:
        own = signature(command, eval_str=True)
        parameters = [one for name, one in own.parameters.items() if name not in groups]
        parameters += [
            Parameter(name, Parameter.KEYWORD_ONLY, default=default, annotation=kind)
            for group in groups.values() for name, (kind, default) in group.items()
        ]  # fmt: skip

        @wraps(command)
        def run(**given: Any) -> None:
            picked = {name: {option: given.pop(option) for option in group} for name, group in groups.items()}
            command(**given, **picked)

        run.__signature__ = own.replace(parameters=parameters)  # type: ignore[attr-defined]
        run.__annotations__ = {one.name: one.annotation for one in parameters}
        return run

    return decorate
