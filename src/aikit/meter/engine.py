"""Group commit: whatever has queued up while the last batch was in flight is the next batch.

There is no timer: an idle meter posts at once, a busy one posts large batches (`workers`). Callers may be threads or
coroutines of any event loop. Only admission is waited for; endings are posted behind the caller's back, and `flush`
waits for them.
"""

from __future__ import annotations

import asyncio
import atexit
import os
import threading
import weakref
from collections.abc import Callable

from aikit.errors import MeteringUnavailable
from aikit.meter.away import Away
from aikit.meter.patience import Patience
from aikit.meter.poster import Poster
from aikit.meter.rows import EndingRow
from aikit.meter.spool import Spool
from aikit.meter.work import STOP, Marker, Renewal, Ticket
from aikit.meter.workers import OnMove, Workers, unheard
from aikit.types import Decision, Ending, Entry, Extension, Hold, Order, Refusal

ADMIT_TIMEOUT = 10.0
"""An admission that takes longer than this is refused: a caller must not hang on a stalled database."""


class Meter:
    """Decides on orders and posts endings. Start it once a process; `close` it, or use it as a context manager."""

    def __init__(self, connect: Callable[[], Poster], spool: Spool, on_move: OnMove = unheard) -> None:
        """`connect` makes a poster on a new connection. Raises what it raises when the database can't be reached.

        `on_move` hears, in a thread of the meter's, of breakers that this process has moved.
        """
        self._away = Away(spool)
        self._workers = Workers(connect, spool, self._away, on_move)
        self._queue = self._workers.queue
        self._closed = threading.Event()
        self._process = os.getpid()
        self._patience: weakref.WeakKeyDictionary[asyncio.AbstractEventLoop, Patience] = weakref.WeakKeyDictionary()
        atexit.register(_close_at_exit, weakref.ref(self))

    def __enter__(self) -> Meter:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def admit(self, order: Order) -> Decision:
        """Decide on one order; blocks for one group commit. Raises MeteringUnavailable: then nothing may be sent."""
        try:
            return self._wait(Ticket(order))
        except MeteringUnavailable as error:
            decision = self._away.admit(order) if error.retryable else None
            if decision is None:
                raise
            return decision

    async def admit_async(self, order: Order, *, opens: bool = True) -> Decision:
        """`admit` for coroutines. `opens` False: no policy lets it pass while the ledger is away."""
        try:
            return await self._wait_async(Ticket(order, asyncio.get_running_loop()))
        except MeteringUnavailable as error:
            decision = await asyncio.to_thread(self._away.admit, order) if error.retryable and opens else None
            if decision is None:
                raise
            return decision

    def extend(self, extension: Extension) -> Decision:
        """Decide whether a stream may hold more; blocks like `admit`. Raises MeteringUnavailable: then it may not."""
        return _extended(extension, self._wait(Ticket(extension)))

    async def extend_async(self, extension: Extension) -> Decision:
        """`extend` for coroutines."""
        return _extended(extension, await self._wait_async(Ticket(extension, asyncio.get_running_loop())))

    def renew(self, hold: Hold) -> None:
        """Let a hold stand for longer: its attempt is still under way. Returns at once."""
        if not hold.opened:
            self._queue.put(Renewal(hold))

    def end(self, entry: Entry) -> None:
        """Post the ending of an attempt. Returns at once; if the ledger is away or the meter closed, it is spooled."""
        self._queue.put(EndingRow.of(entry))
        if entry.hold.opened:
            self._away.ended(entry)
        if self._closed.is_set():
            self._workers.keep_leftovers()

    def refuse(self, refusal: Refusal) -> None:
        """Record an attempt that was refused before it was ordered. Returns at once."""
        self._queue.put(refusal)

    def flush(self, timeout: float = 30.0) -> bool:
        """Wait until everything queued so far has been posted. False: it was spooled, or it took too long."""
        if self._forked:
            return True
        marker = Marker()
        self._queue.put(marker)
        return marker.done.wait(timeout) and not self._workers.backlog

    def close(self, timeout: float = 30.0) -> bool:
        """Post what is queued and stop. Idempotent. False: something had to be left in the spool."""
        if self._forked:
            return True
        if not self._closed.is_set():
            self._closed.set()
            self._queue.put(STOP)
        self._workers.stop(timeout)
        return not self._workers.backlog

    @property
    def waiting(self) -> int:
        """How many endings wait for the ledger to come back."""
        return len(self._workers.backlog)

    @property
    def _forked(self) -> bool:
        """This is a fork of the process that the meter belongs to: its workers and its connection are not here."""
        return os.getpid() != self._process

    def _wait(self, ticket: Ticket) -> Decision:
        self._ask(ticket)
        try:
            decided = ticket.wait(ADMIT_TIMEOUT)
        except BaseException:
            self._abandon(ticket)
            raise
        return self._answer(ticket, decided)

    async def _wait_async(self, ticket: Ticket) -> Decision:
        loop = asyncio.get_running_loop()
        self._ask(ticket)
        patience = self._patience.get(loop)
        if patience is None:
            patience = self._patience[loop] = Patience(ADMIT_TIMEOUT)
        patience.watch(ticket)
        try:
            decided = await ticket.wait_async()
        except BaseException:
            self._abandon(ticket)
            raise
        return self._answer(ticket, decided)

    def _ask(self, ticket: Ticket) -> None:
        if self._forked:
            raise MeteringUnavailable(
                "This process was forked from the one that opened the AIKit.",
                remedy="Open an AIKit after the fork.",
                retryable=False,
            )
        if self._closed.is_set():
            raise MeteringUnavailable("The meter is closed.", remedy="Open a new AIKit.", retryable=False)
        self._queue.put(ticket)

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
        if ticket.granted is not None:
            self.end(Entry(ticket.granted, Ending.VOIDED, 0, error="abandoned"))


def _extended(extension: Extension, decision: Decision) -> Decision:
    if decision.reason_code == "METERING_UNAVAILABLE":
        raise MeteringUnavailable(
            "The hold of this stream is gone: it was presumed spent.",
            facts={"attempt": str(extension.hold.order.attempt)},
            retryable=False,
        )
    return decision


def _close_at_exit(meter: weakref.ref[Meter]) -> None:
    if (alive := meter()) is not None:
        alive.close()
