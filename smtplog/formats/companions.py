"""What filters, milters, policy servers and Dovecot write into the MTA's log. Shapes: grammars/companions.lark.

They have no messages of their own: where they name a queue id or a message id, they tell more of the MTA's.
"""

from __future__ import annotations

from functools import partial

from smtplog.formats.base import Constant, Format, Lookup, Split, Step, kind

AMAVIS = ("amavis", "amavisd", "amavisd-new")
RSPAMD = ("rspamd", "rspamd_proxy")
DKIM = ("opendkim",)
DMARC = ("opendmarc",)
SPF = ("policyd-spf", "policy-spf")
GREY = ("postgrey",)
FIREWALL = ("postfwd", "postfwd2", "postfwd3")
SPAMD = ("spamd", "spamc", "spamass-milter")
CLAMAV = ("clamav-milter", "clamd", "clamsmtpd")
DOVECOT = ("dovecot", "dovecot-lda", "dovecot-lmtp")
_ANY = (*AMAVIS, *RSPAMD, *DKIM, *DMARC, *SPF, *GREY, *FIREWALL, *SPAMD, *CLAMAV, *DOVECOT)


part = partial(kind, message="part")
"""What is said of a message."""


def _by(program: str) -> Constant:
    return Constant("verdict_program", program)


_AMAVIS: tuple[Step, ...] = (
    _by("amavis"),
    *(Split("detail", (f"amavis_{part}",)) for part in ("queue", "message", "next", "score", "size", "envelope")),
)
_SPAM_FLAG = Lookup("spam_flag", "verdict", {"Y": "spam", ".": "ham"})

KINDS = (
    part("amavis_verdict", "amavis_passed", by=AMAVIS, steps=_AMAVIS, hands_over="reinjection"),
    kind("amavis_forwarded", by=AMAVIS, steps=(Split("detail", ("amavis_forwarded_as",)),)),
    kind("amavis_note", "amavis_continued", "amavis_note", by=AMAVIS),
    part("rspamd_verdict", "rspamd", by=RSPAMD, steps=(_by("rspamd"),)),
    kind("rspamd_note", by=RSPAMD),
    part("dkim_signed", by=DKIM, steps=(_by("opendkim"), Constant("verdict", "signed"))),
    part(
        "dkim_verdict", "dkim_verified", "dkim_client", "dkim_key", "dkim_external", "dkim_signature", "dkim_ssl",
        by=DKIM, steps=(_by("opendkim"),)
    ),
    part("dkim_note", "dkim_header", by=DKIM),
    part("dmarc_verdict", "dmarc", "dmarc_spf", by=DMARC, steps=(_by("opendmarc"),)),
    part("dmarc_note", "dmarc_ignored", by=DMARC),
    kind(
        "spf_verdict", "spf_checked", "spf_policy", "spf_mechanism", "spf_comment", "spf_rejected",
        by=SPF, steps=(_by("policyd-spf"),)
    ),
    kind("spf_note", by=SPF),
    part("greylist_verdict", "greylisted", "greylist", "grey_delayed", by=GREY, steps=(_by("postgrey"),)),
    kind("greylist_note", "grey_database", "grey_note", by=GREY),
    kind("firewall_note", "firewall", by=FIREWALL),
    part(
        "spam_verdict", "spam_result", by=SPAMD, steps=(_by("spamd"), _SPAM_FLAG, Split("detail", ("spam_message",)))
    ),
    part("spam_verdict", "spam_identified", by=SPAMD, steps=(_by("spamd"),)),
    kind("spam_note", "spam_processing", "spam_note", by=SPAMD),
    part("virus_verdict", "virus_found", by=CLAMAV, steps=(_by("clamav-milter"), Constant("verdict", "infected"))),
    kind("virus_scan", "virus_scanned", by=CLAMAV, steps=(_by("clamd"),)),
    kind("debug", "mailbox_debug", by=DOVECOT),
    part("mailbox_saved", by=DOVECOT, steps=(_by("dovecot"),)),
    kind("mailbox_changed", "mailbox_changed", "mailbox_changed_otherwise", by=DOVECOT),
    kind("other", "mailbox_other", by=DOVECOT),
    kind("mailbox_refused", "mailbox_refused", "mailbox_refused_unnamed", by=DOVECOT, login_failed="server"),
    kind(
        "mailbox_auth_failed", "mailbox_mismatch", "mailbox_unknown", "mailbox_mismatch_named", "mailbox_unknown_named",
        by=DOVECOT, login_failed="database"
    ),
    kind("mailbox_auth", "mailbox_auth", "mailbox_auth_named", by=DOVECOT),
    kind("mailbox_login", "mailbox_login", "mailbox_ended", by=DOVECOT),
    kind("mailbox_note", "mailbox_note", "mailbox_level", by=DOVECOT),
)  # fmt: skip

FORMAT = Format(
    name="companions",
    title="amavis, rspamd, OpenDKIM, OpenDMARC, policyd-spf, postgrey, SpamAssassin, ClamAV, Dovecot",
    grammar="companions",
    programs=(*_ANY, *(f"postfix/{name}" for name in (*SPF, *GREY, *FIREWALL))),
    kinds=KINDS,
    joins=True,
)
