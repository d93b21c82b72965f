"""How it was left is how it is found again; a file that is not ours, or can't be written, is nobody's trouble."""

from __future__ import annotations

import json
import stat
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aikit.console.model import Period, Tab
from aikit.console.table import Sorting
from aikit.tui.remembered import FILE, MOST_BYTES, Remembered, recall, remember
from support.consoles import a_console, read_once, typed
from support.snapshots import Scripted

LEFT = Remembered(
    Tab.CALLS, Period.WEEK, "tenant:漢字 !status:ok", "textual-light",
    {Tab.CALLS: Sorting("Cost", True), Tab.EVALS: Sorting()},
)  # fmt: skip


async def test_tab_order_filter_theme_and_range_survive_a_restart(tmp_path: Path) -> None:
    app = a_console(folder=tmp_path)
    async with app.run_test(size=(100, 30)) as pilot:
        await read_once(pilot)
        await pilot.press("2", "s", "s", "S", "t", "slash")
        await typed(pilot, "tenant:acme")
        await pilot.press("enter")
        app.theme = "textual-light"
        await read_once(pilot)
        await pilot.press("q")
    source = Scripted()
    again = a_console(source, folder=tmp_path)
    async with again.run_test(size=(100, 30)) as pilot:
        await read_once(pilot)
        asked = source.asked[0]
        assert (asked.tab, asked.period, asked.filter.text) == (Tab.CALLS, Period.DAY, "tenant:acme")
        assert again.grid.sorting == Sorting("Who", True)
        assert again.theme == "textual-light"


async def test_what_is_asked_for_goes_before_what_is_remembered(tmp_path: Path) -> None:
    remember(tmp_path, LEFT)
    source = Scripted()
    app = a_console(
        source, folder=tmp_path, tab=Tab.AUDIT, period=Period.HOUR, filter="", theme="textual-dark"
    )  # fmt: skip
    async with app.run_test(size=(100, 30)) as pilot:
        await read_once(pilot)
        assert (source.asked[0].tab, source.asked[0].period) == (Tab.AUDIT, Period.HOUR)
        assert not source.asked[0].filter
        assert app.theme == "textual-dark"


async def test_a_theme_that_is_gone_is_forgotten_without_a_word(tmp_path: Path) -> None:
    remember(tmp_path, Remembered(theme="neon"))
    app = a_console(folder=tmp_path)
    async with app.run_test(size=(100, 30)) as pilot:
        await read_once(pilot)
        assert list(app._notifications) == []


def test_it_is_read_back_as_it_was_written(tmp_path: Path) -> None:
    remember(tmp_path, LEFT)
    assert recall(tmp_path) == LEFT


def test_only_its_owner_may_read_it(tmp_path: Path) -> None:
    folder = tmp_path / "new" / "folder"
    remember(folder, LEFT)
    assert stat.S_IMODE((folder / FILE).stat().st_mode) == 0o600
    (folder / FILE).chmod(0o644)
    remember(folder, LEFT)
    assert stat.S_IMODE((folder / FILE).stat().st_mode) == 0o600
    assert [path.name for path in folder.iterdir()] == [FILE], "nothing half written is left"


FOREIGN: list[Any] = [
    [], 7, None, "text", {}, {"tab": []}, {"tab": {}}, {"tab": "settings"}, {"period": ["1h"]}, {"period": 3},
    {"filter": 7}, {"filter": "colour:red"}, {"filter": "'"}, {"filter": "a\u001b[2Jb"}, {"theme": ["x"]},
    {"sortings": []}, {"sortings": {"calls": "Cost"}}, {"sortings": {"calls": ["Cost", "yes"]}},
    {"sortings": {"settings": ["Cost", True]}}, {"sortings": {"calls": {"a": 1}}}, {"sortings": {"calls": [7, True]}},
]  # fmt: skip


@pytest.mark.parametrize("found", FOREIGN, ids=repr)
def test_a_foreign_file_is_ignored(found: Any, tmp_path: Path) -> None:
    (tmp_path / FILE).write_text(json.dumps(found))
    left = recall(tmp_path)
    assert (left.tab, left.period, left.filter, left.theme) == (Tab.OVERVIEW, Period.TODAY, "", None)
    assert all(sorting == Sorting() for sorting in left.sortings.values())


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text() | st.sampled_from([*Tab, *Period]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text() | st.sampled_from(list(Tab)), inner),
    max_leaves=8,
)


@settings(max_examples=200)
@given(st.dictionaries(st.sampled_from(["tab", "period", "filter", "theme", "sortings", "more"]), JSON))
def test_whatever_is_in_the_file_it_starts(tmp_path_factory: pytest.TempPathFactory, found: dict[str, Any]) -> None:
    folder = tmp_path_factory.getbasetemp() / "any"
    folder.mkdir(exist_ok=True)
    (folder / FILE).write_text(json.dumps(found))
    assert isinstance(recall(folder), Remembered)


@pytest.mark.parametrize(
    "content",
    [b"", b"{", b"\xff\xfe", b"[" * 50_000, b'{"filter": "' + b"a" * MOST_BYTES + b'"}', b'{"tab": NaN', b"1" * 5_000],
    ids=["empty", "cut", "no text", "deep", "huge", "no json", "a number"],
)
def test_a_broken_or_huge_file_is_ignored(content: bytes, tmp_path: Path) -> None:
    (tmp_path / FILE).write_bytes(content)
    assert recall(tmp_path) == Remembered()


def test_a_folder_or_a_device_in_its_place_is_ignored(tmp_path: Path) -> None:
    (tmp_path / FILE).mkdir()
    assert recall(tmp_path) == Remembered()
    remember(tmp_path, LEFT)
    assert recall(tmp_path / "not" / "there") == Remembered()


async def test_a_folder_that_cannot_be_written_is_silent(tmp_path: Path) -> None:
    in_the_way = tmp_path / "file"
    in_the_way.write_text("")
    app = a_console(folder=in_the_way / "folder")
    async with app.run_test(size=(100, 30)) as pilot:
        await read_once(pilot)
        await pilot.press("q")
    assert app.return_code == 0
    assert in_the_way.read_text() == ""
