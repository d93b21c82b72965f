"""The limits of all tenants at once, and where chosen ones stand: for whoever looks at them again and again."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql as pg

from aikit.ledger.limits import read_tenants
from aikit.ledger.limits_in_force import Asked, Slot, Tenant, in_force, slot_of
from aikit.ledger.tables import counts
from aikit.types import Limit

ALL = Asked(None, None, None)
Resolved = dict[tuple[object, ...], tuple[Limit, ...]]
"""The limits of tenants for which the same is stated."""


def all_tenants(connection: sa.Connection) -> list[Tenant]:
    """The tenants, with the policies that limit something."""
    return read_tenants(connection, None, ALL)


def all_limits(tenants: Iterable[Tenant], known: Resolved) -> tuple[dict[str, tuple[Limit, ...]], Resolved]:
    """The limits of each of these tenants; those that count each user, or each feature, by itself once, with EACH.

    Tenants for which the same is stated have the same limits: they are resolved once. `known` is what was resolved the
    last time; what was this time comes back with them.
    """
    found, resolved = {}, Resolved()
    told: dict[int, str] = {}
    for tenant in tenants:
        policies = tuple([told.setdefault(id(policy), repr(policy)) for policy in tenant.policies.values()])
        key = tenant.plan, policies, tenant.user_plans, tuple(sorted(tenant.plan_of.items()))
        if key not in resolved:
            resolved[key] = known.get(key) or tuple([limit for limit, _ in in_force(tenant, ALL, ())])
        found[tenant.name] = resolved[key]
    return found, resolved


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
