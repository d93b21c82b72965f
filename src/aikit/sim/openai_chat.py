"""OpenAI's POST /v1/chat/completions."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from typing import Any

from aikit.sim import catalogue
from aikit.sim.api import (
    Ask,
    Event,
    automatic_input,
    choices,
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
from aikit.sim.openai_shape import OpenAIShape, tier
from aikit.types import Usage


class OpenAIChat(OpenAIShape):
    name = "openai.chat"
    reportable = frozenset(
        {
            "input",
            "cache_read",
            "cache_write_5m",
            "input_audio",
            "output",
            "reasoning",
            "output_audio",
        }
    )

    def read(self, request: Request) -> Ask:
        body = read_body(request)
        model = required_text(body, "model")
        messages = required_list(body, "messages")
        prompt = "\n".join(texts(messages))
        newer = positive(body.get("max_completion_tokens"), "max_completion_tokens")
        return Ask(
            model=model,
            body=body,
            prompt=prompt,
            last_user_text=last_user_text(messages),
            input=automatic_input(model, prompt),
            stream=body.get("stream") is True,
            max_tokens=newer or positive(body.get("max_tokens"), "max_tokens"),
            reasons=catalogue.reasons(model) and body.get("reasoning_effort") not in ("none", "minimal"),
            choices=choices(body.get("n"), "n"),
        )

    def reply(self, ask: Ask, made: Generation, id: str) -> dict[str, Any]:
        message: dict[str, Any] = {"role": "assistant", "content": made.text, "refusal": None, "annotations": []}
        reply = {
            **self._base(ask, id, "chat.completion"),
            "choices": [
                {"index": index, "message": message, "logprobs": None, "finish_reason": _finish(made)}
                for index in range(ask.choices)
            ],
        }
        if made.tells_usage:
            reply["usage"] = usage_object(made.usage)
        return reply

    def events(self, ask: Ask, made: Generation, id: str) -> Iterator[Event]:
        base = self._base(ask, id, "chat.completion.chunk")
        asked_for_usage = _asks_for_usage(ask.body) and made.tells_usage
        usage = {"usage": None} if asked_for_usage else {}
        every = range(ask.choices)

        def chunk(index: int, delta: dict[str, Any], finish: str | None = None) -> dict[str, Any]:
            choice = {"index": index, "delta": delta, "logprobs": None, "finish_reason": finish}
            return {**base, "choices": [choice], **usage}

        for index in every:
            yield Event(chunk(index, {"role": "assistant", "content": "", "refusal": None}), 0)
        for count, piece in numbered(made.pieces):
            for index in every:
                yield Event(chunk(index, {"content": piece}), count)
        for index in every:
            yield Event(chunk(index, {}, _finish(made)), len(made.pieces))
        if asked_for_usage:
            yield Event({**base, "choices": [], "usage": usage_object(made.usage)}, len(made.pieces))
        yield Event("[DONE]", len(made.pieces))

    def _base(self, ask: Ask, id: str, kind: str) -> dict[str, Any]:
        return {
            "id": f"chatcmpl-{id}",
            "object": kind,
            "created": int(time.time()),
            "model": ask.model,
            "service_tier": tier(ask.body),
            "system_fingerprint": "fp_simulated",
        }


def _asks_for_usage(body: Mapping[str, Any]) -> bool:
    options = body.get("stream_options")
    return isinstance(options, dict) and options.get("include_usage") is True


def _finish(made: Generation) -> str:
    return "length" if made.cut else "stop"


def usage_object(usage: Usage) -> dict[str, Any]:
    """Cached, written and audio tokens are inside `prompt_tokens`, reasoning is inside `completion_tokens`."""
    prompt = {"cached_tokens": usage.cache_read, "audio_tokens": usage.input_audio}
    if usage.cache_write_5m:
        prompt["cache_write_tokens"] = usage.cache_write_5m
    return {
        "prompt_tokens": usage.input_tokens,
        "completion_tokens": usage.output_tokens,
        "total_tokens": usage.total_tokens,
        "prompt_tokens_details": prompt,
        "completion_tokens_details": {
            "reasoning_tokens": usage.reasoning,
            "audio_tokens": usage.output_audio,
            "accepted_prediction_tokens": 0,
            "rejected_prediction_tokens": 0,
        },
    }


API = OpenAIChat()
