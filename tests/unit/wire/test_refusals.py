"""Refusals in each API's own shape, with headers that make SDKs retry exactly what can succeed."""

import json
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pytest

from aikit.errors import (
    AIError,
    AIKitError,
    MeteringUnavailable,
    PolicyDenied,
    RateLimited,
    RequestInvalid,
    RequestTooLarge,
    SpendCapExceeded,
    Unauthorized,
)
from aikit.wire.codec import Codec
from unit.wire.samples import ALL, ANTHROPIC, CHAT, EMBEDDINGS, GEMINI, RESPONSES
from unit.wire.test_streams import pour, reader

CAP = SpendCapExceeded(
    "The cap of $25.00 a month is used up.", code="MONTHLY_BUDGET_EXCEEDED", remedy="Raise the limit."
)
METADATA = {
    "reason": None,
    "limit_source": "plan:pro",
    "limit_state": [{"window": "month", "cap": 250_000}],
    "resets_at": datetime(2026, 12, 1, tzinfo=UTC),
    "decision_id": UUID(int=7),
}


def refuse(codec: Codec, error: AIKitError) -> tuple[int, dict[str, str], Any]:
    reply = codec.refusal(error, request_id="req_1", metadata=METADATA)
    return reply.status, dict(reply.headers), json.loads(reply.body)


@pytest.mark.parametrize("codec", [CHAT, RESPONSES, EMBEDDINGS], ids=lambda c: c.name)
def test_the_openai_shape(codec: Codec) -> None:
    status, headers, body = refuse(codec, CAP)
    assert status == 402
    assert headers == {"content-type": "application/json", "x-should-retry": "false", "x-request-id": "req_1"}
    assert body == {
        "error": {
            "message": "The cap of $25.00 a month is used up. Raise the limit.",
            "type": "budget_exceeded",
            "param": None,
            "code": "MONTHLY_BUDGET_EXCEEDED",
            "metadata": {
                "reason": None,
                "limit_source": "plan:pro",
                "limit_state": [{"window": "month", "cap": 250_000}],
                "resets_at": "2026-12-01T00:00:00Z",
                "decision_id": str(UUID(int=7)),
            },
        }
    }


@pytest.mark.parametrize(
    ("error", "status", "worded"),
    [
        (RequestInvalid("x"), 400, "invalid_request_error"),
        (Unauthorized("x"), 401, "authentication_error"),
        (CAP, 402, "billing_error"),
        (PolicyDenied("x"), 403, "permission_error"),
        (RequestTooLarge("x"), 413, "request_too_large"),
        (RateLimited("x"), 429, "rate_limit_error"),
        (AIKitError("x"), 500, "api_error"),
        (AIError("x", provider="p"), 502, "api_error"),
        (MeteringUnavailable("x"), 503, "overloaded_error"),
        (AIError("x", provider="p", status=529), 529, "overloaded_error"),
    ],
)
def test_the_anthropic_shape_has_anthropics_types(error: AIKitError, status: int, worded: str) -> None:
    got, headers, body = refuse(ANTHROPIC, error)
    assert (got, body["type"], body["error"]["type"], body["error"]["code"]) == (status, "error", worded, error.code)
    assert body["request_id"] == headers["request-id"] == "req_1"
    assert body["error"]["metadata"]["limit_source"] == "plan:pro"


def test_the_gemini_shape_carries_strings_only() -> None:
    status, headers, body = refuse(GEMINI, CAP)
    assert status == body["error"]["code"] == 402
    assert body["error"]["status"] == "RESOURCE_EXHAUSTED"
    (info,) = body["error"]["details"]
    assert info["@type"] == "type.googleapis.com/google.rpc.ErrorInfo"
    assert (info["reason"], info["domain"]) == ("MONTHLY_BUDGET_EXCEEDED", "aikit")
    assert info["metadata"]["limit_state"] == '[{"window": "month", "cap": 250000}]'
    assert info["metadata"]["resets_at"] == "2026-12-01T00:00:00Z"
    assert "reason" not in info["metadata"]
    assert all(isinstance(value, str) for value in info["metadata"].values())
    assert headers["x-should-retry"] == "false"


def test_a_gemini_refusal_says_when_to_retry() -> None:
    _, _, body = refuse(GEMINI, RateLimited("x", retry_after=2.5))
    assert body["error"]["status"] == "RESOURCE_EXHAUSTED"
    assert body["error"]["details"][1] == {
        "@type": "type.googleapis.com/google.rpc.RetryInfo",
        "retryDelay": "2.500s",
    }


@pytest.mark.parametrize("codec", ALL, ids=lambda c: c.name)
@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (CAP, ("false", None, None)),
        (SpendCapExceeded("x", retryable=True, reason="in_flight", retry_after=0.2), ("true", "1", "200")),
        (RateLimited("x", retry_after=12.0001), ("true", "13", "12001")),
        (RateLimited("x"), ("true", None, None)),
        (MeteringUnavailable("x", retry_after=1), ("true", "1", "1000")),
        (PolicyDenied("x"), ("false", None, None)),
        (AIError("x", provider="p"), ("true", None, None)),
    ],
)
def test_headers_steer_the_retries(codec: Codec, error: AIKitError, expected: tuple[str | None, ...]) -> None:
    _, headers, _ = refuse(codec, error)
    assert (headers["x-should-retry"], headers.get("retry-after"), headers.get("retry-after-ms")) == expected


@pytest.mark.parametrize("codec", ALL, ids=lambda c: c.name)
def test_an_error_in_a_stream_is_one_event_that_the_reader_of_the_api_understands(codec: Codec) -> None:
    event = codec.stream_error(CAP, request_id="req_1")
    assert event.endswith(b"\n\n")
    assert event.count(b"\n\n") == 1
    if codec is not EMBEDDINGS:
        into = reader(codec)
        pour(event, into)
        assert into.outcome().error in ("MONTHLY_BUDGET_EXCEEDED", "billing_error", "402")


@pytest.mark.parametrize("codec", ALL, ids=lambda c: c.name)
def test_text_that_utf8_has_no_form_for_does_not_break_a_refusal(codec: Codec) -> None:
    assert codec.refusal(PolicyDenied("model \ud800"), request_id="r", metadata={}).status == 403
