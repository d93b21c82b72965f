"""One timer for all who wait in an event loop. A timer each would cost more than everything else in waiting."""

from __future__ import annotations

import asyncio
from collections import deque

from aikit.meter.work import Ticket


class Patience:
    """Wakes the tickets of one event loop that have waited too long. Used in that loop only."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._waiting: deque[tuple[float, Ticket]] = deque()
        self._timer: asyncio.TimerHandle | None = None

    def watch(self, ticket: Ticket) -> None:
        """Wake it if it has not been woken in time."""
        loop = asyncio.get_running_loop()
        waiting = self._waiting
        while waiting and waiting[0][1].is_woken:
            waiting.popleft()
        waiting.append((loop.time() + self._seconds, ticket))
        if self._timer is None:
            self._timer = loop.call_later(self._seconds, self._look)

    def _look(self) -> None:
        loop = asyncio.get_running_loop()
        now = loop.time()
        waiting = self._waiting
        while waiting and (waiting[0][0] <= now or waiting[0][1].is_woken):
            waiting.popleft()[1].release_async()
        self._timer = loop.call_at(waiting[0][0], self._look) if waiting else None
