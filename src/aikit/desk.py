"""What all attempts of a kit share: who records them, the prices, and what was found out once."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Protocol

from aikit.breaker.model import TUNING
from aikit.config import Provider
from aikit.guards.matches import CustomGuard
from aikit.notices import Notices
from aikit.policy.access import forbids
from aikit.policy.model import MAX_OUTPUT_TOKENS, Rules
from aikit.pricing.book import PriceBook
from aikit.pricing.cheapest import Offer, candidates, cheapest
from aikit.pricing.price import Price
from aikit.safe import Safe
from aikit.types import Bound, Entry, GuardRule, Hold, Order, Refusal, Tags

MOST_REMEMBERED = 10_000
Globs = tuple[str, ...]


class Recorder(Protocol):
    """Takes what nobody waits for; the meter does."""

    def end(self, entry: Entry) -> None: ...

    def refuse(self, refusal: Refusal) -> None: ...

    def renew(self, hold: Hold) -> None: ...


@dataclass(frozen=True, slots=True)
class Desk:
    """What all attempts of a kit share. `prices` collects the prices of orders by id, for the meter to record."""

    recorder: Recorder
    book: PriceBook
    prices: dict[str, Price]
    nano_per_credit: int
    notify: Notices
    """Takes what becomes known of attempts, for whoever listens."""
    safe: Safe | None = None
    """Encrypts the answers that are kept for idempotency keys; None: none are kept."""
    slow_after: timedelta = TUNING.slow
    """A response that has not begun by then is a slow one."""
    secret: bytes = b""
    """Keys the hashes of what guards find; the database's own."""
    custom: dict[str, CustomGuard] = field(default_factory=dict)
    """Guards of the application, by name."""
    _guards: dict[tuple[str | None, str | None, str | None], tuple[GuardRule, ...]] = field(default_factory=dict)
    _ceilings: dict[Tags, int] = field(default_factory=dict)
    _used: dict[tuple[str, str], Price] = field(default_factory=dict)
    _offers: dict[tuple[str, Globs | None, Globs], list[Price]] = field(default_factory=dict)

    def cheapest(self, provider: Provider, rules: Rules, bound: Bound) -> list[Offer]:
        """The cheapest allowed model that is surely served, then the cheapest of the price book, if there are such."""
        pools = (self._served(provider, rules), self._published(provider.name, rules.allow, rules.deny))
        found = [cheapest(pool, bound, provider.name) for pool in pools]
        return [offer for offer in found if offer is not None]

    def _served(self, provider: Provider, rules: Rules) -> list[Price]:
        """The provider's default model, and those that this process has called."""
        name = provider.name
        default = self.book.find(name, provider.model, at=datetime.now(UTC)) if provider.model else None
        used = [price for (owner, _), price in self._used.items() if owner == name]
        prices = [*used, *([default] if default else [])]
        return [price for price in prices if not forbids(rules.allow, rules.deny, f"{name}/{price.model}")]

    def _published(self, provider: str, allow: Globs | None, deny: Globs) -> list[Price]:
        """The models of the price book that are worth offering; found out once."""
        key = (provider, allow, deny)
        if key not in self._offers:
            if len(self._offers) >= MOST_REMEMBERED:
                self._offers.clear()
            self._offers[key] = candidates(self.book, provider, lambda name: not forbids(allow, deny, name))
        return self._offers[key]

    def served(self, order: Order, price: Price) -> None:
        """Learn that a provider serves a model."""
        if price.service_tier is None and len(self._used) < MOST_REMEMBERED:
            self._used[order.call.provider, order.call.model] = price

    def expected_guards(self, tags: Tags) -> tuple[GuardRule, ...]:
        """The guards that a call with these tags will probably have to pass: those that the last one like it had to."""
        return self._guards.get((tags.tenant, tags.feature, tags.environment), ())

    def learn_guards(self, tags: Tags, rules: tuple[GuardRule, ...]) -> None:
        """Learn which guards a call with these tags has to pass."""
        key = (tags.tenant, tags.feature, tags.environment)
        if rules or key in self._guards:
            if len(self._guards) >= MOST_REMEMBERED:
                self._guards.clear()
            self._guards[key] = rules

    def ceiling(self, tags: Tags) -> int:
        """The output limit that will probably be written into a request with these tags, if it names none."""
        return self._ceilings.get(tags, MAX_OUTPUT_TOKENS)

    def granted(self, order: Order) -> None:
        """Learn what was written into a request that named no output limit."""
        if len(self._ceilings) >= MOST_REMEMBERED:
            self._ceilings.clear()
        self._ceilings[order.call.tags] = order.limit or order.output_tokens
