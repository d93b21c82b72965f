"""Makes sure that a database has the schema this version works on, before anything is metered there."""

from __future__ import annotations

from typing import Any, NamedTuple

import psycopg

from aikit.database.connect import Database
from aikit.errors import DatabaseError, SchemaBehind
from aikit.ledger.version import HEAD


class Terms(NamedTuple):
    """What was set when the database was set up. `secret` keys the hashes of what guards find."""

    nano_per_credit: int
    secret: bytes


def prepare(database: Database) -> Terms:
    """Check the schema and return the database's terms. The embedded database is upgraded as needed.

    Raises SchemaBehind for another database that needs a migration, DatabaseError for one that is ahead of us.
    """
    try:
        return _prepare(database)
    except psycopg.OperationalError as error:
        raise database.unavailable(error) from error


def _prepare(database: Database) -> Terms:
    with database.connect(role="open") as connection:
        found = current(connection)
        if found != HEAD and database.embedded:
            migrate(database)
        elif found is None or found < HEAD:
            raise SchemaBehind(
                f"{database.name} is at schema {found}; this aikit needs {HEAD}."
                if found
                else f"{database.name} has no schema of aikit yet.",
                facts={"database": database.name, "needed": HEAD} | ({"found": found} if found else {}),
            )
        elif found > HEAD:
            raise DatabaseError(
                f"{database.name} is at {found}, ahead of this aikit, which knows {HEAD}.", remedy="Upgrade aikit."
            )
        row = connection.execute("SELECT nano_per_credit, secret FROM aikit.state").fetchone()
    assert row is not None
    return Terms(*row)


def migrate(database: Database) -> None:
    """Bring the schema up to date."""
    from aikit.ledger import schema

    with database.engine().connect() as connection:
        schema.upgrade(connection)


def current(connection: psycopg.Connection[Any]) -> str | None:
    """The migration that a database is at; None for a database without our schema."""
    present = connection.execute("SELECT to_regclass('aikit.schema_version')").fetchone()
    if present is None or present[0] is None:
        return None
    row = connection.execute("SELECT version_num FROM aikit.schema_version").fetchone()
    return str(row[0]) if row else None
