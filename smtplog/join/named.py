"""Words of other programs that name a message by its Message-ID alone: mailbox servers, spam filters.

They belong to the message of the same host that last said so, and is not gone for longer than a line may be late. With a
Message-ID shared by several (copies, what a filter handed back) the latest is meant. Who names no host means the only one
that says the Message-ID in the same input.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any

import polars as pl

from smtplog.contract.fields import MOMENT
from smtplog.join.view import View

_WORD: Mapping[str, Any] = {
    "unit": pl.UInt32, "message_id": pl.String, "queue_id": pl.String, "seq": pl.Int64, "at": MOMENT,
}  # fmt: skip
Events = Sequence[tuple[str, pl.DataFrame]]


def with_ids(frames: Events, opened: Mapping[str, pl.DataFrame], view: View, grace: timedelta) -> Events:
    """The events of a block, by kind, those words with the `queue_id` of their message where it is known.

    Args:
        frames: the events of the block.
        opened: the open events of messages from before.
        view: what the numbers stand for.
        grace: how late a line may be.
    """
    if not any(_speaks(label, frame, view) for label, frame in frames):
        return frames
    every = [*opened.items(), *frames]
    said = _words(every, view, lambda label: view.kind(label).message in ("start", "begin"), "message_id")
    ends = _words(every, view, lambda label: view.kind(label).message == "end", "queue_id")
    return [
        (label, _named(frame, said, ends, view, grace) if _speaks(label, frame, view) else frame)
        for label, frame in frames
    ]


def _speaks(label: str, frame: pl.DataFrame, view: View) -> bool:
    kind = view.kind(label)
    return kind.message == "part" and view.format(label).joins and "message_id" in frame.columns


def _words(every: Events, view: View, fits: Any, by: str) -> pl.DataFrame:
    """Of all events of some kinds whose message they are of, in order."""
    parts = [pl.DataFrame(schema=_WORD)]
    for label, frame in every:
        if fits(label) and not view.format(label).joins and {"queue_id", by} <= set(frame.columns):
            told = frame.with_columns(unit=view.of_place(frame, "queue_unit")).filter(pl.col(by).is_not_null())
            parts.append(told.select(name for name in _WORD if name in told.columns))
    return pl.concat(parts, how="diagonal").filter(pl.col("queue_id").is_not_null()).sort("seq")


def _named(frame: pl.DataFrame, said: pl.DataFrame, ends: pl.DataFrame, view: View, grace: timedelta) -> pl.DataFrame:
    if "queue_id" not in frame.columns:
        frame = frame.with_columns(queue_id=pl.lit(None, dtype=pl.String))
    rows = frame.select("seq", "at", "message_id", unit=view.of_place(frame, "queue_unit")).with_row_index("row")
    if view.has_strangers:
        rows = rows.with_columns(
            _only_unit(rows, said, view).zip_with(view.of_place(frame, "host").is_null(), rows["unit"])
        )
    rows = rows.sort("seq").join_asof(
        said.select("unit", "message_id", "seq", found="queue_id", found_seq="seq"),
        on="seq", by=["unit", "message_id"], check_sortedness=False,
    )  # fmt: skip
    rows = rows.join_asof(
        ends.select("unit", "seq", found="queue_id", end_seq="seq", end_at="at"),
        on="seq", by=["unit", "found"], check_sortedness=False,
    )  # fmt: skip
    is_gone = (pl.col("end_seq") > pl.col("found_seq")) & (pl.col("at") - pl.col("end_at") > grace)
    found = rows.with_columns(found=pl.when(~is_gone.fill_null(False)).then("found")).sort("row")["found"]
    return frame.with_columns(pl.coalesce("queue_id", found))


def _only_unit(rows: pl.DataFrame, said: pl.DataFrame, view: View) -> pl.Series:
    """For each word the only queue that its Message-ID is said of in the same input; null: of none, or of several."""
    by = ["input", "message_id"]
    units = said.with_columns(view.input(said)).group_by(by).agg(pl.col("unit").unique())
    sure = units.filter(pl.col("unit").list.len() == 1)
    asked = rows.select(view.input(rows), "message_id")
    return asked.join(sure, on=by, how="left", maintain_order="left")["unit"].list.first()
