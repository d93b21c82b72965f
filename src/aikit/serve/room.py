"""How much the bodies of all requests in a process may take up together: who finds no room is told to come again."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from aikit.serve.doorway import busy

Take = Callable[[int], None]
"""Takes so many bytes. Raises Refused (503, SERVER_BUSY) where there is no room for them."""


class Room:
    """Of one event loop. `taken` is in bytes."""

    def __init__(self, most: int) -> None:
        self._most = most
        self.taken = 0

    @contextmanager
    def part(self) -> Iterator[Take]:
        """What one request takes; given back at the end of the block."""
        mine = 0

        def take(size: int) -> None:
            nonlocal mine
            if self.taken + size > self._most:
                raise busy(f"The requests that are here take up {self.taken:,} bytes.")
            self.taken += size
            mine += size

        try:
            yield take
        finally:
            self.taken -= mine
