"""One adapter per provider API: a conversation with tools in its own form, request and response."""

from __future__ import annotations

from aikit.setup.agent.apis import anthropic, gemini, openai_chat
from aikit.setup.agent.model import Api

_APIS: dict[str, Api] = {"openai": openai_chat.API, "anthropic": anthropic.API, "gemini": gemini.API}


def api_of(kind: str) -> Api:
    """The adapter for a kind of provider."""
    return _APIS[kind]
