"""Two texts in columns: both sides stay where they are, whatever is in them, and nothing is lost."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aikit.console.beside import NARROWEST, in_columns, side_width, wrapped
from aikit.console.words import cells, visible
from support.snapshots import HOSTILE, WIDE


def test_the_sides_are_beside_each_other_with_their_mark() -> None:
    assert list(in_columns([("old", "~", "new"), ("", "+", "more")], 5)) == [
        ("old  ", "~", "new"),
        ("     ", "+", "more"),
    ]


def test_a_long_line_goes_on_below_and_keeps_its_mark() -> None:
    assert list(in_columns([("abcdefg", "~", "x")], 3)) == [("abc", "~", "x"), ("def", "~", ""), ("g  ", "~", "")]


def test_an_empty_line_is_a_line() -> None:
    assert list(in_columns([("", " ", "")], 2)) == [("  ", " ", "")]


def test_characters_of_two_cells_are_not_cut() -> None:
    assert wrapped(WIDE, 5) == ["漢字", "テナ", "ント"]
    assert [left for left, _, _ in in_columns([(WIDE, "-", "")], 5)] == ["漢字 ", "テナ ", "ント "]


@pytest.mark.parametrize(("width", "side"), [(43, 20), (42, None), (0, None), (160, 78)])
def test_where_there_is_no_room_they_are_not_beside_each_other(width: int, side: int | None) -> None:
    assert side_width(width) == side
    assert side is None or side >= NARROWEST


@given(st.sampled_from(HOSTILE).map(visible) | st.text(max_size=50).map(visible), st.integers(2, 30))
def test_no_piece_is_wider_than_it_may_be_and_together_they_are_the_text(text: str, width: int) -> None:
    pieces = wrapped(text, width)
    assert "".join(pieces) == text
    assert all(cells(piece) <= width for piece in pieces)
    assert all(cells(left) == width for left, _, _ in in_columns([(text, "~", text)], width))
