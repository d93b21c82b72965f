"""The console on the screen: tabs over one table, kept up to date by a poller that nobody waits for."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import ClassVar

from rich.segment import Segments
from rich.traceback import Traceback
from textual.app import ComposeResult, SystemCommand
from textual.binding import Binding, BindingType
from textual.content import Content
from textual.screen import Screen
from textual.widgets import Input, Static

from aikit.console.desk import Desk
from aikit.console.filtering import parse
from aikit.console.model import Overview, Page, Period, Query, Snapshot, Source, Tab
from aikit.console.status import Status
from aikit.console.table import Row, Sorting, Table
from aikit.console.tables import table_of
from aikit.console.words import Style, visible
from aikit.errors import AIKitError
from aikit.tui.acting import Acting
from aikit.tui.bars import below, breakers_line, footer, headed, note, tab_line
from aikit.tui.grid import Grid
from aikit.tui.keys import KEYS
from aikit.tui.options import Options
from aikit.tui.plot import PlotPane
from aikit.tui.polling import Poller, in_thread
from aikit.tui.remembered import Remembered, recall, remember
from aikit.tui.screens import Help, Leaf

INTERVALS = (0.5, 1.0, 2.0, 5.0, 10.0, 30.0, 60.0)
"""Seconds between two reads that + and - choose from."""
TABS, PERIODS = list(Tab), list(Period)
DARK, LIGHT = "textual-dark", "textual-light"
GONE = "There is no such theme: {}"


class Console(Acting):
    """The operator's console. It reads by itself, and changes something only with `Options.actions`."""

    TITLE = "aikit top"
    CSS_PATH = "console.tcss"
    ENABLE_COMMAND_PALETTE = True
    HORIZONTAL_BREAKPOINTS = [(0, "-narrow"), (80, "-normal"), (140, "-wide")]  # noqa: RUF012
    VERTICAL_BREAKPOINTS = [(0, "-flat"), (12, "-short"), (26, "-tall")]  # noqa: RUF012
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding(name, f"tab('{name}')" if key.action == "tab" else key.action, key.says, show=False, priority=False)
        for key in KEYS
        for name in key.keys
        if key.action != "command_palette"
    ]

    def __init__(
        self,
        source: Source,
        options: Options,
        desk: Desk,
        *,
        folder: Path | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        if os.environ.get("NO_COLOR") == "":
            del os.environ["NO_COLOR"]  # empty, it says nothing
        super().__init__()
        self.desk, self.options, self._folder, self._clock = desk, options, folder, clock
        self._left = left = recall(folder) if folder else Remembered()
        self.style_ = Style(ascii=options.ascii)
        query = Query(options.tab or left.tab, options.period or left.period)
        query = replace(query, filter=parse(left.filter if options.filter is None else options.filter))
        self.poller = Poller(source, query, options.interval, self._shown, self._failed, clock)
        self.sortings: dict[Tab, Sorting] = dict(left.sortings)
        self.cursors: dict[Tab, str] = {}
        self.snapshot: Snapshot | None = None
        self.problem: AIKitError | None = None
        self._snapshot_at = 0.0
        self._marked: str | None = None
        self._drawable = False

    # -- what is on the screen --

    def compose(self) -> ComposeResult:
        yield Static(id="header")
        yield Static(id="tabs")
        yield PlotPane(style=self.style_, id="plot")
        yield Static(id="breakers")
        yield Grid(ascii=self.options.ascii, id="grid")
        yield Static(id="below")
        yield Static(id="note")
        yield Input(id="filter", placeholder="model:opus tenant:acme !status:ok", select_on_focus=False)
        yield Static(id="footer")

    def on_mount(self) -> None:
        wanted = self.options.theme or self._left.theme
        if wanted in self.available_themes:
            self.theme = wanted
        elif self.options.theme:
            self.notify(GONE.format(self.options.theme), severity="warning", markup=False)
        self.screen.set_class(self.options.ascii, "-ascii")
        self.grid.focus()
        self._drawable = True
        self.draw()
        self.run_worker(self.poller.run(), name="poller", exit_on_error=True)
        self.set_interval(1.0, self._draw_age)

    def on_resize(self) -> None:
        if self._drawable:
            self.call_after_refresh(self.draw)

    @property
    def grid(self) -> Grid:
        return self._default.query_one("#grid", Grid)

    @property
    def _default(self) -> Screen[object]:
        return self.screen_stack[0]

    @property
    def tab(self) -> Tab:
        return self.poller.query.tab

    @property
    def table(self) -> Table:
        """What the tab shows now; nothing until it has been read."""
        if self.snapshot is None or self.snapshot.query.tab is not self.tab:
            return Table((), (), empty="reading …")
        return table_of(self.snapshot, self.style_)

    @property
    def status(self) -> Status:
        """How what is shown stands."""
        now = self._clock()
        return Status(
            interval=self.poller.interval,
            paused=self.poller.paused,
            age=None if self.snapshot is None else now - self._snapshot_at,
            retry=None if self.poller.retry_at is None else max(0.0, self.poller.retry_at - now),
            actions=self.options.actions,
        )

    def draw(self) -> None:
        """Everything, as it stands; what has not changed costs nothing."""
        page = self.snapshot.page if self.snapshot and self.snapshot.query.tab is self.tab else None
        self._draw_age()
        self._say("#tabs", tab_line(self.poller.query, self.size.width))
        self._default.query_one(PlotPane).show(page)
        troubled = page if isinstance(page, Overview) and page.breakers else None
        self._default.query_one("#breakers").display = troubled is not None
        if troubled is not None:
            self._say("#breakers", breakers_line(troubled, self.style_, self.size.width))
        table = self.table
        self.grid.show(table, self.sortings.get(self.tab, Sorting()), self.cursors.get(self.tab))
        self._draw_below(page)
        self.grid.set_class(self.problem is not None, "-stale")
        self._say("#note", note(table, self.grid.position, self.problem, self._marked, self.size.width))
        self._say("#footer", footer(self.tab, self.options.actions, self.size.width))

    def _draw_below(self, page: Page | None) -> None:
        """What moved lately, if the table leaves more than half of the screen to it."""
        room = min(12, self.size.height - 10 - len(self.table.rows)) if page is not None else 0
        text = below(self.snapshot, self.style_, self.size.width, room) if self.snapshot and page else Content("")
        self._default.query_one("#below").display = bool(text)
        self._say("#below", text)

    def _draw_age(self) -> None:
        lines = headed(self.snapshot, self.status, self.style_, self.size.width, self.size.height)
        self._say("#header", lines)

    def _say(self, where: str, content: Content) -> None:
        static = self._default.query_one(where, Static)
        if static.content != content:
            static.update(content)

    # -- what was read --

    async def _shown(self, snapshot: Snapshot) -> None:
        self.snapshot, self.problem = snapshot, None
        self._snapshot_at = self._clock()
        self.draw()

    async def _failed(self, error: AIKitError) -> None:
        self.problem = error
        self.draw()

    def ask(self, **changed: object) -> None:
        """Look at something else from now on."""
        self.poller.query = replace(self.poller.query, **changed)  # type: ignore[arg-type]
        self.poller.nudge()
        self.draw()

    # -- keys --

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Keys of other tabs, and what may not be done, do nothing; on another screen only its own keys do."""
        if action == "command_palette":
            return True
        ours = [key for key in KEYS if key.action == action]
        if not ours:
            return super().check_action(action, parameters)
        if len(self.screen_stack) > 1 or self.filtering:
            return action == "quit" and not self.filtering and len(self.screen_stack) == 1
        return any(key.on(self.tab, self.options.actions) for key in ours)

    @property
    def filtering(self) -> bool:
        """Whether the filter is being typed."""
        return self._drawable and self._default.query_one("#filter").display

    def action_tab(self, number: str) -> None:
        self._leave()
        self.ask(tab=TABS[int(number) - 1])

    def action_next_tab(self) -> None:
        self.action_tab(str((TABS.index(self.tab) + 1) % len(TABS) + 1))

    def action_last_tab(self) -> None:
        self.action_tab(str((TABS.index(self.tab) - 1) % len(TABS) + 1))

    def _leave(self) -> None:
        if self.grid.cursor is not None:
            self.cursors[self.tab] = self.grid.cursor.key

    def _moved(self) -> None:
        self._leave()
        self._say("#note", note(self.table, self.grid.position, self.problem, self._marked, self.size.width))

    def action_down(self) -> None:
        self.grid.move(1)
        self._moved()

    def action_up(self) -> None:
        self.grid.move(-1)
        self._moved()

    def action_page_down(self) -> None:
        self.grid.move(self.grid.page)
        self._moved()

    def action_page_up(self) -> None:
        self.grid.move(-self.grid.page)
        self._moved()

    def action_top(self) -> None:
        self.grid.move_to(0)
        self._moved()

    def action_bottom(self) -> None:
        self.grid.move_to(-1)
        self._moved()

    def action_sort(self) -> None:
        """By the next of the columns that are seen; after the last, as it comes."""
        names: list[str | None] = [None, *self.grid.shown_columns]
        now = self.sortings.get(self.tab, Sorting()).column
        following = names[(names.index(now) + 1) % len(names)] if now in names else None
        self.sortings[self.tab] = Sorting(following)
        self.draw()

    def action_reverse(self) -> None:
        now = self.sortings.get(self.tab, Sorting())
        self.sortings[self.tab] = now._replace(reverse=not now.reverse)
        self.draw()

    def on_grid_sorted(self, message: Grid.Sorted) -> None:
        now = self.sortings.get(self.tab, Sorting())
        again = now.column == message.column
        self.sortings[self.tab] = Sorting(message.column, again and not now.reverse)
        self.draw()

    def action_pause(self) -> None:
        self.poller.paused = not self.poller.paused
        self.poller.nudge() if not self.poller.paused else None
        self.draw()

    def action_refresh(self) -> None:
        self.poller.nudge()

    def action_slower(self) -> None:
        self._set_interval(min([each for each in INTERVALS if each > self.poller.interval], default=INTERVALS[-1]))

    def action_faster(self) -> None:
        self._set_interval(max([each for each in INTERVALS if each < self.poller.interval], default=INTERVALS[0]))

    def _set_interval(self, seconds: float) -> None:
        self.poller.interval = seconds
        self.poller.nudge()
        self.draw()

    def action_period(self) -> None:
        self.ask(period=PERIODS[(PERIODS.index(self.poller.query.period) + 1) % len(PERIODS)])

    def action_copy(self) -> None:
        row = self.grid.cursor
        if row is not None:
            self.copy_to_clipboard(row.copied)
            self.notify(f"copied {visible(row.copied)}", markup=False, timeout=2)

    def action_help(self) -> None:
        self.push_screen(Help(self.tab, actions=self.options.actions, ascii=self.options.ascii))

    async def action_back(self) -> None:
        if self._marked is not None:
            self._marked = None
            self.draw()
        elif self.poller.query.filter:
            self.ask(filter=parse(""))

    async def action_quit(self) -> None:
        self.exit()

    # -- the filter --

    def action_filter(self) -> None:
        box = self._default.query_one("#filter", Input)
        box.value = self.poller.query.filter.text
        box.display = True
        box.focus()

    def on_input_submitted(self, message: Input.Submitted) -> None:
        if message.input.id != "filter":
            return
        try:
            wanted = parse(message.value)
        except ValueError as error:
            self.notify(f"The filter is not right: {error}.", severity="warning", markup=False)
            return
        self._end_filter()
        self.ask(filter=wanted)

    def on_key(self, event: object) -> None:
        if self.filtering and getattr(event, "key", "") == "escape":
            self._end_filter()

    def _end_filter(self) -> None:
        self._default.query_one("#filter", Input).display = False
        self.grid.focus()

    # -- pages --

    def action_open(self) -> None:
        if self.grid.cursor is not None:
            self._open(self.tab, self.grid.cursor.key, self.grid.cursor.copied)

    def on_grid_chosen(self, message: Grid.Chosen) -> None:
        self._open(self.tab, message.row.key, message.row.copied)

    def _open(self, tab: Tab, key: str, copied: str) -> None:
        snapshot = self.snapshot
        if snapshot is not None:
            self.run_worker(self._show_page(tab, key, copied, snapshot), exclusive=True, group="page")

    async def _show_page(self, tab: Tab, key: str, copied: str, snapshot: Snapshot) -> None:
        try:
            page = await in_thread(lambda: self.desk.page(tab, key, snapshot))
        except AIKitError as error:
            self.tell(error)
            return

        def opened(further: str | None) -> None:
            if further:
                self._open(tab, further, copied)

        await self.push_screen(Leaf(page, copied, ascii=self.options.ascii), opened)

    def action_diff(self) -> None:
        """Mark a version, then compare it with another."""
        row = self.grid.cursor
        if row is None:
            return
        if self._marked is None or self._marked == row.key:
            self._marked = None if self._marked == row.key else row.key
            self.draw()
            return
        first, self._marked = self._marked, None
        self.draw()
        self.run_worker(self._show_diff(first, row.key), exclusive=True, group="page")

    async def _show_diff(self, first: str, second: str) -> None:
        try:
            page = await in_thread(lambda: self.desk.compare_prompts(first, second))
        except AIKitError as error:
            self.tell(error)
            return
        await self.push_screen(Leaf(page, second, ascii=self.options.ascii))

    def chosen(self) -> Row | None:
        return self.grid.cursor

    # -- the palette, the end --

    def get_system_commands(self, screen: Screen[object]) -> Iterable[SystemCommand]:
        for number, tab in enumerate(Tab, 1):
            go = partial(self.action_tab, str(number))
            yield SystemCommand(tab.title(), f"Go to the tab {tab} ({number})", go)
        for period in Period:
            yield SystemCommand(f"Range: {period}", "Sums over this time", partial(self.ask, period=period))
        for key in KEYS:
            method = getattr(self, f"action_{key.action}", None)
            listed = key.action not in ("tab", "command_palette") and key.on(self.tab, self.options.actions)
            if method is not None and listed:
                yield SystemCommand(key.says.rstrip("."), f"The key {key.shown}", method)
        yield SystemCommand("Theme", "Other colours: dark, light, those of the terminal …", self.search_themes)

    def on_unmount(self) -> None:
        if self._folder is not None:
            query = self.poller.query
            remember(self._folder, Remembered(query.tab, query.period, query.filter.text, self.theme, self.sortings))

    def _fatal_error(self) -> None:
        """As Textual does it, without the values of variables: they may hold a password."""
        self.bell()
        traceback = Traceback(show_locals=False, width=None, suppress=[])
        self._exit_renderables.append(Segments(self.console.render(traceback, self.console.options)))
        self._close_messages_no_wait()


def run_console(source: Source, options: Options, desk: Desk, *, folder: Path | None = None) -> int:
    """Show it until somebody leaves; returns 0, or 1 if it broke. In `folder` it remembers how it was left."""
    app = Console(source, options, desk, folder=folder)
    try:
        app.run()
    finally:
        source.close()
    return app.return_code or 0
