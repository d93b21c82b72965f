"""The texts of Anthropic messages."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from aikit.types.guards import Place
from aikit.wire.texts.anthropic_blocks import message, placing
from aikit.wire.texts.anthropic_stream import MessageStream
from aikit.wire.texts.model import Asked, Checks
from aikit.wire.texts.walk import Walk, append_to_part, definitions

_SETTINGS = frozenset(
    {"model", "stream", "max_tokens", "metadata", "stop_sequences", "service_tier", "speed", "tool_choice", "thinking"}
    | {"mcp_servers", "container", "betas", "tools", "output_config", "output_format", "inference_geo"}
    | {"user_profile_id"}
)
"""Fields whose strings no model reads, and those that are gone through apart. Every other one is text."""
_DEFINITIONS = ("tools", "output_config", "output_format")


class MessageTexts:
    returns = frozenset({Place.OUTPUT, Place.TOOL_ARGUMENTS, Place.TOOL_RESULTS})

    def request(self, fields: dict[str, Any], checks: Checks) -> None:
        Walk(checks, placing).object(fields, Place.INPUT, "", without=_SETTINGS)
        if checks.applies(Place.INPUT):
            for name in _DEFINITIONS:
                definitions(fields, name, checks)

    def plant(self, fields: dict[str, Any], line: str) -> bool:
        system = fields.get("system")
        if isinstance(system, str) and system:
            fields["system"] = system + line
            return True
        return append_to_part(system, line)

    def response(self, reply: dict[str, Any], checks: Checks, asked: Mapping[str, Asked]) -> None:
        message(reply, checks)

    def stream(self, checks: Checks, asked: Mapping[str, Asked]) -> MessageStream:
        return MessageStream(checks)


TEXTS = MessageTexts()
