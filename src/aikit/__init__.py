"""aikit: every model call metered, capped, accounted for and explainable.

import aikit

with aikit.AIKit.open() as kit:
    client = kit.openai(tenant="acme", feature="summarize")  # the official client, metered and capped
    reply = kit.complete("Hello", tenant="acme")             # or one interface over all providers
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from aikit.async_kit import AsyncAIKit
    from aikit.completion import Reply
    from aikit.config import Settings
    from aikit.context import tags
    from aikit.errors import AIError, AIKitError, GuardBlocked, Refused, SpendCapExceeded
    from aikit.events import Event
    from aikit.kit import AIKit
    from aikit.prompts.model import Prompt, Rendered
    from aikit.strictness import strict
    from aikit.types import Decision, Tags, Usage

__version__ = "0.1.0"
__all__ = [
    "AIError",
    "AIKit",
    "AIKitError",
    "AsyncAIKit",
    "Decision",
    "Event",
    "GuardBlocked",
    "Prompt",
    "Refused",
    "Rendered",
    "Reply",
    "Settings",
    "SpendCapExceeded",
    "Tags",
    "Usage",
    "strict",
    "tags",
]

_HOMES = {
    "AIError": "errors",
    "AIKit": "kit",
    "AIKitError": "errors",
    "AsyncAIKit": "async_kit",
    "Decision": "types",
    "Event": "events",
    "GuardBlocked": "errors",
    "Prompt": "prompts.model",
    "Refused": "errors",
    "Rendered": "prompts.model",
    "Reply": "completion",
    "Settings": "config",
    "SpendCapExceeded": "errors",
    "Tags": "types",
    "Usage": "types",
    "strict": "strictness",
    "tags": "context",
}


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(import_module(f"aikit.{_HOMES[name]}"), name)
    raise AttributeError(f"module 'aikit' has no attribute {name!r}")


def __dir__() -> list[str]:
    return __all__
