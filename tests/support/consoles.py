"""The console over a scripted source, a desk that writes down what it is asked, and a clock that only a test moves."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from threading import Event
from typing import Any

from rich.cells import cell_len
from textual.app import App
from textual.pilot import Pilot
from textual.widgets import Input, Static

from aikit.console.actions import Kind, Way
from aikit.console.model import Query, Snapshot, Tab
from aikit.errors import AIKitError, ConfigError, DatabaseUnavailable
from aikit.ledger.breakers import BreakerRow
from aikit.ledger.limits import LimitRow
from aikit.money import parse_usd
from aikit.page import Item, Page, Section
from aikit.tui.app import Console
from aikit.tui.options import Options
from support.snapshots import BIDI, CONTROLS, EMOJI, MARKUP, WIDE, Scripted, snapshot

SELDOM = 60.0
"""Seconds between two reads of a console that a test drives: it reads when it is told to."""
PATIENCE = 20.0
"""Seconds that a test waits for what should come at once."""
AWAY = DatabaseUnavailable("The database at db1:5432 can't be reached.", remedy="Is it running?")

Drive = Pilot[None]


class Clock:
    """A monotonic clock that stands until it is moved."""

    def __init__(self, at: float = 1_000.0) -> None:
        self.at = at

    def __call__(self) -> float:
        return self.at

    def pass_(self, seconds: float) -> None:
        self.at += seconds


class Notes:
    """A desk that changes nothing and writes down what it is asked to. `refuses` is raised instead of any answer;
    `text` is what its pages are about.
    """

    def __init__(self, *, refuses: AIKitError | None = None, text: str = "") -> None:
        self.asked: list[tuple[Any, ...]] = []
        self.refuses = refuses
        self.text = text

    def page(self, tab: Tab, key: str, snapshot: Snapshot) -> Page:
        self._note("page", tab, key)
        items = (
            Item("model", self.text or "anthropic/haiku", ("as it was asked for",)),
            Item("decision", f"allowed by tenant:acme {self.text}", opens="d_01"),
            Item("call", f"c_02 {self.text}", opens="c_02"),
        )
        lines = (f"- first line {self.text}", f"+ second line {self.text}", "  third line")
        heading = f"{tab}: {self.text or key}"
        paragraphs = (f"What there is to say about {self.text or key}. " * 3,)
        return Page(heading, paragraphs, (Section("What", items), Section("Changed", marked=lines)))

    def compare_prompts(self, first: str, second: str) -> Page:
        self._note("compare", first, second)
        return Page(f"{first} → {second}", ("Two lines differ.",), (Section("Text", marked=("- one", "+ two")),))

    def proposed(self, row: LimitRow, cap: str, soft_cap: str, window: str) -> tuple[str, ...]:
        if self.refuses is not None:
            raise self.refuses
        try:
            amount = parse_usd(cap)
        except ValueError:
            raise ConfigError(f"A cap can't be {cap}.", remedy="Give dollars, such as 60.") from None
        return (f"cap {row.cap} becomes {amount}", f"soft cap {soft_cap or 'none'}, per {window} {self.text}")

    def change_limit(self, row: LimitRow, *, cap: str, soft_cap: str, window: str, why: str) -> str:
        return self._note("limit", row.tenant, cap, soft_cap, window, why)

    def move_breaker(self, row: BreakerRow, kind: Kind, *, lasting: timedelta | None, why: str) -> str:
        return self._note("breaker", row.breaker.name, kind, lasting, why)

    def rollback_way(self, name: str, label: str) -> Way:
        self._note("way", name, label)
        return Way(7, 6)

    def roll_back(self, name: str, label: str, way: Way, why: str) -> str:
        return self._note("rollback", name, label, way, why)

    def _note(self, *asked: Any) -> str:
        self.asked.append(asked)
        if self.refuses is not None:
            raise self.refuses
        return f"done: {asked[0]} {asked[1]} {self.text}".strip()


class Gate:
    """A read that takes until somebody opens it; give it to `Scripted` as a step."""

    def __init__(self, *, hostile: bool = False) -> None:
        self._open = Event()
        self.entered = Event()
        self._hostile = hostile

    def __call__(self, query: Query) -> Snapshot:
        self.entered.set()
        self._open.wait(PATIENCE)
        return answer(query, hostile=self._hostile)

    def open(self) -> None:
        self._open.set()


def answer(query: Query, *, hostile: bool = False) -> Snapshot:
    """What is there for this query."""
    return snapshot(query.tab, period=query.period, filter=query.filter.text, hostile=hostile)


def a_console(
    source: Scripted | None = None,
    desk: Notes | None = None,
    *,
    folder: Path | None = None,
    clock: Callable[[], float] | None = None,
    interval: float = SELDOM,
    **options: Any,
) -> Console:
    """A console that has not been started. `options` are those of `Options`; `clock` stands unless one is given."""
    return Console(
        source or Scripted(),
        Options(interval=interval, **options),
        desk or Notes(),
        folder=folder,
        clock=clock or Clock(),
    )


async def until(pilot: Drive, true: Callable[[], object], what: str = "") -> None:
    """Let it work until this holds."""
    deadline = time.monotonic() + PATIENCE
    while not true():
        if time.monotonic() > deadline:
            raise AssertionError(f"it did not come to it: {what}\n{screen_text(pilot.app)}")
        await asyncio.sleep(0.005)
        await pilot.pause()
    await pilot.pause()


async def read_once(pilot: Drive) -> Console:
    """The console, once what it is asked for is on the screen."""
    app = pilot.app
    assert isinstance(app, Console)
    query = app.poller.query
    await until(pilot, lambda: app.snapshot is not None and app.snapshot.query == query, f"a read of {query}")
    return app


async def typed(pilot: Drive, text: str) -> None:
    """Type this into the field that has the focus, in place of what is there."""
    field = pilot.app.focused
    assert isinstance(field, Input)
    field.value = ""
    names = {" ": "space", ":": "colon", "!": "exclamation_mark", ".": "full_stop", "/": "slash", "@": "at"}
    await pilot.press(*[names.get(character, character) for character in text])
    await pilot.pause()


def screen_text(app: App[Any]) -> str:
    """What is on the screen, line by line, without colours."""
    return "\n".join(screen_lines(app))


def screen_lines(app: App[Any]) -> list[str]:
    lines = app.screen._compositor.render_strips()
    return ["".join(segment.text for segment in line) for line in lines]


def said(app: App[Any], where: str) -> str:
    """The text of one of the lines around the table."""
    static = app.screen_stack[0].query_one(where, Static)
    return str(static.content)


def told(app: App[Any]) -> list[str]:
    """The messages that it has popped up."""
    return [each.message for each in app._notifications]


def assert_aligned(app: Console, hint: object = "") -> None:
    """Every line has exactly the width of the terminal, and nothing on it moves the cursor."""
    lines = screen_lines(app)
    assert len(lines) == app.size.height
    for line in lines:
        assert cell_len(line) == app.size.width, (hint, line)
        assert line.isprintable(), (hint, line)


def hostile(**options: Any) -> tuple[Console, Notes]:
    """A console in which every text is one that terminals don't like."""
    desk = Notes(text=" ".join((MARKUP, "[/bold]", CONTROLS, BIDI, WIDE, EMOJI)))
    return a_console(Scripted(hostile=True), desk, actions=True, **options), desk
