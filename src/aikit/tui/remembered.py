"""What the console remembers from one run to the next: the tab, the order of each, the filter, the range, the theme."""

from __future__ import annotations

import json
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from aikit.console.filtering import parse
from aikit.console.model import Period, Query, Tab
from aikit.console.table import Sorting
from aikit.errors import AIKitError
from aikit.ledger.export.files import made, written
from aikit.tui.options import Options

FILE = "top.json"
MOST_BYTES = 100_000


@dataclass(frozen=True, slots=True)
class Remembered:
    """How the console was left."""

    tab: Tab = Tab.OVERVIEW
    period: Period = Period.TODAY
    filter: str = ""
    theme: str | None = None
    sortings: dict[Tab, Sorting] = field(default_factory=dict)


def recall(folder: Path) -> Remembered:
    """As it was left; what can't be read, or is nothing by now, is as if it had never been."""
    try:
        file = folder / FILE
        found = json.loads(file.read_text("utf-8")) if file.stat().st_size <= MOST_BYTES else {}
        return _read(found if isinstance(found, dict) else {})
    except (OSError, ValueError, RecursionError):
        return Remembered()


def first_query(options: Options, left: Remembered) -> Query:
    """What is looked at first: what was asked for, else as it was left. Raises ValueError for a filter that is none."""
    wanted = parse(left.filter if options.filter is None else options.filter)
    return Query(options.tab or left.tab, options.period or left.period, wanted)


def remember(folder: Path, left: Remembered) -> None:
    """Leave it for the next run, private; a disk that is full or not ours is no reason to complain."""
    with suppress(OSError, AIKitError), written(made(folder) / FILE) as file:
        file.write(json.dumps(asdict(left), ensure_ascii=False).encode())


def _read(found: dict[str, Any]) -> Remembered:
    text = found.get("filter")
    theme = found.get("theme")
    orders = found.get("sortings")
    return Remembered(
        Tab(found["tab"]) if found.get("tab") in list(Tab) else Tab.OVERVIEW,
        Period(found["period"]) if found.get("period") in list(Period) else Period.TODAY,
        text if isinstance(text, str) and _is_filter(text) else "",
        theme if isinstance(theme, str) else None,
        {Tab(tab): _sorting(order) for tab, order in (orders if isinstance(orders, dict) else {}).items()
         if tab in list(Tab)},
    )  # fmt: skip


def _is_filter(text: str) -> bool:
    try:
        parse(text)
    except ValueError:
        return False
    return text.isprintable()


def _sorting(order: Any) -> Sorting:
    match order:
        case [str(column), bool(reverse)]:
            return Sorting(column, reverse)
        case [None, bool(reverse)]:
            return Sorting(None, reverse)
        case _:
            return Sorting()
