"""Texts written as literals: quotes and backslashes resolved, cells of CSV, lines joined by bars."""

from __future__ import annotations

import ast

from smtplog.formats.transcripts.form import Form

_ESCAPES = {"n": "\n", "r": "\r", "t": "\t", "0": "\0", '"': '"', "'": "'", "\\": "\\", "e": "\x1b"}
_LONGEST = 4_000_000


def spoken(form: Form, mark: str, text: str) -> tuple[str, list[str]]:
    """The mark and the lines of one marked line; a code in the mark goes where it belongs."""
    if form.code_in_mark and mark[1:4].isdecimal():
        return "[]", [f"{mark[1:4]} {text.strip().strip(chr(39))}"]
    return mark, texts(form, text)


def texts(form: Form, text: str) -> list[str]:
    """The lines inside one text of a form: one, unless a literal holds several."""
    match form.literal:
        case "python":
            return lines(_python(text))
        case "quoted":
            return lines(unescaped(text.strip().removeprefix('"').removesuffix('"')))
        case "csv":
            return [text[1:-1].replace('""', '"')] if text[:1] == '"' and text[-1:] == '"' else [text]
        case "bars":
            return _reply_lines(text.split(" | "))
        case "commas":
            said = text.strip()
            return said.replace(f", {said[:3]}", f"\n{said[:3]}").split("\n") if said[3:4] == "-" else [said]
        case "state":
            said, found, state = text.rpartition(" state=")
            return [said if found and state.isdecimal() else text]
        case "cell":
            return text.removesuffix('"').split("[nl]")
        case _:
            return [visible_ends(text)] if "\\" in text or '"' in text[:2] else [text]


def _reply_lines(parts: list[str]) -> list[str]:
    """Lines of one reply, each with the code that only the first still has."""
    code = parts[0][:3]
    if len(parts) == 1 or not code.isdecimal() or parts[0][3:4] != "-" or parts[1].startswith(code):
        return parts
    return [parts[0], *(f"{code}-{part}" for part in parts[1:-1]), f"{code} {parts[-1]}"]


def bare_end(text: str) -> str:
    r"""`line feed` or `carriage return` when one stands alone in a literal, else nothing (RFC 5321 s.2.3.8)."""
    rest = text.replace("\\\\", "").replace("\\r\\n", "")
    return "line feed" if "\\n" in rest else "carriage return" if "\\r" in rest else ""


def lines(text: str) -> list[str]:
    """Split at line ends; an end at the end makes no line more."""
    found = text.replace("\r\n", "\n").removesuffix("\n").split("\n")
    return found[1:] if len(found) > 1 and not found[0] else found


def _python(text: str) -> str:
    """The text of a Python literal; what is not quite one is read by its backslashes."""
    if len(text) < _LONGEST:
        try:
            value = ast.literal_eval(text)
        except (ValueError, SyntaxError, MemoryError, RecursionError):
            value = None
        if isinstance(value, bytes):
            return value.decode("utf-8", "replace")
        if isinstance(value, str):
            return value
    inner = text.removeprefix("b")[1:]
    return unescaped(inner.removesuffix(inner[-1:]) if inner[-1:] in {"'", '"'} else inner)


def unescaped(text: str) -> str:
    r"""Resolve `\r`, `\n`, `\"` and their like; what follows any other backslash stays as it is."""
    if "\\" not in text:
        return text
    out = []
    parts = iter(text.split("\\"))
    out.append(next(parts))
    for part in parts:
        if not part:  # two backslashes: the next piece is plain
            out.append("\\" + next(parts, ""))
        elif part[0] in _ESCAPES:
            out.append(_ESCAPES[part[0]] + part[1:])
        else:
            out.append("\\" + part)
    return "".join(out)


def visible_ends(text: str) -> str:
    r"""`"250 Ok\r\n"`, `250 Ok\r\n` -> `250 Ok`: line ends and quotes that somebody made visible."""
    body = text.strip()
    is_quoted = len(body) > 1 and body[0] == body[-1] == '"'
    inner = body[1:-1] if is_quoted else body
    for end in ("\\r\\n", "\\n", "\\r"):
        if inner.endswith(end):
            return inner.removesuffix(end)
    if is_quoted and (inner[:3].isdecimal() or "\\" not in inner) and text.count('"') == 2 and not inner.endswith("\\"):
        return inner if inner[:3].isdecimal() else text
    return text
