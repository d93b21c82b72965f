"""Overrides in aikit.toml: strict to parse, and first in force."""

from __future__ import annotations

import tomllib
from datetime import UTC, date, datetime
from decimal import Decimal

import pytest

from aikit.errors import ConfigError, PriceUnknown
from aikit.pricing import Price, PriceBook, parse_overrides
from aikit.types import Usage

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
FREE = {"input": "0", "output": "0"}


def found(table: dict[str, object], provider: str, model: str, at: datetime = NOW) -> Price:
    price = PriceBook(parse_overrides(table)).find(provider, model, at=at)
    assert price is not None
    return price


def test_a_whole_override_as_written_in_toml() -> None:
    table = tomllib.loads("""
        [prices."ollama/llama3.3"]
        input = "0.2"
        output = "0.6"
        cache_read = "0.1"
        searches = "10"
        context_window = 128000
        from = 2026-01-01
    """)["prices"]
    price = found(table, "ollama", "llama3.3")
    assert (price.source, price.version, price.as_of) == ("aikit.toml", "override", date(2026, 1, 1))
    assert price.context_window == 128_000
    assert price.cost(Usage(input=10, cache_read=10, output=10, searches=1)) == 10 * 200 + 10 * 100 + 10 * 600 + 10**7


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("a/b", {"input": 0.5, "output": "1"}, r'\[prices\."a/b"\] input is the float 0\.5.*input = "0\.5"'),
        ("a/b", {"input": "1", "output": "-1"}, r"output is not zero or more"),
        ("a/b", {"input": "NaN"}, r"input is not zero or more"),
        ("a/b", {"input": "Infinity"}, r"input is not zero or more"),
        ("a/b", {"input": "cheap"}, r"input is not a decimal\."),
        ("a/b", {"input": True}, r"input is not a decimal in quotes"),
        ("a/b", {"input": None}, r"input is not a decimal in quotes"),
        ("a/b", {"input": "1e999999"}, r"input is above 1,000,000"),
        ("a/b", {"input": "1e-999999"}, r"finer than 12 decimal places"),
        ("a/b", {"input": "1", "outptu": "1"}, r"outptu is not a field of a price\. Did you mean output\?"),
        ("a/b", {"input": "1", "zzz": "1"}, r"zzz is not a field of a price\. Known fields: input"),
        ("a/b", {"output": "1"}, r"input is missing"),
        ("a/b", {"input": "1", "context_window": "big"}, r"context_window is not a positive whole number"),
        ("a/b", {"input": "1", "context_window": 0}, r"context_window is not a positive whole number"),
        ("a/b", {"input": "1", "from": "2026-01-01"}, r"from is not a date"),
        ("a/b", {"input": "1", "from": NOW}, r"from is not a date"),
        ("llama", FREE, r'\[prices\."llama"\] is not provider/model'),
        ("a/", FREE, r"is not provider/model"),
        ("/b", FREE, r"is not provider/model"),
        ("*/b", FREE, r"is not provider/model"),
        ("a/b*c", FREE, r"is not provider/model"),
        ("a/b", "0.5", r"is not a table"),
        ("a/b", [], r"is not a table"),
        ("a/b", [FREE, FREE], r"from is the same in two prices"),
    ],
)
def test_a_broken_override_is_named_by_key_and_field(key: str, value: object, message: str) -> None:
    with pytest.raises(ConfigError, match=message) as caught:
        parse_overrides({key: value})
    assert caught.value.facts["key"] == key
    assert caught.value.remedy


def test_whole_numbers_are_exact_without_quotes() -> None:
    assert found({"a/b": {"input": 2, "output": 0}}, "a", "b").rates["input"].base == Decimal(2)


def test_an_override_beats_the_book_for_every_service_tier() -> None:
    book = PriceBook(parse_overrides({"openai/gpt-4o": {"input": "1", "output": "2"}}))
    for tier in (None, "priority", "scale"):
        price = book.find("openai", "gpt-4o", at=NOW, service_tier=tier)
        assert price is not None
        assert price.source == "aikit.toml"


def test_an_override_without_a_window_keeps_that_of_the_book() -> None:
    assert found({"openai/gpt-4o": FREE}, "openai", "gpt-4o").context_window == 128_000
    assert found({"ollama/x": FREE}, "ollama", "x").context_window is None


def test_an_exact_id_beats_a_glob_and_a_longer_glob_a_shorter_one() -> None:
    table = {
        "v/*": {"input": "1"},
        "v/llama*": {"input": "2"},
        "v/llama-3": {"input": "3"},
    }
    assert found(table, "v", "qwen").rates["input"].base == 1
    assert found(table, "v", "llama-4").rates["input"].base == 2
    assert found(table, "v", "Llama-3").rates["input"].base == 3
    assert found(table, "v", "llama-4").model == "llama*"
    assert PriceBook(parse_overrides(table)).find("w", "llama-3", at=NOW) is None


def test_the_latest_date_that_has_come_is_in_force() -> None:
    table = {
        "v/m": [
            {"input": "3", "from": date(2027, 1, 1)},
            {"input": "1"},
            {"input": "2", "from": date(2026, 6, 1)},
        ]
    }
    book = PriceBook(parse_overrides(table))
    by_day = {
        datetime(2026, 5, 31, 23, 59, tzinfo=UTC): 1,
        datetime(2026, 6, 1, tzinfo=UTC): 2,
        datetime(2026, 12, 31, 23, 59, tzinfo=UTC): 2,
        datetime(2027, 1, 1, tzinfo=UTC): 3,
    }
    for moment, rate in [*by_day.items(), *reversed(by_day.items())]:
        price = book.find("v", "m", at=moment)
        assert price is not None
        assert price.rates["input"].base == rate
    assert [price.rates["input"].base for price in book.history("v", "m")] == [1, 2, 3]
    assert [price.rates["input"].base for price in book.models("v", at=NOW)] == [2]


def test_before_its_date_an_override_leaves_the_book_in_force() -> None:
    table = {"openai/gpt-4o": {"input": "9", "output": "9", "from": date(2027, 1, 1)}}
    assert found(table, "openai", "gpt-4o").source == "genai-prices"
    assert found(table, "openai", "gpt-4o", datetime(2027, 1, 1, tzinfo=UTC)).source == "aikit.toml"


def test_a_fine_tuned_model_is_priced_by_an_override_only() -> None:
    table = {"openai/ft:gpt-4o-mini*": {"input": "0.3", "output": "1.2"}}
    assert found(table, "openai", "ft:gpt-4o-mini-2024-07-18:acme::x").source == "aikit.toml"


def test_an_override_may_name_gemini_or_google() -> None:
    for name in ("gemini/models/gemini-x", "google/gemini-x"):
        assert found({name: FREE}, "gemini", "gemini-x").source == "aikit.toml"


def test_an_override_with_input_only_prices_embeddings_and_no_output() -> None:
    price = found({"v/embed": {"input": "0.1"}}, "v", "embed")
    assert price.cost(Usage(input=10)) == 1000
    with pytest.raises(PriceUnknown):
        price.cost(Usage(input=10, output=1))


def test_an_overridden_model_is_listed_once() -> None:
    book = PriceBook(parse_overrides({"openai/gpt-4o": FREE}))
    listed = [price for price in book.models("openai", at=NOW) if price.model == "gpt-4o"]
    assert [price.source for price in listed] == ["aikit.toml"]
