"""The time of an admission in one process while another one, busy on the same tenants, is killed again and again.

Beside it the same with the other process left alone, and with none. Taken in turns; the other process is forked ready
made, so that it costs no more to start than to run. `kill -9` hits it wherever it is: now and then in a transaction.
"""

from __future__ import annotations

import asyncio
import multiprocessing
import random
import statistics
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from harness import a_ledger, add_tenants, commit_microseconds, report
from meter import ending, order, price

from aikit.database.connect import Database
from aikit.meter.engine import Meter
from aikit.meter.opening import open_meter

TENANTS = [f"tenant-{number}" for number in range(4)]
ROUNDS, SECONDS = 4, 5.0
KILL_EVERY = 0.25
BUSY_CALLERS, BUSY_PAUSE = 8, 0.004
PAUSE = 0.002
"""Between two admissions that are timed."""
FORK = multiprocessing.get_context("forkserver")


def be_busy(conninfo: str, folder: str) -> None:
    """The other process: admits and settles for ever."""

    async def caller(meter: Meter) -> None:
        while True:
            meter.end(ending(await meter.admit_async(order(random.choice(TENANTS)))))
            await asyncio.sleep(BUSY_PAUSE)

    async def all_callers(meter: Meter) -> None:
        await asyncio.gather(*[caller(meter) for _ in range(BUSY_CALLERS)])

    with open_meter(Database(conninfo, False, "bench"), Path(folder), price) as meter:
        asyncio.run(all_callers(meter))


class Other:
    """The other process, and how often it has been killed."""

    def __init__(self, database: Database, folder: str) -> None:
        self._arguments = (database.conninfo, folder)
        self.kills = 0

    @contextmanager
    def busy(self) -> Iterator[None]:
        running = self._start()
        time.sleep(0.3)
        yield
        self._kill(running)

    @contextmanager
    def killed_again_and_again(self) -> Iterator[None]:
        over = threading.Event()

        def run() -> None:
            while not over.is_set():
                running = self._start()
                over.wait(random.uniform(0.5, 1.5) * KILL_EVERY)
                self._kill(running)
                self.kills += 1

        killer = threading.Thread(target=run)
        killer.start()
        time.sleep(0.3)
        yield
        over.set()
        killer.join()

    @contextmanager
    def absent(self) -> Iterator[None]:
        yield

    def _start(self) -> Any:
        running = FORK.Process(target=be_busy, args=self._arguments, daemon=True)
        running.start()
        return running

    def _kill(self, running: Any) -> None:
        running.kill()
        running.join()


def admissions(meter: Meter, seconds: float) -> list[float]:
    """The times of admissions by one caller, in seconds."""
    taken = []
    end = time.perf_counter() + seconds
    while (start := time.perf_counter()) < end:
        decision = meter.admit(order(random.choice(TENANTS)))
        taken.append(time.perf_counter() - start)
        meter.end(ending(decision))
        time.sleep(PAUSE)
    return taken


def main() -> None:
    FORK.set_forkserver_preload(["killed"])
    with a_ledger() as database, tempfile.TemporaryDirectory() as folder:
        add_tenants(database, TENANTS)
        figures: dict[str, float | int | str] = {"single-row UPDATE commit, µs": commit_microseconds(database)}
        other = Other(database, folder)
        cases: dict[str, Callable[[], Any]] = {
            "alone": other.absent,
            "beside a busy process": other.busy,
            "beside one that is killed and restarted": other.killed_again_and_again,
        }
        taken: dict[str, list[float]] = {name: [] for name in cases}
        with open_meter(database, Path(folder), price) as meter:
            admissions(meter, 1.0)  # counters open, caches fill
            for _ in range(ROUNDS):
                for name, case in cases.items():
                    with case():
                        taken[name] += admissions(meter, SECONDS)
        for name, times in taken.items():
            percentiles = statistics.quantiles(times, n=100)
            figures[f"{name}: median admission, µs"] = statistics.median(times) * 1e6
            figures[f"{name}: p99 admission, µs"] = percentiles[98] * 1e6
            figures[f"{name}: longest admission, µs"] = max(times) * 1e6
        figures["kills"] = other.kills
        report("killed", figures)


if __name__ == "__main__":
    main()
