"""One decision: a pure function of an order, its rules, where the limits stand, and the time. It can be made again."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta

from aikit.meter.counters import NOTHING, PLACE, reserves
from aikit.meter.runaway import refusing, run_away, trips
from aikit.policy.access import forbids
from aikit.policy.model import LEASE_SLICE, Rules
from aikit.policy.windows import SLIDING, wait_us
from aikit.types import (
    GUARD_BLOCKED,
    UNGUARDED,
    Action,
    Decision,
    Extension,
    GuardAction,
    Hold,
    LimitState,
    Metric,
    Order,
    Pace,
    Repeats,
    Watched,
    Window,
)

NEVER = datetime.max.replace(tzinfo=UTC)
AT_ONCE = datetime.min.replace(tzinfo=UTC)
MICROSECOND = timedelta(microseconds=1)
IN_FLIGHT_RETRY = 1.0
"""Seconds after which a call that only running calls stand in the way of is worth another try."""
OPENED = "ALLOWED_LEDGER_FAILURE"
"""The reason code of what was sent while the ledger was away, because its policy says so."""
RECORDED = "RECORDED"
"""The reason code of what nobody asked for beforehand, and was reported when it had been used."""
ADVERB = {
    Window.CALL: "REQUEST",
    Window.MINUTE: "MINUTE",
    Window.HOUR: "HOURLY",
    Window.DAY: "DAILY",
    Window.WEEK: "WEEKLY",
    Window.MONTH: "MONTHLY",
    Window.TOTAL: "TOTAL",
}
TOKENS = frozenset({Metric.TOKENS, Metric.INPUT_TOKENS, Metric.OUTPUT_TOKENS})


def judge(
    order: Order,
    rules: Rules,
    states: tuple[LimitState, ...],
    now: datetime,
    version: int | None,
    watch: tuple[Watched, ...] = (),
) -> Decision:
    """Decide. `states` are those of `rules.limits`, `watch` is of its rules against runaways; before this order."""
    clamped = False
    refusal = access(order, rules)
    if refusal is None:
        if order.bound is not None:
            order = priced(order, rules)
        if not order.named or order.output_tokens > rules.max_output_tokens:
            order, clamped, refusal = within_ceiling(order, rules)
    if refusal is not None:
        code, field = refusal
        source = rules.sources.get(field)
        return Decision(order.attempt, code, states, policy_version=version, source=source, order=order, rules=rules)
    if order.blocked:
        guard = next((finding.guard for finding in order.findings if finding.action is GuardAction.BLOCK), None)
        source = next((rule.source for rule in rules.guards if rule.guard == guard), None)
        return Decision(
            order.attempt, GUARD_BLOCKED, states, policy_version=version, source=source, order=order, rules=rules
        )
    if watch and (loop := refusing(Repeats, watch, order)):
        return run_away(loop, order, rules, states, now, version)
    if rules.lease and order.leasable and order.output_tokens > LEASE_SLICE:
        order = resized(order, LEASE_SLICE)._replace(limit=order.output_tokens)
    failing, warned, soft = against(order, states)
    if failing and rules.clamp:
        smaller = most_that_fits(order, failing)
        if smaller is not None:
            order, clamped = resized(order, smaller), True
            failing, warned, soft = against(order, states)
    if failing:
        failing.sort(key=_resets, reverse=True)
        in_flight = all(_only_held(state, order) for state in failing)
        wait = retry_after(order, failing, in_flight, now)
        return Decision(
            order.attempt,
            reason_code(failing[0]),
            states,
            tuple(failing),
            in_flight,
            version,
            retry_after=wait,
            order=order,
            rules=rules,
        )
    if watch and (surge := refusing(Pace, watch, order)):
        return run_away(surge, order, rules, states, now, version)
    tripped = tuple([one for one in watch if trips(one, order)]) if watch else ()
    hold = Hold(order, rules.subjects, now, 0, _presumed(order, rules))
    if not (soft or warned or clamped or tripped):  # by position, as it is made for nearly every call
        return Decision(
            order.attempt, "ALLOWED", states, (), False, version, hold, (), (), False, None, None, None, rules
        )
    warned.sort(key=_resets, reverse=True)
    return Decision(
        order.attempt,
        "ALLOWED_SOFT_CAP" if soft else "ALLOWED",
        states,
        policy_version=version,
        hold=hold,
        soft=tuple(soft),
        warned=tuple(warned),
        clamped=clamped,
        rules=rules,
        tripped=tripped,
    )


def would_refuse(decision: Decision) -> str | None:
    """The code of what only warns and would have refused an order that is allowed."""
    if decision.warned:
        return reason_code(decision.warned[0])
    return decision.tripped[0].reason_code if decision.tripped and decision.hold is not None else None


def _presumed(order: Order, rules: Rules) -> int | None:
    """What the attempt is presumed to have cost if nobody learns what became of it; None: all that it holds.

    A provider may be far ahead of what has been read of a leased stream: of such a one, all that it may come to.
    """
    if order.cost is None or (rules.presume == "hold" and order.limit is None):
        return None
    return order.cost.nano(0 if rules.presume == "input" else order.limit or 0)


def extended(
    extension: Extension, rules: Rules, states: tuple[LimitState, ...], now: datetime, version: int | None
) -> Decision:
    """Decide whether a stream may hold more output. `states` are those of the limits that its hold is counted in."""
    hold = extension.hold
    order = resized(hold.order, extension.output_tokens)
    if hold.order.limit is None and order.output_tokens > max(rules.max_output_tokens, hold.order.output_tokens):
        source = rules.sources.get("max_output_tokens")
        code = "REQUEST_TOKENS_EXCEEDED"
        return Decision(order.attempt, code, states, policy_version=version, source=source, order=order, rules=rules)
    failing, _, _ = against(order, states, beyond=hold.order)
    if failing:
        failing.sort(key=_resets, reverse=True)
        code = reason_code(failing[0])
        return Decision(order.attempt, code, states, tuple(failing), policy_version=version, order=order, rules=rules)
    longer = hold._replace(order=order, generation=hold.generation + 1)
    return Decision(order.attempt, "ALLOWED", states, policy_version=version, hold=longer, rules=rules)


def unguarded(order: Order, rules: Rules, version: int | None) -> Decision:
    """Neither yes nor no: the request is to pass the guards of these rules first, and to ask again."""
    return Decision(order.attempt, UNGUARDED, policy_version=version, order=order, rules=rules)


def opened(order: Order, rules: Rules, now: datetime) -> Decision:
    """Decide while the ledger is away, for a policy that lets calls pass then: whatever a limit says is not asked."""
    if order.guarded != rules.guards:
        return unguarded(order, rules, None)
    decision = judge(order, rules, (), now, None)
    if decision.hold is None:
        return decision
    return decision._replace(reason_code=OPENED, hold=decision.hold._replace(opened=True))


def access(order: Order, rules: Rules) -> tuple[str, str] | None:
    """What refuses an order whatever it costs: the code, and the field of the rules that says so."""
    if not rules.limits and not rules.uncapped:
        return "NO_POLICY", "limits"
    if rules.lacking:
        return "ENTITLEMENT_REQUIRED", "lacking"
    if rules.deny or rules.allow is not None:
        field = forbids(rules.allow, rules.deny, f"{order.call.provider}/{order.call.model}")
        if field:
            return "MODEL_NOT_ALLOWED", field
    if (
        order.cost is None
        and order.bound is not None
        and (rules.unpriced is None or not rules.unpriced.covers(order.bound))
    ):
        return "PRICE_UNKNOWN", "unpriced"
    if order.characters > rules.max_prompt_characters:
        return "PROMPT_TOO_LONG", "max_prompt_characters"
    return None


def priced(order: Order, rules: Rules) -> Order:
    """The order at the price that a policy sets for models without one, if it has none."""
    if order.bound is None or rules.unpriced is None:
        return order
    cost = rules.unpriced.bounding(order.bound)
    return order._replace(cost=cost, nano=cost.nano(order.output_tokens), price_id=rules.unpriced.id)


def within_ceiling(order: Order, rules: Rules) -> tuple[Order, bool, tuple[str, str] | None]:
    """The order with the output that its rules allow; whether that is less than it named; or what refuses it.

    For an order that names no output limit, or one above the ceiling.
    """
    output, answers = order.output_tokens, order.answers
    too_many = "REQUEST_TOKENS_EXCEEDED", "max_output_tokens"
    if not order.named:
        given = max(1, rules.default_output_tokens // answers) * answers
        if given == output:
            return order, False, None
        return (order, False, too_many) if given < order.least else (resized(order, given), False, None)
    most = rules.max_output_tokens // answers * answers
    if rules.clamp and most >= order.least:
        return resized(order, most), True, None
    return order, False, too_many


def resized(order: Order, output_tokens: int) -> Order:
    """The order with another number of output tokens."""
    return order._replace(
        output_tokens=output_tokens,
        tokens=order.tokens - order.output_tokens + output_tokens,
        nano=order.nano if order.cost is None else order.cost.nano(output_tokens),
    )


def against(
    order: Order, states: Iterable[LimitState], *, beyond: Order | None = None
) -> tuple[list[LimitState], list[LimitState], list[LimitState]]:
    """The limits that block the order, those that would, and those whose soft cap it crosses.

    `beyond` is what of it is counted already, except by a limit on each call.
    """
    failing: list[LimitState] = []
    warned: list[LimitState] = []
    soft: list[LimitState] = []
    amounts = reserves(order)
    counted = reserves(beyond) if beyond is not None else NOTHING
    for state in states:
        limit = state[0]
        place = PLACE[limit.metric]
        after = state[1] + state[2] + state[4] + amounts[place]
        if counted[place] and limit.window is not Window.CALL:
            after -= counted[place]
        if after > limit.cap:
            (failing if limit.action is Action.BLOCK else warned).append(state)
        elif limit.soft_cap is not None and after > limit.soft_cap:
            soft.append(state)
    return failing, warned, soft


def most_that_fits(order: Order, failing: Iterable[LimitState]) -> int | None:
    """The most output tokens with which the order would pass; None if fewer don't help."""
    most = affordable(order, failing)
    most = most // order.answers * order.answers
    return most if order.least <= most < order.output_tokens else None


def affordable(order: Order, failing: Iterable[LimitState]) -> int:
    """How many output tokens fit under all of these limits; 0 if none."""
    most = order.output_tokens
    for state in failing:
        left = state.cap - state.counted
        metric = state.metric
        if metric is Metric.CREDITS:
            found = order.cost.output_tokens(left) if order.cost is not None else -1
        elif metric is Metric.TOKENS:
            found = left - (order.tokens - order.output_tokens)
        elif metric is Metric.OUTPUT_TOKENS:
            found = left
        else:
            return 0
        if found is not None:
            most = min(most, found)
    return max(0, most)


def retry_after(order: Order, failing: Sequence[LimitState], in_flight: bool, now: datetime) -> float | None:
    """Seconds after which the order fits if nothing else happens; None if it is not for waiting."""
    if in_flight:
        return IN_FLIGHT_RETRY
    amounts = reserves(order)
    waits = [_wait(state, amounts[PLACE[state.metric]], now) for state in failing]
    known = [wait for wait in waits if wait is not None]
    return max(known) if len(known) == len(waits) else None


def is_rate(state: LimitState) -> bool:
    """A limit that lets go by itself within the hour is answered with 429, every other one with 402."""
    return state.metric is Metric.CONCURRENCY or (state.window in SLIDING and state.metric is not Metric.CREDITS)


def reason_code(state: LimitState) -> str:
    """The stable code for a limit that stands in the way."""
    metric, window = state.metric, state.window
    if metric is Metric.CONCURRENCY:
        return "CONCURRENCY_LIMIT_EXCEEDED"
    if window is Window.CALL:
        return "REQUEST_COST_EXCEEDED" if metric is Metric.CREDITS else "REQUEST_TOKENS_EXCEEDED"
    if metric is Metric.CREDITS:
        return f"{ADVERB[window]}_BUDGET_EXCEEDED"
    return f"{ADVERB[window]}_{'TOKEN' if metric in TOKENS else 'REQUEST'}_LIMIT_EXCEEDED"


def _wait(state: LimitState, size: int, now: datetime) -> float | None:
    if state.metric is Metric.CONCURRENCY:
        return IN_FLIGHT_RETRY if size <= state.cap else None
    if not is_rate(state) or state.resets_at is None:
        return None
    length = SLIDING[state.window] // MICROSECOND
    left = max(1, (state.resets_at - now) // MICROSECOND)
    previous = state.carried * length // left  # at least what it was: `carried` is rounded up
    found = wait_us(state.cap, size, state.used + state.held, previous, left, length)
    return None if found is None else found / 1e6


def _only_held(state: LimitState, order: Order) -> bool:
    """Whether the order would fit if nothing were held. A running request counts as one, whatever it comes to."""
    size = reserves(order)[PLACE[state.metric]]
    return (
        state.window is not Window.CALL
        and state.metric is not Metric.REQUESTS
        and state.used + state.carried + size <= state.cap
    )


def _resets(state: LimitState) -> datetime:
    """When a limit lets go: one that bounds each call or the total never does, one on concurrency at any time."""
    if state.metric is Metric.CONCURRENCY:
        return AT_ONCE
    return state.resets_at or NEVER
