"""SMTP commands: verbs, what may follow them, what answers them (RFC 5321 s.4.1 to 4.3.2 and the extensions' RFCs).

Text in, small values out; nothing here reads input or keeps state. What is not a command is said so by None, never by
an exception.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from smtplog.contract.records import Parameter


@dataclass(frozen=True)
class Verb:
    """What the RFCs say of one command.

    Attributes:
        good: codes that mean success.
        bad: 4yz and 5yz codes the RFC lists for it; 421 and 500 to 504 may answer any command (s.4.2.4, s.3.8).
        ends_group: must be the last of a pipelined group (RFC 2920 s.3.1).
        keyword: the EHLO keyword that offers it, None for the basic ones.
        source: where it is written.
    """

    good: frozenset[int]
    bad: frozenset[int]
    source: str
    ends_group: bool = False
    keyword: str | None = None


def _verb(good: str, bad: str, source: str, *flags: str, keyword: str | None = None) -> Verb:
    codes = [frozenset(int(code) for code in text.split()) for text in (good, bad)]
    return Verb(codes[0], codes[1], source, "last" in flags, keyword)


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


ANYWHERE = frozenset({421, 500, 501, 502, 503, 504})
"""What may answer any command (RFC 5321 s.4.2.4, s.3.8)."""

VERBS: dict[str, Verb] = {
    "EHLO": _verb("250", "504 550", "RFC 5321 s.4.1.1.1", "last"),
    "HELO": _verb("250", "504 550", "RFC 5321 s.4.1.1.1", "last"),
    "LHLO": _verb("250", "504 550", "RFC 2033 s.4.1", "last"),
    "MAIL": _verb("250", "451 452 455 530 550 552 553 555", "RFC 5321 s.4.1.1.2"),
    "RCPT": _verb("250 251 252", "450 451 452 455 530 550 551 552 553 554 555 556", "RFC 5321 s.4.1.1.3"),
    "DATA": _verb("354", "450 451 452 530 550 552 554", "RFC 5321 s.4.1.1.4", "last"),
    "BDAT": _verb("250", "451 452 530 550 552 554", "RFC 3030 s.2", keyword="CHUNKING"),
    "RSET": _verb("250", "", "RFC 5321 s.4.1.1.5"),
    "VRFY": _verb("250 251 252", "550 551 553", "RFC 5321 s.4.1.1.6", "last"),
    "EXPN": _verb("250 252", "550", "RFC 5321 s.4.1.1.7", "last"),
    "HELP": _verb("211 214", "", "RFC 5321 s.4.1.1.8", "last"),
    "NOOP": _verb("250", "", "RFC 5321 s.4.1.1.9", "last"),
    "QUIT": _verb("221", "", "RFC 5321 s.4.1.1.10", "last"),
    "STARTTLS": _verb("220", "454", "RFC 3207 s.4", "last", keyword="STARTTLS"),
    "AUTH": _verb("235", "432 454 530 534 535 538", "RFC 4954 s.4, s.6", "last", keyword="AUTH"),
    "ETRN": _verb("250 251 252 253", "458 459", "RFC 1985 s.5", keyword="ETRN"),
    "ATRN": _verb("250", "450 451 453 530", "RFC 2645 s.5", keyword="ATRN"),
    "TURN": _verb("250", "", "RFC 821 s.3.8"),
    "BURL": _verb("250", "451 452 530 550 552 554", "RFC 4468 s.3", keyword="BURL"),
    "XCLIENT": _verb("220", "550", "Postfix XCLIENT_README", keyword="XCLIENT"),
    "XFORWARD": _verb("250", "550", "Postfix XFORWARD_README", keyword="XFORWARD"),
}
HELLOS = frozenset({"EHLO", "HELO", "LHLO"})
MECHANISMS = _words(
    "PLAIN LOGIN CRAM-MD5 CRAM-SHA1 DIGEST-MD5 NTLM GSSAPI GSS-SPNEGO XOAUTH2 XOAUTH OAUTHBEARER EXTERNAL ANONYMOUS "
    "SCRAM-SHA-1 SCRAM-SHA-256 SCRAM-SHA-1-PLUS SCRAM-SHA-256-PLUS SKEY KERBEROS_V4 MSN"
)
"""SASL mechanisms seen with SMTP (IANA registry and what clients still try)."""

MAIL_PARAMETERS: dict[str, str] = {
    "SIZE": "SIZE",  # RFC 1870 s.3
    "BODY": "8BITMIME",  # RFC 6152 s.2; BODY=BINARYMIME is RFC 3030's and checked apart
    "SMTPUTF8": "SMTPUTF8",  # RFC 6531 s.3.4
    "AUTH": "AUTH",  # RFC 4954 s.5
    "RET": "DSN",  # RFC 3461 s.4.3
    "ENVID": "DSN",  # RFC 3461 s.4.4
    "BY": "DELIVERBY",  # RFC 2852 s.4
    "MT-PRIORITY": "MT-PRIORITY",  # RFC 6710 s.4
    "REQUIRETLS": "REQUIRETLS",  # RFC 8689 s.2
    "HOLDFOR": "FUTURERELEASE",  # RFC 4865 s.4
    "HOLDUNTIL": "FUTURERELEASE",  # RFC 4865 s.4
}
"""MAIL parameter -> the EHLO keyword that must have been offered for it."""

RCPT_PARAMETERS: dict[str, str] = {
    "NOTIFY": "DSN",  # RFC 3461 s.4.1
    "ORCPT": "DSN",  # RFC 3461 s.4.2
    "RRVS": "RRVS",  # RFC 7293 s.3
}
"""RCPT parameter -> the EHLO keyword that must have been offered for it."""

KEYWORDS = _words(
    "8BITMIME ATRN AUTH BINARYMIME BURL CHECKPOINT CHUNKING DELIVERBY DSN ENHANCEDSTATUSCODES ETRN EXPN "
    "FUTURERELEASE HELP LIMITS MT-PRIORITY NO-SOLICITING PIPELINING PRDR REQUIRETLS RRVS SIZE SMTPUTF8 STARTTLS "
    "TIME TURN UTF8SMTP VRFY VERP X-ANONYMOUSTLS X-EXPS X-LINK2STATE X-RCPTLIMIT XCLIENT XEXCH50 XFORWARD XRDST "
    "XSHADOW XVERP XPRIORITY XADR XSTA XCIR XGEN XOORG XPROXYTO XPROXY XORIGFROM"
)
"""EHLO keywords (IANA registry and what servers announce besides): used to take a joined reply apart."""

_HTTP = frozenset({"GET", "POST", "HEAD", "OPTIONS", "PUT", "CONNECT", "HOST:", "USER-AGENT:"})
_MASKED = ("[email protected]", "email-protection", "[email", "[hidden]", "[redacted]", "***")
_PATHS = {"MAIL": "FROM:", "RCPT": "TO:"}


@dataclass(frozen=True)
class Command:
    """One command line: the verb in upper case, the rest as it stood."""

    verb: str
    argument: str | None


@dataclass(frozen=True)
class Path:
    """The argument of MAIL or RCPT: an address (None when masked or lost) and parameters."""

    address: str | None
    is_redacted: bool
    parameters: tuple[Parameter, ...]


def command(line: str) -> Command | None:
    """Take a client's line apart; None when it does not begin with a word (RFC 5321 s.4.1.1, s.2.4: any case)."""
    word, _, rest = line.strip().partition(" ")
    upper = word.upper()
    for verb in ("MAIL", "RCPT"):  # `MAIL FROM:` is two words, `RCPT[TO:` happens to pasted text
        if upper.startswith(verb) and not upper[4:5].isalnum():
            return Command(verb, line.strip()[4:].strip() or None)
    if not upper or not upper[0].isalpha() or not all(c.isalnum() or c in "-:_" for c in upper):
        return None
    return Command(upper, rest.strip() or None)


def is_certain(line: str) -> bool:
    """Is this line a command beyond doubt, wherever it is found? Stricter than `command`: prose must not pass."""
    found = command(line)
    if found is None or found.verb not in VERBS:
        return False
    argument = found.argument or ""
    fits = _CERTAIN.get(found.verb)
    return fits(argument, line.strip()[:4].isupper()) if fits else not argument


def _fits_path(argument: str, prefix: str) -> bool:
    rest = argument.lstrip("[ ").upper()
    return rest.startswith((prefix, f"{prefix[:-1]} :"))


def _fits_words(argument: str, *, at_least: int, at_most: int) -> bool:
    return at_least <= len(argument.split()) <= at_most


_CERTAIN: dict[str, Callable[[str, bool], bool]] = {
    "MAIL": lambda argument, _: _fits_path(argument, "FROM:"),
    "RCPT": lambda argument, _: _fits_path(argument, "TO:"),
    **dict.fromkeys(HELLOS, lambda argument, _: len(argument.split()) <= 2 and not argument.endswith((".", ","))),
    "AUTH": lambda argument, _: bool(argument) and argument.split()[0].upper() in MECHANISMS,
    "BDAT": lambda argument, _: argument.split(" ")[0].isdecimal(),
    **dict.fromkeys(
        ("VRFY", "EXPN", "ETRN", "ATRN"), lambda argument, loud: loud and _fits_words(argument, at_least=1, at_most=1)
    ),
    **dict.fromkeys(
        ("HELP", "NOOP", "TURN"),
        lambda argument, loud: (loud or not argument) and _fits_words(argument, at_least=0, at_most=1),
    ),
    **dict.fromkeys(("XCLIENT", "XFORWARD", "BURL"), lambda argument, _: bool(argument)),
}
"""What the argument of a command looks like, so that prose which begins with the same word is told from it."""


def is_http(line: str) -> bool:
    """A web request that reached a mail port."""
    word = line.split(" ", 1)[0]
    return word.upper() in _HTTP and ("HTTP/" in line or ":" in word)


def path(verb: str, argument: str | None) -> Path:
    """Take the argument of MAIL or RCPT apart (RFC 5321 s.4.1.2); brackets may be missing, blanks too many.

    A masked address (`[email protected]`, `x***@y`) is None with `is_redacted`; one that was lost (swallowed as an HTML
    tag, so that nothing is left) is None too. Only `<>` is the null sender.
    """
    rest = (argument or "").lstrip("[ ")
    prefix = _PATHS.get(verb, "")
    if rest.upper().startswith(prefix[:-1]):
        rest = rest[len(prefix) - 1 :].lstrip(" ").removeprefix(":").lstrip(" ")
    if rest.startswith("<"):
        inside, tail = _bracketed(rest)
        return _address(inside, tail, has_brackets=True)
    low = rest.lower()
    if low.startswith("[") and any(low.startswith(m) for m in _MASKED):
        inside, _, tail = rest.partition("]")
        return _address(inside + "]", tail, has_brackets=False)
    inside, _, tail = rest.partition(" ")
    if "=" in inside and "@" not in inside:  # an address lost before its parameters
        inside, tail = "", rest
    return _address(inside, tail, has_brackets=False)


def _bracketed(rest: str) -> tuple[str, str]:
    """`<"a>b"@c> SIZE=1` -> `"a>b"@c`, ` SIZE=1`: a quoted local part may hold anything."""
    is_quoted = is_escaped = False
    for i, c in enumerate(rest):
        if is_escaped:
            is_escaped = False
        elif c == "\\":
            is_escaped = True
        elif c == '"':
            is_quoted = not is_quoted
        elif c == ">" and not is_quoted:
            return rest[1:i], rest[i + 1 :]
    inside, _, tail = rest[1:].partition(">")
    return inside, tail


def _address(inside: str, tail: str, *, has_brackets: bool) -> Path:
    found = tuple(parameters(tail))
    text = inside.strip()
    if is_masked(text):
        return Path(None, True, found)
    if text.startswith("@") and ":" in text:  # source route, RFC 5321 appendix C
        text = text.partition(":")[2]
    return Path(text if text or has_brackets else None, False, found)


def is_masked(address: str) -> bool:
    """Was this address masked by who published the text?"""
    low = address.lower()
    return (
        low.startswith("xxx@")
        or any(mark in low for mark in _MASKED)
        or (low.startswith("[") and "@" not in low and "]" in low)
    )


def parameters(tail: str) -> list[Parameter]:
    """`SIZE=1 BODY=8BITMIME SMTPUTF8` -> three parameters, names in upper case (RFC 5321 s.4.1.1.11)."""
    found = []
    for word in tail.split():
        name, equals, value = word.partition("=")
        if name and all(c.isalnum() or c == "-" for c in name):
            found.append(Parameter(name=name.upper(), value=value if equals else None))
    return found


def declared_size(found: Iterable[Parameter]) -> int | None:
    """The octets that SIZE declares (RFC 1870 s.6); None where it is missing or no number."""
    size = next((p.value for p in found if p.name == "SIZE"), None)
    return int(size) if size and size.isdecimal() and len(size) < 16 else None


def keywords(lines: list[str]) -> list[Parameter]:
    """The keywords of an EHLO reply, given the texts of its lines without codes (RFC 5321 s.4.1.1.1).

    The first line is the greeting. Exchange's own log joins all lines into one, without the inner codes: then the text
    is cut at every keyword known.
    """
    rest = lines[1:]
    if len(lines) == 1:
        rest = _joined(lines[0])
    found = []
    for line in rest:
        name, _, value = line.strip().partition(" ")
        name, equals, other = name.partition("=")  # `AUTH=LOGIN`, an old spelling
        if name:
            found.append(Parameter(name=name.upper(), value=(value.strip() or None) if not equals else other or None))
    return found


def _joined(text: str) -> list[str]:
    words = text.split()
    starts = [i for i, word in enumerate(words) if i and word.upper() in KEYWORDS]
    if len(starts) < 2:
        return []
    cut: list[list[str]] = []
    for i in range(starts[0], len(words)):
        # behind AUTH stand mechanisms, behind HELP nothing: only a keyword begins a new one
        if words[i].upper() in KEYWORDS or not cut:
            cut.append([words[i]])
        else:
            cut[-1].append(words[i])
    return [" ".join(part) for part in cut]
