"""OpenAI's POST /v1/responses."""

from __future__ import annotations

import time
from collections.abc import Iterator
from itertools import count
from typing import Any

from aikit.sim import catalogue
from aikit.sim.api import (
    Ask,
    BadAsk,
    Event,
    automatic_input,
    last_user_text,
    numbered,
    positive,
    read_body,
    required_text,
    texts,
)
from aikit.sim.generate import Generation
from aikit.sim.http import Request
from aikit.sim.openai_shape import OpenAIShape, tier
from aikit.types import Usage


class OpenAIResponses(OpenAIShape):
    name = "openai.responses"
    reportable = frozenset({"input", "cache_read", "cache_write_5m", "output", "reasoning", "searches"})

    def read(self, request: Request) -> Ask:
        body = read_body(request)
        model = required_text(body, "model")
        given = body.get("input")
        if not isinstance(given, str | list) or not given:
            raise BadAsk("Missing required parameter: 'input'.")
        prompt = "\n".join([*texts(body.get("instructions")), *texts(given)])
        reasoning = body.get("reasoning")
        effort = reasoning.get("effort") if isinstance(reasoning, dict) else None
        return Ask(
            model=model,
            body=body,
            prompt=prompt,
            last_user_text=last_user_text(given),
            input=automatic_input(model, prompt),
            stream=body.get("stream") is True,
            max_tokens=positive(body.get("max_output_tokens"), "max_output_tokens"),
            reasons=catalogue.reasons(model) and effort not in ("none", "minimal"),
        )

    def reply(self, ask: Ask, made: Generation, id: str) -> dict[str, Any]:
        return self._response(ask, made, id, int(time.time()), finished=True)

    def events(self, ask: Ask, made: Generation, id: str) -> Iterator[Event]:
        numbers = count()
        created = int(time.time())
        everything = len(made.pieces)

        def event(kind: str, pieces: int = 0, **fields: Any) -> Event:
            return Event({"type": kind, "sequence_number": next(numbers), **fields}, pieces, name=kind)

        started = self._response(ask, made, id, created, finished=False)
        yield event("response.created", response=started)
        yield event("response.in_progress", response=started)
        *before, message = _output(made, id)
        for index, item in enumerate(before):
            yield event("response.output_item.added", output_index=index, item=item)
            yield event("response.output_item.done", output_index=index, item=item)
        index = len(before)
        empty = {**message, "status": "in_progress", "content": []}
        yield event("response.output_item.added", output_index=index, item=empty)
        place = {"item_id": message["id"], "output_index": index, "content_index": 0}
        yield event("response.content_part.added", **place, part=_text_part(""))
        for sent, piece in numbered(made.pieces):
            yield event("response.output_text.delta", sent, **place, delta=piece, logprobs=[])
        yield event("response.output_text.done", everything, **place, text=made.text, logprobs=[])
        yield event("response.content_part.done", everything, **place, part=_text_part(made.text))
        yield event("response.output_item.done", everything, output_index=index, item=message)
        ended = self._response(ask, made, id, created, finished=True)
        yield event(f"response.{ended['status']}", everything, response=ended)

    def error_event(self, status: int, code: str | None, message: str, id: str) -> Event:
        fields = {"code": code or "server_error", "message": message, "param": None, "sequence_number": 0}
        return Event({"type": "error", **fields}, pieces=0, name="error")

    def _response(self, ask: Ask, made: Generation, id: str, created: int, *, finished: bool) -> dict[str, Any]:
        ended = "incomplete" if made.cut else "completed"
        response = {
            "id": f"resp_{id}",
            "object": "response",
            "created_at": created,
            "status": ended if finished else "in_progress",
            "error": None,
            "incomplete_details": {"reason": "max_output_tokens"} if finished and made.cut else None,
            "instructions": ask.body.get("instructions"),
            "max_output_tokens": ask.max_tokens,
            "metadata": ask.body.get("metadata") or {},
            "model": ask.model,
            "output": _output(made, id) if finished else [],
            "parallel_tool_calls": True,
            "previous_response_id": ask.body.get("previous_response_id"),
            "service_tier": tier(ask.body) if finished else "auto",
            "temperature": ask.body.get("temperature", 1.0),
            "tool_choice": "auto",
            "tools": [],
            "top_p": ask.body.get("top_p", 1.0),
            "usage": usage_object(made.usage) if finished and made.tells_usage else None,
        }
        if finished and made.usage.searches:
            response["tool_usage"] = _tool_usage(made.usage.searches)
        return response


def _output(made: Generation, id: str) -> list[dict[str, Any]]:
    """Reasoning and searches as far as there were any, then the message."""
    reasoning = [{"id": f"rs_{id}", "type": "reasoning", "summary": []}] if made.usage.reasoning else []
    searches = [_search_item(f"ws_{id}_{number}") for number in range(made.usage.searches)]
    return [*reasoning, *searches, _message_item(made, id)]


def _search_item(id: str) -> dict[str, Any]:
    action = {"type": "search", "query": "simulated query", "queries": ["simulated query"]}
    return {"id": id, "type": "web_search_call", "status": "completed", "action": action}


def _message_item(made: Generation, id: str) -> dict[str, Any]:
    return {
        "id": f"msg_{id}",
        "type": "message",
        "role": "assistant",
        "status": "incomplete" if made.cut else "completed",
        "content": [_text_part(made.text)],
    }


def _text_part(text: str) -> dict[str, Any]:
    return {"type": "output_text", "text": text, "annotations": [], "logprobs": []}


def usage_object(usage: Usage) -> dict[str, Any]:
    """Cached and written tokens are inside `input_tokens`, reasoning is inside `output_tokens`."""
    return {
        "input_tokens": usage.input_tokens,
        "input_tokens_details": {"cached_tokens": usage.cache_read, "cache_write_tokens": usage.cache_write_5m},
        "output_tokens": usage.output_tokens,
        "output_tokens_details": {"reasoning_tokens": usage.reasoning},
        "total_tokens": usage.total_tokens,
    }


def _tool_usage(searches: int) -> dict[str, Any]:
    nothing = {"image_tokens": 0, "text_tokens": 0}
    images = {"input_tokens": 0, "input_tokens_details": nothing, "output_tokens": 0, "total_tokens": 0}
    return {"image_gen": images, "web_search": {"num_requests": searches}}


API = OpenAIResponses()
