"""Connections to the ledger that are kept, and can be hung up on when it takes what we say and answers nothing."""

from __future__ import annotations

import socket
from contextlib import suppress
from typing import Any

import sqlalchemy as sa

from aikit.database.connect import Database
from aikit.database.stall import line_of


class Kept:
    """`engine` keeps a connection for each of so many threads, and finds out whether it works before it is used."""

    def __init__(self, database: Database, connections: int, seconds: float) -> None:
        """`seconds` is how long a thread waits for one of them."""
        self._lines: dict[int, socket.socket] = {}
        self.engine = sa.create_engine(
            "postgresql+psycopg://",
            creator=database._for_sqlalchemy,
            pool_size=connections,
            max_overflow=0,
            pool_timeout=seconds,
            pool_pre_ping=True,
        )
        sa.event.listen(self.engine, "connect", self._connected)
        sa.event.listen(self.engine, "close", self._closed)

    def sever(self) -> None:
        """Hang up on all of them: whoever waits for an answer hears an error, and the next one connects anew."""
        for line in list(self._lines.values()):
            with suppress(OSError):
                line.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        self.sever()
        self.engine.dispose()

    def _connected(self, connection: Any, _: object) -> None:
        self._lines[id(connection)] = line_of(connection)

    def _closed(self, connection: Any, _: object) -> None:
        if (line := self._lines.pop(id(connection), None)) is not None:
            line.close()
