"""The rule: which orders of a batch are admitted, and what that does to the counters. Pure; no I/O, no clock.

An order passes a limit when what is used, what is held and the order's own upper bound fit under the cap together.
Since holds are upper bounds, `used + held <= cap` is true at every instant, over any number of processes.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache

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
    """What is used and held of one limit in one window. `was_*` is what the database says, the rest what it will say."""

    was_used: int
    was_held: int
    used: int
    held: int

    @classmethod
    def standing_at(cls, used: int, held: int) -> Counter:
        return cls(used, held, used, held)

    @property
    def changed(self) -> bool:
        return self.used != self.was_used or self.held != self.was_held


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


def charge(entry: Entry, counters: Counters) -> None:
    """Turn an attempt's hold into what it really used, in every counter that carries it."""
    order = entry.hold.order
    tenant = order.call.tenant
    for key in entry.hold.counters:
        counter = counters.get((tenant, key))
        if counter is not None:
            metric = metric_of(key)
            counter.used += spent(metric, entry)
            counter.held -= demand(metric, order)


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
    minute = now.replace(second=0, microsecond=0)
    return [_decide(order, policies.get(order.call.tenant), counters, now, minute, policy_version) for order in orders]


def _decide(
    order: Order, policy: Policy | None, counters: Counters, now: datetime, minute: datetime, version: int
) -> Decision:
    tenant = order.call.tenant
    if policy is None:
        return Decision(order.attempt, "TENANT_UNKNOWN", policy_version=version)
    if not policy.limits and not policy.uncapped:
        return Decision(order.attempt, "NO_POLICY", policy_version=version)
    states: list[LimitState] = []
    failing: list[LimitState] = []
    touched: list[tuple[str, Counter, int]] = []
    in_flight = True
    for limit in policy.limits:
        size = demand(limit.metric, order)
        if limit.window is Window.CALL:
            state = LimitState(limit.metric, limit.window, limit.cap, 0, 0, None, limit.source)
        else:
            name = counter_name(limit.metric, limit.window, minute)
            counter = counters[tenant, name.key]
            state = LimitState(
                limit.metric, limit.window, limit.cap, counter.used, counter.held, name.end, limit.source
            )
            touched.append((name.key, counter, size))
        states.append(state)
        if state.used + state.held + size > limit.cap:
            failing.append(state)
            in_flight = in_flight and state.used + size <= limit.cap
    if failing:
        failing.sort(key=_resets, reverse=True)
        return Decision(
            order.attempt,
            reason_code(failing[0]),
            tuple(states),
            tuple(failing),
            in_flight,
            version,
        )
    for _, counter, size in touched:
        counter.held += size
    hold = Hold(order, tuple(key for key, _, _ in touched), now)
    return Decision(order.attempt, "ALLOWED", tuple(states), policy_version=version, hold=hold)


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
