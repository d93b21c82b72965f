"""From a batch and what is known of the counters to the parameters of `aikit.post`. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from aikit.meter.counters import Standing, charge
from aikit.meter.decide import Track, decide, track
from aikit.meter.expiry import Late, correct
from aikit.meter.judge import reason_code
from aikit.meter.rollup import rollup_rows
from aikit.meter.rows import EndingRow, OrderRow, array, counter_row, hold_row, refusal_row
from aikit.policy.model import CounterRef, Rules, slot_name
from aikit.types import Decision, Limit, Refusal, Window

FOREVER = (datetime(1970, 1, 1, tzinfo=UTC), datetime(9999, 1, 1, tzinfo=UTC))

Needs = dict[CounterRef, dict[str, Limit]]
"""The slots that orders need, by subject and name, with a limit that each belongs to."""
Callers = Sequence[Rules | None]
"""The rules for each order of a batch; None for an unknown tenant."""


@dataclass(frozen=True, slots=True)
class Batch:
    """What is posted together. Entries go first, so that what they release is there for the orders."""

    entries: Sequence[EndingRow] = ()
    orders: Sequence[OrderRow] = ()
    refusals: Sequence[Refusal] = ()
    late: Sequence[Late] = ()


@dataclass(frozen=True, slots=True)
class Plan:
    """A batch as it was decided, ready to be posted."""

    decisions: list[Decision]
    parameters: tuple[str | None, ...]


def needs(batch: Batch, callers: Callers) -> Needs:
    """The slots that the orders of a batch need."""
    found: Needs = {}
    for rules, tenant in _owners(batch, callers):
        for limit in rules.limits:
            if limit.window is not Window.CALL:
                name = slot_name(limit.metric, limit.window, limit.zone, limit.anchor)
                found.setdefault((tenant, limit.subject), {})[name] = limit
    return found


def refs_of(batch: Batch, needed: Iterable[CounterRef]) -> set[CounterRef]:
    """Every row of counters that the batch touches."""
    refs = set(needed)
    ended = [*[row.entry for row in batch.entries], *[truth.entry for truth in batch.late]]
    held = {(entry.hold.order.call.tenant, entry.hold.subjects) for entry in ended}
    for tenant, subjects in held:
        refs.update([(tenant, subject) for subject in subjects])
    return refs


def plan(
    batch: Batch,
    callers: Callers,
    standing: Standing,
    *,
    now: datetime,
    policy_version: int,
    hold_seconds: int,
) -> Plan:
    """Decide the batch; the counters are left as they will stand once it has been posted. Raises Behind.

    `standing` has the counters that `refs_of` names, or fewer if some are gone, and no others.
    """
    tracks = {rules: track(tenant, rules, standing, now) for rules, tenant in _owners(batch, callers)}
    entries = [row.entry for row in batch.entries]
    charge(entries, standing)
    correct(batch.late, standing)
    orders = [(row.order, rules) for row, rules in zip(batch.orders, callers, strict=True)]
    decisions = decide(orders, tracks, now, policy_version)
    holds, refusals = [], list(batch.refusals)
    for row, decision in zip(batch.orders, decisions, strict=True):
        if decision.hold is not None:
            warned = reason_code(decision.warned[0]) if decision.warned else None
            holds.append(hold_row(row, decision.hold, decision.limits, decision.reason_code, warned))
        else:
            order = decision.order or row.order
            refusals.append(Refusal(order, decision.reason_code, decision.limits, decision.source))
    not_before, not_after = _validity(tracks.values(), now) if batch.orders or refusals else FOREVER
    changes = []
    for tenant, subject in sorted(standing):
        counters = standing[tenant, subject]
        changes.append(counter_row(tenant, subject, counters))
        counters.revision += 1
    return Plan(
        decisions,
        (
            str(policy_version),
            not_before.isoformat(),
            not_after.isoformat(),
            str(hold_seconds),
            array(changes),
            array(holds),
            array([row.text for row in batch.entries]),
            array([refusal_row(refusal, policy_version, now) for refusal in refusals]),
            array(rollup_rows(entries, refusals, now, batch.late)),
        ),
    )


def _owners(batch: Batch, callers: Callers) -> list[tuple[Rules, str]]:
    """The rules that occur in the batch, each with its tenant: rules are made for one caller, so for one tenant."""
    last = dict(zip(callers, batch.orders, strict=True))
    return [(rules, row.order.call.tenant) for rules, row in last.items() if rules is not None]


def _validity(tracks: Iterable[Track], now: datetime) -> tuple[datetime, datetime]:
    """The time in which decisions made at `now` are about the right windows and the right hour."""
    start = now.replace(minute=0, second=0, microsecond=0)
    end = start + timedelta(hours=1)
    for each in tracks:
        start = max(start, each.start)
        if each.end is not None:
            end = min(end, each.end)
    return start, end
