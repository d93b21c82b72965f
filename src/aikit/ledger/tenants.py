"""Tenants and their limits. A change applies to the very next call of every process."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert

from aikit.database.connect import Database
from aikit.errors import ConfigError
from aikit.ledger.limits import LimitRow, list_limits
from aikit.ledger.reading import check_tags, reading, start_of_day
from aikit.ledger.tables import counters, holds, limits, rollups, state, tenants
from aikit.money import MAX_NANO
from aikit.types import Metric, Window

__all__ = ["LimitRow", "TenantRow", "add_tenant", "list_limits", "list_tenants", "remove_limit", "set_limit"]

BARRIER = (7206071, 1)
"""The advisory lock that every batch of every meter shares; who holds it alone changes policies between batches."""
CAN_BE_SET = (Window.CALL, Window.DAY, Window.WEEK, Window.MONTH, Window.TOTAL)


@dataclass(frozen=True, slots=True)
class TenantRow:
    """A tenant, how many limits it has, and what it has spent since 00:00 UTC, in nano-USD."""

    tenant: str
    uncapped: bool
    created_at: datetime
    limits: int
    nano_today: int


def add_tenant(database: Database, tenant: str, *, uncapped: bool = False) -> bool:
    """Make a tenant known. False: it was there, and stays as it is, `uncapped` or not.

    Raises ConfigError for a name that can't be a tag.
    """
    check_tags(tenant=tenant)
    with _policy_change(database) as connection:
        row = insert(tenants).values(tenant=tenant, uncapped=uncapped).on_conflict_do_nothing()
        return connection.execute(row.returning(tenants.c.tenant)).first() is not None


def list_tenants(database: Database) -> list[TenantRow]:
    """All tenants by name."""
    count = sa.select(sa.func.count()).where(limits.c.tenant == tenants.c.tenant)
    today = sa.select(sa.func.coalesce(sa.func.sum(rollups.c.nano), 0)).where(
        rollups.c.tenant == tenants.c.tenant, rollups.c.hour >= start_of_day()
    )
    query = sa.select(
        tenants.c.tenant, tenants.c.uncapped, tenants.c.created_at, count.scalar_subquery(), today.scalar_subquery()
    ).order_by(tenants.c.tenant)
    with reading(database) as connection:
        return [TenantRow(*row[:4], int(row[4])) for row in connection.execute(query)]


def set_limit(database: Database, tenant: str, metric: Metric, window: Window, cap: int) -> int | None:
    """Set a cap, in nano-USD for credits; returns the one that was in force before, None if there was none.

    Raises ConfigError for an unknown tenant, a limit that can't be set yet, or a cap out of range.
    """
    check_tags(tenant=tenant)
    _check_limit(metric, window, cap)
    with _policy_change(database) as connection:
        if connection.execute(sa.select(tenants.c.tenant).where(tenants.c.tenant == tenant)).first() is None:
            raise ConfigError(
                f"The tenant {tenant!r} is not known.",
                code="TENANT_UNKNOWN",
                remedy=f"Add it: aikit tenant add {tenant}",
            )
        previous: int | None = connection.execute(sa.select(limits.c.cap).where(_is(tenant, metric, window))).scalar()
        if previous is None:
            _forget_counters(connection, tenant, metric, window)
        row = insert(limits).values(tenant=tenant, metric=str(metric), window=str(window), cap=cap)
        connection.execute(row.on_conflict_do_update(index_elements=limits.primary_key, set_={"cap": cap}))
        return previous


def remove_limit(database: Database, tenant: str, metric: Metric, window: Window) -> bool:
    """Remove a limit. False: there was none. A tenant that is left without any may do nothing, unless uncapped."""
    check_tags(tenant=tenant)
    with _policy_change(database) as connection:
        removed = connection.execute(
            sa.delete(limits).where(_is(tenant, metric, window)).returning(limits.c.cap)
        ).first()
        _forget_counters(connection, tenant, metric, window)
        return removed is not None


@contextmanager
def _policy_change(database: Database) -> Iterator[sa.Connection]:
    """A transaction during which no batch is posted, and after which every process reads the policies again."""
    with database.engine().begin() as connection:
        connection.execute(sa.select(sa.func.pg_advisory_xact_lock(*BARRIER)))
        yield connection
        connection.execute(sa.update(state).values(policy_version=state.c.policy_version + 1))


def _forget_counters(connection: sa.Connection, tenant: str, metric: Metric, window: Window) -> None:
    """Delete a limit's counters, and from the holds that list them: when the limit comes back, they are opened anew.

    Each such hold gets a new generation, so that its process learns of it on settling.
    """
    gone = sa.delete(counters).where(
        counters.c.tenant == tenant, counters.c.metric == str(metric), counters.c.window == str(window)
    )
    for key in connection.execute(gone.returning(counters.c.key)).scalars().all():
        connection.execute(
            sa.update(holds)
            .where(holds.c.tenant == tenant, sa.literal(key) == sa.any_(holds.c.counters))
            .values(counters=sa.func.array_remove(holds.c.counters, key), generation=holds.c.generation + 1)
        )


def _is(tenant: str, metric: Metric, window: Window) -> sa.ColumnElement[bool]:
    return sa.and_(limits.c.tenant == tenant, limits.c.metric == str(metric), limits.c.window == str(window))


def _check_limit(metric: Metric, window: Window, cap: int) -> None:
    if metric is not Metric.CREDITS:
        raise ConfigError(f"A limit on {metric} can't be set yet.", remedy="Set one on credits.")
    if window not in CAN_BE_SET:
        raise ConfigError(f"A limit per {window} can't be set yet.", remedy=f"Choose one of {', '.join(CAN_BE_SET)}.")
    if not 0 <= cap <= MAX_NANO:
        raise ConfigError(
            f"A cap of {cap:,} nano-dollars is out of range.", remedy="Give one between zero and nine billion dollars."
        )
