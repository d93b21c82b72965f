"""Proves the books: entries, counters, holds, rollups, prices and policies agree, or says where they don't.

    counter_used      a slot's `used` is not the sum of the entries of its subject and window
    counter_held      a slot's `held` is not the sum of the pending holds of its window that list its subject
    counter_previous  a minute's or an hour's `previous` is not what was used and is held of the window before
    counter_negative  one of these is below zero
    counter_missing   a pending hold lists a subject that has no counters
    hold_uncounted    a pending hold does not list a subject of its own that has counters
    reason_code       an attempt was admitted with a code that does not admit
    ended_hold        an attempt has an ending and is still held
    rollup            a rollup's column is not the sum of its hour's entries and refusals
    rollup_missing    entries or refusals without their rollup; `expected` is what they cost
    rollup_surplus    a rollup without entries or refusals; `found` is what it says
    charge            an entry is not what its usage costs at its price
    price_missing     entries name a price that is not on record
    price_changed     a recorded price is not the one that its id stands for, or can't be read
    usage_missing     an entry was settled, not estimated, without a usage
    voided_charged    a voided entry charges something
    presumed_amount   a presumed-spent entry charges something else than its hold says
    policy_span       a version of a policy does not end before the next, or is of a version that is yet to come
    plan_span         the same of a plan that somebody is on
    pruned            a pruned month did not come to what is on record of it by the hour
    policy_body       a policy is stored under another name or tenant than its own
    breaker_move      a breaker is not where its last move left it
    breaker_moves     a move does not begin where the one before it ended
    breaker_end       a breaker is open and has no end
    breaker_probes    a breaker has probes under way that it can't have

The sums are the database's work. Only the prices are computed here, once for each distinct usage.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from functools import cached_property
from importlib.resources import files
from typing import Any

import psycopg
from psycopg.rows import namedtuple_row

from aikit.database.connect import Database
from aikit.errors import PriceUnknown
from aikit.pricing.price import Price
from aikit.types import USAGE_CLASSES, Usage

COMPARISONS = ("counters", "rollups", "attempts", "policies", "pruned", "breakers", "prompts")
AT_ONCE = 2000
"""Rows of distinct charges that are fetched at a time."""


@dataclass(frozen=True, slots=True)
class Finding:
    """Something that does not agree. `money`: the two amounts are nano-USD. None stands for nothing to compare."""

    kind: str
    tenant: str
    what: str
    expected: int | None = None
    found: int | None = None
    money: bool = False


@dataclass(frozen=True)
class Verification:
    """How many rows were verified, and what does not agree. Presumed entries and expired holds are no findings.

    `pruned` entries are in the ledger no more; what they came to is.
    """

    entries: int
    holds: int
    counters: int
    rollups: int
    refusals: int
    presumed: int
    presumed_nano: int
    expired_holds: int
    findings: list[Finding]
    pruned: int = 0

    @property
    def ok(self) -> bool:
        return not self.findings

    @cached_property
    def unexplained_nano(self) -> int:
        """The differences of all findings about money, added up: what is wrong in two places counts twice."""
        return sum(abs((f.found or 0) - (f.expected or 0)) for f in self.findings if f.money)


def verify(database: Database) -> Verification:
    """Verify the whole ledger as it stands at one instant, while it is in use. Raises DatabaseUnavailable."""
    with database.connect(role="verify") as connection:
        connection.autocommit = False
        connection.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
        connection.read_only = True
        with connection.cursor(row_factory=namedtuple_row) as cursor:
            totals = cursor.execute(_sql("totals")).fetchone()
        assert totals is not None
        findings = [finding for name in COMPARISONS for finding in _compare(connection, name)]
        prices, unusable = _recorded_prices(connection)
        findings += [*unusable, *_charges(connection, prices)]
        counts = {name: int(count) for name, count in totals._asdict().items()}
        return Verification(**counts, findings=findings)


def _compare(connection: psycopg.Connection[Any], name: str) -> Iterator[Finding]:
    for kind, tenant, what, expected, found, money in connection.execute(_sql(name)):
        yield Finding(kind, tenant, what, _whole(expected), _whole(found), money)


def _recorded_prices(connection: psycopg.Connection[Any]) -> tuple[dict[str, Price], list[Finding]]:
    """The prices by id, and a finding for each that is not what its id says: nothing can be recomputed at those."""
    prices, findings = {}, []
    for price_id, body in connection.execute("SELECT price_id, body FROM aikit.prices"):
        try:
            price = Price.from_json(body)
        except (KeyError, TypeError, ValueError, ArithmeticError, AttributeError):
            findings.append(Finding("price_changed", "", f"price {price_id} can't be read"))
            continue
        if price.id == price_id:
            prices[price_id] = price
        else:
            findings.append(Finding("price_changed", "", f"price {price_id} has the rates of {price.id}"))
    return prices, findings


def _charges(connection: psycopg.Connection[Any], prices: Mapping[str, Price]) -> Iterator[Finding]:
    """Charges that are not what their usage costs at their price."""
    with connection.cursor("charges") as cursor:
        cursor.itersize = AT_ONCE
        for tenant, price_id, nano, times, attempt, *classes in cursor.execute(_sql("charges")):
            price = prices.get(price_id)
            if price is None:
                continue
            try:
                cost = price.cost(Usage(*classes))
            except PriceUnknown:
                cost = None
            if cost != nano:
                used = {name: count for name, count in zip(USAGE_CLASSES, classes, strict=True) if count}
                what = f"{times} × {used} at price {price_id}, the first in attempt {attempt}"
                yield Finding("charge", tenant, what, None if cost is None else cost * times, nano * times, money=True)


def _whole(amount: int | Decimal | None) -> int | None:
    """A sum of bigints comes as a Decimal."""
    return None if amount is None else int(amount)


def _sql(name: str) -> bytes:
    return (files("aikit.ledger") / "sql" / "verify" / f"{name}.sql").read_bytes()
