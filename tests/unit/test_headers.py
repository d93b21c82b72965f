"""What the response headers say of a decision."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from aikit.errors import RequestInvalid
from aikit.headers import of_decision, of_findings, prompt_of, rate_limits
from aikit.types import (
    Action,
    Call,
    Decision,
    Finding,
    GuardAction,
    Hold,
    Limit,
    LimitState,
    Metric,
    Order,
    Place,
    Tags,
    Window,
    new_id,
)

NOW = datetime(2026, 11, 21, 10, 30, tzinfo=UTC)
CALL = Call(new_id(), Tags("acme"), "openai", "m", "openai.chat")
ORDER = Order(new_id(), CALL, 300_000, 100, output_tokens=64)


def state(metric: Metric = Metric.CREDITS, window: Window = Window.DAY, used: int = 0, **more: Any) -> LimitState:
    resets_at = NOW + {Window.MINUTE: timedelta(seconds=20), Window.HOUR: timedelta(minutes=6)}.get(
        window, timedelta(1)
    )
    return LimitState(Limit(metric, window, more.pop("cap", 1_000_000), "plan:prö", **more), used, 0, resets_at)


def allowed(*states: LimitState, **more: Any) -> Decision:
    return Decision(ORDER.attempt, "ALLOWED", states, hold=Hold(ORDER, (), NOW), **more)


def test_what_is_left_is_that_of_the_tightest_cap_that_blocks() -> None:
    states = [state(), state(window=Window.MONTH, used=200_000), state(cap=0, action=Action.WARN)]
    assert of_decision(allowed(*states), ORDER, 100_000) == {"x-aikit-limit-remaining": "5"}


def test_soft_caps_warnings_and_clamping_are_said_in_plain_ascii() -> None:
    crossed = state()
    headers = of_decision(allowed(soft=(crossed,), warned=(crossed,), clamped=True), ORDER, 100_000)
    assert headers == {
        "x-aikit-soft-cap": "credits/day plan:pr?",
        "x-aikit-would-refuse": "DAILY_BUDGET_EXCEEDED credits/day plan:pr?",
        "x-aikit-clamped": "output_tokens=64",
    }


def test_rates_are_told_as_openai_tells_them() -> None:
    requests = [state(Metric.REQUESTS, Window.MINUTE, used=4, cap=10), state(Metric.REQUESTS, Window.HOUR, cap=60)]
    tokens = state(Metric.TOKENS, Window.HOUR, used=900, cap=1000)
    assert rate_limits(allowed(*requests, tokens, state(Metric.REQUESTS, Window.DAY, cap=1)), NOW) == {
        "x-ratelimit-limit-requests": "10",
        "x-ratelimit-remaining-requests": "5",
        "x-ratelimit-reset-requests": "20s",
        "x-ratelimit-limit-tokens": "1000",
        "x-ratelimit-remaining-tokens": "100",
        "x-ratelimit-reset-tokens": "6m0s",
    }


def test_without_rates_nothing_is_said_of_them() -> None:
    assert rate_limits(allowed(state()), NOW) == {}


def test_what_guards_found_is_told_by_kind_and_never_by_text() -> None:
    email = Finding("pii", "email", Place.INPUT, GuardAction.REDACT, "messages/0/content", "0123", 2)
    again = email._replace(at="messages/1/content", times=1)
    key = Finding("secrets", "anthropic", Place.OUTPUT, GuardAction.FLAG)
    assert of_findings([email, again, key]) == {
        "x-aikit-findings": "pii email input redact 3, secrets anthropic output flag 1"
    }
    assert of_findings([]) == {}


@pytest.mark.parametrize("named", ["summarize", "summarize@v3", "summarize@v3 abc", "summarize@latest " + "0" * 64])
def test_a_header_that_names_no_version_of_a_prompt_is_refused(named: str) -> None:
    with pytest.raises(RequestInvalid, match="x-aikit-prompt"):
        prompt_of({"x-aikit-prompt": named})


def test_a_header_names_the_version_of_a_prompt_and_its_hash() -> None:
    assert prompt_of({"x-aikit-prompt": "summarize@v3 " + "a1" * 32}) == ("summarize@v3", "a1" * 32)
    assert prompt_of({}) is None
