"""The texts of OpenAI Responses."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from aikit.types.guards import Place
from aikit.wire.body import dig, objects
from aikit.wire.texts.model import Asked, Checks
from aikit.wire.texts.openai_items import placing, whole
from aikit.wire.texts.openai_responses_stream import ResponseStream
from aikit.wire.texts.walk import Walk, append, definitions

_SETTINGS = frozenset(
    {"model", "stream", "stream_options", "include", "metadata", "user", "safety_identifier", "prompt_cache_key"}
    | {
        "store",
        "previous_response_id",
        "conversation",
        "service_tier",
        "tool_choice",
        "truncation",
        "reasoning",
        "moderation",
    }
    | {"prompt_cache_retention", "prompt_cache_options", "image", "access_programs", "tools", "text", "prompt"}
    | {"context_management"}
)
"""Fields whose strings no model reads, and those that are gone through apart. Every other one is text."""


class ResponseTexts:
    returns = frozenset({Place.OUTPUT, Place.TOOL_ARGUMENTS, Place.TOOL_RESULTS})

    def request(self, fields: dict[str, Any], checks: Checks) -> None:
        walk = Walk(checks, placing)
        for name, value in fields.items():
            if name not in _SETTINGS:
                walk.each(fields, [(name, value)], Place.INPUT, "")
        variables = dig(fields, "prompt", "variables")
        if isinstance(variables, dict):
            for name, value in variables.items():
                variables[name] = walk.prose(value, Place.INPUT, "prompt/variables")
        if checks.applies(Place.INPUT):
            definitions(fields, "tools", checks)
            if isinstance(fields.get("text"), dict):
                definitions(fields["text"], "format", checks, "text/format")

    def plant(self, fields: dict[str, Any], line: str) -> bool:
        instructions = fields.get("instructions")
        if isinstance(instructions, str) and instructions:
            fields["instructions"] = instructions + line
            return True
        items = objects(fields.get("input"))
        return any(append(item, line) for item in items if item.get("role") in ("system", "developer"))

    def response(self, reply: dict[str, Any], checks: Checks, asked: Mapping[str, Asked]) -> None:
        whole(reply, checks, asked)

    def stream(self, checks: Checks, asked: Mapping[str, Asked]) -> ResponseStream:
        return ResponseStream(checks, asked)


TEXTS = ResponseTexts()
