"""Which files are looked at: what git does not ignore, without folders that hold other people's code."""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Iterable, Iterator
from functools import lru_cache
from pathlib import Path

from aikit.errors import ConfigError

SUFFIXES = (".py", ".pyi", ".pyw", ".ipynb")
OTHERS = frozenset(
    {
        ".git", ".hg", ".svn", ".venv", "venv", ".env", "env", "node_modules", "__pycache__", "site-packages", ".tox",
        ".nox", ".eggs", "build", "dist", ".mypy_cache", ".ruff_cache", ".pytest_cache", ".hypothesis",
        ".ipynb_checkpoints", "__pypackages__",
    }
)  # fmt: skip
"""Folders that are left out, unless they are named themselves."""


def find_files(paths: Iterable[Path], root: Path, exclude: tuple[str, ...] = ()) -> list[Path]:
    """The Python files and notebooks at and under these paths, each once, in their order by name.

    A file that is named is looked at whatever it is called. Raises ConfigError for a path that is not there.
    """
    found: dict[Path, Path] = {}
    for path in paths:
        if path.is_dir():
            inside: Iterable[Path] = sorted(_inside(path))
        elif path.exists():
            inside = [path]
        else:
            raise ConfigError(
                f"There is no {path}.", facts={"path": str(path)}, remedy="Name files or folders: aikit lint src tests."
            )
        for file in inside:
            if not matches(file, root, exclude):
                found.setdefault(file.absolute(), file)
    return list(found.values())


def _inside(folder: Path) -> Iterator[Path]:
    listed = _by_git(folder)
    if listed is None:
        yield from _by_walking(folder)
        return
    for name in listed:
        parts = name.split("/")
        if any(part in OTHERS for part in parts[:-1]):
            continue
        path = folder / name
        if name.endswith("/"):
            yield from _inside(path)
        elif name.endswith(SUFFIXES) and path.is_file():
            yield path


def _by_git(folder: Path) -> list[str] | None:
    """What git knows of or would add; None where it can't be asked."""
    if folder.resolve().name in OTHERS:
        return None
    command = ["git", "-C", str(folder), "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    try:
        done = subprocess.run(command, capture_output=True, check=False, timeout=30)
    except (OSError, subprocess.TimeoutExpired):
        return None
    if done.returncode != 0:
        return None
    names = [os.fsdecode(name) for name in done.stdout.split(b"\0") if name]
    if not names and _ignored(folder):
        return None
    return names


def _ignored(folder: Path) -> bool:
    """A folder that is ignored as a whole, and was named nevertheless."""
    command = ["git", "-C", str(folder), "check-ignore", "-q", "."]
    return subprocess.run(command, capture_output=True, check=False).returncode == 0


def _by_walking(folder: Path) -> Iterator[Path]:
    for top, folders, names in os.walk(folder):
        folders[:] = sorted(
            name for name in folders if name not in OTHERS and not Path(top, name, "pyvenv.cfg").exists()
        )
        yield from (Path(top, name) for name in names if name.endswith(SUFFIXES))


def relative(path: Path, root: Path) -> str:
    """A path as globs and reports have it: from the root, if it is in there."""
    absolute = path.absolute()
    return absolute.relative_to(root).as_posix() if absolute.is_relative_to(root) else path.as_posix()


def matches(path: Path, root: Path, globs: tuple[str, ...]) -> bool:
    """Whether one of the globs means this file; a glob that means a folder means all that is in it."""
    name = relative(path, root)
    return any(_pattern(glob).fullmatch(name) for glob in globs)


@lru_cache(maxsize=256)
def _pattern(glob: str) -> re.Pattern[str]:
    """`*` and `?` stay within a folder, `**` does not."""
    text, written = "", glob.strip().removeprefix("./").rstrip("/")
    position = 0
    while position < len(written):
        if written.startswith("**/", position):
            text, position = text + "(?:.*/)?", position + 3
        elif written.startswith("**", position):
            text, position = text + ".*", position + 2
        else:
            character = written[position]
            text += {"*": "[^/]*", "?": "[^/]"}.get(character) or re.escape(character)
            position += 1
    return re.compile(f"{text}(?:/.*)?")
