"""The embedded PostgreSQL: one server per directory, shared by all processes, started by whoever needs it first.

The server is nobody's child, listens on a private Unix socket only, and outlives the process that started it.
All state is in the directory and in the kernel, so any process may be killed at any moment: a lock that the kernel
releases orders the starters, a cluster gets its name only when it is whole, and no lock file is removed and no
process signalled before it is proven whose it is.
"""

from __future__ import annotations

import fcntl
import os
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from aikit.database import launching, processes
from aikit.database.binaries import Binaries, choose, probe
from aikit.database.cluster import Cluster, Postmaster
from aikit.database.server_user import require_own, server_user
from aikit.errors import EmbeddedFailed

POLL = 0.01
"""Seconds between two looks at something that is on its way."""
LOCK_SECONDS = 120.0
START_SECONDS = 60.0
STOP_SECONDS = ((signal.SIGINT, 30.0), (signal.SIGQUIT, 10.0), (signal.SIGKILL, 5.0))
"""PostgreSQL's fast shutdown; then its immediate one, which recovers at the next start; then none of its own."""
ORPHAN_SECONDS = ((None, 5.0), (signal.SIGTERM, 10.0), (signal.SIGQUIT, 5.0))
"""Backends whose postmaster was killed notice it by themselves, unless they are busy: then they are told."""


@dataclass(frozen=True, slots=True)
class EmbeddedStatus:
    """What there is in a data directory. `version` is as in `18.4`, None without binaries; `size_bytes` is on disk."""

    running: bool
    pid: int | None
    version: str | None
    data_directory: Path
    socket_directory: Path
    size_bytes: int
    binaries: Path | None


def ensure(root: Path) -> str:
    """The libpq connection string of the running server of `root`; makes and starts it first if need be.

    With a server that is running, this reads two small files. Safe to call from many processes at once.
    Raises EmbeddedFailed when there is no server to be had; the message holds what the server said.
    """
    cluster = _cluster(root)
    with _failures_explained(cluster):
        if not _is_up(cluster):
            cluster.root.mkdir(mode=0o700, parents=True, exist_ok=True)
            with _locked(cluster) as lock:
                _bring_up(cluster, lock)
    return cluster.dsn


def status(root: Path) -> EmbeddedStatus:
    """What there is in `root`, without starting anything. Raises EmbeddedFailed if it can't be read."""
    cluster = _cluster(root)
    with _failures_explained(cluster):
        server, major = cluster.postmaster(), cluster.major()
        found = _binaries_of(server, major)
        return EmbeddedStatus(
            running=server is not None,
            pid=server.pid if server else None,
            version=found.version if found else None,
            data_directory=cluster.data,
            socket_directory=cluster.sockets,
            size_bytes=_size(cluster.root),
            binaries=found.directory if found else None,
        )


def stop(root: Path) -> bool:
    """Stop the server of `root` and wait until it is gone; says whether there was one.

    Open transactions are rolled back. Raises EmbeddedFailed if it does not go, or can't be signalled from here.
    """
    cluster = _cluster(root)
    with _failures_explained(cluster):
        if cluster.postmaster() is None:
            return False
        with _locked(cluster):
            server = cluster.postmaster()
            if server is not None:
                _shut_down(cluster, server)
            cluster.remove_socket_directory()
            return server is not None


def _cluster(root: Path) -> Cluster:
    return Cluster(root.expanduser().resolve())


def _is_up(cluster: Cluster) -> bool:
    server = cluster.postmaster()
    return server is not None and server.ready and cluster.has_socket()


def _bring_up(cluster: Cluster, lock: int) -> None:
    """Called with the lock held: wait for, replace or start the server until it is up."""
    launching.discard_unfinished(cluster)
    if cluster.major() is None:
        launching.initialise(cluster, choose(), server_user(cluster), lock)
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        server = cluster.postmaster()
        if server is None and processes.serving(cluster.data):
            _wait_for_orphans(cluster)
        elif server is None:
            launching.start(cluster, choose(cluster.major()), server_user(cluster), deadline)
        elif not server.ready:
            time.sleep(POLL)
        elif cluster.has_socket():
            return
        else:
            _shut_down(cluster, server)
    raise EmbeddedFailed(
        f"The embedded PostgreSQL in {cluster.root} is still starting or stopping after {START_SECONDS:.0f} s.",
        retryable=True,
        facts={"path": str(cluster.root), "log": str(cluster.log)},
        remedy=f"Wait and try again; {cluster.log} tells what it is doing.",
    )


def _wait_for_orphans(cluster: Cluster) -> None:
    """A postmaster that was killed leaves backends that may still write: start nothing beside them.

    Or they are a new server, of a starter that was killed, before it has written its lock file: then that is it.
    """
    for number, seconds in ORPHAN_SECONDS:
        if number is not None:
            for pid in processes.serving(cluster.data):
                processes.send(pid, cluster.data, number)
        if _wait_until(lambda: cluster.postmaster() or not processes.serving(cluster.data), seconds):
            return
    raise EmbeddedFailed(
        f"Processes of a PostgreSQL that was killed still use {cluster.data}.",
        retryable=True,
        facts={"path": str(cluster.data), "pids": processes.serving(cluster.data)},
        remedy="Wait until they have ended, or end them, and try again.",
    )


def _shut_down(cluster: Cluster, server: Postmaster) -> None:
    if not server.local:
        raise EmbeddedFailed(
            f"The embedded PostgreSQL in {cluster.root} runs where this process can't signal it.",
            facts={"path": str(cluster.root), "pid_there": server.pid},
            remedy="Stop it from where it was started, such as another container that shares the directory.",
        )
    for number, seconds in STOP_SECONDS:
        processes.send(server.pid, cluster.data, number)
        if _wait_until(lambda: not processes.serves(server.pid, cluster.data), seconds):
            return _wait_for_orphans(cluster)
    raise EmbeddedFailed(
        f"The embedded PostgreSQL in {cluster.root} does not stop.",
        facts={"path": str(cluster.root), "pids": processes.serving(cluster.data), "log": str(cluster.log)},
        remedy=f"{cluster.log} tells what it is doing.",
    )


def _wait_until(true: Callable[[], object], seconds: float) -> bool:
    deadline = time.monotonic() + seconds
    while not true():
        if time.monotonic() > deadline:
            return False
        time.sleep(POLL)
    return True


@contextmanager
def _locked(cluster: Cluster) -> Iterator[int]:
    """Hold the lock of this directory; yields its descriptor. The kernel releases it when the last holder ends."""
    require_own(cluster)
    lock = os.open(cluster.lock, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    try:
        deadline = time.monotonic() + LOCK_SECONDS
        while not _try_lock(lock):
            if time.monotonic() > deadline:
                raise EmbeddedFailed(
                    f"Another process has been starting or stopping {cluster.root} for {LOCK_SECONDS:.0f} s.",
                    retryable=True,
                    facts={"path": str(cluster.root), "lock": str(cluster.lock)},
                    remedy="Wait and try again, or end that process.",
                )
            time.sleep(POLL)
        yield lock
    finally:
        os.close(lock)


def _try_lock(lock: int) -> bool:
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


@contextmanager
def _failures_explained(cluster: Cluster) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        place = error.filename or cluster.root
        raise EmbeddedFailed(
            f"The embedded PostgreSQL in {cluster.root} can't be used: {place}: {error.strerror}.",
            facts={"path": str(cluster.root), "errno": error.errno},
            remedy="Choose a data directory on a disk with space that this user may write to, or set DATABASE_URL.",
        ) from error


def _binaries_of(server: Postmaster | None, major: int | None) -> Binaries | None:
    """Those that the server runs, or else those that it would."""
    if server and (running := processes.program(server.pid)) and (found := probe(running.parent)):
        return found
    with suppress(EmbeddedFailed):
        return choose(major)
    return None


def _size(root: Path) -> int:
    total = 0
    for directory, _, files in os.walk(root):
        for name in files:
            with suppress(OSError):  # the server removes files while we count
                total += os.lstat(Path(directory) / name).st_blocks * 512
    return total
