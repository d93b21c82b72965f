"""Runs the console so that whoever ends its process gets the terminal back, and that it ends with who shows it."""

from __future__ import annotations

import asyncio
import os
import signal
from functools import partial

from textual.app import App

SHOWN_ELSEWHERE = "TEXTUAL_DRIVER"
SIGNALLED = 128
"""What a shell adds to the number of a signal for the exit code."""


def run(app: App[None]) -> None:
    """Until somebody leaves, SIGTERM comes, or the terminal is closed."""
    asyncio.run(_run(app))


async def _run(app: App[None]) -> None:
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGHUP):
        loop.add_signal_handler(number, partial(app.exit, return_code=SIGNALLED + number))
    if SHOWN_ELSEWHERE in os.environ:
        _end_with(os.getppid(), app, loop)
    await app.run_async()


def _end_with(parent: int, app: App[None], loop: asyncio.AbstractEventLoop) -> None:
    """If what shows it elsewhere is killed, nobody can leave any more."""
    if os.getppid() == parent:
        loop.call_later(1.0, _end_with, parent, app, loop)
    else:
        app.exit()
