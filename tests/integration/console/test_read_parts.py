"""What is read bit by bit, over ticks or in parts, comes to the same, and says how far it is."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from aikit.console.model import Overview, Period, Query, Tab
from aikit.console.reading import caps, line
from aikit.console.reading.clock import Clock
from aikit.console.reading.line import Line
from aikit.console.reading.sweep import Spec, Sweep
from aikit.database.connect import Database
from aikit.ledger.tenants import add_tenant, set_limit
from aikit.policy.model import StatedLimit
from aikit.types import Metric, Window
from support.clock import set_clock
from support.ledger import MINI, SOME, Till
from support.months import spend_in
from support.reads import live_through, reader_on, whole

COST = MINI.cost(SOME)
BY = ("tenant", "feature", "provider", "model")


@pytest.fixture
def no_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each tick does the least of everything."""
    monkeypatch.setattr(line, "FILLED", 0.0)


@pytest.fixture
def many(ledger: Database, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Tenants with a cap of their own each, of which few are looked at in a tick."""
    monkeypatch.setattr(caps, "PART", 3)
    monkeypatch.setattr(caps, "FEW", 2)
    names = [f"tenant-{i}" for i in range(10)]
    for place, name in enumerate(names, 1):
        add_tenant(ledger, name)
        set_limit(ledger, name, StatedLimit(Metric.CREDITS, Window.DAY, place * 1000 * COST))
    return names


def test_the_caps_of_many_tenants_are_read_part_by_part_and_until_then_there_is_no_budget(
    ledger: Database, till: Till, many: list[str], no_time: None
) -> None:
    till.spend("tenant-3")
    till.flush()
    with reader_on(ledger) as reader:
        shares = []
        for _ in range(12):
            header = reader.read(Query(Tab.CALLS)).header
            shares.append(header.caps_read)
            assert (header.budget is None) == (header.caps_read < 1)
            if header.budget is not None:
                break
        assert shares[0] < shares[1] < shares[-1] == 1
        assert shares == sorted(shares)
        assert header.budget is not None
        assert (header.budget.tenants, header.budget.cap) == (10, 55_000 * COST)
        assert header.budget.spent == COST


def test_a_cap_that_is_changed_is_resolved_alone_and_the_others_still_stand(
    ledger: Database, till: Till, many: list[str]
) -> None:
    with reader_on(ledger) as reader:
        before = whole(reader, Query(Tab.CALLS)).header.budget
        set_limit(ledger, "tenant-0", StatedLimit(Metric.CREDITS, Window.DAY, 7 * COST))
        add_tenant(ledger, "late", uncapped=True)
        after = reader.read(Query(Tab.CALLS)).header
        assert before is not None and after.budget is not None
        assert after.caps_read == 1, "two tenants are read in one tick, ten are not"
        assert after.budget.cap == before.cap - 993 * COST


def test_with_no_time_left_all_is_read_in_the_end_and_comes_to_the_same(
    ledger: Database, till: Till, monkeypatch: pytest.MonkeyPatch
) -> None:
    for tenant in ("acme", "Globex", "umbrella"):
        add_tenant(ledger, tenant, uncapped=True)
    live_through(till)
    with reader_on(ledger) as reader:
        expected = whole(reader, Query(period=Period.MONTH))
    monkeypatch.setattr(line, "FILLED", 0.0)
    with reader_on(ledger) as reader:
        found = whole(reader, Query(period=Period.MONTH))
    assert isinstance(found.page, Overview) and isinstance(expected.page, Overview)
    assert [row.calls for row in found.page.rows] == [row.calls for row in expected.page.rows]
    assert found.page.plot == expected.page.plot
    assert found.header == replace(expected.header, rate=found.header.rate)  # the time goes on in between
    assert found.header.rate > 0


@pytest.mark.parametrize(("size", "parts"), [(1, 1), (1, 4), (24, 1), (24, 3), (7, 40), (1024, 1)])
def test_in_whatever_slices_the_rollups_are_read_the_sums_are_the_same(
    ledger: Database, tmp_path: Path, size: int, parts: int
) -> None:
    for tenant in ("acme", "Globex"):
        add_tenant(ledger, tenant, uncapped=True)
    noon = datetime.now(UTC).replace(hour=12, minute=0, second=0, microsecond=0)
    spend_in(ledger, tmp_path, noon - timedelta(hours=26), refused=0, tenant="Globex")
    spend_in(ledger, tmp_path, *[noon - timedelta(hours=hours) for hours in (49, 30, 26, 3, 2, 1)], refused=1)
    set_clock(ledger, noon)
    since = noon - timedelta(hours=60)
    link = Line(ledger)
    try:
        with link.tick() as tick:
            sweeps = [Sweep(Spec(BY), since, noon, noon, by_hour=False) for _ in range(2)]
            sweeps[1]._size, sweeps[1]._parts = size, parts
            for sweep in sweeps:
                shares = [sweep.read]
                while not sweep.complete:
                    sweep.go_on(tick.connection, Clock(0))
                    shares.append(sweep.read)
                assert shares == sorted(set(shares)) and (shares[0], shares[-1]) == (0, 1)
    finally:
        link.close()
    one, other = sweeps
    assert one.groups == other.groups and len(one.groups) == 3
    assert one.hours == other.hours and len(one.hours) == 6


def test_the_parts_of_a_clock_end_with_it() -> None:
    whole_time = Clock(0.0)
    assert whole_time.part(10).left <= 0
    assert Clock(10).part(5).left == pytest.approx(5, abs=0.5)
