"""What the console itself costs at a terminal: how long until the first figures are there, and what it idles at."""

from __future__ import annotations

import fcntl
import os
import pty
import re
import select
import signal
import statistics
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from aikit.database.connect import Database

SCRIPT = Path(sys.executable).with_name("aikit")
SIZE = (40, 140)
SHOWN = re.compile(rb"tenant-\d{4}")
"""What is only shown once something has been read."""
OVER = ("--period", "24h")
"""Just after midnight nothing has happened today."""
SETTLED, IDLE = 10.0, 60.0
"""Seconds before it is watched, and for how long."""
STARTS = 10
PATIENCE = 30.0
TICK = os.sysconf("SC_CLK_TCK")
STYLING = re.compile(rb"\x1b\[[0-9;?]*[A-Za-z]")


class Screen:
    """`aikit top` at a pseudo-terminal of its own, the way somebody starts it."""

    def __init__(self, data: Path, *arguments: str) -> None:
        self._ours, theirs = pty.openpty()
        fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", *SIZE, 0, 0))
        kept = {name: value for name, value in os.environ.items() if name in ("PATH", "LANG", "LC_ALL")}
        own = {"AIKIT_DATA_DIR": str(data), "HOME": str(data), "XDG_STATE_HOME": str(data / "state")}
        self.began = time.perf_counter()
        self.process = subprocess.Popen(
            [str(SCRIPT), "top", *arguments],
            cwd=data,
            env={**kept, **own, "TERM": "xterm-256color", "COLORTERM": "truecolor"},
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
            start_new_session=True,
            preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),
        )
        os.close(theirs)
        self._bytes = b""

    def until_shown(self) -> float:
        """Seconds from its start until there are figures. Raises RuntimeError with what there is instead."""
        deadline = time.monotonic() + PATIENCE
        while not SHOWN.search(self._bytes):
            if not self._read(deadline):
                said = STYLING.sub(b" ", self._bytes).decode(errors="replace")
                raise RuntimeError(f"aikit top shows no figures: {' '.join(said.split())[-2000:]}")
        return time.perf_counter() - self.began

    def watch(self, seconds: float) -> None:
        """Take in what it draws, as a terminal does."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            self._read(deadline)
            self._bytes = b""

    def end(self) -> None:
        with suppress(OSError):
            os.write(self._ours, b"q")
        try:
            deadline = time.monotonic() + 5
            while self.process.poll() is None and time.monotonic() < deadline:
                self._read(min(deadline, time.monotonic() + 0.1))
        finally:
            if self.process.poll() is None:
                self.process.send_signal(signal.SIGKILL)
            self.process.wait()
            os.close(self._ours)

    def _read(self, deadline: float) -> bool:
        readable, _, _ = select.select([self._ours], [], [], max(0.0, deadline - time.monotonic()))
        if not readable:
            return False
        try:
            found = os.read(self._ours, 65_536)
        except OSError:  # it has ended
            return False
        self._bytes += found
        return bool(found)


@contextmanager
def _screen(data: Path, *arguments: str) -> Iterator[Screen]:
    screen = Screen(data, *arguments)
    try:
        yield screen
    finally:
        screen.end()


def starts(data: Path) -> dict[str, object]:
    """Seconds until the first figures are there, from the exec on. The first start is not counted: files are read."""
    taken = []
    for _ in range(STARTS + 1):
        with _screen(data, *OVER) as screen:
            taken.append(screen.until_shown())
    counted = taken[1:]
    return {
        "bench": "console start",
        f"s until there are figures, median of {STARTS}": round(statistics.median(counted), 2),
        "the quickest": round(min(counted), 2),
        "the slowest": round(max(counted), 2),
    }


def idle(data: Path, database: Database) -> dict[str, object]:
    """The share of a core, in percent, of the console, of what it has started, and of its backend in the database."""
    with _screen(data, "--interval", "2", *OVER) as screen:
        screen.until_shown()
        screen.watch(SETTLED)
        before, began = _used(screen.process.pid, database), time.perf_counter()
        screen.watch(IDLE)
        after, seconds = _used(screen.process.pid, database), time.perf_counter() - began
        if screen.process.poll() is not None:
            raise RuntimeError(f"aikit top has ended by itself: exit code {screen.process.returncode}")
        memory = _memory(screen.process.pid)
    share = {name: round(100 * (after[name] - before[name]) / seconds, 2) for name in before}
    return {"bench": f"console idle, % of a core over {seconds:.0f} s at 2 s", **share, "resident MB": memory}


def _used(pid: int, database: Database) -> dict[str, float]:
    """Seconds of CPU so far. A backend that has gone meanwhile would show as less than before."""
    query = "SELECT pid FROM pg_stat_activity WHERE application_name = 'aikit top'"
    with database.connect(role="bench") as connection:
        backends = [backend for (backend,) in connection.execute(query)]
    return {
        "aikit top": _seconds(pid),
        "its children": sum(_seconds(child) for child in _children(pid)),
        "its backends": sum(_seconds(backend) for backend in backends),
    }


def _children(pid: int) -> list[int]:
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):
            if int(_fields(stat)[1]) == pid:
                found.append(int(stat.parent.name))
    return found + [grand for child in found for grand in _children(child)]


def _seconds(pid: int) -> float:
    with suppress(OSError):
        user, system = _fields(Path(f"/proc/{pid}/stat"))[11:13]
        return (int(user) + int(system)) / TICK
    return 0.0


def _fields(stat: Path) -> list[str]:
    """What comes after the name, which may hold anything: the state first, then the parent."""
    return stat.read_text().rpartition(")")[2].split()


def _memory(pid: int) -> int:
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") // 1_000_000
