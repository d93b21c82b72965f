"""Which columns of a table fit, and how wide each is. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from rich.cells import cell_len, set_cell_size

from aikit.console.table import Column, Row

GAP = 2
NARROWEST = 6
COMFORTABLE = 24
"""Cells that a column of text has before another column is left out for it."""


class Placed(NamedTuple):
    """A column that is shown: which one, where it begins and how wide it is."""

    column: int
    x: int
    width: int


def place(
    columns: Sequence[Column], rows: Sequence[Row], width: int, terminal: int | None = None
) -> tuple[Placed, ...]:
    """The columns that a terminal of this width is for, the widest texts shortened until all of them fit in `width`.

    Two more cells than its name are kept for the mark of the order, where there is room.
    """
    kept = [index for index, column in enumerate(columns) if column.from_width <= (terminal or width)]
    widths = {index: _wanted(columns[index], [row.cells[index].text for row in rows]) for index in kept}
    for index in kept:
        spare = widths[index] - _least(columns[index], [row.cells[index].text for row in rows])
        widths[index] -= max(0, min(spare, sum(widths.values()) + GAP * (len(kept) - 1) - width))
    while (excess := sum(widths.values()) + GAP * (len(kept) - 1) - width) > 0:
        texts = [index for index in kept if not columns[index].right and widths[index] > NARROWEST]
        if not texts:
            break
        longest = sorted({widths[index] for index in texts})
        widest = [index for index in texts if widths[index] == longest[-1]]
        down = max(NARROWEST, longest[-2] if len(longest) > 1 else 0)
        step = max(1, min(longest[-1] - down, -(-excess // len(widest))))
        for index in widest:
            widths[index] -= step
    placed, x = [], 0
    for index in kept:
        if x and x + min(widths[index], NARROWEST) > width:
            break
        placed.append(Placed(index, x, min(widths[index], width - x)))
        x += widths[index] + GAP
    return tuple(placed)


def fitted(text: str, width: int, right: bool = False) -> str:
    """Exactly so many cells of it; `…` stands for what does not fit."""
    size = cell_len(text)
    if size > width:
        return set_cell_size(text, width - 1) + "…" if width > 0 else ""
    return " " * (width - size) + text if right else text + " " * (width - size)


def _least(column: Column, texts: Sequence[str]) -> int:
    return column.fixed or max([cell_len(column.name), *map(cell_len, texts)])


def _wanted(column: Column, texts: Sequence[str]) -> int:
    if column.fixed:
        return column.fixed
    return max([cell_len(column.name) + 2, *map(cell_len, texts)])
