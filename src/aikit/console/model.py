"""What the console shows: one frozen snapshot a tick. Unknown is None, never zero; amounts are nano-USD."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from fractions import Fraction
from typing import TYPE_CHECKING, Protocol

from aikit.breaker.model import State
from aikit.console.filtering import NOTHING, Filter
from aikit.ledger.audit import AuditRow
from aikit.ledger.breakers import BreakerRow
from aikit.ledger.breakers import Move as BreakerMove
from aikit.ledger.calls import CallRow
from aikit.ledger.limits import LimitRow
from aikit.ledger.prompt_labels import Move as LabelMove

if TYPE_CHECKING:
    from aikit.evals.model import Status

MOST_ROWS = 200
"""So many rows of a table are shown; the rest is counted."""


class Tab(StrEnum):
    """The tabs, in their order."""

    OVERVIEW = "overview"
    CALLS = "calls"
    LIMITS = "limits"
    BREAKERS = "breakers"
    PROMPTS = "prompts"
    EVALS = "evals"
    AUDIT = "audit"


class Period(StrEnum):
    """The time that sums are over, up to now. All begin on an hour (UTC), as the sums are kept by the hour."""

    HOUR = "1h"
    """Since the hour before this one began: 60 to 120 minutes."""
    TODAY = "today"
    """Since 00:00."""
    DAY = "24h"
    WEEK = "7d"
    MONTH = "month"
    """Since the 1st, 00:00."""

    def since(self, now: datetime) -> datetime:
        hour = now.replace(minute=0, second=0, microsecond=0)
        midnight = hour.replace(hour=0)
        return {
            Period.HOUR: hour - timedelta(hours=1),
            Period.TODAY: midnight,
            Period.DAY: hour - timedelta(hours=23),
            Period.WEEK: midnight - timedelta(days=6),
            Period.MONTH: midnight.replace(day=1),
        }[self]


@dataclass(frozen=True, slots=True)
class Query:
    """What is looked at."""

    tab: Tab = Tab.OVERVIEW
    period: Period = Period.TODAY
    filter: Filter = NOTHING


@dataclass(frozen=True, slots=True)
class Budget:
    """What may be spent. Sums over the tenants of the filter that have a cap on money for the whole tenant and this
    window; `uncapped` is how many others have spent something today.

    `reached_at` is when the first of these caps is reached if that tenant goes on as it does, and `by` which tenant;
    None: none of them will be within the window.
    """

    window: str
    spent: int
    cap: int
    soft_cap: int | None
    tenants: int
    uncapped: int
    reached_at: datetime | None
    by: str | None

    @property
    def share(self) -> Fraction:
        return Fraction(self.spent, self.cap) if self.cap else Fraction(1)


@dataclass(frozen=True, slots=True)
class Header:
    """What is seen on every tab. Counts are of today, since 00:00 UTC, for what the filter lets through.

    `rate` is nano-USD an hour: this hour's so far, or, in its first ten minutes, what the last sixty came to.
    `held` is what the calls in flight may still cost. `spooled` is how many endings wait on this machine's disk.
    `read` is how much of today is read yet, 1 for all; `caps_read` how much of the caps in force: before that is 1,
    a budget of None says nothing.
    """

    database: str
    environment: str | None
    spent: int
    rate: int | None
    budget: Budget | None
    calls: int
    refused: int
    failed: int
    estimated: int
    unpriced: int
    in_flight: int
    held: int
    spooled: int | None
    open_breakers: int
    read: Fraction = Fraction(1)
    caps_read: Fraction = Fraction(1)


@dataclass(frozen=True, slots=True)
class OverviewRow:
    """The calls of one tenant and feature to one model. `nano` None: none of them had a price.

    `p50_ms` and `p95_ms` are those of its newest settled calls. `share` is how much is used and held of the cap on
    money that is nearest of those that these calls count for, and `share_of` that cap in words.
    """

    tenant: str
    feature: str
    provider: str
    model: str
    calls: int
    refused: int
    failed: int
    input: int
    """Input tokens of all classes, those read from the cache included."""
    cached: int
    output: int
    nano: int | None
    estimated: int
    unpriced: int
    p50_ms: int | None
    p95_ms: int | None
    share: Fraction | None
    share_of: str | None
    soft_share: Fraction | None
    """Where on the same scale the soft cap is; None without one."""
    breaker: State


@dataclass(frozen=True, slots=True)
class Point:
    """What began within one step of a plot. None: not read yet."""

    at: datetime
    nano: int | None
    calls: int | None
    refused: int | None


@dataclass(frozen=True, slots=True)
class Plot:
    """Spend and calls over time, the earliest first, in steps of so many seconds: of a minute for the last hour, of an
    hour for a day, of a day beyond.
    """

    step: int
    points: tuple[Point, ...]


@dataclass(frozen=True, slots=True)
class Overview:
    """`total` rows there are, `rows` the dearest of them. `read` is how much of the period is read yet, 1 for all."""

    rows: tuple[OverviewRow, ...]
    total: int
    since: datetime
    read: Fraction
    plot: Plot
    breakers: tuple[BreakerRow, ...]
    """Those that are not simply closed."""


@dataclass(frozen=True, slots=True)
class CallsPage:
    """The newest attempts. `searched` is how many were looked through for them; None: without a filter."""

    rows: tuple[CallRow, ...]
    searched: int | None


@dataclass(frozen=True, slots=True)
class LimitsPage:
    """The limits that are nearest to their cap, of so many."""

    rows: tuple[LimitRow, ...]
    total: int


@dataclass(frozen=True, slots=True)
class NamedMove:
    """A move of the breaker of this name."""

    name: str
    move: BreakerMove


@dataclass(frozen=True, slots=True)
class BreakersPage:
    """The breakers, and their last moves, the newest first."""

    rows: tuple[BreakerRow, ...]
    moves: tuple[NamedMove, ...]


@dataclass(frozen=True, slots=True)
class PromptRow:
    """A version of a prompt: published, or only seen in calls (then `sha256` and what goes with it is None).

    `calls` and what follows is of the period; `nano` None: none of the calls had a price. `gate` None: none was run.
    """

    name: str
    version: int
    sha256: str | None
    published_at: datetime | None
    published_by: str | None
    labels: tuple[str, ...]
    gate: bool | None
    calls: int
    failed: int
    refused: int
    nano: int | None
    p50_ms: int | None
    p95_ms: int | None

    @property
    def id(self) -> str:
        return f"{self.name}@v{self.version}"


@dataclass(frozen=True, slots=True)
class PromptsPage:
    """Versions by name, the newest first, and the last moves of labels, the newest first."""

    rows: tuple[PromptRow, ...]
    total: int
    moves: tuple[LabelMove, ...]
    since: datetime
    read: Fraction


@dataclass(frozen=True, slots=True)
class EvalRow:
    """A stored run. `status` is what its gate says when it is decided again on the baseline that is there now; None: it
    can't be decided, and `why` says why. `scores` are the means by scorer, None where nothing was scored.
    """

    id: str
    suite: str
    started_at: datetime
    subject: str
    """`summarize@v3`, or the target that was run."""
    mode: str
    cases: int
    status: Status | None
    why: str | None
    scores: tuple[tuple[str, float | None], ...]
    spent: int


@dataclass(frozen=True, slots=True)
class EvalsPage:
    """The stored runs of all suites, the newest first. `folder` None: there is no folder of evals here."""

    rows: tuple[EvalRow, ...]
    folder: str | None


@dataclass(frozen=True, slots=True)
class AuditPage:
    """The newest changes."""

    rows: tuple[AuditRow, ...]
    searched: int | None


Page = Overview | CallsPage | LimitsPage | BreakersPage | PromptsPage | EvalsPage | AuditPage


@dataclass(frozen=True, slots=True)
class Snapshot:
    """The ledger at one instant: `at` by the database's clock."""

    at: datetime
    query: Query
    header: Header
    page: Page
    took_ms: int = field(default=0, compare=False)

    @property
    def read(self) -> Fraction:
        """How much is read of all that is to be summed, 1 for all."""
        of_page = self.page.read if isinstance(self.page, Overview | PromptsPage) else Fraction(1)
        return (self.header.read + self.header.caps_read + of_page) / 3


class Source(Protocol):
    """What snapshots come from."""

    def read(self, query: Query) -> Snapshot:
        """Takes at most a few seconds. Raises DatabaseError, ConfigError; the source can be asked again."""
        ...

    def close(self) -> None: ...
