"""Tenants and limits: what can be set, when it applies, and where each limit stands."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest

from aikit.database.connect import Database
from aikit.errors import ConfigError, Exit
from aikit.ledger.tenants import LimitRow, add_tenant, list_limits, list_tenants, remove_limit, set_limit
from aikit.ledger.verify import verify
from aikit.money import MAX_NANO
from aikit.types import Metric, Window
from support.ledger import BOUND, MINI, SOME, Till, rows

CREDITS = Metric.CREDITS
COST = MINI.cost(SOME)


def limit(ledger: Database, window: Window = Window.MONTH, tenant: str = "acme") -> LimitRow:
    (found,) = [row for row in list_limits(ledger, tenant) if row.window is window]
    return found


def standing(row: LimitRow) -> tuple[int, int, int]:
    return row.used, row.held, row.remaining


def test_a_tenant_is_added_once_and_then_stays_as_it_is(ledger: Database) -> None:
    assert add_tenant(ledger, "acme")
    assert not add_tenant(ledger, "acme", uncapped=True)
    (row,) = list_tenants(ledger)
    assert (row.tenant, row.uncapped, row.limits, row.nano_today) == ("acme", False, 0, 0)
    assert abs(row.created_at - datetime.now(UTC)) < timedelta(minutes=1)


@pytest.mark.parametrize("name", ["", " ", "x" * 201, "a\0b", "a\nb"])
def test_a_name_that_cant_be_a_tag_is_refused_in_words(ledger: Database, name: str) -> None:
    with pytest.raises(ConfigError, match=r"The tenant (is empty|has)") as caught:
        add_tenant(ledger, name)
    assert caught.value.exit == Exit.USAGE
    assert caught.value.remedy


def test_an_unknown_tenant_is_known_to_running_processes_as_soon_as_it_is_added(ledger: Database, till: Till) -> None:
    assert till.ask("acme").reason_code == "TENANT_UNKNOWN"
    add_tenant(ledger, "acme")
    assert till.ask("acme").reason_code == "NO_POLICY"
    set_limit(ledger, "acme", CREDITS, Window.MONTH, BOUND)
    assert till.ask("acme").allowed


def test_a_lowered_cap_applies_to_the_next_call_of_every_process(
    ledger: Database, open_till: Callable[[], Till]
) -> None:
    one, other = open_till(), open_till()
    add_tenant(ledger, "acme")
    assert set_limit(ledger, "acme", CREDITS, Window.DAY, 100 * BOUND) is None
    one.spend(), other.spend()
    assert set_limit(ledger, "acme", CREDITS, Window.DAY, 0) == 100 * BOUND
    assert [one.ask().reason_code, other.ask().reason_code] == ["DAILY_BUDGET_EXCEEDED"] * 2


def test_tenants_are_listed_with_what_they_spent_today(ledger: Database, till: Till) -> None:
    for name in ("b", "a"):
        add_tenant(ledger, name, uncapped=True)
    set_limit(ledger, "b", CREDITS, Window.MONTH, 10 * BOUND)
    set_limit(ledger, "b", CREDITS, Window.CALL, BOUND)
    till.spend("b"), till.spend("b")
    till.flush()
    assert [(row.tenant, row.uncapped, row.limits, row.nano_today) for row in list_tenants(ledger)] == [
        ("a", True, 0, 0),
        ("b", True, 2, 2 * COST),
    ]


def test_limits_show_what_is_used_held_and_left_in_their_current_window(ledger: Database, till: Till) -> None:
    add_tenant(ledger, "acme")
    for window in (Window.TOTAL, Window.MONTH, Window.DAY, Window.CALL):
        set_limit(ledger, "acme", CREDITS, window, 5 * BOUND)
    till.spend()
    till.admit()
    till.flush()
    found = list_limits(ledger, "acme")
    assert [row.window for row in found] == [Window.CALL, Window.DAY, Window.MONTH, Window.TOTAL]
    assert standing(found[0]) == (0, 0, 5 * BOUND)
    assert {standing(row) for row in found[1:]} == {(COST, BOUND, 4 * BOUND - COST)}
    now = datetime.now(UTC)
    tomorrow = now.replace(hour=0, minute=0, second=0, microsecond=0) + timedelta(days=1)
    assert [row.resets_at is None for row in found] == [True, False, False, True]
    assert found[1].resets_at == tomorrow
    assert found[2].resets_at == (now.replace(day=1) + timedelta(days=32)).replace(
        day=1, hour=0, minute=0, second=0, microsecond=0
    )


def test_a_limit_that_no_call_has_met_yet_shows_what_its_counter_will_be_opened_with(
    ledger: Database, till: Till
) -> None:
    add_tenant(ledger, "acme", uncapped=True)
    till.spend(), till.spend()
    running = till.admit()
    till.flush()
    set_limit(ledger, "acme", CREDITS, Window.WEEK, 9 * BOUND)
    assert rows(ledger, "SELECT count(*) FROM aikit.counters") == [(0,)]
    before = limit(ledger, Window.WEEK)
    assert standing(before) == (2 * COST, BOUND, 8 * BOUND - 2 * COST)
    till.void(till.admit())
    till.flush()
    assert rows(ledger, "SELECT used, held FROM aikit.counters") == [(2 * COST, BOUND)]
    assert limit(ledger, Window.WEEK) == before
    till.settle(running)
    till.flush()
    assert standing(limit(ledger, Window.WEEK)) == (3 * COST, 0, 9 * BOUND - 3 * COST)
    assert verify(ledger).ok


def test_a_cap_below_what_is_spent_leaves_nothing_rather_than_less(ledger: Database, till: Till) -> None:
    add_tenant(ledger, "acme")
    set_limit(ledger, "acme", CREDITS, Window.MONTH, 2 * BOUND)
    till.spend()
    till.flush()
    set_limit(ledger, "acme", CREDITS, Window.MONTH, 1)
    assert standing(limit(ledger)) == (COST, 0, 0)


def test_limits_of_all_tenants_are_listed_by_name(ledger: Database) -> None:
    for name in ("b", "a"):
        add_tenant(ledger, name)
        set_limit(ledger, name, CREDITS, Window.MONTH, 1)
    assert [row.tenant for row in list_limits(ledger)] == ["a", "b"]
    assert list_limits(ledger, "nobody") == []


def test_a_removed_limit_no_longer_counts_and_its_counters_are_gone(ledger: Database, till: Till) -> None:
    add_tenant(ledger, "acme")
    set_limit(ledger, "acme", CREDITS, Window.DAY, COST)
    set_limit(ledger, "acme", CREDITS, Window.MONTH, 9 * BOUND)
    assert not till.ask().allowed
    assert remove_limit(ledger, "acme", CREDITS, Window.DAY)
    assert not remove_limit(ledger, "acme", CREDITS, Window.DAY)
    assert rows(ledger, 'SELECT DISTINCT "window" FROM aikit.counters') in ([], [("month",)])
    assert till.ask().allowed


def test_a_limit_that_comes_back_counts_what_was_spent_and_held_meanwhile(ledger: Database, till: Till) -> None:
    add_tenant(ledger, "acme", uncapped=True)
    set_limit(ledger, "acme", CREDITS, Window.MONTH, 9 * BOUND)
    first = till.admit()
    assert remove_limit(ledger, "acme", CREDITS, Window.MONTH)
    till.spend()
    till.flush()
    second = till.admit()
    assert verify(ledger).ok
    set_limit(ledger, "acme", CREDITS, Window.MONTH, 9 * BOUND)
    assert standing(limit(ledger)) == (COST, 2 * BOUND, 7 * BOUND - COST)
    till.void(till.admit())
    till.flush()
    assert standing(limit(ledger)) == (COST, 2 * BOUND, 7 * BOUND - COST)
    till.settle(first), till.settle(second)
    till.flush()
    assert rows(ledger, "SELECT used, held FROM aikit.counters") == [(3 * COST, 0)]
    assert verify(ledger).ok


def test_an_attempt_that_outlives_its_limit_is_settled_all_the_same(ledger: Database, till: Till) -> None:
    add_tenant(ledger, "acme", uncapped=True)
    set_limit(ledger, "acme", CREDITS, Window.MONTH, 9 * BOUND)
    hold = till.admit()
    remove_limit(ledger, "acme", CREDITS, Window.MONTH)
    till.settle(hold)
    till.flush()
    assert rows(ledger, "SELECT nano FROM aikit.entries") == [(COST,)]
    assert verify(ledger).ok


def test_a_limit_for_an_unknown_tenant_says_how_to_add_it(ledger: Database) -> None:
    with pytest.raises(ConfigError, match="'nobody' is not known") as caught:
        set_limit(ledger, "nobody", CREDITS, Window.MONTH, 1)
    assert (caught.value.code, caught.value.remedy) == ("TENANT_UNKNOWN", "Add it: aikit tenant add nobody")


@pytest.mark.parametrize("metric", [Metric.TOKENS, Metric.REQUESTS, Metric.CONCURRENCY])
def test_limits_on_other_metrics_cant_be_set_yet(ledger: Database, metric: Metric) -> None:
    add_tenant(ledger, "acme")
    with pytest.raises(ConfigError, match="can't be set yet"):
        set_limit(ledger, "acme", metric, Window.MONTH, 1)


@pytest.mark.parametrize("window", [Window.MINUTE, Window.HOUR])
def test_limits_on_sliding_windows_cant_be_set_yet(ledger: Database, window: Window) -> None:
    add_tenant(ledger, "acme")
    with pytest.raises(ConfigError, match="can't be set yet"):
        set_limit(ledger, "acme", CREDITS, window, 1)


@pytest.mark.parametrize("cap", [-1, MAX_NANO + 1])
def test_a_cap_out_of_range_is_refused(ledger: Database, cap: int) -> None:
    add_tenant(ledger, "acme")
    with pytest.raises(ConfigError, match="out of range"):
        set_limit(ledger, "acme", CREDITS, Window.MONTH, cap)
    assert list_limits(ledger) == []
