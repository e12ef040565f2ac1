"""What makes, checks, queues and ends a message: cleanup, pickup, qmgr, bounce."""

from __future__ import annotations

from smtplog.formats.base import Constant, Instead, Lookup, Split, Step, fixed, kind
from smtplog.formats.postfix.words import (
    CLEANUP,
    DISCARDED,
    HELD,
    LOCAL_AGENTS,
    QMGR,
    REJECTED,
    REPLY_STATUS,
    SMTP,
    VERB_STAGE,
)

_NOTIFIERS = ("bounce", "defer", "trace")
# What the message says is no reason: where the table gives none, the part that was looked at stands for it.
_CHECKED: tuple[Step, ...] = (Split("checked_content", ("subject_checked",)), Instead("detail", "checked_part"))
# src/global/cleanup_strerror.c: `message content rejected` where the table gives no code.
_CHECK_REPLY: tuple[Step, ...] = (
    Split("detail", ("check_reply",)),
    Constant("enhanced_code", "5.7.1"),
    Lookup("enhanced_code", "status", REPLY_STATUS, letters=1),
)
_MILTER: tuple[Step, ...] = (
    Lookup("verb", "stage", VERB_STAGE),
    Lookup("enhanced_code", "status", REPLY_STATUS, letters=1),
)
_EOD = Constant("stage", "end_of_data")

LIFE = (
    fixed("queued", by=QMGR, hot=True, message="part", queues=True, sure=("sender",)),
    fixed("removed", by=QMGR, hot=True, message="end"),
    fixed("message_id", "message_id_seen", by=CLEANUP, hot=True, message="begin"),
)
"""The hot ones: they come before everything else."""

KINDS = (
    kind("queued", "queued_loose", "queued_bare", by=QMGR, message="part", queues=True, sure=("sender",)),
    fixed("expired", by=QMGR, message="part", for_all="expired"),
    fixed("picked_up", by=("pickup",), message="start", origin="local"),
    fixed("requeued", by=("pickup",), message="start", origin="requeue"),
    kind(
        "content_reject", "content_reject", "mime_reject", by=CLEANUP, message="end", delivers=True,
        steps=(*_CHECKED, *_CHECK_REPLY, *REJECTED, _EOD),
    ),
    kind(
        "content_discard", by=CLEANUP, message="end", delivers=True,
        steps=(*_CHECKED, *DISCARDED, _EOD),
    ),
    kind(
        "content_hold", by=CLEANUP, message="part", delivers=True,
        steps=(*_CHECKED, *HELD, _EOD),
    ),
    kind("content_action", by=CLEANUP, steps=_CHECKED, message="part"),
    kind(
        "milter_message_reject", "milter_reject", "milter_reject_message", "milter_reject_early", "milter_reject_bare",
        by=CLEANUP, message="end", delivers=True,
        steps=(
            *_MILTER, Lookup("reply_code", "status", REPLY_STATUS, letters=1), *REJECTED,
        ),
    ),
    kind(
        "milter_hold", by=(*CLEANUP, "smtpd"), message="part", delivers=True,
        steps=(_MILTER[0], *HELD),
    ),
    kind(
        "milter_discard", "milter_discard", "milter_discard_early", by=(*CLEANUP, "smtpd"), message="part", delivers=True,
        steps=(_MILTER[0], *DISCARDED),
    ),
    fixed("message_id", "resent_message_id", by=CLEANUP, message="begin"),
    fixed("cancelled", "cleanup_removed", by=CLEANUP, message="end"),
    fixed("skipped", by=QMGR, message="part", queues=True),
    fixed("bounce_failed", by=(*QMGR, *SMTP, *LOCAL_AGENTS, *_NOTIFIERS), message="part"),
    fixed("notification", "notification", "notification_masked", by=_NOTIFIERS, message="part", hands_over="bounce"),
    kind("notification_failed", by=_NOTIFIERS, message="part"),
)  # fmt: skip
