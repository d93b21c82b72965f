"""Clocks jump, the process's or the database's: the database's clock decides, and the books stay right."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import time_machine

from aikit.config import Settings
from aikit.database.connect import Database
from aikit.errors import MeteringUnavailable, Refused
from aikit.kit import AIKit
from aikit.ledger.verify import verify
from aikit.meter import workers
from aikit.sim import Simulator
from support.attempts import meter_on, order, set_policy, settled
from support.clock import set_clock
from support.embedded import wait_for
from support.kits import TENANT, Books
from support.reckoning import assert_books_right, expire_all

MODEL = "openai/gpt-4o-mini"
NOW = datetime(2026, 11, 21, 10, 30, 12, tzinfo=UTC)
JUMPS = [timedelta(hours=5), timedelta(hours=-5), timedelta(days=70), timedelta(days=-70)]


def call(kit: AIKit) -> None:
    kit.complete("Hi", model=MODEL, tenant=TENANT)


def at_database(books: Books, moment: datetime) -> None:
    """The database's clock jumps to this moment, in connections of before too once one jump has been made."""
    set_clock(at(books), moment)


def at(books: Books) -> Database:
    return Database(books.dsn, False, "test")


def test_a_process_whose_clock_jumps_counts_in_the_databases_day(
    settings: Settings, books: Books, simulator: Simulator
) -> None:
    set_policy(at(books), TENANT, limits=[{"metric": "requests", "window": "day", "cap": 3}])
    at_database(books, NOW)
    with AIKit.open(settings) as kit:
        for jump in JUMPS[:3]:
            with time_machine.travel(datetime.now(UTC) + jump):
                call(kit)
        for jump in JUMPS:
            with time_machine.travel(datetime.now(UTC) + jump), pytest.raises(Refused) as refused:
                call(kit)
            assert refused.value.code == "DAILY_REQUEST_LIMIT_EXCEEDED"
            assert refused.value.decision is not None
            (failing,) = refused.value.decision.failing
            assert failing.resets_at == datetime(2026, 11, 22, tzinfo=UTC)
        assert kit.flush()
    assert simulator.served(0)["totals"]["requests"] == 3
    found = books.rows("SELECT admitted_at FROM aikit.entries")
    assert all(NOW <= moment < NOW + timedelta(minutes=5) for row in found for moment in row.values())
    assert books.rows("SELECT DISTINCT hour FROM aikit.rollups") == [{"hour": NOW.replace(minute=0, second=0)}]
    assert_books_right(books)


def test_a_process_whose_clock_jumps_expires_no_hold_before_its_time(
    settings: Settings, books: Books, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(workers, "EXPIRE_EVERY", 0.02)
    at_database(books, NOW)
    with AIKit.open(settings) as kit:
        stream = iter(kit.stream("Hi", model=MODEL, tenant=TENANT))
        next(stream)
        with time_machine.travel(datetime.now(UTC) + timedelta(days=70)), AIKit.open(settings) as other:
            call(other)
            time.sleep(0.3)
            assert books.holds() == 1
        for _ in stream:
            pass
        assert kit.flush()
    assert [(e["ending"], e["error"]) for e in books.entries()] == [("settled", None)] * 2
    assert_books_right(books)


def test_a_hold_expires_when_the_database_says_so(
    settings: Settings, books: Books, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(workers, "EXPIRE_EVERY", 0.02)
    at_database(books, NOW)
    kit = AIKit.open(settings)
    stream = iter(kit.stream("Hi", model=MODEL, tenant=TENANT))
    next(stream)
    at_database(books, NOW + timedelta(hours=1))
    wait_for(lambda: books.holds() == 0)
    assert (books.entry()["ending"], books.entry()["error"]) == ("presumed_spent", "expired")
    for _ in stream:
        pass
    assert kit.flush()
    kit.close()
    assert_books_right(books)


@pytest.mark.parametrize("jump", [timedelta(hours=5), timedelta(days=70)], ids=str)
def test_the_databases_clock_may_jump_ahead_of_calls_that_are_under_way(
    settings: Settings, books: Books, jump: timedelta
) -> None:
    """Each call counts in the window that it began in, by the clock of that moment."""
    for window in ("hour", "day"):
        books.limit(usd="1000", window=window)
    at_database(books, NOW)
    with AIKit.open(settings) as kit:
        call(kit)
        stream = iter(kit.stream("Hi", model=MODEL, tenant=TENANT))
        next(stream)
        at_database(books, NOW + jump)
        for _ in range(3):
            call(kit)
        for _ in stream:
            pass
        assert kit.flush()
    began = [entry["admitted_at"] for entry in books.entries()]
    assert sum(moment >= NOW + jump for moment in began) == 3
    assert [entry["ending"] for entry in books.entries()] == ["settled"] * 5
    assert_books_right(books)


@pytest.mark.parametrize("jump", [timedelta(hours=-5), timedelta(days=-70)], ids=str)
def test_the_databases_clock_may_be_set_back_under_a_call_that_is_under_way(
    settings: Settings, books: Books, jump: timedelta
) -> None:
    """Its ending is booked all the same, and no window that was left is counted in again."""
    at_database(books, NOW)
    with AIKit.open(settings) as kit:
        stream = iter(kit.stream("Hi", model=MODEL, tenant=TENANT))
        next(stream)
        at_database(books, NOW + jump)
        for _ in stream:
            pass
        assert kit.flush()
        assert books.entry()["ending"] == "settled"
        at_database(books, NOW + timedelta(minutes=1))
        call(kit)
        assert kit.flush()
    assert_books_right(books)


def test_a_clock_that_was_set_back_opens_no_window_again(ledger: Database, tmp_path: Path) -> None:
    """Until it has caught up, those who were counted in the window that it left are refused; others are not."""
    for tenant in ("acme", "globex"):
        set_policy(ledger, tenant, limits=[{"metric": "credits", "window": "day", "cap": 1000}])
    set_clock(ledger, NOW)
    with meter_on(ledger, tmp_path) as meter:
        meter.end(settled(meter.admit(order(nano=900)), 900))
        assert meter.flush()
        set_clock(ledger, NOW - timedelta(days=2))
        assert meter.admit(order("globex", nano=200)).allowed
        with pytest.raises(MeteringUnavailable, match="clock was set back"):
            meter.admit(order(nano=50))
        set_clock(ledger, NOW + timedelta(minutes=1))
        assert not meter.admit(order(nano=200)).allowed
        meter.end(settled(meter.admit(order(nano=100)), 100))
        assert meter.flush()
    assert [finding for finding in verify(ledger).findings if finding.kind != "price_changed"] == []


def test_a_stream_whose_hold_was_presumed_spent_is_corrected_by_its_end(kit: AIKit, books: Books) -> None:
    stream = iter(kit.stream("Hi", model=MODEL, tenant=TENANT))
    next(stream)
    assert expire_all(books) == 1
    (presumed,) = books.entries()
    assert (presumed["ending"], presumed["estimated"], presumed["nano"]) == (
        "presumed_spent",
        True,
        presumed["held_nano"],
    )
    for _ in stream:
        pass
    assert kit.flush()
    first, second = books.entries()
    assert (second["seq"], second["ending"], second["estimated"]) == (1, "settled", False)
    assert 0 < first["nano"] + second["nano"] < first["nano"]
    books.assert_balanced()
