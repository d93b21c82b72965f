"""In whose name evals call: a tenant that is known and has a cap, so that no eval spends without an end."""

from __future__ import annotations

from aikit.database.connect import Database
from aikit.ledger.limits import list_limits
from aikit.ledger.tenants import add_tenant, list_tenants, set_limit
from aikit.money import NANO_PER_USD
from aikit.policy.model import StatedLimit
from aikit.types import Action, Metric, Window

WHO = "aikit eval"
DAILY_NANO = 10 * NANO_PER_USD
"""What the tenant may spend in a day where nobody has stated anything else."""


def settle_in(database: Database, tenant: str) -> bool:
    """Make the tenant known, and cap it if nothing does. True: it was given the cap. Raises DatabaseError."""
    add_tenant(database, tenant, who=WHO, why="evals are metered like everything else")
    if _capped(database, tenant):
        return False
    cap = StatedLimit(Metric.CREDITS, Window.DAY, cap=DAILY_NANO)
    set_limit(database, tenant, cap, who=WHO, why="the default; `aikit limit set` states another")
    return True


def _capped(database: Database, tenant: str) -> bool:
    """It has a limit on money, or somebody has decided that it needs none."""
    limits = list_limits(database, tenant)
    if any(limit.metric is Metric.CREDITS and limit.action is Action.BLOCK for limit in limits):
        return True
    return any(row.uncapped for row in list_tenants(database) if row.tenant == tenant)
