"""From a batch and what is known of the counters to the parameters of `aikit.post`. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from aikit.breaker.gates import Gates
from aikit.meter.corrections import Correction, correct, count
from aikit.meter.counters import Standing, charge
from aikit.meter.decide import Track, decide, decide_extensions, track
from aikit.meter.judge import would_refuse
from aikit.meter.once import REPLAYED, KeyRef, ended_now, repeated
from aikit.meter.repeats import Repetitions
from aikit.meter.rollup import rollup_rows
from aikit.meter.rows import (
    EndingRow,
    OrderRow,
    answer_row,
    array,
    breaker_row,
    claim_row,
    counter_row,
    extension_row,
    hold_row,
    refusal_row,
)
from aikit.policy.model import PACED, CounterRef, Rules, Slot, slot_name
from aikit.types import UNGUARDED, Call, Decision, Earlier, Entry, Extension, Limit, Refusal, Window

FOREVER = (datetime(1970, 1, 1, tzinfo=UTC), datetime(9999, 1, 1, tzinfo=UTC))

Needs = dict[CounterRef, dict[str, Limit | Slot]]
"""The slots that orders need, by subject and name, with what each counts."""
Callers = Sequence[Rules | None]
"""The rules for each order of a batch, then for each extension; None for an unknown tenant."""


@dataclass(frozen=True, slots=True)
class Batch:
    """What is posted together. Entries go first, so that what they release is there for the orders.

    `unheld` are entries that no hold stands for yet. `earlier` are the attempts of idempotency keys that are taken.
    """

    entries: Sequence[EndingRow] = ()
    orders: Sequence[OrderRow] = ()
    extensions: Sequence[Extension] = ()
    refusals: Sequence[Refusal] = ()
    unheld: Sequence[EndingRow] = ()
    corrections: Sequence[Correction] = ()
    earlier: Mapping[KeyRef, Earlier] = field(default_factory=dict)

    @property
    def asking(self) -> list[Call]:
        """The calls of those who wait for a decision: of the orders, then of the extensions."""
        return [row.order.call for row in self.orders] + [one.hold.order.call for one in self.extensions]

    @property
    def ended(self) -> list[Entry]:
        """Every entry that counters and rollups learn of."""
        return [row.entry for rows in (self.entries, self.unheld) for row in rows]


@dataclass(frozen=True, slots=True)
class Plan:
    """A batch as it was decided, ready to be posted: the decisions on its orders, then on its extensions."""

    decisions: list[Decision]
    parameters: tuple[str | None, ...]
    gates: Gates
    """The breakers as they will stand."""


def needs(batch: Batch, callers: Callers) -> Needs:
    """The slots that the orders and the extensions of a batch need."""
    found: Needs = {}
    for rules, tenant in _owners(batch, callers):
        for limit in rules.limits:
            if limit.window is not Window.CALL:
                name = slot_name(limit.metric, limit.window, limit.zone, limit.anchor)
                found.setdefault((tenant, limit.subject), {})[name] = limit
        for subject in rules.paced:
            found.setdefault((tenant, subject), {}).update(PACED)
    return found


def refs_of(batch: Batch, needed: Iterable[CounterRef]) -> set[CounterRef]:
    """Every row of counters that the batch touches."""
    refs = set(needed)
    ended = batch.ended + [correction.entry for correction in batch.corrections]
    holds = [entry.hold for entry in ended] + [extension.hold for extension in batch.extensions]
    held = {(hold.order.call.tenant, hold.subjects) for hold in holds}
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
    gates: Gates,
    repeats: Repetitions,
) -> Plan:
    """Decide the batch; the counters are left as they will stand once it has been posted. Raises Behind.

    So is what is known of repetitions; an order that is decided again is not counted again.

    `standing` has the counters that `refs_of` names, or fewer if some are gone, and no others.
    """
    tracks = {rules: track(tenant, rules, standing, now) for rules, tenant in _owners(batch, callers)}
    charge([row.entry for row in batch.entries], standing)
    count([row.entry for row in batch.unheld], standing)
    correct(batch.corrections, standing)
    at_work = gates.copy() if gates.breakers else gates
    decisions = _decide(batch, callers, tracks, now, policy_version, at_work, repeats)
    holds, claims, refusals = [], [], list(batch.refusals)
    for row, decision in zip(batch.orders, decisions, strict=True):
        if decision.hold is not None and row.order.asks:
            continue
        if decision.hold is not None:
            warned = would_refuse(decision)
            holds.append(hold_row(row, decision.hold, decision.limits, decision.reason_code, warned, decision.watch))
            if row.order.once is not None:
                claims.append((row.order.call.tenant, row.order.once.key, claim_row(row.order, row.order.once)))
        elif decision.reason_code not in (REPLAYED, UNGUARDED) and row.order.guarded is not None:
            order = decision.order or row.order
            refusals.append(Refusal(order, decision.reason_code, decision.limits, decision.source, decision.watch))
    extended = []
    if batch.extensions:
        asked = list(zip(batch.extensions, callers[len(batch.orders) :], strict=True))
        grown = decide_extensions(asked, tracks, standing, now, policy_version)
        decisions += grown
        extended = [
            extension_row(decision.hold, extension.hold.generation)
            for extension, decision in zip(batch.extensions, grown, strict=True)
            if decision.hold is not None
        ]
    not_before, not_after = _validity(tracks.values(), now) if decisions or refusals else FOREVER
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
            array([row.text for rows in (batch.entries, batch.unheld) for row in rows]),
            array([refusal_row(refusal, policy_version, now) for refusal in refusals]),
            array(rollup_rows(batch.ended, refusals, now, batch.corrections)),
            array(extended),
            array([row for _, _, row in sorted(claims)]),
            array(_answers(batch.entries)),
            str(gates.version),
            array([breaker_row(at_work.tried[key]) for key in sorted(at_work.tried)]),
        ),
        at_work.after(),
    )


def _decide(
    batch: Batch,
    callers: Callers,
    tracks: Mapping[Rules, Track],
    now: datetime,
    policy_version: int,
    gates: Gates,
    repeats: Repetitions,
) -> list[Decision]:
    """One decision an order. One whose idempotency key is taken is decided by that alone."""
    orders = [(row.order, rules) for row, rules in zip(batch.orders, callers, strict=False)]
    if all(order.once is None for order, _ in orders):
        return decide(orders, tracks, now, policy_version, gates, repeats)
    taken = {**batch.earlier, **ended_now([row.entry for row in batch.entries])}
    known = repeated([order for order, _ in orders], taken, policy_version)
    fresh = [one for one, decision in zip(orders, known, strict=True) if decision is None]
    for (order, _), decision in zip(orders, known, strict=True):
        if decision is not None:
            repeats.unsee(order.attempt)
    decided = iter(decide(fresh, tracks, now, policy_version, gates, repeats))
    return [next(decided) if decision is None else decision for decision in known]


def _answers(entries: Iterable[EndingRow]) -> list[str]:
    """The answers that are kept for idempotency keys, sorted by key, as claims are."""
    found = []
    for entry, _ in entries:
        order = entry.hold.order
        if entry.answer is not None and order.once is not None:
            found.append((order.call.tenant, order.once.key, answer_row(order, order.once, entry.answer)))
    return [row for _, _, row in sorted(found)]


def _owners(batch: Batch, callers: Callers) -> list[tuple[Rules, str]]:
    """The rules that occur in the batch, each with its tenant: rules are made for one caller, so for one tenant."""
    last = dict(zip(callers, batch.asking, strict=True))
    return [(rules, call.tenant) for rules, call in last.items() if rules is not None]


def _validity(tracks: Iterable[Track], now: datetime) -> tuple[datetime, datetime]:
    """The time in which decisions made at `now` are about the right windows and the right hour."""
    start = now.replace(minute=0, second=0, microsecond=0)
    end = start + timedelta(hours=1)
    for each in tracks:
        start = max(start, each.start)
        if each.end is not None:
            end = min(end, each.end)
    return start, end
