"""The rule: which orders of a batch are admitted, and what that does to the counters. Pure; no I/O, no clock.

An order passes a limit when what is counted against the cap and the order's own upper bound fit under it together.
Since holds are upper bounds, `used + held <= cap` is true at every instant, over any number of processes.
`judge` is the decision on one order, as a function of what is recorded with it; `decide` goes through a batch.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from functools import lru_cache
from typing import NamedTuple

from aikit.breaker.gates import Gates
from aikit.meter.counters import Amounts, Counter, Counters, Standing, reserves, slot_kind
from aikit.meter.judge import MICROSECOND, extended, judge, unguarded
from aikit.meter.repeats import Repetitions
from aikit.policy.model import PACED, Rules, slot_name
from aikit.policy.windows import EPOCH, bounds, carried
from aikit.types import Decision, Extension, Limit, LimitState, Order, Pace, VelocityRule, Watched, Window

SECOND = 1_000_000
MINUTE, HOUR = 60, 3600
OPEN_GATES = Gates()
window_at = lru_cache(maxsize=4096)(bounds)


class Behind(Exception):
    """A counter is already in a window that has not begun by our clock."""


class Lane(NamedTuple):
    """One limit with its counter, for all orders of a batch under the same rules. A limit on each call has none."""

    limit: Limit
    counter: Counter | None
    resets_at: datetime | None
    length: int
    """Of a sliding window, in seconds; else 0."""

    def counts(self, at: float) -> bool:
        """Whether an attempt that was admitted at `at` (seconds since 1970) is still counted here."""
        return self.counter is None or at >= self.counter.start - self.length


class Tempo(NamedTuple):
    """The money of the present minute and hour of a subject, and when these end."""

    minute: Counter
    minute_ends: datetime
    hour: Counter
    hour_ends: datetime

    def pace(self, rule: VelocityRule, now: datetime) -> Pace:
        """How fast it goes."""
        minute, hour = self.minute, self.hour
        return Pace(
            rule,
            minute.used + minute.held,
            _carried(minute, MINUTE, self.minute_ends, now),
            hour.used + hour.held + _carried(hour, HOUR, self.hour_ends, now),
        )


class Track(NamedTuple):
    """What the orders of one tenant under one set of rules run on, and the time in which that holds.

    `tempo` has the counters that a rule on velocity compares.
    """

    lanes: list[Lane]
    rows: list[Counters]
    start: datetime
    end: datetime | None
    tempo: Tempo | None = None


def track(tenant: str, rules: Rules, standing: Standing, now: datetime) -> Track:
    """The lanes of these rules, their counters rolled on to the windows that `now` lies in. Raises Behind."""
    lanes = []
    latest, earliest = EPOCH, None
    minute = now.replace(second=0, microsecond=0)
    tempo = _tempo(tenant, rules, standing, minute)
    if tempo is not None:
        latest, earliest = minute, tempo.minute_ends
    for limit in rules.limits:
        if limit.window is Window.CALL:
            lanes.append(Lane(limit, None, None, 0))
            continue
        name = slot_name(limit.metric, limit.window, limit.zone, limit.anchor)
        start, end = window_at(limit.window, minute, limit.zone, limit.anchor)
        counter = standing[tenant, limit.subject].slots[name]
        length = slot_kind(name)[1]
        _roll(counter, start, length)
        latest = max(latest, start)
        if end is not None:
            earliest = min(earliest, end) if earliest else end
        lanes.append(Lane(limit, counter, end, length))
    return Track(lanes, [standing[tenant, subject] for subject in rules.subjects], latest, earliest, tempo)


def _tempo(tenant: str, rules: Rules, standing: Standing, minute: datetime) -> Tempo | None:
    """What the rule on velocity compares, rolled on; so is that of every other subject whose velocity is asked for."""
    found = None
    for subject in rules.paced:
        slots = standing[tenant, subject].slots
        counters, ends = [], []
        for name, slot in PACED.items():
            start, end = window_at(slot.window, minute)
            assert end is not None
            _roll(slots[name], start, slot_kind(name)[1])
            counters.append(slots[name])
            ends.append(end)
        if rules.velocity is not None and rules.velocity.subject == subject:
            found = Tempo(counters[0], ends[0], counters[1], ends[1])
    return found


def _roll(counter: Counter, start: datetime, length: int) -> None:
    began = int(start.timestamp())
    if counter.start < began:
        counter.roll(began, length)
    elif counter.start > began:
        raise Behind


def decide(
    orders: Iterable[tuple[Order, Rules | None]],
    tracks: Mapping[Rules, Track],
    now: datetime,
    policy_version: int,
    gates: Gates = OPEN_GATES,
    repeats: Repetitions | None = None,
) -> list[Decision]:
    """Decide the orders one after the other; each sees the holds of those admitted before it.

    Each order comes with the rules of its caller, None for an unknown tenant; `tracks` has the track of each rules. The
    counters in them, the breakers in `gates` and the `repeats` are left as they will stand.
    """
    decisions = []
    for order, rules in orders:
        if rules is None:
            decisions.append(Decision(order.attempt, "TENANT_UNKNOWN", policy_version=policy_version))
            continue
        if order.guarded != rules.guards:
            decisions.append(unguarded(order, rules, policy_version))
            continue
        lanes, rows, _, _, tempo = tracks[rules]
        if rules.loops is None and tempo is None:
            decision = judge(order, rules, observe(lanes, now), now, policy_version)
        else:
            watch = _watch(order, rules, tempo, repeats, now)
            decision = judge(order, rules, observe(lanes, now), now, policy_version, watch)
            if watch:
                decision = decision._replace(watch=watch)
        if gates.breakers:
            decision = (gates.copy() if order.asks else gates).admit(decision, now)
        if decision.hold is not None and not order.asks:
            amounts = reserves(decision.hold.order)
            for row in rows:
                row.hold(amounts)
        decisions.append(decision)
    return decisions


def _watch(
    order: Order, rules: Rules, tempo: Tempo | None, repeats: Repetitions | None, now: datetime
) -> tuple[Watched, ...]:
    """What the rules against runaways find: the loops first, where the request was there before at all."""
    watch: list[Watched] = []
    if rules.loops is not None and repeats is not None and order.fingerprint:
        found = repeats.see(order, rules.loops, now)
        if found.seen:
            watch.append(found)
    if rules.velocity is not None and tempo is not None:
        watch.append(tempo.pace(rules.velocity, now))
    return tuple(watch)


def decide_extensions(
    extensions: Iterable[tuple[Extension, Rules | None]],
    tracks: Mapping[Rules, Track],
    standing: Standing,
    now: datetime,
    policy_version: int,
) -> list[Decision]:
    """Decide which streams may hold more, after the orders; the counters are left as they will stand.

    A generation below zero says that the hold is gone.
    """
    decisions = []
    for extension, rules in extensions:
        order = extension.hold.order
        if extension.hold.generation < 0:
            decisions.append(Decision(order.attempt, "METERING_UNAVAILABLE", policy_version=policy_version))
            continue
        if rules is None:
            decisions.append(Decision(order.attempt, "TENANT_UNKNOWN", policy_version=policy_version))
            continue
        at = extension.hold.admitted_at.timestamp()
        lanes = [lane for lane in tracks[rules].lanes if lane.counts(at)]
        decision = extended(extension, rules, observe(lanes, now), now, policy_version)
        if decision.hold is not None:
            was, will = reserves(order), reserves(decision.hold.order)
            more: Amounts = (will[0] - was[0], will[1] - was[1], 0, will[3] - was[3], 0, 0)
            for subject in extension.hold.subjects:
                if (counters := standing.get((order.call.tenant, subject))) is not None:
                    counters.extend(at, more)
        decisions.append(decision)
    return decisions


def observe(lanes: Iterable[Lane], now: datetime) -> tuple[LimitState, ...]:
    """Where the limits stand."""
    states = []
    for limit, counter, resets_at, length in lanes:
        if counter is None:
            states.append(LimitState(limit, 0, 0, None))
        elif length and counter.previous:
            assert resets_at is not None
            states.append(
                LimitState(limit, counter.used, counter.held, resets_at, _carried(counter, length, resets_at, now))
            )
        else:
            states.append(LimitState(limit, counter.used, counter.held, resets_at))
    return tuple(states)


def _carried(counter: Counter, length: int, ends: datetime, now: datetime) -> int:
    """What a sliding window of `length` seconds that ends then still counts of the one before."""
    if not counter.previous:
        return 0
    left = (ends - now) // MICROSECOND
    return carried(counter.previous, length * SECOND - left, length * SECOND)
