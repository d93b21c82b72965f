"""A page of named items: each a name, what it comes to, and remarks below, wrapped to the width of the terminal."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from textwrap import wrap

from aikit.cli.output import console, gap, visible
from aikit.page import Item as Item
from aikit.page import Page

LONGEST_NAME = 30
"""Characters of the column of names; what belongs to a longer name begins on the next line."""
NARROWEST = 30
"""Characters that text has at least, however narrow the terminal says it is."""


def print_page(page: Page) -> None:
    """The heading and why, the sections, each after an empty line, and what is said at the end."""
    heading(page.heading)
    for text in page.paragraphs:
        paragraph(text)
    for part in page.sections:
        gap()
        section(part.title, part.items)
        changes(part.marked)
    if page.below:
        gap()
    for text in page.below:
        paragraph(text)


def section(title: str, items: Sequence[Item], *, style: str = "bold") -> None:
    """A title, and the items below it."""
    out = console()
    heading(title, style)
    for line, quiet in lay_out(items, out.width if out.is_terminal else None):
        _print(line, "dim" if quiet else "")


def heading(text: str, style: str = "bold") -> None:
    """A line that stands out."""
    _print(visible(text), style)


def paragraph(text: str) -> None:
    """Text, wrapped to the terminal."""
    out = console()
    for line in wrap(visible(text), out.width, break_on_hyphens=False) if out.is_terminal else [visible(text)]:
        _print(line)


def changes(lines: Iterable[str]) -> None:
    """Lines that begin with + - ~, in colours where there are any."""
    colours = {"+": "green", "-": "red", "~": "yellow"}
    for line in lines:
        _print(visible(line), colours.get(line[:1], ""))


def lay_out(items: Sequence[Item], width: int | None) -> list[tuple[str, bool]]:
    """The lines of the items, each with whether it is a remark. Without `width` nothing is wrapped."""
    column = max([min(len(visible(item.name)), LONGEST_NAME) for item in items], default=0) + 4
    room = None if width is None else max(NARROWEST, width - column)
    lines: list[tuple[str, bool]] = []
    for item in items:
        first, *rest = [line for part in item.text.split("\n") for line in _wrapped(part, room)]
        name = f"  {visible(item.name)}"
        if len(name) + 2 > column:
            lines.append((name, False))
            name = ""
        lines.append((f"{name:<{column}}{first}".rstrip(), False))
        lines += [(" " * column + line, False) for line in rest]
        for remark in item.remarks:
            first, *rest = _wrapped(remark, None if room is None else room - 2)
            lines += [(" " * (column + 2) + line, True) for line in (first, *rest)]
    return lines


def _wrapped(text: str, width: int | None) -> list[str]:
    shown = visible(text)
    return (wrap(shown, width, break_on_hyphens=False) if width is not None else []) or [shown]


def _print(line: str, style: str = "") -> None:
    from rich.text import Text

    console().print(Text(line, style), soft_wrap=True)
