"""Sums over a period that are right every tick, however many rollups it has.

Hours that are over are summed once a generation, over several ticks if need be; a new generation begins a minute after
the last was whole, and takes its place when it is whole itself. The hours that calls still end in are read each tick.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from fractions import Fraction
from heapq import nsmallest
from itertools import islice
from time import monotonic
from typing import Any, NamedTuple

from aikit.console.filtering import NOTHING, Filter
from aikit.console.reading.line import Tick
from aikit.console.reading.live import Clocks, Live, ended, hour_of
from aikit.console.reading.sweep import CALLS, HOUR, NANO, NOTHING_COUNTED, REFUSED, Counts, Key, Spec, Sweep, plus

RENEWED = timedelta(seconds=60)
"""So long after a generation was whole the next one begins."""
MANY = 2_000
"""Groups that take time to put in order."""
MOST_FILTERS = 4
RESTS = 30
"""So many times as long as it takes to put many groups in order, the order stands while more are read."""


class Digest(NamedTuple):
    """What groups that fit come to: the keys with the dearest first, their sums, and what each tenant has spent."""

    keys: list[Key]
    totals: Counts
    spent: dict[str, int]


class Fresh(NamedTuple):
    """The same of the hours that are read each tick: what they add to which key, what each tenant has spent in this
    hour and in the one before, and nano-USD, calls and refusals by the hour.
    """

    groups: dict[Key, Counts]
    totals: Counts
    spent: dict[str, int]
    this_hour: dict[str, int]
    last_hour: dict[str, int]
    hours: dict[datetime, Counts]


class Sums:
    """The sums over one period, by the columns of `live`, the first of which is the tenant or the prompt.

    Its `where` picks in SQL; what else a filter names is picked from the keys.
    """

    def __init__(self, live: Live) -> None:
        self.live, self.by, self.where = live, live.by, live.where
        self.at: datetime | None = None
        self._whole: Sweep | None = None
        self._whole_at: datetime | None = None
        self._building: Sweep | None = None
        self._waited = True
        """There was no time left in the last tick: in this one a slice is read, anyway."""
        self._digests: dict[Filter, tuple[Sweep, int, Digest, float]] = {}
        self._freshes: dict[Filter, tuple[tuple[Any, ...], Fresh, float]] = {}
        self._dearest: dict[tuple[Filter, int], tuple[Digest, Fresh, list[tuple[Key, Counts]], int]] = {}
        self._fits: dict[tuple[Filter, Key], bool] = {}

    def advance(self, tick: Tick, since: datetime, plotted: Filter | None, clocks: Clocks) -> None:
        """Read what is due at this tick, for sums since then. `plotted` None: nobody looks at the sums by the hour."""
        if self.at == tick.now:
            return
        self.at = tick.now
        if plotted is None:
            plotted = self._whole.spec.plotted if self._whole else NOTHING
        spec = Spec(self.by, self.where, plotted)
        swapped = self._swap(tick.now)
        self._plan(spec, since, max(since, ended(tick.now)), tick.now)
        self.live.read(tick, self._base.end, clocks)
        if self._building is not None and not self._building.slices:
            self._building.pace(self._whole, self.live.hourly(tick.now))
        clock = clocks.renewed if self._whole else clocks.first
        if self._building is None or swapped:
            return
        self._waited = clock.left <= 0 and not self._waited and self._building.slices > 0
        if not self._waited:
            self._building.go_on(tick.connection, clock)
        if len(self._building.groups) <= MANY or self._base.since != since:
            self._swap(tick.now)

    def _swap(self, now: datetime) -> bool:
        """Put what is whole in its place. Where it is much, that waits for the next tick, as to order it takes time."""
        if self._building is None or not self._building.complete:
            return False
        self._whole, self._whole_at, self._building = self._building, now, None
        return True

    def _plan(self, spec: Spec, since: datetime, closed: datetime, now: datetime) -> None:
        whole, building = self._whole, self._building
        if building is not None and (building.since, building.spec) != (since, spec):
            building = self._building = None
        if building is not None:
            return
        stands = whole is not None and (whole.since, whole.spec) == (since, spec) and self._whole_at is not None
        if not stands or not timedelta(0) <= now - (self._whole_at or now) < RENEWED:
            self._building = Sweep(spec, since, closed, closed, by_hour=False)

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
        return min(self._base.read, self.live.shown.read)

    def hours(self, wanted: Filter = NOTHING) -> tuple[dict[datetime, Counts], datetime]:
        """Nano-USD, calls and refusals by the hour of what is plotted, and the hour from which on all is read."""
        base = self._building if self._building and self._base.spec != self._building.spec else self._base
        fresh = {hour: counts for hour, counts in self.fresh(wanted).hours.items() if hour >= base.end}
        return base.hours | fresh, base.top

    def totals(self, wanted: Filter = NOTHING) -> Counts:
        """What all that fits comes to."""
        return plus(self._digest(wanted).totals, self.fresh(wanted).totals)

    def spent(self, wanted: Filter = NOTHING) -> dict[str, int]:
        """What each tenant has spent on what fits, in nano-USD; with 0 for those whose calls cost nothing."""
        found = dict(self._digest(wanted).spent)
        for tenant, nano in self.fresh(wanted).spent.items():
            found[tenant] = found.get(tenant, 0) + nano
        return found

    def dearest(self, wanted: Filter, most: int) -> tuple[list[tuple[Key, Counts]], int]:
        """The keys that fit with what they come to, the dearest first, so many at most; and how many there are."""
        digest, fresh = self._digest(wanted), self.fresh(wanted)
        known = self._dearest.get((wanted, most))
        if known is None or known[0] is not digest or known[1] is not fresh:
            if len(self._dearest) > MOST_FILTERS:
                self._dearest.clear()
            known = self._dearest[wanted, most] = digest, fresh, *self._ordered(digest.keys, fresh.groups, most)
        return known[2:]

    def _ordered(self, keys: list[Key], fresh: dict[Key, Counts], most: int) -> tuple[list[tuple[Key, Counts]], int]:
        groups = self._base.groups
        found = [(key, plus(groups[key], counts) if key in groups else counts) for key, counts in fresh.items()]
        new = sum(key not in groups for key in fresh)
        others = islice((key for key in keys if key not in fresh), most)
        found += [(key, groups[key]) for key in others]
        return nsmallest(most, found, key=lambda one: (-one[1][NANO], one[0])), len(keys) + new

    def fresh(self, wanted: Filter = NOTHING) -> Fresh:
        """What the live hours come to."""
        assert self.at is not None
        live, hour, since = self.live.shown, hour_of(self.at), self._base.end
        state = live, live.slices, hour, since
        known, began = self._freshes.get(wanted), monotonic()
        if known is None or (known[0] != state and (live.complete or began >= known[2])):
            if len(self._freshes) > MOST_FILTERS:
                self._freshes.clear()
            fresh = _fresh(self._fitting(live.by_hours, wanted), hour, since)
            known = self._freshes[wanted] = state, fresh, began + RESTS * (monotonic() - began)
        return known[1]

    def _fitting(self, hours: dict[datetime, dict[Key, Counts]], wanted: Filter) -> dict[datetime, dict[Key, Counts]]:
        if not wanted:
            return hours
        return {
            hour: {key: counts for key, counts in groups.items() if self._fit(wanted, key)}
            for hour, groups in hours.items()
        }

    def _digest(self, wanted: Filter) -> Digest:
        base = self._base
        known = self._digests.get(wanted)
        began = monotonic()
        stands = known is not None and known[0] is base and (known[1] == base.slices or began < known[3])
        if known is None or not stands or (base.complete and known[1] != base.slices):
            groups = base.groups
            if wanted:
                groups = {key: counts for key, counts in groups.items() if self._fit(wanted, key)}
            if len(self._digests) > MOST_FILTERS:
                self._digests.clear()
            keys = [key for _, key in sorted([(-counts[NANO], key) for key, counts in groups.items()])]
            digest, took = Digest(keys, _total(groups.values()), _by_first(groups.items())), monotonic() - began
            known = self._digests[wanted] = base, base.slices, digest, began + RESTS * took
        return known[2]

    def _fit(self, wanted: Filter, key: Key) -> bool:
        if not wanted:
            return True
        known = self._fits.get((wanted, key))
        if known is None:
            if len(self._fits) > 200_000:
                self._fits.clear()
            known = self._fits[wanted, key] = wanted.fits(named(self.by, key))
        return known


def _fresh(hours: dict[datetime, dict[Key, Counts]], hour: datetime, since: datetime) -> Fresh:
    groups: dict[Key, Counts] = {}
    for at in sorted(hours):
        if at < since:
            continue
        groups = hours[at] if not groups else _merged(groups, hours[at])
    totals = {at: _total(found.values()) for at, found in hours.items()}
    return Fresh(
        groups,
        _total(groups.values()),
        _by_first(groups.items()),
        _by_first(hours.get(hour, {}).items()),
        _by_first(hours.get(hour - HOUR, {}).items()),
        {at: (counts[NANO], counts[CALLS], counts[REFUSED]) for at, counts in totals.items()},
    )


def _merged(one: dict[Key, Counts], other: dict[Key, Counts]) -> dict[Key, Counts]:
    found = dict(one)
    for key, counts in other.items():
        found[key] = plus(found[key], counts) if key in found else counts
    return found


def _by_first(groups: Iterable[tuple[Key, Counts]]) -> dict[str, int]:
    found: dict[str, int] = {}
    for key, counts in groups:
        found[key[0]] = found.get(key[0], 0) + counts[NANO]
    return found


def _total(rows: Iterable[Counts]) -> Counts:
    return tuple([sum(column) for column in zip(*rows, strict=True)]) or NOTHING_COUNTED


def named(by: tuple[str, ...], key: Key) -> dict[str, Any]:
    """The columns of a key by the names that a filter uses; what is empty is not there."""
    return {name: value for name, value in zip(by, key, strict=True) if value}
