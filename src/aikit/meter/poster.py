"""Posts batches: decides on what the database said last, and lets it accept or answer what has changed.

The common case is one statement and one commit. `aikit.post` compares the counters with those the decision was made
on; when another process was faster, the batch is decided again under locks. Either way the rule is `decide`, here.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import psycopg
from psycopg import errors as pg

from aikit.meter.decide import Counter, charge, counters_of, decide
from aikit.meter.rollup import rollup_rows
from aikit.meter.rows import EndingRow, OrderRow, array, counter_row, hold_row, refusal_row
from aikit.meter.statement import Rejected, Statement
from aikit.policy.model import CounterName, CounterRef, Limit, Policy
from aikit.types import Decision, Metric, Refusal, Window

TRIES = 50
PATIENCE = 16
"""After losing a race, this many quiet batches are decided under locks before an unlocked one is tried again."""
CACHE = 100_000
FOREVER = (datetime(1970, 1, 1, tzinfo=UTC), datetime(9999, 1, 1, tzinfo=UTC))

POST = """
    SELECT outcome, at, policy FROM aikit.post($1, $2, $3, $4, $5::aikit.counter_change[], $6::aikit.new_hold[],
                                               $7::aikit.ending[], $8::aikit.refusals[], $9::aikit.rollups[])"""
HOLD_CHANGED, COUNTER_CHANGED = "AK001", "AK002"
WORTH_ANOTHER_TRY = ("40P01", "40001")
"""Deadlock, serialization failure."""
BARRIER = "SELECT pg_advisory_xact_lock_shared(7206071, 1)"
STANDING = "SELECT policy_version, now() FROM aikit.state"
LOCK = """
    SELECT c.tenant, c.key, c.used, c.held FROM unnest(%s::text[], %s::text[]) x (tenant, key)
    JOIN aikit.counters c ON c.tenant = x.tenant AND c.key = x.key
    ORDER BY c.tenant, c.key FOR UPDATE OF c"""
OPEN = "SELECT used, held FROM aikit.open_counter(%s, %s, %s, %s, %s)"
POLICIES = """
    SELECT t.tenant, t.uncapped, l.metric, l."window", l.cap
    FROM aikit.tenants t LEFT JOIN aikit.limits l USING (tenant)
    WHERE t.tenant = ANY (%s) ORDER BY t.tenant, l.metric, l."window" """
HOLDS = """
    SELECT h.attempt, h.generation, h.counters, h.admitted_at FROM unnest(%s::text[], %s::uuid[]) x (tenant, attempt)
    JOIN aikit.holds h ON h.tenant = x.tenant AND h.attempt = x.attempt"""
PRICE = """
    INSERT INTO aikit.prices (price_id, provider, model, source, version, body)
    VALUES (%s, %s, %s, %s, %s, %s::jsonb) ON CONFLICT DO NOTHING"""
PRICES = "SELECT price_id FROM aikit.prices"


@dataclass(frozen=True, slots=True)
class PriceRow:
    """A price as it is recorded, once, before the first attempt at it is admitted."""

    price_id: str
    provider: str
    model: str
    source: str
    version: str
    body: str


@dataclass(slots=True)
class Batch:
    """What is posted together. Entries go first, so that what they release is there for the orders."""

    entries: Sequence[EndingRow] = ()
    orders: Sequence[OrderRow] = ()
    refusals: Sequence[Refusal] = ()


class Poster:
    """The one connection of a process that decides and posts. Not thread-safe; the meter's thread owns it."""

    def __init__(
        self,
        connection: psycopg.Connection[Any],
        price_row: Callable[[str], PriceRow],
        *,
        hold_seconds: int,
    ) -> None:
        self._connection = connection
        self._price_row = price_row
        self._hold_seconds = str(hold_seconds)
        self._post = Statement(connection, "aikit_post", POST)
        self._policies: dict[str, Policy | None] = {}
        self._counters: dict[CounterRef, tuple[int, int]] = {}
        self._patience = 0
        self._version, at = self._row(STANDING)
        self._set_clock(at)
        self._prices: set[str | None] = {row[0] for row in self._connection.execute(PRICES)}

    def post(self, batch: Batch) -> list[Decision]:
        """Decide the orders and post everything, in one transaction. One decision an order, in their order.

        Raises psycopg.OperationalError when the connection is lost: then nobody knows whether it was posted.
        """
        self._record_prices(batch)
        entries = batch.entries
        for _ in range(TRIES):
            try:
                decisions = self._try(Batch(entries, batch.orders, batch.refusals))
            except (pg.DeadlockDetected, pg.SerializationFailure):
                continue
            except Rejected as rejected:
                if rejected.sqlstate == HOLD_CHANGED:
                    entries = self._as_held(entries)
                    self._counters.clear()
                elif rejected.sqlstate == COUNTER_CHANGED:
                    self._patience = PATIENCE
                elif rejected.sqlstate not in WORTH_ANOTHER_TRY:
                    raise
                continue
            if decisions is not None:
                return decisions
        raise pg.LockNotAvailable(f"a batch could not be posted in {TRIES} tries")

    def close(self) -> None:
        """Close the connection; never raises."""
        with contextlib.suppress(psycopg.Error):
            self._connection.close()

    def _try(self, batch: Batch) -> list[Decision] | None:
        now = self._now()
        policies = self._policies_of(batch.orders)
        names = {
            (policy.tenant, name.key): (limit, name)
            for policy in policies.values()
            for limit, name in counters_of(policy, now)
        }
        refs = set(names)
        for row in batch.entries:
            hold = row.entry.hold
            tenant = hold.order.call.tenant
            refs.update([(tenant, key) for key in hold.counters])
        if not self._patience:
            counters = self._remembered(refs)
            if counters is not None:
                return self._decide_and_post(batch, policies, counters, names, now)
        return self._locked(batch, policies, refs, names, now)

    def _remembered(self, refs: Iterable[CounterRef]) -> dict[CounterRef, Counter] | None:
        found = {}
        for ref in refs:
            last = self._counters.get(ref)
            if last is None:
                return None
            found[ref] = Counter.standing_at(*last)
        return found

    def _locked(
        self,
        batch: Batch,
        policies: Mapping[str, Policy],
        refs: set[CounterRef],
        names: Mapping[CounterRef, tuple[Limit, CounterName]],
        now: datetime,
    ) -> list[Decision] | None:
        ordered = sorted(refs)
        connection = self._connection
        try:
            with connection.pipeline() as pipeline:
                connection.execute("BEGIN")
                connection.execute(BARRIER)
                locked = connection.execute(LOCK, ([t for t, _ in ordered], [k for _, k in ordered]))
                pipeline.sync()
                standing = {(tenant, key): (used, held) for tenant, key, used, held in locked}
            quiet = all(self._counters.get(ref) == amounts for ref, amounts in standing.items())
            self._patience = max(0, self._patience - 1) if quiet else PATIENCE
            for ref in ordered:
                if ref not in standing and ref in names:
                    limit, name = names[ref]
                    standing[ref] = self._row(OPEN, (*ref, limit.metric, limit.window, name.start))
            counters = {ref: Counter.standing_at(*amounts) for ref, amounts in standing.items()}
            decisions = self._decide_and_post(batch, policies, counters, names, now)
            connection.execute("COMMIT")
        except BaseException:
            if not connection.closed:
                connection.pgconn.exec_(b"ROLLBACK")  # psycopg's own would deallocate our prepared statement
            raise
        return decisions

    def _decide_and_post(
        self,
        batch: Batch,
        policies: Mapping[str, Policy],
        counters: dict[CounterRef, Counter],
        names: Mapping[CounterRef, tuple[Limit, CounterName]],
        now: datetime,
    ) -> list[Decision] | None:
        entries = [row.entry for row in batch.entries]
        for entry in entries:
            charge(entry, counters)
        decisions = decide([row.order for row in batch.orders], policies, counters, now, self._version)
        holds, refusals = [], list(batch.refusals)
        for row, decision in zip(batch.orders, decisions, strict=True):
            if decision.hold is not None:
                holds.append(hold_row(row, decision.hold.counters, decision.limits))
            else:
                refusals.append(Refusal(row.order, decision.reason_code, decision.limits))
        not_before, not_after = _validity(names.values(), now) if batch.orders or refusals else FOREVER
        outcome, at, policy = self._post(
            (
                str(self._version),
                not_before.isoformat(),
                not_after.isoformat(),
                self._hold_seconds,
                array([counter_row(tenant, key, counters[tenant, key]) for tenant, key in sorted(counters)]),
                array(holds),
                array([row.text for row in batch.entries]),
                array([refusal_row(refusal, self._version, now) for refusal in refusals]),
                array(rollup_rows(entries, refusals, now)),
            )
        )
        self._set_clock(datetime.fromisoformat(at))
        if outcome == "ok":
            if len(self._counters) > CACHE:
                self._counters.clear()
            self._counters.update([(ref, (c.used, c.held)) for ref, c in counters.items()])
            return decisions
        if outcome == "policy":
            self._version = int(policy)
            self._policies.clear()
        return None

    def _policies_of(self, orders: Iterable[OrderRow]) -> dict[str, Policy]:
        tenants = {row.order.call.tenant for row in orders}
        missing = [tenant for tenant in tenants if tenant not in self._policies]
        if missing:
            if len(self._policies) > CACHE:
                self._policies.clear()
                missing = list(tenants)
            self._policies.update(self._load(missing))
        return {tenant: policy for tenant in tenants if (policy := self._policies[tenant]) is not None}

    def _load(self, tenants: list[str]) -> dict[str, Policy | None]:
        found: dict[str, Policy | None] = dict.fromkeys(tenants)
        for tenant, uncapped, metric, window, cap in self._connection.execute(POLICIES, (tenants,)):
            before = found[tenant]
            limits = before.limits if before else ()
            if metric is not None:
                limits = (*limits, Limit(Metric(metric), Window(window), cap, f"tenant:{tenant}"))
            found[tenant] = Policy(tenant, limits, uncapped)
        return found

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
        wanted = {row.order.price_id for row in batch.orders}
        wanted.update([row.entry.price_id for row in batch.entries])
        for price_id in wanted - self._prices - {None}:
            row = self._price_row(str(price_id))
            self._connection.execute(PRICE, (row.price_id, row.provider, row.model, row.source, row.version, row.body))
            self._prices.add(row.price_id)

    def _row(self, query: Any, arguments: Sequence[Any] = ()) -> tuple[Any, ...]:
        row: tuple[Any, ...] | None = self._connection.execute(query, arguments, prepare=True).fetchone()
        assert row is not None
        return row

    def _set_clock(self, at: datetime) -> None:
        self._at, self._ticks = at, time.monotonic()

    def _now(self) -> datetime:
        """The database's time, as far as one can tell from here."""
        return self._at + timedelta(seconds=time.monotonic() - self._ticks)


def _validity(names: Iterable[tuple[Limit, CounterName]], now: datetime) -> tuple[datetime, datetime]:
    """The time in which decisions made at `now` name the right counters and the right hour."""
    start = now.replace(minute=0, second=0, microsecond=0)
    end = start + timedelta(hours=1)
    for _, name in names:
        start = max(start, name.start)
        end = min(end, name.end or end)
    return start, end
