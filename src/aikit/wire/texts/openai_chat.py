"""The texts of OpenAI chat completions, and of the servers that speak them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from aikit.types.guards import Place
from aikit.wire.body import objects
from aikit.wire.texts.model import Asked, Checks
from aikit.wire.texts.openai_chat_choice import choices_of, index_of, placing, said
from aikit.wire.texts.openai_chat_stream import ChatStream, around
from aikit.wire.texts.walk import Walk, append, definitions

_SETTINGS = frozenset(
    {"model", "stream", "stream_options", "n", "user", "metadata", "safety_identifier", "prompt_cache_key", "stop"}
    | {"modalities", "audio", "reasoning_effort", "reasoning", "service_tier", "verbosity", "tool_choice"}
    | {"function_call", "logit_bias", "include", "web_search_options", "tools", "functions", "response_format"}
    | {"provider", "transforms", "models", "plugins"}
)
"""Fields whose strings no model reads, and those that are gone through apart. Every other one is text."""
_DEFINITIONS = ("tools", "functions", "response_format")


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
        for number, choice in enumerate(choices_of(reply)):
            said(choice, checks, f"choices/{index_of(choice, number)}")
        around(reply, checks)

    def stream(self, checks: Checks, asked: Mapping[str, Asked]) -> ChatStream:
        return ChatStream(checks)


TEXTS = ChatTexts()
