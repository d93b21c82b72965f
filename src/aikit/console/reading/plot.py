"""Spend and calls over time: by the hour or the day from the sums; by the minute from the attempts themselves."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
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

MINUTE = timedelta(minutes=1)
NONE: Counts = (0, 0, 0)
NO_TIME = timedelta(0)
MINUTES = 60
AGAIN = 3
"""So many of the newest minutes are read again each tick; of the others one."""
PATIENCE = 0.03
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
        self._size = 8
        self._turn = 0

    def read(self, tick: Tick, wanted: Filter) -> Plot:
        """Read what has changed or is not known yet, as far as the time allows."""
        last = tick.now.replace(second=0, microsecond=0)
        points = [last - MINUTE * back for back in range(MINUTES)]
        if wanted != self._wanted:
            self._wanted, self._known = wanted, {}
        self._known = {at: self._known[at] for at in points if at in self._known}
        clock = tick.clock.part(PATIENCE)
        self._read(tick, points[min(AGAIN, self._size) - 1], last)
        old = [at for at in points[AGAIN:] if at in self._known]
        if old:
            self._turn = (self._turn + 1) % len(old)
            self._read(tick, old[self._turn], old[self._turn])
        self._fill(tick, points, clock)
        found = [Point(at, *self._known.get(at, (None, None, None))) for at in reversed(points)]
        return Plot(60, tuple(found))

    def _fill(self, tick: Tick, points: list[datetime], clock: Clock) -> None:
        """At least a part, however busy the server is."""
        while unread := [at for at in points if at not in self._known]:
            newest, before = unread[0], clock.left
            first = max(unread[-1], newest - MINUTE * (self._size - 1))
            self._read(tick, first, newest)
            took = before - clock.left
            self._size = max(1, self._size // 2) if took > PATIENCE / 2 else min(MINUTES, self._size * 2)
            if clock.left <= 0:
                return

    def _read(self, tick: Tick, first: datetime, last: datetime) -> None:
        """The minutes from the first to the last."""
        assert self._wanted is not None
        minutes = [first + MINUTE * i for i in range((last - first) // MINUTE + 1)]
        sums = [NONE] * len(minutes)
        for table in (entries, refusals):
            for i, *counts in tick.connection.execute(_by_minute(table, minutes, self._wanted)):
                sums[i - 1] = plus(sums[i - 1], tuple(counts))
        self._known.update(zip(minutes, sums, strict=True))


def _by_minute(table: sa.Table, minutes: list[datetime], wanted: Filter) -> sa.Select[*tuple[Any, ...]]:
    """Nano-USD, calls and refusals of each minute, counted from 1: a walk down the index by time for each."""
    bounds = [sa.cast([id_at(at + later) for at in minutes], pg.ARRAY(sa.Uuid)) for later in (NO_TIME, MINUTE)]
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
