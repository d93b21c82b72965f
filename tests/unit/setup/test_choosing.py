"""The first call goes to the cheapest model that is listed, has a price, and answers in text."""

from __future__ import annotations

from aikit.config import Provider
from aikit.pricing.book import PriceBook
from aikit.pricing.overrides import parse_overrides
from aikit.setup.choosing import to_try

OPENAI = Provider("openai", "openai", "https://api.openai.com/v1", model="gpt-5-mini")


def test_the_cheapest_go_first_and_the_usual_one_is_the_last_resort() -> None:
    listed = ["gpt-4o", "gpt-4.1-nano", "gpt-4o-mini", "gpt-5-pro", "text-embedding-3-small", "gpt-4o-mini-tts"]
    assert to_try(OPENAI, listed, PriceBook()) == ["gpt-4.1-nano", "gpt-4o-mini", "gpt-5-mini"]


def test_models_without_a_price_are_not_tried() -> None:
    assert to_try(Provider("mine", "openai", "http://127.0.0.1/v1", model="m"), ["m", "n"], PriceBook()) == []


def test_prices_of_ones_own_count() -> None:
    book = PriceBook(parse_overrides({"mine/n": {"input": "1", "output": "2"}}))
    assert to_try(Provider("mine", "openai", "http://127.0.0.1/v1"), ["m", "n"], book) == ["n"]
