"""What a choice of a chat completion says whole: its message, and whatever else a server puts beside it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from aikit.types.guards import Place
from aikit.wire.texts.model import Checks, Sort
from aikit.wire.texts.walk import Walk

_ELSEWHERE: Mapping[str, Place] = {"tool_calls": Place.TOOL_ARGUMENTS, "function_call": Place.TOOL_ARGUMENTS}
_NEITHER: Mapping[str, Place] = {}
KNOWN = frozenset({"index", "delta", "message", "finish_reason", "logprobs"})
"""Fields of a choice that are no text or gone through apart."""


def placing(item: Mapping[str, Any], place: Place) -> tuple[Place, Mapping[str, Place]]:
    role = item.get("role")
    return (Place.TOOL_RESULTS, _NEITHER) if role in ("tool", "function") else (place, _ELSEWHERE)


def choices_of(told: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The choices of a response or of an event. Raises LookupError if they have a form that nobody foresaw."""
    choices = told.get("choices") or []
    if not isinstance(choices, list) or not all(map(_is_choice, choices)):
        raise LookupError("choices in a form that nobody foresaw")
    return choices


def _is_choice(choice: Any) -> bool:
    return isinstance(choice, dict) and all(isinstance(choice.get(name) or {}, dict) for name in ("delta", "message"))


def index_of(choice: Mapping[str, Any], number: int) -> Any:
    index = choice.get("index")
    return number if index is None else index


def said(choice: dict[str, Any], checks: Checks, at: str) -> None:
    """All of a choice but its delta."""
    if isinstance(choice.get("message"), dict):
        _message(choice, choice["message"], checks, f"{at}/message")
    if not choice.keys() <= KNOWN:
        Walk(checks, placing).object(choice, Place.OUTPUT, at, without=KNOWN)


def _message(choice: Mapping[str, Any], message: dict[str, Any], checks: Checks, at: str) -> None:
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
