"""How a screen looks, against the picture of it that somebody has accepted: an SVG beside the test.

`pytest --snapshot-update` accepts what is there now. What differs is put into the test's own folder, to be looked at.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from textual.app import App
from textual.pilot import Pilot

FOLDER = "__snapshots__"
OWN_ID = re.compile(r"\bterminal-\d+-([\w-]+)")
"""rich gives each picture another id."""

Compare = Callable[..., bool]


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--snapshot-update", action="store_true", help="Accept pictures as they are now.")


@pytest.fixture
def snap_compare(request: pytest.FixtureRequest, tmp_path: Path) -> Compare:
    """Called once a test, with an app, a size of the terminal and what is done before it is looked at."""
    test = request.node
    file = test.path.parent / FOLDER / test.path.stem / f"{test.name}.svg"

    def compare(
        app: App[Any], *, terminal_size: tuple[int, int], run_before: Callable[[Pilot[Any]], Awaitable[None]]
    ) -> bool:
        seen = OWN_ID.sub(r"terminal-\1", taken(app, terminal_size, run_before))
        if request.config.getoption("--snapshot-update"):
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(seen, encoding="utf-8")
            return True
        assert file.exists(), f"there is no picture {file.name} yet: pytest --snapshot-update"
        if file.read_text(encoding="utf-8") == seen:
            return True
        other = tmp_path / file.name
        other.write_text(seen, encoding="utf-8")
        print(f"it looks different now: {other}, not {file}")
        return False

    return compare


def taken(app: App[Any], size: tuple[int, int], before: Callable[[Pilot[Any]], Awaitable[None]]) -> str:
    """The screen as SVG, once it has come to rest."""
    found: list[str] = []

    async def drive(pilot: Pilot[Any]) -> None:
        await before(pilot)
        await pilot.wait_for_scheduled_animations()
        await pilot.pause()
        found.append(app.export_screenshot(title=app.title, simplify=True))
        app.exit()

    app.run(headless=True, auto_pilot=drive, size=size)
    assert found, "the app ended before it was looked at"
    return found[0]
