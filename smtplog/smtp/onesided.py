"""Only the server was heard (telnet without echo, openssl s_client): its replies tell what it must have been asked.

354 answers DATA alone, 221 QUIT alone; between the reply to MAIL and 354 stand the replies to RCPT (RFC 5321 s.3.3).
What was asked is named; what is not told, like most addresses, stays unknown.
"""

from __future__ import annotations

from smtplog.smtp.dialogue import Kind, Token
from smtplog.smtp.replies import parts

_ALONE = {"221": "QUIT", "354": "DATA", "334": "AUTH", "235": "AUTH", "535": "AUTH", "214": "HELP"}


_ABOUT_RECIPIENTS = frozenset({".1.1", ".1.2", ".1.3", ".1.5", ".1.6", ".2.1", ".2.2"})
_ABOUT_SENDERS = frozenset({".1.0", ".1.7", ".1.8"})


def completed(tokens: list[Token]) -> list[Token]:
    """The tokens with the commands that the replies answer put in between; without text, so that nothing is invented.

    Args:
        tokens: of one conversation; no client's line among them, every reply one token.
    """
    out: list[Token] = []
    state = "greeting"
    codes = [t.text[:3] for t in tokens if t.kind is Kind.SERVER]
    left = sum(code != "221" for code in codes)
    for token in tokens:
        if token.kind is not Kind.SERVER:
            out.append(token)
            continue
        code = token.text[:3]
        left -= code != "221"
        verb, state = _asked(state, token, has_more_ahead=left > 0)
        if verb:
            out.append(Token(Kind.CLIENT, verb, token.line, token.at, token.clock, token.is_tls))
        out.append(token)
    return out


def _asked(state: str, token: Token, *, has_more_ahead: bool) -> tuple[str, str]:
    """The command a reply answers, and the state after it; an empty command for the greeting and the end of data."""
    code = token.text[:3]
    if state == "data":
        return "", "hello"
    if state == "login" and code in {"334", "235", "535"}:
        return ("", "login") if code == "334" else ("*", "hello")
    if code in _ALONE:
        return _ALONE[code], {"354": "data", "334": "login"}.get(code, "hello")
    if code == "220":
        return ("" if state == "greeting" else "STARTTLS"), "connected"
    if state in {"greeting", "connected"}:
        return ("EHLO" if "\n" in token.text else "HELO"), "hello" if code[:1] == "2" else "connected"
    return _asked_by_mail(state, token, has_more_ahead=has_more_ahead)


def _asked_by_mail(state: str, token: Token, *, has_more_ahead: bool) -> tuple[str, str]:
    """MAIL, RCPT or neither: the enhanced code's subject says it, or the place before 354 does."""
    found, is_good = parts(token.text), token.text[:1] == "2"
    subject = (found.enhanced_code or "..")[1:]
    if subject == ".1.5" or (state == "mail" and (has_more_ahead or not is_good or subject in _ABOUT_RECIPIENTS)):
        return f"RCPT TO:{_address(found.text)}", "mail"
    if state == "hello" and (not is_good or has_more_ahead or subject in _ABOUT_SENDERS):
        return "MAIL FROM:", "mail" if is_good else "hello"
    return ("NOOP" if is_good else ""), state


def _address(text: str) -> str:
    """`<user@example.com>` at the head of a reply's text, empty when there is none."""
    inside, close, _ = text.removeprefix("<").partition(">")
    return f"<{inside}>" if text.startswith("<") and close and "@" in inside and " " not in inside else ""
