"""`aikit` at a real terminal: a pseudo-terminal of its own, which a test reads and types into."""

from __future__ import annotations

import fcntl
import os
import pty
import re
import select
import signal
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Self

SCRIPT = Path(sys.executable).with_name("aikit")
SECONDS = 60.0
AGAIN = 10.0
"""Seconds after which a person presses Ctrl-C a second time. Python can miss one that comes just before it reads."""
STYLING = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]|\r(?!\n)")


class Terminal:
    """A run of `aikit` at a terminal of 160 columns. Use it as a context manager: what still runs then is killed."""

    def __init__(self, *arguments: str, folder: Path, environ: Mapping[str, str]) -> None:
        self._ours, theirs = pty.openpty()
        fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 50, 160, 0, 0))
        self.process = subprocess.Popen(
            [str(SCRIPT), *arguments],
            cwd=folder,
            env={**environ, "TERM": "xterm"},
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
            start_new_session=True,
            preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),
        )
        os.close(theirs)
        self._bytes = b""
        self._seen = 0
        self._interrupted = False

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: object, trace: TracebackType | None) -> None:
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        os.close(self._ours)

    @property
    def shown(self) -> str:
        """All that was shown so far, without colours."""
        return STYLING.sub("", self._bytes.decode(errors="replace")).replace("\r\n", "\n")

    @property
    def raw(self) -> str:
        """The same as it came, with everything that moves the cursor or colours."""
        return self._bytes.decode(errors="replace")

    def wait_for(self, text: str) -> str:
        """Wait until this is shown, after what was waited for before; returns all that is shown by then."""
        deadline = time.monotonic() + SECONDS
        while text not in self.shown[self._seen :]:
            assert self._read(deadline), f"{text!r} was not shown in:\n{self.shown}"
        self._seen = self.shown.index(text, self._seen) + len(text)
        return self.shown

    def type(self, line: str) -> None:
        os.write(self._ours, f"{line}\n".encode())

    def interrupt(self) -> None:
        """Ctrl-C, as the terminal sends it."""
        self._interrupted = True
        os.write(self._ours, b"\x03")

    def end(self) -> int:
        """Wait for the end, and return the exit code."""
        deadline = time.monotonic() + SECONDS
        self._read_on(min(deadline, time.monotonic() + AGAIN) if self._interrupted else deadline)
        if self._interrupted and self.process.poll() is None:
            with suppress(OSError):  # it has closed its terminal meanwhile
                os.write(self._ours, b"\x03")
        self._read_on(deadline)
        try:
            return self.process.wait(max(1.0, deadline - time.monotonic()))
        except subprocess.TimeoutExpired:
            self.process.send_signal(signal.SIGKILL)
            raise AssertionError(f"it did not end:\n{self.shown}") from None

    def _read_on(self, deadline: float) -> None:
        while self._read(deadline):
            pass

    def _read(self, deadline: float) -> bool:
        """Take in what is there. False: nothing more comes."""
        readable, _, _ = select.select([self._ours], [], [], max(0.0, deadline - time.monotonic()))
        if not readable:
            return False
        try:
            found = os.read(self._ours, 65_536)
        except OSError:  # the other end is closed
            return False
        self._bytes += found
        return bool(found)


def left(terminal: Terminal) -> int:
    """Leave an `aikit init` that went well without opening the console; the exit code."""
    terminal.wait_for("Enter opens the console, q ends")
    terminal.type("q")
    return terminal.end()
