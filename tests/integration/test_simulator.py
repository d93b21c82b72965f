"""The simulated provider under the three official SDKs: what they parse, plain and streamed, sync and async."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from typing import Any

import anthropic
import httpx2
import openai
import pytest
from google import genai

from aikit.sim import Simulator
from support.sdks import CHAT_MODEL, CLAUDE, GEMINI, Sdks, billed, chat_request, messages_request, says

pytest_plugins = ["support.simulator"]

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


def test_openai_chat_plain_and_streamed_carry_the_dictated_usage(simulator: Simulator, sdks: Sdks) -> None:
    client = sdks.openai
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


def test_an_openai_chat_stream_has_no_usage_unless_it_is_asked_for(simulator: Simulator, sdks: Sdks) -> None:
    chunks = list(sdks.openai.chat.completions.create(**chat_request("hello"), stream=True))
    assert all(chunk.choices and "usage" not in chunk.model_fields_set for chunk in chunks)
    assert billed(simulator)["output"] > 0


async def test_openai_chat_async_plain_and_streamed(simulator: Simulator) -> None:
    async with openai.AsyncOpenAI(base_url=f"{simulator.url}/v1", api_key="sim", max_retries=0) as client:
        text = says({"usage": DICTATED["chat"]})
        check_chat_usage((await client.chat.completions.create(**chat_request(text))).usage)
        options: Any = {"include_usage": True}
        stream = await client.chat.completions.create(**chat_request(text), stream=True, stream_options=options)
        check_chat_usage([chunk async for chunk in stream][-1].usage)


def test_openai_responses_plain_and_streamed_carry_the_dictated_usage(sdks: Sdks) -> None:
    client = sdks.openai
    text = says({"usage": DICTATED["responses"]})
    whole = client.responses.create(model=CHAT_MODEL, input=text)
    assert "simulated" in whole.output_text
    assert [item.type for item in whole.output] == ["reasoning", "web_search_call", "web_search_call", "message"]
    check_responses_usage(whole)

    events = list(client.responses.create(model=CHAT_MODEL, input=text, stream=True))
    assert [event.type for event in events if "delta" not in event.type] == [
        "response.created",
        "response.in_progress",
        *["response.output_item.added", "response.output_item.done"] * 3,
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


def test_openai_embeddings_are_unit_vectors_that_the_text_decides(sdks: Sdks) -> None:
    client = sdks.openai
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


def test_anthropic_plain_and_streamed_carry_the_dictated_usage(sdks: Sdks) -> None:
    client = sdks.anthropic
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


def test_anthropic_caches_what_is_marked_for_the_cache_by_its_time_to_live(simulator: Simulator, sdks: Sdks) -> None:
    def marked(ttl: str, text: str) -> Any:
        return {"type": "text", "text": text, "cache_control": {"type": "ephemeral", "ttl": ttl}}

    client = sdks.anthropic
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


def test_gemini_plain_and_streamed_carry_the_dictated_usage(sdks: Sdks) -> None:
    client = sdks.gemini
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


async def test_gemini_async_plain_and_streamed(sdks: Sdks) -> None:
    client = sdks.gemini.aio
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


def test_the_output_limit_cuts_and_each_api_says_so(sdks: Sdks) -> None:
    oai, model = sdks.openai, "gpt-4o-mini"
    chat = oai.chat.completions.create(model=model, messages=[{"role": "user", "content": "hi"}], max_tokens=5)
    assert (chat.choices[0].finish_reason, chat.usage.completion_tokens) == ("length", 5)
    response = oai.responses.create(model=model, input="hi", max_output_tokens=16)
    assert (response.status, response.incomplete_details.reason) == ("incomplete", "max_output_tokens")
    assert response.usage.output_tokens == 16
    message = sdks.anthropic.messages.create(**messages_request("hi") | {"max_tokens": 5})
    assert (message.stop_reason, message.usage.output_tokens) == ("max_tokens", 5)
    limit = genai.types.GenerateContentConfig(max_output_tokens=5)
    reply = sdks.gemini.models.generate_content(model=GEMINI, contents="hi", config=limit)
    assert reply.candidates[0].finish_reason == "MAX_TOKENS"
    assert reply.usage_metadata.total_token_count - reply.usage_metadata.prompt_token_count == 5


def test_several_choices_are_all_sent_and_all_billed(sdks: Sdks) -> None:
    client = sdks.openai
    request: Any = {"model": "gpt-4o-mini", "messages": [{"role": "user", "content": "hi"}], "max_tokens": 5, "n": 3}
    whole = client.chat.completions.create(**request)
    assert (len(whole.choices), whole.usage.completion_tokens) == (3, 15)
    chunks = list(client.chat.completions.create(**request, stream=True))
    assert {chunk.choices[0].index for chunk in chunks} == {0, 1, 2}


def test_model_lists_come_in_each_providers_shape_and_say_whose_they_are(simulator: Simulator, sdks: Sdks) -> None:
    assert {model.owned_by for model in sdks.openai.models.list()} == {"aikit-sim"}
    assert {model.type for model in sdks.anthropic.models.list()} == {"model"}
    assert all("simulated" in (model.display_name or "") for model in sdks.gemini.models.list())
    assert billed(simulator) == {}
