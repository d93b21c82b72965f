"""The limits of all tenants at once, and where chosen ones stand: for whoever looks at them again and again."""

from __future__ import annotations

from collections.abc import Sequence

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql as pg

from aikit.ledger.limits import read_tenants
from aikit.ledger.limits_in_force import Asked, Slot, Tenant, in_force, slot_of
from aikit.ledger.tables import counts, plan_holders, policies, tenants
from aikit.types import Limit

ALL = Asked(None, None, None)


def tenant_names(connection: sa.Connection) -> list[str]:
    """All tenants."""
    return list(connection.execute(sa.select(tenants.c.tenant)).scalars())


def changed_since(connection: sa.Connection, version: int) -> set[str] | None:
    """The tenants for which something else is stated than at this version of all policies; None: maybe for all."""
    later = [
        sa.select(table.c.tenant).where(sa.or_(table.c.since > version, table.c.until > version))
        for table in (policies, plan_holders)
    ]
    found = connection.execute(sa.union(*later, sa.select(tenants.c.tenant).where(tenants.c.since > version)))
    names = set(found.scalars())
    return None if None in names else names


def some_tenants(connection: sa.Connection, names: Sequence[str]) -> list[Tenant]:
    """These tenants, with the policies that limit something."""
    return read_tenants(connection, names, ALL)


def limits_of(tenant: Tenant) -> tuple[Limit, ...]:
    """The limits of a tenant; those that count each user, or each feature, by itself once, with EACH."""
    return tuple([limit for limit, _ in in_force(tenant, ALL, ())])


def slots_of(connection: sa.Connection, wanted: Sequence[tuple[str, Limit]]) -> list[Slot | None]:
    """The open slot of each of these tenants' limits; None where no call has opened it yet. A look by key for each."""
    if not wanted:
        return []
    tenants, subjects = [name for name, _ in wanted], [limit.subject for _, limit in wanted]
    asked = (
        sa.func.unnest(sa.cast(tenants, pg.ARRAY(sa.Text)), sa.cast(subjects, pg.ARRAY(sa.Text)))
        .table_valued("tenant", "subject", name="asked")
        .render_derived()
    )
    distinct = sa.select(asked.c.tenant, asked.c.subject).distinct().subquery()
    names = ("tenant", "subject", "name", "window_start", "used", "held", "previous")
    query = sa.select(*[counts.c[name] for name in names]).join_from(
        distinct, counts, sa.and_(counts.c.tenant == distinct.c.tenant, counts.c.subject == distinct.c.subject)
    )
    found = {(row[0], row[1], row[2]): Slot(*row[1:]) for row in connection.execute(query).all()}
    return [found.get((name, limit.subject, slot_of(limit))) for name, limit in wanted]
