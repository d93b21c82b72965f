"""Texts that terminals don't like, terminals that are too small, and code that breaks: nothing crashes or lies."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from textual.widgets import Input

from aikit.console.model import Tab
from aikit.errors import ConfigError
from aikit.tui.app import Console
from aikit.tui.asking import Asking
from aikit.tui.screens import Leaf
from support.consoles import (
    AWAY,
    Notes,
    a_console,
    assert_aligned,
    hostile,
    read_once,
    screen_lines,
    screen_text,
    told,
    typed,
    until,
)
from support.snapshots import BIDI, CONTROLS, EMOJI, HOSTILE, LONG, MARKUP, WIDE, Scripted

TESTS = Path(__file__).parents[2]
NUMBERS = [str(number) for number in range(1, 8)]


@pytest.mark.parametrize("size", [(60, 20), (100, 30), (160, 48)])
async def test_hostile_texts_are_shown_as_they_are_on_every_tab(size: tuple[int, int]) -> None:
    app, _ = hostile()
    async with app.run_test(size=size) as pilot:
        for number in NUMBERS:
            await pilot.press(number)
            await read_once(pilot)
            assert_aligned(app, number)
            text = screen_text(app)
            assert "[bold]" in text
            assert "漢" in text
            for forbidden in ("\x1b", "\x07", "\x9b", "\u202e", "\u2066", "\u200f", "\u200d"):
                assert forbidden not in text


@pytest.mark.parametrize("tab", Tab)
async def test_hostile_texts_are_shown_as_they_are_in_pages_toasts_and_notes(tab: Tab) -> None:
    app, _ = hostile(tab=tab)
    async with app.run_test(size=(100, 30), notifications=True) as pilot:
        await read_once(pilot)
        for row in range(len(HOSTILE)):
            await pilot.press("enter")
            await until(pilot, lambda: isinstance(app.screen, Leaf))
            assert_aligned(app, row)
            assert "[bold]acme [/bold]" in screen_text(app)
            await pilot.press("y")
            await pilot.pause()
            assert_aligned(app, row)
            await pilot.press("escape", "y")
            await pilot.pause()
            assert_aligned(app, row)
            await pilot.press("j")


async def test_a_toast_of_three_thousand_characters_does_not_cover_the_screen() -> None:
    app = a_console(desk=Notes(refuses=ConfigError(LONG, remedy=LONG)))
    async with app.run_test(size=(100, 30), notifications=True) as pilot:
        await read_once(pilot)
        await pilot.press("enter")
        await until(pilot, lambda: told(app))
        await pilot.pause(0.1)
        assert_aligned(app)
        assert sum("xxxxxxxx" in line for line in screen_lines(app)) < 8


@pytest.mark.parametrize(
    ("tab", "key"), [(Tab.BREAKERS, "o"), (Tab.BREAKERS, "x"), (Tab.LIMITS, "e"), (Tab.PROMPTS, "R")]
)
async def test_hostile_texts_are_shown_as_they_are_in_dialogs(tab: Tab, key: str) -> None:
    app, desk = hostile(tab=tab)
    async with app.run_test(size=(100, 30), notifications=True) as pilot:
        await read_once(pilot)
        for _ in range(len(HOSTILE)):
            await pilot.press(key)
            await until(pilot, lambda: isinstance(app.screen, Asking))
            assert_aligned(app)
            await typed(pilot, "[/bold] x")
            await pilot.press("enter")
            await pilot.pause()
            assert_aligned(app)
            await pilot.press("escape", "j")
        assert all(each[0] == "way" for each in desk.asked)


async def test_a_dialog_about_a_name_of_three_thousand_characters_can_be_answered() -> None:
    app, desk = hostile(tab=Tab.BREAKERS)
    async with app.run_test(size=(60, 20)) as pilot:
        await read_once(pilot)
        await pilot.press("j", "o")
        await until(pilot, lambda: isinstance(app.screen, Asking))
        app.screen.query_one("#name", Input).value = f"{LONG}/{LONG}"
        await pilot.press("enter")
        await until(pilot, lambda: bool(desk.asked))
        assert desk.asked == [("breaker", f"{LONG}/{LONG}", "trip", None, "")]


async def test_the_field_that_is_typed_into_is_in_view_in_a_small_terminal() -> None:
    app, _ = hostile(tab=Tab.LIMITS)
    async with app.run_test(size=(60, 10)) as pilot:
        await read_once(pilot)
        await pilot.press("e")
        await until(pilot, lambda: isinstance(app.screen, Asking))
        for _ in range(5):
            assert app.focused is not None
            region = app.focused.region
            assert 0 <= region.y < 10, app.focused
            await pilot.press("tab")
            await pilot.pause()


def ours(text: str) -> set[str]:
    """What is on the screen beyond ASCII, without the texts of others."""
    return {character for character in text if ord(character) > 0x7F} - set("\ufffd" + WIDE + EMOJI)


@pytest.mark.parametrize("size", [(60, 20), (160, 48)])
async def test_in_ascii_there_is_nothing_else_on_any_tab(size: tuple[int, int]) -> None:
    for hostile_ in (False, True):
        app = a_console(Scripted(hostile=hostile_), ascii=True, actions=True, filter="acme")
        async with app.run_test(size=size) as pilot:
            for number in NUMBERS:
                await pilot.press(number)
                assert ours(screen_text(app)) == set()
                await read_once(pilot)
                await pilot.press("s", "S")
                await pilot.pause()
                assert ours(screen_text(app)) == set(), number
                assert_aligned(app, number)


@pytest.mark.parametrize("size", [(60, 20), (160, 48)])
async def test_in_ascii_there_is_nothing_else_in_dialogs_pages_toasts_and_the_palette(size: tuple[int, int]) -> None:
    text = " ".join((MARKUP, CONTROLS, BIDI, WIDE, EMOJI, "· → — … ✓ ✗ █ ▏"))
    app = a_console(Scripted(hostile=True), Notes(text=text), ascii=True, actions=True)
    async with app.run_test(size=size, notifications=True) as pilot:
        for keys in (["1", "question_mark"], ["2", "enter"], ["3", "e"], ["4", "o"], ["5", "R"], ["1", "ctrl+p"]):
            await pilot.press(keys[0])
            await read_once(pilot)
            await pilot.press("y", keys[1])
            await until(pilot, lambda: len(app.screen_stack) == 2)
            await pilot.pause(0.3)
            assert ours(screen_text(app)) == set(), keys
            assert_aligned(app, keys)
            await pilot.press("escape")
            await until(pilot, lambda: len(app.screen_stack) == 1)
        app.poller._source.then(*[AWAY] * 9)  # type: ignore[attr-defined]
        await pilot.press("r")
        await until(pilot, lambda: app.problem is not None)
        assert ours(screen_text(app)) == set()


@pytest.mark.parametrize("theme", ["textual-dark", "textual-light", "ansi-dark", "ansi-light"])
async def test_a_theme_starts_and_tells_tones_apart(theme: str) -> None:
    app = a_console(theme=theme, tab=Tab.BREAKERS)
    async with app.run_test(size=(160, 48)) as pilot:
        await read_once(pilot)
        assert app.theme == theme
        colours = {}
        for strip in app.screen._compositor.render_strips():
            for segment in strip:
                for word in ("● closed", "○ OPEN 41s", "◐ half-open 1/1"):
                    if segment.text.strip() == word and segment.style is not None:
                        colours[word] = segment.style.color
        assert len(colours) == 3
        assert len({str(colour) for colour in colours.values()}) == 3, "green, red and amber"


async def test_an_unknown_theme_is_said_and_none_is_taken() -> None:
    app = a_console(theme="[bold]neon")
    async with app.run_test(size=(100, 30)) as pilot:
        await read_once(pilot)
        assert told(app) == ["There is no such theme: [bold]neon"]
        assert app.theme == "textual-dark"


def colourful(app: Console) -> bool:
    strips = app.screen._compositor.render_strips()
    colours = [segment.style.color for strip in strips for segment in strip if segment.style and segment.style.color]
    return any(len(set(colour.get_truecolor())) > 1 for colour in colours)


@pytest.mark.parametrize(("value", "coloured"), [(None, True), ("", True), ("1", False), ("0", False)])
async def test_no_color_takes_the_colours_away_unless_it_is_empty(
    value: str | None, coloured: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("NO_COLOR", raising=False)
    if value is not None:
        monkeypatch.setenv("NO_COLOR", value)
    app = a_console(tab=Tab.BREAKERS)
    async with app.run_test(size=(100, 30)) as pilot:
        await read_once(pilot)
        assert colourful(app) is coloured
        assert "○ OPEN 41s" in screen_text(app), "the word says what the colour said"
        cursor = [segment.style for segment in screen_strip(app, "anthropic/haiku") if segment.style]
        if not coloured:
            assert any(style.reverse for style in cursor), "the cursor is seen without colours"


def screen_strip(app: Console, text: str):  # type: ignore[no-untyped-def]
    strips = app.screen._compositor.render_strips()
    return next(strip for strip in strips if any(segment.text.startswith(text) for segment in strip))


BROKEN = """
import sys
sys.path.insert(0, {tests!r})
from aikit.tui.app import run_console
from aikit.tui.options import Options
from support.consoles import Notes, read_once
from support.snapshots import Scripted

class Broken(Scripted):
    def read(self, query):
        password = "".join(reversed("2retnuh-yranac"))
        return {{}}[len(password)]

sys.exit(run_console(Broken(), Options(), Notes()))
"""


def test_what_breaks_is_told_with_a_traceback_that_shows_no_values(tmp_path: Path) -> None:
    environ = {**os.environ, "TEXTUAL_DRIVER": "textual.drivers.headless_driver:HeadlessDriver"}
    script = tmp_path / "broken.py"
    script.write_text(BROKEN.format(tests=str(TESTS)))
    done = subprocess.run([sys.executable, script], env=environ, capture_output=True, text=True, timeout=60)
    assert done.returncode == 1
    said = done.stdout + done.stderr
    assert "KeyError: 14" in said
    assert "canary" not in said
    assert "locals" not in said


async def test_a_page_with_a_heading_of_three_thousand_characters_leaves_room_for_what_it_says() -> None:
    app = a_console(desk=Notes(text=LONG))
    async with app.run_test(size=(60, 20)) as pilot:
        await read_once(pilot)
        await pilot.press("enter")
        await until(pilot, lambda: isinstance(app.screen, Leaf))
        lines = screen_lines(app)
        assert "What there is to say about" in "".join(lines[:6])
        assert "esc back" in lines[-1]
        assert_aligned(app)
