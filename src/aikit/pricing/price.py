"""A price: the rates of one model at one time, what a usage costs at them, and what a request can cost at most."""

from __future__ import annotations

import hashlib
import json
from bisect import bisect_left
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from fractions import Fraction
from functools import cached_property, lru_cache
from math import lcm
from operator import mul
from typing import Any

from aikit.errors import PriceUnknown
from aikit.pricing.rates import PER_THOUSAND, PRICED, Rate, decimal_text
from aikit.types import INPUT_CLASSES, OUTPUT_CLASSES, USAGE_CLASSES, Bound, Cost, Usage

DEFAULT_CONTEXT_WINDOW = 2_000_000
"""Tokens assumed where the book names no context window: the largest that it names for OpenAI, Anthropic and Google."""

WINDOW_SLACK = 20
"""A twentieth is added to a context window: the book writes 1,000,000 for windows of 1,048,576 tokens."""

_POSITION = {name: position for position, name in enumerate(USAGE_CLASSES)}
_SEARCHES = _POSITION["searches"]
_FEE = len(USAGE_CLASSES)


@dataclass(frozen=True)
class Price:
    """The rates of one model: USD per million tokens of each usage class, `searches` and `requests` per thousand.

    A class that is not in `rates` has no known price, which is not a price of zero. `as_of` is the day from which
    the price is valid, None if it has no recorded beginning. `version` names the release of the source.
    """

    provider: str
    model: str
    source: str
    version: str
    rates: Mapping[str, Rate]
    as_of: date | None = None
    service_tier: str | None = None
    context_window: int | None = None

    def __post_init__(self) -> None:
        if unknown := self.rates.keys() - set(PRICED):
            raise ValueError(f"no such usage class: {', '.join(sorted(unknown))}")

    def __hash__(self) -> int:
        return hash(self.id)

    @cached_property
    def id(self) -> str:
        """16 hexadecimal digits that depend on nothing but the price itself."""
        text = json.dumps(self.to_json(), sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(text.encode()).hexdigest()[:16]

    def cost(self, usage: Usage) -> int:
        """What `usage` costs in nano-USD: exact, rounded up once.

        Raises PriceUnknown if a class that was used has no known price.
        """
        plan = self._plan
        counts = usage.counts()
        for position in plan.unpriced:
            if counts[position]:
                raise self._unknown(name for name in USAGE_CLASSES if counts[_POSITION[name]])
        rates = plan.bands[bisect_left(plan.starts, usage.input_tokens) if plan.starts else 0]
        total: int = sum(map(mul, counts, rates)) + rates[_FEE]
        return -(-total // plan.scale)

    def covers(self, bound: Bound) -> bool:
        """Whether every class that can occur within `bound` has a known price."""
        return _occurring(bound) <= self.rates.keys()

    def bounding(self, bound: Bound) -> Cost:
        """The most that a usage within `bound` can cost, by its output tokens.

        Every input token counts at the dearest rate that can apply to it, likewise every output token. Raises
        PriceUnknown if a class that can occur has no known price.
        """
        if not self.covers(bound):
            raise self._unknown(_occurring(bound))
        return Cost(tuple(self._worst_cases(bound)), self._plan.scale)

    def upper_bound(self, bound: Bound) -> int:
        """The most that a usage within `bound` can cost, in nano-USD. Raises PriceUnknown as `bounding` does."""
        return self.bounding(bound).nano(bound.output_tokens)

    def input_limit(self, bound: Bound) -> int:
        """The most input tokens that a usage within `bound` can have: the context window where that is open-ended."""
        if not bound.open_ended:
            return bound.input_tokens
        window = self.context_window or DEFAULT_CONTEXT_WINDOW
        return max(bound.input_tokens, window + window // WINDOW_SLACK)

    def to_json(self) -> dict[str, Any]:
        """Plain JSON values, decimals as strings; `from_json` restores an equal price with the same id."""
        return {
            "provider": self.provider,
            "model": self.model,
            "source": self.source,
            "version": self.version,
            "as_of": self.as_of.isoformat() if self.as_of else None,
            "service_tier": self.service_tier,
            "context_window": self.context_window,
            "rates": {
                name: {
                    "base": decimal_text(rate.base),
                    "tiers": [[start, decimal_text(amount)] for start, amount in rate.tiers],
                }
                for name, rate in self.rates.items()
            },
        }

    @classmethod
    def from_json(cls, recorded: Mapping[str, Any]) -> Price:
        """The price that `to_json` wrote. Raises KeyError, TypeError or ValueError for anything else."""
        return cls(
            provider=recorded["provider"],
            model=recorded["model"],
            source=recorded["source"],
            version=recorded["version"],
            rates={
                name: Rate(Decimal(rate["base"]), tuple((start, Decimal(amount)) for start, amount in rate["tiers"]))
                for name, rate in recorded["rates"].items()
            },
            as_of=date.fromisoformat(recorded["as_of"]) if recorded["as_of"] else None,
            service_tier=recorded["service_tier"],
            context_window=recorded["context_window"],
        )

    @cached_property
    def _plan(self) -> _Plan:
        return _Plan.of(self.rates)

    def _worst_cases(self, bound: Bound) -> Iterator[tuple[int, int]]:
        """For each band that can be reached: what is paid before any output, and the dearest rate of output."""
        plan = self._plan
        tokens = self.input_limit(bound)
        inputs = [_POSITION[name] for name in bound.input_classes or INPUT_CLASSES] if tokens else []
        outputs = [_POSITION[name] for name in bound.output_classes or OUTPUT_CLASSES]
        for band, rates in enumerate(plan.bands[: bisect_left(plan.starts, tokens) + 1]):
            most = min(tokens, plan.starts[band]) if band < len(plan.starts) else tokens
            paid = most * max((rates[position] for position in inputs), default=0)
            paid += bound.searches * rates[_SEARCHES] + rates[_FEE]
            yield paid, max((rates[position] for position in outputs), default=0)

    def _unknown(self, wanted: Iterable[str]) -> PriceUnknown:
        missing = sorted(set(wanted) - self.rates.keys())
        return PriceUnknown(
            f"{self.provider}/{self.model} has no known price for {', '.join(missing)}.",
            facts={"provider": self.provider, "model": self.model, "classes": missing, "price_id": self.id},
            remedy=f'Set {missing[0]} in [prices."{self.provider}/{self.model}"] of aikit.toml.',
        )


def _occurring(bound: Bound) -> frozenset[str]:
    """The classes that a usage within `bound` can have; all of a direction if it names none."""
    inputs = (bound.input_classes or INPUT_CLASSES) if bound.input_tokens or bound.open_ended else ()
    outputs = (bound.output_classes or OUTPUT_CLASSES) if bound.output_tokens else ()
    return _together(inputs, outputs, bound.searches > 0)


@lru_cache(maxsize=256)
def _together(inputs: Collection[str], outputs: Collection[str], searches: bool) -> frozenset[str]:
    return frozenset((*inputs, *outputs, *(("searches",) if searches else ())))


@dataclass(frozen=True, slots=True)
class _Plan:
    """Rates as integers, so that no Decimal is on the hot path: `scale` units are one nano-USD.

    Band i holds the rates in the order of PRICED, the fee for a request last, for input up to and including `starts[i]`
    tokens; the last band has no end.
    """

    scale: int
    starts: tuple[int, ...]
    bands: tuple[tuple[int, ...], ...]
    unpriced: tuple[int, ...]

    @classmethod
    def of(cls, rates: Mapping[str, Rate]) -> _Plan:
        starts = tuple(sorted({start for rate in rates.values() for start, _ in rate.tiers}))
        nano = [
            [_nano_each(name, rates[name].at(tokens)) if name in rates else Fraction(0) for name in PRICED]
            for tokens in (0, *(start + 1 for start in starts))
        ]
        scale = lcm(*(rate.denominator for band in nano for rate in band))
        return cls(
            scale=scale,
            starts=starts,
            bands=tuple(tuple(int(rate * scale) for rate in band) for band in nano),
            unpriced=tuple(_POSITION[name] for name in USAGE_CLASSES if name not in rates),
        )


def _nano_each(name: str, rate: Decimal) -> Fraction:
    """Nano-USD for one token, one piece or one request."""
    return Fraction(rate) * (1_000_000 if name in PER_THOUSAND else 1_000)
