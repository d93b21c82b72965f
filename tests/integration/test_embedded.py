"""The embedded PostgreSQL as its callers see it: one server per directory, whoever asks, wherever it lies."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from pathlib import Path

import psycopg
import pytest
import sqlalchemy as sa
from psycopg.conninfo import conninfo_to_dict

from aikit.database import embedded, launching, processes
from aikit.errors import EmbeddedFailed
from support.embedded import (
    ask,
    moved,
    needs_proc,
    postmaster,
    python,
    remove,
    result,
    tell,
    wait_for,
)
from support.postgres import SharedServer, create_database, drop_database


def test_the_first_call_makes_a_durable_private_server(root: Path) -> None:
    dsn = embedded.ensure(root)
    settings = {
        "listen_addresses": "", "max_connections": "100", "shared_buffers": "64MB", "timezone": "UTC", "fsync": "on",
        "synchronous_commit": "on", "full_page_writes": "on", "data_checksums": "on", "server_encoding": "UTF8",
    }  # fmt: skip
    with psycopg.connect(dsn) as connection:
        for name, value in settings.items():
            assert connection.execute(f"SHOW {name}").fetchone() == (value,)
        assert connection.execute("SELECT current_database(), current_user").fetchone() == ("aikit", "aikit")
    for directory in (root, root / "data", root / "socket"):
        assert directory.stat().st_mode & 0o777 == 0o700
    assert (root / "postgres.log").stat().st_mode & 0o777 == 0o600


def test_a_running_server_is_found_at_once_and_without_a_process(
    made_root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = embedded.ensure(made_root)
    monkeypatch.setattr(subprocess, "Popen", None)
    times = []
    for _ in range(20):
        began = time.perf_counter()
        assert embedded.ensure(made_root) == first
        times.append(time.perf_counter() - began)
    assert min(times) < 0.005


def test_sqlalchemy_takes_the_connection_string_too(made_root: Path) -> None:
    arguments = conninfo_to_dict(embedded.ensure(made_root))
    with sa.create_engine("postgresql+psycopg://", connect_args=arguments).connect() as connection:
        assert connection.scalar(sa.text("SELECT current_database()")) == "aikit"


def test_eight_processes_that_start_at_once_share_one_server(root: Path) -> None:
    starters = [python("print(embedded.ensure(root), embedded.status(root).pid)", root) for _ in range(8)]
    said = {result(starter) for starter in starters}
    assert len(said) == 1
    assert said.pop().endswith(f" {postmaster(root)}")
    assert (root / "postgres.log").read_text().count("starting PostgreSQL") == 1
    assert sorted(entry.name for entry in root.iterdir()) == ["data", "lock", "postgres.log", "socket"]


def test_the_server_survives_the_end_of_its_starter_and_an_interrupt_of_its_terminal(made_root: Path) -> None:
    starter = python("import time; print(embedded.ensure(root), flush=True); time.sleep(100)", made_root)
    assert starter.stdout
    dsn = starter.stdout.readline()
    server = postmaster(made_root)
    assert os.getsid(server) != os.getsid(starter.pid)
    os.killpg(starter.pid, signal.SIGINT)
    starter.communicate()
    assert starter.returncode != 0
    assert ask(dsn, "SELECT 1") == "1"
    assert postmaster(made_root) == server


@needs_proc
def test_the_server_takes_over_no_file_no_key_and_no_setting_of_its_starter(made_root: Path, tmp_path: Path) -> None:
    (tmp_path / "secret").touch()
    code = """
import os
os.set_inheritable(os.open(root.parent / "secret", os.O_RDONLY), True)
print(embedded.ensure(root))
print(*(link.readlink() for link in Path("/proc/self/fd").iterdir() if link.exists()), sep="\\n")
"""
    environment = {"OPENAI_API_KEY": "sk-secret", "PGPORT": "6543", "PGDATA": "/nowhere", "TZ": "Asia/Tokyo"}
    dsn, *files = result(python(code, made_root, env=environment)).splitlines()
    assert any("secret" in file for file in files) and any(file.startswith("pipe:") for file in files)
    assert ask(dsn, "SELECT 1") == "1"
    process = Path("/proc", str(postmaster(made_root)))
    taken_over = {str(link.readlink()) for link in (process / "fd").iterdir()} & set(files)
    assert taken_over == {"/dev/null"}
    assert (process / "fd/0").readlink() == Path("/dev/null")
    assert b"OPENAI" not in (process / "environ").read_bytes()


def test_stop_ends_the_server_and_says_whether_there_was_one(made_root: Path) -> None:
    assert embedded.stop(made_root) is False
    dsn = embedded.ensure(made_root)
    with psycopg.connect(dsn) as connection:
        connection.execute("SELECT 1")
        assert embedded.stop(made_root) is True
        with pytest.raises(psycopg.OperationalError):
            connection.execute("SELECT 1")
    assert processes.serving(made_root / "data") == []
    assert not (made_root / "socket").exists()
    assert embedded.stop(made_root) is False


def test_status_tells_what_is_there_and_starts_nothing(root: Path) -> None:
    nothing = embedded.status(root)
    assert (nothing.running, nothing.pid, nothing.size_bytes) == (False, None, 0)
    assert not root.exists()
    assert embedded.stop(root) is False
    assert not root.exists()

    embedded.ensure(root)
    running = embedded.status(root)
    assert (running.running, running.pid) == (True, postmaster(root))
    assert (running.data_directory, running.socket_directory) == (root / "data", root / "socket")
    assert running.size_bytes > 20_000_000
    assert running.binaries is not None and (running.binaries / "postgres").is_file()
    assert running.version is not None and running.version.startswith((root / "data/PG_VERSION").read_text().strip())

    embedded.stop(root)
    stopped = embedded.status(root)
    assert (stopped.running, stopped.pid, stopped.version) == (False, None, running.version)


def test_a_path_too_long_for_a_socket_gets_a_short_private_directory(made_root: Path, tmp_path: Path) -> None:
    root = tmp_path / ("deep" * 20) / "pg"
    sockets = embedded.status(root).socket_directory
    with moved(made_root, root):
        assert ask(embedded.ensure(root), "SHOW data_directory") == str(root / "data")
        assert sockets.parent == Path("/tmp")
        assert sockets.stat().st_mode & 0o777 == 0o700
        assert sockets.stat().st_uid == os.geteuid()
    assert not sockets.exists()


@pytest.mark.parametrize("put", ["a link", "a file"])
def test_a_socket_directory_that_somebody_prepared_is_refused(made_root: Path, tmp_path: Path, put: str) -> None:
    root = tmp_path / ("deep" * 20) / "pg"
    sockets = embedded.status(root).socket_directory
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir(mode=0o755)
    sockets.symlink_to(elsewhere) if put == "a link" else sockets.touch()
    try:
        with moved(made_root, root), pytest.raises(EmbeddedFailed, match="not a directory of user") as refused:
            embedded.ensure(root)
        assert str(sockets) in str(refused.value)
        assert elsewhere.stat().st_mode & 0o777 == 0o755
        assert list(elsewhere.iterdir()) == []
    finally:
        sockets.unlink()


def test_a_directory_may_have_any_name(made_root: Path, tmp_path: Path) -> None:
    for name in ("two words", "quotes '\"", "a,comma", "back\\slash", "$HOME `date`", "ünï-中", " edges "):
        with moved(made_root, tmp_path / name):
            assert ask(embedded.ensure(tmp_path / name), "SHOW data_directory") == str(tmp_path / name / "data")


def test_a_copy_of_a_running_directory_gets_a_server_of_its_own(made_root: Path, tmp_path: Path) -> None:
    first = embedded.ensure(made_root)
    copy = tmp_path / "copy"
    subprocess.run(["cp", "-r", made_root, copy], check=False, capture_output=True)
    try:
        second = embedded.ensure(copy)
        assert ask(second, "SHOW data_directory") == str(copy / "data")
        assert ask(first, "SHOW data_directory") == str(made_root / "data")
    finally:
        remove(copy)
    assert ask(first, "SELECT 1") == "1"


def test_a_failed_start_says_what_the_server_said_and_its_exit_code(made_root: Path) -> None:
    settings = made_root / "data/postgresql.conf"
    good = settings.read_text()
    settings.write_text(good + "\nno_such_setting = 1\n")
    with pytest.raises(EmbeddedFailed, match="no_such_setting") as failed:
        embedded.ensure(made_root)
    assert failed.value.facts["exit_code"] == 1
    assert failed.value.facts["path"] == str(made_root)
    assert failed.value.remedy
    settings.write_text(good)
    assert ask(embedded.ensure(made_root), "SELECT 1") == "1"


def test_a_data_directory_that_is_no_cluster_is_left_alone(root: Path) -> None:
    (root / "data").mkdir(parents=True)
    (root / "data/thesis.txt").write_text("mine")
    with pytest.raises(EmbeddedFailed, match="no PostgreSQL cluster"):
        embedded.ensure(root)
    assert (root / "data/thesis.txt").read_text() == "mine"


def test_a_large_log_is_emptied_at_the_next_start(made_root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(launching, "LARGEST_LOG", 10_000)
    log = made_root / "postgres.log"
    log.write_text("old line\n" * 100)
    embedded.ensure(made_root)
    assert "old line" in log.read_text()
    embedded.stop(made_root)
    log.write_text("old line\n" * 10_000)
    embedded.ensure(made_root)
    assert "old line" not in log.read_text()
    assert log.stat().st_size < 10_000


def test_a_removed_socket_gets_a_new_server_without_loss(made_root: Path) -> None:
    dsn = embedded.ensure(made_root)
    tell(dsn, "CREATE TABLE unsocketed AS SELECT 7 AS n")
    (made_root / "socket/.s.PGSQL.5432").unlink()
    assert ask(embedded.ensure(made_root), "SELECT n FROM unsocketed") == "7"


def test_a_server_that_is_shutting_down_is_waited_for(made_root: Path) -> None:
    client = psycopg.connect(embedded.ensure(made_root))
    before = postmaster(made_root)
    os.kill(before, signal.SIGTERM)  # a smart shutdown waits for its clients
    wait_for(lambda: "stopping" in (made_root / "data/postmaster.pid").read_text())
    caller = python("print(embedded.ensure(root))", made_root)
    time.sleep(0.5)
    assert caller.poll() is None
    client.close()
    assert ask(result(caller), "SELECT 1") == "1"
    assert postmaster(made_root) != before


def test_each_database_of_a_test_is_new_and_a_copy_of_its_template(postgres_server: str, database: str) -> None:
    tell(database, "CREATE TABLE thing AS SELECT 5 AS n")
    copy = create_database(postgres_server, template=conninfo_to_dict(database)["dbname"])
    empty = create_database(postgres_server)
    assert ask(copy, "SELECT n FROM thing") == "5"
    assert ask(empty, "SELECT to_regclass('thing')") == "None"
    with psycopg.connect(copy), psycopg.connect(empty):
        drop_database(copy)
        drop_database(empty)
    with pytest.raises(psycopg.OperationalError, match="does not exist"):
        psycopg.connect(copy)


def test_the_last_user_of_a_shared_server_stops_it(tmp_path: Path) -> None:
    one, two = SharedServer(tmp_path), SharedServer(tmp_path)
    dsn = one.join()
    assert two.join() == dsn
    one.leave()
    one.leave()
    assert ask(dsn, "SELECT 1") == "1"
    two.leave()
    assert not (tmp_path / "postgres").exists()
