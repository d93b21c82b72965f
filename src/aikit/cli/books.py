"""Opens the books for a command: the configured database, with its schema checked."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from aikit.cli.importing import importing
from aikit.cli.output import progress

if TYPE_CHECKING:
    from aikit.config import Settings
    from aikit.database.connect import Database


@dataclass(frozen=True, slots=True)
class Books:
    """A database that is ready for reads and writes, and its unit: nano-USD per credit."""

    database: Database
    nano_per_credit: int


def open_books() -> Books:
    """Raises ConfigError, or DatabaseError when the database can't be reached or its schema is behind."""
    with importing():
        from aikit.config import load
        from aikit.ledger.opening import prepare
    database = open_configured(load())
    return Books(database, prepare(database).nano_per_credit)


def open_configured(settings: Settings) -> Database:
    """The configured database; the embedded one is started if need be, which is shown while it lasts."""
    from aikit.database.connect import open_database

    if settings.database_url is not None or is_running(settings.data_dir / "postgres"):
        return open_database(settings)
    with progress(f"Starting the embedded PostgreSQL in {settings.data_dir}"):
        return open_database(settings)


def is_running(root: Path) -> bool:
    """Quickly, and only to know whether to show something: what stands in the way is told by whoever opens it."""
    from aikit.database.cluster import Cluster

    with suppress(OSError):
        return Cluster(root.expanduser().resolve()).postmaster() is not None
    return False
