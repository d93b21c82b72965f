"""The time that a tick may spend on what can wait: all parts of it end when it does."""

from __future__ import annotations

from time import monotonic


class Clock:
    """So many seconds from now on, or what is left of those that it is a part of."""

    def __init__(self, seconds: float, within: Clock | None = None) -> None:
        until = monotonic() + seconds
        self.until: float = until if within is None else min(until, within.until)

    @property
    def left(self) -> float:
        return self.until - monotonic()

    def part(self, seconds: float) -> Clock:
        return Clock(seconds, self)
