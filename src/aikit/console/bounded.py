"""A change that ends: the database is hung up on when it takes too long, and what it says is told in words."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any

import psycopg
import sqlalchemy as sa

from aikit.database.connect import Database
from aikit.database.stall import severed_after
from aikit.errors import DatabaseError

LONGEST = 10.0
"""Seconds that a change may take."""
REMEDY = "It may have been done all the same: once the database is back, the tab Audit tells."


@contextmanager
def bounded(database: Database, longest: float = LONGEST) -> Iterator[Database]:
    """The database, whose connections are cut after so many seconds.

    Raises DatabaseError for what it, or the connection to it, says within the block.
    """
    with ExitStack() as cutting:
        try:
            yield _Bounded(database.conninfo, database.embedded, database.source, cutting, longest)
        except sa.exc.DBAPIError as error:
            raise _told(database, error.orig) from error


@dataclass(frozen=True, slots=True)
class _Bounded(Database):
    """Its connections are cut by timers that end with `cutting`."""

    cutting: ExitStack
    longest: float

    def connect(self, *, role: str) -> psycopg.Connection[Any]:
        connection = Database.connect(self, role=role)
        self.cutting.enter_context(severed_after(connection, self.longest))
        return connection


def _told(database: Database, cause: BaseException | None) -> DatabaseError:
    if isinstance(cause, psycopg.OperationalError):
        lost = database.unavailable(cause)
        lost.remedy = REMEDY
        return lost
    said = cause.diag.message_primary if isinstance(cause, psycopg.Error) else str(cause)
    return DatabaseError(f"The database {database.name} refused: {said}.", remedy="Run `aikit db status`.")
