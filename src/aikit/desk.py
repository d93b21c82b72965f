"""What all attempts of a kit share: who records them, the prices, and what was found out once."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol
from weakref import WeakSet

from aikit.policy.access import forbids
from aikit.policy.model import MAX_OUTPUT_TOKENS
from aikit.pricing.book import PriceBook
from aikit.pricing.cheapest import candidates
from aikit.pricing.price import Price
from aikit.types import Decision, Entry, Order, Refusal, Tags

MOST_REMEMBERED = 10_000
Globs = tuple[str, ...]


class Recorder(Protocol):
    """Takes what nobody waits for; the meter does."""

    def end(self, entry: Entry) -> None: ...

    def refuse(self, refusal: Refusal) -> None: ...


class Unfinished(Protocol):
    """A stream under way."""

    def finish(self) -> bytes: ...


@dataclass(frozen=True, slots=True)
class Desk:
    """What all attempts of a kit share. `prices` collects the prices of orders by id, for the meter to record."""

    recorder: Recorder
    book: PriceBook
    prices: dict[str, Price]
    nano_per_credit: int
    notify: Callable[[Decision], None]
    """Takes decisions that crossed a soft cap or a cap that only warns."""
    streams: WeakSet[Unfinished] = field(default_factory=WeakSet)
    """Streams under way; whoever closes the kit ends them."""
    _ceilings: dict[Tags, int] = field(default_factory=dict)
    _offers: dict[tuple[str, Globs | None, Globs], list[Price]] = field(default_factory=dict)

    def offers(self, provider: str, allow: Globs | None, deny: Globs) -> list[Price]:
        """The models of a provider that are worth offering where another is too dear; found out once."""
        key = (provider, allow, deny)
        if key not in self._offers:
            if len(self._offers) >= MOST_REMEMBERED:
                self._offers.clear()
            self._offers[key] = candidates(self.book, provider, lambda name: not forbids(allow, deny, name))
        return self._offers[key]

    def ceiling(self, tags: Tags) -> int:
        """The output limit that will probably be written into a request with these tags, if it names none."""
        return self._ceilings.get(tags, MAX_OUTPUT_TOKENS)

    def granted(self, order: Order) -> None:
        """Learn what was written into a request that named no output limit."""
        if len(self._ceilings) >= MOST_REMEMBERED:
            self._ceilings.clear()
        self._ceilings[order.call.tags] = order.output_tokens
