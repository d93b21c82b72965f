"""What is on the screen, and what it stands on: the snapshot, the query, the order of each tab."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import replace

from textual.app import App, ComposeResult
from textual.content import Content
from textual.filter import LineFilter, Monochrome, NoColor
from textual.notifications import SeverityLevel
from textual.screen import Screen
from textual.widgets import Input, Static

from aikit.console.desk import Desk
from aikit.console.model import Overview, Page, Query, Snapshot, Source, Tab
from aikit.console.status import Status
from aikit.console.table import Row, Sorting, Table
from aikit.console.tables import table_of
from aikit.console.words import Style, cut, visible
from aikit.errors import AIKitError
from aikit.tui.bars import FLAT, below, breakers_line, footer, headed, note, tab_line
from aikit.tui.grid import Grid
from aikit.tui.options import Options
from aikit.tui.plain import Plain
from aikit.tui.plot import PlotPane
from aikit.tui.polling import Poller

MOST_SAID = 300
"""Cells of a message that pops up."""


class View(App[None]):
    """Draws the last snapshot. Nothing here waits for anything."""

    def __init__(
        self,
        source: Source,
        query: Query,
        options: Options,
        desk: Desk,
        sortings: dict[Tab, Sorting],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        super().__init__()
        self.desk, self.options, self._clock = desk, options, clock
        self.style_ = Style(ascii=options.ascii)
        self.poller = Poller(source, query, options.interval, self._shown, self._failed, clock)
        self.sortings = sortings
        self.cursors: dict[Tab, str] = {}
        self.snapshot: Snapshot | None = None
        self.problem: AIKitError | None = None
        self.marked: str | None = None
        """The version of a prompt that the next one is compared with."""
        self._snapshot_at = 0.0
        self._tabled: tuple[Snapshot, Table] | None = None
        """The table that was made of a snapshot: many keys draw it again."""
        self._drawable = False

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
            return Table((), (), empty="not read yet" if self.problem else self._reading)
        if self._tabled is None or self._tabled[0] is not self.snapshot:
            self._tabled = self.snapshot, table_of(self.snapshot, self.style_)
        return self._tabled[1]

    @property
    def _reading(self) -> str:
        return f"reading {self.style_.of('…', '...')}"

    @property
    def asked_for(self) -> bool:
        """What is shown is what was asked for, and not of the range or filter before."""
        return self.snapshot is not None and self.snapshot.query == self.poller.query

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
        if not self.is_running:
            return
        page = self.snapshot.page if self.snapshot and self.snapshot.query.tab is self.tab else None
        self._draw_age()
        self._say("#tabs", tab_line(self.poller.query, self.size.width))
        roomy = self.size.height >= FLAT
        self._default.query_one(PlotPane).show(page if roomy else None)
        troubled = page if roomy and isinstance(page, Overview) and page.breakers else None
        self._default.query_one("#breakers").display = troubled is not None
        if troubled is not None:
            self._say("#breakers", breakers_line(troubled, self.style_, self.size.width))
        table = self.table
        self.grid.show(table, self.sortings.get(self.tab, Sorting()), self.cursors.get(self.tab))
        self._draw_below(page)
        stale = self.problem is not None or not self.asked_for
        self._default.query("#plot, #breakers, #grid, #below").set_class(stale, "-stale")
        self._note()
        self._say("#footer", footer(self.tab, self.options.actions, self.size.width, ascii=self.options.ascii))

    def _draw_below(self, page: Page | None) -> None:
        """What moved lately, if the table leaves more than half of the screen to it."""
        room = min(12, self.size.height - 10 - len(self.table.rows)) if page is not None else 0
        text = below(self.snapshot, self.style_, self.size.width, room) if self.snapshot and page else Content("")
        self._default.query_one("#below").display = bool(text)
        self._say("#below", text)

    def _draw_age(self) -> None:
        if not self.is_running:
            return
        lines = headed(self.snapshot, self.status, self.style_, self.size.width, self.size.height)
        self._say("#header", lines)

    def _say(self, where: str, content: Content) -> None:
        static = self._default.query_one(where, Static)
        if not (isinstance(static.content, Content) and static.content.is_same(content)):
            static.update(content)

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

    @property
    def filtering(self) -> bool:
        """Whether the filter is being typed."""
        return self._drawable and self._default.query_one("#filter").display

    @property
    def busy(self) -> bool:
        """Somebody is at something else by now, and nothing may be put before it."""
        return self.filtering or len(self.screen_stack) != 1 or not self.is_running

    def notify(
        self,
        message: str,
        *,
        title: str = "",
        severity: SeverityLevel = "information",
        timeout: float | None = None,
        markup: bool = False,
    ) -> None:
        """For some seconds; whatever it quotes is no markup, and not longer than a person reads."""
        short = cut(visible(message), MOST_SAID, self.style_)
        super().notify(short, title=title, severity=severity, timeout=timeout, markup=markup)

    def get_line_filters(self) -> Sequence[LineFilter]:
        filters = [*super().get_line_filters(), *([Plain()] if self.options.ascii else [])]
        if self.native_ansi_color:  # greys are not the terminal's own colours: black on black
            filters = [NoColor() if isinstance(each, Monochrome) else each for each in filters]
        return filters

    def chosen(self) -> Row | None:
        return self.grid.cursor

    def keep_place(self) -> None:
        if self.grid.cursor is not None:
            self.cursors[self.tab] = self.grid.cursor.key

    def moved(self) -> None:
        self.keep_place()
        self._note()

    def _note(self) -> None:
        table = self.table
        if table.rows and not self.asked_for:
            table = Table(table.columns, table.rows, note=self._reading)
        self._say("#note", note(table, self.grid.position, self.problem, self.marked, self.size.width))

    def tell(self, error: AIKitError) -> None:
        """What happened and what to do, for some seconds."""
        text = f"{error.message} {error.remedy or ''}".strip()
        self.notify(visible(text), severity="error", markup=False, timeout=8)
