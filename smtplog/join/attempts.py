"""What single hosts said before the word about a delivery: it is told in the story of a mail."""

from __future__ import annotations

import polars as pl

from smtplog.contract.records import Delivery
from smtplog.join.assemble import message_key, shape
from smtplog.join.view import Frames, View, line_of


def attempts(events: Frames, table: pl.DataFrame, view: View) -> pl.DataFrame | None:
    """The attempts at single hosts for the messages of these lives, where the table `attempts` is asked for.

    Args:
        events: for each kind its events, with `life` = the row in `table`.
        table: the lives.
        view: what the numbers stand for.

    Returns:
        Columns of a delivery without those of a recipient: an attempt is for all whom the message takes to that host.
        None: there are none. The reason is that of a deferral with these words.
    """
    mine = [frame for label, frame in events.items() if view.kind(label).is_attempt]
    if "attempts" not in view.wanted or not mine:
        return None
    tried = pl.concat(mine, how="diagonal").filter(pl.col("queue_id").is_not_null()).sort("seq")
    tried = tried.with_columns(table[name].gather(tried["life"]) for name in ("first_at", "has_start"))
    tried = tried.with_columns(
        message_key=message_key(tried, view), source=view.source(tried), line=line_of(pl.col("seq"))
    )
    if view.diagnose:
        tried = tried.hstack(view.diagnose(tried.with_columns(status=pl.lit("deferred"))))
    return shape(tried, view.columns("attempts", Delivery), Delivery)
