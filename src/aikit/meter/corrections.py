"""What an attempt really cost, learned after it was posted: a further entry says the difference, nothing is edited."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from aikit.meter.counters import Amounts, Standing, spends
from aikit.policy.subject import subject_of
from aikit.types import Entry


class Recharged(Exception):
    """An attempt has got another entry since its correction was made: the correction is from another amount."""


class Correction(NamedTuple):
    """The truth about an attempt for which `charged` nano-USD are in the ledger, and no usage if this one has some.

    `seq` is the number that its entry gets: an attempt that has been corrected in the meantime has one with it already.
    """

    entry: Entry
    charged: int
    seq: int = 1

    @property
    def nano(self) -> int:
        """What is charged on top; negative if it was too much."""
        return self.entry.nano - self.charged


def covering(entry: Entry, subjects: Iterable[str]) -> tuple[str, ...]:
    """Which of these subjects an attempt belongs to."""
    tags = entry.hold.order.call.tags
    return tuple([subject for subject in subjects if subject_of(subject).covers(tags)])


def correct(corrections: Iterable[Correction], standing: Standing) -> None:
    """Put right what the counters have of these attempts.

    Credits become the truth. Tokens come on top of those presumed: it is not known any more which those were.
    """
    for correction in corrections:
        _count(correction.entry, _on_top(correction), standing)


def count(entries: Iterable[Entry], standing: Standing) -> None:
    """Count attempts that no hold stood for."""
    for entry in entries:
        _count(entry, spends(entry), standing)


def _count(entry: Entry, more: Amounts, standing: Standing) -> None:
    hold = entry.hold
    at = hold.admitted_at.timestamp()
    for subject in hold.subjects:
        counters = standing.get((hold.order.call.tenant, subject))
        if counters is not None:
            counters.correct(at, more)


def _on_top(correction: Correction) -> Amounts:
    if correction.entry.usage is None:
        return (correction.nano, 0, 0, 0, 0, 0)
    _, tokens, read, written, _, _ = spends(correction.entry)
    return (correction.nano, tokens, read, written, 0, 0)
