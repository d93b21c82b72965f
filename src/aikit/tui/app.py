"""The console: its keys, its filter, its palette, and what it remembers."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path
from typing import ClassVar

from textual import events
from textual.app import SystemCommand
from textual.binding import Binding, BindingType
from textual.screen import Screen
from textual.widgets import Input

from aikit.console.desk import Desk
from aikit.console.filtering import parse
from aikit.console.model import Period, Source, Tab
from aikit.console.table import Sorting
from aikit.console.words import visible
from aikit.tui.acting import Acting
from aikit.tui.grid import Grid
from aikit.tui.keys import KEYS
from aikit.tui.opening import Opening
from aikit.tui.options import Options
from aikit.tui.picture import self_contained
from aikit.tui.remembered import Remembered, first_query, recall, remember
from aikit.tui.running import run
from aikit.tui.screens import Help

INTERVALS = (0.5, 1.0, 2.0, 5.0, 10.0, 30.0, 60.0)
"""Seconds between two reads that + and - choose from."""
TABS, PERIODS = list(Tab), list(Period)
GONE = "There is no such theme: {}"
FOCUS = ("focus_next", "focus_previous")


class Console(Acting, Opening):
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
        self._folder = folder
        self._left = left = recall(folder) if folder else Remembered()
        super().__init__(source, first_query(options, left), options, desk, dict(left.sortings), clock)

    def on_mount(self) -> None:
        wanted = self.options.theme or self._left.theme
        if wanted in self.available_themes:
            self.theme = wanted
        elif self.options.theme:
            self.notify(GONE.format(self.options.theme), severity="warning", markup=False)

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Keys of other tabs, and what may not be done, do nothing; on another screen only its own keys do."""
        below = len(self.screen_stack) > 1
        if action in FOCUS:
            return below  # on a tab, Tab goes to the next
        ours = [key for key in KEYS if key.action == action]
        if not ours:
            return super().check_action(action, parameters)
        if below or self.filtering:
            return action == "back" and not below
        return any(key.on(self.tab, self.options.actions) for key in ours)

    def action_tab(self, number: str) -> None:
        self.keep_place()
        self.ask(tab=TABS[int(number) - 1])

    def action_next_tab(self) -> None:
        self.action_tab(str((TABS.index(self.tab) + 1) % len(TABS) + 1))

    def action_last_tab(self) -> None:
        self.action_tab(str((TABS.index(self.tab) - 1) % len(TABS) + 1))

    def on_grid_moved(self) -> None:
        self.moved()

    def action_down(self) -> None:
        self.grid.move(1)
        self.moved()

    def action_up(self) -> None:
        self.grid.move(-1)
        self.moved()

    def action_page_down(self) -> None:
        self.grid.move(self.grid.page)
        self.moved()

    def action_page_up(self) -> None:
        self.grid.move(-self.grid.page)
        self.moved()

    def action_top(self) -> None:
        self.grid.move_to(0)
        self.moved()

    def action_bottom(self) -> None:
        self.grid.move_to(-1)
        self.moved()

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
        if self.filtering:
            self._end_filter()
        elif self.stop_opening():
            return
        elif self.marked is not None:
            self.marked = None
            self.draw()
        elif self.poller.query.filter:
            self.ask(filter=parse(""))

    async def action_quit(self) -> None:
        self.exit()

    def action_filter(self) -> None:
        box = self._default.query_one("#filter", Input)
        box.value = self.poller.query.filter.text
        box.display = True
        self._default.set_focus(box)

    async def on_key(self, event: events.Key) -> None:
        """What is typed faster than the box takes the keys over goes into it all the same."""
        box = self._default.query_one("#filter", Input)
        if self.filtering and event.is_printable and event.character:
            box.insert_text_at_cursor(event.character)
        elif self.filtering and event.key == "enter":
            await box.action_submit()

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

    def _end_filter(self) -> None:
        self._default.query_one("#filter", Input).display = False
        self.grid.focus()

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

    def export_screenshot(self, *, title: str | None = None, simplify: bool = False) -> str:
        return self_contained(super().export_screenshot(title=title, simplify=simplify))

    def _fatal_error(self) -> None:
        """As Textual does it, without the values of variables: they may hold a password."""
        from rich.segment import Segments
        from rich.traceback import Traceback

        self.bell()
        traceback = Traceback(show_locals=False, width=None, suppress=[])
        self._exit_renderables.append(Segments(self.console.render(traceback, self.console.options)))
        self._close_messages_no_wait()


def run_console(source: Source, options: Options, desk: Desk, *, folder: Path | None = None) -> int:
    """Show it until somebody leaves; returns 0, or 1 if it broke. In `folder` it remembers how it was left."""
    app = Console(source, options, desk, folder=folder)
    try:
        run(app)
    finally:
        source.close()
    return app.return_code or 0
