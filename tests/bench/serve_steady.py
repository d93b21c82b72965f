"""Whether the server's memory is flat: one worker of `aikit serve`, called in all ways at a steady rate for long.

    scripts/soak steady [--seconds N] [--rate CALLS] [--users N] [--json]

The rule: every user calls once before the time begins. Then each second the worker's resident memory is looked at. The
first fifth of the time is for what grows once. Through the rest a line is laid by least squares: it may rise by no more
than 2 % from its beginning to its end. Exit 1 if it does, if an answer is none that it may be, or if the books are not
settled.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from harness import a_ledger, report
from sdk import a_simulator
from serve_streams import MEGABYTE, Memory, processor

from support.kits import Books, write_config
from support.serve_process import a_key, serve_process, until

HERE = Path(__file__).parent
RISE = 0.02
WARM = 0.2
POLICY = """
[tenants.acme]
limits = [
  { metric = "credits", window = "month", cap = 1000000000 },
  { metric = "requests", window = "minute", cap = 1000, each = "user" },
  { metric = "credits", window = "day", cap = 1000000, each = "user" },
  { metric = "credits", window = "day", cap = 100000000, each = "feature" },
]
[tenants.poor]
limits = [{ metric = "credits", window = "month", cap = 0 }]
"""


def risen(samples: list[float]) -> float:
    """By how much the line through them rises from its beginning to its end, as a part of its beginning."""
    slope, start = statistics.linear_regression(range(len(samples)), samples)
    return slope * (len(samples) - 1) / start


def sampled(load: subprocess.Popen[str], pid: int, told: Path | None) -> list[float]:
    """Megabytes, once a second until the load is over."""
    samples: list[float] = []
    began = time.monotonic()
    while load.poll() is None:
        samples.append(Memory.of(pid).resident / MEGABYTE)
        if told is not None:
            with told.open("a") as file:
                file.write(f"{len(samples)} {samples[-1]:.2f}\n")
        time.sleep(max(0.0, began + len(samples) - time.monotonic()))
    return samples


def measure(chosen: argparse.Namespace) -> tuple[dict[str, float | int | str], list[str]]:
    with a_ledger() as database, a_simulator() as provider, tempfile.TemporaryDirectory() as folder:
        books = Books(database.conninfo)
        for tenant in ("acme", "poor"):
            books.tell("INSERT INTO aikit.tenants VALUES (%s)", tenant)
        books.policy(POLICY)
        good, poor = (a_key(database.conninfo, tenant=tenant) for tenant in ("acme", "poor"))
        config = write_config(Path(folder), provider, database.conninfo)
        with serve_process(config) as server:
            wanted = (server.url, chosen.seconds, chosen.rate, chosen.users, good, poor)
            command = [sys.executable, str(HERE / "serve_mixed.py"), *map(str, wanted)]
            empty = Memory.of(server.pid).resident
            load = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
            try:
                assert load.stdout is not None
                swept: float = json.loads(load.stdout.readline())["swept"]
                before = processor(server.pid)
                samples = sampled(load, server.pid, chosen.samples)
                found: dict[str, Any] = json.loads(load.stdout.read())
            finally:
                load.kill()
                load.wait()
            used = processor(server.pid) - before
            until(lambda: books.holds() == 0, lambda: f"{books.holds()} holds are left")
            server.terminate()
            ended = server.ended()
        books.assert_balanced()
        faults = [f"{what}, {times} times" for what, times in found["wrong"].items()]
        figures: dict[str, float | int | str] = {
            "resident before the first call, MB": empty / MEGABYTE,
            f"{chosen.users:,} users had called once after, s": swept,
            "processor time a call, µs": used / found["calls"] * 1e6,
        }
        return figures | _told(found, samples), faults + _faults(samples, ended)


def _told(found: dict[str, Any], samples: list[float]) -> dict[str, float | int | str]:
    late = samples[int(len(samples) * WARM) :]
    minute = min(60, max(1, len(late) // 4))
    return {
        "calls": found["calls"],
        "calls/s": found["rate"],
        **{f"answered: {what}": times for what, times in found["answered"].items()},
        "resident at the beginning, MB": samples[0],
        "resident when it counts from, MB": statistics.median(late[:minute]),
        "resident at the end, MB": statistics.median(late[-minute:]),
        "resident at most, MB": max(samples),
        "rise of the line through the last four fifths, % (aim: at most 2)": risen(late) * 100,
    }


def _faults(samples: list[float], ended: int) -> list[str]:
    faults = []
    if risen(samples[int(len(samples) * WARM) :]) > RISE:
        faults.append("memory grows")
    if ended:
        faults.append("the server did not end well")
    return faults


def main() -> int:
    parser = argparse.ArgumentParser(prog="scripts/soak steady", description=__doc__)
    parser.add_argument("--seconds", type=float, default=600, help="how long (default: 600)")
    parser.add_argument("--rate", type=float, default=200, help="calls a second (default: 200)")
    parser.add_argument("--users", type=int, default=20_000, help="in whose name (default: 20,000)")
    parser.add_argument("--samples", type=Path, metavar="FILE", help="also append each second's memory to this file")
    parser.add_argument("--json", action="store_true")
    figures, faults = measure(parser.parse_args())
    report("steady", figures)
    for fault in faults:
        print(f"Not so: {fault}.", file=sys.stderr)
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
