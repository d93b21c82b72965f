"""What a demo is asked for, and what came of it. Amounts are nano-USD."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from aikit.ledger.reports import SpendReport
    from aikit.ledger.verify import Verification

TENANT = "acme"
CALLERS = 8
"""Threads a process."""


@dataclass(frozen=True, slots=True)
class Plan:
    """How the demo is to be played."""

    cap: int
    processes: int
    keep: bool = False

    @property
    def callers(self) -> int:
        return self.processes * CALLERS


@dataclass(frozen=True, slots=True)
class Moment:
    """How the tenant stands: attempts ended and refused so far, and what is used and held of the cap."""

    calls: int = 0
    refused: int = 0
    used: int = 0
    held: int = 0


class Audience(Protocol):
    """Whom the demo tells how it goes."""

    def ready(self, what: str) -> None:
        """Something has been set up."""

    def look(self, moment: Moment) -> None:
        """How the tenant stands; ten times a second while the calls go on."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of it: what the ledger and the provider's books say, and for `retried` and `stopped` the callers."""

    plan: Plan
    end: Moment
    peak: int
    """The most that was ever used and held at once."""
    retried: int
    """Refusals because only calls in flight stood in the way; the caller tried again."""
    stopped: int
    """Callers that the cap has stopped."""
    seconds: float
    """From the first call to the last."""
    refusals: Mapping[str, Mapping[str, Any]]
    """By SDK: the `exception` that it raised, the `status`, and the `body` as an HTTP client of that API sees it."""
    body: Mapping[str, Any]
    """The refusal as aikit's own endpoint words it."""
    spend: SpendReport
    verification: Verification
    served: int
    """How many requests the provider has seen."""
    billed: Mapping[str, int]
    """What it billed, by usage class, and what the ledger has, next."""
    entered: Mapping[str, int]
    kept: Path | None
    """The configuration to look at it with, if it was kept."""

    @property
    def overshoot(self) -> int:
        """By how much the cap was ever exceeded."""
        return max(0, self.peak - self.plan.cap, self.end.used - self.plan.cap)

    @property
    def problems(self) -> list[str]:
        """What is not as it should be."""
        checks = {
            "the cap was exceeded": self.overshoot == 0,
            "money is still held": self.end.held == 0,
            "not every caller was refused": self.stopped == self.plan.callers,
            "the provider saw other requests than were admitted": self.served == self.end.calls,
            "the provider billed other tokens than the ledger has": self.billed == self.entered,
            "the ledger does not verify": self.verification.ok,
        }
        return [problem for problem, passed in checks.items() if not passed]
