"""The filter as it is typed, the mouse, the cursor while rows come and go, and the palette."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from aikit.console.model import Period, Tab
from aikit.console.table import Sorting
from aikit.tui.app import Console
from aikit.tui.screens import Help, Leaf
from support.consoles import Notes, a_console, read_once, screen_text, told, typed, until
from support.snapshots import Scripted


def at(app: Console) -> int:
    return app.grid.position[0]


async def test_a_wrong_filter_is_said_and_nothing_changes() -> None:
    source = Scripted()
    app = a_console(source, filter="tenant:acme")
    async with app.run_test(size=(100, 30)) as pilot:
        await read_once(pilot)
        for wrong, why in (("colour:red", "no field 'colour'"), ("tenant:'acme", "a quote is not closed")):
            await pilot.press("slash")
            await typed(pilot, wrong)
            await pilot.press("enter")
            assert why in told(app)[-1]
            assert app.filtering, "it can be put right"
            await pilot.press("escape")
        assert app.poller.query.filter.text == "tenant:acme"
        assert {query.filter.text for query in source.asked} == {"tenant:acme"}


async def test_escape_leaves_the_filter_as_it_was() -> None:
    source = Scripted()
    app = a_console(source, filter="tenant:acme")
    async with app.run_test(size=(100, 30)) as pilot:
        await read_once(pilot)
        await pilot.press("slash")
        assert app.focused is not None
        await typed(pilot, "model:opus")
        await pilot.press("escape")
        assert not app.filtering
        assert app.poller.query.filter.text == "tenant:acme"
        await pilot.press("j")
        assert at(app) == 2, "keys are the table's again"


async def test_while_the_filter_is_typed_letters_are_only_text() -> None:
    source = Scripted()
    app = a_console(source)
    async with app.run_test(size=(100, 30)) as pilot:
        await read_once(pilot)
        await pilot.press("slash")
        await typed(pilot, "q s2 rty?+-")
        assert app.focused is not None
        assert app.focused.value == "q s2 rty?+-"  # type: ignore[attr-defined]
        await pilot.press("tab")
        assert app.filtering, "Tab does not leave it half done"
        assert app.tab is Tab.OVERVIEW
        assert len(source.asked) == 1


async def test_a_click_on_a_head_sorts_and_a_second_one_turns_it_round() -> None:
    app = a_console(tab=Tab.CALLS)
    async with app.run_test(size=(100, 30)) as pilot:
        await read_once(pilot)
        cost = next(placed for placed in app.grid._placed if app.table.columns[placed.column].name == "Cost")
        offset = (cost.x + cost.width - 1, 0)
        await pilot.click("#grid", offset=offset)
        assert app.sortings[Tab.CALLS] == Sorting("Cost", False)
        dearest = app.grid._rows[0].cells[cost.column].text
        assert "COST ▼" in screen_text(app)
        assert dearest == "$0.07"
        await pilot.click("#grid", offset=offset)
        assert app.sortings[Tab.CALLS] == Sorting("Cost", True)
        assert "COST ▲" in screen_text(app)
        assert app.grid._rows[0].cells[cost.column].text == "$0.00"
        assert app.grid._rows[-1].cells[cost.column].text == "—", "unknown is last either way"


async def test_a_click_chooses_a_row_and_a_click_on_the_chosen_one_opens_it() -> None:
    desk = Notes()
    app = a_console(desk=desk, tab=Tab.CALLS)
    async with app.run_test(size=(100, 30)) as pilot:
        await read_once(pilot)
        await pilot.click("#grid", offset=(3, 3))
        assert at(app) == 3
        assert desk.asked == []
        await pilot.click("#grid", offset=(3, 3))
        await until(pilot, lambda: isinstance(app.screen, Leaf))


async def test_the_wheel_moves_the_cursor() -> None:
    app = a_console(tab=Tab.CALLS)
    async with app.run_test(size=(100, 30)) as pilot:
        await read_once(pilot)
        app.grid.on_mouse_scroll_down()
        assert at(app) == 4
        await pilot.pause()
        assert "4/9" in screen_text(app)


async def test_the_cursor_stays_on_its_row_when_others_come_and_the_tab_is_left_and_entered() -> None:
    app = a_console(tab=Tab.CALLS)
    async with app.run_test(size=(100, 30)) as pilot:
        await read_once(pilot)
        await pilot.press("j", "j")
        row = app.grid.cursor
        await pilot.press("s")
        assert app.grid.cursor == row
        await pilot.press("2")
        await pilot.press("7")
        await read_once(pilot)
        await pilot.press("2")
        await read_once(pilot)
        assert app.grid.cursor == row


@pytest.mark.parametrize(
    ("words", "done"),
    [
        ("Breakers", lambda app: app.tab is Tab.BREAKERS),
        ("Range: 7d", lambda app: app.poller.query.period is Period.WEEK),
        ("Hold still", lambda app: app.poller.paused),
        ("What every key does", lambda app: isinstance(app.screen, Help)),
        ("Sort by the next column", lambda app: app.grid.sorting.column == "Who"),
        ("To the last row", lambda app: app.grid.position == (4, 4)),
        ("Open what the cursor is on", lambda app: isinstance(app.screen, Leaf)),
        ("Leave", lambda app: app._exit),
    ],
    ids=lambda each: each if isinstance(each, str) else "",
)
async def test_the_palette_does_it_by_name(words: str, done: Callable[[Console], bool]) -> None:
    app = a_console()
    async with app.run_test(size=(100, 30)) as pilot:
        await read_once(pilot)
        await pilot.press("ctrl+p")
        await typed(pilot, words)
        await until(pilot, lambda: words in screen_text(app))
        await pilot.pause(0.3)
        await pilot.press("enter")
        await until(pilot, lambda: done(app), words)


async def test_the_palette_changes_the_theme() -> None:
    app = a_console(theme="textual-dark")
    async with app.run_test(size=(100, 30)) as pilot:
        await read_once(pilot)
        await pilot.press("ctrl+p")
        await typed(pilot, "Theme")
        await pilot.pause(0.3)
        await pilot.press("enter")
        await pilot.pause(0.3)
        await typed(pilot, "textual-light")
        await pilot.pause(0.3)
        await pilot.press("enter")
        await until(pilot, lambda: app.theme == "textual-light")


async def test_the_palette_offers_only_what_can_be_done_here() -> None:
    for tab, actions in ((Tab.BREAKERS, True), (Tab.BREAKERS, False), (Tab.CALLS, True)):
        app = a_console(tab=tab, actions=actions)
        async with app.run_test(size=(100, 30)) as pilot:
            await read_once(pilot)
            offered = {command.title for command in app.get_system_commands(app.screen)}
            assert ("Force the breaker open" in offered) is (tab is Tab.BREAKERS and actions)
