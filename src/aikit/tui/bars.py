"""The lines around the table: the header, the tabs, what is said below, and the keys."""

from __future__ import annotations

from textual.content import Content

from aikit.console.breaker_words import breaker_word
from aikit.console.header import header_lines
from aikit.console.model import Overview, Query, Snapshot, Tab
from aikit.console.moves import move_lines
from aikit.console.status import Status
from aikit.console.table import Table
from aikit.console.words import Style, cells, visible
from aikit.errors import AIKitError
from aikit.tui.drawing import parts
from aikit.tui.keys import KEYS
from aikit.tui.layout import fitted

FLAT = 12
"""Below so many lines of the terminal only the first line of the header is shown."""


def headed(snapshot: Snapshot | None, status: Status, style: Style, width: int, height: int) -> Content:
    """The header, in as many lines as there is room for."""
    lines = header_lines(snapshot, status, style, max(20, width - 2))
    return Content("\n").join([parts(line) for line in (lines if height >= FLAT else lines[:1])])


def tab_line(query: Query, width: int) -> Content:
    """`1 Overview  2 Calls …`, then the range and the filter. Where it is narrow the others are numbers."""
    names = [(f"{number} {tab.title()}", tab) for number, tab in enumerate(Tab, 1)]
    asked = f"{query.period}" + (f"  /{visible(query.filter.text)}" if query.filter else "")
    room = sum(len(name) + 2 for name, _ in names)
    if room + len(asked) > width - 2:
        names = [(name if tab is query.tab else name[:1], tab) for name, tab in names]
        room = sum(len(name) + 2 for name, _ in names)
    content = Content("")
    for name, tab in names:
        content = content.append_text(name, "bold reverse" if tab is query.tab else "$text-muted").append("  ")
    left = max(0, width - 2 - room)
    return content.append_text(fitted(asked, left, right=True) if len(asked) < left else fitted(asked, left), "bold")


def breakers_line(page: Overview, style: Style, width: int) -> Content:
    """Those that are not simply closed, by name, as many as there is room for."""
    content, room = Content("breakers"), width - 2 - len("breakers") - len("  +999")
    for number, row in enumerate(page.breakers):
        name, (text, tone) = visible(row.breaker.name), breaker_word(row, style)
        name = fitted(name, 32) if cells(name) > 32 else name
        room -= cells(name) + cells(text) + 3
        if room < 0:
            return content.append_text(f"  +{len(page.breakers) - number}", "bold")
        content = content.append(parts([("  ", ""), (name, "dim"), (" ", ""), (text, tone)]))
    return content


def below(snapshot: Snapshot, style: Style, width: int, room: int) -> Content:
    """What has moved lately, in at most so many lines under a title; nothing where there is no room for two."""
    moves = move_lines(snapshot, style)[: room - 1]
    if not moves or room < 2:
        return Content("")
    lines = [Content("LATEST MOVES").stylize("bold $text-muted"), *[parts(line) for line in moves]]
    return Content("\n").join([line.truncate(max(1, width - 2), ellipsis=True) for line in lines])


def note(
    table: Table, position: tuple[int, int], problem: AIKitError | None, marked: str | None, width: int
) -> Content:
    """Where the cursor is, what is not shown, and what is wrong."""
    if problem is not None:
        return parts([(fitted(visible(_matter(problem)), max(0, width - 2)), "bad")])
    at, rows = position
    said = [f"{at}/{rows}"] if rows else []
    said += [f"{table.more:,} more"] if table.more else []
    said += [table.note] if table.note else []
    said += [f"d again on another version compares it with {marked}"] if marked else []
    return Content(fitted(visible(" · ".join(said)), max(0, width - 2)))


def _matter(problem: AIKitError) -> str:
    """What is wrong and what to do, on one line: without the name of the database, which the header has."""
    name, source = (str(problem.facts.get(fact)) for fact in ("database", "source"))
    found = problem.message.replace(f" (from {source})", "", 1)
    said = f"The database{found.removeprefix(name)}" if found.startswith(name) else found.replace(f" {name}", "", 1)
    return f"{said} {problem.remedy}".strip()


def footer(tab: Tab, actions: bool, width: int, *, ascii: bool) -> Content:
    """As many of the keys as there is room for."""
    content, room = Content(""), width - 2
    for key in KEYS:
        if key.footer is None or not key.on(tab, actions):
            continue
        written = key.written(ascii)
        size = len(written) + len(key.footer) + 3
        if size > room:
            continue
        room -= size
        content = content.append_text(written, "bold").append(f" {key.footer}  ")
    return content
