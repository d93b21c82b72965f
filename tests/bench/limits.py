"""What twelve matching limits cost next to one: the time of an admission, alone and in a crowd, paired in one run.

The twelve are of every metric, over every window, and one of them counts each user by itself; no limit is reached.
"""

from __future__ import annotations

import asyncio
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from harness import a_ledger, add_tenants, commit_microseconds, report
from meter import CALLERS, drive, ending, order, price

from aikit.meter.engine import Meter
from aikit.meter.opening import open_meter

ROUNDS, ALONE, CROWD = 12, 150, 20_000
ONE = [{"metric": "credits", "window": "month"}]
TWELVE = [
    *[{"metric": "credits", "window": window} for window in ("hour", "day", "week", "month", "total")],
    *[{"metric": "tokens", "window": window} for window in ("minute", "day", "month")],
    *[{"metric": "requests", "window": window} for window in ("hour", "day")],
    {"metric": "requests", "window": "minute", "each": "user"},
    {"metric": "concurrency", "window": "total"},
]


def alone(meter: Meter, tenant: str) -> float:
    """Median microseconds of an admission by the only caller; endings are settled between them."""
    taken = []
    for _ in range(ALONE):
        asked = order(tenant)
        start = time.perf_counter()
        decision = meter.admit(asked)
        taken.append(time.perf_counter() - start)
        meter.end(ending(decision))
        meter.flush()
    return statistics.median(taken) * 1e6


def crowd(meter: Meter, tenant: str) -> float:
    """Microseconds a call, admitted and settled, with many callers."""
    return 1e6 / asyncio.run(drive(meter, [tenant], CALLERS, CROWD))


def paired(meter: Meter, measure: Callable[[Meter, str], float], rounds: int) -> tuple[float, float, float]:
    """Medians for one limit, for twelve, and of the ratio, measured in turns."""
    pairs = [(measure(meter, "one"), measure(meter, "twelve")) for _ in range(rounds)]
    ones, twelves = zip(*pairs, strict=True)
    return statistics.median(ones), statistics.median(twelves), statistics.median(b / a for a, b in pairs)


def main() -> None:
    with a_ledger() as database, tempfile.TemporaryDirectory() as folder:
        add_tenants(database, ["one"], ONE)
        add_tenants(database, ["twelve"], TWELVE)
        figures: dict[str, float | int | str] = {"single-row UPDATE commit, µs": commit_microseconds(database)}
        with open_meter(database, Path(folder), price) as meter:
            for tenant in ("one", "twelve"):
                crowd(meter, tenant)  # counters open, caches fill
            for name, measure, rounds in (("one caller", alone, ROUNDS), (f"{CALLERS} callers", crowd, 5)):
                one, twelve, ratio = paired(meter, measure, rounds)
                figures[f"{name}: µs with 1 limit"] = one
                figures[f"{name}: µs with 12 limits"] = twelve
                figures[f"{name}: ratio"] = ratio
        report("limits", figures)


if __name__ == "__main__":
    main()
