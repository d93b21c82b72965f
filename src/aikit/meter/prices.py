"""A price as it is recorded, once, before anything is charged at it."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import NamedTuple

from aikit.pricing.price import Price


class PriceRow(NamedTuple):
    """A row of `aikit.prices`."""

    price_id: str
    provider: str
    model: str
    source: str
    version: str
    body: str

    @classmethod
    def of(cls, price: Price) -> PriceRow:
        return cls(price.id, price.provider, price.model, price.source, price.version, json.dumps(price.to_json()))


Prices = Callable[[str], PriceRow]
"""Finds a price by its id. Raises LookupError for one that this process has not seen."""
