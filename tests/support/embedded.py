"""For tests of the embedded PostgreSQL: directories of their own, and Python run as another process or another user."""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import psycopg
import pytest

from aikit.database import embedded
from aikit.database.cluster import Cluster

ROOT = os.geteuid() == 0
needs_root = pytest.mark.skipif(not ROOT, reason="only root can become another user")
needs_proc = pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="reads /proc")

PREAMBLE = "import sys; from pathlib import Path; from aikit.database import embedded; root = Path(sys.argv[1])\n"
DROP_RIGHTS = """
import ctypes
libc = ctypes.CDLL(None, use_errno=True)
assert libc.prctl(47, 4, 0, 0, 0) == 0  # PR_CAP_AMBIENT_CLEAR_ALL
assert libc.capset((ctypes.c_uint32 * 2)(0x20080522, 0), (ctypes.c_uint32 * 6)()) == 0
"""


@pytest.fixture
def root(tmp_path: Path) -> Iterator[Path]:
    """A directory, not there yet, for a server of the test's own; stopped and removed at the end."""
    yield tmp_path / "pg"
    remove(tmp_path / "pg")


@pytest.fixture(scope="session")
def spare(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Where a cluster that is made but not running waits for the next test; making one takes a second."""
    directory = tmp_path_factory.mktemp("spare") / "pg"
    yield directory
    shutil.rmtree(directory, ignore_errors=True)


@pytest.fixture
def made_root(root: Path, spare: Path) -> Iterator[Path]:
    """Like `root`, but the cluster is made already. What a test leaves in its database, the next one finds."""
    if not spare.exists():
        embedded.ensure(spare)
        embedded.stop(spare)
    with moved(spare, root):
        yield root


@contextmanager
def moved(directory: Path, to: Path) -> Iterator[None]:
    """Have the cluster in another place for a while; it is stopped when it moves back."""
    to.parent.mkdir(parents=True, exist_ok=True)
    directory.rename(to)
    try:
        yield
    finally:
        embedded.stop(to)
        to.rename(directory)


@pytest.fixture
def open_directory() -> Iterator[Path]:
    """A directory that a normal user owns and can reach, which pytest's are not when root runs the tests."""
    directory = Path(tempfile.mkdtemp(prefix="aikit-test-", dir="/tmp"))
    if ROOT:
        os.chown(directory, *nobody())
    yield directory
    shutil.rmtree(directory)


def remove(directory: Path) -> None:
    embedded.stop(directory)
    shutil.rmtree(directory, ignore_errors=True)


def postmaster(directory: Path) -> int:
    """The pid of the running server of this directory."""
    server = Cluster(directory.resolve()).postmaster()
    assert server is not None
    return server.pid


def ask(dsn: str, query: str) -> str:
    """The first value of the first row, as text."""
    with psycopg.connect(dsn, autocommit=True) as connection:
        row = connection.execute(query).fetchone()
        assert row is not None
        return str(row[0])


def tell(dsn: str, statements: str) -> None:
    with psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute(statements)


def wait_for(true: Callable[[], object], seconds: float = 20) -> None:
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.002)


def nobody() -> tuple[int, int]:
    entry = pwd.getpwnam("nobody")
    return entry.pw_uid, entry.pw_gid


def python(
    code: str, directory: Path, *, before: Sequence[str] = (), env: Mapping[str, str] | None = None
) -> subprocess.Popen[str]:
    """Start Python with `embedded` imported and `root` set to this directory."""
    return subprocess.Popen(
        [*before, sys.executable, "-c", PREAMBLE + code, str(directory)],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, **(env or {})},
        start_new_session=True,
    )


def result(process: subprocess.Popen[str]) -> str:
    """What the process printed; it must end well and say nothing else."""
    out, err = process.communicate(timeout=100)
    assert process.returncode == 0, err
    assert err == ""
    return out.strip()


def python_as_normal_user(code: str, directory: Path) -> subprocess.Popen[str]:
    """Like `python`, by a user without privileges: this one, or, if this one is root, nobody."""
    if not ROOT:
        return python(code, directory)
    uid, gid = nobody()
    # The interpreter may lie below a home that is closed to nobody: the right to enter is dropped after the imports.
    rights = ["--inh-caps=-all,+dac_override", "--ambient-caps=-all,+dac_override"]
    before = ["setpriv", f"--reuid={uid}", f"--regid={gid}", "--clear-groups", *rights]
    return python(DROP_RIGHTS + code, directory, before=before)


def refusing(directory: Path, *programs: str) -> dict[str, str]:
    """An environment in which these programs exist and refuse, as they do where the kernel does not permit them."""
    for name in programs:
        file = directory / name
        file.write_text(f"#!/bin/sh\necho '{name}: Operation not permitted' >&2\nexit 1\n")
        file.chmod(0o755)
    return {"PATH": f"{directory}:{os.environ['PATH']}"}
