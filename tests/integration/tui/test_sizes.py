"""A console is drawn in whatever size its terminal is, and when that changes."""

from __future__ import annotations

import pytest
from rich.cells import cell_len

from aikit.console.model import Tab
from aikit.tui.app import Console
from aikit.tui.asking import Asking
from aikit.tui.screens import Help, Leaf
from support.consoles import (
    AWAY,
    Drive,
    a_console,
    assert_aligned,
    hostile,
    read_once,
    screen_lines,
    screen_text,
    typed,
    until,
)
from support.snapshots import Scripted

SIZES = [(200, 60), (20, 5), (1, 1), (60, 20), (20, 60), (300, 2), (7, 30), (100, 12), (1, 40), (200, 60)]


def drawn_in(app: Console) -> tuple[int, int]:
    lines = screen_lines(app)
    return (cell_len(lines[0]) if lines else 0), len(lines)


async def resized(pilot: Drive, app: Console) -> None:
    for width, height in SIZES:
        await pilot.resize_terminal(width, height)
        await pilot.pause()
        await until(pilot, lambda size=(width, height): app.size == size and drawn_in(app) == size)
        assert_aligned(app, (width, height))


@pytest.mark.parametrize("tab", Tab)
@pytest.mark.parametrize("hostile_", [False, True], ids=["plain", "hostile"])
async def test_any_size_is_drawn_on_every_tab(tab: Tab, hostile_: bool) -> None:
    app = a_console(Scripted(hostile=hostile_), tab=tab, actions=True)
    async with app.run_test(size=(200, 60)) as pilot:
        await read_once(pilot)
        await resized(pilot, app)
        assert app.grid.cursor is not None
        assert "WHO" in screen_text(app) or app.grid.shown_columns


@pytest.mark.parametrize(
    ("tab", "keys", "screen"),
    [
        (Tab.CALLS, ["enter"], Leaf),
        (Tab.OVERVIEW, ["question_mark"], Help),
        (Tab.BREAKERS, ["o"], Asking),
        (Tab.LIMITS, ["e"], Asking),
        (Tab.PROMPTS, ["R"], Asking),
        (Tab.PROMPTS, ["d", "j", "d"], Leaf),
        (Tab.OVERVIEW, ["ctrl+p"], object),
    ],
)
async def test_any_size_is_drawn_under_every_dialog(tab: Tab, keys: list[str], screen: type) -> None:
    app, _ = hostile(tab=tab)
    async with app.run_test(size=(200, 60)) as pilot:
        await read_once(pilot)
        await pilot.press(*keys)
        await until(pilot, lambda: isinstance(app.screen, screen) and len(app.screen_stack) == 2)
        await resized(pilot, app)
        await pilot.press("escape")
        await until(pilot, lambda: len(app.screen_stack) == 1)
        assert_aligned(app)


async def test_the_filter_can_be_typed_at_any_size() -> None:
    app = a_console()
    async with app.run_test(size=(200, 60)) as pilot:
        await read_once(pilot)
        await pilot.press("slash")
        await typed(pilot, "tenant:acme")
        await resized(pilot, app)
        await pilot.resize_terminal(20, 5)
        await pilot.pause()
        assert "tenant:acme" in screen_text(app)
        await pilot.press("enter")
        assert app.poller.query.filter.text == "tenant:acme"


async def test_at_twenty_by_five_it_says_how_current_it_is_and_shows_rows() -> None:
    app = a_console(Scripted(), actions=False)
    async with app.run_test(size=(20, 5)) as pilot:
        await read_once(pilot)
        lines = screen_lines(app)
        assert "live" in lines[0]
        assert sum("acme" in line for line in lines) == 2
        app.poller._source.then(*[AWAY] * 9)  # type: ignore[attr-defined]
        await pilot.press("r")
        await until(pilot, lambda: app.problem is not None)
        assert "STALE" in screen_lines(app)[0]
