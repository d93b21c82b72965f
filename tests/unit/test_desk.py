"""What a desk finds out once: the cheapest model that a refused request could go to, the output limit to guess."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from aikit.config import Provider
from aikit.desk import Desk
from aikit.notices import Notices
from aikit.policy.model import Rules
from aikit.pricing.book import PriceBook
from aikit.pricing.overrides import parse_overrides
from aikit.types import Bound, Call, Order, Tags, new_id

PRICES = {
    "openai/dear": {"input": "10", "output": "30"},
    "openai/usual": {"input": "1", "output": "2"},
    "openai/small": {"input": "0.1", "output": "0.2"},
    "openai/gpt-oss-9b": {"input": "0.01", "output": "0.02"},
    "openai/embedding": {"input": "0.001"},
}
BOUND = Bound(1000, 1000)
OPENAI = Provider("openai", "openai", "https://api.openai.com/v1", model="usual")


def a_desk() -> Desk:
    recorder: Any = None
    return Desk(recorder, PriceBook(parse_overrides(PRICES), providers=[]), {}, 100_000, Notices())


def named(desk: Desk, provider: Provider = OPENAI, **rules: Any) -> list[str]:
    return [offer.name for offer in desk.cheapest(provider, Rules(**rules), BOUND)]


def an_order(model: str) -> Order:
    return Order(new_id(), Call(new_id(), Tags("acme"), "openai", model, "openai.chat"), 1, 1)


def test_a_model_that_is_surely_served_goes_before_one_of_the_price_book() -> None:
    assert named(a_desk()) == ["openai/usual", "openai/small"]


def test_what_has_answered_once_is_surely_served() -> None:
    desk = a_desk()
    price = next(price for price in desk.book.models("openai") if price.model == "small")
    desk.served(an_order("small"), price)
    assert named(desk) == ["openai/small", "openai/small"]


def test_only_allowed_models_are_offered() -> None:
    assert named(a_desk(), allow=("openai/d*",)) == ["openai/dear"]
    assert named(a_desk(), deny=("openai/usual", "openai/small")) == ["openai/dear"]
    assert named(a_desk(), allow=()) == []


def test_models_are_offered_under_the_name_that_the_provider_has_here() -> None:
    desk = a_desk()
    assert named(desk, replace(OPENAI, name="elsewhere", model=None)) == []


def test_the_output_limit_that_was_written_last_is_the_next_guess() -> None:
    desk = a_desk()
    order = an_order("usual")._replace(output_tokens=77)
    assert desk.ceiling(order.call.tags) == 4096
    desk.granted(order)
    assert desk.ceiling(order.call.tags) == 77
