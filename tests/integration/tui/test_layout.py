"""The columns that are shown never take more room than there is, and the first of them is always there."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.cells import cell_len
from textual.app import App, ComposeResult

from aikit.console.model import MOST_ROWS, Tab
from aikit.console.table import Cell, Column, Row, Sorting, Table
from aikit.console.tables import table_of
from aikit.console.words import Style, visible
from aikit.tui.drawing import _wrapped
from aikit.tui.grid import Grid
from aikit.tui.layout import GAP, fitted, place
from support.snapshots import snapshot

TEXTS = st.text(st.sampled_from("aZ9 ·—…漢字テ👩🇨🇭é\u0301█▏[]\ufffd"), max_size=60) | st.just("x" * 3_000)
COLUMNS = st.lists(
    st.builds(
        Column,
        st.sampled_from(["Who", "Model", "Cost", "Of cap", "漢字"]),
        right=st.booleans(),
        from_width=st.sampled_from([0, 0, 60, 100, 150]),
        fixed=st.sampled_from([0, 0, 0, 13]),
    ),
    min_size=1,
    max_size=11,
).map(lambda columns: (Column(columns[0].name, fixed=columns[0].fixed), *columns[1:]))


@st.composite
def tables(draw: st.DrawFn) -> Table:
    columns = draw(COLUMNS)
    texts = draw(st.lists(st.lists(TEXTS, min_size=len(columns), max_size=len(columns)), max_size=6))
    rows = [Row(str(n), tuple([Cell(text, text) for text in row]), str(n)) for n, row in enumerate(texts)]
    return Table(tuple(columns), tuple(rows))


@settings(max_examples=300)
@given(tables(), st.integers(1, 220), st.integers(0, 2))
def test_columns_fit_and_the_first_is_there(table: Table, width: int, margin: int) -> None:
    placed = place(table.columns, table.rows, width, width + margin)
    assert placed[0].column == 0
    assert placed[0].x == 0
    end = 0
    for number, column in enumerate(placed):
        assert column.width >= 1
        assert column.x == end + (GAP if number else 0)
        end = column.x + column.width
        assert table.columns[column.column].from_width <= width + margin
    assert end <= width
    assert [column.column for column in placed] == sorted({column.column for column in placed})


@settings(max_examples=300)
@given(TEXTS, st.integers(0, 80), st.booleans())
def test_a_text_is_fitted_to_exactly_so_many_cells(text: str, width: int, right: bool) -> None:
    assert cell_len(fitted(text, width, right)) == width


@pytest.mark.parametrize("hostile", [False, True])
@pytest.mark.parametrize("tab", Tab)
def test_two_hundred_rows_fit_at_every_width(tab: Tab, hostile: bool) -> None:
    table = table_of(snapshot(tab, hostile=hostile), Style())
    rows = tuple([table.rows[n % len(table.rows)] for n in range(MOST_ROWS)])
    for width in range(20, 201):
        placed = place(table.columns, rows, width - 2, width)
        assert placed[0].column == 0
        assert placed[-1].x + placed[-1].width <= width - 2


@pytest.mark.parametrize("tab", Tab)
def test_at_the_width_that_a_column_is_for_it_is_there(tab: Tab) -> None:
    """What does not fit is shortened before a column is left out."""
    table = table_of(snapshot(tab), Style())
    for width in (60, 100, 160):
        shown = [placed.column for placed in place(table.columns, table.rows, width - 2, width)]
        assert shown == [index for index, column in enumerate(table.columns) if column.from_width <= width]


class OneGrid(App[None]):
    CSS = "Screen { overflow: hidden; }"

    def compose(self) -> ComposeResult:
        yield Grid()


async def test_the_grid_draws_each_line_as_wide_as_it_is() -> None:
    app = OneGrid()
    async with app.run_test(size=(20, 12)) as pilot:
        grid = app.query_one(Grid)
        for width in range(20, 201, 12):
            await pilot.resize_terminal(width, 12)
            await pilot.pause()
            for tab in Tab:
                for hostile in (False, True):
                    table = table_of(snapshot(tab, hostile=hostile), Style())
                    grid.show(table, Sorting(table.columns[0].name))
                    for y in range(12):
                        assert grid.render_line(y).cell_length == width
                    assert grid.render_line(0).text.strip()


@settings(max_examples=200)
@given(st.lists(TEXTS, min_size=1, max_size=8).map(" ".join), st.integers(20, 100), st.booleans())
def test_a_text_of_a_page_is_wrapped_to_so_many_cells_and_nothing_of_it_is_lost(
    text: str, width: int, kept: bool
) -> None:
    lines = _wrapped(text, width, keep=kept)
    assert all(cell_len(line) <= width for line in lines)
    assert "".join("".join(lines).split()) == "".join(visible(text).split())
