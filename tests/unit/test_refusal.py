"""A decision against an order becomes an error that says what happened, the facts, and the remedy."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from aikit.errors import PolicyDenied, RateLimited, Refused, RequestTooLarge, SpendCapExceeded
from aikit.policy.model import Rules
from aikit.refusal import metadata, native_body, refused
from aikit.types import Call, Decision, Limit, LimitState, Metric, Order, Tags, Window, new_id

NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)
DECEMBER = datetime(2026, 12, 1, tzinfo=UTC)
PER_CREDIT = 100_000
DOLLAR = 1_000_000_000


def an_order(nano: int = DOLLAR) -> Order:
    call = Call(new_id(), Tags("acme"), "openai", "gpt-5", "openai.chat")
    return Order(new_id(), call, nano, 1_000, output_tokens=800, characters=200_000)


def state(metric: Metric = Metric.CREDITS, window: Window = Window.MONTH, **more: Any) -> LimitState:
    resets_at = more.pop("resets_at", None if window in (Window.TOTAL, Window.CALL) else DECEMBER)
    used, held, cap = more.pop("used", 25 * DOLLAR), more.pop("held", 0), more.pop("cap", 25 * DOLLAR)
    return LimitState(Limit(metric, window, cap, "tenant:acme", **more), used, held, resets_at)


def decided(*failing: LimitState, code: str = "MONTHLY_BUDGET_EXCEEDED", **more: Any) -> Decision:
    return Decision(new_id(), code, failing, failing, policy_version=1, **more)


def worded(decision: Decision, affordable: int = 0, cheaper: str | None = None) -> Refused:
    return refused(decision, an_order(), affordable=affordable, nano_per_credit=PER_CREDIT, cheaper=cheaper)


def test_a_cap_that_is_used_up_says_what_is_left_and_when_it_resets() -> None:
    error = worded(decided(state(used=24_500_000_000)))
    assert isinstance(error, SpendCapExceeded)
    assert (error.status, error.retryable, error.retry_after, error.reason) == (402, False, None, "cap")
    assert error.message == "acme: $0.50 of $25.00 this month are left, and this call may cost up to $1.00."
    assert "2026-12-01T00:00:00Z" in error.remedy


def test_what_would_fit_is_offered() -> None:
    assert worded(decided(state()), affordable=1_234).remedy == "With at most 1,234 output tokens it would fit."


def test_running_calls_alone_are_worth_another_try() -> None:
    error = worded(decided(state(used=0, held=25 * DOLLAR), in_flight=True, retry_after=1.0))
    assert (error.status, error.retryable, error.retry_after, error.reason) == (402, True, 1.0, "in_flight")


def test_a_single_call_that_is_too_dear_is_no_matter_of_waiting() -> None:
    error = worded(decided(state(window=Window.CALL, used=0, cap=DOLLAR // 2), code="REQUEST_COST_EXCEEDED"))
    assert isinstance(error, SpendCapExceeded)
    assert "a single call may cost $0.50" in error.message
    assert not error.retryable


def test_a_total_never_resets() -> None:
    error = worded(decided(state(window=Window.TOTAL), code="TOTAL_BUDGET_EXCEEDED"))
    assert "in total" in error.message
    assert error.facts["resetsAt"] is None
    assert error.remedy.startswith("Raise the cap")


def test_a_cheaper_model_is_offered_where_fewer_tokens_do_not_help() -> None:
    error = worded(decided(state()), cheaper="openai/gpt-5-nano")
    assert error.remedy == "openai/gpt-5-nano would fit."
    assert native_body(error)["cheapestModel"] == "openai/gpt-5-nano"


def test_a_rate_says_how_long_to_wait() -> None:
    limit = state(Metric.REQUESTS, Window.MINUTE, cap=10, used=10, resets_at=NOW + timedelta(seconds=30))
    error = worded(decided(limit, code="MINUTE_REQUEST_LIMIT_EXCEEDED", retry_after=29.1))
    assert isinstance(error, RateLimited)
    assert (error.status, error.retryable, error.retry_after) == (429, True, 29.1)
    assert error.message == "acme: 10 of 10 requests this minute are used."
    assert error.remedy == "Try again in 30 s."


def test_a_rate_that_can_never_be_kept_is_not_worth_another_try() -> None:
    error = worded(decided(state(Metric.REQUESTS, Window.MINUTE, cap=0), code="MINUTE_REQUEST_LIMIT_EXCEEDED"))
    assert (error.status, error.retryable, error.retry_after) == (429, False, None)


def test_requests_of_a_day_are_a_cap_and_no_rate() -> None:
    error = worded(decided(state(Metric.REQUESTS, Window.DAY, cap=10, used=10), code="DAILY_REQUEST_LIMIT_EXCEEDED"))
    assert isinstance(error, SpendCapExceeded)
    assert (error.status, error.retryable) == (402, False)
    assert error.facts["cap"] == 10


def test_calls_at_once_are_told_as_such() -> None:
    limit = state(Metric.CONCURRENCY, Window.TOTAL, cap=2, used=0, held=2)
    error = worded(decided(limit, code="CONCURRENCY_LIMIT_EXCEEDED", in_flight=True, retry_after=1.0))
    assert (error.status, error.retryable) == (429, True)
    assert error.message == "acme: 2 of 2 calls at once are running."


def test_a_limit_of_one_user_says_whose_it_is() -> None:
    assert worded(decided(state(subject="user=u1"))).message.startswith("acme (user u1): ")


@pytest.mark.parametrize(
    ("code", "rules", "status", "words"),
    [
        ("ENTITLEMENT_REQUIRED", Rules(lacking=("ai_access", "beta")), 403, "ai_access, beta"),
        ("MODEL_NOT_ALLOWED", Rules(deny=("*",)), 403, "openai/gpt-5 is not allowed by the policy plan:free"),
        ("PRICE_UNKNOWN", Rules(), 403, "openai/gpt-5"),
        ("PROMPT_TOO_LONG", Rules(), 413, "200,000 characters; the ceiling is 100,000 (plan:free)"),
        ("REQUEST_TOKENS_EXCEEDED", Rules(max_output_tokens=500), 400, "800 output tokens"),
    ],
)
def test_what_no_limit_decided_names_the_facts_and_the_policy(code: str, rules: Rules, status: int, words: str) -> None:
    error = worded(decided(code=code, rules=rules, source="plan:free"))
    assert (error.code, error.status, error.retryable) == (code, status, False)
    assert words in error.message
    assert metadata(error, new_id())["limit_source"] == "plan:free"


def test_too_many_tokens_in_one_call_are_too_many() -> None:
    limit = state(Metric.TOKENS, Window.CALL, cap=10, used=0)
    error = worded(decided(limit, code="REQUEST_TOKENS_EXCEEDED"))
    assert isinstance(error, RequestTooLarge)
    assert error.status == 400


@pytest.mark.parametrize("code", ["TENANT_UNKNOWN", "NO_POLICY"])
def test_without_a_limit_to_ask_the_tenant_is_named(code: str) -> None:
    error = worded(decided(code=code))
    assert isinstance(error, PolicyDenied)
    assert (error.status, error.code) == (403, code)
    assert "'acme'" in error.message and "acme" in error.remedy


def test_the_native_body_is_the_documented_one() -> None:
    decision = decided(state(used=25 * DOLLAR))
    assert native_body(worded(decision)) == {
        "error": "spend_cap_exceeded",
        "tenant": "acme",
        "window": "month",
        "capCredits": 250_000,
        "spentCredits": 250_000,
        "heldCredits": 0,
        "reasonCode": "MONTHLY_BUDGET_EXCEEDED",
        "limitSource": "tenant:acme",
        "resetsAt": "2026-12-01T00:00:00Z",
        "decisionId": str(decision.id),
        "maxAffordableOutputTokens": 0,
        "remedy": "The cap resets at 2026-12-01T00:00:00Z; or raise it: aikit limit set.",
    }


def test_the_metadata_has_every_failing_limit_and_the_one_that_decided() -> None:
    day = state(window=Window.DAY, resets_at=datetime(2026, 11, 21, tzinfo=UTC), cap=1, used=DOLLAR)
    decision = decided(state(), day)
    found = metadata(worded(decision), decision.id)
    assert [limit["window"] for limit in found["limit_state"]] == ["month", "day"]
    assert found["resets_at"] == "2026-12-01T00:00:00Z"
    assert found["limit_state"][1] == {
        "metric": "credits",
        "window": "day",
        "action": "block",
        "cap_usd": "0.000000001",
        "soft_cap_usd": None,
        "used_usd": "1",
        "held_usd": "0",
        "remaining_usd": "0",
        "resets_at": "2026-11-21T00:00:00Z",
        "source": "tenant:acme",
        "counts": "tenant",
    }


def test_amounts_of_money_are_never_floats() -> None:
    decision = decided(state(used=24_999_999_999, held=1))
    text = json.dumps([native_body(worded(decision)), metadata(worded(decision), decision.id)])
    assert not re.search(r"\d\.\d+[,}\]]", text)
