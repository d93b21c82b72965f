"""Endings that could not be posted: on disk first, in memory as long as this process lives, posted when they can be."""

from __future__ import annotations

import logging
import threading
from collections.abc import Sequence

from aikit.meter.away import Away
from aikit.meter.rows import EndingRow
from aikit.meter.spool import Spool, SpoolFull

log = logging.getLogger("aikit.meter")

MOST = 8192
"""Endings that travel in one batch: all at once could take longer than a batch may."""


class Backlog:
    """For both workers, and for whoever ends an attempt after they have gone."""

    def __init__(self, spool: Spool, away: Away) -> None:
        self._spool = spool
        self._away = away
        self._lock = threading.Lock()
        self._waiting: list[EndingRow] = []
        self._replaying = False
        self.adopt()

    def __bool__(self) -> bool:
        return bool(self._waiting)

    def __len__(self) -> int:
        return len(self._waiting)

    def adopt(self) -> None:
        """Take over what processes have left behind that are no more."""
        found = [EndingRow.of(entry) for entry in self._spool.adopt()]
        with self._lock:
            self._waiting += found

    def keep(self, entries: Sequence[EndingRow], late: Sequence[EndingRow] = ()) -> None:
        """Keep endings; those that are not on disk yet go there first, the process may be gone by then."""
        if entries:
            try:
                self._spool.append([row.entry for row in entries])
            except SpoolFull as error:
                log.critical("%s %d endings are kept in memory only.", error, len(entries))
        with self._lock:
            self._waiting += [*late, *entries]

    def take(self) -> list[EndingRow]:
        """Some of those that wait, one lot at a time; `given_back` says that the lot has been seen to."""
        with self._lock:
            if self._replaying:
                return []
            late, self._waiting = self._waiting[:MOST], self._waiting[MOST:]
            self._replaying = bool(late)
        return late

    def given_back(self) -> None:
        """The lot that was taken has been posted, or is kept again."""
        self._replaying = False

    def posted(self, *, lot: bool) -> None:
        """A batch was posted, with the lot that was taken in it or not: once nothing waits, the files go.

        They stay while an attempt is under way that only they know of.
        """
        if not (self._waiting or self._away.busy) and (lot or not self._replaying):
            self._spool.clear()

    def set_aside(self, row: EndingRow) -> None:
        """Keep an ending that the ledger will never take for a person to look at."""
        self._spool.set_aside([row.entry])

    def release(self) -> None:
        """Stop owning files, without removing them: whoever comes next adopts them."""
        self._spool.release()
