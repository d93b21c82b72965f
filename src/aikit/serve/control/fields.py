"""What bodies and answers of the control plane have in common."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Literal

from pydantic import AfterValidator, AwareDatetime, Field, PlainSerializer

from aikit.refusal import iso, limit_state
from aikit.serve.endpoints import Body, Said
from aikit.types import INPUT_CLASSES, OUTPUT_CLASSES, TAG_LENGTH, USAGE_CLASSES, LimitState, Usage
from aikit.wire.counts import MOST_TOKENS

MOST_MS = 2**31 - 1
YEARS = (2000, 2999)


def _printable(text: str) -> str:
    if not text.isprintable() or not text.strip():
        raise ValueError("has to be characters that can be printed")
    return text


def _in_our_time(at: datetime) -> datetime:
    if not YEARS[0] <= at.year <= YEARS[1]:
        raise ValueError(f"has to be between {YEARS[0]} and {YEARS[1]}")
    return at.astimezone(UTC)


Name = Annotated[str, Field(min_length=1, max_length=TAG_LENGTH), AfterValidator(_printable)]
Word = Annotated[str, Field(min_length=1, max_length=100), AfterValidator(_printable)]
Key = Annotated[str, Field(min_length=1, max_length=255), AfterValidator(_printable)]
Count = Annotated[int, Field(ge=0, le=MOST_TOKENS)]
Milliseconds = Annotated[int, Field(ge=0, le=MOST_MS)]
Moment = Annotated[AwareDatetime, AfterValidator(_in_our_time)]
Time = Annotated[datetime, PlainSerializer(lambda at: iso(at), return_type=str)]
"""In an answer: UTC, ending in Z."""
Environment = Literal["dev", "staging", "prod"]
InputClass = Literal[
    "input", "cache_read", "cache_write_5m", "cache_write_1h", "input_audio", "input_image", "cache_read_audio"
]
OutputClass = Literal["output", "reasoning", "output_audio", "output_image"]
assert set(INPUT_CLASSES) == set(InputClass.__args__)  # type: ignore[attr-defined]
assert set(OUTPUT_CLASSES) == set(OutputClass.__args__)  # type: ignore[attr-defined]


class Tokens(Body):
    """What was used, in disjoint classes that sum to the provider's total; `searches` counts web searches."""

    input: Count = 0
    cache_read: Count = 0
    cache_write_5m: Count = 0
    cache_write_1h: Count = 0
    input_audio: Count = 0
    input_image: Count = 0
    cache_read_audio: Count = 0
    output: Count = 0
    reasoning: Count = 0
    output_audio: Count = 0
    output_image: Count = 0
    searches: Count = 0

    def as_usage(self) -> Usage:
        return Usage(*[getattr(self, name) for name in USAGE_CLASSES])


class Limited(Said):
    """A limit and where it stands. Money is in fields that end in `_usd`, as exact decimal strings."""

    metric: str
    window: str
    action: str
    source: str = Field(description="The policy that states it.")
    counts: str = Field(description="Whose calls it counts together.")
    resets_at: str | None
    cap: int | None = None
    soft_cap: int | None = None
    used: int | None = None
    held: int | None = None
    remaining: int | None = None
    cap_usd: str | None = None
    soft_cap_usd: str | None = None
    used_usd: str | None = None
    held_usd: str | None = None
    remaining_usd: str | None = None


def limited(state: LimitState) -> Limited:
    """A limit's state as it is told."""
    return Limited(**limit_state(state))
