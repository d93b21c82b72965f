"""Whose API a path is of."""

from __future__ import annotations

import pytest

from aikit.serve.shapes import shape_of


@pytest.mark.parametrize(
    ("path", "headers", "shape"),
    [
        ("/v1/chat/completions", {}, "openai"),
        ("/v1/responses/resp_1/cancel", {}, "openai"),
        ("/v1/models", {}, "openai"),
        ("/v1/models/ft:gpt-4o:org::id", {}, "openai"),
        ("/v1/models", {"anthropic-version": "2023-06-01"}, "anthropic"),
        ("/v1/models/claude", {"anthropic-version": "2023-06-01"}, "anthropic"),
        ("/v1/models", {"x-goog-api-key": "k"}, "gemini"),
        ("/v1/messages", {}, "anthropic"),
        ("/v1/messages/count_tokens", {}, "anthropic"),
        ("/v1/messagesx", {}, "native"),
        ("/v1beta/models/g:generateContent", {}, "gemini"),
        ("/v1beta/models", {}, "gemini"),
        ("/v1/models/gemini/g:streamGenerateContent", {}, "gemini"),
        ("/v1/files", {}, "openai"),
        ("/v1/usage", {}, "native"),
        ("/v1/ai/complete", {}, "native"),
        ("/", {}, "native"),
    ],
)
def test_a_path_speaks_one_api(path: str, headers: dict[str, str], shape: str) -> None:
    assert shape_of(path, headers) == shape
