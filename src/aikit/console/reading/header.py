"""The header: what today came to, what is in flight, what is wrong. For what the filter lets through."""

from __future__ import annotations

import os
from datetime import timedelta
from pathlib import Path

import sqlalchemy as sa

from aikit.breaker.model import State
from aikit.console.filtering import Filter
from aikit.console.model import Header
from aikit.console.reading.caps import Caps
from aikit.console.reading.line import Tick
from aikit.console.reading.live import SETTLING, hour_of
from aikit.console.reading.sums import Sums
from aikit.console.reading.sweep import CALLS, ESTIMATED, FAILED, HOUR, NANO, REFUSED, UNPRICED
from aikit.console.reading.terms import Fields, conditions
from aikit.ledger.breakers import BreakerRow
from aikit.ledger.tables import holds
from aikit.meter.spooled import look

MICROSECOND = timedelta(microseconds=1)
WORDS = ("tenant", "feature", "provider", "model")
HELD: Fields = {
    "tenant": holds.c.tenant,
    "user": holds.c.user_id,
    "feature": holds.c.feature,
    "environment": holds.c.environment,
    "provider": holds.c.provider,
    "model": holds.c.model,
    "prompt": holds.c.prompt,
}
STOPPED = (State.OPEN, State.HALF_OPEN, State.FORCED_OPEN)


def read_header(
    tick: Tick,
    *,
    database: str,
    environment: str | None,
    today: Sums,
    wanted: Filter,
    caps: Caps,
    breakers: list[BreakerRow],
    spooled: int | None,
) -> Header:
    """`today` are the sums of today. `wanted` has the terms that mean something here."""
    unpicked = Filter(tuple([term for term in wanted.terms if term not in today.where.terms]))
    totals, spent = today.totals(unpicked), today.spent(unpicked)
    rates = _rates(tick, today, unpicked)
    spending = [name for name, nano in spent.items() if nano > 0]
    shown = _shown(caps, wanted, spent)
    budget, known = caps.budget(tick, shown, spending, lambda name: rates.get(name, 0))
    held = sa.select(sa.func.count(), sa.func.coalesce(sa.func.sum(holds.c.nano), 0).cast(sa.BigInteger))
    in_flight, nano = tick.connection.execute(held.where(*conditions(wanted, HELD, words=WORDS))).one()
    return Header(
        database=database,
        environment=environment,
        spent=totals[NANO],
        rate=sum(rates.values()),
        budget=budget,
        calls=totals[CALLS],
        refused=totals[REFUSED],
        failed=totals[FAILED],
        estimated=totals[ESTIMATED],
        unpriced=totals[UNPRICED],
        in_flight=in_flight,
        held=nano,
        spooled=spooled,
        open_breakers=sum(row.breaker.state in STOPPED for row in breakers),
        read=today.read,
        caps_read=known,
    )


def _shown(caps: Caps, wanted: Filter, spent: dict[str, int]) -> list[str]:
    """The tenants of the filter: by their names if that is all it names, else those with calls today that fit."""
    if all(term.field == "tenant" for term in wanted.terms):
        return [name for name in caps.limits if wanted.fits({"tenant": name})] if wanted else list(caps.limits)
    return list(spent)


def _rates(tick: Tick, today: Sums, wanted: Filter) -> dict[str, int]:
    """Nano-USD an hour of each tenant: this hour's so far; in its first ten minutes with its part of the last."""
    hour = hour_of(tick.now)
    elapsed, length = (tick.now - hour) // MICROSECOND, HOUR // MICROSECOND
    fresh = today.fresh(wanted)
    this, last = fresh.this_hour, fresh.last_hour
    if tick.now - hour >= SETTLING:
        return {name: nano * length // elapsed for name, nano in this.items()}
    carried = {name: nano * (length - elapsed) // length for name, nano in last.items()}
    return {name: this.get(name, 0) + carried.get(name, 0) for name in this.keys() | last.keys()}


class Spooled:
    """How many endings wait in this machine's spool; read again when a file has changed."""

    def __init__(self, folder: Path | None) -> None:
        self._folder = folder
        self._seen: tuple[object, ...] | None = None
        self._endings = 0

    def read(self) -> int | None:
        """None: there is no spool here, or it can't be read."""
        if self._folder is None:
            return None
        try:
            with os.scandir(self._folder) as found:
                files = tuple(sorted((file.name, file.stat().st_size, file.stat().st_mtime_ns) for file in found))
        except FileNotFoundError:
            return 0
        except OSError:
            return None
        if files != self._seen:
            self._endings, self._seen = look(self._folder).endings, files
        return self._endings
