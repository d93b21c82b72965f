"""The rule: which orders of a batch are admitted, and what that does to the counters. Pure; no I/O, no clock.

An order passes a limit when what is used, what is held and the order's own upper bound fit under the cap together.
Since holds are upper bounds, `used + held <= cap` is true at every instant, over any number of processes.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from typing import NamedTuple

from aikit.policy.model import CounterName, CounterRef, Limit, Policy, counter_name
from aikit.types import Decision, Entry, Hold, LimitState, Metric, Order, Window

NEVER = datetime.max.replace(tzinfo=UTC)
ADVERB = {
    Window.CALL: "REQUEST",
    Window.MINUTE: "MINUTE",
    Window.HOUR: "HOURLY",
    Window.DAY: "DAILY",
    Window.WEEK: "WEEKLY",
    Window.MONTH: "MONTHLY",
    Window.TOTAL: "TOTAL",
}


@dataclass(slots=True)
class Counter:
    """What is used and held of one limit in one window; `was_*` is what the database says so far."""

    was_used: int
    was_held: int
    used: int
    held: int

    @classmethod
    def standing_at(cls, used: int, held: int) -> Counter:
        return cls(used, held, used, held)


Counters = Mapping[CounterRef, Counter]


def demand(limit: Metric, order: Order) -> int:
    """How much of the metric an order reserves at most."""
    if limit is Metric.CREDITS:
        return order.nano
    if limit is Metric.TOKENS:
        return order.tokens
    return 1


def spent(metric: Metric, entry: Entry) -> int:
    """How much of the metric an ending uses up. Tokens that nobody reported count as the whole hold."""
    if metric is Metric.CREDITS:
        return entry.nano
    if metric is Metric.REQUESTS:
        return 1
    if metric is Metric.CONCURRENCY:
        return 0
    if entry.usage is not None:
        return entry.usage.total_tokens
    return entry.hold.order.tokens if entry.nano else 0


@lru_cache(maxsize=4096)
def metric_of(key: str) -> Metric:
    """The metric that a counter's key starts with."""
    return Metric(key.partition("/")[0])


def charge(entries: Iterable[Entry], counters: Counters) -> None:
    """Turn the holds of attempts into what they really used, in every counter that carries them."""
    carrying: dict[tuple[str, tuple[str, ...]], list[tuple[Metric, Counter]]] = {}
    for entry in entries:
        order = entry.hold.order
        group = (order.call.tenant, entry.hold.counters)
        carriers = carrying.get(group)
        if carriers is None:
            tenant, keys = group
            there = [(metric_of(key), counters.get((tenant, key))) for key in keys]
            carriers = carrying[group] = [(metric, counter) for metric, counter in there if counter is not None]
        for metric, counter in carriers:
            if metric is Metric.CREDITS:
                counter.used += entry.nano
                counter.held -= order.nano
            else:
                counter.used += spent(metric, entry)
                counter.held -= demand(metric, order)


class Lane(NamedTuple):
    """One limit of a tenant with its counter, for all orders of a batch. A limit on each call has no key."""

    limit: Limit
    key: str
    resets_at: datetime | None
    counter: Counter


def decide(
    orders: Iterable[Order],
    policies: Mapping[str, Policy],
    counters: Counters,
    now: datetime,
    policy_version: int,
) -> list[Decision]:
    """Decide the orders one after the other; each sees the holds of those admitted before it.

    `counters` must have every counter that `counters_of` names for these orders; their `held` is raised in place.
    """
    lanes = {tenant: _lanes(policy, counters, now) for tenant, policy in policies.items()}
    keys = {tenant: tuple([lane.key for lane in found if lane.key]) for tenant, found in lanes.items()}
    decisions = []
    for order in orders:
        tenant = order.call.tenant
        policy = policies.get(tenant)
        if policy is None:
            decision = Decision(order.attempt, "TENANT_UNKNOWN", policy_version=policy_version)
        elif not policy.limits and not policy.uncapped:
            decision = Decision(order.attempt, "NO_POLICY", policy_version=policy_version)
        else:
            decision = _decide(order, lanes[tenant], keys[tenant], now, policy_version)
        decisions.append(decision)
    return decisions


def _lanes(policy: Policy, counters: Counters, now: datetime) -> list[Lane]:
    minute = now.replace(second=0, microsecond=0)
    lanes = []
    for limit in policy.limits:
        if limit.window is Window.CALL:
            lanes.append(Lane(limit, "", None, Counter.standing_at(0, 0)))
        else:
            name = counter_name(limit.metric, limit.window, minute)
            lanes.append(Lane(limit, name.key, name.end, counters[policy.tenant, name.key]))
    return lanes


def _decide(order: Order, lanes: list[Lane], keys: tuple[str, ...], now: datetime, version: int) -> Decision:
    states = []
    failing = []
    sizes = []
    in_flight = True
    for limit, key, resets_at, counter in lanes:
        used, held = (counter.used, counter.held) if key else (0, 0)
        state = LimitState(limit.metric, limit.window, limit.cap, used, held, resets_at, limit.source)
        states.append(state)
        size = order.nano if limit.metric is Metric.CREDITS else demand(limit.metric, order)
        sizes.append(size)
        if used + held + size > limit.cap:
            failing.append(state)
            in_flight = in_flight and bool(key) and used + size <= limit.cap
    if failing:
        failing.sort(key=_resets, reverse=True)
        return Decision(order.attempt, reason_code(failing[0]), tuple(states), tuple(failing), in_flight, version)
    for lane, size in zip(lanes, sizes, strict=True):
        lane.counter.held += size
    return Decision(order.attempt, "ALLOWED", tuple(states), policy_version=version, hold=Hold(order, keys, now))


def _resets(state: LimitState) -> datetime:
    """When a limit lets go; one that bounds each call or the total never does."""
    return state.resets_at or NEVER


def reason_code(state: LimitState) -> str:
    """The stable code for a limit that stands in the way."""
    if state.window is Window.CALL:
        return "REQUEST_COST_EXCEEDED" if state.metric is Metric.CREDITS else "REQUEST_TOKENS_EXCEEDED"
    if state.metric is Metric.CONCURRENCY:
        return "CONCURRENCY_LIMIT_EXCEEDED"
    if state.metric is Metric.CREDITS:
        return f"{ADVERB[state.window]}_BUDGET_EXCEEDED"
    return f"{ADVERB[state.window]}_{'REQUEST' if state.metric is Metric.REQUESTS else 'TOKEN'}_LIMIT_EXCEEDED"


def counters_of(policy: Policy, now: datetime) -> list[tuple[Limit, CounterName]]:
    """The counters that an order under this policy needs."""
    minute = now.replace(second=0, microsecond=0)
    return [
        (limit, counter_name(limit.metric, limit.window, minute))
        for limit in policy.limits
        if limit.window is not Window.CALL
    ]
