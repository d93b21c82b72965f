"""What `complete` and `stream` make of answers with status 200 that a filter or an error stands in the place of."""

from __future__ import annotations

import json
from types import SimpleNamespace
from typing import Any, cast

import httpx2
import pytest

from aikit.attempt import Receipt
from aikit.completion import Dispatch, TextStream, read_reply
from aikit.config import Provider
from aikit.errors import AIError
from aikit.transport import ATTEMPT
from aikit.types import Decision, Usage, new_id
from aikit.wire import registry

BASE = {"openai": "https://api.openai.com/v1", "anthropic": "https://api.anthropic.com", "gemini": "https://google"}


def sent(kind: str) -> Dispatch:
    provider = Provider(kind, kind, BASE[kind])
    return Dispatch(provider, registry.chat_codec(kind), "m", httpx2.Request("POST", "https://p"))


def answered(body: object, status: int = 200) -> httpx2.Response:
    receipt = Receipt(Decision(new_id(), "ALLOWED"), Usage(input=8), 800, estimated=False)
    attempt = SimpleNamespace(stopped=None, receipt=receipt, call_id=new_id(), findings=())
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    return httpx2.Response(status, content=content, extensions={ATTEMPT: attempt})


WITHOUT_TEXT: list[tuple[str, dict[str, Any]]] = [
    ("gemini", {"promptFeedback": {"blockReason": "PROHIBITED_CONTENT"}, "usageMetadata": {"promptTokenCount": 8}}),
    ("gemini", {"candidates": [{"finishReason": "SAFETY", "index": 0}]}),
    ("openai", {"choices": [{"message": {"content": None}, "finish_reason": "content_filter"}]}),
    ("anthropic", {"type": "message", "content": [], "stop_reason": "refusal"}),
]


@pytest.mark.parametrize(("kind", "body"), WITHOUT_TEXT)
def test_a_filter_that_left_no_text_is_an_error(kind: str, body: dict[str, Any]) -> None:
    response = answered(body)
    with pytest.raises(AIError) as stopped:
        read_reply(response, sent(kind))
    error = stopped.value
    assert (error.code, error.retryable, error.status) == ("CONTENT_FILTERED", False, 400)
    assert error.facts["call"] == str(response.extensions[ATTEMPT].call_id)
    assert error.facts["costUsd"] == "0.0000008"


WITH_TEXT: list[tuple[str, dict[str, Any]]] = [
    ("gemini", {"candidates": [{"finishReason": "SAFETY", "content": {"parts": [{"text": "Half an"}]}}]}),
    ("openai", {"choices": [{"message": {"content": "Half an"}, "finish_reason": "content_filter"}]}),
    ("anthropic", {"content": [{"type": "text", "text": "Half an"}], "stop_reason": "refusal"}),
]


@pytest.mark.parametrize(("kind", "body"), WITH_TEXT)
def test_a_filter_that_stopped_half_way_is_a_reply(kind: str, body: dict[str, Any]) -> None:
    assert read_reply(answered(body), sent(kind)).text == "Half an"


def test_an_answer_without_text_for_another_reason_is_a_reply() -> None:
    body = {"choices": [{"message": {"content": None, "tool_calls": []}, "finish_reason": "tool_calls"}]}
    assert read_reply(answered(body), sent("openai")).text == ""


def test_an_error_in_place_of_an_answer_is_raised() -> None:
    with pytest.raises(AIError) as failed:
        read_reply(answered({"error": {"code": 502, "message": "Provider disconnected"}}), sent("openai"))
    assert (failed.value.code, failed.value.status) == ("PROVIDER_ERROR", 502)


def test_an_answer_that_is_no_json_is_the_providers_fault() -> None:
    with pytest.raises(AIError, match="no JSON") as failed:
        read_reply(answered(b"<html>"), sent("openai"))
    assert (failed.value.code, failed.value.retryable) == ("PROVIDER_ERROR", True)


def test_a_redirection_is_not_taken_for_an_answer() -> None:
    with pytest.raises(AIError) as failed:
        read_reply(answered({"choices": []}, status=308), sent("openai"))
    assert failed.value.code == "BAD_REQUEST"


def streamed(kind: str, *events: dict[str, Any]) -> TextStream:
    stream = TextStream(answered({}), cast(Any, sent(kind)))
    for event in events:
        list(stream.feed(f"data: {json.dumps(event)}\n\n".encode()))
    return stream


def test_a_stream_that_a_filter_stopped_before_any_text_ends_in_an_error() -> None:
    for kind, body in (WITHOUT_TEXT[0], ("anthropic", {"type": "message_delta", "delta": {"stop_reason": "refusal"}})):
        with pytest.raises(AIError) as stopped:
            streamed(kind, body).end()
        assert stopped.value.code == "CONTENT_FILTERED"


def test_a_stream_that_a_filter_stopped_half_way_ends_as_it_does() -> None:
    text = {"choices": [{"delta": {"content": "Half an"}}]}
    end = {"choices": [{"delta": {}, "finish_reason": "content_filter"}]}
    stream = streamed("openai", text, end)
    assert list(stream.end()) == []
    assert stream.reply().text == "Half an"


def test_an_error_inside_a_stream_has_the_code_that_its_words_say() -> None:
    overloaded = {"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}}
    with pytest.raises(AIError) as failed:
        streamed("anthropic", overloaded).end()
    assert (failed.value.code, failed.value.status) == ("OVERLOADED", 503)
