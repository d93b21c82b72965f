"""From a batch and what is known of the counters to the parameters of `aikit.post`. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from aikit.meter.decide import Counter, charge, counters_of, decide
from aikit.meter.rollup import rollup_rows
from aikit.meter.rows import EndingRow, OrderRow, array, counter_row, hold_row, refusal_row
from aikit.policy.model import CounterName, CounterRef, Limit, Policy
from aikit.types import Decision, Refusal

FOREVER = (datetime(1970, 1, 1, tzinfo=UTC), datetime(9999, 1, 1, tzinfo=UTC))

Needs = Mapping[CounterRef, tuple[Limit, CounterName]]
"""The counters that orders need, with the limits they belong to."""


@dataclass(frozen=True, slots=True)
class Batch:
    """What is posted together. Entries go first, so that what they release is there for the orders."""

    entries: Sequence[EndingRow] = ()
    orders: Sequence[OrderRow] = ()
    refusals: Sequence[Refusal] = ()


@dataclass(frozen=True, slots=True)
class Plan:
    """A batch as it was decided, ready to be posted."""

    decisions: list[Decision]
    parameters: tuple[str | None, ...]


def needs(policies: Iterable[Policy], now: datetime) -> dict[CounterRef, tuple[Limit, CounterName]]:
    """The counters that orders under these policies need."""
    return {(policy.tenant, name.key): (limit, name) for policy in policies for limit, name in counters_of(policy, now)}


def refs_of(batch: Batch, needed: Needs) -> set[CounterRef]:
    """Every counter that the batch touches."""
    refs = set(needed)
    held = {(row.entry.hold.order.call.tenant, row.entry.hold.counters) for row in batch.entries}
    for tenant, keys in held:
        refs.update([(tenant, key) for key in keys])
    return refs


def plan(
    batch: Batch,
    policies: Mapping[str, Policy],
    needed: Needs,
    counters: Mapping[CounterRef, Counter],
    *,
    now: datetime,
    policy_version: int,
    hold_seconds: int,
) -> Plan:
    """Decide the batch; `counters` are left as they will stand once it has been posted."""
    entries = [row.entry for row in batch.entries]
    charge(entries, counters)
    decisions = decide([row.order for row in batch.orders], policies, counters, now, policy_version)
    holds, refusals = [], list(batch.refusals)
    for row, decision in zip(batch.orders, decisions, strict=True):
        if decision.hold is not None:
            holds.append(hold_row(row, decision.hold.counters, decision.limits))
        else:
            refusals.append(Refusal(row.order, decision.reason_code, decision.limits))
    not_before, not_after = _validity(needed, now) if batch.orders or refusals else FOREVER
    return Plan(
        decisions,
        (
            str(policy_version),
            not_before.isoformat(),
            not_after.isoformat(),
            str(hold_seconds),
            array([counter_row(tenant, key, counters[tenant, key]) for tenant, key in sorted(counters)]),
            array(holds),
            array([row.text for row in batch.entries]),
            array([refusal_row(refusal, policy_version, now) for refusal in refusals]),
            array(rollup_rows(entries, refusals, now)),
        ),
    )


def _validity(needed: Needs, now: datetime) -> tuple[datetime, datetime]:
    """The time in which decisions made at `now` name the right counters and the right hour."""
    start = now.replace(minute=0, second=0, microsecond=0)
    end = start + timedelta(hours=1)
    for name in {name for _, name in needed.values()}:
        start = max(start, name.start)
        end = min(end, name.end or end)
    return start, end
