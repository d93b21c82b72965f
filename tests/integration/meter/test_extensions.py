"""Leases: a stream's hold grows with its output, under the caps, whatever else happens to it meanwhile."""

from __future__ import annotations

import asyncio
import random
import threading
from pathlib import Path

import pytest

from aikit.database.connect import Database
from aikit.errors import MeteringUnavailable
from aikit.ledger.verify import verify
from aikit.meter.engine import Meter
from aikit.policy.model import LEASE_SLICE
from aikit.types import Cost, Decision, Ending, Entry, Extension, Hold, Order, Usage
from support.attempts import balance, held, meter_on, order, rows, set_policy

RATE = 10
INPUT = 100


def stream(limit: int = 10_000, *, user: str = "u1") -> Order:
    """A stream that shows all of its output: 100 tokens in, up to `limit` out, at 10 nano-dollars a token."""
    made = order(nano=(INPUT + limit) * RATE, tokens=INPUT + limit, user=user)
    call = made.call._replace(stream=True)
    cost = Cost(((INPUT * RATE, RATE),), 1)
    return made._replace(call=call, output_tokens=limit, cost=cost, leasable=True)


def lease(database: Database, cap: int, *, tokens: int = 10**9) -> None:
    limits = [
        {"metric": "credits", "window": "month", "cap": cap},
        {"metric": "credits", "window": "hour", "cap": cap},
        {"metric": "tokens", "window": "day", "cap": tokens},
        {"metric": "credits", "window": "call", "cap": 90_000},
        {"metric": "concurrency", "window": "total", "cap": 100},
    ]
    set_policy(database, "acme", limits=limits, lease=True, max_output_tokens=10_000)


def grown(meter: Meter, hold: Hold, by: int = LEASE_SLICE) -> Decision:
    return meter.extend(Extension(hold, hold.order.output_tokens + by))


def settled(hold: Hold, output: int) -> Entry:
    return Entry(hold, Ending.SETTLED, (INPUT + output) * RATE, Usage(input=INPUT, output=output), status=200)


def assert_balanced(database: Database) -> None:
    assert rows(database, "SELECT attempt FROM aikit.holds") == []
    assert [finding for finding in verify(database).findings if finding.kind not in ("price_changed", "charge")] == []


def month(database: Database) -> tuple[int, int]:
    return balance(database)["month"]


def test_a_stream_holds_its_input_and_a_slice_and_asks_for_all_of_its_output(ledger: Database, tmp_path: Path) -> None:
    lease(ledger, cap=20_000)
    with meter_on(ledger, tmp_path) as meter:
        decision = meter.admit(stream(limit=5_000))
        assert decision.hold is not None
        granted = decision.hold.order
        assert (granted.output_tokens, granted.limit) == (LEASE_SLICE, 5_000)
        assert granted.nano == (INPUT + LEASE_SLICE) * RATE
        assert month(ledger) == (0, granted.nano)
        meter.end(settled(decision.hold, 10))
    assert month(ledger) == ((INPUT + 10) * RATE, 0)
    assert_balanced(ledger)


@pytest.mark.parametrize("change", ["no lease", "not leasable", "short"])
def test_otherwise_all_of_the_output_is_held(ledger: Database, tmp_path: Path, change: str) -> None:
    lease(ledger, cap=10**9)
    if change == "no lease":
        set_policy(
            ledger, "acme", limits=[{"metric": "credits", "window": "month", "cap": 10**9}], max_output_tokens=10_000
        )
    asked = stream(limit=LEASE_SLICE if change == "short" else 5_000)
    if change == "not leasable":
        asked = asked._replace(leasable=False)
    with meter_on(ledger, tmp_path) as meter:
        hold = held(meter.admit(asked))
        assert (hold.order.nano, hold.order.limit) == (asked.nano, None)
        meter.end(settled(hold, 1))
    assert_balanced(ledger)


def test_a_hold_grows_up_to_the_cap_and_no_further(ledger: Database, tmp_path: Path) -> None:
    lease(ledger, cap=30_000)
    with meter_on(ledger, tmp_path) as meter:
        hold = held(meter.admit(stream()))
        longer = grown(meter, hold)
        assert longer.hold is not None
        assert month(ledger) == (0, (INPUT + 2 * LEASE_SLICE) * RATE)
        refused = grown(meter, longer.hold)
        assert (refused.reason_code, refused.hold) == ("MONTHLY_BUDGET_EXCEEDED", None)
        assert {str(state.window) for state in refused.failing} == {"month", "hour"}
        assert month(ledger) == (0, longer.hold.order.nano)
        meter.end(settled(longer.hold, 2_000))
    assert month(ledger) == ((INPUT + 2_000) * RATE, 0)
    assert_balanced(ledger)


def test_limits_on_tokens_and_on_each_call_stand_in_its_way_too(ledger: Database, tmp_path: Path) -> None:
    lease(ledger, cap=10**9, tokens=INPUT + 2 * LEASE_SLICE)
    with meter_on(ledger, tmp_path) as meter:
        hold = held(grown(meter, held(meter.admit(stream()))))
        assert grown(meter, hold).reason_code == "DAILY_TOKEN_LIMIT_EXCEEDED"
        lease(ledger, cap=10**9)
        assert grown(meter, hold, 8_000).reason_code == "REQUEST_COST_EXCEEDED"
        meter.end(settled(held(grown(meter, hold)), 3_000))
    assert_balanced(ledger)


def test_an_ending_that_does_not_know_of_its_extension_releases_all_that_was_held(
    ledger: Database, tmp_path: Path
) -> None:
    lease(ledger, cap=10**6)
    with meter_on(ledger, tmp_path) as meter:
        hold = held(meter.admit(stream()))
        assert grown(meter, hold).allowed
        meter.end(settled(hold, 1_500))
    assert month(ledger) == ((INPUT + 1_500) * RATE, 0)
    assert rows(ledger, "SELECT held_output FROM aikit.entries") == [(2 * LEASE_SLICE,)]
    assert_balanced(ledger)


def test_a_hold_that_has_ended_or_is_gone_can_not_be_extended(ledger: Database, tmp_path: Path) -> None:
    lease(ledger, cap=10**6)
    with meter_on(ledger, tmp_path) as meter:
        hold = held(meter.admit(stream()))
        meter.end(settled(hold, 5))
        with pytest.raises(MeteringUnavailable, match="presumed spent"):
            grown(meter, hold)
        again = meter.admit(stream())  # nobody else suffers
        meter.end(settled(held(again), 7))
    assert month(ledger) == ((2 * INPUT + 12) * RATE, 0)
    assert_balanced(ledger)


def test_after_a_change_of_policy_a_stream_is_extended_under_the_new_one(ledger: Database, tmp_path: Path) -> None:
    lease(ledger, cap=10**6)
    with meter_on(ledger, tmp_path) as meter:
        hold = held(meter.admit(stream()))
        limits = [
            {"metric": "credits", "window": "month", "cap": 30_000},
            {"metric": "credits", "window": "day", "cap": 30_000, "each": "user"},
        ]
        set_policy(ledger, "acme", limits=limits, lease=True, max_output_tokens=10_000)
        longer = grown(meter, hold)
        assert longer.hold is not None
        assert grown(meter, longer.hold).reason_code == "MONTHLY_BUDGET_EXCEEDED"
        meter.end(settled(longer.hold, 100))
    assert_balanced(ledger)


def test_many_streams_in_two_processes_never_hold_more_than_the_cap(ledger: Database, tmp_path: Path) -> None:
    cap = 400_000
    lease(ledger, cap=cap)
    stop = threading.Event()
    highest = 0
    cut = served = 0
    counting = threading.Lock()

    def watch() -> None:
        nonlocal highest
        while not stop.is_set():
            found = rows(ledger, "SELECT used + held FROM aikit.counts WHERE name = 'credits/month'")
            highest = max([highest, *[total for (total,) in found]])

    def run(meter: Meter, seed: int) -> None:
        nonlocal cut, served
        chance = random.Random(seed)
        for _ in range(6):
            decision = meter.admit(stream(limit=8_000, user=f"u{chance.randrange(3)}"))
            if decision.hold is None:
                continue
            hold, shown = decision.hold, 0
            for _ in range(chance.randrange(5)):
                shown = hold.order.output_tokens - chance.randrange(LEASE_SLICE)
                longer = grown(meter, hold, 300)
                if longer.hold is None:
                    with counting:
                        cut += 1
                    break
                hold = longer.hold if chance.random() < 0.8 else hold._replace()  # some forget what they were told
            with counting:
                served += INPUT + shown
            meter.end(settled(hold, shown))

    meters = [meter_on(ledger, tmp_path / str(n)) for n in range(2)]
    watcher = threading.Thread(target=watch)
    watcher.start()
    threads = [threading.Thread(target=run, args=[meters[n % 2], n]) for n in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for meter in meters:
        meter.close()
    stop.set()
    watcher.join()
    assert 0 < highest <= cap
    assert month(ledger) == (served * RATE, 0)
    assert_balanced(ledger)


async def test_a_coroutine_that_is_cancelled_while_it_asks_leaves_its_hold_in_order(
    ledger: Database, tmp_path: Path
) -> None:
    lease(ledger, cap=10**6)
    with meter_on(ledger, tmp_path) as meter:
        hold = held(await meter.admit_async(stream()))
        asking = asyncio.create_task(meter.extend_async(Extension(hold, 2 * LEASE_SLICE)))
        await asyncio.sleep(0)
        asking.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asking
        meter.end(settled(hold, 40))
    assert month(ledger) == ((INPUT + 40) * RATE, 0)
    assert_balanced(ledger)


def test_a_renewed_hold_expires_later(ledger: Database, tmp_path: Path) -> None:
    lease(ledger, cap=10**6)
    with meter_on(ledger, tmp_path) as meter:
        hold = held(meter.admit(stream()))
        with ledger.connect(role="test") as connection:
            connection.execute("UPDATE aikit.holds SET expires_at = now() + interval '1 s'")
        meter.renew(hold)
        assert meter.flush()
        (left,) = rows(ledger, "SELECT extract(epoch FROM expires_at - now())::int FROM aikit.holds")[0]
        assert left > 800
        meter.end(settled(hold, 1))
    assert_balanced(ledger)


@pytest.mark.parametrize("ending", [Ending.PRESUMED_SPENT, Ending.SETTLED])
def test_an_ending_for_all_of_a_hold_that_another_process_grew_meanwhile_charges_what_it_grew_to(
    ledger: Database, tmp_path: Path, ending: Ending
) -> None:
    set_policy(ledger, "acme", limits=[{"metric": "credits", "window": "month", "cap": 10**9}])
    with meter_on(ledger, tmp_path / "a") as first, meter_on(ledger, tmp_path / "b") as second:
        seen = held(first.admit(stream(limit=1_000)))
        now = held(grown(second, seen))
        first.end(Entry(seen, ending, seen.order.nano, estimated=True, error="expired"))
        first.flush()
    assert now.order.nano > seen.order.nano
    assert rows(ledger, "SELECT nano, held_nano FROM aikit.entries") == [(now.order.nano, now.order.nano)]
    assert month(ledger) == (now.order.nano, 0)
    assert_balanced(ledger)


def test_a_reported_cost_stays_what_it_is_when_another_process_grew_the_hold_meanwhile(
    ledger: Database, tmp_path: Path
) -> None:
    lease(ledger, cap=10**9)
    with meter_on(ledger, tmp_path / "a") as first, meter_on(ledger, tmp_path / "b") as second:
        seen = held(first.admit(stream()))
        held(grown(second, seen))
        first.end(settled(seen, LEASE_SLICE))
        first.flush()
    assert month(ledger) == ((INPUT + LEASE_SLICE) * RATE, 0)
    assert_balanced(ledger)
