"""What `aikit db status` finds out about the configured database, without starting anything."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from aikit.cli.output import UNKNOWN
from aikit.errors import DatabaseError, SchemaBehind
from aikit.ledger.version import HEAD

if TYPE_CHECKING:
    import psycopg

    from aikit.config import Settings
    from aikit.database.connect import Database
    from aikit.ledger.isolated import Isolation


@dataclass(frozen=True, slots=True)
class Status:
    """A database and how it stands. `running` None: it does not answer. Sizes in bytes; unknown is None."""

    database: str
    source: str
    embedded: bool
    running: bool | None = None
    server_version: str | None = None
    schema: str | None = None
    size_bytes: int | None = None
    pid: int | None = None
    directory: Path | None = None
    isolation: Isolation | None = None
    """Whether there is a role that sees one tenant alone; None: unknown, as with another schema."""
    problem: DatabaseError | None = None
    """What stands in the way of using it."""

    def data(self) -> dict[str, Any]:
        """As JSON has it."""
        return {
            "database": self.database,
            "source": self.source,
            "embedded": self.embedded,
            "running": self.running,
            "server_version": self.server_version,
            "schema": {"current": self.schema, "head": HEAD},
            "size_bytes": self.size_bytes,
            "pid": self.pid,
            "directory": str(self.directory) if self.directory else None,
            "isolation": self._isolation_data(),
        }

    def facts(self) -> list[tuple[str, str]]:
        """As people read it."""
        running = {True: "yes", False: "no; it starts when it is needed", None: "it does not answer"}[self.running]
        pairs = [
            ("Set by", self.source),
            ("Running", f"{running}, process {self.pid}" if self.pid else running),
            ("Server", f"PostgreSQL {self.server_version}" if self.server_version else UNKNOWN),
            ("Schema", self._schema_words()),
            ("Isolation", self._isolation_words()),
            ("Size", f"{self.size_bytes / 1e6:,.1f} MB" if self.size_bytes is not None else UNKNOWN),
        ]
        return [*pairs, ("Directory", str(self.directory))] if self.directory else pairs

    def _schema_words(self) -> str:
        if not self.running:
            return UNKNOWN
        return f"{HEAD}, up to date" if self.schema == HEAD else f"{self.schema or 'none yet'}; this aikit has {HEAD}"

    def _isolation_words(self) -> str:
        found = self.isolation
        if found is None:
            return UNKNOWN
        if found.ready:
            return f"the role {found.role} sees one tenant alone"
        missing = "may do more than it should" if found.exposed else "is not there"
        return f"the role {found.role} {missing}; `aikit doctor` says what mends it"

    def _isolation_data(self) -> dict[str, Any] | None:
        found = self.isolation
        return None if found is None else {"ready": found.ready, "role": found.role, "exposed": list(found.exposed)}


def look(settings: Settings) -> Status:
    """How the configured database stands. Raises ConfigError for a URL that can't be read, EmbeddedFailed."""
    from aikit.database.connect import named_database, open_database

    if settings.database_url is not None:
        database = named_database(settings.database_url, settings.sources["database.url"])
        return _asked(database, Status(database.name, database.source, embedded=False))
    found = _embedded(settings)
    return _asked(open_database(settings), found) if found.running else found


def newer(database: str, found: str) -> DatabaseError:
    """The error for a database whose schema a later version of aikit has made."""
    return DatabaseError(f"{database} is at {found}, ahead of this aikit, which knows {HEAD}.", remedy="Upgrade aikit.")


def _embedded(settings: Settings) -> Status:
    from aikit.database import embedded

    found = embedded.status(settings.data_dir / "postgres")
    return Status(
        "embedded PostgreSQL",
        "default, as no database is configured",
        embedded=True,
        running=found.running,
        server_version=found.version,
        size_bytes=found.size_bytes,
        pid=found.pid,
        directory=found.data_directory,
    )


def _asked(database: Database, known: Status) -> Status:
    """What is known, completed by what the database answers."""
    from aikit.ledger.opening import current

    try:
        with database.connect(role="status") as connection:
            row = connection.execute(
                "SELECT current_setting('server_version'), pg_database_size(current_database())"
            ).fetchone()
            schema = current(connection)
            isolation = _isolation(connection) if schema == HEAD else None
    except DatabaseError as error:
        return replace(known, running=None, problem=error)
    assert row is not None
    return replace(
        known,
        running=True,
        server_version=str(row[0]).split()[0],
        schema=schema,
        isolation=isolation,
        size_bytes=known.size_bytes if known.size_bytes is not None else int(row[1]),
        problem=_problem(known.database, schema),
    )


def _isolation(connection: psycopg.Connection[Any]) -> Isolation | None:
    """None for a user who may not look."""
    import psycopg

    from aikit.ledger.isolated import looked_at

    try:
        return looked_at(connection)
    except psycopg.errors.InsufficientPrivilege:
        return None


def _problem(database: str, schema: str | None) -> DatabaseError | None:
    if schema == HEAD:
        return None
    if schema is None or schema < HEAD:
        return SchemaBehind(f"{database} is at {schema or 'no schema'}; this aikit needs {HEAD}.")
    return newer(database, schema)
