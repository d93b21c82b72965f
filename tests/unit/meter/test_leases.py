"""Leases and lost ends, as decisions: what is held, what may grow, what is presumed, what passes unchecked."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from aikit.meter.judge import OPENED, extended, judge, opened
from aikit.policy.model import LEASE_SLICE, Rules
from aikit.types import (
    Call,
    Cost,
    Extension,
    Hold,
    Limit,
    LimitState,
    Metric,
    Order,
    Tags,
    Window,
    new_id,
)
from unit.meter.test_judge import NOW, an_order, at

RATE = Cost(((10, 1),), 1)


def stream(output: int = 5_000, **more: bool) -> Order:
    call = Call(new_id(), Tags("acme", "u1", "chat", "prod"), "openai", "gpt-4o-mini", "openai.chat", stream=True)
    return Order(new_id(), call, RATE.nano(output), 5 + output, "p1", output, cost=RATE, leasable=True)._replace(**more)


def lease(**more: object) -> Rules:
    return Rules(uncapped=True, lease=True, max_output_tokens=100_000, **more)  # type: ignore[arg-type]


def test_a_leased_stream_holds_its_input_and_a_slice() -> None:
    decision = judge(stream(), lease(), (), NOW, 1)
    assert decision.hold is not None
    order = decision.hold.order
    assert (order.output_tokens, order.tokens, order.nano) == (LEASE_SLICE, 5 + LEASE_SLICE, 10 + LEASE_SLICE)
    assert order.limit == 5_000
    assert not decision.clamped


def test_the_limit_that_a_leased_stream_asks_for_is_what_its_ceiling_gives() -> None:
    rules = Rules(uncapped=True, lease=True, max_output_tokens=3_000, default_output_tokens=2_000)
    decision = judge(stream()._replace(named=False), rules, (), NOW, 1)
    assert decision.hold is not None and decision.hold.order.limit == 2_000


def test_a_lease_that_does_not_fit_is_clamped_to_what_does() -> None:
    state = at(cap=500)
    rules = Rules((state.limit,), lease=True, clamp=True, max_output_tokens=100_000)
    decision = judge(stream(), rules, (state,), NOW, 1)
    assert decision.hold is not None and decision.clamped
    assert decision.hold.order.output_tokens == 490


def grow(to: int, *states: LimitState) -> tuple[bool, str]:
    hold = Hold(judge_hold(), ("",), NOW)
    decision = extended(Extension(hold, to), lease(), states, NOW, 1)
    if decision.hold is not None:
        assert decision.hold.generation == hold.generation + 1
        assert decision.hold.order.nano == 10 + to
    return decision.allowed, decision.reason_code


def judge_hold() -> Order:
    decision = judge(stream(), lease(), (), NOW, 1)
    assert decision.hold is not None
    return decision.hold.order


def test_an_extension_needs_room_for_what_it_adds_and_no_more() -> None:
    held = 10 + LEASE_SLICE
    assert grow(2 * LEASE_SLICE, at(cap=held + LEASE_SLICE, held=held)) == (True, "ALLOWED")
    assert grow(2 * LEASE_SLICE, at(cap=held + LEASE_SLICE - 1, held=held)) == (False, "DAILY_BUDGET_EXCEEDED")
    assert grow(2 * LEASE_SLICE, at(Metric.REQUESTS, cap=1, used=0, held=1)) == (True, "ALLOWED")
    assert grow(2 * LEASE_SLICE, at(Metric.CONCURRENCY, Window.TOTAL, cap=1, held=1)) == (True, "ALLOWED")
    assert grow(2 * LEASE_SLICE, at(Metric.INPUT_TOKENS, cap=5, held=5)) == (True, "ALLOWED")


def test_a_limit_on_each_call_bounds_all_that_a_stream_holds() -> None:
    each = at(window=Window.CALL, cap=2_000)
    assert grow(1_990, each) == (True, "ALLOWED")
    assert grow(1_991, each) == (False, "REQUEST_COST_EXCEEDED")


@given(
    cap=st.integers(0, 20_000),
    others=st.integers(0, 5_000),
    steps=st.lists(st.integers(1, 3_000), max_size=8),
)
def test_whatever_a_stream_asks_for_it_never_holds_more_than_there_is_room_for(
    cap: int, others: int, steps: list[int]
) -> None:
    limit = Limit(Metric.CREDITS, Window.TOTAL, cap, "tenant:acme")
    rules = Rules((limit,), lease=True, max_output_tokens=100_000)
    first = judge(stream(), rules, (LimitState(limit, others, 0, None),), NOW, 1)
    if first.hold is None:
        assert others + 10 + LEASE_SLICE > cap
        return
    hold = first.hold
    for step in steps:
        state = LimitState(limit, others, hold.order.nano, None)
        decision = extended(Extension(hold, hold.order.output_tokens + step), rules, (state,), NOW, 1)
        hold = decision.hold or hold
        assert others + hold.order.nano <= cap


def test_an_attempt_is_presumed_to_have_cost_what_its_policy_says() -> None:
    for presume, nano in (("hold", 100), ("input", 10)):
        decision = judge(an_order(), Rules(uncapped=True, presume=presume), (), NOW, 1)  # type: ignore[arg-type]
        assert decision.hold is not None and decision.hold.presumed_nano == nano


def test_a_leased_stream_is_presumed_to_have_cost_all_that_it_may_or_its_input() -> None:
    for presume, nano in (("hold", 10 + 5_000), ("input", 10)):
        decision = judge(stream(), lease(presume=presume), (), NOW, 1)
        assert decision.hold is not None and decision.hold.presumed_nano == nano


def test_while_the_ledger_is_away_limits_are_not_asked_and_everything_else_is() -> None:
    full = at(cap=1, used=1)
    rules = Rules((full.limit,), deny=("openai/gpt-5",), on_ledger_failure="open")
    decision = opened(an_order(), rules, NOW)
    assert (decision.reason_code, decision.allowed) == (OPENED, True)
    assert decision.hold is not None and decision.hold.opened
    assert opened(an_order(model="gpt-5"), rules, NOW).reason_code == "MODEL_NOT_ALLOWED"
