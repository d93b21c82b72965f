"""What attempts have been charged so far, over all their entries: what a correction starts from."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

import sqlalchemy as sa

from aikit.database.connect import Database
from aikit.errors import ConfigError
from aikit.ledger.archived import archives_of
from aikit.ledger.call_detail import AttemptDetail, CallDetail, get_call
from aikit.ledger.reading import CLOCK_SKEW, aware, ids_since, reading
from aikit.ledger.recorded import read_prompt
from aikit.ledger.tables import entries, prices
from aikit.pricing.price import Price
from aikit.types import USAGE_CLASSES, Ending, PromptId, Usage

BY_HAND = "corrected"
"""The error of a further entry that says what a person said."""
COLUMNS = (
    *("tenant", "attempt", "call", "user_id", "feature", "environment", "provider", "model", "api", "stream"),
    *("admitted_at", "price_id", "prompt", "prompt_hash"),
)
FIRST = entries.alias("first")
LISTED = 10
"""Attempts of a call that an error names."""


@dataclass(frozen=True, slots=True)
class Charged:
    """An attempt that has ended. `nano` is the sum of its `entries`, in nano-USD.

    `usage` is None where none is on record, `price` (that of its ending) where none is known or it can't be read.
    """

    tenant: str
    attempt: UUID
    call: UUID
    user: str | None
    feature: str | None
    environment: str
    provider: str
    model: str
    api: str
    stream: bool
    admitted_at: datetime
    nano: int
    entries: int
    usage: Usage | None
    price: Price | None
    prompt: PromptId | None = None


def charged(database: Database, id: UUID) -> Charged:
    """The attempt with this id, or the only one of the call with this id.

    Raises ConfigError if there is none, if the call has several, and if it is still running, was refused or pruned.
    """
    call = get_call(database, id)
    if call is None:
        raise _missing(database, id)
    attempts = dict.fromkeys(line.attempt for line in call.attempts)
    if len(attempts) > 1:
        some = ", ".join(map(str, list(attempts)[:LISTED]))
        raise ConfigError(
            f"The call {id} has {len(attempts)} attempts: {some}{' …' if len(attempts) > LISTED else ''}.",
            facts={"call": str(id), "attempts": len(attempts)},
            remedy="Name the one that is meant; `aikit calls show` tells them apart.",
        )
    first = call.attempts[0]
    if first.state == "refused":
        raise _unusable(first.attempt, "was refused, so it was never sent", "There is nothing to correct.")
    if first.state == "running":
        raise _unusable(first.attempt, "is still running", "Wait until it has ended.")
    return _of_call(call)


def charged_between(
    database: Database,
    since: datetime,
    until: datetime | None = None,
    *,
    tenant: str | None = None,
    provider: str | None = None,
    model: str | None = None,
    after: Charged | None = None,
    limit: int,
) -> list[Charged]:
    """Up to `limit` attempts that were admitted in a period and whose usage is on record, in the order of their keys.

    Those that were voided, or corrected by hand, are left out. `after` is the last one that was seen. Raises
    ConfigError for a time without a time zone.
    """
    query = _in_period(aware("since", since), None if until is None else aware("until", until))
    for column, value in ((FIRST.c.provider, provider), (FIRST.c.model, model)):
        if value is not None:
            query = query.where(column == value)
    rows: list[sa.RowMapping] = []
    with reading(database) as connection:
        whose = tenant or (after.tenant if after else _next_tenant(connection, ""))
        while whose is not None and len(rows) < limit:
            page = query.where(FIRST.c.tenant == whose).limit(limit - len(rows))
            if after is not None and after.tenant == whose:
                page = page.where(FIRST.c.attempt > after.attempt)
            rows += connection.execute(page).mappings()
            whose = None if tenant is not None else _next_tenant(connection, whose)
        known = _prices(connection, {row["price_id"] for row in rows} - {None})
    return [_of_row(row, known.get(row["price_id"])) for row in rows]


def _in_period(since: datetime, until: datetime | None) -> sa.Select[Any]:
    """The attempts of a period, for one tenant at a time: then it is a range of the key in any plan."""
    whole = _whole(FIRST).lateral("whole")
    query = (
        sa.select(*[FIRST.c[name] for name in COLUMNS], *whole.c)
        .join_from(FIRST, whole, sa.true())
        .where(
            FIRST.c.seq == 0,
            FIRST.c.ending != Ending.VOIDED.value,
            FIRST.c.attempt >= ids_since(since),
            FIRST.c.admitted_at >= since,
            whole.c.used_input.is_not(None),
            ~whole.c.by_hand,
        )
        .order_by(FIRST.c.attempt)
    )
    if until is None:
        return query
    return query.where(FIRST.c.attempt < ids_since(until + 2 * CLOCK_SKEW), FIRST.c.admitted_at < until)


def _next_tenant(connection: sa.Connection, tenant: str) -> str | None:
    """The next one that has entries: one look into the index."""
    query = sa.select(sa.func.min(entries.c.tenant)).where(entries.c.tenant > tenant)
    found: str | None = connection.execute(query).scalar_one()
    return found


def _prices(connection: sa.Connection, ids: Collection[str]) -> dict[str, Price | None]:
    found = connection.execute(sa.select(prices.c.price_id, prices.c.body).where(prices.c.price_id.in_(ids)))
    return {row.price_id: _price(row.body) for row in found}


def _whole(first: sa.FromClause) -> sa.Select[Any]:
    """What all entries of an attempt come to. At most one of them has a usage."""
    each = entries.alias("each")
    return sa.select(
        sa.func.sum(each.c.nano).label("total"),
        sa.func.count().label("entries"),
        sa.func.bool_or(sa.and_(each.c.seq > 0, each.c.error.is_not_distinct_from(BY_HAND))).label("by_hand"),
        *[sa.func.sum(each.c[name]).label(f"used_{name}") for name in USAGE_CLASSES],
    ).where(each.c.tenant == first.c.tenant, each.c.attempt == first.c.attempt)


def _of_row(row: sa.RowMapping, price: Price | None) -> Charged:
    return Charged(
        tenant=row["tenant"],
        attempt=row["attempt"],
        call=row["call"],
        user=row["user_id"],
        feature=row["feature"],
        environment=row["environment"],
        provider=row["provider"],
        model=row["model"],
        api=row["api"],
        stream=row["stream"],
        admitted_at=row["admitted_at"],
        nano=int(row["total"]),
        entries=row["entries"],
        usage=Usage(*[int(row[f"used_{name}"]) for name in USAGE_CLASSES]),
        price=price,
        prompt=read_prompt(row["prompt"], row["prompt_hash"]),
    )


def _of_call(call: CallDetail) -> Charged:
    lines = call.attempts
    first: AttemptDetail = lines[0]
    return Charged(
        tenant=call.tenant,
        attempt=first.attempt,
        call=call.call,
        user=call.user,
        feature=call.feature,
        environment=call.environment,
        provider=first.provider,
        model=first.model,
        api=first.api,
        stream=bool(first.stream),
        admitted_at=first.decided_at,
        nano=call.nano,
        entries=len(lines),
        usage=next((line.usage for line in lines if line.usage is not None), None),
        price=_price(first.price.body if first.price else None),
        prompt=first.prompt,
    )


def _price(body: Mapping[str, Any] | None) -> Price | None:
    """A price as it was recorded; `aikit ledger verify` tells of those that can't be read."""
    try:
        return None if body is None else Price.from_json(body)
    except (KeyError, TypeError, ValueError, ArithmeticError, AttributeError):
        return None


def _missing(database: Database, id: UUID) -> ConfigError:
    facts = {"id": str(id)}
    if files := [one.file for one in archives_of(database, id) if one.relation == "entries"]:
        return ConfigError(
            f"{id} is of a month that was pruned from the ledger; if it was there, it is in {', '.join(files)}.",
            facts=facts,
            remedy="What was pruned is corrected no more.",
        )
    remedy = "`aikit calls list` shows those that there are."
    return ConfigError(f"The ledger has no attempt and no call {id}.", facts=facts, remedy=remedy)


def _unusable(attempt: UUID, what: str, remedy: str) -> ConfigError:
    return ConfigError(f"The attempt {attempt} {what}.", facts={"attempt": str(attempt)}, remedy=remedy)
