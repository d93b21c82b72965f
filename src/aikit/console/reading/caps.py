"""The limits of all tenants, resolved anew when a policy has changed; and the budget that the header shows.

Where there are many tenants, neither is done in one tick: what is not known yet is said to be unknown.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Collection, Iterable, Mapping
from datetime import datetime, timedelta
from fractions import Fraction
from itertools import islice
from typing import NamedTuple

from aikit.console.model import Budget
from aikit.console.reading.clock import Clock
from aikit.console.reading.line import Tick
from aikit.ledger.caps import changed_since, limits_of, slots_of, some_tenants, tenant_names
from aikit.ledger.limits import opened, standing
from aikit.ledger.limits_in_force import Slot, Tenant
from aikit.policy.windows import bounds
from aikit.types import Action, Limit, Metric, Window

BUDGETED = (Window.DAY, Window.MONTH)
RESOLVED, STOOD = 0.015, 0.015
"""Seconds of a tick for resolving limits, and for looking where the caps of a budget stand."""
PART, FEW = 80, 100
"""So many tenants are resolved together; and the caps of so many are looked at each tick, anyway."""
LOOKED_AT = timedelta(seconds=5)
"""Where more have a cap, each is looked at anew so often, as far as the time allows."""
AT_ONCE = 50
"""So many limits that no call has come to since they were stated are counted from the ledger in one tick."""
COUNTED_FOR = timedelta(seconds=60)
Rate = Callable[[str], int | None]
"""What a tenant spends, in nano-USD an hour."""
Capped = tuple[str, Limit]
"""A tenant and one of its limits."""


class Stood(NamedTuple):
    """How much of a limit was used, when it was looked at."""

    at: datetime
    limit: Limit
    used: int


class Caps:
    """The limits in force, and where they stand."""

    def __init__(self) -> None:
        self.limits: dict[str, tuple[Limit, ...]] = {}
        self.version: int | None = None
        self.names: list[str] = []
        """All tenants, those included whose limits are not resolved yet."""
        self._tenants: dict[str, Tenant] = {}
        self._due: deque[str] = deque()
        self._lowest: dict[Window, dict[str, Limit]] = {window: {} for window in BUDGETED}
        self._stood: dict[Window, dict[str, Stood]] = {window: {} for window in BUDGETED}
        self._unopened: dict[Capped, tuple[datetime, Slot]] = {}

    @property
    def tenants(self) -> Collection[Tenant]:
        """Those whose limits are resolved."""
        return self._tenants.values()

    def refresh(self, tick: Tick) -> None:
        """Learn whose limits a policy that has changed since changes, and resolve some of them anyway."""
        if tick.policy_version != self.version:
            self._plan(tick)
        self._resolve(tick, tick.clock.part(RESOLVED))

    def go_on(self, tick: Tick) -> None:
        """Resolve what is left of them, as far as the time allows."""
        if tick.clock.left > 0:
            self._resolve(tick, tick.clock)

    def _resolve(self, tick: Tick, clock: Clock) -> None:
        while self._due:
            part = list(islice(self._due, PART))
            for tenant in some_tenants(tick.connection, part):
                self._tenants[tenant.name] = tenant
                self.limits[tenant.name] = limits = limits_of(tenant)
                for window, lowest in self._lowest.items():
                    _put(lowest, tenant.name, _lowest(limits, window))
            for _ in part:
                self._due.popleft()
            if clock.left <= 0:
                return

    def _plan(self, tick: Tick) -> None:
        """Whose limits have to be resolved; nothing is forgotten until they are, but tenants that are gone."""
        changed = None if self.version is None else changed_since(tick.connection, self.version)
        names = tenant_names(tick.connection)
        known = set(names)
        for name in self.limits.keys() - known:
            del self.limits[name], self._tenants[name]
            for lowest in self._lowest.values():
                lowest.pop(name, None)
        due = names if changed is None else [*[name for name in self._due if name in known], *(changed & known)]
        self._due = deque(dict.fromkeys(due))
        self.names, self.version = names, tick.policy_version
        self._unopened.clear()

    def standings(self, tick: Tick, wanted: list[Capped]) -> list[Slot | None]:
        """Where these stand. What no call has opened is counted from the ledger, a few at a time; None: not yet."""
        slots = slots_of(tick.connection, wanted)
        missing = [one for one, slot in zip(wanted, slots, strict=True) if slot is None]
        due = [one for one in missing if not self._counted(one, tick.now)][:AT_ONCE]
        for one, slot in zip(due, opened(tick.connection, due, tick.now), strict=True):
            self._unopened[one] = tick.now, slot
        found: list[Slot | None] = []
        for one, known in zip(wanted, slots, strict=True):
            counted = self._unopened.get(one) if known is None else None
            found.append(counted[1] if counted else known)
        return found

    def _counted(self, one: Capped, now: datetime) -> bool:
        known = self._unopened.get(one)
        return known is not None and timedelta(0) <= now - known[0] < COUNTED_FOR

    def budget(
        self, tick: Tick, tenants: Iterable[str], spending: Iterable[str], rate: Rate
    ) -> tuple[Budget | None, Fraction]:
        """Of these tenants, by their caps on the money of a day, or, if none has one, of a month; None: no caps.

        And how much of what it takes to know that is known: below 1, None says nothing.
        """
        resolved = Fraction(len(self.names) - len(self._due), len(self.names)) if self.names else Fraction(1)
        shown = list(tenants)
        for window in BUDGETED:
            lowest = self._lowest[window]
            wanted = {name: lowest[name] for name in shown if name in lowest}
            if wanted:
                stood, share = self._look(tick, window, wanted)
                whole = share == 1 and len(self.limits) == len(self.names)
                budget = _budget(tick, window, stood, list(spending), rate) if whole else None
                return budget, resolved * share
        return None, resolved

    def _look(self, tick: Tick, window: Window, wanted: dict[str, Limit]) -> tuple[dict[str, Stood], Fraction]:
        """Where those stand for which that is known, and of how many it is; it is looked again where it is oldest."""
        known, clock, many = self._stood[window], tick.clock.part(STOOD), len(wanted) > FEW
        new = [name for name, limit in wanted.items() if name not in known or known[name].limit != limit]
        old = {name: known[name].at for name in wanted.keys() - set(new)}
        due = [name for name, at in old.items() if not many or not timedelta(0) <= tick.now - at < LOOKED_AT]
        names = [*new, *sorted(due, key=lambda name: old[name])]
        while names:
            part, names = names[:FEW], names[FEW:]
            limits = [(name, wanted[name]) for name in part]
            for (name, limit), slot in zip(limits, self.standings(tick, limits), strict=True):
                known[name] = Stood(tick.now, limit, 0 if slot is None else standing(limit, slot, tick.now)[0])
            if clock.left <= 0:
                break
        unknown = set(new).intersection(names)
        return {name: known[name] for name in wanted if name not in unknown}, 1 - Fraction(len(unknown), len(wanted))


def _budget(tick: Tick, window: Window, stood: Mapping[str, Stood], spending: Collection[str], rate: Rate) -> Budget:
    """Of those that stand so."""
    limits = [found.limit for found in stood.values()]
    first = _first_reached(tick.now, stood, rate)
    softest = [limit.cap if limit.soft_cap is None else limit.soft_cap for limit in limits]
    return Budget(
        window=window.value,
        spent=sum(found.used for found in stood.values()),
        cap=sum(limit.cap for limit in limits),
        soft_cap=sum(softest) if any(limit.soft_cap is not None for limit in limits) else None,
        tenants=len(stood),
        uncapped=len(set(spending) - stood.keys()),
        reached_at=first[0],
        by=first[1],
    )


def _first_reached(now: datetime, stood: Mapping[str, Stood], rate: Rate) -> tuple[datetime, str] | tuple[None, None]:
    """When the first of them is reached, and whose: by the tenants' names where several are at once."""
    coming = []
    for name, (_, limit, used) in stood.items():
        left, hourly = max(0, limit.cap - used), rate(name) or 0
        if not left or hourly > 0:
            coming.append((left * 3600 // hourly if left else 0, name))
    for _, name in sorted(coming):
        at = reached_at(stood[name].limit, stood[name].used, rate(name), now)
        if at is not None:
            return at, name
    return None, None


def _put(into: dict[str, Limit], name: str, limit: Limit | None) -> None:
    if limit is None:
        into.pop(name, None)
    else:
        into[name] = limit


def _caps(limit: Limit, window: Window) -> bool:
    return (
        limit.subject == ""
        and limit.window is window
        and limit.metric is Metric.CREDITS
        and limit.action is Action.BLOCK
    )


def _lowest(limits: Iterable[Limit], window: Window) -> Limit | None:
    """The lowest of the caps is the one that counts."""
    return min([limit for limit in limits if _caps(limit, window)], key=lambda limit: limit.cap, default=None)


def reached_at(limit: Limit, used: int, rate: int | None, now: datetime) -> datetime | None:
    """When the cap is reached at this rate; None: not within the window, or nobody knows."""
    if used >= limit.cap:
        return now
    if not rate or rate < 0:
        return None
    end = bounds(limit.window, now, limit.zone, limit.anchor)[1]
    seconds = (limit.cap - used) * 3600 // rate
    if end is None or seconds >= (end - now).total_seconds():
        return None
    return now + timedelta(seconds=seconds)


def nearest(limits: Iterable[Limit], feature: str) -> list[Limit]:
    """The caps on money over time that calls with this feature count for, whoever makes them."""
    subjects = {"", f"feature={feature}"}
    return [
        limit
        for limit in limits
        if limit.subject in subjects
        and limit.metric is Metric.CREDITS
        and limit.action is Action.BLOCK
        and limit.window not in (Window.CALL, Window.MINUTE)
    ]
