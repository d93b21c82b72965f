"""One connection for all ticks; a server that is gone, hangs or is slow is told in words, and read again later."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest
from psycopg.conninfo import make_conninfo

from aikit.console.model import Overview, Period, Query, Tab
from aikit.console.reader import Reader
from aikit.database.connect import Database
from aikit.errors import DatabaseError, DatabaseUnavailable, SchemaBehind
from aikit.ledger.tenants import add_tenant
from support.ledger import Till, rows, tell
from support.proxy import Proxy
from support.reads import overview, reader_on

SECRET = "hunter2-is-secret"
CONNECTED = "SELECT pid FROM pg_stat_activity WHERE application_name = 'aikit top' AND datname = current_database()"


@pytest.fixture
def proxy(ledger: Database) -> Iterator[Proxy]:
    with Proxy(make_conninfo(ledger.conninfo, password=SECRET)) as proxy:
        yield proxy


@pytest.fixture
def reader(proxy: Proxy) -> Iterator[Reader]:
    with reader_on(Database(proxy.dsn, False, "test")) as reader:
        yield reader


def test_all_tabs_are_read_on_one_connection_that_is_kept(ledger: Database, reader: Reader) -> None:
    found = set()
    for tab in Tab:
        for period in Period:
            reader.read(Query(tab, period))
            found.add(tuple(rows(ledger, CONNECTED)))
    assert len(found) == 1
    assert len(found.pop()) == 1
    reader.close()
    deadline = time.monotonic() + 5
    while rows(ledger, CONNECTED) and time.monotonic() < deadline:
        time.sleep(0.01)
    assert rows(ledger, CONNECTED) == []


def test_nothing_can_be_written_and_a_tick_leaves_no_transaction_open(ledger: Database, reader: Reader) -> None:
    reader.read(Query())
    states = rows(ledger, CONNECTED.replace("pid", "state"))
    assert states == [("idle",)]
    with pytest.raises(DatabaseError, match="read-only"), reader.line.tick() as tick:
        tick.connection.exec_driver_sql("DELETE FROM aikit.holds")
    assert reader.read(Query()).header.in_flight == 0


def test_a_server_that_is_gone_is_told_without_the_password_and_read_again_when_it_is_back(
    ledger: Database, till: Till, proxy: Proxy, reader: Reader
) -> None:
    add_tenant(ledger, "acme", uncapped=True)
    till.spend("acme")
    till.flush()
    before = overview(reader).rows
    for _ in range(2):
        proxy.cut()
        with pytest.raises(DatabaseUnavailable) as told:
            reader.read(Query())
        assert SECRET not in f"{told.value} {told.value.facts} {told.value.remedy}"
        proxy.restore()
        assert overview(reader).rows == before


def test_a_connection_that_was_lost_between_two_ticks_is_made_anew_at_once(ledger: Database, reader: Reader) -> None:
    reader.read(Query())
    rows(ledger, f"SELECT pg_terminate_backend(pid) FROM ({CONNECTED}) x")
    assert isinstance(reader.read(Query()).page, Overview)


def test_a_server_that_hangs_is_hung_up_on_after_a_few_seconds(proxy: Proxy, reader: Reader) -> None:
    reader.read(Query())
    proxy.stall()
    began = time.monotonic()
    with pytest.raises(DatabaseUnavailable, match="has not answered for 4 s"):
        reader.read(Query())
    with pytest.raises(DatabaseUnavailable):
        reader.read(Query())
    assert time.monotonic() - began < 12
    proxy.restore()
    reader.read(Query())


def test_a_statement_that_takes_too_long_is_given_up_and_said_so(ledger: Database, reader: Reader) -> None:
    reader.read(Query())
    with ledger.connect(role="test") as connection, connection.transaction():
        connection.execute("LOCK TABLE aikit.holds IN ACCESS EXCLUSIVE MODE")
        began = time.monotonic()
        with pytest.raises(DatabaseError, match="did not answer a question within 2 s") as told:
            reader.read(Query())
        assert not isinstance(told.value, DatabaseUnavailable)
        assert told.value.retryable
        assert 1.5 < time.monotonic() - began < 6
    assert reader.read(Query()).header.in_flight == 0


def test_a_database_without_our_schema_is_told_as_such(database: str) -> None:
    with reader_on(Database(database, False, "test")) as reader, pytest.raises(SchemaBehind):
        reader.read(Query())


def test_an_older_schema_is_told_as_such(ledger: Database) -> None:
    tell(ledger, "ALTER TABLE aikit.holds DROP COLUMN nano CASCADE")
    with reader_on(ledger) as reader, pytest.raises(SchemaBehind):
        reader.read(Query())
