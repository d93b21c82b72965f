"""Tenants and the limits of their own. A change applies to the very next call of every process."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from typing import Literal

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert

from aikit.database.connect import Database
from aikit.errors import ConfigError
from aikit.ledger.changing import Change, changing
from aikit.ledger.plans import check_tenant, move
from aikit.ledger.policies import put, read_policy
from aikit.ledger.reading import Readable, check_tags, reading, start_of_day
from aikit.ledger.tables import plan_holders, policies, rollups, tenants
from aikit.money import MAX_NANO
from aikit.policy.changes import Counted, counted_by
from aikit.policy.model import Policy, Scope, StatedLimit
from aikit.policy.windows import check_zone
from aikit.types import Action, Metric, Window

__all__ = ["TenantRow", "add_tenant", "list_tenants", "remove_limit", "set_limit"]


@dataclass(frozen=True, slots=True)
class TenantRow:
    """A tenant, its plan, how many limits of its own it has, and what it has spent since 00:00 UTC, in nano-USD."""

    tenant: str
    plan: str | None
    uncapped: bool
    created_at: datetime
    limits: int
    nano_today: int


def add_tenant(
    database: Database,
    tenant: str,
    *,
    plan: str | None = None,
    uncapped: bool = False,
    who: str | None = None,
    why: str | None = None,
) -> bool:
    """Make a tenant known. False: it was there, and stays as it is, whatever `plan` and `uncapped` say.

    Raises ConfigError for a name that can't be a tag, or an unknown plan.
    """
    check_tags(tenant=tenant)
    with changing(database, who, why) as change:
        row = insert(tenants).values(tenant=tenant, since=change.version).on_conflict_do_nothing()
        if change.connection.execute(row.returning(tenants.c.tenant)).first() is None:
            return False
        change.record("tenant.add", tenant, tenant=tenant, before=None, after={"plan": plan, "uncapped": uncapped})
        if plan is not None:
            move(change, tenant, plan)
        if uncapped:
            put(change, replace(_own_policy(change, tenant), uncapped=True))
        return True


def list_tenants(database: Readable) -> list[TenantRow]:
    """All tenants by name."""
    own = sa.and_(policies.c.name == "tenant:" + tenants.c.tenant, policies.c.until.is_(None))
    held = sa.and_(
        plan_holders.c.tenant == tenants.c.tenant, plan_holders.c.user_id == "", plan_holders.c.until.is_(None)
    )
    today = sa.select(sa.func.coalesce(sa.func.sum(rollups.c.nano), 0)).where(
        rollups.c.tenant == tenants.c.tenant, rollups.c.hour >= start_of_day()
    )
    query = (
        sa.select(
            tenants.c.tenant,
            plan_holders.c.plan,
            sa.func.coalesce(policies.c.body["uncapped"].as_boolean(), sa.false()),
            tenants.c.created_at,
            sa.func.coalesce(sa.func.jsonb_array_length(policies.c.body["limits"]), 0),
            today.scalar_subquery(),
        )
        .select_from(tenants.outerjoin(policies, own).outerjoin(plan_holders, held))
        .order_by(tenants.c.tenant)
    )
    with reading(database) as connection:
        return [TenantRow(*row[:5], int(row[5])) for row in connection.execute(query)]


def set_limit(
    database: Database, tenant: str, limit: StatedLimit, *, who: str | None = None, why: str | None = None
) -> StatedLimit | None:
    """Set a limit of a tenant's own, in the policy `tenant:NAME`. Returns the one that was in force, if there was one.

    A limit on the same metric, window and subject with the same action is replaced. Raises ConfigError for an unknown
    tenant, or a limit that means nothing.
    """
    check_tags(tenant=tenant)
    check_limit(limit)
    with changing(database, who, why) as change:
        check_tenant(change.connection, tenant)
        policy = _own_policy(change, tenant)
        limits = {counted_by(stated): stated for stated in policy.limits}
        put(change, replace(policy, limits=tuple((limits | {counted_by(limit): limit}).values())))
        return limits.get(counted_by(limit))


def remove_limit(
    database: Database,
    tenant: str,
    metric: Metric,
    window: Window,
    *,
    action: Action = Action.BLOCK,
    each: Literal["user", "feature"] | None = None,
    who: str | None = None,
    why: str | None = None,
) -> bool:
    """Remove a limit of a tenant's own. False: there was none. Limits of its plan, or for all, stay.

    A tenant that no limit is left for may do nothing, unless it is uncapped. Raises ConfigError for an unusable name.
    """
    check_tags(tenant=tenant)
    with changing(database, who, why) as change:
        policy = _own_policy(change, tenant)
        unwanted = Counted(metric, window, action, each)
        left = tuple([limit for limit in policy.limits if counted_by(limit) != unwanted])
        if left == policy.limits:
            return False
        put(change, replace(policy, limits=left))
        return True


ANCHORS = {Window.DAY: 23, Window.WEEK: 6, Window.MONTH: 27}
"""The last hour, weekday and day of the month, from 0, that a window can start at."""


def check_limit(limit: StatedLimit) -> None:
    """Raises ConfigError for a limit that means nothing or is out of range."""
    for wrong, message, remedy in (
        (
            not 0 <= limit.cap <= MAX_NANO,
            f"A cap of {limit.cap:,} is out of range.",
            "Give one between zero and nine billion dollars, or nine trillion tokens.",
        ),
        (
            limit.soft_cap is not None and not 0 <= limit.soft_cap < limit.cap,
            "A soft cap must be below the cap.",
            "Lower the soft cap, or leave it out.",
        ),
        (
            limit.metric is Metric.CONCURRENCY and limit.window is not Window.TOTAL,
            "Calls at once are not counted over a window.",
            "Leave the window out.",
        ),
        (
            limit.metric is Metric.REQUESTS and limit.window is Window.CALL,
            "A call is one request.",
            "Choose another window.",
        ),
        (
            limit.window is Window.CALL and limit.each is not None,
            "A limit on each call counts nobody.",
            "Leave `each` out, or choose another window.",
        ),
        (
            limit.window not in ANCHORS and (limit.zone != "UTC" or limit.anchor != 0),
            f"A limit per {limit.window} has no time zone and no anchor.",
            "Leave them out, or choose day, week or month.",
        ),
        (
            not 0 <= limit.anchor <= ANCHORS.get(limit.window, 0),
            f"A {limit.window} can't start at {limit.anchor}.",
            f"Choose a start between 0 and {ANCHORS.get(limit.window, 0)}.",
        ),
    ):
        if wrong:
            raise ConfigError(message, remedy=remedy)
    try:
        check_zone(limit.zone)
    except ValueError as error:
        raise ConfigError(f"Of the limit's start, {error}.", remedy="Leave the time zone out for UTC.") from None


def _own_policy(change: Change, tenant: str) -> Policy:
    own = Policy(f"tenant:{tenant}", Scope(tenant=tenant))
    stored = read_policy(change.connection, own.name)
    if stored is not None and stored.policy.scope != own.scope:
        raise ConfigError(
            f"The policy {own.name!r} is for something else: {stored.policy.scope.label}.",
            remedy="Give it another name in policies.toml.",
        )
    return stored.policy if stored else own
