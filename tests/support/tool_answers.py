"""Answers in which a model calls a tool, in the words of each API, whole and streamed."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any

ARGUMENTS = {"city": "Zürich"}
HALVES = '{"city": ', '"Zürich"}'
CHAT = {"id": "chatcmpl-7", "created": 1795000000, "model": "gpt-5-mini"}
CHAT_USAGE = {"prompt_tokens": 61, "completion_tokens": 17, "total_tokens": 78}
MESSAGE = {"id": "msg_7", "type": "message", "role": "assistant", "model": "claude-sonnet-5", "stop_sequence": None}
RESPONSE_USAGE = {
    "input_tokens": 61,
    "input_tokens_details": {"cached_tokens": 0},
    "output_tokens": 17,
    "output_tokens_details": {"reasoning_tokens": 0},
    "total_tokens": 78,
}


def events(payloads: Iterable[Mapping[str, Any] | str], *, named: bool = False) -> bytes:
    lines = []
    for payload in payloads:
        if isinstance(payload, str):
            lines.append(f"data: {payload}\n\n")
        else:
            name = f"event: {payload['type']}\n" if named else ""
            lines.append(f"{name}data: {json.dumps(payload, ensure_ascii=False)}\n\n")
    return "".join(lines).encode()


def whole(payload: Mapping[str, Any]) -> bytes:
    return json.dumps(payload, indent=1, ensure_ascii=False).encode()


def _chat() -> bytes:
    function = {"name": "weather", "arguments": json.dumps(ARGUMENTS, ensure_ascii=False)}
    call = {"id": "call_1", "type": "function", "function": function}
    message = {"role": "assistant", "content": None, "tool_calls": [call], "refusal": None}
    choice = {"index": 0, "message": message, "finish_reason": "tool_calls", "logprobs": None}
    return whole(CHAT | {"object": "chat.completion", "choices": [choice], "usage": CHAT_USAGE})


def _chat_stream() -> bytes:
    def chunk(delta: Mapping[str, Any], reason: str | None = None) -> dict[str, Any]:
        choice = {"index": 0, "delta": delta, "finish_reason": reason, "logprobs": None}
        return CHAT | {"object": "chat.completion.chunk", "choices": [choice], "usage": None}

    function = {"name": "weather", "arguments": ""}
    begins = {
        "role": "assistant",
        "tool_calls": [{"index": 0, "id": "call_1", "type": "function", "function": function}],
    }
    pieces = [chunk({"tool_calls": [{"index": 0, "function": {"arguments": half}}]}) for half in HALVES]
    last = CHAT | {"object": "chat.completion.chunk", "choices": [], "usage": CHAT_USAGE}
    return events([chunk(begins), *pieces, chunk({}, "tool_calls"), last, "[DONE]"])


def _response() -> bytes:
    item = {
        "id": "fc_1",
        "type": "function_call",
        "status": "completed",
        "call_id": "call_1",
        "name": "weather",
        "arguments": json.dumps(ARGUMENTS, ensure_ascii=False),
    }
    return whole({
        "id": "resp_7",
        "object": "response",
        "created_at": 1795000000,
        "status": "completed",
        "error": None,
        "incomplete_details": None,
        "model": "gpt-5-mini",
        "output": [item],
        "parallel_tool_calls": True,
        "tool_choice": "auto",
        "tools": [],
        "usage": RESPONSE_USAGE,
    })  # fmt: skip


def _message() -> bytes:
    content = [
        {"type": "text", "text": "I look it up."},
        {"type": "tool_use", "id": "toolu_1", "name": "weather", "input": ARGUMENTS},
    ]
    usage = {"input_tokens": 61, "output_tokens": 17}
    return whole(MESSAGE | {"content": content, "stop_reason": "tool_use", "usage": usage})


def _message_stream() -> bytes:
    begun = MESSAGE | {"content": [], "stop_reason": None, "usage": {"input_tokens": 61, "output_tokens": 1}}
    block = {"type": "tool_use", "id": "toolu_1", "name": "weather", "input": {}}
    deltas = [
        {"type": "content_block_delta", "index": 0, "delta": {"type": "input_json_delta", "partial_json": half}}
        for half in HALVES
    ]
    ended = {"stop_reason": "tool_use", "stop_sequence": None}
    return events(
        [
            {"type": "message_start", "message": begun},
            {"type": "content_block_start", "index": 0, "content_block": block},
            {"type": "ping"},
            *deltas,
            {"type": "content_block_stop", "index": 0},
            {"type": "message_delta", "delta": ended, "usage": {"output_tokens": 17}},
            {"type": "message_stop"},
        ],
        named=True,
    )


def _generated() -> bytes:
    part = {"functionCall": {"name": "weather", "args": ARGUMENTS}}
    candidate = {"content": {"role": "model", "parts": [part]}, "finishReason": "STOP", "index": 0}
    usage = {"promptTokenCount": 61, "candidatesTokenCount": 17, "totalTokenCount": 78}
    return whole({"candidates": [candidate], "usageMetadata": usage, "modelVersion": "gemini-2.5-flash"})


TOOL_ANSWERS: dict[str, tuple[bytes, bool]] = {
    "openai.chat.tools": (_chat(), False),
    "openai.chat.tools.stream": (_chat_stream(), True),
    "openai.responses.tools": (_response(), False),
    "anthropic.messages.tools": (_message(), False),
    "anthropic.messages.tools.stream": (_message_stream(), True),
    "google.generate.tools": (_generated(), False),
    "ai.chat.tools": (_chat(), False),
    "ai.responses.tools": (_response(), False),
    "ai.anthropic.tools": (_message(), False),
    "ai.google.tools": (_generated(), False),
}
"""By case; whether it is a stream."""
