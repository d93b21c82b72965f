"""Every key of the table does what it says. A key without a test here fails the first of them."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import pytest

from aikit.console.actions import Way
from aikit.console.model import Period, Tab
from aikit.console.table import Sorting
from aikit.tui.app import Console
from aikit.tui.asking import EditLimit, Named
from aikit.tui.keys import KEYS, Key
from aikit.tui.screens import Help, Leaf
from support.consoles import Drive, Notes, a_console, read_once, screen_text, told, typed, until
from support.snapshots import Scripted

Try = Callable[[Drive, Console, Scripted, Notes, str], Awaitable[None]]
TRIES: dict[str, tuple[Tab, Try]] = {}
"""For each action: the tab it is tried on, and what one of its keys must do there."""


def tries(action: str, tab: Tab = Tab.OVERVIEW) -> Callable[[Try], Try]:
    def kept(trial: Try) -> Try:
        TRIES[action] = (tab, trial)
        return trial

    return kept


def at(app: Console) -> int:
    return app.grid.position[0]


@tries("help")
async def _help(pilot: Drive, app: Console, source: Scripted, desk: Notes, key: str) -> None:
    await pilot.press(key)
    assert isinstance(app.screen, Help)
    await pilot.press("escape")
    assert len(app.screen_stack) == 1


@tries("filter")
async def _filter(pilot: Drive, app: Console, source: Scripted, desk: Notes, key: str) -> None:
    await pilot.press(key)
    await typed(pilot, "tenant:acme !status:ok q")
    assert not app.poller.query.filter
    await pilot.press("enter")
    await read_once(pilot)
    assert source.asked[-1].filter.text == "tenant:acme !status:ok q"
    assert "/tenant:acme !status:ok q" in screen_text(app)


@tries("sort")
async def _sort(pilot: Drive, app: Console, source: Scripted, desk: Notes, key: str) -> None:
    columns = app.grid.shown_columns
    for column in [*columns, None]:
        await pilot.press(key)
        assert app.sortings[Tab.OVERVIEW] == Sorting(column)
    assert app.grid.sorting == Sorting()


@tries("reverse")
async def _reverse(pilot: Drive, app: Console, source: Scripted, desk: Notes, key: str) -> None:
    first = app.grid._rows[0].key
    await pilot.press(key)
    assert app.grid._rows[-1].key == first
    await pilot.press(key)
    assert app.grid._rows[0].key == first


@tries("open")
async def _open(pilot: Drive, app: Console, source: Scripted, desk: Notes, key: str) -> None:
    row = app.grid.cursor
    assert row is not None
    await pilot.press(key)
    await until(pilot, lambda: isinstance(app.screen, Leaf))
    assert desk.asked == [("page", Tab.OVERVIEW, row.key)]
    await pilot.press("escape")
    assert len(app.screen_stack) == 1


@tries("back")
async def _back(pilot: Drive, app: Console, source: Scripted, desk: Notes, key: str) -> None:
    await pilot.press("slash")
    await typed(pilot, "acme")
    await pilot.press("enter")
    await read_once(pilot)
    await pilot.press(key)
    await read_once(pilot)
    assert not source.asked[-1].filter


@tries("pause")
async def _pause(pilot: Drive, app: Console, source: Scripted, desk: Notes, key: str) -> None:
    reads = len(source.asked)
    await pilot.press(key)
    assert "paused" in screen_text(app)
    assert len(source.asked) == reads
    await pilot.press(key)
    await until(pilot, lambda: len(source.asked) == reads + 1, "a read as soon as it goes on")
    assert "paused" not in screen_text(app)


@tries("refresh")
async def _refresh(pilot: Drive, app: Console, source: Scripted, desk: Notes, key: str) -> None:
    reads = len(source.asked)
    await pilot.press(key)
    await until(pilot, lambda: len(source.asked) == reads + 1)


@tries("period", Tab.PROMPTS)
async def _period(pilot: Drive, app: Console, source: Scripted, desk: Notes, key: str) -> None:
    for period in ("24h", "7d", "month", "1h", "today"):
        await pilot.press(key)
        await read_once(pilot)
        assert source.asked[-1].period == Period(period)
        assert period in screen_text(app)


@tries("slower")
async def _slower(pilot: Drive, app: Console, source: Scripted, desk: Notes, key: str) -> None:
    app.poller.interval = 2.0
    await pilot.press(key)
    assert app.poller.interval == 5.0
    assert "live 5s" in screen_text(app)


@tries("faster")
async def _faster(pilot: Drive, app: Console, source: Scripted, desk: Notes, key: str) -> None:
    await pilot.press(key)
    assert app.poller.interval == 30.0
    assert "live 30s" in screen_text(app)


@tries("tab")
async def _tab(pilot: Drive, app: Console, source: Scripted, desk: Notes, key: str) -> None:
    await pilot.press(key)
    await read_once(pilot)
    assert source.asked[-1].tab is list(Tab)[int(key) - 1]


@tries("next_tab", Tab.EVALS)
async def _next_tab(pilot: Drive, app: Console, source: Scripted, desk: Notes, key: str) -> None:
    for tab in (Tab.AUDIT, Tab.OVERVIEW):
        await pilot.press(key)
        await read_once(pilot)
        assert app.tab is tab


@tries("last_tab", Tab.CALLS)
async def _last_tab(pilot: Drive, app: Console, source: Scripted, desk: Notes, key: str) -> None:
    for tab in (Tab.OVERVIEW, Tab.AUDIT):
        await pilot.press(key)
        await read_once(pilot)
        assert app.tab is tab


@tries("down")
async def _down(pilot: Drive, app: Console, source: Scripted, desk: Notes, key: str) -> None:
    for place in (2, 3, 4, 4):
        await pilot.press(key)
        assert at(app) == place
    assert "4/4" in screen_text(app)


@tries("up")
async def _up(pilot: Drive, app: Console, source: Scripted, desk: Notes, key: str) -> None:
    await pilot.press("j", "j")
    for place in (2, 1, 1):
        await pilot.press(key)
        assert at(app) == place


@tries("page_down", Tab.CALLS)
async def _page_down(pilot: Drive, app: Console, source: Scripted, desk: Notes, key: str) -> None:
    await pilot.resize_terminal(100, 8)
    await pilot.pause()
    assert 1 < app.grid.page < 8
    await pilot.press(key)
    assert at(app) == 1 + app.grid.page


@tries("page_up", Tab.CALLS)
async def _page_up(pilot: Drive, app: Console, source: Scripted, desk: Notes, key: str) -> None:
    await pilot.resize_terminal(100, 8)
    await pilot.pause()
    await pilot.press("G", key)
    assert at(app) == 9 - app.grid.page


@tries("top", Tab.CALLS)
async def _top(pilot: Drive, app: Console, source: Scripted, desk: Notes, key: str) -> None:
    await pilot.press("j", "j", key)
    assert at(app) == 1


@tries("bottom", Tab.CALLS)
async def _bottom(pilot: Drive, app: Console, source: Scripted, desk: Notes, key: str) -> None:
    await pilot.press(key)
    assert at(app) == 9


@tries("copy", Tab.CALLS)
async def _copy(pilot: Drive, app: Console, source: Scripted, desk: Notes, key: str) -> None:
    await pilot.press("j", key)
    row = app.grid.cursor
    assert row is not None
    assert app.clipboard == row.copied != ""
    assert told(app) == [f"copied {row.copied}"]


@tries("diff", Tab.PROMPTS)
async def _diff(pilot: Drive, app: Console, source: Scripted, desk: Notes, key: str) -> None:
    await pilot.press(key, "j")
    assert "compares it with summarize@v7" in screen_text(app)
    await pilot.press(key)
    await until(pilot, lambda: isinstance(app.screen, Leaf))
    assert desk.asked == [("compare", "summarize@v6", "summarize@v7")]
    assert "summarize@v6 → summarize@v7" in screen_text(app)
    await pilot.press("escape", key, key)
    assert desk.asked[1:] == [], "marked twice, a version is not marked"


@tries("edit", Tab.LIMITS)
async def _edit(pilot: Drive, app: Console, source: Scripted, desk: Notes, key: str) -> None:
    await pilot.press(key)
    assert isinstance(app.screen, EditLimit)


async def _confirmed(pilot: Drive, app: Console, key: str, name: str) -> None:
    await pilot.press(key)
    await until(pilot, lambda: isinstance(app.screen, Named))
    await typed(pilot, name)
    await pilot.press("tab")
    await typed(pilot, "at night")
    await pilot.press("enter")
    await until(pilot, lambda: len(app.screen_stack) == 1)


@tries("trip", Tab.BREAKERS)
async def _trip(pilot: Drive, app: Console, source: Scripted, desk: Notes, key: str) -> None:
    await _confirmed(pilot, app, key, "anthropic/haiku")
    await until(pilot, lambda: desk.asked == [("breaker", "anthropic/haiku", "trip", None, "at night")])


@tries("close", Tab.BREAKERS)
async def _close(pilot: Drive, app: Console, source: Scripted, desk: Notes, key: str) -> None:
    await pilot.press("j")
    await _confirmed(pilot, app, key, "gemini/flash")
    await until(pilot, lambda: desk.asked == [("breaker", "gemini/flash", "close", None, "at night")])


@tries("reset", Tab.BREAKERS)
async def _reset(pilot: Drive, app: Console, source: Scripted, desk: Notes, key: str) -> None:
    await pilot.press("G")
    await _confirmed(pilot, app, key, "mistral/small")
    await until(pilot, lambda: desk.asked == [("breaker", "mistral/small", "reset", None, "at night")])


@tries("rollback", Tab.PROMPTS)
async def _rollback(pilot: Drive, app: Console, source: Scripted, desk: Notes, key: str) -> None:
    await _confirmed(pilot, app, key, "summarize@production")
    await until(pilot, lambda: len(desk.asked) == 2)
    assert desk.asked[1] == ("rollback", "summarize", "production", Way(7, 6), "at night")


@tries("command_palette")
async def _palette(pilot: Drive, app: Console, source: Scripted, desk: Notes, key: str) -> None:
    from textual.command import CommandPalette

    await pilot.press(key)
    assert CommandPalette.is_open(app)
    await pilot.press("escape")


@tries("quit")
async def _quit(pilot: Drive, app: Console, source: Scripted, desk: Notes, key: str) -> None:
    await pilot.press(key)
    assert app._exit
    assert app.return_code == 0


def test_every_key_of_the_table_is_tried() -> None:
    assert set(TRIES) == {key.action for key in KEYS}


def test_no_key_means_two_things_on_one_tab() -> None:
    for tab in Tab:
        names = [name for key in KEYS if key.on(tab, True) for name in key.keys]
        assert len(names) == len(set(names)), tab


@pytest.mark.parametrize(
    ("key", "name"), [(key, name) for key in KEYS for name in key.keys], ids=lambda each: getattr(each, "action", each)
)
async def test_a_key_does_what_it_says(key: Key, name: str) -> None:
    tab, trial = TRIES[key.action]
    source, desk = Scripted(), Notes()
    app = a_console(source, desk, tab=tab, actions=True)
    async with app.run_test(size=(100, 30)) as pilot:
        await read_once(pilot)
        await trial(pilot, app, source, desk, name)


@pytest.mark.parametrize("key", [key for key in KEYS if key.acts], ids=lambda key: key.action)
async def test_without_allow_actions_a_key_that_changes_something_does_nothing(key: Key) -> None:
    assert key.tabs is not None
    desk = Notes()
    app = a_console(desk=desk, tab=min(key.tabs))
    async with app.run_test(size=(160, 48)) as pilot:
        await read_once(pilot)
        assert "read-only" in screen_text(app)
        assert f"{key.shown} {key.footer}" not in screen_text(app)
        await pilot.press(*key.keys)
        await pilot.pause(0.05)
        assert len(app.screen_stack) == 1
        assert desk.asked == []
        await pilot.press("question_mark")
        line = next(line for line in screen_text(app).splitlines() if key.says in line)
        assert "--allow-actions" in line


@pytest.mark.parametrize("key", [key for key in KEYS if key.tabs is not None], ids=lambda key: key.action)
async def test_a_key_of_one_tab_does_nothing_on_the_others(key: Key) -> None:
    desk = Notes()
    app = a_console(desk=desk, actions=True)
    async with app.run_test(size=(160, 48)) as pilot:
        for tab in Tab:
            if tab not in (key.tabs or ()):
                await pilot.press(str(list(Tab).index(tab) + 1))
                await read_once(pilot)
                await pilot.press(*key.keys)
                assert len(app.screen_stack) == 1
                assert app.poller.query.tab is tab
        assert desk.asked == []


@pytest.mark.parametrize("actions", [False, True])
async def test_the_help_names_every_key_of_the_table(actions: bool) -> None:
    app = a_console(actions=actions)
    async with app.run_test(size=(100, 48)) as pilot:
        await read_once(pilot)
        await pilot.press("question_mark")
        lines = screen_text(app).splitlines()
        for key in KEYS:
            line = next((line for line in lines if key.says in line), "")
            assert key.shown in line
            assert ("--allow-actions" in line) is (key.acts and not actions)


@pytest.mark.parametrize("tab", Tab)
@pytest.mark.parametrize("actions", [False, True])
async def test_the_footer_names_the_keys_of_the_tab(tab: Tab, actions: bool) -> None:
    app = a_console(tab=tab, actions=actions)
    async with app.run_test(size=(160, 48)) as pilot:
        await read_once(pilot)
        footer = screen_text(app).splitlines()[-1]
        named = {key.action for key in KEYS if key.footer and f"{key.shown} {key.footer}" in footer}
        assert named == {key.action for key in KEYS if key.footer and key.on(tab, actions)}
