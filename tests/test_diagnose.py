"""Why deliveries failed: every rule fires, traps do not, and both engines agree."""

from __future__ import annotations

import json
import random
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from smtplog.ask import diagnose, rules
from smtplog.ask.explain import explain_jsonl
from smtplog.ask.rules import Rule, wording
from smtplog.errors import QueryError
from smtplog.read import grammar
from tests.conftest import TOP

RULES = rules.built_in()
CASES = [(rule, example) for rule in RULES.rules for example in rule.examples]
REASONS = [
    "user_unknown",
    "bad_address",
    "mailbox_full",
    "mailbox_disabled",
    "recipient_refused",
    "recipient_rate_limited",
    "domain_not_found",
    "domain_no_mail",
    "dns_failure",
    "connection_failed",
    "timeout",
    "routing_loop",
    "message_expired",
    "server_error",
    "system_full",
    "greylisted",
    "rate_limited",
    "too_many_recipients",
    "ip_blocklisted",
    "domain_blocklisted",
    "bad_reputation",
    "rdns_helo",
    "sender_auth_failed",
    "sender_rejected",
    "relay_denied",
    "smtp_auth",
    "tls_failed",
    "spam_content",
    "virus_attachment",
    "message_malformed",
    "message_too_big",
    "policy_rejected",
    "protocol_error",
    "local_delivery",
    "unknown",
]


def context(rule: Rule) -> dict[str, str | None]:
    """What a rule wants to know beside the words."""
    hosts = next((p.hosts for p in RULES.providers if p.name == rule.provider), ())
    return {
        "relay_name": f"mx.{hosts[0]}" if hosts else None,
        "stage": rule.stages[0] if rule.stages else None,
        "status": rule.statuses[0] if rule.statuses else None,
    }


def answers(frame: pl.DataFrame) -> list[tuple[str | None, ...]]:
    return diagnose.column(frame).rows()


def short(d: diagnose.Diagnosis) -> tuple[str | None, ...]:
    return d.reason, d.reason_detail, d.persistence, d.actor


# ---- the data


def test_the_canonical_reasons_are_these():
    assert sorted(RULES.reasons) == sorted(REASONS)


@pytest.mark.parametrize("reason", RULES.reasons.values(), ids=lambda r: r.name)
def test_every_reason_says_what_it_means_who_acts_and_whether_to_retry(reason: rules.Reason):
    assert reason.meaning.endswith(".")
    assert reason.hint.endswith((".", "?"))
    assert reason.retry_when.endswith(".")
    assert reason.retry in {"yes", "no", "after_fix", "unclear"}
    assert reason.actor in {"sender", "recipient", "receiver", "network", "nobody", "local", "human"}
    assert reason.persistence in {"hard", "soft", "block"} or reason.name == "unknown"


def test_every_reason_is_reached_by_a_rule():
    assert {rule.reason for rule in RULES.rules} | {"unknown"} == set(REASONS)


@pytest.mark.parametrize(("rule", "example"), CASES, ids=[f"{r.id}-{i}" for i, (r, _) in enumerate(CASES)])
def test_every_example_fires_its_own_rule_so_that_none_is_unreachable(rule: Rule, example: str):
    found = diagnose.reply(example, **context(rule))
    assert (found.rule, found.reason) == (rule.id, rule.reason)


def test_every_sign_could_stand_in_a_text_as_one_token():
    shape = grammar.compiled("reply", "sign")
    wrong = [
        s for rule in RULES.rules for s in rule.signs if not shape.fullmatch(s.replace("*", "x").replace("?", "1"))
    ]
    assert wrong == []


def test_every_phrase_could_stand_in_a_text():
    """A choice that the words of no text can equal (an upper case letter, a dot) would be dead."""
    written = [
        word
        for rule in RULES.rules
        for phrase in (*rule.wanted.any, *rule.wanted.all, *rule.wanted.none)
        for element in phrase.elements
        for choice in element.choices
        for word in choice
        if word != wording.MASK
    ]
    wrong = [
        w for w in written if wording.Scope(w.replace("*", ""), RULES.writing.spelling).words != (w.replace("*", ""),)
    ]
    assert wrong == []


def test_no_phrase_looks_at_a_number_that_columns_take_out():
    alone = grammar.compiled("reply", "number_alone")
    phrases = [p.text for r in RULES.rules for p in (*r.wanted.any, *r.wanted.all, *r.wanted.none)]
    assert [text for text in phrases if alone.search(f" {text}")] == []


def test_rules_are_tried_step_by_step():
    steps = [rule.step for rule in RULES.rules]
    assert steps == sorted(steps, key=rules.model.STEPS.index)


# ---- what is said outright, and what beside it


def test_what_is_looked_up_by_its_first_word_has_one():
    first = [
        p.elements[0]
        for p in (
            *RULES.denials.phrases.every,
            *RULES.denials.openings.every,
            *RULES.denials.closings.every,
            *RULES.asides.openings.every,
        )
    ]
    assert [e for e in first if e.is_optional or e.pieces or not e.by_first] == []


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("550 5.7.1 Message rejected as spam. Please check your SPF record", "spam_content"),
        ("550 5.7.1 Message rejected. Please check your SPF record", "sender_auth_failed"),
        ("550 5.1.1 No such user. If your server is on a blocklist, see example.com", "user_unknown"),
        ("554 5.7.1 Refused. If you are on a blocklist, see example.com", "ip_blocklisted"),
        ("554 5.7.1 Virus found in the mail 'mailbox full, over quota'", "virus_attachment"),
        ("550 5.7.1 Rejected by policy; the next server answered 'mailbox full now'", "mailbox_full"),
        ("550 5.7.1 refused: 'mailbox is full'", "mailbox_full"),
        ("554 5.7.1 spam, score 12 (rule USER_NOT_FOUND_IN_BODY)", "spam_content"),
        ("550 ADDRESS_NOT_FOUND", "user_unknown"),
        ("550 5.7.1 mailbox <a@b.example> is not accepting mail with attachments", "virus_attachment"),
    ],
)
def test_advice_and_quotations_decide_only_where_nothing_is_said_outright(text: str, reason: str):
    assert diagnose.reply(text).reason == reason


def test_a_rule_of_ones_own_decides_whatever_is_said_outright(tmp_path: Path):
    mine = tmp_path / "mine.toml"
    mine.write_text(
        "[[text]]\nid = 'mine'\nreason = 'policy_rejected'\nany = ['on a blocklist']\n"
        "examples = ['on a blocklist']\nsource = 'me'\n"
    )
    text = "550 5.1.1 No such user. If your server is on a blocklist, see example.com"
    assert diagnose.reply(text, rules=diagnose.load_rules(mine)).reason == "policy_rejected"


# ---- the innermost reply


@pytest.mark.parametrize(
    ("text", "reason", "stage", "said"),
    [
        ("host mx.a[192.0.2.1] said: 550 5.1.1 No such user (in reply to RCPT TO command)", "user_unknown", "rcpt", "No such user"),
        ("delivery temporarily suspended: connect to mx.a[192.0.2.1]:25: Connection refused", "connection_failed", None, "connect to mx.a[192.0.2.1]:25: Connection refused"),
        ("SMTP error from remote mail server after RCPT TO:<a@b.example>: 552 5.2.2 mailbox full", "mailbox_full", "rcpt", "mailbox full"),
        ("SMTP error from remote mail server after pipelined end of data: 554 5.7.1 spam", "spam_content", "end_of_data", "spam"),
        ("host a.b[192.0.2.1] said: 450 4.1.1 <x@y.example>: Recipient address rejected: undeliverable address: host c.d[192.0.2.2] said: 550 5.1.1 user unknown (in reply to RCPT TO command)", "user_unknown", "rcpt", "user unknown"),
        ("host mx.a[192.0.2.1] refused to talk to me: 554 5.7.1 No SMTP service here", "bad_reputation", None, "No SMTP service here"),
        ("to=<a@b.example>, relay=none, dsn=4.4.1, status=deferred (connect to mx.a[192.0.2.1]:25: No route to host)", "connection_failed", None, None),
        ("192.0.2.1_does_not_like_recipient./Remote_host_said:_550_5.1.1_User_unknown/Giving_up_on_192.0.2.1./", "user_unknown", None, None),
        ("conversation with mx.a[192.0.2.1] timed out while sending RCPT TO", "timeout", "rcpt", None),
        ("lost connection with mx.a[192.0.2.1] while receiving the initial server greeting", "timeout", "greeting", None),
        ("unknown user: \"bob\"", "user_unknown", None, None),
        ("mail for a.example loops back to myself", "routing_loop", None, None),
        ("mailbox is full: retry timeout exceeded", "mailbox_full", None, None),
        ("a@b.example: retry timeout exceeded", "message_expired", None, None),
        ("Cannot start TLS: handshake failure", "tls_failed", None, None),
        ("maildir delivery failed: create maildir file /home/a/tmp/x: Permission denied", "local_delivery", None, None),
    ],
)  # fmt: skip
def test_the_words_of_the_sending_server_are_peeled_off(text: str, reason: str, stage: str | None, said: str | None):
    found = diagnose.reply(text)
    assert (found.reason, found.stage) == (reason, stage)
    assert said is None or found.reply_text == said


def test_a_reply_that_quotes_a_log_entry_is_not_believed():
    faked = "host mx.a[192.0.2.1] said: 550 5.1.1 <o@x.example>, relay=evil[192.0.2.9]:25, dsn=2.0.0, status=sent (250 2.0.0 Ok: queued as DEADBEEF) (in reply to RCPT TO command)"
    found = diagnose.reply(faked)
    assert (found.reply_code, found.enhanced_code, found.reason) == (550, "5.1.1", "user_unknown")


def test_the_codes_of_the_reply_win_over_those_of_the_log():
    found = diagnose.reply("552 5.2.2 zzz", enhanced_code="5.0.0", reply_code=550)
    assert (found.reply_code, found.enhanced_code, found.reason) == (552, "5.2.2", "mailbox_full")


def test_a_log_code_counts_where_the_reply_has_none():
    assert diagnose.reply("550 zzz", enhanced_code="5.1.1").reason == "user_unknown"
    assert diagnose.reply("550 zzz", enhanced_code="5.0.0").reason == "unknown"


# ---- traps


@pytest.mark.parametrize(
    ("reason", "text", "relay"),
    [
        ("relay_denied", "550 5.7.1 quota.spam-filter.example.com: Relay access denied", None),
        ("user_unknown", "550 5.1.1 <spam.quota.full@greylist.example>: Recipient address rejected: User unknown", None),
        ("mailbox_full", "550 5.1.1 <user.unknown@nosuchuser.example> mailbox full", None),
        ("timeout", "lost connection with spamhaus.blocked.example[192.0.2.1] while sending RCPT TO", None),
        ("user_unknown", "550 5.1.1 unknown user: \"spam quota blocked\"", None),
        ("user_unknown", "550 5.1.1 message 552 for user 452 421: no such user here", None),
        ("sender_auth_failed", "550 5.7.27 did not pass for this message.", "gmail-smtp-in.l.google.com"),
        ("sender_rejected", "550 5.7.27 refused", "mx.example.org"),
        ("user_unknown", "550 5.4.1 Recipient address rejected: Access denied. [x.prod.protection.outlook.com]", None),
        ("rate_limited", "550 5.1.1 <a@b.example> 192.0.2.9 has sent to too many recipients this hour. IB607", None),
        ("mailbox_full", "552 5.1.1 <a@comcast.net> recipient rejected - extended quota violation", "mx1.comcast.net"),
        ("recipient_rate_limited", "550 Mailbox unavailable or access denied", "mx3.qq.com"),
        ("user_unknown", "550 5.7.1 No such user!", None),
        ("server_error", "554 5.7.1 Client host [192.0.2.1] blocked using zen.spamhaus.org; Error: open resolver", None),
        ("bad_reputation", "421 4.7.1 [TS03] All messages from 192.0.2.1 will be permanently deferred; Retrying will NOT succeed.", None),
        ("recipient_rate_limited", "550 5.2.1 The user you are trying to contact is receiving mail at a rate that prevents", None),
        ("policy_rejected", "550 permanent failure for one or more recipients (a@example.com:blocked)", None),
        ("user_unknown", "550 permanent failure for one or more recipients (a@example.com:550 5.1.1 No such user)", None),
        ("sender_rejected", "550 5.1.1 Sender address rejected: user unknown", None),
        ("spam_content", "550 5.1.1 Message rejected as spam by Content Filtering.", None),
        ("rdns_helo", "550 5.1.1 Client host rejected: cannot find your reverse hostname, [192.0.2.1]", None),
        ("user_unknown", "552 1 Requested mail action aborted, mailbox not found", None),
        ("unknown", "250 2.0.0 Ok: mailbox full, blocked as spam", None),
        ("unknown", "352 5.2.2 mailbox is full", None),
        ("unknown", "550 5.0.0", None),
        ("unknown", "", None),
        ("user_unknown", "550 5.1.1 Utilisateur inconnu", None),
        ("mailbox_full", "552 5.2.2 Das Postfach des Empfängers ist voll", None),
        ("user_unknown", "550 用户不存在", None),
        ("user_unknown", "550 5.1.1 Пользователь не найден", None),
        ("mailbox_full", "552 5.2.2 Buzón lleno", None),
    ],
)  # fmt: skip
def test_a_misleading_reply_is_understood(reason: str, text: str, relay: str | None):
    assert diagnose.reply(text, relay_name=relay).reason == reason


LOUD = (
    "spam",
    "quota",
    "blocked",
    "user-unknown",
    "mailbox-full",
    "greylist",
    "virus",
    "relay-denied",
    "spf",
    "rate-limit",
)


@pytest.mark.parametrize("word", LOUD)
@pytest.mark.parametrize(
    "text",
    [
        "550 zzz {0}.example.com",
        "550 zzz mx.{0}.example.com",
        "550 zzz <{0}@example.com>",
        "550 zzz {0}@{0}.example",
        "550 zzz https://{0}.example/{0}?{0}",
        "host {0}.example[192.0.2.1] said: 550 zzz",
        "host {0}[192.0.2.1] said: 550 zzz",
        "550 zzz www.{0}.example",
    ],
)
def test_a_word_inside_a_host_name_an_address_or_a_url_never_matches(text: str, word: str):
    assert diagnose.reply(text.format(word)).reason == "unknown"


def test_a_missing_space_behind_a_full_stop_hides_no_word():
    assert diagnose.reply("550 mailbox is full.Please try someone else").reason == "mailbox_full"


def test_an_operators_code_means_what_that_operator_says_only_at_its_hosts():
    assert diagnose.reply("550 5.7.30 zzz", relay_name="gmail-smtp-in.l.google.com").reason_detail == "dkim"
    assert diagnose.reply("550 5.7.30 zzz", relay_name="mx.example.org").reason == "tls_failed"
    assert diagnose.reply("550 5.7.30 zzz", relay_name="google.com.evil.example").reason == "tls_failed"
    assert diagnose.reply("host aspmx.l.google.com[192.0.2.1] said: 550 5.7.30 zzz").reason == "sender_auth_failed"


# ---- what comes with a reason


def test_the_evidence_is_the_part_of_the_text_that_the_rule_saw():
    text = "host mx.a[192.0.2.1] said: 550 5.1.1 <bob@b.example>: Recipient address rejected: User unknown in table (in reply to RCPT TO command)"
    assert diagnose.reply(text).evidence == "User unknown"
    assert diagnose.reply("550 5.7.1 refused (S3150)").evidence == "S3150"
    assert diagnose.reply("550 5.1.1 zzz").evidence == "5.1.1"


@pytest.mark.parametrize(("rule", "example"), CASES[::7])
def test_the_evidence_stands_in_the_text(rule: Rule, example: str):
    evidence = diagnose.reply(example, **context(rule)).evidence
    assert evidence is None or evidence.lower() in example.lower()


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("450 4.7.1 Greylisted for 300 seconds", 300),
        ("451 Greylisting: try again in 5 minutes", 300),
        ("421 4.7.0 Too many connections, retry after 1 hour", 3600),
        ("450 4.7.1 Greylisted", None),
        ("550 5.1.1 no such user, try again in 5 minutes", None),
    ],
)
def test_a_wait_that_the_text_names_is_told_where_waiting_helps(text: str, seconds: int | None):
    assert diagnose.reply(text).retry_after_s == seconds


@pytest.mark.parametrize(
    ("text", "persistence"),
    [
        ("550 5.1.1 no such user", "hard"),
        ("450 4.1.1 no such user", "soft"),
        ("552 5.2.2 mailbox full", "soft"),
        ("554 5.7.1 blocked using rbl.example.net", "block"),
        ("421 4.7.1 [TS03] permanently deferred", "block"),
        ("550 zzz", "hard"),
        ("450 zzz", "soft"),
        ("zzz", None),
    ],
)
def test_persistence_comes_from_the_reason_then_from_the_code(text: str, persistence: str | None):
    assert diagnose.reply(text).persistence == persistence


def test_expiry_carries_the_last_transient_reason():
    text = "connect to mx.a[192.0.2.1]:25: Connection timed out"
    assert diagnose.reply(text, status="expired").reason == "connection_failed"
    assert diagnose.reply("", status="expired").reason == "message_expired"
    frame = pl.DataFrame({"detail": [text, None], "status": ["expired", "expired"]})
    assert diagnose.column(frame)["reason"].to_list() == ["connection_failed", "message_expired"]


# ---- both engines


def test_rows_and_columns_agree_on_every_example():
    frame = pl.DataFrame(
        [{"detail": example, **context(rule)} for rule, example in CASES],
        schema=dict.fromkeys(("detail", "relay_name", "stage", "status"), pl.String),
    )
    assert answers(frame) == [short(diagnose.reply(example, **context(rule))) for rule, example in CASES]


WORDS = st.sampled_from(
    ["550", "5.1.1", "450 ", "<a@b.example>", "mx.quota.example", "[192.0.2.1]", "host a.b[192.0.2.1] said: ", "user: \"x\"",
     "\n", "◦", "İ", "ß", "用户", "\\n", "https://a.example/x", "4XyZ1234abcd9876", "(in reply to RCPT TO command)", "said: ", ""]
)  # fmt: skip


@settings(max_examples=12, deadline=None)
@given(st.lists(st.tuples(st.sampled_from(CASES), WORDS, WORDS, st.text(max_size=8)), min_size=8, max_size=30))
def test_rows_and_columns_agree_on_mutated_texts(drawn: list[tuple[tuple[Rule, str], str, str, str]]):
    texts = [f"{before}{noise}{case[1]}{noise}{after}" for case, before, after, noise in drawn]
    contexts = [context(case[0]) for case, *_ in drawn]
    frame = pl.DataFrame(
        [{"detail": text, **extra} for text, extra in zip(texts, contexts, strict=True)],
        schema=dict.fromkeys(("detail", "relay_name", "stage", "status"), pl.String),
    )
    assert answers(frame) == [short(diagnose.reply(t, **c)) for t, c in zip(texts, contexts, strict=True)]


@settings(max_examples=80, deadline=None)
@given(st.text())
def test_any_text_is_diagnosed(text: str):
    assert diagnose.reply(text).reason in REASONS


def test_rows_and_columns_agree_where_every_text_is_another():
    """Thousands of distinct texts are made coarser in columns before they are compared with the rules."""
    ends = [
        "(id 48{n}, see https://mx{n}.example.net/blocked/{n}?why=spam)", "from host{n}.example.org: size {n}7777",
        "Denied{n}.Please ask www.mx{n}.example.com/quota or Mx{n}.Example.Com", "https://support.google.com/mail/?p=x{n}",
        "see https://mx{n}.example.net/{n}\\n550 5.1.1 No such user here",
    ]  # fmt: skip
    examples = [example for _, example in CASES]
    texts = [f"{examples[n % len(examples)]} {ends[n % len(ends)].format(n=n)}" for n in range(4 * len(examples))]
    assert len(set(texts)) > 2000
    found = answers(pl.DataFrame({"detail": texts, "status": "bounced"}))
    assert found == [short(diagnose.reply(text, status="bounced")) for text in texts]


def test_the_answer_does_not_depend_on_the_order_of_the_rows():
    shuffled = list(range(len(CASES)))
    random.Random(7).shuffle(shuffled)
    frame = pl.DataFrame({"detail": [example for _, example in CASES]})
    straight = answers(frame)
    assert [straight[i] for i in shuffled] == answers(frame[shuffled])


def test_a_success_has_no_reason():
    for status in sorted(diagnose.SUCCESSES):
        assert answers(pl.DataFrame({"detail": ["550 mailbox full"], "status": [status]})) == [(None,) * 4]


def test_columns_that_are_not_there_count_as_null():
    assert diagnose.column(pl.DataFrame({"reply_text": ["mailbox full"]}))["reason"].to_list() == ["mailbox_full"]
    assert diagnose.column(pl.DataFrame({"x": [1, 2]}))["reason"].to_list() == [None, None]
    assert diagnose.column(pl.DataFrame({"detail": []}, schema={"detail": pl.String})).shape == (0, 4)


def test_codes_alone_are_diagnosed_in_columns():
    frame = pl.DataFrame({"detail": [None, None], "enhanced_code": ["5.1.1", None], "reply_code": [550, 535]})
    assert diagnose.column(frame)["reason"].to_list() == ["user_unknown", "smtp_auth"]


# ---- suppressions


@pytest.mark.parametrize(
    ("text", "status"),
    [
        ("550 5.1.1 <a@b.example>: Recipient address rejected: User unknown in virtual mailbox table", "bounced"),
        ("550 5.2.1 The email account that you tried to reach is disabled.", "bounced"),
        ("Domain b.example does not accept mail (nullMX)", "bounced"),
        ('unknown user: "bob"', "bounced"),
        ("550 5.1.1 <a@b.example>: delivery to this address failed", None),
    ],
)
def test_a_dead_address_is_suppressed_with_evidence_and_an_end(text: str, status: str | None):
    found = diagnose.suppression(diagnose.reply(text, status=status), status=status)
    assert found is not None
    assert found.evidence
    assert found.expires_days > 0


@pytest.mark.parametrize(
    ("text", "status"),
    [
        ("450 4.1.1 <a@b.example>: Recipient address rejected: User unknown", "deferred"),
        ("550 5.1.1 User unknown", "deferred"),
        ("550 5.1.1 User unknown", "sent"),
        ("550 4.1.1 User unknown", "bounced"),
        ("552 5.2.2 mailbox full", "bounced"),
        ("550 5.7.1 blocked using zen.spamhaus.org", "bounced"),
        ("450 4.7.1 greylisted", "bounced"),
        ("550 zzz", "bounced"),
        ("550 5.1.1 No such user, or blocked by our spam policy", "bounced"),
        ("550 5.1.1 <a@b.example> 192.0.2.9 has sent to too many recipients this hour. IB607", "bounced"),
        ("552 5.1.1 <a@comcast.net> recipient rejected - extended quota violation", "bounced"),
        ("550 5.2.1 The user you are trying to contact is receiving mail at a rate that prevents", "bounced"),
        ("550 Mailbox unavailable or access denied", "bounced"),
        ("550 5.1.1 Sender address rejected: user unknown", "bounced"),
        ("550 5.7.1 Relay access denied", "bounced"),
        ("550 Address rejected", "bounced"),
        ("550 domain does not exist", "bounced"),
        ("550 The account or domain may not exist", "bounced"),
        ("550 5.4.4 zzz", "bounced"),
        ("550 5.1.1 zzz", "bounced"),
        ("501 malformed address: <a> may not follow b", "bounced"),
        ("550 5.6.7 SMTPUTF8 is not supported", "bounced"),
        ("553 5.1.7 Invalid address", "bounced"),
        ("504 5.7.4 XOAUTH is no longer supported", "bounced"),
        ("535 5.1.1 user unknown", "bounced"),
        ("550 a@b.example does not exist", "bounced"),
        ("550 5.1.1 the address is on the suppression list", "bounced"),
        ('unknown user: "bob"', None),
    ],
)
def test_a_live_address_is_never_suppressed(text: str, status: str | None):
    assert diagnose.suppression(diagnose.reply(text, status=status), status=status) is None


NOT_THE_RECIPIENT = [
    "550 5.7.1 The host name of your server could not be found",
    "550 5.7.1 Your hostname does not exist in DNS",
    "550 5.7.1 DKIM key not found",
    "550 5.7.1 SPF record does not exist",
    "550 5.7.1 Your account does not exist on the relay",
    "554 5.7.1 No such policy",
    "550 5.7.1 Sender address does not exist",
    "550 5.1.1 Sender address does not exist",
    "550 5.1.1 Return path mailbox unknown",
    "550 5.1.1 <a@example.com>: Sender address rejected: User unknown in virtual mailbox table",
    "550 5.1.1 The sender's mailbox does not exist",
    "550 5.1.1 MAIL FROM address unknown",
    "550 5.1.1 Unknown user in From header",
    "550 User unknown error in your login",
    "535 5.7.8 Unknown user",
    "530 User does not exist, log in",
    "550 5.7.1 Unknown client host",
    "550 5.7.1 Client unknown, go away",
    "550 Unknown error",
    "550 5.0.0 Unknown reason",
    "554 Unknown command",
    "550 Address family not supported: no such address",
    "550 5.3.0 No such file or directory",
    "550 5.3.0 file not found",
    "550 5.2.0 mailbox file not found: /var/mail/a",
    "550 5.3.5 user configuration not found",
    "550 5.1.1 Temporary failure: user database not found",
    "550 5.1.1 Could not verify that user exists, directory down",
    "550 user lookup failed",
    "550 5.4.4 route not found",
    "550 5.7.1 certificate not found",
    "550 5.7.1 No such sender domain",
    "550 5.1.2 Domain of sender not found",
    "550 5.7.1 Sender's MX does not exist",
    "550 5.7.1 Header To: recipient invalid syntax",
    "550 5.7.1 message-id invalid",
    "550 5.6.0 address in Reply-To does not exist",
    "550 5.7.1 IP address unknown to us",
    "550 5.7.1 Unknown network",
    "550 5.7.1 the address you send from is invalid",
    "550 5.7.1 unknown sending host",
    "550 5.7.1 Account suspended: your account has been suspended for spamming",
    "550 5.7.1 your mailbox has been disabled for sending",
    "550 5.7.1 Sender account disabled",
    "550 5.2.1 Sending disabled for this account",
    "550 5.1.1 mailbox busy or does not exist right now, retry",
    "550 5.7.1 list not found on allow list",
    "550 5.7.1 No mailbox access from your network",
    "550 5.1.1 too many unknown users, blocked",
    "550 5.1.1 harvesting: unknown users",
    "550 5.7.1 RBL lookup: address not found clean",
    "550 5.1.1 rejected: recipient unknown because greylisting database is unavailable",
    "550 5.1.1 Your domain was not found",
    "550 5.1.1 Account of the sending user is disabled",
    "550 5.2.1 Account of a@example.com temporarily disabled, try again tomorrow",
    "550 5.2.1 Mailbox disabled for incoming mail until quota is paid",
    "550 5.1.2 Host unknown: your relay",
    "550 5.1.1 unverified recipient, our checker timed out",
    "550 5.1.1 user unknown to the spam filter",
    "550 5.1.1 User unknown (LDAP server down)",
    "550 5.1.1 user database unavailable, user unknown",
    "550 5.1.1 Recipient address rejected: not in the allow list of this account",
    "550 5.1.1 Recipient address rejected: Undeliverable address: host mx[192.0.2.1] said: 451 4.3.0 try later (in reply to RCPT TO command)",
    "550 5.1.1 Recipient address rejected: unverified address: connection refused",
    "550 5.1.1 user over quota or unknown",
    "550 5.2.1 The account is blocked for outgoing mail",
    "550 5.1.1 The user's server is unreachable",
    "550 5.1.2 domain lookup timed out",
    "550 5.1.2 Domain not found, name server failure",
    "550 5.4.4 no route to host at the moment",
    "550 5.1.3 sender address syntax",
    "501 5.1.3 Bad sender address syntax",
    "550 5.1.1 relay denied, unknown user",
    "550 5.1.1 unknown user or IP blocked",
    "550 5.1.10 Null MX of the sender domain",
    "550 5.2.1 Recipient inactive since yesterday, will be reactivated",
    "550 5.1.1 mailbox unavailable: internal error",
    "550 5.1.1 no mailbox, disk failure on server",
    "550 5.1.1 User unknown; your IP reputation is too low to be told more",
    '554 5.7.1 Your message with subject "Mailbox full? User unknown? We can help!" scored 14.2 points (threshold 6.0) and was not accepted',
    "450 4.7.1 <anna@kestrel.example>: Recipient address rejected: unknown triplet (client, sender, recipient). This says nothing about the user; retry after 00:05:00",
    "552 5.7.0 File 'unknown_user_quota.xlsm' in your message is of a kind this domain does not take (macro-enabled documents)",
    "550 5.7.1 Looks forged: header From domain user-unknown.example publishes p=reject and neither identifier lined up with it",
    "550 5.7.1 A link to win.user-unknown.example in the body is on SURBL multi (abuse). The connecting IP is clean.",
    "host gate.northwind.example[192.0.2.8] said: 550 5.1.1 Backend refused: 552 5.2.2 <karl@northwind.example> has used all of his 2048 MB (in reply to end of DATA command)",
    "550-Verification failed for <news@brightsend.example>\n550-Called:   192.0.2.33\n550-Sent:     RCPT TO:<news@brightsend.example>\n550-Response: 550 5.1.1 User unknown\n550 Sender verify failed",
    "552 5.1.1 <gwen@comcast.net> recipient's storage allocation is exhausted",
    "550 5.7.1 Please see http://www.openspf.net/Why?s=mfrom;id=unknown.user%40list.example;ip=192.0.2.77;r=mx.pine.example",
    "550 5.1.1 Delivery refused by policy server: host policyd[127.0.0.1]:10031 said: 450 4.7.1 Per-recipient ceiling reached, <news@bellows.example> was sent 600 messages within the hour by various hosts",
    "450 4.7.1 <mail.unknown-user.example>: Helo command rejected: Host not found",
    "550 5.7.1 <paul@wharf.example>: STARTTLS was offered but not used. No user, good or unknown, gets mail in clear text here.",
    '554 5.7.0 Mail from 198.51.100.140 refused: sending network scores -7.4 at our sensor. "User unknown" answers you got earlier were part of the reason.',
    "550 5.1.1 Annahme verweigert: Ihre IP-Adresse 203.0.113.12 steht auf der Sperrliste ix.dnsbl.manitu.net. Der Empfänger wurde nicht geprüft.",
    "550 5.1.1 Nous n'acceptons pas de courrier pour ce domaine, ce serveur n'en est pas le MX",
    "550 5.1.1 <rossi@torrefazione.example>: il destinatario ha scelto di non ricevere posta da questo mittente",
    "5.1.0 - Unknown address error 550-'5.7.1 Connection not accepted, 198.51.100.22 is listed at b.barracudacentral.org' (delivery attempts: 0)",
    "550 5.1.1 You have addressed 25 unknown users from 203.0.113.5 within ten minutes. For one hour every RCPT from there is refused, whether the user exists or not.",
    "550 5.1.1 User unknown: <noreply@yourbrand.example>. We asked your MX about your return address and this was its answer, so your mail is refused.",
    "535 5.7.8 Unknown user 'shipping@knotwork.example' or wrong password",
    "550 5.1.1 <desk@argus.example>: has had his 2000 messages for today from all sides, nothing more goes in until midnight CET",
    "550 5.1.1 Mailbox unavailable - 198.51.100.0/24 is on our block list of networks; whether the mailbox exists was not checked",
    "550 5.1.1 <staff@granite.example>: no such address can be written to from outside the company; external senders use the web form",
    "550 5.1.1 unknown key: s1._domainkey.yourbrand.example has no record, so the signature is void and your p=reject was applied",
    "550 5.1.1 <ben@dovecote.example>: cannot be delivered to this user, the allotted 500 MB are used up",
    "550 5.1.0 Account unknown or suspended: customer 48112 may no longer send through SmartLane. The recipient was not contacted.",
    "connect to mx.user-unknown.example[192.0.2.50]:25: Connection refused",
    'Command died with status 127: "/usr/local/bin/bounce-unknown-user". Command output: sh: 1: /usr/local/bin/bounce-unknown-user: not found',
    "451 4.3.0 <anna@firma.example>: Temporary lookup failure: user unknown to local cache, directory server ldap2 not answering",
    "550 5.1.1 Too many unknown users from 192.0.2.14 in the last hour; further recipients refused until the counter resets",
    "lost connection with greylist.unknown-user.example[198.51.100.8] while receiving the initial server greeting",
    "550 5.1.1 <joe@corp.example>: mailbox exists but only accepts messages from authenticated senders of its own organisation",
    "mail for unknown-users.example loops back to myself",
    "550 5.1.8 <news@shop.example>: Sender address rejected: Please see http://www.openspf.org/why?s=mfrom;id=news%40shop.example;ip=192.0.2.4;r=mx.user-unknown.example",
    "550 5.1.1 <sales@firm.example>: Recipient address rejected: undeliverable address: host mbx.firm.example[10.2.0.3] said: 552 5.2.2 Quota exceeded (mailbox for user is full) (in reply to RCPT TO command)",
    "550 5.1.1 Recipient not authorized, your IP has been found on a block list",
    "535 5.1.1 Error: authentication failed: no such user",
    "550 5.7.1 TRANSPORT.RULES.RejectMessage; the message was rejected by organization policy 'Unknown users and full mailboxes'",
    "550 5.1.1 Empfänger <h.meier@firma.example> nimmt keine Nachrichten von externen Absendern an",
    "550 5.1.2 Message refused: URL host go.user-unknown.example in body is listed by multi.surbl.org",
    "501 5.1.7 Bad address syntax in MAIL FROM: <news@unknown_user.example>",
    "550 5.1.1 Mittente rifiutato: il dominio del mittente non esiste",
    "550 5.1.1 Получатель <ivan@primer.example> не принимает письма с вашего адреса",
    "550 5.1.1 收件人邮箱容量已满",
    "550 5.1.1 宛先は存在しますが、受信者の受信拒否設定により配信できません",
    "551 5.1.1 User not local; this host does not relay for elsewhere.example",
    "550 5.1.1 Recipient address rejected: this alias is currently deactivated by its owner",
    "550 5.1.1 <zoe@example.ie>: user lookup failed, backend database unavailable",
    "554 5.1.1 Your host has sent mail to 214 nonexistent mailboxes on our network this week and has a poor sender score",
    "554 5.7.1 <user.unknown@greylisting-tests.example>: Relay access denied",
    '550 5.7.1 Message with subject "Your mailbox is full - quota exceeded, user unknown?" was classified as spam (score 14.2, required 5.0)',
    "550-Verification failed for <news@shop.example>\n550-Called:   192.0.2.3\n550-Sent:     RCPT TO:<news@shop.example>\n550-Response: 550 5.1.1 <news@shop.example>: Recipient address rejected: User unknown in virtual mailbox table\n550 Sender verify failed",
    "552 5.1.1 hhtzumeItI371 Boite du destinataire pleine. Recipient overquota. OFR_417 [417]",
    "550 5.1.1 192.0.2.77 has exceeded the maximum number of messages allowed per hour, please try again later. IB607",
    "550 5.1.1 Rejected: 192.0.2.10 is listed at zen.spamhaus.org, see https://check.spamhaus.org/query/ip/192.0.2.10",
    "553 5.1.1 <ceo@shop.example>: Sender address rejected: not owned by user info@shop.example",
    "553 5.1.1 <jürgen@umlaut.example>: SMTPUTF8 is required, but was not offered by host mx.umlaut.example[192.0.2.88]",
    "host mx1.unknown-user.example[192.0.2.55] refused to talk to me: 554 5.7.1 Service unavailable; Client host [198.51.100.7] blocked using bl.spamcop.net; Blocked - see https://www.spamcop.net/bl.shtml?198.51.100.7",
    'Command time limit exceeded: "/usr/local/bin/spam-quota-check -u unknown.user"',
    "550 5.1.1 <bob@example.org>: Recipient address rejected: undeliverable address: mail for example.org loops back to myself",
    "550 5.1.0 <me@sender.example>: Sender address rejected: User unknown in virtual mailbox table",
    "421 4.7.0 Too many unknown users from 192.0.2.44, closing transmission channel; try again later",
    "550 5.1.1 <staff-all@uni.example>: Recipient address rejected: Access denied, only list members may post to this address",
    "450 4.1.1 <tom@example.dk>: Recipient address rejected: User unknown in local recipient table",
    "452 4.2.2 <user.unknown@isp.example>: this mailbox holds more than its owner is allowed, please send again later",
    "550 5.7.1 Message refused: the network you send from has a poor track record with us. See https://postmaster.isp.example/errors/user-unknown-or-mailbox-full.html",
    '554 5.6.0 Message with subject "Your account has been disabled - user unknown" carries two From: header fields, which RFC 5322 forbids',
    "554 5.7.1 Service unavailable; Client host [203.0.113.9] blocked using unknown-user.bl.mailguard.example; https://mailguard.example/lookup?ip=203.0.113.9",
    "452 4.2.2 Mailbox is full. If the owner does not clear it within 30 days the account will be closed and mail will bounce as user unknown",
    "host mx.firma.example[192.0.2.20] said: 550 5.1.1 <anna@firma.example>: Recipient address rejected: client 203.0.113.9 is listed at zen.spamhaus.org (in reply to RCPT TO command)",
    "SMTP error from remote mail server after RCPT TO:<tom@club.example>: host mx.club.example [192.0.2.21]: 550-Verification failed for <news@promo.example>\n550-Called:   198.51.100.4\n550-Sent:     RCPT TO:<news@promo.example>\n550-Response: 550 5.1.1 No such user here\n550 Sender verify failed",
    "ex01.corp.example #<ex01.corp.example #5.1.1 smtp; 552 The recipient's mailbox has gone over its storage limit> #SMTP#",
    "550 5.1.1 Ihre IP-Adresse 203.0.113.9 steht auf einer schwarzen Liste; das Postfach des Empfängers ist davon nicht betroffen",
    "552 5.1.1 La boîte aux lettres du destinataire est pleine, veuillez réessayer plus tard",
    "550-5.1.1 Notice: this gateway answers 550 for unknown users\n550-5.2.2 and 552 for full mailboxes.\n550 5.7.1 Your message was refused: a domain in its body is listed by SURBL",
    "SMTP error from remote mail server after end of data: host scan.isp.example [192.0.2.40]: 550 5.1.1 Message refused, content identified as spam",
    "550 5.1.1 <lena@firma.example>: Recipient address rejected: 203.0.113.9 is on our local IP blacklist",
    "550 5.1.1 <otto@post.example>: mailbox unavailable, the user has used up all of his storage",
    "450 4.1.1 <mia@kirche.example>: this sender is still unknown to our greylist, try again in ten minutes",
    "550 5.1.1 Callback to your own mail server failed: it says that <news@promo.example>, the sender of this message, has no mailbox there",
    "550 5.1.1 In the past hour you addressed too many users who do not exist; until 15:00 we refuse all your recipients, valid ones too",
    "550 5.1.1 Recipient refused this message: the body contains a phishing link",
]
"""What is missing, unknown or closed here is something else, or the server that says so is in trouble itself."""


@pytest.mark.parametrize("text", NOT_THE_RECIPIENT)
def test_no_address_is_given_up_for_what_is_missing_elsewhere(text: str):
    assert diagnose.suppression(diagnose.reply(text, status="bounced"), status="bounced") is None


@pytest.mark.parametrize(("rule", "example"), CASES)
def test_only_reasons_about_the_address_are_suppressed(rule: Rule, example: str):
    found = diagnose.suppression(diagnose.reply(example, **context(rule)), status="bounced")
    dead = {"user_unknown", "bad_address", "mailbox_disabled", "domain_not_found", "domain_no_mail"}
    assert found is None or found.reason in dead


# ---- rules of one's own


def own(tmp_path: Path, text: str) -> rules.RuleSet:
    path = tmp_path / "own.toml"
    path.write_text(text, "utf-8")
    return diagnose.load_rules(path)


OWN = '[[text]]\nid = "{id}"\nreason = "{reason}"\nany = ["purple elephants"]\nexamples = ["x"]\nsource = "ours"\n'


def test_a_rule_of_ones_own_is_tried_before_the_built_in_ones(tmp_path: Path):
    mine = own(tmp_path, OWN.format(id="mine", reason="greylisted"))
    assert diagnose.reply("550 purple elephants: mailbox full", rules=mine).rule == "mine"
    assert diagnose.reply("552 5.2.2 purple elephants: mailbox full", rules=mine).rule == "mine"
    frame = pl.DataFrame({"detail": ["550 purple elephants: mailbox full"]})
    assert diagnose.column(frame, mine)["reason"].to_list() == ["greylisted"]
    assert diagnose.column(frame)["reason"].to_list() == ["mailbox_full"]


def test_a_rule_with_the_id_of_a_built_in_one_takes_its_place(tmp_path: Path):
    mine = own(tmp_path, OWN.format(id="quota", reason="policy_rejected"))
    assert diagnose.reply("552 5.0.0 mailbox full", rules=mine).rule != "quota"
    assert diagnose.reply("552 purple elephants", rules=mine).reason == "policy_rejected"
    assert len(mine.rules) == len(RULES.rules)


def test_an_operator_of_ones_own_can_be_named(tmp_path: Path):
    text = '[operator.ours]\nhosts = ["*.mail.example"]\n[[provider]]\nid = "o"\nreason = "greylisted"\n'
    mine = own(tmp_path, text + 'provider = "ours"\ncodes = ["5"]\nexamples = ["550 x"]\nsource = "ours"\n')
    assert diagnose.reply("550 zzz", relay_name="mx1.mail.example", rules=mine).reason == "greylisted"
    assert diagnose.reply("550 zzz", relay_name="mx1.mail.example.org", rules=mine).reason == "unknown"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[[text", "not TOML"),
        ('[[words]]\nid = "a"', r"no table \[\[words\]\]"),
        (OWN.format(id="a", reason="bad_luck"), "there is no reason bad_luck"),
        (OWN.format(id="a", reason="greylisted") + "colour = 1", "there is no field colour"),
        (OWN.format(id="a", reason="greylisted").replace('["x"]', '"x"'), "examples is to be a list of texts"),
        (OWN.format(id="a", reason="greylisted").replace("purple", "(purple"), "do not close"),
        (OWN.format(id="a", reason="greylisted").replace("purple", "purple)"), "bracket is missing"),
        (OWN.format(id="a", reason="greylisted").replace("purple elephants", ""), "says nothing"),
        (OWN.format(id="a", reason="greylisted").replace("purple", "{recipient.x}"), "no words under"),
        (OWN.format(id="a", reason="greylisted") * 2, "stands twice"),
        ('[[text]]\nid = "a"\nreason = "greylisted"\nsource = "x"\nexamples = ["x"]', "no condition"),
        ('[[text]]\nid = "a"', "reason is missing"),
        (OWN.format(id="a", reason="greylisted") + 'provider = "nobody"', "no provider nobody"),
        ("[operator]\nx = 1", "has hosts and signs"),
    ],
)
def test_a_bad_rules_file_is_an_error_with_its_place(tmp_path: Path, text: str, said: str):
    with pytest.raises(QueryError, match=said) as caught:
        own(tmp_path, text)
    assert "own.toml" in str(caught.value)


def test_a_missing_rules_file_is_an_error_with_its_name(tmp_path: Path):
    with pytest.raises(QueryError, match=r"nowhere\.toml"):
        diagnose.load_rules(tmp_path / "nowhere.toml")


# ---- JSON lines


def test_json_lines_are_answered_one_by_one_in_their_order():
    asked = [
        json.dumps({"reply": "552 5.2.2 mailbox full"}),
        "no json",
        json.dumps({"reply": 5}),
        json.dumps({"reply": "550 zzz", "enhanced_code": "5.1.1", "stage": None, "relay_name": "mx.a", "extra": 1}),
        json.dumps({"reply": "550 zzz", "status": 3}),
        json.dumps([1]),
    ]
    got = [json.loads(line) for line in explain_jsonl(asked)]
    assert [g.get("reason", "error") for g in got] == [
        "mailbox_full",
        "error",
        "error",
        "user_unknown",
        "error",
        "error",
    ]
    assert [i for i, g in enumerate(got, 1) if "error" in g and f"line {i}" in g["error"]] == [2, 3, 5, 6]
    assert got[0]["rule"] == "quota"
    assert got[0]["enhanced_code_meaning"] == "the mailbox is full (trouble that stays)"


@pytest.mark.parametrize(
    ("text", "context", "actor"),
    [
        ("451 4.3.5 Server configuration problem", {"status": "temp_rejected"}, "local"),
        ("451 4.3.5 Server configuration problem", {"status": "deferred"}, "receiver"),
        ("452 4.3.1 Insufficient system storage", {"status": "temp_rejected"}, "local"),
        ("452 4.3.1 Insufficient system storage", {"status": "deferred", "relay_name": "mx.example.com"}, "receiver"),
        ("connect to 127.0.0.1[127.0.0.1]:10024: Connection refused", {"status": "deferred"}, "local"),
        ("connect to mx.example.com[192.0.2.1]:25: Connection refused", {"status": "deferred"}, "network"),
        ("connect to mx1.example.org[private/dovecot-lmtp]: Connection refused", {"status": "deferred"}, "local"),
        ("connect to mx1.example.org[/var/run/lmtp]: No such file or directory", {"status": "deferred"}, "local"),
        ("lost connection with 127.0.0.1[127.0.0.1] while sending end of data", {"status": "deferred"}, "local"),
        ("451 4.3.0 Error in processing, id=1", {"status": "deferred", "relay_name": "localhost"}, "local"),
        ("temporary failure", {"status": "deferred", "relay_name": "local", "enhanced_code": "4.3.0"}, "local"),
        ("550 5.1.1 <x@example.org>: User unknown", {"status": "bounced", "relay_name": "127.0.0.1"}, "sender"),
        ("host mx.example.com[192.0.2.1] said: 451 4.3.5 Server configuration problem (host 127.0.0.1[127.0.0.1] said: no)", {"status": "deferred"}, "receiver"),
    ],
)  # fmt: skip
def test_whether_it_is_us_or_them(text: str, context: dict[str, str], actor: str) -> None:
    found = diagnose.reply(text, **context)  # type: ignore[arg-type]
    assert found.actor == actor
    assert ("your side" in found.hint) == (actor == "receiver")
    frame = pl.DataFrame([{"detail": text, **context}])
    assert diagnose.column(frame)["actor"].to_list() == [actor]


def test_a_text_without_end_is_answered_by_its_beginning() -> None:
    """What a hostile client makes a server write is looked at only so far, in both engines."""
    text = "550 5.1.1 User unknown " + "A" * 1_000_000

    assert diagnose.reply(text).reason == "user_unknown"
    assert diagnose.column(pl.DataFrame({"detail": [text]}))["reason"].to_list() == ["user_unknown"]


def test_what_an_expiry_carries_is_told_of_an_expiry_alone() -> None:
    """Where a code that is plain decides for another reason, nothing is carried."""
    assert diagnose.reply("550 message expired in queue: mailbox full").reason_detail == "mailbox_full"
    coded = diagnose.reply("550 5.2.2 message expired in queue: mailbox full")

    assert (coded.reason, coded.reason_detail) == ("mailbox_full", None)


def test_all_words_with_a_name_are_used_by_a_phrase() -> None:
    text = (TOP / "smtplog/ask/rules/rules.toml").read_text("utf-8")

    assert [name for name in RULES.writing.words if f"{{{name}}}" not in text] == []
