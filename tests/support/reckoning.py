"""Calls that are told apart by what they use, so that the provider's bill and the ledger's charges compare one by one.

Call number n dictates the simulator a usage that no other call has, and carries the user `n<n>` in the ledger.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from aikit.database.connect import Database
from aikit.ledger.verify import verify
from aikit.meter.opening import SESSION
from aikit.meter.poster import Poster
from aikit.meter.prices import PriceRow
from aikit.pricing.book import PriceBook
from aikit.pricing.overrides import parse_overrides
from aikit.types import Usage
from support.kits import Books

WIDE = 400
"""So many numbers fit beside each other in each of the two classes of input that carry a call's number."""
MAX_TOKENS = 60
_PADDING = "What was asked is of no matter, but it has to be long enough. " * 14
"""A hold is an upper bound by the length of the prompt, so the prompt is as long as the largest number is wide."""


def usage_of(number: int, max_tokens: int = MAX_TOKENS) -> dict[str, int]:
    """What call `number` uses, by class, if so much output is allowed."""
    assert 0 <= number < WIDE * WIDE
    output = 20 + number * 37 % (max_tokens - 20)
    return {"input": 1 + number % WIDE, "cache_read": 1 + number // WIDE, "output": output}


def question(number: int, max_tokens: int, **fault: Any) -> str:
    """The prompt of call `number`; the fault is the simulator's, for this call alone."""
    return f"{_PADDING}[[sim: {json.dumps({'usage': usage_of(number, max_tokens), **fault})}]]"


@dataclass
class Reckoning:
    """What a comparison found, in numbers of calls. Only `over` may be filled: charged above the bill, and marked."""

    calls: int = 0
    exact: int = 0
    over: list[int] = field(default_factory=list)
    lost: list[int] = field(default_factory=list)
    double: list[int] = field(default_factory=list)
    unmarked: list[int] = field(default_factory=list)
    billed: int = 0
    charged: int = 0

    def assert_nothing_lost(self) -> None:
        assert (self.lost, self.double, self.unmarked) == ([], [], []), self


def reckon(books: Books, served: Mapping[str, Any]) -> Reckoning:
    """Compare the ledger with what the simulator says it served."""
    assert served["in_flight"] == 0
    bills = _bills(served["requests"])
    found = Reckoning()
    charges = {
        int(row["user_id"][1:]): row
        for row in books.rows(
            """SELECT user_id, sum(nano)::bigint AS nano, count(DISTINCT attempt) AS attempts,
                      bool_or(estimated OR ending = 'presumed_spent') AS marked
               FROM aikit.entries WHERE user_id IS NOT NULL GROUP BY user_id"""
        )
    }
    for number in sorted(bills.keys() | charges.keys()):
        bill, charge = bills.get(number, 0), charges.get(number)
        nano = charge["nano"] if charge else 0
        found.calls += 1
        found.billed += bill
        found.charged += nano
        if charge and charge["attempts"] > 1:
            found.double.append(number)
        if nano < bill or charge is None:
            found.lost.append(number)
        elif nano == bill:
            found.exact += 1
        else:
            (found.over if charge["marked"] else found.unmarked).append(number)
    return found


def _bills(requests: Iterable[Mapping[str, Any]]) -> dict[int, int]:
    """Nano-USD by call number, at the price book's prices."""
    book = PriceBook(parse_overrides({}))
    now = datetime.now(UTC)
    bills: dict[int, int] = {}
    for request in requests:
        billed = request["billed"]
        if not billed:
            continue
        price = book.find(request["api"].partition(".")[0], request["model"], at=now)
        assert price is not None, request
        number = billed["input"] - 1 + WIDE * (billed["cache_read"] - 1)
        assert number not in bills, f"the simulator served call {number} twice"
        bills[number] = price.cost(Usage(**billed))
    return bills


def expire_all(books: Books) -> int:
    """Presume all holds spent at once, as any process does when their time has come. Returns how many there were."""
    connection = Database(books.dsn, False, "test").connect(role="meter")
    connection.execute(SESSION)
    poster = Poster(connection, _no_price, hold_seconds=900)
    expired = 0
    while some := poster.expire(all_holds=True):
        expired += some
    poster.close()
    return expired


def assert_books_right(books: Books) -> None:
    """No hold is left, and the books agree with themselves."""
    assert books.holds() == 0
    assert verify(Database(books.dsn, False, "test")).findings == []


def _no_price(price_id: str) -> PriceRow:
    raise LookupError(price_id)
