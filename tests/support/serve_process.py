"""`aikit serve` as people run it: a process of its own, whose output is kept, ended as operators end it."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import httpx2

from aikit.database.connect import Database
from aikit.ledger.keys import create_key
from support.kits import KEYS, TENANT

SECONDS = 60.0
URL = re.compile(r"aikit serve on (https?://\S+:\d+)")


@dataclass
class ServeProcess:
    """A server that was started. `out` and `err` are what it has written so far."""

    process: subprocess.Popen[str]
    folder: Path
    url: str = ""

    @property
    def out(self) -> str:
        return (self.folder / "out").read_text()

    @property
    def err(self) -> str:
        return (self.folder / "err").read_text()

    @property
    def pid(self) -> int:
        return self.process.pid

    @property
    def port(self) -> int:
        return int(self.url.rpartition(":")[2])

    def workers(self) -> list[int]:
        """The processes that serve."""
        found = []
        for status in Path("/proc").glob("[0-9]*"):
            try:
                parent = int((status / "stat").read_text().rpartition(")")[2].split()[1])
                command = (status / "cmdline").read_bytes()
            except (OSError, ValueError):
                continue
            if parent == self.pid and b"spawn_main" in command:
                found.append(int(status.name))
        return found

    def terminate(self) -> None:
        self.process.send_signal(signal.SIGTERM)

    def ended(self, seconds: float = SECONDS) -> int:
        """Its exit code, once it has ended."""
        return self.process.wait(seconds)

    def get(self, path: str, secret: str | None = None, **headers: str) -> httpx2.Response:
        """One GET over a connection of its own."""
        signed = {"authorization": f"Bearer {secret}"} if secret else {}
        return httpx2.get(self.url + path, headers=signed | headers, timeout=SECONDS, verify=False)

    def status(self, path: str) -> int | None:
        """The status of a GET; None where nobody answers."""
        try:
            return self.get(path).status_code
        except httpx2.HTTPError:
            return None


@contextmanager
def serve_process(
    config: Path, *arguments: str, environ: Mapping[str, str] | None = None, wait: bool = True
) -> Iterator[ServeProcess]:
    """Start `aikit serve` on a free port; with `wait`, go on when it is ready. What still runs at the end is killed.

    The server knows the providers' keys of `support.kits`, and of this process's environment nothing but the path.
    """
    folder = Path(tempfile.mkdtemp(dir=config.parent))
    command = [sys.executable, "-m", "aikit", "serve", "--port", "0", *arguments]
    clean = {"PATH": os.environ["PATH"], "HOME": str(folder), "AIKIT_CONFIG": str(config), **KEYS}
    with (folder / "out").open("w") as out, (folder / "err").open("w") as err:
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=err,
            text=True,
            cwd=folder,
            env=clean | dict(environ or {}),
            start_new_session=True,
        )
    server = ServeProcess(process, folder)
    try:
        if wait:
            _wait_until_ready(server)
        yield server
    finally:
        workers = server.workers()
        process.kill()
        process.wait()
        for pid in workers:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)


def _wait_until_ready(server: ServeProcess) -> None:
    def ready() -> bool:
        assert server.process.poll() is None, server.err
        said = URL.search(server.err)
        server.url = said[1] if said else ""
        return bool(said) and server.status("/readyz") == 200

    until(ready, lambda: server.err)


def until(met: Callable[[], object], why: Callable[[], object] = lambda: "", seconds: float = SECONDS) -> None:
    """Wait until something is so. Fails with what `why` says."""
    deadline = time.monotonic() + seconds
    while not met():
        assert time.monotonic() < deadline, why()
        time.sleep(0.02)


def a_key(dsn: str, *rights: str, tenant: str | None = TENANT) -> str:
    """The secret of a new key."""
    named = rights or ("complete", "evaluate", "usage:read")
    return create_key(Database(dsn, False, "test"), tenant=tenant, environment="dev", rights=named).secret
