"""What the console shows, read from the ledger: one frozen snapshot a tick, in one transaction on one connection."""

from __future__ import annotations

import gc
from collections.abc import Callable
from functools import cached_property
from pathlib import Path
from time import monotonic
from typing import TYPE_CHECKING, Any, TypeVar

from aikit.console.filtering import Filter
from aikit.console.model import Overview, Page, Period, Query, Snapshot, Tab
from aikit.console.reading import overview, prompts
from aikit.console.reading.audit import read_audit
from aikit.console.reading.breakers import read_breakers
from aikit.console.reading.calls import read_calls
from aikit.console.reading.caps import Caps
from aikit.console.reading.header import Spooled, read_header
from aikit.console.reading.limits import Limits
from aikit.console.reading.line import Line, Tick
from aikit.console.reading.live import Clocks, Live
from aikit.console.reading.plot import Minutes, hourly
from aikit.console.reading.sums import Sums
from aikit.console.reading.took import Took
from aikit.database.connect import Database
from aikit.ledger.breakers import BreakerRow, list_breakers

if TYPE_CHECKING:
    from aikit.console.reading.evals import Evals

GROUPED = ("tenant", "feature", "provider", "model")
"""What the sums are kept by, and so what the filter can pick from them without reading again."""
PICKED = ("user", "environment", "prompt")
"""What has to be read again to pick by."""
MOST_KEPT = 6
Kept = TypeVar("Kept")


class Reader:
    """A `Source`. It remembers sums of what is over, and reads what may have changed. For one thread at a time."""

    def __init__(self, database: Database, *, environment: str | None, evals: Path | None, spool: Path | None) -> None:
        """`evals` is the folder of the evals, `spool` that in which this machine spools for this database."""
        self.database, self.environment = database, environment
        self.line = Line(database)
        self._spooled, self._evals_folder = Spooled(spool), evals
        self._live: dict[tuple[tuple[str, ...], Filter], Live] = {}
        self._sums: dict[tuple[tuple[str, ...], Filter, Period], Sums] = {}
        self._caps, self._took, self._limits = Caps(), Took(), Limits()
        self._minutes, self._prompts = Minutes(), prompts.Prompts()
        self._settled = False

    def read(self, query: Query) -> Snapshot:
        """What is looked at, as it is now. Takes a few seconds at most, where the server hangs.

        Raises DatabaseUnavailable, SchemaBehind, DatabaseError; it can be asked again.
        """
        began = monotonic()
        with self.line.tick() as tick:
            self._caps.refresh(tick)
            clocks = Clocks(tick, len(self._caps.names))
            breakers = list_breakers(tick.connection)
            known = _of_calls(query)
            today = self._advanced(tick, GROUPED, known, Period.TODAY, query, clocks)
            page = self._page(tick, query, breakers, clocks)
            self._caps.go_on(tick)
            header = read_header(
                tick,
                database=self.database.name,
                environment=self.environment,
                today=today,
                wanted=known,
                caps=self._caps,
                breakers=breakers,
                spooled=self._spooled.read(),
            )
        took = round((monotonic() - began) * 1000)
        snapshot = Snapshot(tick.now, query, header, page, took)
        if not self._settled:
            self._settled = snapshot.read == 1
            gc.freeze()  # what is there by now stays: no tick has to wait until all of it was looked through
        return snapshot

    def close(self) -> None:
        """Hang up. Whoever reads again connects again."""
        self.line.close()

    @cached_property
    def _evals(self) -> Evals:
        """For whoever looks at them: they bring all that decides on runs with them."""
        from aikit.console.reading.evals import Evals

        return Evals(self._evals_folder)

    def _page(self, tick: Tick, query: Query, breakers: list[BreakerRow], clocks: Clocks) -> Page:
        match query.tab:
            case Tab.OVERVIEW:
                return self._overview(tick, query, breakers, clocks)
            case Tab.CALLS:
                return read_calls(tick, query.filter)
            case Tab.LIMITS:
                return self._limits.read(tick, self._caps, query.filter)
            case Tab.BREAKERS:
                return read_breakers(tick, breakers, query.filter)
            case Tab.PROMPTS:
                sums = self._advanced(tick, prompts.BY, Filter(), query.period, query, clocks)
                return self._prompts.read(tick, sums, query.filter)
            case Tab.EVALS:
                return self._evals.read(query.filter)
            case Tab.AUDIT:
                return read_audit(tick, query.filter)

    def _overview(self, tick: Tick, query: Query, breakers: list[BreakerRow], clocks: Clocks) -> Overview:
        sums = self._advanced(tick, GROUPED, query.filter, query.period, query, clocks)
        if query.period is Period.HOUR:
            plot = self._minutes.read(tick, query.filter)
        else:
            plot = hourly(query.period, tick.now, sums.since, *sums.hours(_unpicked(query.filter)))
        return overview.read_overview(
            tick,
            sums=sums,
            wanted=_unpicked(query.filter),
            plot=plot,
            caps=self._caps,
            took=self._took,
            breakers=breakers,
        )

    def _advanced(
        self, tick: Tick, by: tuple[str, ...], wanted: Filter, period: Period, query: Query, clocks: Clocks
    ) -> Sums:
        """The sums by these columns of what the filter picks, up to now."""
        where = Filter(wanted.only(*PICKED).terms)
        live: Live = _kept(self._live, (by, where), lambda: Live(by, where))
        sums: Sums = _kept(self._sums, (by, where, period), lambda: Sums(live))
        looked_at = query.tab is Tab.OVERVIEW and period is query.period
        sums.advance(tick, period.since(tick.now), _unpicked(query.filter) if looked_at else None, clocks)
        return sums


def _kept(known: dict[Any, Kept], key: object, make: Callable[[], Kept]) -> Kept:
    """What is known by this key, or made now; what nobody has asked for since many others goes."""
    found = known[key] = known.pop(key, None) or make()
    while len(known) > MOST_KEPT:
        del known[next(iter(known))]
    return found


def _of_calls(query: Query) -> Filter:
    """The terms that mean something for the sums of calls; on other tabs than the overview, only those with a field."""
    words = tuple([term for term in query.filter.terms if term.field is None]) if query.tab is Tab.OVERVIEW else ()
    return Filter((*query.filter.only(*GROUPED, *PICKED).terms, *words))


def _unpicked(wanted: Filter) -> Filter:
    """Without the terms that are picked in SQL."""
    return Filter(tuple([term for term in wanted.terms if term.field not in PICKED]))
