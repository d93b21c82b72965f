"""The files of the project: written where there are none, and never over what is there."""

from __future__ import annotations

import os
from pathlib import Path

from aikit.errors import ConfigError, Exit
from aikit.setup import toml_file
from aikit.setup.atomic import write_new
from aikit.setup.model import Check, Place, Progress, Row
from aikit.setup.place import SIMULATOR, config_file
from aikit.setup.project_files import NewFile, planned
from aikit.setup.simulated import PORT, port_of, table
from aikit.setup.steps.base import Looking, broken, missing, ok

AGAIN = "aikit init"


class Files(Looking):
    """`aikit.toml`, `policies.toml`, `prompts/`, `evals/` and a CI workflow."""

    name = "files"
    title = "project files"

    def look(self, place: Place) -> Check:
        if not place.folder.is_dir():
            return broken(
                f"{place.folder} is no folder.", "Name one that is there: aikit init --folder DIR", Exit.USAGE
            )
        files = planned(place)
        absent = [file.where for file in files if not (place.folder / file.where).exists()]
        facts = {"there": len(files) - len(absent), "missing": absent, "settings": _unset(place)}
        if absent and not os.access(place.folder, os.W_OK):
            return broken(f"{place.folder} can't be written to.", "Choose another folder, or its owner.", Exit.USAGE)
        if not place.choices.files:
            return ok("left alone", **facts)
        if absent or facts["settings"]:
            what = "none" if len(absent) == len(files) else f"{len(absent)} of {len(files)} not there" if absent else ""
            return missing(what or f"{', '.join(_unset(place))} not set", AGAIN, Exit.USAGE, **facts)
        return ok(f"{len(files)} files", **facts)

    def describe(self, place: Place) -> list[Row]:
        found = self.check(place)
        absent: list[str] = list(found.facts.get("missing", ()))
        tops = list(dict.fromkeys(name.split("/")[0] + ("/" if "/" in name else "") for name in absent))
        will = [f"create {', '.join(tops)}"] if absent and place.choices.files else []
        if settings := found.facts.get("settings"):
            will.append(f"set {', '.join(settings)} in aikit.toml")
        return [Row("project files", found.why, str(place.folder), f"will {' and '.join(will)}" if will else "")]

    def apply(self, place: Place, progress: Progress) -> None:
        """Raises ConfigError if a file can't be written."""
        if place.choices.files:
            for file in planned(place):
                if not (place.folder / file.where).exists():
                    progress(file.where)
                    _write(place.folder, file)
        self._configure(place)
        place.reload()

    def _configure(self, place: Place) -> None:
        unset = _unset(place)
        if not unset:
            return
        file = config_file(place)
        if SIMULATOR in unset:
            note = "simulated, and started by `aikit sim --port PORT`; take it out when there is a real key"
            url = f"http://127.0.0.1:{place.choices.settings.get('simulator.port', PORT)}"
            toml_file.add_tables(file, table(url), note)
        stated = {name: place.choices.settings[name] for name in unset if name != SIMULATOR}
        if stated:
            toml_file.set_settings(file, stated)


def _unset(place: Place) -> list[str]:
    """The settings that were chosen and that aikit.toml does not say yet."""
    file, choices = config_file(place), place.choices
    simulator = [SIMULATOR] if choices.simulator and _moved(place) else []
    return simulator + [
        name
        for name, value in choices.settings.items()
        if not name.startswith("simulator.") and toml_file.says(file, name) != toml_file.coerced(name, value)
    ]


def _moved(place: Place) -> bool:
    """Whether the simulator is not configured, or somewhere else than where it runs now."""
    port, wanted = port_of(place.settings), place.choices.settings.get("simulator.port")
    return port is None or (wanted is not None and str(port) != wanted)


def _write(folder: Path, file: NewFile) -> None:
    path = folder / file.where
    there = next(parent for parent in path.parents if parent.exists())
    if not there.resolve().is_relative_to(folder.resolve()):
        raise ConfigError(
            f"{file.where} would be written outside of {folder}: {there.name} is a link that leads there.",
            facts={"file": file.where},
            remedy="Make that a folder, or run `aikit init` where it leads to.",
        )
    write_new(path, file.text.encode())
