"""From the configuration to the figures that a breaker works by."""

from __future__ import annotations

from datetime import timedelta

from aikit.breaker.model import Tuning
from aikit.config.breaker import BreakerTable


def tuned(table: BreakerTable) -> Tuning:
    """The figures; those that can't be configured are the defaults."""
    return Tuning(
        window=timedelta(seconds=table.window_seconds),
        least_calls=table.least_calls,
        failed_percent=table.failed_percent,
        slow_percent=table.slow_percent,
        slow=timedelta(seconds=table.slow_seconds),
        consecutive=table.consecutive,
        open_first=timedelta(seconds=table.open_seconds),
        open_longest=timedelta(seconds=table.longest_seconds),
        probes=table.probes,
        successes=table.successes,
        enabled=table.enabled,
    )
