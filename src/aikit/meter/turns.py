"""One batch at a time on the connection, and none for longer than its callers would wait.

A database that takes requests and says nothing would block a worker for ever. Whoever waits for its turn behind such a
batch hangs up on the database, so that the batch fails as if the connection had been cut.
"""

from __future__ import annotations

import logging
import threading
import time
from typing import Protocol

log = logging.getLogger("aikit.meter")

STALL = 9.0
"""Seconds after which a batch has stalled: longer than the session waits for a lock, shorter than callers wait."""
AGAIN = 1.0
"""Seconds until another look at a batch whose connection has been severed."""


class Severable(Protocol):
    """A connection that another thread may hang up on."""

    def sever(self) -> None: ...


class Turns:
    """A lock that is taken for a batch and its connection. `take` before the batch, `give` after it."""

    def __init__(self, seconds: float | None = None) -> None:
        """`seconds` until a batch counts as stalled; STALL if not given."""
        self._seconds = STALL if seconds is None else seconds
        self._lock = threading.Lock()
        self._busy: Severable | None = None
        self._due = 0.0

    def take(self, line: Severable | None) -> None:
        """Wait until no other batch is under way; sever the connection of one that has stalled."""
        while not self._lock.acquire(timeout=max(0.0, self._due - time.monotonic())):
            if time.monotonic() >= self._due:
                self._due = time.monotonic() + AGAIN
                if (busy := self._busy) is not None:
                    log.error("the ledger has not answered for %.0f seconds; hanging up on it", self._seconds)
                    busy.sever()
        self._busy, self._due = line, time.monotonic() + self._seconds

    def give(self) -> None:
        """The batch is over."""
        self._busy = None
        self._lock.release()

    @property
    def due(self) -> float | None:
        """When, by the monotonic clock, the batch under way will have stalled; None if none is."""
        return self._due if self._lock.locked() else None
