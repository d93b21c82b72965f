"""PostgreSQL is killed, hangs, is locked, or changes underneath while `aikit top` is open: it says so and goes on."""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
import pytest

from aikit.database import embedded, processes
from aikit.database.connect import Database
from aikit.ledger.opening import migrate
from support.embedded import postmaster, wait_for
from support.kits import Books, write_config
from support.tmux import Tmux, children, terminal

TOP = "aikit top --interval 0.5 --tab limits"
AT_ONCE = 5.0
"""Seconds within which a key shows what it does; most of that is for machines that are busy."""
NOTICED = 15.0
CONSOLES = "SELECT count(*) AS n FROM pg_stat_activity WHERE application_name LIKE 'aikit top%%'"


@pytest.fixture
def books(made_root: Path) -> Iterator[Books]:
    """A ledger on a server of the test's own, in which acme has a cap."""
    books = Books(embedded.ensure(made_root))
    books.tell("DROP SCHEMA IF EXISTS aikit CASCADE")
    migrate(Database(books.dsn, False, "test"))
    books.limit(usd="60", window="day")
    yield books
    embedded.ensure(made_root)
    books.tell("DROP SCHEMA IF EXISTS aikit CASCADE")


@pytest.fixture
def top(books: Books, tmp_path: Path) -> Iterator[Tmux]:
    write_config(tmp_path, "http://127.0.0.1:9", books.dsn)
    environ = {"PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
    with terminal(tmp_path, environ) as window:
        window.run(TOP)
        window.wait_for("live", "credits/day", "$60.00")
        yield window


def assert_keys_work(top: Tmux) -> None:
    """The help opens and closes, and what was read last is still there."""
    top.press("?")
    top.wait_for("What every key does", seconds=AT_ONCE)
    top.press("Escape")
    top.wait_until(lambda screen: "What every key does" not in screen, seconds=AT_ONCE)
    top.wait_for("credits/day", "$60.00")


def wait_until_stale(top: Tmux, *says: str) -> None:
    top.wait_for("STALE", "retry in", *says, seconds=NOTICED)


def wait_until_live(top: Tmux) -> None:
    top.wait_until(lambda screen: "STALE" not in screen and "live" in screen, "it does not recover")


def assert_leaves_at_once(top: Tmux) -> None:
    began = time.monotonic()
    top.press("q")
    top.wait_until(lambda _: top.restored and not children(top.shell), "it does not leave", seconds=AT_ONCE)
    print(f"left after {time.monotonic() - began:.2f} s")
    assert top.exit_code() == 0


def test_a_server_that_is_killed_makes_it_stale_until_it_is_back(top: Tmux, made_root: Path) -> None:
    for _ in range(2):
        os.kill(postmaster(made_root), signal.SIGKILL)
        wait_for(lambda: not processes.serving(made_root / "data"))
        wait_until_stale(top)
        assert_keys_work(top)
        embedded.ensure(made_root)
        wait_until_live(top)
    assert_leaves_at_once(top)


def test_it_can_be_left_while_the_server_is_gone(top: Tmux, made_root: Path) -> None:
    os.kill(postmaster(made_root), signal.SIGKILL)
    wait_until_stale(top)
    assert_leaves_at_once(top)


@contextmanager
def hung(root: Path) -> Iterator[None]:
    """The server and all its processes stand still, and answer nobody."""
    server = postmaster(root)
    standing = [server, *children(server)]
    for pid in standing:
        os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        for pid in standing:
            os.kill(pid, signal.SIGCONT)


def test_a_server_that_hangs_never_freezes_the_screen(top: Tmux, made_root: Path) -> None:
    with hung(made_root):
        assert_keys_work(top)
        wait_until_stale(top, "has not answered")
        assert_keys_work(top)
    wait_until_live(top)


def test_it_can_be_left_while_the_server_hangs(top: Tmux, made_root: Path) -> None:
    with hung(made_root):
        time.sleep(1.0)  # a read is under way
        assert_leaves_at_once(top)


@contextmanager
def locked(books: Books, table: str) -> Iterator[None]:
    with psycopg.connect(books.dsn) as connection:
        connection.execute(f"LOCK TABLE aikit.{table} IN ACCESS EXCLUSIVE MODE")
        yield


@pytest.mark.parametrize("table", ["state", "rollups", "counters"])
def test_a_table_that_is_locked_makes_it_stale_and_connections_do_not_pile_up(
    top: Tmux, books: Books, table: str
) -> None:
    with locked(books, table):
        wait_until_stale(top, "did not answer a question within 2 s")
        assert_keys_work(top)
        until = time.monotonic() + 8
        most = 0
        while time.monotonic() < until:
            (row,) = books.rows(CONSOLES)
            most = max(most, row["n"])
            time.sleep(0.1)
        assert most == 1
    wait_until_live(top)


def test_a_schema_that_changes_underneath_is_told_and_it_goes_on_when_it_fits_again(top: Tmux, books: Books) -> None:
    books.tell("ALTER TABLE aikit.breakers RENAME COLUMN state TO condition")
    wait_until_stale(top, "has another schema than this aikit reads")
    assert_keys_work(top)
    books.tell("ALTER TABLE aikit.breakers RENAME COLUMN condition TO state")
    wait_until_live(top)
    books.tell("DROP SCHEMA aikit CASCADE")
    wait_until_stale(top, "aikit db status")
    migrate(Database(books.dsn, False, "test"))
    wait_until_live(top)
    top.wait_for("There is no limit yet")
