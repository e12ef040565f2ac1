"""What can be the matter with a dialogue: one row a finding, with its words and what the RFC says of it.

The words are for people who run mail, not for those who write clients. `{value}` in a message is what the check found.
Whether a finding holds is decided in `checks`.
"""

from __future__ import annotations

from dataclasses import dataclass

from smtplog.contract.records import Finding


@dataclass(frozen=True)
class Ground:
    """One kind of finding."""

    severity: str
    message: str
    hint: str
    source: str
    """RFC section, or the note that tells of it."""


_ERROR, _WARNING, _INFO = "error", "warning", "info"

GROUNDS: dict[str, Ground] = {
    # -- greeting and hello
    "greeting-refused": Ground(
        _ERROR,
        "the server refused the connection at once: {value}",
        "read the reply: it often names a block list, a limit or maintenance; only QUIT may follow",
        "RFC 5321 s.3.1; RFC 7504 s.2",
    ),
    "greeting-bad-code": Ground(
        _WARNING,
        "the greeting has code {value}, where only 220, 554, 521 and 421 make sense",
        "clients may treat it as a refusal; the server should greet with 220",
        "RFC 5321 s.4.3.2",
    ),
    "early-talker": Ground(
        _WARNING,
        "the client spoke before the server's greeting",
        "wait for 220: servers drop such clients as spam software",
        "RFC 5321 s.4.3.1",
    ),
    "greeting-slow": Ground(
        _WARNING,
        "the greeting took {value} s",
        "slow DNS look-ups or a deliberate delay at the server; clients wait 5 minutes",
        "RFC 5321 s.4.5.3.2.1",
    ),
    "ehlo-fallback": Ground(
        _INFO,
        "EHLO was refused and the client went back to HELO",
        "no extensions are available then, so neither TLS nor login",
        "RFC 5321 s.3.2",
    ),
    "helo-not-fqdn": Ground(
        _INFO,
        "the client calls itself {value}, which is not a full host name",
        "let it use a name with a domain that resolves to its address",
        "RFC 5321 s.4.1.1.1",
    ),
    "helo-literal": Ground(
        _INFO,
        "the client calls itself by an address, {value}",
        "allowed where it has no name, but many servers distrust it",
        "RFC 5321 s.4.1.3",
    ),
    "helo-is-server": Ground(
        _WARNING,
        "the client calls itself by the server's own name, {value}",
        "servers refuse such clients as forgers; set the client's host name",
        "RFC 5321 s.4.1.4",
    ),
    "helo-file-name": Ground(
        _WARNING,
        "the client calls itself {value}, which looks like the name of a file",
        "curl does so when the URL has no path: write smtp://server/my.host.name",
        "curl, lib/smtp.c",
    ),
    # -- order and pairing
    "command-order": Ground(
        _ERROR,
        "{value}",
        "the order is EHLO, MAIL, RCPT, DATA; each only after the one before was accepted",
        "RFC 5321 s.4.1.4",
    ),
    "unknown-command": Ground(
        _WARNING,
        "the server does not know {value}",
        "a misspelt command, or text that was meant as message or login",
        "RFC 5321 s.4.2.4",
    ),
    "http-on-smtp": Ground(
        _ERROR,
        "a web client talks to a mail port",
        "a misdirected request, or an attempt to misuse the server",
        "RFC 5321 s.4.1.1",
    ),
    "pipelining-violation": Ground(
        _WARNING,
        "{value} was sent before the reply to a command that must be waited for",
        "EHLO, DATA, AUTH, STARTTLS and QUIT end a group of commands",
        "RFC 2920 s.3.1",
    ),
    "command-after-421": Ground(
        _WARNING,
        "{value} was sent after the server had closed with 421",
        "nobody reads it; connect again later",
        "RFC 5321 s.3.8",
    ),
    "command-after-quit": Ground(
        _WARNING,
        "{value} was sent after QUIT",
        "open a new connection",
        "RFC 5321 s.4.1.1.10",
    ),
    "command-after-end": Ground(
        _WARNING,
        "{value} was sent into a connection that was gone",
        "nobody reads it; what came before has no answer either",
        "RFC 5321 s.3.8",
    ),
    "no-quit": Ground(
        _INFO,
        "the client never said QUIT",
        "harmless after a reply to the message, but servers log a lost connection",
        "RFC 5321 s.4.1.1.10",
    ),
    "surplus-reply": Ground(
        _WARNING,
        "the server gave a reply that nothing had asked for: {value}",
        "two commands reached it where one was meant, or part of the transcript is missing",
        "RFC 5321 s.4.2",
    ),
    "missing-reply": Ground(
        _WARNING,
        "{value} was never answered although later commands were",
        "lines are missing from the transcript, or the server lost count",
        "RFC 5321 s.4.1.4",
    ),
    "lmtp-count": Ground(
        _ERROR,
        "LMTP owes one reply per accepted recipient: {value}",
        "what became of the others is not known",
        "RFC 2033 s.4.2",
    ),
    "lmtp-on-25": Ground(
        _ERROR,
        "LMTP is spoken on port 25",
        "LMTP is for delivery inside, never on the port of SMTP",
        "RFC 2033 s.5",
    ),
    "connection-lost": Ground(
        _ERROR,
        "the connection broke while {value} had no answer",
        "a time limit, a crash or a filter at the server; look there at this time",
        "RFC 5321 s.3.8",
    ),
    "timeout": Ground(
        _ERROR,
        "somebody gave up waiting for the answer to {value}",
        "see whether the server is slow there: look-ups, greylisting, content checks",
        "RFC 5321 s.4.5.3.2",
    ),
    "gave-up-early": Ground(
        _WARNING,
        "the client waited only {value}",
        "a client should wait 5 minutes for commands, 2 for DATA, 10 for the end of the message",
        "RFC 5321 s.4.5.3.2",
    ),
    "slow-reply": Ground(
        _WARNING,
        "the answer to {value}",
        "look-ups, delays against spam or content checks at the server",
        "RFC 5321 s.4.5.3.2",
    ),
    "transcript-partial": Ground(
        _INFO,
        "the transcript {value}",
        "outcomes that depend on what is missing are given as unknown",
        "-",
    ),
    "one-sided": Ground(
        _INFO,
        "only the server was heard; its replies tell what it was asked",
        "addresses that no reply names are not known",
        "-",
    ),
    "duplicate-copy": Ground(
        _INFO,
        "the log stands in the text several times; it was read once",
        "nothing to do",
        "-",
    ),
    "renegotiation": Ground(
        _WARNING,
        "openssl took a line that begins with R or Q as its own command",
        "use openssl s_client -quiet, or write rcpt and quit in small letters",
        "OpenSSL, s_client(1)",
    ),
    # -- extensions
    "ext-not-offered": Ground(
        _ERROR,
        "{value} was used although the server had not offered it",
        "only what the last EHLO listed may be used; after STARTTLS the second list counts",
        "RFC 5321 s.2.2.1, s.4.1.1.1",
    ),
    "ehlo-missing-after-starttls": Ground(
        _ERROR,
        "after STARTTLS the client did not say EHLO again",
        "what was known before TLS is forgotten; EHLO must come first",
        "RFC 3207 s.4.2",
    ),
    "starttls-refused": Ground(
        _ERROR,
        "the server could not start TLS: {value}",
        "certificate or key trouble at the server; without TLS, login and mail may be refused",
        "RFC 3207 s.4",
    ),
    "starttls-not-used": Ground(
        _WARNING,
        "the server offered STARTTLS and the client went on in clear",
        "turn TLS on in the client",
        "RFC 3207 s.4.1; RFC 8314 s.3",
    ),
    "starttls-injection": Ground(
        _ERROR,
        "{value} was sent behind STARTTLS without waiting",
        "a server that obeys it after the handshake can be fed commands by anybody in between",
        "RFC 3207 s.6; CVE-2011-0411",
    ),
    "starttls-on-465": Ground(
        _WARNING,
        "STARTTLS on port 465, where TLS begins with the connection",
        "use implicit TLS there, or port 587",
        "RFC 8314 s.3.3",
    ),
    "need-tls": Ground(
        _ERROR,
        "the server wants TLS first: {value}",
        "turn STARTTLS on in the client",
        "RFC 3207 s.4; RFC 4954 s.6",
    ),
    "size-over-limit": Ground(
        _ERROR,
        "the message is declared as {value}",
        "make it smaller or ask the server's operator for a higher limit",
        "RFC 1870 s.6",
    ),
    # -- login
    "need-auth": Ground(
        _ERROR,
        "the server wants a login first: {value}",
        "give the client user and password",
        "RFC 4954 s.6",
    ),
    "auth-failed": Ground(
        _ERROR,
        "the login was refused: {value}",
        "check user and password; some services want an application password or a token",
        "RFC 4954 s.6",
    ),
    "auth-in-clear": Ground(
        _ERROR,
        "{value} without TLS: anybody in between can read the password",
        "turn TLS on before AUTH",
        "RFC 4954 s.4, s.9",
    ),
    "credential-exposed": Ground(
        _ERROR,
        "the transcript shows a readable {value}",
        "change that password if the text left your hands; it is masked here",
        "RFC 4954 s.9",
    ),
    "auth-cascade": Ground(
        _INFO,
        "one login was tried with {value}, each counted as a failure",
        "the server may lock the account; name one mechanism in the client",
        "RFC 4954 s.4",
    ),
    "auth-fail-ignored": Ground(
        _WARNING,
        "the login failed and the client sent mail all the same",
        "what follows was not authenticated",
        "RFC 4954 s.6",
    ),
    "submission-without-auth": Ground(
        _WARNING,
        "mail was sent to port {value} without a login",
        "these ports are for users who log in; servers speak to each other on port 25",
        "RFC 6409 s.4.3",
    ),
    "auth-on-25": Ground(
        _INFO,
        "a login on port 25",
        "submission belongs on 587 or 465",
        "RFC 6409 s.3.1",
    ),
    # -- outcome
    "sender-refused": Ground(
        _ERROR,
        "the sender was refused: {value}",
        "read the reply; the recipients were never asked for",
        "RFC 5321 s.3.3",
    ),
    "recipient-refused": Ground(
        _ERROR,
        "a recipient was refused for good: {value}",
        "read the reply; the same will fail again",
        "RFC 5321 s.3.3",
    ),
    "try-later": Ground(
        _INFO,
        "refused for now: {value}",
        "try again later; greylisting wants some minutes",
        "RFC 5321 s.4.2.1, s.4.5.4.1",
    ),
    "message-refused": Ground(
        _ERROR,
        "the message was refused: {value}",
        "the server read or would not read it; nobody got it",
        "RFC 5321 s.3.3",
    ),
    "accepted-not-sent": Ground(
        _ERROR,
        "{value} had been accepted, but the message was never sent",
        "the client gave up, often because another recipient was refused; send again without that one",
        "RFC 5321 s.3.3",
    ),
    "mixed-outcome": Ground(
        _INFO,
        "the recipients fared differently: {value}",
        "what the session reports as a whole is not true for each of them",
        "RFC 5321 s.3.3; RFC 2033 s.4.2",
    ),
    "outcome-unknown": Ground(
        _ERROR,
        "nobody knows whether the message was taken: {value}",
        "the client will send it again, so it may arrive twice",
        "RFC 5321 s.4.1.1.4, s.6.1; RFC 1047",
    ),
    # -- the message
    "smuggling": Ground(
        _ERROR,
        "{value}: a second message may have been smuggled in",
        "let the server refuse bare line feeds",
        "RFC 5321 s.4.1.1.4; CVE-2023-51764",
    ),
    "bare-line-feed": Ground(
        _ERROR,
        "lines end in a {value} alone",
        "every line must end in CR LF",
        "RFC 5321 s.2.3.8",
    ),
    "dot-stuffing": Ground(
        _WARNING,
        "a line of the message begins with a single dot",
        "the client must double it, or the dot is lost",
        "RFC 5321 s.4.5.2",
    ),
    "line-too-long": Ground(
        _WARNING,
        "a line of the message has {value} characters, 998 are allowed",
        "servers cut or refuse it; use quoted-printable or base64",
        "RFC 5321 s.4.5.3.1.6",
    ),
    "command-too-long": Ground(
        _WARNING,
        "a command line has {value} octets",
        "512 are allowed, 12288 for AUTH",
        "RFC 5321 s.4.5.3.1.4; RFC 4954 s.4",
    ),
    "address-too-long": Ground(
        _WARNING,
        "an address is too long: {value}",
        "64 octets before the @, 255 behind it",
        "RFC 5321 s.4.5.3.1.1",
    ),
    "8bit-undeclared": Ground(
        _WARNING,
        "the message has characters beyond ASCII without BODY=8BITMIME",
        "declare it where the server offers 8BITMIME, or encode it",
        "RFC 6152 s.3",
    ),
    "utf8-address": Ground(
        _ERROR,
        "an address beyond ASCII without SMTPUTF8: {value}",
        "the server must offer SMTPUTF8 and MAIL must ask for it",
        "RFC 6531 s.3.4",
    ),
    "bdat-count": Ground(
        _ERROR,
        "the chunk is {value} octets longer than BDAT said",
        "the rest was read as commands",
        "RFC 3030 s.2",
    ),
    "bdat-after-failure": Ground(
        _WARNING,
        "another chunk was sent after one had failed",
        "only RSET may follow",
        "RFC 3030 s.2",
    ),
    "binarymime-with-data": Ground(
        _ERROR,
        "BODY=BINARYMIME was sent with DATA",
        "binary messages need BDAT",
        "RFC 3030 s.3",
    ),
    "bdat-with-data": Ground(
        _ERROR,
        "BDAT and DATA in one transaction",
        "use one of them",
        "RFC 3030 s.2",
    ),
    # -- replies
    "reply-hyphen": Ground(
        _WARNING,
        "the last line of a reply promises another one",
        "the server forgot the blank after the code, or lines are missing",
        "RFC 5321 s.4.2.1",
    ),
    "reply-code-changes": Ground(
        _WARNING,
        "the lines of one reply have different codes",
        "clients take the first or the last, as it pleases them",
        "RFC 5321 s.4.2.1",
    ),
    "unexpected-code": Ground(
        _WARNING,
        "{value}",
        "clients go by the first digit",
        "RFC 5321 s.4.3.2",
    ),
    "enhanced-class": Ground(
        _WARNING,
        "code and enhanced code contradict each other: {value}",
        "clients may take a refusal for good as one for now, or the other way round",
        "RFC 2034 s.4; RFC 3463 s.2",
    ),
    "enhanced-missing": Ground(
        _INFO,
        "the server offers enhanced codes but {value} has none",
        "its replies should all carry one",
        "RFC 2034 s.4",
    ),
    "enhanced-mixed": Ground(
        _WARNING,
        "the lines of one reply have different enhanced codes",
        "each line must carry the same",
        "RFC 2034 s.4",
    ),
}
"""Every finding there is, by its code."""


def finding(code: str, line: int, evidence: str, value: str = "") -> Finding:
    """A finding of a known kind, at its place.

    Raises:
        KeyError: no such kind; a mistake of ours.
    """
    ground = GROUNDS[code]
    return Finding(
        code=code,
        severity=ground.severity,
        message=ground.message.format(value=value.replace("{", "(").replace("}", ")")),
        hint=ground.hint,
        evidence_line=line or None,
        evidence=evidence or None,
    )
