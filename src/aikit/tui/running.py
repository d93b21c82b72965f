"""Runs the console so that whoever tells its process to end gets the terminal back as it was."""

from __future__ import annotations

import asyncio
import signal
from functools import partial

from textual.app import App

SIGNALLED = 128
"""What a shell adds to the number of a signal for the exit code."""


def run(app: App[None]) -> None:
    """Until somebody leaves, SIGTERM comes, or the terminal is closed."""
    asyncio.run(_run(app))


async def _run(app: App[None]) -> None:
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGHUP):
        loop.add_signal_handler(number, partial(app.exit, return_code=SIGNALLED + number))
    await app.run_async()
