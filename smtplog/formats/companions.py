"""What filters, milters, policy servers and Dovecot write into the MTA's log. Shapes: grammars/companions.lark.

They have no messages of their own: where they name a queue id or a message id, they tell more of the MTA's.
"""

from __future__ import annotations

from smtplog.formats.base import Constant, Format, Kind, Lookup, Split, Step

AMAVIS = ("amavis", "amavisd", "amavisd-new")
RSPAMD = ("rspamd", "rspamd_proxy")
SPF = ("policyd-spf", "policy-spf")
GREY = ("postgrey",)
FIREWALL = ("postfwd", "postfwd2", "postfwd3")
SPAMD = ("spamd", "spamc", "spamass-milter")
CLAMAV = ("clamav-milter", "clamd", "clamsmtpd")
DOVECOT = ("dovecot", "dovecot-lda", "dovecot-lmtp")
_ANY = (*AMAVIS, *RSPAMD, "opendkim", "opendmarc", *SPF, *GREY, *FIREWALL, *SPAMD, *CLAMAV, *DOVECOT)


def _by(program: str) -> Constant:
    return Constant("verdict_program", program)


_AMAVIS: tuple[Step, ...] = (
    _by("amavis"),
    *(Split("detail", (f"amavis_{part}",)) for part in ("queue", "message", "next", "score", "size", "envelope")),
)
_SPAM_FLAG = Lookup("spam_flag", "verdict", {"Y": "spam", ".": "ham"})

KINDS = (
    Kind(
        "amavis_verdict", ("amavis_passed",), AMAVIS, _AMAVIS, may_refuse=True, message="part", hands_over="reinjection"
    ),
    Kind(
        "amavis_forwarded", ("amavis_forwarded",), AMAVIS, (Split("detail", ("amavis_forwarded_as",)),), may_refuse=True
    ),
    Kind("amavis_note", ("amavis_continued", "amavis_note"), AMAVIS, may_refuse=True),
    Kind("rspamd_verdict", ("rspamd",), RSPAMD, (_by("rspamd"),), may_refuse=True, message="part"),
    Kind("rspamd_note", ("rspamd_note",), RSPAMD, may_refuse=True),
    Kind(
        "dkim_signed",
        ("dkim_signed",),
        ("opendkim",),
        (_by("opendkim"), Constant("verdict", "signed")),
        may_refuse=True,
        message="part",
    ),
    Kind(
        "dkim_verdict",
        ("dkim_verified", "dkim_client", "dkim_key", "dkim_external", "dkim_signature"),
        ("opendkim",),
        (_by("opendkim"),),
        may_refuse=True,
        message="part",
    ),
    Kind("dkim_note", ("dkim_header",), ("opendkim",), may_refuse=True, message="part"),
    Kind("dmarc_verdict", ("dmarc", "dmarc_spf"), ("opendmarc",), (_by("opendmarc"),), may_refuse=True, message="part"),
    Kind("dmarc_note", ("dmarc_ignored",), ("opendmarc",), may_refuse=True, message="part"),
    Kind(
        "spf_verdict",
        ("spf_checked", "spf_policy", "spf_mechanism", "spf_comment", "spf_rejected"),
        SPF,
        (_by("policyd-spf"),),
        may_refuse=True,
    ),
    Kind("spf_note", ("spf_note",), SPF, may_refuse=True),
    Kind(
        "greylist_verdict",
        ("greylisted", "greylist", "grey_delayed"),
        GREY,
        (_by("postgrey"),),
        may_refuse=True,
        message="part",
    ),
    Kind("greylist_note", ("grey_database", "grey_note"), GREY, may_refuse=True),
    Kind("firewall_note", ("firewall",), FIREWALL, may_refuse=True),
    Kind(
        "spam_verdict",
        ("spam_result",),
        SPAMD,
        (_by("spamd"), _SPAM_FLAG, Split("detail", ("spam_message",))),
        may_refuse=True,
        message="part",
    ),
    Kind("spam_verdict", ("spam_identified",), SPAMD, (_by("spamd"),), may_refuse=True, message="part"),
    Kind("spam_note", ("spam_processing", "spam_note"), SPAMD, may_refuse=True),
    Kind(
        "virus_verdict",
        ("virus_found",),
        CLAMAV,
        (_by("clamav-milter"), Constant("verdict", "infected")),
        may_refuse=True,
        message="part",
    ),
    Kind("virus_scan", ("virus_scanned",), CLAMAV, (_by("clamd"),), may_refuse=True),
    Kind("mailbox_saved", ("mailbox_saved",), DOVECOT, (_by("dovecot"),), may_refuse=True, message="part"),
    Kind("mailbox_auth", ("mailbox_auth", "mailbox_auth_named"), DOVECOT, may_refuse=True),
    Kind("mailbox_login", ("mailbox_login", "mailbox_ended"), DOVECOT, may_refuse=True),
    Kind("mailbox_note", ("mailbox_note", "mailbox_level"), DOVECOT, may_refuse=True),
)

FORMAT = Format(
    name="companions",
    title="amavis, rspamd, OpenDKIM, OpenDMARC, policyd-spf, postgrey, SpamAssassin, ClamAV, Dovecot",
    grammar="companions",
    programs=(*_ANY, *(f"postfix/{name}" for name in (*SPF, *GREY, *FIREWALL))),
    kinds=KINDS,
    joins=True,
)
