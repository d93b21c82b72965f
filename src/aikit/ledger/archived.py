"""What was pruned: the parts that are gone from the ledger, and the files that hold what was in them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

import sqlalchemy as sa

from aikit.database.connect import Database
from aikit.ledger.reading import reading
from aikit.ledger.tables import pruned


@dataclass(frozen=True, slots=True)
class Archive:
    """A part that was pruned, and the name of the file that holds its rows; `sha256` tells that file."""

    relation: str
    part: str
    rows: int
    file: str
    sha256: str
    at: datetime


def archives_of(database: Database, id: UUID) -> list[Archive]:
    """The files that may hold the attempt or the call with this id: it is of a time that was pruned."""
    query = (
        sa.select(pruned.c.relation, pruned.c.part, pruned.c.rows, pruned.c.file, pruned.c.sha256, pruned.c.at)
        .where(
            pruned.c.file.is_not(None),
            sa.or_(pruned.c.first_id.is_(None), pruned.c.first_id <= id),
            sa.or_(pruned.c.end_id.is_(None), id < pruned.c.end_id),
        )
        .order_by(pruned.c.relation, pruned.c.at)
    )
    with reading(database) as connection:
        return [Archive(**row._asdict()) for row in connection.execute(query)]


def pruned_until(database: Database) -> datetime | None:
    """Up to when attempts were pruned; None if none ever were."""
    newest = sa.func.max(sa.func.aikit.moment_of(pruned.c.end_id))
    with reading(database) as connection:
        until: datetime | None = connection.execute(sa.select(newest)).scalar_one()
        return until
