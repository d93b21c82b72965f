"""Two threads that take turns on one connection: one prepares a batch while the other's is under way."""

from __future__ import annotations

import contextlib
import logging
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime
from queue import Empty, SimpleQueue

from aikit.breaker.model import Breaker
from aikit.meter.away import Away
from aikit.meter.backlog import Backlog
from aikit.meter.decide import Behind
from aikit.meter.line import Line
from aikit.meter.plan import Batch
from aikit.meter.poster import Poster
from aikit.meter.rows import EndingRow
from aikit.meter.spool import Spool
from aikit.meter.statement import is_lost
from aikit.meter.turns import Turns
from aikit.meter.watch import Watch
from aikit.meter.work import STOP, Item, Marker, Renewal, Ticket, Work
from aikit.types import Decision, Ending, Entry, Hold, Order, Refusal

log = logging.getLogger("aikit.meter")

MAX_BATCH = 1024
EXPIRE_EVERY = 30.0
"""Seconds between two looks for holds that have expired. Every process looks; one at a time does anything about it."""
REPORT_EVERY = 5.0
"""Seconds between two reports of what this process has seen of its providers; a failure is told at once."""
TELL_EVERY = 1.0
"""Seconds between two reports of requests that are there over and over."""
AWAY = "The ledger can't be reached, so nothing was sent."
LOST = "The ledger was lost while it decided, so nothing was sent."
REFUSES = "The ledger could not take the batch, so nothing was sent."
UNDECIDED = "The ledger could not decide on this request, so nothing was sent."
BACK = "The database's clock was set back to before a window in which it has counted already, so nothing was sent."


OnMove = Callable[[Breaker, Breaker], None]
"""Hears of a breaker: as it was, and as it is."""


def unheard(was: Breaker, breaker: Breaker) -> None:
    """Nobody hears of it."""


class Workers:
    """They run from the start until `stop`, and post everything that is put into `queue`."""

    def __init__(self, connect: Callable[[], Poster], spool: Spool, away: Away, on_move: OnMove) -> None:
        """Connect and start. `on_move` hears of breakers that this process moved. Raises what `connect` raises."""
        self._on_move = on_move
        self.queue: SimpleQueue[Item] = SimpleQueue()
        self.line = Line(connect)
        self.backlog = Backlog(spool, away)
        self._away = away
        self._stopped = False
        self._preparing, self._turns = threading.Lock(), Turns()
        self._expire_at = 0.0
        self._report_at = 0.0
        self._tell_at = 0.0
        self._watch = Watch()
        self._threads = [threading.Thread(target=self._run, name=f"aikit-meter-{n}", daemon=True) for n in (1, 2)]
        for thread in self._threads:
            thread.start()

    @property
    def alive(self) -> bool:
        return any(thread.is_alive() for thread in self._threads)

    def stop(self, seconds: float) -> None:
        """Wait until what is queued has been posted, for so long a thread. STOP must be in the queue."""
        for thread in self._threads:
            thread.join(seconds)
        self.keep_leftovers()
        if not self.alive:
            self.line.drop(self.line.poster)
            self.backlog.release()

    def keep_leftovers(self) -> None:
        """Spool endings that came when the threads had gone already."""
        if self.alive:
            return
        left: list[Item] = []
        with contextlib.suppress(Empty):
            while True:
                left.append(self.queue.get_nowait())
        self.backlog.keep([item for item in left if isinstance(item, EndingRow)])

    def _run(self) -> None:
        """Prepare a batch while the other thread's is under way, then post it in its turn."""
        while not self._stopped:
            with self._preparing:
                work = self._prepare(self._take())
                self._turns.take(work.poster)
            try:
                self._execute(work)
            finally:
                self._turns.give()
                work.wake()

    def _take(self) -> list[Item]:
        """Everything that is queued; waits for the first, at most until there is something else to be done."""
        if self._stopped:
            return []
        items: list[Item] = []
        poster = self.line.poster
        telling = self._tell_at if poster is not None and poster.repeating else None
        due = [self._expire_at, self._turns.due, telling, self.line.retry_at if self.backlog else None]
        wait = max(0.0, min(moment for moment in due if moment is not None) - time.monotonic())
        with contextlib.suppress(Empty):
            items.append(self.queue.get(timeout=wait))
            while len(items) < MAX_BATCH:
                items.append(self.queue.get_nowait())
        if STOP in items:
            self._stopped = self.queue.empty()
            self.queue.put(STOP)  # for the other worker, or for this one after what came behind it
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
        work.poster = self.line.reach()
        if work.poster is not None:
            work.late = self.backlog.take()
            try:
                work.prepared = work.poster.prepare(work.batch())
            except Exception:
                log.exception("a batch could not be prepared")
        return work

    def _execute(self, work: Work) -> None:
        replays = bool(work.late)
        try:
            if work.poster is None:
                work.fail(AWAY)
                self.backlog.keep(work.entries)
            else:
                if not work.is_empty:
                    self._post(work, work.poster)
                self._look_after(work)
        except Exception:
            log.exception("a batch could not be posted")
            work.fail(REFUSES)
            self.backlog.keep(work.entries, work.late)
        finally:
            if replays:
                self.backlog.given_back()

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
            self.line.worked()
            self.backlog.posted(lot=bool(work.late))
            poster.see(self._watch, work.entries)
            for ticket, decision in zip(work.tickets, decisions, strict=True):
                self._decided(ticket, decision)

    def _look_after(self, work: Work) -> None:
        """Renew holds; now and then, once whoever waits has been answered, see to what others have left behind."""
        now = time.monotonic()
        due, telling = now >= self._expire_at, now >= self._report_at and bool(self._watch.unreported)
        if work.poster is not self.line.poster or work.poster is None:
            return
        repeating = now >= self._tell_at and work.poster.repeating
        if not (due or telling or repeating or work.renewals or self._watch.due):
            return
        if due:
            self._expire_at = time.monotonic() + EXPIRE_EVERY
        try:
            work.wake_callers()
            if work.renewals:
                work.poster.renew(work.renewals)
            if self._watch.due:
                self._moved(work.poster.review(self._watch))
            work.wake()
            if telling:
                self._report_at = now + REPORT_EVERY
                work.poster.report(self._watch)
            if repeating:
                self._tell_at = now + TELL_EVERY
                work.poster.tell_repeats()
            if due:
                self.backlog.adopt()
                expired = work.poster.expire()
                if expired:
                    log.warning("%d holds had no ending for too long and are presumed spent", expired)
        except Exception as error:
            if is_lost(error):
                log.warning("the ledger was lost: %s", _kind(error))
                self.line.drop(work.poster)
            else:
                log.error("holds could not be expired: %s", _kind(error))

    def _moved(self, moves: list[tuple[Breaker, Breaker]]) -> None:
        for was, breaker in moves:
            if was.state is not breaker.state:
                try:
                    self._on_move(was, breaker)
                except Exception:
                    log.exception("whoever hears of breakers failed")

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
            self.backlog.set_aside(row)

    def _lose(self, work: Work, poster: Poster, error: Exception) -> None:
        """The ledger was lost: what ended is kept, and whoever has not been admitted by now won't be."""
        log.warning("the ledger was lost: %s", _kind(error))
        self.line.drop(poster)
        orders = [ticket for ticket in work.tickets if ticket.extension is None]
        undecided = [ticket for ticket in orders if ticket.decision is None and ticket.error is None]
        work.fail(LOST)
        voids = [EndingRow.of(_void(ticket.row.order)) for ticket in undecided]
        self.backlog.keep([*work.entries, *voids], work.late)

    def _decided(self, ticket: Ticket, decision: Decision) -> None:
        ticket.decision = decision
        if decision.rules is not None:
            self._away.learn(ticket.row.order.call, decision.rules)
        if ticket.abandoned and ticket.granted is not None:
            self.queue.put(EndingRow.of(Entry(ticket.granted, Ending.VOIDED, 0, error="abandoned")))


def _void(order: Order) -> Entry:
    """For an order that may have been admitted without anybody being told: void its hold, if there is one.

    The generation fits no hold, so what the hold looks like is read from the database.
    """
    return Entry(Hold(order, (), datetime.now(UTC), generation=-1), Ending.VOIDED, 0, error="undecided")


def _kind(error: Exception) -> str:
    """The SQLSTATE, or the type; never the text, which may carry a tenant's data."""
    return getattr(error, "sqlstate", None) or type(error).__name__
