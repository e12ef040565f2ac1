"""The forms in which people keep SMTP dialogues, one value each; the more special stand first.

A new form is one grammar, one row here, and one sample with its golden answer.
"""

from __future__ import annotations

from smtplog.formats.transcripts.form import Form

_REPORT = ("ranscript of session", "ranscript of the session", "while talking to")
"""Words of a delivery report."""

FORMS: tuple[Form, ...] = (
    Form(
        "smtplib",
        "Python smtplib, set_debuglevel",
        "transcript_smtplib",
        ("reply",),
        ("send",),
        literal="python",
        shows_octets=True,
        skips=("retcode (",),
    ),
    Form(
        "aiosmtpd", "aiosmtpd's mail.log", "transcript_aiosmtpd", ("<<",), (">>",), literal="python", shows_octets=True
    ),
    Form(
        "ruby",
        "Ruby Net::SMTP, set_debug_output",
        "transcript_ruby",
        ("->",),
        ("<-",),
        literal="quoted",
        shows_octets=True,
    ),
    Form(
        "perl",
        "Perl Net::SMTP, Debug",
        "transcript_perl",
        ("<<<",),
        (">>>",),
        tls_marks=("::_SSL", "::SSL"),
        skips=("(decoded)", "Net::"),
        is_unstuffed=True,
    ),
    Form(
        "phpmailer",
        "PHPMailer, SMTPDebug",
        "transcript_phpmailer",
        ("SERVER -> CLIENT", "SMTP -> FROM SERVER"),
        ("CLIENT -> SERVER", "CLIENT -> SMTP"),
    ),
    Form(
        "swiftmailer",
        "Swift Mailer, logger plugin",
        "transcript_swiftmailer",
        ("<<",),
        (">>",),
        signs=("++ Starting", "\n!! ", "++ Swift_", "Swift_"),
        repeats=True,
    ),
    Form(
        "swaks",
        "swaks",
        "transcript_swaks",
        ("<-", "<**", "<~", "<~*"),
        ("->", "**>", "~>", "*~>"),
        tls_marks=("<~", "<~*", "~>", "*~>"),
    ),
    Form(
        "curl",
        "curl -v",
        "transcript_curl",
        ("<",),
        (">",),
        body="absent",
        signs=("* Connected to", "*   Trying", "* Trying", "* Connection #", "bytes data]"),
    ),
    Form(
        "curl-trace",
        "curl --trace-ascii, --trace",
        "transcript_curltrace",
        ("<=",),
        ("=>",),
        body="absent",
        blocks="rows",
    ),
    Form("nodemailer", "nodemailer, debug", "transcript_nodemailer", ("S",), ("C",), body="bare", is_whole=True),
    Form("go-mail", "go-mail, debug log", "transcript_gomail", ("C <-- S",), ("C --> S",)),
    Form(
        "msmtp",
        "msmtp -d",
        "transcript_msmtp",
        ("<--",),
        ("-->",),
        signs=("loaded ", "using account", "reading recipients", "msmtp:", "tls_starttls"),
    ),
    Form("mdaemon", "MDaemon session logs", "transcript_msmtp", ("-->",), ("<--",)),
    Form("s-nail", "s-nail and heirloom mailx -v", "transcript_snail", (" SERVER:",), (" ",), is_unstuffed=True),
    Form("mutt", "mutt -d", "transcript_mutt", ("<",), (">",), body="absent"),
    Form(
        "dsn",
        "delivery report, transcript of session",
        "transcript_arrows",
        ("<<<",),
        (">>>",),
        body="absent",
        signs=_REPORT,
    ),
    Form(
        "sendmail",
        "sendmail -v, mailx -v",
        "transcript_arrows",
        ("<<<",),
        (">>>",),
        body="absent",
        bare_replies=True,
        unless=_REPORT,
    ),
    Form("arrows", "three arrows", "transcript_arrows", ("<<<",), (">>>",), skips=("IO:",)),
    Form(
        "postfix-notice",
        "Postfix notice to the postmaster",
        "transcript_postfix_notice",
        ("Out",),
        ("In",),
        body="absent",
        is_folded=True,
    ),
    Form(
        "postfix-debug",
        "Postfix debug_peer_list",
        "transcript_postfix_debug",
        (">",),
        ("<",),
        body="absent",
        is_log=True,
        is_whole=True,
        own_mark=">",
    ),
    Form("exim", "Exim -v, -d, -bs", "transcript_exim", ("<<",), (">>", "|>", "+>"), body="absent"),
    Form(
        "exchange",
        "Exchange protocol log",
        "transcript_exchange",
        (">",),
        ("<",),
        literal="csv",
        body="absent",
        is_whole=True,
        own_mark=">",
        names_sessions=True,
    ),
    Form(
        "hmailserver",
        "hMailServer",
        "transcript_hmailserver",
        ("SENT",),
        ("RECEIVED",),
        literal="cell",
        body="absent",
        is_whole=True,
    ),
    Form("stalwart", "Stalwart traces", "transcript_stalwart", ("write",), ("read",), literal="quoted", is_whole=True),
    Form(
        "go-guerrilla",
        "go-guerrilla debug log",
        "transcript_guerrilla",
        ("Writing response to client",),
        ("Client sent",),
        literal="quoted",
        body="absent",
        is_whole=True,
    ),
    Form(
        "thunderbird",
        "Thunderbird's SMTP log",
        "transcript_thunderbird",
        ("SMTP Response", "S"),
        ("SMTP Send", "C"),
        signs=("mailnews.smtp", "SMTP Response", "SMTP Send", "/SMTP "),
        is_whole=True,
    ),
    Form("smtp-cli", "smtp-cli", "transcript_smtpcli", ("[]",), (">",), code_in_mark=True, signs=("] '",)),
    Form("qsmtpd", "Qsmtpd", "transcript_qsmtpd", (">", ">e"), ("<", "<e"), tls_marks=("<e", ">e"), signs=("Qsmtpd",)),
    Form("symfony", "Symfony Mailer, posttls-finger", "transcript_curl", ("<",), (">",)),
    Form(
        "outlook", "Outlook, Outlook Express", "transcript_outlook", ("[rx]", "<rx>"), ("[tx]", "<tx>"), is_whole=True
    ),
    Form(
        "tshark-fields",
        "tshark -Y smtp",
        "transcript_tsharkfields",
        ("S",),
        ("C",),
        literal="bars",
        body="absent",
        is_whole=True,
    ),
    Form(
        "tshark-follow",
        "tshark -z follow,tcp,ascii",
        "transcript_tsharkfollow",
        ("\t",),
        ("",),
        blocks="octets",
        signs=("Follow: tcp",),
    ),
    Form(
        "dotnet",
        ".NET System.Net.Mail, network trace",
        "transcript_dotnet",
        ("Receive",),
        ("Send",),
        blocks="hex",
        signs=("Data from Socket#",),
        is_whole=True,
    ),
    Form(
        "sendemail",
        "sendEmail -v",
        "transcript_sendemail",
        ("Received",),
        ("Sending",),
        literal="commas",
        body="absent",
        is_whole=True,
    ),
    Form("mailkit", "MailKit protocol log", "transcript_rfc", ("S",), ("C",), signs=("Connected to smtp",)),
    Form(
        "haraka",
        "Haraka protocol log",
        "transcript_haraka",
        ("S",),
        ("C",),
        literal="state",
        body="absent",
        signs=("[PROTOCOL]",),
        skips=("(after-disconnect)",),
        is_whole=True,
    ),
    Form(
        "rfc821",
        "R: and S: as in RFC 821",
        "transcript_rfc",
        ("R",),
        ("S",),
        body="loose",
        is_folded=True,
        signs=("R: 220", "R: 250", "R:220", "R:250"),
    ),
    Form(
        "rfc",
        "S: and C: as in RFCs and Wikipedia",
        "transcript_rfc",
        ("S", "Server", "SERVER", "server", "SMTP response"),
        ("C", "Client", "CLIENT", "client", "SMTP request"),
        body="loose",
        is_folded=True,
    ),
    Form(
        "javamail",
        "JavaMail, Angus Mail, mail.debug",
        None,
        body="bare",
        signs=("DEBUG SMTP:", "DEBUG: setDebug"),
        skips=("DEBUG",),
        weight=0.41,
    ),
    Form(
        "openssl",
        "openssl s_client",
        None,
        body="bare",
        signs=("CONNECTED(", "verify return", "SSL-Session:"),
        weight=0.41,
    ),
    Form(
        "telnet",
        "telnet, nc",
        None,
        body="bare",
        signs=("Escape character", "Trying ", "Connection closed by foreign"),
        weight=0.41,
    ),
    Form("unmarked", "no marks at all", None, body="bare", weight=0.4),
)
"""Every form, in the order in which they win a tie."""

PROTOCOL = "transcript_exchange"
"""The grammar of rows of protocol logs, which are read by columns: they are long."""

PROTOCOL_CELLS = {
    "date-time": "stamp", "session-id": "ids", "local-endpoint": "local", "remote-endpoint": "remote",
    "event": "mark", "data": "text", "context": "context",
}  # fmt: skip
"""What their `#Fields:` names, and what the grammar calls it."""

PROTOCOL_FIELDS = (
    "date-time", "connector-id", "session-id", "sequence-number", "local-endpoint", "remote-endpoint", "event", "data",
    "context",
)  # fmt: skip
"""The columns where no `#Fields:` says otherwise."""

SERVER_PORTS = (":25", ":587", ":465")
"""How the end of a connection reads at which a server listens (RFC 5321, RFC 6409 s.3.1, RFC 8314 s.3.3)."""

FLAT_FORMS = ("flattened", "flattened-unmarked")
"""Names of what was on one line, with and without marks."""

CLOSED_WORDS = (
    "connection closed", "closed connection", "closes the connection", "closes connection", "closed by foreign host",
    "remote host closed", "connection reset", "reset by peer", "unexpected eof", "[eof]", "econnreset", "epipe",
    "broken pipe", "lost connection", "connection lost", "server closed", "connection dropped", "socket hang up",
    "connection close", "closing connection", "dropping connection", "left intact", "disconnect", "session aborted", "session terminated",
    "server closing", "hung up", "unexpectedly closed", "close connection", "(closed)<<",
)  # fmt: skip
"""Words of notes that say that the connection ended."""

BY_SERVER_WORDS = (
    "remote host closed", "reset", "by foreign", "unexpected eof", "[eof]", "server close", "closed by server", "epipe",
    "broken pipe", "lost connection", "server closing", "peer", "unexpected", "(closed)<<", "hang up", "aborted",
)  # fmt: skip
"""Words that say that it was the other side."""

TIMEOUT_WORDS = ("timed out", "timeout", "time out", "etimedout", "no reply in")

NOT_TIMEOUT_WORDS = ("timeout=", "timeout :", "retry timeout", "timeout = ", "ticket lifetime")
"""Words of settings and of queues, not of a dialogue."""

TLS_WORDS = (
    "tls started", "ssl connection using", "tls connection started", "tls negotiated", "negotiation succeeded",
    "tls negotiation", "tls session parameters", "starttls negotiation", "tls handshake completed", "tls version",
    "protocol version used for tls", "start tls", "switch to tls", "tls established",
)  # fmt: skip
"""Words of notes that say that TLS began."""

OPEN_WORDS = (
    "connected to ", "connecting to ", "connection opened", "connection established to", "connect: to",
    "while talking to", "starting swift_", "connection: opening to", "trying to connect to host", "connection from",
    "accepting smtp connection", "connected to smtp", "tcp connection started", "smtp session started",
    "a connection was accepted", "smtp connection from",
)  # fmt: skip
"""Words of notes that say that a connection began."""

NOT_OPEN_WORDS = ("connected to host", "closed")
"""Words that look like the beginning and come later."""

BODY_WORDS = ("(writing message)", "(message goes here)", "(message body)", "[message]", "(message)", "<message body>")
"""What stands for a message that is not shown."""

UNSEEN_BODY = " bytes of DATA>"
"""How nodemailer's smtp-server says so, behind `<` and their number (lib/smtp-connection.js)."""

SUPPRESSED_LOGIN = "command trace suppressed"
"""JavaMail, com.sun.mail.smtp.SMTPTransport: `AUTH LOGIN command trace suppressed`, then how it ended."""

TOLD_LOGINS = {" succeeded": "accepted", " failed": "rejected"}
"""How it ended."""
