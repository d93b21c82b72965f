"""Amounts, counts, shares and times as the console says them: short, and never better than they are."""

from __future__ import annotations

from datetime import timedelta
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aikit.console import words
from aikit.console.words import Style
from support.snapshots import HOSTILE, NOW

PLAIN, ASCII = Style(), Style(ascii=True)
shares = st.fractions(min_value=0, max_value=200)


@pytest.mark.parametrize(
    ("number", "said"),
    [
        (None, "—"), (0, "0"), (812, "812"), (9_999, "9,999"), (10_000, "10k"), (310_999, "310k"), (999_999, "999k"),
        (1_000_000, "1.0M"), (9_199_999, "9.1M"), (91_000_000, "91M"), (2_000_000_000, "2.0G"), (-12_000, "-12k"),
    ],
)  # fmt: skip
def test_counts_are_short_and_never_more_than_there_are(number: int | None, said: str) -> None:
    assert words.count(number, PLAIN) == said


@given(st.integers(min_value=0, max_value=10**15))
def test_a_short_count_loses_less_than_a_tenth(number: int) -> None:
    said = words.count(number, PLAIN).replace(",", "")
    size = {"k": 10**3, "M": 10**6, "G": 10**9}.get(said[-1], 1)
    told = Fraction(said.rstrip("kMG")) * size
    assert told <= number
    assert number - told <= number / Fraction(10)


@given(shares)
def test_a_share_is_whole_only_when_all_of_it_is_used(share: Fraction) -> None:
    said = words.percent(share, PLAIN)
    if share == 0:
        assert said == "0%"
    elif share < Fraction(1, 100):
        assert said == "<1%"
    elif share < 1:
        assert 1 <= int(said.rstrip("%")) <= 99
    else:
        assert said == ">9999%" or int(said.rstrip("%")) >= 100


@given(shares, st.integers(min_value=1, max_value=60), st.booleans())
def test_a_bar_is_as_wide_as_asked_and_full_only_at_the_cap(share: Fraction, width: int, ascii: bool) -> None:
    bar = words.bar(share, width, Style(ascii=ascii))
    assert len(bar) == width
    assert bar.isascii() is ascii or not bar.strip()
    assert (bar in ("█" * width, "#" * width)) is (share >= 1)


def test_any_share_at_all_is_seen_and_an_unknown_one_is_no_empty_bar() -> None:
    assert words.bar(Fraction(1, 10_000), 7, PLAIN) == "▏      "
    assert words.bar(Fraction(0), 7, PLAIN) == "       "
    assert words.bar(None, 7, PLAIN) == "·      "
    assert words.bar(Fraction(99, 100), 7, PLAIN) == "██████▉"
    assert words.bar(Fraction(99, 100), 7, ASCII) == "######-"
    assert words.bar(None, 7, ASCII) == ".      "


@pytest.mark.parametrize(
    ("part", "whole", "said"),
    [
        (0, 0, "—"), (0, 5, "0%"), (14, 1_204, "1.2%"), (1, 100_000, "<0.1%"), (99_999, 100_000, "99%"), (5, 5, "100%"),
        (1, 8, "13%"), (999, 10_000, "10%"),
    ],
)  # fmt: skip
def test_a_rate_is_neither_none_nor_all_unless_it_is(part: int, whole: int, said: str) -> None:
    assert words.rate(part, whole, PLAIN) == said


@pytest.mark.parametrize(
    ("seconds", "said"),
    [(None, "—"), (-0.2, "0.0s"), (0.44, "0.4s"), (9.96, "9s"), (14.9, "14s"), (180, "3m"), (7_300, "2h"), (2e5, "2d")],
)
def test_ages(seconds: float | None, said: str) -> None:
    assert words.age(seconds, PLAIN) == said


@pytest.mark.parametrize(
    ("milliseconds", "said"),
    [(None, "—"), (0, "0ms"), (999, "999ms"), (2_499, "2.4s"), (14_900, "14s"), (95_000, "1m 35s")],
)
def test_durations(milliseconds: int | None, said: str) -> None:
    assert words.took(milliseconds, PLAIN) == said


@pytest.mark.parametrize(
    ("time", "said"),
    [
        (timedelta(seconds=-3), "0s"),
        (timedelta(seconds=41), "41s"),
        (timedelta(minutes=9, seconds=41), "9m 41s"),
        (timedelta(hours=1), "1h"),
        (timedelta(days=2, hours=3), "2d 3h"),
    ],
)
def test_spans(time: timedelta, said: str) -> None:
    assert words.lasting(time) == said


def test_a_time_of_another_day_has_its_date() -> None:
    assert words.clock(NOW, NOW, PLAIN) == "03:11"
    assert words.clock(NOW, NOW, PLAIN, exact=True) == "03:11:42"
    assert words.clock(NOW - timedelta(days=1), NOW, PLAIN) == "11-20 03:11"
    assert words.clock(NOW - timedelta(days=400), NOW, PLAIN) == "2025-10-17"
    assert words.clock(None, NOW, PLAIN) == "—"


def test_a_sparkline_leaves_what_is_unknown_blank() -> None:
    assert words.sparkline([0, 1, None, 50, 100], PLAIN) == "▁▂ ▄█"
    assert words.sparkline([0, None, 100], ASCII) == "_ #"
    assert words.sparkline([0, 0], PLAIN) == "▁▁"
    assert words.sparkline([], PLAIN) == ""


def test_from_the_soft_cap_on_it_is_amber_and_from_90_percent_on_red() -> None:
    soft = Fraction(3, 4)
    found = [words.tone_of(share, soft) for share in (None, Fraction(74, 100), soft, Fraction(9, 10), Fraction(2))]
    assert found == ["dim", "", "warn", "bad", "bad"]
    assert words.tone_of(Fraction(89, 100)) == ""


@pytest.mark.parametrize("text", HOSTILE)
def test_text_of_others_is_one_line_that_can_be_printed(text: str) -> None:
    assert words.visible(text).isprintable()
    assert len(words.visible(text)) == len(text)


@given(st.text(max_size=60), st.integers(min_value=0, max_value=40), st.booleans())
def test_what_is_cut_fits(text: str, width: int, ascii: bool) -> None:
    assert words.cells(words.cut(words.visible(text), width, Style(ascii=ascii))) <= width


@given(st.text(max_size=60), st.integers(min_value=0, max_value=40), st.booleans())
def test_of_what_is_too_long_both_ends_are_left(text: str, width: int, ascii: bool) -> None:
    shown = words.ends(words.visible(text), width, Style(ascii=ascii))
    assert words.cells(shown) <= width
    assert shown == words.visible(text) or width < words.cells(words.visible(text))


def test_the_ends_are_of_one_length() -> None:
    assert words.ends("0123456789", 7, PLAIN) == "012…789"
    assert words.ends("0123456789", 10, PLAIN) == "0123456789"
    assert words.ends("0123456789", 1, ASCII) == "~"


def test_wide_characters_take_two_cells() -> None:
    assert words.cells("漢字") == 4
    assert words.cells("é") == 1
    assert words.cells("e\u0301") == 1
