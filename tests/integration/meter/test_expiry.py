"""A hold without an ending is presumed spent in the end, by whoever looks first, and corrected if the truth comes."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from aikit.database.connect import Database
from aikit.ledger.verify import verify
from aikit.meter import workers
from aikit.meter.opening import SESSION, open_meter
from aikit.meter.poster import Poster
from aikit.types import Usage
from support.attempts import a_price, balance, meter_on, order, rows, set_policy, settled, voided

LIMITS = [
    {"metric": "credits", "window": "month", "cap": 1000},
    {"metric": "tokens", "window": "month", "cap": 10_000},
    {"metric": "concurrency", "window": "total", "cap": 2},
    {"metric": "credits", "window": "hour", "cap": 1000, "each": "user"},
]
ENDED = "SELECT seq, ending, estimated, error, nano, input FROM aikit.entries ORDER BY attempt, seq"


@pytest.fixture(autouse=True)
def limits(ledger: Database) -> None:
    set_policy(ledger, "acme", limits=LIMITS)


def expire_now(database: Database) -> None:
    with database.connect(role="test") as connection:
        connection.execute("UPDATE aikit.holds SET expires_at = now() - interval '1 s'")


def poster_on(database: Database) -> Poster:
    connection = database.connect(role="meter")
    connection.execute(SESSION)
    return Poster(connection, a_price, hold_seconds=900)


def assert_balanced(database: Database) -> None:
    """The prices of these tests are no prices, which is told apart."""
    assert [finding for finding in verify(database).findings if finding.kind != "price_changed"] == []


def counts(database: Database) -> dict[str, tuple[int, int]]:
    return {name: (used, held) for name, used, held in rows(database, "SELECT name, used, held FROM aikit.counts")}


def test_what_a_dead_process_left_is_presumed_spent_and_makes_room_for_calls_at_once(
    ledger: Database, tmp_path: Path
) -> None:
    program = """
import os, sys
from pathlib import Path
from support.attempts import meter_on, order
from aikit.database.connect import named_database
meter = meter_on(named_database(sys.argv[1], "test"), Path(sys.argv[2]))
for _ in range(2):
    assert meter.admit(order(nano=300)).allowed
os.kill(os.getpid(), 9)
"""
    environment = {"PYTHONPATH": str(Path(__file__).parents[2]), "PATH": ""}
    command = [sys.executable, "-c", program, ledger.conninfo, str(tmp_path / "dead")]
    assert subprocess.run(command, env=environment, timeout=60).returncode == -9
    expire_now(ledger)
    with meter_on(ledger, tmp_path) as meter:
        deadline = time.monotonic() + 10
        while not (decision := meter.admit(order(nano=300))).allowed:
            assert decision.reason_code == "CONCURRENCY_LIMIT_EXCEEDED"
            assert time.monotonic() < deadline
            time.sleep(0.02)
        assert counts(ledger)["credits/month"] == (600, 300)
        meter.end(voided(decision))
        assert meter.flush()
    assert rows(ledger, ENDED)[:2] == [(0, "presumed_spent", True, "expired", 300, None)] * 2
    assert_balanced(ledger)


def test_nothing_is_presumed_before_its_time(ledger: Database, tmp_path: Path) -> None:
    with meter_on(ledger, tmp_path) as meter:
        running = meter.admit(order(nano=300))
        poster = poster_on(ledger)
        assert poster.expire() == 0
        assert poster.expire(all_holds=True) == 1
        poster.close()
        assert running.allowed
    assert_balanced(ledger)


def test_a_truth_that_comes_late_is_posted_as_a_correction(ledger: Database, tmp_path: Path) -> None:
    with meter_on(ledger, tmp_path) as meter:
        dear, free, same = [meter.admit(order(nano=300)) for _ in range(2)] + [None]
        expire_now(ledger)
        poster = poster_on(ledger)
        assert poster.expire() == 2
        assert balance(ledger)["month"][1] == 0
        assert same is None
        meter.end(settled(dear, 120, Usage(input=8, output=4)))
        meter.end(voided(free))
        assert meter.flush()
        after = counts(ledger)
        meter.end(settled(dear, 120, Usage(input=8, output=4)))
        assert meter.flush()
        assert counts(ledger) == after  # twice is once
        poster.close()
    assert after["credits/month"] == after["credits/hour"] == (120, 0)
    assert after["tokens/month"] == (40 + 12, 0)  # those presumed stay: it is not known any more which they were
    assert sorted(rows(ledger, "SELECT seq, nano FROM aikit.entries")) == [(0, 300), (0, 300), (1, -300), (1, -180)]
    assert rows(ledger, "SELECT sum(calls), sum(nano), sum(input) FROM aikit.rollups") == [(2, 120, 8)]
    assert_balanced(ledger)


def test_an_ending_that_is_presumed_itself_corrects_nothing(ledger: Database, tmp_path: Path) -> None:
    from aikit.types import Ending, Entry
    from support.attempts import held

    with meter_on(ledger, tmp_path) as meter:
        lost = meter.admit(order(nano=300))
        poster = poster_on(ledger)
        assert poster.expire(all_holds=True) == 1
        meter.end(Entry(held(lost), Ending.PRESUMED_SPENT, 300, estimated=True, error="ReadTimeout"))
        assert meter.flush()
        poster.close()
    assert [row[0] for row in rows(ledger, ENDED)] == [0]
    assert_balanced(ledger)


def test_many_processes_that_look_at_once_presume_each_hold_once(ledger: Database, tmp_path: Path) -> None:
    set_policy(ledger, "acme", limits=LIMITS[:2])
    with meter_on(ledger, tmp_path) as meter:
        for _ in range(40):
            assert meter.admit(order(nano=10)).allowed
        posters = [poster_on(ledger) for _ in range(4)]
        done: list[int] = []
        threads = [threading.Thread(target=lambda p=p: done.append(p.expire(all_holds=True))) for p in posters]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(30)
        assert sum(done) == 40
        for poster in posters:
            poster.close()
    assert counts(ledger)["credits/month"] == (400, 0)
    assert_balanced(ledger)


def test_an_idle_process_looks_too(ledger: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(workers, "EXPIRE_EVERY", 0.1)
    with meter_on(ledger, tmp_path) as meter:
        meter.admit(order(nano=300))
        expire_now(ledger)
        wait_until(lambda: rows(ledger, "SELECT count(*) FROM aikit.holds") == [(0,)])
    assert_balanced(ledger)


def test_calls_go_on_while_holds_expire_beside_them(
    ledger: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each look falls between two batches, one of which has been prepared on what it changes."""
    monkeypatch.setattr(workers, "EXPIRE_EVERY", 0.0)
    set_policy(ledger, "acme", limits=[{"metric": "credits", "window": "month", "cap": 10**9}])
    with open_meter(ledger, tmp_path, a_price, hold_seconds=1) as meter:

        def call() -> None:
            for _ in range(40):
                decision = meter.admit(order(nano=10))
                time.sleep(0.03)
                meter.end(settled(decision, 4))

        threads = [threading.Thread(target=call) for _ in range(6)]
        abandoned = [meter.admit(order(nano=7)) for _ in range(5)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(60)
        wait_until(lambda: rows(ledger, "SELECT count(*) FROM aikit.holds") == [(0,)])
        assert meter.flush()
        assert len(abandoned) == 5
    assert counts(ledger)["credits/month"] == (6 * 40 * 4 + 5 * 7, 0)
    assert_balanced(ledger)


def wait_until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)
