"""The limits of all tenants, resolved anew when a policy has changed; and the budget that the header shows."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from datetime import datetime, timedelta

from aikit.console.model import Budget
from aikit.console.reading.line import Tick
from aikit.ledger.caps import Resolved, all_limits, all_tenants, slots_of
from aikit.ledger.limits import opened, standing
from aikit.ledger.limits_in_force import Slot, Tenant
from aikit.policy.windows import bounds
from aikit.types import Action, Limit, Metric, Window

BUDGETED = (Window.DAY, Window.MONTH)
FEW, LOOKED_AT = 200, timedelta(seconds=5)
"""Where more tenants have a cap, the budget is looked at anew so often."""
AT_ONCE = 50
"""So many limits that no call has come to since they were stated are counted from the ledger in one tick."""
COUNTED_FOR = timedelta(seconds=60)
Rate = Callable[[str], int | None]
"""What a tenant spends, in nano-USD an hour."""


class Caps:
    """The limits in force, and where they stand."""

    def __init__(self) -> None:
        self.tenants: list[Tenant] = []
        self.limits: dict[str, tuple[Limit, ...]] = {}
        self._resolved: Resolved = {}
        self._lowest: dict[Window, dict[str, Limit]] = {}
        self.version: int | None = None
        self._last: tuple[datetime, object, Budget] | None = None
        self._unopened: dict[tuple[str, Limit], tuple[datetime, Slot]] = {}

    def refresh(self, tick: Tick) -> None:
        """Resolve again what a policy that has changed since changes."""
        if tick.policy_version != self.version:
            self.tenants = all_tenants(tick.connection)
            self.limits, self._resolved = all_limits(self.tenants, self._resolved)
            self.version = tick.policy_version
            self._lowest = {window: _lowest(self.limits, window) for window in BUDGETED}
            self._unopened.clear()

    def standings(self, tick: Tick, wanted: list[tuple[str, Limit]]) -> list[Slot | None]:
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

    def _counted(self, one: tuple[str, Limit], now: datetime) -> bool:
        known = self._unopened.get(one)
        return known is not None and timedelta(0) <= now - known[0] < COUNTED_FOR

    def budget(self, tick: Tick, tenants: Iterable[str], spending: Iterable[str], rate: Rate) -> Budget | None:
        """Of these tenants, by their caps on the money of a day, or, if none has one, of a month; None: no caps."""
        shown = list(tenants)
        for window in BUDGETED:
            wanted = [(name, self._lowest[window][name]) for name in shown if name in self._lowest[window]]
            if wanted:
                return self._remembered(tick, window, wanted, set(spending), rate)
        return None

    def _remembered(
        self, tick: Tick, window: Window, wanted: list[tuple[str, Limit]], spending: set[str], rate: Rate
    ) -> Budget:
        """Where there are many, what they came to a few seconds ago."""
        asked = self.version, window, [name for name, _ in wanted]
        known = self._last
        if known is None or known[1] != asked or not timedelta(0) <= tick.now - known[0] < LOOKED_AT:
            known = self._last = tick.now, asked, self._budget(tick, window, wanted, spending, rate)
            if len(wanted) <= FEW:
                self._last = None
        return known[2]

    def _budget(
        self, tick: Tick, window: Window, wanted: list[tuple[str, Limit]], spending: set[str], rate: Rate
    ) -> Budget:
        spent, reached = 0, []
        for (name, limit), slot in zip(wanted, self.standings(tick, wanted), strict=True):
            used = 0 if slot is None else standing(limit, slot, tick.now)[0]
            spent += used
            at = reached_at(limit, used, rate(name), tick.now)
            if at is not None:
                reached.append((at, name))
        first = min(reached, default=(None, None))
        soft = [limit.soft_cap for _, limit in wanted]
        known = [cap for cap in soft if cap is not None]
        return Budget(
            window=window.value,
            spent=spent,
            cap=sum(limit.cap for _, limit in wanted),
            soft_cap=sum(limit.cap if limit.soft_cap is None else limit.soft_cap for _, limit in wanted)
            if known
            else None,
            tenants=len(wanted),
            uncapped=len(spending - {name for name, _ in wanted}),
            reached_at=first[0],
            by=first[1],
        )


def _caps(limit: Limit, window: Window) -> bool:
    return (
        limit.subject == ""
        and limit.window is window
        and limit.metric is Metric.CREDITS
        and limit.action is Action.BLOCK
    )


def _lowest(limits: Mapping[str, Iterable[Limit]], window: Window) -> dict[str, Limit]:
    """One a tenant that has any: the lowest of its caps is the one that counts."""
    caps = [(name, limit) for name, stated in limits.items() for limit in stated if _caps(limit, window)]
    return dict(sorted(caps, key=lambda one: -one[1].cap))


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
