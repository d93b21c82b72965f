"""Corrections by hand: what an attempt really cost, and a period charged again after its prices were put right.

Nothing is edited: each is a further entry of its attempt, and on the record with who and why, in one transaction.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from itertools import islice
from typing import Any
from uuid import UUID

import psycopg
import sqlalchemy as sa

from aikit.database.connect import Database
from aikit.errors import ConfigError
from aikit.ledger import audit
from aikit.ledger.charged import Charged, charged, charged_between
from aikit.meter.corrections import Correction
from aikit.meter.opening import SESSION
from aikit.meter.poster import Poster
from aikit.meter.prices import PriceRow
from aikit.money import MAX_NANO, usd_string
from aikit.pricing.book import PriceBook
from aikit.pricing.price import Price
from aikit.types import Call, Ending, Entry, Hold, Order, Tags, Usage

CORRECTED, RERATED = "corrected", "rerated"
"""The error of an entry that was posted by hand, and of one that came of another price."""
AT_ONCE = 500


@dataclass(frozen=True, slots=True)
class Corrected:
    """An attempt as it was charged, in nano-USD, and as it is now."""

    attempt: UUID
    tenant: str
    before: int
    after: int


@dataclass(slots=True)
class Rerated:
    """One model in a period: attempts, those that cost something else now, and what all came to before and after.

    `unpriced` are attempts that the prices of today don't cover; they stay as they are.
    """

    provider: str
    model: str
    attempts: int = 0
    changed: int = 0
    unpriced: int = 0
    before: int = 0
    after: int = 0


def correct(
    database: Database,
    attempt: UUID,
    *,
    nano: int | None = None,
    usage: Usage | None = None,
    why: str,
    who: str | None = None,
) -> Corrected:
    """Let an attempt have cost `nano` nano-USD in all, or what `usage` costs at the price it was held at.

    Raises ConfigError for an attempt that is unknown or still running, an amount out of bounds, a usage where one is on
    record, or one without a known price.
    """
    found = charged(database, attempt)
    if usage is not None:
        nano = _cost_of(found, usage)
    if nano is None or not 0 <= nano <= MAX_NANO:
        raise ConfigError("A correction needs an amount of 0 or more.", remedy="Give what the attempt cost in all.")
    correction = _correction(found, nano, CORRECTED, usage=usage)
    with _poster(database, {}) as (poster, connection):

        def on_record() -> None:
            audit.record(
                connection,
                who=who,
                action="ledger.correct",
                subject=f"attempt:{attempt}",
                tenant=found.tenant,
                before={"cost_usd": usd_string(found.nano)},
                after={"cost_usd": usd_string(nano)},
                why=why,
            )

        poster.correct([correction], on_record)
    return Corrected(attempt, found.tenant, found.nano, nano)


def rerate(
    database: Database,
    book: PriceBook,
    *,
    since: datetime,
    until: datetime | None = None,
    tenant: str | None = None,
    provider: str | None = None,
    model: str | None = None,
    dry_run: bool = False,
    why: str | None = None,
    who: str | None = None,
    on_progress: Callable[[int], None] = lambda _: None,
) -> list[Rerated]:
    """Charge attempts again at the prices that `book` has for their time; those corrected by hand stay as they are.

    Of attempts whose usage is on record and that were admitted in the period. `on_progress` hears how many have been
    looked at. Raises ConfigError for a time without a time zone.
    """
    models: dict[tuple[str, str], Rerated] = {}
    seen = 0
    rows = charged_between(database, since, until, tenant=tenant, provider=provider, model=model)
    for batch in _batches(rows):
        prices: dict[str, Price] = {}
        corrections = [one for one in [_rerated(row, book, models, prices) for row in batch] if one is not None]
        if corrections and not dry_run:
            _post_rerated(database, corrections, prices, since=since, until=until, why=why, who=who)
        seen += len(batch)
        on_progress(seen)
    return [models[key] for key in sorted(models)]


def _rerated(
    row: Charged, book: PriceBook, models: dict[tuple[str, str], Rerated], prices: dict[str, Price]
) -> Correction | None:
    """Count an attempt; its correction if it costs something else now."""
    found = models.setdefault((row.provider, row.model), Rerated(row.provider, row.model))
    found.attempts += 1
    found.before += row.nano
    price = book.find(row.provider, row.model, at=row.admitted_at, service_tier=row.service_tier)
    usage = row.usage
    if price is None or usage is None or not _prices_all(price, usage):
        found.unpriced += 1
        found.after += row.nano
        return None
    cost = price.cost(usage)
    found.after += cost
    if cost == row.nano:
        return None
    found.changed += 1
    prices[price.id] = price
    return _correction(row, cost, RERATED, price_id=price.id)


def _prices_all(price: Price, usage: Usage) -> bool:
    return all(name in price.rates for name, count in usage.classes().items() if count)


def _post_rerated(
    database: Database,
    corrections: Sequence[Correction],
    prices: Mapping[str, Price],
    *,
    since: datetime,
    until: datetime | None,
    why: str | None,
    who: str | None,
) -> None:
    period = {"since": since.isoformat(), "until": until and until.isoformat()}
    before, after = sum(one.charged for one in corrections), sum(one.entry.nano for one in corrections)
    with _poster(database, prices) as (poster, connection):

        def on_record() -> None:
            audit.record(
                connection,
                who=who,
                action="ledger.rerate",
                subject=f"{len(corrections)} attempts",
                before=period | {"cost_usd": usd_string(before)},
                after=period | {"cost_usd": usd_string(after), "prices": sorted(prices)},
                why=why,
            )

        poster.correct(corrections, on_record)


def _cost_of(found: Charged, usage: Usage) -> int:
    if found.usage is not None:
        raise ConfigError(
            "The usage of this attempt is on record already.", remedy="Give what it cost: --usd, not a usage."
        )
    if found.price is None:
        raise ConfigError("This attempt has no price to charge a usage at.", remedy="Give what it cost: --usd.")
    return found.price.cost(usage)


def _correction(
    found: Charged, nano: int, error: str, *, usage: Usage | None = None, price_id: str | None = None
) -> Correction:
    tags = Tags(found.tenant, found.user, found.feature, found.environment)
    call = Call(found.call, tags, found.provider, found.model, found.api, found.stream)
    hold = Hold(Order(found.attempt, call, 0, 0, found.price_id), (), found.admitted_at)
    entry = Entry(hold, Ending.SETTLED, nano, usage, error=error, price_id=price_id)
    return Correction(entry, found.nano)


@contextmanager
def _poster(database: Database, prices: Mapping[str, Price]) -> Iterator[tuple[Poster, sa.Connection]]:
    """A poster, and the same connection as the audit writes on: what both do is one transaction."""

    def price_row(price_id: str) -> PriceRow:
        return PriceRow.of(prices[price_id])

    with database.engine().connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        raw: Any = connection.connection.driver_connection
        assert isinstance(raw, psycopg.Connection)
        raw.execute(SESSION)
        yield Poster(raw, price_row, hold_seconds=0), connection


def _batches(rows: Iterable[Charged]) -> Iterator[list[Charged]]:
    iterator = iter(rows)
    while batch := list(islice(iterator, AT_ONCE)):
        yield batch
