"""The texts of OpenAI chat completions, and of the servers that speak them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from aikit.types.guards import Place
from aikit.wire.body import objects
from aikit.wire.texts.model import Asked, Checks, Sort
from aikit.wire.texts.openai_chat_stream import ChatStream, around, index_of
from aikit.wire.texts.walk import Walk, append, definitions

_SETTINGS = frozenset(
    {"model", "stream", "stream_options", "n", "user", "metadata", "safety_identifier", "prompt_cache_key", "stop"}
    | {"modalities", "audio", "reasoning_effort", "reasoning", "service_tier", "verbosity", "tool_choice"}
    | {"function_call", "logit_bias", "include", "web_search_options", "tools", "functions", "response_format"}
    | {"provider", "transforms", "models", "plugins"}
)
"""Fields whose strings no model reads, and those that are gone through apart. Every other one is text."""
_DEFINITIONS = ("tools", "functions", "response_format")
_ELSEWHERE: Mapping[str, Place] = {"tool_calls": Place.TOOL_ARGUMENTS, "function_call": Place.TOOL_ARGUMENTS}
_NEITHER: Mapping[str, Place] = {}


def placing(item: Mapping[str, Any], place: Place) -> tuple[Place, Mapping[str, Place]]:
    role = item.get("role")
    return (Place.TOOL_RESULTS, _NEITHER) if role in ("tool", "function") else (place, _ELSEWHERE)


class ChatTexts:
    returns = frozenset({Place.OUTPUT, Place.TOOL_ARGUMENTS})

    def request(self, fields: dict[str, Any], checks: Checks) -> None:
        Walk(checks, placing).object(fields, Place.INPUT, "", without=_SETTINGS)
        if checks.applies(Place.INPUT):
            for name in _DEFINITIONS:
                definitions(fields, name, checks)

    def plant(self, fields: dict[str, Any], line: str) -> bool:
        messages = objects(fields.get("messages"))
        return any(append(message, line) for message in messages if message.get("role") in ("system", "developer"))

    def response(self, reply: dict[str, Any], checks: Checks, asked: Mapping[str, Asked]) -> None:
        for number, choice in enumerate(objects(reply.get("choices"))):
            self._choice(choice, checks, f"choices/{index_of(choice, number)}/message")
        around(reply, checks)

    def stream(self, checks: Checks, asked: Mapping[str, Asked]) -> ChatStream:
        return ChatStream(checks)

    def _choice(self, choice: dict[str, Any], checks: Checks, at: str) -> None:
        message = choice.get("message")
        if not isinstance(message, dict):
            return
        answers = Walk(checks, placing, Sort.ANSWER)
        before = checks.altered
        if "content" in message:
            message["content"] = answers.prose(message["content"], Place.OUTPUT, f"{at}/content")
        if checks.altered != before and message.get("annotations"):
            message["annotations"] = []
        _odds(choice, "content", checks.altered != before)
        before = checks.altered
        Walk(checks, placing).object(message, Place.OUTPUT, at, without=frozenset({"content"}))
        _odds(choice, "refusal", checks.altered != before)


def _odds(choice: Mapping[str, Any], name: str, altered: bool) -> None:
    """The odds of tokens spell the text: they don't outlive its alteration."""
    odds = choice.get("logprobs")
    if altered and isinstance(odds, dict) and odds.get(name):
        odds[name] = None


TEXTS = ChatTexts()
