"""A tenant's rules as a decision reads them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from typing import NamedTuple

from aikit.policy.windows import bounds
from aikit.types import Metric, Window

CounterRef = tuple[str, str]
"""A counter's name in the database: tenant and key."""


@dataclass(frozen=True, slots=True)
class Limit:
    """At most `cap` of `metric` in `window`. A cap on credits is in nano-USD. A cap of 0 means none is allowed."""

    metric: Metric
    window: Window
    cap: int
    source: str


class CounterName(NamedTuple):
    """A limit's counter in one window: its key, and where the window starts and ends."""

    key: str
    start: datetime
    end: datetime | None


@lru_cache(maxsize=4096)
def counter_name(metric: Metric, window: Window, minute: datetime) -> CounterName:
    """The counter of `metric` in the `window` that the given minute lies in."""
    start, end = bounds(window, minute)
    key = f"{metric}/{window}"
    return CounterName(f"{key}/{start:%Y-%m-%dT%H:%M}" if end else key, start, end)


@dataclass(frozen=True, slots=True)
class Policy:
    """What one tenant may do. Without any limit a tenant must have been declared uncapped: absence is not consent."""

    tenant: str
    limits: tuple[Limit, ...]
    uncapped: bool = False
