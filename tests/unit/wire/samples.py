"""Requests and streams that the wire tests share."""

from __future__ import annotations

import json
from typing import Any

from aikit.wire import anthropic, gemini, openai_chat, openai_embeddings, openai_responses
from aikit.wire.codec import Codec, Demand, WireRequest

CHAT, RESPONSES, EMBEDDINGS = openai_chat.CODEC, openai_responses.CODEC, openai_embeddings.CODEC
ANTHROPIC, GEMINI = anthropic.CODEC, gemini.CODEC
ALL: tuple[Codec, ...] = (CHAT, RESPONSES, EMBEDDINGS, ANTHROPIC, GEMINI)
GENERATING: tuple[Codec, ...] = (CHAT, RESPONSES, ANTHROPIC, GEMINI)

PATHS = {
    "openai.chat": "/v1/chat/completions",
    "openai.responses": "/v1/responses",
    "openai.embeddings": "/v1/embeddings",
    "anthropic.messages": "/v1/messages",
    "gemini.generate": "/v1beta/models/gemini-2.5-flash:generateContent",
}
BODIES: dict[str, dict[str, Any]] = {
    "openai.chat": {"model": "gpt-4o-mini", "messages": [{"role": "user", "content": "Hello"}]},
    "openai.responses": {"model": "gpt-5-mini", "input": "Hello"},
    "openai.embeddings": {"model": "text-embedding-3-small", "input": ["Hello", "there"]},
    "anthropic.messages": {"model": "claude-haiku-4-5", "messages": [{"role": "user", "content": "Hello"}]},
    "gemini.generate": {"contents": [{"role": "user", "parts": [{"text": "Hello"}]}]},
}


LIMIT_FIELD = {
    "openai.chat": "max_completion_tokens",
    "openai.responses": "max_output_tokens",
    "anthropic.messages": "max_tokens",
}


def with_limit(codec: Codec, value: Any) -> dict[str, Any]:
    """The fields that name an output limit."""
    if codec is GEMINI:
        return {"generationConfig": {"maxOutputTokens": value}}
    return {LIMIT_FIELD[codec.name]: value}


def raw(body: Any) -> bytes:
    return json.dumps(body).encode()


def demand_of(
    codec: Codec,
    *,
    path: str | None = None,
    native: bool = True,
    default: int = 4_096,
    most: int | None = None,
    **more: Any,
) -> Demand:
    """What the codec's sample request demands with some fields changed."""
    return demand_for(codec, raw(BODIES[codec.name] | more), path=path, native=native, default=default, most=most)


def demand_for(
    codec: Codec,
    body: bytes,
    *,
    path: str | None = None,
    native: bool = True,
    default: int = 4_096,
    most: int | None = None,
) -> Demand:
    request = WireRequest("POST", path or PATHS[codec.name], {}, body)
    return codec.read_request(request, default_output_tokens=default, native=native, most_output_tokens=most)


def sse(*events: Any, end: str = "\n") -> bytes:
    """Events as a stream; a tuple is (event name, data)."""
    lines = []
    for event in events:
        name, data = event if isinstance(event, tuple) else (None, event)
        lines += [f"event: {name}"] if name else []
        lines += [f"data: {data if isinstance(data, str) else json.dumps(data, ensure_ascii=False)}", ""]
    return (end.join(lines) + end).encode()


def chat_chunk(text: str | None = None, **more: Any) -> dict[str, Any]:
    choices = [] if text is None else [{"index": 0, "delta": {"content": text}, "finish_reason": None}]
    return {"id": "c1", "object": "chat.completion.chunk", "model": "gpt-4o-mini-2024-07-18", "choices": choices} | more


CHAT_USAGE = {
    "prompt_tokens": 100,
    "completion_tokens": 50,
    "total_tokens": 150,
    "prompt_tokens_details": {"cached_tokens": 60, "audio_tokens": 5},
    "completion_tokens_details": {"reasoning_tokens": 20, "audio_tokens": 3},
}
CHAT_EVENTS = [
    chat_chunk("Grüße, "),
    chat_chunk('世界 "usage":null 🌍'),
    chat_chunk(None, usage=CHAT_USAGE, service_tier="default"),
    "[DONE]",
]
RESPONSES_USAGE = {
    "input_tokens": 200,
    "input_tokens_details": {"cached_tokens": 128, "cache_write_tokens": 8},
    "output_tokens": 90,
    "output_tokens_details": {"reasoning_tokens": 64},
    "total_tokens": 290,
}
RESPONSES_EVENTS = [
    ("response.created", {"type": "response.created", "response": {"id": "r", "status": "in_progress", "usage": None}}),
    ("response.output_text.delta", {"type": "response.output_text.delta", "delta": "Grüße 🌍"}),
    (
        "response.completed",
        {
            "type": "response.completed",
            "response": {
                "id": "r",
                "model": "gpt-5-mini-2025-08-07",
                "status": "completed",
                "service_tier": "flex",
                "output": [
                    {"type": "web_search_call", "status": "completed"},
                    {"type": "web_search_call", "status": "failed"},
                    {"type": "message", "status": "completed"},
                ],
                "usage": RESPONSES_USAGE,
            },
        },
    ),
]
ANTHROPIC_USAGE = {
    "input_tokens": 21,
    "cache_read_input_tokens": 1_000,
    "cache_creation_input_tokens": 700,
    "cache_creation": {"ephemeral_5m_input_tokens": 500, "ephemeral_1h_input_tokens": 200},
    "output_tokens": 1,
    "service_tier": "standard",
}
ANTHROPIC_EVENTS = [
    (
        "message_start",
        {"type": "message_start", "message": {"model": "claude-haiku-4-5-20251001", "usage": ANTHROPIC_USAGE}},
    ),
    ("ping", {"type": "ping"}),
    (
        "content_block_delta",
        {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "Grüße 🌍"}},
    ),
    (
        "message_delta",
        {
            "type": "message_delta",
            "delta": {"stop_reason": "end_turn"},
            "usage": {
                "input_tokens": None,
                "output_tokens": 44,
                "output_tokens_details": {"thinking_tokens": 14},
                "server_tool_use": {"web_search_requests": 2},
            },
        },
    ),
    ("message_stop", {"type": "message_stop"}),
]


def gemini_chunk(text: str, finish: str | None = None, **usage: Any) -> dict[str, Any]:
    candidate = {"content": {"role": "model", "parts": [{"text": text}]}, "index": 0}
    return {
        "candidates": [candidate | ({"finishReason": finish} if finish else {})],
        "usageMetadata": {"promptTokenCount": 12} | usage,
        "modelVersion": "gemini-2.5-flash",
    }


GEMINI_EVENTS = [
    gemini_chunk('Grüße { " } \\', totalTokenCount=12),
    gemini_chunk("🌍", finish="STOP", candidatesTokenCount=7, thoughtsTokenCount=30, totalTokenCount=49),
]
