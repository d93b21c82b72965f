"""The limits in force, resolved from the policies as the meter resolves them, and where each one stands now."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from fractions import Fraction
from functools import lru_cache
from heapq import nlargest
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql as pg

from aikit.ledger.limits_in_force import EACH, Asked, Counted, Slot, Tenant, in_force, slot_of
from aikit.ledger.reading import Readable, check_tags, database_time, reading
from aikit.ledger.tables import counts, plan_holders, policies, tenants
from aikit.policy.model import Policy
from aikit.policy.record import from_body
from aikit.policy.subject import subject_of
from aikit.policy.windows import SLIDING, bounds, carried
from aikit.types import Action, Limit, Metric, Window

METRICS, WINDOWS = list(Metric), list(Window)
NEAREST = 20
"""Of the users, or features, that a limit counts each by itself, those nearest to their cap are listed."""
MICROSECOND = timedelta(microseconds=1)
OLDEST = {
    Window.MINUTE: timedelta(minutes=2),
    Window.HOUR: timedelta(hours=2),
    Window.DAY: timedelta(days=3),
    Window.WEEK: timedelta(days=9),
    Window.MONTH: timedelta(days=33),
}
"""A slot whose window started longer ago has nothing in it that still counts."""
UNOPENED = """
    SELECT w.i, aikit.counted(w.tenant, w.environment, w.feature, w.user_id, w.metric, w.start, NULL),
           coalesce(h.held, 0),
           CASE WHEN w.before IS NULL THEN 0 ELSE coalesce(h.held_before, 0) + aikit.counted(
               w.tenant, w.environment, w.feature, w.user_id, w.metric, w.before, w.start) END
    FROM jsonb_to_recordset(CAST(:wanted AS jsonb)) w (
        i int, tenant text, environment text, feature text, user_id text, metric text, start timestamptz,
        before timestamptz)
    LEFT JOIN LATERAL (
        SELECT sum(x.amount) FILTER (WHERE h.admitted_at >= w.start) AS held,
               sum(x.amount) FILTER (WHERE h.admitted_at >= w.before AND h.admitted_at < w.start) AS held_before
        FROM aikit.holds h, LATERAL (SELECT CASE w.metric
            WHEN 'credits' THEN h.nano
            WHEN 'tokens' THEN h.tokens
            WHEN 'input_tokens' THEN h.tokens - h.output_tokens
            WHEN 'output_tokens' THEN h.output_tokens
            ELSE 1 END) x (amount)
        WHERE h.tenant = w.tenant AND (w.environment IS NULL OR h.environment = w.environment)
          AND (w.feature IS NULL OR coalesce(h.feature, '') = w.feature)
          AND (w.user_id IS NULL OR coalesce(h.user_id, '') = w.user_id)) h ON true"""
"""What slots that no call has opened yet will be opened with, as `aikit.open_counter` does it."""

Standing = tuple[str, Limit, Slot | None]
"""A limit of a tenant, and its slot; None: it counts nothing over time, or nobody has come to it yet."""

window_at = lru_cache(maxsize=4096)(bounds)


@dataclass(frozen=True, slots=True)
class LimitRow:
    """A limit in its current window; amounts in the metric's unit, for credits nano-USD.

    `counts` says in words whose attempts it counts together: "" is the whole tenant. What a sliding window carries over
    is part of `used`. `used`, `held` and `remaining` are None for a limit on each user that no user has come to yet.
    `resets_at` None: never, or at each call.
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
    remaining: int | None
    resets_at: datetime | None
    zone: str

    @property
    def share(self) -> Fraction | None:
        """How much of the cap is used and held, 1 for all of it; a cap of 0 always is. None: nothing to tell."""
        if self.used is None or self.held is None or self.window is Window.CALL:
            return None
        return Fraction(self.used + self.held, self.cap) if self.cap else Fraction(1)


def list_limits(
    database: Readable,
    tenant: str | None = None,
    *,
    user: str | None = None,
    feature: str | None = None,
    environment: str | None = None,
    nearest: bool = False,
) -> list[LimitRow]:
    """The limits of a tenant, or of all; those for calls of a user, of a feature or in an environment, if given.

    A limit that counts each user, or each feature, by itself is listed for the 20 of them that are nearest to their
    cap, and once as `each user` as long as there are none. Sorted by tenant and what is counted, or, with `nearest`,
    by how much of the cap is left. Raises ConfigError for a tag that can't be one.
    """
    check_tags(tenant=tenant, user=user, feature=feature, environment=environment)
    asked = Asked(user, feature, environment)
    with reading(database) as connection:
        now = database_time(connection)
        slots = _slots(connection, _of(counts.c.tenant, tenant), asked, now)
        tenants = read_tenants(connection, tenant, asked)
        rows = [limit_row(*one, now) for one in _standings(connection, tenants, asked, slots, now)]
    rows.sort(key=lambda row: (row.tenant, row.counts, METRICS.index(row.metric), WINDOWS.index(row.window), row.cap))
    if nearest:
        rows.sort(key=lambda row: -1 if row.share is None else row.share, reverse=True)
    return rows


def nearest_of(connection: sa.Connection, tenants: Sequence[Tenant], now: datetime) -> list[Standing]:
    """The limits of these tenants and where each stands; of those that count each user or feature, the nearest 20."""
    asked = Asked(None, None, None)
    named = counts.c.tenant == sa.func.any(sa.cast([tenant.name for tenant in tenants], pg.ARRAY(sa.Text)))
    return _standings(connection, tenants, asked, _slots(connection, named, asked, now), now)


def _standings(
    connection: sa.Connection, tenants: Sequence[Tenant], asked: Asked, slots: Mapping[str, list[Slot]], now: datetime
) -> list[Standing]:
    found: list[Standing] = []
    unopened = []
    for each in tenants:
        groups = in_force(each, asked, slots.get(each.name, ()))
        for limit, slot in [one for group in groups for one in _listed(*group, now)]:
            if slot is None and limit.window is not Window.CALL and EACH not in limit.subject:
                unopened.append((each.name, limit))
            else:
                found.append((each.name, limit, slot))
    counted = opened(connection, unopened, now)
    return found + [(*one, slot) for one, slot in zip(unopened, counted, strict=True)]


def _listed(limit: Limit, counted: list[Counted], now: datetime) -> list[Counted]:
    """Of those that a limit counts one by one, the nearest to the cap."""
    if not counted:
        return [(limit, None)]
    if len(counted) <= NEAREST:
        return counted
    return nlargest(NEAREST, counted, key=lambda one: sum(standing(one[0], one[1], now)) if one[1] else 0)


def standing(limit: Limit, slot: Slot, now: datetime) -> tuple[int, int]:
    """What is used, with what is carried over, and held in the window of the present moment."""
    start, end = _window(limit, max(now, slot.start))
    used, held, previous = slot.used, slot.held, slot.previous
    length = SLIDING.get(limit.window)
    if slot.start < start:
        previous = used + held if length and slot.start == start - length else 0
        used = held = 0
    if length and previous:
        assert end is not None
        used += carried(previous, max(0, (now - start) // MICROSECOND), length // MICROSECOND)
    return used, held


def limit_row(tenant: str, limit: Limit, slot: Slot | None, now: datetime) -> LimitRow:
    used, held, left, end = None, None, None, None
    if limit.window is Window.CALL:
        used, held, left = 0, 0, limit.cap
    else:
        end = _window(limit, now)[1]
    if slot is not None:
        used, held = standing(limit, slot, now)
        left = max(0, limit.cap - used - held)
    words = subject_of(limit.subject).words
    for name in ("user", "feature"):
        words = words.replace(f"{name} {EACH}", f"each {name}")
    return LimitRow(
        tenant=tenant,
        metric=limit.metric,
        window=limit.window,
        cap=limit.cap,
        soft_cap=limit.soft_cap,
        action=limit.action,
        source=limit.source,
        counts=words,
        used=used,
        held=held,
        remaining=left,
        resets_at=end,
        zone=limit.zone,
    )


def _window(limit: Limit, moment: datetime) -> tuple[datetime, datetime | None]:
    return window_at(limit.window, moment.replace(second=0, microsecond=0), limit.zone, limit.anchor)


def read_tenants(connection: sa.Connection, tenant: str | Sequence[str] | None, asked: Asked) -> list[Tenant]:
    """One tenant, these, or all of them, with the policies that limit something."""
    everywhere: dict[str, Policy] = {}
    own: defaultdict[str, dict[str, Policy]] = defaultdict(dict)
    wanted = sa.or_(policies.c.tenant.is_(None), _of(policies.c.tenant, tenant))
    for (body,) in connection.execute(sa.select(policies.c.body).where(policies.c.until.is_(None), wanted)):
        policy = from_body(body)
        if policy.limits:
            (everywhere if policy.scope.tenant is None else own[policy.scope.tenant])[policy.name] = policy
    scopes = [policy.scope for group in (everywhere, *own.values()) for policy in group.values()]
    users = frozenset([asked.user, *[scope.user for scope in scopes]])
    features = frozenset([asked.feature, *[scope.feature for scope in scopes]])
    user = plan_holders.c.user_id
    holders = sa.select(plan_holders.c.tenant, sa.case((user.in_(users - {None}), user)), plan_holders.c.plan)
    plans: defaultdict[str, set[str]] = defaultdict(set)
    plan_of: defaultdict[str, dict[str, str]] = defaultdict(dict)
    in_force = plan_holders.c.until.is_(None), _of(plan_holders.c.tenant, tenant)
    for name, who, plan in connection.execute(holders.where(user != "", *in_force).distinct()):
        plans[name].add(plan)
        if who is not None:
            plan_of[name][who] = plan
    of_tenant = sa.and_(plan_holders.c.tenant == tenants.c.tenant, user == "", plan_holders.c.until.is_(None))
    found = sa.select(tenants.c.tenant, plan_holders.c.plan).outerjoin(plan_holders, of_tenant)
    return [
        Tenant(name, plan, everywhere | own.get(name, {}), users, features, frozenset(plans[name]), plan_of[name])
        for name, plan in connection.execute(found.where(_of(tenants.c.tenant, tenant)))
    ]


def _slots(
    connection: sa.Connection, whose: sa.ColumnElement[bool], asked: Asked, now: datetime
) -> defaultdict[str, list[Slot]]:
    """The open slots of each of the tenants; of single users only those whose window can still count."""
    own_plan = sa.and_(
        plan_holders.c.tenant == counts.c.tenant,
        plan_holders.c.user_id == counts.c.user_id,
        plan_holders.c.user_id != "",
        plan_holders.c.until.is_(None),
    )
    recent = [sa.and_(counts.c.window == str(w), counts.c.window_start > now - age) for w, age in OLDEST.items()]
    names = ("tenant", "subject", "name", "window_start", "used", "held", "previous")
    query = (
        sa.select(*[counts.c[name] for name in names], plan_holders.c.plan)
        .outerjoin(plan_holders, own_plan)
        .where(
            whose,
            sa.or_(counts.c.user_id.is_(None), _of(counts.c.user_id, asked.user)),
            sa.or_(counts.c.user_id.is_(None), counts.c.window == str(Window.TOTAL), *recent),
        )
    )
    found: defaultdict[str, list[Slot]] = defaultdict(list)
    for name, *slot in connection.execute(query).all():
        found[name].append(Slot(*slot))
    return found


def _of(column: sa.ColumnElement[Any], value: str | Sequence[str] | None) -> sa.ColumnElement[bool]:
    if value is None or isinstance(value, str):
        return sa.true() if value is None else column == value
    return column == sa.func.any(sa.cast(list(value), pg.ARRAY(sa.Text)))


def opened(connection: sa.Connection, wanted: list[tuple[str, Limit]], now: datetime) -> list[Slot]:
    """The slots of these limits as the next call will open them."""
    rows, slots = [], []
    for i, (tenant, limit) in enumerate(wanted):
        environment, feature, user = subject_of(limit.subject)
        start, _ = _window(limit, now)
        length = SLIDING.get(limit.window)
        rows.append(
            {
                "i": i,
                "tenant": tenant,
                "environment": environment,
                "feature": feature,
                "user_id": user,
                "metric": limit.metric.value,
                "start": start.isoformat(),
                "before": (start - length).isoformat() if length else None,
            }
        )
        slots.append(Slot(limit.subject, slot_of(limit), start, 0, 0, 0))
    for i, used, held, previous in connection.execute(sa.text(UNOPENED), {"wanted": json.dumps(rows)}) if rows else ():
        slots[i] = slots[i]._replace(used=int(used), held=int(held), previous=int(previous))
    return slots
