"""What one process has seen lately, and what all of them have together: counts in steps of five seconds. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

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
    seen: Sighting,
    outcome: Health,
    at: datetime,
    retry_after: float | None = None,
    tuning: Tuning = TUNING,
    *,
    times: int = 1,
) -> Sighting:
    """Add an outcome, or so many of them at once. `retry_after` is in seconds."""
    if outcome is Health.NEUTRAL:
        return seen
    moment = at.timestamp()
    failed = outcome in (Health.FAILED, Health.QUOTA)
    return Sighting(
        _counted(seen.counts, int(moment) // STEP, (times, times * failed, times * (outcome is Health.SLOW)), tuning),
        seen.fine_at if failed else moment,
        (*seen.failed_at, *[moment] * times)[-tuning.consecutive :] if failed else seen.failed_at,
        moment if outcome is Health.QUOTA else seen.quota_at,
        0.0 if not failed else max(seen.retry_at, moment + retry_after) if retry_after else seen.retry_at,
    )


def together(sightings: Iterable[Sighting], since: datetime, now: datetime, tuning: Tuning = TUNING) -> Seen:
    """What all processes have seen within the window and after `since`, when the breaker was closed.

    A step is counted whole or not at all. So `calls`, `failed` and `slow` may have what is up to one step older than
    the window, and may lack what happened within a step after `since`; what `run` and `quota` say is exact, but that
    no process tells of more failures in a row than it takes to open a breaker.
    """
    known = list(sightings)
    began, window, soon = since.timestamp(), (now - tuning.window).timestamp(), now.timestamp() + STEP
    start = max(began, window)
    counts = [
        one for seen in known for one in seen.counts if began <= one[0] * STEP <= soon and one[0] * STEP + STEP > window
    ]
    fine_at = max([start, *[one.fine_at for one in known if one.fine_at <= soon]])
    failing = [(one, at) for one in known for at in one.failed_at if fine_at < at <= soon]
    retry_at = max([0.0, *[one.retry_at for one, _ in failing]])
    return Seen(
        calls=sum(count[1] for count in counts),
        failed=sum(count[2] for count in counts),
        slow=sum(count[3] for count in counts),
        run=len(failing),
        quota=any(start < one.quota_at <= soon for one in known),
        retry_after=datetime.fromtimestamp(retry_at, UTC) if retry_at > now.timestamp() else None,
    )


def read_sighting(body: list[Any]) -> Sighting:
    """One that was written as JSON."""
    counts, fine_at, failed_at, quota_at, retry_at = body
    return Sighting(tuple(map(tuple, counts)), fine_at, tuple(failed_at), quota_at, retry_at)


def _counted(counts: tuple[Count, ...], step: int, more: tuple[int, int, int], tuning: Tuning) -> tuple[Count, ...]:
    """More calls in a step. Our clock may go back a little, but what is further ahead is of a clock set back."""
    if counts and counts[-1][0] == step:
        return (*counts[:-1], _sum(counts[-1], more))
    oldest = step - int(tuning.window.total_seconds()) // STEP
    kept = {one[0]: one for one in counts if oldest <= one[0] <= step + 1}
    kept[step] = _sum(kept.get(step, (step, 0, 0, 0)), more)
    return tuple(sorted(kept.values()))


def _sum(count: Count, more: tuple[int, int, int]) -> Count:
    return count[0], count[1] + more[0], count[2] + more[1], count[3] + more[2]


def is_stale(seen: Sighting, now: datetime, tuning: Tuning = TUNING) -> bool:
    """Nothing in it counts any more."""
    return not seen.counts or seen.counts[-1][0] * STEP < (now - tuning.window - timedelta(seconds=STEP)).timestamp()
