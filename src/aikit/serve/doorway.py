"""How many requests run at once: more wait in order, more than that are told to come again."""

from __future__ import annotations

import asyncio
from collections import deque
from types import TracebackType

from aikit.errors import Refused

LONGEST_WAIT = 10.0
"""Seconds that a request waits for its turn at most."""


class Doorway:
    """`async with doorway:` runs one request; raises Refused (503, SERVER_BUSY) where too many are there already."""

    def __init__(self, running: int, waiting: int, longest_wait: float = LONGEST_WAIT) -> None:
        self.running = 0
        self._most_running = running
        self._most_waiting = waiting
        self._longest_wait = longest_wait
        self._queue: deque[asyncio.Future[None]] = deque()

    @property
    def waiting(self) -> int:
        return sum(not turn.done() for turn in self._queue)

    async def __aenter__(self) -> None:
        if self.running < self._most_running and not self._queue:
            self.running += 1
            return
        if len(self._queue) >= self._most_waiting:
            raise busy(f"{self._most_running:,} requests are running and {self._most_waiting:,} are waiting.")
        await self._turn()

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._leave()

    async def _turn(self) -> None:
        """Wait for a place; whoever leaves one hands it over, so `running` stays as it is."""
        loop = asyncio.get_running_loop()
        turn: asyncio.Future[None] = loop.create_future()
        self._queue.append(turn)
        late = loop.call_later(self._longest_wait, self._too_late, turn)
        try:
            await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled() and turn.exception() is None:
                self._leave()
            raise
        finally:
            late.cancel()
            if turn in self._queue:
                self._queue.remove(turn)

    def _too_late(self, turn: asyncio.Future[None]) -> None:
        if not turn.done():
            turn.set_exception(busy(f"No place was free within {self._longest_wait:g} s."))

    def _leave(self) -> None:
        while self._queue:
            turn = self._queue.popleft()
            if not turn.done():
                turn.set_result(None)
                return
        self.running -= 1


def busy(why: str) -> Refused:
    return Refused(
        f"The server is busy: {why}",
        code="SERVER_BUSY",
        status=503,
        retryable=True,
        retry_after=1.0,
        remedy="Try again in a moment.",
    )
