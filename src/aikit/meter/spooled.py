"""What lies in the spool, for people to look at: nothing is adopted, moved or posted by it."""

from __future__ import annotations

import fcntl
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import IO

from aikit.meter.spool import last_of_each, read_lines
from aikit.types import Entry


@dataclass(frozen=True, slots=True)
class Waiting:
    """The endings of one tenant in the spool; `nano` in nano-USD. `unchecked` were sent while the ledger was away."""

    tenant: str
    endings: int
    unchecked: int
    nano: int


@dataclass(frozen=True, slots=True)
class SpoolFile:
    """One spool file. `owned` says that a living process has it; only others can be adopted.

    `oldest` is when the first of its attempts was admitted. `unread` counts lines that are no ending. `problem` says
    why the file can't be read at all.
    """

    name: str
    owned: bool
    size: int
    waiting: tuple[Waiting, ...] = ()
    oldest: datetime | None = None
    unread: int = 0
    problem: str | None = None

    @property
    def endings(self) -> int:
        return sum(one.endings for one in self.waiting)

    @property
    def nano(self) -> int:
        return sum(one.nano for one in self.waiting)


@dataclass(frozen=True, slots=True)
class AsideFile:
    """Lines that were set aside for a person: no ending, or one that the ledger refuses."""

    name: str
    lines: int
    size: int


@dataclass(frozen=True, slots=True)
class Spooled:
    """All of a spool folder, oldest file first."""

    folder: Path
    files: tuple[SpoolFile, ...] = ()
    aside: tuple[AsideFile, ...] = ()
    waiting: tuple[Waiting, ...] = ()
    """Of all files, by tenant."""

    @property
    def endings(self) -> int:
        return sum(file.endings for file in self.files)

    @property
    def nano(self) -> int:
        return sum(file.nano for file in self.files)


def look(folder: Path) -> Spooled:
    """What is in the spool now. A file that another process removes meanwhile is left out; no folder, no files."""
    if not folder.is_dir():
        return Spooled(folder)
    found = [_file(path) for path in sorted(folder.glob("*.jsonl"))]
    files = [file for file, _ in found if file is not None]
    aside = [_aside(path) for path in sorted(folder.glob("*.unread"))]
    return Spooled(
        folder,
        tuple(files),
        tuple(one for one in aside if one is not None),
        _by_tenant(entry for _, entries in found for entry in entries),
    )


def _file(path: Path) -> tuple[SpoolFile | None, list[Entry]]:
    try:
        with path.open("rb") as file:
            owned = _is_owned(file)
            written, _, unread = read_lines(file)
            size = path.stat().st_size
    except FileNotFoundError:
        return None, []
    except OSError as error:
        return SpoolFile(path.name, False, 0, problem=error.strerror), []
    entries = last_of_each(written)
    oldest = min((entry.hold.admitted_at for entry in entries), default=None)
    return SpoolFile(path.name, owned, size, _by_tenant(entries), oldest, len(unread)), entries


def _is_owned(file: IO[bytes]) -> bool:
    """Whether a process holds its lock. Ours is gone at once, so that it keeps no heir away."""
    try:
        fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    fcntl.flock(file, fcntl.LOCK_UN)
    return False


def _aside(path: Path) -> AsideFile | None:
    with suppress(OSError):
        data = path.read_bytes()
        return AsideFile(path.name, data.count(b"\n"), len(data))
    return None


def _by_tenant(entries: Iterable[Entry]) -> tuple[Waiting, ...]:
    sums: dict[str, list[int]] = {}
    for entry in entries:
        row = sums.setdefault(entry.hold.order.call.tenant, [0, 0, 0])
        row[0] += 1
        row[1] += entry.hold.opened
        row[2] += entry.nano
    return tuple(Waiting(tenant, *sums[tenant]) for tenant in sorted(sums))
