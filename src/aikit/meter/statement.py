"""One prepared statement, called without a cursor: for a batch of one the cursor costs as much as the commit.

And what an error of the database says: that something in the batch is wrong, or that the ledger is lost.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import psycopg
from psycopg.pq import ConnStatus, DiagnosticField, ExecStatus

AWAY = ("08", "25006", "25P03", "53", "55P03", "57", "58")
"""How the SQLSTATEs begin that say nothing about a batch: the server goes, is read only since another one was promoted,
has no room, or somebody has held a lock for too long. The same batch can be posted later, or elsewhere."""


def is_lost(error: BaseException) -> bool:
    """Whether the ledger is lost, rather than something in the batch wrong: then whatever was to be posted is kept."""
    if isinstance(error, psycopg.OperationalError | psycopg.InterfaceError):
        return True
    return isinstance(error, psycopg.Error) and (error.sqlstate or "").startswith(AWAY)


class Statement:
    """A statement that returns one row of texts. Blocks without holding the interpreter's lock."""

    def __init__(self, connection: psycopg.Connection[Any], name: str, query: str) -> None:
        """Prepare it. `query` has its parameters as $1, $2, … Raises psycopg.Error."""
        self._pgconn = connection.pgconn
        self._name = name.encode()
        self._check(self._pgconn.prepare(self._name, query.encode()), ExecStatus.COMMAND_OK)

    def __call__(self, parameters: Sequence[str | None]) -> list[str]:
        """The row. Raises OperationalError when the ledger is lost, else the psycopg error of its SQLSTATE."""
        values: list[Any] = [None if value is None else value.encode() for value in parameters]
        result = self._check(self._pgconn.exec_prepared(self._name, values), ExecStatus.TUPLES_OK)
        return [(result.get_value(0, column) or b"").decode() for column in range(result.nfields)]

    def _check(self, result: Any, wanted: ExecStatus) -> Any:
        if result.status == wanted:
            return result
        message = result.error_message.decode(errors="replace").strip()
        sqlstate = (result.error_field(DiagnosticField.SQLSTATE) or b"").decode()
        if not sqlstate or sqlstate.startswith(AWAY) or self._pgconn.status != ConnStatus.OK:
            raise psycopg.OperationalError(message)
        constraint = (result.error_field(DiagnosticField.CONSTRAINT_NAME) or b"").decode()
        raise Rejected(message, sqlstate, constraint)


class Rejected(psycopg.DatabaseError):
    """The database refused the statement; `sqlstate` says why, `constraint` names the one that was violated, if any."""

    def __init__(self, message: str, sqlstate: str, constraint: str = "") -> None:
        super().__init__(message)
        self.sqlstate = sqlstate
        self.constraint = constraint
