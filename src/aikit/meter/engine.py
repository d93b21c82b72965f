"""Group commit: one thread a process posts whatever has queued up while the last batch was in flight.

There is no timer: an idle meter posts at once, a busy one posts large batches. Callers may be threads or coroutines of
any event loop. Only admission is waited for; endings are posted behind the caller's back, and `flush` waits for them.
"""

from __future__ import annotations

import asyncio
import atexit
import contextlib
import logging
import threading
import time
import weakref
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from queue import Empty, SimpleQueue

import psycopg

from aikit.errors import AIKitError, MeteringUnavailable
from aikit.meter.poster import Batch, Poster
from aikit.meter.rows import EndingRow, OrderRow
from aikit.meter.spool import Spool, SpoolFull
from aikit.types import Decision, Ending, Entry, Hold, Order, Refusal

log = logging.getLogger("aikit.meter")

MAX_BATCH = 1024
RECONNECT = (0.05, 2.0)
"""First and longest pause between two attempts to reconnect, in seconds."""
ADMIT_TIMEOUT = 10.0
"""An admission that takes longer than this is refused: a caller must not hang on a stalled database."""


class Ticket:
    """An order that waits for its decision, in a thread or in a coroutine."""

    __slots__ = ("_future", "_lock", "abandoned", "decision", "error", "loop", "row")

    def __init__(self, order: Order, loop: asyncio.AbstractEventLoop | None = None) -> None:
        self.row = OrderRow.of(order)
        self.decision: Decision | None = None
        self.error: AIKitError | None = None
        self.abandoned = False
        self.loop = loop
        self._future: asyncio.Future[None] | None = loop.create_future() if loop else None
        self._lock = None if loop else threading.Lock()
        if self._lock:
            self._lock.acquire()

    def wait(self, seconds: float) -> bool:
        """Block until decided; False when that took too long."""
        assert self._lock is not None
        return self._lock.acquire(timeout=seconds)

    async def wait_async(self, seconds: float) -> bool:
        """The same for a coroutine."""
        assert self._future is not None
        if not self._future.done():
            await asyncio.wait([self._future], timeout=seconds)
        return self._future.done()

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


STOP = Marker()
Item = Ticket | EndingRow | Refusal | Marker


class Meter:
    """Decides on orders and posts endings. Start it once a process; `close` it, or use it as a context manager."""

    def __init__(self, connect: Callable[[], Poster], spool: Spool) -> None:
        """`connect` makes a poster on a new connection. Raises what it raises when the database can't be reached."""
        self._connect = connect
        self._spool = spool
        self._queue: SimpleQueue[Item] = SimpleQueue()
        self._poster: Poster | None = connect()
        self._closed = threading.Event()
        self._retry_at = 0.0
        self._pause = RECONNECT[0]
        self._backlog = [EndingRow.of(entry) for entry in spool.adopt()]
        self._thread = threading.Thread(target=self._run, name="aikit-meter", daemon=True)
        self._thread.start()
        atexit.register(_close_at_exit, weakref.ref(self))

    def __enter__(self) -> Meter:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def admit(self, order: Order) -> Decision:
        """Decide on one order; blocks for one group commit. Raises MeteringUnavailable: then nothing may be sent."""
        ticket = self._ask(Ticket(order))
        try:
            decided = ticket.wait(ADMIT_TIMEOUT)
        except BaseException:
            self._abandon(ticket)
            raise
        return self._answer(ticket, decided)

    async def admit_async(self, order: Order) -> Decision:
        """`admit` for coroutines."""
        ticket = self._ask(Ticket(order, asyncio.get_running_loop()))
        try:
            decided = await ticket.wait_async(ADMIT_TIMEOUT)
        except BaseException:
            self._abandon(ticket)
            raise
        return self._answer(ticket, decided)

    def end(self, entry: Entry) -> None:
        """Post the ending of an attempt. Returns at once; if the ledger is away the entry is spooled."""
        self._queue.put(EndingRow.of(entry))

    def refuse(self, refusal: Refusal) -> None:
        """Record an attempt that was refused before it was ordered. Returns at once."""
        self._queue.put(refusal)

    def flush(self, timeout: float = 30.0) -> bool:
        """Wait until everything queued so far has been posted. False: it was spooled, or it took too long."""
        marker = Marker()
        self._queue.put(marker)
        return marker.done.wait(timeout) and not self._backlog

    def close(self, timeout: float = 30.0) -> bool:
        """Post what is queued and stop. Idempotent. False: something had to be left in the spool."""
        if not self._closed.is_set():
            self._closed.set()
            self._queue.put(STOP)
        self._thread.join(timeout)
        return not self._backlog

    @property
    def backlog(self) -> int:
        """How many endings wait in the spool for the ledger to come back."""
        return len(self._backlog)

    def _ask(self, ticket: Ticket) -> Ticket:
        if self._closed.is_set():
            raise MeteringUnavailable("The meter is closed.", remedy="Open a new AIKit.", retryable=False)
        self._queue.put(ticket)
        return ticket

    def _answer(self, ticket: Ticket, decided: bool) -> Decision:
        if not decided:
            self._abandon(ticket)
            raise MeteringUnavailable(
                f"The ledger did not answer within {ADMIT_TIMEOUT:.0f} seconds, so nothing was sent.", retry_after=1
            )
        if ticket.error is not None:
            raise ticket.error
        assert ticket.decision is not None
        return ticket.decision

    def _abandon(self, ticket: Ticket) -> None:
        """The caller has gone: a hold that was or will be made for it is given back."""
        ticket.abandoned = True
        if ticket.decision is not None and ticket.decision.hold is not None:
            self.end(Entry(ticket.decision.hold, Ending.VOIDED, 0, error="abandoned"))

    def _run(self) -> None:
        while True:
            timeout = self._retry_at - time.monotonic() if self._backlog else None
            items = self._take(timeout)
            stop = any(item is STOP for item in items)
            self._work(items)
            if stop and self._queue.empty():
                break
        self._drop_connection()

    def _take(self, timeout: float | None) -> list[Item]:
        """Everything that is queued; waits for the first, at most until the backlog is to be tried again."""
        items: list[Item] = []
        with contextlib.suppress(Empty):
            items.append(self._queue.get(timeout=None if timeout is None else max(0.0, timeout)))
            while len(items) < MAX_BATCH:
                items.append(self._queue.get_nowait())
        return items

    def _work(self, items: list[Item]) -> None:
        tickets = [item for item in items if isinstance(item, Ticket) and not item.abandoned]
        entries = [item for item in items if isinstance(item, EndingRow)]
        refusals = [item for item in items if isinstance(item, Refusal)]
        try:
            if tickets or entries or refusals or self._backlog:
                self._post(tickets, entries, refusals)
        except Exception:
            log.exception("a batch could not be posted")
            self._fail(tickets, "The ledger refused the batch.")
        finally:
            _wake(tickets)
            for item in items:
                if isinstance(item, Marker):
                    item.done.set()

    def _post(self, tickets: list[Ticket], entries: list[EndingRow], refusals: list[Refusal]) -> None:
        poster = self._reach()
        if poster is None:
            self._fail(tickets, "The ledger can't be reached, so nothing was sent.")
            self._keep(entries)
            return
        late, self._backlog = self._backlog, []
        batch = Batch([*late, *entries], [ticket.row for ticket in tickets], refusals)
        try:
            decisions = poster.post(batch)
        except psycopg.OperationalError as error:
            log.warning("the ledger was lost: %s", type(error).__name__)
            self._drop_connection()
            self._fail(tickets, "The ledger was lost while it decided, so nothing was sent.")
            self._backlog = late
            self._keep([*entries, *[EndingRow.of(_void(ticket.row.order)) for ticket in tickets]])
        except psycopg.Error:
            self._backlog = late
            self._post_apart(poster, tickets, entries, refusals)
        else:
            if late:
                self._spool.clear()
            for ticket, decision in zip(tickets, decisions, strict=True):
                self._decided(ticket, decision)

    def _post_apart(
        self, poster: Poster, tickets: list[Ticket], entries: list[EndingRow], refusals: list[Refusal]
    ) -> None:
        """The database refuses something in the batch: post one by one, so that only its owner suffers."""
        for entry in [*self._backlog, *entries]:
            try:
                poster.post(Batch(entries=[entry]))
            except psycopg.Error as error:
                attempt = entry.entry.hold.order.attempt
                log.critical("the ledger refuses the ending of attempt %s (%s); set aside", attempt, error.sqlstate)
                self._spool.set_aside([entry.entry])
        for ticket in tickets:
            try:
                self._decided(ticket, poster.post(Batch(orders=[ticket.row]))[0])
            except psycopg.Error as error:
                log.error("attempt %s could not be decided: %s", ticket.row.order.attempt, error.sqlstate)
                self._fail([ticket], "The ledger could not decide on this request, so nothing was sent.")
        for refusal in refusals:
            try:
                poster.post(Batch(refusals=[refusal]))
            except psycopg.Error as error:
                log.error("refusal %s was not recorded: %s", refusal.order.attempt, error.sqlstate)

    def _decided(self, ticket: Ticket, decision: Decision) -> None:
        ticket.decision = decision
        if ticket.abandoned and decision.hold is not None:
            self.end(Entry(decision.hold, Ending.VOIDED, 0, error="abandoned"))

    def _fail(self, tickets: list[Ticket], message: str) -> None:
        for ticket in tickets:
            if ticket.decision is None:
                ticket.error = MeteringUnavailable(message, retry_after=1)

    def _keep(self, entries: list[EndingRow]) -> None:
        """Keep endings for later, on disk first: the process may be gone by then."""
        if not entries:
            return
        try:
            self._spool.append([row.entry for row in entries])
        except SpoolFull as error:
            log.critical("%s %d endings are kept in memory only.", error, len(entries))
        self._backlog.extend(entries)

    def _reach(self) -> Poster | None:
        """The poster, on a new connection if the last was lost; None while the database is away."""
        if self._poster is None and time.monotonic() >= self._retry_at:
            try:
                self._poster = self._connect()
                self._pause = RECONNECT[0]
            except (psycopg.Error, AIKitError) as error:
                log.warning("the ledger is still away: %s", type(error).__name__)
                self._retry_at = time.monotonic() + self._pause
                self._pause = min(RECONNECT[1], self._pause * 2)
        return self._poster

    def _drop_connection(self) -> None:
        if self._poster is not None:
            self._poster.close()
            self._poster = None


def _void(order: Order) -> Entry:
    """For an order that may have been admitted without anybody being told: void its hold, if there is one.

    The generation fits no hold, so what the hold looks like is read from the database.
    """
    return Entry(Hold(order, (), datetime.now(UTC), generation=-1), Ending.VOIDED, 0, error="undecided")


def _wake(tickets: list[Ticket]) -> None:
    """Wake threads one by one and each event loop once."""
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


def _close_at_exit(meter: weakref.ref[Meter]) -> None:
    if (alive := meter()) is not None:
        alive.close()
