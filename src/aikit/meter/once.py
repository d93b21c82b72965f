"""What an idempotency key does: of all requests that a tenant makes with it, one is sent. Pure.

The first one claims the key, in the transaction that admits it. A later one with the same body gets its answer, or
hears that it is still running; with another body it is refused. A key whose attempt was voided, since the provider did
not bill it, is free again for the same request; after 24 hours it is free for any.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from aikit.types import Decision, Earlier, Ending, Entry, Order

REPLAYED = "IDEMPOTENCY_REPLAYED"
IN_PROGRESS = "IDEMPOTENCY_IN_PROGRESS"
CONFLICT = "IDEMPOTENCY_CONFLICT"
RETRY_AFTER = 1.0
"""Seconds after which it is worth asking again for a request that is still running."""

KeyRef = tuple[str, str]
"""A tenant and an idempotency key of its."""


def ended_now(entries: Iterable[Entry]) -> dict[KeyRef, Earlier]:
    """What the keys of attempts that are ending in this very batch stand for."""
    found = {}
    for entry in entries:
        order = entry.hold.order
        if order.once is not None:
            ended = Earlier(order.attempt, order.call.id, order.once.request_hash, False, entry.ending, entry.answer)
            found[order.call.tenant, order.once.key] = ended
    return found


def repeated(orders: Iterable[Order], known: Mapping[KeyRef, Earlier], policy_version: int) -> list[Decision | None]:
    """For each order the decision that its key makes; None if it has none, or its key is free."""
    taken = dict(known)
    decisions: list[Decision | None] = []
    for order in orders:
        decision = None
        if order.once is not None:
            ref = (order.call.tenant, order.once.key)
            earlier = taken.get(ref)
            decision = earlier and _repeats(order, earlier, policy_version)
            if decision is None:
                taken[ref] = Earlier(order.attempt, order.call.id, order.once.request_hash, running=True)
        decisions.append(decision)
    return decisions


def _repeats(order: Order, earlier: Earlier, policy_version: int) -> Decision | None:
    assert order.once is not None
    wait = None
    if earlier.request_hash != order.once.request_hash:
        code = CONFLICT
    elif earlier.running:
        code, wait = IN_PROGRESS, RETRY_AFTER
    elif earlier.ending is Ending.VOIDED:
        return None
    else:
        code = REPLAYED if earlier.answer is not None else CONFLICT
    return Decision(order.attempt, code, policy_version=policy_version, order=order, earlier=earlier, retry_after=wait)
