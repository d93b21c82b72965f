"""Migrations: from the installed package, by several at once, or by hand from the printed SQL."""

from __future__ import annotations

import subprocess
import sys

from aikit.database.connect import Database, named_database
from aikit.ledger import schema
from aikit.ledger.opening import current, prepare
from aikit.ledger.version import HEAD

UPGRADE = """
import sys
from aikit.database.connect import named_database
from aikit.ledger.opening import migrate, prepare
database = named_database(sys.argv[1], "test")
sys.stdin.readline()
migrate(database)
print(prepare(database))
"""


def blank(dsn: str) -> Database:
    return named_database(dsn, "test")


def test_the_version_that_is_checked_at_opening_is_the_newest_migration() -> None:
    assert schema.head() == HEAD


def test_three_upgrades_at_once_make_one_schema(database: str) -> None:
    upgraders = [
        subprocess.Popen(
            [sys.executable, "-c", UPGRADE, database], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        for _ in range(3)
    ]
    for upgrader in upgraders:
        assert upgrader.stdin is not None
        upgrader.stdin.write("go\n")
        upgrader.stdin.flush()
    assert [upgrader.communicate(timeout=60)[0] for upgrader in upgraders] == ["100000\n"] * 3
    assert all(upgrader.returncode == 0 for upgrader in upgraders)
    with blank(database).connect(role="test") as connection:
        assert current(connection) == HEAD
        assert connection.execute("SELECT count(*) FROM aikit.state").fetchone() == (1,)


def test_the_printed_sql_makes_the_same_schema_and_is_one_transaction(database: str) -> None:
    text = schema.upgrade_sql()
    assert text.index("BEGIN;") < text.index("CREATE SCHEMA")
    with blank(database).connect(role="test") as connection:
        connection.execute(text)
    assert prepare(blank(database)) == 100_000
