"""Reads that see one tenant and environment alone, whatever they ask for: PostgreSQL itself leaves out the rest.

The connection logs in as a role of its own, which owns nothing and can become nobody else: there is nothing to reset
to. What it sees is in three settings, of which one is a proof that only who knows the database's secret can give; so a
statement that changes them sees nothing, not more. docs/design/isolation.md says what holds against what.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import psycopg
import sqlalchemy as sa
from psycopg import sql
from psycopg.conninfo import make_conninfo

from aikit.database.connect import Database
from aikit.errors import DatabaseError, DatabaseUnavailable
from aikit.ledger.reading import check_tags

SEPARATOR = "\x1f"


class IsolationMissing(DatabaseError):
    """The role that sees one tenant alone is not there, or can't be used."""

    code = "ISOLATION_MISSING"


@dataclass(frozen=True, slots=True)
class Isolation:
    """The role, whether it is there, and what it may read or write that it must not, because everybody may.

    `statements` mend that, run by an administrator; no secret is in them. There are none if all is well.
    """

    role: str
    made: bool
    exposed: tuple[str, ...]
    statements: tuple[str, ...]

    @property
    def ready(self) -> bool:
        return self.made and not self.exposed


@dataclass(frozen=True, slots=True)
class _Reader:
    database: Database
    role: str
    secret: bytes = field(repr=False)


_readers: dict[str, _Reader] = {}
"""By conninfo: neither the secret of a database nor its role ever changes."""


def reader_of(database: Database) -> Database:
    """The same database as the role sees it that sees nothing until it is told what: for an engine that keeps its
    connections. Raises DatabaseUnavailable, IsolationMissing.
    """
    return (_readers.get(database.conninfo) or _found(database)).database


@contextmanager
def isolated(
    database: Database, tenant: str, environment: str, *, engine: sa.Engine | None = None
) -> Iterator[sa.Connection]:
    """A read-only connection on which every statement sees the ledger at the same instant, and of it what is this
    tenant's in this environment. For all that takes a `Readable`. `engine` is one on `reader_of`, if there is one:
    what its connections may see ends with each transaction.

    Raises DatabaseUnavailable, IsolationMissing (with what an administrator has to do), ConfigError for unusable tags.
    """
    check_tags(tenant=tenant, environment=environment)
    reader = _readers.get(database.conninfo) or _found(database)
    options: dict[str, Any] = {"isolation_level": "REPEATABLE READ", "postgresql_readonly": True}
    try:
        connected = (engine or reader.database.engine()).execution_options(**options).connect()
    except DatabaseUnavailable as error:
        _readers.pop(database.conninfo, None)
        raise _why_not(database, error) from error
    with connected as connection:
        _confine(connection, reader, tenant, environment)
        yield connection


def isolation_of(database: Database) -> Isolation:
    """Whether reads can be isolated on this database, and what has to be done if not. Raises DatabaseUnavailable."""
    with database.connect(role="isolation") as connection:
        return looked_at(connection)


def _confine(connection: sa.Connection, reader: _Reader, tenant: str, environment: str) -> None:
    session_user, pid = connection.execute(sa.text("SELECT session_user, pg_backend_pid()")).one()
    if session_user != reader.role:
        raise IsolationMissing(
            f"The connection is one of {session_user}, and not of {reader.role}: something between has changed it.",
            remedy="Connect directly, or through a pooler that passes users on.",
        )
    settings = {
        "aikit.tenant": tenant,
        "aikit.environment": environment,
        "aikit.proof": _keyed(reader.secret, SEPARATOR.join(["isolated reads", str(pid), environment, tenant])).hex(),
    }
    told = ", ".join([f"set_config('{name}', :v{place}, true)" for place, name in enumerate(settings)])
    connection.execute(sa.text(f"SELECT {told}"), {f"v{place}": value for place, value in enumerate(settings.values())})


def _keyed(secret: bytes, message: str) -> bytes:
    """As `aikit.keyed` in the database."""
    return hashlib.sha256(secret + hashlib.sha256(secret + message.encode()).digest()).digest()


def _found(database: Database) -> _Reader:
    """The role of this database; it is made now if it is not there, as after a restore on another server."""
    with database.connect(role="isolation") as connection:
        found = looked_at(connection)
        if not found.made and _made(connection):
            found = looked_at(connection)
        if not found.ready:
            raise _missing(database, found)
        row = connection.execute("SELECT secret FROM aikit.state").fetchone()
    assert row is not None
    secret = bytes(row[0])
    own = make_conninfo(database.conninfo, user=found.role, password=_keyed(secret, "isolated password").hex())
    reader = _Reader(Database(own, database.embedded, database.source), found.role, secret)
    _readers[database.conninfo] = reader
    return reader


ROLE = """
    SELECT aikit.isolated_role(), pg_get_userbyid(n.nspowner), EXISTS (SELECT FROM pg_roles r JOIN pg_policies p
        ON p.policyname = r.rolname WHERE p.schemaname = 'aikit' AND p.tablename = 'entries'
        AND r.rolname = aikit.isolated_role())
    FROM pg_namespace n WHERE n.nspname = 'aikit'"""
EXPOSED = """
    SELECT DISTINCT c.relname FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0
    LEFT JOIN aikit.isolation() i ON i.relation = c.relname
    WHERE c.relnamespace = 'aikit'::regnamespace AND c.relkind IN ('r', 'p', 'v', 'm') AND NOT a.attisdropped
      AND (has_column_privilege(%(role)s, c.oid, a.attnum, 'SELECT')
           AND (i.columns = '*' OR a.attname = ANY (string_to_array(i.columns, ', '))) IS NOT TRUE
           OR has_table_privilege(%(role)s, c.oid, 'INSERT, UPDATE, DELETE, TRUNCATE'))
    ORDER BY 1"""
"""What was granted to PUBLIC is the role's, too."""


def looked_at(connection: psycopg.Connection[Any]) -> Isolation:
    """The same, over a connection that is there."""
    row = connection.execute(ROLE).fetchone()
    assert row is not None
    role, owner, made = row
    exposed = tuple([name for (name,) in connection.execute(EXPOSED, {"role": role})]) if made else ()
    named = sql.Identifier(owner).as_string(connection)
    statements: tuple[str, ...] = ()
    if not made:
        own = (f"SET ROLE {named};", "SELECT aikit.isolate();", "RESET ROLE;")
        statements = (f"ALTER ROLE {named} CREATEROLE;", *own, f"ALTER ROLE {named} NOCREATEROLE;")
    elif exposed:
        statements = ("REVOKE ALL ON ALL TABLES IN SCHEMA aikit FROM PUBLIC;",)
    return Isolation(role, made, exposed, statements)


def _made(connection: psycopg.Connection[Any]) -> bool:
    try:
        row = connection.execute("SELECT aikit.isolate()").fetchone()
    except psycopg.errors.InsufficientPrivilege:
        return False
    return row is not None and bool(row[0])


def _missing(database: Database, found: Isolation) -> IsolationMissing:
    why = "is not there, and can't be made: the right is missing"
    if found.exposed:
        why = f"may do more than it should, as everybody may, with {', '.join(found.exposed[:4])}"
    return IsolationMissing(
        f"On {database.name} the role {found.role}, which sees one tenant alone, {why}.",
        facts={"role": found.role, "exposed": list(found.exposed), "statements": list(found.statements)},
        remedy=f"An administrator runs, in this database: {' '.join(found.statements)}",
    )


def _why_not(database: Database, error: DatabaseUnavailable) -> DatabaseError:
    """The database is away, or it is there and does not let the role in."""
    try:
        found = isolation_of(database)
    except DatabaseUnavailable as away:
        return away
    if not found.ready:
        return _missing(database, found)
    return IsolationMissing(
        f"{database.name} does not let the role {found.role} in: {error.message}",
        facts={"role": found.role},
        remedy="Let it log in with its password, in pg_hba.conf (scram-sha-256) and in the pooler, if there is one.",
    )
