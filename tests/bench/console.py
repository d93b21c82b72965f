"""The console on ten million entries: what a tick takes while calls arrive, how reads are answered, what it idles at.

    scripts/bench console [--entries N] [--keep DIR] [--rate N] [--json]

Seeding takes five minutes and 12 GB. With --keep the database stays in DIR and is used again for twelve hours. Exits
with 1 if a table of the ledger is read in full.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from aikit.console.reading.line import SETTINGS
from aikit.database import embedded
from aikit.database.connect import Database
from aikit.ledger.opening import migrate
from bench import seeding
from bench.console_plans import Asked, Explained, explain, picture, statements
from bench.console_screen import idle, starts
from bench.console_ticks import CASES, Case, Ticks, measure, opened, table, tick
from bench.console_traffic import traffic

ENTRIES = 10_000_000
RATE = 200
WARM_SECONDS = 5.0
STALE = 12 * 3600
SMALL = 2_000
"""Entries of the database on which it idles."""
LARGEST = """
    SELECT coalesce(p.relname, c.relname), sum(c.reltuples)::bigint, sum(pg_relation_size(c.oid))::bigint,
           sum(pg_indexes_size(c.oid))::bigint
    FROM pg_class c
    LEFT JOIN pg_inherits i ON i.inhrelid = c.oid
    LEFT JOIN pg_class p ON p.oid = i.inhparent
    WHERE c.relnamespace = 'aikit'::regnamespace AND c.relkind = 'r'
    GROUP BY 1 ORDER BY sum(pg_total_relation_size(c.oid)) DESC LIMIT 5"""
PARTS = ("ticks", "plans", "screen")


def main() -> int:
    wanted = _arguments()
    say = Said(wanted.json)
    found: list[Explained] = []
    if {"ticks", "plans"} & set(wanted.only):
        with _database(wanted.keep, wanted.entries) as database:
            say.sizes(database)
            if "ticks" in wanted.only:
                with traffic(database, wanted.rate):
                    time.sleep(WARM_SECONDS if wanted.rate else 0)
                    say.ticks(database, [case for case in CASES if wanted.match in case.name], wanted)
            if "plans" in wanted.only:
                found = say.plans(database, [case for case in CASES if wanted.match in case.name])
    if "screen" in wanted.only:
        with _database(None, SMALL, tell=False) as database:
            say.screen(Path(database.source), database)
    return 1 if any(one.read_whole for one in found) else 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="scripts/bench console", description=__doc__)
    parser.add_argument("--entries", type=int, default=ENTRIES, help="how many the ledger has")
    parser.add_argument("--keep", type=Path, metavar="DIR", help="where the database stays, to be used again")
    parser.add_argument("--rate", type=int, default=RATE, help="calls that arrive a second; 0 for none")
    parser.add_argument("--times", type=int, default=20, help="ticks of a case, one right after the other")
    parser.add_argument("--spaced", type=int, default=4, help="ticks of a case, one every two seconds")
    parser.add_argument("--match", default="", help="only cases with this in their name, such as 'overview month'")
    parser.add_argument("--only", nargs="+", choices=PARTS, default=PARTS)
    parser.add_argument("--json", action="store_true", help="one object a line")
    return parser.parse_args()


@contextmanager
def _database(keep: Path | None, entries: int, *, tell: bool = True) -> Iterator[Database]:
    """A seeded database on an embedded server of its own; its source is the folder. Without `keep` nothing stays."""
    folder = keep or Path(tempfile.mkdtemp(prefix="aikit-bench-"))
    root = folder / "postgres"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if not _usable(folder, entries):
            embedded.stop(root) if root.exists() else None
            shutil.rmtree(root, ignore_errors=True)
            seeding.fill(Database(embedded.ensure(root), True, "bench"), entries, tell=tell)
            (folder / "seeded.json").write_text(json.dumps({"entries": entries, "at": time.time()}))
        database = Database(embedded.ensure(root), True, str(folder))
        migrate(database)
        yield database
    finally:
        if root.exists():
            embedded.stop(root)
        if keep is None:
            shutil.rmtree(folder, ignore_errors=True)


def _usable(folder: Path, entries: int) -> bool:
    """Whether this many entries are there, none of them old."""
    try:
        seeded = json.loads((folder / "seeded.json").read_text())
    except FileNotFoundError:
        return False
    return bool(seeded["entries"] == entries and time.time() - seeded["at"] < STALE)


class Said:
    """Measures, and says what was found: tables for people, or an object a line."""

    def __init__(self, as_json: bool) -> None:
        self._json = as_json

    def sizes(self, database: Database) -> None:
        with database.connect(role="bench") as connection:
            found = connection.execute(LARGEST).fetchall()
        load = [round(each, 1) for each in os.getloadavg()]
        if self._json:
            sizes = {name: {"rows": rows, "bytes": size, "of_indexes": more} for name, rows, size, more in found}
            self._line({"bench": "console database", "load": load, "tables": sizes})
            return
        print(f"{os.cpu_count()} cores, load {load}")
        for name, rows, size, more in found:
            print(f"  {name:12} {rows:>12,} rows {size / 1e6:>8,.0f} MB, indexes {more / 1e6:>7,.0f} MB")

    def ticks(self, database: Database, cases: Sequence[Case], wanted: argparse.Namespace) -> None:
        found: list[Ticks] = []
        for case in cases:
            source = opened(database)
            try:
                found.append(measure(source, case, times=wanted.times, spaced=wanted.spaced))
            finally:
                source.close()
            self._line(found[-1].to_json()) if self._json else print(
                table(found[-1:]).split("\n")[1], file=sys.stderr, flush=True
            )
        if not self._json:
            print(f"\nticks in ms, with {wanted.rate} calls/s arriving; load {os.getloadavg()[0]:.1f}\n{table(found)}")

    def plans(self, database: Database, cases: Sequence[Case]) -> list[Explained]:
        asked: dict[str, Asked] = {}
        for case in cases:
            source = opened(database)
            try:
                with statements(case.name, asked):
                    for error in [found.error for _ in range(3) if (found := tick(source, case.query)).error]:
                        print(f"{case.name}: {error}", file=sys.stderr)
            finally:
                source.close()
        settings = {name: value for name, value in SETTINGS.items() if name != "statement_timeout"}
        found = explain(database, list(asked.values()), settings)
        if self._json:
            for one in found:
                self._line(one.to_json())
            return found
        whole = [one for one in found if one.read_whole]
        print(f"\n{len(found)} statements, {len(whole)} of which read a table of the ledger in full")
        for one in [one for place, one in enumerate(found) if one.read_whole or place < 5]:
            print(f"\n{one.ms:,.1f} ms ({one.asked.case}) {', '.join(one.read_whole)}\n  {one.brief}")
            print("\n".join([f"    {line}" for line in picture(one.plan)]))
        return found

    def screen(self, data: Path, database: Database) -> None:
        for figures in (idle(data, database), starts(data)):
            if self._json:
                self._line(figures)
                continue
            print(f"\n{figures.pop('bench')}; load {os.getloadavg()[0]:.1f}")
            for name, value in figures.items():
                print(f"  {name:58} {value:>10}")

    def _line(self, told: dict[str, object]) -> None:
        print(json.dumps(told), flush=True)


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit(130)
