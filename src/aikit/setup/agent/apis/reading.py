"""Parts of an answer, taken as what they should be and nothing else: a provider's answer is anybody's text."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

from aikit.setup.agent.model import ToolCall

MOST_CALLS = 8
"""Of one answer; what a model sends beyond it is not read."""
UNKNOWN = "unknown"
_NAME = re.compile(r"[A-Za-z0-9_-]{1,64}")
_ID = re.compile(r"[A-Za-z0-9_-]{1,100}")


def mappings(value: object) -> list[Mapping[str, Any]]:
    """The objects in a list."""
    return [one for one in value if isinstance(one, Mapping)] if isinstance(value, list) else []


def dug(value: object, *path: str | int) -> Any:
    """What stands there, None if nothing does."""
    for step in path:
        if isinstance(step, int):
            value = value[step] if isinstance(value, list) and len(value) > step else None
        else:
            value = value.get(step) if isinstance(value, Mapping) else None
    return value


def text_of(value: object) -> str:
    return value if isinstance(value, str) else ""


def call_of(id: object, name: object, arguments: object, position: int) -> ToolCall:
    """A call whose id and name can be sent back: a provider refuses a conversation with others in it."""
    if isinstance(arguments, str):
        try:
            arguments = json.loads(arguments)
        except (ValueError, RecursionError):
            arguments = None
    return ToolCall(
        id if isinstance(id, str) and _ID.fullmatch(id) else f"call_{position}",
        name if isinstance(name, str) and _NAME.fullmatch(name) else UNKNOWN,
        arguments if isinstance(arguments, Mapping) else None,
    )
