"""Holds that have stood too long without an ending: their process died, so what they may have cost is presumed spent.

The truth may still come, from a process that was only slow: then it is posted as a correction.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Any
from uuid import UUID

from aikit.types import Call, Ending, Entry, Hold, Order, PromptId, Tags

EXPIRED = "expired"
"""The error of an entry that was presumed for this reason."""


def presumed(rows: Iterable[tuple[Any, ...]]) -> list[Entry]:
    """The endings of expired holds, from their rows in `aikit.holds` (`aikit.meter.queries.EXPIRED`)."""
    return [_presumed(*row) for row in rows]


def _presumed(
    tenant: str,
    attempt: UUID,
    call: UUID,
    user: str | None,
    feature: str | None,
    environment: str,
    provider: str,
    model: str,
    api: str,
    stream: bool,
    price_id: str | None,
    nano: int,
    tokens: int,
    output_tokens: int,
    presumed: int | None,
    subjects: list[str],
    generation: int,
    admitted_at: datetime,
    prompt: str | None,
    prompt_hash: str | None,
) -> Entry:
    tags = Tags(tenant, user, feature, environment)
    named = None if prompt is None else PromptId(prompt, prompt_hash or "")
    order = Order(attempt, Call(call, tags, provider, model, api, stream, named), nano, tokens, price_id, output_tokens)
    hold = Hold(order, tuple(subjects), admitted_at, generation, presumed)
    return Entry(hold, Ending.PRESUMED_SPENT, hold.presumed_nano, estimated=True, error=EXPIRED)
