"""One decision: what refuses, what only warns, what is lowered, and how long to wait."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aikit.meter.judge import affordable, judge
from aikit.policy.model import Rules
from aikit.types import Action, Call, Cost, Decision, Limit, LimitState, Metric, Order, Tags, Window, new_id

NOW = datetime(2026, 11, 21, 10, 30, 30, tzinfo=UTC)
END_OF_MINUTE = datetime(2026, 11, 21, 10, 31, tzinfo=UTC)
MIDNIGHT = datetime(2026, 11, 22, tzinfo=UTC)
DECEMBER = datetime(2026, 12, 1, tzinfo=UTC)
TEN_AND_ONE = Cost(((10, 1),), 1)
"""Ten nano-USD for the input, one for each output token."""


def an_order(output: int = 90, *, cost: Cost = TEN_AND_ONE, model: str = "gpt-4o-mini", **more: Any) -> Order:
    call = Call(new_id(), Tags("acme", "u1", "chat", "prod"), "openai", model, "openai.chat")
    return Order(new_id(), call, cost.nano(output), 5 + output, "p1", output, cost=cost, **more)


def at(
    metric: Metric = Metric.CREDITS, window: Window = Window.DAY, cap: int = 100, used: int = 0, held: int = 0,
    carried: int = 0, **more: Any,
) -> LimitState:  # fmt: skip
    resets = {Window.MINUTE: END_OF_MINUTE, Window.DAY: MIDNIGHT, Window.MONTH: DECEMBER}.get(window)
    return LimitState(Limit(metric, window, cap, "plan:pro", **more), used, held, resets, carried)


def decided(*states: LimitState, order: Order | None = None, **rules: Any) -> Decision:
    limits = tuple([state.limit for state in states])
    return judge(order or an_order(), Rules(limits, **{"uncapped": True, **rules}), states, NOW, 3)


def test_a_soft_cap_is_crossed_and_the_call_allowed() -> None:
    decision = decided(at(cap=200, soft_cap=50))
    assert (decision.reason_code, decision.allowed) == ("ALLOWED_SOFT_CAP", True)
    assert [state.limit.soft_cap for state in decision.soft] == [50]
    assert decided(at(cap=200, soft_cap=100)).reason_code == "ALLOWED"


def test_a_limit_that_warns_lets_pass_and_says_what_it_would_have_done() -> None:
    decision = decided(at(cap=50, action=Action.WARN), at(window=Window.MONTH, cap=40, action=Action.WARN))
    assert decision.reason_code == "ALLOWED"
    assert [state.window for state in decision.warned] == [Window.MONTH, Window.DAY]


@pytest.mark.parametrize(
    ("rules", "code"),
    [
        ({"uncapped": False}, "NO_POLICY"),
        ({"lacking": ("ai_access",)}, "ENTITLEMENT_REQUIRED"),
        ({"allow": ("anthropic/*",)}, "MODEL_NOT_ALLOWED"),
        ({"allow": ()}, "MODEL_NOT_ALLOWED"),
        ({"allow": ("openai/*",), "deny": ("openai/gpt-4o*",)}, "MODEL_NOT_ALLOWED"),
        ({"allow": ("openai/gpt-4o-*",)}, "ALLOWED"),
        ({"max_prompt_characters": 999}, "PROMPT_TOO_LONG"),
        ({"max_prompt_characters": 1000}, "ALLOWED"),
        ({"max_output_tokens": 89}, "REQUEST_TOKENS_EXCEEDED"),
        ({"max_output_tokens": 90}, "ALLOWED"),
        ({"max_output_tokens": 89, "clamp": True}, "ALLOWED"),
    ],
)
def test_what_no_limit_is_asked_about(rules: dict[str, Any], code: str) -> None:
    assert decided(order=an_order(characters=1000), **rules).reason_code == code


def test_who_decided_is_said() -> None:
    decision = decided(deny=("*",), sources={"deny": "plan:free"})
    assert decision.source == "plan:free"


def test_a_request_that_names_no_output_limit_gets_the_default_and_its_cost() -> None:
    decision = decided(order=an_order(4096, named=False), default_output_tokens=500)
    assert decision.hold is not None
    assert (decision.hold.order.output_tokens, decision.hold.order.nano, decision.hold.order.tokens) == (500, 510, 505)
    assert not decision.clamped


def test_alternative_answers_share_the_ceiling() -> None:
    decision = decided(order=an_order(4096, named=False, answers=3), default_output_tokens=500)
    assert decision.hold is not None
    assert decision.hold.order.output_tokens == 498


def test_clamping_lowers_the_output_to_what_is_affordable() -> None:
    decision = decided(at(cap=100, used=40), order=an_order(90), clamp=True)
    assert decision.hold is not None
    assert decision.clamped
    assert (decision.hold.order.output_tokens, decision.hold.order.nano) == (50, 60)


def test_clamping_needs_room_for_the_least_that_the_api_takes() -> None:
    assert not decided(at(cap=100, used=85), order=an_order(90, least=16), clamp=True).allowed
    assert decided(at(cap=100, used=74), order=an_order(90, least=16), clamp=True).allowed


def test_clamping_does_not_help_where_requests_are_counted() -> None:
    assert not decided(at(Metric.REQUESTS, cap=0), clamp=True).allowed


def test_what_would_be_affordable_is_the_least_of_all_limits() -> None:
    failing = [at(cap=60), at(Metric.TOKENS, cap=40), at(Metric.OUTPUT_TOKENS, cap=45)]
    assert affordable(an_order(90), failing) == 35
    assert affordable(an_order(90), [at(cap=5)]) == 0


def test_a_model_without_a_price_is_refused_unless_the_policy_prices_it() -> None:
    from aikit.types import Bound
    from support.ledger import a_price

    bare = an_order()._replace(cost=None, nano=0, price_id=None, bound=Bound(1000, 90))
    assert decided(order=bare).reason_code == "PRICE_UNKNOWN"
    price = a_price("*", "*", input="1", output="2")
    decision = decided(order=bare, unpriced=price)
    assert decision.hold is not None
    assert (decision.hold.order.nano, decision.hold.order.price_id) == (1_180_000, price.id)


def test_a_sliding_limit_says_how_long_to_wait() -> None:
    decision = decided(at(Metric.REQUESTS, Window.MINUTE, cap=10, used=5, carried=5))
    assert decision.reason_code == "MINUTE_REQUEST_LIMIT_EXCEEDED"
    assert decision.retry_after is not None
    assert 0 < decision.retry_after <= 6  # five carried at half time are ten: one fewer after six seconds


def test_a_limit_that_can_never_fit_is_not_for_waiting() -> None:
    assert decided(at(Metric.REQUESTS, Window.MINUTE, cap=0)).retry_after is None
    assert decided(at(Metric.CONCURRENCY, Window.TOTAL, cap=0)).retry_after is None


def test_running_requests_are_no_reason_to_try_again_since_they_count_anyway() -> None:
    decision = decided(at(Metric.REQUESTS, Window.DAY, cap=1, held=1))
    assert (decision.in_flight, decision.retry_after) == (False, None)
    assert decided(at(cap=100, held=1)).in_flight
    assert decided(at(Metric.CONCURRENCY, Window.TOTAL, cap=1, held=1)).retry_after == 1.0


def test_concurrency_gives_way_to_any_other_code() -> None:
    decision = decided(at(Metric.CONCURRENCY, Window.TOTAL, cap=1, held=1), at(cap=1))
    assert decision.reason_code == "DAILY_BUDGET_EXCEEDED"


amount = st.integers(0, 120)
states = st.lists(
    st.builds(
        at,
        st.sampled_from(list(Metric)),
        st.sampled_from([Window.CALL, Window.MINUTE, Window.DAY, Window.MONTH]),
        cap=amount,
        used=amount,
        held=amount,
        action=st.sampled_from(list(Action)),
    ),
    max_size=6,
)
orders = st.builds(an_order, st.integers(1, 100), named=st.booleans(), characters=st.integers(0, 2000))


@given(orders, states, st.booleans())
def test_a_decision_is_a_function_of_its_inputs(order: Order, found: list[LimitState], clamp: bool) -> None:
    first, second = (decided(*found, order=order, clamp=clamp) for _ in range(2))
    assert first._replace(rules=None) == second._replace(rules=None)


@given(orders, states, states, st.booleans())
def test_another_limit_never_admits_more(
    order: Order, found: list[LimitState], more: list[LimitState], clamp: bool
) -> None:
    fewer, all_of_them = decided(*found, order=order, clamp=clamp), decided(*found, *more, order=order, clamp=clamp)
    assert fewer.allowed or not all_of_them.allowed
    if all_of_them.hold and fewer.hold:
        assert all_of_them.hold.order.output_tokens <= fewer.hold.order.output_tokens


@given(orders, states, st.booleans())
def test_what_is_granted_fits_under_every_limit_that_blocks(order: Order, found: list[LimitState], clamp: bool) -> None:
    decision = decided(*found, order=order, clamp=clamp)
    if decision.hold is not None:
        granted = decision.hold.order
        sizes = {
            Metric.CREDITS: granted.nano,
            Metric.TOKENS: granted.tokens,
            Metric.OUTPUT_TOKENS: granted.output_tokens,
        }
        sizes[Metric.INPUT_TOKENS] = granted.tokens - granted.output_tokens
        blocking = [state for state in found if state.limit.action is Action.BLOCK]
        assert all(state.counted + sizes.get(state.metric, 1) <= state.cap for state in blocking)


@given(st.integers(1, 20), st.integers(0, 40), st.integers(0, 40), st.integers(0, 59))
def test_the_time_to_wait_is_enough(cap: int, used: int, previous: int, second: int) -> None:
    from aikit.meter.counters import Counter
    from aikit.meter.decide import Lane, observe

    limit = Limit(Metric.REQUESTS, Window.MINUTE, cap, "s")
    minute = NOW.replace(second=0)
    now = minute + timedelta(seconds=second)
    counter = Counter(int(minute.timestamp()), used, 0, previous)
    rules = Rules((limit,))
    decision = judge(an_order(), rules, observe([Lane(limit, counter, END_OF_MINUTE, 60)], now), now, 1)
    if decision.allowed:
        return
    assert decision.retry_after is not None
    later = now + timedelta(seconds=decision.retry_after)
    end = END_OF_MINUTE
    if later >= END_OF_MINUTE:
        end += timedelta(minutes=1)
        counter.roll(int(END_OF_MINUTE.timestamp()), 60)
        if later >= end:
            end += timedelta(minutes=1)
            counter.roll(int(END_OF_MINUTE.timestamp()) + 60, 60)
    assert judge(an_order(), rules, observe([Lane(limit, counter, end, 60)], later), later, 1).allowed
