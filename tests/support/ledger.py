"""A fresh ledger for each test, copied from a migrated database; a meter on it, real prices, and calls to drive it."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from psycopg.conninfo import conninfo_to_dict

from aikit.database.connect import Database
from aikit.ledger.opening import migrate
from aikit.meter.engine import Meter
from aikit.meter.opening import open_meter
from aikit.meter.prices import PriceRow
from aikit.pricing.price import Price
from aikit.pricing.rates import Rate, complete
from aikit.types import Call, Cost, Decision, Ending, Entry, Hold, Order, Refusal, Tags, Usage, new_id
from support.postgres import create_database, drop_database


def a_price(provider: str, model: str, **rates: str) -> Price:
    """USD per million tokens, `searches` per thousand."""
    given = {name: Rate(Decimal(rate)) for name, rate in rates.items()}
    return Price(provider, model, "test", "1", complete(given))


MINI = a_price("openai", "gpt-4o-mini", input="0.15", output="0.60")
CLAUDE = a_price("anthropic", "claude", input="3", output="15", searches="10")
PRICES = {price.id: price for price in (MINI, CLAUDE)}
SOME = Usage(input=1000, cache_read=200, output=300, reasoning=50)
BOUND = 1_000_000
"""Nano-USD held for an attempt when a test does not say otherwise: more than `SOME` costs at `MINI`."""


@pytest.fixture(scope="session")
def ledger_template(postgres_server: str) -> Iterator[str]:
    """The name of a migrated database to copy. Nobody stays connected to it."""
    dsn = create_database(postgres_server)
    migrate(Database(dsn, False, "test"))
    yield str(conninfo_to_dict(dsn)["dbname"])
    drop_database(dsn)


@pytest.fixture
def ledger(postgres_server: str, ledger_template: str) -> Iterator[Database]:
    """A database with the schema and nothing in it."""
    dsn = create_database(postgres_server, ledger_template)
    yield Database(dsn, False, "test")
    drop_database(dsn)


@dataclass(frozen=True, slots=True)
class Till:
    """Drives real attempts through a meter."""

    meter: Meter

    def ask(self, tenant: str = "acme", nano: int = BOUND, *, price: Price | None = MINI, **tags: str) -> Decision:
        """Order an attempt. `tags` are user, feature and environment."""
        return self.meter.admit(order(tenant, nano, price=price, **tags))

    def admit(self, tenant: str = "acme", nano: int = BOUND, *, price: Price | None = MINI, **tags: str) -> Hold:
        """Order an attempt that must be admitted."""
        decision = self.ask(tenant, nano, price=price, **tags)
        assert decision.hold is not None, decision.reason_code
        return decision.hold

    def spend(self, tenant: str = "acme", usage: Usage = SOME, *, price: Price = MINI, **tags: str) -> Entry:
        """An attempt from beginning to end; posted by the next `flush`."""
        return self.settle(self.admit(tenant, BOUND, price=price, **tags), usage)

    def settle(self, hold: Hold, usage: Usage = SOME) -> Entry:
        """End by what this usage costs at the price of the hold."""
        price = PRICES[str(hold.order.price_id)]
        return self.end(Entry(hold, Ending.SETTLED, price.cost(usage), usage, status=200, duration_ms=5))

    def void(self, hold: Hold) -> Entry:
        return self.end(Entry(hold, Ending.VOIDED, 0, status=500, error="server_error"))

    def presume(self, hold: Hold) -> Entry:
        return self.end(Entry(hold, Ending.PRESUMED_SPENT, hold.order.nano, estimated=True, error="ReadTimeout"))

    def refuse(self, tenant: str | None, code: str = "TENANT_REQUIRED") -> None:
        """Record an attempt that was refused before it was priced."""
        self.meter.refuse(Refusal(order(tenant, 0, price=None), code))

    def end(self, entry: Entry) -> Entry:
        self.meter.end(entry)
        return entry

    def flush(self) -> None:
        assert self.meter.flush()


@pytest.fixture
def open_till(ledger: Database, tmp_path: Path) -> Iterator[Callable[[], Till]]:
    """Opens meters on the ledger, each as another process would; closed at the end."""
    meters: list[Meter] = []

    def opened() -> Till:
        meters.append(open_meter(ledger, tmp_path / str(len(meters)), price_row))
        return Till(meters[-1])

    yield opened
    for meter in meters:
        assert meter.close()


@pytest.fixture
def till(open_till: Callable[[], Till]) -> Till:
    return open_till()


def order(tenant: str | None, nano: int, *, price: Price | None = MINI, **tags: str) -> Order:
    model = price or MINI
    named = Tags(tenant, **{"environment": "prod", **tags})
    call = Call(new_id(), named, model.provider, model.model, f"{model.provider}.chat")
    if price is None:
        return Order(new_id(), call, nano, 0)
    return Order(new_id(), call, nano, 2000, price.id, output_tokens=1000, cost=Cost(((nano, 0),), 1))


def price_row(price_id: str) -> PriceRow:
    price = PRICES[price_id]
    return PriceRow(price.id, price.provider, price.model, price.source, price.version, json.dumps(price.to_json()))


def rows(database: Database, query: str, *arguments: Any) -> list[tuple[Any, ...]]:
    with database.connect(role="test") as connection:
        return connection.execute(query, arguments or None).fetchall()


def tell(database: Database, *statements: str) -> None:
    """Run statements that return nothing, all in one transaction."""
    with database.connect(role="test") as connection, connection.transaction():
        for statement in statements:
            connection.execute(statement)
