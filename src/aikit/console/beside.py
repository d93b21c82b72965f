"""Two texts beside each other in columns of the same width, by cells of the terminal. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import zip_longest

from aikit.console.words import cells

NARROWEST = 20
"""Cells that a side must have; below, the two are better shown one below the other."""
GUTTER = 3
"""Cells between the sides: a blank, the mark, a blank."""


def side_width(width: int) -> int | None:
    """How many cells each side has of so many in all; None: too few to be beside each other."""
    side = (width - GUTTER) // 2
    return side if side >= NARROWEST else None


def in_columns(lines: Iterable[tuple[str, str, str]], side: int) -> Iterator[tuple[str, str, str]]:
    """The lines (left, mark, right), wrapped to so many cells a side, the left one filled up with blanks.

    What is wrapped keeps its mark on each of its lines.
    """
    for left, mark, right in lines:
        for one, other in zip_longest(wrapped(left, side), wrapped(right, side), fillvalue=""):
            yield one + " " * (side - cells(one)), mark, other


def wrapped(text: str, width: int) -> list[str]:
    """The text in pieces of at most so many cells, which end after a blank where the second half of the room has one.

    All characters are there, in their order; nothing that takes two cells is cut.
    """
    pieces, begun, taken = [], 0, 0
    for at, character in enumerate(text):
        size = cells(character)
        if taken + size > width:
            blank = text.rfind(" ", begun + width // 2, at)
            end = blank + 1 if blank >= 0 else at
            pieces.append(text[begun:end])
            begun, taken = end, cells(text[end:at])
        taken += size
    return [*pieces, text[begun:]]
