"""Only the server was heard (telnet without echo, openssl s_client): its replies tell what it must have been asked.

354 answers DATA alone, 221 QUIT alone; between the reply to MAIL and 354 stand the replies to RCPT (RFC 5321 s.3.3).
What was asked is named; what is not told, like most addresses, stays unknown.
"""

from __future__ import annotations

from smtplog.smtp.commands import HELLOS, KEYWORDS
from smtplog.smtp.dialogue import Kind, Token
from smtplog.smtp.replies import named_address, parts

_FIRST = 10
"""Tokens among which the greeting is."""
_ALONE = {"221": "QUIT", "354": "DATA", "334": "AUTH", "235": "AUTH", "535": "AUTH", "214": "HELP"}


_TAKEN = frozenset({"accepted", "recipient ok"})
"""What Exim and others say of a recipient without an enhanced code."""
_ABOUT_RECIPIENTS = frozenset({".1.1", ".1.2", ".1.3", ".1.5", ".1.6", ".2.1", ".2.2"})
_ABOUT_SENDERS = frozenset({".1.0", ".1.7", ".1.8"})


def completed(tokens: list[Token]) -> list[Token]:
    """The tokens with the commands that the replies answer put in between; without text, so that nothing is invented.

    Args:
        tokens: of one conversation; no client's line among them, every reply one token.
    """
    out: list[Token] = []
    state = "greeting"
    is_lmtp = any("LMTP" in t.text.upper() for t in tokens[:_FIRST] if t.kind is Kind.SERVER and t.text[:3] == "220")
    accepted = owed = 0
    codes = [t.text[:3] for t in tokens if t.kind is Kind.SERVER]
    left = sum(code != "221" for code in codes)
    for token in tokens:
        if token.kind is not Kind.SERVER:
            out.append(token)
            continue
        code = token.text[:3]
        left -= code != "221"
        if owed:  # to the end of data: one for all, in LMTP one for each (RFC 2033 s.4.2)
            owed -= 1
            out.append(token)
            continue
        verb, state = _asked(state, token, has_more_ahead=left > 0)
        accepted = (
            accepted + (code[:1] == "2") if verb.startswith("RCPT") else 0 if verb.startswith("MAIL") else accepted
        )
        if code == "354":
            owed = max(accepted, 1) if is_lmtp else 1
        if verb:
            verb = "LHLO" if is_lmtp and verb in HELLOS else verb
            out.append(Token(Kind.CLIENT, verb, token.line, token.at, token.clock, token.is_tls))
        out.append(token)
    return out


def _asked(state: str, token: Token, *, has_more_ahead: bool) -> tuple[str, str]:
    """The command a reply answers, and the state after it; an empty command for the greeting and the end of data."""
    code = token.text[:3]
    if _is_offer(token.text):
        return "EHLO", "hello"
    if state == "login" and code in {"334", "235", "535"}:
        return "*", "login" if code == "334" else "hello"
    if code in _ALONE:
        return _ALONE[code], {"334": "login"}.get(code, "hello")
    if code == "220":
        return ("" if state == "greeting" else "STARTTLS"), "connected"
    if state in {"greeting", "connected"}:
        return ("EHLO" if "\n" in token.text else "HELO"), "hello" if code[:1] == "2" else "connected"
    return _asked_by_mail(state, token, has_more_ahead=has_more_ahead)


def _is_offer(text: str) -> bool:
    """Is this the answer to EHLO, whenever it was said? Most of its lines are keywords."""
    lines = text.split("\n")[1:]
    return text[:3] == "250" and 2 * sum(line[4:].split(" ")[0].upper() in KEYWORDS for line in lines) > len(lines)


def _asked_by_mail(state: str, token: Token, *, has_more_ahead: bool) -> tuple[str, str]:
    """MAIL, RCPT or neither: the enhanced code's subject says it, or the place before 354 does."""
    found, is_good = parts(token.text), token.text[:1] == "2"
    subject = (found.enhanced_code or "..")[1:]
    words = found.text.lower()
    if is_good and (subject == ".0.0" or words.startswith("reset")):  # about neither of them
        return "RSET", "hello"
    if is_good and (subject == ".1.0" or words.endswith("sender ok")):
        return "MAIL FROM:", "mail"
    if (
        subject == ".1.5"
        or words in _TAKEN
        or (state == "mail" and (has_more_ahead or not is_good or subject in _ABOUT_RECIPIENTS))
    ):
        address = named_address(found.text)
        return f"RCPT TO:<{address}>" if address else "RCPT TO:", "mail"
    if state == "hello" and (not is_good or has_more_ahead or subject in _ABOUT_SENDERS):
        return "MAIL FROM:", "mail" if is_good else "hello"
    return ("NOOP" if is_good else ""), state
