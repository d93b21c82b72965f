"""Which streams show all the output that they bill: only those may be leased."""

from __future__ import annotations

import json
from typing import Any

import pytest

from aikit.wire.codec import Codec, WireRequest
from aikit.wire.registry import find

TEXT = [{"role": "user", "content": "hi"}]


def shows_all(kind: str, path: str, body: dict[str, Any]) -> bool:
    codec: Codec | None = find(kind, "POST", path)
    assert codec is not None
    request = WireRequest("POST", path, {}, json.dumps(body).encode())
    return codec.read_request(request, default_output_tokens=100, native=True).visible_output


def chat(model: str, **more: Any) -> bool:
    return shows_all("openai", "/v1/chat/completions", {"model": model, "stream": True, "messages": TEXT} | more)


def respond(model: str, **more: Any) -> bool:
    return shows_all("openai", "/v1/responses", {"model": model, "stream": True, "input": "hi"} | more)


def message(**more: Any) -> bool:
    body = {"model": "claude-haiku-4-5", "stream": True, "max_tokens": 50, "messages": TEXT}
    return shows_all("anthropic", "/v1/messages", body | more)


def generate(model: str, *, tools: Any = None, **config: Any) -> bool:
    body: dict[str, Any] = {"contents": [{"parts": [{"text": "hi"}]}], "generationConfig": config}
    if tools is not None:
        body["tools"] = tools
    return shows_all("gemini", f"/v1beta/models/{model}:streamGenerateContent", body)


FUNCTION = {"type": "function", "function": {"name": "f", "parameters": {}}}


@pytest.mark.parametrize("model", ["gpt-4o-mini", "gpt-4.1", "gpt-3.5-turbo", "ft:gpt-4o:acme", "llama3.3", "omni-1"])
def test_models_that_do_not_think_show_all(model: str) -> None:
    assert chat(model)
    assert chat(model, n=3, tools=[FUNCTION])
    assert respond(model)


@pytest.mark.parametrize(
    "model",
    ["gpt-5-mini", "gpt-5.2", "gpt-6", "gpt-10", "o1", "o3-mini", "o4-mini-deep-research", "o5", "ft:o4-mini:acme",
     "openai/gpt-5", "grok-4", "google/gemini-2.5-pro", "codex-mini-latest"],
)  # fmt: skip
def test_models_that_think_unseen_do_not(model: str) -> None:
    assert not chat(model)
    assert not chat(model, reasoning_effort="low")
    assert chat(model, reasoning_effort="none")
    assert not respond(model)
    assert not respond(model, reasoning={"effort": "minimal"})
    assert respond(model, reasoning={"effort": "none"})


@pytest.mark.parametrize(
    "more",
    [
        {"prediction": {"type": "content", "content": "x"}},
        {"modalities": ["text", "audio"], "audio": {"voice": "v", "format": "mp3"}},
        {"web_search_options": {}},
        {"reasoning": {"exclude": True}},
    ],
    ids=lambda more: next(iter(more)),
)
def test_what_a_chat_bills_unseen_is_not_all_shown(more: dict[str, Any]) -> None:
    assert not chat("gpt-4o-mini", **more)


@pytest.mark.parametrize("more", [{"tools": [{"type": "web_search"}]}, {"prompt": {"id": "p"}}], ids=["tool", "prompt"])
def test_what_a_response_does_on_the_server_is_not_all_shown(more: dict[str, Any]) -> None:
    assert not respond("gpt-4o-mini", **more)


def test_claude_shows_all_unless_it_thinks_or_works_on_the_server() -> None:
    assert message()
    assert message(thinking={"type": "disabled"}, tools=[{"name": "f", "input_schema": {}}])
    assert not message(thinking={"type": "enabled", "budget_tokens": 30})
    assert not message(thinking={"type": "adaptive"})
    assert not message(tools=[{"type": "web_search_20250305", "name": "web_search", "max_uses": 1}])
    assert not message(mcp_servers=[{"type": "url", "url": "https://mcp.example", "name": "m"}])


def test_gemini_shows_all_only_where_it_does_not_think() -> None:
    assert generate("gemini-2.0-flash")
    assert generate("gemini-1.5-pro")
    assert not generate("gemini-2.5-flash")
    assert generate("gemini-2.5-flash", thinkingConfig={"thinkingBudget": 0})
    assert generate("gemini-2.5-flash", thinking_config={"thinking_budget": 0})
    assert not generate("gemini-2.5-flash", thinkingConfig={"thinkingBudget": -1})
    assert not generate("gemini-3-flash", thinkingConfig={"thinkingBudget": 0})
    assert not generate("gemini-2.0-flash", responseModalities=["TEXT", "IMAGE"])
    assert not generate("gemini-2.0-flash", tools=[{"googleSearch": {}}])
    assert generate("gemini-2.0-flash", tools=[{"functionDeclarations": []}])
