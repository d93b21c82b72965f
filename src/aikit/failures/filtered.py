"""Whether an answer with status 200 was stopped by the provider's own content filter. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

BLOCKED = frozenset(
    {
        "SAFETY",
        "RECITATION",
        "BLOCKLIST",
        "PROHIBITED_CONTENT",
        "SPII",
        "IMAGE_SAFETY",
        "IMAGE_PROHIBITED_CONTENT",
        "IMAGE_RECITATION",
        "MODEL_ARMOR",
        "ESCALATION",
    }
)
"""Gemini's finish reasons that are a filter's."""
REFUSED = "refusal"
"""Anthropic's stop reason when its classifiers step in."""


def is_filtered(answer: Mapping[str, Any]) -> bool:
    """Whether a whole answer, or an event of a streamed one, says that a filter stopped it."""
    if _at(answer, "promptFeedback", "blockReason"):
        return True
    if REFUSED in (answer.get("stop_reason"), _at(answer, "delta", "stop_reason")):
        return True
    candidates, choices = _list(answer.get("candidates")), _list(answer.get("choices"))
    return any(_at(one, "finishReason") in BLOCKED for one in candidates) or any(
        _at(one, "finish_reason") == "content_filter" for one in choices
    )


def _at(value: object, *path: str) -> Any:
    for name in path:
        value = value.get(name) if isinstance(value, Mapping) else None
    return value if isinstance(value, str) else None


def _list(value: object) -> list[Any]:
    return value if isinstance(value, list) else []
