"""The upper bound: never below what a provider could count, and open-ended where the request doesn't show it."""

import base64
import json
from typing import Any

import pytest

from aikit.errors import RequestInvalid
from aikit.wire.codec import Codec
from unit.wire.samples import ALL, ANTHROPIC, CHAT, EMBEDDINGS, GEMINI, GENERATING, RESPONSES, demand_for, demand_of

PICTURE = base64.b64encode(bytes(60_000)).decode()
OPENAI_TOOLS = ("web_search", "file_search", "code_interpreter", "mcp", "new")
ANTHROPIC_TOOLS = ("web_search_20260318", "web_fetch_20250910", "code_execution_20250825", "new")
GEMINI_TOOLS = ("googleSearch", "google_search", "urlContext", "codeExecution", "new")
FUNCTION = {"type": "function", "function": {"name": "f", "parameters": {}}}


def user(*parts: dict[str, Any]) -> dict[str, Any]:
    return {"messages": [{"role": "user", "content": list(parts)}]}


def items(*parts: dict[str, Any]) -> dict[str, Any]:
    return {"input": [{"role": "user", "content": list(parts)}]}


def contents(*parts: dict[str, Any]) -> dict[str, Any]:
    return {"contents": [{"role": "user", "parts": list(parts)}]}


@pytest.mark.parametrize("codec", ALL, ids=lambda c: c.name)
def test_plain_input_is_bounded_by_the_bytes_that_are_sent(codec: Codec) -> None:
    demand = demand_of(codec)
    assert demand.bound.input_tokens == len(demand.body) + 64
    assert not demand.bound.open_ended
    assert demand.bound.searches == 0


def test_embeddings_have_no_output() -> None:
    bound = demand_of(EMBEDDINGS).bound
    assert (bound.output_tokens, bound.output_classes, bound.input_classes) == (0, frozenset(), {"input"})


@pytest.mark.parametrize("codec", GENERATING, ids=lambda c: c.name)
def test_reasoning_and_cache_reads_are_always_possible(codec: Codec) -> None:
    bound = demand_of(codec).bound
    assert bound.output_classes == {"output", "reasoning"}
    assert {"input", "cache_read"} <= bound.input_classes


def test_openai_may_write_its_cache_unasked_and_gemini_never_does() -> None:
    assert "cache_write_5m" in demand_of(CHAT).bound.input_classes
    assert "cache_write_5m" in demand_of(RESPONSES).bound.input_classes
    assert demand_of(GEMINI).bound.input_classes == {"input", "cache_read"}


@pytest.mark.parametrize(
    ("codec", "fields"),
    [
        (CHAT, {"tools": [FUNCTION]}),
        (CHAT, {"response_format": {"type": "json_object"}}),
        (RESPONSES, {"tools": [{"type": "function", "name": "f"}]}),
        (ANTHROPIC, {"tools": [{"name": "f", "input_schema": {}}]}),
        (GEMINI, {"tools": [{"functionDeclarations": []}]}),
    ],
)
def test_tools_of_the_caller_bring_a_hidden_prompt_and_nothing_else(codec: Codec, fields: dict[str, Any]) -> None:
    demand = demand_of(codec, **fields)
    assert demand.bound.input_tokens == len(demand.body) + 1_000
    assert not demand.bound.open_ended


@pytest.mark.parametrize(
    ("codec", "fields", "tokens"),
    [
        (CHAT, user({"type": "image_url", "image_url": {"url": f"data:image/png;base64,{PICTURE}"}}), 48_169),
        (
            CHAT,
            {"model": "gpt-5"} | user({"type": "image_url", "image_url": {"url": f"data:image/png;base64,{PICTURE}"}}),
            25_000,
        ),
        (RESPONSES, items({"type": "input_image", "image_url": f"data:image/png;base64,{PICTURE}"}), 25_000),
        (
            ANTHROPIC,
            user({"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": PICTURE}}),
            4_784,
        ),
        (GEMINI, contents({"inlineData": {"mimeType": "image/png", "data": PICTURE}}), 45_000),
        (GEMINI, contents({"inline_data": {"mime_type": "image/png", "data": PICTURE}}), 45_000),
    ],
)
def test_an_inline_image_costs_its_cap_instead_of_its_bytes(codec: Codec, fields: dict[str, Any], tokens: int) -> None:
    demand = demand_of(codec, **fields)
    around = demand.bound.input_tokens - tokens - 64
    assert 0 < around <= len(demand.body) - len(PICTURE)
    assert "input_image" in demand.bound.input_classes
    assert not demand.bound.open_ended


def test_a_newer_gemini_image_costs_less() -> None:
    fields = contents({"inlineData": {"mimeType": "IMAGE/PNG", "data": PICTURE}})
    old = demand_of(GEMINI, **fields).bound.input_tokens
    new = demand_of(GEMINI, path="/v1/models/gemini-3-pro:generateContent", **fields).bound.input_tokens
    assert old - new == 45_000 - 2_240


@pytest.mark.parametrize(
    ("codec", "fields", "tokens"),
    [
        (CHAT, user({"type": "image_url", "image_url": {"url": "https://example.com/a.png"}}), 48_169),
        (RESPONSES, items({"type": "input_image", "file_id": "file-1"}), 25_000),
        (
            RESPONSES,
            {"input": [{"type": "computer_call_output", "output": {"type": "computer_screenshot", "file_id": "f"}}]},
            25_000,
        ),
        (ANTHROPIC, user({"type": "image", "source": {"type": "url", "url": "https://example.com/a.png"}}), 4_784),
        (
            ANTHROPIC,
            user({"type": "tool_result", "content": [{"type": "image", "source": {"type": "file", "file_id": "f"}}]}),
            4_784,
        ),
    ],
)
def test_an_image_elsewhere_counts_as_an_image(codec: Codec, fields: dict[str, Any], tokens: int) -> None:
    demand = demand_of(codec, **fields)
    assert demand.bound.input_tokens == len(demand.body) + tokens + 64


@pytest.mark.parametrize(
    ("codec", "fields"),
    [
        (CHAT, user({"type": "text", "text": f"data:image/png;base64,{PICTURE}"})),
        (CHAT, user({"type": "image_url", "image_url": {"url": f"data:text/plain;base64,{PICTURE}"}})),
        (
            CHAT,
            {
                "tools": [
                    {
                        "type": "function",
                        "function": {
                            "x": {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{PICTURE}"}}
                        },
                    }
                ]
            },
        ),
        (
            ANTHROPIC,
            {
                "messages": [
                    {
                        "role": "assistant",
                        "content": [
                            {
                                "type": "tool_use",
                                "input": {"type": "image", "source": {"type": "base64", "data": PICTURE}},
                            }
                        ],
                    }
                ]
            },
        ),
        (ANTHROPIC, user({"type": "document", "source": {"type": "text", "data": PICTURE}})),
        (GEMINI, contents({"functionCall": {"args": {"inlineData": {"mimeType": "image/png", "data": PICTURE}}}})),
        (GEMINI, contents({"inlineData": {"mimeType": "text/plain", "data": PICTURE}})),
    ],
)
def test_text_that_looks_like_an_image_keeps_its_bytes(codec: Codec, fields: dict[str, Any]) -> None:
    assert demand_of(codec, **fields).bound.input_tokens > len(PICTURE)


@pytest.mark.parametrize(
    ("codec", "fields"),
    [
        (CHAT, user({"type": "file", "file": {"file_id": "file-1"}})),
        (CHAT, user({"type": "file", "file": {"file_data": f"data:application/pdf;base64,{PICTURE}"}})),
        (CHAT, {"web_search_options": {}}),
        (CHAT, {"model": "gpt-4o-search-preview"}),
        (CHAT, {"messages": [{"role": "assistant", "audio": {"id": "audio_1"}}]}),
        (RESPONSES, {"previous_response_id": "resp_1"}),
        (RESPONSES, {"conversation": "conv_1"}),
        (RESPONSES, {"prompt": {"id": "pmpt_1"}}),
        (RESPONSES, {"input": [{"type": "item_reference", "id": "x"}]}),
        (RESPONSES, items({"type": "input_file", "file_url": "https://example.com/a.pdf"})),
        *((RESPONSES, {"tools": [{"type": t}]}) for t in OPENAI_TOOLS),
        (ANTHROPIC, user({"type": "document", "source": {"type": "base64", "data": PICTURE}})),
        (ANTHROPIC, user({"type": "document", "source": {"type": "url", "url": "https://example.com/a.pdf"}})),
        (ANTHROPIC, user({"type": "container_upload", "file_id": "f"})),
        (ANTHROPIC, {"mcp_servers": [{"url": "https://example.com"}]}),
        *((ANTHROPIC, {"tools": [{"type": t}]}) for t in ANTHROPIC_TOOLS),
        (GEMINI, {"cachedContent": "cachedContents/1"}),
        (GEMINI, {"cached_content": "cachedContents/1"}),
        (GEMINI, contents({"fileData": {"fileUri": "gs://b/f"}})),
        (GEMINI, contents({"file_data": {"file_uri": "gs://b/f"}})),
        (GEMINI, contents({"inlineData": {"mimeType": "application/pdf", "data": PICTURE}})),
        (GEMINI, contents({"inlineData": {"mimeType": "video/mp4", "data": PICTURE}})),
        *((GEMINI, {"tools": [{t: {}}]}) for t in GEMINI_TOOLS),
    ],
)
def test_what_the_provider_adds_makes_the_bound_open_ended(codec: Codec, fields: dict[str, Any]) -> None:
    assert demand_of(codec, **fields).bound.open_ended


def test_an_inline_document_is_bounded_by_the_window_and_not_by_its_bytes() -> None:
    demand = demand_of(ANTHROPIC, **user({"type": "document", "source": {"type": "base64", "data": PICTURE}}))
    assert demand.bound.input_tokens < 1_000


def test_tools_that_anthropic_defines_and_the_caller_runs_have_an_allowance() -> None:
    tools = [{"type": "bash_20250124"}, {"type": "computer_20250124"}, {"type": "browser_toolset_20260801"}]
    demand = demand_of(ANTHROPIC, tools=tools)
    assert demand.bound.input_tokens == len(demand.body) + 1_000 + 1_000 + 1_000 + 10_000
    assert not demand.bound.open_ended


def test_a_tool_that_is_added_in_the_conversation_counts_too() -> None:
    added = {
        "type": "tool_addition",
        "tool": {"type": "tool_definition", "definition": {"type": "web_search_20260318"}},
    }
    demand = demand_of(ANTHROPIC, max_tokens=1, **user(added))
    assert demand.bound.searches == 10
    assert b'"max_uses":10' in demand.body


def test_anthropic_cache_writes_follow_cache_control() -> None:
    def classes(**control: str) -> frozenset[str]:
        block = {"type": "text", "text": "x", "cache_control": {"type": "ephemeral"} | control}
        return demand_of(ANTHROPIC, **user(block)).bound.input_classes

    assert demand_of(ANTHROPIC).bound.input_classes == {"input", "cache_read"}
    assert classes() == {"input", "cache_read", "cache_write_5m"}
    assert classes(ttl="1h") == {"input", "cache_read", "cache_write_5m", "cache_write_1h"}


def test_escaped_letters_do_not_hide_a_cache_write() -> None:
    body = b'{"model":"m","max_tokens":1,"messages":[],"cache_c\\u006fntrol":{"type":"ephemeral","ttl":"\\u0031h"}}'
    assert {"cache_write_5m", "cache_write_1h"} <= demand_for(ANTHROPIC, body).bound.input_classes


def test_anthropic_searches_get_a_limit() -> None:
    missing = demand_of(ANTHROPIC, max_tokens=1, tools=[{"type": "web_search_20250305", "name": "web_search"}])
    assert json.loads(missing.body)["tools"][0]["max_uses"] == 10
    assert (missing.bound.searches, missing.wrote) == (10, ("tools.web_search.max_uses",))
    given = demand_of(ANTHROPIC, max_tokens=1, tools=[{"type": "web_search_20250305", "max_uses": 3}])
    assert (given.bound.searches, given.wrote) == (3, ())
    with pytest.raises(RequestInvalid, match="max_uses"):
        demand_of(ANTHROPIC, tools=[{"type": "web_search_20250305", "max_uses": -1}])


def test_responses_searches_get_a_limit() -> None:
    missing = demand_of(RESPONSES, max_output_tokens=1, tools=[{"type": "web_search_preview"}])
    assert json.loads(missing.body)["max_tool_calls"] == 10
    assert (missing.bound.searches, missing.wrote) == (10, ("max_tool_calls",))
    given = demand_of(RESPONSES, max_output_tokens=1, tools=[{"type": "web_search"}], max_tool_calls=2)
    assert (given.bound.searches, given.wrote) == (2, ())
    assert demand_of(RESPONSES, prompt={"id": "p"}).bound.searches == 10


def test_chat_and_gemini_searches_are_counted() -> None:
    assert demand_of(CHAT, web_search_options={}, n=2).bound.searches == 2
    assert demand_of(CHAT, model="gpt-5-search-api").bound.searches == 1
    assert demand_of(CHAT, model="o3-deep-research").bound.searches == 0
    assert demand_of(GEMINI, tools=[{"googleSearch": {}}]).bound.searches == 1
    newer = "/v1/models/gemini-3-flash-preview:generateContent"
    assert demand_of(GEMINI, path=newer, tools=[{"google_search": {}}]).bound.searches == 10
    assert demand_of(GEMINI, path=newer, tools=[{"urlContext": {}}]).bound.searches == 0


def test_audio_keeps_its_bytes_and_has_classes_of_its_own() -> None:
    heard = demand_of(
        CHAT, modalities=["text", "audio"], **user({"type": "input_audio", "input_audio": {"data": PICTURE}})
    )
    assert heard.bound.input_tokens > len(PICTURE)
    assert "input_audio" in heard.bound.input_classes
    assert "output_audio" in heard.bound.output_classes
    gemini = demand_of(GEMINI, **contents({"inlineData": {"mimeType": "audio/mp3", "data": PICTURE}}))
    assert gemini.bound.input_tokens > len(PICTURE)
    assert {"input_audio", "cache_read_audio"} <= gemini.bound.input_classes


def test_gemini_may_answer_in_images_or_speech() -> None:
    def classes(model: str, **config: Any) -> frozenset[str]:
        path = f"/v1/models/{model}:generateContent"
        return demand_of(GEMINI, path=path, generationConfig=config).bound.output_classes

    assert "output_image" in classes("gemini-2.5-flash", responseModalities=["TEXT", "IMAGE"])
    assert "output_image" in classes("gemini-2.5-flash", response_modalities=["image"])
    assert "output_image" in classes("gemini-2.5-flash-image")
    assert "output_audio" in classes("gemini-2.5-flash-preview-tts")
    assert classes("gemini-2.5-flash") == {"output", "reasoning"}


def test_a_rejected_prediction_is_output() -> None:
    plain = demand_of(CHAT, max_tokens=10).bound.output_tokens
    predicted = demand_of(CHAT, max_tokens=10, prediction={"type": "content", "content": "x" * 500}).bound
    assert plain == 10
    assert predicted.output_tokens >= 510
