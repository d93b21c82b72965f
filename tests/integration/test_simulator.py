"""The simulated provider under the three official SDKs: what they parse, what they raise, and what the books say."""

from __future__ import annotations

import asyncio
import json
import socket
import threading
import time
from collections.abc import AsyncIterator, Iterator
from typing import Any

import anthropic
import httpx2
import openai
import pytest
from google import genai
from google.genai import errors as genai_errors

from aikit.errors import ConfigError
from aikit.sim import Simulator, serve

pytest_plugins = ["support.simulator"]

CHAT_MODEL, CLAUDE, GEMINI = "gpt-5-mini", "claude-sonnet-4-5", "gemini-2.5-flash"

DICTATED: dict[str, dict[str, int]] = {
    "chat": {"input": 1000, "cache_read": 200, "cache_write_5m": 7, "input_audio": 3, "output": 50, "reasoning": 20},
    "responses": {"input": 1000, "cache_read": 200, "cache_write_5m": 7, "output": 50, "reasoning": 20, "searches": 2},
    "messages": {
        "input": 1000,
        "cache_read": 200,
        "cache_write_5m": 10,
        "cache_write_1h": 5,
        "output": 50,
        "reasoning": 20,
    },
    "gemini": {
        "input": 1000,
        "cache_read": 200,
        "cache_read_audio": 4,
        "input_audio": 3,
        "output": 50,
        "reasoning": 20,
    },
}


def says(directive: dict[str, Any]) -> str:
    return f"Say something. [[sim: {json.dumps(directive)}]]"


def openai_client(sim: Simulator) -> openai.OpenAI:
    return openai.OpenAI(base_url=f"{sim.url}/v1", api_key="sim", max_retries=0)


def anthropic_client(sim: Simulator) -> anthropic.Anthropic:
    return anthropic.Anthropic(base_url=sim.url, api_key="sim", max_retries=0)


def gemini_client(sim: Simulator) -> genai.Client:
    options = genai.types.HttpOptions(base_url=sim.url, api_version="v1beta")
    return genai.Client(api_key="sim", http_options=options)


def chat_request(text: str) -> dict[str, Any]:
    return {"model": CHAT_MODEL, "messages": [{"role": "user", "content": text}]}


def messages_request(text: str) -> dict[str, Any]:
    return {"model": CLAUDE, "max_tokens": 2000, "messages": [{"role": "user", "content": text}]}


def check_chat_usage(usage: Any) -> None:
    assert (usage.prompt_tokens, usage.completion_tokens, usage.total_tokens) == (1210, 70, 1280)
    prompt = usage.prompt_tokens_details
    assert (prompt.cached_tokens, prompt.cache_write_tokens, prompt.audio_tokens) == (200, 7, 3)
    assert usage.completion_tokens_details.reasoning_tokens == 20


def check_responses_usage(response: Any) -> None:
    usage = response.usage
    assert (usage.input_tokens, usage.output_tokens, usage.total_tokens) == (1207, 70, 1277)
    assert (usage.input_tokens_details.cached_tokens, usage.input_tokens_details.cache_write_tokens) == (200, 7)
    assert usage.output_tokens_details.reasoning_tokens == 20
    assert response.tool_usage.web_search.num_requests == 2


def check_anthropic_usage(usage: Any, output: int = 70) -> None:
    assert (usage.input_tokens, usage.output_tokens) == (1000, output)
    assert (usage.cache_read_input_tokens, usage.cache_creation_input_tokens) == (200, 15)
    assert (usage.cache_creation.ephemeral_5m_input_tokens, usage.cache_creation.ephemeral_1h_input_tokens) == (10, 5)


def check_gemini_usage(usage: Any) -> None:
    assert (usage.prompt_token_count, usage.candidates_token_count, usage.thoughts_token_count) == (1207, 50, 20)
    assert (usage.cached_content_token_count, usage.total_token_count) == (204, 1277)
    by_modality = {count.modality.value: count.token_count for count in usage.prompt_tokens_details}
    assert by_modality == {"TEXT": 1200, "AUDIO": 7}


def billed(sim: Simulator) -> dict[str, int]:
    told = sim.served()
    assert told["in_flight"] == 0
    return told["totals"]["billed"]


def last_ending(sim: Simulator) -> tuple[str, dict[str, int]]:
    request = sim.served(limit=1)["requests"][-1]
    return request["ending"], request["billed"]


# ── What the SDKs parse ──────────────────────────────────────────────────────────────────────────────────────────────


def test_openai_chat_plain_and_streamed_carry_the_dictated_usage(simulator: Simulator) -> None:
    client = openai_client(simulator)
    headers = {"x-sim-usage": json.dumps(DICTATED["chat"])}
    whole = client.chat.completions.create(**chat_request("hello"), extra_headers=headers)
    assert "simulated" in (whole.choices[0].message.content or "")
    assert whole.choices[0].finish_reason == "stop"
    check_chat_usage(whole.usage)

    options: Any = {"include_usage": True}
    chunks = list(
        client.chat.completions.create(
            **chat_request("hello"), extra_headers=headers, stream=True, stream_options=options
        )
    )
    assert "".join(c.choices[0].delta.content or "" for c in chunks[:-1]) == whole.choices[0].message.content
    assert [c.choices[0].finish_reason for c in chunks[:-1] if c.choices[0].finish_reason] == ["stop"]
    assert all("usage" in c.model_fields_set and c.usage is None for c in chunks[:-1])
    check_chat_usage(chunks[-1].usage)
    assert billed(simulator) == {name: 2 * tokens for name, tokens in DICTATED["chat"].items()}


def test_an_openai_chat_stream_has_no_usage_unless_it_is_asked_for(simulator: Simulator) -> None:
    chunks = list(openai_client(simulator).chat.completions.create(**chat_request("hello"), stream=True))
    assert all(chunk.choices and "usage" not in chunk.model_fields_set for chunk in chunks)
    assert billed(simulator)["output"] > 0


async def test_openai_chat_async_plain_and_streamed(simulator: Simulator) -> None:
    async with openai.AsyncOpenAI(base_url=f"{simulator.url}/v1", api_key="sim", max_retries=0) as client:
        text = says({"usage": DICTATED["chat"]})
        check_chat_usage((await client.chat.completions.create(**chat_request(text))).usage)
        options: Any = {"include_usage": True}
        stream = await client.chat.completions.create(**chat_request(text), stream=True, stream_options=options)
        check_chat_usage([chunk async for chunk in stream][-1].usage)


def test_openai_responses_plain_and_streamed_carry_the_dictated_usage(simulator: Simulator) -> None:
    client = openai_client(simulator)
    text = says({"usage": DICTATED["responses"]})
    whole = client.responses.create(model=CHAT_MODEL, input=text)
    assert "simulated" in whole.output_text
    assert [item.type for item in whole.output] == ["reasoning", "message"]
    check_responses_usage(whole)

    events = list(client.responses.create(model=CHAT_MODEL, input=text, stream=True))
    assert [event.type for event in events if "delta" not in event.type] == [
        "response.created",
        "response.in_progress",
        "response.output_item.added",
        "response.output_item.done",
        "response.output_item.added",
        "response.content_part.added",
        "response.output_text.done",
        "response.content_part.done",
        "response.output_item.done",
        "response.completed",
    ]
    assert [event.sequence_number for event in events] == list(range(len(events)))
    deltas = "".join(event.delta for event in events if event.type == "response.output_text.delta")
    assert deltas == whole.output_text
    check_responses_usage(events[-1].response)


async def test_openai_responses_async_and_through_the_stream_helper(simulator: Simulator) -> None:
    async with openai.AsyncOpenAI(base_url=f"{simulator.url}/v1", api_key="sim", max_retries=0) as client:
        text = says({"usage": DICTATED["responses"]})
        check_responses_usage(await client.responses.create(model=CHAT_MODEL, input=text))
        async with client.responses.stream(model=CHAT_MODEL, input=text) as stream:
            check_responses_usage(await stream.get_final_response())


def test_openai_embeddings_are_unit_vectors_that_the_text_decides(simulator: Simulator) -> None:
    client = openai_client(simulator)
    one = client.embeddings.create(model="text-embedding-3-small", input=["two words", "x"], dimensions=100)
    assert one.usage.prompt_tokens == one.usage.total_tokens == 3
    vectors = [item.embedding for item in one.data]
    assert [len(vector) for vector in vectors] == [100, 100]
    assert all(abs(sum(value * value for value in vector) - 1) < 1e-5 for vector in vectors)
    again = client.embeddings.create(
        model="text-embedding-3-small", input="two words", dimensions=100, encoding_format="float"
    )
    assert again.data[0].embedding == pytest.approx(vectors[0])


async def test_openai_embeddings_async_carry_the_dictated_usage(simulator: Simulator) -> None:
    async with openai.AsyncOpenAI(base_url=f"{simulator.url}/v1", api_key="sim", max_retries=0) as client:
        headers = {"x-sim-usage": '{"input": 42}'}
        reply = await client.embeddings.create(model="text-embedding-3-small", input=[[1, 2]], extra_headers=headers)
    assert reply.usage.prompt_tokens == 42
    assert billed(simulator) == {"input": 42}


def test_anthropic_plain_and_streamed_carry_the_dictated_usage(simulator: Simulator) -> None:
    client = anthropic_client(simulator)
    headers = {"x-sim-usage": json.dumps(DICTATED["messages"])}
    whole = client.messages.create(**messages_request("hello"), extra_headers=headers)
    assert "simulated" in whole.content[0].text
    assert whole.stop_reason == "end_turn"
    assert whole.usage.output_tokens_details.thinking_tokens == 20
    check_anthropic_usage(whole.usage)

    events = list(client.messages.create(**messages_request("hello"), extra_headers=headers, stream=True))
    kinds = [event.type for event in events if event.type != "content_block_delta"]
    assert kinds == ["message_start", "content_block_start", "content_block_stop", "message_delta", "message_stop"]
    check_anthropic_usage(events[0].message.usage, output=1)
    ending = events[-2]
    assert (ending.usage.output_tokens, ending.usage.input_tokens, ending.delta.stop_reason) == (70, 1000, "end_turn")
    with client.messages.stream(**messages_request("hello"), extra_headers=headers) as stream:
        assert stream.get_final_text() == whole.content[0].text
        check_anthropic_usage(stream.get_final_message().usage)


async def test_anthropic_async_thinks_when_asked_to(simulator: Simulator) -> None:
    async with anthropic.AsyncAnthropic(base_url=simulator.url, api_key="sim", max_retries=0) as client:
        thinking: Any = {"type": "enabled", "budget_tokens": 1024}
        whole = await client.messages.create(**messages_request("hello"), thinking=thinking)
        stream = await client.messages.create(**messages_request("hello"), thinking=thinking, stream=True)
        events = [event async for event in stream]
    assert [block.type for block in whole.content] == ["thinking", "text"]
    assert whole.usage.output_tokens_details.thinking_tokens > 0
    assert events[-2].usage.output_tokens == whole.usage.output_tokens


def test_anthropic_caches_what_is_marked_for_the_cache_by_its_time_to_live(simulator: Simulator) -> None:
    def marked(ttl: str, text: str) -> Any:
        return {"type": "text", "text": text, "cache_control": {"type": "ephemeral", "ttl": ttl}}

    client = anthropic_client(simulator)
    request = messages_request("one two three")
    reply = client.messages.create(**request, system=[marked("1h", "a b c d"), marked("5m", "e f")])
    assert simulator.served()["totals"]["billed"] == {
        "input": 3,
        "cache_read": 3,
        "cache_write_5m": 1,
        "cache_write_1h": 2,
        "output": reply.usage.output_tokens,
    }
    counted = client.messages.count_tokens(model=CLAUDE, messages=request["messages"])
    assert counted.input_tokens == 3


def test_gemini_plain_and_streamed_carry_the_dictated_usage(simulator: Simulator) -> None:
    client = gemini_client(simulator)
    text = says({"usage": DICTATED["gemini"]})
    whole = client.models.generate_content(model=GEMINI, contents=text)
    assert "simulated" in (whole.text or "")
    check_gemini_usage(whole.usage_metadata)

    chunks = list(client.models.generate_content_stream(model=GEMINI, contents=text))
    assert "".join(chunk.text or "" for chunk in chunks) == whole.text
    assert [chunk.candidates[0].finish_reason for chunk in chunks][:-1] == [None] * (len(chunks) - 1)
    assert chunks[-1].candidates[0].finish_reason == "STOP"
    so_far = [chunk.usage_metadata.candidates_token_count for chunk in chunks]
    assert so_far == sorted(so_far)
    check_gemini_usage(chunks[-1].usage_metadata)


async def test_gemini_async_plain_and_streamed(simulator: Simulator) -> None:
    client = gemini_client(simulator).aio
    text = says({"usage": DICTATED["gemini"]})
    check_gemini_usage((await client.models.generate_content(model=GEMINI, contents=text)).usage_metadata)
    stream: AsyncIterator[Any] = await client.models.generate_content_stream(model=GEMINI, contents=text)
    check_gemini_usage([chunk async for chunk in stream][-1].usage_metadata)
    await client.aclose()


def test_gemini_streams_one_json_array_without_alt_sse(simulator: Simulator) -> None:
    body = {"contents": [{"parts": [{"text": says({"usage": DICTATED["gemini"]})}]}]}
    reply = httpx2.post(f"{simulator.url}/v1/models/{GEMINI}:streamGenerateContent", json=body)
    chunks = reply.json()
    assert len(chunks) > 1
    assert chunks[-1]["usageMetadata"]["totalTokenCount"] == 1277
    assert chunks[-1]["candidates"][0]["finishReason"] == "STOP"


def test_the_output_limit_cuts_and_each_api_says_so(simulator: Simulator) -> None:
    oai, model = openai_client(simulator), "gpt-4o-mini"
    chat = oai.chat.completions.create(model=model, messages=[{"role": "user", "content": "hi"}], max_tokens=5)
    assert (chat.choices[0].finish_reason, chat.usage.completion_tokens) == ("length", 5)
    response = oai.responses.create(model=model, input="hi", max_output_tokens=16)
    assert (response.status, response.incomplete_details.reason) == ("incomplete", "max_output_tokens")
    assert response.usage.output_tokens == 16
    message = anthropic_client(simulator).messages.create(**messages_request("hi") | {"max_tokens": 5})
    assert (message.stop_reason, message.usage.output_tokens) == ("max_tokens", 5)
    limit = genai.types.GenerateContentConfig(max_output_tokens=5)
    reply = gemini_client(simulator).models.generate_content(model=GEMINI, contents="hi", config=limit)
    assert reply.candidates[0].finish_reason == "MAX_TOKENS"
    assert reply.usage_metadata.total_token_count - reply.usage_metadata.prompt_token_count == 5


def test_several_choices_are_all_sent_and_all_billed(simulator: Simulator) -> None:
    client = openai_client(simulator)
    request: Any = {"model": "gpt-4o-mini", "messages": [{"role": "user", "content": "hi"}], "max_tokens": 5, "n": 3}
    whole = client.chat.completions.create(**request)
    assert (len(whole.choices), whole.usage.completion_tokens) == (3, 15)
    chunks = list(client.chat.completions.create(**request, stream=True))
    assert {chunk.choices[0].index for chunk in chunks} == {0, 1, 2}


def test_model_lists_come_in_each_providers_shape_and_say_whose_they_are(simulator: Simulator) -> None:
    assert {model.owned_by for model in openai_client(simulator).models.list()} == {"aikit-sim"}
    assert {model.type for model in anthropic_client(simulator).models.list()} == {"model"}
    assert all("simulated" in (model.display_name or "") for model in gemini_client(simulator).models.list())
    assert billed(simulator) == {}


def test_every_response_says_that_it_is_simulated(simulator: Simulator) -> None:
    for method, path in [("GET", "/healthz"), ("GET", "/v1/models"), ("POST", "/v1/messages"), ("GET", "/nowhere")]:
        assert httpx2.request(method, simulator.url + path).headers["x-simulated"] == "aikit-sim"
    assert httpx2.request("NON SENSE", simulator.url).headers["x-simulated"] == "aikit-sim"


# ── What goes wrong on request ───────────────────────────────────────────────────────────────────────────────────────

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
    status: int,
    of_openai: type[Exception],
    of_anthropic: type[Exception],
    of_gemini: type[Exception],
) -> None:
    simulator.fault(status=status, retry_after=1.5)
    for stream in (False, True):
        with pytest.raises(of_openai) as failed:
            openai_client(simulator).chat.completions.create(**chat_request("hi"), stream=stream)
        assert failed.value.body["message"]  # type: ignore[attr-defined]
        assert failed.value.response.headers["retry-after-ms"] == "1500"  # type: ignore[attr-defined]
        with pytest.raises(of_anthropic) as failed:
            anthropic_client(simulator).messages.create(**messages_request("hi"), stream=stream)
        assert failed.value.body["type"] == "error"  # type: ignore[attr-defined]
    with pytest.raises(of_gemini) as failed:
        gemini_client(simulator).models.generate_content(model=GEMINI, contents="hi")
    assert failed.value.code == status  # type: ignore[attr-defined]
    assert billed(simulator) == {}


def test_an_exhausted_quota_has_openais_code(simulator: Simulator) -> None:
    simulator.fault(status=429, code="insufficient_quota")
    with pytest.raises(openai.RateLimitError) as failed:
        openai_client(simulator).responses.create(model=CHAT_MODEL, input="hi")
    assert failed.value.code == failed.value.type == "insufficient_quota"


def openai_stream(sim: Simulator, fault: dict[str, Any]) -> Iterator[Any]:
    text = says({"usage": {"input": 10, "output": 20, "reasoning": 5}, **fault})
    options: Any = {"include_usage": True}
    return iter(openai_client(sim).chat.completions.create(**chat_request(text), stream=True, stream_options=options))


def anthropic_stream(sim: Simulator, fault: dict[str, Any]) -> Iterator[Any]:
    text = says({"usage": {"input": 10, "output": 20, "reasoning": 5}, **fault})
    return iter(anthropic_client(sim).messages.create(**messages_request(text), stream=True))


def gemini_stream(sim: Simulator, fault: dict[str, Any]) -> Iterator[Any]:
    text = says({"usage": {"input": 10, "output": 20, "reasoning": 5}, **fault})
    return iter(gemini_client(sim).models.generate_content_stream(model=GEMINI, contents=text))


@pytest.mark.parametrize(
    ("stream", "cut_after", "output", "raised"),
    [
        (openai_stream, 8, 7, openai.APIConnectionError),
        (anthropic_stream, 8, 5, httpx2.RemoteProtocolError),
        (gemini_stream, 2, 8, httpx2.RemoteProtocolError),
    ],
)
def test_a_cut_stream_loses_the_connection_and_bills_what_was_generated(
    simulator: Simulator, stream: Any, cut_after: int, output: int, raised: type[Exception]
) -> None:
    with pytest.raises(raised):
        list(stream(simulator, {"cut_after": cut_after}))
    assert last_ending(simulator) == ("cut", {"input": 10, "output": output, "reasoning": 5})


def test_a_stream_that_is_reset_raises_a_read_error(simulator: Simulator) -> None:
    with pytest.raises(httpx2.ReadError):
        list(anthropic_stream(simulator, {"cut_after": 3, "reset": True, "chunk_delay": 0.01}))


def test_a_truncated_stream_raises_nothing_and_has_no_ending(simulator: Simulator) -> None:
    chunks = list(openai_stream(simulator, {"truncate_after": 4}))
    assert len(chunks) == 4
    assert all(chunk.usage is None and chunk.choices[0].finish_reason is None for chunk in chunks)
    assert last_ending(simulator) == ("truncated", {"input": 10, "output": 3, "reasoning": 5})
    events = list(anthropic_stream(simulator, {"truncate_after": 5}))
    assert events[-1].type == "content_block_delta"
    replies = list(gemini_stream(simulator, {"truncate_after": 2}))
    assert [reply.candidates[0].finish_reason for reply in replies] == [None, None]


def test_a_malformed_chunk_surfaces_as_each_sdk_has_it(simulator: Simulator) -> None:
    with pytest.raises(json.JSONDecodeError):
        list(openai_stream(simulator, {"malformed_chunk": 3}))
    with pytest.raises(genai_errors.UnknownApiResponseError):
        list(gemini_stream(simulator, {"malformed_chunk": 1}))
    with pytest.raises(json.JSONDecodeError):
        list(anthropic_stream(simulator, {"malformed_chunk": 3}))


def test_an_error_event_ends_a_stream_in_each_apis_form(simulator: Simulator) -> None:
    with pytest.raises(openai.APIError, match="Simulated error"):
        list(openai_stream(simulator, {"error_after": 2}))
    with pytest.raises(anthropic.APIStatusError, match="overloaded_error"):
        list(anthropic_stream(simulator, {"error_after": 4}))
    with pytest.raises(genai_errors.APIError, match="UNAVAILABLE"):
        list(gemini_stream(simulator, {"error_after": 1}))
    text = says({"error_after": 4})
    events = list(openai_client(simulator).responses.create(model=CHAT_MODEL, input=text, stream=True))
    assert events[-1].type == "error"


def test_missing_usage_is_missing_everywhere_but_in_the_books(simulator: Simulator) -> None:
    simulator.fault(missing_usage=True)
    oai = openai_client(simulator)
    assert oai.chat.completions.create(**chat_request("hi")).usage is None
    assert oai.responses.create(model=CHAT_MODEL, input="hi").usage is None
    assert not hasattr(anthropic_client(simulator).messages.create(**messages_request("hi")), "usage")
    reply = gemini_client(simulator).models.generate_content(model=GEMINI, contents="hi")
    assert reply.usage_metadata is None
    assert all(chunk.usage is None for chunk in openai_stream(simulator, {"missing_usage": True}))
    assert simulator.served()["totals"]["completed"] == 5
    assert billed(simulator)["output"] > 0


def test_a_delay_comes_before_the_first_byte_and_a_chunk_delay_between_chunks(simulator: Simulator) -> None:
    started = time.perf_counter()
    openai_client(simulator).chat.completions.create(**chat_request(says({"delay": 0.2})))
    assert time.perf_counter() - started >= 0.2
    started = time.perf_counter()
    assert len(list(anthropic_stream(simulator, {"chunk_delay": 0.01}))) > 10
    assert time.perf_counter() - started >= 0.1


def test_a_client_that_gives_up_on_a_hanging_answer_is_not_billed(simulator: Simulator) -> None:
    client = openai_client(simulator).with_options(timeout=0.2)
    with pytest.raises(openai.APITimeoutError):
        client.chat.completions.create(**chat_request(says({"hang": True})))
    client.close()
    wait_until_idle(simulator)
    assert last_ending(simulator) == ("unanswered", {})


def test_a_client_that_leaves_a_stream_is_billed_for_what_was_generated(simulator: Simulator) -> None:
    text = says({"usage": {"input": 10, "output": 20}, "chunk_delay": 0.05})
    stream = openai_client(simulator).chat.completions.create(**chat_request(text), stream=True)
    next(stream)
    next(stream)
    stream.close()
    wait_until_idle(simulator)
    ending, tokens = last_ending(simulator)
    assert ending == "left"
    assert tokens["input"] == 10
    assert 1 <= tokens["output"] < 20


def test_a_server_that_closes_before_answering_is_a_lost_connection(simulator: Simulator) -> None:
    for reset in (False, True):
        simulator.fault(close_before_response=True, reset=reset, count=1)
        with pytest.raises(openai.APIConnectionError):
            openai_client(simulator).chat.completions.create(**chat_request("hi"))
        assert last_ending(simulator) == ("unanswered", {})


def test_a_whole_answer_can_be_cut_or_broken_too(simulator: Simulator) -> None:
    text = says({"cut_after": 0, "usage": {"input": 1, "output": 2}})
    with pytest.raises(openai.APIConnectionError):
        openai_client(simulator).chat.completions.create(**chat_request(text))
    assert last_ending(simulator) == ("cut", {"input": 1, "output": 2})
    with pytest.raises(json.JSONDecodeError):
        anthropic_client(simulator).messages.create(**messages_request(says({"malformed_chunk": 0})))


# ── The server itself ────────────────────────────────────────────────────────────────────────────────────────────────


def test_the_control_endpoints_set_faults_and_show_the_books(simulator: Simulator) -> None:
    with httpx2.Client(base_url=simulator.url) as http:
        assert http.get("/healthz").json()["status"] == "ok"
        fault = {"model": "m", "status": 500, "count": 1}
        assert http.post("/sim/faults", json=fault).json()["faults"][0]["model"] == "m"
        ask = {"model": "m", "messages": [{"role": "user", "content": "hi"}]}
        failed, worked = (http.post("/v1/chat/completions", json=ask) for _ in range(2))
        assert (failed.status_code, worked.status_code) == (500, 200)
        told = http.get("/sim/served").json()
        assert [one["id"] for one in told["requests"]] == [failed.headers["x-sim-id"], worked.headers["x-sim-id"]]
        assert told == simulator.served()
        wrong = http.post("/sim/faults", json={"explode": True})
        assert wrong.status_code == 400
        assert "no such fault: explode" in wrong.json()["error"]["message"]
        http.post("/sim/faults", json={"hang": True})
        assert http.delete("/sim/faults").json() == {"faults": []}
        http.post("/sim/reset")
        assert http.get("/sim/served").json()["totals"]["requests"] == 0


@pytest.mark.parametrize("path", ["/v1/chat/completions", "/v1/responses", "/v1/embeddings", "/v1/messages"])
@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"{}", b'{"model": "m"}', b"\xff", b"[" * 100_000])
def test_an_unusable_body_is_a_400(simulator: Simulator, path: str, body: bytes) -> None:
    reply = httpx2.post(simulator.url + path, content=body)
    assert reply.status_code == 400
    assert reply.json()["error"]["message"]


def test_a_wish_that_the_api_cannot_fulfil_is_a_400_with_the_reason(simulator: Simulator) -> None:
    with pytest.raises(openai.BadRequestError, match="reports no cache_write_1h"):
        openai_client(simulator).chat.completions.create(**chat_request(says({"usage": {"cache_write_1h": 1}})))


async def test_a_thousand_concurrent_streams_are_all_finished_and_all_counted(simulator: Simulator) -> None:
    body = chat_request(says({"usage": {"input": 1, "output": 5}})) | {"stream": True}
    limits = httpx2.Limits(max_connections=100)
    async with httpx2.AsyncClient(base_url=simulator.url, limits=limits, timeout=60) as http:
        replies = await asyncio.gather(*(http.post("/v1/chat/completions", json=body) for _ in range(300)))
    assert all(reply.text.endswith("data: [DONE]\n\n") for reply in replies)
    assert billed(simulator) == {"input": 300, "output": 1500}


def test_stopping_hangs_up_on_clients_and_frees_the_port() -> None:
    sim = Simulator().start()
    port = int(sim.url.rpartition(":")[2])
    waiting = socket.create_connection(("127.0.0.1", port))
    sim.stop()
    assert waiting.recv(1) == b""
    waiting.close()
    assert not [thread for thread in threading.enumerate() if thread.name == "aikit-sim"]
    with Simulator(port=port) as again:
        assert again.url == sim.url


def test_any_address_but_loopback_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"127\.0\.0\.1 only, not on 0\.0\.0\.0"):
        serve(host="0.0.0.0")


def test_a_port_that_is_taken_is_a_clear_error(simulator: Simulator) -> None:
    port = int(simulator.url.rpartition(":")[2])
    with pytest.raises(ConfigError, match="can't be had"):
        Simulator(port=port).start()


def wait_until_idle(sim: Simulator) -> None:
    deadline = time.monotonic() + 10
    while sim.served(limit=0)["in_flight"]:
        assert time.monotonic() < deadline, "the simulator did not notice that its client left"
        time.sleep(0.005)
