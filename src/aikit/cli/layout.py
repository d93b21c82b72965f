"""Lays out a table in lines of text that fit a width: pure, cell by cell, wide characters included."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from rich.cells import cell_len, set_cell_size

GAP = 2
COMFORTABLE = 26
"""Rather than shorten a column of text below this many cells, another column goes, if one may."""
NARROWEST = 8
"""A column of text is not shortened below this many cells."""

_NUMBER = re.compile(r"[-+]?\$?[\d,]*\.?\d+[%+]?")
_NOTHING = ("", "—")


@dataclass(frozen=True, slots=True)
class Column:
    """`drop` says how soon the column goes when there is no room: 0 never, the highest first.

    A column of numbers is right-aligned and never shortened; `right` says so of what does not look like numbers.
    """

    name: str
    drop: int = 0
    right: bool = False


def lay_out(
    columns: Sequence[str | Column], rows: Sequence[Sequence[str]], total: Sequence[str] | None, width: int | None
) -> list[str]:
    """The lines of the table: the head, the rows, the total if there is one. Without `width` nothing is shortened."""
    named = [column if isinstance(column, Column) else Column(column) for column in columns]
    everything = [[column.name for column in named], *rows, *([total] if total is not None else [])]
    widths = [max(cell_len(row[i]) for row in everything) for i in range(len(named))]
    numeric = [named[i].right or _numeric([row[i] for row in rows]) for i in range(len(named))]
    kept = list(range(len(named)))
    if width is not None:
        wanted = [size if right else min(size, COMFORTABLE) for size, right in zip(widths, numeric, strict=True)]
        kept = _drop(named, wanted, width)
        _shorten(kept, widths, numeric, width)
    return [_line(row, kept, widths, numeric) for row in everything]


def _numeric(cells: Sequence[str]) -> bool:
    known = [cell for cell in cells if cell not in _NOTHING]
    return bool(known) and all(map(_NUMBER.fullmatch, known))


def _drop(columns: Sequence[Column], widths: Sequence[int], width: int) -> list[int]:
    """The columns that stay: the most dispensable ones go until the rest fits, or none may go any more."""
    kept = list(range(len(columns)))
    while _full(kept, widths) > width and any(columns[i].drop for i in kept):
        kept.remove(max(kept, key=lambda i: (columns[i].drop, i)))
    return kept


def _shorten(kept: Sequence[int], widths: list[int], numeric: Sequence[bool], width: int) -> None:
    """Take the missing room from the widest column of text, a cell at a time."""
    texts = [i for i in kept if not numeric[i]]
    for _ in range(_full(kept, widths) - width):
        widest = max(texts, key=lambda i: widths[i], default=None)
        if widest is None or widths[widest] <= NARROWEST:
            return
        widths[widest] -= 1


def _full(kept: Sequence[int], widths: Sequence[int]) -> int:
    return sum(widths[i] for i in kept) + GAP * (len(kept) - 1)


def _line(row: Sequence[str], kept: Sequence[int], widths: Sequence[int], numeric: Sequence[bool]) -> str:
    return (" " * GAP).join(_cell(row[i], widths[i], numeric[i]) for i in kept).rstrip()


def _cell(text: str, width: int, right: bool) -> str:
    size = cell_len(text)
    if size > width:
        return set_cell_size(text, width - 1) + "…"
    return " " * (width - size) + text if right else text + " " * (width - size)
