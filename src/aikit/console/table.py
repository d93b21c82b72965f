"""A table as data: columns, and rows of cells that carry what they sort by; `aikit.tui` draws it, `--once` prints."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

Tone = Literal["", "good", "warn", "bad", "dim", "strong"]
"""What a cell means, for whoever gives it a colour. The text says it, too."""


@dataclass(frozen=True, slots=True)
class Column:
    """`from_width` is how many cells the terminal must have for it to be shown; `fixed` how many it takes itself, and
    0: as many as it needs. `downwards`: sorted by it, the largest comes first.
    """

    name: str
    right: bool = False
    from_width: int = 0
    fixed: int = 0
    downwards: bool = False


class Cell(NamedTuple):
    """`key` is what it is sorted by; None: after all others."""

    text: str
    key: Any = None
    tone: Tone = ""


@dataclass(frozen=True, slots=True)
class Row:
    """`key` stays the same from one snapshot to the next. `copied` is what copying it gives."""

    key: str
    cells: tuple[Cell, ...]
    copied: str


@dataclass(frozen=True, slots=True)
class Table:
    """The rows come in their natural order. `more` is how many there are that are not among them; `empty` is said
    where there are none.
    """

    columns: tuple[Column, ...]
    rows: tuple[Row, ...]
    more: int = 0
    empty: str = ""
    note: str = ""


class Sorting(NamedTuple):
    """By the column of this name, or, with None, in the natural order."""

    column: str | None = None
    reverse: bool = False


def ordered(table: Table, sorting: Sorting) -> Sequence[Row]:
    """The rows in this order; those without a key come last whichever way it goes."""
    names = [column.name for column in table.columns]
    if sorting.column not in names:
        return table.rows[::-1] if sorting.reverse else table.rows
    index = names.index(sorting.column)
    known = [row for row in table.rows if row.cells[index].key is not None]
    downwards = table.columns[index].downwards is not sorting.reverse
    known.sort(key=lambda row: row.cells[index].key, reverse=downwards)
    return [*known, *[row for row in table.rows if row.cells[index].key is None]]
