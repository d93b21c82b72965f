"""The breakers, and the last moves of all of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields

import sqlalchemy as sa

from aikit.breaker.model import State
from aikit.console.filtering import Filter
from aikit.console.model import BreakersPage, NamedMove
from aikit.console.reading.line import Tick
from aikit.console.reading.terms import Fields, conditions
from aikit.ledger.breakers import BreakerRow, Move
from aikit.ledger.tables import breaker_moves

MOST_MOVES = 50
AMONG = 20_000
MOVED: Fields = {
    "provider": breaker_moves.c.provider,
    "model": breaker_moves.c.model,
    "status": breaker_moves.c.state,
    "code": breaker_moves.c.reason,
    "who": breaker_moves.c.who,
}
NAME = sa.case(
    (breaker_moves.c.model == "", breaker_moves.c.provider),
    else_=breaker_moves.c.provider + "/" + breaker_moves.c.model,
)


def read_breakers(tick: Tick, rows: Sequence[BreakerRow], wanted: Filter) -> BreakersPage:
    """Of those that were read, and of the newest moves, what the filter lets through."""
    newest = sa.select(sa.func.coalesce(sa.func.max(breaker_moves.c.seq), 0)).scalar_subquery()
    columns = [breaker_moves.c[field.name] for field in fields(Move)]
    query = sa.select(NAME, *columns).where(breaker_moves.c.seq > newest - AMONG, *conditions(wanted, MOVED))
    moves = tick.connection.execute(query.order_by(breaker_moves.c.seq.desc()).limit(MOST_MOVES))
    return BreakersPage(
        tuple(sorted([row for row in rows if wanted.fits(_fields(row))], key=_rank)),
        tuple([NamedMove(name, Move(*move)) for name, *move in moves]),
    )


def _rank(row: BreakerRow) -> tuple[bool, str]:
    """What needs a look comes first."""
    return row.breaker.state is State.CLOSED, row.breaker.name


def _fields(row: BreakerRow) -> dict[str, str]:
    breaker, by = row.breaker, row.forced_by
    found = {
        "provider": breaker.provider,
        "model": breaker.model,
        "status": str(breaker.state),
        "code": str(breaker.reason or ""),
        "who": (by and by.who) or "",
    }
    return {name: value for name, value in found.items() if value}
