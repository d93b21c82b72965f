"""The texts of Gemini's generateContent. JSON names may be in camel case or snake case in a request."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from aikit.types.guards import Place
from aikit.wire.gemini_weight import SCHEMAS
from aikit.wire.texts.gemini_stream import CandidateStream, placing
from aikit.wire.texts.model import Asked, Checks
from aikit.wire.texts.walk import Walk, append_to_part, definitions

_CONFIGS = ("generationConfig", "generation_config")
_SETTINGS = frozenset(
    {"model", "safetySettings", "safety_settings", "toolConfig", "tool_config", "cachedContent", "cached_content"}
    | {"labels", "serviceTier", "service_tier", "tools", *_CONFIGS}
)
"""Fields whose strings no model reads, and those that are gone through apart. Every other one is text."""


class CandidateTexts:
    returns = frozenset({Place.OUTPUT, Place.TOOL_ARGUMENTS, Place.TOOL_RESULTS})

    def request(self, fields: dict[str, Any], checks: Checks) -> None:
        Walk(checks, placing).object(fields, Place.INPUT, "", without=_SETTINGS)
        if not checks.applies(Place.INPUT):
            return
        definitions(fields, "tools", checks)
        for config in _CONFIGS:
            for schema in SCHEMAS:
                if isinstance(fields.get(config), dict):
                    definitions(fields[config], schema, checks, f"{config}/{schema}")

    def plant(self, fields: dict[str, Any], line: str) -> bool:
        for name in ("systemInstruction", "system_instruction"):
            system = fields.get(name)
            if isinstance(system, dict) and append_to_part(system.get("parts"), line):
                return True
        return False

    def response(self, reply: dict[str, Any], checks: Checks, asked: Mapping[str, Asked]) -> None:
        CandidateStream(checks).whole(reply)

    def stream(self, checks: Checks, asked: Mapping[str, Asked]) -> CandidateStream:
        return CandidateStream(checks)


TEXTS = CandidateTexts()
