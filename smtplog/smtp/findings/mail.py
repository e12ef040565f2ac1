"""Findings about what became of the recipients, about the message and about replies."""

from __future__ import annotations

from smtplog.smtp.findings.ground import ERROR, INFO, WARNING, Ground

GROUNDS: dict[str, Ground] = {
    # -- outcome
    "sender-refused": Ground(
        ERROR,
        "the sender was refused: {value}",
        "read the reply; the recipients were never asked for",
        "RFC 5321 s.3.3",
    ),
    "recipient-refused": Ground(
        ERROR,
        "a recipient was refused for good: {value}",
        "read the reply; the same will fail again",
        "RFC 5321 s.3.3",
    ),
    "try-later": Ground(
        INFO,
        "refused for now: {value}",
        "try again later; greylisting wants some minutes",
        "RFC 5321 s.4.2.1, s.4.5.4.1",
    ),
    "message-refused": Ground(
        ERROR,
        "the message was refused: {value}",
        "the server read it, or would not; whom this reply is about did not get it",
        "RFC 5321 s.3.3",
    ),
    "accepted-not-sent": Ground(
        ERROR,
        "{value} had been accepted, but the message was never sent",
        "the client gave up, often because another recipient was refused; send again without that one",
        "RFC 5321 s.3.3",
    ),
    "recipient-withdrawn": Ground(
        INFO,
        "{value} had been accepted, and the client took it back before any message was sent",
        "nothing to do: clients check addresses so, or begin anew",
        "RFC 5321 s.4.1.1.5",
    ),
    "mixed-outcome": Ground(
        INFO,
        "the recipients fared differently: {value}",
        "what the session reports as a whole is not true for each of them",
        "RFC 5321 s.3.3; RFC 2033 s.4.2",
    ),
    "outcome-unknown": Ground(
        ERROR,
        "nobody knows whether the message was taken: {value}",
        "the client will send it again, so it may arrive twice",
        "RFC 5321 s.4.1.1.4, s.6.1; RFC 1047",
    ),
    # -- the message
    "smuggling": Ground(
        ERROR,
        "{value}: a second message may have been smuggled in",
        "let the server refuse bare line feeds",
        "RFC 5321 s.4.1.1.4; CVE-2023-51764",
    ),
    "bare-line-feed": Ground(
        ERROR,
        "lines end in a {value} alone",
        "every line must end in CR LF",
        "RFC 5321 s.2.3.8",
    ),
    "dot-stuffing": Ground(
        WARNING,
        "a line of the message begins with a single dot",
        "the client must double it, or the dot is lost",
        "RFC 5321 s.4.5.2",
    ),
    "line-too-long": Ground(
        WARNING,
        "a line of the message has {value} characters, 998 are allowed",
        "servers cut or refuse it; use quoted-printable or base64",
        "RFC 5321 s.4.5.3.1.6",
    ),
    "command-too-long": Ground(
        WARNING,
        "a command line has {value} octets",
        "512 are allowed, 12288 for AUTH",
        "RFC 5321 s.4.5.3.1.4; RFC 4954 s.4",
    ),
    "address-too-long": Ground(
        WARNING,
        "an address is too long: {value}",
        "64 octets before the @, 255 behind it",
        "RFC 5321 s.4.5.3.1.1",
    ),
    "8bit-undeclared": Ground(
        WARNING,
        "the message has characters beyond ASCII without BODY=8BITMIME",
        "declare it where the server offers 8BITMIME, or encode it",
        "RFC 6152 s.3",
    ),
    "utf8-address": Ground(
        ERROR,
        "an address beyond ASCII without SMTPUTF8: {value}",
        "the server must offer SMTPUTF8 and MAIL must ask for it",
        "RFC 6531 s.3.4",
    ),
    "bdat-count": Ground(
        ERROR,
        "the chunk is {value} octets longer than BDAT said",
        "the rest was read as commands",
        "RFC 3030 s.2",
    ),
    "bdat-after-failure": Ground(
        WARNING,
        "another chunk was sent after one had failed",
        "only RSET may follow",
        "RFC 3030 s.2",
    ),
    "binarymime-with-data": Ground(
        ERROR,
        "BODY=BINARYMIME was sent with DATA",
        "binary messages need BDAT",
        "RFC 3030 s.3",
    ),
    "bdat-with-data": Ground(
        ERROR,
        "BDAT and DATA in one transaction",
        "use one of them",
        "RFC 3030 s.2",
    ),
    # -- replies
    "reply-hyphen": Ground(
        WARNING,
        "the last line of a reply promises another one",
        "the server forgot the blank after the code, or lines are missing",
        "RFC 5321 s.4.2.1",
    ),
    "reply-code-changes": Ground(
        WARNING,
        "the lines of one reply have different codes",
        "clients take the first or the last, as it pleases them",
        "RFC 5321 s.4.2.1",
    ),
    "unexpected-code": Ground(
        WARNING,
        "{value}",
        "clients go by the first digit",
        "RFC 5321 s.4.3.2",
    ),
    "enhanced-class": Ground(
        WARNING,
        "code and enhanced code contradict each other: {value}",
        "clients may take a refusal for good as one for now, or the other way round",
        "RFC 2034 s.4; RFC 3463 s.2",
    ),
    "enhanced-missing": Ground(
        INFO,
        "the server offers enhanced codes but {value} has none",
        "its replies should all carry one",
        "RFC 2034 s.4",
    ),
    "enhanced-mixed": Ground(
        WARNING,
        "the lines of one reply have different enhanced codes",
        "each line must carry the same",
        "RFC 2034 s.4",
    ),
}
