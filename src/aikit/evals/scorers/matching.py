"""Matches that may be slow, in a process that is ended when they are: a regular expression can take for ever."""

from __future__ import annotations

import asyncio
import json
import os
import select
import subprocess
import sys
import threading
import time
import weakref
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from aikit.evals.scorers.base import Unscored

STARTING_SECONDS = 30.0
"""That the process may take to begin, imports included, on a machine that is busy."""
_SCRIPT = Path(__file__).with_name("matching_process.py")


class TooSlow(Exception):
    """It took longer than it may."""


class Matcher:
    """One process, started when it is needed, and again after it had to be ended. For several threads at once."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None
        self._end: weakref.finalize[[subprocess.Popen[bytes]], Matcher] | None = None

    async def match(self, job: Mapping[str, Any], seconds: float) -> dict[str, Any]:
        """What the process says. Raises Unscored if it takes longer than that, or can't tell."""
        try:
            found = await asyncio.to_thread(self._match, job, seconds)
        except TooSlow:
            raise Unscored(f"matching took longer than {seconds:g} s") from None
        if "error" in found:
            raise Unscored(f"it can't be matched: {found['error']}")
        return found

    def _match(self, job: Mapping[str, Any], seconds: float) -> dict[str, Any]:
        with self._lock:
            if self._process is None or self._process.poll() is not None:
                self._start()
            try:
                return self._ask(job, seconds)
            except TooSlow:
                self.close()
                raise
            except OSError as error:
                self.close()
                raise Unscored(f"the process that matches has ended ({error.strerror})") from None

    def close(self) -> None:
        """End the process, if there is one."""
        if self._end is not None:
            self._end()
        self._process = self._end = None

    def _start(self) -> None:
        self.close()
        command = [sys.executable, "-P", str(_SCRIPT)]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self._end = weakref.finalize(self, _ended, self._process)
        self._ask({"kind": "regex", "pattern": "", "flags": 0, "full": False, "text": ""}, STARTING_SECONDS)

    def _ask(self, job: Mapping[str, Any], seconds: float) -> dict[str, Any]:
        assert self._process is not None and self._process.stdin is not None and self._process.stdout is not None
        self._process.stdin.write(json.dumps(job).encode() + b"\n")
        self._process.stdin.flush()
        found: dict[str, Any] = json.loads(_line(self._process.stdout.fileno(), seconds))
        return found


def _line(source: int, seconds: float) -> bytes:
    """A line that a process writes, within so many seconds."""
    until = time.monotonic() + seconds
    parts: list[bytes] = []
    while not (parts and parts[-1].endswith(b"\n")):
        left = until - time.monotonic()
        if left <= 0 or not select.select([source], [], [], left)[0]:
            raise TooSlow
        part = os.read(source, 65_536)
        if not part:
            raise BrokenPipeError(0, "it wrote nothing")
        parts.append(part)
    return b"".join(parts)


def _ended(process: subprocess.Popen[bytes]) -> None:
    process.kill()
    process.wait()
    for pipe in (process.stdin, process.stdout):
        if pipe is not None:
            try:
                pipe.close()
            except OSError:
                continue  # what was not yet written to it is of no use any more
