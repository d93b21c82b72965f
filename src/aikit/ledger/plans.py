"""Plans and who is on them: tenants, and users with a plan of their own."""

from __future__ import annotations

from dataclasses import dataclass

import sqlalchemy as sa

from aikit.database.connect import Database
from aikit.errors import ConfigError
from aikit.ledger.changing import Change, changing
from aikit.ledger.policies import defined_plans, read_plans, read_set
from aikit.ledger.reading import Readable, check_tags, reading
from aikit.ledger.tables import plan_holders, tenants
from aikit.policy.model import Scope

IN_FORCE = plan_holders.c.until.is_(None)


@dataclass(frozen=True, slots=True)
class PlanRow:
    """A plan: what it gives, how many limits it states, how many tenants and users are on it."""

    plan: str
    description: str | None
    entitlements: tuple[str, ...]
    limits: int
    tenants: int
    users: int


@dataclass(frozen=True, slots=True)
class HolderRow:
    """Who is on a plan, since which policy version; `user` None: the tenant itself."""

    tenant: str
    user: str | None
    plan: str
    since: int


def list_plans(database: Readable) -> list[PlanRow]:
    """The plans that are defined, by name."""
    with reading(database) as connection:
        found = read_set(connection)
        counts = {
            plan: (in_all - users, users)
            for plan, in_all, users in connection.execute(
                sa.select(
                    plan_holders.c.plan,
                    sa.func.count(),
                    sa.func.count().filter(plan_holders.c.user_id != ""),
                )
                .where(IN_FORCE)
                .group_by(plan_holders.c.plan)
            )
        }
    rows = []
    for plan in sorted(defined_plans(found.policies)):
        own = [stored.policy for stored in found.policies if stored.policy.scope == Scope(plan=plan)]
        stated = [policy for policy in own if policy.entitlements is not None]
        first = max(stated or own, key=lambda policy: policy.priority)
        limits = sum(len(stored.policy.limits) for stored in found.policies if stored.policy.scope.plan == plan)
        on_it = counts.get(plan, (0, 0))
        rows.append(PlanRow(plan, first.description, first.entitlements or (), limits, *on_it))
    return rows


def list_holders(database: Readable, tenant: str | None = None) -> list[HolderRow]:
    """Who is on which plan, by tenant and user; of one tenant or of all."""
    check_tags(tenant=tenant)
    columns = plan_holders.c
    query = sa.select(columns.tenant, sa.func.nullif(columns.user_id, ""), columns.plan, columns.since)
    query = query.where(IN_FORCE).order_by(columns.tenant, columns.user_id)
    if tenant is not None:
        query = query.where(columns.tenant == tenant)
    with reading(database) as connection:
        return [HolderRow(*row) for row in connection.execute(query)]


def set_plan(
    database: Database,
    tenant: str,
    plan: str | None,
    *,
    user: str | None = None,
    who: str | None = None,
    why: str | None = None,
) -> str | None:
    """Move a tenant, or one of its users, onto a plan, None for none. Returns the plan before.

    It applies to the very next call. Raises ConfigError for an unknown tenant (TENANT_UNKNOWN) or plan (PLAN_UNKNOWN).
    """
    check_tags(tenant=tenant, user=user)
    with changing(database, who, why) as change:
        check_tenant(change.connection, tenant)
        return move(change, tenant, plan, user)


def move(change: Change, tenant: str, plan: str | None, user: str | None = None) -> str | None:
    """The same, as part of a change under way."""
    if plan is not None:
        _check_plan(change.connection, plan)
    who = sa.and_(plan_holders.c.tenant == tenant, plan_holders.c.user_id == (user or ""), IN_FORCE)
    before: str | None = change.connection.execute(sa.select(plan_holders.c.plan).where(who)).scalar()
    if before == plan:
        return before
    change.connection.execute(sa.update(plan_holders).where(who).values(until=change.version))
    if plan is not None:
        row = {"tenant": tenant, "user_id": user or "", "plan": plan, "since": change.version}
        change.connection.execute(sa.insert(plan_holders).values(**row))
    subject = tenant if user is None else f"{tenant}/{user}"
    change.record("plan.move", subject, tenant=tenant, before=before, after=plan)
    change.reopen_counters([tenant])
    return before


def plans_at(
    connection: sa.Connection, tenant: str, user: str | None, version: int
) -> tuple[bool, str | None, str | None]:
    """Whether the tenant was known at a version, the plan it was on, and the plan of one of its users."""
    known = connection.execute(
        sa.select(tenants.c.tenant).where(tenants.c.tenant == tenant, tenants.c.since <= version)
    ).first()
    columns = plan_holders.c
    then = sa.and_(columns.since <= version, sa.or_(columns.until.is_(None), columns.until > version))
    holders = sa.select(columns.user_id, columns.plan).where(
        columns.tenant == tenant, columns.user_id.in_({"", user or ""}), then
    )
    found: dict[str, str] = {row.user_id: row.plan for row in connection.execute(holders)}
    return known is not None, found.get(""), found.get(user) if user else None


def check_tenant(connection: sa.Connection, tenant: str) -> None:
    """Raises ConfigError for an unknown tenant."""
    if connection.execute(sa.select(tenants.c.tenant).where(tenants.c.tenant == tenant)).first() is None:
        raise ConfigError(
            f"The tenant {tenant!r} is not known.", code="TENANT_UNKNOWN", remedy=f"Add it: aikit tenant add {tenant}"
        )


def _check_plan(connection: sa.Connection, plan: str) -> None:
    known = read_plans(connection)
    if plan not in known:
        names = ", ".join(sorted(known))
        raise ConfigError(
            f"There is no plan {plan!r}.",
            code="PLAN_UNKNOWN",
            facts={"known": sorted(known)},
            remedy=f"Known are {names}; define others as [plans.NAME] in policies.toml."
            if known
            else "Define it as [plans.NAME] in policies.toml, and apply that: aikit policy apply policies.toml.",
        )
