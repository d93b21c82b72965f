"""The calls of one tenant and feature to one model: their sums, and why the newest of its refusals were refused."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

import sqlalchemy as sa

from aikit.ledger.reading import Readable, ids_since, reading, walk
from aikit.ledger.tables import entries, refusals, rollups
from aikit.types import USAGE_CLASSES

COUNTS = ("calls", "refused", "failed", "estimated", "unpriced", "nano")
NEWEST = 1_000
"""So many of the newest refusals of the tenant are looked through."""


@dataclass(frozen=True, slots=True)
class RowSums:
    """What began since a time. `tokens` are by class, zeros included.

    `reasons` has, by reason code, how many of the newest refusals of the tenant were of these calls, the most first.
    """

    calls: int
    refused: int
    failed: int
    estimated: int
    unpriced: int
    nano: int
    tokens: dict[str, int]
    reasons: dict[str, int]


def row_sums(
    database: Readable, *, tenant: str, feature: str, provider: str, model: str, since: datetime
) -> RowSums | None:
    """The sums since an hour; a `feature` of "" is of calls that name none. None: there was nothing."""
    of_row = [rollups.c.feature == feature, rollups.c.provider == provider, rollups.c.model == model]
    sums = [sa.func.sum(rollups.c[name]) for name in (*COUNTS, *USAGE_CLASSES)]
    query = sa.select(*sums).where(rollups.c.tenant == tenant, rollups.c.hour >= since, *of_row)
    of_tenant, *order = walk(refusals.c.tenant, tenant, refusals.c.attempt, ids_since(since))
    newest = (
        sa.select(refusals.c.feature, refusals.c.provider, refusals.c.model, refusals.c.reason_code)
        .where(of_tenant, refusals.c.refused_at >= since)
        .order_by(*order)
        .limit(NEWEST)
        .subquery()
    )
    counted = (
        sa.select(newest.c.reason_code, sa.func.count())
        .where(
            sa.func.coalesce(newest.c.feature, "") == feature, newest.c.provider == provider, newest.c.model == model
        )
        .group_by(newest.c.reason_code)
        .order_by(sa.func.count().desc(), newest.c.reason_code)
    )
    with reading(database) as connection:
        found = connection.execute(query).one()
        if found[0] is None:
            return None
        reasons = {code: int(number) for code, number in connection.execute(counted)}
    numbers = [int(number) for number in found]
    tokens = dict(zip(USAGE_CLASSES, numbers[len(COUNTS) :], strict=True))
    calls, refused, failed, estimated, unpriced, nano = numbers[: len(COUNTS)]
    return RowSums(calls, refused, failed, estimated, unpriced, nano, tokens, reasons)


def since_newest(database: Readable, tenant: str, count: int) -> datetime | None:
    """Since when the newest so many attempts of a tenant have begun, roughly; None: it has no more than that."""
    found = []
    with reading(database) as connection:
        for table in (entries, refusals):
            of_tenant, *order = walk(table.c.tenant, tenant, table.c.attempt)
            ids = sa.select(table.c.attempt).where(of_tenant).order_by(*order)
            oldest = connection.execute(ids.offset(count).limit(1)).scalar()
            if oldest is not None:
                found.append(datetime.fromtimestamp((oldest.int >> 80) / 1000, UTC))
    return max(found, default=None)
