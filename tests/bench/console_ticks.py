"""What ticks of the console cost: how long each takes, how much of that in SQL, and how much of a core of ours."""

from __future__ import annotations

import statistics
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, NamedTuple

import sqlalchemy as sa

from aikit.console.filtering import parse
from aikit.console.model import Period, Query, Source, Tab
from aikit.console.reader import Reader
from aikit.database.connect import Database
from aikit.errors import AIKitError

TARGET_MS = 150
"""A tick is to stay below."""
INTERVAL = 2.0
MOST_TICKS = 400
"""After so many a period should have been read in full."""


@dataclass(frozen=True, slots=True)
class Case:
    """What is looked at."""

    tab: Tab
    period: Period = Period.TODAY
    filter: str = ""

    @property
    def name(self) -> str:
        return " ".join([self.tab, self.period, f"/{self.filter}" if self.filter else ""]).strip()

    @property
    def query(self) -> Query:
        return Query(self.tab, self.period, parse(self.filter))


BIG, SMALL = "tenant:tenant-0001", "tenant:tenant-1500"
CASES = (
    *[Case(Tab.OVERVIEW, period) for period in Period],
    *[Case(Tab.OVERVIEW, period, BIG) for period in (Period.TODAY, Period.MONTH)],
    Case(Tab.OVERVIEW, Period.MONTH, SMALL),
    Case(Tab.OVERVIEW, Period.MONTH, "model:opus !tenant:tenant-0001"),
    Case(Tab.OVERVIEW, Period.TODAY, "agent"),
    *[
        Case(Tab.CALLS, filter=text)
        for text in ("", BIG, SMALL, "model:opus !status:settled", "status:voided", f"user:user-6 {SMALL}", "nothing")
    ],
    *[Case(Tab.LIMITS, filter=text) for text in ("", BIG, "window:month", "nothing")],
    Case(Tab.BREAKERS),
    *[Case(Tab.PROMPTS, period) for period in Period],
    *[Case(Tab.PROMPTS, Period.MONTH, text) for text in (BIG, "prompt:condense")],
    Case(Tab.EVALS),
    *[Case(Tab.AUDIT, filter=text) for text in ("", "who:mara", "action:breaker", "nothing")],
)
"""Every tab, over every period where that makes a difference, and filters that let much, little or nothing through."""


class Tick(NamedTuple):
    """`ms` in all, of which `sql_ms` waiting for the server in so many statements; `cpu_ms` of a core in this process,
    `server_ms` in its backend.
    """

    ms: float
    sql_ms: float
    cpu_ms: float
    server_ms: float
    statements: int
    read: float
    error: str = ""
    backend: int | None = None


@dataclass(frozen=True, slots=True)
class Ticks:
    """The ticks of a case. `full_after` is how many it took until all of the period was read, `full_ms` how long;
    `failed` is how many of all raised an error, and `error` what the last one said.

    Median, p95 and most are of those after that, one right after the other; `spaced` and `spaced_most` are of ticks
    every two seconds. `cpu` and `server` are what a tick costs of a core on either side: on a machine that is busy with
    something else, their sum is nearer to what it takes on a quiet one.
    """

    case: str
    first: float
    full_after: int | None
    full_ms: float
    reading_most: float
    median: float
    p95: float
    most: float
    sql: float
    cpu: float
    server: float
    statements: int
    spaced: float | None
    spaced_most: float | None
    failed: int = 0
    error: str = ""

    @property
    def slow(self) -> list[str]:
        """Which of its figures are not below the target."""
        told = {
            "first": self.first,
            "while it reads": self.reading_most,
            "p95": self.p95,
            "most": max(self.most, self.spaced_most or 0),
            "median": self.median,
        }
        slow = [f"{name} {ms:.0f} ms" for name, ms in told.items() if ms >= TARGET_MS]
        return [*slow, f"{self.failed} failed: {self.error}"] if self.failed else slow

    def to_json(self) -> dict[str, Any]:
        figures = {name: round(x, 1) if isinstance(x, float) else x for name, x in asdict(self).items()}
        return {"bench": "console tick", **figures, "over_target": self.slow}


class SqlTime:
    """Adds up what statements take, of all engines of this process."""

    def __init__(self) -> None:
        self.seconds = 0.0
        self.statements = 0
        self.backend: int | None = None
        self.failing = ""
        self._began = 0.0

    @contextmanager
    def counted(self) -> Iterator[None]:
        sa.event.listen(sa.Engine, "before_cursor_execute", self._before)
        sa.event.listen(sa.Engine, "after_cursor_execute", self._after)
        sa.event.listen(sa.Engine, "handle_error", self._failed)
        try:
            yield
        finally:
            sa.event.remove(sa.Engine, "before_cursor_execute", self._before)
            sa.event.remove(sa.Engine, "after_cursor_execute", self._after)
            sa.event.remove(sa.Engine, "handle_error", self._failed)

    def _before(self, connection: sa.Connection, *_: object) -> None:
        driver: Any = connection.connection.dbapi_connection
        self.backend = driver.info.backend_pid
        self._began = time.perf_counter()

    def _after(self, *_: object) -> None:
        self.seconds += time.perf_counter() - self._began
        self.statements += 1

    def _failed(self, context: sa.engine.ExceptionContext) -> None:
        self.failing = " ".join((context.statement or "").split())


def opened(database: Database) -> Reader:
    """A console's source as it is at its start; with the evals of this repository."""
    evals = Path(__file__).parents[2] / "evals"
    return Reader(database, environment=None, evals=evals, spool=None)


def measure(source: Source, case: Case, *, times: int, spaced: int) -> Ticks:
    """The source must be new: what it keeps from one tick to the next is part of what is measured."""
    query = case.query
    reading = [tick(source, query)]
    while reading[-1].read < 1 and len(reading) < MOST_TICKS:
        reading.append(tick(source, query, backend=reading[-1].backend))
    backend = reading[-1].backend
    then = [tick(source, query, backend=backend) for _ in range(times)]
    now_and_then = [tick(source, query, after=INTERVAL, backend=backend) for _ in range(spaced)]
    each = [one.ms for one in now_and_then]
    failed = [one.error for one in (*reading, *then, *now_and_then) if one.error]
    return Ticks(
        case.name,
        reading[0].ms,
        len(reading) if reading[-1].read >= 1 else None,
        sum(one.ms for one in reading),
        max([one.ms for one in reading[1:]], default=0.0),
        statistics.median([one.ms for one in then]),
        percentile([one.ms for one in then], 95),
        max(one.ms for one in then),
        statistics.median([one.sql_ms for one in then]),
        statistics.median([one.cpu_ms for one in then]),
        statistics.median([one.server_ms for one in then]),
        then[-1].statements,
        statistics.median(each) if each else None,
        max(each) if each else None,
        len(failed),
        failed[-1] if failed else "",
    )


def tick(source: Source, query: Query, *, after: float = 0.0, backend: int | None = None) -> Tick:
    """`backend` is the server's process for this source, where it is known yet."""
    time.sleep(after)
    sql, before = SqlTime(), server_ms(backend)
    with sql.counted():
        cpu, began = time.process_time(), time.perf_counter()
        read, error = 0.0, ""
        try:
            read = float(source.read(query).read)
        except AIKitError as failure:
            error = f"{failure} Asked: {sql.failing}"
        took, used = time.perf_counter() - began, time.process_time() - cpu
    server = server_ms(sql.backend) - (before if sql.backend == backend else 0.0)
    return Tick(took * 1000, sql.seconds * 1000, used * 1000, server, sql.statements, read, error, sql.backend)


def server_ms(backend: int | None) -> float:
    """Milliseconds of a core that a process of this machine has had so far."""
    try:
        return int(Path(f"/proc/{backend}/schedstat").read_text().split()[0]) / 1e6
    except OSError:
        return 0.0


def percentile(values: Sequence[float], percent: int) -> float:
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, len(ordered) * percent // 100)]


HEAD = (
    "case",
    "first",
    "full after",
    "in",
    "its most",
    "median",
    "p95",
    "most",
    "SQL",
    "CPU",
    "server",
    "every 2 s",
    "most",
)


def table(found: Sequence[Ticks]) -> str:
    """In milliseconds; what is not below the target is marked."""
    lines = [f"{HEAD[0]:46}" + "".join([f"{name:>11}" for name in HEAD[1:]])]
    for one in found:
        after = f"{one.full_after} ticks" if one.full_after else "never"
        figures = [
            one.full_ms,
            one.reading_most,
            one.median,
            one.p95,
            one.most,
            one.sql,
            one.cpu,
            one.server,
            one.spaced,
        ]
        shown = [f"{one.first:.0f}", after, *[_ms(ms) for ms in (*figures, one.spaced_most)]]
        mark = f"   over {TARGET_MS} ms: {', '.join(one.slow)}" if one.slow else ""
        lines.append(f"{one.case:46}" + "".join([f"{text:>11}" for text in shown]) + mark)
    return "\n".join(lines)


def _ms(value: float | None) -> str:
    return "—" if value is None else f"{value:.0f}"
