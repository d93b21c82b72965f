"""Content blocks of Anthropic messages: which of their texts stand where."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from aikit.types.guards import Place
from aikit.wire.texts.model import Checks, Sort
from aikit.wire.texts.walk import Walk

TOLD = frozenset(
    {"id", "type", "role", "model", "content", "stop_reason", "stop_sequence", "usage", "container"} | {"request_id"}
)
"""Fields of a message that are no text, or gone through apart."""
TEXTS = {"text": Sort.ANSWER, "thinking": Sort.SIGNED}
"""The types of blocks that have a text of their own, under the same name."""
_NOTHING: Mapping[str, Place] = {}


def placing(item: Mapping[str, Any], place: Place) -> tuple[Place, Mapping[str, Place]]:
    kind = item.get("type")
    if isinstance(kind, str):
        if kind.endswith("tool_use"):
            return Place.TOOL_ARGUMENTS, _NOTHING
        if kind.endswith("tool_result"):
            return Place.TOOL_RESULTS, _NOTHING
    return place, _NOTHING


def message(told: dict[str, Any], checks: Checks) -> None:
    """All texts of a message. Raises LookupError if its content is no list of blocks."""
    content = told.get("content")
    if content and not (isinstance(content, list) and all(isinstance(part, dict) for part in content)):
        raise LookupError("content in a form that nobody foresaw")
    for number, part in enumerate(content or []):
        block(part, checks, f"content/{number}")
    around(told, checks, TOLD)


def block(part: dict[str, Any], checks: Checks, at: str) -> None:
    """All texts of one block of a response. Places in an altered text are none any more: its citations go."""
    kind = part.get("type")
    if isinstance(kind, str) and kind in TEXTS and isinstance(part.get(kind), str):
        checked = checks.check(Place.OUTPUT, f"{at}/{kind}", part[kind], TEXTS[kind])
        if checked != part[kind]:
            part[kind] = checked
            if part.get("citations"):
                part["citations"] = None
    beside(part, checks, at)


def beside(part: dict[str, Any], checks: Checks, at: str) -> None:
    """The texts of a block but its own."""
    Walk(checks, placing).object(part, Place.OUTPUT, at, without=frozenset(TEXTS))


def around(told: dict[str, Any], checks: Checks, without: frozenset[str]) -> None:
    """What is told beside the blocks: why it stopped, an error."""
    Walk(checks, placing).object(told, Place.OUTPUT, "", without=without)
