"""Published prices, read strictly from genai-prices: what it does not price to the last unit is unknown, not guessed.

Strictly means: a provider is found by its exact id and never by a model's name; fine-tuned models are unknown; a
service tier without prices of its own is unknown, not the standard price; and so is a model that bills by a unit that
`Usage` does not count (hours, pages, characters), because such a bill can't be bounded.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING

from aikit.pricing.names import is_listable
from aikit.pricing.price import Price
from aikit.pricing.rates import Rate, complete

if TYPE_CHECKING:
    from genai_prices.types import (
        ConditionalPrice,
        ModelInfo,
        ModelPrice,
        Provider,
        StartDateConstraint,
        TieredPrices,
        TimeOfDateConstraint,
    )

    Constraint = StartDateConstraint | TimeOfDateConstraint

SOURCE = "genai-prices"

STANDARD_TIERS = frozenset({"", "auto", "default", "standard", "standard_only", "on_demand", "unspecified"})
"""What the providers call their standard service tier. `auto` is standard unless a project was set up otherwise."""

CLASS_OF = {
    "input_mtok": "input",
    "output_mtok": "output",
    "cache_read_mtok": "cache_read",
    "cache_write_5m_mtok": "cache_write_5m",
    "cache_write_1h_mtok": "cache_write_1h",
    "input_audio_mtok": "input_audio",
    "input_image_mtok": "input_image",
    "cache_audio_read_mtok": "cache_read_audio",
    "output_reasoning_mtok": "reasoning",
    "output_audio_mtok": "output_audio",
    "output_image_mtok": "output_image",
    "web_searches_kcount": "searches",
    "requests_kcount": "requests",
}

COUNTED_AS = {
    "input_video_mtok": "input_image",
    "output_video_mtok": "output_image",
    "cache_image_read_mtok": "cache_read",
    "output_citation_mtok": "output",
    "storage_searches_kcount": "searches",
}
"""Units without a class of their own and the class that they are counted in; harmless where that is not cheaper."""

AUDIO_CLASSES = ("input_audio", "cache_read_audio", "output_audio")
AUDIO_UNLISTED = frozenset({("openai", "gpt-4o-audio-preview"), ("openai", "gpt-4o-mini-audio-preview")})
"""OpenAI bills the audio of these models apart from their text, but the book has only the rates of text."""

EARLIEST = datetime.min.replace(tzinfo=UTC)
LATEST = datetime.max.replace(tzinfo=UTC)


@dataclass(frozen=True)
class Listing:
    """A model in the book. `borrowed` says that its provider sells another provider's model at that one's prices."""

    provider: str
    model: ModelInfo
    borrowed: bool = False


def release() -> str:
    """The version of genai-prices that is installed."""
    from importlib.metadata import version

    return version(SOURCE)


class Published:
    """The prices that come with the installed genai-prices; or `providers`, of its types, in their place."""

    def __init__(self, providers: Sequence[Provider] | None = None) -> None:
        if providers is None:
            # The bundled data, and not `get_snapshot()`: another part of the process may have replaced that by
            # prices downloaded since, which `version` would then misname.
            from genai_prices.data import providers as bundled

            providers = bundled
        self.version = release()
        self._providers = {provider.id: provider for provider in providers}

    def listing(self, provider: str, model: str) -> Listing | None:
        """The model by its canonical names, None if the book does not know it."""
        seller = self._providers.get(provider)
        if seller is None or not is_listable(model) or (provider == "google" and "/" in model):
            return None
        found = seller.find_model(model, all_providers=list(self._providers.values()))
        if found is None:
            return None
        return Listing(provider, found, borrowed=not any(found is own for own in seller.models))

    def listings(self, provider: str | None = None) -> Iterator[Listing]:
        for seller in self._providers.values():
            if provider in (None, seller.id):
                yield from (Listing(seller.id, model) for model in seller.models if is_listable(model.id))

    def price(self, listing: Listing, at: datetime, service_tier: str | None = None) -> Price | None:
        """The price in force, None if it is unknown."""
        tier = (service_tier or "").lower()
        found = _prices_in_force(listing, at, None if tier in STANDARD_TIERS else tier)
        if found is None:
            return None
        prices, since = found
        unlisted = AUDIO_CLASSES if (listing.provider, listing.model.id) in AUDIO_UNLISTED else ()
        rates = _read_rates(prices, unlisted)
        if not rates:
            return None
        return Price(
            provider=listing.provider,
            model=listing.model.id,
            source=SOURCE,
            version=self.version,
            rates=rates,
            as_of=since,
            service_tier=None if tier in STANDARD_TIERS else tier,
            context_window=listing.model.context_window,
        )

    def dates(self) -> set[date]:
        """Every day on which some price changes."""
        return {day for listing in self.listings() for day in start_dates(listing)}

    def problems(self) -> Iterator[str]:
        """Prices that can't be right, past and future ones included."""
        for listing in self.listings():
            dated = [entry.prices for entry in _dated(listing.model)] or [listing.model.get_prices(EARLIEST)]
            for prices in (*dated, *(variant.prices for variant in listing.model.price_variants or ())):
                try:
                    _read_rates(prices, ())
                except ValueError as error:
                    yield f"{listing.provider}/{listing.model.id}: {error}."


def start_dates(listing: Listing) -> list[date]:
    """The days from which the model has a new price, in order."""
    from genai_prices.types import StartDateConstraint

    return sorted({when.start_date for when in _constraints(listing) if isinstance(when, StartDateConstraint)})


def daily_times(listing: Listing) -> list[time]:
    """The times of day, with time zone, at which the model's price changes."""
    from genai_prices.types import TimeOfDateConstraint

    daily = [when for when in _constraints(listing) if isinstance(when, TimeOfDateConstraint)]
    moments = {moment for when in daily for moment in (when.start_time, when.end_time)}
    return [moment if moment.tzinfo else moment.replace(tzinfo=UTC) for moment in moments]


def changes(listing: Listing, around: datetime) -> list[datetime]:
    """Every time at which the price may change, and of the daily ones those within a day of `around`."""
    moments = [datetime.combine(day, time(), UTC) for day in start_dates(listing)]
    for moment in daily_times(listing):
        today = datetime.combine(around.astimezone(UTC).date(), moment)
        moments += [(today + timedelta(days=offset)).astimezone(UTC) for offset in (-2, -1, 0, 1, 2)]
    return sorted(moments)


def _constraints(listing: Listing) -> Iterator[Constraint | None]:
    yield from (dated.constraint for dated in _dated(listing.model))
    yield from (variant.constraint for variant in listing.model.price_variants or ())


def _dated(model: ModelInfo) -> list[ConditionalPrice]:
    return model.prices if isinstance(model.prices, list) else []


def _start(when: Constraint | None) -> date | None:
    return getattr(when, "start_date", None)


def _prices_in_force(listing: Listing, at: datetime, tier: str | None) -> tuple[ModelPrice, date | None] | None:
    """The prices at that time and the day from which they are valid; None for a tier that has none of its own.

    genai-prices falls back to the standard price for a tier that it doesn't know, and for any tier of a borrowed model.
    """
    model = listing.model
    standard = next((dated.constraint for dated in reversed(_dated(model)) if _active(dated.constraint, at)), None)
    if tier is None:
        return model.get_prices(at), _start(standard)
    context = {"service_tier": tier, "processing": tier, "speed": tier}
    variants = [
        variant.constraint
        for variant in model.price_variants or ()
        if variant.when.items() <= context.items() and _active(variant.constraint, at)
    ]
    if listing.borrowed or not variants:
        return None
    starts = [day for when in (standard, *variants) if (day := _start(when))]
    return model.get_prices(at, context), max(starts, default=None)


def _active(when: Constraint | None, at: datetime) -> bool:
    return when is None or when.active(at)


def _read_rates(prices: ModelPrice, unlisted: Sequence[str]) -> dict[str, Rate] | None:
    """Our classes' rates; None if something is billed that they can't express."""
    published = {unit: _read_rate(value) for unit, value in vars(prices).items() if value is not None}
    if cache_write := published.pop("cache_write_mtok", None):
        published.setdefault("cache_write_5m_mtok", cache_write)
        published.setdefault("cache_write_1h_mtok", cache_write)
    rates = complete(
        {CLASS_OF[unit]: rate for unit, rate in published.items() if unit in CLASS_OF},
        never=unlisted,
    )
    for unit in published.keys() - CLASS_OF.keys():
        counted_as = rates.get(COUNTED_AS.get(unit, ""))
        if counted_as is None or not published[unit].never_above(counted_as):
            return None
    return rates


def _read_rate(value: Decimal | TieredPrices) -> Rate:
    if isinstance(value, Decimal):
        return Rate(value)
    return Rate(value.base, tuple((tier.start, tier.price) for tier in value.tiers))
