"""The header and the overview are the sums of the ledger, whatever is asked for and whenever."""

from __future__ import annotations

import threading
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path

import pytest

from aikit.console.filtering import parse
from aikit.console.model import Overview, Period, Query, Tab
from aikit.corrections import correct
from aikit.database.connect import Database
from aikit.ledger.tenants import add_tenant, set_limit
from aikit.policy.model import StatedLimit
from aikit.types import Metric, Window
from support.clock import set_clock
from support.ledger import MINI, SOME, Till, rows
from support.months import spend_in
from support.reads import TENANTS, added_up, live_through, overview, reader_on, sums_of, whole

COST = MINI.cost(SOME)


@pytest.fixture(autouse=True)
def tenants(ledger: Database) -> None:
    for tenant in TENANTS:
        add_tenant(ledger, tenant, uncapped=True)


@pytest.mark.parametrize("period", list(Period))
def test_the_overview_comes_to_what_the_entries_and_refusals_come_to(
    ledger: Database, till: Till, period: Period
) -> None:
    live_through(till)
    with reader_on(ledger) as reader:
        page = overview(reader, period=period)
        assert sums_of(page) == added_up(ledger)
        assert page.total == len(page.rows)
        assert [row.nano or 0 for row in page.rows] == sorted([row.nano or 0 for row in page.rows], reverse=True)


@pytest.mark.parametrize(
    "text",
    [
        "tenant:ACME",
        "!tenant:acme",
        "model:gpt tenant:globex",
        "claude",
        "!claude !search",
        "feature:chat",
        "!feature:chat",
        "user:bob",
        "!user:bob",
        "user:ann provider:openai",
        "environment:prod",
        "environment:staging",
        "prompt:summarize",
        "status:ok",
        "!status:ok",
    ],
)
def test_the_filter_picks_the_same_from_the_sums_as_from_the_attempts(ledger: Database, till: Till, text: str) -> None:
    live_through(till)
    with reader_on(ledger) as reader:
        overview(reader)
        page = overview(reader, text)
        expected = added_up(ledger, parse(text))
        assert sums_of(page) == expected
        assert sum(point.nano or 0 for point in page.plot.points) == sum(counts[6] for counts in expected.values())
        header = reader.read(Query(filter=parse(text))).header
        known = expected if "status" not in text else added_up(ledger)
        assert header.spent == sum(counts[6] for counts in known.values())


@pytest.mark.parametrize("period", list(Period))
def test_the_plot_shows_all_that_the_overview_shows(ledger: Database, till: Till, period: Period) -> None:
    live_through(till)
    with reader_on(ledger) as reader:
        page = overview(reader, period=period)
        points = page.plot.points
        assert sum(point.nano or 0 for point in points) == sum(row.nano or 0 for row in page.rows) > 0
        assert sum(point.calls or 0 for point in points) == sum(row.calls for row in page.rows)
        assert sum(point.refused or 0 for point in points) == sum(row.refused for row in page.rows)
        assert all(point.calls is not None for point in points)
        assert {b.at - a.at for a, b in pairwise(points)} <= {timedelta(seconds=page.plot.step)}


def test_the_header_counts_today_and_what_is_in_flight(ledger: Database, till: Till) -> None:
    live_through(till)
    held = [till.admit("acme", 700), till.admit("acme", 800, user="ann")]
    till.flush()
    with reader_on(ledger, environment="prod") as reader:
        header = whole(reader, Query(Tab.CALLS)).header
        calls, refused, failed, _, _, _, nano, estimated, unpriced = map(
            sum, zip(*added_up(ledger).values(), strict=True)
        )
        assert (header.calls, header.refused, header.failed) == (calls, refused, failed)
        assert (header.spent, header.estimated, header.unpriced) == (nano, estimated, unpriced)
        assert (header.in_flight, header.held, header.environment) == (2, 1500, "prod")
        assert reader.read(Query(filter=parse("user:ann"))).header.held == 800
    for hold in held:
        till.void(hold)


def test_the_budget_is_the_sum_of_the_caps_and_says_which_is_reached_first(ledger: Database, till: Till) -> None:
    for tenant, cap in (("acme", 100 * COST), ("Globex", 1000 * COST)):
        set_limit(ledger, tenant, StatedLimit(Metric.CREDITS, Window.DAY, cap, soft_cap=cap // 2))
    for tenant in TENANTS:
        for _ in range(5):
            till.spend(tenant)
    till.flush()
    with reader_on(ledger) as reader:
        budget = whole(reader, Query()).header.budget
        assert budget is not None
        assert (budget.window, budget.tenants, budget.uncapped) == ("day", 2, 1)
        assert (budget.spent, budget.cap, budget.soft_cap) == (10 * COST, 1100 * COST, 550 * COST)
        alone = reader.read(Query(filter=parse("tenant:globex"))).header.budget
        assert alone is not None
        assert (alone.spent, alone.cap, alone.tenants) == (5 * COST, 1000 * COST, 1)
        assert reader.read(Query(filter=parse("tenant:umbrella"))).header.budget is None


def test_a_cap_on_the_month_is_shown_where_no_day_is_capped_and_counts_before_its_first_call(
    ledger: Database, till: Till
) -> None:
    till.spend("acme")
    till.flush()
    set_limit(ledger, "acme", StatedLimit(Metric.CREDITS, Window.MONTH, 4 * COST))
    with reader_on(ledger) as reader:
        snapshot = whole(reader, Query())
        budget = snapshot.header.budget
        assert budget is not None
        assert (budget.window, budget.spent, budget.cap, budget.soft_cap) == ("month", COST, 4 * COST, None)
        assert isinstance(snapshot.page, Overview)
        (row,) = snapshot.page.rows
        assert (row.share, row.share_of) == (budget.share, "month")
        assert (row.p50_ms, row.p95_ms) == (5, 5)


def test_a_cap_is_reached_when_it_is_spent_at_the_rate_of_this_hour(ledger: Database, tmp_path: Path) -> None:
    noon = datetime.now(UTC).replace(hour=12, minute=0, second=0, microsecond=0)
    set_limit(ledger, "acme", StatedLimit(Metric.CREDITS, Window.DAY, 4 * COST))
    spend_in(ledger, tmp_path, noon, noon + timedelta(minutes=20), refused=0)
    set_clock(ledger, noon + timedelta(minutes=30))
    with reader_on(ledger) as reader:
        header = whole(reader, Query()).header
        assert header.budget is not None and header.budget.reached_at is not None and header.rate is not None
        assert header.budget.by == "acme"
        assert header.rate == pytest.approx(4 * COST, rel=0.01)
        assert abs(header.budget.reached_at - noon - timedelta(hours=1)) < timedelta(minutes=1)


def test_in_the_first_minutes_of_an_hour_the_rate_still_counts_the_hour_before(
    ledger: Database, tmp_path: Path
) -> None:
    noon = datetime.now(UTC).replace(hour=12, minute=0, second=0, microsecond=0)
    spend_in(ledger, tmp_path, noon - timedelta(minutes=30), refused=0)
    set_clock(ledger, noon + timedelta(minutes=6))
    with reader_on(ledger) as reader:
        assert whole(reader, Query()).header.rate == pytest.approx(COST * 0.9, rel=0.01)


def test_at_midnight_today_begins_anew_and_yesterday_stays_in_the_last_day(ledger: Database, tmp_path: Path) -> None:
    midnight = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    spend_in(ledger, tmp_path, midnight - timedelta(hours=2), midnight - timedelta(minutes=3), refused=0)
    with reader_on(ledger) as reader:
        set_clock(ledger, midnight - timedelta(minutes=2))
        assert whole(reader, Query()).header.spent == 2 * COST
        reader.close()
        set_clock(ledger, midnight + timedelta(minutes=1))
        snapshot = whole(reader, Query())
        assert (snapshot.header.spent, snapshot.header.calls) == (0, 0)
        assert isinstance(snapshot.page, Overview)
        assert (snapshot.page.rows, snapshot.page.since) == ((), midnight)
        assert [row.calls for row in overview(reader, period=Period.DAY).rows] == [2]
        assert [row.calls for row in overview(reader, period=Period.HOUR).rows] == [1]


def test_each_point_of_a_plot_has_what_began_within_its_step(ledger: Database, tmp_path: Path) -> None:
    noon = datetime.now(UTC).replace(hour=12, minute=0, second=0, microsecond=0)
    moments = [noon - timedelta(days=1), noon - timedelta(hours=3), noon - timedelta(minutes=30), noon]
    spend_in(ledger, tmp_path, *moments, refused=2)
    set_clock(ledger, noon + timedelta(minutes=20, seconds=30))
    with reader_on(ledger) as reader:
        shown = {}
        for period in (Period.HOUR, Period.TODAY, Period.WEEK):
            plot = overview(reader, period=period).plot
            shown[period] = {point.at: (point.nano, point.calls, point.refused) for point in plot.points if point.calls}
    one = (COST, 1, 2)
    minute = timedelta(minutes=1)
    assert shown[Period.HOUR] == {noon - 30 * minute: one, noon: one}
    assert shown[Period.TODAY] == {noon - timedelta(hours=3): one, noon - timedelta(hours=1): one, noon: one}
    day = noon.replace(hour=0)
    assert shown[Period.WEEK] == {day - timedelta(days=1): one, day: (3 * COST, 3, 6)}


def test_what_is_corrected_in_an_hour_that_is_over_is_seen_a_minute_later(ledger: Database, tmp_path: Path) -> None:
    noon = datetime.now(UTC).replace(hour=12, minute=0, second=0, microsecond=0)
    attempt, *_ = spend_in(ledger, tmp_path, noon - timedelta(hours=2), noon, refused=0)
    with reader_on(ledger) as reader:
        set_clock(ledger, noon + timedelta(minutes=20))
        assert whole(reader, Query()).header.spent == 2 * COST
        correct(ledger, attempt, nano=COST + 7, why="the bill says so")
        assert reader.read(Query()).header.spent == 2 * COST, "sums of hours that are over are kept"
        reader.close()
        set_clock(ledger, noon + timedelta(minutes=21, seconds=5))
        assert reader.read(Query()).header.spent == 2 * COST + 7


def test_a_correction_in_this_hour_is_seen_at_once(ledger: Database, till: Till) -> None:
    entry = till.spend("acme")
    till.flush()
    with reader_on(ledger) as reader:
        whole(reader, Query())
        correct(ledger, entry.hold.order.attempt, nano=1, why="the bill says so")
        snapshot = reader.read(Query())
        assert snapshot.header.spent == 1
        assert isinstance(snapshot.page, Overview)
        assert [row.nano for row in snapshot.page.rows] == [1]


def test_header_and_table_are_of_one_instant_while_four_threads_write(ledger: Database, till: Till) -> None:
    done = threading.Event()

    def write(seed: int) -> None:
        while not done.is_set():
            live_through(till, 10, seed)

    threads = [threading.Thread(target=write, args=(seed,)) for seed in range(4)]
    with reader_on(ledger) as reader:
        for thread in threads:
            thread.start()
        try:
            spent = -1
            for _ in range(25):
                snapshot = whole(reader, Query())
                page, header = snapshot.page, snapshot.header
                assert isinstance(page, Overview)
                assert header.spent == sum(row.nano or 0 for row in page.rows) >= spent
                assert header.calls == sum(row.calls for row in page.rows)
                assert header.refused == sum(row.refused for row in page.rows)
                assert header.spent == sum(point.nano or 0 for point in page.plot.points)
                spent = header.spent
        finally:
            done.set()
            for thread in threads:
                thread.join()
        till.flush()
        assert sums_of(overview(reader)) == added_up(ledger)
    assert rows(ledger, "SELECT count(*) FROM aikit.holds") == [(0,)]
