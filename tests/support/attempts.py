"""Orders and endings for tests of the meter, and policies in the database."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from aikit.breaker.model import TUNING, Tuning
from aikit.database.connect import Database
from aikit.ledger.locks import POSTING
from aikit.meter.engine import Meter
from aikit.meter.opening import open_meter
from aikit.meter.prices import PriceRow
from aikit.types import Call, Cost, Decision, Ending, Entry, Hold, Order, Tags, Usage, new_id

NOW = datetime(2026, 11, 21, 10, 30, 12, 345, tzinfo=UTC)


def order(
    tenant: str | None = "acme", nano: int = 100, tokens: int = 20, *, user: str = "u1", price: str | None = "p1"
) -> Order:
    call = Call(new_id(), Tags(tenant, user, "chat", "prod"), "openai", "gpt-4o-mini", "openai.chat")
    return Order(new_id(), call, nano, tokens, price, output_tokens=tokens // 2, cost=Cost(((nano, 0),), 1))


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


def meter_on(database: Database, folder: Path, tuning: Tuning = TUNING) -> Meter:
    return open_meter(database, folder, a_price, tuning=tuning)


def set_policy(database: Database, tenant: str, **body: Any) -> None:
    """The tenant, with a policy of its own that states this: a body as `aikit.policy.record` writes it."""
    name = f"tenant:{tenant}"
    with database.connect(role="test") as connection, connection.transaction():
        connection.execute("SELECT pg_advisory_xact_lock(%s, %s)", POSTING)
        connection.execute("INSERT INTO aikit.tenants VALUES (%s) ON CONFLICT DO NOTHING", (tenant,))
        (version,) = connection.execute("SELECT policy_version + 1 FROM aikit.state").fetchone() or (0,)
        connection.execute("UPDATE aikit.policies SET until = %s WHERE name = %s AND until IS NULL", (version, name))
        body = {"name": name, "scope": {"tenant": tenant}, **body}
        connection.execute(
            "INSERT INTO aikit.policies VALUES (%s, %s, %s, true, %s)", (name, tenant, json.dumps(body), version)
        )
        connection.execute("UPDATE aikit.state SET policy_version = %s", (version,))


def set_limits(database: Database, tenant: str, **caps: int) -> None:
    """`set_limits(db, "acme", month=1000)`: caps on credits in nano-USD by window, beside those on other windows."""
    found = rows(database, "SELECT body FROM aikit.policies WHERE tenant = %s AND until IS NULL", tenant)
    before = found[0][0].get("limits", []) if found else []
    limits = [limit for limit in before if limit["window"] not in caps]
    limits += [{"metric": "credits", "window": window, "cap": cap} for window, cap in caps.items()]
    set_policy(database, tenant, limits=limits)


def rows(database: Database, query: str, *arguments: object) -> list[tuple[Any, ...]]:
    with database.connect(role="test") as connection:
        return connection.execute(query, arguments).fetchall()


def balance(database: Database, tenant: str = "acme") -> dict[str, tuple[int, int]]:
    """Used and held by window."""
    query = 'SELECT "window", used, held FROM aikit.counts WHERE tenant = %s'
    return {window: (used, held) for window, used, held in rows(database, query, tenant)}
