"""What `aikit prices` shows."""

from __future__ import annotations

import json
import subprocess
import sys
from datetime import UTC, date, datetime

from aikit.pricing import PriceBook, parse_overrides, views
from aikit.types import Usage

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
BOOK = PriceBook()


def test_importing_the_price_book_does_not_load_the_published_data() -> None:
    code = "import sys, aikit.pricing, aikit.pricing.views; print([m for m in sys.modules if 'genai_prices' in m])"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"


def test_a_bare_model_is_looked_for_with_the_three_providers() -> None:
    found = {name: views.look_up(BOOK, name, at=NOW) for name in ("gpt-4o", "claude-haiku-4-5", "gemini-2.5-pro")}
    assert [named.provider if named else None for named in found.values()] == ["openai", "anthropic", "gemini"]
    assert views.look_up(BOOK, "openai/claude-haiku-4-5", at=NOW) is None


def test_an_unknown_model_gets_close_matches() -> None:
    assert "openai/gpt-4o-mini" in views.suggestions(BOOK, "openai/gpt-4o-mni", at=NOW)
    assert "anthropic/claude-haiku-4-5" in views.suggestions(BOOK, "claude-haiku-4.5x", at=NOW)
    assert views.suggestions(BOOK, "openai/qqqqqqqq", at=NOW) == []


def test_the_list_is_sorted_and_has_exact_strings() -> None:
    rows = views.list_rows(BOOK.models("openai", at=NOW))
    assert rows == sorted(rows, key=lambda row: (row["provider"], row["model"]))
    mini = next(row for row in rows if row["model"] == "gpt-4o-mini")
    assert (mini["input_usd"], mini["cache_read_usd"], mini["output_usd"]) == ("0.15", "0.075", "0.6")
    embedding = next(row for row in rows if row["model"] == "text-embedding-3-small")
    assert embedding["output_usd"] is None
    json.dumps(rows)


def test_show_has_tiers_window_source_and_history() -> None:
    named = views.look_up(BOOK, "gpt-5.6-sol", at=NOW)
    assert named is not None
    data = views.show(BOOK, named, at=NOW)
    rates = {rate["class"]: rate for rate in data["rates"]}
    assert rates["input"]["tiers"] == [{"above_input_tokens": 272_000, "price_usd": "8"}]
    assert rates["searches"]["per"] == 1000
    assert (data["as_of"], data["context_window"], data["daily"]) == ("2026-08-21", 1_050_000, [])
    assert [(past["from"], past["output_usd"]) for past in data["history"]] == [(None, "30"), ("2026-08-21", "20")]
    json.dumps(data)


def test_show_has_the_hours_of_a_price_that_varies_within_the_day() -> None:
    named = views.look_up(BOOK, "deepseek/deepseek-v4-pro", at=NOW)
    assert named is not None
    assert [row["from"] for row in views.show(BOOK, named, at=NOW)["daily"]] == [
        "00:00",
        "01:00",
        "04:00",
        "06:00",
        "10:00",
    ]


def test_compare_sorts_by_exact_cost_and_puts_the_unknown_last() -> None:
    usage = Usage(input=1000, output=500)
    rows = views.compare_rows(BOOK, ["nobody/x", "gpt-4o", "text-embedding-3-small", "gpt-4o-mini"], usage, at=NOW)
    assert [row["asked"] for row in rows][:2] == ["gpt-4o-mini", "gpt-4o"]
    assert [row["cost_usd"] for row in rows] == ["0.00045", "0.0075", None, None]
    assert rows[0]["price_id"]


def test_check_names_every_broken_override_and_keeps_the_good_ones() -> None:
    data = views.check({"a/b": {"input": 0.1}, "c/d": {"input": "1"}, "e": {}}, at=NOW)
    assert [problem.split("]")[0] for problem in data["problems"]] == ['[prices."a/b"', '[prices."e"']
    assert data["overrides"] == [{"key": "c/d", "from": None, "input_usd": "1", "output_usd": None}]


def test_check_says_by_how_much_an_override_differs_from_the_book() -> None:
    data = views.check({"openai/gpt-4o-m*": {"input": "0.1", "output": "0.6"}}, at=NOW)
    mine = [row for row in data["shadows"] if row["model"] == "openai/gpt-4o-mini"]
    assert {row["class"]: row["difference_usd"] for row in mine} == {
        "input": "-0.05",
        "cache_read": "0.025",
        "searches": None,
    }
    assert {row["override"] for row in data["shadows"]} == {"openai/gpt-4o-m*"}
    assert data["problems"] == []


def test_check_fails_when_the_data_is_older_than_allowed() -> None:
    newest = BOOK.newest_date(NOW.date())
    assert newest is not None
    age = (date(2026, 11, 21) - newest).days
    assert views.check({}, at=NOW, max_age_days=age)["problems"] == []
    (problem,) = views.check({}, at=NOW, max_age_days=age - 1)["problems"]
    assert f"{age} days old" in problem


def test_check_of_a_sound_configuration_has_no_problems() -> None:
    data = views.check({}, at=NOW)
    assert (data["problems"], data["overrides"], data["shadows"]) == ([], [], [])
    assert data["priced_models"] > 1500
    assert parse_overrides({}) == ()
