"""Screens over the console: a page about one thing, and the help."""

from __future__ import annotations

from collections.abc import Iterable
from textwrap import wrap
from typing import ClassVar

from textual import events
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import VerticalScroll
from textual.content import Content
from textual.screen import ModalScreen, Screen
from textual.widgets import Static

from aikit.console.model import Tab
from aikit.console.words import visible
from aikit.page import Page
from aikit.tui.drawing import drawn
from aikit.tui.keys import KEYS, Key

BACK = Binding("escape,q", "dismiss", "Back", show=False)
SCROLL: list[BindingType] = [
    Binding("j,down", "scroll(1)", show=False),
    Binding("k,up", "scroll(-1)", show=False),
    Binding("ctrl+d,pagedown,space", "leaf(1)", show=False),
    Binding("ctrl+u,pageup", "leaf(-1)", show=False),
    Binding("g,home", "to_end(False)", show=False),
    Binding("G,shift+g,end", "to_end(True)", show=False),
]


class Leaf(Screen[str | None]):
    """A page about one thing. Items that open something are gone through with Tab, and opened with Enter."""

    BINDINGS: ClassVar[list[BindingType]] = [
        BACK,
        *SCROLL,
        Binding("y", "copy", show=False),
        Binding("tab,n", "step(1)", show=False),
        Binding("shift+tab,p", "step(-1)", show=False),
        Binding("enter", "open", show=False),
    ]
    DEFAULT_CSS = """
    Leaf { background: $background; }
    Leaf #title { height: auto; text-style: bold; padding: 0 1; }
    Leaf #body { padding: 0 1; height: 1fr; }
    Leaf #foot { height: 1; padding: 0 1; color: $text-muted; }
    """

    def __init__(self, page: Page, copied: str, *, ascii: bool) -> None:
        super().__init__()
        self.page = page
        self._copied, self._ascii = copied, ascii
        self._doors = [item.opens for section in page.sections for item in section.items if item.opens]
        self._at = 0

    def compose(self) -> ComposeResult:
        yield Static(id="title")
        with VerticalScroll(id="body", can_focus=True):
            yield Static(id="text")
        doors = "   tab next   enter open" if self._doors else ""
        yield Static(Content(f"esc back   j/k scroll   y copy id{doors}"), id="foot")

    def on_mount(self) -> None:
        self.query_one("#body").focus()

    def on_resize(self, event: events.Resize) -> None:
        self._draw(event.size.width)

    def _draw(self, width: int) -> None:
        heading = Content(visible(self.page.heading))
        self.query_one("#title", Static).update(heading.truncate(HEADING_LINES * max(1, width - 4), ellipsis=True))
        opened = self._doors[self._at] if self._doors else None
        content, line = drawn(self.page, max(20, width - 4), opened, ascii=self._ascii)
        self.query_one("#text", Static).update(content)
        if line is not None and self._at:
            self.query_one("#body", VerticalScroll).scroll_to(y=max(0, line - 3), animate=False)

    def action_scroll(self, by: int) -> None:
        self.query_one("#body", VerticalScroll).scroll_relative(y=by, animate=False)

    def action_leaf(self, by: int) -> None:
        body = self.query_one("#body", VerticalScroll)
        body.scroll_relative(y=by * max(1, body.size.height - 1), animate=False)

    def action_to_end(self, end: bool) -> None:
        body = self.query_one("#body", VerticalScroll)
        body.scroll_end(animate=False) if end else body.scroll_home(animate=False)

    def action_step(self, by: int) -> None:
        if self._doors:
            self._at = (self._at + by) % len(self._doors)
            self._draw(self.size.width)

    def action_open(self) -> None:
        if self._doors:
            self.dismiss(self._doors[self._at])

    def action_copy(self) -> None:
        self.app.copy_to_clipboard(self._copied)
        self.app.notify(Content(f"copied {visible(self._copied)}").plain, markup=False, timeout=2)


HEADING_LINES = 3
HELP_WIDTH, HELP_KEYS = 92, 11
COUNTED = (
    "Spend counts in the hour, or minute, in which a call was admitted. The rate is of this hour so far; "
    "in its first ten minutes, of the last sixty. p50 and p95 are of the newest calls."
)


class Help(ModalScreen[None]):
    """What every key does, from the one table of keys."""

    BINDINGS: ClassVar[list[BindingType]] = [Binding("escape,q,question_mark,f1,enter", "dismiss", show=False), *SCROLL]
    DEFAULT_CSS = """
    Help { align: center middle; }
    Help #body { width: 92; max-width: 100%; height: auto; max-height: 100%; padding: 0 1; background: $surface;
                 border: round $primary; }
    Help.-ascii #body { border: ascii $primary; }
    """

    def __init__(self, tab: Tab, *, actions: bool, ascii: bool) -> None:
        super().__init__(classes="-ascii" if ascii else "")
        self._tab, self._actions, self._ascii = tab, actions, ascii

    def compose(self) -> ComposeResult:
        with VerticalScroll(id="body"):
            yield Static(id="text")

    def on_resize(self, event: events.Resize) -> None:
        width = max(20, min(HELP_WIDTH, event.size.width) - 5)
        self.query_one("#text", Static).update(Content("\n").join(self._lines(width)))

    def _lines(self, width: int) -> Iterable[Content]:
        yield Content.assemble(("Keys", "bold"), "   esc back   j/k scroll")
        for key in KEYS:
            first, *others = wrap(f"{key.says}{self._where(key)}", max(10, width - HELP_KEYS), break_on_hyphens=False)
            yield Content.assemble((f"{key.written(self._ascii):<{HELP_KEYS}}", "bold"), first)
            yield from [Content(" " * HELP_KEYS + line) for line in others]
        yield Content("")
        yield from [Content(line) for line in wrap(COUNTED, width)]

    def _where(self, key: Key) -> str:
        said = [*sorted(key.tabs or ()), *(["needs --allow-actions"] if key.acts and not self._actions else [])]
        return f" ({', '.join(said)})" if said else ""

    def action_scroll(self, by: int) -> None:
        self.query_one("#body", VerticalScroll).scroll_relative(y=by, animate=False)

    def action_leaf(self, by: int) -> None:
        self.action_scroll(by * 10)

    def action_to_end(self, end: bool) -> None:
        self.action_scroll(1_000 if end else -1_000)
