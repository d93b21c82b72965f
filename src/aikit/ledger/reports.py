"""What was spent, by whom and on what: sums of rollups, so that a report costs the same however long the ledger is."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import sqlalchemy as sa

from aikit.database.connect import Database
from aikit.errors import ConfigError
from aikit.ledger.latencies import Latency, latencies
from aikit.ledger.reading import Readable, aware, check_tags, database_time, reading, start_of_day
from aikit.ledger.tables import rollups, total_tokens
from aikit.types import TOKEN_CLASSES, USAGE_CLASSES, Usage

HOUR = timedelta(hours=1)
COUNTS = ("calls", "refused", "failed", "estimated", "unpriced", "nano")
KEYS: dict[str, sa.ColumnElement[str]] = {
    "tenant": rollups.c.tenant,
    "user": rollups.c.user_id,
    "feature": rollups.c.feature,
    "model": rollups.c.provider + "/" + rollups.c.model,
    "provider": rollups.c.provider,
    "day": sa.func.to_char(sa.func.timezone("UTC", rollups.c.hour), "YYYY-MM-DD"),
    "environment": rollups.c.environment,
    "prompt": rollups.c.prompt,
}
"""What spending can be reported by. A key is an empty string where the calls named no user, feature or prompt."""


@dataclass(frozen=True, slots=True)
class SpendRow:
    """The attempts of one key. `calls` were sent, `failed` of them voided; `refused` come on top and were not sent."""

    key: str
    calls: int
    refused: int
    failed: int
    tokens: dict[str, int]
    """By class, zeros included."""
    nano: int
    estimated_calls: int
    unpriced_calls: int
    latency: Latency | None = None
    """Of a version of a prompt; None for everything else, and where no call has been settled."""


@dataclass(frozen=True, slots=True)
class SpendReport:
    """Spending from `since` until before `until`, both on the hour; `until` None: up to now."""

    rows: list[SpendRow]
    totals: SpendRow
    since: datetime
    until: datetime | None


@dataclass(frozen=True, slots=True)
class ProviderUsage:
    """What was used of one provider; `nano` in nano-USD."""

    requests: int
    tokens: Usage
    nano: int


@dataclass(frozen=True, slots=True)
class UserUsage:
    """What a user has used, in all and by provider. Requests are those that were sent; `nano` in nano-USD."""

    requests: int
    tokens: Usage
    nano: int
    by_provider: dict[str, ProviderUsage]


def spend(
    database: Readable,
    by: str = "tenant",
    *,
    since: datetime | None = None,
    until: datetime | None = None,
    tenant: str | None = None,
    user: str | None = None,
    feature: str | None = None,
    environment: str | None = None,
) -> SpendReport:
    """Spending by tenant, user, feature, model, provider, environment, prompt or day; the dearest first, days in order.

    `since` (default: the 1st of this month, UTC) and `until` are rounded outward to the hour. Users and features are
    taken by name: two tenants' users of one name are one row, unless `tenant` is given. Raises ConfigError for an
    unknown `by`, an unusable tag, a time without a time zone, or a period that ends before it begins.
    """
    if by not in KEYS:
        raise ConfigError(f"Spending can't be reported by {by!r}.", remedy=f"Choose one of {', '.join(KEYS)}.")
    check_tags(tenant=tenant, user=user, feature=feature, environment=environment)
    end = None if until is None else _hour_after(aware("until", until))
    with reading(database) as connection:
        start = _hour(aware("since", since) if since is not None else database_time(connection).replace(day=1, hour=0))
        if end is not None and end <= start:
            raise ConfigError(f"The period ends ({end:%Y-%m-%dT%H:%M}) before it begins ({start:%Y-%m-%dT%H:%M}).")
        named = {"tenant": tenant, "user_id": user, "feature": feature, "environment": environment}
        query = _sums(KEYS[by], (*COUNTS, *TOKEN_CLASSES)).where(
            rollups.c.hour >= start,
            *([rollups.c.hour < end] if end is not None else []),
            *[rollups.c[column] == value for column, value in named.items() if value is not None],
        )
        rows = [_spend_row(*row) for row in connection.execute(query)]
        if by == "prompt":
            known = latencies(connection, [row.key for row in rows if row.key], start, end, tags=named)
            rows = [replace(row, latency=known.get(row.key)) for row in rows]
    rows.sort(key=lambda row: row.key if by == "day" else (-row.nano, row.key))
    return SpendReport(rows, _total(rows), start, end)


def user_usage(database: Database, tenant: str, user: str, since: datetime) -> UserUsage:
    """What a user of a tenant has used since the hour that `since` lies in.

    Raises ConfigError for an unusable tag or a time without a time zone.
    """
    query = _sums(rollups.c.provider, ("calls", "nano", *USAGE_CLASSES)).where(
        *_of_user(tenant, user), rollups.c.hour >= _hour(aware("since", since))
    )
    with reading(database) as connection:
        found = {
            str(provider): ProviderUsage(int(calls), Usage(*map(int, classes)), int(nano))
            for provider, calls, nano, *classes in connection.execute(query.order_by(rollups.c.provider))
        }
    parts = found.values()
    return UserUsage(
        sum(part.requests for part in parts), _usage(part.tokens for part in parts), sum(p.nano for p in parts), found
    )


def user_tokens_today(database: Database, tenant: str, user: str) -> int:
    """The tokens of all classes that a user of a tenant has used since 00:00 UTC by the database's clock.

    Raises ConfigError for an unusable tag.
    """
    query = sa.select(sa.func.coalesce(sa.func.sum(total_tokens(rollups)), 0)).where(
        *_of_user(tenant, user), rollups.c.hour >= start_of_day()
    )
    with reading(database) as connection:
        return int(connection.execute(query).scalar_one())


def _of_user(tenant: str, user: str) -> tuple[sa.ColumnElement[bool], ...]:
    check_tags(tenant=tenant, user=user)
    return rollups.c.tenant == tenant, rollups.c.user_id == user


def _sums(key: sa.ColumnElement[str], columns: Iterable[str]) -> sa.Select[*tuple[Any, ...]]:
    return sa.select(key, *[sa.func.sum(rollups.c[name]) for name in columns]).group_by(key)


def _spend_row(key: str, *sums: int) -> SpendRow:
    calls, refused, failed, estimated, unpriced, nano, *tokens = map(int, sums)
    by_class = dict(zip(TOKEN_CLASSES, tokens, strict=True))
    return SpendRow(key, calls, refused, failed, by_class, nano, estimated, unpriced)


def _total(rows: list[SpendRow]) -> SpendRow:
    return SpendRow(
        key="total",
        calls=sum(row.calls for row in rows),
        refused=sum(row.refused for row in rows),
        failed=sum(row.failed for row in rows),
        tokens={name: sum(row.tokens[name] for row in rows) for name in TOKEN_CLASSES},
        nano=sum(row.nano for row in rows),
        estimated_calls=sum(row.estimated_calls for row in rows),
        unpriced_calls=sum(row.unpriced_calls for row in rows),
    )


def _usage(parts: Iterable[Usage]) -> Usage:
    counts = [part.counts() for part in parts]
    return Usage(*map(sum, zip(*counts, strict=True))) if counts else Usage()


def _hour(moment: datetime) -> datetime:
    return moment.astimezone(UTC).replace(minute=0, second=0, microsecond=0)


def _hour_after(moment: datetime) -> datetime:
    """The hour itself, or the next one if it has begun."""
    hour = _hour(moment)
    return hour if hour == moment else hour + HOUR
