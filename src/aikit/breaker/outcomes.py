"""What one process has seen lately, and what all of them have together: counts in steps of five seconds. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

from aikit.breaker.model import TUNING, Health, Seen, Tuning

STEP = 5
"""Seconds that are counted together."""

Count = tuple[int, int, int, int]
"""The step since 1970, calls, failed, slow."""


class Sighting(NamedTuple):
    """What one process has seen of a provider or a model. Times are seconds since 1970."""

    counts: tuple[Count, ...] = ()
    fine_at: float = 0.0
    """When a call last did not fail."""
    failed_at: tuple[float, ...] = ()
    """When the last few failed, as many as it takes to open a breaker."""
    quota_at: float = 0.0
    retry_at: float = 0.0


def witness(
    seen: Sighting, outcome: Health, at: datetime, retry_after: float | None = None, tuning: Tuning = TUNING
) -> Sighting:
    """Add an outcome. `retry_after` is in seconds."""
    if outcome is Health.NEUTRAL:
        return seen
    moment = at.timestamp()
    step = int(moment) // STEP
    failed = outcome in (Health.FAILED, Health.QUOTA)
    last = seen.counts[-1] if seen.counts and seen.counts[-1][0] == step else (step, 0, 0, 0)
    count = (step, last[1] + 1, last[2] + failed, last[3] + (outcome is Health.SLOW))
    oldest = step - int(tuning.window.total_seconds()) // STEP
    kept = [one for one in seen.counts if oldest <= one[0] != step]
    return Sighting(
        (*kept, count),
        seen.fine_at if failed else moment,
        (*seen.failed_at, moment)[-tuning.consecutive :] if failed else seen.failed_at,
        moment if outcome is Health.QUOTA else seen.quota_at,
        max(seen.retry_at, moment + retry_after) if retry_after else seen.retry_at,
    )


def together(sightings: Iterable[Sighting], since: datetime, now: datetime, tuning: Tuning = TUNING) -> Seen:
    """What all processes have seen within the window and after `since`, when the breaker was closed."""
    known = list(sightings)
    began, window = since.timestamp(), (now - tuning.window).timestamp()
    start = max(began, window)
    counts = [one for seen in known for one in seen.counts if one[0] * STEP >= began and one[0] * STEP + STEP > window]
    fine_at = max([start, *[one.fine_at for one in known]])
    retry_at = max([0.0, *[one.retry_at for one in known]])
    return Seen(
        calls=sum(count[1] for count in counts),
        failed=sum(count[2] for count in counts),
        slow=sum(count[3] for count in counts),
        run=sum(at > fine_at for one in known for at in one.failed_at),
        quota=any(one.quota_at > start for one in known),
        retry_after=datetime.fromtimestamp(retry_at, UTC) if retry_at > now.timestamp() else None,
    )


def is_stale(seen: Sighting, now: datetime, tuning: Tuning = TUNING) -> bool:
    """Nothing in it counts any more."""
    return not seen.counts or seen.counts[-1][0] * STEP < (now - tuning.window - timedelta(seconds=STEP)).timestamp()
