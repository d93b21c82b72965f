"""Admissions and settlements a second from one process: group commit next to one transaction a call, in the same run.

Four limits on each call. 256 callers are coroutines of one loop; the baseline's are 32 threads with a connection each
(more only wait longer for the same row), and each of its calls is two transactions: one admits, one settles.
"""

from __future__ import annotations

import asyncio
import random
import tempfile
import threading
import time
from functools import cache
from pathlib import Path

from harness import a_ledger, add_tenants, commit_microseconds, report

from aikit.database.connect import Database
from aikit.meter.engine import Meter
from aikit.meter.opening import SESSION, open_meter
from aikit.meter.plan import Batch
from aikit.meter.poster import Poster
from aikit.meter.prices import PriceRow
from aikit.meter.rows import EndingRow, OrderRow
from aikit.types import Call, Cost, Decision, Ending, Entry, Order, Tags, Usage, new_id

CALLERS = 256
CALLS = 40_000
BASELINE_THREADS = 32
BASELINE_SECONDS = 6.0
SPREAD = [f"tenant-{number}" for number in range(1000)]
USED = Usage(input=12, output=7)


@cache
def tags(tenant: str) -> Tags:
    """Like a client's, they are made once."""
    return Tags(tenant, "user", "chat", "prod")


def order(tenant: str) -> Order:
    call = Call(new_id(), tags(tenant), "openai", "gpt-4o-mini", "openai.chat")
    return Order(new_id(), call, 100_000, 2000, "bench", output_tokens=1000, cost=Cost(((100_000, 0),), 1))


def ending(decision: Decision) -> Entry:
    assert decision.hold is not None, decision.reason_code
    return Entry(decision.hold, Ending.SETTLED, 90_000, USED, status=200, duration_ms=5)


def price(price_id: str) -> PriceRow:
    return PriceRow(price_id, "openai", "gpt-4o-mini", "bench", "1", "{}")


async def drive(meter: Meter, tenants: list[str], callers: int, calls: int) -> float:
    """Calls a second: each admitted and settled, the last settlement committed."""

    async def caller(times: int) -> None:
        for _ in range(times):
            meter.end(ending(await meter.admit_async(order(random.choice(tenants)))))

    start = time.perf_counter()
    await asyncio.gather(*[caller(calls // callers) for _ in range(callers)])
    assert await asyncio.to_thread(meter.flush)
    return calls // callers * callers / (time.perf_counter() - start)


def baseline(database: Database, tenants: list[str]) -> float:
    """The same work with one transaction for each admission and each settlement."""
    done = 0
    stop = threading.Event()
    lock = threading.Lock()

    def caller() -> None:
        nonlocal done
        connection = database.connect(role="bench")
        connection.execute(SESSION)
        poster = Poster(connection, price, hold_seconds=900)
        mine = 0
        while not stop.is_set():
            (decision,) = poster.post(Batch(orders=[OrderRow.of(order(random.choice(tenants)))]))
            poster.post(Batch(entries=[EndingRow.of(ending(decision))]))
            mine += 1
        poster.close()
        with lock:
            done += mine

    threads = [threading.Thread(target=caller) for _ in range(BASELINE_THREADS)]
    start = time.perf_counter()
    for thread in threads:
        thread.start()
    time.sleep(BASELINE_SECONDS)
    stop.set()
    for thread in threads:
        thread.join()
    return done / (time.perf_counter() - start)


def main() -> None:
    with a_ledger() as database, tempfile.TemporaryDirectory() as folder:
        add_tenants(database, ["hot", *SPREAD])
        figures: dict[str, float | int | str] = {"single-row UPDATE commit, µs": commit_microseconds(database)}
        with open_meter(database, Path(folder), price) as meter:
            asyncio.run(drive(meter, SPREAD, CALLERS, 20_000))  # counters open, caches fill
            for name, tenants in (("one hot tenant", ["hot"]), ("1,000 tenants", SPREAD)):
                rates = [asyncio.run(drive(meter, tenants, CALLERS, CALLS)) for _ in range(3)]
                figures[f"{name}, {CALLERS} callers: admit+settle/s, median of 3"] = sorted(rates)[1]
        for name, tenants in (("one hot tenant", ["hot"]), ("1,000 tenants", SPREAD)):
            rate = baseline(database, tenants)
            figures[f"{name}, one transaction a call: admit+settle/s"] = rate
            figures[f"{name}: group commit is faster by"] = (
                float(figures[f"{name}, {CALLERS} callers: admit+settle/s, median of 3"]) / rate
            )
        report("meter", figures)


if __name__ == "__main__":
    main()
