"""A database whose clock shows another time: what `now()` says in it decides, wherever the machine's clock stands."""

from __future__ import annotations

from datetime import datetime

from psycopg.conninfo import conninfo_to_dict

from aikit.database.connect import Database


def shift_clock(database: Database, second: float) -> None:
    """Let this database's `now()` be so far into a minute, in every connection that is made from here on."""
    with database.connect(role="test") as connection:
        (now,) = connection.execute("SELECT pg_catalog.now()").fetchone() or (datetime.min,)
        _shift(database, f"{second - (now.second + now.microsecond / 1e6):.6f} s")


def set_clock(database: Database, moment: datetime) -> None:
    """Let this database's `now()` be this moment and go on from it."""
    with database.connect(role="test") as connection:
        (offset,) = connection.execute("SELECT (%s::timestamptz - pg_catalog.now())::text", (moment,)).fetchone() or (
            "0 s",
        )
    _shift(database, str(offset))


def _shift(database: Database, offset: str) -> None:
    name = conninfo_to_dict(database.conninfo)["dbname"]
    with database.connect(role="test") as connection:
        connection.execute("CREATE SCHEMA IF NOT EXISTS shifted")
        connection.execute(
            "CREATE OR REPLACE FUNCTION shifted.now() RETURNS timestamptz LANGUAGE sql STABLE AS "
            f"$$ SELECT pg_catalog.now() + interval '{offset}' $$"
        )
        connection.execute(f'ALTER DATABASE "{name}" SET search_path = shifted, pg_catalog, public')
