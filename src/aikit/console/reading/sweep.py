"""One walk through the rollups of a span of hours, the newest first, slice by slice, as far as the time allows.

A slice is some hours, or, where there is much, a part of the tenants in the hours of a day: as much as can be read in a
few milliseconds, and comes to few sums.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from fractions import Fraction
from functools import lru_cache
from time import monotonic
from typing import Any, NamedTuple

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql as pg

from aikit.console.filtering import NOTHING, Filter
from aikit.console.reading.clock import Clock
from aikit.console.reading.terms import Fields, conditions
from aikit.ledger.tables import rollups, tenants

HOUR = timedelta(hours=1)
ROWS = 4_000
"""So many rollups a slice is meant to have: they are read in about ten milliseconds."""
LONG, SMALL = 0.06, 500
"""Seconds that no slice is meant to take, wherever its rollups are, unless it has few of them."""
LARGEST, LONGEST = 1024, 24
"""Hours in a slice, and in one that has only a part of the tenants."""
FEW_PARTS, MOST_PARTS = 32, 256
"""So many slices the hours of a day are read in; and if need be an hour."""
COUNTED = 100_000
"""So many rollups of an hour are counted to find parts of one size; beyond, tenants are."""
COUNTS = ("calls", "refused", "failed", "input", "cached", "output", "nano", "estimated", "unpriced")
CALLS, REFUSED, FAILED, INPUT, CACHED, OUTPUT, NANO, ESTIMATED, UNPRICED = range(len(COUNTS))
SUMMED: Mapping[str, tuple[str, ...]] = {
    "input": (
        "input",
        "cache_read",
        "cache_write_5m",
        "cache_write_1h",
        "input_audio",
        "input_image",
        "cache_read_audio",
    ),
    "cached": ("cache_read", "cache_read_audio"),
    "output": ("output", "reasoning", "output_audio", "output_image"),
}
"""The columns that a count is the sum of, where it is not one of its own."""
FIELDS: Fields = {
    "tenant": rollups.c.tenant,
    "user": sa.func.nullif(rollups.c.user_id, ""),
    "feature": sa.func.nullif(rollups.c.feature, ""),
    "environment": rollups.c.environment,
    "provider": rollups.c.provider,
    "model": rollups.c.model,
    "prompt": sa.func.nullif(rollups.c.prompt, ""),
}
Key = tuple[str, ...]
Counts = tuple[int, ...]
NOTHING_COUNTED: Counts = (0,) * len(COUNTS)


class Spec(NamedTuple):
    """What is summed: by which columns, and of which rollups. `plotted` is what counts for the sums by the hour, whose
    words without a field are looked for in the columns.
    """

    by: tuple[str, ...]
    where: Filter = NOTHING
    plotted: Filter = NOTHING


class Sweep:
    """Sums from `since` until before `until` (None: without an end) by key, and by hour of what is plotted.

    With `by_hour` it is by hour and key instead. `slices` counts what was read, so that who computes something from it
    knows whether that still holds, and `rows` how many rollups that was. `parts` is in how many slices an hour is read
    at first.
    """

    def __init__(
        self, spec: Spec, since: datetime, until: datetime | None, end: datetime, *, by_hour: bool, parts: int = 1
    ) -> None:
        self.spec, self.since, self.until, self.by_hour = spec, since, until, by_hour
        self.groups: dict[Key, Counts] = {}
        self.hours: dict[datetime, Counts] = {}
        self.by_hours: dict[datetime, dict[Key, Counts]] = {}
        self.slices = self.rows = 0
        self.end = self.top = max(since, end)
        """All from `top` on is read."""
        self._size, self._parts, self._part, self._rows = 2 if parts == 1 else 1, parts, 0, 0
        self._longest = 1 if by_hour else LONGEST
        self._hourly: int | None = None
        self._bounds: dict[int, list[str | None]] = {}

    @property
    def complete(self) -> bool:
        return self.top <= self.since

    @property
    def read(self) -> Fraction:
        hours = (self.end - self.since) // HOUR
        span = (self.top - self._bottom) // HOUR
        done = (self.end - self.top) // HOUR + span * Fraction(self._part, self._parts)
        return done / hours if hours else Fraction(1)

    @property
    def _bottom(self) -> datetime:
        """Where the hours begin that are read now."""
        return max(self.since, self.top - self._size * HOUR)

    def pace(self, like: Sweep | None, hourly: int | None) -> None:
        """Begin with slices as large as those of one that has gone the same way before, or as fits so many rollups."""
        self._hourly = hourly
        if like is not None:
            self._size, self._parts = like._size, like._parts
        elif hourly is not None:
            fit = ROWS // max(1, hourly)
            self._size = min(LARGEST, fit) if fit > 1 else max(1, min(self._longest, ROWS * FEW_PARTS // hourly))
            self._parts = max(1, min(MOST_PARTS, -(-self._size * hourly // ROWS)))

    def go_on(self, connection: sa.Connection, clock: Clock) -> None:
        """Read on until all is read or the time is over; one slice at least."""
        while not self.complete:
            began = monotonic()
            rows = self._slice(connection)
            self._adapt(rows, monotonic() - began)
            if clock.left <= 0:
                return

    def _slice(self, connection: sa.Connection) -> int:
        """Returns how many rollups it had."""
        since, low, high = self._bottom, None, None
        if self._parts > 1:
            low, high = self._ranges(connection)[self._part : self._part + 2]
        open_end = self.until is None and self.top == self.end
        by_list = self._parts > 1 and not open_end
        hours = [since + i * HOUR for i in range((self.top - since) // HOUR)]
        given: dict[str, Any] = {"since": since} if open_end else {"since": since, "until": self.top}
        given = {"hours": hours} if by_list else given
        query = _query(self.spec, self.by_hour, tuple(given), low is not None, high is not None)
        given |= {"low": low, "high": high}
        named = {name: value for name, value in given.items() if value is not None}
        width = 2 + len(self.spec.by)
        last = width + len(COUNTS)
        rows = 0
        for row in connection.execute(query, named).all():
            if self.by_hour:
                _add(self.by_hours.setdefault(row[1], {}), row[2:width], row[width:-1])
                rows += row[-1]
            elif row[0]:
                _add(self.hours, row[1], row[last:-1])
                rows += row[-1]
            else:
                _add(self.groups, row[2:width], row[width:last])
        self.slices, self.rows = self.slices + 1, self.rows + rows
        self._part += 1
        if self._part >= self._parts:
            self.top, self._part = since, 0
        return rows

    def _ranges(self, connection: sa.Connection) -> list[str | None]:
        """Names between which the tenants are so many parts; None: no bound."""
        if self._parts not in self._bounds:
            busy = (self._hourly or 0) > COUNTED
            self._bounds[self._parts] = _bounds(connection, self._parts, None if busy else self.top - HOUR)
        return self._bounds[self._parts]

    def _adapt(self, rows: int, seconds: float) -> None:
        """By how much there is, and by how long it took, which is long where others are at work."""
        self._rows += rows
        if self._part:
            return
        rows, self._rows = self._rows // self._parts, 0
        if rows > ROWS * 1.5 or (seconds > LONG and rows > SMALL):
            if self._parts == MOST_PARTS or (self._parts == 1 and self._size > self._longest):
                self._size = max(1, self._size // 2)
            else:
                self._parts = min(MOST_PARTS, self._parts * 2)
        elif rows < ROWS / 2:
            if self._parts > 1:
                self._parts //= 2
            else:
                self._size = min(LARGEST, self._size * 2)


def _add(to: dict[Any, Counts], key: Any, counts: Counts) -> None:
    known = to.get(key)
    to[key] = counts if known is None else plus(known, counts)


def plus(one: Counts, other: Counts) -> Counts:
    """The one and the other, count by count."""
    return tuple([a + b for a, b in zip(one, other, strict=True)])


def _bounds(connection: sa.Connection, parts: int, hour: datetime | None) -> list[str | None]:
    """Names between which so many parts had about as many rollups in this hour; or, without one, have as many tenants.

    Of a tenant that has more than a part, the next parts are empty.
    """
    table, within = (tenants, []) if hour is None else (rollups, [rollups.c.hour == hour])
    rank = sa.func.ntile(parts).over(order_by=table.c.tenant).label("part")
    ranked = sa.select(table.c.tenant, rank).where(*within).subquery()
    last = sa.select(sa.func.max(ranked.c.tenant)).group_by(ranked.c.part).order_by(ranked.c.part)
    inner = list(connection.execute(last).scalars())[: parts - 1]
    return [None, *inner, *[inner[-1] if inner else ""] * (parts - 1 - len(inner)), None]


@lru_cache(maxsize=256)
def _query(spec: Spec, by_hour: bool, given: tuple[str, ...], low: bool, high: bool) -> sa.Select[*tuple[Any, ...]]:
    """Rows of a key have 0 in front, those of an hour 1; NULL is what a row is not about."""
    columns = [rollups.c[name] for name in spec.by]
    words = [name for name in FIELDS if _column_of(name) in spec.by]
    plotted = conditions(spec.plotted, FIELDS, words=words)
    each = [sa.func.sum(_count(name)).cast(sa.BigInteger) for name in COUNTS]
    if by_hour:
        query = sa.select(sa.literal(0), rollups.c.hour, *columns, *each, sa.func.count()).group_by(
            rollups.c.hour, *columns
        )
    else:
        shown = [sa.func.sum(rollups.c[name]).filter(sa.true(), *plotted) for name in ("nano", "calls", "refused")]
        of_hour = [sa.func.coalesce(one, 0).cast(sa.BigInteger) for one in shown]
        query = sa.select(sa.func.grouping(columns[0]), rollups.c.hour, *columns, *each, *of_hour, sa.func.count())
        query = query.group_by(sa.func.grouping_sets(sa.tuple_(*columns), sa.tuple_(rollups.c.hour)))
    hour = rollups.c.hour
    if "hours" in given:
        query = query.where(hour == sa.func.any(sa.bindparam("hours", type_=pg.ARRAY(hour.type))))
    else:
        query = query.where(hour >= sa.bindparam("since", type_=hour.type))
    if "until" in given:
        query = query.where(hour < sa.bindparam("until", type_=hour.type))
    query = query.where(*conditions(spec.where, FIELDS))
    if low:
        query = query.where(rollups.c.tenant > sa.bindparam("low", type_=sa.Text))
    if high:
        query = query.where(rollups.c.tenant <= sa.bindparam("high", type_=sa.Text))
    return query


def _count(name: str) -> sa.ColumnElement[int]:
    first, *rest = [rollups.c[column] for column in SUMMED.get(name, (name,))]
    return sum(rest, start=first)


def _column_of(field: str) -> str:
    return "user_id" if field == "user" else field
