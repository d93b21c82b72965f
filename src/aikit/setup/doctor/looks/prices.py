"""Whether the price book is fresh, knows the models that are configured, and takes the overrides."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from functools import lru_cache
from typing import Any

from aikit.config import FILE, Settings
from aikit.errors import Exit
from aikit.pricing.book import PriceBook
from aikit.pricing.views import check_overrides
from aikit.setup.doctor.model import broken, fine, warning
from aikit.setup.doctor.patient import Patient
from aikit.setup.model import Check

OLD = timedelta(days=90)


def age(patient: Patient) -> Check:
    """How old the published prices are at most."""
    book, today = _published(), patient.clock().date()
    newest = book.newest_date(today)
    problems = list(book.problems())
    facts = {"version": book.version, "newest": newest and newest.isoformat(), "problems": problems}
    upgrade = "Run `pip install --upgrade genai-prices`."
    if problems:
        return warning(f"genai-prices {book.version}: {problems[0]}", upgrade, **facts)
    if newest is None or today - newest > OLD:
        days = "unknown" if newest is None else f"{(today - newest).days} days old"
        return warning(f"the newest price of genai-prices {book.version} is {days}", upgrade, **facts)
    return fine(f"genai-prices {book.version}, the newest price of {newest}", **facts)


def models(patient: Patient) -> Check:
    """Whether each model that is configured has a price: a call to one without is refused."""
    settings = patient.settings
    overrides, _ = check_overrides(settings.prices)
    book = PriceBook(overrides) if overrides else _published()
    wanted = sorted(set(_configured(settings)))
    lacking = [
        f"{provider}/{model}" for provider, model in wanted if book.find(provider, model, at=patient.clock()) is None
    ]
    facts: dict[str, Any] = {"models": [f"{provider}/{model}" for provider, model in wanted], "lacking": lacking}
    if lacking:
        return broken(
            f"no price for {', '.join(lacking)}: calls are refused with PRICE_UNKNOWN",
            f'State it in {FILE}: [prices."{lacking[0]}"] with input and output, in USD per million tokens; '
            f"`aikit prices show {lacking[0]}` names models like it.",
            Exit.NO,
            **facts,
        )
    if not wanted:
        return fine("no provider is configured, so there is none to price", **facts)
    return fine(
        f"all {len(wanted)} that are configured have a price"
        if len(wanted) > 1
        else f"{facts['models'][0]} has a price",
        **facts,
    )


def overrides(patient: Patient) -> Check:
    """Whether the prices in aikit.toml can be used."""
    good, problems = check_overrides(patient.settings.prices)
    facts = {"overrides": len(good), "problems": problems}
    if problems:
        return broken(
            problems[0].rstrip("."),
            f"Correct [prices] in {FILE}; `aikit prices check` has all of it.",
            Exit.USAGE,
            **facts,
        )
    return fine(f"{len(good)} in {FILE}" if good else "none", **facts)


def _configured(settings: Settings) -> Iterator[tuple[str, str]]:
    """The models that a call may go to without naming one: of providers that can be called, and of routes."""
    for provider in settings.providers.values():
        if provider.configured and provider.model:
            yield provider.name, provider.model
    for route in settings.routes.values():
        for named in route.models:
            provider_name, _, model = named.partition("/")
            if settings.provider(provider_name).configured:
                yield provider_name, model


@lru_cache(maxsize=1)
def _published() -> PriceBook:
    return PriceBook()
