"""Tables: they fit the width, numbers are whole, and what goes goes in the order that was said."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len

from aikit.cli.layout import Column, lay_out

ROWS = [["acme", "1,204", "$22.10"], ["globex", "96", "$0.44"]]


def test_numbers_are_right_aligned_and_text_is_not() -> None:
    assert lay_out(["Who", "Calls", "Cost"], ROWS, None, 80) == [
        "Who     Calls    Cost",
        "acme    1,204  $22.10",
        "globex     96   $0.44",
    ]


def test_an_unknown_amount_is_a_number_too() -> None:
    assert lay_out(["Who", "Cost"], [["acme", "$22.10"], ["new", "—"]], None, None)[2] == "new        —"


def test_a_column_of_dashes_is_text() -> None:
    assert lay_out(["Note", "Who"], [["—", "acme"]], None, None)[1] == "—     acme"


def test_without_a_width_nothing_is_shortened() -> None:
    name = "x" * 300
    assert name in lay_out(["Who"], [[name]], None, None)[1]


def test_a_long_text_is_shortened_and_the_numbers_stay_whole() -> None:
    head, line = lay_out(["Who", "Cost"], [["x" * 300, "$1,234.56"]], None, 40)
    assert line == "x" * 28 + "…  $1,234.56"
    assert cell_len(head) <= 40


def test_columns_go_by_their_rank_before_text_gets_too_short() -> None:
    columns = ["Who", Column("Refused", drop=1), Column("Share", drop=2), "Cost"]
    rows = [["a" * 20, "318", "62% of it", "$22.10"]]
    assert "Share" not in lay_out(columns, rows, None, 40)[0]
    assert "Refused" in lay_out(columns, rows, None, 40)[0]
    assert lay_out(columns, rows, None, 30)[0].split() == ["Who", "Cost"]


def test_a_total_is_aligned_with_its_columns() -> None:
    assert lay_out(["Who", "Cost"], [["acme", "$1.00"]], ["Total", "$1.00"], 80)[-1] == "Total  $1.00"


def test_wide_characters_take_two_cells() -> None:
    lines = lay_out(["Who", "Cost"], [["日本語", "$1.00"], ["acme", "$2.00"]], None, 80)
    assert {cell_len(line) for line in lines[1:]} == {13}


@given(
    st.lists(st.tuples(st.text(st.characters(categories=["L", "N"])), st.integers(0, 10**6)), min_size=1),
    st.integers(20, 120),
)
def test_no_line_is_wider_than_asked_and_no_number_is_cut(rows: list[tuple[str, int]], width: int) -> None:
    cells = [[name, "user" * 9, f"{count}"] for name, count in rows]
    _, *lines = lay_out(["Who", Column("User", drop=1), "Calls"], cells, None, width)
    assert all(cell_len(line) <= width for line in lines)
    assert [line.split()[-1] for line in lines] == [f"{count}" for _, count in rows]
