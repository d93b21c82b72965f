"""The limits in force, and where each one stands now."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from fractions import Fraction

import sqlalchemy as sa

from aikit.database.connect import Database
from aikit.ledger.in_force import Household, InForce, limits_in_force
from aikit.ledger.reading import check_tags, database_time, reading
from aikit.ledger.slots import Slots, read_slots, states
from aikit.ledger.tables import plan_holders, policies, tenants
from aikit.policy.model import Policy
from aikit.policy.record import from_body
from aikit.policy.subject import Subject, subject_of
from aikit.types import Action, LimitState, Metric, Window

METRICS, WINDOWS = list(Metric), list(Window)


@dataclass(frozen=True, slots=True)
class LimitRow:
    """A limit in its current window; amounts in the metric's unit, for credits nano-USD.

    `counts` says whom it counts, in words; "" is the whole tenant. `carried` is what a sliding window still counts of
    the one before. `used`, `held`, `carried` and `remaining` are None for a limit of each of many of whom none has been
    seen yet. `resets_at` None: never.
    """

    tenant: str
    metric: Metric
    window: Window
    cap: int
    soft_cap: int | None
    action: Action
    source: str
    counts: str
    used: int | None
    held: int | None
    carried: int | None
    remaining: int | None
    resets_at: datetime | None
    zone: str = "UTC"
    anchor: int = 0

    @property
    def share(self) -> Fraction | None:
        """How much of the cap is counted: 1 is all of it. None: unknown, or for a limit on each call."""
        if self.remaining is None or self.window is Window.CALL:
            return None
        counted = (self.used or 0) + (self.held or 0) + (self.carried or 0)
        return Fraction(counted, self.cap) if self.cap else Fraction(1 + counted)


def list_limits(
    database: Database,
    tenant: str | None = None,
    user: str | None = None,
    feature: str | None = None,
    environment: str | None = None,
    *,
    nearest: bool = False,
) -> list[LimitRow]:
    """The limits that calls with these tags can meet, by tenant and source, or those `nearest` to their cap first.

    A tag that is not given may be anything. A slot that no call has opened yet is shown as it will be opened: with what
    is used and held in its window. Raises ConfigError for an unusable tag.
    """
    check_tags(tenant=tenant, user=user, feature=feature, environment=environment)
    given = Subject(environment, feature, user)
    with reading(database) as connection:
        now = database_time(connection)
        slots = read_slots(connection, tenant, given)
        found = [
            (home.tenant, each)
            for home in _households(connection, tenant, slots)
            for each in limits_in_force(home, given)
        ]
        counted = [(name, each.limit) for name, each in found if each.counter]
        standing = iter(states(connection, counted, slots, now))
    rows = [_row(name, each, next(standing) if each.counter else None) for name, each in found]
    return sorted(rows, key=_nearest if nearest else _by_source)


def _households(connection: sa.Connection, tenant: str | None, slots: Slots) -> Iterator[Household]:
    """The tenant that is asked for, or all, with their policies, plans and the subjects that have counters."""
    stated: dict[str | None, list[Policy]] = {}
    bodies = sa.select(policies.c.tenant, policies.c.body).where(policies.c.until.is_(None), _of(policies, tenant))
    for name, body in connection.execute(bodies):
        stated.setdefault(name, []).append(from_body(body))
    plans: dict[str, dict[str, str]] = {}
    columns = plan_holders.c
    holders = sa.select(columns.tenant, columns.user_id, columns.plan)
    for name, user, plan in connection.execute(holders.where(columns.until.is_(None), _of(plan_holders, tenant))):
        plans.setdefault(name, {})[user] = plan
    seen: dict[str, set[str]] = {}
    for name, key, _ in slots:
        seen.setdefault(name, set()).add(key)
    for name in connection.execute(sa.select(tenants.c.tenant).where(_of(tenants, tenant))).scalars():
        on = plans.get(name, {})
        subjects = [subject_of(key) for key in sorted(seen.get(name, ()))]
        yield Household(name, on.pop("", None), [*stated.get(None, ()), *stated.get(name, ())], on, subjects)


def _of(table: sa.Table, tenant: str | None) -> sa.ColumnElement[bool]:
    """The rows of one tenant and those for all tenants; or simply all rows."""
    column = table.c.tenant
    return sa.true() if tenant is None else sa.or_(column == tenant, column.is_(None))


def _row(tenant: str, found: InForce, state: LimitState | None) -> LimitRow:
    limit = found.limit
    used = held = over = remaining = resets_at = None
    if state is not None:
        used, held, over, remaining, resets_at = state.used, state.held, state.carried, state.remaining, state.resets_at
    return LimitRow(
        tenant,
        limit.metric,
        limit.window,
        limit.cap,
        limit.soft_cap,
        limit.action,
        limit.source,
        found.counts,
        used,
        held,
        over,
        remaining,
        resets_at,
        limit.zone,
        limit.anchor,
    )


def _by_source(row: LimitRow) -> tuple[str, str, int, int, str, str]:
    return row.tenant, row.source, METRICS.index(row.metric), WINDOWS.index(row.window), row.action, row.counts


def _nearest(row: LimitRow) -> tuple[bool, Fraction, tuple[str, str, int, int, str, str]]:
    share = row.share
    return share is None, -(share or Fraction(0)), _by_source(row)
