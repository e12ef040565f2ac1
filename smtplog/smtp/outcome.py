"""What became of every recipient, and what the words around a dialogue tell about its ends.

Five outcomes (RFC 5321 s.3.3, s.4.1.1.4, s.6.1): responsibility passes to the server with the reply to the end of data
and not before; a connection that breaks after it leaves the outcome unknown, and the message may come twice.
"""

from __future__ import annotations

from itertools import zip_longest

from smtplog.smtp.dialogue import Answer, Conversation, Kind, Mail, Rcpt, Token
from smtplog.smtp.replies import OUT_OF_ORDER, named_address

_LONGEST_LINE = 998
"""Octets of a text line without its end (RFC 5322 s.2.1.1, RFC 5321 s.4.5.3.1.6)."""


def decide(talk: Conversation, *, is_in_data: bool) -> None:
    """Give every recipient its outcome, and the conversation its end."""
    gone = not talk.hides_replies and any(
        event.kind in {Kind.CLOSED, Kind.TIMEOUT} and event.awaiting not in {None, "QUIT"} for event in talk.events
    )
    for step in talk.steps:
        if step.verb == "QUIT" and gone and not step.answers:
            step.is_after_end = True
    if any(step.verb == "QUIT" and not step.is_unheard for step in talk.steps):
        talk.closed_by = "quit" if talk.closed_by in {None, "client", "server"} else talk.closed_by
    last = talk.mails[-1] if talk.mails else None
    for mail in talk.mails:
        _name_unseen(mail)
        is_open = mail is last and not _has_ended(talk)
        _decide_mail(talk, mail, is_open=is_open, is_in_data=is_in_data and mail is last)


def _decide_mail(talk: Conversation, mail: Mail, *, is_open: bool, is_in_data: bool) -> None:
    for rcpt in [r for r in mail.rcpts if not r.is_accepted]:
        _settle(rcpt, rcpt.answer, "rcpt")
    if mail.data is not None and mail.data.code >= 400:
        _settle_all(mail, mail.data, "data")
    elif mail.ends:
        _settle_ends(talk, mail)
    elif mail.is_ended or is_in_data or mail.has_data:
        _settle_all(mail, None, "end_of_data")
    elif is_open and (_is_unanswered(talk, mail) or not mail.is_over) and not _gave_up(talk, mail):
        _settle_all(mail, None, "data")
    else:
        for rcpt in mail.accepted:
            rcpt.outcome, rcpt.stage, rcpt.deciding = "not_sent", "rcpt", rcpt.answer


def _settle_ends(talk: Conversation, mail: Mail) -> None:
    """The reply to the message is every recipient's; in LMTP each has its own, in order (RFC 2033 s.4.2)."""
    if talk.protocol != "lmtp":
        _settle_all(mail, mail.ends[-1], "end_of_data")
        return
    for rcpt, answer in zip_longest(mail.accepted, mail.ends[: len(mail.accepted)]):
        _settle(rcpt, answer, "end_of_data")


def _is_unanswered(talk: Conversation, mail: Mail) -> bool:
    return any(step.verb == "DATA" and step.mail is mail and not step.answers for step in talk.steps)


def _gave_up(talk: Conversation, mail: Mail) -> bool:
    """The last thing that the client heard was that a recipient was refused, and it never asked to go on or to end."""
    last = next((step for step in reversed(talk.steps) if step.answers), None)
    return last is not None and last.mail is mail and last.rcpt is not None and last.code >= 400


def _name_unseen(mail: Mail) -> None:
    """A delivery report shows DATA and not RCPT, but the reply names its recipient: `550 <user@host>... Unknown`."""
    answer = mail.data
    if not mail.is_head_missing or mail.rcpts or answer is None or answer.code < 400:
        return
    text = answer.reply.text or ""
    address = named_address(text)
    if address:
        mail.rcpts.append(Rcpt(address, False, [], answer.line, text, answer))


def _has_ended(talk: Conversation) -> bool:
    is_told = any(event.kind in {Kind.CLOSED, Kind.TIMEOUT} for event in talk.events)
    return is_told or talk.closed_by is not None or any(step.code == 421 for step in talk.steps)


def _settle_all(mail: Mail, answer: Answer | None, stage: str) -> None:
    for rcpt in mail.accepted:
        _settle(rcpt, answer, stage)


def _settle(rcpt: Rcpt, answer: Answer | None, stage: str) -> None:
    """Decided by this reply; without one nobody knows."""
    first = answer.code // 100 if answer else 0
    rcpt.outcome = {2: "accepted", 4: "deferred", 5: "rejected"}.get(first, "unknown")
    rcpt.stage, rcpt.deciding = stage, answer


def in_order(mail: Mail) -> list[Rcpt]:
    """The recipients in the order their fate was decided: those of RCPT first, then those of the message.

    Left out is who never was one: taken back with RSET, or sent behind a MAIL that was refused (RFC 5321 s.4.1.4).
    """
    is_refused = mail.answer is not None and mail.answer.code >= 400
    is_none = {id(r) for r in mail.withdrawn} | {
        id(r) for r in mail.rcpts if is_refused and (r.answer is None or r.answer.code == OUT_OF_ORDER)
    }
    return sorted((r for r in mail.rcpts if id(r) not in is_none), key=lambda r: r.is_accepted)


def first_host(text: str | None) -> str | None:
    """The name a server gives itself: first word of its greeting (RFC 5321 s.4.2, s.4.3.1), when it can be one."""
    word = (text or "").split("\n", 1)[0].split(" ", 1)[0].strip("<>,;")
    is_name = "." in word and all(c.isalnum() or c in ".-_" for c in word)
    return word if is_name or (word.startswith("[") and word.endswith("]")) else None


def note_tls(talk: Conversation, text: str) -> None:
    """`TLSv1.3:TLS_AES_256_GCM_SHA384:256`, `TLSv1.3 / TLS_AES_256_GCM_SHA384`: version, cipher, bits."""
    tls = talk.tls = talk.tls or {}
    for word in text.replace("/", " ").replace(":", " ").replace(",", " ").split():
        if word.upper().startswith(("TLSV", "SSLV", "TLS1")) and len(word) < 12:
            tls.setdefault("version", word)
        elif word.isdecimal() and len(word) < 5:
            tls.setdefault("bits", int(word))
        elif "_" in word or word.count("-") >= 2:
            tls.setdefault("cipher", word)


def note_peer(talk: Conversation, text: str) -> None:
    """`name|address|port` of the server as the client's tool says it; empty parts are unknown."""
    name, _, rest = text.partition("|")
    ip, _, port = rest.partition("|")
    if name and not _is_ip(name):
        talk.server_name = talk.server_name or name
    elif name and not ip:
        ip = name
    talk.server_ip = talk.server_ip or (ip if _is_ip(ip) else None)
    if port.isdecimal() and len(port) <= 5:
        talk.server_port = talk.server_port or int(port)


def _is_ip(text: str) -> bool:
    return (
        bool(text)
        and (":" in text or text.replace(".", "").isdecimal())
        and all(c in "0123456789abcdefABCDEF:." for c in text)
    )


def look_at(mail: Mail, token: Token) -> None:
    """Remember a line of the message that breaks a rule (RFC 5321 s.4.5.2, s.4.5.3.1.6, s.2.3.1)."""
    text = token.text
    if mail.longest is None and len(text) > _LONGEST_LINE:
        mail.longest = token
    if mail.eight_bit is None and not text.isascii():
        mail.eight_bit = token
    if mail.unstuffed is None and text.startswith(".") and not text.startswith("..") and len(text) > 1:
        mail.unstuffed = token
