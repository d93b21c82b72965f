"""Posts a batch under locks: reads what it touches, decides on that, and tries again until the database agrees."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

import psycopg
from psycopg import errors as pg

from aikit.meter.corrections import Recharged
from aikit.meter.counters import Counters
from aikit.meter.decide import Behind, window_at
from aikit.meter.held import (
    as_now,
    earlier,
    late_truths,
    not_posted,
    with_subjects,
    write_corrections,
    write_unheld,
)
from aikit.meter.memory import PATIENCE, Memory, prices_of
from aikit.meter.months import open_months_of
from aikit.meter.plan import Batch, Needs, Plan, needs, plan, refs_of
from aikit.meter.queries import ALONE, BARRIER, LOCK, OPEN
from aikit.meter.rows import EndingRow
from aikit.meter.statement import Rejected
from aikit.policy.model import CounterRef
from aikit.policy.subject import subject_of
from aikit.policy.windows import SLIDING
from aikit.types import Decision

TRIES = 50
BEHIND_TRIES = 10
"""After so many the database's own clock was set back: a window has begun that by now lies in the future."""


class HoldsGone(Exception):
    """Holds that a batch ends are there no more: their endings must be looked at again before anything is posted."""


class Locked:
    """The way that always works, for a batch at a time. `accepted` posts a plan and says whether it was taken."""

    def __init__(
        self,
        connection: psycopg.Connection[Any],
        memory: Memory,
        accepted: Callable[[Plan], bool],
        *,
        hold_seconds: int,
    ) -> None:
        self._connection = connection
        self._memory = memory
        self._accepted = accepted
        self._hold_seconds = hold_seconds

    def post(
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
                decisions = self._try(batch, on_record)
            except Rejected as rejected:
                batch = self.learned(rejected, batch)
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
                self._memory.read_standing(self._connection)
            else:
                if decisions is not None:
                    return decisions
                self._memory.read_standing(self._connection)
        raise pg.LockNotAvailable(f"a batch could not be posted in {TRIES} tries")

    def learned(self, rejected: Rejected, batch: Batch) -> Batch:
        """What a rejection teaches: the batch to go on with. Raises it if trying again can't help."""
        match rejected.sqlstate:
            case "AK001":  # a hold is not as we knew it
                return as_now(self._connection, batch)
            case "AK002":  # a counter is not
                self._memory.patience = PATIENCE
            case "AK003":  # an idempotency key is taken
                return replace(batch, earlier=earlier(self._connection, [row.order for row in batch.orders]))
            case "AK004":  # a breaker is not
                self._memory.outdated = True
                self._memory.read_standing(self._connection)
            case "40P01" | "40001":  # deadlock, serialization failure
                pass
            case "23514" if not rejected.constraint:  # no table for the month of an id
                open_months_of(self._connection, batch)
            case _:
                raise rejected
        return batch

    def _try(self, batch: Batch, on_record: Callable[[], None] | None) -> list[Decision] | None:
        connection, memory = self._connection, self._memory
        now = memory.now()
        callers = memory.rulebook.load(connection, batch.asking)
        memory.record_prices(connection, prices_of(batch, callers))
        needed = needs(batch, callers)
        try:
            connection.execute("BEGIN")
            batch, standing = self._read(batch, needed, now)
            planned = plan(
                batch,
                callers,
                standing,
                now=now,
                policy_version=memory.version,
                hold_seconds=self._hold_seconds,
                gates=memory.gates,
                repeats=memory.repeats,
            )
            if batch.unheld:
                write_unheld(connection, batch.unheld, memory.version)
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
        memory.remember(standing)
        memory.gates = planned.gates
        return planned.decisions

    def _read(self, batch: Batch, needed: Needs, now: datetime) -> tuple[Batch, dict[CounterRef, Counters]]:
        """Lock the counters that the batch touches, and open those that are not there. The batch as it is by then."""
        alone = bool(batch.unheld or batch.corrections)
        if alone:  # no counter may be opened that misses them
            self._connection.execute(ALONE)
            if batch.unheld:  # another process may have posted them until now
                batch = replace(batch, unheld=not_posted(self._connection, batch.unheld))
            batch = with_subjects(self._connection, batch)
        refs = sorted(refs_of(batch, needed))
        standing = self._locked(refs)
        self._memory.judge_the_race(standing)
        missing = [
            (ref, name)
            for ref in refs
            for name in needed.get(ref, ())
            if ref not in standing or name not in standing[ref].slots
        ]
        if not missing:
            return batch, standing
        self._open(missing, needed, now)
        # what was opened has taken in pending holds, maybe some that this very batch ends, and
        # these may by now be in counters of which we had not heard
        held = as_now(self._connection, batch)
        if len(held.entries) < len(batch.entries):
            raise HoldsGone
        if alone:
            held = with_subjects(self._connection, held)
        return held, self._locked(sorted(refs_of(held, needed)))

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
