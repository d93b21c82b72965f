"""The lists in docs/reference/console.md that the code has, too: `python -m support.console_page` writes them."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from importlib import import_module
from pathlib import Path

from aikit.console.filtering import FIELDS
from aikit.console.model import Tab
from aikit.console.table import Column
from aikit.tui.keys import KEYS, Key

PAGE = Path(__file__).parents[2] / "docs/reference/console.md"
SHOWN = {"question_mark": "?", "slash": "/", "plus": "+", "equals_sign": "=", "minus": "-", "escape": "Esc",
         "pagedown": "PageDown", "pageup": "PageUp"}  # fmt: skip


def keys() -> str:
    rows = [f"| {_names(key)} | {key.says} | {_where(key)} |" for key in KEYS]
    return "\n".join(["| key | does | where |", "| --- | --- | --- |", *rows])


def _names(key: Key) -> str:
    """Each of them as it is pressed; the tabs' digits as one."""
    if key.action == "tab":
        return "`1` to `7`"
    pressed = [SHOWN.get(name, name) for name in key.keys if name not in ("shift+s", "shift+r", "shift+g")]
    return ", ".join(f"`{name if len(name) == 1 else _titled(name)}`" for name in pressed)


def _titled(name: str) -> str:
    return "+".join(part if part in SHOWN.values() else part.title() for part in name.split("+"))


def _where(key: Key) -> str:
    tabs = "all tabs" if key.tabs is None else ", ".join(sorted(tab.title() for tab in key.tabs))
    return f"{tabs}, with `--allow-actions`" if key.acts else tabs


def columns() -> str:
    rows = [f"| {tab.title()} | {', '.join(map(_column, _columns(tab)))} |" for tab in Tab]
    return "\n".join(["| tab | columns |", "| --- | --- |", *rows])


def _columns(tab: Tab) -> Iterable[Column]:
    found: tuple[Column, ...] = import_module(f"aikit.console.tables.{tab}").COLUMNS
    return found


def _column(column: Column) -> str:
    return f"{column.name} ({column.from_width})" if column.from_width else column.name


def fields() -> str:
    named = ", ".join(f"`{name}:`" for name in FIELDS)
    return f"Fields: {named}."


PARTS: dict[str, Callable[[], str]] = {"keys": keys, "columns": columns, "fields": fields}


def written(page: str) -> str:
    """The page with these parts as the code has them."""
    for name, made in PARTS.items():
        begin, end = f"<!-- {name} -->", f"<!-- /{name} -->"
        before, rest = page.split(begin)
        _, after = rest.split(end)
        page = f"{before}{begin}\n\n{made()}\n\n{end}{after}"
    return page


if __name__ == "__main__":
    PAGE.write_text(written(PAGE.read_text("utf-8")), "utf-8")
