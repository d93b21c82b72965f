"""Cost and upper bound of a price, as properties over any rates, tiers, usage and bound."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import date
from decimal import Decimal
from fractions import Fraction
from math import ceil

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aikit.errors import PriceUnknown
from aikit.pricing import Price, Rate
from aikit.pricing.price import DEFAULT_CONTEXT_WINDOW
from aikit.pricing.rates import PER_THOUSAND, PRICED, complete
from aikit.types import INPUT_CLASSES, OUTPUT_CLASSES, USAGE_CLASSES, Bound, Usage

amounts = st.integers(0, 10**9).map(lambda micro: Decimal(micro).scaleb(-6))
tiers = st.dictionaries(st.integers(0, 5000), amounts, max_size=3).map(lambda found: tuple(sorted(found.items())))
rates = st.builds(Rate, amounts, tiers)
tokens = st.integers(0, 10_000)


def price_of(rates: dict[str, Rate], **rest: object) -> Price:
    return Price(provider="p", model="m", source="test", version="1", rates=rates, **rest)


full_prices = st.fixed_dictionaries(dict.fromkeys(PRICED, rates)).map(price_of)
partial_prices = st.dictionaries(st.sampled_from(PRICED), rates).map(price_of)


@st.composite
def usage_within_bound(draw: st.DrawFn) -> tuple[Usage, Bound]:
    usage = draw(st.builds(Usage, **dict.fromkeys(USAGE_CLASSES, st.integers(0, 3000))))
    used = {name for name, count in usage.classes().items() if count}
    extra = draw(st.sets(st.sampled_from(USAGE_CLASSES)))
    return usage, Bound(
        input_tokens=usage.input_tokens + draw(tokens),
        output_tokens=usage.output_tokens + draw(tokens),
        input_classes=frozenset((used | extra) & set(INPUT_CLASSES)),
        output_classes=frozenset((used | extra) & set(OUTPUT_CLASSES)),
        open_ended=draw(st.booleans()),
        searches=usage.searches + draw(st.integers(0, 5)),
    )


@settings(max_examples=50)
@given(full_prices, usage_within_bound())
def test_no_usage_within_a_bound_costs_more_than_the_upper_bound(price: Price, pair: tuple[Usage, Bound]) -> None:
    usage, bound = pair
    assert price.cost(usage) <= price.upper_bound(bound)


@settings(max_examples=50)
@given(full_prices, st.builds(Usage, **dict.fromkeys(USAGE_CLASSES, tokens)))
def test_a_cost_is_the_exact_sum_rounded_up_once(price: Price, usage: Usage) -> None:
    counts = {**usage.classes(), "requests": 1}
    exact = sum(
        count * Fraction(price.rates[name].at(usage.input_tokens)) * (10**6 if name in PER_THOUSAND else 10**3)
        for name, count in counts.items()
    )
    assert price.cost(usage) == ceil(exact)


@settings(max_examples=50)
@given(full_prices, usage_within_bound(), st.integers(0, 10**10))
def test_affordable_output_is_the_most_that_fits(price: Price, pair: tuple[Usage, Bound], nano: int) -> None:
    _, bound = pair
    affordable = price.bounding(bound).output_tokens(nano)
    if affordable is None:  # output is free
        assert price.upper_bound(replace(bound, output_tokens=10**9)) <= nano
    elif affordable < 0:
        assert price.upper_bound(replace(bound, output_tokens=0)) > nano
    else:
        assert price.upper_bound(replace(bound, output_tokens=affordable)) <= nano
        assert price.upper_bound(replace(bound, output_tokens=affordable + 1)) > nano


@settings(max_examples=50)
@given(partial_prices, usage_within_bound())
def test_a_recorded_price_recomputes_the_same_bill(price: Price, pair: tuple[Usage, Bound]) -> None:
    usage, _ = pair
    recorded = Price.from_json(json.loads(json.dumps(price.to_json())))
    assert recorded == price
    assert recorded.id == price.id
    assert hash(recorded) == hash(price)
    known = replace(usage, **{name: 0 for name in USAGE_CLASSES if name not in price.rates})
    assert recorded.cost(known) == price.cost(known)


@settings(max_examples=50)
@given(partial_prices, usage_within_bound())
def test_what_a_price_covers_has_a_bound_and_what_not_is_unknown(price: Price, pair: tuple[Usage, Bound]) -> None:
    usage, bound = pair
    if price.covers(bound):
        assert price.cost(usage) <= price.upper_bound(bound)
    else:
        with pytest.raises(PriceUnknown):
            price.upper_bound(bound)


def test_a_tier_is_a_cliff_for_all_tokens_of_the_attempt() -> None:
    rate = Rate(Decimal("1.25"), ((200_000, Decimal("2.5")),))
    price = price_of({"input": rate, "output": Rate(Decimal(10), ((200_000, Decimal(15)),))})
    assert price.cost(Usage(input=200_000, output=10)) == 200_000 * 1250 + 10 * 10_000
    assert price.cost(Usage(input=200_001, output=10)) == 200_001 * 2500 + 10 * 15_000


def test_the_bound_takes_the_dearer_side_of_a_cliff_that_falls() -> None:
    price = price_of({"input": Rate(Decimal(4), ((100, Decimal(1)),)), "output": Rate(Decimal(0))})
    assert price.upper_bound(Bound(150, 0)) == 100 * 4000
    assert price.upper_bound(Bound(1000, 0)) == 1000 * 1000


def test_fractions_of_a_nano_dollar_round_up_once_and_not_per_class() -> None:
    price = price_of({"input": Rate(Decimal("0.0004")), "output": Rate(Decimal("0.0004"))})
    assert price.cost(Usage(input=1, output=1)) == 1
    assert price.cost(Usage()) == 0


def test_the_fee_for_a_request_is_charged_once_an_attempt() -> None:
    price = price_of({"input": Rate(Decimal(1)), "requests": Rate(Decimal(12))})
    assert price.cost(Usage(input=5)) == 5 * 1000 + 12_000_000
    assert price.upper_bound(Bound(0, 0)) == 12_000_000


def test_searches_are_priced_per_thousand() -> None:
    price = price_of({"input": Rate(Decimal(0)), "searches": Rate(Decimal(10))})
    assert price.cost(Usage(searches=3)) == 30_000_000


def test_a_class_without_a_rate_is_unknown_and_not_free() -> None:
    price = price_of({"input": Rate(Decimal(1))})
    with pytest.raises(PriceUnknown, match=r"p/m has no known price for output\. .*aikit\.toml") as caught:
        price.cost(Usage(input=1, output=1))
    assert caught.value.facts["classes"] == ["output"]
    assert price.covers(Bound(10, 0))
    assert not price.covers(Bound(10, 1))
    assert not price.covers(Bound(10, 0, searches=1))
    assert not price.covers(Bound(10, 0, frozenset({"input", "cache_read"})))


def test_a_price_of_zero_is_known_and_free() -> None:
    price = price_of({"input": Rate(Decimal(0)), "output": Rate(Decimal("0.00"))})
    assert price.cost(Usage(input=10**9, output=10**9)) == 0
    assert price.upper_bound(Bound(10**9, 10**9)) == 0
    assert price.bounding(Bound(1, 77)).output_tokens(0) is None


def test_an_open_ended_bound_is_the_context_window_and_a_margin() -> None:
    bound = Bound(1000, 0, open_ended=True)
    dollar = {"input": Rate(Decimal(1))}
    assert price_of(dollar, context_window=100_000).upper_bound(bound) == 105_000 * 1000
    assert price_of(dollar).upper_bound(bound) == DEFAULT_CONTEXT_WINDOW * 1050
    assert price_of(dollar, context_window=100).upper_bound(bound) == 1000 * 1000


def test_an_id_depends_on_the_price_and_on_nothing_else() -> None:
    one = price_of({"input": Rate(Decimal("2.50")), "output": Rate(Decimal(1))}, as_of=date(2026, 1, 1))
    same = price_of({"output": Rate(Decimal("1.0")), "input": Rate(Decimal("2.5"))}, as_of=date(2026, 1, 1))
    assert one.id == same.id
    assert one == same
    assert len(one.id) == 16
    assert one.id != replace(one, as_of=None).id
    assert one.id != price_of({"input": Rate(Decimal("2.51")), "output": Rate(Decimal(1))}, as_of=one.as_of).id


def test_classes_stand_in_for_one_another_but_never_input_for_output() -> None:
    one, two, four = Rate(Decimal(1)), Rate(Decimal(2)), Rate(Decimal(4))
    filled = complete({"input": one, "cache_write_5m": two, "input_audio": four})
    assert filled["cache_write_1h"] == two
    assert filled["cache_read"] == filled["input_image"] == one
    assert filled["cache_read_audio"] == four
    assert complete({"input": one, "cache_read": two, "input_audio": four})["cache_read_audio"] == two
    assert not filled.keys() & {*OUTPUT_CLASSES, "searches", "requests"}
    assert complete({"output": two}).keys() == set(OUTPUT_CLASSES)
    assert complete({"input": one}, never=["input_audio"]).get("input_audio") is None


@pytest.mark.parametrize("amount", ["-1", "NaN", "Infinity"])
def test_a_rate_must_be_finite_and_not_negative(amount: str) -> None:
    with pytest.raises(ValueError, match="zero or more"):
        Rate(Decimal(amount))


def test_tiers_must_ascend() -> None:
    with pytest.raises(ValueError, match="ascending"):
        Rate(Decimal(1), ((5, Decimal(1)), (5, Decimal(2))))


def test_a_price_knows_no_class_but_those_of_usage() -> None:
    with pytest.raises(ValueError, match="no such usage class: video"):
        price_of({"video": Rate(Decimal(1))})
