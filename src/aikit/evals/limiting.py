"""How many calls are under way at each provider: as many as allowed, fewer while it is overrun.

An answer that says so (429, overloaded, an open breaker) halves the number and lets nobody begin before the time that
it names; each full round of good answers raises it by one again, up to the limit.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from aikit.errors import AIError, AIKitError, Refused

DEFAULT = 8
PAUSE = 0.5
"""Seconds without a new call after an answer that names none; doubled for each such answer in a row."""
LONGEST_PAUSE = 30.0
UNREACHED = 5
"""Connections in a row that could not be made, after which a provider counts as one that can't be reached."""
SILENCE = 300.0
"""Seconds without an answer after which nobody waits for a provider that is overrun, or whose breaker is open."""
_OVERRUN = frozenset({"RATE_LIMITED", "OVERLOADED", "BREAKER_OPEN"})


def overrun(error: AIKitError) -> bool:
    """Whether an error says that there were too many calls: to wait is all that it takes."""
    if isinstance(error, AIError):
        return error.code in _OVERRUN
    return isinstance(error, Refused) and error.retryable and error.retry_after is not None


class Gauge:
    """The calls of one provider. For the tasks of one event loop; `clock` is in seconds."""

    def __init__(self, limit: int, clock: Callable[[], float] = time.monotonic) -> None:
        self.limit = limit
        self.allowed = float(limit)
        """So many may be under way now; what is behind the point is how far a round has come."""
        self.busy = 0
        self.paused_until = 0.0
        self._clock = clock
        self._row = 0
        self._cut_at = float("-inf")
        self._answered_at = clock()
        self._unreached: list[AIError] = []
        self._waiting: deque[asyncio.Future[None]] = deque()

    @asynccontextmanager
    async def place(self) -> AsyncIterator[float]:
        """A place among the calls under way; what is yielded is when it was taken."""
        await self._enter()
        try:
            yield self._clock()
        finally:
            self.busy -= 1
            self._admit()

    async def _enter(self) -> None:
        while self.busy >= int(self.allowed) or self._waiting_for() > 0:
            if (pause := self._waiting_for()) > 0:
                await asyncio.sleep(pause)
                continue
            waiter: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            self._waiting.append(waiter)
            try:
                await waiter
            except asyncio.CancelledError:
                self._admit()
                raise
        self.busy += 1

    def served(self) -> None:
        """It has answered."""
        self._row = 0
        self._answered_at = self._clock()
        self._unreached.clear()
        if self.allowed < self.limit:
            self.allowed = min(float(self.limit), self.allowed + 1 / max(1, int(self.allowed)))
            self._admit()

    def overrun(self, retry_after: float | None, since: float) -> None:
        """It has refused a call, begun at `since`, because there were too many. Of those that were under way together
        only the first counts.
        """
        now = self._clock()
        if since >= self._cut_at:
            self.allowed = max(1.0, float(int(self.allowed) // 2))
            self._cut_at = now
            self._row += 1
        pause = min(LONGEST_PAUSE, PAUSE * 2 ** max(0, self._row - 1)) if retry_after is None else retry_after
        self.paused_until = max(self.paused_until, now + pause)

    def away(self, error: AIKitError) -> AIKitError | None:
        """Take a failure. Returns what to give up for: it can't be reached, or has not answered for too long."""
        if isinstance(error, AIError) and error.code == "CONNECTION_FAILED":
            self._unreached.append(error)
            if len(self._unreached) >= UNREACHED:
                return error
        elif self._unreached and error.code == "BREAKER_OPEN":
            return self._unreached[-1]
        return error if overrun(error) and self._clock() - self._answered_at > SILENCE else None

    def _waiting_for(self) -> float:
        return self.paused_until - self._clock()

    def _admit(self) -> None:
        """Let those who wait look again, as many as there are places."""
        for _ in range(max(0, int(self.allowed) - self.busy)):
            while self._waiting:
                waiter = self._waiting.popleft()
                if not waiter.done():
                    waiter.set_result(None)
                    break


class Limiter:
    """A gauge for each provider."""

    def __init__(self, limit: int = DEFAULT) -> None:
        self.limit = limit
        self._gauges: dict[str, Gauge] = {}

    def of(self, model: str) -> Gauge:
        """That of the provider of `provider/model`; of a route, its own."""
        name = model.partition("/")[0]
        if name not in self._gauges:
            self._gauges[name] = Gauge(self.limit)
        return self._gauges[name]
