"""A breaker as all processes share it, and the figures it works by. Times are aware; the database's clock decides."""

from __future__ import annotations

from datetime import datetime, timedelta
from enum import StrEnum
from typing import NamedTuple
from uuid import UUID

from aikit.types import Health as Health

Key = tuple[str, str]
"""A provider and a model of it."""
WHOLE = ""
"""The model of the breaker that stands for a provider as a whole."""


class State(StrEnum):
    """What a breaker does: lets calls pass, refuses them, or lets a few through to see."""

    CLOSED = "closed"
    OPEN = "open"
    HALF_OPEN = "half_open"
    FORCED_OPEN = "forced_open"
    FORCED_CLOSED = "forced_closed"


class Reason(StrEnum):
    """Why a breaker is where it is."""

    CONSECUTIVE_FAILURES = "consecutive_failures"
    FAILURE_RATE = "failure_rate"
    SLOW_CALLS = "slow_calls"
    QUOTA = "quota_exhausted"
    PROBE_FAILED = "probe_failed"
    RECOVERED = "recovered"
    OPERATOR = "operator"


class Tuning(NamedTuple):
    """When a breaker opens, for how long, and what closes it."""

    window: timedelta = timedelta(seconds=60)
    least_calls: int = 10
    """Fewer calls in the window say nothing about a rate."""
    failed_percent: int = 50
    slow_percent: int = 80
    slow: timedelta = timedelta(seconds=30)
    """A response that has not begun by then is a slow one."""
    consecutive: int = 5
    open_first: timedelta = timedelta(seconds=15)
    open_longest: timedelta = timedelta(minutes=5)
    """It doubles each time a probe fails, up to this."""
    retry_after_longest: timedelta = timedelta(hours=1)
    quota_open: timedelta = timedelta(minutes=30)
    probes: int = 1
    probe_lease: timedelta = timedelta(seconds=60)
    """A probe whose process died makes room for another after this."""
    successes: int = 2
    enabled: bool = True
    """If not, nothing is reported, nothing moved, and only what a person has forced open is refused."""


TUNING = Tuning()


class Probe(NamedTuple):
    """An attempt that was let through to see; it counts as under way until then."""

    attempt: UUID
    until: datetime


class Breaker(NamedTuple):
    """`until` is when an open one lets a probe through, or a forced one is forced no more; None: never by itself.

    `trips` counts the openings since it was last closed, `successes` the probes that went well.
    """

    provider: str
    model: str
    state: State
    since: datetime
    until: datetime | None = None
    reason: Reason | None = None
    trips: int = 0
    successes: int = 0
    probes: tuple[Probe, ...] = ()
    revision: int = 0
    """Of the row that it was read from or will be written to."""

    @property
    def key(self) -> Key:
        return self.provider, self.model

    @property
    def name(self) -> str:
        """`openai/gpt-5-mini`; `openai` for the provider as a whole."""
        return f"{self.provider}/{self.model}" if self.model else self.provider


class Seen(NamedTuple):
    """What all processes have seen of a provider or a model within the window, since its breaker was closed."""

    calls: int = 0
    failed: int = 0
    slow: int = 0
    run: int = 0
    """Failures since the last call that did not fail."""
    quota: bool = False
    retry_after: datetime | None = None
    """The latest time before which a provider asked not to be tried again."""
