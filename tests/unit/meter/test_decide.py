"""`decide` against everything that a sequence of batches can do."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aikit.meter.counters import Counter, Counters, charge
from aikit.meter.decide import Behind, decide, track, window_at
from aikit.meter.judge import reason_code
from aikit.policy.model import Rules, slot_name
from aikit.types import (
    Action,
    Decision,
    Ending,
    Entry,
    Finding,
    GuardAction,
    GuardRule,
    Limit,
    LimitState,
    Metric,
    Place,
    Window,
)
from support.attempts import NOW, held, order, settled, voided

WINDOWS = (Window.DAY, Window.WEEK, Window.MONTH, Window.TOTAL)


def a_limit(window: Window, cap: int, metric: Metric = Metric.CREDITS, **more: Any) -> Limit:
    return Limit(metric, window, cap, "tenant:acme", **more)


def some_rules(*limits: Limit, **more: Any) -> Rules:
    subjects = sorted({limit.subject for limit in limits if limit.window is not Window.CALL})
    return Rules(limits, subjects=tuple(subjects), **more)


@dataclass
class Book:
    """What a database would remember: the counters. Posts batches the way the poster does."""

    rules: dict[str, Rules]
    standing: dict[tuple[str, str], Counters] = field(default_factory=dict)

    def post(self, orders: list, entries: list[Entry] = [], now: datetime = NOW) -> list[Decision]:  # noqa: B006
        tracks = {}
        for tenant, rules in self.rules.items():
            for subject in rules.subjects:
                self.standing.setdefault((tenant, subject), opened(rules, subject, now))
            tracks[rules] = track(tenant, rules, self.standing, now)
        charge(entries, self.standing)
        return decide([(one, self.rules.get(one.call.tenant)) for one in orders], tracks, now, 7)

    def counter(self, limit: Limit, tenant: str = "acme") -> Counter:
        return self.standing[tenant, limit.subject].slots[name_of(limit)]


def opened(rules: Rules, subject: str, now: datetime) -> Counters:
    """Counters that nobody has used."""
    slots: dict[str, list[int]] = {}
    for limit in rules.limits:
        if limit.window is not Window.CALL and limit.subject == subject:
            start, _ = window_at(limit.window, now.replace(second=0, microsecond=0), limit.zone, limit.anchor)
            slots[name_of(limit)] = [int(start.timestamp()), 0, 0, 0]
    return Counters(0, list(slots), [amount for slot in slots.values() for amount in slot])


def name_of(limit: Limit) -> str:
    return slot_name(limit.metric, limit.window, limit.zone, limit.anchor)


def a_book(*limits: Limit, **more: Any) -> Book:
    return Book({"acme": some_rules(*limits, **more)})


def test_an_order_that_just_fits_is_admitted_and_the_next_is_not() -> None:
    book = a_book(a_limit(Window.MONTH, 200))
    first, second, third = book.post([order(nano=100), order(nano=100), order(nano=1)])
    assert (first.reason_code, second.reason_code) == ("ALLOWED", "ALLOWED")
    assert third.reason_code == "MONTHLY_BUDGET_EXCEEDED"
    assert third.hold is None


def test_only_running_calls_in_the_way_is_said_apart_from_a_used_up_cap() -> None:
    book = a_book(a_limit(Window.MONTH, 100))
    running, refused = book.post([order(nano=100), order(nano=50)])
    assert refused.in_flight
    (refused,) = book.post([order(nano=50)], [settled(running, 80)])
    assert not refused.in_flight


def test_a_cap_of_zero_allows_nothing_that_costs_anything() -> None:
    (refused,) = a_book(a_limit(Window.TOTAL, 0)).post([order(nano=1)])
    assert refused.reason_code == "TOTAL_BUDGET_EXCEEDED"


def test_without_a_limit_nothing_is_allowed_unless_the_tenant_was_declared_uncapped() -> None:
    assert a_book().post([order()])[0].reason_code == "NO_POLICY"
    assert a_book(uncapped=True).post([order(nano=10**15)])[0].allowed


def test_an_unknown_tenant_is_refused() -> None:
    assert a_book(a_limit(Window.DAY, 10)).post([order("nobody")])[0].reason_code == "TENANT_UNKNOWN"


def test_a_limit_on_each_call_looks_at_the_call_alone_and_keeps_no_counter() -> None:
    book = a_book(a_limit(Window.CALL, 100), a_limit(Window.DAY, 1000))
    small, large = book.post([order(nano=100), order(nano=101)])
    assert small.allowed
    assert large.reason_code == "REQUEST_COST_EXCEEDED"
    assert not large.in_flight
    assert held(small).subjects == ("",)


def test_the_code_is_that_of_the_limit_that_resets_last() -> None:
    book = a_book(*[a_limit(window, 10) for window in WINDOWS[:3]])
    (refused,) = book.post([order(nano=11)])
    assert refused.reason_code == "MONTHLY_BUDGET_EXCEEDED"
    assert {state.window for state in refused.failing} == set(WINDOWS[:3])
    book = a_book(*[a_limit(window, 10) for window in WINDOWS])
    assert book.post([order(nano=11)])[0].reason_code == "TOTAL_BUDGET_EXCEEDED"


def test_a_refused_order_changes_no_counter_even_where_it_would_have_fitted() -> None:
    day, month = a_limit(Window.DAY, 10), a_limit(Window.MONTH, 1000)
    book = a_book(day, month)
    book.post([order(nano=11)])
    assert book.counter(month).held == 0


def test_tenants_do_not_share_counters() -> None:
    book = Book({name: some_rules(a_limit(Window.DAY, 100)) for name in ("acme", "globex")})
    assert all(d.allowed for d in book.post([order("acme", 100), order("globex", 100)]))


def test_a_new_window_starts_from_nothing_and_the_old_hold_is_no_part_of_it() -> None:
    limit = a_limit(Window.DAY, 100)
    book = a_book(limit)
    (today,) = book.post([order(nano=100)])
    tomorrow = NOW + timedelta(days=1)
    (next_day,) = book.post([order(nano=100)], now=tomorrow)
    assert next_day.allowed
    book.post([], [settled(today, 60)], now=tomorrow)
    assert (book.counter(limit).used, book.counter(limit).held) == (0, 100)


def test_an_ending_after_its_window_counts_in_it_as_long_as_no_order_has_come() -> None:
    limit = a_limit(Window.DAY, 100)
    book = a_book(limit)
    (today,) = book.post([order(nano=100)])
    charge([settled(today, 60)], book.standing)
    assert (book.counter(limit).used, book.counter(limit).held) == (60, 0)


def test_a_counter_that_is_in_a_window_of_the_future_is_not_decided_on() -> None:
    book = a_book(a_limit(Window.DAY, 100))
    book.post([order(nano=100)], now=NOW + timedelta(days=1))
    with pytest.raises(Behind):
        book.post([order(nano=1)])


def test_a_user_and_its_tenant_are_counted_apart() -> None:
    user = a_limit(Window.DAY, 100, subject="user=u1")
    book = a_book(a_limit(Window.DAY, 250), user)
    book.rules["acme2"] = some_rules(user)
    assert [d.allowed for d in book.post([order(nano=60), order(nano=60)])] == [True, False]
    assert (book.counter(user).held, book.counter(a_limit(Window.DAY, 0)).held) == (60, 60)


def test_two_limits_on_one_counter_count_once() -> None:
    watched = a_limit(Window.DAY, 50, action=Action.WARN)
    book = a_book(a_limit(Window.DAY, 100), watched)
    (decision,) = book.post([order(nano=60)])
    assert decision.allowed
    assert decision.warned
    assert book.counter(watched).held == 60


def test_an_ending_above_its_hold_is_posted_in_full_and_stops_what_comes_next() -> None:
    limit = a_limit(Window.MONTH, 100)
    book = a_book(limit)
    (first,) = book.post([order(nano=50)])
    (refused,) = book.post([order(nano=1)], [settled(first, 130)])
    assert book.counter(limit).used == 130
    assert refused.reason_code == "MONTHLY_BUDGET_EXCEEDED"


@pytest.mark.parametrize(
    ("metric", "window", "code"),
    [
        (Metric.REQUESTS, Window.MINUTE, "MINUTE_REQUEST_LIMIT_EXCEEDED"),
        (Metric.REQUESTS, Window.HOUR, "HOURLY_REQUEST_LIMIT_EXCEEDED"),
        (Metric.TOKENS, Window.DAY, "DAILY_TOKEN_LIMIT_EXCEEDED"),
        (Metric.TOKENS, Window.CALL, "REQUEST_TOKENS_EXCEEDED"),
        (Metric.CREDITS, Window.WEEK, "WEEKLY_BUDGET_EXCEEDED"),
        (Metric.CREDITS, Window.TOTAL, "TOTAL_BUDGET_EXCEEDED"),
        (Metric.CREDITS, Window.CALL, "REQUEST_COST_EXCEEDED"),
        (Metric.CONCURRENCY, Window.TOTAL, "CONCURRENCY_LIMIT_EXCEEDED"),
    ],
)
def test_reason_codes_are_the_documented_ones(metric: Metric, window: Window, code: str) -> None:
    assert reason_code(LimitState(Limit(metric, window, 1, ""), 0, 0, None)) == code


amounts = st.integers(0, 60)
limits = st.lists(
    st.builds(a_limit, st.sampled_from([*WINDOWS, Window.CALL]), st.integers(0, 200), st.sampled_from(list(Metric))),
    min_size=1,
    max_size=5,
    unique_by=lambda limit: (limit.metric, limit.window),
)
steps = st.lists(
    st.tuples(
        st.lists(st.tuples(amounts, amounts), max_size=6),
        st.lists(st.tuples(st.integers(0, 30), st.floats(0, 1), st.sampled_from(list(Ending))), max_size=6),
    ),
    max_size=12,
)


def run(book: Book, script: list, check) -> None:
    """Play batches of orders and of endings for what is running; `check` looks at the book after each."""
    running: list[Decision] = []
    for asked, ended in script:
        entries = []
        for index, share, ending in ended:
            if running:
                decision = running.pop(index % len(running))
                nano = 0 if ending is Ending.VOIDED else int(held(decision).order.nano * share)
                entries.append(Entry(held(decision), ending, nano))
        decisions = book.post([order(nano=nano, tokens=tokens) for nano, tokens in asked], entries)
        running += [decision for decision in decisions if decision.allowed]
        check(running)


@given(limits, steps)
def test_no_sequence_of_batches_passes_a_cap(limits: list[Limit], script: list) -> None:
    book = a_book(*limits)

    def check(running: list[Decision]) -> None:
        for limit in limits:
            if limit.window is not Window.CALL:
                counter = book.counter(limit)
                assert counter.used >= 0
                assert counter.held >= 0
                assert counter.used + counter.held <= limit.cap

    run(book, script, check)


@given(limits, steps)
def test_what_is_held_is_exactly_what_the_running_calls_hold(limits: list[Limit], script: list) -> None:
    book = a_book(*limits)

    def check(running: list[Decision]) -> None:
        for limit in limits:
            if limit.window is not Window.CALL:
                size = {
                    Metric.CREDITS: sum(held(d).order.nano for d in running),
                    Metric.TOKENS: sum(held(d).order.tokens for d in running),
                    Metric.INPUT_TOKENS: sum(held(d).order.tokens - held(d).order.output_tokens for d in running),
                    Metric.OUTPUT_TOKENS: sum(held(d).order.output_tokens for d in running),
                }.get(limit.metric, len(running))
                assert book.counter(limit).held == size

    run(book, script, check)


@given(limits, st.lists(amounts, max_size=12))
def test_a_batch_decides_as_its_orders_would_one_by_one(limits: list[Limit], sizes: list[int]) -> None:
    orders = [order(nano=size, tokens=size) for size in sizes]
    together = [d.reason_code for d in a_book(*limits).post(orders)]
    book = a_book(*limits)
    assert together == [book.post([one])[0].reason_code for one in orders]


@given(limits, st.lists(amounts, max_size=12))
def test_voiding_everything_restores_everything(limits: list[Limit], sizes: list[int]) -> None:
    book = a_book(*limits)
    decisions = book.post([order(nano=size, tokens=size) for size in sizes])
    book.post([], [voided(decision) for decision in decisions if decision.allowed])
    for limit in limits:
        if limit.window is not Window.CALL:
            counter = book.counter(limit)
            used_anyway = {Metric.REQUESTS: sum(d.allowed for d in decisions)}.get(limit.metric, 0)
            assert (counter.used, counter.held) == (used_anyway, 0)


@given(limits, st.lists(amounts, max_size=8), st.integers(0, 200))
def test_one_more_limit_never_admits_more(limits: list[Limit], sizes: list[int], cap: int) -> None:
    extra = Limit(Metric.CREDITS, Window.HOUR, cap, "extra")
    orders = [order(nano=size, tokens=size) for size in sizes]
    fewer = a_book(*limits)
    admitted = [d.allowed for d in fewer.post(orders)]
    first_difference = next(
        (i for i, d in enumerate(a_book(*limits, extra).post(orders)) if d.allowed != admitted[i]), None
    )
    # Up to there both books are the same; from there on the stricter one has more room left for later orders.
    assert first_difference is None or admitted[first_difference]


def test_the_clock_of_a_decision_is_the_one_it_was_given() -> None:
    now = datetime(2030, 1, 1, tzinfo=UTC)
    (decision,) = a_book(a_limit(Window.DAY, 100)).post([order()], now=now)
    assert held(decision).admitted_at == now
    assert decision.limits[0].resets_at == datetime(2030, 1, 2, tzinfo=UTC)


GUARDS = (GuardRule("pii", GuardAction.REDACT, (Place.INPUT,), source="default"),)


def test_an_order_that_has_not_passed_the_guards_in_force_is_neither_allowed_nor_counted() -> None:
    limit = a_limit(Window.MONTH, 100)
    rules = some_rules(limit, guards=GUARDS)
    book = Book({"acme": rules})
    asked = order(nano=60)
    (decision,) = book.post([asked])
    assert (decision.reason_code, decision.hold, decision.rules) == ("UNGUARDED", None, rules)
    again, other = book.post([asked._replace(guarded=GUARDS), order(nano=40)._replace(guarded=GUARDS)])
    assert again.allowed and other.allowed
    assert book.counter(limit).held == 100


def test_an_order_that_has_passed_guards_that_no_policy_asks_for_any_more_asks_again() -> None:
    book = Book({"acme": some_rules(a_limit(Window.MONTH, 100))})
    (decision,) = book.post([order(nano=1)._replace(guarded=GUARDS)])
    assert (decision.reason_code, decision.rules.guards) == ("UNGUARDED", ())


def test_what_a_guard_blocks_is_refused_in_the_name_of_the_policy_that_states_it() -> None:
    limit = a_limit(Window.MONTH, 100)
    book = Book({"acme": some_rules(limit, guards=GUARDS)})
    found = Finding("pii", "email", Place.INPUT, GuardAction.BLOCK)
    (decision,) = book.post([order(nano=1)._replace(guarded=GUARDS, findings=(found,), blocked=True)])
    assert (decision.reason_code, decision.source, decision.hold) == ("GUARD_BLOCKED", "default", None)
    assert book.counter(limit).held == 0


def test_a_question_is_answered_as_an_order_and_counts_nothing() -> None:
    limit = a_limit(Window.MONTH, 100)
    book = Book({"acme": some_rules(limit)})
    question = order(nano=60)._replace(asks=True)
    answers = book.post([question, question._replace(nano=101, cost=None), order(nano=60), question])
    assert [answer.allowed for answer in answers] == [True, False, True, False]
    assert book.counter(limit).held == 60
