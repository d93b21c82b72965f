"""What a provider answers when it fails, under one set of codes; its own text is never repeated.

The bodies are those that the providers document, and that the code and the issues of their SDKs show.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import httpx2
import pytest
from hypothesis import given
from hypothesis import strategies as st

from aikit.breaker.model import Health
from aikit.errors import FOR_CLIENTS, AIError, PolicyDenied
from aikit.failures.codes import RETRYABLE, STATUS_OF
from aikit.failures.errors import from_event, from_exception, from_response, not_configured
from aikit.failures.filtered import is_filtered
from aikit.failures.health import health, of_answer, of_code
from aikit.failures.said import MAX_NAME, plain, said
from aikit.failures.waits import LONGEST, retry_after


def body(**error: Any) -> dict[str, Any]:
    return {"error": error}


def openai(message: str, kind: str, code: str | None, param: str | None = None) -> dict[str, Any]:
    return body(message=message, type=kind, param=param, code=code)


def anthropic(kind: str, message: str, details: dict[str, str] | None = None) -> dict[str, Any]:
    error = {"type": kind, "message": message} | ({"details": details} if details else {})
    return {"type": "error", "error": error, "request_id": "req_011CSHoEeqs5C35K2UUqR7Fy"}


def google(code: int, status: str, message: str, *details: dict[str, Any]) -> dict[str, Any]:
    return body(code=code, message=message, status=status, **({"details": list(details)} if details else {}))


def quota_failure(*quotas: str) -> dict[str, Any]:
    violations = [{"quotaMetric": "generativelanguage.googleapis.com/requests", "quotaId": one} for one in quotas]
    return {"@type": "type.googleapis.com/google.rpc.QuotaFailure", "violations": violations}


def retry_info(delay: str) -> dict[str, str]:
    return {"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": delay}


BAD_KEY = {
    "@type": "type.googleapis.com/google.rpc.ErrorInfo",
    "reason": "API_KEY_INVALID",
    "domain": "googleapis.com",
    "metadata": {"service": "generativelanguage.googleapis.com"},
}
EXCEEDED = "You exceeded your current quota, please check your plan and billing details."
PER_MINUTE = "GenerateRequestsPerMinutePerProjectPerModel-FreeTier"
PER_DAY = "GenerateRequestsPerDayPerProjectPerModel-FreeTier"
FILTER = {"message": "The response was filtered due to the prompt triggering Azure OpenAI's policy.", "type": None}

ANSWERS: dict[str, tuple[int, object, str]] = {
    # OpenAI
    "out of quota": (429, openai(EXCEEDED, "insufficient_quota", "insufficient_quota"), "INSUFFICIENT_QUOTA"),
    "no credit": (429, openai("…", "insufficient_quota", "credit_balance_exhausted"), "INSUFFICIENT_QUOTA"),
    "not billed": (429, openai("Not active.", "billing_not_active", "billing_not_active"), "INSUFFICIENT_QUOTA"),
    "hard limit": (400, openai("…", "invalid_request_error", "billing_hard_limit_reached"), "INSUFFICIENT_QUOTA"),
    "requests": (429, openai("Rate limit reached for …", "requests", "rate_limit_exceeded"), "RATE_LIMITED"),
    "tokens": (429, openai("Rate limit reached for …", "tokens", "rate_limit_exceeded"), "RATE_LIMITED"),
    "context": (
        400,
        openai("Your input exceeds …", "invalid_request_error", "context_length_exceeded", "messages"),
        "CONTEXT_LENGTH_EXCEEDED",
    ),
    "content policy": (400, openai("…", "image_generation_user_error", "content_policy_violation"), "CONTENT_FILTERED"),
    "flagged prompt": (400, openai("Invalid prompt: …", "invalid_request_error", "invalid_prompt"), "CONTENT_FILTERED"),
    "no model": (
        404,
        openai("The model … does not exist", "invalid_request_error", "model_not_found"),
        "MODEL_NOT_FOUND",
    ),
    "no access": (
        403,
        openai("Project has no access …", "invalid_request_error", "model_not_found"),
        "MODEL_NOT_FOUND",
    ),
    "wrong key": (
        401,
        openai("Incorrect API key", "invalid_request_error", "invalid_api_key"),
        "AUTHENTICATION_FAILED",
    ),
    "country": (
        403,
        openai("Country not supported", "request_forbidden", "unsupported_country_region_territory"),
        "AUTHENTICATION_FAILED",
    ),
    "bad field": (400, openai("Unknown parameter", "invalid_request_error", None, "foo"), "BAD_REQUEST"),
    "broken": (500, openai("The server had an error", "server_error", None), "PROVIDER_ERROR"),
    "slow down": (503, openai("Slow down", "server_error", "slow_down"), "OVERLOADED"),
    # Azure
    "azure filter": (
        400,
        body(
            **FILTER,
            param="prompt",
            code="content_filter",
            status=400,
            innererror={"code": "ResponsibleAIPolicyViolation", "content_filter_result": {"hate": {"filtered": True}}},
        ),
        "CONTENT_FILTERED",
    ),
    "azure filter below": (
        400,
        body(**FILTER, code="400", innererror={"code": "ResponsibleAIPolicyViolation"}),
        "CONTENT_FILTERED",
    ),
    "azure deployment": (404, body(code="DeploymentNotFound", message="The API deployment …"), "MODEL_NOT_FOUND"),
    "azure key": (401, body(code="401", message="Access denied due to invalid …"), "AUTHENTICATION_FAILED"),
    "azure gateway": (401, {"statusCode": 401, "message": "Access denied"}, "AUTHENTICATION_FAILED"),
    "azure rate": (429, body(code="429", message="Requests … have exceeded call rate limit"), "RATE_LIMITED"),
    # Anthropic
    "overloaded": (529, anthropic("overloaded_error", "Overloaded"), "OVERLOADED"),
    "rate": (429, anthropic("rate_limit_error", "This request would exceed your …"), "RATE_LIMITED"),
    "ramp": (429, anthropic("rate_limit_error", "…", {"error_code": "ramp_limit_exceeded"}), "RATE_LIMITED"),
    "spend": (
        429,
        anthropic("rate_limit_error", "…", {"error_code": "enforced_spend_limit_reached"}),
        "INSUFFICIENT_QUOTA",
    ),
    "key": (401, anthropic("authentication_error", "invalid x-api-key"), "AUTHENTICATION_FAILED"),
    "permission": (403, anthropic("permission_error", "…"), "AUTHENTICATION_FAILED"),
    "model": (404, anthropic("not_found_error", "model: claude-9"), "MODEL_NOT_FOUND"),
    "bytes": (413, anthropic("request_too_large", "Request exceeds the maximum size"), "CONTEXT_LENGTH_EXCEEDED"),
    "long": (
        400,
        anthropic("invalid_request_error", "prompt is too long: 210000 tokens > 200000 maximum"),
        "CONTEXT_LENGTH_EXCEEDED",
    ),
    "long with output": (
        400,
        anthropic("invalid_request_error", "input length and `max_tokens` exceed context limit: 19 + 20 > 21"),
        "CONTEXT_LENGTH_EXCEEDED",
    ),
    "billing": (402, anthropic("billing_error", "…"), "INSUFFICIENT_QUOTA"),
    "credit": (
        400,
        anthropic("invalid_request_error", "Your credit balance is too low to access the Anthropic API."),
        "INSUFFICIENT_QUOTA",
    ),
    "own limit": (
        400,
        anthropic("invalid_request_error", "You have reached your specified API usage limits."),
        "INSUFFICIENT_QUOTA",
    ),
    "output blocked": (
        400,
        anthropic("invalid_request_error", "Output blocked by content filtering policy"),
        "CONTENT_FILTERED",
    ),
    "invalid": (400, anthropic("invalid_request_error", "max_tokens: Field required"), "BAD_REQUEST"),
    "api": (500, anthropic("api_error", "Internal server error"), "PROVIDER_ERROR"),
    "api timeout": (504, anthropic("timeout_error", "Request timed out"), "TIMEOUT"),
    # Gemini
    "a minute's": (
        429,
        google(429, "RESOURCE_EXHAUSTED", EXCEEDED, quota_failure(PER_MINUTE), retry_info("26s")),
        "RATE_LIMITED",
    ),
    "a day's": (
        429,
        google(429, "RESOURCE_EXHAUSTED", EXCEEDED, quota_failure(PER_MINUTE, PER_DAY), retry_info("47s")),
        "INSUFFICIENT_QUOTA",
    ),
    "unsaid": (
        429,
        google(429, "RESOURCE_EXHAUSTED", "Resource has been exhausted (e.g. check quota)."),
        "RATE_LIMITED",
    ),
    "spending cap": (
        429,
        google(429, "RESOURCE_EXHAUSTED", "Your project has exceeded its monthly spending cap."),
        "INSUFFICIENT_QUOTA",
    ),
    "google key": (400, google(400, "INVALID_ARGUMENT", "API key not valid.", BAD_KEY), "AUTHENTICATION_FAILED"),
    "google key unsaid": (
        400,
        google(400, "INVALID_ARGUMENT", "API key not valid. Please pass a valid API key."),
        "AUTHENTICATION_FAILED",
    ),
    "google denied": (403, google(403, "PERMISSION_DENIED", "…"), "AUTHENTICATION_FAILED"),
    "google long": (
        400,
        google(400, "INVALID_ARGUMENT", "The input token count (2) exceeds the maximum number of tokens allowed (1)."),
        "CONTEXT_LENGTH_EXCEEDED",
    ),
    "google model": (404, google(404, "NOT_FOUND", "models/gemini-9 is not found for …"), "MODEL_NOT_FOUND"),
    "unavailable": (503, google(503, "UNAVAILABLE", "The model is overloaded."), "OVERLOADED"),
    "deadline": (504, google(504, "DEADLINE_EXCEEDED", "Deadline expired"), "TIMEOUT"),
    "internal": (500, google(500, "INTERNAL", "An internal error has occurred."), "PROVIDER_ERROR"),
    "location": (
        400,
        google(400, "FAILED_PRECONDITION", "User location is not supported for the API use."),
        "AUTHENTICATION_FAILED",
    ),
    "precondition": (400, google(400, "FAILED_PRECONDITION", "The File is not in an ACTIVE state."), "BAD_REQUEST"),
    "google invalid": (400, google(400, "INVALID_ARGUMENT", "Request contains …"), "BAD_REQUEST"),
    "a list": (503, [google(503, "UNAVAILABLE", "The model is overloaded.")], "OVERLOADED"),
    # Compatible servers
    "vllm long": (
        400,
        body(
            message="You passed 1015 input tokens … However, the model's context length is only 1024 tokens",
            type="BadRequestError",
            param="input_tokens",
            code=400,
        ),
        "CONTEXT_LENGTH_EXCEEDED",
    ),
    "vllm old": (
        400,
        {
            "object": "error",
            "message": "This model's maximum context length is 8192 tokens.",
            "type": "BadRequestError",
            "param": None,
            "code": 400,
        },
        "CONTEXT_LENGTH_EXCEEDED",
    ),
    "vllm model": (
        404,
        {"object": "error", "message": "The model `x` does not exist.", "type": "NotFoundError", "code": 404},
        "MODEL_NOT_FOUND",
    ),
    "llama.cpp": (400, body(code=400, message="…", type="exceed_context_size_error"), "CONTEXT_LENGTH_EXCEEDED"),
    "ollama": (404, {"error": 'model "x" not found, try pulling it first'}, "MODEL_NOT_FOUND"),
    "ollama busy": (503, openai("server busy, please try again", "api_error", None), "OVERLOADED"),
    "openrouter": (402, body(code=402, message="Insufficient credits."), "INSUFFICIENT_QUOTA"),
    "openrouter rate": (
        429,
        body(code=429, message="Provider returned error", metadata={"provider_name": "X", "raw": "busy"}),
        "RATE_LIMITED",
    ),
    "openrouter flagged": (
        403,
        body(code=403, message="…", metadata={"reasons": ["hate"], "flagged_input": "…", "provider_name": "X"}),
        "CONTENT_FILTERED",
    ),
    "openrouter model": (400, body(code=400, message="foo/bar is not a valid model ID"), "MODEL_NOT_FOUND"),
    "nested": (402, {"error": body(message="More credits are required", code=402), "code": 402}, "INSUFFICIENT_QUOTA"),
    "groq": (413, openai("Request too large …", "tokens", "rate_limit_exceeded"), "CONTEXT_LENGTH_EXCEEDED"),
    "fastapi": (404, {"detail": "Not Found"}, "MODEL_NOT_FOUND"),
}
BARE = {
    301: "BAD_REQUEST",
    400: "BAD_REQUEST",
    401: "AUTHENTICATION_FAILED",
    402: "INSUFFICIENT_QUOTA",
    403: "AUTHENTICATION_FAILED",
    404: "MODEL_NOT_FOUND",
    408: "TIMEOUT",
    409: "BAD_REQUEST",
    413: "CONTEXT_LENGTH_EXCEEDED",
    422: "BAD_REQUEST",
    429: "RATE_LIMITED",
    500: "PROVIDER_ERROR",
    502: "PROVIDER_ERROR",
    503: "OVERLOADED",
    504: "TIMEOUT",
    520: "PROVIDER_ERROR",
    524: "TIMEOUT",
    529: "OVERLOADED",
}
SAID_TO_BE_RETRYABLE = {"RATE_LIMITED", "OVERLOADED", "TIMEOUT", "CONNECTION_FAILED", "PROVIDER_ERROR"}


@pytest.mark.parametrize(("status", "answer", "code"), ANSWERS.values(), ids=ANSWERS)
def test_an_answer_has_one_of_our_codes(status: int, answer: object, code: str) -> None:
    error = from_response("p", status, json.dumps(answer).encode())
    assert (error.code, error.status, error.retryable) == (code, status, code in SAID_TO_BE_RETRYABLE)


@pytest.mark.parametrize("answer", [b"", b"<html>Bad gateway</html>", b"[]", b"{}", b'{"error": 7}', b"[" * 100_000])
@pytest.mark.parametrize(("status", "code"), BARE.items())
def test_an_answer_that_says_nothing_is_known_by_its_status(status: int, code: str, answer: bytes) -> None:
    error = from_response("p", status, answer)
    assert (error.code, error.retryable) == (code, code in SAID_TO_BE_RETRYABLE)


EVENTS: dict[str, tuple[dict[str, Any], str, int]] = {
    "openai": (openai("The server had an error", "server_error", None), "PROVIDER_ERROR", 502),
    "openai rate": (openai("Rate limit reached", "tokens", "rate_limit_exceeded"), "RATE_LIMITED", 429),
    "responses": (
        {"type": "error", "code": "context_length_exceeded", "message": "…", "param": "input", "sequence_number": 2},
        "CONTEXT_LENGTH_EXCEEDED",
        400,
    ),
    "responses failed": (
        {"type": "response.failed", "response": {"id": "r", "error": {"code": "server_error", "message": "…"}}},
        "PROVIDER_ERROR",
        502,
    ),
    "responses limited": (
        {"type": "response.failed", "response": {"error": {"code": "rate_limit_exceeded", "message": "…"}}},
        "RATE_LIMITED",
        429,
    ),
    "anthropic overloaded": (anthropic("overloaded_error", "Overloaded"), "OVERLOADED", 503),
    "anthropic api": (anthropic("api_error", "Internal server error"), "PROVIDER_ERROR", 502),
    "anthropic rate": (anthropic("rate_limit_error", "…"), "RATE_LIMITED", 429),
    "anthropic timeout": (anthropic("timeout_error", "…"), "TIMEOUT", 504),
    "gemini": (google(503, "UNAVAILABLE", "The model is overloaded."), "OVERLOADED", 503),
    "openrouter": (body(code=502, message="Provider disconnected"), "PROVIDER_ERROR", 502),
    "vllm": (body(message="…", type="BadRequestError", code=400), "BAD_REQUEST", 400),
    "ollama": ({"error": "an error was encountered while running the model"}, "PROVIDER_ERROR", 502),
    "out of quota": (openai(EXCEEDED, "insufficient_quota", "insufficient_quota"), "INSUFFICIENT_QUOTA", 402),
}


@pytest.mark.parametrize(("event", "code", "status"), EVENTS.values(), ids=EVENTS)
def test_an_error_inside_a_stream_has_one_of_our_codes(event: dict[str, Any], code: str, status: int) -> None:
    error = from_event("p", event)
    assert (error.code, error.status, error.retryable) == (code, status, code in SAID_TO_BE_RETRYABLE)


def test_the_providers_text_is_not_repeated() -> None:
    answer = json.dumps(openai("Incorrect API key provided: sk-12345", "invalid_request_error", "invalid_api_key"))
    error = from_response("openai", 401, answer.encode())
    assert str(error) == "openai answered 401 (invalid_api_key)."


def test_a_redirection_is_a_wrong_address() -> None:
    error = from_response("p", 307, b"")
    assert (error.code, error.retryable) == ("BAD_REQUEST", False)
    assert "base_url" in error.remedy


@pytest.mark.parametrize(
    ("raised", "code", "sent"),
    [
        (httpx2.ReadTimeout("x"), "TIMEOUT", ""),
        (httpx2.ConnectTimeout("x"), "TIMEOUT", ""),
        (httpx2.ConnectError("x"), "CONNECTION_FAILED", ""),
        (httpx2.ReadError("x"), "CONNECTION_FAILED", " after the request was sent"),
        (httpx2.RemoteProtocolError("x"), "CONNECTION_FAILED", " after the request was sent"),
    ],
    ids=lambda one: type(one).__name__,
)
def test_a_failed_connection_has_one_of_our_codes(raised: httpx2.HTTPError, code: str, sent: str) -> None:
    error = from_exception("p", raised)
    assert (error.code, error.retryable) == (code, True)
    assert ("after the request was sent" in str(error)) is bool(sent)


NOW = datetime(2026, 11, 21, 12, 0, 0, tzinfo=UTC)
WAITS: list[tuple[dict[str, str], object, float | None]] = [
    ({}, None, None),
    ({"retry-after": "7"}, None, 7),
    ({"retry-after": " 1.5 "}, None, 1.5),
    ({"retry-after": "0"}, None, 0),
    ({"retry-after": "7", "retry-after-ms": "250"}, None, 0.25),
    ({"retry-after": "7", "retry-after-ms": "soon"}, None, 7),
    ({"retry-after": "Sat, 21 Nov 2026 12:00:30 GMT"}, None, 30),
    ({"retry-after": "Sat, 21 Nov 2026 11:59:00 GMT"}, None, 0),
    ({"retry-after": "Sat, 21 Nov 2026 12:00:30 -0000"}, None, 30),
    ({"retry-after": "tomorrow"}, None, None),
    ({"retry-after": "Sat, 99 Nov 2026 12:00:30 GMT"}, None, None),
    ({"retry-after": "-3"}, None, None),
    ({"retry-after": "inf"}, None, None),
    ({"retry-after": "nan"}, None, None),
    ({"retry-after": "9" * 20}, None, LONGEST),
    ({}, "26s", 26),
    ({}, "0.429s", 0.429),
    ({}, "26", None),
    ({}, 26, None),
    ({"retry-after": "3"}, "26s", 3),
]


@pytest.mark.parametrize(("headers", "delay", "seconds"), WAITS)
def test_how_long_a_provider_asks_to_be_left_alone(
    headers: dict[str, str], delay: object, seconds: float | None
) -> None:
    assert retry_after(headers, delay, NOW) == seconds


def test_an_error_says_how_long_to_wait() -> None:
    answer = json.dumps(google(429, "RESOURCE_EXHAUSTED", EXCEEDED, quota_failure(PER_MINUTE), retry_info("26s")))
    assert from_response("gemini", 429, answer.encode()).retry_after == 26
    headers = httpx2.Headers({"Retry-After": "7"})
    assert from_response("p", 429, b"", headers).retry_after == 7
    assert from_response("p", 429, b'{"error": {"message": "Please try again in 1.2s."}}').retry_after is None
    assert from_exception("p", httpx2.ReadTimeout("x")).retry_after is None


@given(st.dictionaries(st.sampled_from(["retry-after", "retry-after-ms"]), st.text(max_size=40)), st.text(max_size=20))
def test_no_header_is_too_odd_to_be_read(headers: dict[str, str], delay: str) -> None:
    wait = retry_after(headers, delay, NOW)
    assert wait is None or 0 <= wait <= LONGEST


def test_every_code_has_a_sentence_for_end_users() -> None:
    assert set(FOR_CLIENTS) == set(STATUS_OF)
    for code, sentence in FOR_CLIENTS.items():
        assert AIError("x", provider="p", code=code).to_client_message() == sentence
        assert ("try again" in sentence) is (code in RETRYABLE)


def test_a_code_that_nobody_knows_has_a_sentence_too() -> None:
    assert AIError("x", provider="p", code="STREAM_OPEN").to_client_message() == FOR_CLIENTS["PROVIDER_ERROR"]


secrets = st.text("QZXJKVWqzxjkvw0123456789 :/@.-", min_size=12, max_size=60).map(  # no piece of it is in our words
    lambda text: f"sk-{text} 10.0.0.7"
)


def fragments(secret: str, size: int = 8) -> set[str]:
    return {secret[at : at + size] for at in range(len(secret) - size + 1)}


@given(secrets, st.sampled_from([400, 401, 404, 429, 500, 529]))
def test_nothing_of_an_answer_leaks(secret: str, status: int) -> None:
    answers: list[object] = [
        openai(secret, "invalid_request_error", None, secret),
        openai(secret, secret, secret),
        anthropic("invalid_request_error", secret, {"error_code": secret}),
        google(status, secret, secret, {"reason": secret, "retryDelay": secret, "violations": [{"quotaId": secret}]}),
        body(code=secret, message=secret, metadata={"flagged_input": secret}, innererror={"code": secret}),
        {"error": secret},
        secret,
    ]
    headers = {"retry-after": secret, "x-request-id": secret, "location": f"http://{secret}"}
    errors = [from_response("p", status, json.dumps(answer).encode(), headers) for answer in answers]
    errors += [from_event("p", answer) for answer in answers if isinstance(answer, Mapping)]
    failed = httpx2.Request("POST", "http://internal.example", headers={"authorization": "Bearer x"})
    errors.append(from_exception("p", httpx2.ConnectError(secret, request=failed)))
    for error in errors:
        shown = f"{error} {error!r} {error.facts} {error.remedy} {error.to_client_message()}"
        assert not [one for one in fragments(secret) if one in shown]


def test_end_users_are_not_even_told_which_provider_it_was() -> None:
    errors = [from_response("acme-internal", 401, b""), not_configured("acme-internal", "ACME_KEY")]
    for error in errors:
        assert "acme" not in error.to_client_message().lower()


FILTERED: list[tuple[dict[str, Any], bool]] = [
    ({"promptFeedback": {"blockReason": "SAFETY"}, "usageMetadata": {"promptTokenCount": 8}}, True),
    ({"promptFeedback": {"safetyRatings": []}, "candidates": [{"finishReason": "STOP"}]}, False),
    ({"candidates": [{"finishReason": "PROHIBITED_CONTENT", "index": 0}]}, True),
    ({"candidates": [{"finishReason": "MAX_TOKENS"}]}, False),
    ({"choices": [{"finish_reason": "content_filter", "message": {"content": None}}]}, True),
    ({"choices": [{"finish_reason": "length"}]}, False),
    ({"choices": [None], "candidates": "x"}, False),
    ({"type": "message", "stop_reason": "refusal", "content": []}, True),
    ({"type": "message_delta", "delta": {"stop_reason": "refusal"}}, True),
    ({"type": "message_delta", "delta": {"stop_reason": "end_turn"}}, False),
    ({}, False),
]


@pytest.mark.parametrize(("answer", "blocked"), FILTERED)
def test_an_answer_says_whether_a_filter_stopped_it(answer: dict[str, Any], blocked: bool) -> None:
    assert is_filtered(answer) is blocked


OK, FAILED, QUOTA, NEUTRAL = Health.OK, Health.FAILED, Health.QUOTA, Health.NEUTRAL
HEALTH: list[tuple[int | None, str | None, BaseException | None, Health]] = [
    (200, None, None, OK),
    (201, None, None, OK),
    (None, None, None, NEUTRAL),
    (307, None, None, NEUTRAL),
    *((status, None, None, NEUTRAL) for status in (400, 401, 403, 404, 409, 413, 422)),
    *((status, None, None, FAILED) for status in (408, 429, 500, 502, 503, 504, 520, 529)),
    (402, None, None, QUOTA),
    (402, "billing_error", None, QUOTA),
    (429, "insufficient_quota", None, QUOTA),
    (429, "enforced_spend_limit_reached", None, QUOTA),
    (429, "INSUFFICIENT_QUOTA", None, QUOTA),
    (400, "INSUFFICIENT_QUOTA", None, QUOTA),
    (429, "rate_limit_exceeded", None, FAILED),
    (429, "RESOURCE_EXHAUSTED", None, FAILED),
    (400, "context_length_exceeded", None, NEUTRAL),
    (400, "content_filter", None, NEUTRAL),
    (400, "API_KEY_INVALID", None, NEUTRAL),
    (500, "server_error", None, FAILED),
    (200, "overloaded_error", None, FAILED),
    (200, "server_error", None, FAILED),
    (200, "a word that nobody knows", None, FAILED),
    (200, "502", None, FAILED),
    (200, "402", None, QUOTA),
    (200, "400", None, NEUTRAL),
    (200, "insufficient_quota", None, QUOTA),
    (200, "context_length_exceeded", None, NEUTRAL),
    (None, None, httpx2.ConnectError("x"), FAILED),
    (None, None, httpx2.ConnectTimeout("x"), FAILED),
    (None, None, httpx2.ReadTimeout("x"), FAILED),
    (200, None, httpx2.ReadError("x"), FAILED),
    (200, None, httpx2.RemoteProtocolError("x"), FAILED),
    (None, None, httpx2.PoolTimeout("x"), NEUTRAL),
    (None, None, httpx2.LocalProtocolError("x"), NEUTRAL),
    (None, None, httpx2.UnsupportedProtocol("x"), NEUTRAL),
    (None, None, asyncio.CancelledError(), NEUTRAL),
    (200, None, GeneratorExit(), NEUTRAL),
    (None, None, KeyboardInterrupt(), NEUTRAL),
    (None, None, PolicyDenied("x"), NEUTRAL),
    (None, None, ValueError("x"), NEUTRAL),
    (None, None, AIError("x", provider="p", code="OVERLOADED"), FAILED),
    (None, None, AIError("x", provider="p", code="PROVIDER_NOT_CONFIGURED"), NEUTRAL),
]


@pytest.mark.parametrize(("status", "word", "error", "outcome"), HEALTH)
def test_what_a_breaker_is_told(
    status: int | None, word: str | None, error: BaseException | None, outcome: Health
) -> None:
    assert health(status, word, error) is outcome


@pytest.mark.parametrize(("status", "answer", "code"), ANSWERS.values(), ids=ANSWERS)
def test_what_a_breaker_is_told_of_an_answer_that_was_read(status: int, answer: object, code: str) -> None:
    assert of_answer(status, said(json.dumps(answer).encode())) is of_code(code)


@pytest.mark.parametrize("code", STATUS_OF)
def test_what_can_be_tried_again_is_what_a_breaker_counts(code: str) -> None:
    assert (of_code(code) is FAILED) is (code in SAID_TO_BE_RETRYABLE)


@pytest.mark.parametrize("answer", [b"", b"[]", b"{}", b'{"error": 7}', b'{"error": {"code": 400}}', b"[" * 100_000])
def test_an_answer_without_a_word_has_none(answer: bytes) -> None:
    assert said(answer).word is None


def test_a_word_is_taken_from_a_list_as_gemini_streams_it() -> None:
    assert said(b'[{"error": {"code": 503, "status": "UNAVAILABLE"}}]').word == "UNAVAILABLE"


def test_a_sentence_is_no_word() -> None:
    assert said(b'{"error": {"code": "Incorrect key sk-1", "type": "auth_error"}}').word == "auth_error"


@pytest.mark.parametrize(
    "key", ["sk-proj-abc123", "AIzaSyA1234567890abcdefghijklmnopqrstuv", "gsk_" + "a1" * 26, "x" * 31]
)
def test_a_key_is_no_word(key: str) -> None:
    assert said(json.dumps(openai(key, key, key)).encode()).word is None


def test_what_is_kept_of_a_name_is_short_and_printable() -> None:
    assert plain(None) is None
    assert plain("gpt-5") == "gpt-5"
    kept = plain("a\0b\ud800" + "c" * 10_000)
    assert kept is not None
    assert (len(kept), kept[:4]) == (MAX_NAME, "a\ufffdb\ufffd")
    kept.encode()
