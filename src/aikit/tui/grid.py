"""A table on the screen: a cursor on a row, an order, and only what has changed is drawn again."""

from __future__ import annotations

from typing import ClassVar

from rich.segment import Segment
from rich.style import Style
from textual import events
from textual.geometry import Region, Size
from textual.message import Message
from textual.strip import Strip
from textual.widget import Widget

from aikit.console.table import Row, Sorting, Table, Tone, ordered
from aikit.tui.layout import GAP, Placed, fitted, place

EMPTY = Table((), ())
UP, DOWN = "▲", "▼"


class Grid(Widget, can_focus=True):
    """Shows a `Table`. The cursor stays on its row while rows come and go around it."""

    COMPONENT_CLASSES: ClassVar[set[str]] = {
        "grid--head", "grid--cursor", "grid--good", "grid--warn", "grid--bad", "grid--dim", "grid--strong",
    }  # fmt: skip
    DEFAULT_CSS = """
    Grid { height: 1fr; min-height: 2; }
    Grid > .grid--head { text-style: bold; }
    Grid > .grid--cursor { background: $primary-muted; }
    Grid:focus > .grid--cursor { background: $primary-muted; text-style: bold; }
    Grid > .grid--good { color: $text-success; }
    Grid > .grid--warn { color: $text-warning; }
    Grid > .grid--bad { color: $text-error; text-style: bold; }
    Grid > .grid--dim { text-style: dim; }
    Grid > .grid--strong { text-style: bold; }
    Grid:nocolor > .grid--cursor { background: $background; color: $foreground; text-style: bold reverse; }
    Grid:ansi > .grid--cursor { background: ansi_default; color: ansi_default; text-style: bold reverse; }
    Grid.-stale { opacity: 60%; }
    """

    class Chosen(Message):
        """Somebody wants to open this row."""

        def __init__(self, row: Row) -> None:
            super().__init__()
            self.row = row

    class Moved(Message):
        """The mouse has moved the cursor."""

    class Sorted(Message):
        """Somebody has clicked on the head of this column."""

        def __init__(self, column: str) -> None:
            super().__init__()
            self.column = column

    def __init__(self, *, ascii: bool = False, id: str | None = None) -> None:
        super().__init__(id=id)
        self._marks = ("^", "v") if ascii else (UP, DOWN)
        self._table = EMPTY
        self._sorting = Sorting()
        self._rows: tuple[Row, ...] = ()
        self._placed: tuple[Placed, ...] = ()
        self._width = 0
        self._top = 0
        self._cursor = 0
        self._key: str | None = None

    @property
    def cursor(self) -> Row | None:
        """The row that the cursor is on."""
        return self._rows[self._cursor] if self._rows else None

    @property
    def sorting(self) -> Sorting:
        return self._sorting

    @property
    def shown_columns(self) -> tuple[str, ...]:
        """The names of the columns that fit."""
        return tuple([self._table.columns[placed.column].name for placed in self._placed])

    @property
    def position(self) -> tuple[int, int]:
        """Of the cursor, from 1, and how many rows there are."""
        return (self._cursor + 1 if self._rows else 0), len(self._rows)

    def show(self, table: Table, sorting: Sorting, key: str | None = None) -> None:
        """Show this. `key` puts the cursor on that row; without it stays where it is."""
        before, was_placed = self._drawn(), self._placed
        headed = (self._table.columns, self._sorting)
        self._table, self._sorting = table, sorting
        self._rows = tuple(ordered(table, sorting))
        self._key = key if key is not None else self._key
        self._find_cursor()
        self._place()
        if (table.columns, sorting) != headed or self._placed != was_placed:
            self.refresh()
            return
        for y, (old, new) in enumerate(zip(before, self._drawn(), strict=True)):
            if old != new:
                self.refresh(Region(0, y + 1, self.size.width, 1))

    def move(self, by: int) -> None:
        """The cursor, by so many rows; it stops at the ends."""
        if self._rows:
            self._go(self._cursor + by)

    def move_to(self, index: int) -> None:
        """The cursor, to that row from the top, or, if negative, from the bottom."""
        if self._rows:
            self._go(index if index >= 0 else len(self._rows) + index)

    @property
    def page(self) -> int:
        """How many rows are seen at once."""
        return max(1, self.size.height - 1)

    def _go(self, index: int) -> None:
        before = self._cursor, self._top
        self._cursor = max(0, min(index, len(self._rows) - 1))
        self._key = self._rows[self._cursor].key
        self._scroll()
        if self._top != before[1]:
            self.refresh()
        elif self._cursor != before[0]:
            for row in (before[0], self._cursor):
                self.refresh(Region(0, row - self._top + 1, self.size.width, 1))

    def _find_cursor(self) -> None:
        keys = [row.key for row in self._rows]
        if self._key in keys:
            offset = self._cursor - self._top
            self._cursor = keys.index(self._key)
            self._top = self._cursor - offset
        else:
            self._cursor = max(0, min(self._cursor, len(keys) - 1))
            self._key = keys[self._cursor] if keys else None
        self._scroll()

    def _scroll(self) -> None:
        """So that the cursor is seen, and nothing is left empty that could be filled."""
        top = min(self._top, self._cursor, max(0, len(self._rows) - self.page))
        self._top = max(0, top, self._cursor - self.page + 1)

    def _place(self) -> None:
        self._width = self.size.width
        self._placed = place(self._table.columns, self._rows, self._width, self.app.size.width) if self._width else ()

    def _drawn(self) -> list[tuple[Row | None, bool]]:
        """What each line shows, and whether the cursor is on it."""
        seen = range(self._top, self._top + max(0, self.size.height - 1))
        return [(self._rows[i] if i < len(self._rows) else None, i == self._cursor) for i in seen]

    def get_content_width(self, container: Size, viewport: Size) -> int:
        return container.width

    def on_resize(self) -> None:
        self._scroll()
        self._place()
        self.refresh()

    def render_line(self, y: int) -> Strip:
        width = self.size.width
        if not self._rows:
            text = self._table.empty if y == 1 else ""
            return self._strip([(fitted(f" {text}" if text else "", width), "dim")], None)
        if y == 0:
            return self._strip([(self._head(placed), "") for placed in self._placed], "grid--head")
        index = self._top + y - 1
        if index >= len(self._rows):
            return Strip.blank(width, self.rich_style)
        row = self._rows[index]
        cells: list[tuple[str, Tone]] = []
        for number, width_, right in [(p.column, p.width, self._table.columns[p.column].right) for p in self._placed]:
            cells.append((fitted(row.cells[number].text, width_, right), row.cells[number].tone))
        return self._strip(cells, "grid--cursor" if index == self._cursor else None)

    def _head(self, placed: Placed) -> str:
        column = self._table.columns[placed.column]
        name, mark = column.name.upper(), ""
        if column.name == self._sorting.column:
            mark = self._marks[column.downwards is not self._sorting.reverse]
        elif self._sorting.column is None and self._sorting.reverse and placed is self._placed[0]:
            mark = self._marks[0]
        if not mark:
            return fitted(name, placed.width, column.right)
        marked = f"{name} {mark}" if len(name) + 2 <= placed.width else name[: placed.width - 1] + mark
        return fitted(marked, placed.width, column.right)

    def _strip(self, cells: list[tuple[str, Tone]], line: str | None) -> Strip:
        base = self.rich_style
        over = Style.null() if line is None else self.get_component_rich_style(line, partial=True)
        segments: list[Segment] = []
        for number, (text, tone) in enumerate(cells):
            if number:
                segments.append(Segment(" " * GAP, base + over))
            own = self.get_component_rich_style(f"grid--{tone}", partial=True) if tone else Style.null()
            segments.append(Segment(text, base + own + over))
        return Strip(segments).adjust_cell_length(self.size.width, base + over)

    def on_click(self, event: events.Click) -> None:
        if not self._rows:
            return
        if event.y == 0:
            for placed in self._placed:
                if placed.x <= event.x < placed.x + placed.width:
                    self.post_message(self.Sorted(self._table.columns[placed.column].name))
            return
        index = self._top + event.y - 1
        if index < len(self._rows):
            again = index == self._cursor
            self._go(index)
            self.post_message(self.Moved())
            if again or event.chain > 1:
                self.post_message(self.Chosen(self._rows[index]))

    def on_mouse_scroll_down(self) -> None:
        self.move(3)
        self.post_message(self.Moved())

    def on_mouse_scroll_up(self) -> None:
        self.move(-3)
        self.post_message(self.Moved())
