"""Words about a message that has no id yet: HOLD and DISCARD of an access table, before the queue file is made.

The id is the one that the same process names next, unless it refuses a recipient or ends the connection before.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import polars as pl

from smtplog.join.view import View

_SAME = ("place", "pid")
_NOBODY = pl.Series([None], dtype=pl.String)


@dataclass
class Foretold:
    """The entries whose id has not come yet, or will not come."""

    in_vain: set[int] = field(default_factory=set)
    """Places in the order of everything of those that turned out to be about no message."""

    def name(self, opened: dict[str, pl.DataFrame], frames: Sequence[tuple[str, pl.DataFrame]], view: View) -> None:
        """Give open entries the id that a new block names.

        Args:
            opened: the open events of each kind; those that foretell get their `queue_id`.
            frames: the events of the block by kind.
            view: what the numbers stand for.
        """
        mine = {label: frame for label, frame in opened.items() if view.kind(label).foretells}
        nameless = [f.filter(pl.col("queue_id").is_null()).select("seq", *_SAME) for f in mine.values()]
        waiting = pl.concat(nameless) if nameless else None
        self.in_vain &= set(waiting["seq"]) if waiting is not None else set()
        if waiting is None or waiting.height == len(self.in_vain):
            return
        waiting = waiting.filter(~pl.col("seq").is_in(list(self.in_vain)))
        turns = _turns(frames, view)
        if turns is None:
            return
        nexts = turns.filter(pl.col("pid").is_in(waiting["pid"].implode())).with_columns(turn="seq").sort("seq")
        told = waiting.sort("seq").join_asof(
            nexts, on="seq", by=list(_SAME), strategy="forward", allow_exact_matches=False,
            check_sortedness=False,
        )  # fmt: skip
        told = told.filter(pl.col("turn").is_not_null()).select("seq", "found")
        self.in_vain |= set(told.filter(pl.col("found").is_null())["seq"])
        for label, frame in mine.items():
            named = frame.join(told, on="seq", how="left", maintain_order="left")
            opened[label] = named.with_columns(pl.coalesce("queue_id", "found")).drop("found")


def _turns(frames: Sequence[tuple[str, pl.DataFrame]], view: View) -> pl.DataFrame | None:
    """{seq, place, pid, found} of all that decides: a message that starts, or else a refusal or a connection's ends."""
    told = []
    for label, frame in frames:
        kind = view.kind(label)
        if kind.message == "start" and "queue_id" in frame.columns:
            found = frame["queue_id"]
        elif kind.foretells or not (kind.delivers or kind.session in ("start", "end")):
            continue
        else:
            found = _NOBODY.new_from_index(0, frame.height)
        told.append(pl.DataFrame([frame["seq"], *(frame[name] for name in _SAME), found.alias("found")]))
    return pl.concat(told) if told else None
