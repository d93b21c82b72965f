"""How the console looks. After a wanted change: `pytest tests/integration/tui/test_snapshots.py --snapshot-update`, and
look at each picture that has changed before it is accepted.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from textual.widgets import Input

from aikit.console.model import Query, Snapshot, Tab
from support.consoles import AWAY, Clock, Drive, Gate, Notes, a_console, read_once, until
from support.snapshots import Scripted, empty

SMALL, MIDDLE, LARGE = (60, 20), (100, 30), (160, 48)
DARK, LIGHT = "textual-dark", "textual-light"
LOOKS = [(SMALL, DARK), (MIDDLE, LIGHT), (LARGE, DARK)]
OTHER_LOOKS = [(SMALL, LIGHT), (MIDDLE, DARK), (LARGE, LIGHT)]
Compare = Callable[..., bool]


@pytest.fixture(autouse=True)
def _as_on_any_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("NO_COLOR", "TEXTUAL_THEME", "TEXTUAL_ANIMATIONS", "COLORTERM", "FORCE_COLOR"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("TERM", "xterm-256color")


def named(look: tuple[tuple[int, int], str]) -> str:
    (width, height), theme = look
    return f"{width}x{height}-{theme.removeprefix('textual-')}"


class Look:
    """Compares how a console looks, in one size and theme, once it has read and these keys were pressed."""

    def __init__(self, compare: Compare, look: tuple[tuple[int, int], str]) -> None:
        self._compare = compare
        self.size, self.theme = look

    def __call__(
        self,
        *keys: str,
        source: Scripted | None = None,
        desk: Notes | None = None,
        before: Callable[[Drive], Any] | None = None,
        screens: int = 1,
        **options: Any,
    ) -> bool:
        app = a_console(source, desk, theme=self.theme, **options)

        async def run(pilot: Drive) -> None:
            await (before(pilot) if before is not None else read_once(pilot))
            await pilot.press(*keys)
            await until(pilot, lambda: len(app.screen_stack) == screens)
            for field in app.screen.query(Input):
                field.cursor_blink = False
            await pilot.pause()

        return self._compare(app, terminal_size=self.size, run_before=run)


@pytest.fixture(params=LOOKS, ids=named)
def look(request: pytest.FixtureRequest, snap_compare: Compare) -> Look:
    return Look(snap_compare, request.param)


@pytest.fixture(params=[(MIDDLE, DARK), (SMALL, LIGHT)], ids=named)
def other_look(request: pytest.FixtureRequest, snap_compare: Compare) -> Look:
    return Look(snap_compare, request.param)


@pytest.fixture(params=[(MIDDLE, DARK)], ids=named)
def one_look(request: pytest.FixtureRequest, snap_compare: Compare) -> Look:
    return Look(snap_compare, request.param)


@pytest.mark.parametrize("tab", Tab)
def test_tab(tab: Tab, look: Look) -> None:
    assert look("j", tab=tab, actions=True)


@pytest.mark.parametrize("look", OTHER_LOOKS, ids=named)
@pytest.mark.parametrize("tab", [Tab.OVERVIEW, Tab.BREAKERS])
def test_tab_otherwise(tab: Tab, look: tuple[tuple[int, int], str], snap_compare: Compare) -> None:
    assert Look(snap_compare, look)("j", tab=tab)


def test_sorted(one_look: Look) -> None:
    assert one_look("s", "s", "s", "S", tab=Tab.CALLS)


def test_detail(other_look: Look) -> None:
    assert other_look("enter", screens=2, tab=Tab.CALLS)


def test_help(other_look: Look) -> None:
    assert other_look("question_mark", screens=2)


def test_confirm(other_look: Look) -> None:
    assert other_look("j", "o", screens=2, tab=Tab.BREAKERS, actions=True)


def test_confirm_wrong(one_look: Look) -> None:
    assert one_look("j", "o", "x", "enter", screens=2, tab=Tab.BREAKERS, actions=True)


def test_edit(other_look: Look) -> None:
    assert other_look("e", "1", screens=2, tab=Tab.LIMITS, actions=True)


def test_edit_wrong(one_look: Look) -> None:
    assert one_look("e", "x", screens=2, tab=Tab.LIMITS, actions=True)


def test_filter(one_look: Look) -> None:
    assert one_look("slash", *"acme", tab=Tab.CALLS)


def test_stale(other_look: Look) -> None:
    source, clock = Scripted(), Clock()

    async def failed(pilot: Drive) -> None:
        app = await read_once(pilot)
        clock.pass_(14)
        source.then(AWAY, Gate())
        app.poller.nudge()
        await until(pilot, lambda: app.problem is not None)

    assert other_look(source=source, clock=clock, before=failed)


def test_no_data(one_look: Look) -> None:
    async def failed(pilot: Drive) -> None:
        await until(pilot, lambda: pilot.app.problem is not None)  # type: ignore[attr-defined]

    assert one_look(source=Scripted(AWAY, Gate()), before=failed)


def test_paused_and_filtered(one_look: Look) -> None:
    assert one_look("space", filter="tenant:acme !status:ok", tab=Tab.CALLS)


def test_empty_ledger(other_look: Look) -> None:
    def nothing(query: Query) -> Snapshot:
        return empty(query.tab)

    assert other_look(source=Scripted(nothing))


@pytest.mark.parametrize("tab", [Tab.OVERVIEW, Tab.LIMITS])
def test_hostile(tab: Tab, one_look: Look) -> None:
    assert one_look(source=Scripted(hostile=True), tab=tab)


@pytest.mark.parametrize("tab", [Tab.OVERVIEW, Tab.BREAKERS])
def test_ascii(tab: Tab, one_look: Look) -> None:
    assert one_look(tab=tab, ascii=True)


def test_ascii_confirm(one_look: Look) -> None:
    assert one_look("o", screens=2, tab=Tab.BREAKERS, ascii=True, actions=True)


@pytest.mark.parametrize("theme", ["ansi-dark"])
def test_ansi(theme: str, snap_compare: Compare) -> None:
    assert Look(snap_compare, (MIDDLE, theme))("j", tab=Tab.BREAKERS, actions=True)


def test_no_color(monkeypatch: pytest.MonkeyPatch, one_look: Look) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    assert one_look("j", tab=Tab.BREAKERS, actions=True)
