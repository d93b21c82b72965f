"""Spend and calls over time: by the hour or the day from the sums; by the minute from the attempts themselves."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from functools import reduce
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql as pg

from aikit.console.filtering import Filter
from aikit.console.model import Period, Plot, Point
from aikit.console.reading.clock import Clock
from aikit.console.reading.line import Tick
from aikit.console.reading.sweep import HOUR, Counts, plus
from aikit.console.reading.terms import Fields, conditions
from aikit.ledger.reading import id_at
from aikit.ledger.tables import entries, refusals

SECOND, MINUTE = timedelta(seconds=1), timedelta(minutes=1)
NONE: Counts = (0, 0, 0)
NO_TIME = timedelta(0)
STEP = timedelta(seconds=10)
MINUTES, STEPS = 60, 6
"""Minutes that are shown, and steps that each is read in."""
AGAIN, RECENT = 3, 18
"""So many of the newest steps are read again each tick; of the other recent ones one, and of those before a minute."""
PATIENCE = 0.03
ATTEMPTS = 5_000
"""So many attempts are meant to be read at once: that takes some ten milliseconds."""
WORDS = ("tenant", "feature", "provider", "model")
_NAMES = {"user": "user_id"}


def hourly(
    period: Period, now: datetime, since: datetime, hours: Mapping[datetime, Counts], read_from: datetime
) -> Plot:
    """Points of an hour, or of a day for more than a day, from sums by the hour that are read from `read_from` on."""
    step = HOUR if period in (Period.TODAY, Period.DAY) else timedelta(days=1)
    sums: dict[datetime, Counts] = {}
    for hour, counts in hours.items():
        at = hour if step == HOUR else hour.replace(hour=0)
        sums[at] = plus(sums.get(at, NONE), counts)
    points, at = [], since
    while at <= now:
        read = at >= read_from
        points.append(Point(at, *sums.get(at, NONE)) if read else Point(at, None, None, None))
        at += step
    return Plot(int(step.total_seconds()), tuple(points))


class Minutes:
    """The last sixty minutes, remembered from tick to tick. A call counts in the minute in which its id was made."""

    def __init__(self) -> None:
        self._wanted: Filter | None = None
        self._known: dict[datetime, Counts] = {}
        self._size = STEPS
        self._turn = 0

    def read(self, tick: Tick, wanted: Filter) -> Plot:
        """Read what has changed or is not known yet, as far as the time allows."""
        now = tick.now.replace(microsecond=0)
        last = now.replace(second=now.second - now.second % (STEP // SECOND))
        minutes = [now.replace(second=0) - MINUTE * back for back in range(MINUTES)]
        steps = [last - STEP * back for back in range((last - minutes[-1]) // STEP + 1)]
        if wanted != self._wanted:
            self._wanted, self._known = wanted, {}
        self._known = {at: self._known[at] for at in steps if at in self._known}
        clock = tick.clock.part(PATIENCE)
        self._read(tick, [*steps[:AGAIN], *self._whose_turn(steps)])
        self._fill(tick, steps, clock)
        found = [Point(at, *self._sum(at, last)) for at in reversed(minutes)]
        return Plot(60, tuple(found))

    def _whose_turn(self, steps: list[datetime]) -> list[datetime]:
        """Steps in which a call that took long may have ended since they were read."""
        self._turn += 1
        recent = [at for at in steps[AGAIN:RECENT] if at in self._known]
        old = [at for at in steps[RECENT:] if at in self._known]
        first = self._turn * STEPS % len(old) if old else 0
        return [*(recent[self._turn % len(recent) :][:1] if recent else ()), *old[first : first + STEPS]]

    def _fill(self, tick: Tick, steps: list[datetime], clock: Clock) -> None:
        """At least a part, however busy the server is."""
        while unread := [at for at in steps if at not in self._known][: self._size]:
            self._read(tick, unread)
            attempts = sum(self._known[at][1] + self._known[at][2] for at in unread)
            if attempts > 2 * ATTEMPTS:
                self._size = max(1, self._size // 2)
            elif attempts < ATTEMPTS:
                self._size = min(MINUTES * STEPS, self._size * 2)
            if clock.left <= 0:
                return

    def _read(self, tick: Tick, steps: list[datetime]) -> None:
        assert self._wanted is not None
        sums = [NONE] * len(steps)
        for table in (entries, refusals):
            for i, *counts in tick.connection.execute(_by_step(table, steps, self._wanted)):
                sums[i - 1] = plus(sums[i - 1], tuple(counts))
        self._known.update(zip(steps, sums, strict=True))

    def _sum(self, minute: datetime, last: datetime) -> Counts | tuple[None, None, None]:
        """What a minute came to up to the last step."""
        steps = [at for i in range(STEPS) if (at := minute + STEP * i) <= last]
        found = [self._known[at] for at in steps if at in self._known]
        return reduce(plus, found) if len(found) == len(steps) else (None, None, None)


def _by_step(table: sa.Table, steps: list[datetime], wanted: Filter) -> sa.Select[*tuple[Any, ...]]:
    """Nano-USD, calls and refusals of each step, counted from 1: a walk down the index by time for each."""
    bounds = [sa.cast([id_at(at + later) for at in steps], pg.ARRAY(sa.Uuid)) for later in (NO_TIME, STEP)]
    spans = sa.func.unnest(*bounds).table_valued("first", "after", with_ordinality="i", name="spans").render_derived()
    fields: Fields = {name: table.c[_NAMES.get(name, name)] for name in (*WORDS, "user", "environment", "prompt")}
    if table is entries:
        sums = [entries.c.nano, sa.case((entries.c.seq == 0, 1), else_=0), sa.literal(0)]
    else:
        sums = [sa.literal(0), sa.literal(0), sa.literal(1)]
    total = [sa.func.coalesce(sa.func.sum(each), 0).cast(sa.BigInteger).label(f"s{i}") for i, each in enumerate(sums)]
    within = table.c.attempt >= spans.c.first, table.c.attempt < spans.c.after
    each = sa.select(*total).where(*within, *conditions(wanted, fields, words=WORDS)).lateral("each")
    return sa.select(spans.c.i, *each.c).select_from(spans.join(each, sa.true()))
