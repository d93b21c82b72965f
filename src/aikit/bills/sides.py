"""The two sides of a comparison: what a provider's export says, and what our ledger says. Days are UTC."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from typing import Literal

from aikit.types import INPUT_CLASSES, OUTPUT_CLASSES, TOKEN_CLASSES

Kind = Literal["cost", "usage"]

MEASURES: dict[str, dict[str, tuple[str, ...]]] = {
    "openai": {
        "input": ("input", "cache_write_5m", "cache_write_1h", "input_audio", "input_image"),
        "cache_read": ("cache_read", "cache_read_audio"),
        "all_input": INPUT_CLASSES,
        "output": OUTPUT_CLASSES,
    },
    "anthropic": {
        "input": ("input", "input_audio", "input_image"),
        "cache_write_5m": ("cache_write_5m",),
        "cache_write_1h": ("cache_write_1h",),
        "cache_read": ("cache_read", "cache_read_audio"),
        "output": OUTPUT_CLASSES,
    },
}
"""What exports count tokens by, for each provider, and which of our token classes are in each of them."""


@dataclass(frozen=True, slots=True)
class Line:
    """One line of an export. A line without an amount and without tokens only says that the day is covered."""

    day: date
    model: str | None = None
    """The model as the export names it, or another item that is billed; None where it names none."""
    usd: Decimal | None = None
    tokens: Mapping[str, int] = field(default_factory=dict)
    """By the measures of the provider."""


@dataclass(frozen=True, slots=True)
class Bill:
    """One export. `rounding` is the most, in nano-USD, by which the amount of each line may be off."""

    where: str
    provider: str
    kind: Kind
    lines: tuple[Line, ...]
    rounding: int = 0
    notes: tuple[str, ...] = ()

    @property
    def days(self) -> frozenset[date]:
        return frozenset(line.day for line in self.lines)


@dataclass(frozen=True, slots=True)
class Ours:
    """What the ledger has for one model on one day, corrections included. Amounts are nano-USD.

    `estimated_nano` was charged at an upper bound because the provider did not say what was used, `presumed_nano`
    because nobody knows how the attempt ended; the two don't overlap, and what was corrected since is in neither.
    """

    day: date
    provider: str
    model: str
    calls: int
    nano: int
    tokens: Mapping[str, int] = field(default_factory=lambda: dict.fromkeys(TOKEN_CLASSES, 0))
    """By our token classes."""
    estimated_nano: int = 0
    presumed_nano: int = 0
    unpriced_calls: int = 0
    served: frozenset[str] = frozenset()
    """The models that the provider said it answered with, where that was another name."""
