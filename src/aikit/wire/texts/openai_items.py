"""Output items of OpenAI Responses: which of their texts stand where."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from aikit.types.guards import Place
from aikit.wire.body import objects
from aikit.wire.texts.model import Asked, Checks, Sort
from aikit.wire.texts.walk import Walk

_NOTHING: Mapping[str, Place] = {}
_RETURNED: Mapping[str, Place] = dict.fromkeys(("output", "outputs", "result", "results", "error"), Place.TOOL_RESULTS)
_CALLS = ("_call", "mcp_approval_request", "program")
_RESULTS = ("_output", "mcp_list_tools")


def placing(item: Mapping[str, Any], place: Place) -> tuple[Place, Mapping[str, Place]]:
    """Items of hosted tools tell both what was called and what it returned."""
    kind = item.get("type")
    if isinstance(kind, str):
        if kind.endswith(_CALLS):
            return Place.TOOL_ARGUMENTS, _RETURNED
        if kind.endswith(_RESULTS):
            return Place.TOOL_RESULTS, _NOTHING
    return (Place.TOOL_RESULTS if item.get("role") == "tool" else place), _NOTHING


def whole(response: dict[str, Any], checks: Checks, asked: Mapping[str, Asked]) -> None:
    """All texts of a response object: its output and its error. The rest repeats the request, or sets the model."""
    for number, item in enumerate(objects(response.get("output"))):
        output_item(item, checks, f"output/{number}")
    error = response.get("error")
    if isinstance(error, dict):
        Walk(checks, placing).object(error, Place.OUTPUT, "error")
    for name, text in asked.items():
        if response.get(name) == text.sent:
            response[name] = text.asked
            checks.altered += 1


def output_item(item: dict[str, Any], checks: Checks, at: str) -> None:
    if item.get("type") != "message":
        Walk(checks, placing).object(item, Place.OUTPUT, at)
        return
    for number, part in enumerate(objects(item.get("content"))):
        content_part(part, checks, f"{at}/content/{number}")
    Walk(checks, placing).object(item, Place.OUTPUT, at, without=frozenset({"content"}))


def content_part(part: dict[str, Any], checks: Checks, at: str) -> None:
    """A part of a message. What points into an altered text, or spells it, goes with it."""
    text = part.get("text")
    if isinstance(text, str):
        sort = Sort.ANSWER if part.get("type") == "output_text" else Sort.ASIDE
        checked = checks.check(Place.OUTPUT, f"{at}/text", text, sort)
        if checked != text:
            part["text"] = checked
            part.update({name: [] for name in ("annotations", "logprobs") if part.get(name)})
    Walk(checks, placing).object(part, Place.OUTPUT, at, without=frozenset({"text", "logprobs"}))
