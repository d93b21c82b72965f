"""An open kit against the simulated provider and a fresh ledger, and looks into that ledger."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator, Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psycopg
import pytest
import pytest_asyncio
from psycopg.rows import dict_row

from aikit.config import Settings, load
from aikit.database.connect import Database
from aikit.ledger.locks import POSTING
from aikit.ledger.verify import verify
from aikit.types import TOKEN_CLASSES
from support.postgres import create_database, drop_database

if TYPE_CHECKING:
    from aikit.async_kit import AsyncAIKit
    from aikit.kit import AIKit
    from aikit.sim import Simulator

TENANT = "acme"
NANO_PER_USD = 1_000_000_000
QUIET = "[breaker]\nenabled = false"
"""Nothing but calls goes over the line to the ledger, so that a proxy knows whose answer is the next."""
KEYS = {"OPENAI_API_KEY": "key-of-openai", "ANTHROPIC_API_KEY": "key-of-anthropic", "GEMINI_API_KEY": "key-of-gemini"}


@dataclass(frozen=True)
class Books:
    """Reads and sets up one ledger, by SQL of its own so that it does not believe what the code under test says."""

    dsn: str

    def rows(self, query: str, *arguments: Any) -> list[dict[str, Any]]:
        with psycopg.connect(self.dsn, autocommit=True, row_factory=dict_row) as connection:
            return connection.execute(query, arguments).fetchall()

    def tell(self, statement: str, *arguments: Any) -> None:
        with psycopg.connect(self.dsn, autocommit=True) as connection:
            connection.execute(statement, arguments)

    def limit(self, tenant: str = TENANT, *, usd: str = "1000000", window: str = "month") -> None:
        """The tenant, with this cap on money beside those on other windows."""
        cap = int(Decimal(usd) * NANO_PER_USD)
        name = f"tenant:{tenant}"
        with psycopg.connect(self.dsn) as connection:
            connection.execute("SELECT pg_advisory_xact_lock(%s, %s)", POSTING)
            connection.execute("INSERT INTO aikit.tenants VALUES (%s) ON CONFLICT DO NOTHING", (tenant,))
            found = connection.execute(
                "UPDATE aikit.policies SET until = (SELECT policy_version + 1 FROM aikit.state) "
                "WHERE name = %s AND until IS NULL RETURNING body",
                (name,),
            ).fetchone()
            body = found[0] if found else {"name": name, "scope": {"tenant": tenant}}
            others = [limit for limit in body.get("limits", ()) if limit["window"] != window]
            body["limits"] = [*others, {"metric": "credits", "window": window, "cap": cap}]
            connection.execute(
                "INSERT INTO aikit.policies SELECT %s, %s, %s, true, policy_version + 1 FROM aikit.state",
                (name, tenant, json.dumps(body)),
            )
            connection.execute("UPDATE aikit.state SET policy_version = policy_version + 1")

    def policy(self, text: str) -> None:
        """Apply a policies.toml."""
        from aikit.ledger.policies import apply
        from aikit.policy.file import read_policies

        database = Database(self.dsn, False, "test")
        apply(database, read_policies(text, where="policies.toml", nano_per_credit=100_000), who="test")

    def entries(self) -> list[dict[str, Any]]:
        """Every line of the ledger, oldest first."""
        return self.rows("SELECT * FROM aikit.entries ORDER BY admitted_at, attempt, seq")

    def entry(self) -> dict[str, Any]:
        """The only line of the ledger."""
        (entry,) = self.entries()
        return entry

    def refusals(self) -> list[dict[str, Any]]:
        return self.rows("SELECT * FROM aikit.refusals ORDER BY refused_at, attempt")

    def holds(self) -> int:
        (row,) = self.rows("SELECT count(*) AS n FROM aikit.holds")
        return int(row["n"])

    def wait_until_settled(self, entries: int = 1, seconds: float = 60) -> None:
        """Wait until that many attempts have ended and none is under way: streams that were left end on their own."""
        deadline = time.monotonic() + seconds
        while len(self.entries()) < entries or self.holds():
            assert time.monotonic() < deadline, f"{len(self.entries())} of {entries} ended, {self.holds()} held"
            time.sleep(0.01)

    def used(self, tenant: str = TENANT) -> dict[str, int]:
        """What each of the tenant's counters says is used, by window."""
        found = self.rows('SELECT "window", used FROM aikit.counts WHERE tenant = %s', tenant)
        return {row["window"]: row["used"] for row in found}

    def assert_balanced(self) -> None:
        """Nothing is pending; entries, counters and rollups agree, by the code under test and by a sum of our own."""
        assert self.rows("SELECT tenant, attempt FROM aikit.holds") == []
        assert verify(Database(self.dsn, False, "test")).findings == []
        (sums,) = self.rows(
            """SELECT (SELECT coalesce(sum(nano), 0)::bigint FROM aikit.entries) AS entries,
                      (SELECT coalesce(sum(nano), 0)::bigint FROM aikit.rollups) AS rollups,
                      (SELECT coalesce(sum(used), 0)::bigint FROM aikit.counts WHERE "window" = 'month') AS counters,
                      (SELECT coalesce(sum(held), 0)::bigint FROM aikit.counts) AS held"""
        )
        assert sums == {"entries": sums["entries"], "rollups": sums["entries"], "counters": sums["entries"], "held": 0}


def tokens(entry: Mapping[str, Any]) -> dict[str, int]:
    """The token classes of an entry that are not zero."""
    return {name: entry[name] for name in TOKEN_CLASSES if entry[name]}


def write_config(folder: Path, simulator_url: str, dsn: str, more: str = "") -> Path:
    """An aikit.toml that sends all three providers to the simulator."""
    file = folder / "aikit.toml"
    file.write_text(
        f"""
        [database]
        url = "{dsn}"
        data_dir = "{folder / "data"}"
        [providers.openai]
        base_url = "{simulator_url}/v1"
        [providers.anthropic]
        base_url = "{simulator_url}"
        [providers.gemini]
        base_url = "{simulator_url}"
        {more}
        """
    )
    return file


def settings_for(folder: Path, simulator: Simulator, dsn: str, more: str = "") -> Settings:
    """Those settings, with a key for each provider and nothing from the environment."""
    return load(write_config(folder, simulator.url, dsn, more), KEYS)


@pytest.fixture
def books(postgres_server: str, ledger_template: str) -> Iterator[Books]:
    """A fresh ledger in which `acme` may spend a million dollars a month."""
    dsn = create_database(postgres_server, ledger_template)
    books = Books(dsn)
    books.limit()
    yield books
    drop_database(dsn)


@pytest.fixture
def settings(tmp_path: Path, simulator: Simulator, books: Books) -> Settings:
    return settings_for(tmp_path, simulator, books.dsn)


@pytest.fixture
def kit(settings: Settings) -> Iterator[AIKit]:
    from aikit.kit import AIKit

    with AIKit.open(settings) as kit:
        yield kit


@pytest_asyncio.fixture
async def async_kit(settings: Settings) -> AsyncIterator[AsyncAIKit]:
    from aikit.async_kit import AsyncAIKit

    async with await asyncio.to_thread(AsyncAIKit.open, settings) as kit:
        yield kit
