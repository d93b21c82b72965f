"""Whoever looks something up, or changes it, while the database goes away is told in words, and soon."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from threading import Timer

import pytest

from aikit.console import actions, bounded
from aikit.console.details import Details
from aikit.console.model import Tab
from aikit.console.row_keys import limit_key
from aikit.database.connect import Database
from aikit.errors import DatabaseError, DatabaseUnavailable
from aikit.ledger.breakers import get_breaker
from aikit.ledger.limits import LimitRow, list_limits
from aikit.ledger.locks import POSTING
from aikit.ledger.tenants import add_tenant, set_limit
from aikit.policy.model import StatedLimit
from aikit.types import Metric, Window
from support.ledger import tell
from support.proxy import Proxy
from support.snapshots import snapshot

Change = Callable[[Database], str]
HAIKU = ("anthropic", "haiku")


@pytest.fixture
def row(ledger: Database) -> LimitRow:
    add_tenant(ledger, "acme")
    set_limit(ledger, "acme", StatedLimit(Metric.CREDITS, Window.DAY, 1_000_000_000))
    (row,) = list_limits(ledger)
    return row


@pytest.fixture
def proxy(ledger: Database) -> Iterator[Proxy]:
    with Proxy(ledger.conninfo) as proxy:
        yield proxy


def behind(proxy: Proxy) -> Database:
    return Database(proxy.dsn, False, "test")


def changed(database: Database, row: LimitRow) -> str:
    return actions.change_limit(database, row, cap="2", soft_cap="", window="day", why="")


def opened(database: Database, row: LimitRow) -> str:
    details = Details(database, nano_per_credit=100_000)
    return details.page(Tab.LIMITS, limit_key(row), snapshot(Tab.LIMITS)).heading


def test_a_database_that_is_down_is_told_and_nothing_is_changed(ledger: Database, proxy: Proxy, row: LimitRow) -> None:
    proxy.cut()
    for attempt in (
        lambda: changed(behind(proxy), row),
        lambda: opened(behind(proxy), row),
        lambda: actions.move_breaker(behind(proxy), get_breaker(ledger, HAIKU), "trip", why=""),
        lambda: str(actions.rollback_target(behind(proxy), "summarize", "production")),
        lambda: actions.rollback_prompt(behind(proxy), "summarize", "production", why=""),
    ):
        with pytest.raises(DatabaseUnavailable) as told:
            attempt()
        assert told.value.remedy
    assert list_limits(ledger)[0].cap == row.cap


def test_a_connection_lost_in_the_middle_of_a_change_says_where_to_look_whether_it_was_done(
    ledger: Database, proxy: Proxy, row: LimitRow
) -> None:
    with ledger.connect(role="test") as holder, holder.transaction():
        holder.execute("SELECT pg_advisory_xact_lock(%s, %s)", POSTING)
        cutting = Timer(0.5, proxy.cut)
        cutting.start()
        with pytest.raises(DatabaseUnavailable) as told:
            changed(behind(proxy), row)
        cutting.join()
    assert told.value.remedy == bounded.REMEDY
    assert list_limits(ledger)[0].cap == row.cap


def test_a_database_that_hangs_is_hung_up_on(ledger: Database, proxy: Proxy, row: LimitRow) -> None:
    with ledger.connect(role="test") as holder, holder.transaction():
        holder.execute("SELECT pg_advisory_xact_lock(%s, %s)", POSTING)
        began = time.monotonic()
        with pytest.raises(DatabaseUnavailable), bounded.bounded(behind(proxy), 1.0) as books:
            set_limit(books, "acme", StatedLimit(Metric.CREDITS, Window.DAY, 5))
        assert time.monotonic() - began < 5
    assert list_limits(ledger)[0].cap == row.cap


def test_a_table_that_is_locked_does_not_hold_a_page_up_for_long(ledger: Database, row: LimitRow) -> None:
    with ledger.connect(role="test") as holder, holder.transaction():
        holder.execute("LOCK TABLE aikit.policies")
        began = time.monotonic()
        with pytest.raises(DatabaseError, match="did not answer a question within") as told:
            opened(ledger, row)
        assert time.monotonic() - began < 8
    assert told.value.remedy
    assert opened(ledger, row).startswith("acme: credits/day")


def test_a_schema_that_is_another_one_is_told(ledger: Database, row: LimitRow) -> None:
    tell(ledger, "ALTER TABLE aikit.audit RENAME TO elsewhere")
    with pytest.raises(DatabaseError) as looked:
        opened(ledger, row)
    with pytest.raises(DatabaseError, match="refused") as done:
        changed(ledger, row)
    assert looked.value.remedy and done.value.remedy
    assert list_limits(ledger)[0] == replace(row, resets_at=list_limits(ledger)[0].resets_at)
