"""What a provider answers when it fails, under one set of codes; its own text is never repeated."""

from __future__ import annotations

import json
from typing import Any

import httpx2
import pytest

from aikit.provider_errors import MAX_NAME, error_code, from_exception, from_response, plain


def body(**error: Any) -> bytes:
    return json.dumps({"error": error}).encode()


BODIES = [
    (400, body(code="context_length_exceeded"), "CONTEXT_LENGTH_EXCEEDED"),
    (400, body(type="invalid_request_error", message="prompt is too long: 210000 > 200000"), "CONTEXT_LENGTH_EXCEEDED"),
    (
        400,
        body(
            status="INVALID_ARGUMENT",
            message="The input token count (2) exceeds the maximum number of tokens allowed (1).",
        ),
        "CONTEXT_LENGTH_EXCEEDED",
    ),
    (400, body(status="INVALID_ARGUMENT", details=[{"reason": "API_KEY_INVALID"}]), "AUTHENTICATION_FAILED"),
    (400, body(type="invalid_request_error"), "BAD_REQUEST"),
    (422, b"", "BAD_REQUEST"),
    (401, b"not JSON", "AUTHENTICATION_FAILED"),
    (402, b"", "INSUFFICIENT_QUOTA"),
    (403, b"", "AUTHENTICATION_FAILED"),
    (404, b"", "MODEL_NOT_FOUND"),
    (408, b"", "TIMEOUT"),
    (429, body(code="insufficient_quota"), "INSUFFICIENT_QUOTA"),
    (429, b"", "RATE_LIMITED"),
    (500, b"", "PROVIDER_ERROR"),
    (503, b"", "OVERLOADED"),
    (529, body(type="overloaded_error"), "OVERLOADED"),
]
RETRYABLE = {"RATE_LIMITED", "OVERLOADED", "TIMEOUT", "CONNECTION_FAILED", "PROVIDER_ERROR"}


@pytest.mark.parametrize(("status", "answer", "code"), BODIES, ids=[f"{s}-{c}" for s, _, c in BODIES])
def test_an_answer_has_one_of_our_codes(status: int, answer: bytes, code: str) -> None:
    error = from_response("p", status, answer)
    assert (error.code, error.status, error.retryable) == (code, status, code in RETRYABLE)


def test_the_providers_text_is_not_repeated() -> None:
    error = from_response("openai", 401, body(code="invalid_api_key", message="Incorrect API key provided: sk-12345"))
    assert str(error) == "openai answered 401 (invalid_api_key)."


@pytest.mark.parametrize(
    ("raised", "code", "sent"),
    [
        (httpx2.ReadTimeout("x"), "TIMEOUT", ""),
        (httpx2.ConnectTimeout("x"), "TIMEOUT", ""),
        (httpx2.ConnectError("x"), "CONNECTION_FAILED", ""),
        (httpx2.ReadError("x"), "CONNECTION_FAILED", " after the request was sent"),
    ],
    ids=lambda one: type(one).__name__,
)
def test_a_failed_connection_has_one_of_our_codes(raised: httpx2.HTTPError, code: str, sent: str) -> None:
    error = from_exception("p", raised)
    assert (error.code, error.retryable) == (code, True)
    assert ("after the request was sent" in str(error)) is bool(sent)


@pytest.mark.parametrize("answer", [b"", b"[]", b"{}", b'{"error": 7}', b'{"error": {"code": 400}}', b"[" * 100_000])
def test_an_answer_without_a_code_has_none(answer: bytes) -> None:
    assert error_code(answer) is None


def test_a_code_is_taken_from_a_list_as_gemini_streams_it() -> None:
    assert error_code(b'[{"error": {"code": 503, "status": "UNAVAILABLE"}}]') == "UNAVAILABLE"


def test_what_is_kept_of_a_name_is_short_and_printable() -> None:
    assert plain(None) is None
    assert plain("gpt-5") == "gpt-5"
    kept = plain("a\0b\ud800" + "c" * 10_000)
    assert kept is not None
    assert (len(kept), kept[:4]) == (MAX_NAME, "a\ufffdb\ufffd")
    kept.encode()
