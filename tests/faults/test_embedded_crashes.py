"""The embedded PostgreSQL after `kill -9` of anything at any moment, and among lock files that mislead."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from aikit.database import embedded, processes
from aikit.database.binaries import choose
from aikit.database.cluster import Cluster
from aikit.database.server_user import server_user
from support.embedded import ask, moved, postmaster, python, remove, result, tell, wait_for

BUSY = "SELECT count(*) FROM generate_series(1, 100000000000)"


@pytest.fixture
def stranger() -> Iterator[subprocess.Popen[bytes]]:
    """A live process that has nothing to do with PostgreSQL."""
    process = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
    yield process
    assert process.poll() is None, "the stranger was signalled"
    process.kill()
    process.wait()


def kill_server(root: Path) -> int:
    """Kill the postmaster and nothing else; its pid."""
    pid = postmaster(root)
    os.kill(pid, signal.SIGKILL)
    wait_for(lambda: not processes.serves(pid, root / "data"))
    return pid


def crash(root: Path) -> int:
    """Kill the postmaster and wait until its backends have noticed; its pid."""
    pid = kill_server(root)
    wait_for(lambda: not processes.serving(root / "data"))
    return pid


def test_after_a_kill_of_the_server_what_was_committed_is_there(made_root: Path) -> None:
    dsn = embedded.ensure(made_root)
    tell(dsn, "DROP TABLE IF EXISTS paid; CREATE TABLE paid (n int); INSERT INTO paid VALUES (1)")
    with psycopg.connect(dsn) as client:
        client.execute("INSERT INTO paid VALUES (2)")
        killed = kill_server(made_root)
        again = embedded.ensure(made_root)
        with pytest.raises(psycopg.OperationalError):
            client.execute("SELECT 1")
    assert postmaster(made_root) != killed
    assert ask(again, "SELECT string_agg(n::text, ',') FROM paid") == "1"


def test_after_a_kill_of_the_server_four_processes_start_one_new_one(made_root: Path) -> None:
    embedded.ensure(made_root)
    kill_server(made_root)
    starters = [python("print(embedded.ensure(root), embedded.status(root).pid)", made_root) for _ in range(4)]
    assert len({result(starter) for starter in starters}) == 1


def be_cut_off(client: psycopg.Connection) -> None:
    with pytest.raises(psycopg.OperationalError):
        client.execute(BUSY)


def test_a_busy_orphan_is_told_to_end_before_a_new_server_starts(
    made_root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(embedded, "ORPHAN_SECONDS", ((None, 0.5), (signal.SIGTERM, 20.0)))
    client = psycopg.connect(embedded.ensure(made_root), autocommit=True)
    busy = threading.Thread(target=be_cut_off, args=(client,))
    orphan = client.info.backend_pid
    busy.start()
    watcher = embedded.ensure(made_root)
    wait_for(lambda: ask(watcher, f"SELECT state FROM pg_stat_activity WHERE pid = {orphan}") == "active")
    kill_server(made_root)
    assert orphan in processes.serving(made_root / "data")
    began = time.monotonic()
    assert ask(embedded.ensure(made_root), "SELECT 1") == "1"
    assert time.monotonic() - began >= 0.5, "the orphan was given no time"
    assert orphan not in processes.serving(made_root / "data")
    busy.join()


def test_a_kill_of_a_client_leaves_the_server_and_frees_its_locks(made_root: Path) -> None:
    dsn = embedded.ensure(made_root)
    server = postmaster(made_root)
    tell(dsn, "DROP TABLE IF EXISTS held; CREATE TABLE held (n int)")
    client = python(
        "import psycopg, time; c = psycopg.connect(embedded.ensure(root)); c.execute('LOCK TABLE held')\n"
        "print('locked', flush=True); time.sleep(600)",
        made_root,
    )
    assert client.stdout and client.stdout.readline() == "locked\n"
    client.kill()
    client.communicate()
    tell(dsn, "SET lock_timeout = '10s'; LOCK TABLE held")
    assert postmaster(made_root) == server


@pytest.mark.parametrize("moment", ["data.new", "data.new/PG_VERSION", "data.new/base/5"])
def test_a_cluster_whose_maker_was_killed_is_never_used(root: Path, moment: str) -> None:
    maker = python("embedded.ensure(root)", root)
    wait_for(lambda: (root / moment).exists() or (root / "data").exists())
    maker.kill()
    maker.communicate()
    assert not (root / "data").exists(), f"{moment} was seen too late to test this"
    assert ask(embedded.ensure(root), "SELECT current_database()") == "aikit"
    assert not (root / "data.new").exists()


def test_a_server_whose_starter_was_killed_is_taken_over(made_root: Path) -> None:
    for _ in range(5):
        began = (made_root / "postgres.log").read_text().count("starting PostgreSQL")
        starter = python("embedded.ensure(root)", made_root)
        wait_for(lambda: (made_root / "data/postmaster.pid").exists())
        starter.kill()
        starter.communicate()
        assert ask(embedded.ensure(made_root), "SELECT 1") == "1"
        assert (made_root / "postgres.log").read_text().count("starting PostgreSQL") == began + 1
        embedded.stop(made_root)


def test_a_server_that_is_about_to_write_its_lock_file_is_left_to_it(made_root: Path) -> None:
    embedded.ensure(made_root)
    server = postmaster(made_root)
    file = made_root / "data/postmaster.pid"
    content = file.read_text()
    file.write_text("")
    caller = python("print(embedded.ensure(root))", made_root)
    time.sleep(0.7)
    assert caller.poll() is None
    assert file.read_text() == ""
    file.write_text(content)
    result(caller)
    assert postmaster(made_root) == server


def test_a_strangers_pid_in_the_lock_files_does_not_keep_the_server_from_starting(
    made_root: Path, stranger: subprocess.Popen[bytes]
) -> None:
    embedded.ensure(made_root)
    pid = crash(made_root)
    for file in (made_root / "data/postmaster.pid", made_root / "socket/.s.PGSQL.5432.lock"):
        assert str(pid) in file.read_text()
        file.write_text(file.read_text().replace(str(pid), str(stranger.pid), 1))
    assert embedded.status(made_root).running is False
    assert embedded.stop(made_root) is False
    assert ask(embedded.ensure(made_root), "SELECT 1") == "1"
    assert postmaster(made_root) != stranger.pid


def test_the_pid_of_another_embedded_server_is_a_strangers_too(made_root: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    shutil.copytree(made_root, other)
    try:
        theirs = embedded.ensure(other)
        embedded.ensure(made_root)
        pid, victim = crash(made_root), postmaster(other)
        file = made_root / "data/postmaster.pid"
        file.write_text(file.read_text().replace(str(pid), str(victim), 1))
        assert embedded.stop(made_root) is False
        assert ask(embedded.ensure(made_root), "SELECT 1") == "1"
        assert embedded.stop(made_root) is True
        assert ask(theirs, "SELECT 1") == "1"
        assert postmaster(other) == victim
    finally:
        remove(other)


@pytest.mark.parametrize("content", [b"", b"rubbish\n", b"\xff\xfe", b"-1\n", b"0\n"])
def test_a_lock_file_that_a_crash_left_broken_does_not_keep_the_server_from_starting(
    made_root: Path, content: bytes
) -> None:
    (made_root / "data/postmaster.pid").write_bytes(content)
    (made_root / "socket").mkdir()
    (made_root / "socket/.s.PGSQL.5432.lock").write_bytes(content)
    assert embedded.stop(made_root) is False
    assert ask(embedded.ensure(made_root), "SELECT 1") == "1"


def test_a_stale_socket_is_replaced(made_root: Path) -> None:
    (made_root / "socket").mkdir()
    with socket.socket(socket.AF_UNIX) as left_over:
        left_over.bind(str(made_root / "socket/.s.PGSQL.5432"))
    assert embedded.status(made_root).running is False
    assert ask(embedded.ensure(made_root), "SELECT 1") == "1"


def test_a_zombie_is_not_a_server(made_root: Path) -> None:
    embedded.ensure(made_root)
    embedded.stop(made_root)
    cluster = Cluster(made_root)
    sockets = cluster.make_socket_directory()
    command = [*server_user(cluster).prefix, choose(cluster.major()).postgres, "-D", cluster.data]
    child = subprocess.Popen([*command, "-k", sockets, "-h", ""], stderr=subprocess.DEVNULL)
    try:
        wait_for(lambda: (server := cluster.postmaster()) and server.ready)
        assert postmaster(made_root) == child.pid
        child.send_signal(signal.SIGKILL)
        wait_for(lambda: processes.gone(child.pid))
        assert processes.exists(child.pid), "not reaped yet"
        assert embedded.status(made_root).running is False
        assert ask(embedded.ensure(made_root), "SELECT 1") == "1"
        assert postmaster(made_root) != child.pid
    finally:
        child.kill()
        child.wait()


def test_a_server_that_does_not_listen_to_reason_is_stopped_all_the_same(
    made_root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    steps = ((signal.SIGINT, 0.3), (signal.SIGQUIT, 0.3), (signal.SIGKILL, 10.0))
    monkeypatch.setattr(embedded, "STOP_SECONDS", steps)
    embedded.ensure(made_root)
    os.kill(postmaster(made_root), signal.SIGSTOP)
    assert embedded.stop(made_root) is True
    assert processes.serving(made_root / "data") == []
    assert ask(embedded.ensure(made_root), "SELECT 1") == "1"


def test_a_directory_that_moved_under_a_running_server_keeps_that_server(made_root: Path, tmp_path: Path) -> None:
    embedded.ensure(made_root)
    server = postmaster(made_root)
    with moved(made_root, tmp_path / "moved"):
        assert ask(embedded.ensure(tmp_path / "moved"), "SELECT 1") == "1"
        assert postmaster(tmp_path / "moved") == server
