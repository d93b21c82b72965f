"""Holds that have stood too long without an ending: their process died, so what they may have cost is presumed spent.

The truth may still come, from a process that was only slow: then it is posted as a correction.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

from aikit.meter.counters import Amounts, Standing, spends
from aikit.policy.subject import subject_of
from aikit.types import Call, Ending, Entry, Hold, Order, Tags

EXPIRED = "expired"
"""The error of an entry that was presumed for this reason."""


class Late(NamedTuple):
    """The truth about an attempt that was presumed spent: `presumed` nano-USD have been charged for it."""

    entry: Entry
    presumed: int

    @property
    def nano(self) -> int:
        """What is charged on top; negative if too much was presumed."""
        return self.entry.nano - self.presumed


def presumed(rows: Iterable[tuple[Any, ...]]) -> list[Entry]:
    """The endings of expired holds, from their rows in `aikit.holds` (`aikit.meter.queries.EXPIRED`)."""
    return [_presumed(*row) for row in rows]


def _presumed(
    tenant: str,
    attempt: UUID,
    call: UUID,
    user: str | None,
    feature: str | None,
    environment: str,
    provider: str,
    model: str,
    api: str,
    stream: bool,
    price_id: str | None,
    nano: int,
    tokens: int,
    output_tokens: int,
    subjects: list[str],
    generation: int,
    admitted_at: datetime,
) -> Entry:
    tags = Tags(tenant, user, feature, environment)
    order = Order(attempt, Call(call, tags, provider, model, api, stream), nano, tokens, price_id, output_tokens)
    hold = Hold(order, tuple(subjects), admitted_at, generation)
    return Entry(hold, Ending.PRESUMED_SPENT, nano, estimated=True, error=EXPIRED)


def covering(entry: Entry, subjects: Iterable[str]) -> tuple[str, ...]:
    """Which of these subjects an attempt belongs to."""
    tags = entry.hold.order.call.tags
    return tuple([subject for subject in subjects if subject_of(subject).covers(tags)])


def correct(late: Iterable[Late], standing: Standing) -> None:
    """Put right what the counters have of attempts that were presumed spent.

    Credits become the truth. Tokens come on top of those presumed: it is not known any more which those were.
    """
    for truth in late:
        hold = truth.entry.hold
        at, more = hold.admitted_at.timestamp(), _on_top(truth)
        for subject in hold.subjects:
            counters = standing.get((hold.order.call.tenant, subject))
            if counters is not None:
                counters.correct(at, more)


def _on_top(truth: Late) -> Amounts:
    if truth.entry.usage is None:
        return (truth.nano, 0, 0, 0, 0, 0)
    _, tokens, read, written, _, _ = spends(truth.entry)
    return (truth.nano, tokens, read, written, 0, 0)
