"""What was spent by provider, model and UTC day: the ledger's side of a comparison with a provider's bill."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time
from typing import Any

import sqlalchemy as sa

from aikit.bills.sides import Ours
from aikit.database.connect import Database
from aikit.ledger.reading import CLOCK_SKEW, ids_since, reading, tenants_in
from aikit.ledger.tables import entries, rollups
from aikit.types import TOKEN_CLASSES, Ending

Key = tuple[date, str, str]


@dataclass(slots=True)
class _Doubt:
    estimated: int = 0
    presumed: int = 0
    served: set[str] = field(default_factory=set)


def daily(database: Database, providers: Collection[str], since: date, until: date) -> list[Ours]:
    """Spending of these providers from the day `since` until before the day `until`, by day, provider and model.

    An attempt counts on the day it was admitted. Sums are from the rollups; how much of them is estimated or presumed,
    and which models answered, is from those entries of the days that say so. Raises DatabaseUnavailable.
    """
    start, end = (datetime.combine(day, time.min, UTC) for day in (since, until))
    with reading(database) as connection:
        doubts = _doubts(connection, providers, start, end)
        found = connection.execute(_sums(providers, start, end)).all()
    return [_ours(row, doubts[_key(row)]) for row in found]


def _sums(providers: Collection[str], start: datetime, end: datetime) -> sa.Select[*tuple[Any, ...]]:
    """Rows of models of which something was served: attempts that all failed are on no bill."""
    day = sa.cast(sa.func.timezone("UTC", rollups.c.hour), sa.Date)
    charged = sa.func.sum(rollups.c.calls - rollups.c.failed)
    spent = sa.func.sum(rollups.c.nano)
    return (
        sa.select(
            day.label("day"),
            rollups.c.provider,
            rollups.c.model,
            charged.label("calls"),
            sa.func.sum(rollups.c.unpriced).label("unpriced"),
            spent.label("nano"),
            *[sa.func.sum(rollups.c[name]).label(name) for name in TOKEN_CLASSES],
        )
        .where(rollups.c.provider.in_(providers), rollups.c.hour >= start, rollups.c.hour < end)
        .group_by(day, rollups.c.provider, rollups.c.model)
        .having(sa.or_(charged > 0, spent != 0))
        .order_by(day, rollups.c.provider, rollups.c.model)
    )


def _doubts(
    connection: sa.Connection, providers: Collection[str], start: datetime, end: datetime
) -> defaultdict[Key, _Doubt]:
    """Of the entries that stand as they were first written: a later one of the same attempt is the truth about it."""
    later = entries.alias("later")
    corrected = sa.exists().where(
        later.c.tenant == entries.c.tenant, later.c.attempt == entries.c.attempt, later.c.seq > 0
    )
    known = tenants_in(entries)
    presumed = entries.c.ending == Ending.PRESUMED_SPENT.value
    stands = sa.and_(entries.c.seq == 0, ~corrected)
    day = sa.cast(sa.func.timezone("UTC", entries.c.admitted_at), sa.Date)
    query = (
        sa.select(
            day.label("day"),
            entries.c.provider,
            entries.c.model,
            entries.c.served_model,
            sa.func.coalesce(sa.func.sum(entries.c.nano).filter(stands, presumed), 0).label("presumed"),
            sa.func.coalesce(sa.func.sum(entries.c.nano).filter(stands, ~presumed, entries.c.estimated), 0).label(
                "estimated"
            ),
        )
        .join_from(known, entries, entries.c.tenant == known.c.tenant)
        .where(
            entries.c.attempt >= ids_since(start),
            entries.c.attempt < ids_since(end + 2 * CLOCK_SKEW),
            entries.c.admitted_at >= start,
            entries.c.admitted_at < end,
            entries.c.provider.in_(providers),
            sa.or_(presumed, entries.c.estimated, entries.c.served_model.is_not(None)),
        )
        .group_by(day, entries.c.provider, entries.c.model, entries.c.served_model)
    )
    found: defaultdict[Key, _Doubt] = defaultdict(_Doubt)
    for row in connection.execute(query):
        doubt = found[_key(row)]
        doubt.estimated += int(row.estimated)
        doubt.presumed += int(row.presumed)
        if row.served_model is not None:
            doubt.served.add(row.served_model)
    return found


def _key(row: sa.Row[Any]) -> Key:
    return row.day, row.provider, row.model


def _ours(row: sa.Row[Any], doubt: _Doubt) -> Ours:
    return Ours(
        row.day,
        row.provider,
        row.model,
        calls=int(row.calls),
        nano=int(row.nano),
        tokens={name: int(getattr(row, name)) for name in TOKEN_CLASSES},
        estimated_nano=doubt.estimated,
        presumed_nano=doubt.presumed,
        unpriced_calls=int(row.unpriced),
        served=frozenset(doubt.served),
    )
