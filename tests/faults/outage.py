"""An outage, drilled: provider A fails and comes back, with provider B behind it in a route, while processes call.

`python tests/faults/outage.py PICTURE.svg` drills it with the default figures, on a PostgreSQL of its own, and draws
what was measured.
"""

from __future__ import annotations

import sys
import tempfile
import time
from collections import Counter
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any

from aikit.database import embedded
from aikit.database.connect import Database
from aikit.ledger.opening import migrate
from aikit.sim import Simulator
from support.crew import Crew
from support.kits import Books
from support.outage_picture import draw

A, B = "anthropic/claude-haiku-4-5", "openai/gpt-4o-mini"
MODEL_OF_A = "claude-haiku-4-5"
ROUTE = "routes.drill"
THINKING = 0.1
"""Seconds that A takes to answer when it is well again, so that probes that overlapped would be seen."""
CONFIG = f"""
[database]
url = "{{dsn}}"
data_dir = "{{data}}"
[providers.anthropic]
base_url = "{{a}}"
[providers.openai]
base_url = "{{b}}/v1"
[routes]
drill = ["{A}", "{B}"]
"""
MOVES = """
    SELECT extract(epoch FROM at)::float8 AS at, was, state, reason FROM aikit.breaker_moves
    WHERE provider = 'anthropic' AND model = %s ORDER BY seq"""
ATTEMPTS = """
    SELECT call::text, provider, ending, nano, extract(epoch FROM admitted_at)::float8 AS began,
           extract(epoch FROM admitted_at)::float8 + duration_ms / 1000.0::float8 AS ended, input, output
    FROM aikit.entries ORDER BY admitted_at"""


@dataclass(frozen=True, slots=True)
class Times:
    """Seconds from the start: when A begins to fail, when it is well again, and when the drill is over."""

    fails: float
    recovers: float
    ends: float


@dataclass(slots=True)
class Timeline:
    """What happened. Times are seconds since 1970, but for those in `times`."""

    start: float
    times: Times
    calls: list[dict[str, Any]] = field(default_factory=list)
    """As their processes wrote them down."""
    moves: list[dict[str, Any]] = field(default_factory=list)
    """Of A's breaker."""
    attempts: list[dict[str, Any]] = field(default_factory=list)
    """As the ledger has them."""
    billed: dict[str, dict[str, int]] = field(default_factory=dict)
    """What each provider says it served, by token class."""

    def spans(self, state: str) -> list[tuple[float, float]]:
        """From when until when A's breaker was so."""
        ends = [*self.moves, {"at": self.start + self.times.ends, "state": ""}]
        return [(move["at"], after["at"]) for move, after in pairwise(ends) if move["state"] == state]

    def of(self, provider: str, since: float = 0.0, until: float = float("inf")) -> list[dict[str, Any]]:
        """Attempts at a provider that began then."""
        return [one for one in self.attempts if one["provider"] == provider and since <= one["began"] < until]

    def charged_otherwise(self) -> dict[str, int]:
        """How often the calls were charged that were not charged once, or charged though they had no answer."""
        charged = Counter(one["call"] for one in self.attempts if one["nano"])
        answered = {call["call"] for call in self.calls if "call" in call}
        return {
            call: charged[call] for call in charged.keys() | answered if (charged[call], call in answered) != (1, True)
        }


def drill(
    crew: Crew,
    folder: Path,
    books: Books,
    times: Times,
    *,
    more: str = "",
    processes: int = 4,
    callers: int = 20,
    settle: float = 0.5,
) -> Timeline:
    """Run it, some seconds after all have made their first calls. `more` is what else the configuration says."""
    with Simulator() as a, Simulator() as b:
        config = folder / "aikit.toml"
        config.write_text(CONFIG.format(dsn=books.dsn, data=folder / "data", a=a.url, b=b.url) + more)
        pids = [crew.route(config, ROUTE, threads=callers, pause=0.5) for _ in range(processes)]
        while sum("call" in line for line in crew.said()) < 2 * processes * callers:  # the first are slow
            time.sleep(0.02)
        time.sleep(settle)
        timeline = Timeline(time.time(), times)
        _wait_until(timeline.start + times.fails)
        a.fault(status=500)
        _wait_until(timeline.start + times.recovers)
        before = _billed(a)  # while its breaker is open, so nothing is under way
        a.reset()
        a.fault(delay=THINKING)
        _wait_until(timeline.start + times.ends)
        for pid in pids:
            crew.stop(pid)
        after = _billed(a)
        timeline.billed = {"anthropic": {name: before[name] + after[name] for name in after}, "openai": _billed(b)}
    timeline.calls = [line for line in crew.said() if "tried" in line]
    timeline.moves = books.rows(MOVES, MODEL_OF_A)
    timeline.attempts = books.rows(ATTEMPTS)
    return timeline


def _billed(simulator: Simulator) -> dict[str, int]:
    billed = simulator.served()["totals"]["billed"]
    return {name: billed.get(name, 0) for name in ("input", "output")}


def _wait_until(moment: float) -> None:
    time.sleep(max(0.0, moment - time.time()))


def main(picture: Path) -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        try:
            books = Books(embedded.ensure(folder / "server"))
            migrate(Database(books.dsn, False, "drill"))
            books.limit()
            with Crew(folder) as crew:
                timeline = drill(crew, folder, books, Times(fails=10, recovers=40, ends=75), settle=8)
            books.assert_balanced()
        finally:
            embedded.stop(folder / "server")
    picture.write_text(draw(timeline))
    failed = sum("error" in call for call in timeline.calls)
    print(f"{len(timeline.calls):,} calls: {failed} not answered, {len(timeline.charged_otherwise())} not charged once")
    for move in timeline.moves:
        print(f"{move['at'] - timeline.start:6.2f} s  {move['was']} → {move['state']} ({move['reason']})")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
