"""The price book: dated prices per model, exact to the nano-dollar, and bounds on what a request can cost."""

from aikit.pricing.book import PriceBook
from aikit.pricing.overrides import Override, parse_overrides
from aikit.pricing.price import Price
from aikit.pricing.rates import Rate

__all__ = ["Override", "Price", "PriceBook", "Rate", "parse_overrides"]
