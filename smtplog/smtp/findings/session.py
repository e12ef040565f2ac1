"""Findings about the course of a session: greeting, order, extensions, login."""

from __future__ import annotations

from smtplog.smtp.findings.ground import ERROR, INFO, WARNING, Ground

GROUNDS: dict[str, Ground] = {
    # -- greeting and hello
    "greeting-refused": Ground(
        ERROR,
        "the server refused the connection at once: {value}",
        "read the reply: it often names a block list, a limit or maintenance; only QUIT may follow",
        "RFC 5321 s.3.1; RFC 7504 s.2",
    ),
    "greeting-bad-code": Ground(
        WARNING,
        "the greeting has code {value}, where only 220, 554, 521 and 421 make sense",
        "clients may treat it as a refusal; the server should greet with 220",
        "RFC 5321 s.4.3.2",
    ),
    "early-talker": Ground(
        WARNING,
        "the client spoke before the server's greeting",
        "wait for 220: servers drop such clients as spam software",
        "RFC 5321 s.4.3.1",
    ),
    "greeting-slow": Ground(
        WARNING,
        "the greeting took {value} s",
        "slow DNS look-ups or a deliberate delay at the server; clients wait 5 minutes",
        "RFC 5321 s.4.5.3.2.1",
    ),
    "ehlo-fallback": Ground(
        INFO,
        "EHLO was refused and the client went back to HELO",
        "no extensions are available then, so neither TLS nor login",
        "RFC 5321 s.3.2",
    ),
    "helo-not-fqdn": Ground(
        INFO,
        "the client calls itself {value}, which is not a full host name",
        "let it use a name with a domain that resolves to its address",
        "RFC 5321 s.4.1.1.1",
    ),
    "helo-literal": Ground(
        INFO,
        "the client calls itself by an address, {value}",
        "allowed where it has no name, but many servers distrust it",
        "RFC 5321 s.4.1.3",
    ),
    "helo-is-server": Ground(
        WARNING,
        "the client calls itself by the server's own name, {value}",
        "servers refuse such clients as forgers; set the client's host name",
        "RFC 5321 s.4.1.4",
    ),
    "helo-file-name": Ground(
        WARNING,
        "the client calls itself {value}, which looks like the name of a file",
        "curl does so when the URL has no path: write smtp://server/my.host.name",
        "curl, lib/smtp.c",
    ),
    # -- order and pairing
    "command-order": Ground(
        ERROR,
        "{value}",
        "the order is EHLO, MAIL, RCPT, DATA; each only after the one before was accepted",
        "RFC 5321 s.4.1.4",
    ),
    "unknown-command": Ground(
        WARNING,
        "the server does not know {value}",
        "a misspelt command, or text that was meant as message or login",
        "RFC 5321 s.4.2.4",
    ),
    "http-on-smtp": Ground(
        ERROR,
        "a web client talks to a mail port",
        "a misdirected request, or an attempt to misuse the server",
        "RFC 5321 s.4.1.1",
    ),
    "pipelining-violation": Ground(
        WARNING,
        "{value} was sent before the reply to a command that must be waited for",
        "EHLO, DATA, AUTH, STARTTLS and QUIT end a group of commands",
        "RFC 2920 s.3.1",
    ),
    "command-after-421": Ground(
        WARNING,
        "{value} was sent after the server had closed with 421",
        "nobody reads it; connect again later",
        "RFC 5321 s.3.8",
    ),
    "command-after-quit": Ground(
        WARNING,
        "{value} was sent after QUIT",
        "open a new connection",
        "RFC 5321 s.4.1.1.10",
    ),
    "command-after-end": Ground(
        WARNING,
        "{value} was sent into a connection that was gone",
        "nobody reads it; what came before has no answer either",
        "RFC 5321 s.3.8",
    ),
    "no-quit": Ground(
        INFO,
        "the client never said QUIT",
        "harmless after a reply to the message, but servers log a lost connection",
        "RFC 5321 s.4.1.1.10",
    ),
    "surplus-reply": Ground(
        WARNING,
        "the server gave a reply that nothing had asked for: {value}",
        "two commands reached it where one was meant, or part of the transcript is missing",
        "RFC 5321 s.4.2",
    ),
    "missing-reply": Ground(
        WARNING,
        "{value} was never answered although later commands were",
        "lines are missing from the transcript, or the server lost count",
        "RFC 5321 s.4.1.4",
    ),
    "lmtp-count": Ground(
        ERROR,
        "LMTP owes one reply per accepted recipient: {value}",
        "what became of the others is not known",
        "RFC 2033 s.4.2",
    ),
    "lmtp-on-25": Ground(
        ERROR,
        "LMTP is spoken on port 25",
        "LMTP is for delivery inside, never on the port of SMTP",
        "RFC 2033 s.5",
    ),
    "connection-lost": Ground(
        ERROR,
        "the connection broke while {value} had no answer",
        "a time limit, a crash or a filter at the server; look there at this time",
        "RFC 5321 s.3.8",
    ),
    "timeout": Ground(
        ERROR,
        "somebody gave up waiting for the answer to {value}",
        "see whether the server is slow there: look-ups, greylisting, content checks",
        "RFC 5321 s.4.5.3.2",
    ),
    "gave-up-early": Ground(
        WARNING,
        "the client waited only {value}",
        "a client should wait 5 minutes for commands, 2 for DATA, 10 for the end of the message",
        "RFC 5321 s.4.5.3.2",
    ),
    "slow-reply": Ground(
        WARNING,
        "the answer to {value}",
        "look-ups, delays against spam or content checks at the server",
        "RFC 5321 s.4.5.3.2",
    ),
    "transcript-partial": Ground(
        INFO,
        "the transcript {value}",
        "outcomes that depend on what is missing are given as unknown",
        "-",
    ),
    "one-sided": Ground(
        INFO,
        "only {value}",
        "what the other side said is known only as far as these words tell it",
        "-",
    ),
    "duplicate-copy": Ground(
        INFO,
        "the log stands in the text several times; it was read once",
        "nothing to do",
        "-",
    ),
    "renegotiation": Ground(
        WARNING,
        "openssl took a line that begins with R or Q as its own command",
        "use openssl s_client -quiet, or write rcpt and quit in small letters",
        "OpenSSL, s_client(1)",
    ),
    # -- extensions
    "ext-not-offered": Ground(
        ERROR,
        "{value} was used although the server had not offered it",
        "only what the last EHLO listed may be used; after STARTTLS the second list counts",
        "RFC 5321 s.2.2.1, s.4.1.1.1",
    ),
    "ehlo-missing-after-starttls": Ground(
        ERROR,
        "after STARTTLS the client did not say EHLO again",
        "what was known before TLS is forgotten; EHLO must come first",
        "RFC 3207 s.4.2",
    ),
    "starttls-refused": Ground(
        ERROR,
        "the server could not start TLS: {value}",
        "certificate or key trouble at the server; without TLS, login and mail may be refused",
        "RFC 3207 s.4",
    ),
    "starttls-not-used": Ground(
        WARNING,
        "the server offered STARTTLS and the client went on in clear",
        "turn TLS on in the client",
        "RFC 3207 s.4.1; RFC 8314 s.3",
    ),
    "starttls-injection": Ground(
        ERROR,
        "{value} was sent behind STARTTLS without waiting",
        "a server that obeys it after the handshake can be fed commands by anybody in between",
        "RFC 3207 s.6; CVE-2011-0411",
    ),
    "starttls-on-465": Ground(
        WARNING,
        "STARTTLS on port 465, where TLS begins with the connection",
        "use implicit TLS there, or port 587",
        "RFC 8314 s.3.3",
    ),
    "need-tls": Ground(
        ERROR,
        "the server wants TLS first: {value}",
        "turn STARTTLS on in the client",
        "RFC 3207 s.4; RFC 4954 s.6",
    ),
    "size-over-limit": Ground(
        ERROR,
        "the message is declared as {value}",
        "make it smaller or ask the server's operator for a higher limit",
        "RFC 1870 s.6",
    ),
    # -- login
    "need-auth": Ground(
        ERROR,
        "the server wants a login first: {value}",
        "give the client user and password",
        "RFC 4954 s.6",
    ),
    "auth-failed": Ground(
        ERROR,
        "the login was refused: {value}",
        "check user and password; some services want an application password or a token",
        "RFC 4954 s.6",
    ),
    "auth-in-clear": Ground(
        ERROR,
        "{value} without TLS: anybody in between can read the password",
        "turn TLS on before AUTH",
        "RFC 4954 s.4, s.9",
    ),
    "credential-exposed": Ground(
        ERROR,
        "the transcript shows a readable {value}",
        "change that password if the text left your hands; it is masked here",
        "RFC 4954 s.9",
    ),
    "auth-cascade": Ground(
        INFO,
        "one login was tried with {value}, each counted as a failure",
        "the server may lock the account; name one mechanism in the client",
        "RFC 4954 s.4",
    ),
    "auth-fail-ignored": Ground(
        WARNING,
        "the login failed and the client sent mail all the same",
        "what follows was not authenticated",
        "RFC 4954 s.6",
    ),
    "submission-without-auth": Ground(
        WARNING,
        "mail was sent to port {value} without a login",
        "these ports are for users who log in; servers speak to each other on port 25",
        "RFC 6409 s.4.3",
    ),
    "auth-on-25": Ground(
        INFO,
        "a login on port 25",
        "submission belongs on 587 or 465",
        "RFC 6409 s.3.1",
    ),
}
