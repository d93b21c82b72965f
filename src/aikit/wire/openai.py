"""The OpenAI dialect: how its APIs word errors and count tokens, shared by chat, Responses and embeddings."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from aikit.errors import AIKitError
from aikit.types import Usage
from aikit.wire import refusing
from aikit.wire.codec import WireReply
from aikit.wire.counts import count, details, rest


class OpenAIDialect:
    """The errors of every OpenAI-shaped endpoint."""

    kind = "openai"
    least_output_tokens = 1

    def refusal(self, error: AIKitError, *, request_id: str, metadata: Mapping[str, Any]) -> WireReply:
        return refusing.reply(error, {"error": error_body(error) | {"metadata": metadata}}, x_request_id=request_id)

    def stream_error(self, error: AIKitError, *, request_id: str) -> bytes:
        return refusing.sse({"error": error_body(error) | {"request_id": request_id}})


def error_body(error: AIKitError) -> dict[str, Any]:
    """What stands under `error` in an OpenAI-shaped body."""
    return {"message": str(error), "type": refusing.kind(error), "param": None, "code": error.code}


_THINKS_UNSEEN = re.compile(r"(?:^|[/:.])(?:o\d|gpt-(?:[5-9]|\d\d)|codex|grok-(?:[3-9]|\d\d)|gemini-(?!1\.|2\.0))")


def thinks_unseen(model: str) -> bool:
    """Whether a model may bill thoughts that this API never shows: OpenAI's own, and those of others behind it."""
    return _THINKS_UNSEEN.search(model.lower()) is not None


def image_tokens(model: str) -> int:
    """The most that one image costs ("Images and vision", calculating costs).

    gpt-4o-mini bills 2,833 and 5,667 for each of at most 8 tiles (768 × 2,048 pixels in 512-pixel tiles). Of the
    other models the dearest bill 2.46 for each 32-pixel patch (gpt-4.1-nano), of which `detail: original` has at
    most 10,000. Compatible servers stay below (Together: 6,404).
    """
    return 2_833 + 8 * 5_667 if "4o-mini" in model else 25_000


def read_usage(report: Mapping[str, Any], prompt_key: str, completion_key: str, *, searches: int = 0) -> Usage:
    """A usage object of chat (`prompt`, `completion`) or Responses (`input`, `output`) in disjoint classes.

    Reasoning is part of the completion, except on servers whose total shows that it stands beside it. Writes to the
    cache, whatever their lifetime, have one price and go into `cache_write_5m`.
    Raises Unreadable if a count is missing or is none.
    """
    prompt = count(report, f"{prompt_key}_tokens", required=True)
    completion = count(report, f"{completion_key}_tokens", required=True)
    prompt_part = details(report, f"{prompt_key}_tokens_details")
    completion_part = details(report, f"{completion_key}_tokens_details")
    cached, written = count(prompt_part, "cached_tokens"), count(prompt_part, "cache_write_tokens")
    audio_in, audio_out = count(prompt_part, "audio_tokens"), count(completion_part, "audio_tokens")
    reasoning = count(completion_part, "reasoning_tokens")
    plain = rest(prompt, cached, written, audio_in)
    beside = rest(count(report, "total_tokens"), plain, cached, written, audio_in, completion)
    inside = rest(reasoning, beside)
    return Usage(
        input=plain,
        cache_read=cached,
        cache_write_5m=written,
        input_audio=audio_in,
        output=rest(completion, inside, audio_out),
        reasoning=inside + beside,
        output_audio=audio_out,
        searches=searches,
    )
