"""Reading in the background: one read at a time, the next one when the last has ended and its time has come."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from functools import partial
from typing import TypeVar

from aikit.console.model import Query, Snapshot, Source
from aikit.errors import AIKitError

FIRST_RETRY = 1.0
LAST_RETRY = 10.0
READING = 0.2
"""Seconds from one tick to the next as long as not all is read that is to be summed."""
Answer = TypeVar("Answer")


async def in_thread(function: Callable[[], Answer]) -> Answer:
    """Run it in a thread that nobody waits for when the program ends."""
    loop = asyncio.get_running_loop()
    future: asyncio.Future[Answer] = loop.create_future()

    def tell(give: Callable[[], None]) -> None:
        with suppress(RuntimeError):  # the loop is closed: nobody listens any more
            loop.call_soon_threadsafe(lambda: None if future.done() else give())

    def run() -> None:
        try:
            answer = function()
        except BaseException as error:
            failure = error
            tell(lambda: future.set_exception(failure))
        else:
            tell(lambda: future.set_result(answer))

    threading.Thread(target=run, name="aikit-top", daemon=True).start()
    return await future


class Poller:
    """Asks for a snapshot, hands it or the failure on, and waits. Times are in seconds, by the monotonic clock."""

    def __init__(
        self,
        source: Source,
        query: Query,
        interval: float,
        shown: Callable[[Snapshot], Awaitable[None]],
        failed: Callable[[AIKitError], Awaitable[None]],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._source, self._shown, self._failed, self._clock = source, shown, failed, clock
        self.query = query
        self.interval = interval
        self.paused = False
        self.retry_at: float | None = None
        """When it is tried again; None while all is well."""
        self._retry = FIRST_RETRY
        self._nudge = asyncio.Event()

    def nudge(self) -> None:
        """Read now, or as soon as the read that is under way has ended."""
        self._nudge.set()

    async def run(self) -> None:
        """For ever."""
        while True:
            self._nudge.clear()
            query = self.query
            try:
                snapshot = await in_thread(partial(self._source.read, query))
            except AIKitError as error:
                wait, self._retry = self._retry, min(2 * self._retry, LAST_RETRY)
                self.retry_at = self._clock() + wait
                await self._failed(error)
            else:
                wait, self._retry = self.interval if snapshot.read == 1 else min(READING, self.interval), FIRST_RETRY
                self.retry_at = None
                if query == self.query:
                    await self._shown(snapshot)
            await self._wait(wait)

    async def _wait(self, seconds: float) -> None:
        with suppress(TimeoutError):
            await asyncio.wait_for(self._nudge.wait(), seconds)
        if self.paused:
            await self._nudge.wait()
