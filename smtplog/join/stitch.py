"""Events -> sessions, messages, deliveries: by the roles that the format gives its kinds, block after block.

The carry from one block to the next is the events that are still open, nothing else. What begins or ends outside the
input is `is_partial`. A record leaves when its life has ended, or has been silent for `idle`, in the order of those times.
"""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Callable, Sequence
from dataclasses import astuple, dataclass, field, replace
from datetime import datetime, timedelta
from functools import partial

import polars as pl

from smtplog.contract import schema
from smtplog.contract.fields import MOMENT
from smtplog.errors import InputError
from smtplog.formats.base import Format, Kind
from smtplog.join import assemble, attempts, lives, named, saved, strangers
from smtplog.join.direction import PRIVATE_ONLY, Ours
from smtplog.join.foretold import Foretold
from smtplog.join.hops import Hops
from smtplog.join.keys import SessionKeys, tellable
from smtplog.join.logins import Logins
from smtplog.join.view import SOURCE_SHIFT, View
from smtplog.read import columns
from smtplog.read.columns import KindFrame, Parsed
from smtplog.read.detect import Place
from smtplog.read.options import IDLE
from smtplog.read.resume import Way
from smtplog.read.source import apart

GRACE = timedelta(seconds=10)
"""How late a line may come: several daemons write one log, and journald may turn lines round."""
SESSION_IDLE = timedelta(hours=1)


@dataclass
class _Thread:
    """What is open of one sort (messages or sessions): the events of each kind, oldest first."""

    sort: str
    idle: timedelta
    open: dict[str, pl.DataFrame] = field(default_factory=dict)
    now: dict[int, datetime] = field(default_factory=dict)
    first: dict[int, datetime] = field(default_factory=dict)


@dataclass
class Batch:
    """What one block completed: a frame for each table that was asked for."""

    events: pl.DataFrame | None = None
    messages: pl.DataFrame | None = None
    deliveries: pl.DataFrame | None = None
    sessions: pl.DataFrame | None = None
    attempts: pl.DataFrame | None = None
    """At single hosts: for the story of a mail, no table of the contract."""


@dataclass
class Stitcher:
    """Ties events together: `take` blocks in order, then `flush`.

    Args:
        formats: the formats whose events will come.
        wanted: for each table that is asked for, its columns (None: all of them).
        idle: how long a message may be silent before it leaves the carry.
        diagnose: frame of deliveries -> their reasons, as many rows; None: reasons stay null.
        ours: whose domains and networks are local.
        show_secrets: leave what AUTH carried as it is, where a dialogue is logged.
    """

    formats: tuple[Format, ...]
    wanted: dict[str, frozenset[str] | None]
    idle: timedelta = IDLE
    diagnose: Callable[[pl.DataFrame], pl.DataFrame] | None = None
    show_secrets: bool = False
    ours: Ours = PRIVATE_ONLY
    sources: list[str] = field(default_factory=list)
    places: list[Place] = field(default_factory=list)
    read: list[Way] = field(default_factory=list)
    """How far files were read: it travels with what is open."""
    is_several: bool = False
    """Several logs come, side by side."""
    watermark: datetime | None = None
    """Nothing that is still to come is older: a message that another host may yet tell more of waits for it."""

    def __post_init__(self) -> None:
        self._kinds: dict[tuple[str, str], Kind] = {
            (one.name, kind.name): kind for one in self.formats for kind in one.kinds
        }
        self._ids: dict[tuple[str | None, str | None], int] = {}
        self._keys = SessionKeys()
        self._logins = Logins()
        self._hops = Hops()
        self._foretold = Foretold()
        threads = (_Thread("message", self.idle), _Thread("session", SESSION_IDLE))
        self._threads = {one.sort: one for one in threads}

    def take(
        self, parsed: Parsed, source: str, events: Parsed | None = None, fuller: Sequence[KindFrame] = (), *,
        flush: bool = False,
    ) -> Callable[[], Batch]:  # fmt: skip
        """Take the next block; what it completed is made when the answer is called, in any thread, also later.

        Args:
            parsed: what `columns.parse` returned, with complete times, and without what was said before.
            source: name of the input; a new name begins a new input.
            events: all of it, for the table of events.
            fuller: copies of what was said before that say more.
            flush: nothing comes after it: give out all, as `flush` does.
        """
        if not self.sources or self.sources[-1] != source:
            self.sources.append(source)
        local = pl.Series([self._place(place) for place in parsed.places], dtype=pl.UInt32)
        number = (len(self.sources) - 1) << SOURCE_SHIFT
        head = parsed.entries.select(
            seq=pl.col("line") + number, at="at", pid="pid", place=local.gather(parsed.entries["place"])
        )
        frames = [
            (f"{one.format.name}/{one.kind.name}", one.frame.hstack(head[one.frame["row"]])) for one in parsed.kinds
        ]
        view = self._view()
        self._complete(fuller, head)
        if view.wants_session_keys:
            frames = self._keys.added(frames, view)
        if view.wants("deliveries", "auth_user"):
            frames = self._logins.added(frames, view)
        if "events" in self.wanted or view.wants("messages", "verdicts"):
            frames = list(named.with_ids(frames, self._threads["message"].open, view, GRACE))
        added: dict[str, list[pl.DataFrame]] = {}
        for label, frame in frames:
            kind = view.kind(label)
            if kind.finding and "sessions" in self.wanted:
                frame = frame.with_columns(parsed.entries["raw"].gather(frame["row"]))
            for sort, role in (("message", kind.message), ("session", kind.session)):
                if self._has(sort, kind, role):
                    if "queue_id" not in frame.columns:
                        frame = frame.with_columns(queue_id=pl.lit(None, dtype=pl.String))
                    opened = self._threads[sort].open
                    mine = tellable(frame, kind) if sort == "session" else self._with_id(frame, kind)
                    if mine.is_empty():
                        continue
                    opened[label] = pl.concat([opened[label], mine], how="diagonal") if label in opened else mine
                    if sort == "message":
                        added.setdefault(label, []).append(mine)
        self._foretold.name(self._threads["message"].open, frames, view)
        strangers.seat(self._threads["message"].open, view, GRACE)
        finish, message_keys = self._settle(view, {k: sum(map(len, v)) for k, v in added.items()}, flush=flush)
        if "events" not in self.wanted:
            return finish
        keys = _keys_of(frames, added, message_keys)
        return lambda: replace(finish(), events=columns.events(events or parsed, source, keys, self.wanted["events"]))

    def _complete(self, fuller: Sequence[KindFrame], head: pl.DataFrame) -> None:
        """Copies that say more take the place of what is still open."""
        opened = self._threads["message"].open
        for one in fuller:
            label, names = f"{one.format.name}/{one.kind.name}", ("queue_id", "at", "pid")
            if label in opened:
                frame = one.frame.hstack(head[one.frame["row"]])
                frame = frame.join(opened[label].select(names), on=names, how="semi", nulls_equal=True)
                rest = opened[label].join(frame.select(names), on=names, how="anti", nulls_equal=True)
                opened[label] = pl.concat([rest, frame], how="diagonal_relaxed")

    def flush(self) -> Batch:
        """Give out all that is still open, as it stands; `is_partial` says which had no end."""
        return self._settle(self._view(), {}, flush=True)[0]()

    def _view(self) -> View:
        return View(
            self.places, self.sources, self._kinds, self.wanted, self.formats, self.diagnose,
            show_secrets=self.show_secrets, ours=self.ours, is_several=self.is_several,
        )  # fmt: skip

    def _has(self, sort: str, kind: Kind, role: str | None) -> bool:
        if sort == "session":
            return "sessions" in self.wanted and role is not None
        if "events" in self.wanted and role is not None:
            return True
        wants = "messages" in self.wanted or "deliveries" in self.wanted
        return wants and (role is not None or (kind.delivers and "deliveries" in self.wanted))

    def _with_id(self, frame: pl.DataFrame, kind: Kind) -> pl.DataFrame:
        """Without the lines of a session that name no message, unless they are deliveries or foretell one."""
        if (
            kind.foretells
            or not kind.session
            or kind.message != "part"
            or (kind.delivers and "deliveries" in self.wanted)
        ):
            return frame
        return frame.filter(frame["queue_id"].is_not_null()) if frame["queue_id"].null_count() else frame

    def _place(self, place: Place) -> int:
        key = (place.host, place.program)
        if key not in self._ids:
            self._ids[key] = len(self.places)
            self.places.append(place)
        return self._ids[key]

    def _settle(
        self, view: View, added: dict[str, int], *, flush: bool
    ) -> tuple[Callable[[], Batch], dict[str, pl.Series]]:  # fmt: skip
        """Give out what is over, to be made up when called; and the message keys of the events just added, by label."""
        keys: dict[str, pl.Series] = {}
        messages = hosts = sessions = None
        if self._threads["message"].open:
            due, life, keys = self._divide(self._threads["message"], view, added, flush=flush)
            messages = partial(assemble.messages_and_deliveries, due, life, view, self._hops.as_now())
            hosts = partial(attempts.attempts, due, life, view)
        if self._threads["session"].open:
            due, life, _ = self._divide(self._threads["session"], view, {}, flush=flush)
            from smtplog.join import conversation  # noqa: PLC0415 - what a dialogue means takes time to load

            sessions = partial(conversation.sessions, due, life, view)

        def finish() -> Batch:
            told, tries = messages() if messages else (None, None)
            return Batch(None, told, tries, sessions() if sessions else None, hosts() if hosts else None)

        return finish, keys

    def _divide(
        self, thread: _Thread, view: View, added: dict[str, int], *, flush: bool
    ) -> tuple[dict[str, pl.DataFrame], pl.DataFrame, dict[str, pl.Series]]:
        """Part the open events into those whose life is over, with their `life`, and the carry."""
        ties = view.ties(thread.open, thread.sort)
        life, table = lives.assign(ties, GRACE, thread.idle)
        table = self._births(table, ties, thread)
        keys: dict[str, pl.Series] = {}
        if added and "events" in self.wanted:
            keys = self._message_keys(thread, life, table, view, added)
        if thread.sort == "message" and view.wants_hops:
            self._hops.learn(thread.open, life, table, view)
        table = self._due(table, thread, flush=flush)
        order = table.filter("is_due").sort("due_at", "first_seq").with_row_index("number")
        number = (
            pl.Series([None], dtype=pl.UInt32).new_from_index(0, table.height).scatter(order["life"], order["number"])
        )
        done: dict[str, pl.DataFrame] = {}
        start = 0
        for label, frame in thread.open.items():
            mine = number.gather(life.slice(start, frame.height))
            start += frame.height
            over = mine.is_not_null()
            if over.any():
                whole = frame.hstack([mine.alias("life")])
                done[label] = whole if over.all() else whole.filter(over)
                thread.open[label] = frame.clear() if over.all() else apart(frame.filter(~over))
        thread.open = {label: frame for label, frame in thread.open.items() if frame.height}
        return done, order, keys

    def _message_keys(
        self, thread: _Thread, life: pl.Series, table: pl.DataFrame, view: View, added: dict[str, int]
    ) -> dict[str, pl.Series]:  # fmt: skip
        """The message keys of the newest events of each label."""
        ids = pl.concat([frame.select("place", "queue_id") for frame in thread.open.values()])
        first = ids.with_columns(life=life).unique("life", keep="first")
        told = table.join(first, on="life", how="left", maintain_order="left")
        by_life = told.select(assemble.message_key(told, view).alias("k"))["k"]
        key, start = by_life.gather(life), 0
        out = {}
        for label, frame in thread.open.items():
            start += frame.height
            out[label] = key.slice(start - added.get(label, 0), added.get(label, 0))
        return out

    def _births(self, table: pl.DataFrame, ties: pl.DataFrame, thread: _Thread) -> pl.DataFrame:
        """Keep time, and count lives that began by themselves as started, except at the head of the log."""
        for unit, first, last in ties.group_by("unit").agg(pl.col("at").min(), last=pl.col("at").max()).iter_rows():
            if last is not None:
                thread.first.setdefault(unit, first)
                thread.now[unit] = max(thread.now.get(unit, last), last)
        first = pl.col("unit").replace_strict(thread.first, default=None, return_dtype=MOMENT)
        begins = pl.col("begins") & (pl.col("first_at") - first >= GRACE).fill_null(False)
        return table.with_columns(has_start=pl.col("has_start") | begins)

    def _due(self, table: pl.DataFrame, thread: _Thread, *, flush: bool) -> pl.DataFrame:
        wait = pl.when("has_end").then(pl.lit(GRACE)).otherwise(pl.lit(thread.idle))
        table = table.with_columns(due_at=pl.col("last_at") + wait)
        if flush:
            return table.with_columns(is_due=pl.lit(True))
        now = pl.col("unit").replace_strict(thread.now, default=None, return_dtype=MOMENT)
        if self.watermark is not None and thread.sort == "message":
            now = pl.min_horizontal(now, pl.lit(self.watermark))
        return table.with_columns(is_due=(pl.col("due_at") <= now).fill_null(False))

    def save(self) -> bytes:
        """The open state, to be loaded by a later run that reads on where this one stopped."""
        out = io.BytesIO()
        frames = {f"{sort}/{label}": f for sort, t in self._threads.items() for label, f in t.open.items()}
        frames |= {"keys": self._keys.turns, "logins": self._logins.turns}
        frames |= {f"hops.{name}": frame for name, frame in self._hops.frames().items()}
        sources = saved.renumbered(frames, self.sources)
        with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
            meta = {
                "contract": schema.VERSION,
                "tables": sorted(self.wanted),
                "ways": [astuple(way) for way in self.read],
                "sources": sources,
                "places": [[place.host, place.program] for place in self.places],
                **{
                    name: {
                        sort: {str(unit): at.isoformat() for unit, at in getattr(thread, name).items()}
                        for sort, thread in self._threads.items()
                    }
                    for name in ("now", "first")
                },
            }
            archive.writestr("state.json", json.dumps(meta))
            for name, frame in frames.items():
                packed = io.BytesIO()
                frame.write_ipc(packed)
                archive.writestr(name, packed.getvalue())
        return out.getvalue()

    def load(self, state: bytes, place: Callable[[str | None, str | None], Place]) -> None:
        """Take over what `save` gave out.

        Args:
            state: from a Stitcher that was asked for the same tables.
            place: function (host, program) -> Place, as `detect.place` finds it.

        Raises:
            InputError: it is not what a Stitcher saved, or for other tables.
        """
        try:
            with zipfile.ZipFile(io.BytesIO(state)) as archive:
                self._take_over(archive, place)
        except (zipfile.BadZipFile, LookupError, ValueError, pl.exceptions.PolarsError) as error:
            raise InputError(
                "the saved state is none of this version of smtplog; remove the file to begin anew"
            ) from error

    def _take_over(self, archive: zipfile.ZipFile, place: Callable[[str | None, str | None], Place]) -> None:
        meta = json.loads(archive.read("state.json"))
        if meta["contract"] != schema.VERSION:
            raise ValueError(meta["contract"])
        if meta["tables"] != sorted(self.wanted):
            raise InputError(
                f"the saved state is one for the tables {', '.join(meta['tables'])}: ask for the same, "
                "or keep a state of its own for others"
            )
        self.read = [Way(*way) for way in meta["ways"]]
        self.sources = [*meta["sources"], ""]  # what comes now comes later, also under the same name
        for host, program in meta["places"]:
            self._place(place(host, program))
        for name in ("now", "first"):
            for sort, thread in self._threads.items():
                times = {int(unit): datetime.fromisoformat(at) for unit, at in meta[name][sort].items()}
                setattr(thread, name, times)
        frames = {
            name: pl.read_ipc(io.BytesIO(archive.read(name))) for name in archive.namelist() if name != "state.json"
        }
        self._keys.turns, self._logins.turns = frames.pop("keys"), frames.pop("logins")
        seen = (len(meta["sources"]) << SOURCE_SHIFT) - 1
        self._hops.take_over({name: frames.pop(f"hops.{name}") for name in self._hops.frames()}, seen)
        for name, frame in frames.items():
            sort, _, label = name.partition("/")
            self._threads[sort].open[label] = frame


def _keys_of(
    frames: list[tuple[str, pl.DataFrame]], added: dict[str, list[pl.DataFrame]], message_keys: dict[str, pl.Series]
) -> pl.DataFrame:  # fmt: skip
    """For each event of a block that has one, its keys: {row, message_key, session_key}."""
    parts = [pl.DataFrame(schema={"row": pl.UInt32, "message_key": pl.String})]
    for label, mine in added.items():
        rows = pl.concat([frame.select("row", "queue_id") for frame in mine])
        rows = rows.with_columns(message_key=message_keys.get(label, pl.lit(None, dtype=pl.String)))
        parts.append(rows.filter(pl.col("queue_id").is_not_null()).drop("queue_id"))  # a name foretold comes later
    messages = pl.concat(parts).filter(pl.col("message_key").is_not_null())
    sessions = [pl.DataFrame(schema={"row": pl.UInt32, "session_key": pl.String})]
    sessions += [frame.select("row", "session_key") for _, frame in frames if "session_key" in frame.columns]
    return messages.join(pl.concat(sessions), on="row", how="full", coalesce=True)
