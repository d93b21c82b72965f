"""Breakers without a database: what all processes share, and processes that ask and end attempts. No I/O, own clock."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from aikit.breaker.gates import Gates
from aikit.breaker.machine import closed, forced
from aikit.breaker.model import TUNING, WHOLE, Breaker, Key, Reason, State, Tuning
from aikit.breaker.outcomes import Sighting
from aikit.meter.watch import Watch, moved
from aikit.types import Call, Decision, Ending, Entry, Health, Hold, Order, Tags, new_id

MODEL: Key = ("openai", "gpt-5-mini")
PROVIDER: Key = ("openai", WHOLE)
EPOCH = datetime.fromtimestamp(0, UTC)


@dataclass
class Shared:
    """What the database has: the time, the breakers, what processes have reported. Moves are kept in order."""

    now: datetime = datetime(2026, 11, 21, 10, 30, 2, tzinfo=UTC)
    breakers: dict[Key, Breaker] = field(default_factory=dict)
    sightings: dict[tuple[Key, object], Sighting] = field(default_factory=dict)
    moves: list[tuple[Breaker, Breaker]] = field(default_factory=list)

    def breaker(self, key: Key = MODEL) -> Breaker:
        return self.breakers.get(key) or Breaker(*key, State.CLOSED, EPOCH)

    def put(self, after: Breaker) -> None:
        was = self.breaker(after.key)
        if after != was:
            self.moves.append((was, after))
            self.breakers[after.key] = after._replace(revision=was.revision + 1)

    def pass_time(self, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)

    def force(self, state: State, seconds: float | None, key: Key = MODEL) -> None:
        self.put(forced(self.breaker(key), state, self.now, None if seconds is None else timedelta(seconds=seconds)))

    def reset(self, key: Key = MODEL) -> None:
        self.put(closed(self.breaker(key), self.now, Reason.OPERATOR))


@dataclass
class Process:
    """Admits on what is shared, as the admission of a meter does, and tells how attempts ended."""

    shared: Shared
    tuning: Tuning = TUNING
    watch: Watch = field(default_factory=Watch)

    def ask(self, model: str = MODEL[1]) -> Decision:
        """Admitted if `hold` is there."""
        order = Order(new_id(), Call(new_id(), Tags("acme"), MODEL[0], model, "openai.chat"), 0, 0)
        gates = Gates(0, self.shared.breakers, self.tuning)
        allowed = Decision(order.attempt, "ALLOWED", hold=Hold(order, (), self.shared.now))
        decision = gates.admit(allowed, self.shared.now)
        for breaker in gates.tried.values():
            self.shared.put(breaker)
        return decision

    def end(self, hold: Hold, health: Health, wait: float | None = None, status: int | None = 500) -> None:
        """The attempt ended so; breakers that this concerns are reviewed."""
        entry = Entry(hold, Ending.VOIDED, 0, status=status, health=health, retry_after=wait)
        self.watch.see([entry], self.shared.now, Gates(0, self.shared.breakers, self.tuning))
        due, self.watch.due = self.watch.due, {}
        self.report(lambda key: key in due)
        for key, ended in due.items():
            seen = [sighting for (other, _), sighting in self.shared.sightings.items() if other == key]
            self.shared.put(moved(self.shared.breaker(key), ended, seen, self.shared.now, self.tuning))

    def report(self, wanted: Callable[[Key], bool] = lambda key: True) -> None:
        """The other processes learn what this one has seen."""
        for key, sighting in self.watch.sightings.items():
            if wanted(key):
                self.shared.sightings[key, self.watch.process] = sighting
