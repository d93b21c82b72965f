"""When a failed request is sent again: how long after, and only as often as the process's retry budget allows."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable
from random import Random

FIRST_WAIT = 0.5
LONGEST_WAIT = 8.0
WINDOW = 60
"""Seconds that the budget looks back."""
ONE_IN = 10
"""At most one in so many requests to a provider is a retry."""
FLOOR = 3
"""So many retries are allowed in any window, so that a lone call may try again."""


def wait_before(failures: int, retry_after: float | None, random: Random) -> float:
    """Seconds to wait after the nth failure in a row: full jitter, and never less than the provider asks for."""
    jittered = random.uniform(0, min(LONGEST_WAIT, FIRST_WAIT * 2.0 ** min(failures - 1, 10)))
    return jittered if retry_after is None else max(retry_after, jittered)


class RetryBudget:
    """Counts requests and retries of one process by provider. Shared by all threads."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._counts: dict[str, deque[list[int]]] = {}

    def sent(self, provider: str) -> None:
        """A request went to this provider, whether or not it was a retry."""
        with self._lock:
            self._now(provider)[1] += 1

    def take(self, provider: str) -> bool:
        """Ask to send a retry. False: there have been too many of them lately."""
        with self._lock:
            now = self._now(provider)
            seen = self._counts[provider]
            requests, retries = sum(one[1] for one in seen), sum(one[2] for one in seen)
            if retries >= max(FLOOR, requests // ONE_IN):
                return False
            now[2] += 1
            return True

    def _now(self, provider: str) -> list[int]:
        """The count of this second: [the second, requests, retries]. What is too old is forgotten."""
        second = int(self._clock())
        counts = self._counts.setdefault(provider, deque())
        while counts and counts[0][0] <= second - WINDOW:
            counts.popleft()
        if not counts or counts[-1][0] != second:
            counts.append([second, 0, 0])
        return counts[-1]
