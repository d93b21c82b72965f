"""What passes through the engine: orders that wait for a decision, and the batches they travel in."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from dataclasses import dataclass, field

from aikit.errors import AIKitError, MeteringUnavailable
from aikit.meter.plan import Batch
from aikit.meter.poster import Poster, Prepared
from aikit.meter.rows import EndingRow, OrderRow
from aikit.types import Decision, Extension, Hold, Order, Refusal


class Ticket:
    """An order, or an extension, that waits for its decision, in a thread or in a coroutine."""

    __slots__ = ("_future", "_lock", "abandoned", "decision", "error", "extension", "loop", "row")

    def __init__(self, asked: Order | Extension, loop: asyncio.AbstractEventLoop | None = None) -> None:
        self.extension = asked if isinstance(asked, Extension) else None
        self.row = OrderRow.of(asked.hold.order if isinstance(asked, Extension) else asked)
        self.decision: Decision | None = None
        self.error: AIKitError | None = None
        self.abandoned = False
        self.loop = loop
        self._future: asyncio.Future[None] | None = loop.create_future() if loop else None
        self._lock = None if loop else threading.Lock()
        if self._lock:
            self._lock.acquire()

    @property
    def batch(self) -> Batch:
        """The batch that has this alone."""
        return Batch(orders=[self.row]) if self.extension is None else Batch(extensions=[self.extension])

    @property
    def granted(self) -> Hold | None:
        """The hold that was made for it alone, which is to be given back if nobody takes it."""
        return self.decision.hold if self.decision is not None and self.extension is None else None

    def wait(self, seconds: float) -> bool:
        """Block until decided; False when that took too long."""
        assert self._lock is not None
        return self._lock.acquire(timeout=seconds)

    async def wait_async(self) -> bool:
        """The same for a coroutine, which somebody else wakes if it takes too long."""
        assert self._future is not None
        await self._future
        return self.decision is not None or self.error is not None

    @property
    def is_woken(self) -> bool:
        """A coroutine that need not be woken any more."""
        return self._future is None or self._future.done()

    def fail(self, message: str) -> None:
        """No decision could be had, so nothing may be sent."""
        if self.decision is None:
            self.error = MeteringUnavailable(message, retry_after=1)

    def release(self) -> None:
        """Wake a thread."""
        if self._lock is not None:
            self._lock.release()

    def release_async(self) -> None:
        """Wake a coroutine; runs in its loop."""
        if self._future is not None and not self._future.done():
            self._future.set_result(None)


@dataclass(slots=True)
class Marker:
    """Set when everything that was queued before it has been posted."""

    done: threading.Event = field(default_factory=threading.Event)


@dataclass(slots=True, frozen=True)
class Renewal:
    """A hold whose attempt is still under way."""

    hold: Hold


class Stop:
    """The last item of a meter's queue."""


STOP = Stop()
Item = Ticket | EndingRow | Refusal | Renewal | Marker | Stop


@dataclass(slots=True)
class Work:
    """One batch on its way through the engine. `late` are endings that wait in the spool.

    Tickets of extensions come after those of orders, as their decisions do.
    """

    tickets: list[Ticket]
    entries: list[EndingRow]
    refusals: list[Refusal]
    renewals: list[Hold]
    markers: list[Marker]
    late: list[EndingRow] = field(default_factory=list)
    poster: Poster | None = None
    prepared: Prepared | None = None

    @property
    def is_empty(self) -> bool:
        return not (self.tickets or self.entries or self.refusals or self.late)

    def batch(self) -> Batch:
        return Batch(
            [*self.late, *self.entries],
            [ticket.row for ticket in self.tickets if ticket.extension is None],
            [ticket.extension for ticket in self.tickets if ticket.extension is not None],
            self.refusals,
        )

    def fail(self, message: str) -> None:
        """Nobody was admitted."""
        for ticket in self.tickets:
            ticket.fail(message)

    def wake(self) -> None:
        """Wake whoever waits for a decision, or for all that was queued before. Idempotent."""
        self.wake_callers()
        for marker in self.markers:
            marker.done.set()

    def wake_callers(self) -> None:
        """Wake those who wait for a decision: threads one by one, each event loop once. Idempotent."""
        tickets, self.tickets = self.tickets, []
        loops: dict[asyncio.AbstractEventLoop, list[Ticket]] = {}
        for ticket in tickets:
            if ticket.loop is None:
                ticket.release()
            else:
                loops.setdefault(ticket.loop, []).append(ticket)
        for loop, waiting in loops.items():
            with contextlib.suppress(RuntimeError):  # the loop was closed while it waited
                loop.call_soon_threadsafe(_release_all, waiting)


def _release_all(tickets: list[Ticket]) -> None:
    for ticket in tickets:
        ticket.release_async()
