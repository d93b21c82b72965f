"""The database as it stands, without starting or changing anything."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import psycopg

from aikit.database import embedded
from aikit.database.connect import Database, named_database, open_database
from aikit.errors import DatabaseError
from aikit.ledger.opening import current
from aikit.ledger.version import HEAD
from aikit.setup.model import Place
from aikit.setup.place import short

RIGHTS = """
    SELECT current_user::text, current_database()::text, pg_is_in_recovery(),
           current_setting('transaction_read_only') = 'on',
           has_database_privilege(current_database(), 'CREATE'),
           (SELECT nspowner::regrole::text FROM pg_namespace WHERE nspname = 'aikit'),
           coalesce((SELECT pg_has_role(nspowner, 'USAGE') FROM pg_namespace WHERE nspname = 'aikit'), false),
           coalesce((SELECT has_schema_privilege(oid, 'USAGE') FROM pg_namespace WHERE nspname = 'aikit'), true),
           (SELECT array_agg(c.relname::text ORDER BY 1) FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
             WHERE n.nspname = 'aikit' AND c.relkind IN ('r', 'p')
               AND NOT (has_table_privilege(c.oid, 'SELECT') AND has_table_privilege(c.oid, 'INSERT')))"""


@dataclass(frozen=True, slots=True)
class Rights:
    """What the role may do. `lacking` are tables of the schema that it can't read and write."""

    role: str
    database: str
    standby: bool
    read_only: bool
    create: bool
    owner: str | None
    owns: bool
    enters: bool
    lacking: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Found:
    """A database. `running` False: the embedded one, which is started when it is needed; `made` says it is there."""

    where: str
    source: str
    embedded: bool
    running: bool
    made: bool
    version: str | None = None
    schema: str | None = None
    rights: Rights | None = None
    database: Database | None = None

    @property
    def current(self) -> bool:
        return self.schema == HEAD


def look(place: Place) -> Found:
    """Raises ConfigError for a URL that can't be read, DatabaseError if it can't be reached or is too old."""
    settings = place.settings
    if settings.database_url is not None:
        source = "--database-url" if place.choices.database_url else settings.sources["database.url"]
        database = named_database(settings.database_url, source)
        return _asked(database, Found(database.name, source, False, True, True, database=database))
    root = settings.data_dir / "postgres"
    found = embedded.status(root)
    if found.binaries is None and not found.running:
        from aikit.database.binaries import choose

        choose()  # raises, and says what is missing
    made = (found.data_directory / "PG_VERSION").is_file()
    known = Found(
        f"embedded PostgreSQL in {short(settings.data_dir)}", "default", True, found.running, made, found.version
    )
    return _asked(open_database(settings), known) if found.running else known


def ready(place: Place) -> Database | None:
    """The database, if it runs and has the schema of this version; else None. Raises as `look` does."""
    found = look(place)
    return found.database if found.running and found.current else None


def _asked(database: Database, known: Found) -> Found:
    try:
        with database.connect(role="setup") as connection:
            row: Any = connection.execute(RIGHTS).fetchone()
            rights = Rights(*[*row[:-1], tuple(row[-1] or ())])
            version = str(connection.info.parameter_status("server_version")).split()[0]
            schema = current(connection) if rights.enters else None
    except psycopg.OperationalError as error:
        raise database.unavailable(error) from None
    except psycopg.errors.InsufficientPrivilege as error:
        raise DatabaseError(
            f"The role may not read the schema aikit in {database.name}: {error.diag.message_primary}.",
            remedy="Grant it the rights of `docs/how-to/use-your-own-postgres.md`.",
        ) from None
    return Found(known.where, known.source, known.embedded, True, True, version, schema, rights, database)
