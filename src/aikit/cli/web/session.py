"""The console behind one page of a browser: a process whose screen goes to the page, and that ends with the page.

It talks to the process as textual-serve does, to whose script in the page this is the other end.
"""

from __future__ import annotations

import asyncio
import json
import os
import tempfile
from asyncio.subprocess import PIPE, Process
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from aikit.console.words import visible

READY = b"__GANGLION__\n"
"""What the console says first when it is shown elsewhere than at a terminal."""
DRIVER = {
    "TEXTUAL_DRIVER": "textual.drivers.web_driver:WebDriver",
    "TEXTUAL_COLOR_SYSTEM": "truecolor",
    "TERM_PROGRAM": "textual",
}
FRESH = "\x1b[?1049l\x1b[?25l\x1b[2J\x1b[H"
PATIENCE = 3.0
"""Seconds that the process has to end by itself."""
MOST_CELLS = 1_000
MOST_SAID = 20_000


class Session:
    """A process of this command. `send` takes what its screen is to show."""

    def __init__(self, command: Sequence[str], send: Callable[[bytes], Awaitable[None]]) -> None:
        self._command, self._send = command, send
        self._process: Process | None = None
        self._size = (80, 24)

    async def run(self, width: int, height: int) -> None:
        """Start it, and pass on what it shows until it ends; what it complains of is shown, too."""
        self._size = _cells(width), _cells(height)
        size = {"COLUMNS": str(self._size[0]), "ROWS": str(self._size[1])}
        with tempfile.TemporaryFile() as complaints:
            self._process = process = await asyncio.create_subprocess_exec(
                *self._command, stdin=PIPE, stdout=PIPE, stderr=complaints, env={**os.environ, **DRIVER, **size}
            )
            assert process.stdout is not None
            await _passed_on(process.stdout, self._send)
            if await process.wait():
                complaints.seek(0)
                await self._send(_told(complaints.read(MOST_SAID).decode(errors="replace")))

    async def hear(self, said: Any) -> None:
        """What the page says, as the script in it does: keys, another size, or that it is (not) looked at."""
        match said:
            case ["stdin", str(keys)]:
                await self._tell(b"D", keys.encode())
            case ["resize", {"width": int(width), "height": int(height)}]:
                self._size = _cells(width), _cells(height)
                await self._meta(type="resize", width=self._size[0], height=self._size[1])
            case ["focus" | "blur" as which]:
                await self._meta(type=which)

    async def end(self) -> None:
        """Have it leave; kill it if it does not."""
        process = self._process
        if process is None or process.returncode is not None:
            return
        await self._meta(type="quit")
        try:
            await asyncio.wait_for(process.wait(), PATIENCE)
        except TimeoutError:
            process.kill()
            await process.wait()

    async def _meta(self, **told: object) -> None:
        await self._tell(b"M", json.dumps(told).encode())

    async def _tell(self, kind: bytes, payload: bytes) -> None:
        if self._process is None or self._process.stdin is None:
            return
        try:
            self._process.stdin.write(kind + len(payload).to_bytes(4, "big") + payload)
            await self._process.stdin.drain()
        except OSError:
            pass  # it has ended, which is seen by whoever waits for it


async def _passed_on(stream: asyncio.StreamReader, send: Callable[[bytes], Awaitable[None]]) -> None:
    """Until it ends. Packets that are not for the screen are for what this page does not do."""
    try:
        await stream.readuntil(READY)
        while True:
            kind, size = await stream.readexactly(1), await stream.readexactly(4)
            payload = await stream.readexactly(int.from_bytes(size, "big"))
            if kind == b"D":
                await send(payload)
    except (asyncio.IncompleteReadError, asyncio.LimitOverrunError):
        pass


def _told(complaints: str) -> bytes:
    return (FRESH + "".join([f"{visible(line)}\r\n" for line in complaints.splitlines()])).encode()


def _cells(number: int) -> int:
    return max(1, min(number, MOST_CELLS))
