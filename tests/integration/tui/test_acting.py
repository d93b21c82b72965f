"""Nothing is changed before its name was typed, whatever goes on below the dialog meanwhile."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest
from textual.widgets import Input, Static

from aikit.breaker.model import State
from aikit.console.actions import Way
from aikit.console.model import BreakersPage, LimitsPage, Query, Snapshot, Tab
from aikit.errors import ConfigError
from aikit.tui.app import Console
from aikit.tui.asking import EditLimit, Named
from support.consoles import AWAY, Clock, Drive, Notes, a_console, read_once, said, screen_text, told, typed, until
from support.snapshots import CENT, DOLLAR, Scripted, breaker, limit, snapshot

MOVES = [("o", "trip"), ("c", "close"), ("x", "reset")]


async def dialog(pilot: Drive, key: str, kind: type = Named) -> Console:
    app = await read_once(pilot)
    await pilot.press(key)
    await until(pilot, lambda: isinstance(app.screen, kind), f"the dialog of {key}")
    return app


async def fill(pilot: Drive, field: str, text: str) -> None:
    pilot.app.screen.query_one(f"#{field}", Input).focus()
    await pilot.pause()
    await typed(pilot, text)


def line(app: Console, where: str) -> str:
    return str(app.screen.query_one(where, Static).content)


@pytest.mark.parametrize(("key", "kind"), MOVES)
async def test_a_breaker_is_moved_once_when_its_name_is_right(key: str, kind: str) -> None:
    source, desk = Scripted(), Notes()
    app = a_console(source, desk, tab=Tab.BREAKERS, actions=True)
    async with app.run_test(size=(100, 30)) as pilot:
        await dialog(pilot, key)
        assert "anthropic/haiku" in line(app, "#told")
        assert "Now it is closed" in line(app, "#told")
        await fill(pilot, "name", "anthropic/haiku")
        await fill(pilot, "why", "invoices look [bold]wrong")
        reads = len(source.asked)
        await pilot.press("enter")
        await until(pilot, lambda: len(source.asked) == reads + 1, "a look at what has become of it")
        assert desk.asked == [("breaker", "anthropic/haiku", kind, None, "invoices look [bold]wrong")]
        assert told(app) == ["done: breaker anthropic/haiku"]


@pytest.mark.parametrize(("key", "kind"), MOVES[:2])
async def test_a_breaker_is_forced_for_as_long_as_was_typed(key: str, kind: str) -> None:
    desk = Notes()
    app = a_console(desk=desk, tab=Tab.BREAKERS, actions=True)
    async with app.run_test(size=(100, 30)) as pilot:
        await dialog(pilot, key)
        assert "empty: until it is reset" in screen_text(app)
        await fill(pilot, "name", "anthropic/haiku")
        await fill(pilot, "lasting", " 10M ")
        await pilot.press("enter")
        await until(pilot, lambda: bool(desk.asked))
        assert desk.asked == [("breaker", "anthropic/haiku", kind, timedelta(minutes=10), "")]


@pytest.mark.parametrize("wrong", ["soon", "10", "-5m", "1.5h", "[bold]", "5\u202em"])
async def test_a_time_that_is_none_is_said_and_nothing_is_done(wrong: str) -> None:
    desk = Notes()
    app = a_console(desk=desk, tab=Tab.BREAKERS, actions=True)
    async with app.run_test(size=(100, 30)) as pilot:
        await dialog(pilot, "o")
        await fill(pilot, "name", "anthropic/haiku")
        app.screen.query_one("#lasting", Input).value = wrong
        await pilot.press("enter")
        await until(pilot, lambda: "write 30s, 10m, 2h or 1d. Nothing was done." in line(app, "#said"))
        assert isinstance(app.screen, Named)
        await fill(pilot, "lasting", "2h")
        await pilot.press("enter")
        await until(pilot, lambda: bool(desk.asked))
        assert desk.asked == [("breaker", "anthropic/haiku", "trip", timedelta(hours=2), "")]


async def test_a_reset_is_for_no_time() -> None:
    app = a_console(tab=Tab.BREAKERS, actions=True)
    async with app.run_test(size=(100, 30)) as pilot:
        await dialog(pilot, "x")
        assert not app.screen.query("#lasting")


@pytest.mark.parametrize(("key", "kind"), MOVES)
@pytest.mark.parametrize("name", ["", "anthropic", "anthropic/Haiku", "gemini/flash", "anthropic/haiku/"])
async def test_a_wrong_name_changes_nothing(key: str, kind: str, name: str) -> None:
    desk = Notes()
    app = a_console(desk=desk, tab=Tab.BREAKERS, actions=True)
    async with app.run_test(size=(100, 30)) as pilot:
        await dialog(pilot, key)
        await fill(pilot, "name", name)
        await pilot.press("enter", "enter")
        assert isinstance(app.screen, Named)
        assert "That is not anthropic/haiku. Nothing was done." in screen_text(app)
        await pilot.press("escape")
        await pilot.pause(0.05)
        assert desk.asked == []


@pytest.mark.parametrize("key", [key for key, _ in MOVES])
async def test_escape_changes_nothing_though_the_name_was_right(key: str) -> None:
    desk = Notes()
    app = a_console(desk=desk, tab=Tab.BREAKERS, actions=True)
    async with app.run_test(size=(100, 30)) as pilot:
        await dialog(pilot, key)
        await fill(pilot, "name", "anthropic/haiku")
        await pilot.press("escape")
        await pilot.pause(0.05)
        assert len(app.screen_stack) == 1
        assert desk.asked == []


async def test_letters_typed_into_a_dialog_are_no_keys_of_the_console() -> None:
    source, desk = Scripted(), Notes()
    app = a_console(source, desk, tab=Tab.BREAKERS, actions=True)
    async with app.run_test(size=(100, 30)) as pilot:
        await dialog(pilot, "o")
        reads = len(source.asked)
        await fill(pilot, "name", "q r2t +-?/ox")
        await pilot.press("f1", "ctrl+p", "ctrl+d")
        assert isinstance(app.screen, Named)
        assert app.tab is Tab.BREAKERS
        assert len(app.screen_stack) == 2
        assert len(source.asked) == reads


async def test_a_rollback_says_where_it_goes_and_is_done_once() -> None:
    desk = Notes()
    app = a_console(desk=desk, tab=Tab.PROMPTS, actions=True)
    async with app.run_test(size=(100, 30)) as pilot:
        await dialog(pilot, "R")
        assert "v7 → v6" in line(app, "#told")
        await fill(pilot, "name", "summarize@v7")
        await pilot.press("enter")
        assert isinstance(app.screen, Named)
        await fill(pilot, "name", "summarize@production")
        await pilot.press("enter")
        await until(pilot, lambda: len(desk.asked) == 2)
        assert desk.asked == [
            ("way", "summarize", "production"),
            ("rollback", "summarize", "production", Way(7, 6), ""),
        ]


async def test_what_cannot_be_rolled_back_is_said_and_nothing_is_asked() -> None:
    desk = Notes(refuses=ConfigError("summarize@production has never been anything else.", remedy="Nothing to do."))
    app = a_console(desk=desk, tab=Tab.PROMPTS, actions=True)
    async with app.run_test(size=(100, 30)) as pilot:
        await read_once(pilot)
        await pilot.press("R")
        await until(pilot, lambda: told(app))
        assert told(app) == ["summarize@production has never been anything else. Nothing to do."]
        assert len(app.screen_stack) == 1


async def test_what_the_desk_refuses_is_said_with_its_remedy_and_looked_at_again() -> None:
    source = Scripted()
    desk = Notes(refuses=ConfigError("It has moved meanwhile: [b]half-open[/b].", remedy="Look again."))
    app = a_console(source, desk, tab=Tab.BREAKERS, actions=True)
    async with app.run_test(size=(100, 30)) as pilot:
        await dialog(pilot, "o")
        await fill(pilot, "name", "anthropic/haiku")
        reads = len(source.asked)
        await pilot.press("enter")
        await until(pilot, lambda: len(source.asked) > reads)
        assert told(app) == ["It has moved meanwhile: [b]half-open[/b]. Look again."]


async def test_a_limit_is_edited_with_what_it_comes_to_in_view() -> None:
    desk = Notes()
    app = a_console(desk=desk, tab=Tab.LIMITS, actions=True)
    async with app.run_test(size=(100, 30)) as pilot:
        await dialog(pilot, "e", EditLimit)
        assert app.screen.query_one("#cap", Input).value == "50"
        assert app.screen.query_one("#soft", Input).value == "40"
        assert app.screen.query_one("#window", Input).value == "day"
        assert f"cap {50 * DOLLAR} becomes {50 * DOLLAR}" in line(app, "#told")
        await fill(pilot, "cap", "60")
        assert f"cap {50 * DOLLAR} becomes {60 * DOLLAR}" in line(app, "#told")
        await fill(pilot, "soft", "")
        assert "soft cap none, per day" in line(app, "#told")
        await fill(pilot, "window", "week")
        await fill(pilot, "why", "a busy week")
        await pilot.press("enter")
        assert isinstance(app.screen, EditLimit), "without its name nothing is done"
        assert "Type acme to do it. Nothing was done." in screen_text(app)
        await fill(pilot, "name", "acme")
        await pilot.press("enter")
        await until(pilot, lambda: bool(desk.asked))
        assert desk.asked == [("limit", "acme", "60", "", "week", "a busy week")]


@pytest.mark.parametrize("wrong", ["", "-5", "lots", "1e400", "[bold]", "5\u202e0"])
async def test_a_wrong_cap_is_said_at_once_and_never_done(wrong: str) -> None:
    desk = Notes()
    app = a_console(desk=desk, tab=Tab.LIMITS, actions=True)
    async with app.run_test(size=(100, 30)) as pilot:
        await dialog(pilot, "e", EditLimit)
        await fill(pilot, "name", "acme")
        app.screen.query_one("#cap", Input).value = wrong
        await pilot.pause()
        assert "A cap can't be" in line(app, "#said")
        assert line(app, "#told") == ""
        await pilot.press("enter")
        assert isinstance(app.screen, EditLimit)
        await pilot.press("escape")
        assert desk.asked == []


async def test_a_count_is_edited_as_a_count() -> None:
    app = a_console(tab=Tab.LIMITS, actions=True)
    async with app.run_test(size=(100, 30)) as pilot:
        await read_once(pilot)
        await pilot.press("j")
        await dialog(pilot, "e", EditLimit)
        assert app.screen.query_one("#cap", Input).value == "600"
        assert app.screen.query_one("#soft", Input).value == ""


async def test_a_breaker_that_opens_under_the_dialog_is_moved_as_it_was_seen() -> None:
    """The desk compares it with how it stands: the dialog says what it said when it was opened."""
    seen: list[State] = []

    class Watching(Notes):
        def move_breaker(self, row, kind, *, lasting, why):  # type: ignore[no-untyped-def]
            seen.append(row.breaker.state)
            return super().move_breaker(row, kind, lasting=lasting, why=why)

    source, desk = Scripted(), Watching()
    app = a_console(source, desk, tab=Tab.BREAKERS, actions=True)
    opened = BreakersPage((breaker("anthropic", "haiku", State.OPEN, left=15),), ())
    async with app.run_test(size=(100, 30)) as pilot:
        await dialog(pilot, "o")
        source.then(snapshot(Tab.BREAKERS, page=opened))
        app.poller.nudge()
        await until(pilot, lambda: app.snapshot is not None and app.snapshot.page == opened)
        assert isinstance(app.screen, Named)
        assert "anthropic/haiku" in line(app, "#told")
        await fill(pilot, "name", "anthropic/haiku")
        await pilot.press("enter")
        await until(pilot, lambda: bool(desk.asked))
        assert desk.asked == [("breaker", "anthropic/haiku", "trip", None, "")]
        assert seen == [State.CLOSED]


@pytest.mark.parametrize(
    ("tab", "key", "name", "page", "asked"),
    [
        (Tab.BREAKERS, "o", "anthropic/haiku", BreakersPage((), ()), ("breaker", "anthropic/haiku", "trip", None, "")),
        (
            Tab.LIMITS,
            "e",
            "acme",
            LimitsPage((limit("globex", cap=CENT),), 1),
            ("limit", "acme", "50", "40", "day", ""),
        ),
    ],
)
async def test_a_row_that_vanishes_under_its_dialog_leaves_the_dialog_right(tab, key, name, page, asked) -> None:  # type: ignore[no-untyped-def]
    source, desk = Scripted(), Notes()
    app = a_console(source, desk, tab=tab, actions=True)
    async with app.run_test(size=(100, 30)) as pilot:
        await dialog(pilot, key, EditLimit if key == "e" else Named)
        source.then(snapshot(tab, page=page))
        app.poller.nudge()
        await until(pilot, lambda: app.snapshot is not None and app.snapshot.page == page)
        assert len(app.screen_stack) == 2
        await fill(pilot, "name", name)
        await pilot.press("enter")
        await until(pilot, lambda: bool(desk.asked))
        assert desk.asked == [asked]


async def test_a_database_that_goes_away_under_a_dialog_leaves_it_open() -> None:
    source, desk, clock = Scripted(), Notes(), Clock()
    app = a_console(source, desk, clock=clock, tab=Tab.BREAKERS, actions=True)
    async with app.run_test(size=(100, 30)) as pilot:
        await dialog(pilot, "o")
        source.then(*[AWAY] * 50)
        app.poller.nudge()
        await until(pilot, lambda: app.problem is not None)
        clock.pass_(14)
        await pilot.pause(1.1)
        assert isinstance(app.screen, Named)
        assert "STALE 14s" in said(app, "#header")
        await fill(pilot, "name", "anthropic/haiku")
        await pilot.press("enter")
        await until(pilot, lambda: desk.asked == [("breaker", "anthropic/haiku", "trip", None, "")])


async def test_a_dialog_stays_as_it_is_while_ticks_go_on_below() -> None:
    source = Scripted()
    app = a_console(source, tab=Tab.LIMITS, actions=True, interval=0.05)
    async with app.run_test(size=(100, 30)) as pilot:
        await dialog(pilot, "e", EditLimit)
        await fill(pilot, "cap", "70")
        reads = len(source.asked)
        await until(pilot, lambda: len(source.asked) > reads + 5)
        assert app.screen.query_one("#cap", Input).value == "70"
        assert app.focused is app.screen.query_one("#cap", Input)


async def test_the_reason_goes_on_record_as_typed_but_not_longer_than_a_thousand_characters() -> None:
    desk = Notes()
    app = a_console(desk=desk, tab=Tab.BREAKERS, actions=True)
    async with app.run_test(size=(100, 30)) as pilot:
        await dialog(pilot, "o")
        await fill(pilot, "name", "anthropic/haiku")
        await fill(pilot, "why", "")
        app.screen.query_one("#why", Input).insert_text_at_cursor("x" * 1_000)
        await pilot.press("y", "enter")
        await until(pilot, lambda: bool(desk.asked))
        assert desk.asked == [("breaker", "anthropic/haiku", "trip", None, "x" * 1_000)]


async def test_a_name_that_a_terminal_does_not_show_can_be_typed_as_it_is_shown() -> None:
    """A breaker whose name has a control in it can be forced open by a person who has only a keyboard."""
    page = BreakersPage((breaker("ev\x1bil", "mo\u202edel"),), ())
    desk = Notes()
    app = a_console(Scripted(snapshot(Tab.BREAKERS, page=page)), desk, tab=Tab.BREAKERS, actions=True)
    async with app.run_test(size=(100, 30)) as pilot:
        await dialog(pilot, "o")
        app.screen.query_one("#name", Input).value = "ev\ufffdil/mo\ufffddel"
        await pilot.press("enter")
        await until(pilot, lambda: bool(desk.asked))
        assert desk.asked == [("breaker", "ev\x1bil/mo\u202edel", "trip", None, "")]


async def test_actions_need_rows() -> None:
    def nothing(query: Query) -> Snapshot:
        return replace(snapshot(Tab.BREAKERS, page=BreakersPage((), ())), query=query)

    desk = Notes()
    app = a_console(Scripted(nothing), desk, tab=Tab.BREAKERS, actions=True)
    async with app.run_test(size=(100, 30)) as pilot:
        await read_once(pilot)
        await pilot.press("o", "c", "x", "enter", "y", "j", "k", "g", "G", "s", "S")
        assert len(app.screen_stack) == 1
        assert desk.asked == []
