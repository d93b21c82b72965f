"""An attempt by its id, as whoever has only that needs it: its hold while it stands, then how it ended."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql as pg

from aikit.ledger.charged import BY_HAND
from aikit.ledger.reading import Readable, reading
from aikit.ledger.recorded import read_prompt, read_request
from aikit.ledger.tables import entries, holds, prices
from aikit.pricing.price import Price
from aikit.types import USAGE_CLASSES, Bound, Call, Cost, Ending, Entry, Hold, Order, Tags, Usage

Row = Mapping[Any, Any]
MOST_PRICES = 10_000
_prices: dict[str, Price] = {}
RERATED = "rerated"
"""The error of a further entry that came of another price (`aikit.corrections`)."""


@dataclass(frozen=True, slots=True)
class Held:
    """`hold` is as it stands, or as it was. `expires_at` None: it has ended, as `lines` say, the ending first.

    `price` is what it was made at; None: there is none, or it can't be read.
    """

    hold: Hold
    reason_code: str
    price: Price | None
    expires_at: datetime | None
    lines: tuple[Entry, ...] = ()

    @property
    def ended(self) -> Entry | None:
        """The line that says how it ended: the ending, or what put right what had been presumed."""
        if not self.lines:
            return None
        first, *later = self.lines
        late = next((line for line in later if line.error not in (BY_HAND, RERATED)), None)
        return late if late is not None and first.ending is Ending.PRESUMED_SPENT else first

    @property
    def nano(self) -> int:
        """What it was charged by all of its lines, in nano-USD."""
        return sum(line.nano for line in self.lines)


def held(
    database: Readable, tenant: str, environment: str, attempt: UUID, *, apis: tuple[str, ...], ended: bool = False
) -> Held | None:
    """The attempt of this tenant in this environment, if it was made by one of these APIs; None if there is none.

    `ended` says that it probably has: then it is looked for there first.
    """
    keys = {"of_tenant": tenant, "of_environment": environment, "of_attempt": attempt, "of_apis": list(apis)}
    with reading(database) as connection:
        for running in (False, True) if ended else (True, False):
            rows = connection.execute(STANDING if running else ENDED, keys).mappings().all()
            if rows:
                first = rows[0]
                price = _price(connection, first["price_id"])
                break
        else:
            return None
    hold = _hold(first, running=running)
    lines = () if running else tuple([_line(row, hold) for row in rows])
    return Held(hold, first["reason_code"], price, first["expires_at"] if running else None, lines)


def _of(table: sa.Table) -> sa.Select[Any]:
    return sa.select(table).where(
        table.c.tenant == sa.bindparam("of_tenant"),
        table.c.attempt == sa.bindparam("of_attempt"),
        table.c.environment == sa.bindparam("of_environment"),
        table.c.api == sa.func.any(sa.bindparam("of_apis", type_=pg.ARRAY(sa.Text))),
    )


STANDING, ENDED = _of(holds), _of(entries).order_by(entries.c.seq)
"""Made once: to make a statement takes longer than to run it."""


def _hold(row: Row, *, running: bool) -> Hold:
    tags = Tags(row["tenant"], row["user_id"], row["feature"], row["environment"])
    prompt = read_prompt(row["prompt"], row["prompt_hash"])
    call = Call(row["call"], tags, row["provider"], row["model"], row["api"], row["stream"], prompt)
    asked = read_request(row["request"]) or {}
    most = ("nano", "tokens", "output_tokens") if running else ("held_nano", "held_tokens", "held_output")
    order = Order(
        row["attempt"],
        call,
        row[most[0]],
        row[most[1]],
        row["price_id"],
        row[most[2]],
        asked.get("output") is not None,
        asked.get("answers", 1),
        asked.get("least", 1),
        asked.get("characters", 0),
        _cost(asked.get("cost")),
        _bound(asked.get("bound")),
    )
    subjects = tuple(row["subjects"]) if running else ()
    return Hold(order, subjects, row["admitted_at"], row["generation"] if running else 0, row["presumed"])


def _cost(recorded: Any) -> Cost | None:
    if recorded is None:
        return None
    scale, *cases = recorded
    return Cost(tuple([(paid, rate) for paid, rate in cases]), scale)


def _bound(recorded: Any) -> Bound | None:
    if recorded is None:
        return None
    read, written, inputs, outputs, open_ended, searches = recorded
    return Bound(read, written, frozenset(inputs), frozenset(outputs), open_ended, searches)


def _line(row: Row, hold: Hold) -> Entry:
    reported = row["input"] is not None
    return Entry(
        hold,
        Ending(row["ending"]),
        row["nano"],
        Usage(*[row[name] for name in USAGE_CLASSES]) if reported else None,
        row["estimated"],
        status=row["status"],
        error=row["error"],
        served_model=row["served_model"],
        duration_ms=row["duration_ms"],
        first_byte_ms=row["first_byte_ms"],
    )


def _price(connection: sa.Connection, price_id: str | None) -> Price | None:
    """A price by its id, which is that of its content: it is read once."""
    if price_id is None or price_id in _prices:
        return _prices.get(str(price_id))
    body = connection.execute(sa.select(prices.c.body).where(prices.c.price_id == price_id)).scalar_one_or_none()
    try:
        found = None if body is None else Price.from_json(body)
    except (KeyError, TypeError, ValueError, ArithmeticError, AttributeError):
        return None
    if found is not None:
        if len(_prices) >= MOST_PRICES:
            _prices.clear()
        _prices[price_id] = found
    return found
