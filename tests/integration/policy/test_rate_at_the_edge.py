"""A burst across the edge of two minutes, from four processes at once, gets no more than the rate allows."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from aikit.database.connect import Database
from support.attempts import rows, set_policy
from support.clock import shift_clock

PROCESSES, CAP, BURST = 4, 10, 30

CALLER = """
import json, sys, time
from pathlib import Path
from support.attempts import meter_on, order
from aikit.database.connect import named_database

meter = meter_on(named_database(sys.argv[1], "test"), Path(sys.argv[2]))
print("ready", flush=True)
for line in sys.stdin:
    at, tries = json.loads(line)
    time.sleep(max(0.0, at - time.time()))
    decisions = [meter.admit(order()) for _ in range(tries)]
    print(json.dumps([[d.allowed, d.retry_after, d.reason_code] for d in decisions]), flush=True)
meter.close()
"""


class Callers:
    """Processes with a meter each, told when to try and how often."""

    def __init__(self, database: Database, folder: Path) -> None:
        self._processes = [
            subprocess.Popen(
                [sys.executable, "-c", CALLER, database.conninfo, str(folder / str(n))],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
                env={"PYTHONPATH": str(Path(__file__).parents[2]), "PATH": ""},
            )
            for n in range(PROCESSES)
        ]
        for process in self._processes:
            assert process.stdout is not None and process.stdout.readline() == "ready\n"

    def burst(self, at: float, tries: int) -> list[tuple[bool, float | None, str]]:
        """`tries` orders in all, at that moment, and what was decided."""
        shares = [tries // PROCESSES + (n < tries % PROCESSES) for n in range(PROCESSES)]
        for process, share in zip(self._processes, shares, strict=True):
            assert process.stdin is not None
            process.stdin.write(json.dumps([at, share]) + "\n")
            process.stdin.flush()
        found: list[Any] = []
        for process in self._processes:
            assert process.stdout is not None
            found += json.loads(process.stdout.readline())
        return [(allowed, wait, code) for allowed, wait, code in found]

    def close(self) -> None:
        for process in self._processes:
            process.communicate(timeout=30)


def test_a_burst_at_the_edge_of_two_minutes_is_held_to_the_rate_and_told_how_long_to_wait(
    ledger: Database, tmp_path: Path
) -> None:
    set_policy(ledger, "acme", limits=[{"metric": "requests", "window": "minute", "cap": CAP}])
    shift_clock(ledger, 40)
    callers = Callers(ledger, tmp_path)
    ((second,),) = rows(ledger, "SELECT extract(second FROM now())::float8")
    edge = time.time() + 60 - second
    before = callers.burst(edge - 0.4, BURST // 2)
    after = callers.burst(edge + 0.1, BURST // 2)
    assert {code for _, _, code in before + after} == {"ALLOWED", "MINUTE_REQUEST_LIMIT_EXCEEDED"}
    assert CAP <= sum(allowed for allowed, _, _ in before + after) <= CAP + 1
    minutes = rows(ledger, "SELECT date_trunc('minute', refused_at), count(*) FROM aikit.refusals GROUP BY 1")
    assert len(minutes) == 2  # the burst did cross the edge
    waits = [wait for allowed, wait, _ in after if not allowed]
    told = time.time()
    assert all(wait is not None and 0 < wait <= 60 for wait in waits)
    wait = max(wait for wait in waits if wait is not None)
    ((allowed, _, code), *_) = callers.burst(told + wait, 1) or [(False, None, "")]
    assert allowed, code
    callers.close()
