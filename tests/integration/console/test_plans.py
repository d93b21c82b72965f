"""Every read of the console has a way through an index to what it reads of the ledger, at a size where plans matter."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from aikit.console.reading.line import SETTINGS
from aikit.database.connect import Database
from aikit.ledger.audit import verify_audit
from aikit.ledger.verify import verify
from bench.console_plans import Asked, explain, statements, whole_reads
from bench.console_ticks import CASES, MOST_TICKS, opened, tick
from bench.seeding import fill
from support.postgres import create_database, drop_database

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
