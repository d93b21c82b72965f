"""A terminal as people use it: a shell in a tmux of the test's own, whose keys are pressed and whose screen is read."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest

SECONDS = 30.0
LOOK = 0.05
PROMPT = "ready$ "
STATE = "#{alternate_on} #{mouse_any_flag} #{cursor_flag} #{keypad_flag}"
PLAIN = ["0", "0", "1", "0"]
"""A shell's: not the alternate screen, no mouse, and the cursor is seen."""


def program(name: str) -> str:
    """Where this program is. Fails the test where it is missing: it is not skipped."""
    found = shutil.which(name)
    if found is None:
        pytest.fail(f"{name} is not installed. → apt-get install {name}, as .ci/run does.", pytrace=False)
    return found


class Tmux:
    """A shell in a window of a terminal. What still runs in it ends with it."""

    def __init__(self, folder: Path, sockets: Path, environ: Mapping[str, str], size: tuple[int, int]) -> None:
        self._call = [program("tmux"), "-S", str(sockets / "tmux"), "-f", "/dev/null"]
        try:
            self._start(folder, environ, size)
        except BaseException:
            self.end()
            raise

    def _start(self, folder: Path, environ: Mapping[str, str], size: tuple[int, int]) -> None:
        clean = {"PATH": os.environ["PATH"], "HOME": str(folder), "LANG": "C.UTF-8", "TERM": "xterm"}
        shell = f"exec env PS1='{PROMPT}' /bin/sh -i"
        width, height = map(str, size)
        self._tell("new-session", "-d", "-x", width, "-y", height, "-c", str(folder), shell, env=clean | dict(environ))
        self._tell("set-option", "-g", "status", "off")
        self._tell("set-option", "-g", "escape-time", "10")
        self.resize(*size)
        self.wait_for(PROMPT.strip())

    def end(self) -> None:
        """Close the window, as a person does who has had enough."""
        subprocess.run([*self._call, "kill-server"], capture_output=True)

    def press(self, *keys: str) -> None:
        """Keys by their names (`Enter`, `Escape`, `Space`, `C-p`), one after the other."""
        self._tell("send-keys", "--", *keys)

    def type(self, text: str) -> None:
        self._tell("send-keys", "-l", "--", text)

    def run(self, command: str) -> None:
        """Type this line to the shell."""
        self.type(command)
        self.press("Enter")

    def resize(self, width: int, height: int) -> None:
        self._tell("resize-window", "-x", str(width), "-y", str(height))

    @property
    def screen(self) -> str:
        """What is seen, without the blanks at the ends of lines."""
        return "\n".join(line.rstrip() for line in self._tell("capture-pane", "-p").split("\n")).rstrip("\n")

    @property
    def lines(self) -> list[str]:
        return self.screen.split("\n")

    @property
    def coloured(self) -> str:
        """What is seen, with the sequences that give it its colours."""
        return self._tell("capture-pane", "-p", "-e")

    @property
    def restored(self) -> bool:
        """Whether the terminal is as a shell wants it."""
        shown = self._tell("display-message", "-p", STATE).split()
        return shown == PLAIN

    @property
    def running(self) -> str:
        """The name of what runs in the foreground."""
        return self._tell("display-message", "-p", "#{pane_current_command}").strip()

    @property
    def shell(self) -> int:
        """The pid of the shell."""
        return int(self._tell("display-message", "-p", "#{pane_pid}"))

    def wait_for(self, *wanted: str, seconds: float = SECONDS) -> str:
        """Wait until all of these are seen at once; returns the screen."""
        return self.wait_until(lambda screen: all(each in screen for each in wanted), f"{wanted} not seen", seconds)

    def wait_until(self, fits: Callable[[str], object], why: str = "waited in vain", seconds: float = SECONDS) -> str:
        """Wait until the screen is so; returns it."""
        deadline = time.monotonic() + seconds
        while not fits(screen := self.screen):
            assert time.monotonic() < deadline, f"{why}:\n{screen}"
            time.sleep(LOOK)
        return screen

    def exit_code(self) -> int:
        """Of what was run last; the shell must have its terminal back."""
        self.wait_until(lambda _: self.running == "sh", "the shell is not back")
        self.run("echo ended $?.")
        found = self.wait_until(lambda screen: re.search(r"ended \d+\.", screen), "the shell does not answer")
        return int(re.findall(r"ended (\d+)\.", found)[-1])

    def _tell(self, *command: str, env: Mapping[str, str] | None = None) -> str:
        done = subprocess.run([*self._call, *command], capture_output=True, text=True, env=env)
        assert done.returncode == 0, f"tmux {command}: {done.stderr}"
        return done.stdout


@contextmanager
def terminal(folder: Path, environ: Mapping[str, str], size: tuple[int, int] = (120, 36)) -> Iterator[Tmux]:
    """A shell in this folder, in a terminal of so many columns and lines."""
    with tempfile.TemporaryDirectory(prefix="aikit-tmux-", dir="/tmp") as sockets:
        window = Tmux(folder, Path(sockets), environ, size)
        try:
            yield window
        finally:
            window.end()


def children(pid: int) -> Sequence[int]:
    """The processes that this one has started, and those that they have, and so on."""
    found = [int(child) for file in Path(f"/proc/{pid}/task").glob("*/children") for child in file.read_text().split()]
    return [*found, *[further for child in found for further in children(child)]]
