"""Which errors of the database mean that the ledger is lost, and which that something in a batch is wrong."""

from __future__ import annotations

import psycopg
import pytest
from psycopg import errors as pg

from aikit.meter.statement import Rejected, is_lost


@pytest.mark.parametrize(
    "error",
    [
        psycopg.OperationalError("server closed the connection unexpectedly"),
        psycopg.InterfaceError("the connection is closed"),
        pg.AdminShutdown(),
        pg.CrashShutdown(),
        pg.CannotConnectNow(),
        pg.ConnectionFailure(),
        pg.ReadOnlySqlTransaction(),
        pg.IdleInTransactionSessionTimeout(),
        pg.DiskFull(),
        pg.LockNotAvailable(),
        Rejected("demoted", "25006"),
        Rejected("full", "53100"),
    ],
)
def test_the_ledger_is_lost(error: Exception) -> None:
    assert is_lost(error)


@pytest.mark.parametrize(
    "error",
    [
        pg.NumericValueOutOfRange(),
        pg.CheckViolation(),
        pg.UndefinedTable(),
        Rejected("a hold is not as we knew it", "AK001"),
        Rejected("out of range", "22003"),
        ValueError("no error of the database"),
    ],
)
def test_something_in_the_batch_is_wrong(error: Exception) -> None:
    assert not is_lost(error)
