"""SMTP replies: what the codes mean, and a reply taken apart.

The words are ours; the numbers are those of RFC 5321 section 4.2.2 (basic codes), RFC 3463, and the IANA registry "SMTP
Enhanced Status Codes" with the RFCs named beside the entries. Numbers that large providers use in a sense of their
own are marked as theirs.
"""

from __future__ import annotations

from typing import NamedTuple


class Parts(NamedTuple):
    """A reply taken apart; the fields are those of `contract.records.Reply`."""

    code: int | None
    """Three digits, of the last line that has them (RFC 5321 s.4.2.1: all lines carry the same)."""
    enhanced_code: str | None
    """RFC 3463 code, of the last line that has one (RFC 2034 s.4: all lines carry the same)."""
    text: str
    """The lines joined by a line feed, codes and hyphens taken off."""
    lines: list[str]
    """As received, without line ends."""


FIRST_DIGIT = {
    2: "done",
    3: "go on, the rest of the data is awaited",
    4: "not now: the same command may work later",
    5: "refused for good: the same command will fail again",
}
"""RFC 5321 s.4.2.1."""

BASIC = {
    211: "system status or help",
    214: "help text",
    220: "the service is ready",
    221: "the server closes the connection",
    235: "the login was accepted (RFC 4954)",
    250: "the command was carried out",
    251: "the user is elsewhere, the server forwards the message",
    252: "the server cannot check the user but will try to deliver",
    334: "the login goes on (RFC 4954)",
    354: "start of the message awaited",
    421: "the server closes the connection: shutting down, overloaded or unwilling",
    422: "the recipient's store is full (not in RFC 5321)",
    431: "out of memory or disk (not in RFC 5321)",
    432: "the password must be changed first (RFC 4954); Exchange: the recipient is throttled",
    450: "the mailbox is not available now: busy, locked, or refused for the moment by policy",
    451: "the server met an error while working on it",
    452: "the server has not enough room, or wants fewer recipients at once",
    454: "the login or TLS is not available for the moment (RFC 4954, RFC 3207)",
    455: "the server cannot take these parameters now",
    458: "the queue cannot be started for this node (RFC 1985)",
    459: "the node is not allowed (RFC 1985)",
    500: "the command was not recognised",
    501: "the command's arguments are wrong",
    502: "the command is not implemented",
    503: "the command came at the wrong moment",
    504: "the parameter is not implemented",
    521: "this host takes no mail (RFC 7504)",
    523: "the encryption asked for is needed first",
    525: "the account used to log in is disabled",
    530: "log in or start TLS first (RFC 4954, RFC 3207)",
    534: "the way of logging in is too weak (RFC 4954)",
    535: "the login was refused (RFC 4954)",
    538: "this way of logging in needs encryption (RFC 4954)",
    541: "the recipient's side refused the message (not in RFC 5321)",
    550: "the mailbox is not available: not there, no access, or refused by policy",
    551: "the user is not here, another address is given",
    552: "too much storage would be used: a full mailbox or too large a message",
    553: "the mailbox name is not allowed",
    554: "the transaction failed; as a greeting: no SMTP service for you",
    555: "the parameters of MAIL or RCPT are not recognised",
    556: "the recipient's domain takes no mail (RFC 7504)",
    571: "refused by policy (not in RFC 5321)",
}
"""Basic code -> meaning. RFC 5321 s.4.2.2 unless another RFC is named."""

CLASSES = {"2": "success", "4": "trouble that may pass", "5": "trouble that stays"}
"""RFC 3463 s.2: the first number."""

SUBJECTS = {
    "0": "unspecified",
    "1": "address",
    "2": "mailbox",
    "3": "mail system",
    "4": "network and routing",
    "5": "mail delivery protocol",
    "6": "message content",
    "7": "security and policy",
}
"""RFC 3463 s.2: the second number."""

DETAILS = {
    "0.0": "nothing more is said",
    "1.0": "something about the address",
    "1.1": "no such mailbox in this domain",
    "1.2": "the domain after the @ does not exist or takes no mail",
    "1.3": "the address is written wrongly",
    "1.4": "the address fits more than one mailbox",
    "1.5": "the address is good",
    "1.6": "the mailbox has moved and no new address is known",
    "1.7": "the sender's address is written wrongly",
    "1.8": "the domain of the sender's address does not exist or takes no mail",
    "1.9": "passed on to a mailer that sends no reports (RFC 3886)",
    "1.10": "the recipient's domain says it takes no mail (RFC 7505); Exchange: no such recipient",
    "2.0": "something about the mailbox",
    "2.1": "the mailbox is disabled",
    "2.2": "the mailbox is full",
    "2.3": "the message is larger than this mailbox may take",
    "2.4": "the mailing list could not be expanded",
    "2.121": "the sender's hourly limit for this recipient is reached (Exchange)",
    "2.122": "the recipient's hourly limit is reached (Exchange)",
    "3.0": "something about the mail system",
    "3.1": "the mail system is out of room",
    "3.2": "the mail system takes no messages now",
    "3.3": "the mail system lacks a feature the message needs",
    "3.4": "the message is too big for this system",
    "3.5": "the mail system is set up wrongly",
    "3.6": "the priority was changed (RFC 6710)",
    "4.0": "something about the network",
    "4.1": "the next host did not answer; Microsoft 365: no such recipient",
    "4.2": "the connection broke or timed out",
    "4.3": "a directory or name service failed",
    "4.4": "no route to the next host could be found",
    "4.5": "the mail system is congested",
    "4.6": "the message goes round in a loop",
    "4.7": "the message stayed in the queue for too long",
    "5.0": "something about the protocol",
    "5.1": "the command came at the wrong moment or is unknown",
    "5.2": "the command was not understood",
    "5.3": "too many recipients",
    "5.4": "the command's arguments are wrong",
    "5.5": "the two sides speak different versions",
    "5.6": "the login exchange was too long (RFC 4954)",
    "6.0": "something about the content",
    "6.1": "the kind of content is not supported",
    "6.2": "the content would have to be converted, which is forbidden",
    "6.3": "the content would have to be converted, which is not supported",
    "6.4": "the content was converted with loss",
    "6.5": "the conversion failed",
    "6.6": "the content could not be fetched (RFC 4468)",
    "6.7": "addresses beyond ASCII are not taken here (RFC 6531)",
    "6.8": "a reply in UTF-8 would be needed (RFC 6531)",
    "6.9": "a header in UTF-8 cannot be passed on (RFC 6531)",
    "7.0": "something about security or policy",
    "7.1": "not allowed: used for relaying, spam, block lists and any other policy",
    "7.2": "this sender may not write to the list",
    "7.3": "security would have to be converted, which is not possible",
    "7.4": "the security feature asked for is not supported",
    "7.5": "a cryptographic operation failed",
    "7.6": "the cryptographic algorithm is not supported",
    "7.7": "the message was changed on its way",
    "7.8": "the login is wrong (RFC 4954)",
    "7.9": "the way of logging in is too weak (RFC 4954); Yahoo: policy",
    "7.10": "encryption is needed (RFC 5248)",
    "7.11": "this way of logging in needs encryption (RFC 4954)",
    "7.12": "a new password is needed (RFC 4954); Exchange: the sender is not known to the organisation",
    "7.13": "the account is disabled (RFC 5248)",
    "7.14": "a trust relationship is needed (RFC 5248)",
    "7.15": "the priority is too low for now (RFC 6710)",
    "7.16": "the message is too big for its priority (RFC 6710)",
    "7.17": "the mailbox has another owner since (RFC 7293)",
    "7.18": "the domain has another owner since (RFC 7293)",
    "7.19": "the owner's date could not be checked (RFC 7293)",
    "7.20": "no DKIM signature passed (RFC 7372)",
    "7.21": "no acceptable DKIM signature passed (RFC 7372)",
    "7.22": "no DKIM signature of the author's domain passed (RFC 7372)",
    "7.23": "SPF did not pass (RFC 7372); Gmail: reverse DNS does not match",
    "7.24": "SPF could not be evaluated (RFC 7372)",
    "7.25": "reverse DNS did not check out (RFC 7372)",
    "7.26": "several sender checks failed (RFC 7372)",
    "7.27": "the sender's domain says it takes no mail (RFC 7505); Gmail: SPF did not pass",
    "7.28": "a flood of mail was seen",
    "7.29": "ARC did not check out (RFC 8617); Gmail: TLS is required",
    "7.30": "the next host does not support REQUIRETLS (RFC 8689); Gmail: DKIM did not pass",
    "7.32": "the From domain is not aligned (Gmail)",
    "7.321": "DANE: the next host offers no STARTTLS (Exchange)",
    "7.322": "DANE: the next host's certificate has expired (Exchange)",
    "7.323": "DANE: the TLSA record does not fit the certificate (Exchange)",
    "7.324": "DNSSEC of the recipient's domain is broken (Exchange)",
    "7.325": "DANE: the certificate is for another name (Exchange)",
}
"""Subject and detail of an enhanced code -> meaning. RFC 3463 s.3 unless another source is named."""

OUT_OF_ORDER = 503
"""The code that speaks of the moment of a command and not of what it asks for (RFC 5321 s.4.2.2)."""

_JUNK_BEFORE_CODE = " \t\r\"'#:(<"


def explain_code(code: int | None) -> str | None:
    """What a basic code says, in words; null for null, and for numbers outside 200..599 (not replies)."""
    if code is None or code // 100 not in FIRST_DIGIT:
        return None
    return BASIC.get(code, FIRST_DIGIT[code // 100])


def explain_enhanced(code: str | None) -> str | None:
    """What an enhanced code says, in words: `5.1.1` or `X.1.1`; null when it is none (RFC 3463 s.2)."""
    first, _, rest = (code or "").partition(".")
    subject = rest.partition(".")[0]
    if first not in (*CLASSES, "X", "x") or subject not in SUBJECTS:
        return None
    said = DETAILS.get(rest, f"something about the {SUBJECTS[subject]}")
    return f"{said} ({CLASSES[first]})" if first in CLASSES else said


def is_enhanced(text: str) -> bool:
    """Whether a text is exactly one enhanced code: class 2, 4 or 5, subject and detail of up to three digits."""
    numbers = text.split(".")
    return (
        len(numbers) == 3
        and numbers[0] in CLASSES
        and all(n.isascii() and n.isdecimal() and len(n) <= 3 for n in numbers[1:])
    )


def is_code(text: str) -> bool:
    """Whether a text is exactly one basic code: three digits, 200..599 (RFC 5321 s.4.2)."""
    return len(text) == 3 and text.isascii() and text.isdecimal() and text[0] in "2345"


def is_reply(text: str) -> bool:
    """Whether a text looks like a line of a reply: a basic code, and nothing, a blank or a hyphen behind it (s.4.2.1)."""
    return is_code(text[:3]) and text[3:4] in {"", " ", "-", "\t"}


def one_line(code: int | None, enhanced_code: str | None, text: str | None) -> str:
    """A reply on one line: code, enhanced code, text; what is absent is left out."""
    words = " ".join((text or "").split())
    return " ".join(str(part) for part in (code, enhanced_code, words) if part)


def named_address(text: str) -> str | None:
    """`user@example.com` where a reply's text begins with `<user@example.com>`, as Sendmail's and others' do."""
    inside, close, _ = text.removeprefix("<").partition(">")
    return inside if text.startswith("<") and close and "@" in inside and " " not in inside else None


def parts(text: str) -> Parts:
    """Take a reply apart, whether it came as several lines or was joined into one by a log.

    Args:
        text: as received or as logged: `550-5.1.1 No such user` LF `550 5.1.1 here`, or the same with a space for
            the line end, or with the two signs backslash and n (Exim). Any text is taken; it need not be a reply.

    Returns:
        `Parts`; `code` and `enhanced_code` are null when the text does not begin with them.

    Source: RFC 5321 s.4.2.1, RFC 2034 s.4.
    """
    lines = [line for line in _lines(text) if line.strip()]
    code: int | None = None
    enhanced: str | None = None
    texts = []
    for line in lines:
        number, status, rest = _line(line)
        code, enhanced = number or code, status or enhanced
        texts.append(rest)
    return Parts(code, enhanced, "\n".join(texts), lines)


def _lines(text: str) -> list[str]:
    lines = text.replace("\\n", "\n").splitlines()
    if len(lines) != 1:
        return lines
    line = lines[0]
    code = line.lstrip(_JUNK_BEFORE_CODE)[:4]
    if not (is_code(code[:3]) and code[3:] == "-"):
        return lines
    return line.replace(f" {code}", f"\n{code}").replace(f" {code[:3]} ", f"\n{code[:3]} ").split("\n")


def _line(line: str) -> tuple[int | None, str | None, str]:
    """One line: its code, its enhanced code and the rest."""
    rest = line.lstrip(_JUNK_BEFORE_CODE)
    code = None
    if is_code(rest[:3]) and not rest[3:4].isalnum() and rest[3:4] != ".":
        code, rest = int(rest[:3]), rest[3:].lstrip("- \t")
    word, _, after = rest.lstrip("#").partition(" ")
    if is_enhanced(word.rstrip(":,;")):
        return code, word.rstrip(":,;"), after.strip()
    return code, None, rest.strip() if code is not None else line.strip()
