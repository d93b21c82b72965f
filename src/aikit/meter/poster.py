"""Posts batches: decides on what the database said last, and lets it accept that or say that something has changed.

The common case is one statement and one commit. `aikit.post` compares the counters with those the decision was made
on; when another process was faster, the batch is decided again under locks. Either way the rule is `decide`.

A batch is prepared while the one before it is still under way, on the counters as that one will leave them.
"""

from __future__ import annotations

import contextlib
import logging
import socket
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

import psycopg
from psycopg import errors as pg

from aikit.database.stall import line_of
from aikit.meter.corrections import Correction, Recharged
from aikit.meter.counters import Counters
from aikit.meter.decide import Behind, window_at
from aikit.meter.expiry import presumed
from aikit.meter.held import (
    as_now,
    earlier,
    late_truths,
    not_posted,
    with_subjects,
    write_corrections,
    write_unheld,
)
from aikit.meter.months import open_ahead, open_months_of
from aikit.meter.plan import Batch, Callers, Needs, Plan, needs, plan, refs_of
from aikit.meter.prices import PriceRow, Prices
from aikit.meter.queries import (
    ALONE,
    BARRIER,
    DONE_EXPIRING,
    EXPIRED,
    FORGET_KEYS,
    LOCK,
    OPEN,
    POST,
    PRICE,
    PRICES,
    RENEW,
    STANDING,
    TRY_EXPIRING,
)
from aikit.meter.rows import EndingRow
from aikit.meter.rulebook import Rulebook
from aikit.meter.statement import Rejected, Statement
from aikit.policy.model import CounterRef
from aikit.policy.subject import subject_of
from aikit.policy.windows import SLIDING
from aikit.types import Decision, Hold

log = logging.getLogger("aikit.meter")

TRIES = 50
BEHIND_TRIES = 10
"""After so many the database's own clock was set back: a window has begun that by now lies in the future."""
PATIENCE = 16
"""After losing a race, this many quiet batches are decided under locks before an unlocked one is tried again."""
CACHE = 100_000


@dataclass(frozen=True, slots=True)
class Prepared:
    """A batch to be posted. Without a plan, something must be read first. A plan of an older epoch is void."""

    batch: Batch
    plan: Plan | None = None
    epoch: int = 0


class HoldsGone(Exception):
    """Holds that a batch ends are there no more: their endings must be looked at again before anything is posted."""


class Poster:
    """The one connection of a process that decides and posts.

    `prepare` may run in one thread while `execute` runs in another; each by one thread at a time, and batches must be
    executed in the order in which they were prepared.
    """

    def __init__(self, connection: psycopg.Connection[Any], price_row: Prices, *, hold_seconds: int) -> None:
        self._connection = connection
        self._price_row = price_row
        self._hold_seconds = hold_seconds
        self._statement = Statement(connection, "aikit_post", POST)
        self._memory = threading.Lock()
        """Guards what follows: what this process believes of the database."""
        self._epoch = 0
        self._patience = 0
        self._rulebook = Rulebook()
        self._counters: dict[CounterRef, Counters] = {}
        self._prices: set[str | None] = {None, *[row[0] for row in connection.execute(PRICES)]}
        self._version = 0
        self._outdated = False
        """The policies have changed since they were read."""
        self._read_standing()
        open_ahead(connection)
        self._line = line_of(connection)

    def post(self, batch: Batch) -> list[Decision]:
        """Prepare and execute."""
        return self.execute(self.prepare(batch))

    def prepare(self, batch: Batch) -> Prepared:
        """Decide the batch on what is remembered, if all of that is; does no I/O."""
        with self._memory:
            callers = self._rulebook.find(batch.asking)
            if self._patience or callers is None or not self._prices.issuperset(_prices_of(batch, callers)):
                return Prepared(batch)
            if any(row.entry.hold.opened for row in batch.entries):
                return Prepared(batch)
            standing = self._remembered(batch, needs(batch, callers))
            if standing is None:
                return Prepared(batch)
            try:
                return Prepared(batch, self._plan(batch, callers, standing, self._now()), self._epoch)
            except BaseException as error:
                self._counters.clear()  # some have been changed, and nobody knows which
                self._epoch += 1
                if isinstance(error, Behind):
                    return Prepared(batch)
                raise

    def execute(self, prepared: Prepared) -> list[Decision]:
        """Post a batch, in one transaction. One decision an order, in their order; then one an extension.

        Raises psycopg.OperationalError when the connection is lost: then nobody knows whether it was posted.
        Raises another psycopg.Error when the database refuses something in it, Behind when its clock was set back to
        before a window in which it has counted: then nothing was posted.
        """
        batch = prepared.batch
        if prepared.plan is not None and prepared.epoch == self._epoch:
            try:
                if self._accepted(prepared.plan):
                    return prepared.plan.decisions
            except Rejected as rejected:
                batch = self._learned(rejected, batch)
        with self._memory:
            self._epoch += 1
            if prepared.plan is not None:
                self._counters.clear()
            if self._outdated:
                self._read_standing()
            return self._post_under_locks(batch, prepared.batch.entries)

    def correct(self, corrections: Sequence[Correction], on_record: Callable[[], None]) -> None:
        """Post corrections; `on_record` is called in their transaction.

        Raises Recharged if one of the attempts has got a further entry since, and as `execute` does; then nothing was
        posted.
        """
        with self._memory:
            self._epoch += 1
            self._counters.clear()
            self._post_under_locks(Batch(corrections=corrections), (), on_record)

    def renew(self, holds: Sequence[Hold]) -> None:
        """Let these holds stand for as long again from now on. Raises as `execute` does."""
        tenants, attempts = [hold.order.call.tenant for hold in holds], [hold.order.attempt for hold in holds]
        self._connection.execute(RENEW, (self._hold_seconds, tenants, attempts))

    def expire(self, *, all_holds: bool = False, held_since: datetime | None = None) -> int:
        """Presume spent what holds have stood for too long, or all that there are. Returns how many, at most 500.

        With `held_since` also those that have stood since then or longer. 0 while another process does it. Raises as
        `execute` does. The months ahead are opened on the way.
        """
        open_ahead(self._connection)
        row = self._connection.execute(TRY_EXPIRING).fetchone()
        if row is None or not row[0]:
            return 0
        try:
            entries = [
                EndingRow.of(entry) for entry in presumed(self._connection.execute(EXPIRED, (all_holds, held_since)))
            ]
            if entries:
                with self._memory:
                    self._epoch += 1
                    self._counters.clear()
                    self._post_under_locks(Batch(entries), entries)
            self._connection.execute(FORGET_KEYS)
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

    def _post_under_locks(
        self, batch: Batch, ended: Sequence[EndingRow], on_record: Callable[[], None] | None = None
    ) -> list[Decision]:
        """Post a batch that may be behind the database, which is then asked. `ended` are the entries it began with."""
        unheld = [row for row in ended if row.entry.hold.opened]
        ended = [row for row in ended if not row.entry.hold.opened]
        batch = replace(batch, entries=[row for row in batch.entries if not row.entry.hold.opened])
        for tried in range(TRIES):
            try:
                if unheld:
                    batch = replace(batch, unheld=not_posted(self._connection, unheld))
                if len(batch.entries) < len(ended):
                    batch = replace(batch, corrections=late_truths(self._connection, ended, batch.entries))
                decisions = self._try_under_locks(batch, on_record)
            except Rejected as rejected:
                batch = self._learned(rejected, batch)
            except HoldsGone:
                batch = as_now(self._connection, batch)
            except Recharged:
                if on_record is not None:  # by hand: it is for whoever made them to look again
                    raise
            except (pg.DeadlockDetected, pg.SerializationFailure):
                continue
            except Behind:
                if tried >= BEHIND_TRIES:
                    raise
                self._read_standing()
            else:
                if decisions is not None:
                    return decisions
                self._read_standing()
        raise pg.LockNotAvailable(f"a batch could not be posted in {TRIES} tries")

    def _try_under_locks(self, batch: Batch, on_record: Callable[[], None] | None) -> list[Decision] | None:
        now = self._now()
        callers = self._rulebook.load(self._connection, batch.asking)
        self._record_prices(_prices_of(batch, callers))
        needed = needs(batch, callers)
        connection = self._connection
        try:
            connection.execute("BEGIN")
            if batch.unheld or batch.corrections:  # no counter may be opened that misses them
                connection.execute(ALONE)
                batch = with_subjects(connection, batch)
            refs = sorted(refs_of(batch, needed))
            standing = self._locked(refs)
            self._judge_the_race(standing)
            missing = [
                (ref, name)
                for ref in refs
                for name in needed.get(ref, ())
                if ref not in standing or name not in standing[ref].slots
            ]
            if missing:
                self._open(missing, needed, now)
                # what was opened has taken in pending holds, maybe some that this very batch ends, and
                # these may by now be in counters of which we had not heard
                held = as_now(self._connection, batch)
                if len(held.entries) < len(batch.entries):
                    raise HoldsGone
                batch = held
                standing = self._locked(sorted(refs_of(batch, needed)))
            planned = self._plan(batch, callers, standing, now)
            if batch.unheld:
                write_unheld(connection, batch.unheld, self._version)
            accepted = self._accepted(planned)
            if accepted and batch.corrections:
                write_corrections(connection, batch.corrections)
            if accepted and on_record is not None:
                on_record()
            if accepted:
                connection.execute("COMMIT")
            else:  # a counter opened for a limit that is gone must not stay
                connection.pgconn.exec_(b"ROLLBACK")
        except BaseException:
            if not connection.closed:
                connection.pgconn.exec_(b"ROLLBACK")  # psycopg's own would deallocate our prepared statement
            raise
        if not accepted:
            return None
        self._remember(standing)
        return planned.decisions

    def _locked(self, refs: list[CounterRef]) -> dict[CounterRef, Counters]:
        """The counters that are there, locked in one order."""
        connection = self._connection
        with connection.pipeline():
            connection.execute(BARRIER)
            found = connection.execute(LOCK, ([tenant for tenant, _ in refs], [subject for _, subject in refs]))
        return {
            (tenant, subject): Counters(revision, names, amounts) for tenant, subject, revision, names, amounts in found
        }

    def _open(self, missing: Sequence[tuple[CounterRef, str]], needed: Needs, now: datetime) -> None:
        """Open the slots that are not there."""
        minute = now.replace(second=0, microsecond=0)
        with self._connection.pipeline():
            for ref, name in missing:
                limit = needed[ref][name]
                start, _ = window_at(limit.window, minute, limit.zone, limit.anchor)
                sliding = SLIDING.get(limit.window)
                parts = subject_of(ref[1])
                who = (*ref, parts.environment, parts.feature, parts.user)
                self._connection.execute(OPEN, (*who, name, limit.metric, start, start - sliding if sliding else None))

    def _judge_the_race(self, standing: Mapping[CounterRef, Counters]) -> None:
        """Would an unlocked batch have been accepted? Then it is worth trying again soon."""
        known = [(self._counters[ref], found) for ref, found in standing.items() if ref in self._counters]
        if known:
            quiet = all(last.revision == found.revision for last, found in known)
            self._patience = max(0, self._patience - 1) if quiet else PATIENCE

    def _accepted(self, planned: Plan) -> bool:
        outcome, at, _ = self._statement(planned.parameters)
        self._set_clock(datetime.fromisoformat(at))
        self._outdated = outcome == "policy"
        return outcome == "ok"

    def _learned(self, rejected: Rejected, batch: Batch) -> Batch:
        """What a rejection teaches: the batch to go on with. Raises it if trying again can't help."""
        match rejected.sqlstate:
            case "AK001":  # a hold is not as we knew it
                return as_now(self._connection, batch)
            case "AK003":  # an idempotency key is taken
                return replace(batch, earlier=earlier(self._connection, [row.order for row in batch.orders]))
            case "AK002":  # a counter is not
                self._patience = PATIENCE
            case "40P01" | "40001":  # deadlock, serialization failure
                pass
            case "23514" if not rejected.constraint:  # no table for the month of an id
                open_months_of(self._connection, batch)
            case _:
                raise rejected
        return batch

    def _plan(self, batch: Batch, callers: Callers, standing: Mapping[CounterRef, Counters], now: datetime) -> Plan:
        return plan(batch, callers, standing, now=now, policy_version=self._version, hold_seconds=self._hold_seconds)

    def _remember(self, standing: Mapping[CounterRef, Counters]) -> None:
        if len(self._counters) > CACHE:
            self._counters.clear()
        self._counters.update(standing)

    def _remembered(self, batch: Batch, needed: Needs) -> dict[CounterRef, Counters] | None:
        """The counters that the batch touches; None if one of them, or one of their slots, is not known."""
        found = {}
        for ref in refs_of(batch, needed):
            counters = self._counters.get(ref)
            if counters is None or not counters.slots.keys() >= needed.get(ref, {}).keys():
                return None
            found[ref] = counters
        return found

    def _record_prices(self, used: set[str | None]) -> None:
        """Each price is on record before anything is charged at it."""
        for price_id in used - self._prices:
            of_policy = self._rulebook.prices.get(str(price_id))
            try:
                row = PriceRow.of(of_policy) if of_policy else self._price_row(str(price_id))
            except LookupError:  # of an ending that another process has left behind
                log.error("price %s is not known here, so what it was made of is not on record", price_id)
            else:
                self._connection.execute(
                    PRICE, (row.price_id, row.provider, row.model, row.source, row.version, row.body)
                )
            self._prices.add(price_id)

    def _read_standing(self) -> None:
        row = self._connection.execute(STANDING).fetchone()
        assert row is not None
        version, at = row
        self._set_clock(at)
        self._outdated = False
        if version != self._version:
            self._version = version
            self._rulebook.clear()
            self._counters.clear()  # some may have been opened anew, and a revision says nothing about those

    def _set_clock(self, at: datetime) -> None:
        self._clock = (at, time.monotonic())

    def _now(self) -> datetime:
        """The database's time, as far as one can tell from here."""
        at, ticks = self._clock
        return at + timedelta(seconds=time.monotonic() - ticks)


def _prices_of(batch: Batch, callers: Callers) -> set[str | None]:
    used = {row.order.price_id for row in batch.orders} | {row.entry.price_id for row in batch.entries}
    used |= {row.entry.hold.order.price_id for row in batch.entries if row.entry.hold.opened}
    used |= {id for row in batch.unheld for id in (row.entry.price_id, row.entry.hold.order.price_id)}
    used |= {correction.entry.price_id for correction in batch.corrections}
    return used | {rules.unpriced.id for rules in callers if rules is not None and rules.unpriced is not None}
