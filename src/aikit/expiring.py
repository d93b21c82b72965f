"""Ends by hand what has no ending: holds that have expired, or all that are pending, are presumed spent.

Where the attempt was still running, its process posts the truth as a correction, by itself.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

import psycopg
from psycopg.rows import args_row

from aikit.database.connect import Database
from aikit.ledger import audit
from aikit.meter.expiry import EXPIRED
from aikit.meter.opening import poster_on
from aikit.meter.prices import PriceRow
from aikit.money import usd_string

PATIENCE = 5.0
"""Seconds to wait for another process that ends holds just now; a batch takes it a fraction of one."""
PAUSE = 0.1
PENDING = """
    SELECT tenant, attempt, coalesce(presumed, nano), admitted_at, expires_at < now() FROM aikit.holds
    WHERE expires_at < now() OR admitted_at <= %s"""
PRESUMED = """
    SELECT e.tenant, e.nano FROM unnest(%s::text[], %s::uuid[]) x (tenant, attempt)
    JOIN aikit.entries e ON e.tenant = x.tenant AND e.attempt = x.attempt AND e.seq = 0
    WHERE e.ending = 'presumed_spent' AND e.error = %s"""

Key = tuple[str, UUID]


@dataclass(frozen=True, slots=True)
class PendingHold:
    """A hold without an ending; `nano` is what it will be presumed to have cost, in nano-USD."""

    tenant: str
    attempt: UUID
    nano: int
    admitted_at: datetime
    expired: bool


@dataclass(frozen=True, slots=True)
class Expired:
    """What was presumed spent, in nano-USD a tenant: an amount for each hold. `left` are those not ended."""

    presumed: dict[str, list[int]]
    left: int


def database_now(database: Database) -> datetime:
    """The time by the database's clock."""
    with database.connect(role="reads") as connection:
        row = connection.execute("SELECT now()").fetchone()
        assert row is not None
        now: datetime = row[0]
        return now


def pending(database: Database, held_since: datetime | None = None) -> list[PendingHold]:
    """The holds that have expired, and with `held_since` those that have stood since then or longer. Oldest first."""
    with database.connect(role="reads") as connection:
        return _pending(connection, held_since)


def expire(
    database: Database,
    held_since: datetime | None = None,
    *,
    why: str | None = None,
    who: str | None = None,
    on_progress: Callable[[int], None] = lambda _: None,
) -> Expired:
    """Presume those spent, in batches until none is left. One process does that at a time; the others wait a little.

    With `held_since`, which ends calls that may be running, it is on the record. `on_progress` hears how many more have
    ended. Raises DatabaseUnavailable, ConfigError for a name or a reason that can't be kept, and psycopg.Error.
    """
    found: set[Key] = set()
    with (
        closing(poster_on(database.connect(role="meter"), _no_price)) as poster,
        database.connect(role="reads") as look,
    ):
        left = _pending(look, held_since)
        if left and held_since is not None:
            _on_record(database, left, held_since, why, who)
        patience = time.monotonic() + PATIENCE
        while left and time.monotonic() < patience:
            found.update((hold.tenant, hold.attempt) for hold in left)
            if done := poster.expire(held_since=held_since):
                patience = time.monotonic() + PATIENCE
                on_progress(done)
            else:
                time.sleep(PAUSE)
            left = _pending(look, held_since)
        return Expired(_presumed(look, found), len(left))


def _pending(connection: psycopg.Connection[tuple[object, ...]], held_since: datetime | None) -> list[PendingHold]:
    with connection.cursor(row_factory=args_row(PendingHold)) as cursor:
        return sorted(cursor.execute(PENDING, (held_since,)), key=lambda hold: hold.admitted_at)


def _presumed(connection: psycopg.Connection[tuple[object, ...]], keys: Iterable[Key]) -> dict[str, list[int]]:
    """What became of these holds, but for those whose attempt has ended by itself in the meantime."""
    listed = sorted(keys)
    columns = ([tenant for tenant, _ in listed], [attempt for _, attempt in listed], EXPIRED)
    amounts: dict[str, list[int]] = {}
    for tenant, nano in connection.execute(PRESUMED, columns):
        amounts.setdefault(str(tenant), []).append(int(str(nano)))
    return amounts


def _on_record(
    database: Database, holds: list[PendingHold], held_since: datetime, why: str | None, who: str | None
) -> None:
    number = len(holds)
    with database.engine().begin() as connection:
        audit.record(
            connection,
            who=who,
            action="ledger.expire",
            subject=f"{number} hold{'' if number == 1 else 's'}",
            after={
                "presumed_usd": usd_string(sum(hold.nano for hold in holds)),
                "held_since": held_since.isoformat(),
            },
            why=why,
        )


def _no_price(price_id: str) -> PriceRow:
    """What a hold was priced at is on record since it was admitted."""
    raise LookupError(price_id)
