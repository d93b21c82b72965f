"""A primary and a standby that confirms every commit, on embedded servers of the test's own; and its promotion."""

from __future__ import annotations

import os
import shutil
import signal
import time
from contextlib import suppress
from pathlib import Path

import psycopg
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from aikit.database import embedded, launching, processes
from aikit.database.binaries import choose
from aikit.database.cluster import Cluster
from aikit.database.server_user import server_user
from support.embedded import ask, wait_for


class Pair:
    """Two servers with the same data. `dsn` names both; each of them alone is `primary` and `standby`."""

    def __init__(self, primary: Path, standby: Path) -> None:
        """`primary` holds a made cluster that is not running; `standby` is not there yet. Starts both."""
        self._primary, self._standby = Cluster(primary.resolve()), Cluster(standby.resolve())
        shutil.copytree(self._primary.data, self._standby.data, symlinks=True)
        self._standby.data.chmod(0o700)
        _append(self._primary.data / "postgresql.auto.conf", "synchronous_standby_names = '*'")
        _append(self._standby.data / "postgresql.auto.conf", f"primary_conninfo = '{_quoted(self.primary)}'")
        (self._standby.data / "standby.signal").touch()
        embedded.ensure(primary)
        launching.start(
            self._standby, choose(self._standby.major()), server_user(self._standby), time.monotonic() + 0.05
        )
        wait_for(self._is_streaming)

    @property
    def primary(self) -> str:
        return self._primary.dsn

    @property
    def standby(self) -> str:
        return self._standby.dsn

    @property
    def dsn(self) -> str:
        """A conninfo with both hosts, the primary first."""
        first, second = conninfo_to_dict(self.primary), conninfo_to_dict(self.standby)
        hosts = {name: f"{first[name]},{second[name]}" for name in ("host", "port")}
        return make_conninfo(self.primary, **hosts)

    def kill_primary(self) -> None:
        """`kill -9` of all processes of the primary at once."""
        for pid in processes.serving(self._primary.data):
            processes.send(pid, self._primary.data, signal.SIGKILL)
        wait_for(lambda: not processes.serving(self._primary.data))

    def promote(self) -> None:
        """Make the standby a primary; returns when it takes writes."""
        assert ask(self.standby, "SELECT pg_promote()") == "True"

    def remove(self) -> None:
        """Stop both, and take from the primary what made it one of two."""
        for cluster in (self._standby, self._primary):
            embedded.stop(cluster.root)
        shutil.rmtree(self._standby.root, ignore_errors=True)
        with suppress(FileNotFoundError):
            os.truncate(self._primary.data / "postgresql.auto.conf", 0)

    def _is_streaming(self) -> bool:
        with suppress(psycopg.OperationalError):
            return ask(self.primary, "SELECT count(*) FROM pg_stat_replication WHERE sync_state = 'sync'") == "1"
        return False


def _append(file: Path, line: str) -> None:
    with file.open("a") as settings:
        settings.write(f"{line}\n")


def _quoted(dsn: str) -> str:
    """The DSN of the server itself, as a value in its configuration."""
    return make_conninfo(dsn, dbname=None).replace("'", "''")
