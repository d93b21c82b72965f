"""The line to the ledger: made anew when it was lost, at once at first, then less and less often."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable

import psycopg

from aikit.errors import AIKitError
from aikit.meter.poster import Poster

log = logging.getLogger("aikit.meter")

RECONNECT = (0.05, 2.0)
"""First and longest pause between two attempts to reconnect, in seconds; after a loss the first attempt is at once."""


class Line:
    """Holds the poster on the connection that is in use. For one worker at a time."""

    def __init__(self, connect: Callable[[], Poster]) -> None:
        """Connect. Raises what `connect` raises."""
        self._connect = connect
        self.poster: Poster | None = connect()
        self.retry_at = 0.0
        """When, by the monotonic clock, it is worth trying again."""
        self._pause, self._proven = RECONNECT[0], False

    def reach(self) -> Poster | None:
        """The poster, on a new connection if the last was lost; None while the database is away."""
        if self.poster is None and time.monotonic() >= self.retry_at:
            try:
                self.poster, self._proven = self._connect(), False
            except (psycopg.Error, AIKitError) as error:
                log.warning("the ledger is still away: %s", type(error).__name__)
                self._wait()
        return self.poster

    def worked(self) -> None:
        """Something was posted."""
        self._pause, self._proven = RECONNECT[0], True

    def drop(self, poster: Poster | None) -> None:
        """The connection of this poster is of no use any more."""
        if poster is not None:
            poster.close()
        if self.poster is poster:
            self.poster = None
            if not self._proven:  # it was lost before anything could be posted: as on a read-only server
                self._wait()

    def _wait(self) -> None:
        self.retry_at = time.monotonic() + self._pause
        self._pause = min(RECONNECT[1], self._pause * 2)
