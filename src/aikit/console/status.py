"""How what the console shows stands: how old it is, and when it is read again."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Status:
    """Times are in seconds. `interval` None: it is read once. `age` is that of the data, None while there is none.
    `retry` is in how long it is tried again after a failure; None: all is well. `actions`: something may be changed
    from here.
    """

    interval: float | None = 2.0
    paused: bool = False
    age: float | None = 0.0
    retry: float | None = None
    actions: bool = False

    @property
    def stale(self) -> bool:
        """The last read failed, and what is shown is from before."""
        return self.retry is not None
