"""Posts batches: decides on what the database said last, and lets it accept that or say that something has changed.

The common case is one statement and one commit. `aikit.post` compares the counters with those the decision was made
on; when another process was faster, the batch is decided again under locks (`locked`). Either way the rule is `decide`.

A batch is prepared while the one before it is still under way, on the counters as that one will leave them.
"""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import psycopg

from aikit.breaker.model import TUNING, Breaker, Tuning
from aikit.database.stall import line_of
from aikit.meter.corrections import Correction
from aikit.meter.decide import Behind
from aikit.meter.expiry import presumed
from aikit.meter.locked import Locked
from aikit.meter.memory import Memory
from aikit.meter.months import open_ahead
from aikit.meter.plan import Batch, Plan, needs, plan
from aikit.meter.prices import Prices
from aikit.meter.queries import DONE_EXPIRING, EXPIRED, FORGET_KEYS, POST, RENEW, TRY_EXPIRING
from aikit.meter.repeating import forget as forget_repeats
from aikit.meter.repeating import tell
from aikit.meter.repeats import Repetitions
from aikit.meter.reviewing import forget_sightings, report, review
from aikit.meter.rows import EndingRow
from aikit.meter.statement import Rejected, Statement
from aikit.meter.turns import STALL
from aikit.meter.watch import Watch
from aikit.types import Decision, Hold


@dataclass(frozen=True, slots=True)
class Prepared:
    """A batch to be posted. Without a plan, something must be read first. A plan of an older epoch is void."""

    batch: Batch
    plan: Plan | None = None
    epoch: int = 0


class Poster:
    """The one connection of a process that decides and posts.

    `prepare` may run in one thread while `execute` runs in another; each by one thread at a time, and batches must be
    executed in the order in which they were prepared.
    """

    def __init__(
        self,
        connection: psycopg.Connection[Any],
        prices: Prices,
        *,
        hold_seconds: int,
        tuning: Tuning = TUNING,
        repeats: Repetitions | None = None,
    ) -> None:
        self._connection = connection
        self._hold_seconds = hold_seconds
        self._statement = Statement(connection, "aikit_post", POST)
        self._memory = Memory(connection, prices, tuning, repeats)
        self._locked = Locked(connection, self._memory, self._accepted, hold_seconds=hold_seconds)
        open_ahead(connection)
        self._line = line_of(connection)

    def post(self, batch: Batch) -> list[Decision]:
        """Prepare and execute."""
        return self.execute(self.prepare(batch))

    def prepare(self, batch: Batch) -> Prepared:
        """Decide the batch on what is remembered, if all of that is; does no I/O.

        A batch under way may hold what is remembered. One that has stalled must not keep us: we hang up on it next.
        """
        if not self._memory.lock.acquire(timeout=STALL):
            return Prepared(batch)
        try:
            return self._prepare(batch)
        finally:
            self._memory.lock.release()

    def _prepare(self, batch: Batch) -> Prepared:
        memory = self._memory
        callers = memory.callers(batch)
        if memory.patience or callers is None or any(row.entry.hold.opened for row in batch.entries):
            return Prepared(batch)
        standing = memory.standing(batch, needs(batch, callers))
        if standing is None:
            return Prepared(batch)
        version, seconds = memory.version, self._hold_seconds
        try:
            planned = plan(
                batch,
                callers,
                standing,
                now=memory.now(),
                policy_version=version,
                hold_seconds=seconds,
                gates=memory.gates,
                repeats=memory.repeats,
            )
        except BaseException as error:
            memory.new_epoch(forget=True)  # some counters have been changed, and nobody knows which
            if isinstance(error, Behind):
                return Prepared(batch)
            raise
        memory.gates = planned.gates
        return Prepared(batch, planned, memory.epoch)

    def execute(self, prepared: Prepared) -> list[Decision]:
        """Post a batch, in one transaction. One decision an order, in their order; then one an extension.

        Raises psycopg.OperationalError when the connection is lost: then nobody knows whether it was posted.
        Raises another psycopg.Error when the database refuses something in it, Behind when its clock was set back to
        before a window in which it has counted: then nothing was posted.
        """
        batch, memory = prepared.batch, self._memory
        if prepared.plan is not None and prepared.epoch == memory.epoch:
            try:
                if self._accepted(prepared.plan):
                    return prepared.plan.decisions
            except Rejected as rejected:
                batch = self._locked.learned(rejected, batch)
        with memory.lock:
            memory.new_epoch(forget=prepared.plan is not None)
            if memory.outdated:
                memory.read_standing(self._connection)
            return self._locked.post(batch, prepared.batch.entries)

    def correct(self, corrections: Sequence[Correction], on_record: Callable[[], None]) -> None:
        """Post corrections; `on_record` is called in their transaction.

        Raises Recharged if one of the attempts has got a further entry since, and as `execute` does; then nothing was
        posted.
        """
        with self._memory.lock:
            self._memory.new_epoch(forget=True)
            self._locked.post(Batch(corrections=corrections), (), on_record)

    def renew(self, holds: Sequence[Hold]) -> None:
        """Let these holds stand for as long again from now on. Raises as `execute` does."""
        tenants, attempts = [hold.order.call.tenant for hold in holds], [hold.order.attempt for hold in holds]
        self._connection.execute(RENEW, (self._hold_seconds, tenants, attempts))

    def see(self, watch: Watch, entries: Sequence[EndingRow]) -> None:
        """Let it know how these attempts have just ended."""
        watch.see([row.entry for row in entries], self._memory.now(), self._memory.gates)

    def review(self, watch: Watch) -> list[tuple[Breaker, Breaker]]:
        """Move the breakers that what was seen concerns: each as it was and as it is. Raises as `execute` does."""
        return review(self._connection, watch, self._memory.now(), self._memory.gates.tuning)

    def report(self, watch: Watch) -> None:
        """Tell the other processes what this one has seen. Raises as `execute` does."""
        report(self._connection, watch, list(watch.unreported))

    @property
    def repeating(self) -> bool:
        """Requests are there over and over, and other processes don't know all of it."""
        return bool(self._memory.repeats.untold)

    def tell_repeats(self) -> None:
        """Tell the other processes of them, and hear what they have seen of the same. Raises as `execute` does."""
        repeats = self._memory.repeats
        told = repeats.tell(self._memory.now())
        repeats.hear(told, tell(self._connection, repeats.process, told))

    def expire(self, *, all_holds: bool = False, held_since: datetime | None = None) -> int:
        """Presume spent what holds have stood for too long, or all that there are. Returns how many, at most 500.

        With `held_since` also those that have stood since then or longer. 0 while another process does it. Raises as
        `execute` does. The months ahead are opened on the way, and keys that have had their day are forgotten.
        """
        open_ahead(self._connection)
        row = self._connection.execute(TRY_EXPIRING).fetchone()
        if row is None or not row[0]:
            return 0
        try:
            found = presumed(self._connection.execute(EXPIRED, (all_holds, held_since)))
            entries = [EndingRow.of(entry) for entry in found]
            if entries:
                with self._memory.lock:
                    self._memory.new_epoch(forget=True)
                    self._locked.post(Batch(entries), entries)
            self._connection.execute(FORGET_KEYS)
            forget_sightings(self._connection)
            forget_repeats(self._connection)
            return len(entries)
        finally:
            if not self._connection.closed:
                self._connection.execute(DONE_EXPIRING)

    def sever(self) -> None:
        """Hang up from another thread: whoever waits for the database now hears that it is lost. Never raises."""
        with contextlib.suppress(OSError):
            self._line.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        """Close the connection; never raises."""
        with contextlib.suppress(psycopg.Error):
            self._connection.close()
        self._line.close()

    def _accepted(self, planned: Plan) -> bool:
        outcome, at = self._statement(planned.parameters)
        self._memory.set_clock(datetime.fromisoformat(at))
        self._memory.outdated = outcome in ("policy", "breakers")
        return outcome == "ok"
