"""The models that the simulator lists, and what it takes other models by their names to be able to do.

Any model name is answered; the lists are only what a client sees when it asks. The traits follow the providers'
documentation of automatic prompt caching and of reasoning models.
"""

from __future__ import annotations

from typing import Any

OWNER = "aikit-sim"
CREATED = 1_767_225_600
"""2026-01-01, in Unix seconds; a fixed date, as the lists are."""

OPENAI = ("gpt-4o-mini", "gpt-4o", "gpt-4.1-mini", "gpt-5", "gpt-5-mini", "text-embedding-3-small")
ANTHROPIC = ("claude-haiku-5-5", "claude-sonnet-5", "claude-opus-5")
GEMINI = ("gemini-2.5-flash", "gemini-2.5-flash-lite", "gemini-2.5-pro")

_REASONING = ("o1", "o3", "o4", "gpt-5", "gpt-6", "gemini-2.5", "gemini-3")
_CACHING = (*_REASONING, "gpt-4o", "gpt-4.1")


def reasons(model: str) -> bool:
    """Does this model spend reasoning tokens without being asked to?"""
    name = _bare(model)
    return name.startswith(_REASONING) and "chat" not in name


def caches(model: str) -> bool:
    """Does this model's provider cache prompts without being asked to?"""
    return _bare(model).startswith(_CACHING)


def _bare(model: str) -> str:
    return model.rsplit("/", 1)[-1]


def openai_list() -> dict[str, Any]:
    return {
        "object": "list",
        "data": [{"id": model, "object": "model", "created": CREATED, "owned_by": OWNER} for model in OPENAI],
    }


def anthropic_list() -> dict[str, Any]:
    models = [
        {
            "type": "model",
            "id": model,
            "display_name": f"{model} (simulated)",
            "created_at": "2026-01-01T00:00:00Z",
            "lifecycle": "active",
            "owned_by": OWNER,
        }
        for model in ANTHROPIC
    ]
    return {"data": models, "has_more": False, "first_id": ANTHROPIC[0], "last_id": ANTHROPIC[-1]}


def gemini_list() -> dict[str, Any]:
    models = [
        {
            "name": f"models/{model}",
            "version": "sim",
            "displayName": f"{model} (simulated)",
            "description": f"Simulated, owned_by: {OWNER}",
            "owned_by": OWNER,
            "inputTokenLimit": 1_048_576,
            "outputTokenLimit": 65_536,
            "supportedGenerationMethods": ["generateContent", "streamGenerateContent"],
        }
        for model in GEMINI
    ]
    return {"models": models}
