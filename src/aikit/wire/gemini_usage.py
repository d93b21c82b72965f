"""Gemini's usageMetadata in disjoint classes, and the searches it bills."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from aikit.types import Usage
from aikit.wire.body import dig, objects
from aikit.wire.counts import Unreadable, count, rest

_GENERATION = re.compile(r"gemini-(\d+)")


def read_usage(report: object, searches: int = 0) -> Usage | None:
    """`promptTokenCount` includes what came from the cache; thoughts and tool prompts stand beside.

    Counts of zero are left out of the JSON, so an absent one is zero as long as there is any; one that says zero is
    zero. None if there is no count, or one that can't be read. What the total has beyond its parts counts as thoughts.
    """
    if not isinstance(report, Mapping):
        return None
    try:
        prompt, total = count(report, "promptTokenCount"), count(report, "totalTokenCount")
        if not prompt and not total and not report.keys() & {"promptTokenCount", "totalTokenCount"}:
            return None
        cached, candidates = count(report, "cachedContentTokenCount"), count(report, "candidatesTokenCount")
        tool_prompt, thoughts = count(report, "toolUsePromptTokenCount"), count(report, "thoughtsTokenCount")
        cached_audio = modality(report, "cacheTokensDetails", "AUDIO")
        cached_image = modality(report, "cacheTokensDetails", "IMAGE")
        audio = modality(report, "promptTokensDetails", "AUDIO")
        image = modality(report, "promptTokensDetails", "IMAGE")
        tool_audio = modality(report, "toolUsePromptTokensDetails", "AUDIO")
        tool_image = modality(report, "toolUsePromptTokensDetails", "IMAGE")
        output_audio = modality(report, "candidatesTokensDetails", "AUDIO")
        output_image = modality(report, "candidatesTokensDetails", "IMAGE")
    except Unreadable:
        return None
    fresh_audio, fresh_image = rest(audio, cached_audio), rest(image, cached_image)
    usage = Usage(
        input=rest(prompt, cached, fresh_audio, fresh_image) + rest(tool_prompt, tool_audio, tool_image),
        cache_read=rest(cached, cached_audio),
        input_audio=fresh_audio + tool_audio,
        input_image=fresh_image + tool_image,
        cache_read_audio=cached_audio,
        output=rest(candidates, output_audio, output_image),
        reasoning=thoughts,
        output_audio=output_audio,
        output_image=output_image,
        searches=searches,
    )
    beyond = rest(total, usage.total_tokens)
    return Usage(**usage.classes() | {"reasoning": thoughts + beyond}) if beyond else usage


def modality(report: Mapping[str, Any], name: str, wanted: str) -> int:
    """The tokens of one modality in a breakdown. Raises Unreadable for what is no count."""
    return sum(count(part, "tokenCount") for part in objects(report.get(name)) if part.get("modality") == wanted)


def searches_in(reply: Mapping[str, Any], model: str) -> int:
    """Billed searches: each query since Gemini 3, each grounded request before ("Grounding with Google Search")."""
    queries = sum(
        len([query for query in found if query])
        for candidate in objects(reply.get("candidates"))
        for kind in ("webSearchQueries", "imageSearchQueries")
        if isinstance(found := dig(candidate, "groundingMetadata", kind), list)
    )
    return min(1, queries) if billed_by_request(model) else queries


def billed_by_request(model: str) -> bool:
    """Gemini 2 and before are billed for a grounded request, not for its queries. Unknown names count as newer."""
    generation = generation_of(model)
    return generation is not None and generation < 3


def generation_of(model: str) -> int | None:
    """The major version in a model's name, None if it has none."""
    found = _GENERATION.match(model)
    return int(found[1]) if found else None


def tier_of(reply: Mapping[str, Any]) -> str | None:
    """The service tier behind `trafficType`: `ON_DEMAND_PRIORITY` → `priority`, plain `ON_DEMAND` → None."""
    traffic = dig(reply, "usageMetadata", "trafficType")
    if not isinstance(traffic, str) or not traffic.startswith("ON_DEMAND_"):
        return None
    return traffic.removeprefix("ON_DEMAND_").lower()
