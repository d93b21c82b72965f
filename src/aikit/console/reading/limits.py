"""The limits that are nearest to their caps.

Where there are many tenants, some are looked at each tick, in turn, those that stand high more often; and each limit
that is shown is read again each tick. So what is shown is as it stands now, and what comes near a cap is seen within
a turn.
"""

from __future__ import annotations

from collections import defaultdict
from fractions import Fraction
from heapq import merge
from itertools import islice

from aikit.console.filtering import Filter
from aikit.console.model import MOST_ROWS, LimitsPage
from aikit.console.reading.caps import Caps
from aikit.console.reading.line import Tick
from aikit.ledger.caps import slots_of
from aikit.ledger.limits import LimitRow, Standing, limit_row, nearest_of
from aikit.ledger.limits_in_force import EACH, Tenant
from aikit.policy.subject import subject_of

FEW = 50
"""So many tenants are looked at each tick, anyway."""
AT_ONCE = 20
PATIENCE = 0.03
HIGH = Fraction(1, 2)
Ranked = tuple[Fraction, Standing]
"""A limit with minus its share, so that the nearest comes first; 1 where nobody knows it."""


class Limits:
    """The page, with what is remembered of tenants whose turn it is not."""

    def __init__(self) -> None:
        self._wanted: Filter | None = None
        self._turn = 0
        self._looked: dict[str, tuple[Tenant, int]] = {}
        self._known: dict[str, list[Standing]] = {}
        self._ranked: dict[str, list[Ranked]] = {}

    def read(self, tick: Tick, caps: Caps, wanted: Filter) -> LimitsPage:
        """What the filter lets through, of the tenants that were looked at so far."""
        names = {tenant.name for tenant in caps.tenants}
        if gone := self._known.keys() - names:
            self._known = {name: found for name, found in self._known.items() if name not in gone}
            self._wanted = None
        self._look(tick, caps, wanted)
        if wanted != self._wanted:
            self._wanted = wanted
            self._ranked = {name: _ranked(found, wanted, tick) for name, found in self._known.items()}
        nearest = [one for _, one in islice(merge(*self._ranked.values(), key=lambda ranked: ranked[0]), MOST_ROWS)]
        rows = self._again(tick, nearest)
        return LimitsPage(tuple(rows), sum(map(len, self._ranked.values())))

    def _look(self, tick: Tick, caps: Caps, wanted: Filter) -> None:
        """At those that were not looked at for longest; every other time of those that stand high."""
        self._turn += 1
        due = sorted(caps.tenants, key=self._last_turn)
        if len(due) > FEW and self._turn % 2 and self._last_turn(due[0]):
            due = [tenant for tenant in due if self._is_high(tenant)] or due
        clock = tick.clock.part(PATIENCE)
        first, rest = due[:FEW], due[FEW:]
        while first:
            self._look_at(tick, first, wanted)
            first, rest = (rest[:AT_ONCE], rest[AT_ONCE:]) if clock.left > 0 else ([], [])

    def _last_turn(self, tenant: Tenant) -> int:
        """When it was looked at last with the limits that it has now; 0: never."""
        seen, turn = self._looked.get(tenant.name, (None, 0))
        return turn if seen is tenant else 0

    def _look_at(self, tick: Tick, tenants: list[Tenant], wanted: Filter) -> None:
        found: defaultdict[str, list[Standing]] = defaultdict(list)
        for one in nearest_of(tick.connection, tenants, tick.now):
            found[one[0]].append(one)
        for tenant in tenants:
            self._looked[tenant.name] = tenant, self._turn
            self._known[tenant.name] = found[tenant.name]
            self._ranked[tenant.name] = _ranked(found[tenant.name], wanted, tick)

    def _is_high(self, tenant: Tenant) -> bool:
        ranked = self._ranked.get(tenant.name)
        return bool(ranked) and -ranked[0][0] >= HIGH if ranked else False

    def _again(self, tick: Tick, nearest: list[Standing]) -> list[LimitRow]:
        """As they stand now. A slot that is not open was counted from the ledger when it was looked at."""
        wanted = [(name, limit) for name, limit, slot in nearest if slot is not None and EACH not in limit.subject]
        now = dict(zip(wanted, slots_of(tick.connection, wanted), strict=True))
        rows = [limit_row(name, limit, now.get((name, limit)) or slot, tick.now) for name, limit, slot in nearest]
        return sorted(rows, key=lambda row: -1 if row.share is None else row.share, reverse=True)


def _ranked(found: list[Standing], wanted: Filter, tick: Tick) -> list[Ranked]:
    """What fits, the nearest first."""
    ranked = []
    for one in found:
        row = limit_row(*one, tick.now)
        if not wanted or wanted.fits(fields_of(row, one[1].subject)):
            ranked.append((Fraction(1) if row.share is None else -row.share, one))
    return sorted(ranked, key=lambda ranked: ranked[0])


def fields_of(row: LimitRow, key: str) -> dict[str, str]:
    """A limit as the filter sees it; `key` is that of what it counts."""
    subject = subject_of(key)
    found = {
        "tenant": row.tenant,
        "metric": row.metric.value,
        "window": row.window.value,
        "source": row.source,
        "subject": row.counts,
        **{name: value for name, value in subject._asdict().items() if value and value != EACH},
    }
    return {name: value for name, value in found.items() if value}
