"""Counters go on from window to window in place, whoever is first, and endings find the window they belong to."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from aikit.database.connect import Database
from aikit.ledger.verify import verify
from aikit.meter.memory import PATIENCE
from support.attempts import balance, held, meter_on, order, rows, set_policy, settled
from support.clock import set_clock

MONDAY = datetime(2026, 11, 23, tzinfo=UTC)
LIMITS = [
    {"metric": "credits", "window": "minute", "cap": 1000},
    {"metric": "credits", "window": "day", "cap": 1000},
    {"metric": "tokens", "window": "hour", "cap": 100_000},
    {"metric": "credits", "window": "week", "cap": 1000, "zone": "Asia/Kathmandu"},
    {"metric": "credits", "window": "total", "cap": 10_000},
    {"metric": "concurrency", "window": "total", "cap": 50},
]


def standing(database: Database) -> dict[str, tuple[int, int, int]]:
    """Used, held and what the window before came to, by slot."""
    found = rows(database, "SELECT name, used, held, previous FROM aikit.counts WHERE tenant = 'acme'")
    return {name: (used, held, previous) for name, used, held, previous in found}


def assert_balanced(database: Database) -> None:
    """The prices of these tests are no prices, which is told apart."""
    assert [finding for finding in verify(database).findings if finding.kind != "price_changed"] == []


def test_a_call_that_runs_over_midnight_is_of_the_day_it_began_in(ledger: Database, tmp_path: Path) -> None:
    set_policy(ledger, "acme", limits=LIMITS, max_output_tokens=1_000_000)
    set_clock(ledger, MONDAY - timedelta(seconds=2))
    with meter_on(ledger, tmp_path) as meter:
        running = meter.admit(order(nano=300))
        set_clock(ledger, MONDAY + timedelta(seconds=1))
    with meter_on(ledger, tmp_path) as meter:
        assert meter.admit(order(nano=250)).allowed
        before = standing(ledger)
        assert before["credits/day"] == (0, 250, 0)
        assert before["credits/minute"] == (0, 250, 300)
        assert before["credits/total"] == (0, 550, 0)
        assert before["concurrency/total"] == (0, 2, 0)
        meter.end(settled(running, 120))
        assert meter.flush()
    after = standing(ledger)
    assert after["credits/day"] == (0, 250, 0)
    assert after["credits/minute"] == (0, 250, 120)
    assert after["credits/total"] == (120, 250, 0)
    assert after["concurrency/total"] == (0, 1, 0)
    assert_balanced(ledger)


def test_a_week_begins_at_midnight_of_its_zone(ledger: Database, tmp_path: Path) -> None:
    set_policy(ledger, "acme", limits=LIMITS, max_output_tokens=1_000_000)
    in_kathmandu = MONDAY - timedelta(hours=5, minutes=45)
    set_clock(ledger, in_kathmandu - timedelta(seconds=30))
    with meter_on(ledger, tmp_path) as meter:
        meter.admit(order(nano=300))
    set_clock(ledger, in_kathmandu + timedelta(seconds=1))
    with meter_on(ledger, tmp_path) as meter:
        decision = meter.admit(order(nano=100))
    week = next(state for state in decision.limits if state.window == "week")
    assert (week.used, week.held) == (0, 0)
    assert week.resets_at == in_kathmandu + timedelta(weeks=1)
    assert standing(ledger)["credits/week@Asia/Kathmandu+0"] == (0, 100, 0)
    assert_balanced(ledger)


def test_what_is_two_windows_old_counts_no_more(ledger: Database, tmp_path: Path) -> None:
    set_policy(ledger, "acme", limits=LIMITS, max_output_tokens=1_000_000)
    set_clock(ledger, MONDAY + timedelta(hours=3, seconds=10))
    with meter_on(ledger, tmp_path) as meter:
        running = meter.admit(order(nano=300, tokens=70_000))
    set_clock(ledger, MONDAY + timedelta(hours=5, seconds=10))
    with meter_on(ledger, tmp_path) as meter:
        decision = meter.admit(order(nano=300, tokens=70_000))
        assert [state.carried for state in decision.limits] == [0] * len(LIMITS)
        meter.end(settled(running, 10))
        assert meter.flush()
    assert standing(ledger)["credits/minute"] == (0, 300, 0)
    assert_balanced(ledger)


def test_an_hour_carries_the_part_of_the_one_before_that_is_still_within_sixty_minutes(
    ledger: Database, tmp_path: Path
) -> None:
    set_policy(ledger, "acme", limits=LIMITS, max_output_tokens=1_000_000)
    set_clock(ledger, MONDAY + timedelta(hours=3, minutes=50))
    with meter_on(ledger, tmp_path) as meter:
        assert meter.admit(order(tokens=80_000)).allowed
    set_clock(ledger, MONDAY + timedelta(hours=4, minutes=15))
    with meter_on(ledger, tmp_path) as meter:
        refused = meter.admit(order(tokens=40_500))
        assert refused.reason_code == "HOURLY_TOKEN_LIMIT_EXCEEDED"
        (hour,) = refused.failing
        assert 59_600 <= hour.carried <= 60_000  # three quarters
        assert meter.admit(order(tokens=40_000)).allowed


@pytest.mark.parametrize("patience", [0, PATIENCE])
def test_whoever_rolls_a_counter_first_the_others_go_on_from_there(
    ledger: Database, tmp_path: Path, patience: int
) -> None:
    """The second process still remembers the window before, and believes in it."""
    set_policy(ledger, "acme", limits=[{"metric": "credits", "window": "minute", "cap": 500}])
    set_clock(ledger, MONDAY - timedelta(seconds=1.2))
    with meter_on(ledger, tmp_path / "a") as one, meter_on(ledger, tmp_path / "b") as other:
        running = [one.admit(order(nano=100)), other.admit(order(nano=100))]
        for meter in (one, other):
            assert meter._workers.line.poster is not None
            meter._workers.line.poster._memory.patience = patience
        deadline = time.monotonic() + 10
        while one.admit(order(nano=0)).limits[0].carried == 0:
            assert time.monotonic() < deadline
        admitted = [meter.admit(order(nano=40)) for _ in range(6) for meter in (other, one)]
        for decision in running:
            (one if decision is running[0] else other).end(settled(decision, 10))
        assert one.flush() and other.flush()
    in_new = sum(held(decision).order.nano for decision in admitted if decision.allowed)
    assert 280 <= in_new <= 320  # 500 less the 200 of the minute before, of which a second or two has gone by
    assert balance(ledger)["minute"] == (0, in_new)
    assert standing(ledger)["credits/minute"][2] == 20
    assert_balanced(ledger)
