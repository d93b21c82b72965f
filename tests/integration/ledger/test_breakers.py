"""Breakers that a person moves: in force everywhere at once, kept over restarts, and given back to their own rules."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from datetime import timedelta
from pathlib import Path

import pytest

from aikit.breaker.model import TUNING, State
from aikit.database.connect import Database
from aikit.ledger.breakers import force_breaker, get_breaker, list_breakers, list_moves, reset_breaker
from aikit.ledger.verify import verify
from aikit.meter.engine import Meter
from aikit.types import Ending, Entry, Health
from support.attempts import held, meter_on, order, rows, set_limits
from support.clock import set_clock

KEY = ("openai", "gpt-4o-mini")
ASK = """
import json, sys
from pathlib import Path
from aikit.database.connect import Database
from support.attempts import meter_on, order
with meter_on(Database(sys.argv[1], False, "test"), Path(sys.argv[2])) as meter:
    decision = meter.admit(order(price=None))
    print(json.dumps([decision.reason_code, decision.retry_after]))
"""


@pytest.fixture(autouse=True)
def limits(ledger: Database) -> None:
    set_limits(ledger, "acme", month=10**9)


def asked_by_another_process(ledger: Database, folder: Path) -> list[object]:
    tests = Path(__file__).parents[2]
    done = subprocess.run(
        [sys.executable, "-P", "-c", ASK, ledger.conninfo, str(folder)],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
        env={"PYTHONPATH": str(tests)},
    )
    return list(json.loads(done.stdout))


def call(meter: Meter, health: Health) -> str:
    decision = meter.admit(order(price=None))
    if decision.hold is not None:
        meter.end(Entry(held(decision), Ending.VOIDED, 0, status=500, health=health))
        meter.flush()
    return decision.reason_code


def pass_time(database: Database, seconds: float) -> None:
    """The database's clock moves on; connections made from here on see it."""
    (now,) = rows(database, "SELECT now()")[0]
    set_clock(database, now + timedelta(seconds=seconds))
    database.engine().dispose()


def test_what_is_forced_stays_so_over_restarts(ledger: Database, tmp_path: Path) -> None:
    force_breaker(ledger, KEY, open=True, lasting=timedelta(minutes=10), who="ann", why="outage")
    code, wait = asked_by_another_process(ledger, tmp_path)
    assert code == "BREAKER_OPEN" and isinstance(wait, float) and 500 < wait <= 600
    force_breaker(ledger, KEY, open=True)
    assert asked_by_another_process(ledger, tmp_path) == ["BREAKER_OPEN", None]
    force_breaker(ledger, KEY, open=False)
    assert asked_by_another_process(ledger, tmp_path) == ["ALLOWED", None]


def test_forced_open_for_a_time_it_then_lets_one_probe_through_at_a_time(ledger: Database, tmp_path: Path) -> None:
    force_breaker(ledger, KEY, open=True, lasting=timedelta(seconds=60))
    pass_time(ledger, 61)
    assert get_breaker(ledger, KEY).breaker.state is State.HALF_OPEN
    with meter_on(ledger, tmp_path / "1") as one, meter_on(ledger, tmp_path / "2") as other:
        probe = one.admit(order(price=None))
        assert probe.allowed and other.admit(order(price=None)).reason_code == "BREAKER_OPEN"
        assert (get_breaker(ledger, KEY).under_way, verify(ledger).findings) == (1, [])
        one.end(Entry(held(probe), Ending.VOIDED, 0, status=200, health=Health.OK))
        one.flush()
        assert call(other, Health.OK) == "ALLOWED"
    assert get_breaker(ledger, KEY).breaker.state is State.CLOSED
    assert [(move.was, move.state) for move in reversed(list_moves(ledger, KEY))] == [
        ("closed", "forced_open"),
        ("forced_open", "half_open"),
        ("half_open", "closed"),
    ]


def test_forced_closed_for_a_time_it_then_opens_by_its_own_rules(ledger: Database, tmp_path: Path) -> None:
    force_breaker(ledger, KEY, open=False, lasting=timedelta(seconds=60))
    with meter_on(ledger, tmp_path / "1") as meter:
        assert [call(meter, Health.FAILED) for _ in range(20)] == ["ALLOWED"] * 20
    pass_time(ledger, 61)
    with meter_on(ledger, tmp_path / "2") as meter:
        assert [call(meter, Health.FAILED) for _ in range(TUNING.consecutive)] == ["ALLOWED"] * TUNING.consecutive
        assert call(meter, Health.FAILED) == "BREAKER_OPEN"
    assert [move.state for move in list_moves(ledger, KEY)] == ["open", "closed", "forced_closed"]


def test_a_reset_forgets_what_it_had_seen(ledger: Database, tmp_path: Path) -> None:
    with meter_on(ledger, tmp_path) as meter:
        for _ in range(TUNING.consecutive):
            call(meter, Health.FAILED)
        was, after = reset_breaker(ledger, KEY, who="ann", why="it is back")
        assert (was.state, after.state) == (State.OPEN, State.CLOSED)
        for _ in range(TUNING.consecutive - 1):
            assert call(meter, Health.FAILED) == "ALLOWED"
        assert call(meter, Health.OK) == "ALLOWED"


def test_it_is_forced_in_the_midst_of_calls_without_a_deadlock(ledger: Database, tmp_path: Path) -> None:
    done = threading.Event()
    wrong: list[str] = []

    def run(number: int) -> None:
        with meter_on(ledger, tmp_path / str(number)) as meter:
            while not done.is_set():
                code = call(meter, Health.FAILED if number else Health.OK)
                if code not in ("ALLOWED", "BREAKER_OPEN"):
                    wrong.append(code)

    threads = [threading.Thread(target=run, args=[n]) for n in range(3)]
    for thread in threads:
        thread.start()
    for n in range(30):
        if n % 3 == 2:
            reset_breaker(ledger, KEY)
        else:
            force_breaker(ledger, KEY, open=n % 3 == 0, lasting=timedelta(seconds=1))
    done.set()
    for thread in threads:
        thread.join()
    assert wrong == []
    by_hand = [move for move in list_moves(ledger, KEY, limit=1_000) if move.who is not None]
    assert len(by_hand) == 30
    assert verify(ledger).findings == []


def test_of_all_moves_the_last_by_hand_tells_who_forced_it(ledger: Database) -> None:
    rows(
        ledger,
        "WITH moved AS (INSERT INTO aikit.breaker_moves (at, provider, model, was, state, who) "
        "SELECT now(), 'openai', 'm' || n %% 50, 'closed', 'forced_open', 'ann' FROM generate_series(1, 20000) n "
        "RETURNING 1) SELECT count(*) FROM moved",
    )
    force_breaker(ledger, KEY, open=True, who="bob")
    (row,) = list_breakers(ledger)
    assert row.forced_by is not None and row.forced_by.who == "bob"
