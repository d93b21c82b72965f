"""Whether a provider can be reached with its key, and how many of its models have a price."""

from __future__ import annotations

from datetime import UTC, datetime

from aikit.errors import Exit
from aikit.pricing.book import PriceBook
from aikit.pricing.overrides import parse_overrides
from aikit.setup.model import Check, Place, Row
from aikit.setup.place import SIMULATOR
from aikit.setup.reaching import address, list_models
from aikit.setup.secrets import shown
from aikit.setup.steps.base import Looking, broken, missing, ok


class Reach(Looking):
    """One provider. Looking is all there is: a free request for the list of its models."""

    needs = ("keys",)

    def __init__(self, provider: str) -> None:
        self.provider = provider
        self.name = f"reach:{provider}"
        self.title = f"{provider} reachable"

    def look(self, place: Place) -> Check:
        settings = place.settings
        if self.provider == SIMULATOR and SIMULATOR not in settings.providers:
            return missing("not set up yet", "aikit init --simulator")
        provider = settings.provider(self.provider)
        if not provider.configured:
            remedy = f"Set {provider.api_key_env}: aikit init --key-stdin {provider.api_key_env}"
            return missing(f"{provider.api_key_env} is not set", remedy, Exit.CREDENTIALS)
        found = list_models(provider)
        if found.problem is not None:
            return broken(found.what, found.remedy, found.exit, problem=found.problem, ms=found.ms, status=found.status)
        priced = _priced(place, self.provider, found.models)
        of = "" if priced == len(found.models) else f" of {len(found.models)}"
        simulated = ", simulated" if self.provider == SIMULATOR else ""
        why = f"{found.ms} ms, {priced}{of} models priced{simulated}"
        return ok(why, ms=found.ms, models=len(found.models), priced=priced)

    def describe(self, place: Place) -> list[Row]:
        provider = place.settings.providers.get(self.provider)
        if provider is None:
            return []
        key = f"key {shown(provider.api_key)}" if provider.api_key else "needs no key"
        return [Row(self.title, key, address(provider))]


def _priced(place: Place, provider: str, models: tuple[str, ...]) -> int:
    book, now = PriceBook(parse_overrides(place.settings.prices)), datetime.now(UTC)
    return sum(book.find(provider, model, at=now) is not None for model in models)
