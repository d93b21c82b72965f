"""Writes one setting into aikit.toml of the project and of nowhere else. The file is valid after that, or unchanged."""

from __future__ import annotations

import stat
from pathlib import Path

from aikit.errors import AIKitError, ConfigError
from aikit.setup.atomic import replace
from aikit.setup.model import Place
from aikit.setup.place import config_file
from aikit.setup.toml_file import set_settings


def write_setting(place: Place, name: str, value: str) -> bool:
    """Set it by its dotted name; comments and order stay. False: there is no file yet, so nothing is written.

    Raises ConfigError for a file that is elsewhere, that can't be read, or that would not be valid any more: then it
    is as it was before.
    """
    file = config_file(place)
    if not file.exists():
        return False
    _require_inside(file, place.folder)
    _ = place.settings  # what can't be read now is for a person to mend
    before, mode = file.read_bytes(), stat.S_IMODE(file.stat().st_mode)
    set_settings(file, {name: value})
    place.reload()
    try:
        _ = place.settings
    except AIKitError:
        replace(file, before, mode=mode)
        place.reload()
        raise
    return True


def _require_inside(file: Path, folder: Path) -> None:
    """A symbolic link may lead anywhere; the agent writes nowhere but in the project."""
    if not file.resolve().is_relative_to(folder.resolve()) or not file.is_file():
        raise ConfigError("aikit.toml leads out of the project.", remedy="Change the file it points to by hand.")
