"""The counters of a subject as a process knows them: what is used and held of each limit in its current window.

All attempts of a subject are counted in all of its slots. A slot rolls on in place when a new window has begun; a
sliding one keeps what the window before came to. An attempt counts in the window that it was admitted in.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache

from aikit.policy.model import CounterRef
from aikit.policy.windows import SLIDING
from aikit.types import Entry, Metric, Order, Window

METRICS = tuple(Metric)
PLACE = {metric: place for place, metric in enumerate(METRICS)}

Amounts = tuple[int, int, int, int, int, int]
"""An amount of each metric, in the order of `METRICS`."""
NOTHING: Amounts = (0, 0, 0, 0, 0, 0)


class Counter:
    """One slot. `start` is the second since 1970 at which its window began, `previous` all of the window before."""

    __slots__ = ("held", "previous", "start", "used")

    def __init__(self, start: int, used: int = 0, held: int = 0, previous: int = 0) -> None:
        self.start = start
        self.used = used
        self.held = held
        self.previous = previous

    def roll(self, start: int, length: int) -> None:
        """Go on to the window that starts at `start`; `length` is that of a sliding window in seconds, else 0."""
        self.previous = self.used + self.held if length and self.start == start - length else 0
        self.start, self.used, self.held = start, 0, 0


class Counters:
    """All slots of one subject, by name, and the revision of the row that they were read from or will be written to."""

    __slots__ = ("_carriers", "revision", "slots")

    def __init__(self, revision: int, names: Sequence[str], amounts: Sequence[int]) -> None:
        self.revision = revision
        self.slots = {name: Counter(*amounts[4 * i : 4 * i + 4]) for i, name in enumerate(names)}
        self._carriers = [(*slot_kind(name), counter) for name, counter in self.slots.items()]

    def hold(self, amounts: Amounts) -> None:
        """An attempt was admitted in the current window: reserve the most it can use."""
        for place, _, counter in self._carriers:
            counter.held += amounts[place]

    def settle(self, at: float, reserved: Amounts, spent: Amounts) -> None:
        """An attempt that was admitted at `at` (seconds since 1970) has ended."""
        for place, length, counter in self._carriers:
            if at >= counter.start:
                counter.used += spent[place]
                counter.held -= reserved[place]
            elif length and at >= counter.start - length:
                counter.previous += spent[place] - reserved[place]

    def extend(self, at: float, more: Amounts) -> None:
        """An attempt that was admitted at `at` reserves this much more."""
        for place, length, counter in self._carriers:
            if at >= counter.start:
                counter.held += more[place]
            elif length and at >= counter.start - length:
                counter.previous += more[place]

    def correct(self, at: float, more: Amounts) -> None:
        """What an attempt that was admitted at `at` used is this much more than was said."""
        for place, length, counter in self._carriers:
            if at >= counter.start:
                counter.used += more[place]
            elif length and at >= counter.start - length:
                counter.previous += more[place]

    def amounts(self) -> str:
        """The slots as PostgreSQL reads an array."""
        return ",".join([f"{c.start},{c.used},{c.held},{c.previous}" for c in self.slots.values()])


Standing = Mapping[CounterRef, Counters]


@lru_cache(maxsize=4096)
def slot_kind(name: str) -> tuple[int, int]:
    """What the slot of this name counts (a place in `METRICS`), and the seconds of a sliding window, else 0."""
    metric, _, window = name.partition("/")
    sliding = SLIDING.get(Window(window.partition("@")[0]))
    return PLACE[Metric(metric)], int(sliding.total_seconds()) if sliding else 0


def reserves(order: Order) -> Amounts:
    """The most that an order uses of each metric."""
    output = order.output_tokens
    return (order.nano, order.tokens, order.tokens - output, output, 1, 1)


def spends(entry: Entry) -> Amounts:
    """What an ending used of each metric. Tokens that nobody reported count as the hold's, if anything was charged."""
    usage = entry.usage
    if usage is not None:
        read, written = usage.input_tokens, usage.output_tokens
    elif entry.nano:
        order = entry.hold.order
        read, written = order.tokens - order.output_tokens, order.output_tokens
    else:
        read = written = 0
    return (entry.nano, read + written, read, written, 1, 0)


def charge(entries: Iterable[Entry], standing: Standing) -> None:
    """Turn the holds of attempts into what they really used, in the counters of all their subjects."""
    carrying: dict[tuple[str, tuple[str, ...]], list[Counters]] = {}
    for entry in entries:
        hold = entry.hold
        group = (hold.order.call.tenant, hold.subjects)
        rows = carrying.get(group)
        if rows is None:
            tenant, subjects = group
            found = [standing.get((tenant, subject)) for subject in subjects]
            rows = carrying[group] = [row for row in found if row is not None]
        if rows:
            at, reserved, spent = hold.admitted_at.timestamp(), reserves(hold.order), spends(entry)
            for row in rows:
                row.settle(at, reserved, spent)
