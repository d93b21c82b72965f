"""A page that takes long to look up is not shown any more to somebody who has gone on."""

from __future__ import annotations

from threading import Event

from aikit.console.model import Snapshot, Tab
from aikit.page import Page
from support.consoles import PATIENCE, Notes, a_console, read_once, screen_text, until


class SlowNotes(Notes):
    """Has a page only when it is let."""

    def __init__(self) -> None:
        super().__init__()
        self.asked_for, self.let = Event(), Event()

    def page(self, tab: Tab, key: str, snapshot: Snapshot) -> Page:
        self.asked_for.set()
        self.let.wait(PATIENCE)
        return super().page(tab, key, snapshot)


async def test_escape_leaves_a_page_that_is_still_looked_up_unopened_and_the_filter_as_it_is() -> None:
    desk = SlowNotes()
    app = a_console(desk=desk, filter="acme")
    async with app.run_test(size=(100, 30)) as pilot:
        await read_once(pilot)
        await pilot.press("enter")
        await until(pilot, desk.asked_for.is_set)
        await pilot.press("escape")
        desk.let.set()
        await until(pilot, lambda: desk.asked)
        await pilot.pause(0.1)
        assert len(app.screen_stack) == 1
        assert "/acme" in screen_text(app)
        await pilot.press("escape")
        await read_once(pilot)
        assert "/acme" not in screen_text(app)
