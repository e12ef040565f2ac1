"""Words around a dialogue: a connection that begins, breaks or waits, TLS, a login whose trace was suppressed."""

from __future__ import annotations

from typing import Any

from smtplog.formats.transcripts import (
    BY_SERVER_WORDS,
    CLOSED_WORDS,
    NOT_OPEN_WORDS,
    NOT_TIMEOUT_WORDS,
    OPEN_WORDS,
    SUPPRESSED_LOGIN,
    TIMEOUT_WORDS,
    TLS_WORDS,
    TOLD_LOGINS,
)
from smtplog.smtp.commands import MECHANISMS

_LONGEST = 300


def happened(text: str) -> tuple[str, str] | None:
    """What a line that nobody said tells: the name of a token and its text; None when it tells nothing.

    Names are those of the dialogue's grammar: OPEN, CLOSED, TIMEOUT, TLS, AUTH, and CLIENT for a suppressed command.
    """
    if not text or len(text) > _LONGEST:
        return None
    if text == "RENEGOTIATING":
        return "NOTE", "renegotiation"
    if SUPPRESSED_LOGIN in text.lower():
        return "CLIENT", "AUTH " + text.partition(f" {SUPPRESSED_LOGIN}")[0].rpartition("AUTH ")[2]
    login = _login(text)
    return ("AUTH", login) if login else _told(text, " ".join(text.lower().split()))


def _told(text: str, low: str) -> tuple[str, str] | None:
    if any(word in low for word in TIMEOUT_WORDS) and not any(word in low for word in NOT_TIMEOUT_WORDS):
        return "TIMEOUT", text
    if any(word in low for word in CLOSED_WORDS):
        return "CLOSED", "server" if any(word in low for word in BY_SERVER_WORDS) else ""
    if any(word in low for word in TLS_WORDS):
        return "TLS", text
    if any(word in low for word in OPEN_WORDS) and not any(word in low for word in NOT_OPEN_WORDS):
        return "OPEN", peer(text)
    return None


def _login(text: str) -> str | None:
    """`DEBUG SMTP: AUTH LOGIN succeeded`."""
    _, found, rest = text.partition("AUTH ")
    words = rest.split()
    if not found or len(words) != 2 or words[0] not in MECHANISMS:
        return None
    return TOLD_LOGINS.get(f" {words[1]}")


def ends(local: str, remote: str, *, is_server: bool) -> dict[str, Any]:
    """Role, client and server, where one of them logs: the fields of a session.

    Args:
        local: its own end, `address:port`; empty where it is not named.
        remote: the other end: `address:port`, `name[address]`, `name[address]:port`.
        is_server: it is the server that logs.
    """
    told: dict[str, Any] = {"role": "server" if is_server else "client"}
    for end, side in ((local, is_server), (remote, not is_server)):
        name, ip, port = _end(end)
        who = "server" if side else "client"
        told |= {f"{who}_ip": ip, f"{who}_port": port}
        if name is not None:
            told[f"{who}_name"] = name
    return told


def _end(text: str) -> tuple[str | None, str | None, int | None]:
    name, bracket, rest = text.partition("[")
    if bracket and name:
        ip, _, port = rest.partition("]")
        port = port.removeprefix(":")
    else:
        ip, _, port = text.rpartition(":")
        ip, name = ip.strip("[]"), ""
    is_port = port.isdecimal() and len(port) < 6
    return name if name not in {"", "unknown"} else None, ip or None, int(port) if is_port else None


def peer(text: str) -> str:
    """Name, address and port of the other side as `name|address|port`, parts that are not there empty."""
    low = text.lower()
    if "connection from" in low or "accepted from" in low:  # a server's log: what it names first is the client
        text = text[low.rfind(" to ") :] if " to " in low else ""
    name = ip = port = ""
    words = text.replace("(", " ").replace(")", " ").replace("[", " ").replace("]", " ").replace("'", " ")
    words = words.replace(",", " ").replace('"', " ").replace("://", " ").replace("/?", " ").replace("|", " ")
    parts = words.split()
    for i, word in enumerate(parts):
        host, colon, number = word.rstrip(".").rpartition(":")
        if colon and number.isdecimal() and host and ":" not in host:
            port = port or number
            word = host
        elif colon and not host and number.isdecimal():
            port = port or number
            continue
        if word == "port" and i + 1 < len(parts) and parts[i + 1].rstrip(".,:").isdecimal():
            port = parts[i + 1].rstrip(".,:")
        elif _is_ip(word.rstrip(".")):
            ip = ip or word.rstrip(".")
        elif "." in word.rstrip(".:") and _is_host(word.rstrip(".:")):
            name = name or word.rstrip(".:")
    return f"{name}|{ip}|{port}"


def _is_ip(word: str) -> bool:
    parts = word.split(".")
    if len(parts) == 4:
        return all(p.isdecimal() and int(p[:4]) < 256 for p in parts)
    return word.count(":") >= 2 and all(c in "0123456789abcdefABCDEF:." for c in word)


def _is_host(word: str) -> bool:
    return word.isascii() and all(c.isalnum() or c in "-._" for c in word) and any(c.isalpha() for c in word)
