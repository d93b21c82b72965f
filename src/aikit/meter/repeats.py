"""How often the same request was there lately: here, exactly; in other processes, as they last said. Pure."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import OrderedDict
from collections.abc import Iterable, Sequence
from contextlib import AbstractContextManager, nullcontext
from datetime import UTC, datetime
from typing import Any, NamedTuple
from uuid import UUID

from aikit.types import LoopRule, Order, Repeats, new_id

MOST_REQUESTS = 50_000
"""Different requests that are remembered at once; the one that has not been seen for longest is forgotten first."""
MOST_TIMES = 2_000
"""Times that are remembered of one request; a longer loop is counted as so many."""
MOST_DECIDED = 8_192
"""Attempts whose count is remembered, for when their batch is decided again: more than are ever under way."""
TOLD_FROM = 3
"""A request that is there so often within its window is told to the other processes."""
AHEAD = 1.0
"""Seconds by which a time may lie in the future; what is further ahead is of a clock that has been set back."""

Key = tuple[str, str, str]
"""A tenant, whose requests are counted together, and the fingerprint."""
Buckets = Sequence[tuple[int, int]]
"""How many there were in which second since 1970."""


class Told(NamedTuple):
    """What this process has seen of a request, for the others; it is of no use after `until` (seconds since 1970)."""

    key: Key
    buckets: Buckets
    until: float


class Repetitions:
    """What a process has seen, for as long as it lives. With a `lock`, for several threads at once."""

    def __init__(self, lock: AbstractContextManager[Any] | None = None) -> None:
        self._lock = nullcontext() if lock is None else lock
        self.process = new_id()
        self.untold: dict[Key, int] = {}
        """Requests of which the others don't know all, with the seconds of their window."""
        self._times: OrderedDict[Key, list[float]] = OrderedDict()
        self._elsewhere: dict[Key, Buckets] = {}
        self._decided: OrderedDict[UUID, tuple[Key, float, Repeats]] = OrderedDict()

    def see(self, order: Order, rule: LoopRule, now: datetime) -> Repeats:
        """Count an order that is there at `now`; how often its like was there before. Again the same for the same."""
        with self._lock:
            known = self._decided.get(order.attempt)
            if known is not None and known[2].rule == rule:
                return known[2]
            key = (order.call.tenant, rule.subject, order.fingerprint)
            if known is not None:
                self._forget(order.attempt)
            return self._count(order.attempt, key, rule, now.timestamp() if known is None else known[1])

    def unsee(self, attempt: UUID) -> None:
        """Take a count back: nothing was asked that had not been asked before."""
        with self._lock:
            self._forget(attempt)

    def tell(self, now: datetime) -> list[Told]:
        """What the other processes don't know yet: from here on they do."""
        at = now.timestamp()
        told = []
        with self._lock:
            untold, self.untold = self.untold, {}
            for key, seconds in untold.items():
                counts: dict[int, int] = {}
                for time in self._times.get(key, ()):
                    counts[int(time)] = counts.get(int(time), 0) + 1
                told.append(Told(key, sorted(counts.items()), at + seconds))
        return told

    def hear(self, about: Iterable[Told], heard: Iterable[tuple[Key, Buckets]]) -> None:
        """Take all that the others have said about these requests."""
        with self._lock:
            for one in about:
                self._elsewhere.pop(one.key, None)
            for key, buckets in heard:
                if len(self._elsewhere) >= MOST_REQUESTS:
                    self._elsewhere.clear()
                self._elsewhere[key] = [*self._elsewhere.get(key, ()), *buckets]

    def _count(self, attempt: UUID, key: Key, rule: LoopRule, at: float) -> Repeats:
        times = self._recent(key, rule.seconds, at)
        found = self._found(key, rule, times, at)
        times.insert(bisect_right(times, at), at)
        del times[:-MOST_TIMES]
        if len(times) >= TOLD_FROM:
            self.untold[key] = rule.seconds
        self._decided[attempt] = (key, at, found)
        if len(self._decided) > MOST_DECIDED:
            self._decided.popitem(last=False)
        return found

    def _forget(self, attempt: UUID) -> None:
        if (known := self._decided.pop(attempt, None)) is None:
            return
        key, at, _ = known
        times = self._times.get(key, [])
        place = bisect_left(times, at)
        if place < len(times) and times[place] == at:
            del times[place]

    def _recent(self, key: Key, seconds: int, at: float) -> list[float]:
        """The times of a request that still count, in order."""
        times = self._times.get(key)
        if times is not None:
            self._times.move_to_end(key)
            del times[bisect_right(times, at + AHEAD) :]
            del times[: bisect_right(times, at - seconds)]
            return times
        if len(self._times) >= MOST_REQUESTS:
            self._times.popitem(last=False)
        times = self._times[key] = []
        return times

    def _found(self, key: Key, rule: LoopRule, times: Sequence[float], at: float) -> Repeats:
        elsewhere = self._elsewhere.get(key)
        if not (times or elsewhere):
            return Repeats(rule, 0)
        others = [(second, count) for second, count in elsewhere or () if at - rule.seconds <= second <= at]
        seen = len(times) + sum(count for _, count in others)
        if not seen:
            return Repeats(rule, 0)
        first = min([*times[:1], *[second for second, _ in others]])
        return Repeats(rule, seen, datetime.fromtimestamp(first, UTC))
