"""A real PostgreSQL for tests: one embedded server for the run, all workers included; a fresh database for each test.

`AIKIT_TEST_DATABASE_URL` names another server to use instead; its user must be allowed to create databases.
"""

from __future__ import annotations

import atexit
import fcntl
import os
import shutil
import time
from collections.abc import Iterator
from contextlib import suppress
from hashlib import sha256
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
    share = SharedServer(_beside_memory(base.parent if os.environ.get("PYTEST_XDIST_WORKER") else base))
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


MEMORY = Path("/dev/shm")
"""Where it is there, a database is copied in a tenth of the time: it is hundreds of small files."""
ROOM = 4 * 2**30
AN_HOUR = 3600


def _beside_memory(directory: Path) -> Path:
    """A folder in memory for the run whose folder this is; the folder itself where there is no room for that."""
    if not MEMORY.is_dir() or not os.access(MEMORY, os.W_OK) or shutil.disk_usage(MEMORY).free < ROOM:
        return directory
    found = MEMORY / f"aikit-tests-{sha256(str(directory.resolve()).encode()).hexdigest()[:12]}"
    for left in MEMORY.glob("aikit-tests-*"):  # of runs that were killed
        with suppress(OSError):
            if left != found and time.time() - left.stat().st_mtime > AN_HOUR:
                SharedServer(left).leave_behind()
    found.mkdir(mode=0o755, exist_ok=True)
    return found


class SharedServer:
    """An embedded server that the processes of one test run share; the last to leave stops and removes it.

    Each user holds a shared lock, which the kernel releases even if it is killed; whoever gets the exclusive lock
    on leaving was the last.
    """

    def __init__(self, directory: Path) -> None:
        self.root = directory / "postgres"
        self._directory = directory
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
            self._remove()
        except BlockingIOError:
            pass
        finally:
            os.close(users)

    def leave_behind(self) -> None:
        """Remove what nobody uses any more."""
        try:
            users = os.open(self._users_file, os.O_RDWR)
        except OSError:  # just being made
            return
        try:
            fcntl.flock(users, fcntl.LOCK_EX | fcntl.LOCK_NB)
            self._remove()
        except BlockingIOError:
            pass
        finally:
            os.close(users)

    def _remove(self) -> None:
        embedded.stop(self.root)
        shutil.rmtree(self._directory if self._directory.parent == MEMORY else self.root, ignore_errors=True)
