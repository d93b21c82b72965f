"""Sums over a period that are right every tick, however many rollups it has.

Hours that are over are summed once a generation, over several ticks if need be; a new generation begins a minute after
the last was whole, and takes its place when it is whole itself. The hours that calls still end in are read each tick.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from fractions import Fraction
from heapq import nsmallest
from typing import Any, NamedTuple

from aikit.console.filtering import NOTHING, Filter
from aikit.console.reading.line import Tick
from aikit.console.reading.sweep import HOUR, NANO, Clock, Counts, Key, Spec, Sweep

RENEWED = timedelta(seconds=60)
"""So long after a generation was whole the next one begins."""
SETTLING = timedelta(minutes=10)
"""So long after an hour its calls may still be ending, and it is read each tick."""
FIRST, NEXT = 0.1, 0.03
"""Seconds of a tick for a generation: for the first, which is waited for, and for others."""


class Digest(NamedTuple):
    """What groups that fit come to: the keys with the dearest first, their sums, and what each tenant has spent."""

    keys: list[Key]
    totals: Counts
    spent: dict[str, int]


class Sums:
    """The sums by these columns, the first of which is the tenant or the prompt, over one period.

    `where` picks in SQL; what else a filter names is picked from the keys.
    """

    def __init__(self, by: tuple[str, ...], where: Filter = NOTHING) -> None:
        self.by, self.where = by, where
        self.at: datetime | None = None
        self._whole: Sweep | None = None
        self._whole_at: datetime | None = None
        self._building: Sweep | None = None
        self._live: Sweep | None = None
        self._next_live: Sweep | None = None
        self._digests: dict[Filter, tuple[Sweep, int, Digest]] = {}
        self._fits: dict[tuple[Filter, Key], bool] = {}

    def advance(self, tick: Tick, since: datetime, plotted: Filter | None, clock: Clock) -> None:
        """Read what is due at this tick, for sums since then. `plotted` None: nobody looks at the sums by the hour."""
        if self.at == tick.now:
            return
        self.at = tick.now
        if plotted is None:
            plotted = self._whole.spec.plotted if self._whole else NOTHING
        spec = Spec(self.by, self.where, plotted)
        hour = tick.now.replace(minute=0, second=0, microsecond=0)
        ended = hour if tick.now - hour >= SETTLING else hour - HOUR
        closed = max(since, ended)
        self._plan(spec, since, closed, tick.now)
        if self._building is not None:
            self._building.go_on(tick.connection, clock if self._whole else Clock(FIRST), like=self._whole)
            if self._building.complete:
                self._whole, self._whole_at, self._building = self._building, tick.now, None
        self._read_live(tick, spec, min(self._base.end, ended))

    def _plan(self, spec: Spec, since: datetime, closed: datetime, now: datetime) -> None:
        whole, building = self._whole, self._building
        if building is not None and (building.since, building.spec) != (since, spec):
            building = self._building = None
        if building is not None:
            return
        stands = whole is not None and (whole.since, whole.spec) == (since, spec) and self._whole_at is not None
        if not stands or not timedelta(0) <= now - (self._whole_at or now) < RENEWED:
            self._building = Sweep(spec, since, closed, closed, by_hour=False)

    def _read_live(self, tick: Tick, spec: Spec, since: datetime) -> None:
        following = self._next_live
        hour = tick.now.replace(minute=0, second=0, microsecond=0)
        if following is None or (following.spec, following.since) != (spec, since) or following.end != hour + HOUR:
            following = Sweep(spec, since, None, hour + HOUR, by_hour=True)
        first = self._live is None or self._live.spec != spec or self._live.since != since
        following.go_on(tick.connection, Clock(FIRST if first else NEXT), like=self._live)
        if following.complete or first:
            self._live = following
        self._next_live = None if following.complete else following

    @property
    def _base(self) -> Sweep:
        base = self._whole or self._building
        assert base is not None
        return base

    @property
    def since(self) -> datetime:
        return self._base.since

    @property
    def read(self) -> Fraction:
        """How much of the period is read yet, 1 for all."""
        return self._base.read if self._live is None or self._live.complete else min(self._base.read, self._live.read)

    def hours(self) -> tuple[dict[datetime, Counts], datetime]:
        """Nano-USD, calls and refusals by the hour of what is plotted, and the hour from which on all is read."""
        assert self._live is not None
        base = self._building if self._building and self._base.spec != self._building.spec else self._base
        found = dict(base.hours)
        found.update({hour: counts for hour, counts in self._live.hours.items() if hour >= base.end})
        return found, base.top

    def live(self, wanted: Filter = NOTHING) -> Iterator[tuple[datetime, Key, Counts]]:
        """The hours that are read each tick, by hour and key, of what fits."""
        assert self._live is not None
        for (hour, *key), counts in self._live.groups.items():
            if self._fit(wanted, tuple(key)):
                yield hour, tuple(key), counts

    def totals(self, wanted: Filter = NOTHING) -> Digest:
        """What fits; the keys without an order."""
        digest, fresh = self._digest(wanted), self._fresh(wanted)
        totals, spent = list(digest.totals), dict(digest.spent)
        keys = list(digest.keys)
        for key, counts in fresh.items():
            totals = [a + b for a, b in zip(totals, counts, strict=True)]
            spent[key[0]] = spent.get(key[0], 0) + counts[NANO]
            if key not in self._base.groups:
                keys.append(key)
        return Digest(keys, totals, spent)

    def dearest(self, wanted: Filter, most: int) -> tuple[list[tuple[Key, Counts]], int]:
        """The keys that fit with what they come to, the dearest first, so many at most; and how many there are."""
        digest, fresh = self._digest(wanted), self._fresh(wanted)
        groups = self._base.groups
        found: list[tuple[Key, Counts]] = []
        new = 0
        for key, counts in fresh.items():
            known = groups.get(key)
            new += known is None
            found.append((key, counts if known is None else [a + b for a, b in zip(known, counts, strict=True)]))
        others = 0
        for key in digest.keys:
            if others == most:
                break
            if key not in fresh:
                found.append((key, groups[key]))
                others += 1
        return nsmallest(most, found, key=lambda one: (-one[1][NANO], one[0])), len(digest.keys) + new

    def _digest(self, wanted: Filter) -> Digest:
        base = self._base
        known = self._digests.get(wanted)
        if known is None or known[0] is not base or known[1] != base.slices:
            fitting = [(key, counts) for key, counts in base.groups.items() if self._fit(wanted, key)]
            fitting.sort(key=lambda one: (-one[1][NANO], one[0]))
            spent: dict[str, int] = {}
            for key, counts in fitting:
                spent[key[0]] = spent.get(key[0], 0) + counts[NANO]
            columns = zip(*[counts for _, counts in fitting], strict=True)
            totals = [sum(column) for column in columns] or [0] * 9
            if len(self._digests) > 4:
                self._digests.clear()
            known = self._digests[wanted] = base, base.slices, Digest([key for key, _ in fitting], totals, spent)
        return known[2]

    def _fresh(self, wanted: Filter) -> dict[Key, Counts]:
        """What the live hours add to each key."""
        found: dict[Key, Counts] = {}
        since = self._base.end
        for hour, key, counts in self.live(wanted):
            if hour >= since:
                known = found.get(key)
                found[key] = counts if known is None else [a + b for a, b in zip(known, counts, strict=True)]
        return found

    def _fit(self, wanted: Filter, key: Key) -> bool:
        if not wanted:
            return True
        known = self._fits.get((wanted, key))
        if known is None:
            if len(self._fits) > 200_000:
                self._fits.clear()
            known = self._fits[wanted, key] = wanted.fits(named(self.by, key))
        return known


def named(by: tuple[str, ...], key: Key) -> dict[str, Any]:
    """The columns of a key by the names that a filter uses; what is empty is not there."""
    return {name: value for name, value in zip(by, key, strict=True) if value}
