"""Group commit: whatever has queued up while the last batch was in flight is the next batch.

There is no timer: an idle meter posts at once, a busy one posts large batches. Two workers take turns on one
connection: one prepares a batch while the other's is under way. Callers may be threads or coroutines of any event
loop. Only admission is waited for; endings are posted behind the caller's back, and `flush` waits for them.
"""

from __future__ import annotations

import asyncio
import atexit
import contextlib
import logging
import os
import threading
import time
import weakref
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from queue import Empty, SimpleQueue

import psycopg

from aikit.errors import AIKitError, MeteringUnavailable
from aikit.meter.away import Away
from aikit.meter.decide import Behind
from aikit.meter.patience import Patience
from aikit.meter.plan import Batch
from aikit.meter.poster import Poster
from aikit.meter.rows import EndingRow
from aikit.meter.spool import Spool, SpoolFull
from aikit.meter.statement import is_lost
from aikit.meter.turns import Turns
from aikit.meter.work import STOP, Item, Marker, Renewal, Ticket, Work
from aikit.types import Decision, Ending, Entry, Extension, Hold, Order, Refusal

log = logging.getLogger("aikit.meter")

MAX_BATCH = 1024
MAX_REPLAY = 8 * MAX_BATCH
"""Endings from the spool that travel in one batch."""
RECONNECT = (0.05, 2.0)
"""First and longest pause between two attempts to reconnect, in seconds; after a loss the first attempt is at once."""
EXPIRE_EVERY = 30.0
"""Seconds between two looks for holds that have expired. Every process looks; one at a time does anything about it."""
ADMIT_TIMEOUT = 10.0
"""An admission that takes longer than this is refused: a caller must not hang on a stalled database."""


UNDECIDED = "The ledger could not decide on this request, so nothing was sent."
BACK = "The database's clock was set back to before a window in which it has counted already, so nothing was sent."


class Meter:
    """Decides on orders and posts endings. Start it once a process; `close` it, or use it as a context manager."""

    def __init__(self, connect: Callable[[], Poster], spool: Spool) -> None:
        """`connect` makes a poster on a new connection. Raises what it raises when the database can't be reached."""
        self._connect = connect
        self._spool = spool
        self._queue: SimpleQueue[Item] = SimpleQueue()
        self._poster: Poster | None = connect()
        self._closed = threading.Event()
        self._process = os.getpid()
        self._patience: weakref.WeakKeyDictionary[asyncio.AbstractEventLoop, Patience] = weakref.WeakKeyDictionary()
        self._stopped = False
        self._preparing, self._turns, self._kept = threading.Lock(), Turns(), threading.Lock()
        self._retry_at = 0.0
        self._expire_at = 0.0
        self._pause, self._proven = RECONNECT[0], False
        self._replaying = False
        self._backlog = [EndingRow.of(entry) for entry in spool.adopt()]
        self._away = Away(spool)
        self._workers = [threading.Thread(target=self._run, name=f"aikit-meter-{n}", daemon=True) for n in (1, 2)]
        for worker in self._workers:
            worker.start()
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

    async def admit_async(self, order: Order) -> Decision:
        """`admit` for coroutines."""
        try:
            return await self._wait_async(Ticket(order, asyncio.get_running_loop()))
        except MeteringUnavailable as error:
            decision = await asyncio.to_thread(self._away.admit, order) if error.retryable else None
            if decision is None:
                raise
            return decision

    def extend(self, extension: Extension) -> Decision:
        """Decide whether a stream may hold more; blocks like `admit`. Raises MeteringUnavailable: then it may not."""
        return self._extended(extension, self._wait(Ticket(extension)))

    async def extend_async(self, extension: Extension) -> Decision:
        """`extend` for coroutines."""
        return self._extended(extension, await self._wait_async(Ticket(extension, asyncio.get_running_loop())))

    def renew(self, hold: Hold) -> None:
        """Let a hold stand for longer: its attempt is still under way. Returns at once."""
        if not hold.opened:
            self._queue.put(Renewal(hold))

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

    def end(self, entry: Entry) -> None:
        """Post the ending of an attempt. Returns at once; if the ledger is away or the meter closed, it is spooled."""
        self._queue.put(EndingRow.of(entry))
        if entry.hold.opened:
            self._away.ended(entry)
        if self._closed.is_set():
            self._keep_leftovers()

    def refuse(self, refusal: Refusal) -> None:
        """Record an attempt that was refused before it was ordered. Returns at once."""
        self._queue.put(refusal)

    def flush(self, timeout: float = 30.0) -> bool:
        """Wait until everything queued so far has been posted. False: it was spooled, or it took too long."""
        if self._forked:
            return True
        marker = Marker()
        self._queue.put(marker)
        return marker.done.wait(timeout) and not self._backlog

    def close(self, timeout: float = 30.0) -> bool:
        """Post what is queued and stop. Idempotent. False: something had to be left in the spool."""
        if self._forked:
            return True
        if not self._closed.is_set():
            self._closed.set()
            self._queue.put(STOP)
        for worker in self._workers:
            worker.join(timeout)
        self._keep_leftovers()
        if not any(worker.is_alive() for worker in self._workers):
            self._drop(self._poster)
            self._spool.release()
        return not self._backlog

    @staticmethod
    def _extended(extension: Extension, decision: Decision) -> Decision:
        if decision.reason_code == "METERING_UNAVAILABLE":
            raise MeteringUnavailable(
                "The hold of this stream is gone: it was presumed spent.",
                facts={"attempt": str(extension.hold.order.attempt)},
                retryable=False,
            )
        return decision

    @property
    def _forked(self) -> bool:
        """This is a fork of the process that the meter belongs to: its workers and its connection are not here."""
        return os.getpid() != self._process

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

    def _run(self) -> None:
        """What both workers do: prepare a batch while the other one's is under way, then post it in its turn."""
        while not self._stopped:
            with self._preparing:
                batch = self._prepare(self._take())
                self._turns.take(batch.poster)
            try:
                self._execute(batch)
            finally:
                self._turns.give()
                batch.wake()

    def _take(self) -> list[Item]:
        """Everything that is queued; waits for the first, at most until there is something else to be done."""
        if self._stopped:
            return []
        items: list[Item] = []
        due = [self._expire_at, self._turns.due, self._retry_at if self._backlog else None]
        wait = max(0.0, min(moment for moment in due if moment is not None) - time.monotonic())
        with contextlib.suppress(Empty):
            items.append(self._queue.get(timeout=wait))
            while len(items) < MAX_BATCH:
                items.append(self._queue.get_nowait())
        if STOP in items:
            self._stopped = self._queue.empty()
            self._queue.put(STOP)  # for the other worker, or for this one after what came behind it
        return items

    def _prepare(self, items: list[Item]) -> Work:
        tickets = [item for item in items if isinstance(item, Ticket) and not item.abandoned]
        if any(ticket.extension for ticket in tickets):
            tickets.sort(key=lambda ticket: ticket.extension is not None)
        work = Work(
            tickets=tickets,
            entries=[item for item in items if isinstance(item, EndingRow)],
            refusals=[item for item in items if isinstance(item, Refusal)],
            renewals=[item.hold for item in items if isinstance(item, Renewal)],
            markers=[item for item in items if isinstance(item, Marker)],
        )
        work.poster = self._reach()
        if work.poster is not None:
            work.late = self._take_backlog()
            try:
                work.prepared = work.poster.prepare(work.batch())
            except Exception:
                log.exception("a batch could not be prepared")
        return work

    def _execute(self, work: Work) -> None:
        replays = bool(work.late)
        try:
            if work.poster is None:
                work.fail("The ledger can't be reached, so nothing was sent.")
                self._keep(work.entries)
            else:
                if not work.is_empty:
                    self._post(work, work.poster)
                self._expire(work)
        except Exception:
            log.exception("a batch could not be posted")
            work.fail("The ledger could not take the batch, so nothing was sent.")
            self._keep(work.entries, work.late)
        finally:
            if replays:
                self._replaying = False

    def _post(self, work: Work, poster: Poster) -> None:
        try:
            decisions = poster.execute(work.prepared or poster.prepare(work.batch()))
        except Exception as error:
            if is_lost(error):
                self._lose(work, poster, error)
            else:
                log.error("a batch is posted one by one, for something in it fails: %s", _kind(error))
                self._post_apart(poster, work)
        else:
            self._pause, self._proven = RECONNECT[0], True
            if (work.late or self._spool.in_use) and not (self._backlog or self._away.busy):
                self._spool.clear()
            for ticket, decision in zip(work.tickets, decisions, strict=True):
                self._decided(ticket, decision)

    def _expire(self, work: Work) -> None:
        """After whoever waits has been answered, renew holds; now and then presume spent what others left behind."""
        due = time.monotonic() >= self._expire_at
        if work.poster is not self._poster or work.poster is None or not (due or work.renewals):
            return
        if due:
            self._expire_at = time.monotonic() + EXPIRE_EVERY
        try:
            if work.renewals:
                work.poster.renew(work.renewals)
            work.wake()
            expired = work.poster.expire() if due else 0
        except Exception as error:
            if is_lost(error):
                log.warning("the ledger was lost: %s", _kind(error))
                self._drop(work.poster)
            else:
                log.error("holds could not be expired: %s", _kind(error))
        else:
            if expired:
                log.warning("%d holds had no ending for too long and are presumed spent", expired)

    def _post_apart(self, poster: Poster, work: Work) -> None:
        """Something in the batch can't be posted: post one by one, so that only its owner suffers.

        What has been seen to leaves `work`, so that the rest is kept should the ledger be lost in the middle.
        """
        try:
            for rows in (work.late, work.entries):
                while rows:
                    self._post_alone(poster, rows[0])
                    del rows[0]
            for ticket in work.tickets:
                try:
                    self._decided(ticket, poster.post(ticket.batch)[0])
                except Exception as error:
                    if is_lost(error):
                        raise
                    log.error("attempt %s could not be decided: %s", ticket.row.order.attempt, _kind(error))
                    ticket.fail(BACK if isinstance(error, Behind) else UNDECIDED)
            for refusal in work.refusals:
                try:
                    poster.post(Batch(refusals=[refusal]))
                except Exception as error:
                    if is_lost(error):
                        raise
                    log.error("refusal %s was not recorded: %s", refusal.order.attempt, _kind(error))
        except Exception as error:
            self._lose(work, poster, error)

    def _post_alone(self, poster: Poster, row: EndingRow) -> None:
        """Post an ending, or set it aside for a person if the ledger will never take it."""
        try:
            poster.post(Batch(entries=[row]))
        except Exception as error:
            if is_lost(error):
                raise
            attempt = row.entry.hold.order.attempt
            log.critical("the ledger refuses the ending of attempt %s (%s); set aside", attempt, _kind(error))
            self._spool.set_aside([row.entry])

    def _lose(self, work: Work, poster: Poster, error: Exception) -> None:
        """The ledger was lost: what ended is kept, and whoever has not been admitted by now won't be."""
        log.warning("the ledger was lost: %s", _kind(error))
        self._drop(poster)
        orders = [ticket for ticket in work.tickets if ticket.extension is None]
        undecided = [ticket for ticket in orders if ticket.decision is None and ticket.error is None]
        work.fail("The ledger was lost while it decided, so nothing was sent.")
        self._keep([*work.entries, *[EndingRow.of(_void(ticket.row.order)) for ticket in undecided]], work.late)

    def _decided(self, ticket: Ticket, decision: Decision) -> None:
        ticket.decision = decision
        if decision.rules is not None:
            self._away.learn(ticket.row.order.call, decision.rules)
        if ticket.abandoned and ticket.granted is not None:
            self.end(Entry(ticket.granted, Ending.VOIDED, 0, error="abandoned"))

    def _keep(self, entries: list[EndingRow], late: Sequence[EndingRow] = ()) -> None:
        """Keep endings for later; those that are not on disk yet go there first, the process may be gone by then."""
        if entries:
            try:
                self._spool.append([row.entry for row in entries])
            except SpoolFull as error:
                log.critical("%s %d endings are kept in memory only.", error, len(entries))
        with self._kept:
            self._backlog = [*self._backlog, *late, *entries]

    def _keep_leftovers(self) -> None:
        """Spool endings that came when the workers had gone already."""
        if any(worker.is_alive() for worker in self._workers):
            return
        left: list[Item] = []
        with contextlib.suppress(Empty):
            while True:
                left.append(self._queue.get_nowait())
        self._keep([item for item in left if isinstance(item, EndingRow)])

    def _take_backlog(self) -> list[EndingRow]:
        """Some of the endings that wait, one lot at a time: all at once could take longer than a batch may."""
        with self._kept:
            if self._replaying:
                return []
            late, self._backlog = self._backlog[:MAX_REPLAY], self._backlog[MAX_REPLAY:]
            self._replaying = bool(late)
        return late

    def _reach(self) -> Poster | None:
        """The poster, on a new connection if the last was lost; None while the database is away."""
        if self._poster is None and time.monotonic() >= self._retry_at:
            try:
                self._poster, self._proven = self._connect(), False
            except (psycopg.Error, AIKitError) as error:
                log.warning("the ledger is still away: %s", type(error).__name__)
                self._wait_before_reconnecting()
        return self._poster

    def _wait_before_reconnecting(self) -> None:
        self._retry_at = time.monotonic() + self._pause
        self._pause = min(RECONNECT[1], self._pause * 2)

    def _drop(self, poster: Poster | None) -> None:
        if poster is not None:
            poster.close()
        if self._poster is poster:
            self._poster = None
            if not self._proven:  # it was lost before anything could be posted: as on a read-only server
                self._wait_before_reconnecting()


def _void(order: Order) -> Entry:
    """For an order that may have been admitted without anybody being told: void its hold, if there is one.

    The generation fits no hold, so what the hold looks like is read from the database.
    """
    return Entry(Hold(order, (), datetime.now(UTC), generation=-1), Ending.VOIDED, 0, error="undecided")


def _kind(error: Exception) -> str:
    """The SQLSTATE, or the type; never the text, which may carry a tenant's data."""
    return getattr(error, "sqlstate", None) or type(error).__name__


def _close_at_exit(meter: weakref.ref[Meter]) -> None:
    if (alive := meter()) is not None:
        alive.close()
