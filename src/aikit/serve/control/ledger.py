"""Blocking work on the ledger beside the event loop: a few threads, each answer within a time."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from threading import Lock
from typing import TypeVar

import psycopg
import sqlalchemy as sa

from aikit.database.connect import Database
from aikit.errors import ConfigError, DatabaseError
from aikit.kit_core import KitCore
from aikit.ledger.isolated import isolated, reader_of
from aikit.serve.control.kept import Kept
from aikit.serve.control.whose import Place
from aikit.serve.endpoints import unavailable

Answer = TypeVar("Answer")
SECONDS = 10.0
"""How long an answer may take."""
THREADS = 8


class Ledger:
    """The ledger as the control plane asks it. `close` it when nothing runs any more."""

    def __init__(self, kit: KitCore) -> None:
        self.kit = kit
        self.database: Database = kit.database
        self._pool = ThreadPoolExecutor(THREADS, "aikit-control")
        self._lock = Lock()
        self._reading: Kept | None = None
        self._writing = Kept(self.database, THREADS, SECONDS)

    async def look(self, place: Place, read: Callable[[sa.Connection], Answer]) -> Answer:
        """Read what this tenant has in this environment, and nothing else can be seen. Raises MeteringUnavailable."""

        def seen() -> Answer:
            with self.seen(place) as connection:
                return read(connection)

        return await self.do(seen)

    async def do(self, work: Callable[[], Answer]) -> Answer:
        """Have it done in a thread. Raises MeteringUnavailable (503) if the ledger is away or takes too long."""
        try:
            async with asyncio.timeout(SECONDS):
                return await asyncio.get_running_loop().run_in_executor(self._pool, _worded, work)
        except TimeoutError:
            self._sever()
            raise unavailable() from None

    @contextmanager
    def seen(self, place: Place) -> Iterator[sa.Connection]:
        """A look at what is this tenant's in this environment, for work that is in a thread already."""
        with isolated(self.database, place.tenant, place.environment, engine=self._readers()) as connection:
            yield connection

    @contextmanager
    def changing(self) -> Iterator[sa.Connection]:
        """A transaction of its own, in a thread."""
        with self._writing.engine.begin() as connection:
            yield connection

    def _readers(self) -> sa.Engine:
        """Keeps connections that see nothing until they are told what, for one transaction."""
        with self._lock:
            if self._reading is None:
                self._reading = Kept(reader_of(self.database), THREADS, SECONDS)
            return self._reading.engine

    def _sever(self) -> None:
        for kept in (self._reading, self._writing):
            if kept is not None:
                kept.sever()

    async def close(self) -> None:
        self._pool.shutdown(wait=False, cancel_futures=True)
        for kept in (self._reading, self._writing):
            if kept is not None:
                kept.close()


def _worded(work: Callable[[], Answer]) -> Answer:
    try:
        return work()
    except (DatabaseError, psycopg.OperationalError, psycopg.InterfaceError):
        raise unavailable() from None
    except sa.exc.DataError as error:  # a text that PostgreSQL has no form for
        raise ConfigError("A value can't be kept.", remedy="Leave out what can't be printed.") from error
    except (sa.exc.OperationalError, sa.exc.InterfaceError, sa.exc.TimeoutError):
        raise unavailable() from None
