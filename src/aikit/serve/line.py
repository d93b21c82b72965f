"""A connection to the ledger that an event loop asks by itself: prepared statements, one at a time, each within a time.

libpq is driven bare: for a statement of a few rows that is a third of what a cursor costs, and no other thread has to
be given the interpreter's lock.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any

import psycopg
from psycopg import pq

from aikit.database.connect import Database
from aikit.database.stall import severed_after
from aikit.errors import DatabaseError, MeteringUnavailable

Row = list[bytes | None]
PREPARE_SECONDS = 3.0


class LedgerAway(Exception):
    """The ledger can't be asked. Of the message nothing is for a caller of the server."""

    def for_caller(self) -> MeteringUnavailable:
        """A new error each time: one that is raised in many places gathers the tracebacks of all."""
        return MeteringUnavailable(
            "The ledger can't be reached, so no key can be looked up.",
            remedy="Try again in a moment.",
            retry_after=1.0,
        )


class Line:
    """Opened when it is first asked, and anew when it was lost. Of one event loop; questions wait for one another."""

    def __init__(self, database: Database, role: str, statements: Mapping[str, str], seconds: float) -> None:
        """`statements` by name; `seconds` is how long an answer may take, connecting included."""
        self._database = database
        self._role = role
        self._statements = statements
        self._seconds = seconds
        self._one_at_a_time = asyncio.Lock()
        self._opening: asyncio.Task[_Open] | None = None
        self._open: _Open | None = None

    async def ask(self, name: str, parameters: Sequence[bytes | None]) -> list[Row]:
        """The rows that a statement answers, as text. One that is lost on the way is asked once more.

        Raises LedgerAway; after a time-out the connection is hung up on.
        """
        try:
            async with asyncio.timeout(self._seconds), self._one_at_a_time:
                try:
                    return await (await self._opened()).ask(name, parameters)
                except psycopg.OperationalError:
                    self._hang_up()
                    return await (await self._opened()).ask(name, parameters)
        except TimeoutError:
            self._hang_up()
            raise LedgerAway(f"no answer in {self._seconds:g} s") from None
        except (psycopg.Error, DatabaseError) as error:
            self._hang_up()
            raise LedgerAway(str(error)) from error
        except asyncio.CancelledError:
            self._hang_up()
            raise

    async def close(self) -> None:
        if self._opening is not None:
            with suppress(DatabaseError, psycopg.Error, asyncio.CancelledError):
                self._open = await asyncio.shield(self._opening)
            self._opening = None
        self._hang_up()

    async def _opened(self) -> _Open:
        if self._open is None or self._open.lost:
            self._hang_up()
            if self._opening is None or self._opening.done():
                self._opening = asyncio.create_task(self._opening_one())
                self._opening.add_done_callback(_heard)
            self._open = await asyncio.shield(self._opening)  # whoever gives up waiting does not stop it
            self._opening = None
        return self._open

    async def _opening_one(self) -> _Open:
        connection = await asyncio.to_thread(self._connected)
        return _Open(connection, asyncio.get_running_loop())

    def _connected(self) -> psycopg.Connection[Any]:
        connection = self._database.connect(role=self._role)
        try:
            with severed_after(connection, PREPARE_SECONDS):
                for name, statement in self._statements.items():
                    prepared = connection.pgconn.prepare(name.encode(), statement.encode())
                    _checked(prepared)
        except BaseException:
            connection.close()
            raise
        return connection

    def _hang_up(self) -> None:
        if self._open is not None:
            self._open.close()
            self._open = None


class _Open:
    """A connection that the loop listens to for as long as it is open: so it hears at once when the server is gone."""

    def __init__(self, connection: psycopg.Connection[Any], loop: asyncio.AbstractEventLoop) -> None:
        self._connection = connection
        self._pgconn = connection.pgconn
        self._pgconn.nonblocking = 1
        self._loop = loop
        self._socket = self._pgconn.socket
        self._answer: asyncio.Future[pq.abc.PGresult] | None = None
        self._result: pq.abc.PGresult | None = None
        self.lost = False
        loop.add_reader(self._socket, self._readable)

    async def ask(self, name: str, parameters: Sequence[bytes | None]) -> list[Row]:
        self._pgconn.send_query_prepared(name.encode(), parameters)
        self._result, self._answer = None, self._loop.create_future()
        self._write()
        return _rows(_checked(await self._answer))

    def close(self) -> None:
        if not self.lost:
            self.lost = True
            self._loop.remove_reader(self._socket)  # before the socket is closed: its number is soon another's
            self._loop.remove_writer(self._socket)
            self._connection.close()

    def _write(self) -> None:
        """Send what is left to be sent; what the socket does not take now goes when it takes it."""
        if self._pgconn.flush():
            self._loop.add_writer(self._socket, self._writable)

    def _writable(self) -> None:
        try:
            if not self._pgconn.flush():
                self._loop.remove_writer(self._socket)
        except psycopg.OperationalError as error:
            self._fail(error)

    def _readable(self) -> None:
        try:
            self._pgconn.consume_input()
            while not self._pgconn.is_busy():
                result = self._pgconn.get_result()
                if result is None:
                    break
                self._result = result
            else:
                return
        except psycopg.OperationalError as error:
            self._fail(error)
            return
        if self._result is not None and self._answer is not None and not self._answer.done():
            self._answer.set_result(self._result)

    def _fail(self, error: psycopg.OperationalError) -> None:
        self.close()
        if self._answer is not None and not self._answer.done():
            self._answer.set_exception(error)


def _checked(result: pq.abc.PGresult) -> pq.abc.PGresult:
    """Raises psycopg.Error for a refusal; OperationalError if the connection, not the statement, was at fault."""
    if result.status in (pq.ExecStatus.TUPLES_OK, pq.ExecStatus.COMMAND_OK):
        return result
    state = (result.error_field(pq.DiagnosticField.SQLSTATE) or b"").decode()
    message = result.get_error_message()
    forgotten = state == "26000"  # a pooler has given us a connection that does not know the statement
    raise (psycopg.OperationalError if forgotten or state[:2] in ("57", "08", "") else psycopg.DatabaseError)(message)


def _rows(result: pq.abc.PGresult) -> list[Row]:
    return [[result.get_value(row, column) for column in range(result.nfields)] for row in range(result.ntuples)]


def _heard(opening: asyncio.Task[Any]) -> None:
    """Look at the error of a connection that nobody waits for any more, so that it is not complained about."""
    if not opening.cancelled():
        opening.exception()


def array(values: Sequence[str | bytes | int | None]) -> bytes:
    """A PostgreSQL array, as text; bytes as bytea."""
    return ("{" + ",".join([_element(value) for value in values]) + "}").encode()


def _element(value: str | bytes | int | None) -> str:
    if value is None:
        return "NULL"
    if isinstance(value, bytes):
        return f'"\\\\x{value.hex()}"'
    if isinstance(value, int):
        return str(value)
    return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'
