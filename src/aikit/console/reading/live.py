"""The hours in which calls still end: this one, and in its first ten minutes the one before. Read each tick."""

from __future__ import annotations

from datetime import datetime, timedelta

from aikit.console.filtering import Filter
from aikit.console.reading.line import Tick
from aikit.console.reading.sweep import HOUR, Spec, Sweep

SETTLING = timedelta(minutes=10)
"""So long after an hour its calls may still be ending, and it is read each tick."""
FIRST, RENEWED, LIVE = 0.06, 0.02, 0.02
"""Seconds of a tick for sums: for those that are waited for, for those that are summed anew, for the live hours."""
LONGEST = 3 * HOUR
MANY = 500
SECOND = timedelta(seconds=1)


class Clocks:
    """The time that a tick may spend on sums, of each kind together; and in how many parts an hour is read at first."""

    def __init__(self, tick: Tick, tenants: int) -> None:
        self.first, self.renewed = tick.clock.part(FIRST), tick.clock.part(RENEWED)
        self.parts = 1 + tenants // MANY


def hour_of(moment: datetime) -> datetime:
    """When its hour began."""
    return moment.replace(minute=0, second=0, microsecond=0)


def ended(now: datetime) -> datetime:
    """Until when all is over, and is not read each tick."""
    hour = hour_of(now)
    return hour if now - hour >= SETTLING else hour - HOUR


class Live:
    """What the live hours come to, by hour and by these columns; where there is much, it is read in a few ticks."""

    def __init__(self, by: tuple[str, ...], where: Filter) -> None:
        self.by, self.where = by, where
        self._at: datetime | None = None
        self._shown: Sweep | None = None
        self._following: Sweep | None = None

    @property
    def shown(self) -> Sweep:
        """As it was read last."""
        assert self._shown is not None
        return self._shown

    def hourly(self, now: datetime) -> int | None:
        """How many rollups an hour has, as it seems; None: nobody knows."""
        seconds = (now - self.shown.since) // SECOND * self.shown.read
        return int(self.shown.rows * 3600 / seconds) if seconds > 0 else None

    def read(self, tick: Tick, since: datetime, clocks: Clocks) -> None:
        """Read from `since` on, and at least what is live."""
        shown, since = self._shown, min(since, ended(tick.now))
        fits = shown is not None and since - LONGEST < shown.since <= since
        if fits and self._at == tick.now:
            return
        self._at = tick.now
        end = hour_of(tick.now) + HOUR
        following = self._following
        if following is None or following.since != since or following.end != end:
            spec = Spec(self.by, self.where)
            following = Sweep(spec, since, None, end, by_hour=True, parts=clocks.parts)
            following.pace(shown, None)
        following.go_on(tick.connection, tick.clock.part(LIVE) if fits else clocks.first)
        if following.complete or not fits:
            self._shown = following
        self._following = None if following.complete else following
