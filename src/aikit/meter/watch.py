"""What this process has seen of its providers lately, and which breakers that may concern. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import NamedTuple
from uuid import UUID

from aikit.breaker.gates import Gates
from aikit.breaker.machine import lapsed, probed, reviewed
from aikit.breaker.model import TUNING, WHOLE, Breaker, Health, Key, State, Tuning
from aikit.breaker.outcomes import Sighting, is_stale, together, witness
from aikit.types import Entry, new_id

MOST = 10_000
"""Models that are watched at once: their names come from requests."""
NOTHING = Sighting()
WELL = (Health.OK,)
"""Outcomes that concern no breaker but one that may be probing."""
PROBED = (State.OPEN, State.HALF_OPEN)
"""How a breaker stands that even a success may concern."""


class Ended(NamedTuple):
    """How an attempt ended that may have been a probe. `retry_after` is in seconds."""

    attempt: UUID
    outcome: Health
    retry_after: float | None
    admitted_at: datetime


class Watch:
    """For one worker at a time."""

    def __init__(self) -> None:
        self.process = new_id()
        self.sightings: dict[Key, Sighting] = {}
        self.unreported: set[Key] = set()
        """Of these something has been seen that other processes don't know."""
        self.due: dict[Key, list[Ended]] = {}
        """Breakers to review, with what those attempts came to that may have been probes."""

    def see(self, entries: Iterable[Entry], now: datetime, gates: Gates) -> None:
        """Take endings that happened about now."""
        if not gates.tuning.enabled:
            return
        probed = any(breaker.state in PROBED for breaker in gates.breakers.values())
        well: dict[tuple[str, str, Health], int] = {}
        for entry in entries:
            if probed or entry.health not in WELL:
                self._see(entry, now, gates)
            else:  # nearly all of them, so they are counted together
                call = entry.hold.order.call
                what = (call.provider, call.model, entry.health)
                well[what] = well.get(what, 0) + 1
        for (provider, model, outcome), times in well.items():
            self._witness((provider, model), outcome, now, gates.tuning, times=times)
            self._witness((provider, WHOLE), Health.OK, now, gates.tuning, times=times)

    def _see(self, entry: Entry, now: datetime, gates: Gates) -> None:
        hold = entry.hold
        call = hold.order.call
        for model, outcome in ((call.model, of_model(entry)), (WHOLE, of_provider(entry))):
            key = (call.provider, model)
            breaker = gates.breakers.get(key)
            watched = breaker is not None and breaker.state in PROBED
            if outcome is not Health.NEUTRAL:
                self._witness(key, outcome, now, gates.tuning, entry.retry_after)
            if watched or outcome not in (Health.OK, Health.NEUTRAL):
                ended = Ended(hold.order.attempt, outcome, entry.retry_after, hold.admitted_at)
                self.due.setdefault(key, []).append(ended)

    def _witness(
        self,
        key: Key,
        outcome: Health,
        now: datetime,
        tuning: Tuning,
        retry_after: float | None = None,
        times: int = 1,
    ) -> None:
        if len(self.sightings) >= MOST:
            self.forget(now, tuning)
        before = self.sightings.get(key, NOTHING)
        self.sightings[key] = witness(before, outcome, now, retry_after, tuning, times=times)
        self.unreported.add(key)

    def forget(self, now: datetime, tuning: Tuning = TUNING) -> None:
        """Forget what counts no more; all of it if that is not enough."""
        self.sightings = {key: seen for key, seen in self.sightings.items() if not is_stale(seen, now, tuning)}
        if len(self.sightings) >= MOST:
            self.sightings.clear()
        self.unreported &= self.sightings.keys()


def moved(
    breaker: Breaker, ended: Iterable[Ended], sightings: Iterable[Sighting], now: datetime, tuning: Tuning = TUNING
) -> Breaker:
    """The breaker after these endings, of which some may have been probes, and all that was seen."""
    breaker = lapsed(breaker, now)
    for attempt, outcome, wait, admitted_at in ended:
        asked = None if wait is None else now + timedelta(seconds=wait)
        breaker = probed(breaker, attempt, outcome, now, asked, tuning, admitted_at=admitted_at)
    return reviewed(breaker, together(sightings, breaker.since, now, tuning), now, tuning)


def of_model(entry: Entry) -> Health:
    """What an ending says about the model: an empty account is not the model's fault."""
    return Health.NEUTRAL if entry.health is Health.QUOTA else entry.health


def of_provider(entry: Entry) -> Health:
    """What an ending says about the provider as a whole: one that answers is there, whatever it says."""
    if entry.health is Health.QUOTA or entry.status is None:
        return entry.health
    return Health.OK
