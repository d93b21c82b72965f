"""The first snapshot, read while the screen that is to show it is still being made."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future
from time import monotonic

from aikit.console.model import Query, Snapshot, Source

FRESH = 2.0
"""Seconds for which what was read ahead may be shown as what there is now."""


class Ahead:
    """A `Source` that begins at once to read what will be asked for first; from then on it is the one behind it."""

    def __init__(self, source: Source, query: Query, clock: Callable[[], float] = monotonic) -> None:
        self._source, self._query, self._clock = source, query, clock
        self._first: Future[Snapshot] | None = Future()
        self._read_at = 0.0
        threading.Thread(target=self._begin, args=(self._first,), name="aikit-top-first", daemon=True).start()

    def read(self, query: Query) -> Snapshot:
        """As the source does it. The first answer is the one that was read ahead, if that was asked for, and is fresh;
        what went wrong with it is raised.
        """
        first, self._first = self._first, None
        if first is not None:
            problem = first.exception()  # waits: the source is for one thread at a time
            if query == self._query and self._clock() - self._read_at < FRESH:
                if problem is not None:
                    raise problem
                return first.result()
        return self._source.read(query)

    def close(self) -> None:
        self._source.close()

    def _begin(self, first: Future[Snapshot]) -> None:
        try:
            snapshot = self._source.read(self._query)
        except BaseException as error:
            self._read_at = self._clock()
            first.set_exception(error)
        else:
            self._read_at = self._clock()
            first.set_result(snapshot)
