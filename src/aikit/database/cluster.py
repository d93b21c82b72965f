"""Where an embedded cluster keeps its things under its root, and what its lock files say about the server."""

from __future__ import annotations

import hashlib
import os
import socket
import stat
import struct
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from aikit.database import processes
from aikit.errors import EmbeddedFailed

USER = DATABASE = "aikit"
PORT = 5432
SOCKET = f".s.PGSQL.{PORT}"
LONGEST_SOCKET_DIRECTORY = 90
"""In bytes. A Unix socket's path has room for 103 (macOS) or 107 (Linux)."""


@dataclass(frozen=True, slots=True)
class Postmaster:
    """A live server. `local` is false if only its socket shows it, as in another container on the same volume.

    `pid` is then the one that it has there.
    """

    pid: int
    ready: bool
    local: bool


@dataclass(frozen=True, slots=True)
class Cluster:
    """The files of one embedded PostgreSQL. `root` is absolute and without symbolic links."""

    root: Path

    @property
    def data(self) -> Path:
        return self.root / "data"

    @property
    def staging(self) -> Path:
        """Where a new cluster is made; it gets the name `data` only when it is whole and on disk."""
        return self.root / "data.new"

    @property
    def log(self) -> Path:
        return self.root / "postgres.log"

    @property
    def lock(self) -> Path:
        return self.root / "lock"

    @property
    def sockets(self) -> Path:
        """The private directory for the socket: under the root, or a short one where that path can't be a socket's.

        libpq and PostgreSQL read a comma in it as the start of another host or directory.
        """
        inside = self.root / "socket"
        if len(os.fsencode(inside)) <= LONGEST_SOCKET_DIRECTORY and "," not in str(inside):
            return inside
        digest = hashlib.sha256(os.fsencode(self.root)).hexdigest()[:16]
        return Path("/tmp") / f"aikit-{os.geteuid()}-{digest}"

    def major(self) -> int | None:
        """The PostgreSQL version that made this cluster; None when there is no cluster yet."""
        try:
            return int((self.data / "PG_VERSION").read_text())
        except (FileNotFoundError, ValueError):
            return None

    @property
    def dsn(self) -> str:
        """The libpq keywords that reach the server."""
        quoted = str(self.sockets).replace("\\", "\\\\").replace("'", "\\'")
        return f"host='{quoted}' port={PORT} user={USER} dbname={DATABASE}"

    def postmaster(self) -> Postmaster | None:
        """The live server of this cluster, if there is one, whatever it is busy with."""
        try:
            lines = (self.data / "postmaster.pid").read_text(errors="replace").split("\n")
        except FileNotFoundError:
            return None
        pid = _pid(lines[0])
        ready = len(lines) > 7 and lines[7].strip() == "ready"
        if processes.serves(pid, self.data):
            return Postmaster(pid, ready, local=True)
        listener = _listener(self.sockets / SOCKET)
        if listener == 0:
            return Postmaster(pid, ready, local=False)
        if listener is not None and processes.serves(listener, self.data):
            return Postmaster(listener, ready, local=True)
        return None

    def has_socket(self) -> bool:
        """Is the socket in its place? Cleaners of temporary directories are known to remove it under a live server."""
        return (self.sockets / SOCKET).is_socket()

    def remove_misleading_lock_files(self) -> None:
        """Remove lock files that would keep PostgreSQL from starting though no server of this cluster lives.

        It replaces one whose pid is dead itself, safely; but takes a stranger's recycled pid, or a zombie's, for a
        server, and gives up on a file that a crash left empty. An empty file is also what a server that starts
        this moment has just created: but then it is among those serving, which are therefore asked for last.
        """
        for file in (self.data / "postmaster.pid", self.sockets / f"{SOCKET}.lock"):
            with suppress(FileNotFoundError):
                content = file.read_text(errors="replace")
                pid = abs(_pid(content.partition("\n")[0]))
                misleading = pid == 0 or (processes.exists(pid) and not processes.serves(pid, self.data))
                if misleading and not processes.serving(self.data) and file.read_text(errors="replace") == content:
                    file.unlink()

    def make_socket_directory(self) -> Path:
        """Create the socket directory for us alone. Raises EmbeddedFailed if somebody else put something there."""
        directory = self.sockets
        with suppress(FileExistsError):
            directory.mkdir(mode=0o700)
        facts = directory.lstat()
        if not stat.S_ISDIR(facts.st_mode) or facts.st_uid != os.geteuid():
            raise EmbeddedFailed(
                f"{directory} is needed for the server's socket, but it is not a directory of user {os.geteuid()}.",
                facts={"path": str(directory), "owner": facts.st_uid},
                remedy="Remove it, or choose a data directory with a shorter path.",
            )
        directory.chmod(0o700)
        return directory

    def remove_socket_directory(self) -> None:
        """Remove it if nothing is in it."""
        with suppress(OSError):
            self.sockets.rmdir()


def _pid(line: str) -> int:
    """The pid in a lock file's first line; negative for a single-user server, 0 for rubbish."""
    try:
        return int(line)
    except ValueError:
        return 0


def _listener(path: Path) -> int | None:
    """The pid of the process that listens here; 0 if it is in a PID namespace that can't be seen; None if none does."""
    if not hasattr(socket, "SO_PEERCRED"):
        return None
    with socket.socket(socket.AF_UNIX) as caller:
        caller.settimeout(1)
        try:
            caller.connect(str(path))
            pid, _, _ = struct.unpack("iII", caller.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12))
        except BlockingIOError:  # more callers than its queue holds
            return 0
        except OSError:
            return None
    return int(pid)
