"""Limits, and where one stands. Amounts are integers, in nano-USD for credits; times are aware and in UTC."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import NamedTuple


class Metric(StrEnum):
    """What a limit counts."""

    CREDITS = "credits"
    TOKENS = "tokens"
    INPUT_TOKENS = "input_tokens"
    OUTPUT_TOKENS = "output_tokens"
    REQUESTS = "requests"
    CONCURRENCY = "concurrency"


class Window(StrEnum):
    """Over which time a limit counts. `call` bounds each single attempt, `total` never resets."""

    CALL = "call"
    MINUTE = "minute"
    HOUR = "hour"
    DAY = "day"
    WEEK = "week"
    MONTH = "month"
    TOTAL = "total"


class Action(StrEnum):
    """What happens at a cap: `block` refuses, `warn` lets pass and records what would have been refused."""

    BLOCK = "block"
    WARN = "warn"


@dataclass(frozen=True, slots=True)
class Limit:
    """At most `cap` of `metric` in `window`, for one call: `source` is the policy that states it.

    Amounts are in the metric's unit; for credits that is nano-USD. A cap of 0 means none is allowed. `subject` says
    whose attempts are counted together (`aikit.policy.subject`): "" is the whole tenant. Days, weeks and months start
    in the time `zone`, at `anchor`: the hour of the day, the weekday (0: Monday), the day of the month (0: the 1st).
    """

    metric: Metric
    window: Window
    cap: int
    source: str
    soft_cap: int | None = None
    action: Action = Action.BLOCK
    subject: str = ""
    zone: str = "UTC"
    anchor: int = 0

    def __hash__(self) -> int:
        """On the hot path. Members of an enumeration are slow to hash, but there is one of each, so its id will do."""
        return hash((self.cap, id(self.metric), id(self.window), self.source, self.subject))


class LimitState(NamedTuple):
    """One limit as a decision found it. `carried` is what a sliding window still counts of the window before."""

    limit: Limit
    used: int
    held: int
    resets_at: datetime | None
    carried: int = 0

    @property
    def metric(self) -> Metric:
        return self.limit.metric

    @property
    def window(self) -> Window:
        return self.limit.window

    @property
    def cap(self) -> int:
        return self.limit.cap

    @property
    def source(self) -> str:
        return self.limit.source

    @property
    def counted(self) -> int:
        """All that stands against the cap."""
        return self.used + self.held + self.carried

    @property
    def remaining(self) -> int:
        return max(0, self.limit.cap - self.counted)
