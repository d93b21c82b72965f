"""Pages of named items: they fit the width, remarks are told apart, and hostile text is only text."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from aikit.cli.policy_page import LONGEST_NAME, NARROWEST, Item, lay_out

WORDS = st.lists(st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=1, max_size=20), min_size=1).map(
    " ".join
)


def test_what_items_come_to_is_in_one_column() -> None:
    assert lay_out([Item("allow", "any model"), Item("max_output_tokens", "16,384 · plan:pro")], 80) == [
        ("  allow              any model", False),
        ("  max_output_tokens  16,384 · plan:pro", False),
    ]


def test_lines_and_remarks_stand_below() -> None:
    items = [Item("credits/month", "$5.00\nused $1.00", ("not $9.00 of default",))]
    assert lay_out(items, None) == [
        ("  credits/month  $5.00", False),
        ("                 used $1.00", False),
        ("                   not $9.00 of default", True),
    ]


def test_a_name_that_is_too_long_has_a_line_of_its_own() -> None:
    name = "plan:" + "x" * LONGEST_NAME
    assert lay_out([Item(name, "for plan x")], 80) == [
        (f"  {name}", False),
        (" " * (LONGEST_NAME + 4) + "for plan x", False),
    ]


def test_without_a_width_nothing_is_wrapped() -> None:
    assert len(lay_out([Item("allow", "model " * 200)], None)) == 1


def test_nothing_that_controls_a_terminal_gets_through() -> None:
    ((line, _),) = lay_out([Item("\x1b[31mname", "a\x1b[2Jb\u202e")], 80)
    assert line.isprintable()


def test_no_items_are_no_lines() -> None:
    assert lay_out([], 80) == []


@given(st.lists(st.tuples(WORDS, WORDS, WORDS), min_size=1, max_size=4), st.integers(80, 160))
def test_wrapping_loses_no_word_and_no_line_is_too_wide(texts: list[tuple[str, str, str]], width: int) -> None:
    items = [Item(name[:LONGEST_NAME].strip() or "x", text, (remark,)) for name, text, remark in texts]
    lines = lay_out(items, width)
    assert all(len(line) <= max(width, LONGEST_NAME + 4 + NARROWEST) for line, _ in lines)
    said = " ".join(" ".join(line for line, _ in lines).split())
    assert said == " ".join(" ".join([item.name, item.text, *item.remarks]) for item in items)
