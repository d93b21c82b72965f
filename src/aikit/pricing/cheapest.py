"""The cheapest model of a provider that a request could go to instead."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import NamedTuple

from aikit.pricing.book import PriceBook
from aikit.pricing.price import Price
from aikit.types import Bound

OPEN_WEIGHTS = ("gpt-oss", "gemma")
"""How the names of models begin that OpenAI and Google publish and do not serve themselves."""


class Offer(NamedTuple):
    """A model as `provider/model`, and the most that the request can cost there, in nano-USD."""

    name: str
    nano: int


def candidates(book: PriceBook, provider: str, allowed: Callable[[str], bool]) -> list[Price]:
    """The allowed models that no other one beats in both the price of input and the price of output.

    Models that cost nothing, or whose output has no price, are no offer; nor are those that the provider publishes for
    others to serve. The price book does not say which models have been retired.
    """
    priced = [
        (price.rates["input"].base, price.rates["output"].base, price)
        for price in book.models(provider, at=datetime.now(UTC))
        if {"input", "output"} <= price.rates.keys()
        and price.rates["output"].base > 0
        and not price.model.startswith(OPEN_WEIGHTS)
        and allowed(f"{provider}/{price.model}")
    ]
    priced.sort(key=lambda found: found[:2])
    front: list[Price] = []
    least = None
    for _, output, price in priced:
        if least is None or output < least:
            least = output
            front.append(price)
    return front


def cheapest(found: list[Price], bound: Bound, provider: str) -> Offer | None:
    """The cheapest of these for what a request can use; None if none has a price for all of that."""
    offers = [Offer(f"{provider}/{price.model}", price.upper_bound(bound)) for price in found if price.covers(bound)]
    return min(offers, key=lambda offer: offer.nano, default=None)
