"""The simulated provider's faults under the three official SDKs: what they raise, and what the books say."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from typing import Any

import anthropic
import httpx2
import openai
import pytest
from google.genai import errors as genai_errors

from aikit.sim import Simulator
from support.sdks import (
    CHAT_MODEL,
    GEMINI,
    Sdks,
    billed,
    chat_request,
    last_ending,
    messages_request,
    says,
    wait_until_idle,
)

pytest_plugins = ["support.simulator"]

STATUS_CLASSES: list[tuple[int, type[Exception], type[Exception], type[Exception]]] = [
    (400, openai.BadRequestError, anthropic.BadRequestError, genai_errors.ClientError),
    (401, openai.AuthenticationError, anthropic.AuthenticationError, genai_errors.ClientError),
    (402, openai.APIStatusError, anthropic.PaymentRequiredError, genai_errors.ClientError),
    (403, openai.PermissionDeniedError, anthropic.PermissionDeniedError, genai_errors.ClientError),
    (404, openai.NotFoundError, anthropic.NotFoundError, genai_errors.ClientError),
    (429, openai.RateLimitError, anthropic.RateLimitError, genai_errors.ClientError),
    (500, openai.InternalServerError, anthropic.InternalServerError, genai_errors.ServerError),
    (503, openai.InternalServerError, anthropic.ServiceUnavailableError, genai_errors.ServerError),
    (529, openai.InternalServerError, anthropic.OverloadedError, genai_errors.ServerError),
]


@pytest.mark.parametrize(("status", "of_openai", "of_anthropic", "of_gemini"), STATUS_CLASSES)
def test_a_status_raises_each_sdks_own_error_with_its_body(
    simulator: Simulator,
    sdks: Sdks,
    status: int,
    of_openai: type[Exception],
    of_anthropic: type[Exception],
    of_gemini: type[Exception],
) -> None:
    simulator.fault(status=status, retry_after=1.5)
    for stream in (False, True):
        with pytest.raises(of_openai) as failed:
            sdks.openai.chat.completions.create(**chat_request("hi"), stream=stream)
        assert failed.value.body["message"]
        assert failed.value.response.headers["retry-after-ms"] == "1500"
        with pytest.raises(of_anthropic) as failed:
            sdks.anthropic.messages.create(**messages_request("hi"), stream=stream)
        assert failed.value.body["type"] == "error"
    with pytest.raises(of_gemini) as failed:
        sdks.gemini.models.generate_content(model=GEMINI, contents="hi")
    assert failed.value.code == status
    assert billed(simulator) == {}


def test_an_exhausted_quota_has_openais_code(simulator: Simulator, sdks: Sdks) -> None:
    simulator.fault(status=429, code="insufficient_quota")
    with pytest.raises(openai.RateLimitError) as failed:
        sdks.openai.responses.create(model=CHAT_MODEL, input="hi")
    assert failed.value.code == failed.value.type == "insufficient_quota"


def openai_stream(sdks: Sdks, fault: dict[str, Any]) -> Iterator[Any]:
    text = says({"usage": {"input": 10, "output": 20, "reasoning": 5}, **fault})
    options: Any = {"include_usage": True}
    return iter(sdks.openai.chat.completions.create(**chat_request(text), stream=True, stream_options=options))


def anthropic_stream(sdks: Sdks, fault: dict[str, Any]) -> Iterator[Any]:
    text = says({"usage": {"input": 10, "output": 20, "reasoning": 5}, **fault})
    return iter(sdks.anthropic.messages.create(**messages_request(text), stream=True))


def gemini_stream(sdks: Sdks, fault: dict[str, Any]) -> Iterator[Any]:
    text = says({"usage": {"input": 10, "output": 20, "reasoning": 5}, **fault})
    return iter(sdks.gemini.models.generate_content_stream(model=GEMINI, contents=text))


@pytest.mark.parametrize(
    ("stream", "cut_after", "output", "raised"),
    [
        (openai_stream, 8, 7, openai.APIConnectionError),
        (anthropic_stream, 8, 5, httpx2.RemoteProtocolError),
        (gemini_stream, 2, 8, httpx2.RemoteProtocolError),
    ],
)
def test_a_cut_stream_loses_the_connection_and_bills_what_was_generated(
    simulator: Simulator, sdks: Sdks, stream: Any, cut_after: int, output: int, raised: type[Exception]
) -> None:
    with pytest.raises(raised):
        list(stream(sdks, {"cut_after": cut_after}))
    assert last_ending(simulator) == ("cut", {"input": 10, "output": output, "reasoning": 5})


def test_a_stream_that_is_reset_raises_a_read_error(sdks: Sdks) -> None:
    with pytest.raises(httpx2.ReadError):
        list(anthropic_stream(sdks, {"cut_after": 3, "reset": True, "chunk_delay": 0.01}))


def test_a_truncated_stream_raises_nothing_and_has_no_ending(simulator: Simulator, sdks: Sdks) -> None:
    chunks = list(openai_stream(sdks, {"truncate_after": 4}))
    assert len(chunks) == 4
    assert all(chunk.usage is None and chunk.choices[0].finish_reason is None for chunk in chunks)
    assert last_ending(simulator) == ("truncated", {"input": 10, "output": 3, "reasoning": 5})
    events = list(anthropic_stream(sdks, {"truncate_after": 5}))
    assert events[-1].type == "content_block_delta"
    replies = list(gemini_stream(sdks, {"truncate_after": 2}))
    assert [reply.candidates[0].finish_reason for reply in replies] == [None, None]


def test_a_malformed_chunk_surfaces_as_each_sdk_has_it(sdks: Sdks) -> None:
    with pytest.raises(json.JSONDecodeError):
        list(openai_stream(sdks, {"malformed_chunk": 3}))
    with pytest.raises(genai_errors.UnknownApiResponseError):
        list(gemini_stream(sdks, {"malformed_chunk": 1}))
    with pytest.raises(json.JSONDecodeError):
        list(anthropic_stream(sdks, {"malformed_chunk": 3}))


def test_an_error_event_ends_a_stream_in_each_apis_form(sdks: Sdks) -> None:
    with pytest.raises(openai.APIError, match="Simulated error"):
        list(openai_stream(sdks, {"error_after": 2}))
    with pytest.raises(anthropic.APIStatusError, match="overloaded_error"):
        list(anthropic_stream(sdks, {"error_after": 4}))
    with pytest.raises(genai_errors.APIError, match="UNAVAILABLE"):
        list(gemini_stream(sdks, {"error_after": 1}))
    text = says({"error_after": 4})
    events = list(sdks.openai.responses.create(model=CHAT_MODEL, input=text, stream=True))
    assert events[-1].type == "error"


def test_missing_usage_is_missing_everywhere_but_in_the_books(simulator: Simulator, sdks: Sdks) -> None:
    simulator.fault(missing_usage=True)
    oai = sdks.openai
    assert oai.chat.completions.create(**chat_request("hi")).usage is None
    assert oai.responses.create(model=CHAT_MODEL, input="hi").usage is None
    assert sdks.anthropic.messages.create(**messages_request("hi")).usage is None
    reply = sdks.gemini.models.generate_content(model=GEMINI, contents="hi")
    assert reply.usage_metadata is None
    assert all(chunk.usage is None for chunk in openai_stream(sdks, {"missing_usage": True}))
    assert simulator.served()["totals"]["completed"] == 5
    assert billed(simulator)["output"] > 0


def test_a_delay_comes_before_the_first_byte_and_a_chunk_delay_between_chunks(sdks: Sdks) -> None:
    started = time.perf_counter()
    sdks.openai.chat.completions.create(**chat_request(says({"delay": 0.2})))
    assert time.perf_counter() - started >= 0.2
    started = time.perf_counter()
    assert len(list(anthropic_stream(sdks, {"chunk_delay": 0.01}))) > 10
    assert time.perf_counter() - started >= 0.1


def test_a_client_that_gives_up_on_a_hanging_answer_is_not_billed(simulator: Simulator, sdks: Sdks) -> None:
    client = sdks.openai.with_options(timeout=0.2)
    with pytest.raises(openai.APITimeoutError):
        client.chat.completions.create(**chat_request(says({"hang": True})))
    client.close()
    wait_until_idle(simulator)
    assert last_ending(simulator) == ("unanswered", {})


def test_a_client_that_leaves_a_stream_is_billed_for_what_was_generated(simulator: Simulator, sdks: Sdks) -> None:
    text = says({"usage": {"input": 10, "output": 20}, "chunk_delay": 0.05})
    stream = sdks.openai.chat.completions.create(**chat_request(text), stream=True)
    next(stream)
    next(stream)
    stream.close()
    wait_until_idle(simulator)
    ending, tokens = last_ending(simulator)
    assert ending == "left"
    assert tokens["input"] == 10
    assert 1 <= tokens["output"] < 20


def test_a_server_that_closes_before_answering_is_a_lost_connection(simulator: Simulator, sdks: Sdks) -> None:
    for reset in (False, True):
        simulator.fault(close_before_response=True, reset=reset, count=1)
        with pytest.raises(openai.APIConnectionError):
            sdks.openai.chat.completions.create(**chat_request("hi"))
        assert last_ending(simulator) == ("unanswered", {})


def test_a_whole_answer_can_be_cut_or_broken_too(simulator: Simulator, sdks: Sdks) -> None:
    text = says({"cut_after": 0, "usage": {"input": 1, "output": 2}})
    with pytest.raises(openai.APIConnectionError):
        sdks.openai.chat.completions.create(**chat_request(text))
    assert last_ending(simulator) == ("cut", {"input": 1, "output": 2})
    with pytest.raises(json.JSONDecodeError):
        sdks.anthropic.messages.create(**messages_request(says({"malformed_chunk": 0})))
