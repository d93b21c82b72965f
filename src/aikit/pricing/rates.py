"""Rates per usage class: exact decimals, tiers that are cliffs, and which class stands in for which."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from decimal import Decimal

from aikit.types import USAGE_CLASSES

REQUESTS = "requests"
"""The fee that some providers charge for each request, in USD per thousand; not a usage class, one per attempt."""

PRICED = (*USAGE_CLASSES, REQUESTS)
"""Everything that a price can have a rate for."""

PER_THOUSAND = frozenset({"searches", REQUESTS})
"""Priced in USD per thousand pieces; all else in USD per million tokens."""

STANDS_IN: Mapping[str, tuple[str, ...]] = {
    "cache_read": ("input",),
    "cache_write_5m": ("input",),
    "cache_write_1h": ("cache_write_5m", "input"),
    "input_audio": ("input",),
    "input_image": ("input",),
    "cache_read_audio": ("cache_read", "input_audio", "input"),
    "reasoning": ("output",),
    "output_audio": ("output",),
    "output_image": ("output",),
}
"""A class without a rate of its own is billed as the first of these that has one, as genai-prices decomposes usage."""


@dataclass(frozen=True, slots=True)
class Rate:
    """One rate: `base`, and `tiers` as (start, rate) in ascending order.

    A tier is a cliff: once an attempt's input tokens exceed its start, its rate applies to all tokens of the class.
    Raises ValueError for a rate that is negative or not finite, and for tiers out of order.
    """

    base: Decimal
    tiers: tuple[tuple[int, Decimal], ...] = ()

    def __post_init__(self) -> None:
        for amount in (self.base, *(amount for _, amount in self.tiers)):
            if not amount.is_finite() or amount < 0:
                raise ValueError(f"a rate must be zero or more, not {amount}")
        starts = [start for start, _ in self.tiers]
        if any(start < 0 for start in starts) or starts != sorted(set(starts)):
            raise ValueError(f"tiers must start in ascending order, not at {starts}")

    def at(self, input_tokens: int) -> Decimal:
        """The rate of an attempt with that many input tokens of all classes."""
        for start, amount in reversed(self.tiers):
            if input_tokens > start:
                return amount
        return self.base

    def never_above(self, other: Rate) -> bool:
        """Whether `other` is at least as dear, however many input tokens there are."""
        starts = {start for start, _ in self.tiers + other.tiers}
        return all(self.at(tokens) <= other.at(tokens) for tokens in {0, *(start + 1 for start in starts)})


def complete(rates: Mapping[str, Rate], never: Collection[str] = ()) -> dict[str, Rate]:
    """The rates with every class filled in that another one stands in for, in the ledger's order.

    Classes named in `never` get nothing but a rate of their own. What is then missing has no known price.
    """
    filled = {}
    for name in PRICED:
        stand_ins = () if name in never else STANDS_IN.get(name, ())
        rate = next((rates[candidate] for candidate in (name, *stand_ins) if candidate in rates), None)
        if rate is not None:
            filled[name] = rate
    return filled


def decimal_text(amount: Decimal) -> str:
    """An exact decimal without exponent or trailing zeros: `Decimal("2.50")` → `"2.5"`."""
    text = f"{amount or Decimal(0):f}"
    return text.rstrip("0").rstrip(".") if "." in text else text
