"""What `aikit prices` shows: the price book as plain rows, money as decimal strings."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from difflib import get_close_matches
from typing import Any

from aikit.errors import ConfigError, PriceUnknown
from aikit.money import usd_string
from aikit.pricing.book import PriceBook
from aikit.pricing.names import canonical
from aikit.pricing.overrides import Override, parse_overrides
from aikit.pricing.price import Price
from aikit.pricing.rates import PER_THOUSAND, decimal_text
from aikit.types import Usage

DEFAULT_PROVIDERS = ("openai", "anthropic", "gemini")
"""Where a model is looked for that is named without its provider, in this order."""


@dataclass(frozen=True)
class Named:
    """A model as a user names it, and what it was found as."""

    provider: str
    model: str
    price: Price


def look_up(book: PriceBook, name: str, *, at: datetime, service_tier: str | None = None) -> Named | None:
    """`provider/model`, or a bare model id, which is looked for with OpenAI, Anthropic and Gemini; None if unknown."""
    provider, slash, model = name.partition("/")
    places = [(provider, model)] if slash else [(place, name) for place in DEFAULT_PROVIDERS]
    for place, model_id in places:
        price = book.find(place, model_id, at=at, service_tier=service_tier)
        if price is not None:
            return Named(place, model_id, price)
    return None


def suggestions(book: PriceBook, name: str, *, at: datetime) -> list[str]:
    """Up to five models of the book with a name like this one, best first."""
    provider, slash, model = name.partition("/")
    provider, model = canonical(provider, model) if slash else ("", name)
    known = list(book.models(at=at))
    if slash and any(price.provider == provider for price in known):
        known = [price for price in known if price.provider == provider]
    elif not slash:
        default = {canonical(place, "")[0] for place in DEFAULT_PROVIDERS}
        known = [price for price in known if price.provider in default]
    close = get_close_matches(model.lower(), {price.model.lower() for price in known}, n=5)
    return [f"{price.provider}/{price.model}" for found in close for price in known if price.model.lower() == found][:5]


def list_rows(prices: Iterable[Price]) -> list[dict[str, Any]]:
    """One row a model, sorted by name; of tiered rates the first."""
    rows = [
        {
            "provider": price.provider,
            "model": price.model,
            "input_usd": _base(price, "input"),
            "cache_read_usd": _base(price, "cache_read"),
            "output_usd": _base(price, "output"),
            "tiered": any(rate.tiers for rate in price.rates.values()),
            "context_window": price.context_window,
            "as_of": price.as_of.isoformat() if price.as_of else None,
            "source": price.source,
        }
        for price in prices
    ]
    return sorted(rows, key=lambda row: (row["provider"], row["model"]))


def rate_rows(price: Price) -> list[dict[str, Any]]:
    """One row a usage class: the base rate, what it is per, and the tiers."""
    return [
        {
            "class": name,
            "base_usd": decimal_text(rate.base),
            "per": 1_000 if name in PER_THOUSAND else 1_000_000,
            "tiers": [{"above_input_tokens": start, "price_usd": decimal_text(amount)} for start, amount in rate.tiers],
        }
        for name, rate in price.rates.items()
    ]


def show(book: PriceBook, named: Named, *, at: datetime, service_tier: str | None = None) -> dict[str, Any]:
    """Everything about one model's price at `at`."""
    price = named.price
    daily = book.daily(named.provider, named.model, at=at, service_tier=service_tier)
    return {
        "price_id": price.id,
        "provider": price.provider,
        "model": price.model,
        "source": price.source,
        "version": price.version,
        "as_of": price.as_of.isoformat() if price.as_of else None,
        "service_tier": price.service_tier,
        "context_window": price.context_window,
        "rates": rate_rows(price),
        "history": [
            {
                "from": past.as_of.isoformat() if past.as_of else None,
                "source": past.source,
                "input_usd": _base(past, "input"),
                "cache_read_usd": _base(past, "cache_read"),
                "output_usd": _base(past, "output"),
            }
            for past in book.history(named.provider, named.model, service_tier=service_tier)
        ],
        "daily": [
            {
                "from": moment.isoformat("minutes"),
                "input_usd": _base(hour, "input"),
                "output_usd": _base(hour, "output"),
            }
            for moment, hour in daily
            if len(daily) > 1
        ],
    }


def compare_rows(book: PriceBook, names: Sequence[str], usage: Usage, *, at: datetime) -> list[dict[str, Any]]:
    """What `usage` costs with each model, cheapest first; those with an unknown cost last."""
    costs = [(name, look_up(book, name, at=at)) for name in names]
    rows = [(_cost(named.price, usage) if named else None, name, named) for name, named in costs]
    rows.sort(key=lambda row: (row[0] is None, row[0] or 0))
    return [
        {
            "asked": name,
            "provider": named.price.provider if named else None,
            "model": named.price.model if named else None,
            "cost_usd": usd_string(cost) if cost is not None else None,
            "source": named.price.source if named else None,
            "price_id": named.price.id if named else None,
        }
        for cost, name, named in rows
    ]


def check_overrides(table: Mapping[str, Any]) -> tuple[list[Override], list[str]]:
    """The overrides that can be used, and what is wrong with the others, a sentence each."""
    good: list[Override] = []
    problems: list[str] = []
    for key, value in table.items():
        try:
            good += parse_overrides({key: value})
        except ConfigError as error:
            problems.append(str(error))
    return good, problems


def shadow_rows(book: PriceBook, *, at: datetime) -> list[dict[str, Any]]:
    """Where an override in force hides a published price: both rates, and by how much the override is dearer."""
    published = PriceBook()
    rows = []
    for price in published.models(at=at):
        ours = book.find(price.provider, price.model, at=at)
        if ours is None or ours.source == price.source:
            continue
        for name in ("input", "cache_read", "output", "searches"):
            old, new = price.rates.get(name), ours.rates.get(name)
            if old != new:
                rows.append(
                    {
                        "model": f"{price.provider}/{price.model}",
                        "override": f"{ours.provider}/{ours.model}",
                        "class": name,
                        "published_usd": decimal_text(old.base) if old else None,
                        "override_usd": decimal_text(new.base) if new else None,
                        "difference_usd": decimal_text(new.base - old.base) if old and new else None,
                    }
                )
    return rows


def check(table: Mapping[str, Any], *, at: datetime, max_age_days: int | None = None) -> dict[str, Any]:
    """The state of the price book and of the overrides in `table`; sound if `problems` is empty."""
    overrides, problems = check_overrides(table)
    book = PriceBook(overrides)
    newest = book.newest_date(at.date())
    age = (at.date() - newest).days if newest else None
    problems += book.problems()
    if max_age_days is not None and (age is None or age > max_age_days):
        problems.append(
            f"The newest published price is {age} days old, and at most {max_age_days} were allowed. "
            "Install a newer release of genai-prices."
        )
    return {
        "version": book.version,
        "newest_price": newest.isoformat() if newest else None,
        "age_days_at_most": age,
        "priced_models": sum(1 for _ in book.models(at=at)),
        "overrides": [
            {
                "key": override.key,
                "from": override.valid_from.isoformat() if override.valid_from else None,
                "input_usd": decimal_text(override.rates["input"].base),
                "output_usd": decimal_text(override.rates["output"].base) if "output" in override.rates else None,
            }
            for override in overrides
        ],
        "shadows": shadow_rows(book, at=at) if overrides else [],
        "problems": problems,
    }


def _base(price: Price, name: str) -> str | None:
    return decimal_text(price.rates[name].base) if name in price.rates else None


def _cost(price: Price, usage: Usage) -> int | None:
    try:
        return price.cost(usage)
    except PriceUnknown:
        return None
