"""Whose API a path is of, and so in whose words its errors are told."""

from __future__ import annotations

import re
from collections.abc import Mapping

from aikit.serve.routes import Shape

_GEMINI = re.compile(
    r"/v1(?:beta|alpha)(?:/|\Z)|/upload/v1(?:beta|alpha)/|"
    r"/v1/models/.+:(?:[a-z]+[Gg]enerate\w*|generate\w+|countTokens|\w*[eE]mbed\w+|predict\w*)\Z"
)
_ANTHROPIC = re.compile(r"/v1/(?:messages|complete|organizations|skills|agents|sessions|environments)(?:/|\Z)")
_OPENAI = re.compile(
    r"/v1/(?:chat|responses|embeddings|models|completions|images|audio|files|uploads|batches|fine_tuning|moderations|"
    r"assistants|threads|vector_stores|realtime|conversations|evals|containers|videos|organization)(?:/|\Z)"
)
_SHARED = re.compile(r"/v1/(?:models|files|batches)(?:/|\Z)")
"""Paths that OpenAI and another provider have alike; the request's headers say whose it is."""


def shape_of(path: str, headers: Mapping[str, str]) -> Shape:
    """The provider whose API this path belongs to; native: none's."""
    if _GEMINI.match(path):
        return "gemini"
    if _SHARED.match(path):
        if "anthropic-version" in headers:
            return "anthropic"
        return "gemini" if path.startswith("/v1/models") and "x-goog-api-key" in headers else "openai"
    if _ANTHROPIC.match(path):
        return "anthropic"
    return "openai" if _OPENAI.match(path) else "native"
