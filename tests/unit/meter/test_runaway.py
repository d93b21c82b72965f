"""When a rule against runaways refuses: at which repetition, at how much money, for how long, and never else."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from aikit.errors import RateLimited
from aikit.meter.counters import Counters, charge
from aikit.meter.decide import decide, track, window_at
from aikit.meter.judge import judge, would_refuse
from aikit.meter.repeats import Repetitions
from aikit.policy.model import PACED, Rules
from aikit.refusal import metadata, refused
from aikit.types import (
    Action,
    Decision,
    Ending,
    Entry,
    Limit,
    LimitState,
    LoopRule,
    Metric,
    Order,
    Pace,
    Repeats,
    Usage,
    VelocityRule,
    Watched,
    Window,
)
from support.attempts import NOW, held, order

LOOPS = LoopRule(20, 60, "default")
VELOCITY = VelocityRule(5, 1_000, "default")
WARNS = Action.WARN
amounts = st.integers(0, 10**12)


def asks(nano: int = 100, fingerprint: str = "a") -> Order:
    return order("acme", nano)._replace(fingerprint=fingerprint)


def decided(*watch: Watched, nano: int = 100, **rules: Any) -> Decision:
    return judge(asks(nano), Rules(uncapped=True, **rules), (), NOW, 3, watch)


def seen(times: int, rule: LoopRule = LOOPS) -> Repeats:
    return Repeats(rule, times, NOW - timedelta(seconds=30))


def pace(minute: int, hour: int, rule: VelocityRule = VELOCITY, carried: int = 0) -> Pace:
    return Pace(rule, minute, carried, hour)


@pytest.mark.parametrize(
    ("times", "code"), [(0, "ALLOWED"), (19, "ALLOWED"), (20, "LOOP_DETECTED"), (317, "LOOP_DETECTED")]
)
def test_the_request_after_the_last_that_is_allowed_is_refused(times: int, code: str) -> None:
    assert decided(seen(times)).reason_code == code


@pytest.mark.parametrize(
    ("minute", "hour", "nano", "code"),
    [
        (0, 0, 1_000, "ALLOWED"),  # the floor, to the last nano-dollar
        (0, 0, 1_001, "VELOCITY_EXCEEDED"),
        (900, 0, 101, "VELOCITY_EXCEEDED"),
        (4_900, 60_000, 100, "ALLOWED"),  # five times a thousand a minute
        (4_900, 60_000, 101, "VELOCITY_EXCEEDED"),
        (5_000, 60_011, 0, "ALLOWED"),
        (5_001, 60_011, 0, "VELOCITY_EXCEEDED"),
    ],
)
def test_the_minute_may_come_to_so_many_times_the_hours_rate(minute: int, hour: int, nano: int, code: str) -> None:
    assert decided(pace(minute, hour), nano=nano).reason_code == code
    assert decided(pace(0, hour, carried=minute), nano=nano).reason_code == code


@given(amounts, amounts, st.integers(2, 1000), st.integers(1, 10**12), amounts)
def test_it_is_exact(minute: int, hour: int, times: int, floor: int, nano: int) -> None:
    refuses = minute + nano > floor and (minute + nano) * 60 > times * hour
    decision = decided(pace(minute, hour, VelocityRule(times, floor, "default")), nano=nano)
    assert decision.allowed is not refuses


def test_a_loop_is_not_worth_another_try_and_a_burst_is() -> None:
    loop, burst = decided(seen(20)), decided(pace(1_000, 0), nano=10)
    for decision, retryable in ((loop, False), (burst, True)):
        assert decision.order is not None
        error = refused(decision, decision.order, affordable=0, nano_per_credit=100_000)
        assert isinstance(error, RateLimited)
        assert (error.status, error.retryable, error.code) == (429, retryable, decision.reason_code)
        assert error.retry_after and error.retry_after <= 120
        assert metadata(error, decision.id)["limit_source"] == "default"
    assert loop.retry_after == 60


def test_a_call_that_alone_may_cost_more_than_is_allowed_is_not_for_waiting() -> None:
    decision = decided(pace(0, 0), nano=1_001)
    assert decision.retry_after is None
    assert decision.order is not None
    error = refused(decision, decision.order, affordable=0, nano_per_credit=100_000)
    assert (error.retryable, error.retry_after) == (False, None)


@given(st.integers(0, 1_000), st.integers(0, 2_000), st.integers(0, 2_000), st.integers(0, 59_999_999))
def test_after_the_wait_it_passes_and_not_before(nano: int, minute: int, previous: int, elapsed: int) -> None:
    """If nothing else happens, and the hour is too short to matter: up to the floor."""
    start = NOW.replace(second=0, microsecond=0)
    counters = Counters(0, list(PACED), _amounts(start, minute, previous))
    rules = Rules(uncapped=True, velocity=VELOCITY._replace(times=2), paced=("",), subjects=("",))
    standing = {("acme", ""): counters}

    def at(now: datetime) -> Decision:
        return decide([(asks(nano), rules)], {rules: track("acme", rules, standing, now)}, now, 1)[0]

    now = start + timedelta(microseconds=elapsed)
    decision = at(now)
    if decision.allowed:
        return
    assert decision.retry_after is not None
    again = decision.retry_after + 1e-5
    assume(now + timedelta(seconds=again) < start + timedelta(minutes=2))
    assert at(now + timedelta(seconds=again)).allowed


def _amounts(start: datetime, minute: int, previous: int) -> list[int]:
    hour = start.replace(minute=0)
    return [int(start.timestamp()), minute, 0, previous, int(hour.timestamp()), 0, 0, 0]


@given(amounts, amounts, st.integers(0, 40), amounts, st.booleans(), amounts)
def test_a_rule_never_lets_more_pass(minute: int, hour: int, times: int, nano: int, warns: bool, cap: int) -> None:
    limit = Limit(Metric.CREDITS, Window.DAY, cap, "default")
    states = (LimitState(limit, 0, 0, NOW + timedelta(hours=1)),)
    action = WARNS if warns else Action.BLOCK
    watch = (seen(times, LOOPS._replace(action=action)), pace(minute, hour, VELOCITY._replace(action=action)))
    with_rules = judge(asks(nano), Rules((limit,)), states, NOW, 1, watch)
    without = judge(asks(nano), Rules((limit,)), states, NOW, 1)
    assert without.allowed or not with_rules.allowed
    if warns:
        assert with_rules.reason_code == without.reason_code
    if with_rules.allowed:
        assert with_rules.hold is not None and without.hold is not None
        assert with_rules.hold.order.nano == without.hold.order.nano


def test_a_rule_that_warns_says_what_it_would_have_done() -> None:
    loops, velocity = seen(20, LOOPS._replace(action=WARNS)), pace(1_000, 0, VELOCITY._replace(action=WARNS))
    decision = decided(loops, velocity)
    assert decision.allowed
    assert decision.tripped == (loops, velocity)
    assert would_refuse(decision) == "LOOP_DETECTED"
    assert would_refuse(decided(velocity)) == "VELOCITY_EXCEEDED"
    assert would_refuse(decided(seen(3, LOOPS._replace(action=WARNS)))) is None


def test_what_no_policy_allows_is_refused_for_that() -> None:
    assert decided(seen(20), deny=("*",)).reason_code == "MODEL_NOT_ALLOWED"


def test_a_loop_is_named_before_a_cap_that_it_has_used_up() -> None:
    limit = Limit(Metric.CREDITS, Window.DAY, 10, "default")
    states = (LimitState(limit, 10, 0, NOW + timedelta(hours=1)),)
    assert judge(asks(), Rules((limit,)), states, NOW, 1, (seen(20),)).reason_code == "LOOP_DETECTED"
    assert judge(asks(), Rules((limit,)), states, NOW, 1, (pace(9**9, 0),)).reason_code == "DAILY_BUDGET_EXCEEDED"


class Shop:
    """One tenant under these rules, whose attempts are decided one by one and settled at once."""

    def __init__(self, **rules: Any) -> None:
        self.rules = Rules(uncapped=True, subjects=("",) if "velocity" in rules else (), **rules)
        self.repeats = Repetitions()
        starts = [window_at(slot.window, NOW.replace(second=0, microsecond=0))[0] for slot in PACED.values()]
        amounts = [amount for start in starts for amount in (int(start.timestamp()), 0, 0, 0)]
        self.standing = {("acme", ""): Counters(0, list(PACED), amounts)} if "velocity" in rules else {}

    def ask(self, at: float, *orders: Order) -> list[Decision]:
        """Decide them in one batch, then settle those that pass for what they held."""
        now = NOW + timedelta(seconds=at)
        tracks = {self.rules: track("acme", self.rules, self.standing, now)}
        decisions = decide([(one, self.rules) for one in orders], tracks, now, 1, repeats=self.repeats)
        passed = [held(decision) for decision in decisions if decision.allowed]
        charge([Entry(hold, Ending.SETTLED, hold.order.nano, Usage(input=1)) for hold in passed], self.standing)
        return decisions


@given(st.lists(st.sampled_from("abc"), max_size=60), st.integers(1, 10), st.integers(1, 7))
def test_of_each_request_so_many_pass_and_no_more_however_they_are_mixed_and_batched(
    asked: list[str], identical: int, size: int
) -> None:
    shop = Shop(loops=LOOPS._replace(identical=identical))
    decisions: list[Decision] = []
    orders = [asks(fingerprint=one) for one in asked]
    for place in range(0, len(orders), size):
        decisions += shop.ask(place * 0.01, *orders[place : place + size])
    for fingerprint in "abc":
        passed = [d.allowed for d, one in zip(decisions, asked, strict=True) if one == fingerprint]
        assert passed == [number < identical for number in range(len(passed))]


def test_a_loop_that_goes_on_stays_refused_and_one_that_pauses_is_over() -> None:
    shop = Shop(loops=LOOPS._replace(identical=2))
    codes = [shop.ask(at, asks())[0].reason_code for at in (0, 1, 2, 30, 58, 62, 89, 118, 179)]
    assert codes == ["ALLOWED"] * 2 + ["LOOP_DETECTED"] * 6 + ["ALLOWED"]


def test_requests_whose_content_is_not_known_are_no_loop() -> None:
    shop = Shop(loops=LOOPS._replace(identical=1))
    assert [shop.ask(0, asks(fingerprint=""))[0].reason_code for _ in range(3)] == ["ALLOWED"] * 3


@settings(max_examples=15)
@given(st.integers(1, 50), st.integers(2, 10))
def test_steady_spending_never_trips(nano: int, times: int) -> None:
    """Not from the first call on, if the floor is what a minute costs; not later, though the floor is far below it."""
    shop = Shop(velocity=VelocityRule(times, 12 * nano, "default"), paced=("",))
    for second in range(0, 75 * 60, 10):  # six calls a minute; sliding windows and the next hold: twelve at most
        assert shop.ask(second, asks(nano))[0].allowed


@settings(max_examples=25)
@given(st.integers(2, 10), st.integers(1, 1_000))
def test_a_burst_trips_at_so_many_times_the_rate(times: int, nano: int) -> None:
    shop = Shop(velocity=VelocityRule(times, 1, "default"), paced=("",))
    rules, shop.rules = shop.rules, Rules(uncapped=True, paced=("",), subjects=("",))  # counts, and does not ask
    for minute in range(120):
        shop.ask(60 * minute, asks(nano))
    shop.rules = rules
    passed = 0
    while shop.ask(60 * 120 + 5, asks(nano))[0].allowed:
        passed += 1
        assert passed < 1_000
    assert times - 2 <= passed <= times * 1.25 + 1  # a part of the minute before counts; what passes raises the rate


@given(st.lists(st.tuples(st.integers(0, 100), st.integers(0, 120)), max_size=50))
def test_below_the_floor_nothing_trips(spent: list[tuple[int, int]]) -> None:
    shop = Shop(velocity=VelocityRule(2, 100 * 50, "default"), paced=("",))
    at = 0
    for nano, gap in spent:
        at += gap
        assert shop.ask(at, asks(nano))[0].allowed


def test_what_is_decided_can_be_decided_again_on_what_was_found() -> None:
    shop = Shop(loops=LOOPS._replace(identical=3), velocity=VELOCITY._replace(floor=450), paced=("",))
    decisions = [shop.ask(number, asks(fingerprint="ab"[number % 2]))[0] for number in range(12)]
    assert {decision.reason_code for decision in decisions} == {"ALLOWED", "VELOCITY_EXCEEDED", "LOOP_DETECTED"}
    for number, decision in enumerate(decisions):
        asked = asks(fingerprint="ab"[number % 2])
        again = judge(asked, shop.rules, (), NOW + timedelta(seconds=number), 1, decision.watch)
        assert (again.reason_code, again.retry_after) == (decision.reason_code, decision.retry_after)


def test_times_are_in_utc() -> None:
    shop = Shop(loops=LOOPS)
    shop.ask(0, asks())
    (found,) = shop.ask(1, asks())[0].watch
    assert isinstance(found, Repeats) and found.first_at is not None
    assert found.first_at.tzinfo is UTC
