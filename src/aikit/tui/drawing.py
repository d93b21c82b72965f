"""Draws pages and lines: what `aikit.console` says, in the theme's colours. Texts are never markup."""

from __future__ import annotations

from collections.abc import Iterable
from textwrap import wrap

from rich.cells import cell_len, chop_cells
from textual.content import Content

from aikit.console.beside import in_columns, side_width
from aikit.console.words import visible
from aikit.page import Item, Page, Section

TONES = {
    "good": "$text-success",
    "warn": "$text-warning",
    "bad": "bold $text-error",
    "dim": "$text-muted",
    "strong": "bold",
}
MARKS = {"+": "$text-success", "-": "$text-error", "~": "$text-warning"}
LONGEST_NAME = 24
NARROW = 60


def parts(line: Iterable[tuple[str, str]]) -> Content:
    """A line of texts with tones."""
    return Content.assemble(*[(text, TONES.get(tone, "")) for text, tone in line])


def drawn(page: Page, width: int, opened: str | None = None, *, ascii: bool = False) -> tuple[Content, int | None]:
    """The page below its heading, wrapped to so many cells, and on which line the item is that opens `opened`."""
    lines: list[Content] = []
    found: int | None = None
    for paragraph in page.paragraphs:
        lines += [Content(line) for line in _wrapped(paragraph, width)]
    for section in page.sections:
        lines += [Content(""), Content(visible(section.title)).stylize("bold $text-primary")]
        column = max([min(len(visible(item.name)), LONGEST_NAME) for item in section.items], default=0) + 4
        for item in section.items:
            marked = bool(item.opens) and item.opens == opened
            if marked:
                found = len(lines)
            lines += _item(item, column, width, marked, ">" if ascii else "▸")
        side = side_width(width) if section.beside else None
        lines += _marked(section, width) if side is None else _beside(section, side)
    if page.below:
        lines += [Content(""), *[Content(line) for text in page.below for line in _wrapped(text, width)]]
    return Content("\n").join(lines), found


def _item(item: Item, column: int, width: int, marked: bool, mark: str) -> list[Content]:
    room = max(20, width - column)
    texts = [line for part in item.text.split("\n") for line in _wrapped(part, room)] or [""]
    lead = mark if marked else " "
    name = f"{lead} {visible(item.name)}"
    lines: list[Content] = []
    if len(name) + 2 > column:
        lines.append(Content(name).stylize("reverse" if marked else "$text-muted"))
        name = ""
    first = Content.assemble((f"{name:<{column}}", "reverse" if marked else "$text-muted"), texts[0])
    lines.append(first)
    lines += [Content(" " * column + text) for text in texts[1:]]
    for remark in item.remarks:
        lines += [Content(" " * (column + 2) + text).stylize("$text-muted") for text in _wrapped(remark, room - 2)]
    return lines


def _marked(section: Section, width: int) -> list[Content]:
    lines = []
    for line in section.marked:
        mark, text = line[:1], visible(line)
        for number, part in enumerate(_wrapped(text, width, keep=True)):
            lines.append(Content(part if not number else f"{mark} {part}").stylize(MARKS.get(mark, "")))
    return lines


def _beside(section: Section, side: int) -> list[Content]:
    """Left what was, right what is. A mark without a colour of its own is that of a change."""
    shown = [(visible(left), mark, visible(right)) for left, mark, right in section.beside]
    lines = []
    for left, mark, right in in_columns(shown, side):
        was, now = ("-", "+") if mark == "~" else (mark, mark)
        lines.append(
            Content.assemble(
                (left, MARKS.get(was, "") if mark != "+" else ""),
                (f" {mark or ' '} ", MARKS.get(mark, "$text-muted")),
                (right, MARKS.get(now, "") if mark != "-" else ""),
            )
        )
    return lines


def _wrapped(text: str, width: int, *, keep: bool = False) -> list[str]:
    shown = visible(text)
    if keep:
        return chop_cells(shown, width) or [shown]
    if all(cell_len(character) == 1 for character in set(shown)):
        return wrap(shown, width, break_on_hyphens=False) or [""]
    lines = [""]
    for word in shown.split():
        if lines[-1] and cell_len(lines[-1]) + 1 + cell_len(word) <= width:
            lines[-1] += f" {word}"
        else:
            lines[-1 if lines == [""] else len(lines) :] = chop_cells(word, width) or [word]
    return lines
