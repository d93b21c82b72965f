"""Anthropic's usage object in disjoint classes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from typing import Any

from aikit.types import Usage
from aikit.wire.body import objects
from aikit.wire.counts import Unreadable, count, details, rest

_BESIDE_THE_TOTAL = ("compaction", "advisor_message")
"""Iterations that the top-level counts leave out, although they are billed (`BetaUsage.iterations`)."""


def read_usage(report: Mapping[str, Any]) -> Usage | None:
    """`input_tokens` leaves caches out already; thinking is part of the output. None if a count can't be read."""
    try:
        usage = _tokens(report, searches=count(details(report, "server_tool_use"), "web_search_requests"))
        for iteration in objects(report.get("iterations")):
            if iteration.get("type") in _BESIDE_THE_TOTAL:
                usage = _plus(usage, _tokens(iteration))
    except Unreadable:
        return None
    return usage


def _tokens(report: Mapping[str, Any], searches: int = 0) -> Usage:
    written = count(report, "cache_creation_input_tokens")
    split = details(report, "cache_creation")
    for_5m, for_1h = count(split, "ephemeral_5m_input_tokens"), count(split, "ephemeral_1h_input_tokens")
    output = count(report, "output_tokens", required=True)
    thinking = min(output, count(details(report, "output_tokens_details"), "thinking_tokens"))
    return Usage(
        input=count(report, "input_tokens", required=True),
        cache_read=count(report, "cache_read_input_tokens"),
        cache_write_5m=for_5m + rest(written, for_5m, for_1h),
        cache_write_1h=for_1h,
        output=output - thinking,
        reasoning=thinking,
        searches=searches,
    )


def _plus(one: Usage, other: Usage) -> Usage:
    return Usage(**{f.name: getattr(one, f.name) + getattr(other, f.name) for f in fields(Usage)})
