"""The meter on a real PostgreSQL: what is decided, what is written, and who is woken."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from aikit.database.connect import Database
from aikit.errors import MeteringUnavailable
from aikit.meter.engine import Meter
from aikit.types import Refusal, Usage
from support.attempts import balance, meter_on, order, rows, set_limits, settled, voided


@pytest.fixture
def meter(ledger: Database, tmp_path: Path) -> Iterator[Meter]:
    set_limits(ledger, "acme", month=1000)
    with meter_on(ledger, tmp_path) as opened:
        yield opened


def test_an_admitted_order_is_held_and_then_an_entry(ledger: Database, meter: Meter) -> None:
    asked = order(nano=300)
    decision = meter.admit(asked)
    assert decision.allowed
    assert balance(ledger) == {"month": (0, 300)}
    assert rows(ledger, "SELECT attempt, nano FROM aikit.holds") == [(asked.attempt, 300)]
    meter.end(settled(decision, 120, Usage(input=5, cache_read=2, output=3)))
    assert meter.flush()
    assert balance(ledger) == {"month": (120, 0)}
    assert rows(ledger, "SELECT count(*) FROM aikit.holds") == [(0,)]
    assert rows(
        ledger, "SELECT tenant, user_id, ending, nano, held_nano, input, cache_read, output FROM aikit.entries"
    ) == [("acme", "u1", "settled", 120, 300, 5, 2, 3)]
    assert rows(ledger, "SELECT calls, nano, input, cache_read, output, refused FROM aikit.rollups") == [
        (1, 120, 5, 2, 3, 0)
    ]


def test_a_refused_order_is_recorded_and_holds_nothing(ledger: Database, meter: Meter) -> None:
    decision = meter.admit(order(nano=1001))
    assert decision.reason_code == "MONTHLY_BUDGET_EXCEEDED"
    assert rows(ledger, "SELECT reason_code, nano FROM aikit.refusals") == [("MONTHLY_BUDGET_EXCEEDED", 1001)]
    assert rows(ledger, "SELECT refused, calls FROM aikit.rollups") == [(1, 0)]
    assert balance(ledger) == {"month": (0, 0)}


def test_a_refusal_from_outside_is_recorded_too(ledger: Database, meter: Meter) -> None:
    meter.refuse(Refusal(order(None, price=None), "TENANT_REQUIRED"))
    meter.flush()
    assert rows(ledger, "SELECT tenant, reason_code FROM aikit.refusals") == [("", "TENANT_REQUIRED")]


def test_a_voided_attempt_costs_nothing_and_counts_as_failed(ledger: Database, meter: Meter) -> None:
    meter.end(voided(meter.admit(order(nano=300))))
    meter.flush()
    assert balance(ledger) == {"month": (0, 0)}
    assert rows(ledger, "SELECT ending, nano, status, input FROM aikit.entries") == [("voided", 0, 500, None)]
    assert rows(ledger, "SELECT calls, failed FROM aikit.rollups") == [(1, 1)]


def test_an_ending_that_is_posted_twice_is_charged_once(ledger: Database, meter: Meter) -> None:
    entry = settled(meter.admit(order(nano=300)), 100)
    meter.end(entry)
    meter.flush()
    meter.end(entry)
    assert meter.flush()
    assert balance(ledger) == {"month": (100, 0)}
    assert rows(ledger, "SELECT count(*) FROM aikit.entries") == [(1,)]
    assert rows(ledger, "SELECT calls FROM aikit.rollups") == [(1,)]


def test_a_lowered_cap_applies_to_the_very_next_call(ledger: Database, meter: Meter) -> None:
    assert meter.admit(order(nano=300)).allowed
    set_limits(ledger, "acme", month=400)
    assert meter.admit(order(nano=300)).reason_code == "MONTHLY_BUDGET_EXCEEDED"
    set_limits(ledger, "acme", month=600)
    assert meter.admit(order(nano=300)).allowed


def test_a_tenant_that_was_just_added_is_known(ledger: Database, meter: Meter) -> None:
    assert meter.admit(order("globex")).reason_code == "TENANT_UNKNOWN"
    set_limits(ledger, "globex", day=500)
    assert meter.admit(order("globex")).allowed


def test_a_new_limit_counts_what_was_used_and_is_held_already(ledger: Database, meter: Meter) -> None:
    meter.end(settled(meter.admit(order(nano=200)), 150))
    running = meter.admit(order(nano=100))
    meter.flush()
    set_limits(ledger, "acme", day=300)
    assert meter.admit(order(nano=51)).reason_code == "DAILY_BUDGET_EXCEEDED"
    assert meter.admit(order(nano=50)).allowed
    assert balance(ledger)["day"] == (150, 150)
    meter.end(settled(running, 90))
    assert meter.flush()
    assert balance(ledger) == {"day": (240, 50), "month": (240, 50)}


def test_two_meters_share_their_caps_to_the_last_nano_dollar(ledger: Database, meter: Meter, tmp_path: Path) -> None:
    with meter_on(ledger, tmp_path) as other:
        admitted = []
        for _ in range(30):
            admitted += [decision for m in (meter, other) if (decision := m.admit(order(nano=30))).allowed]
        assert len(admitted) == 33
        other.end(settled(admitted[0], 5))
        other.flush()
        assert meter.admit(order(nano=30)).allowed
        assert not meter.admit(order(nano=30)).allowed


def test_threads_and_event_loops_are_served_by_one_engine(ledger: Database, meter: Meter) -> None:
    def plain() -> int:
        return sum(meter.admit(order(nano=10)).allowed for _ in range(20))

    async def concurrent() -> int:
        decisions = await asyncio.gather(*[meter.admit_async(order(nano=10)) for _ in range(40)])
        return sum(decision.allowed for decision in decisions)

    with ThreadPoolExecutor(4) as pool:
        jobs = [
            pool.submit(plain),
            pool.submit(plain),
            pool.submit(asyncio.run, concurrent()),
            pool.submit(asyncio.run, concurrent()),
        ]
        assert sum(job.result(30) for job in jobs) == 100
    assert balance(ledger) == {"month": (0, 1000)}


async def test_a_cancelled_admission_leaves_no_hold(ledger: Database, meter: Meter) -> None:
    tasks = [asyncio.create_task(meter.admit_async(order(nano=10))) for _ in range(20)]
    await asyncio.sleep(0)
    for task in tasks[::2]:
        task.cancel()
    outcomes = await asyncio.gather(*tasks, return_exceptions=True)
    assert sum(isinstance(outcome, asyncio.CancelledError) for outcome in outcomes) == 10
    for _ in range(2):  # the first flush may overtake a void that the second one then waits for
        await asyncio.to_thread(meter.flush)
    assert balance(ledger)["month"] == (0, 100)


def test_closing_posts_what_is_queued_and_refuses_what_comes_later(ledger: Database, meter: Meter) -> None:
    decisions = [meter.admit(order(nano=10)) for _ in range(10)]
    for decision in decisions:
        meter.end(settled(decision, 5))
    assert meter.close()
    assert balance(ledger) == {"month": (50, 0)}
    with pytest.raises(MeteringUnavailable, match="closed"):
        meter.admit(order())
    assert meter.close()


def test_one_bad_row_does_not_take_its_batch_with_it(ledger: Database, meter: Meter) -> None:
    """More tokens than a bigint holds can't be written; the others of the batch must not suffer."""
    outcomes: list[object] = []
    barrier = threading.Barrier(9)

    def ask(asked: object) -> None:
        barrier.wait()
        try:
            outcomes.append(meter.admit(asked).reason_code)  # type: ignore[arg-type]
        except MeteringUnavailable as error:
            outcomes.append(error.code)

    orders = [order(nano=1) for _ in range(8)] + [order(nano=1, tokens=2**70)]
    threads = [threading.Thread(target=ask, args=[asked]) for asked in orders]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert sorted(map(str, outcomes)) == ["ALLOWED"] * 8 + ["METERING_UNAVAILABLE"]
    assert balance(ledger) == {"month": (0, 8)}


def test_an_ending_that_the_database_refuses_is_set_aside_and_blocks_nothing(
    ledger: Database, meter: Meter, tmp_path: Path
) -> None:
    good, bad = meter.admit(order(nano=10)), meter.admit(order(nano=10))
    meter.end(settled(bad, 5, Usage(input=2**70)))
    meter.end(settled(good, 5))
    assert meter.flush()
    assert balance(ledger) == {"month": (5, 10)}
    assert meter.admit(order(nano=10)).allowed
    assert len(list(tmp_path.rglob("*.unread"))) == 1


def test_the_price_is_on_record_before_anything_is_charged_at_it(ledger: Database, meter: Meter) -> None:
    meter.admit(order(price="p7"))
    assert rows(ledger, "SELECT price_id, source FROM aikit.prices") == [("p7", "test")]


def test_an_ending_that_comes_after_closing_waits_in_the_spool_for_the_next_meter(
    ledger: Database, meter: Meter, tmp_path: Path
) -> None:
    running = meter.admit(order(nano=300))
    assert meter.close()
    meter.end(settled(running, 120))
    meter.close()
    assert balance(ledger) == {"month": (0, 300)}
    with meter_on(ledger, tmp_path) as heir:
        assert heir.flush()
    assert balance(ledger) == {"month": (120, 0)}


def test_an_attempt_that_is_ended_twice_at_once_is_charged_once_and_harms_nobody(
    ledger: Database, meter: Meter
) -> None:
    twice, other = meter.admit(order(nano=300)), meter.admit(order(nano=10))
    with ledger.connect(role="test") as blocker, blocker.transaction():
        blocker.execute("SELECT FROM aikit.counters FOR UPDATE")
        meter.end(settled(other, 1))  # a batch that waits, so that what follows is one batch
        meter.end(settled(twice, 120))
        meter.end(settled(twice, 120))
    assert meter.flush()
    assert balance(ledger) == {"month": (121, 0)}
    assert rows(ledger, "SELECT count(*) FROM aikit.entries") == [(2,)]
