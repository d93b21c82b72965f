"""The console's connection: one, kept from tick to tick; each tick is one transaction that sees one instant."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from datetime import datetime
from typing import Any, NamedTuple

import psycopg
import sqlalchemy as sa
from sqlalchemy.pool import NullPool

from aikit.console.reading.clock import Clock
from aikit.database.connect import Database
from aikit.database.stall import severed_after
from aikit.errors import DatabaseError, SchemaBehind

STATEMENT = 2.0
"""Seconds that one statement may take."""
FILLED = 0.06
"""Seconds of a tick that are filled with what can wait for the next one."""
LONGEST = 4.0
"""Seconds that the statements of a tick may take together; then the server is hung up on."""
SETTINGS = {
    "statement_timeout": f"{STATEMENT:g}s",
    "jit": "off",
    "enable_incremental_sort": "off",
    "max_parallel_workers_per_gather": "0",
}
"""A console that is left open all day takes one core of the server's at most, and never for long. Without incremental
sorts the rollups of an hour that has just begun are added up by hash, however few the statistics know of yet."""
LIMIT = sa.text("SELECT " + ", ".join(f"set_config('{name}', '{value}', true)" for name, value in SETTINGS.items()))
"""Before any table is looked at: whatever waits for a lock is cancelled by the server, and does not pile up there."""
BEGIN = sa.text("SELECT now(), policy_version, breaker_version FROM aikit.state")


class Tick(NamedTuple):
    """A transaction: what it reads from, when it began by the database's clock, which versions are in force, and the
    time that is left for what can wait.
    """

    connection: sa.Connection
    now: datetime
    policy_version: int
    breaker_version: int
    clock: Clock


class Line:
    """The connection, made when it is needed and anew when it was lost. For one thread at a time."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self.engine = sa.create_engine("postgresql+psycopg://", creator=self._connected, poolclass=NullPool)
        self._guards = ExitStack()
        self._raw: psycopg.Connection[Any] | None = None
        self._connection: sa.Connection | None = None

    @contextmanager
    def tick(self) -> Iterator[Tick]:
        """Raises DatabaseUnavailable, SchemaBehind, or DatabaseError for what the server says otherwise."""
        began = time.monotonic()
        try:
            with ExitStack() as guards:
                self._guards = guards
                try:
                    tick = guards.enter_context(self._begun())
                except sa.exc.OperationalError:
                    if not self._was_lost or time.monotonic() - began > 1:
                        raise
                    self.close()
                    tick = guards.enter_context(self._begun())
                yield tick
        except sa.exc.DBAPIError as error:
            cause = error.orig
            if not isinstance(cause, psycopg.errors.QueryCanceled):
                self.close()
            raise self._told(cause, time.monotonic() - began) from error
        except BaseException:
            self.close()
            raise

    @contextmanager
    def _begun(self) -> Iterator[Tick]:
        clock = Clock(FILLED)
        connection = self._connection
        self._was_lost = connection is not None
        if connection is None:
            options: dict[str, Any] = {"isolation_level": "REPEATABLE READ", "postgresql_readonly": True}
            connection = self._connection = self.engine.connect().execution_options(**options)
        elif self._raw is not None:
            self._guards.enter_context(severed_after(self._raw, LONGEST))
        with connection.begin():
            connection.execute(LIMIT)
            now, policies, breakers = connection.execute(BEGIN).one()
            yield Tick(connection, now, policies, breakers, clock)

    def _connected(self) -> psycopg.Connection[Any]:
        """For SQLAlchemy. Statements are planned for what they are about, each time: what is seldom is looked up."""
        self._raw = connection = self.database.connect(role="top")
        self._guards.enter_context(severed_after(connection, LONGEST))
        connection.autocommit = False
        connection.prepare_threshold = None
        return connection

    def close(self) -> None:
        """Hang up; the next tick connects again."""
        connection, self._connection = self._connection, None
        raw, self._raw = self._raw, None
        if connection is not None:
            with suppress(sa.exc.SQLAlchemyError, psycopg.Error):
                connection.close()
        if raw is not None:
            with suppress(psycopg.Error):
                raw.close()

    def _told(self, cause: BaseException | None, seconds: float) -> DatabaseError:
        """What the server or the connection to it said, in words."""
        name = self.database.name
        if isinstance(cause, psycopg.errors.QueryCanceled):
            return DatabaseError(
                f"The database {name} did not answer a question within {STATEMENT:g} s, and was told to leave it.",
                retryable=True,
                facts={"database": name},
                remedy="It is busy, or locked by a migration: see what it does in pg_stat_activity.",
            )
        if isinstance(cause, psycopg.errors.UndefinedTable | psycopg.errors.UndefinedColumn):
            return SchemaBehind(
                f"{name} has another schema than this aikit reads.",
                facts={"database": name},
                remedy="Run `aikit db status`.",
            )
        if isinstance(cause, psycopg.OperationalError):
            if seconds >= LONGEST:
                cause = psycopg.OperationalError(f"it has not answered for {LONGEST:g} s")
            return self.database.unavailable(cause)
        said = cause.diag.message_primary if isinstance(cause, psycopg.Error) else str(cause)
        return DatabaseError(f"The database {name} refused: {said}.", facts={"database": name})
