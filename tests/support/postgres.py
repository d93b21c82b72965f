"""A real PostgreSQL for tests: one embedded server for the run, all workers included; a fresh database for each test.

`AIKIT_TEST_DATABASE_URL` names another server to use instead; its user must be allowed to create databases.
"""

from __future__ import annotations

import atexit
import fcntl
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import psycopg
import pytest
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from aikit.database import embedded


@pytest.fixture(scope="session")
def postgres_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The DSN of a server that is there for the run."""
    if given := os.environ.get("AIKIT_TEST_DATABASE_URL"):
        yield given
        return
    base = tmp_path_factory.getbasetemp()
    share = SharedServer(base.parent if os.environ.get("PYTEST_XDIST_WORKER") else base)
    atexit.register(share.leave)
    try:
        yield share.join()
    finally:
        share.leave()
        atexit.unregister(share.leave)


@pytest.fixture
def database(postgres_server: str) -> Iterator[str]:
    """The DSN of an empty database that is this test's own."""
    dsn = create_database(postgres_server)
    yield dsn
    drop_database(dsn)


def create_database(server_dsn: str, template: str | None = None) -> str:
    """Create a database with a unique name, as a copy of `template` if given; returns its DSN.

    Nobody may be connected to the template.
    """
    name = f"test_{uuid4().hex[:12]}"
    statement = sql.SQL("CREATE DATABASE {} TEMPLATE {}")
    with psycopg.connect(server_dsn, autocommit=True) as connection:
        connection.execute(statement.format(sql.Identifier(name), sql.Identifier(template or "template1")))
    return make_conninfo(server_dsn, dbname=name)


def drop_database(dsn: str) -> None:
    """Drop the database of this DSN; whoever is still connected is cut off."""
    name = conninfo_to_dict(dsn)["dbname"]
    with psycopg.connect(make_conninfo(dsn, dbname="postgres"), autocommit=True) as connection:
        connection.execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(str(name))))


class SharedServer:
    """An embedded server that the processes of one test run share; the last to leave stops and removes it.

    Each user holds a shared lock, which the kernel releases even if it is killed; whoever gets the exclusive lock
    on leaving was the last.
    """

    def __init__(self, directory: Path) -> None:
        self.root = directory / "postgres"
        self._users_file = directory / "postgres.users"
        self._users: int | None = None
        self._joined_by = 0

    def join(self) -> str:
        """The DSN of the server, which now stays until this user has left, too."""
        self._users = os.open(self._users_file, os.O_RDWR | os.O_CREAT, 0o600)
        self._joined_by = os.getpid()
        fcntl.flock(self._users, fcntl.LOCK_SH)
        return embedded.ensure(self.root)

    def leave(self) -> None:
        """Leave, once; in a fork of the process that joined, do nothing."""
        if self._users is None or self._joined_by != os.getpid():
            return
        users, self._users = self._users, None
        try:
            fcntl.flock(users, fcntl.LOCK_UN)
            fcntl.flock(users, fcntl.LOCK_EX | fcntl.LOCK_NB)
            embedded.stop(self.root)
            shutil.rmtree(self.root, ignore_errors=True)
        except BlockingIOError:
            pass
        finally:
            os.close(users)
