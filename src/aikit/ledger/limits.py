"""The limits and where each one stands now."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from aikit.database.connect import Database
from aikit.ledger.reading import check_tags, database_time, reading
from aikit.ledger.tables import counters, holds, limits, rollups, total_tokens
from aikit.policy.model import counter_name
from aikit.types import Metric, Window

METRICS, WINDOWS = list(Metric), list(Window)


@dataclass(frozen=True, slots=True)
class LimitRow:
    """A limit in its current window; amounts in the metric's unit, for credits nano-USD. `resets_at` None: never."""

    tenant: str
    metric: Metric
    window: Window
    cap: int
    used: int
    held: int
    remaining: int
    resets_at: datetime | None
    created_at: datetime


def list_limits(database: Database, tenant: str | None = None) -> list[LimitRow]:
    """The limits of a tenant, or all, by tenant, metric and window.

    A counter that no call has opened yet is shown as it will be opened: with what is used and held in its window.
    Raises ConfigError for a tenant's name that can't be one.
    """
    check_tags(tenant=tenant)
    with reading(database) as connection:
        now = database_time(connection).replace(second=0, microsecond=0)
        query = _with_state(now)
        if tenant is not None:
            query = query.where(limits.c.tenant == tenant)
        rows = [_row(now, *row) for row in connection.execute(query)]
    return sorted(rows, key=lambda row: (row.tenant, METRICS.index(row.metric), WINDOWS.index(row.window)))


def _row(
    now: datetime, tenant: str, metric: str, window: str, cap: int, at: datetime, used: int, held: int
) -> LimitRow:
    end = counter_name(Metric(metric), Window(window), now).end
    used, held = int(used), int(held)
    return LimitRow(tenant, Metric(metric), Window(window), cap, used, held, max(0, cap - used - held), end, at)


def _with_state(now: datetime) -> sa.Select[str, str, str, int, datetime, int, int]:
    current = _current_counters(now)
    metric = limits.c.metric
    used = sa.select(
        sa.func.sum(
            sa.case(
                (metric == "credits", rollups.c.nano),
                (metric == "tokens", total_tokens(rollups)),
                (metric == "requests", rollups.c.calls),
            )
        )
    ).where(rollups.c.tenant == limits.c.tenant, rollups.c.hour >= current.c.start)
    held = sa.select(
        sa.func.sum(sa.case((metric == "credits", holds.c.nano), (metric == "tokens", holds.c.tokens), else_=1))
    ).where(holds.c.tenant == limits.c.tenant, holds.c.admitted_at >= current.c.start)
    return sa.select(
        limits.c.tenant,
        metric,
        limits.c.window,
        limits.c.cap,
        limits.c.created_at,
        _standing(counters.c.used, used),
        _standing(counters.c.held, held),
    ).select_from(
        limits.outerjoin(current, sa.and_(current.c.metric == metric, current.c.window == limits.c.window)).outerjoin(
            counters, sa.and_(counters.c.tenant == limits.c.tenant, counters.c.key == current.c.key)
        )
    )


def _standing(open: sa.Column[int], otherwise: sa.Select[Any]) -> sa.ColumnElement[int]:
    """What an open counter says, or else what one would be opened with."""
    return sa.case((open.is_not(None), open), else_=sa.func.coalesce(otherwise.scalar_subquery(), 0))


def _current_counters(now: datetime) -> sa.Values:
    """The counters of the windows that `now` lies in. A limit on each call has none."""
    names = [
        (str(metric), str(window), *counter_name(metric, window, now)[:2])
        for metric in METRICS
        for window in WINDOWS
        if window is not Window.CALL
    ]
    return sa.values(
        sa.column("metric", sa.Text),
        sa.column("window", sa.Text),
        sa.column("key", sa.Text),
        sa.column("start", sa.TIMESTAMP(timezone=True)),
        name="current",
    ).data(names)
