"""Orders and endings for tests of the meter, and policies in the database."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from aikit.database.connect import Database
from aikit.meter.engine import Meter
from aikit.meter.opening import open_meter
from aikit.meter.poster import PriceRow
from aikit.types import Call, Decision, Ending, Entry, Hold, Order, Tags, Usage, new_id

NOW = datetime(2026, 11, 21, 10, 30, 12, 345, tzinfo=UTC)


def order(
    tenant: str | None = "acme", nano: int = 100, tokens: int = 20, *, user: str = "u1", price: str | None = "p1"
) -> Order:
    call = Call(new_id(), Tags(tenant, user, "chat", "prod"), "openai", "gpt-4o-mini", "openai.chat")
    return Order(new_id(), call, nano, tokens, price)


SOME = Usage(input=12, output=7)


def settled(decision: Decision, nano: int, usage: Usage | None = SOME) -> Entry:
    return Entry(held(decision), Ending.SETTLED, nano, usage, status=200, duration_ms=5)


def voided(decision: Decision) -> Entry:
    return Entry(held(decision), Ending.VOIDED, 0, status=500)


def held(decision: Decision) -> Hold:
    assert decision.hold is not None, decision.reason_code
    return decision.hold


def a_price(price_id: str) -> PriceRow:
    return PriceRow(price_id, "openai", "gpt-4o-mini", "test", "1", "{}")


def meter_on(database: Database, folder: Path) -> Meter:
    return open_meter(database, folder, a_price)


def set_limits(database: Database, tenant: str, **caps: int) -> None:
    """`set_limits(db, "acme", month=1000)`: caps on credits in nano-USD by window."""
    with database.connect(role="test") as connection, connection.transaction():
        connection.execute("SELECT pg_advisory_xact_lock(7206071, 1)")
        connection.execute("INSERT INTO aikit.tenants VALUES (%s) ON CONFLICT DO NOTHING", (tenant,))
        for window, cap in caps.items():
            connection.execute(
                "INSERT INTO aikit.limits VALUES (%s, 'credits', %s, %s) "
                'ON CONFLICT (tenant, metric, "window") DO UPDATE SET cap = excluded.cap',
                (tenant, window, cap),
            )
        connection.execute("UPDATE aikit.state SET policy_version = policy_version + 1")


def rows(database: Database, query: str, *arguments: object) -> list[tuple[Any, ...]]:
    with database.connect(role="test") as connection:
        return connection.execute(query, arguments).fetchall()


def balance(database: Database, tenant: str = "acme") -> dict[str, tuple[int, int]]:
    """Used and held by window."""
    query = 'SELECT "window", used, held FROM aikit.counters WHERE tenant = %s'
    return {window: (used, held) for window, used, held in rows(database, query, tenant)}
