"""The breaker over several meters: opened by what all have seen, one probe at a time, closed for all at once."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from aikit.breaker.model import TUNING
from aikit.database.connect import Database
from aikit.errors import MeteringUnavailable
from aikit.ledger.breakers import force_breaker
from aikit.meter.engine import Meter
from aikit.types import Decision, Ending, Entry, Health
from support.attempts import balance, held, meter_on, order, rows, set_limits
from support.clock import set_clock

STATE = "SELECT state, reason, trips FROM aikit.breakers WHERE model = 'gpt-4o-mini'"
MOVES = "SELECT was, state, reason FROM aikit.breaker_moves ORDER BY seq"


@pytest.fixture
def meters(ledger: Database, tmp_path: Path) -> Iterator[list[Meter]]:
    set_limits(ledger, "acme", month=10**9)
    opened = [meter_on(ledger, tmp_path / str(n)) for n in range(3)]
    yield opened
    for meter in opened:
        meter.close()


def ended(decision: Decision, health: Health, *, status: int | None = 500, wait: float | None = None) -> Entry:
    return Entry(held(decision), Ending.VOIDED, 0, status=status, health=health, retry_after=wait)


def call(meter: Meter, health: Health, **more: float | None) -> Decision:
    decision = meter.admit(order())
    if decision.hold is not None:
        meter.end(ended(decision, health, **more))  # type: ignore[arg-type]
        meter.flush()
    return decision


def later(database: Database, meters: list[Meter], tmp_path: Path, seconds: float) -> list[Meter]:
    """The database's clock moves on; connections made from here on see it."""
    (now,) = rows(database, "SELECT now()")[0]
    for meter in meters:
        meter.close()
    set_clock(database, now + timedelta(seconds=seconds))
    return [meter_on(database, tmp_path / str(n)) for n in range(len(meters))]


def trip(meters: list[Meter]) -> None:
    for n in range(TUNING.consecutive):
        assert call(meters[n % len(meters)], Health.FAILED).allowed


def test_failures_in_several_processes_open_it_for_all_on_the_next_call(ledger: Database, meters: list[Meter]) -> None:
    for meter in meters:
        assert call(meter, Health.OK, status=200).allowed  # type: ignore[arg-type]
    trip(meters)
    assert rows(ledger, STATE) == [("open", "consecutive_failures", 1)]
    for meter in meters:
        refused = meter.admit(order())
        assert (refused.reason_code, refused.source) == ("BREAKER_OPEN", "breaker:openai/gpt-4o-mini")
        assert refused.retry_after is not None and 10 < refused.retry_after <= 15
    other = order()._replace(call=order().call._replace(model="gpt-5"))
    assert meters[0].admit(other).allowed
    assert rows(ledger, MOVES) == [("closed", "open", "consecutive_failures")]
    assert balance(ledger)["month"] == (0, 100)


def test_a_success_anywhere_breaks_a_run_of_failures(ledger: Database, meters: list[Meter]) -> None:
    for n in range(4):
        call(meters[n % 2], Health.FAILED)
    call(meters[2], Health.OK)
    # the success is told with the next report; a run in one process alone is broken at once
    call(meters[0], Health.OK)
    for _ in range(3):
        call(meters[0], Health.FAILED)
    assert rows(ledger, STATE) == [("closed", None, 0)]


def test_what_says_nothing_about_the_provider_never_opens_it(ledger: Database, meters: list[Meter]) -> None:
    for n in range(20):
        call(meters[n % 3], Health.NEUTRAL, status=400)  # type: ignore[arg-type]
    assert rows(ledger, STATE) == []


def test_half_the_calls_failing_opens_it(ledger: Database, meters: list[Meter]) -> None:
    for n in range(5):
        assert call(meters[0], Health.OK).allowed
        assert call(meters[0], Health.FAILED).allowed, n
    assert rows(ledger, STATE) == [("open", "failure_rate", 1)]


def test_after_a_while_one_probe_at_a_time_is_let_through_and_two_successes_close_it(
    ledger: Database, meters: list[Meter], tmp_path: Path
) -> None:
    trip(meters)
    meters[:] = later(ledger, meters, tmp_path, 16)
    probe = meters[0].admit(order())
    assert probe.allowed
    for meter in meters:
        refused = meter.admit(order())
        assert refused.reason_code == "BREAKER_OPEN"
        assert refused.retry_after is not None and refused.retry_after <= 60
    meters[0].end(ended(probe, Health.OK, status=200))
    meters[0].flush()
    second = meters[1].admit(order())
    assert second.allowed
    assert meters[2].admit(order()).reason_code == "BREAKER_OPEN"
    meters[1].end(ended(second, Health.OK, status=200))
    meters[1].flush()
    assert all(meter.admit(order()).allowed for meter in meters)
    assert [(was, state) for was, state, _ in rows(ledger, MOVES)] == [
        ("closed", "open"),
        ("open", "half_open"),
        ("half_open", "closed"),
    ]


def test_a_probe_that_fails_opens_it_for_twice_as_long(ledger: Database, meters: list[Meter], tmp_path: Path) -> None:
    trip(meters)
    meters[:] = later(ledger, meters, tmp_path, 16)
    assert call(meters[0], Health.FAILED).allowed
    refused = meters[1].admit(order())
    assert refused.retry_after is not None and 25 < refused.retry_after <= 30
    assert rows(ledger, STATE) == [("open", "probe_failed", 2)]


def test_a_probe_whose_process_died_makes_room_when_its_lease_is_over(
    ledger: Database, meters: list[Meter], tmp_path: Path
) -> None:
    trip(meters)
    meters[:] = later(ledger, meters, tmp_path, 16)
    assert meters[0].admit(order()).allowed  # and nothing is ever heard of it
    meters[:] = later(ledger, meters, tmp_path, 61)
    assert meters[1].admit(order()).allowed
    assert meters[2].admit(order()).reason_code == "BREAKER_OPEN"


def test_a_caller_that_leaves_gives_the_probe_back(ledger: Database, meters: list[Meter], tmp_path: Path) -> None:
    trip(meters)
    meters[:] = later(ledger, meters, tmp_path, 16)
    assert call(meters[0], Health.NEUTRAL).allowed
    assert meters[1].admit(order()).allowed


def test_the_time_that_a_provider_asks_for_is_kept(ledger: Database, meters: list[Meter]) -> None:
    for _ in range(5):
        call(meters[0], Health.FAILED, status=429, wait=7.0)  # type: ignore[arg-type]
    refused = meters[1].admit(order())
    assert refused.retry_after is not None and 5 < refused.retry_after <= 7


def test_an_empty_account_opens_the_provider_as_a_whole_for_long(ledger: Database, meters: list[Meter]) -> None:
    call(meters[0], Health.QUOTA, status=429)  # type: ignore[arg-type]
    refused = meters[1].admit(order()._replace(call=order().call._replace(model="another")))
    assert (refused.reason_code, refused.source) == ("BREAKER_OPEN", "breaker:openai")
    assert refused.retry_after is not None and refused.retry_after > 1_000
    assert rows(ledger, "SELECT model, reason FROM aikit.breakers") == [("", "quota_exhausted")]


def test_each_process_decides_by_its_own_figures_on_what_all_share(
    ledger: Database, meters: list[Meter], tmp_path: Path
) -> None:
    strict = meter_on(ledger, tmp_path / "strict", TUNING._replace(consecutive=2, open_first=timedelta(seconds=40)))
    off = meter_on(ledger, tmp_path / "off", TUNING._replace(enabled=False))
    with strict, off:
        for _ in range(TUNING.consecutive + 1):
            assert call(off, Health.FAILED).allowed
        assert rows(ledger, STATE) == []
        for _ in range(2):
            assert call(strict, Health.FAILED).allowed
        refused = meters[0].admit(order())
        assert refused.retry_after is not None and 30 < refused.retry_after <= 40
        assert off.admit(order()).allowed
        force_breaker(ledger, ("openai", "gpt-4o-mini"), open=True)
        assert off.admit(order()).reason_code == "BREAKER_OPEN"


def test_what_a_probe_came_to_is_not_forgotten_when_the_ledger_is_lost_meanwhile(
    ledger: Database, meters: list[Meter], tmp_path: Path
) -> None:
    trip(meters)
    meters[:] = later(ledger, meters, tmp_path, 16)
    probe = meters[0].admit(order())
    with ledger.connect(role="test") as connection, connection.transaction():
        connection.execute("SELECT FROM aikit.breakers FOR UPDATE")
        meters[0].end(ended(probe, Health.OK, status=200))
        waiting = "SELECT pid FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND query LIKE %s"
        while not (found := rows(ledger, waiting, "%FROM aikit.breakers%FOR UPDATE%")):
            time.sleep(0.01)
        rows(ledger, "SELECT pg_terminate_backend(%s)", found[0][0])
    other = order()._replace(call=order().call._replace(model="gpt-5"))
    while True:  # until the line to the ledger is made anew
        try:
            assert meters[0].admit(other).allowed
            break
        except MeteringUnavailable:
            time.sleep(0.05)
    meters[0].flush()
    assert rows(ledger, "SELECT successes, probes FROM aikit.breakers WHERE model <> ''") == [(1, [])]


def test_whatever_happens_no_more_probes_are_in_flight_than_allowed(
    ledger: Database, meters: list[Meter], tmp_path: Path
) -> None:
    trip(meters)
    meters[:] = later(ledger, meters, tmp_path, 16)
    most = 0
    flying: set[object] = set()
    lock = threading.Lock()

    def run(meter: Meter, seed: int) -> None:
        nonlocal most
        chance = random.Random(seed)
        for _ in range(12):
            decision = meter.admit(order())
            if decision.hold is None:
                continue
            with lock:
                state = rows(ledger, STATE)[0][0]
                if state == "half_open":
                    flying.add(decision.id)
                    most = max(most, len(flying))
            with lock:
                flying.discard(decision.id)
            meter.end(ended(decision, chance.choice([Health.OK, Health.OK, Health.NEUTRAL])))

    threads = [threading.Thread(target=run, args=[meters[n % 3], n]) for n in range(9)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert most <= 1
    for meter in meters:
        meter.flush()
    assert meters[0].admit(order()).allowed
