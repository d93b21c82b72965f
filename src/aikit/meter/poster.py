"""Posts batches: decides on what the database said last, and lets it accept that or say that something has changed.

The common case is one statement and one commit. `aikit.post` compares the counters with those the decision was made
on; when another process was faster, the batch is decided again under locks. Either way the rule is `decide`.

A batch is prepared while the one before it is still under way, on the counters as that one will leave them.
"""

from __future__ import annotations

import contextlib
import logging
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import psycopg
from psycopg import errors as pg

from aikit.meter.decide import Counter
from aikit.meter.plan import Batch, Needs, Plan, needs, plan, refs_of
from aikit.meter.queries import BARRIER, HOLDS, LOCK, OPEN, POLICIES, POST, PRICE, PRICES, STANDING
from aikit.meter.rows import EndingRow
from aikit.meter.statement import Rejected, Statement
from aikit.policy.model import CounterRef, Limit, Policy
from aikit.types import Decision, Metric, Window

log = logging.getLogger("aikit.meter")

TRIES = 50
PATIENCE = 16
"""After losing a race, this many quiet batches are decided under locks before an unlocked one is tried again."""
CACHE = 100_000


@dataclass(frozen=True, slots=True)
class PriceRow:
    """A price as it is recorded, once, before the first attempt at it is admitted."""

    price_id: str
    provider: str
    model: str
    source: str
    version: str
    body: str


@dataclass(frozen=True, slots=True)
class Prepared:
    """A batch to be posted. Without a plan, something must be read first. A plan of an older epoch is void."""

    batch: Batch
    plan: Plan | None = None
    epoch: int = 0


Standing = dict[CounterRef, tuple[int, int]]
"""Used and held."""


class Poster:
    """The one connection of a process that decides and posts.

    `prepare` may run in one thread while `execute` runs in another; each by one thread at a time, and batches must be
    executed in the order in which they were prepared.
    """

    def __init__(
        self, connection: psycopg.Connection[Any], price_row: Callable[[str], PriceRow], *, hold_seconds: int
    ) -> None:
        self._connection = connection
        self._price_row = price_row
        self._hold_seconds = hold_seconds
        self._statement = Statement(connection, "aikit_post", POST)
        self._memory = threading.Lock()
        """Guards what follows: what this process believes of the database."""
        self._epoch = 0
        self._patience = 0
        self._policies: dict[str, Policy | None] = {}
        self._counters: dict[CounterRef, tuple[int, int]] = {}
        self._prices: set[str | None] = {None, *[row[0] for row in connection.execute(PRICES)]}
        self._version = 0
        self._read_standing()

    def post(self, batch: Batch) -> list[Decision]:
        """Prepare and execute."""
        return self.execute(self.prepare(batch))

    def prepare(self, batch: Batch) -> Prepared:
        """Decide the batch on what is remembered, if all of that is; does no I/O."""
        with self._memory:
            policies = self._remembered_policies(batch)
            if self._patience or policies is None or not self._prices.issuperset(_prices_of(batch)):
                return Prepared(batch)
            now = self._now()
            needed = needs(policies.values(), now)
            counters = self._remembered_counters(batch, needed)
            if counters is None:
                return Prepared(batch)
            planned = self._plan(batch, policies, needed, counters, now)
            self._remember(counters)
            return Prepared(batch, planned, self._epoch)

    def execute(self, prepared: Prepared) -> list[Decision]:
        """Post a batch, in one transaction. One decision an order, in their order.

        Raises psycopg.OperationalError when the connection is lost: then nobody knows whether it was posted.
        Raises another psycopg.Error when the database refuses something in it: then nothing was posted.
        """
        entries = prepared.batch.entries
        if prepared.plan is not None and prepared.epoch == self._epoch:
            try:
                if self._accepted(prepared.plan):
                    return prepared.plan.decisions
            except Rejected as rejected:
                entries = self._learned(rejected, entries)
        with self._memory:
            self._epoch += 1
            if prepared.plan is not None:
                self._counters.clear()
            return self._post_under_locks(prepared.batch, entries)

    def close(self) -> None:
        """Close the connection; never raises."""
        with contextlib.suppress(psycopg.Error):
            self._connection.close()

    def _post_under_locks(self, batch: Batch, entries: Sequence[EndingRow]) -> list[Decision]:
        self._record_prices(batch)
        for _ in range(TRIES):
            try:
                decisions = self._try_under_locks(Batch(entries, batch.orders, batch.refusals))
            except Rejected as rejected:
                entries = self._learned(rejected, entries)
            except (pg.DeadlockDetected, pg.SerializationFailure):
                continue
            else:
                if decisions is not None:
                    return decisions
                self._read_standing()
        raise pg.LockNotAvailable(f"a batch could not be posted in {TRIES} tries")

    def _try_under_locks(self, batch: Batch) -> list[Decision] | None:
        now = self._now()
        policies = self._load_policies(batch)
        needed = needs(policies.values(), now)
        connection = self._connection
        try:
            connection.execute("BEGIN")
            refs = sorted(refs_of(batch, needed))
            standing = self._locked(refs)
            missing = [ref for ref in refs if ref in needed and ref not in standing]
            if missing:
                standing |= self._opened(missing, needed)
                # what was opened has taken in pending holds, maybe some that this very batch ends
                batch = Batch(self._as_held(batch.entries), batch.orders, batch.refusals)
            counters = {ref: Counter.standing_at(*amounts) for ref, amounts in standing.items()}
            planned = self._plan(batch, policies, needed, counters, now)
            accepted = self._accepted(planned)
            if accepted:
                connection.execute("COMMIT")
            else:  # a counter opened for a limit that is gone, or a window that has not begun, must not stay
                connection.pgconn.exec_(b"ROLLBACK")
        except BaseException:
            if not connection.closed:
                connection.pgconn.exec_(b"ROLLBACK")  # psycopg's own would deallocate our prepared statement
            raise
        if not accepted:
            return None
        self._remember(counters)
        return planned.decisions

    def _locked(self, refs: list[CounterRef]) -> Standing:
        """The counters that are there, locked in one order."""
        connection = self._connection
        with connection.pipeline():
            connection.execute(BARRIER)
            found = connection.execute(LOCK, ([tenant for tenant, _ in refs], [key for _, key in refs]))
        standing = {(tenant, key): (used, held) for tenant, key, used, held in found}
        self._judge_the_race(standing)
        return standing

    def _opened(self, missing: list[CounterRef], needed: Needs) -> Standing:
        """The counters that were not there."""
        of = [needed[ref] for ref in missing]
        columns = [[tenant for tenant, _ in missing], [key for _, key in missing]]
        spans = [
            [limit.metric for limit, _ in of],
            [limit.window for limit, _ in of],
            [name.start for _, name in of],
        ]
        opened = self._connection.execute(OPEN, (*columns, *spans))
        return {(tenant, key): (used, held) for tenant, key, used, held in opened}

    def _judge_the_race(self, standing: Mapping[CounterRef, tuple[int, int]]) -> None:
        """Would an unlocked batch have been accepted? Then it is worth trying again soon."""
        known = [(self._counters[ref], amounts) for ref, amounts in standing.items() if ref in self._counters]
        if known:
            quiet = all(last == amounts for last, amounts in known)
            self._patience = max(0, self._patience - 1) if quiet else PATIENCE

    def _accepted(self, planned: Plan) -> bool:
        outcome, at, policy = self._statement(planned.parameters)
        self._set_clock(datetime.fromisoformat(at))
        if outcome == "policy":
            self._version = int(policy)
            self._policies.clear()
        return outcome == "ok"

    def _learned(self, rejected: Rejected, entries: Sequence[EndingRow]) -> Sequence[EndingRow]:
        """What a rejection teaches: the entries to go on with. Raises it if trying again can't help."""
        match rejected.sqlstate:
            case "AK001":  # a hold is not as we knew it
                return self._as_held(entries)
            case "AK002":  # a counter is not
                self._patience = PATIENCE
            case "40P01" | "40001":  # deadlock, serialization failure
                pass
            case _:
                raise rejected
        return entries

    def _plan(
        self,
        batch: Batch,
        policies: Mapping[str, Policy],
        needed: Needs,
        counters: dict[CounterRef, Counter],
        now: datetime,
    ) -> Plan:
        return plan(
            batch,
            policies,
            needed,
            counters,
            now=now,
            policy_version=self._version,
            hold_seconds=self._hold_seconds,
        )

    def _remember(self, counters: Mapping[CounterRef, Counter]) -> None:
        if len(self._counters) > CACHE:
            self._counters.clear()
        self._counters.update([(ref, (counter.used, counter.held)) for ref, counter in counters.items()])

    def _remembered_counters(self, batch: Batch, needed: Needs) -> dict[CounterRef, Counter] | None:
        found = {}
        for ref in refs_of(batch, needed):
            last = self._counters.get(ref)
            if last is None:
                return None
            found[ref] = Counter(*last, *last)
        return found

    def _remembered_policies(self, batch: Batch) -> dict[str, Policy] | None:
        tenants = {row.order.call.tenant for row in batch.orders}
        if not self._policies.keys() >= tenants:
            return None
        return {tenant: policy for tenant in tenants if (policy := self._policies[tenant]) is not None}

    def _load_policies(self, batch: Batch) -> dict[str, Policy]:
        remembered = self._remembered_policies(batch)
        if remembered is not None:
            return remembered
        if len(self._policies) > CACHE:
            self._policies.clear()
        tenants = {row.order.call.tenant for row in batch.orders} - self._policies.keys()
        found: dict[str, Policy | None] = dict.fromkeys(tenants)
        for tenant, uncapped, metric, window, cap in self._connection.execute(POLICIES, (list(tenants),)):
            before = found[tenant]
            limits = before.limits if before else ()
            if metric is not None:
                limits = (*limits, Limit(Metric(metric), Window(window), cap, f"tenant:{tenant}"))
            found[tenant] = Policy(tenant, limits, uncapped)
        self._policies.update(found)
        return self._load_policies(batch)

    def _as_held(self, rows: Sequence[EndingRow]) -> list[EndingRow]:
        """The entries whose holds are still there, with what those holds look like now.

        An entry whose hold is gone was posted before; to post it again would charge twice.
        """
        entries = [row.entry for row in rows]
        keys = ([e.hold.order.call.tenant for e in entries], [e.hold.order.attempt for e in entries])
        held: dict[UUID, dict[str, Any]] = {
            attempt: {"generation": generation, "counters": tuple(counters), "admitted_at": at}
            for attempt, generation, counters, at in self._connection.execute(HOLDS, keys)
        }
        return [
            EndingRow.of(entry._replace(hold=entry.hold._replace(**held[entry.hold.order.attempt])))
            for entry in entries
            if entry.hold.order.attempt in held
        ]

    def _record_prices(self, batch: Batch) -> None:
        """Each price is on record before anything is charged at it."""
        for price_id in _prices_of(batch) - self._prices:
            try:
                row = self._price_row(str(price_id))
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
        if version != self._version:
            self._version = version
            self._policies.clear()

    def _set_clock(self, at: datetime) -> None:
        self._clock = (at, time.monotonic())

    def _now(self) -> datetime:
        """The database's time, as far as one can tell from here."""
        at, ticks = self._clock
        return at + timedelta(seconds=time.monotonic() - ticks)


def _prices_of(batch: Batch) -> set[str | None]:
    return {row.order.price_id for row in batch.orders} | {row.entry.price_id for row in batch.entries}
