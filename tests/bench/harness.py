"""What the benches share: a PostgreSQL of their own, tenants with four limits, medians, and a table at the end."""

from __future__ import annotations

import json
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from aikit.database import embedded
from aikit.database.connect import Database
from aikit.ledger.opening import migrate

FOUR = [{"metric": "credits", "window": window} for window in ("day", "week", "month", "total")]
FAR_AWAY = 9_000_000_000_000_000


@contextmanager
def a_ledger() -> Iterator[Database]:
    """A migrated database on an embedded server of its own, removed at the end."""
    with tempfile.TemporaryDirectory(prefix="aikit-bench-") as folder:
        root = Path(folder) / "postgres"
        try:
            database = Database(embedded.ensure(root), True, "bench")
            migrate(database)
            yield database
        finally:
            embedded.stop(root)


def add_tenants(
    database: Database, names: list[str], limits: Sequence[Mapping[str, Any]] = FOUR, **policy: Any
) -> None:
    """Tenants with these limits, four by default; one without a cap is not to be reached. `policy` has other fields."""
    with database.connect(role="bench") as connection:
        connection.execute("INSERT INTO aikit.tenants SELECT unnest(%s::text[])", (names,))
        body = json.dumps({"limits": [{"cap": FAR_AWAY, **limit} for limit in limits], **policy})
        connection.execute(
            """INSERT INTO aikit.policies
               SELECT name, t, %s::jsonb || jsonb_build_object('name', name, 'scope', jsonb_build_object('tenant', t)),
                      true, 1
               FROM unnest(%s::text[]) t, LATERAL (SELECT 'tenant:' || t) x (name)""",
            (body, names),
        )
        connection.execute("UPDATE aikit.state SET policy_version = policy_version + 1")


def commit_microseconds(database: Database, times: int = 400) -> float:
    """The median of a single-row UPDATE with its commit, by psycopg with a prepared statement: the yardstick."""
    with database.connect(role="bench") as connection:
        connection.execute("CREATE TABLE IF NOT EXISTS yardstick (id int PRIMARY KEY, n bigint)")
        connection.execute("INSERT INTO yardstick VALUES (1, 0) ON CONFLICT DO NOTHING")
        statement = "UPDATE yardstick SET n = n + 1 WHERE id = 1"
        return median_microseconds(lambda: connection.execute(statement, prepare=True), times)


def median_microseconds(once: Callable[[], Any], times: int) -> float:
    taken = []
    for _ in range(times):
        start = time.perf_counter()
        once()
        taken.append(time.perf_counter() - start)
    return statistics.median(taken) * 1e6


def report(name: str, figures: dict[str, float | int | str]) -> None:
    """The figures on stdout: a table, or one JSON object with --json."""
    if "--json" in sys.argv:
        print(json.dumps({"bench": name, **figures}))
        return
    print(f"\n{name}")
    for label, value in figures.items():
        shown = f"{value:,.0f}" if isinstance(value, int | float) and abs(value) >= 100 else value
        print(f"  {label:58} {shown if isinstance(shown, str) else f'{shown:,.2f}':>12}")
