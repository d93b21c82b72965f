"""Corrections by hand: what an attempt really cost, and a period charged again after its prices were put right.

Nothing is edited: each is a further entry of its attempt, and on the record with who and why, in one transaction.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

import psycopg
import sqlalchemy as sa

from aikit.database.connect import Database
from aikit.errors import ConfigError, PriceUnknown
from aikit.ledger import audit
from aikit.ledger.charged import BY_HAND, Charged, charged, charged_between
from aikit.meter.corrections import Correction, Recharged
from aikit.meter.opening import poster_on
from aikit.meter.poster import Poster
from aikit.meter.prices import PriceRow
from aikit.money import MAX_NANO, usd_string
from aikit.pricing.book import PriceBook
from aikit.pricing.price import Price
from aikit.types import Call, Ending, Entry, Hold, Order, Tags, Usage

RERATED = "rerated"
"""The error of an entry that came of another price."""
AT_ONCE = 500
"""Attempts that are charged again in one transaction: it takes tenths of a second, in which nobody else posts."""
TRIES = 5


@dataclass(frozen=True, slots=True)
class Corrected:
    """An attempt as it was charged, in nano-USD, and as it is now. `posted` False: there was nothing to correct."""

    attempt: UUID
    tenant: str
    before: int
    after: int
    posted: bool


@dataclass(slots=True)
class Rerated:
    """One model in a period: attempts, those that cost something else now, and what all came to before and after.

    `before` and `after` are nano-USD. `unpriced` are attempts that the prices of today don't cover; they stay as they
    are.
    """

    provider: str
    model: str
    attempts: int = 0
    changed: int = 0
    unpriced: int = 0
    before: int = 0
    after: int = 0


def to_correct(found: Charged, *, nano: int | None = None, usage: Usage | None = None) -> int:
    """What an attempt is to have cost in all, in nano-USD: `nano`, or what `usage` costs at its price.

    Raises ConfigError unless just one of the two is given, for an amount out of bounds, for a usage where one is on
    record, and for one that the price of the attempt does not cover.
    """
    if (nano is None) == (usage is None):
        raise ConfigError("A correction needs an amount or a usage.", remedy="Give one of the two.")
    if nano is None:
        assert usage is not None
        nano = _cost_of(found, usage)
    if not 0 <= nano <= MAX_NANO:
        raise ConfigError(
            f"An attempt can't have cost ${usd_string(nano)}.", remedy="Give an amount from 0 to nine billion dollars."
        )
    return nano


def correct(
    database: Database,
    id: UUID,
    *,
    nano: int | None = None,
    usage: Usage | None = None,
    why: str,
    who: str | None = None,
) -> Corrected:
    """Let an attempt have cost `nano` nano-USD in all, or what `usage` costs at its price. On the record.

    `id` is that of the attempt, or of a call that has just one. Raises ConfigError as `charged` and `to_correct` do,
    and for a reason or a name that can't be kept.
    """
    if not why.strip():
        raise ConfigError("A correction needs a reason.", remedy="Say why; it is kept in the audit.")
    for _ in range(TRIES):
        found = charged(database, id)
        amount = to_correct(found, nano=nano, usage=usage)
        done = Corrected(found.attempt, found.tenant, found.nano, amount, posted=usage is not None)
        if amount == found.nano and usage is None:
            return done
        try:
            _post_corrected(database, found, amount, usage, why, who)
        except Recharged:
            continue
        return Corrected(found.attempt, found.tenant, found.nano, amount, posted=True)
    raise ConfigError(f"The attempt {id} is being corrected by others all the time.", remedy="Try again.")


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
    """Charge the attempts of a period again at the prices that `book` has for the times they were admitted at.

    Those without a usage on record, those that were voided and those that were corrected by hand stay as they are. In
    batches, each a transaction with a row in the audit; interrupted and called again it does the rest. `on_progress`
    hears how many more have been looked at. Raises ConfigError for a time without a time zone, for a cost beyond nine
    billion dollars, and unless `why` is given or it is a dry run.
    """
    if not dry_run and not (why or "").strip():
        raise ConfigError("Rerating needs a reason.", remedy="Say why; it is kept in the audit.")
    only = {"tenant": tenant, "provider": provider, "model": model}
    period = {"since": since.isoformat(), "until": until and until.isoformat()} | only
    models: dict[tuple[str, str], Rerated] = {}
    prices: dict[str, Price] = {}
    last: Charged | None = None
    with nullcontext() if dry_run else _poster(database, prices) as opened:
        while rows := charged_between(database, since, until, after=last, limit=AT_ONCE, **only):
            batch = _Batch.of(rows, book)
            prices |= batch.prices
            if opened is not None and batch.corrections:
                try:
                    _post_rerated(*opened, batch, {name: value for name, value in period.items() if value}, why, who)
                except Recharged:  # others have corrected one of them since it was read
                    continue
            batch.count(models)
            last = rows[-1]
            on_progress(len(rows))
    return [models[key] for key in sorted(models)]


@dataclass(frozen=True, slots=True)
class _Batch:
    """Attempts with what they cost now, in nano-USD or None; the corrections of those that cost something else."""

    costs: list[tuple[Charged, int | None]]
    corrections: list[Correction]
    prices: dict[str, Price]

    @classmethod
    def of(cls, rows: Sequence[Charged], book: PriceBook) -> _Batch:
        batch = cls([], [], {})
        for row in rows:
            tier = row.price.service_tier if row.price is not None else None
            price = book.find(row.provider, row.model, at=row.admitted_at, service_tier=tier)
            cost = _cost(row, price)
            batch.costs.append((row, cost))
            if price is not None and cost is not None and cost != row.nano:
                batch.prices[price.id] = price
                batch.corrections.append(_correction(row, cost, RERATED, price_id=price.id))
        return batch

    def count(self, models: dict[tuple[str, str], Rerated]) -> None:
        for row, cost in self.costs:
            found = models.setdefault((row.provider, row.model), Rerated(row.provider, row.model))
            found.attempts += 1
            found.unpriced += cost is None
            found.changed += cost not in (None, row.nano)
            found.before += row.nano
            found.after += row.nano if cost is None else cost


def _cost(row: Charged, price: Price | None) -> int | None:
    """What its usage costs at a price; None if that is not known."""
    if price is None or row.usage is None:
        return None
    try:
        cost = price.cost(row.usage)
    except PriceUnknown:
        return None
    if cost > MAX_NANO:
        raise ConfigError(
            f"The attempt {row.attempt} would cost ${usd_string(cost)}.",
            facts={"attempt": str(row.attempt), "price": price.id},
            remedy=f"Look at the price of {row.provider}/{row.model}: `aikit prices show`.",
        )
    return cost


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
    call = Call(found.call, tags, found.provider, found.model, found.api, found.stream, found.prompt)
    hold = Hold(Order(found.attempt, call, 0, 0), (), found.admitted_at)
    entry = Entry(hold, Ending.SETTLED, nano, usage, error=error, price_id=price_id)
    return Correction(entry, found.nano, found.entries)


def _post_corrected(
    database: Database, found: Charged, nano: int, usage: Usage | None, why: str, who: str | None
) -> None:
    correction = _correction(found, nano, BY_HAND, usage=usage)
    said = {} if usage is None else {"usage": {name: count for name, count in usage.classes().items() if count}}
    with _poster(database, {}) as (poster, connection):

        def on_record() -> None:
            audit.record(
                connection,
                who=who,
                action="ledger.correct",
                subject=f"attempt:{found.attempt}",
                tenant=found.tenant,
                before={"cost_usd": usd_string(found.nano)},
                after={"cost_usd": usd_string(nano), **said},
                why=why,
            )

        poster.correct([correction], on_record)


def _post_rerated(
    poster: Poster,
    connection: sa.Connection,
    batch: _Batch,
    period: Mapping[str, str],
    why: str | None,
    who: str | None,
) -> None:
    number = len(batch.corrections)
    before, after = (
        sum(nano) for nano in zip(*[(one.charged, one.entry.nano) for one in batch.corrections], strict=True)
    )

    def on_record() -> None:
        audit.record(
            connection,
            who=who,
            action="ledger.rerate",
            subject=f"{number} attempt{'' if number == 1 else 's'}",
            tenant=period.get("tenant"),
            before={"cost_usd": usd_string(before)},
            after={"cost_usd": usd_string(after), **period, "prices": sorted(batch.prices)},
            why=why,
        )

    poster.correct(batch.corrections, on_record)


@contextmanager
def _poster(database: Database, prices: Mapping[str, Price]) -> Iterator[tuple[Poster, sa.Connection]]:
    """A poster, and the same connection as the audit writes on: what both do is one transaction."""

    def price_row(price_id: str) -> PriceRow:
        return PriceRow.of(prices[price_id])

    with database.engine().connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        raw: Any = connection.connection.driver_connection
        assert isinstance(raw, psycopg.Connection)
        yield poster_on(raw, price_row), connection
