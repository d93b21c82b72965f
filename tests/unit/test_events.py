"""Events as they are made on the call path: told once a window where that is said, and no word of a prompt in them."""

from __future__ import annotations

import json
from contextvars import Context
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import httpx2
import pytest

from aikit.breaker.model import WHOLE, Breaker, Reason, State
from aikit.errors import MeteringUnavailable, SpendCapExceeded
from aikit.events import (
    CONNECTIONS,
    TIMEOUTS,
    AttemptAdmitted,
    AttemptEnded,
    AttemptRefused,
    BreakerEvent,
    Event,
    PolicyEvent,
    failure,
)
from aikit.notices import Notices
from aikit.types import Decision, Ending, Entry, Hold, Limit, LimitState, Metric, Usage, Window
from support.attempts import NOW, order

LIMIT = Limit(Metric.CREDITS, Window.MONTH, 25_000_000_000, "tenant:acme", soft_cap=20_000_000_000)
CLOSED = Breaker("openai", WHOLE, State.CLOSED, NOW)
OPEN = CLOSED._replace(state=State.OPEN, reason=Reason.FAILURE_RATE)
STATE = LimitState(LIMIT, 21_000_000_000, 500, datetime(2026, 12, 1, tzinfo=UTC))


class Heard(list[Event]):
    """A teller that keeps what it is told."""

    awake = True

    def tell(self, event: Event, context: Context | None) -> None:
        self.append(event)


def decided(**fields: Any) -> Decision:
    asked = order()
    return Decision(asked.attempt, "ALLOWED", hold=Hold(asked, (), NOW), **fields)


def test_nobody_listens_to_notices_without_a_teller_or_while_it_sleeps() -> None:
    heard = Heard()
    assert not Notices().listening
    assert Notices(heard).listening
    heard.awake = False
    assert not Notices(heard).listening
    Notices(heard).crossed(decided(soft=(STATE,)))
    Notices(heard).moved(CLOSED, OPEN)
    assert heard == []


def test_a_limit_is_told_of_once_in_its_window_and_state() -> None:
    heard = Heard()
    notices = Notices(heard)
    later = STATE._replace(resets_at=datetime(2027, 1, 1, tzinfo=UTC))
    for decision in (decided(soft=(STATE,)), decided(soft=(STATE,)), decided(warned=(STATE,)), decided(soft=(later,))):
        notices.crossed(decision)
    assert [event.kind for event in heard] == ["soft_cap", "would_refuse", "soft_cap"]
    assert [event.facts()["code"] for event in heard] == [
        "ALLOWED_SOFT_CAP",
        "MONTHLY_BUDGET_EXCEEDED",
        "ALLOWED_SOFT_CAP",
    ]


def test_each_call_that_is_sent_unchecked_is_told_of() -> None:
    heard = Heard()
    opened = decided()
    assert opened.hold is not None
    for _ in range(2):
        hold = opened.hold._replace(opened=True)
        Notices(heard).crossed(opened._replace(reason_code="ALLOWED_LEDGER_FAILURE", hold=hold))
    assert [(event.kind, event.facts()["limit"]) for event in heard] == [("ledger_failure", None)] * 2


def test_an_ending_says_what_the_ledger_says() -> None:
    heard = Heard()
    hold = decided().hold
    assert hold is not None
    usage = Usage(input=10, cache_read=5, output=7)
    entry = Entry(hold, Ending.SETTLED, 1_234, usage, status=200, duration_ms=420, first_byte_ms=80)
    Notices(heard).ended(entry, 0.0015, None)
    (event,) = heard
    assert isinstance(event, AttemptEnded) and event.failure is None
    facts = event.facts()
    assert json.loads(json.dumps(facts)) == facts
    assert facts | {"at": ""} == {
        "kind": "ended",
        "at": "",
        "call_id": str(hold.order.call.id),
        "decision_id": str(hold.order.attempt),
        "attempt_id": str(hold.order.attempt),
        "tenant": "acme",
        "user": "u1",
        "feature": "chat",
        "environment": "prod",
        "provider": "openai",
        "model": "gpt-4o-mini",
        "api": "openai.chat",
        "streamed": False,
        "ending": "settled",
        "tokens": {"input": 10, "cache_read": 5, "output": 7},
        "cost_usd": "0.000001234",
        "estimated": False,
        "status": 200,
        "error": None,
        "code": None,
        "served_model": None,
        "duration_ms": 420,
        "first_byte_ms": 80,
        "overhead_ms": 1.5,
        "prompt": None,
    }


def test_unknown_usage_is_not_zero() -> None:
    heard = Heard()
    hold = decided().hold
    assert hold is not None
    Notices(heard).ended(Entry(hold, Ending.PRESUMED_SPENT, 100, estimated=True, error="ReadTimeout"), 0.0, None)
    assert heard[0].facts()["tokens"] is None
    assert heard[0].facts()["code"] == "TIMEOUT"


def test_a_refusal_names_the_limit_in_dollars() -> None:
    heard = Heard()
    refusal = Decision(order().attempt, "MONTHLY_BUDGET_EXCEEDED", failing=(STATE,), source="plan:pro")
    Notices(heard).refused(order(), SpendCapExceeded(code="MONTHLY_BUDGET_EXCEEDED", decision=refusal), 0.001, None)
    (event,) = heard
    assert isinstance(event, AttemptRefused)
    assert event.facts()["limit"] == {
        "metric": "credits",
        "window": "month",
        "source": "tenant:acme",
        "cap_usd": "25",
        "soft_cap_usd": "20",
        "used_usd": "21",
        "held_usd": "0.0000005",
        "resets_at": "2026-12-01T00:00:00.000Z",
    }
    Notices(heard).refused(order(), MeteringUnavailable(retry_after=1), 0.001, None)
    facts = heard[1].facts()
    assert (facts["code"], facts["retry_after"], facts["limit"]) == ("METERING_UNAVAILABLE", 1, None)


def test_an_admission_and_a_breaker_have_facts_for_json() -> None:
    heard = Heard()
    decision = decided()
    assert decision.hold is not None
    Notices(heard).admitted(decision.hold, decision, 0.002, None)
    Notices(heard).moved(CLOSED, OPEN)
    first, second = heard
    assert isinstance(first, AttemptAdmitted) and first.facts()["held_usd"] == "0.0000001"
    assert isinstance(second, BreakerEvent)
    assert json.loads(json.dumps(second.facts())) == {
        "kind": "breaker",
        "at": second.facts()["at"],
        "provider": "openai",
        "model": None,
        "before": "closed",
        "after": "open",
        "reason": "failure_rate",
        "who": None,
    }


def test_events_of_limits_keep_the_state_and_the_decision() -> None:
    heard = Heard()
    decision = decided(soft=(STATE,))
    Notices(heard).crossed(decision)
    (event,) = heard
    assert isinstance(event, PolicyEvent)
    assert (event.state, event.decision, event.tags.tenant) == (STATE, decision, "acme")


@pytest.mark.parametrize(
    ("status", "error", "code"),
    [
        (200, None, None),
        (200, "unfinished", None),
        (None, "CancelledError", None),
        (200, "CancelledError", None),
        (200, "MONTHLY_BUDGET_EXCEEDED", None),
        (200, "METERING_UNAVAILABLE", None),
        (200, "overloaded_error", "OVERLOADED"),
        (200, "ReadError", "CONNECTION_FAILED"),
        (None, "ConnectTimeout", "TIMEOUT"),
        (500, None, "PROVIDER_ERROR"),
        (503, "server_error", "OVERLOADED"),
        (429, "insufficient_quota", "INSUFFICIENT_QUOTA"),
        (429, "rate_limit_exceeded", "RATE_LIMITED"),
        (400, "content_filter", "CONTENT_FILTERED"),
        (401, "invalid_api_key", "AUTHENTICATION_FAILED"),
    ],
)
def test_an_ending_has_a_code_if_the_provider_failed(status: int | None, error: str | None, code: str | None) -> None:
    assert failure(status, error) == code


def test_all_that_the_http_client_raises_has_a_code() -> None:
    def names(kind: type[BaseException]) -> set[str]:
        found = {kind.__name__} if not kind.__subclasses__() else set()
        return found.union(*(names(one) for one in kind.__subclasses__()))

    assert names(httpx2.TransportError) <= TIMEOUTS | CONNECTIONS


def test_a_reason_code_of_every_kind_of_limit_is_no_failure_of_the_provider() -> None:
    from aikit.meter.judge import reason_code

    for metric in (Metric.CREDITS, Metric.TOKENS, Metric.INPUT_TOKENS, Metric.OUTPUT_TOKENS, Metric.REQUESTS):
        for window in Window:
            state = STATE._replace(limit=replace(LIMIT, metric=metric, window=window))
            assert failure(200, reason_code(state)) is None, reason_code(state)
