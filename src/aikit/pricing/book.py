"""The price book: finds the price of a model at a time, the user's overrides first, then the published prices."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from functools import cached_property
from typing import TYPE_CHECKING

from aikit.pricing import published
from aikit.pricing.names import canonical
from aikit.pricing.overrides import Override, choose
from aikit.pricing.price import Price

if TYPE_CHECKING:
    from genai_prices.types import Provider

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
"""Before any price."""

MOST_REMEMBERED = 10_000
"""Answers kept: model ids come from requests, so without a limit anybody could fill the memory."""


@dataclass(frozen=True, slots=True)
class _Answer:
    """A price, or that there is none, and the time during which this holds: from `since` until before `until`."""

    price: Price | None
    since: datetime
    until: datetime


class PriceBook:
    """Prices by provider and model. `overrides` beat the published prices; `providers` replaces the published data.

    Loading the published data takes about half a second and happens at the first question. Safe to share among threads.
    """

    def __init__(self, overrides: Iterable[Override] = (), providers: Sequence[Provider] | None = None) -> None:
        self.overrides = tuple(overrides)
        self._providers = providers
        self._answers: dict[tuple[str, str, str | None], _Answer] = {}

    @property
    def version(self) -> str:
        """The release of genai-prices that is installed."""
        return published.release()

    def find(self, provider: str, model: str, *, at: datetime, service_tier: str | None = None) -> Price | None:
        """The price in force at `at`, an aware time; None if it is unknown, which is not a price of zero.

        `provider` is a name of ours (openai, anthropic, gemini) or one that genai-prices knows; under any other name
        there are only overrides. An override applies to every service tier.
        """
        key = (provider, model, service_tier)
        answer = self._answers.get(key)
        if answer is None or not answer.since <= at < answer.until:
            answer = self._answer(provider, model, at, service_tier)
            if len(self._answers) >= MOST_REMEMBERED:
                self._answers.clear()
            self._answers[key] = answer
        return answer.price

    def models(self, provider: str | None = None, *, at: datetime | None = None) -> Iterator[Price]:
        """Every price known at `at` (default: now): first the overrides in force, then the models without one."""
        at = at or datetime.now(UTC)
        wanted = canonical(provider, "")[0] if provider is not None else None
        for override in self.overrides:
            if wanted in (None, override.provider) and self._in_force(override, at):
                yield override.price()
        for listing in self._published.listings(wanted):
            price = self._published.price(listing, at)
            if price is not None and self._overriding(listing.provider, listing.model.id, at) is None:
                yield price

    def history(self, provider: str, model: str, *, service_tier: str | None = None) -> list[Price]:
        """The model's prices one after the other, oldest first; that of 00:00 where it varies within the day."""
        days = {moment for moment in self._changes(provider, model, datetime.now(UTC)) if moment.time() == time()}
        prices: list[Price] = []
        for moment in (EPOCH, *sorted(days)):
            price = self.find(provider, model, at=moment, service_tier=service_tier)
            if price is not None and price not in prices[-1:]:
                prices.append(price)
        return prices

    def daily(
        self, provider: str, model: str, *, at: datetime, service_tier: str | None = None
    ) -> list[tuple[time, Price]]:
        """The prices of the UTC day of `at`, each with the time from which it holds: for most models one."""
        midnight = datetime.combine(at.astimezone(UTC).date(), time(), UTC)
        moments = self._changes(provider, model, at)
        today = [moment for moment in moments if midnight < moment < midnight + timedelta(days=1)]
        found = [
            (moment.time(), price)
            for moment in (midnight, *today)
            if (price := self.find(provider, model, at=moment, service_tier=service_tier)) is not None
        ]
        return [pair for index, pair in enumerate(found) if index == 0 or pair[1] != found[index - 1][1]]

    def newest_date(self, today: date) -> date | None:
        """The latest day up to `today` on which a published price changed: the data is not older than that."""
        return max((day for day in self._published.dates() if day <= today), default=None)

    def problems(self) -> Iterator[str]:
        """What is wrong with the published prices, a sentence each: rates that are negative or not finite."""
        return self._published.problems()

    @cached_property
    def _published(self) -> published.Published:
        return published.Published(self._providers)

    def _answer(self, provider: str, model: str, at: datetime, service_tier: str | None) -> _Answer:
        if at.tzinfo is None:
            raise ValueError("a price is asked for at a time with a time zone")
        moments = [published.EARLIEST, *self._changes(provider, model, at), published.LATEST]
        place = bisect_right(moments, at)
        return _Answer(
            self._price(*canonical(provider, model), at, service_tier),
            since=moments[place - 1],
            until=moments[min(place, len(moments) - 1)],
        )

    def _price(self, provider: str, model: str, at: datetime, service_tier: str | None) -> Price | None:
        override = self._overriding(provider, model, at)
        if override is not None and override.context_window is not None:
            return override.price()
        listing = self._published.listing(provider, model)
        if override is not None:
            return override.price(listing.model.context_window if listing else None)
        return self._published.price(listing, at, service_tier) if listing else None

    def _changes(self, provider: str, model: str, around: datetime) -> list[datetime]:
        """Every time at which the answer for this model may change, in order."""
        provider, model = canonical(provider, model)
        dated = {
            datetime.combine(override.valid_from, time(), UTC)
            for override in self.overrides
            if override.valid_from is not None and override.matches(provider, model)
        }
        listing = self._published.listing(provider, model)
        return sorted(dated.union(published.changes(listing, around) if listing else ()))

    def _overriding(self, provider: str, model: str, at: datetime) -> Override | None:
        return choose(self.overrides, provider, model, at.astimezone(UTC).date())

    def _in_force(self, override: Override, at: datetime) -> bool:
        """Whether it is the newest price in force of its entry in aikit.toml."""
        entry = [other for other in self.overrides if other.key == override.key]
        return choose(entry, override.provider, override.model, at.astimezone(UTC).date()) is override
