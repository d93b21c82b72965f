"""PostgreSQL is killed with -9 under load: what was answered is in the books, and calls go on without a restart.

Once it is the only server and comes back, once it is the primary of a pair whose standby is promoted.
"""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from aikit.database import embedded, processes
from aikit.database.connect import Database
from aikit.ledger.opening import migrate
from aikit.sim import Simulator
from support.crew import Crew
from support.embedded import postmaster, wait_for
from support.kits import Books, write_config
from support.pair import Pair
from support.reckoning import assert_books_right, expire_all, reckon
from support.sdks import wait_until_idle

RESUMED = 5.0
"""Seconds until calls are answered again, in every process."""
CAPS = {"small": "0.004", "large": "1000"}
"""USD in all; the small one is used up under way."""
PROCESSES = 3


def books_at(dsn: str) -> Books:
    """The schema, with nothing in it but two tenants with caps, on this server."""
    books = Books(dsn)
    books.tell("DROP SCHEMA IF EXISTS aikit CASCADE")
    migrate(Database(dsn, False, "test"))
    for tenant, usd in CAPS.items():
        books.limit(tenant, usd=usd, window="total")
    return books


class Crowd:
    """Several processes that call all the time."""

    def __init__(self, crew: Crew, config: Path) -> None:
        self._crew = crew
        self._running = [crew.start(config, tenants=tuple(CAPS), threads=3, pause=0.01) for _ in range(PROCESSES)]
        self.wait_for_answers(time.time())

    def wait_for_answers(self, since: float) -> float:
        """Seconds from that moment (of the wall clock) until each process has had an answer that it asked for later."""
        wait_for(lambda: len(self._first(since)) == PROCESSES)
        return max(self._first(since).values()) - since

    def stop(self) -> None:
        """End it, once somebody has run into a cap."""
        wait_for(lambda: any(line.get("outcome") == "refused 402" for line in self._crew.said()))
        for pid in self._running:
            self._crew.stop(pid)
        flushed = [line["flushed"] for line in self._crew.said() if "flushed" in line]
        assert flushed == [True] * PROCESSES, self._crew.errors()

    def _first(self, since: float) -> dict[int, float]:
        first: dict[int, float] = {}
        for line in self._crew.answered():
            if line["at"] - line["seconds"] >= since:
                first.setdefault(line["n"] // 2000, line["at"])
        return first


def assert_nothing_missing(books: Books, simulator: Simulator, crew: Crew) -> None:
    """Every answer is settled at what it cost; nothing else was sent; no cap is overshot."""
    wait_until_idle(simulator)
    expired = expire_all(books)
    found = reckon(books, simulator.served())
    found.assert_nothing_lost()
    assert_books_right(books)
    assert (expired, found.over) == (0, []), "no caller died, so each knows what became of its calls"
    settled = books.rows("SELECT user_id FROM aikit.entries WHERE ending = 'settled' AND NOT estimated")
    assert {f"n{line['n']}" for line in crew.answered()} == {row["user_id"] for row in settled}
    for tenant, usd in CAPS.items():
        cap = float(usd) * 1e9
        (row,) = books.rows("SELECT coalesce(sum(nano), 0) AS n FROM aikit.entries WHERE tenant = %s", tenant)
        assert row["n"] <= cap
    outcomes = {line["outcome"] for line in crew.said() if "outcome" in line}
    assert outcomes <= {"answered", "refused 503", "refused 402"}


def test_a_server_that_is_killed_under_load_and_restarted_has_every_answer_in_its_books(
    made_root: Path, tmp_path: Path, simulator: Simulator, crew: Crew
) -> None:
    books = books_at(embedded.ensure(made_root))
    simulator.fault(delay=0.02, chunk_delay=0.002)
    crowd = Crowd(crew, write_config(tmp_path, simulator.url, books.dsn))
    try:
        for _ in range(2):
            os.kill(postmaster(made_root), signal.SIGKILL)
            wait_for(lambda: not processes.serving(made_root / "data"))
            time.sleep(0.5)
            embedded.ensure(made_root)
            seconds = crowd.wait_for_answers(time.time())
            print(f"calls resumed in all processes {seconds:.2f} s after the server was back")
            assert seconds < RESUMED
        crowd.stop()
        assert_nothing_missing(books, simulator, crew)
    finally:
        books.tell("DROP SCHEMA aikit CASCADE")


@pytest.fixture
def pair(made_root: Path, tmp_path: Path) -> Iterator[Pair]:
    pair = Pair(made_root, tmp_path / "standby")
    yield pair
    pair.remove()
    embedded.ensure(made_root)
    Books(pair.primary).tell("DROP SCHEMA IF EXISTS aikit CASCADE")


def test_a_promotion_under_load_misses_no_answer_and_calls_go_on(
    pair: Pair, tmp_path: Path, simulator: Simulator, crew: Crew
) -> None:
    books_at(pair.primary)
    simulator.fault(delay=0.02, chunk_delay=0.002)
    crowd = Crowd(crew, write_config(tmp_path, simulator.url, pair.dsn))
    pair.kill_primary()
    time.sleep(0.5)
    pair.promote()
    seconds = crowd.wait_for_answers(time.time())
    print(f"calls resumed in all processes {seconds:.2f} s after the promotion")
    assert seconds < RESUMED
    crowd.stop()
    assert_nothing_missing(Books(pair.standby), simulator, crew)
