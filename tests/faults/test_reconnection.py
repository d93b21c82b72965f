"""The way to the database is cut, stalls, half-closes, or leads to a server that takes no writes: calls come back."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psycopg
import pytest

from aikit.config import Settings
from aikit.database.connect import Database
from aikit.errors import MeteringUnavailable
from aikit.kit import AIKit
from aikit.meter import turns
from aikit.meter.engine import Meter
from aikit.meter.workers import Workers
from aikit.sim import Simulator
from aikit.types import Usage
from support.attempts import meter_on, order, rows, set_limits, settled
from support.embedded import wait_for
from support.kits import TENANT, Books, settings_for
from support.load import Load, under_load
from support.proxy import Proxy

MODEL = "openai/gpt-4o-mini"
RESUMED = 5.0
"""Seconds after which calls must be answered again once the database can be reached."""


@pytest.fixture
def proxy(books: Books) -> Iterator[Proxy]:
    with Proxy(books.dsn) as proxy:
        yield proxy


@pytest.fixture
def settings(tmp_path: Path, simulator: Simulator, proxy: Proxy) -> Settings:
    return settings_for(tmp_path, simulator, proxy.dsn)


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """A batch has stalled after a second: these tests have no nine."""
    monkeypatch.setattr(turns, "STALL", 1.0)


def assert_every_answer_booked_once(kit: AIKit, books: Books, simulator: Simulator, load: Load) -> None:
    """Each answer is settled, what was not answered was not sent, and nothing is left over."""
    wait_for(kit.flush)
    endings = [entry["ending"] for entry in books.entries()]
    assert simulator.served(0)["totals"]["requests"] == load.answers
    assert endings.count("settled") == load.answers
    assert set(endings) <= {"settled", "voided"}
    books.assert_balanced()


def set_aside(folder: Path) -> list[Path]:
    return list(folder.rglob("*.unread"))


FAULTS: dict[str, Callable[[Proxy], None]] = {
    "cut": Proxy.cut,
    "stall": Proxy.stall,
    "stall at an answer": Proxy.stall_at_the_next_answer,
    "half-close towards us": lambda proxy: proxy.half_close("client"),
    "half-close towards the server": lambda proxy: proxy.half_close("server"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_calls_survive_what_a_network_does(
    impatient: None, settings: Settings, books: Books, proxy: Proxy, simulator: Simulator, fault: str
) -> None:
    with AIKit.open(settings) as kit:
        with under_load(kit) as load:
            for _ in range(3):
                load.wait_for_answers()
                FAULTS[fault](proxy)
                if "half" not in fault:
                    load.wait_for_refusal()
                proxy.restore()
                assert load.seconds_to_resume(time.monotonic()) < RESUMED
        assert_every_answer_booked_once(kit, books, simulator, load)


def test_a_stalled_database_refuses_calls_before_they_lose_patience(
    kit: AIKit, books: Books, proxy: Proxy, simulator: Simulator
) -> None:
    with under_load(kit) as load:
        load.wait_for_answers()
        proxy.stall()
        began = time.monotonic()
        load.wait_for_refusal()
        assert turns.STALL - 1 < time.monotonic() - began < 10.5
        proxy.restore()
        assert load.seconds_to_resume(time.monotonic()) < RESUMED
    assert_every_answer_booked_once(kit, books, simulator, load)


def test_an_ending_that_stalls_is_posted_though_nobody_calls_any_more(
    impatient: None, settings: Settings, books: Books, proxy: Proxy
) -> None:
    with AIKit.open(settings) as kit:
        kit.complete("Hi", model=MODEL, tenant=TENANT)
        assert kit.flush()
        stream = iter(kit.stream("Hi", model=MODEL, tenant=TENANT))
        next(stream)
        proxy.stall_at_the_next_answer()
        for _ in stream:
            pass
        proxy.wait_until_swallowed()
        proxy.restore()
        wait_for(kit.flush)
    books.assert_balanced()
    assert [entry["ending"] for entry in books.entries()] == ["settled", "settled"]


def test_a_server_that_takes_no_writes_is_a_lost_ledger_and_nothing_is_set_aside(
    settings: Settings, books: Books, proxy: Proxy, simulator: Simulator, tmp_path: Path
) -> None:
    with AIKit.open(settings) as kit:
        with under_load(kit) as load:
            load.wait_for_answers()
            read_only(books.dsn, "on")
            proxy.cut()
            proxy.restore()
            load.wait_for_refusal()
            refused = len(load.outcomes)
            wait_for(lambda: len(load.outcomes) > refused + 20)
            assert load.answers < len(load.outcomes) - 15, "calls are answered without a ledger"
            read_only(books.dsn, "off")
            assert load.seconds_to_resume(time.monotonic()) < RESUMED
        assert_every_answer_booked_once(kit, books, simulator, load)
    assert set_aside(tmp_path) == []


def test_a_server_that_takes_no_writes_is_not_asked_without_pause(
    settings: Settings, books: Books, proxy: Proxy, simulator: Simulator
) -> None:
    with AIKit.open(settings) as kit:
        stream = iter(kit.stream("Hi", model=MODEL, tenant=TENANT))
        next(stream)
        read_only(books.dsn, "on")
        proxy.cut()
        proxy.restore()
        for _ in stream:
            pass
        before = sessions(books)
        time.sleep(1.0)
        assert sessions(books) - before < 12
        read_only(books.dsn, "off")
        wait_for(kit.flush)
    books.assert_balanced()


def sessions(books: Books) -> int:
    with psycopg.connect(books.dsn, autocommit=True) as connection:
        connection.execute("SELECT pg_stat_force_next_flush()")
    (row,) = books.rows("SELECT sessions FROM pg_stat_database WHERE datname = current_database()")
    return int(row["sessions"])


def read_only(dsn: str, value: str) -> None:
    """Let every connection to come be one that can't write, as to a server that was demoted."""
    with psycopg.connect(dsn, autocommit=True, options="-c default_transaction_read_only=off") as connection:
        name = connection.info.dbname
        connection.execute(f'ALTER DATABASE "{name}" SET default_transaction_read_only = {value}')


@pytest.fixture
def meter(ledger: Database, tmp_path: Path) -> Iterator[tuple[Meter, Proxy]]:
    """A meter that reaches its ledger through a proxy."""
    set_limits(ledger, "acme", month=1_000_000)
    with Proxy(ledger.conninfo) as proxy, meter_on(Database(proxy.dsn, False, "test"), tmp_path) as meter:
        yield meter, proxy


def test_a_ledger_that_is_lost_while_endings_are_posted_one_by_one_has_none_set_aside(
    ledger: Database, meter: tuple[Meter, Proxy], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Only the one that the ledger refuses is; the others are posted when it is back."""
    engine, proxy = meter
    decisions = [engine.admit(order(nano=10)) for _ in range(8)]
    original = Workers._post_alone
    posted: list[object] = []

    def post_alone(self: Workers, poster: object, row: object) -> None:
        if len(posted) == 3:
            proxy.cut()
        posted.append(row)
        original(self, poster, row)  # type: ignore[arg-type]

    monkeypatch.setattr(Workers, "_post_alone", post_alone)
    with ledger.connect(role="test") as blocker, blocker.transaction():
        blocker.execute("SELECT FROM aikit.counters FOR UPDATE")
        engine.refuse(_refusal())  # a batch that waits, so that what follows is one batch
        for number, decision in enumerate(decisions):
            engine.end(settled(decision, 5, Usage(input=2**70) if number == 1 else Usage(input=12, output=7)))
        time.sleep(0.1)
    assert engine.flush() is False
    proxy.restore()
    wait_for(engine.flush)
    assert rows(ledger, "SELECT ending, count(*) FROM aikit.entries GROUP BY 1") == [("settled", 7)]
    assert len(set_aside(tmp_path)) == 1
    assert sum(len(file.read_bytes().splitlines()) for file in set_aside(tmp_path)) == 1


def _refusal() -> object:
    from aikit.types import Refusal

    return Refusal(order(None, 0, price=None), "TENANT_REQUIRED")


def test_an_admission_without_a_ledger_is_refused_at_once(meter: tuple[Meter, Proxy]) -> None:
    engine, proxy = meter
    proxy.cut()
    with pytest.raises(MeteringUnavailable):
        engine.admit(order(nano=10))
    began = time.monotonic()
    with pytest.raises(MeteringUnavailable):
        engine.admit(order(nano=10))
    assert time.monotonic() - began < 1
