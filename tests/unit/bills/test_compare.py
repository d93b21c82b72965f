"""The comparison: what agrees, what differs, and what only one side has."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aikit.bills.compare import Comparison, compare
from aikit.bills.sides import Bill, Line, Ours
from aikit.types import TOKEN_CLASSES

FIRST, SECOND = date(2026, 11, 1), date(2026, 11, 2)
CENT = 10_000_000


def ours(model: str, nano: int, day: date = FIRST, **more: int) -> Ours:
    tokens = {name: more.pop(name, 0) for name in TOKEN_CLASSES}
    return Ours(day, "openai", model, 1, nano, tokens, **more)


def bill(*lines: Line, kind: str = "cost", where: str = "a.csv", rounding: int = 0) -> Bill:
    return Bill(where, "openai", "usage" if kind == "usage" else "cost", lines, rounding)


def billed(model: str | None, usd: str, day: date = FIRST) -> Line:
    return Line(day, model, Decimal(usd))


def used(model: str, day: date = FIRST, **tokens: int) -> Line:
    return Line(day, model, None, tokens)


def result(*sides: Bill | Ours, by: str = "day,model", tolerance: int = CENT) -> Comparison:
    bills = [side for side in sides if isinstance(side, Bill)]
    mine = [side for side in sides if isinstance(side, Ours)]
    return compare(bills, mine, by=by, tolerance=tolerance)  # type: ignore[arg-type]


def test_equal_sums_agree_to_the_nano() -> None:
    found = result(
        bill(billed("gpt-5", "0.0301475"), billed("gpt-5", "1.2e-05")), ours("gpt-5", 30_159_500), tolerance=0
    )
    assert found.agrees
    assert (found.totals.ours, found.totals.theirs, found.totals.difference) == (30_159_500, 30_159_500, 0)


@pytest.mark.parametrize(("off", "agrees"), [(CENT, True), (-CENT, True), (CENT + 1, False), (-CENT - 1, False)])
def test_a_row_agrees_up_to_the_tolerance(off: int, agrees: bool) -> None:
    found = result(bill(billed("gpt-5", "1")), ours("gpt-5", 10**9 + off))
    assert found.agrees is agrees
    assert found.totals.difference == off
    assert found.totals.within == (off if agrees else 0)


def test_small_differences_are_not_lost_but_summed() -> None:
    lines = [billed("gpt-5", "1", day) for day in (FIRST, SECOND)]
    found = result(bill(*lines), ours("gpt-5", 10**9 + 7, FIRST), ours("gpt-5", 10**9 + 8, SECOND))
    assert (found.agrees, found.differing, found.totals.within) == (True, (), 15)


def test_a_model_and_a_day_on_one_side_only_are_counted_there() -> None:
    found = result(
        bill(billed("gpt-5", "1"), billed("gpt-4o", "2")),
        ours("gpt-5", 10**9),
        ours("gpt-5-mini", 30 * CENT),
        ours("gpt-5", 40 * CENT, SECOND),
    )
    assert [(row.day, row.model, row.only) for row in found.differing] == [
        (FIRST, "gpt-4o", "theirs"),
        (FIRST, "gpt-5-mini", "ours"),
        (SECOND, "gpt-5", "ours"),
    ]
    assert (found.totals.only_ours, found.totals.only_theirs) == (70 * CENT, 2 * 10**9)


def test_by_day_and_by_model_sum_over_the_other() -> None:
    sides = (
        bill(billed("gpt-5", "1"), billed("gpt-4o", "2", SECOND)),
        ours("gpt-5", 10**9),
        ours("gpt-4o", 2 * 10**9, FIRST),
    )
    assert [(row.day, row.model, row.difference) for row in result(*sides, by="model").rows] == [
        (None, "gpt-4o", 0),
        (None, "gpt-5", 0),
    ]
    assert [(row.day, row.model, row.difference) for row in result(*sides, by="day").rows] == [
        (FIRST, None, 2 * 10**9),
        (SECOND, None, -2 * 10**9),
    ]


def test_a_bill_without_models_is_compared_by_day_and_says_so() -> None:
    found = result(bill(billed(None, "3")), ours("gpt-5", 10**9), ours("gpt-4o", 2 * 10**9))
    assert (found.agrees, found.by) == (True, "day")
    assert found.notes == ("The bill names no models, so days are compared.",)


def test_names_that_were_put_together_are_told() -> None:
    found = result(bill(billed("gpt-5-2025-08-07", "1")), ours("gpt-5", 10**9))
    ((provider, family),) = found.mapped
    assert (provider, family.ours, family.theirs) == ("openai", ("gpt-5",), ("gpt-5-2025-08-07",))
    assert [row.model for row in found.rows] == ["gpt-5"]


def test_an_export_that_rounds_its_lines_may_be_off_by_that_much() -> None:
    rounded = bill(billed("gpt-5", "0.01"), billed("gpt-5", "0.00"), rounding=CENT // 2)
    assert result(rounded, ours("gpt-5", 2 * CENT), tolerance=0).agrees
    found = result(rounded, ours("gpt-5", 2 * CENT + 1), tolerance=0)
    assert (found.agrees, found.totals.rounding) == (False, CENT)


def test_tokens_alone_are_compared_by_class_and_exactly() -> None:
    export = bill(used("gpt-5", input=60, cache_read=40, output=30), kind="usage")
    mine = ours("gpt-5", 123, input=50, input_image=10, cache_read=40, output=10, reasoning=20)
    found = result(export, mine)
    assert (found.agrees, found.priced, found.counted, found.totals.theirs) == (True, False, True, 0)
    other = result(export, replace(mine, tokens={**mine.tokens, "reasoning": 21}))
    assert not other.agrees
    (row,) = other.differing
    assert (row.our_tokens, row.their_tokens) == (
        {"cache_read": 40, "input": 60, "output": 31},
        {"cache_read": 40, "input": 60, "output": 30},
    )


def test_with_costs_tokens_are_shown_and_money_decides() -> None:
    found = result(
        bill(billed("gpt-5", "1")), bill(used("gpt-5", input=7, output=1), kind="usage"), ours("gpt-5", 10**9, input=8)
    )
    (row,) = found.rows
    assert found.agrees
    assert row.our_tokens == {"input": 8, "output": 0}
    assert row.their_tokens == {"input": 7, "output": 1}


def test_the_doubtful_part_of_ours_is_summed() -> None:
    found = result(
        bill(billed("gpt-5", "1")),
        ours("gpt-5", 10**9, estimated_nano=5, presumed_nano=7, unpriced_calls=1),
        ours("gpt-4o", 0, estimated_nano=1),
    )
    assert (found.totals.estimated, found.totals.presumed, found.totals.unpriced_calls) == (6, 7, 1)


def test_exports_that_share_days_may_be_one_export_twice() -> None:
    found = result(bill(billed("gpt-5", "1")), bill(billed("gpt-5", "1"), where="b.csv"), ours("gpt-5", 2 * 10**9))
    assert found.agrees
    assert found.notes == ("a.csv and b.csv both have 2026-11-01; what is in both counts twice.",)


models = st.sampled_from(["gpt-5", "gpt-5-2025-08-07", "gpt-4o", "o3", "whisper"])
days = st.sampled_from([FIRST, SECOND])
nanos = st.integers(0, 10**12)


@given(
    st.lists(st.tuples(models, nanos, days), min_size=1),
    st.lists(st.tuples(models, nanos, days)),
    st.sampled_from(["day", "model", "day,model"]),
)
def test_no_money_is_lost_or_counted_twice_however_rows_are_put_together(
    lines: list[tuple[str, int, date]], mine: list[tuple[str, int, date]], by: str
) -> None:
    export = bill(*[billed(model, f"{Decimal(nano).scaleb(-9):f}", day) for model, nano, day in lines])
    found = result(export, *[ours(model, nano, day) for model, nano, day in mine], by=by)
    assert found.totals.theirs == sum(nano for _, nano, _ in lines)
    assert found.totals.ours == sum(nano for _, nano, _ in mine)
    assert found.totals.difference == found.totals.within + sum(row.difference for row in found.differing)
