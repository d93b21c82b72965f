"""Tenants and the limits of their own: what can be set, when it applies, and what is listed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from aikit.database.connect import Database
from aikit.errors import ConfigError, Exit
from aikit.ledger.audit import list_audit, verify_audit
from aikit.ledger.limits import LimitRow, list_limits
from aikit.ledger.policies import apply, put_policy, read_policies, remove_policy
from aikit.ledger.tenants import add_tenant, list_tenants, remove_limit, set_limit
from aikit.ledger.verify import verify
from aikit.money import MAX_NANO
from aikit.policy.model import AI_ACCESS, Policy, Scope, StatedLimit
from aikit.types import Action, Metric, Window
from support.ledger import BOUND, MINI, SOME, Till, rows

CREDITS = Metric.CREDITS
COST = MINI.cost(SOME)


def credits(window: Window, cap: int, **more: Any) -> StatedLimit:
    return StatedLimit(CREDITS, window, cap, **more)


def limit(ledger: Database, window: Window = Window.MONTH, tenant: str = "acme") -> LimitRow:
    (found,) = [row for row in list_limits(ledger, tenant) if row.window is window]
    return found


def own(ledger: Database, tenant: str = "acme") -> Policy:
    (policy,) = [s.policy for s in read_policies(ledger).policies if s.policy.name == f"tenant:{tenant}"]
    return policy


def standing(row: LimitRow) -> tuple[int | None, int | None, int | None]:
    return row.used, row.held, row.remaining


def test_a_tenant_is_added_once_and_then_stays_as_it_is(ledger: Database) -> None:
    assert add_tenant(ledger, "acme")
    version = read_policies(ledger).version
    assert not add_tenant(ledger, "acme", uncapped=True)
    (row,) = list_tenants(ledger)
    assert (row.tenant, row.plan, row.uncapped, row.limits, row.nano_today) == ("acme", None, False, 0, 0)
    assert abs(row.created_at - datetime.now(UTC)) < timedelta(minutes=1)
    assert rows(ledger, "SELECT since FROM aikit.tenants") == [(version,)]
    assert read_policies(ledger).version == version


def test_a_tenant_is_added_with_its_plan_and_without_a_cap_in_one_version(ledger: Database) -> None:
    put_policy(ledger, Policy("plan:pro", Scope(plan="pro"), entitlements=(AI_ACCESS,)))
    before = read_policies(ledger).version
    assert add_tenant(ledger, "acme", plan="pro", uncapped=True, who="alice", why="signed up")
    (row,) = list_tenants(ledger)
    assert (row.plan, row.uncapped) == ("pro", True)
    assert read_policies(ledger).version == before + 1
    changes = [audited for audited in list_audit(ledger) if audited.policy_version == before + 1]
    assert [audited.action for audited in reversed(changes)] == ["tenant.add", "plan.move", "policy.add"]
    assert {(audited.who, audited.why, audited.tenant) for audited in changes} == {("alice", "signed up", "acme")}


@pytest.mark.parametrize("name", ["", " ", "x" * 201, "a\0b", "a\nb"])
def test_a_name_that_cant_be_a_tag_is_refused_in_words(ledger: Database, name: str) -> None:
    with pytest.raises(ConfigError, match=r"The tenant (is empty|has)") as caught:
        add_tenant(ledger, name)
    assert caught.value.exit == Exit.USAGE
    assert caught.value.remedy


@pytest.mark.parametrize(
    "name", ["Zürich 🏦", "a/b:c=d", "x'; DROP TABLE aikit.audit; --", "%", "tenant:acme", "None", "x" * 200]
)
def test_a_tenant_may_have_any_name_that_can_be_printed(ledger: Database, till: Till, name: str) -> None:
    add_tenant(ledger, "acme", uncapped=True)
    put_policy(ledger, Policy("plan:pro", Scope(plan="pro"), entitlements=(AI_ACCESS,)))
    add_tenant(ledger, name, plan="pro")
    set_limit(ledger, name, credits(Window.MONTH, BOUND))
    till.spend(name, user=name, feature=name)
    till.flush()
    (row,) = [row for row in list_tenants(ledger) if row.tenant == name]
    assert (row.plan, row.uncapped, row.limits, row.nano_today) == ("pro", False, 1, COST)
    assert (limit(ledger, tenant=name).used, own(ledger, name).scope) == (COST, Scope(tenant=name))
    assert till.ask(name).reason_code == "MONTHLY_BUDGET_EXCEEDED"
    assert (verify(ledger).ok, verify_audit(ledger).ok) == (True, True)


def test_an_unknown_tenant_is_known_to_running_processes_as_soon_as_it_is_added(ledger: Database, till: Till) -> None:
    assert till.ask("acme").reason_code == "TENANT_UNKNOWN"
    add_tenant(ledger, "acme")
    assert till.ask("acme").reason_code == "NO_POLICY"
    set_limit(ledger, "acme", credits(Window.MONTH, BOUND))
    assert till.ask("acme").allowed


def test_a_lowered_cap_applies_to_the_next_call_of_every_process(
    ledger: Database, open_till: Callable[[], Till]
) -> None:
    one, other = open_till(), open_till()
    add_tenant(ledger, "acme")
    generous = credits(Window.DAY, 100 * BOUND)
    assert set_limit(ledger, "acme", generous) is None
    one.spend(), other.spend()
    assert set_limit(ledger, "acme", credits(Window.DAY, 0)) == generous
    assert [one.ask().reason_code, other.ask().reason_code] == ["DAILY_BUDGET_EXCEEDED"] * 2


def test_tenants_are_listed_with_what_they_spent_today(ledger: Database, till: Till) -> None:
    for name in ("b", "a"):
        add_tenant(ledger, name, uncapped=True)
    set_limit(ledger, "b", credits(Window.MONTH, 10 * BOUND))
    set_limit(ledger, "b", credits(Window.CALL, BOUND))
    till.spend("b"), till.spend("b")
    till.flush()
    assert [(row.tenant, row.uncapped, row.limits, row.nano_today) for row in list_tenants(ledger)] == [
        ("a", True, 0, 0),
        ("b", True, 2, 2 * COST),
    ]


def test_a_limit_goes_into_the_tenants_own_policy_and_leaves_the_rest_of_it(ledger: Database) -> None:
    add_tenant(ledger, "acme", uncapped=True)
    put_policy(ledger, replace(own(ledger), deny=("openai/*",)))
    set_limit(ledger, "acme", credits(Window.MONTH, 5, soft_cap=4))
    expected = Policy(
        "tenant:acme",
        Scope(tenant="acme"),
        uncapped=True,
        deny=("openai/*",),
        limits=(credits(Window.MONTH, 5, soft_cap=4),),
    )
    assert own(ledger) == expected
    assert read_policies(ledger).policies[0].by_hand


def test_a_limit_in_a_policy_of_the_file_leaves_it_the_files(ledger: Database) -> None:
    add_tenant(ledger, "acme")
    apply(ledger, [Policy("tenant:acme", Scope(tenant="acme"), limits=(credits(Window.DAY, 5),))])
    set_limit(ledger, "acme", credits(Window.DAY, 6))
    (stored,) = read_policies(ledger).policies
    assert (stored.policy.limits, stored.by_hand) == ((credits(Window.DAY, 6),), False)


def test_limits_that_count_something_else_stand_beside_each_other(ledger: Database) -> None:
    add_tenant(ledger, "acme")
    monthly = credits(Window.MONTH, 5)
    beside = [
        monthly,
        replace(monthly, window=Window.DAY),
        replace(monthly, action=Action.WARN),
        replace(monthly, each="user"),
        replace(monthly, metric=Metric.TOKENS),
    ]
    for stated in beside:
        assert set_limit(ledger, "acme", stated) is None
    assert set(own(ledger).limits) == set(beside)
    moved = replace(monthly, cap=6, zone="Europe/Zurich", anchor=14)
    assert set_limit(ledger, "acme", moved) == monthly
    assert set(own(ledger).limits) == {moved, *beside[1:]}
    for stated in beside[1:]:
        assert remove_limit(ledger, "acme", stated.metric, stated.window, action=stated.action, each=stated.each)
    assert own(ledger).limits == (moved,)


def test_the_same_limit_again_is_no_new_version(ledger: Database) -> None:
    add_tenant(ledger, "acme")
    for stated in (credits(Window.MONTH, 5), credits(Window.DAY, 5)):
        set_limit(ledger, "acme", stated)
    version = read_policies(ledger).version
    assert set_limit(ledger, "acme", credits(Window.MONTH, 5)) == credits(Window.MONTH, 5)
    assert not remove_limit(ledger, "acme", CREDITS, Window.WEEK)
    assert read_policies(ledger).version == version


def test_a_change_of_a_limit_is_on_record(ledger: Database) -> None:
    add_tenant(ledger, "acme")
    set_limit(ledger, "acme", credits(Window.MONTH, 5), who="alice", why="trial")
    remove_limit(ledger, "acme", CREDITS, Window.MONTH, who="bob", why="over")
    removed, added = list_audit(ledger, limit=2)
    assert (added.who, added.why, added.action, added.before) == ("alice", "trial", "policy.add", None)
    assert (removed.who, removed.why, removed.action, removed.after) == (
        "bob",
        "over",
        "policy.remove",
        None,
    )


def test_limits_show_what_is_used_held_and_left_in_their_current_window(ledger: Database, till: Till) -> None:
    add_tenant(ledger, "acme")
    for window in (Window.TOTAL, Window.MONTH, Window.DAY, Window.CALL):
        set_limit(ledger, "acme", credits(window, 5 * BOUND))
    till.spend()
    till.admit()
    till.flush()
    found = {row.window: row for row in list_limits(ledger, "acme")}
    assert standing(found.pop(Window.CALL))[2] == 5 * BOUND
    assert {standing(row) for row in found.values()} == {(COST, BOUND, 4 * BOUND - COST)}
    now = datetime.now(UTC)
    midnight = now.replace(hour=0, minute=0, second=0, microsecond=0)
    assert found[Window.TOTAL].resets_at is None
    assert found[Window.DAY].resets_at == midnight + timedelta(days=1)
    assert found[Window.MONTH].resets_at == (midnight.replace(day=1) + timedelta(days=32)).replace(day=1)


def test_a_limit_that_no_call_has_met_yet_shows_what_its_counter_will_be_opened_with(
    ledger: Database, till: Till
) -> None:
    add_tenant(ledger, "acme", uncapped=True)
    till.spend(), till.spend()
    running = till.admit()
    till.flush()
    set_limit(ledger, "acme", credits(Window.WEEK, 9 * BOUND))
    assert rows(ledger, "SELECT count(*) FROM aikit.counters") == [(0,)]
    before = limit(ledger, Window.WEEK)
    assert standing(before) == (2 * COST, BOUND, 8 * BOUND - 2 * COST)
    till.void(till.admit())
    till.flush()
    assert rows(ledger, "SELECT used, held FROM aikit.counts") == [(2 * COST, BOUND)]
    assert limit(ledger, Window.WEEK) == before
    till.settle(running)
    till.flush()
    assert standing(limit(ledger, Window.WEEK)) == (3 * COST, 0, 9 * BOUND - 3 * COST)
    assert verify(ledger).ok


def test_a_cap_below_what_is_spent_leaves_nothing_rather_than_less(ledger: Database, till: Till) -> None:
    add_tenant(ledger, "acme")
    set_limit(ledger, "acme", credits(Window.MONTH, 2 * BOUND))
    till.spend()
    till.flush()
    set_limit(ledger, "acme", credits(Window.MONTH, 1))
    assert standing(limit(ledger)) == (COST, 0, 0)


def test_limits_of_all_tenants_are_listed_by_name(ledger: Database) -> None:
    for name in ("b", "a"):
        add_tenant(ledger, name)
        set_limit(ledger, name, credits(Window.MONTH, 1))
    assert [row.tenant for row in list_limits(ledger)] == ["a", "b"]
    assert list_limits(ledger, "nobody") == []


def test_a_removed_limit_no_longer_counts_and_its_counters_are_gone(ledger: Database, till: Till) -> None:
    add_tenant(ledger, "acme")
    set_limit(ledger, "acme", credits(Window.DAY, COST))
    set_limit(ledger, "acme", credits(Window.MONTH, 9 * BOUND))
    assert not till.ask().allowed
    assert remove_limit(ledger, "acme", CREDITS, Window.DAY)
    assert not remove_limit(ledger, "acme", CREDITS, Window.DAY)
    assert rows(ledger, "SELECT name FROM aikit.counts") == []
    assert till.ask().allowed
    assert rows(ledger, "SELECT name FROM aikit.counts") == [("credits/month",)]


def test_a_limit_that_comes_back_counts_what_was_spent_and_held_meanwhile(ledger: Database, till: Till) -> None:
    monthly = credits(Window.MONTH, 9 * BOUND)
    add_tenant(ledger, "acme", uncapped=True)
    set_limit(ledger, "acme", monthly)
    first = till.admit()
    assert remove_limit(ledger, "acme", CREDITS, Window.MONTH)
    till.spend()
    till.flush()
    second = till.admit()
    assert verify(ledger).ok
    set_limit(ledger, "acme", monthly)
    assert standing(limit(ledger)) == (COST, 2 * BOUND, 7 * BOUND - COST)
    till.void(till.admit())
    till.flush()
    assert standing(limit(ledger)) == (COST, 2 * BOUND, 7 * BOUND - COST)
    till.settle(first), till.settle(second)
    till.flush()
    assert rows(ledger, "SELECT used, held FROM aikit.counts") == [(3 * COST, 0)]
    assert verify(ledger).ok


def test_an_attempt_that_outlives_its_limit_is_settled_all_the_same(ledger: Database, till: Till) -> None:
    add_tenant(ledger, "acme", uncapped=True)
    set_limit(ledger, "acme", credits(Window.MONTH, 9 * BOUND))
    hold = till.admit()
    remove_limit(ledger, "acme", CREDITS, Window.MONTH)
    till.settle(hold)
    till.flush()
    assert rows(ledger, "SELECT nano FROM aikit.entries") == [(COST,)]
    assert verify(ledger).ok


def test_a_tenant_whose_own_policy_is_removed_falls_back_to_what_is_for_all(ledger: Database, till: Till) -> None:
    add_tenant(ledger, "acme", uncapped=True)
    assert till.ask().allowed
    remove_policy(ledger, "tenant:acme")
    assert till.ask().reason_code == "NO_POLICY"
    put_policy(ledger, Policy("default", Scope(), limits=(credits(Window.MONTH, 9 * BOUND),)))
    assert till.ask().allowed


def test_a_limit_for_an_unknown_tenant_says_how_to_add_it(ledger: Database) -> None:
    with pytest.raises(ConfigError, match="'nobody' is not known") as caught:
        set_limit(ledger, "nobody", credits(Window.MONTH, 1))
    assert (caught.value.code, caught.value.remedy) == ("TENANT_UNKNOWN", "Add it: aikit tenant add nobody")


@pytest.mark.parametrize(
    ("metric", "window", "refusal"),
    [
        (Metric.TOKENS, Window.HOUR, "HOURLY_TOKEN_LIMIT_EXCEEDED"),
        (Metric.INPUT_TOKENS, Window.DAY, "DAILY_TOKEN_LIMIT_EXCEEDED"),
        (Metric.OUTPUT_TOKENS, Window.CALL, "REQUEST_TOKENS_EXCEEDED"),
        (Metric.REQUESTS, Window.MINUTE, "MINUTE_REQUEST_LIMIT_EXCEEDED"),
        (Metric.CONCURRENCY, Window.TOTAL, "CONCURRENCY_LIMIT_EXCEEDED"),
    ],
)
def test_a_cap_of_zero_on_any_metric_lets_nothing_pass(
    ledger: Database, till: Till, metric: Metric, window: Window, refusal: str
) -> None:
    add_tenant(ledger, "acme")
    set_limit(ledger, "acme", StatedLimit(metric, window, 1_000_000))
    assert till.ask().allowed
    set_limit(ledger, "acme", StatedLimit(metric, window, 0))
    assert till.ask().reason_code == refusal


MONTHLY = credits(Window.MONTH, 10)


@pytest.mark.parametrize(
    ("stated", "told"),
    [
        (replace(MONTHLY, cap=-1), "out of range"),
        (replace(MONTHLY, cap=MAX_NANO + 1), "out of range"),
        (replace(MONTHLY, soft_cap=10), "soft cap must be below"),
        (replace(MONTHLY, soft_cap=-1), "soft cap must be below"),
        (replace(MONTHLY, cap=0, soft_cap=0), "soft cap must be below"),
        (StatedLimit(Metric.CONCURRENCY, Window.DAY, 1), "not counted over a window"),
        (StatedLimit(Metric.REQUESTS, Window.CALL, 1), "A call is one request"),
        (StatedLimit(Metric.TOKENS, Window.CALL, 1, each="user"), "counts nobody"),
        (credits(Window.HOUR, 1, zone="Europe/Zurich"), "no time zone"),
        (credits(Window.TOTAL, 1, anchor=1), "no anchor"),
        (replace(MONTHLY, zone="Mars/Base"), "Mars/Base"),
        (replace(MONTHLY, anchor=28), "can't start at 28"),
        (credits(Window.DAY, 1, anchor=24), "can't start at 24"),
        (credits(Window.WEEK, 1, anchor=-1), "can't start at -1"),
    ],
)
def test_a_limit_that_means_nothing_is_refused_in_words(ledger: Database, stated: StatedLimit, told: str) -> None:
    add_tenant(ledger, "acme")
    with pytest.raises(ConfigError, match=told) as caught:
        set_limit(ledger, "acme", stated)
    assert caught.value.remedy
    assert list_limits(ledger) == []


@pytest.mark.parametrize(("window", "anchor"), [(Window.DAY, 23), (Window.WEEK, 6), (Window.MONTH, 27)])
def test_calendar_windows_start_where_they_are_told_to(ledger: Database, window: Window, anchor: int) -> None:
    add_tenant(ledger, "acme")
    set_limit(ledger, "acme", credits(window, 1, zone="Asia/Tokyo", anchor=anchor))
    resets_at = limit(ledger, window).resets_at
    assert resets_at is not None
    local = resets_at + timedelta(hours=9)
    assert {Window.DAY: local.hour, Window.WEEK: local.weekday(), Window.MONTH: local.day - 1}[window] == anchor


def test_a_policy_that_only_has_the_name_of_a_tenants_own_is_left_alone(ledger: Database) -> None:
    add_tenant(ledger, "acme")
    put_policy(ledger, Policy("tenant:acme", Scope(tenant="acme", environment="dev"), clamp=True))
    with pytest.raises(ConfigError, match="is for something else: tenant:acme environment:dev"):
        set_limit(ledger, "acme", MONTHLY)
