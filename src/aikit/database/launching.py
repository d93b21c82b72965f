"""Makes a cluster and starts its server, detached from whoever starts it."""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path
from typing import IO

from aikit.database import processes
from aikit.database.binaries import Binaries
from aikit.database.cluster import DATABASE, PORT, USER, Cluster
from aikit.database.server_user import ServerUser
from aikit.errors import EmbeddedFailed

SETTINGS = {
    "listen_addresses": "",
    "unix_socket_permissions": "0700",
    "max_connections": "100",
    "shared_buffers": "64MB",
    "fsync": "on",
    "full_page_writes": "on",
    "synchronous_commit": "on",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "logging_collector": "off",
    "log_checkpoints": "off",
    "log_min_messages": "warning",
    "log_min_error_statement": "panic",  # a statement can carry a tenant's data
}
LARGEST_LOG = 5_000_000
"""Bytes of server log beyond which it is emptied at the next start."""
POLL = 0.01
"""Seconds between two looks at a server that is on its way."""
DETACH = '"$@" </dev/null >&2 & echo $!; if read -r _; then wait $!; echo $?; fi'
"""The shell starts the server, says its pid, and leaves, so that the server is nobody's child and no one's zombie.
Told to stay by a line on its standard input, it reports the exit code instead."""


def initialise(cluster: Cluster, binaries: Binaries, user: ServerUser, lock: int) -> None:
    """Make the cluster under a temporary name, force it to disk, and only then give it its name.

    `lock` is inherited by initdb: should this process be killed, the lock is held until initdb has ended, too, and
    what it leaves is not touched before. Raises EmbeddedFailed with what initdb said.
    """
    if cluster.data.exists() and any(cluster.data.iterdir()):
        raise EmbeddedFailed(
            f"{cluster.data} is not empty, but it is no PostgreSQL cluster: it has no PG_VERSION.",
            facts={"path": str(cluster.data)},
            remedy="Move it away, or choose another data directory.",
        )
    cluster.staging.mkdir(mode=0o700)
    if user.uid != os.geteuid():
        os.chown(cluster.staging, user.uid, user.gid)
    where = ("-D", str(cluster.staging))
    initdb = (str(binaries.initdb), *where, "-U", USER, "-E", "UTF8", "--locale=C", "--auth-local=trust")
    create = (str(binaries.postgres), "--single", *where, "-c", "exit_on_error=on", "template1")
    try:
        _make((*user.prefix, *initdb, "--auth-host=reject", "--data-checksums"), lock, cluster)
        _make((*user.prefix, *create), lock, cluster, f"CREATE DATABASE {DATABASE}\n")
        cluster.staging.rename(cluster.data)
    finally:
        discard_unfinished(cluster)
    _to_disk(cluster.root)


def discard_unfinished(cluster: Cluster) -> None:
    """Remove what an interrupted initdb left. Only for the holder of the lock."""
    if cluster.staging.exists():
        shutil.rmtree(cluster.staging)


def start(cluster: Cluster, binaries: Binaries, user: ServerUser, deadline: float) -> None:
    """Start the server and wait until it is ready, or until `deadline` (of the monotonic clock) has passed.

    Raises EmbeddedFailed with the exit code and the end of the log if it ended instead, unless another server of
    this cluster got in first.
    """
    sockets = cluster.make_socket_directory()
    cluster.remove_misleading_lock_files()
    settings = {**SETTINGS, "cluster_name": processes.cluster_name(cluster.data)}
    options = [f"--{name}={value}" for name, value in settings.items()]
    server = [str(binaries.postgres), "-D", str(cluster.data), "-p", str(PORT), "-k", _listed(sockets), *options]
    with _open_log(cluster.log) as log:
        began = log.tell()
        shell = subprocess.Popen(
            ["sh", "-c", DETACH, "sh", *user.prefix, *server],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
            cwd="/",
            env=_environment(),
            start_new_session=True,
        )
        with shell:
            assert shell.stdout
            if not _ended_early(cluster, int(shell.stdout.readline() or 0), deadline):
                return
            said = shell.communicate("stay\n")[0]
            code = int(said) if said.strip() else None
    if not processes.serving(cluster.data):
        raise _failed(cluster, f"the server ended with exit code {code}", _tail(cluster.log, began), code)


def _ended_early(cluster: Cluster, pid: int, deadline: float) -> bool:
    """Wait until the server is ready, its process has ended, or the deadline has passed; says whether it ended."""
    while time.monotonic() < deadline:
        server = cluster.postmaster()
        if server and server.ready:
            return False
        if processes.gone(pid):
            return True
        time.sleep(POLL)
    return False


def _make(command: Sequence[str], lock: int, cluster: Cluster, statement: str = "") -> None:
    done = subprocess.run(
        command,
        input=statement,
        capture_output=True,
        text=True,
        errors="replace",
        check=False,
        cwd="/",
        env=_environment(),
        pass_fds=(lock,),
        start_new_session=True,
    )
    if done.returncode:
        said = done.stderr.strip().splitlines()[-10:]
        raise _failed(cluster, f"its cluster could not be made (exit code {done.returncode})", said, done.returncode)


def _environment() -> dict[str, str]:
    """What a server that outlives us is to know of our environment: no key, no PGPORT, no locale."""
    return {name: os.environ[name] for name in ("PATH", "LD_LIBRARY_PATH") if name in os.environ} | {"LC_ALL": "C"}


def _listed(directory: Path) -> str:
    """The one element of PostgreSQL's list of socket directories."""
    return '"' + str(directory).replace('"', '""') + '"'


def _open_log(path: Path) -> IO[bytes]:
    fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    log = os.fdopen(fd, "ab", buffering=0)
    if log.seek(0, os.SEEK_END) > LARGEST_LOG:
        log.truncate(0)
        log.seek(0)
    return log


def _tail(path: Path, began: int) -> list[str]:
    with path.open("rb") as log:
        log.seek(max(began, path.stat().st_size - 10_000))
        return log.read().decode(errors="replace").strip().splitlines()[-10:]


def _to_disk(directory: Path) -> None:
    fd = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def _failed(cluster: Cluster, what: str, said: list[str], code: int | None) -> EmbeddedFailed:
    words = "\n  ".join(said) or "(nothing)"
    full = any("No space left on device" in line for line in said)
    remedy = (
        f"Free some space on the disk that holds {cluster.root}."
        if full
        else "Put right what it says, or set DATABASE_URL to a PostgreSQL of your own."
    )
    return EmbeddedFailed(
        f"The embedded PostgreSQL in {cluster.root} did not start: {what}. It said:\n  {words}\n",
        facts={"path": str(cluster.root), "log": str(cluster.log), "exit_code": code, "said": said},
        remedy=remedy,
    )
