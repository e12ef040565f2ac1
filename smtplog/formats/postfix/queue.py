"""What makes, checks, queues and ends a message: cleanup, pickup, qmgr, bounce."""

from __future__ import annotations

from smtplog.formats.base import Constant, Instead, Kind, Lookup, Split, Step
from smtplog.formats.postfix.words import CLEANUP, LOCAL_AGENTS, QMGR, REPLY_STATUS, SMTP, VERB_STAGE

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
    Kind("queued", ("queued",), QMGR, hot=True, message="part", queues=True, sure=("sender",)),
    Kind("removed", ("removed",), QMGR, hot=True, message="end"),
    Kind("message_id", ("message_id_seen",), CLEANUP, hot=True, message="begin"),
)
"""The hot ones: they come before everything else."""

KINDS = (
    Kind(
        "queued", ("queued_loose", "queued_bare"), QMGR, may_refuse=True, message="part", queues=True, sure=("sender",)
    ),
    Kind("expired", ("expired",), QMGR, message="part", for_all="expired"),
    Kind("picked_up", ("picked_up",), ("pickup",), message="start", origin="local"),
    Kind("requeued", ("requeued",), ("pickup",), message="start", origin="requeue"),
    Kind(
        "content_reject",
        ("content_reject", "mime_reject"),
        CLEANUP,
        (*_CHECKED, *_CHECK_REPLY, Constant("status", "rejected"), Constant("action", "reject"), _EOD),
        may_refuse=True,
        message="end",
        delivers=True,
    ),
    Kind(
        "content_discard",
        ("content_discard",),
        CLEANUP,
        (*_CHECKED, Constant("status", "discarded"), Constant("action", "discard"), _EOD),
        may_refuse=True,
        message="end",
        delivers=True,
    ),
    Kind(
        "content_hold",
        ("content_hold",),
        CLEANUP,
        (*_CHECKED, Constant("status", "held"), Constant("action", "hold"), _EOD),
        may_refuse=True,
        message="part",
        delivers=True,
    ),
    Kind("content_action", ("content_action",), CLEANUP, _CHECKED, may_refuse=True, message="part"),
    Kind(
        "milter_message_reject",
        ("milter_reject", "milter_reject_message", "milter_reject_early", "milter_reject_bare"),
        CLEANUP,
        (
            *_MILTER,
            Lookup("reply_code", "status", REPLY_STATUS, letters=1),
            Constant("status", "rejected"),
            Constant("action", "reject"),
        ),
        may_refuse=True,
        message="end",
        delivers=True,
    ),
    Kind(
        "milter_hold",
        ("milter_hold",),
        (*CLEANUP, "smtpd"),
        (_MILTER[0], Constant("status", "held"), Constant("action", "hold")),
        may_refuse=True,
        message="part",
        delivers=True,
    ),
    Kind(
        "milter_discard",
        ("milter_discard", "milter_discard_early"),
        (*CLEANUP, "smtpd"),
        (_MILTER[0], Constant("status", "discarded"), Constant("action", "discard")),
        may_refuse=True,
        message="part",
        delivers=True,
    ),
    Kind("message_id", ("resent_message_id",), CLEANUP, message="begin"),
    Kind("cancelled", ("cleanup_removed",), CLEANUP, message="end"),
    Kind("skipped", ("skipped",), QMGR, message="part", queues=True),
    Kind("bounce_failed", ("bounce_failed",), (*QMGR, *SMTP, *LOCAL_AGENTS, *_NOTIFIERS), message="part"),
    Kind("notification", ("notification", "notification_masked"), _NOTIFIERS, message="part", hands_over="bounce"),
    Kind("notification_failed", ("notification_failed",), _NOTIFIERS, may_refuse=True, message="part"),
)
