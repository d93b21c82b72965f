"""Two texts beside each other: every line of both is there once, in its order, and marked by what it is."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from aikit.console.details.comparing import side_by_side

TEXTS = st.lists(st.sampled_from(["a", "b", "c", "", "a b"]), max_size=12).map("\n".join)


def test_equal_texts_are_beside_each_other_without_a_mark() -> None:
    assert side_by_side("a\nb", "a\nb") == (("a", " ", "a"), ("b", " ", "b"))
    assert side_by_side("", "") == ()


def test_a_changed_line_is_beside_what_it_was() -> None:
    assert side_by_side("a\nold\nz", "a\nnew\nz") == (("a", " ", "a"), ("old", "~", "new"), ("z", " ", "z"))


def test_what_is_on_one_side_only_has_nothing_beside_it() -> None:
    assert side_by_side("a\nz", "a\nb\nc\nz") == (("a", " ", "a"), ("", "+", "b"), ("", "+", "c"), ("z", " ", "z"))
    assert side_by_side("a\nb\nz", "a\nz") == (("a", " ", "a"), ("b", "-", ""), ("z", " ", "z"))


def test_of_more_lines_than_before_the_first_are_beside_them() -> None:
    assert side_by_side("x", "1\n2") == (("x", "~", "1"), ("", "+", "2"))


@given(TEXTS, TEXTS)
def test_each_side_read_alone_is_its_text(before: str, after: str) -> None:
    lines = side_by_side(before, after)
    assert [left for left, mark, _ in lines if mark != "+"] == before.splitlines()
    assert [right for _, mark, right in lines if mark != "-"] == after.splitlines()
    assert all((left == right) is (mark == " ") for left, mark, right in lines if mark in " ~")
