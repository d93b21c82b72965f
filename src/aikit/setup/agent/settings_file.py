"""Writes one setting into aikit.toml; comments and order stay. The file is valid after that, or unchanged."""

from __future__ import annotations

import stat
from pathlib import Path
from typing import Any

import tomlkit
from tomlkit.exceptions import TOMLKitError
from tomlkit.items import Table

from aikit.errors import AIKitError, ConfigError
from aikit.setup.atomic import replace
from aikit.setup.model import Place
from aikit.setup.place import config_file


def write_setting(place: Place, path: tuple[str, ...], value: Any) -> bool:
    """Set `value` at that path of tables. False: there is no file yet, so nothing is written.

    Raises ConfigError for a file that is elsewhere, that can't be read, or that would not be valid any more: then it
    is as it was before.
    """
    file = config_file(place)
    if not file.exists():
        return False
    _require_inside(file, place.folder)
    before = file.read_bytes()
    after = _with(before, path, value)
    mode = stat.S_IMODE(file.stat().st_mode)
    replace(file, after, mode=mode)
    place.reload()
    try:
        _ = place.settings
    except AIKitError:
        replace(file, before, mode=mode)
        place.reload()
        raise
    return True


def _with(before: bytes, path: tuple[str, ...], value: Any) -> bytes:
    try:
        document = tomlkit.parse(before.decode())
    except (TOMLKitError, UnicodeDecodeError):
        raise ConfigError(
            "aikit.toml is not TOML.", remedy="Correct it first: `aikit doctor` names the line."
        ) from None
    table: Any = document
    for name in path[:-1]:
        if name not in table:
            table[name] = tomlkit.table(is_super_table=name != path[-2])
        table = table[name]
        if not isinstance(table, Table) and not hasattr(table, "keys"):
            raise ConfigError(f"aikit.toml: {name} is no table.", remedy="Correct it by hand.")
    table[path[-1]] = value
    return tomlkit.dumps(document).encode()


def _require_inside(file: Path, folder: Path) -> None:
    """A symbolic link may lead anywhere; the agent writes nowhere but in the project."""
    if not file.resolve().is_relative_to(folder.resolve()) or not file.is_file():
        raise ConfigError("aikit.toml leads out of the project.", remedy="Change the file it points to by hand.")
