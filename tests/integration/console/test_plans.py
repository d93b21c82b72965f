"""Every read of the console, and of what Enter opens, has a way through an index to what it reads of the ledger, at a
size where plans matter.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from aikit.console.details import Details
from aikit.console.details.limit import limit_key
from aikit.console.details.overview import overview_key
from aikit.console.model import Tab
from aikit.console.reading.line import SETTINGS
from aikit.database.connect import Database
from aikit.ledger.audit import list_audit, verify_audit
from aikit.ledger.breakers import list_breakers
from aikit.ledger.calls import list_calls
from aikit.ledger.limits import list_limits
from aikit.ledger.prompts import list_published
from aikit.ledger.verify import verify
from bench.console_plans import Asked, explain, statements, whole_reads
from bench.console_ticks import CASES, MOST_TICKS, opened, tick
from bench.seeding import fill
from support.postgres import create_database, drop_database
from support.snapshots import overview, overview_row, snapshot

ENTRIES = 30_000


@pytest.fixture(scope="module")
def seeded(postgres_server: str) -> Iterator[Database]:
    """Five weeks of the calls of 2,000 tenants. Nothing is written to it."""
    dsn = create_database(postgres_server)
    database = Database(dsn, False, "test")
    fill(database, ENTRIES, tell=False)
    yield database
    drop_database(dsn)


def test_the_books_of_the_seeded_ledger_agree(seeded: Database) -> None:
    found = verify(seeded)
    assert found.findings == []
    assert found.entries == ENTRIES
    assert found.rollups > 2_000 and found.refusals > 200 and found.presumed > 20 and found.counters > 10_000
    assert verify_audit(seeded).ok


def test_no_read_of_the_console_goes_through_a_whole_table_of_the_ledger(seeded: Database) -> None:
    asked: dict[str, Asked] = {}
    for case in CASES:
        reader = opened(seeded)
        try:
            with statements(case.name, asked):
                assert any(tick(reader, case.query).read == 1 for _ in range(MOST_TICKS)), case.name
        finally:
            reader.close()
    without = {**SETTINGS, "statement_timeout": "0", "enable_seqscan": "off"}
    explained = explain(seeded, list(asked.values()), without)
    assert len(explained) > 10
    whole = {
        one.asked.statement: tables
        for one in explained
        if (tables := whole_reads(one.plan, lambda table: table != "holds"))
    }
    assert whole == {}


def test_a_whole_table_of_the_ledger_is_recognised(seeded: Database) -> None:
    statement = "SELECT count(*) FROM aikit.entries WHERE status = 429"
    (explained,) = explain(seeded, [Asked("none", statement, None)], SETTINGS)
    assert (
        set(explained.read_whole) == {table for table in explained.read_whole if table.startswith("entries_2")} != set()
    )


def keys(seeded: Database) -> Iterator[tuple[Tab, str]]:
    """A row of each tab that there is one of."""
    calls = list_calls(seeded, limit=200)
    settled = next(call for call in calls if call.state == "settled")
    yield Tab.CALLS, str(settled.attempt)
    refused = next((call for call in calls if call.state == "refused"), None)
    if refused is not None:
        yield Tab.CALLS, str(refused.attempt)
    yield (
        Tab.OVERVIEW,
        overview_key(overview_row(settled.tenant, settled.feature or "", settled.provider, settled.model)),
    )
    yield Tab.LIMITS, limit_key(list_limits(seeded, settled.tenant)[0])
    for breaker in list_breakers(seeded)[:1]:
        yield Tab.BREAKERS, breaker.breaker.name
    for published in list_published(seeded)[:1]:
        yield Tab.PROMPTS, f"{published.name}@v{published.version}"
    for row in list_audit(seeded, limit=1):
        yield Tab.AUDIT, str(row.seq)


def test_no_page_goes_through_a_whole_table_of_the_ledger(seeded: Database) -> None:
    details, asked = Details(seeded, nano_per_credit=100_000), dict[str, Asked]()
    now = datetime.now(UTC)
    tabs = set()
    for tab, key in keys(seeded):
        seen = snapshot(tab, at=now)
        if tab is Tab.OVERVIEW:
            seen = replace(seen, page=replace(overview(), since=now - timedelta(days=40)))
        with statements(tab, asked):
            assert details.page(tab, key, seen).sections
        tabs.add(tab)
    assert tabs >= {Tab.CALLS, Tab.OVERVIEW, Tab.LIMITS, Tab.AUDIT}
    without = {**SETTINGS, "statement_timeout": "0", "enable_seqscan": "off"}
    explained = explain(seeded, list(asked.values()), without)
    assert len(explained) > 15
    whole = {
        one.asked.statement: tables
        for one in explained
        if (tables := whole_reads(one.plan, lambda table: table != "holds"))
    }
    assert whole == {}
