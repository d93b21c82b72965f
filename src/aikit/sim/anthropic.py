"""Anthropic's POST /v1/messages, and its free companion /v1/messages/count_tokens."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

from aikit.sim.api import (
    Ask,
    BadAsk,
    Event,
    last_user_text,
    numbered,
    positive,
    read_body,
    required_list,
    required_text,
    texts,
)
from aikit.sim.generate import Generation
from aikit.sim.http import Request
from aikit.types import Usage

_ERRORS = {
    400: "invalid_request_error",
    401: "authentication_error",
    402: "billing_error",
    403: "permission_error",
    404: "not_found_error",
    413: "request_too_large",
    429: "rate_limit_error",
    504: "timeout_error",
    529: "overloaded_error",
}
_THOUGHT = "A simulated thought about the request."


class AnthropicMessages:
    name = "anthropic.messages"
    id_header = "request-id"
    reportable = frozenset(
        {"input", "cache_read", "cache_write_5m", "cache_write_1h", "output", "reasoning", "searches"}
    )

    def read(self, request: Request) -> Ask:
        body = read_body(request)
        model = required_text(body, "model")
        messages = required_list(body, "messages")
        max_tokens = positive(body.get("max_tokens"), "max_tokens")
        if max_tokens is None:
            raise BadAsk("max_tokens: Field required")
        prompt = _prompt(body)
        return Ask(
            model=model,
            body=body,
            prompt=prompt,
            last_user_text=last_user_text(messages),
            input=_input(body, prompt),
            stream=body.get("stream") is True,
            max_tokens=max_tokens,
            reasons=_thinks(body),
        )

    def reply(self, ask: Ask, made: Generation, id: str) -> dict[str, Any]:
        content: list[dict[str, Any]] = [_thinking_block(_THOUGHT, "simulated")] if _thinks(ask.body) else []
        if made.pieces:
            content.append({"type": "text", "text": made.text, "citations": None})
        message = self._message(ask, id, content, stop=_stop(made))
        if made.tells_usage:
            message["usage"] = usage_object(made.usage)
        return message

    def events(self, ask: Ask, made: Generation, id: str) -> Iterator[Event]:
        def event(kind: str, pieces: int = 0, **fields: Any) -> Event:
            return Event({"type": kind, **fields}, pieces, name=kind)

        message = self._message(ask, id, [], stop=None)
        if made.tells_usage:
            message["usage"] = _usage_at_start(made.usage)
        yield event("message_start", message=message)
        index = 0
        if _thinks(ask.body):
            yield event("content_block_start", index=0, content_block=_thinking_block("", ""))
            yield event("content_block_delta", index=0, delta={"type": "thinking_delta", "thinking": _THOUGHT})
            yield event("content_block_delta", index=0, delta={"type": "signature_delta", "signature": "simulated"})
            yield event("content_block_stop", index=0)
            index = 1
        if made.pieces:
            yield event("content_block_start", index=index, content_block={"type": "text", "text": ""})
            yield event("ping")
            for count, piece in numbered(made.pieces):
                delta = {"type": "text_delta", "text": piece}
                yield event("content_block_delta", count, index=index, delta=delta)
            yield event("content_block_stop", len(made.pieces), index=index)
        ended: dict[str, Any] = {"delta": {"stop_reason": _stop(made), "stop_sequence": None}}
        if made.tells_usage:
            ended["usage"] = _usage_at_end(made.usage)
        yield event("message_delta", len(made.pieces), **ended)
        yield event("message_stop", len(made.pieces))

    def stream_type(self, request: Request) -> str:
        return "text/event-stream; charset=utf-8"

    def frame(self, request: Request, data: str, event: Event, index: int, last: bool) -> str:
        return f"event: {event.name}\ndata: {data}\n\n"

    def error(self, status: int, code: str | None, message: str, id: str, retry_after: float | None) -> dict[str, Any]:
        kind = code or _ERRORS.get(status, "api_error" if status >= 500 else "invalid_request_error")
        return {"type": "error", "error": {"type": kind, "message": message}, "request_id": id}

    def error_event(self, status: int, code: str | None, message: str, id: str) -> Event:
        return Event(self.error(status, code, message, id, None), pieces=0, name="error")

    def _message(self, ask: Ask, id: str, content: list[dict[str, Any]], *, stop: str | None) -> dict[str, Any]:
        return {
            "id": f"msg_{id}",
            "type": "message",
            "role": "assistant",
            "model": ask.model,
            "content": content,
            "stop_reason": stop,
            "stop_sequence": None,
        }


def count_tokens(request: Request) -> dict[str, int]:
    """What `/v1/messages/count_tokens` answers. Raises BadAsk."""
    body = read_body(request)
    required_text(body, "model")
    required_list(body, "messages")
    return {"input_tokens": _input(body, _prompt(body)).input_tokens}


def _prompt(body: dict[str, Any]) -> str:
    return "\n".join([*texts(body.get("system")), *texts(body.get("messages"))])


def _thinks(body: Mapping[str, Any]) -> bool:
    thinking = body.get("thinking")
    return isinstance(thinking, dict) and thinking.get("type") in ("enabled", "adaptive")


def _input(body: dict[str, Any], prompt: str) -> Usage:
    """One token a word. Of what is marked for the cache, one half was there already and the other is written."""
    words = max(1, len(prompt.split()))
    everything = body.get("cache_control")
    marked = [(everything, words)] if isinstance(everything, dict) else list(_marked(body))
    read, written = 0, {"5m": 0, "1h": 0}
    for control, size in marked:
        read += size // 2
        written["1h" if control.get("ttl") == "1h" else "5m"] += size - size // 2
    rest = max(0, words - read - sum(written.values()))
    return Usage(input=rest, cache_read=read, cache_write_5m=written["5m"], cache_write_1h=written["1h"])


def _marked(body: dict[str, Any]) -> Iterator[tuple[dict[str, Any], int]]:
    blocks = body.get("system") if isinstance(body.get("system"), list) else []
    contents = [message.get("content") for message in body["messages"] if isinstance(message, dict)]
    for block in [*(blocks or []), *(block for content in contents if isinstance(content, list) for block in content)]:
        if isinstance(block, dict) and isinstance(block.get("cache_control"), dict):
            yield block["cache_control"], sum(len(text.split()) for text in texts(block))


def _thinking_block(thinking: str, signature: str) -> dict[str, Any]:
    return {"type": "thinking", "thinking": thinking, "signature": signature}


def _stop(made: Generation) -> str:
    return "max_tokens" if made.cut else "end_turn"


def usage_object(usage: Usage) -> dict[str, Any]:
    """Caches are beside `input_tokens`, thinking is inside `output_tokens`."""
    return {
        "input_tokens": usage.input,
        "cache_creation_input_tokens": usage.cache_write_5m + usage.cache_write_1h,
        "cache_read_input_tokens": usage.cache_read,
        "cache_creation": {
            "ephemeral_5m_input_tokens": usage.cache_write_5m,
            "ephemeral_1h_input_tokens": usage.cache_write_1h,
        },
        "output_tokens": usage.output_tokens,
        "service_tier": "standard",
        **_details(usage),
    }


def _usage_at_start(usage: Usage) -> dict[str, Any]:
    """The input is known; of the output, only the first token."""
    return usage_object(replace(usage, output=min(1, usage.output_tokens), reasoning=0, searches=0))


def _usage_at_end(usage: Usage) -> dict[str, Any]:
    """Cumulative totals; the split of cache writes was in `message_start` and is not repeated."""
    return {
        "input_tokens": usage.input,
        "cache_creation_input_tokens": usage.cache_write_5m + usage.cache_write_1h,
        "cache_read_input_tokens": usage.cache_read,
        "output_tokens": usage.output_tokens,
        **_details(usage),
    }


def _details(usage: Usage) -> dict[str, Any]:
    details: dict[str, Any] = {}
    if usage.reasoning:
        details["output_tokens_details"] = {"thinking_tokens": usage.reasoning}
    if usage.searches:
        details["server_tool_use"] = {"web_search_requests": usage.searches, "web_fetch_requests": 0}
    return details


API = AnthropicMessages()
