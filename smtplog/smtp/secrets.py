"""Secrets in a dialogue: recognised, and taken out of everything that is shown.

What AUTH carries (RFC 4954 s.4) is a password, a token or material to guess one from; the mechanism, the user and the
outcome are not secret. Some tools mask before they print; that is recognised, so that nothing is decoded from a mask.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterable

MASK = "********"
_MASKED = (
    "credentials hidden",
    "data redacted",
    "/* secret */",
    "/* secured */",
    "PROVIDED_BUT_REMOVED",
    "trace suppressed",
    "Logging suppressed",
    "authentication information",
    "authentication response",
    "<hidden>",
    "[hidden]",
    "***",
    "removed",
)
_BASE64 = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/=")


def is_masked(text: str) -> bool:
    """Did the tool that wrote this hide the secret already?"""
    plain = decoded(text) or ""
    return any(mark in text or mark in plain for mark in _MASKED)


def is_base64(text: str) -> bool:
    """Could this be one base64 word (RFC 4648 s.4)?"""
    return len(text) >= 4 and len(text) % 4 == 0 and all(c in _BASE64 for c in text)


def decoded(text: str) -> str | None:
    """The text behind base64; None when it is not base64 or not text."""
    if not is_base64(text):
        return None
    try:
        return base64.b64decode(text, validate=True).decode("utf-8")
    except (binascii.Error, UnicodeDecodeError, ValueError):
        return None


def user(mechanism: str | None, said: list[str]) -> str | None:
    """The login name in what a client sent, None where it cannot be told.

    Args:
        mechanism: PLAIN (RFC 4616), LOGIN, CRAM-MD5 (RFC 2195), XOAUTH2, OAUTHBEARER (RFC 7628).
        said: initial response and answers, in order, as sent.
    """
    if not said:
        return None
    first = said[0]
    plain = decoded(first)
    plain = plain if plain is not None else (first if not is_base64(first) else "")
    match mechanism:
        case "PLAIN":
            parts = plain.split("\0")
            name: str | None = parts[1] if len(parts) == 3 else None
        case "LOGIN":
            name = plain
        case "CRAM-MD5" | "CRAM-SHA1":
            name = plain.rpartition(" ")[0]
        case "XOAUTH2":
            name = plain.partition("user=")[2].partition("\x01")[0]
        case "OAUTHBEARER":
            name = plain.partition("a=")[2].partition(",")[0]
        case _:
            name = None
    if not name or is_masked(name) or not name.isprintable():
        return None
    return name


def hidden(said: Iterable[str], name: str | None) -> list[str]:
    """Every spelling of the secrets in what a client sent that must not be shown, longest first.

    The name itself is no secret, but its base64 is masked with the rest.
    """
    found: set[str] = set()
    for text in said:
        if is_masked(text):
            continue
        found.add(text)
        plain = decoded(text)
        for part in (plain or "").replace("\x01", "\0").replace(" ", "\0").split("\0"):
            if part and part != name and not part.startswith("user="):
                found.add(part)
                found.add(base64.b64encode(part.encode()).decode())
    return sorted((s for s in found if len(s) >= 4 and s != name), key=lambda s: (-len(s), s))


def without(text: str, secrets: Iterable[str]) -> str:
    """`text` with every secret, and every password inside a URL, masked (RFC 3986 s.3.2.1)."""
    for secret in secrets:
        if secret in text:
            text = text.replace(secret, MASK)
    return without_url_passwords(text) if "://" in text else text


def without_url_passwords(text: str) -> str:
    """`smtp://user:secret@host` -> `smtp://user:********@host`."""
    head, *rest = text.split("://")
    out = [head]
    for part in rest:
        end = min((i for i in (part.find(c) for c in " /<>\"'") if i >= 0), default=len(part))
        place = part.rfind("@", 0, end)
        name, colon, secret = part[:place].partition(":")
        if place >= 0 and colon and secret:
            part = f"{name}:{MASK}{part[place:]}"
        out.append(part)
    return "://".join(out)
