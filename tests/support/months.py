"""A ledger over several months: the database's clock is moved, and ids are made as if at that time."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from random import getrandbits
from uuid import UUID

from aikit.database.connect import Database
from aikit.meter.opening import open_meter
from aikit.types import Refusal
from support.clock import set_clock
from support.ledger import BOUND, Till, order, price_row, rows


def month(after: int) -> datetime:
    """The 1st of the month that comes so many months after this one."""
    now = datetime.now(UTC)
    years, months = divmod(now.month - 1 + after, 12)
    return datetime(now.year + years, months + 1, 1, tzinfo=UTC)


def id_of(moment: datetime) -> UUID:
    """A UUIDv7 made at this moment."""
    return UUID(int=int(moment.timestamp() * 1000) << 80 | 0x7 << 76 | 0b10 << 62 | getrandbits(62))


def part_of(relation: str, moment: datetime) -> str:
    return f"{relation}_{moment:%Y_%m}"


def parts(database: Database, relation: str = "entries") -> list[str]:
    """The names of the tables that a relation consists of, in the order of their ids."""
    query = "SELECT part FROM aikit.parts WHERE relation = %s ORDER BY first_id NULLS FIRST"
    return [part for (part,) in rows(database, query, relation)]


def spend_in(
    database: Database,
    folder: Path,
    *moments: datetime,
    tenant: str = "acme",
    refused: int = 1,
    made: datetime | None = None,
) -> list[UUID]:
    """An attempt at each of these moments, by the database's clock; and so many refused ones. Returns their ids.

    `made` is when they were made by the clock of their process.
    """
    ids = []
    for moment in moments:
        set_clock(database, moment)
        with open_meter(database, folder, price_row) as meter:
            till = Till(meter)
            one = order(tenant, BOUND, user="ann", feature="chat")._replace(attempt=id_of(made or moment))
            decision = meter.admit(one)
            assert decision.hold is not None, decision.reason_code
            till.settle(decision.hold)
            ids.append(one.attempt)
            for _ in range(refused):
                other = order(None, 0, price=None)._replace(attempt=id_of(made or moment))
                meter.refuse(Refusal(other, "TENANT_REQUIRED"))
                ids.append(other.attempt)
            till.flush()
    return ids
