"""Whom the doctor looks at: the settings and the database of one place, each found once and shared by all exams."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import psycopg

from aikit.database.connect import Database, named_database, open_database
from aikit.database.stall import severed_after
from aikit.errors import DatabaseUnavailable
from aikit.setup.model import Place

if TYPE_CHECKING:
    from aikit.config import Settings

ANSWER = 8.0
"""Seconds that the database has to answer an exam; then it is hung up on, so that no thread is left behind."""
LINES = 4
"""Connections that the doctor has open at once: it must not be what uses them up."""
READS = "SET default_transaction_read_only = on; SET statement_timeout = '8s'; SET lock_timeout = '5s'"


@dataclass(slots=True)
class Patient:
    """`place` is where it is set up. With `thorough` whatever can be verified is, however long it takes."""

    place: Place
    thorough: bool = False
    clock: Callable[[], datetime] = lambda: datetime.now(UTC)
    """This machine's."""
    _lines: threading.Semaphore = field(default_factory=lambda: threading.Semaphore(LINES))
    _lock: threading.RLock = field(default_factory=threading.RLock)
    _database: Database | None = None

    @property
    def settings(self) -> Settings:
        """Raises ConfigError."""
        with self._lock:
            return self.place.settings

    @property
    def has_database(self) -> bool:
        """A database is configured, or the embedded one was made. Raises ConfigError."""
        from aikit.database.cluster import Cluster

        settings = self.settings
        root = (settings.data_dir / "postgres").expanduser().resolve()
        return settings.database_url is not None or Cluster(root).major() is not None

    @property
    def database(self) -> Database:
        """The configured one; the embedded one is started if need be. Raises ConfigError, EmbeddedFailed."""
        with self._lock:
            if self._database is None:
                self._database = open_database(self.settings)
            return self._database

    @property
    def named(self) -> Database:
        """The same, without starting or asking anything. Raises ConfigError."""
        from aikit.database.cluster import Cluster

        settings = self.settings
        if settings.database_url is not None:
            return named_database(settings.database_url, settings.sources["database.url"])
        root = (settings.data_dir / "postgres").expanduser().resolve()
        return Database(Cluster(root).dsn, True, "default")

    @contextmanager
    def line(self, *, reads: bool = True) -> Iterator[psycopg.Connection[Any]]:
        """A connection that can't write, unless it is told to; hung up on after a while.

        Raises DatabaseUnavailable, also when it is lost in the middle, and psycopg.Error.
        """
        with self._lines:
            database = self.database
            connection = database.connect(role="doctor")
            try:
                with connection, severed_after(connection, ANSWER):
                    if reads:
                        connection.execute(READS)
                    yield connection
            except psycopg.OperationalError as error:
                raise _lost(database, error) from error

    @contextmanager
    def turn(self) -> Iterator[Database]:
        """The database, for what opens a connection of its own: its turn among those that do."""
        with self._lines:
            yield self.database

    def forget(self) -> None:
        """Something was mended: look at everything anew."""
        with self._lock:
            self.place.reload()
            self._database = None


def _lost(database: Database, error: psycopg.OperationalError) -> DatabaseUnavailable:
    if isinstance(error, psycopg.errors.QueryCanceled):
        return DatabaseUnavailable(
            f"{database.name} did not answer within {ANSWER:.0f} s.",
            remedy="See what it is busy with: `aikit db status`.",
        )
    return database.unavailable(error)


def milliseconds(since: float) -> float:
    """How long it took since `time.perf_counter` said so."""
    return (time.perf_counter() - since) * 1000
