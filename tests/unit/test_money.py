"""Money is integer nano-USD: what is read is exact or refused, what is shown reads back."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aikit.money import MAX_NANO, NANO_PER_USD, credits, format_usd, parse_usd, round_significant, usd, usd_string

amounts = st.integers(0, MAX_NANO)
MISREAD = ["0,39", "1,50", "1,0000", "1,000,00", ",5", "1e999999", "1e-999999", f"1.{'0' * 40}1", "0,000.1,000"]
"""A comma that is no thousands separator would make 39 dollars of 39 cents; more digits than a context keeps, zeros."""


@given(amounts)
def test_what_is_written_reads_back(nano: int) -> None:
    assert parse_usd(usd_string(nano)) == nano
    assert parse_usd(usd(nano)) == nano
    assert parse_usd(f"${usd(nano):,.9f}") == nano


@given(amounts)
def test_an_exact_string_has_no_exponent_and_no_trailing_zeros(nano: int) -> None:
    text = usd_string(nano)
    assert set(text) <= set("0123456789.")
    assert "." not in text or text[-1] not in "0."


@pytest.mark.parametrize(
    ("text", "nano"),
    [
        ("12.50", 12_500_000_000),
        ("$1,000", 10**12),
        (" 0 ", 0),
        ("0e999999", 0),
        (f"1.50{'0' * 40}", 15 * 10**8),
        ("$9,000,000,000.00", MAX_NANO),
        ("1e-9", 1),
        (25, 25 * 10**9),
        (Decimal("0.1"), 10**8),
    ],
)
def test_amounts_are_read_exactly(text: str | int | Decimal, nano: int) -> None:
    assert parse_usd(text) == nano


@pytest.mark.parametrize(
    "text", ["", "ten", "-1", "NaN", "inf", "-inf", "0.0000000001", "9000000001", "1.2.3", "£5", *MISREAD]
)
def test_what_is_no_amount_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="amount"):
        parse_usd(text)


@given(amounts, st.integers(1, 10**10))
def test_credits_cover_the_amount_and_not_one_more(nano: int, per_credit: int) -> None:
    covered = credits(nano, per_credit) * per_credit
    assert covered - per_credit < nano <= covered


@pytest.mark.parametrize(
    ("nano", "shown"),
    [
        (None, "—"),
        (0, "$0.00"),
        (25 * NANO_PER_USD, "$25.00"),
        (1_234_567 * NANO_PER_USD, "$1,234,567.00"),
        (10_000_000, "$0.01"),
        (91_499, "$0.000091"),
        (1, "$0.000000001"),
        (-5 * NANO_PER_USD, "-$5.00"),
        (-91_000, "-$0.000091"),
    ],
)
def test_amounts_are_shown_for_people(nano: int | None, shown: str) -> None:
    assert format_usd(nano) == shown


@given(st.integers(1, MAX_NANO), st.integers(1, 6))
def test_rounding_keeps_within_half_a_step(value: int, digits: int) -> None:
    rounded = round_significant(value, digits)
    step = 10 ** max(0, len(str(value)) - digits)
    assert rounded % step == 0
    assert abs(rounded - value) * 2 <= step
