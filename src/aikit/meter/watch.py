"""What this process has seen of its providers lately, and which breakers that may concern. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from uuid import UUID

from aikit.breaker.gates import Gates
from aikit.breaker.model import WHOLE, Health, Key, State
from aikit.breaker.outcomes import Sighting, is_stale, witness
from aikit.types import Entry, new_id

MOST = 10_000
"""Models that are watched at once: their names come from requests."""
NOTHING = Sighting()


class Watch:
    """For one worker at a time."""

    def __init__(self) -> None:
        self.process = new_id()
        self.sightings: dict[Key, Sighting] = {}
        self.unreported: set[Key] = set()
        """Of these something has been seen that other processes don't know."""
        self.due: dict[Key, list[tuple[UUID, Health, float | None]]] = {}
        """Breakers to review, with what those attempts came to that may have been probes."""

    def see(self, entries: Iterable[Entry], now: datetime, gates: Gates) -> None:
        """Take endings that happened about now."""
        for entry in entries:
            call = entry.hold.order.call
            for model, outcome in ((call.model, of_model(entry)), (WHOLE, of_provider(entry))):
                key = (call.provider, model)
                breaker = gates.breakers.get(key)
                watched = breaker is not None and breaker.state is not State.CLOSED
                if outcome is not Health.NEUTRAL:
                    if len(self.sightings) >= MOST:
                        self.forget(now)
                    before = self.sightings.get(key, NOTHING)
                    self.sightings[key] = witness(before, outcome, now, entry.retry_after)
                    self.unreported.add(key)
                if watched or outcome not in (Health.OK, Health.NEUTRAL):
                    seen = (entry.hold.order.attempt, outcome, entry.retry_after)
                    self.due.setdefault(key, []).append(seen)

    def forget(self, now: datetime) -> None:
        """Forget what counts no more; all of it if that is not enough."""
        self.sightings = {key: seen for key, seen in self.sightings.items() if not is_stale(seen, now)}
        if len(self.sightings) >= MOST:
            self.sightings.clear()
        self.unreported &= self.sightings.keys()


def of_model(entry: Entry) -> Health:
    """What an ending says about the model: an empty account is not the model's fault."""
    return Health.NEUTRAL if entry.health is Health.QUOTA else entry.health


def of_provider(entry: Entry) -> Health:
    """What an ending says about the provider as a whole: one that answers is there, whatever it says."""
    if entry.health is Health.QUOTA or entry.status is None:
        return entry.health
    return Health.OK
