"""The records every format is read into. No parsing, no I/O.

Absent or unknowable is None, never a guess; the null sender is `""`. Times are UTC, microseconds. The same name means
the same thing in every format; units stand last. Field docs are part of the schema of every export.
"""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict, Field, JsonValue

from smtplog.contract.fields import (
    Address,
    Bits,
    Bytes,
    Code,
    Count,
    EnhancedCode,
    Flag,
    HostName,
    Lower,
    MessageId,
    NextHop,
    Number,
    Port,
    QueueId,
    Ratio,
    Seconds,
    Text,
    Timestamp,
)


def _of(doc: str) -> Any:
    """A field that may be absent."""
    return Field(default=None, description=doc)


def _must(doc: str) -> Any:
    return Field(description=doc)


def _no(doc: str) -> Any:
    return Field(default=False, description=doc)


class Record(BaseModel):
    """Frozen, and closed: a name that is not in the contract is an error."""

    # Built on first use: many questions are answered by frames alone.
    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True)


class Provenance(Record):
    """Where a record comes from: on every record."""

    source: Text = _must("the input as given; - for standard input")
    line: Number = _must("first physical line, from 1")
    format: Text | None = _of("which format wrote it: postfix, exim, transcript ...")
    host: HostName | None = _of("who logged it")


class Reply(Record):
    """An SMTP reply (RFC 5321 s.4.2)."""

    code: Code | None = _of("three digits")
    enhanced_code: EnhancedCode | None = _of("RFC 3463 status code inside the reply")
    text: Text | None = _of("lines joined by a line feed, codes and hyphens taken off")
    lines: list[Text] | None = _of("as received")


class Parameter(Record):
    """An ESMTP parameter or keyword (RFC 5321 s.4.1.1.11)."""

    name: Text = _must("keyword in upper case")
    value: Text | None = _of("what follows the equals sign or the keyword")


class Finding(Record):
    """One diagnosis with its evidence."""

    code: Text = _must("stable name, kebab-case")
    severity: Text = _must("error, warning or info")
    message: Text = _must("what is the matter")
    hint: Text | None = _of("what to do")
    evidence_line: Number | None = _of("physical line of the evidence")
    evidence: Text | None = _of("the evidence itself")


class Tls(Record):
    """What is known of the TLS layer of a session."""

    version: Text | None = _of("TLSv1.3 ...")
    cipher: Text | None = _of("cipher suite as logged")
    bits: Bits | None = _of("bits used")
    trust: Text | None = _of("Anonymous, Untrusted, Trusted, Verified")
    sni: Text | None = _of("server name the client asked for")


class Auth(Record):
    """One AUTH attempt (RFC 4954); never a secret."""

    mechanism: Text | None = _of("PLAIN, LOGIN ...")
    user: Text | None = _of("login name")
    outcome: Text | None = _of("accepted or rejected")
    reply: Text | None = _of("the server's words")


class CommandCount(Record):
    """How often a verb was used in a session."""

    verb: Text = _must("in lower case, as Postfix logs it")
    ok: Count = _must("accepted")
    total: Count = _must("received")


class TransactionRecipient(Record):
    """One RCPT of a transaction and what became of it."""

    address: Address | None = _of("null when masked")
    is_redacted: Flag = _no("the address was masked by who published the text")
    parameters: list[Parameter] | None = _of("NOTIFY, ORCPT ...")
    outcome: Text = _must("accepted, rejected, deferred, not_sent or unknown")
    stage: Text | None = _of("where it was decided: rcpt, end_of_data ...")
    reply: Reply | None = _of("the deciding reply")


class Transaction(Record):
    """MAIL to end of data (RFC 5321 s.3.3)."""

    sender: Address | None = _of("MAIL FROM; empty text for the null sender")
    sender_is_redacted: Flag = _no("the sender was masked by who published the text")
    parameters: list[Parameter] | None = _of("SIZE, BODY ...")
    recipients: list[TransactionRecipient] = _must("as far as known; who was taken back with RSET is none")
    recipients_are_complete: Flag = _must("false where the log names only the refused ones")
    message_id: MessageId | None = _of("Message-ID without brackets")
    subject: Text | None = _of("Subject field")
    header_count: Count | None = _of("header fields of the message")
    body_line_count: Count | None = _of("lines after the header")
    size_bytes: Bytes | None = _of("as declared or as counted by the server")
    queue_id: QueueId | None = _of("ours")
    next_queue_id: QueueId | None = _of("the one the remote gave it")
    reply: Reply | None = _of("to end of data")


class Exchange(Record):
    """One command and its replies; verb null for the greeting."""

    verb: Text | None = _of("in upper case; null for the greeting")
    argument: Text | None = _of("rest of the command line, secrets masked")
    replies: list[Reply] = _must("in order")
    at: Timestamp | None = _of("when the command was sent")
    is_tls: Flag | None = _of("inside TLS")


class Session(Provenance):
    """One SMTP conversation (RFC 5321 s.3.1)."""

    session_key: Text = _must("stable key")
    opened_at: Timestamp | None = _of("first sign of it")
    closed_at: Timestamp | None = _of("end of it")
    duration_s: Seconds | None = _of("closed_at - opened_at")
    role: Text | None = _of("what the logging side was: server or client")
    protocol: Text | None = _of("smtp, esmtp or lmtp")
    instance: Text | None = _of("syslog name: postfix, postfix-out")
    service: Text | None = _of("smtpd, submission/smtpd ...")
    client_name: HostName | None = _of("host name of the client as resolved; null for unknown")
    client_ip: HostName | None = _of("address of the client")
    client_port: Port | None = _of("port of the client")
    server_name: HostName | None = _of("host name of the server")
    server_ip: HostName | None = _of("address of the server")
    server_port: Port | None = _of("port of the server")
    helo: Text | None = _of("HELO or EHLO name")
    tls: Tls | None = _of("null when not encrypted or not logged")
    auth: list[Auth] | None = _of("attempts, in order")
    extensions: list[Parameter] | None = _of("EHLO keywords of the last EHLO")
    commands: list[CommandCount] | None = _of("verbs with counts")
    transactions: list[Transaction] | None = _of("in order")
    closed_by: Text | None = _of("quit, client, server, timeout, error")
    form: Text | None = _of("transcripts: rfc, swaks, smtplib ...")
    confidence: Ratio | None = _of("transcripts: how sure the directions are, 0 to 1")
    exchanges: list[Exchange] | None = _of("the dialogue where it is known")
    findings: list[Finding] | None = _of("what is the matter with it")
    is_partial: Flag = _no("beginning or end outside the input")
    is_internal: Flag = _no("a connection from this same system")


class Event(Provenance):
    """One understood entry."""

    line_count: Count = _must("physical lines of the entry")
    at: Timestamp | None = _of("when it was logged")
    is_year_inferred: Flag = _no("the stamp has no year")
    is_zone_assumed: Flag = _no("the stamp has no zone")
    instance: Text | None = _of("syslog name: postfix, postfix-out")
    service: Text | None = _of("smtpd, submission/smtpd, smtp ...")
    pid: Number | None = _of("process id")
    queue_id: QueueId | None = _of("queue id")
    message_key: Text | None = _of("the message it belongs to")
    session_key: Text | None = _of("the session it belongs to")
    kind: Text = _must("connect, delivery ...")
    client_name: HostName | None = _of("host name of the client as resolved; null for unknown")
    client_ip: HostName | None = _of("address of the client")
    client_port: Port | None = _of("port of the client")
    helo: Text | None = _of("HELO or EHLO name")
    auth_user: Text | None = _of("login name")
    sender: Address | None = _of("envelope sender; empty text for the null sender")
    recipient: Address | None = _of("envelope recipient")
    original_recipient: Address | None = _of("before alias or virtual expansion")
    message_id: MessageId | None = _of("Message-ID without brackets")
    size_bytes: Bytes | None = _of("message size")
    relay_name: NextHop | None = _of("next hop")
    relay_ip: NextHop | None = _of("address of the next hop")
    relay_port: Port | None = _of("port of the next hop")
    delay_s: Seconds | None = _of("since the message arrived")
    status: Text | None = _of("delivery status in the words of the contract")
    stage: Text | None = _of("SMTP stage it was decided at")
    reply_code: Code | None = _of("basic reply code")
    enhanced_code: EnhancedCode | None = _of("what the MTA decided")
    reply_text: Text | None = _of("innermost remote text")
    detail: Text | None = _of("the whole reason as logged")
    next_queue_id: QueueId | None = _of("id at the next hop")
    raw: Text | None = _of("the entry as logged, secrets masked")
    fields: dict[str, JsonValue] | None = _of("what else the rule named; JSON text in Parquet")


class Unparsed(Provenance):
    """One entry that was not understood."""

    line_count: Count = _must("physical lines of the entry")
    raw: Text = _must("the entry as logged, secrets masked")
    program: Text | None = _of("the program that wrote it, where the envelope names one")
    expected: Text | None = _of("what would have fitted")
    why: Text = _must("foreign (another program's), unknown (ours, no rule) or malformed (not even an envelope)")


class Verdict(Record):
    """What a companion (filter, milter) said of a message."""

    program: Text = _must("amavis, rspamd ...")
    verdict: Text | None = _of("in its own word")
    score: Ratio | None = _of("in its own scale")


class Recipient(Record):
    """The result for one recipient of a message."""

    address: Address | None = _of("envelope recipient")
    original_address: Address | None = _of("before alias or virtual expansion")
    status: Text = _must("of the last attempt; unknown where it was to wait and the message has left the queue")
    attempts: Count = _must("how many")
    first_at: Timestamp | None = _of("first attempt")
    last_at: Timestamp | None = _of("last attempt")
    reason: Text | None = _of("canonical cause of the failure")
    relay_name: NextHop | None = _of("of the last attempt")


class Message(Provenance):
    """One life of a mail in one MTA's queue, under one queue id."""

    message_key: Text = _must("stable key")
    instance: Text | None = _of("syslog name: postfix, postfix-out")
    queue_id: QueueId | None = _of("queue id")
    message_id: MessageId | None = _of("Message-ID without brackets")
    received_at: Timestamp | None = _of("entered the queue")
    removed_at: Timestamp | None = _of("left the queue")
    origin: Text | None = _of("smtp, local, bounce, forward, reinjection, requeue")
    session_key: Text | None = _of("the session it came in by")
    client_name: HostName | None = _of("host name of the client as resolved; null for unknown")
    client_ip: HostName | None = _of("address of the client")
    helo: Text | None = _of("HELO or EHLO name")
    auth_user: Text | None = _of("login name; of what came in again, that of its first coming")
    tls_version: Text | None = _of("of the session it came in by")
    sender: Address | None = _of("envelope sender; empty text for the null sender")
    size_bytes: Bytes | None = _of("message size")
    recipient_count: Count | None = _of("recipients in the queue file")
    subject: Text | None = _of("Subject field")
    parent_key: Text | None = _of("the message it came out of")
    child_keys: list[Text] | None = _of("messages that came out of it")
    direction: Text | None = _of("inbound, outbound, local; internal: all of it was handed to this same system again")
    recipients: list[Recipient] | None = _of("the result, one per recipient")
    status: Text = _must(
        "deferred, held or active while any recipient is open; else the worst; unknown where it was not seen in the queue, "
        "or left it with no word of how (requeued)"
    )
    verdicts: list[Verdict] | None = _of("what filters said")
    is_partial: Flag = _no("beginning or end outside the input")
    is_truncated: Flag = _no("the log says that lines of it were lost")


class Delivery(Provenance):
    """One attempt for one recipient."""

    delivery_key: Text = _must("stable key")
    at: Timestamp | None = _of("when it was logged")
    message_key: Text | None = _of("the message")
    session_key: Text | None = _of("the session, for refusals")
    queue_id: QueueId | None = _of("queue id")
    message_id: MessageId | None = _of("Message-ID without brackets")
    sender: Address | None = _of("envelope sender; empty text for the null sender")
    recipient: Address | None = _of("envelope recipient")
    original_recipient: Address | None = _of("before alias or virtual expansion")
    orcpt: Text | None = _of("RFC 3461 original recipient")
    recipient_domain: Lower | None = _of("in lower case")
    status: Text = _must("delivered, sent, deferred, bounced, expired, rejected ...")
    is_final: Flag = _must("no further attempt follows")
    attempt: Number | None = _of("from 1")
    client_name: HostName | None = _of("of the session, for refusals; of the message otherwise")
    client_ip: HostName | None = _of("of the session, for refusals; of the message otherwise")
    helo: Text | None = _of("HELO or EHLO name")
    auth_user: Text | None = _of("of the session, for refusals; of the message otherwise")
    transport: Text | None = _of("smtp, lmtp, local, name of a pipe")
    relay_name: NextHop | None = _of("next hop")
    relay_ip: NextHop | None = _of("address of the next hop")
    relay_port: Port | None = _of("port of the next hop")
    delay_s: Seconds | None = _of("since the message arrived")
    delay_before_queue_s: Seconds | None = _of("before the queue manager took it")
    delay_in_queue_s: Seconds | None = _of("waiting in the active queue")
    delay_connect_s: Seconds | None = _of("connection set-up, DNS, TLS")
    delay_transmit_s: Seconds | None = _of("transmission; with the set-up where the log has one time for both")
    tls_version: Text | None = _of("of the outgoing connection")
    reply_code: Code | None = _of("basic code of the innermost reply")
    enhanced_code: EnhancedCode | None = _of("what the MTA decided")
    reply_enhanced_code: EnhancedCode | None = _of("what the remote said")
    reply_text: Text | None = _of("innermost remote text")
    detail: Text | None = _of("the whole reason as logged")
    stage: Text | None = _of("SMTP stage it was decided at")
    reason: Text | None = _of("canonical cause, null on success")
    reason_detail: Text | None = _of("finer cause: spf, ptr, a list; of message_expired the last transient reason")
    persistence: Text | None = _of("hard, soft or block")
    actor: Text | None = _of("who must act")
    next_queue_id: QueueId | None = _of("id at the next hop")
    is_internal: Flag = _no("handed to this same system again: not counted as sent")


TABLES: dict[str, type[Provenance]] = {
    "events": Event,
    "sessions": Session,
    "messages": Message,
    "deliveries": Delivery,
}
"""What can be asked for and exported, by its name."""
