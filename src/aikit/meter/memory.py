"""What a process believes of its database: the time there, the policies, the counters, the prices on record."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

import psycopg

from aikit.breaker.gates import Gates
from aikit.breaker.model import TUNING, Tuning
from aikit.meter.counters import Counters
from aikit.meter.plan import Batch, Callers, Needs, refs_of
from aikit.meter.prices import PriceRow, Prices
from aikit.meter.queries import PRICE, PRICES, STANDING
from aikit.meter.repeats import Repetitions
from aikit.meter.reviewing import read_breakers
from aikit.meter.rulebook import Rulebook
from aikit.policy.model import CounterRef

log = logging.getLogger("aikit.meter")

PATIENCE = 16
"""After losing a race, this many quiet batches are decided under locks before an unlocked one is tried again."""
CACHE = 100_000


class Memory:
    """All of it may be wrong by now, which the database says when a batch is posted. `lock` guards it."""

    def __init__(
        self,
        connection: psycopg.Connection[Any],
        prices: Prices,
        tuning: Tuning = TUNING,
        repeats: Repetitions | None = None,
    ) -> None:
        self.lock = threading.Lock()
        self.epoch = 0
        """Rises when what batches were planned on is no longer believed."""
        self.patience = 0
        self.rulebook = Rulebook()
        self.version = 0
        """The version of the policies that the rules are of."""
        self.outdated = False
        """The policies or the breakers have changed since they were read."""
        self.gates = Gates(tuning=tuning)
        self.repeats = repeats or Repetitions()
        self._counters: dict[CounterRef, Counters] = {}
        self._find_price = prices
        self._on_record: set[str | None] = {None, *[row[0] for row in connection.execute(PRICES)]}
        self.read_standing(connection)

    def new_epoch(self, *, forget: bool) -> None:
        """What has been planned is void; with `forget` the counters may have been left as nobody knows."""
        self.epoch += 1
        if forget:
            self._counters.clear()
            self.outdated = self.outdated or bool(self.gates.breakers)

    def callers(self, batch: Batch) -> Callers | None:
        """The rules for whoever asks in the batch; None if they, or prices to be recorded, must be read first."""
        callers = self.rulebook.find(batch.asking)
        known = callers is not None and self._on_record.issuperset(prices_of(batch, callers))
        return callers if known else None

    def standing(self, batch: Batch, needed: Needs) -> dict[CounterRef, Counters] | None:
        """The counters that the batch touches; None if one of them, or one of their slots, is not known."""
        found = {}
        for ref in refs_of(batch, needed):
            counters = self._counters.get(ref)
            if counters is None or not counters.slots.keys() >= needed.get(ref, {}).keys():
                return None
            found[ref] = counters
        return found

    def remember(self, standing: Mapping[CounterRef, Counters]) -> None:
        """The counters as they stand now."""
        if len(self._counters) > CACHE:
            self._counters.clear()
        self._counters.update(standing)

    def judge_the_race(self, standing: Mapping[CounterRef, Counters]) -> None:
        """Would an unlocked batch have been accepted on these counters? Then it is worth trying again soon."""
        known = [(self._counters[ref], found) for ref, found in standing.items() if ref in self._counters]
        if known:
            quiet = all(last.revision == found.revision for last, found in known)
            self.patience = max(0, self.patience - 1) if quiet else PATIENCE

    def record_prices(self, connection: psycopg.Connection[Any], used: set[str | None]) -> None:
        """Each price is on record before anything is charged at it."""
        for price_id in used - self._on_record:
            of_policy = self.rulebook.prices.get(str(price_id))
            try:
                row = PriceRow.of(of_policy) if of_policy else self._find_price(str(price_id))
            except LookupError:  # of an ending that another process has left behind
                log.error("price %s is not known here, so what it was made of is not on record", price_id)
            else:
                connection.execute(PRICE, tuple(row))
            self._on_record.add(price_id)

    def read_standing(self, connection: psycopg.Connection[Any]) -> None:
        """Read the time and the versions of policies and breakers; forget what is of another version."""
        row = connection.execute(STANDING).fetchone()
        assert row is not None
        version, breaker_version, at = row
        self.set_clock(at)
        if self.outdated or breaker_version != self.gates.version:
            self.gates = Gates(breaker_version, read_breakers(connection), self.gates.tuning)
        self.outdated = False
        if version != self.version:
            self.version = version
            self.rulebook.clear()
            self._counters.clear()  # some may have been opened anew, and a revision says nothing about those

    def set_clock(self, at: datetime) -> None:
        self._clock = (at, time.monotonic())

    def now(self) -> datetime:
        """The database's time, as far as one can tell from here."""
        at, ticks = self._clock
        return at + timedelta(seconds=time.monotonic() - ticks)


def prices_of(batch: Batch, callers: Callers) -> set[str | None]:
    """The ids of all prices that the batch charges at, None among them."""
    used = {row.order.price_id for row in batch.orders} | {row.entry.price_id for row in batch.entries}
    used |= {row.entry.hold.order.price_id for row in batch.entries if row.entry.hold.opened}
    used |= {id for row in batch.unheld for id in (row.entry.price_id, row.entry.hold.order.price_id)}
    used |= {correction.entry.price_id for correction in batch.corrections}
    return used | {rules.unpriced.id for rules in callers if rules is not None and rules.unpriced is not None}
