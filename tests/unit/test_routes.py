"""Which models serve a call and in which order, when one gives way to the next, and when it is asked again."""

from __future__ import annotations

import threading
from collections import Counter
from pathlib import Path
from random import Random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aikit.asking import Ask, asked, key_for, random_of, route_of
from aikit.config import Settings, load
from aikit.errors import (
    AIError,
    BreakerOpen,
    ConfigError,
    IdempotencyConflict,
    MeteringUnavailable,
    PolicyDenied,
    PriceUnknown,
    RateLimited,
    Refused,
    RequestTooLarge,
    SpendCapExceeded,
)
from aikit.failures.codes import RETRYABLE, STATUS_OF
from aikit.routing.retries import FIRST_WAIT, FLOOR, LONGEST_WAIT, WINDOW, RetryBudget, wait_before
from aikit.routing.routes import Route
from aikit.routing.trying import SERVED, Served, Tried, Turn, Wait, trying
from aikit.types import new_id

A, B, C = "anthropic/claude-haiku-4-5", "openai/gpt-5-mini", "gemini/gemini-2.5-flash"
BESIDE_A = "anthropic/claude-sonnet-4-5"
KEYS = {"OPENAI_API_KEY": "k1", "ANTHROPIC_API_KEY": "k2", "GEMINI_API_KEY": "k3"}

Failure = AIError | Refused


def fails(code: str = "OVERLOADED", retry_after: float | None = None) -> AIError:
    return AIError("x", provider="p", code=code, retryable=code in RETRYABLE, retry_after=retry_after)


class Drill:
    """Drives the tries of one call against answers that stand in a list, by a clock that only waits move."""

    def __init__(
        self, route: Route, answers: list[Any], *, budget: RetryBudget | None = None, takes: float = 0
    ) -> None:
        self.now = 1_000.0
        self.takes = takes
        self.answers = answers
        self.turns: list[Turn] = []
        self.waits: list[float] = []
        self.budget = budget or RetryBudget(lambda: self.now)
        self.steps = trying(route, self.budget, Random(7), lambda: self.now)

    def run(self) -> Served[Any]:
        answer: Any = None
        step = next(self.steps)
        while True:
            if isinstance(step, Wait):
                self.waits.append(step.seconds)
                self.now += step.seconds
                answer = None
            else:
                self.turns.append(step)
                self.now += self.takes
                answer = self.answers.pop(0)
            try:
                step = self.steps.send(answer)
            except StopIteration as stop:
                served: Served[Any] = stop.value
                return served

    def fails(self) -> Failure:
        with pytest.raises((AIError, Refused)) as failed:
            self.run()
        error: Any = failed.value
        assert isinstance(error, AIError | Refused)
        return error

    @property
    def models(self) -> list[str]:
        return [turn.model for turn in self.turns]


def test_the_first_model_serves_if_it_can() -> None:
    drill = Drill(Route((A, B)), ["yes"])
    served = drill.run()
    assert (served.answer, drill.waits) == ("yes", [])
    assert served.tried == (Tried(A, SERVED, drill.turns[0].attempt),)


MOVES: list[Failure] = [
    *[fails(code) for code in sorted(RETRYABLE)],
    fails("INSUFFICIENT_QUOTA"),
    fails("PROVIDER_NOT_CONFIGURED"),
    BreakerOpen("x"),
    PolicyDenied("x", code="MODEL_NOT_ALLOWED"),
    PriceUnknown("x"),
]
STAYS: list[Failure] = [
    *[fails(code) for code in sorted(STATUS_OF.keys() - RETRYABLE - {"INSUFFICIENT_QUOTA", "PROVIDER_NOT_CONFIGURED"})],
    PolicyDenied("x", code="NO_POLICY"),
    SpendCapExceeded("x"),
    RateLimited("x"),
    RequestTooLarge("x"),
    MeteringUnavailable("x"),
    IdempotencyConflict("x"),
]


@pytest.mark.parametrize("error", MOVES, ids=lambda error: error.code)
def test_a_route_moves_on_at_once(error: Failure) -> None:
    drill = Drill(Route((A, B)), [error, "yes"])
    served = drill.run()
    assert (drill.models, drill.waits) == ([A, B], [])
    assert [(tried.model, tried.code) for tried in served.tried] == [(A, error.code), (B, SERVED)]
    assert (served.tried[0].attempt is None) is (error.code == "PROVIDER_NOT_CONFIGURED")


@pytest.mark.parametrize("error", STAYS, ids=lambda error: error.code)
def test_a_route_does_not_hide_what_another_model_does_not_help_against(error: Failure) -> None:
    drill = Drill(Route((A, B)), [error])
    assert drill.fails() is error
    assert drill.models == [A]


def test_a_cap_moves_on_only_where_downgrading_is_allowed() -> None:
    cap = SpendCapExceeded("x")
    assert Drill(Route((A, B)), [cap]).fails() is cap
    drill = Drill(Route((A, B), downgrade=True), [cap, "yes"])
    assert drill.run().answer == "yes"


def test_what_no_model_may_serve_is_refused_as_the_first_was() -> None:
    first, second = PolicyDenied("x", code="MODEL_NOT_ALLOWED"), PriceUnknown("x")
    error = Drill(Route((A, B)), [first, second]).fails()
    assert error is first
    assert [one["code"] for one in error.facts["tried"]] == ["MODEL_NOT_ALLOWED", "PRICE_UNKNOWN"]


def test_a_failure_says_more_than_a_refusal() -> None:
    failure = fails("INSUFFICIENT_QUOTA")
    assert Drill(Route((A, B)), [failure, BreakerOpen("x")]).fails() is failure


def test_when_all_have_failed_the_one_that_may_be_asked_soonest_is_asked_again() -> None:
    drill = Drill(Route((A, B), attempts=4), [fails(retry_after=20), fails(retry_after=9), "yes"])
    served = drill.run()
    assert drill.models == [A, B, B]
    assert drill.waits == [9]
    assert [tried.code for tried in served.tried] == ["OVERLOADED", "OVERLOADED", SERVED]


def test_no_more_requests_are_sent_than_the_attempts_allow() -> None:
    drill = Drill(Route((A, B), attempts=3), [fails() for _ in range(9)])
    error = drill.fails()
    assert len(drill.turns) == 3
    assert error.facts["notRetried"] == "attempts"
    assert len(error.facts["tried"]) == 3


def test_refusals_are_no_attempts_since_nothing_was_sent() -> None:
    drill = Drill(Route((A, B, C), attempts=1), [BreakerOpen("x"), BreakerOpen("x"), "yes"])
    assert drill.run().answer == "yes"


def test_a_single_model_has_one_attempt_and_its_error_is_left_as_it_is() -> None:
    error = fails()
    assert Drill(Route((A,), attempts=1, deadline=None), [error]).fails() is error
    assert error.facts == {}


def test_the_wait_that_a_provider_asks_for_is_honoured() -> None:
    drill = Drill(Route((A,), attempts=2), [fails("RATE_LIMITED", retry_after=7), "yes"])
    drill.run()
    assert drill.waits == [7]


def test_a_wait_that_does_not_fit_is_not_begun() -> None:
    drill = Drill(Route((A,), attempts=3, deadline=60), [fails("RATE_LIMITED", retry_after=61)])
    error = drill.fails()
    assert (drill.waits, error.facts["notRetried"]) == ([], "deadline")


def test_every_try_has_what_is_left_of_the_deadline() -> None:
    drill = Drill(Route((A, B, C), deadline=60), [fails(), fails(), "yes"], takes=25)
    drill.run()
    assert [turn.seconds for turn in drill.turns] == [60, 35, 10]


def test_after_the_deadline_no_other_model_is_asked() -> None:
    drill = Drill(Route((A, B, C), deadline=60), [fails(), fails()], takes=31)
    assert drill.fails().facts["notRetried"] == "deadline"
    assert drill.models == [A, B]


def test_without_a_deadline_a_try_has_all_the_time_there_is() -> None:
    drill = Drill(Route((A,), attempts=2, deadline=None), [fails(retry_after=5_000), "yes"])
    drill.run()
    assert [turn.seconds for turn in drill.turns] == [None, None]


def test_every_try_is_another_attempt() -> None:
    drill = Drill(Route((A, B)), [fails(), fails(), "yes"])
    drill.run()
    assert len({turn.attempt for turn in drill.turns}) == 3


def test_an_idempotency_key_whose_outcome_is_unknown_ends_the_tries_of_that_model() -> None:
    lost, taken = fails("TIMEOUT"), IdempotencyConflict("x", reason="unknown_outcome")
    alone = Drill(Route((A,), attempts=3), [lost, taken])
    assert alone.fails() is lost
    assert [one["code"] for one in lost.facts["tried"]] == ["TIMEOUT", "IDEMPOTENCY_CONFLICT"]
    drill = Drill(Route((A, B), attempts=4), [fails("TIMEOUT", 1), fails("TIMEOUT", 9), taken, "yes"])
    assert drill.run().answer == "yes"
    assert drill.models == [A, B, A, B]


@given(
    st.lists(st.sampled_from([A, BESIDE_A, B, C]), min_size=1, max_size=4, unique=True),
    st.integers(1, 6),
    st.lists(st.sampled_from([*sorted(STATUS_OF), "BREAKER_OPEN", "PRICE_UNKNOWN", "BUDGET_EXCEEDED"]), max_size=20),
    st.booleans(),
    st.floats(0, 40),
)
def test_whatever_fails_the_tries_stay_within_their_bounds(
    models: list[str], attempts: int, codes: list[str], downgrade: bool, takes: float
) -> None:
    kinds: dict[str, type[Refused]] = {
        "BREAKER_OPEN": BreakerOpen,
        "PRICE_UNKNOWN": PriceUnknown,
        "BUDGET_EXCEEDED": SpendCapExceeded,
    }
    answers: list[Any] = [kinds[code]("x") if code in kinds else fails(code) for code in codes]
    route = Route(tuple(models), downgrade=downgrade, attempts=attempts, deadline=60)
    drill = Drill(route, [*answers, *["yes"] * 20], takes=takes)
    try:
        served = drill.run()
    except (AIError, Refused):
        pass
    else:
        assert served.tried[-1].model == drill.models[-1]
        assert len(served.tried) == len(drill.turns)
    unsent = sum(answer.code == "PROVIDER_NOT_CONFIGURED" or isinstance(answer, Refused) for answer in answers[:20])
    assert len(drill.turns) <= attempts + unsent
    assert drill.models[: len(models)] == models[: len(drill.models)]
    assert all(0 < (turn.seconds or 0) <= 60 for turn in drill.turns)
    assert sum(drill.waits) <= 60


# Waits


@given(st.integers(1, 50), st.none() | st.floats(0, 100), st.integers())
def test_waits_grow_are_jittered_and_are_never_shorter_than_asked_for(
    failures: int, retry_after: float | None, seed: int
) -> None:
    wait = wait_before(failures, retry_after, Random(seed))
    most = min(LONGEST_WAIT, FIRST_WAIT * 2 ** (failures - 1))
    assert (retry_after or 0) <= wait <= max(most, retry_after or 0)


def test_jitter_is_full() -> None:
    random = Random(7)
    waits = [wait_before(3, None, random) for _ in range(2_000)]
    assert min(waits) < 0.02 < 1.98 < max(waits) <= 2.0


# The retry budget


def test_a_lone_call_may_try_again() -> None:
    budget = RetryBudget(lambda: 0.0)
    assert [budget.take("p") for _ in range(FLOOR + 1)] == [True] * FLOOR + [False]


def test_one_request_in_ten_may_be_a_retry() -> None:
    budget = RetryBudget(lambda: 0.0)
    for _ in range(200):
        budget.sent("p")
    assert sum(budget.take("p") for _ in range(50)) == 20


def test_each_provider_has_a_budget_of_its_own() -> None:
    budget = RetryBudget(lambda: 0.0)
    while budget.take("p"):
        pass
    assert budget.take("q")


def test_the_budget_is_that_of_the_last_minute() -> None:
    now = [100.0]
    budget = RetryBudget(lambda: now[0])
    while budget.take("p"):
        pass
    now[0] += WINDOW - 1
    assert not budget.take("p")
    now[0] += 1
    assert budget.take("p")


def test_threads_share_the_budget() -> None:
    budget = RetryBudget(lambda: 0.0)
    taken: Counter[bool] = Counter()
    lock = threading.Lock()

    def ask() -> None:
        for _ in range(500):
            budget.sent("p")
            granted = budget.take("p")
            with lock:
                taken[granted] += 1

    threads = [threading.Thread(target=ask) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert taken[True] == 8 * 500 // 10


def test_an_empty_budget_lets_the_error_stand() -> None:
    budget = RetryBudget(lambda: 0.0)
    while budget.take("anthropic"):
        pass
    error = fails()
    drill = Drill(Route((A,), attempts=3), [error], budget=budget)
    assert drill.fails() is error
    assert error.facts["notRetried"] == "retry_budget"


def test_another_provider_is_no_retry_but_another_model_of_the_same_one_is() -> None:
    for second, served in ((B, True), (BESIDE_A, False)):
        budget = RetryBudget(lambda: 0.0)
        while budget.take("anthropic"):
            pass
        drill = Drill(Route((A, second)), [fails(), "yes"], budget=budget)
        if served:
            assert drill.run().answer == "yes"
        else:
            assert drill.fails().facts["notRetried"] == "retry_budget"


def test_an_outage_does_not_multiply_the_requests() -> None:
    now = [0.0]
    budget = RetryBudget(lambda: now[0])
    requests = 0
    for call in range(1_000):
        now[0] = call / 50
        drill = Drill(Route((A,), attempts=3), [fails() for _ in range(3)], budget=budget)
        drill.fails()
        requests += len(drill.turns)
    assert requests <= 1_000 * 10 / 9 + FLOOR


# Weights


def test_weights_say_how_often_each_goes_first() -> None:
    route, random = Route((A, B, C), weights=(3, 1, 0)), Random(7)
    orders = Counter(route.order(random) for _ in range(4_000))
    assert set(orders) == {(A, B, C), (B, A, C)}
    assert 0.72 < orders[A, B, C] / 4_000 < 0.78


def test_a_call_with_the_same_idempotency_key_meets_the_same_model_first() -> None:
    route, common = Route((A, B), weights=(1, 1)), Random(7)

    def first(key: str | None, tenant: str = "acme") -> str:
        ask: Ask = {"tenant": tenant, "idempotency_key": key}
        return route.order(random_of(ask, common))[0]

    assert len({first("order-17") for _ in range(50)}) == 1
    assert {first(f"order-{n}") for n in range(50)} == {A, B}
    assert {first(None) for _ in range(50)} == {A, B}


# Configuration and asks


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return configured(
        tmp_path,
        f"""
        [routes]
        chat = ["{A}", "{B}"]
        [routes.draft]
        models = ["{B}", "{C}"]
        weights = [3, 1]
        downgrade = true
        attempts = 5
        deadline = 2.5
        """,
    )


def configured(folder: Path, text: str) -> Settings:
    (folder / "aikit.toml").write_text(text)
    return load(folder / "aikit.toml", KEYS)


def known(provider: str, model: str) -> bool:
    return (provider, model) == ("openai", "gpt-4o-mini")


def test_a_route_is_a_list_or_a_table(settings: Settings) -> None:
    assert settings.routes == {
        "chat": Route((A, B), (), downgrade=False, attempts=3, deadline=60),
        "draft": Route((B, C), (3, 1), downgrade=True, attempts=5, deadline=2.5),
    }


def test_an_ask_may_say_its_own_attempts_and_deadline(settings: Settings) -> None:
    assert route_of(settings, known, {"model": "routes.chat"}) == settings.routes["chat"]
    mine = route_of(settings, known, {"model": "routes.chat", "attempts": 1, "deadline": 9})
    assert mine == Route((A, B), attempts=1, deadline=9)


def test_a_model_is_a_route_of_one_without_retries(settings: Settings) -> None:
    for model, name in (("gpt-4o-mini", "openai/gpt-4o-mini"), (A, A), (None, "openai/gpt-5-mini")):
        assert route_of(settings, known, {"model": model}) == Route((name,), attempts=1, deadline=None)
    assert route_of(settings, known, {"model": A, "attempts": 4}).attempts == 4


def test_a_route_that_does_not_exist_is_refused_with_those_that_do(settings: Settings, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="chta") as refused:
        route_of(settings, known, {"model": "routes.chta"})
    assert "routes.chat, routes.draft" in refused.value.remedy
    with pytest.raises(ConfigError) as none:
        route_of(configured(tmp_path, ""), known, {"model": "routes.chat"})
    assert "[routes]" in none.value.remedy


def test_an_argument_that_does_not_exist_is_a_mistake(settings: Settings) -> None:
    wrong: Any = {"max_token": 5}
    with pytest.raises(TypeError, match="max_token"):
        route_of(settings, known, wrong)


@pytest.mark.parametrize(
    "wrong", [{"attempts": 0}, {"attempts": 11}, {"attempts": "3"}, {"deadline": 0}, {"deadline": float("nan")}]
)
def test_attempts_and_deadlines_have_bounds(settings: Settings, wrong: Any) -> None:
    with pytest.raises(ConfigError, match=next(iter(wrong))):
        route_of(settings, known, wrong)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("chat = []", "at least 1"),
        ('chat = ["gpt-5-mini"]', "provider/model"),
        ('chat = ["nobody/gpt-5-mini"]', "provider/model"),
        ('chat = ["openai/"]', "provider/model"),
        (f'chat = ["{A}", "{A}"]', "twice"),
        ("chat = [1]", "string"),
        ('chat = "openai/gpt-5-mini"', "chat"),
        (f'chat = {{ models = ["{A}", "{B}"], weights = [1] }}', "weights"),
        (f'chat = {{ models = ["{A}", "{B}"], weights = [0, 0] }}', "weights"),
        (f'chat = {{ models = ["{A}", "{B}"], weights = [-1, 2] }}', "weights"),
        (f'chat = {{ models = ["{A}"], attempts = 0 }}', "attempts"),
        (f'chat = {{ models = ["{A}"], attempts = 11 }}', "attempts"),
        (f'chat = {{ models = ["{A}"], deadline = 0 }}', "deadline"),
        (f'chat = {{ models = ["{A}"], deadline = inf }}', "deadline"),
        (f'chat = {{ models = ["{A}"], timeout = 5 }}', "timeout"),
        (f'"a b" = ["{A}"]', "no name"),
    ],
)
def test_a_route_that_cannot_be_used_is_refused(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(ConfigError, match=said) as refused:
        configured(tmp_path, f"[routes]\n{text}")
    assert "routes." in str(refused.value)


def test_a_try_has_no_more_time_than_is_left() -> None:
    route = Route((A, B))
    assert asked({"timeout": 5}, route, Turn(A, new_id(), 60))["timeout"] == 5
    assert asked({"timeout": 90}, route, Turn(A, new_id(), 60))["timeout"] == 60
    assert asked({}, route, Turn(A, new_id(), None))["timeout"] == 600


def test_each_model_of_a_route_has_an_idempotency_key_of_its_own() -> None:
    ask: Ask = {"idempotency_key": "order-17"}
    route = Route((A, B))
    keys = [asked(ask, route, Turn(model, new_id(), None))["idempotency_key"] for model in (A, B, A)]
    assert keys[0] == keys[2] != keys[1]
    assert asked(ask, Route((A,)), Turn(A, new_id(), None))["idempotency_key"] == "order-17"


@given(st.text(max_size=300), st.sampled_from([A, B]))
def test_a_derived_key_is_as_good_as_the_one_it_is_derived_from(key: str, model: str) -> None:
    derived = key_for(key, model)
    usable = bool(key.strip()) and len(key) <= 255
    assert len(derived) <= 255 if usable else derived == key
