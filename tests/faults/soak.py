"""Kills callers at random moments, many times, and then holds the ledger against the provider's bill, call by call.

Several processes call in all ways, for several tenants, some of whom run into their caps. Each kill is a `kill -9` at
a random moment; now and then the way to the database is cut as well, or all holds expire though their calls still run.
`scripts/soak --help` says what can be chosen.
"""

from __future__ import annotations

import argparse
import json
import random
import sys
import tempfile
import threading
import time
from collections import Counter
from contextlib import ExitStack
from dataclasses import asdict, dataclass, field
from decimal import Decimal
from pathlib import Path

from aikit.config import load
from aikit.database import embedded
from aikit.database.connect import Database
from aikit.kit import AIKit
from aikit.ledger.opening import migrate
from aikit.ledger.verify import verify
from aikit.sim import Simulator
from support.attempts import set_policy
from support.crew import Crew
from support.kits import KEYS, Books, write_config
from support.proxy import Proxy
from support.reckoning import MAX_TOKENS, WIDE, expire_all, reckon
from support.sdks import wait_until_idle

CAPS = {"tight-1": "0.30", "tight-2": "0.80", "wide-1": "1000", "wide-2": "1000"}
"""USD in all. The tight ones are used up under way, so that callers race for what is left."""
LEASED = {"tight-2", "wide-2"}
"""Of these, the output of streams is held bit by bit."""
LONG = 3000
"""Output tokens that every third process allows; the others allow few."""
NANO_PER_USD = 1_000_000_000
THINKING = {"delay": 0.02, "chunk_delay": 0.002}
OFTEN, SELDOM = 0.15, 0.1
"""How many of the kills come with a cut of the database, and with all holds expiring."""


@dataclass
class Report:
    """What came of it. All of `lost`, `double`, `unmarked`, `overshot`, `findings`, `left` must be empty."""

    seed: int
    seconds: float = 0
    processes: int = 0
    kills: int = 0
    cuts: int = 0
    expired_under_way: int = 0
    calls: int = 0
    answered: int = 0
    refused: dict[str, int] = field(default_factory=dict)
    exact: int = 0
    over_and_marked: int = 0
    expired_at_the_end: int = 0
    billed_usd: str = "0"
    charged_usd: str = "0"
    most_of_a_cap: dict[str, str] = field(default_factory=dict)
    lost: list[int] = field(default_factory=list)
    double: list[int] = field(default_factory=list)
    unmarked: list[int] = field(default_factory=list)
    overshot: dict[str, int] = field(default_factory=dict)
    findings: list[str] = field(default_factory=list)
    left: list[str] = field(default_factory=list)

    @property
    def right(self) -> bool:
        return not (self.lost or self.double or self.unmarked or self.overshot or self.findings or self.left)


class Watch:
    """Looks at the counters all the time: the most that each tenant has had used and held."""

    def __init__(self, books: Books) -> None:
        self.peaks: Counter[str] = Counter()
        self._books = books
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def look(self) -> None:
        for row in self._books.rows("SELECT tenant, (used + held)::bigint AS n FROM aikit.counts"):
            self.peaks[row["tenant"]] = max(self.peaks[row["tenant"]], row["n"])

    def stop(self) -> None:
        self._stop.set()
        self._thread.join()
        self.look()

    def _run(self) -> None:
        while not self._stop.wait(0.05):
            self.look()


def soak(wanted: argparse.Namespace) -> Report:
    """Set everything up, kill, and reckon."""
    report = Report(wanted.seed)
    with ExitStack() as on:
        folder = Path(on.enter_context(tempfile.TemporaryDirectory(prefix="aikit-soak-")))
        on.callback(embedded.stop, folder / "postgres")
        books = Books(embedded.ensure(folder / "postgres"))
        migrate(Database(books.dsn, False, "soak"))
        for tenant, usd in CAPS.items():
            limit = {"metric": "credits", "window": "total", "cap": int(Decimal(usd) * NANO_PER_USD)}
            set_policy(Database(books.dsn, False, "soak"), tenant, limits=[limit], lease=tenant in LEASED)
        simulator = on.enter_context(Simulator())
        simulator.fault(**THINKING)
        proxy = on.enter_context(Proxy(books.dsn))
        crew = on.enter_context(Crew(folder))
        config = write_config(folder, simulator.url, proxy.dsn)
        watch = Watch(books)
        began = time.monotonic()
        _kill_at_random(wanted, report, crew, config, proxy, books)
        report.seconds = round(time.monotonic() - began, 1)
        _drain(config, folder, report)
        wait_until_idle(simulator)
        report.expired_at_the_end = expire_all(books)
        watch.stop()
        _read(report, books, simulator, crew, watch)
    return report


def _kill_at_random(
    wanted: argparse.Namespace, report: Report, crew: Crew, config: Path, proxy: Proxy, books: Books
) -> None:
    chance = random.Random(wanted.seed)
    numbers = WIDE * WIDE // (wanted.kills + 2 * wanted.processes + 20)

    def start() -> int:
        report.processes += 1
        most = MAX_TOKENS if report.processes % 3 else LONG
        return crew.start(
            config, tenants=tuple(CAPS), threads=wanted.threads, numbers=numbers, pause=0.01, max_tokens=most
        )

    running = [start() for _ in range(wanted.processes)]
    began = time.monotonic()
    while report.kills < wanted.kills and time.monotonic() < began + wanted.seconds:
        left, todo = began + wanted.seconds * 0.95 - time.monotonic(), wanted.kills - report.kills
        time.sleep(chance.uniform(0, 2) * max(0.0, left) / todo)
        cut = chance.random() < OFTEN
        if cut:
            proxy.cut()
            report.cuts += 1
            time.sleep(chance.uniform(0, 0.1))
        victim = chance.randrange(len(running))
        report.kills += crew.kill(running[victim])
        if cut:
            time.sleep(chance.uniform(0, 0.3))
            proxy.restore()
        if chance.random() < SELDOM:
            report.expired_under_way += expire_all(books)
        running[victim] = start()
        if report.kills % 20 == 0:
            print(f"{report.kills} kills in {time.monotonic() - began:.0f} s", file=sys.stderr)
    for pid in running:
        crew.stop(pid)


def _drain(config: Path, folder: Path, report: Report) -> None:
    """Post what dead processes have left in their spools, as any next process does."""
    with AIKit.open(load(config, KEYS)) as kit:
        if not kit.flush():
            report.left.append("the spool can't be drained")
    report.left += [str(file.name) for file in (folder / "data" / "spool").rglob("*") if file.is_file()]


def _read(report: Report, books: Books, simulator: Simulator, crew: Crew, watch: Watch) -> None:
    found = reckon(books, simulator.served())
    outcomes = Counter(line["outcome"] for line in crew.said() if "outcome" in line)
    report.calls, report.exact, report.over_and_marked = found.calls, found.exact, len(found.over)
    report.lost, report.double, report.unmarked = found.lost, found.double, found.unmarked
    report.answered = outcomes.pop("answered", 0)
    report.refused = dict(outcomes)
    report.billed_usd, report.charged_usd = f"{found.billed / NANO_PER_USD:.6f}", f"{found.charged / NANO_PER_USD:.6f}"
    for tenant, usd in CAPS.items():
        cap = int(Decimal(usd) * NANO_PER_USD)
        report.most_of_a_cap[tenant] = f"{watch.peaks[tenant] / cap:.2%}"
        most = cap + _presumed_beyond_holds(books, tenant)
        if watch.peaks[tenant] > most:
            report.overshot[tenant] = watch.peaks[tenant] - most
    report.findings = [str(finding) for finding in verify(Database(books.dsn, False, "soak")).findings]
    if books.holds():
        report.findings.append("holds are left")


def _presumed_beyond_holds(books: Books, tenant: str) -> int:
    """What killed leases are presumed to have cost on top of what was held for them: their provider was ahead of it."""
    (row,) = books.rows(
        "SELECT coalesce(sum(nano - held_nano), 0)::bigint AS n FROM aikit.entries "
        "WHERE tenant = %s AND ending = 'presumed_spent' AND seq = 0 AND nano > held_nano",
        tenant,
    )
    assert tenant in LEASED or row["n"] == 0
    return int(row["n"])


def main() -> int:
    parser = argparse.ArgumentParser(prog="scripts/soak", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--kills", type=int, default=200, help="how many (default 200)")
    parser.add_argument("--seconds", type=float, default=240, help="the kills are spread over this time (default 240)")
    parser.add_argument("--processes", type=int, default=4, help="calling at the same time (default 4)")
    parser.add_argument("--threads", type=int, default=4, help="calling in each process (default 4)")
    parser.add_argument("--seed", type=int, default=random.randrange(10**6), help="of the kills' moments")
    parser.add_argument("--json", action="store_true", help="one JSON object on stdout")
    wanted = parser.parse_args()
    report = soak(wanted)
    enough = report.kills >= wanted.kills
    if wanted.json:
        print(json.dumps({"schema": "aikit.soak/1", "right": report.right and enough, "data": asdict(report)}))
    else:
        for name, value in asdict(report).items():
            print(f"{name.replace('_', ' '):30} {value if value not in ([], {}) else 0}")
        print("right" if report.right and enough else "WRONG" if not report.right else "too few kills")
    return 0 if report.right and enough else 1


if __name__ == "__main__":
    sys.exit(main())
