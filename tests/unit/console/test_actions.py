"""What a person types for a limit, and what is said before it is done."""

from __future__ import annotations

from fractions import Fraction

import pytest

from aikit.console.actions import Wanted, proposed, wanted
from aikit.errors import ConfigError
from aikit.types import Action, Metric, Window
from support.snapshots import DOLLAR, NOW, limit

MONEY = limit("acme", cap=50 * DOLLAR, soft=40 * DOLLAR, used=41 * DOLLAR, held=DOLLAR, resets=NOW)
TOKENS = limit("acme", Metric.TOKENS, Window.HOUR, cap=2_000_000, source="plan:free")


@pytest.mark.parametrize(
    ("typed", "count"),
    [
        ("250", 250),
        ("250k", 250_000),
        ("1.5M", 1_500_000),
        ("1.5m", 1_500_000),
        ("0.001k", 1),
        (" 1,000,000 ", 1_000_000),
        ("0", 0),
    ],
)
def test_counts_are_typed_as_people_write_them(typed: str, count: int) -> None:
    assert wanted(TOKENS, cap=typed, soft_cap=None, window=None).cap == count


@pytest.mark.parametrize(
    "typed", ["", "k", "1.5", "1e6", "1,00", "$5", "-3", "٣", "1.0000001M", "9" * 16, "0x10", "1 k"]
)
def test_what_is_no_count_is_refused_with_an_example(typed: str) -> None:
    with pytest.raises(ConfigError) as refused:
        wanted(TOKENS, cap=typed, soft_cap=None, window=None)
    assert "1.5M" in refused.value.remedy


@pytest.mark.parametrize(
    ("typed", "dollars"), [("60", 60), ("$60", 60), ("1,000.50", Fraction(2001, 2)), ("60.000000001", None)]
)
def test_money_is_typed_in_dollars(typed: str, dollars: Fraction | None) -> None:
    cap = wanted(MONEY, cap=typed, soft_cap=None, window=None).cap
    assert cap == (60 * DOLLAR + 1 if dollars is None else dollars * DOLLAR)


def test_what_is_not_typed_stays_and_an_empty_soft_cap_goes() -> None:
    assert wanted(MONEY, cap="60", soft_cap=None, window=None) == Wanted(60 * DOLLAR, 40 * DOLLAR, Window.DAY)
    assert wanted(MONEY, cap=None, soft_cap=" ", window=None) == Wanted(50 * DOLLAR, None, Window.DAY)
    assert wanted(MONEY, cap=None, soft_cap=None, window="Week").window is Window.WEEK


def test_before_it_is_done_it_is_said_what_it_comes_to_and_whom_it_touches() -> None:
    assert proposed(MONEY, cap="60", soft_cap="", window=None) == (
        "acme · credits/day: $50.00 → $60.00, soft cap $40.00 → none",
        "Stated by the policy tenant:acme: it touches acme and nobody else.",
    )
    assert proposed(TOKENS, cap="3M", soft_cap=None, window="day") == (
        "acme · tokens/hour: 2,000,000 → 3,000,000, hour → day",
        "Stated by the policy plan:free: it touches everyone whom that is for, not only acme.",
        "What has been used in the new window counts from the start, as the ledger has it.",
    )


def test_a_cap_below_what_is_used_is_said_to_refuse_the_next_call() -> None:
    *_, said = proposed(MONEY, cap="42", soft_cap="", window=None)
    assert said == "$42.00 of it is used or held: what counts for it is refused until 2026-11-21 03:11:42 UTC."
    warning = limit("acme", cap=50 * DOLLAR, used=41 * DOLLAR, action=Action.WARN)
    assert "is marked" in proposed(warning, cap="1", soft_cap=None, window=None)[-1]


def test_a_cap_above_what_is_used_is_said_to_let_calls_pass_again() -> None:
    full = limit("acme", cap=40 * DOLLAR, used=41 * DOLLAR)
    assert proposed(full, cap="50", soft_cap=None, window=None)[-1] == "$9.00 of it is left then: calls pass again."


def test_a_limit_on_calls_at_once_has_no_other_window() -> None:
    at_once = limit("acme", Metric.CONCURRENCY, Window.TOTAL, cap=20)
    with pytest.raises(ConfigError, match="not counted over a window"):
        proposed(at_once, cap=None, soft_cap=None, window="day")
    assert proposed(at_once, cap="30", soft_cap="", window="total")[0] == "acme · concurrency: 20 → 30"
