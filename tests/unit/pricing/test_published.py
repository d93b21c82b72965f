"""The published prices: equal to genai-prices where it knows, and unknown where it only guesses."""

from __future__ import annotations

import random
from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from functools import cache
from math import ceil
from typing import Any

import pytest
from genai_prices import Usage as TheirUsage
from genai_prices.data import providers
from genai_prices.types import (
    ConditionalPrice,
    ModelInfo,
    ModelPrice,
    Provider,
    StartDateConstraint,
    Tier,
    TieredPrices,
)

from aikit.pricing import Price, PriceBook
from aikit.pricing.published import AUDIO_UNLISTED
from aikit.types import USAGE_CLASSES, Usage

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
SELLERS = {provider.id: provider for provider in providers}
COMPARED = ("openai", "anthropic", "google", "deepseek", "perplexity", "x-ai")
CONTEXTS = {
    None: {},
    "batch": {"processing": "batch"},
    "flex": {"service_tier": "flex"},
    "priority": {"service_tier": "priority"},
}


@cache
def book() -> PriceBook:
    return PriceBook()


def seller(*models: ModelInfo, **rest: Any) -> Provider:
    return Provider(id="acme", name="Acme", api_pattern="", models=list(models), **rest)


def info(name: str, prices: Any, **rest: Any) -> ModelInfo:
    from genai_prices.types import ClauseEquals

    return ModelInfo(id=name, match=ClauseEquals(equals=name), prices=prices, **rest)


def theirs(usage: Usage) -> TheirUsage:
    """Our disjoint classes as their overlapping ones."""
    return TheirUsage(
        input_tokens=usage.input_tokens,
        cache_read_tokens=usage.cache_read + usage.cache_read_audio,
        cache_write_tokens=usage.cache_write_5m + usage.cache_write_1h,
        cache_write_5m_tokens=usage.cache_write_5m,
        cache_write_1h_tokens=usage.cache_write_1h,
        input_audio_tokens=usage.input_audio + usage.cache_read_audio,
        cache_audio_read_tokens=usage.cache_read_audio,
        input_image_tokens=usage.input_image,
        output_tokens=usage.output_tokens,
        output_reasoning_tokens=usage.reasoning,
        output_audio_tokens=usage.output_audio,
        output_image_tokens=usage.output_image,
        web_searches=usage.searches,
    )


def random_usage(price: Price, dice: random.Random) -> Usage:
    """Of the classes that have a price, on either side of the usual tiers."""
    most = dice.choice([10, 5_000, 400_000])
    used = {name: dice.randrange(most) for name in USAGE_CLASSES if name in price.rates and dice.random() < 0.6}
    return Usage(**{**used, "searches": min(used.get("searches", 0), 9)})


@pytest.mark.parametrize("provider", COMPARED)
def test_a_cost_equals_that_of_genai_prices(provider: str) -> None:
    dice = random.Random(provider)
    compared = 0
    for model in SELLERS[provider].models:
        for tier, context in CONTEXTS.items():
            price = book().find(provider, model.id, at=NOW, service_tier=tier)
            if price is None:
                continue
            found = SELLERS[provider].find_model(model.id)
            assert found is not None
            assert price.model == found.id
            for _ in range(4):
                usage = random_usage(price, dice)
                expected = found.calc_price(
                    theirs(usage), SELLERS[provider], genai_request_timestamp=NOW, price_context=context
                ).total_price
                assert price.cost(usage) == ceil(expected * 10**9), (model.id, tier, usage)
                compared += 1
    assert compared >= 4 * len(SELLERS[provider].models) * 0.6


def test_most_models_of_the_three_providers_have_a_price() -> None:
    for provider in ("openai", "anthropic", "google"):
        known = [model for model in SELLERS[provider].models if book().find(provider, model.id, at=NOW)]
        assert len(known) >= 0.75 * len(SELLERS[provider].models), provider


def test_the_price_of_gpt_4o_mini_by_hand() -> None:
    price = book().find("openai", "gpt-4o-mini", at=NOW)
    assert price is not None
    assert price.cost(Usage(input=1000, output=500)) == 1000 * 150 + 500 * 600
    assert (price.source, price.version, price.context_window) == ("genai-prices", book().version, 128_000)


def test_one_hour_cache_writes_have_a_rate_of_their_own() -> None:
    price = book().find("anthropic", "claude-haiku-4-5", at=NOW)
    assert price is not None
    assert price.cost(Usage(cache_write_5m=10, cache_write_1h=10)) == 10 * 1250 + 10 * 2000


def test_gemini_is_google_with_or_without_the_models_prefix() -> None:
    price = book().find("gemini", "models/gemini-2.5-pro", at=NOW)
    assert price is not None
    assert price == book().find("google", "gemini-2.5-pro", at=NOW)
    assert price.rates["input"].tiers == ((200_000, Decimal("2.5")),)


@pytest.mark.parametrize(
    ("provider", "model"),
    [
        ("openai", "ft:gpt-4o-mini-2024-07-18:acme::x1"),
        ("openai", "FT:gpt-3.5-turbo:acme"),
        ("openai", "gpt-4o-mini-2024-07-18.ft-x1"),
        ("azure", "gpt-4o-mini-2024-07-18.ft-x1"),
        ("gemini", "tunedModels/gemini-1.5-flash-mine"),
        ("gemini", "publishers/x/gemini-1.5-flash"),
        ("openai", "claude-haiku-4-5"),
        ("anthropic", "gpt-4o"),
        ("my-vllm", "gpt-4o"),
        ("my-openai-proxy", "gpt-4o"),
        ("multimodal-server", "anything"),
        ("openai", "gpt-4o-mini-and-then-some"),
        ("openai", "whisper-1"),
        ("openai", "tts-1"),
        ("openai", "gpt-image-1"),
        ("openai", ""),
        ("openai", "gpt-4o\x00"),
        ("anthropic", "claude-3-haiku" * 100),
    ],
)
def test_what_is_not_listed_under_its_own_name_is_unknown(provider: str, model: str) -> None:
    assert book().find(provider, model, at=NOW) is None


def test_a_service_tier_has_its_own_price_or_none() -> None:
    standard, priority = (book().find("openai", "gpt-4.1", at=NOW, service_tier=tier) for tier in (None, "priority"))
    assert standard is not None
    assert priority is not None
    assert (standard.rates["input"].base, priority.rates["input"].base) == (2, Decimal("3.5"))
    assert (standard.service_tier, priority.service_tier, priority.as_of) == (None, "priority", date(2026, 10, 12))
    for tier in ("auto", "default", "standard"):
        assert book().find("openai", "gpt-4.1", at=NOW, service_tier=tier) == standard
    assert book().find("openai", "gpt-4.1", at=NOW, service_tier="scale") is None
    assert book().find("openai", "gpt-4.1", at=datetime(2026, 1, 1, tzinfo=UTC), service_tier="priority") is None


def test_a_borrowed_model_has_no_price_for_a_service_tier() -> None:
    assert book().find("azure", "gpt-4.1-nano", at=NOW) is not None
    lender = seller(info("m", ModelPrice(input_mtok=Decimal(1))))
    borrower = Provider(id="shop", name="Shop", api_pattern="", fallback_model_providers=["acme"])
    shop = PriceBook(providers=[lender, borrower])
    assert shop.find("shop", "m", at=NOW) is not None
    assert shop.find("shop", "m", at=NOW, service_tier="priority") is None


def test_a_listing_without_rates_is_unknown_and_one_with_zero_rates_is_free() -> None:
    shop = PriceBook(
        providers=[
            seller(info("none", ModelPrice()), info("free", ModelPrice(input_mtok=Decimal(0), output_mtok=Decimal(0))))
        ]
    )
    assert shop.find("acme", "none", at=NOW) is None
    free = shop.find("acme", "free", at=NOW)
    assert free is not None
    assert free.cost(Usage(input=10, output=10)) == 0


@pytest.mark.parametrize(
    ("unit", "rate", "known"),
    [
        ("input_video_mtok", "1", True),
        ("input_video_mtok", "1.1", False),
        ("storage_searches_kcount", "2.5", False),
        ("audio_hours", "0.1", False),
        ("a_unit_of_the_future", "0.1", False),
    ],
)
def test_a_unit_that_usage_cannot_count_makes_a_model_unknown_unless_it_is_counted_dearer(
    unit: str, rate: str, known: bool
) -> None:
    shop = PriceBook(providers=[seller(info("m", ModelPrice(input_mtok=Decimal(1), **{unit: Decimal(rate)})))])
    assert (shop.find("acme", "m", at=NOW) is not None) is known


def test_a_hidden_unit_is_compared_in_every_tier() -> None:
    video = TieredPrices(base=Decimal(1), tiers=[Tier(100, Decimal(2))])
    shop = PriceBook(providers=[seller(info("m", ModelPrice(input_mtok=Decimal(1), input_video_mtok=video)))])
    assert shop.find("acme", "m", at=NOW) is None


def test_audio_of_models_listed_with_text_rates_only_is_unknown() -> None:
    for provider, model in AUDIO_UNLISTED:
        price = book().find(provider, model, at=NOW)
        assert price is not None
        assert "output" in price.rates
        assert not price.rates.keys() & {"input_audio", "cache_read_audio", "output_audio"}
        listed = SELLERS[provider].find_model(model)
        assert listed is not None
        assert isinstance(listed.prices, ModelPrice)
        assert listed.prices.input_audio_mtok is None, f"{model} has audio rates now: take it off AUDIO_UNLISTED"


def test_a_dated_price_begins_at_midnight_utc() -> None:
    before = datetime(2026, 8, 20, 23, 59, 59, 999999, tzinfo=UTC)
    old, new = (book().find("openai", "gpt-5.6-sol", at=at) for at in (before, before + timedelta(microseconds=1)))
    assert old is not None
    assert new is not None
    assert (old.rates["output"].base, old.as_of) == (30, None)
    assert (new.rates["output"].base, new.as_of) == (20, date(2026, 8, 21))
    assert book().history("openai", "gpt-5.6-sol") == [old, new]
    elsewhere = before.astimezone(UTC).replace(tzinfo=None)
    with pytest.raises(ValueError, match="time zone"):
        PriceBook().find("openai", "gpt-5.6-sol", at=elsewhere)


def every_conditional_model() -> Iterator[tuple[str, str, list[ConditionalPrice]]]:
    for provider in providers:
        for model in provider.models:
            if isinstance(model.prices, list) and provider.find_model(model.id) is model:
                yield provider.id, model.id, model.prices


def test_an_answer_is_never_remembered_beyond_its_time() -> None:
    """Many times, in random order, of one book that remembers, against genai-prices itself."""
    dice = random.Random(1)
    remembers = PriceBook()
    compared = 0
    for provider, model, dated in every_conditional_model():
        days = [entry.constraint.start_date for entry in dated if isinstance(entry.constraint, StartDateConstraint)]
        moments = [datetime.combine(day, time(), UTC) for day in (*days, date(2026, 11, 21))]
        moments = [moment + timedelta(seconds=step) for moment in moments for step in (-1, 0, 1)]
        moments += [NOW.replace(hour=0) + timedelta(minutes=dice.randrange(6 * 24 * 60)) for _ in range(6)]
        dice.shuffle(moments)
        found = SELLERS[provider].find_model(model)
        assert found is not None
        for moment in moments:
            price = remembers.find(provider, model, at=moment)
            if price is not None:
                expected = found.get_prices(moment).input_mtok
                rate = price.rates["input"]
                assert expected == (
                    TieredPrices(rate.base, [Tier(*t) for t in rate.tiers]) if rate.tiers else rate.base
                )
                compared += 1
    assert compared > 1000


def test_a_price_that_varies_within_the_day_is_listed_by_the_hour() -> None:
    hours = book().daily("deepseek", "deepseek-v4-pro", at=NOW)
    assert [moment for moment, _ in hours] == [time(0), time(1), time(4), time(6), time(10)]
    assert len(book().daily("openai", "gpt-4o", at=NOW)) == 1


def test_model_ids_from_requests_do_not_fill_the_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("aikit.pricing.book.MOST_REMEMBERED", 10)
    shop = PriceBook(providers=[])
    for number in range(35):
        shop.find("acme", f"model-{number}", at=NOW)
    assert len(shop._answers) <= 10


def test_all_published_prices_are_sound_and_listed() -> None:
    assert list(book().problems()) == []
    listed = list(book().models(at=NOW))
    assert len(listed) > 1500
    assert {price.provider for price in book().models("gemini", at=NOW)} == {"google"}
    assert list(book().models("my-vllm", at=NOW)) == []


def test_a_negative_published_price_is_a_problem() -> None:
    shop = PriceBook(providers=[seller(info("m", ModelPrice(input_mtok=Decimal(-1))))])
    assert list(shop.problems()) == ["acme/m: a rate must be zero or more, not -1."]


def test_the_newest_date_is_not_in_the_future() -> None:
    newest = book().newest_date(NOW.date())
    assert newest is not None
    assert date(2026, 1, 1) < newest <= NOW.date()
    assert book().newest_date(date(2000, 1, 1)) is None
