"""Fills a database with what a busy one has after five weeks: millions of entries, and all that belongs to them.

The calls are drawn by hashes, the same in every run; when they were is by the clock of the database, up to now.
The books agree: rollups are the sums of what they are sums of, counters are opened as a meter opens them.
"""

from __future__ import annotations

import json
import math
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psycopg

from aikit.database.connect import Database
from aikit.ledger.opening import migrate
from aikit.meter.queries import PRICE
from bench.console_state import fill_state
from bench.console_world import FEATURES, MODELS, TENANTS, drafts, tenant

DAYS = 35
REFUSED = 50
"""One refusal for so many entries."""
AT_ONCE = 40_000
"""Entries that one transaction adds, and an hour at least."""
HOUR = timedelta(hours=1)
DRAW = Path(__file__).with_name("console_draw.sql")


@dataclass(frozen=True, slots=True)
class Hours:
    """The attempts of a part of an hour."""

    since: datetime
    length: timedelta
    entries: int
    week: int


def fill(database: Database, entries: int, *, tell: bool = True) -> None:
    """Migrate an empty database as if it had been set up five weeks ago, and fill it: ten millions take five minutes.

    An embedded server must be nobody else's.
    """
    now = _as_if_made(database, timedelta(days=DAYS))
    with _drawing(database), _with_room_for_wal(database) if database.embedded else nullcontext():
        hours = rhythm(now, entries)
        told = Progress(entries if tell else 0)
        _in_parallel(database, [_of_month(hours, month) for month in _months(hours)], told)
        fill_state(database, now)
    with database.connect(role="seed") as connection:
        connection.execute("VACUUM (ANALYZE)")
        connection.execute("CHECKPOINT")
    told.done()


def rhythm(now: datetime, entries: int) -> list[Hours]:
    """How many entries each hour has: most at 14:00, few at night, fewer on Saturdays and Sundays."""
    start = (now - timedelta(days=DAYS)).replace(minute=0, second=0, microsecond=0)
    parts = [(start + i * HOUR, min(HOUR, now - (start + i * HOUR))) for i in range(DAYS * 24 + 1)]
    weights = [
        (1 + 0.8 * math.cos((at.hour - 14) / 12 * math.pi)) * (0.55 if at.weekday() > 4 else 1.0) * (length / HOUR)
        for at, length in parts
    ]
    total, done, found = sum(weights), 0.0, []
    for (at, length), weight in zip(parts, weights, strict=True):
        before, done = round(done), done + entries * weight / total
        found.append(Hours(at, length, round(done) - before, 1 + (at - start).days // 7))
    return found


class Progress:
    """Says on stderr how far it is. Without anything to count it says nothing."""

    def __init__(self, goal: int) -> None:
        self._goal = goal
        self._count = 0
        self._began = self._told = time.monotonic()
        self._lock = threading.Lock()

    def add(self, entries: int) -> None:
        with self._lock:
            self._count += entries
            if self._goal and time.monotonic() > self._told + 5:
                self._told = time.monotonic()
                rate = self._count / (self._told - self._began)
                print(f"seeded {self._count:,} of {self._goal:,} entries, {rate:,.0f}/s", file=sys.stderr, flush=True)

    def done(self) -> None:
        if self._goal:
            print(f"seeded {self._goal:,} entries in {time.monotonic() - self._began:,.0f} s", file=sys.stderr)


def _as_if_made(database: Database, ago: timedelta) -> datetime:
    """Migrate, and make the months as if that had been so long ago; the time that it is."""
    migrate(database)
    with database.connect(role="seed") as connection, connection.transaction():
        (now,) = _one(connection, "SELECT now()")
        for (part,) in connection.execute("SELECT part FROM aikit.parts").fetchall():
            connection.execute(f"DROP TABLE aikit.{part}")
        since_then = [now - ago + timedelta(days=7) * i for i in range(1 + (ago.days + 31) // 7)]
        for moment in (*since_then, now - timedelta(days=36_500), datetime(2100, 1, 1, tzinfo=UTC)):
            connection.execute("SELECT aikit.open_month(%s)", (moment,))
    return now.astimezone(UTC)


@contextmanager
def _drawing(database: Database) -> Iterator[None]:
    """What entries are drawn from, while they are drawn."""
    with database.connect(role="seed") as connection:
        connection.execute("CREATE SCHEMA seeding")
        connection.execute(
            "CREATE TABLE seeding.models (place smallint, provider text, name text, api text, input bigint, "
            "cache_read bigint, cache_write bigint, output bigint, reasons boolean, price_id text)"
        )
        connection.execute(
            "CREATE TABLE seeding.features "
            "(place int, name text, input int, output int, models smallint[], prompt text)"
        )
        connection.execute("CREATE TABLE seeding.versions (name text, version int, sha256 text)")
        for place, model in enumerate(MODELS, 1):
            _insert(connection, "seeding.models", (place, *model, model.price.id))
            price = model.price
            named = (price.id, price.provider, price.model, price.source, price.version)
            connection.execute(PRICE, (*named, json.dumps(price.to_json())))
        for place, feature in enumerate(FEATURES, 1):
            row = (place, feature.name, *feature.tokens, list(feature.models), feature.prompt)
            _insert(connection, "seeding.features", row)
        for draft in drafts():
            prompt = draft.prompt
            _insert(connection, "seeding.versions", (prompt.name, prompt.version, prompt.sha256))
        connection.execute(DRAW.read_text())
        names = [tenant(number) for number in range(1, TENANTS + 1)]
        connection.execute(
            "INSERT INTO aikit.tenants SELECT unnest(%s::text[]), now() - %s", (names, timedelta(days=DAYS))
        )
        try:
            yield
        finally:
            connection.execute("DROP SCHEMA seeding CASCADE")


@contextmanager
def _with_room_for_wal(database: Database) -> Iterator[None]:
    """Fewer checkpoints, so that pages are written to the WAL less often. The server must be nobody else's."""
    with database.connect(role="seed") as connection:
        connection.execute("ALTER SYSTEM SET max_wal_size = '4GB'")
        connection.execute("SELECT pg_reload_conf()")
        try:
            yield
        finally:
            connection.execute("ALTER SYSTEM RESET max_wal_size")
            connection.execute("SELECT pg_reload_conf()")


def _in_parallel(database: Database, months: Sequence[Sequence[Hours]], told: Progress) -> None:
    """A month is a table of its own: each is filled in the order of time, side by side with the others."""
    stopped = threading.Event()
    with ThreadPoolExecutor(len(months)) as pool:
        running = [pool.submit(_fill_month, database, month, told, stopped) for month in months]
        try:
            for each in running:
                each.result()
        except BaseException:
            stopped.set()
            raise


def _fill_month(database: Database, hours: Sequence[Hours], told: Progress, stopped: threading.Event) -> None:
    with database.connect(role="seed") as connection:
        connection.execute("SET synchronous_commit = off; SET work_mem = '256MB'; SET jit = off")
        for batch in _batches(hours):
            if stopped.is_set():
                return
            with connection.transaction():
                for part in batch:
                    arguments = (part.since, part.length, part.entries, part.week)
                    connection.execute("SELECT seeding.fill_entries(%s, %s, %s, %s)", arguments)
                    refused = (part.entries + part.since.hour) // REFUSED
                    arguments = (part.since, part.length, refused, part.week)
                    connection.execute("SELECT seeding.fill_refusals(%s, %s, %s, %s)", arguments)
                end = batch[-1].since + batch[-1].length
                connection.execute("SELECT seeding.fill_rollups(%s, %s)", (batch[0].since, end))
            told.add(sum(part.entries for part in batch))


def _batches(hours: Sequence[Hours]) -> Iterator[list[Hours]]:
    """Hours that are added together."""
    batch: list[Hours] = []
    for part in hours:
        batch.append(part)
        if sum(each.entries for each in batch) >= AT_ONCE:
            yield batch
            batch = []
    if batch:
        yield batch


def _months(hours: Sequence[Hours]) -> list[tuple[int, int]]:
    return sorted({(part.since.year, part.since.month) for part in hours})


def _of_month(hours: Sequence[Hours], month: tuple[int, int]) -> list[Hours]:
    return [part for part in hours if (part.since.year, part.since.month) == month]


def _insert(connection: psycopg.Connection[Any], table: str, row: Sequence[object]) -> None:
    places = ", ".join(["%s"] * len(row))
    connection.execute(f"INSERT INTO {table} VALUES ({places})", row)


def _one(connection: psycopg.Connection[Any], query: str) -> tuple[Any, ...]:
    row = connection.execute(query).fetchone()
    assert row is not None
    return row
