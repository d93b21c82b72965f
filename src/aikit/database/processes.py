"""Which live processes are PostgreSQL's own for one data directory, proven before any of them is signalled.

A pid in a file proves nothing: the process may be gone and its number given to a stranger. On Linux the kernel
says which program a process runs and in which directory it works. Where it does not say (macOS; root without
CAP_SYS_PTRACE looking at another user's process, as in many containers), the process's title does, because the
server is started with a `cluster_name` that names the data directory.
"""

from __future__ import annotations

import os
import re
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

PROC = Path("/proc")
HAS_PROC = (PROC / "self/stat").exists()


def cluster_name(data: Path) -> str:
    """The name that each process of this data directory carries in its title."""
    return f"aikit-{data.stat().st_ino}"


def serves(pid: int, data: Path) -> bool:
    """Is `pid` a live PostgreSQL process of this data directory? A zombie is not."""
    if pid <= 0:
        return False
    if not HAS_PROC:
        return _title_names(_title_from_ps(pid), data)
    process = PROC / str(pid)
    try:
        return _program(process).name == "postgres" and (process / "cwd").samefile(data)
    except PermissionError:
        return _title_names(_title_from_proc(process), data)
    except OSError:
        return False


def serving(data: Path) -> list[int]:
    """All live PostgreSQL processes of this data directory, orphans of a killed postmaster included."""
    return [pid for pid in _all_pids() if serves(pid, data)]


def program(pid: int) -> Path | None:
    """The file that the process runs, where the kernel says so."""
    try:
        return _program(PROC / str(pid))
    except OSError:
        return None


def exists(pid: int) -> bool:
    """Does anything have this pid, a stranger or a zombie included? This is what PostgreSQL itself asks."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def gone(pid: int) -> bool:
    """Has this process ended, reaped or not?"""
    if pid <= 0 or not exists(pid):
        return True
    try:
        return (PROC / str(pid) / "stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except OSError:
        return HAS_PROC


def send(pid: int, data: Path, number: signal.Signals) -> bool:
    """Signal `pid` if it is proven to serve this data directory; says whether it was.

    Where the kernel has pidfds, the process is pinned first, so that it can't be replaced between proof and signal.
    """
    try:
        pinned = os.pidfd_open(pid)
    except ProcessLookupError:
        return False
    except (AttributeError, OSError):
        if proven := serves(pid, data):
            os.kill(pid, number)
        return proven
    try:
        if proven := serves(pid, data):
            signal.pidfd_send_signal(pinned, number)
        return proven
    except ProcessLookupError:
        return False
    finally:
        os.close(pinned)


def _program(process: Path) -> Path:
    """The link of a binary that was replaced under a running server, as by an upgrade, ends in ` (deleted)`."""
    return Path(str((process / "exe").readlink()).removesuffix(" (deleted)"))


def _all_pids() -> Iterator[int]:
    if HAS_PROC:
        return (int(entry.name) for entry in PROC.iterdir() if entry.name.isdigit())
    listing = subprocess.run(["ps", "-axo", "pid="], capture_output=True, text=True, check=False).stdout
    return (int(pid) for pid in listing.split())


def _title_names(title: str, data: Path) -> bool:
    try:
        return re.search(r"(^|/)postgres[: ]", title) is not None and cluster_name(data) in re.split(r"[\s=:]+", title)
    except OSError:
        return False


def _title_from_proc(process: Path) -> str:
    try:
        return (process / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
    except OSError:
        return ""


def _title_from_ps(pid: int) -> str:
    return subprocess.run(
        ["ps", "-p", str(pid), "-o", "command="], capture_output=True, text=True, check=False
    ).stdout.strip()
