"""The breaker's transitions: pure functions of a breaker, what was seen, and the time.

closed ── failures ──► open ── time ──► half open ── probes succeed ──► closed
                        ▲                   │
                        └── a probe fails ──┘  twice as long, up to five minutes
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import NamedTuple
from uuid import UUID

from aikit.breaker.model import TUNING, Breaker, Health, Probe, Reason, Seen, State, Tuning


class Gate(NamedTuple):
    """Whether a call may pass: freely, as a probe, or not; then perhaps at `until` (None: nobody knows)."""

    passes: bool
    probe: bool = False
    until: datetime | None = None


FREE = Gate(True)


def gate(breaker: Breaker | None, now: datetime, tuning: Tuning = TUNING) -> Gate:
    """What the breaker says to a call. One that is switched off for us stops only what a person has forced open."""
    if breaker is None:
        return FREE
    state, until = breaker.state, breaker.until
    over = until is not None and now >= until
    if state in (State.CLOSED, State.FORCED_CLOSED):
        return FREE
    if not tuning.enabled and (state is not State.FORCED_OPEN or over):
        return FREE
    if state in (State.OPEN, State.FORCED_OPEN) and not over:
        return Gate(False, until=until)
    under_way = live(breaker, now)
    if len(under_way) < tuning.probes:
        return Gate(True, probe=True)
    return Gate(False, until=min(probe.until for probe in under_way))


def probing(breaker: Breaker, attempt: UUID, now: datetime, tuning: Tuning = TUNING) -> Breaker:
    """An attempt is let through to see. `gate` must have said so."""
    fresh = breaker.state is not State.HALF_OPEN
    return breaker._replace(
        state=State.HALF_OPEN,
        since=now if fresh else breaker.since,
        until=None,
        successes=0 if fresh else breaker.successes,
        probes=(*live(breaker, now), Probe(attempt, now + tuning.probe_lease)),
    )


def probed(
    breaker: Breaker,
    attempt: UUID,
    outcome: Health,
    now: datetime,
    retry_after: datetime | None = None,
    tuning: Tuning = TUNING,
    *,
    admitted_at: datetime | None = None,
) -> Breaker:
    """What a probe came to. What is none changes nothing; one of a breaker that is open again only makes room.

    Whatever was admitted since it began to probe is a probe, though its lease ran out: else a model that takes longer
    than a lease to answer could never close it, and one that never answers would never open it again.
    """
    others = tuple([probe for probe in breaker.probes if probe.attempt != attempt])
    probing = breaker.state is State.HALF_OPEN
    late = probing and admitted_at is not None and admitted_at >= breaker.since
    if len(others) == len(breaker.probes) and not late:
        return breaker
    breaker = breaker._replace(probes=others)
    if outcome is Health.NEUTRAL or not probing:
        return breaker
    if outcome in (Health.FAILED, Health.QUOTA):
        reason = Reason.QUOTA if outcome is Health.QUOTA else Reason.PROBE_FAILED
        return opened(breaker, reason, now, retry_after, tuning)
    if outcome is Health.SLOW and breaker.reason is Reason.SLOW_CALLS:
        return opened(breaker, Reason.SLOW_CALLS, now, None, tuning)
    if breaker.successes + 1 >= tuning.successes:
        return closed(breaker, now)
    return breaker._replace(successes=breaker.successes + 1)


def reviewed(breaker: Breaker, seen: Seen, now: datetime, tuning: Tuning = TUNING) -> Breaker:
    """A closed breaker after what was seen; any other one is not concerned."""
    if breaker.state is not State.CLOSED:
        return breaker
    reason = _reason(seen, tuning)
    return breaker if reason is None else opened(breaker, reason, now, seen.retry_after, tuning)


def opened(
    breaker: Breaker, reason: Reason, now: datetime, retry_after: datetime | None = None, tuning: Tuning = TUNING
) -> Breaker:
    """Open it: for as long as the provider asks, else twice as long as the last time.

    Probes that are under way still are: no others are let through until they are over.
    """
    if reason is Reason.QUOTA:
        wait = tuning.quota_open
    else:
        wait = min(tuning.open_first * 2 ** min(breaker.trips, 30), tuning.open_longest)
        if retry_after is not None and retry_after > now:
            wait = min(retry_after - now, tuning.retry_after_longest)
    return breaker._replace(
        state=State.OPEN,
        since=now,
        until=now + wait,
        reason=reason,
        trips=breaker.trips + 1,
        successes=0,
        probes=live(breaker, now),
    )


def closed(breaker: Breaker, now: datetime, reason: Reason = Reason.RECOVERED) -> Breaker:
    """Close it, as if it had never been open."""
    return Breaker(breaker.provider, breaker.model, State.CLOSED, now, reason=reason, revision=breaker.revision)


def forced(breaker: Breaker, state: State, now: datetime, lasting: timedelta | None = None) -> Breaker:
    """Force it open or closed, for a time or until it is reset."""
    until = None if lasting is None else now + lasting
    return Breaker(breaker.provider, breaker.model, state, now, until, Reason.OPERATOR, revision=breaker.revision)


def lapsed(breaker: Breaker, now: datetime) -> Breaker:
    """A breaker that was forced closed for a time that is over is closed by its own rules again, since then."""
    until = breaker.until
    if breaker.state is State.FORCED_CLOSED and until is not None and now >= until:
        return closed(breaker, until, Reason.OPERATOR)
    return breaker


def at_work(breaker: Breaker, now: datetime) -> Breaker:
    """The breaker as it works by now: what is open past its time lets probes through, though none has come yet."""
    breaker = lapsed(breaker, now)
    if breaker.state in (State.OPEN, State.FORCED_OPEN) and breaker.until is not None and now >= breaker.until:
        return breaker._replace(state=State.HALF_OPEN, since=breaker.until, until=None)
    return breaker


def live(breaker: Breaker, now: datetime) -> tuple[Probe, ...]:
    """The probes that are under way, as far as anybody knows."""
    return tuple([probe for probe in breaker.probes if probe.until > now])


def _reason(seen: Seen, tuning: Tuning) -> Reason | None:
    if seen.quota:
        return Reason.QUOTA
    if seen.run >= tuning.consecutive:
        return Reason.CONSECUTIVE_FAILURES
    if seen.calls < tuning.least_calls:
        return None
    if 100 * seen.failed >= tuning.failed_percent * seen.calls:
        return Reason.FAILURE_RATE
    if 100 * seen.slow >= tuning.slow_percent * seen.calls:
        return Reason.SLOW_CALLS
    return None
