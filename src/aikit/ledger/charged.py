"""What attempts have been charged so far, over all their entries: what a correction starts from."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import sqlalchemy as sa

from aikit.database.connect import Database
from aikit.errors import ConfigError
from aikit.ledger.reading import aware, reading, tenants_in
from aikit.ledger.tables import entries, holds, prices
from aikit.pricing.price import Price
from aikit.types import USAGE_CLASSES, Usage

AT_ONCE = 1000
ID_SLACK = timedelta(hours=1)
"""How far the clock of a process that makes ids may be off for a period to have all of its attempts."""


@dataclass(frozen=True, slots=True)
class Charged:
    """An attempt that has ended. `nano` is the sum of its entries; `usage` and `price` are None where none is known."""

    tenant: str
    attempt: UUID
    call: UUID
    user: str | None
    feature: str | None
    environment: str
    provider: str
    model: str
    api: str
    stream: bool
    admitted_at: datetime
    nano: int
    usage: Usage | None
    price_id: str | None
    price: Price | None

    @property
    def service_tier(self) -> str | None:
        return self.price.service_tier if self.price is not None else None


def charged(database: Database, attempt: UUID) -> Charged:
    """One attempt. Raises ConfigError if it is unknown or still running."""
    with reading(database) as connection:
        names = tenants_in(entries)
        each = _query(names.c.tenant).where(entries.c.attempt == attempt).lateral()
        rows = list(connection.execute(sa.select(each).select_from(names.join(each, sa.true()))).mappings())
        if rows:
            return _charged(rows[0])
        held = tenants_in(holds)
        running = connection.execute(
            sa.select(holds.c.attempt).where(holds.c.tenant == held.c.tenant, holds.c.attempt == attempt)
        ).first()
    raise ConfigError(
        f"The attempt {attempt} is still running." if running else f"The ledger has no attempt {attempt}.",
        facts={"attempt": str(attempt)},
        remedy="Wait until it has ended." if running else "Find it with `aikit calls`; `aikit call ID` lists attempts.",
    )


def charged_between(
    database: Database,
    since: datetime,
    until: datetime | None,
    *,
    tenant: str | None = None,
    provider: str | None = None,
    model: str | None = None,
) -> Iterator[Charged]:
    """The attempts admitted in a period whose usage is on record, but for those that were corrected by hand."""
    by_hand = sa.exists().where(
        _later.c.tenant == entries.c.tenant, _later.c.attempt == entries.c.attempt, _later.c.error == "corrected"
    )
    query = _query(None).where(
        entries.c.ending == "settled",
        entries.c.input.is_not(None),
        entries.c.admitted_at >= aware("since", since),
        entries.c.attempt >= sa.func.aikit.id_at(since - ID_SLACK),
        ~by_hand,
    )
    if until is not None:
        query = query.where(
            entries.c.admitted_at < aware("until", until), entries.c.attempt < sa.func.aikit.id_at(until + ID_SLACK)
        )
    for column, value in ((entries.c.tenant, tenant), (entries.c.provider, provider), (entries.c.model, model)):
        if value is not None:
            query = query.where(column == value)
    with reading(database) as connection:
        streaming = connection.execution_options(stream_results=True, yield_per=AT_ONCE)
        for row in streaming.execute(query.order_by(entries.c.attempt)).mappings():
            yield _charged(row)


_later = entries.alias("later")


def _query(tenant: sa.ColumnElement[str] | None) -> sa.Select[Any]:
    total = (
        sa.select(sa.func.sum(_later.c.nano))
        .where(_later.c.tenant == entries.c.tenant, _later.c.attempt == entries.c.attempt)
        .scalar_subquery()
    )
    newest = (
        sa.select(_later.c.price_id)
        .where(_later.c.tenant == entries.c.tenant, _later.c.attempt == entries.c.attempt)
        .order_by(_later.c.seq.desc())
        .limit(1)
        .scalar_subquery()
    )
    kept = [entries.c[name] for name in ("tenant", "attempt", "call", "user_id", "feature", "environment")]
    kept += [entries.c[name] for name in ("provider", "model", "api", "stream", "admitted_at", *USAGE_CLASSES)]
    body = sa.select(prices.c.body).where(prices.c.price_id == entries.c.price_id).scalar_subquery()
    query = sa.select(*kept, total.label("nano"), newest.label("price_id"), body.label("price")).where(
        entries.c.seq == 0
    )
    return query if tenant is None else query.where(entries.c.tenant == tenant)


def _charged(row: sa.RowMapping) -> Charged:
    return Charged(
        tenant=row["tenant"],
        attempt=row["attempt"],
        call=row["call"],
        user=row["user_id"],
        feature=row["feature"],
        environment=row["environment"],
        provider=row["provider"],
        model=row["model"],
        api=row["api"],
        stream=row["stream"],
        admitted_at=row["admitted_at"],
        nano=int(row["nano"]),
        usage=None if row["input"] is None else Usage(*[row[name] for name in USAGE_CLASSES]),
        price_id=row["price_id"],
        price=None if row["price"] is None else Price.from_json(row["price"]),
    )
