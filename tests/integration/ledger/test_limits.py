"""The limits in force and where they stand, as the next call would find them."""

from __future__ import annotations

import math
import time
from datetime import UTC, datetime, timedelta
from fractions import Fraction

import pytest

from aikit.database.connect import Database
from aikit.errors import ConfigError
from aikit.ledger.limits import LimitRow, list_limits
from aikit.ledger.plans import set_plan
from aikit.ledger.policies import put_policy
from aikit.ledger.tenants import add_tenant, set_limit
from aikit.policy.model import Policy, Scope, StatedLimit
from aikit.types import Action, Metric, Window
from support.ledger import BOUND, MINI, SOME, Till, tell

COST = MINI.cost(SOME)
DAY, HOUR, MINUTE, TOTAL = Window.DAY, Window.HOUR, Window.MINUTE, Window.TOTAL


def requests(cap: int, window: Window = DAY, **stated: object) -> StatedLimit:
    return StatedLimit(Metric.REQUESTS, window, cap, **stated)  # type: ignore[arg-type]  # by name


def state(ledger: Database, name: str, scope: Scope, *limits: StatedLimit) -> None:
    put_policy(ledger, Policy(name, scope, limits=limits, entitlements=("ai_access",) if scope.plan else None))


def shown(rows: list[LimitRow]) -> list[tuple[str, str, int, int | None]]:
    """Of each limit what it counts, its source, its cap and what is used."""
    return [(row.counts, row.source, row.cap, row.used) for row in rows]


@pytest.fixture
def acme(ledger: Database) -> Database:
    add_tenant(ledger, "acme")
    return ledger


def test_a_tenant_without_a_limit_has_none_and_nor_has_an_unknown_one(acme: Database) -> None:
    assert list_limits(acme) == list_limits(acme, "acme") == list_limits(acme, "nobody") == []


def test_a_limit_tells_what_it_is_and_where_it_stands(acme: Database, till: Till) -> None:
    cap = StatedLimit(Metric.CREDITS, DAY, 10 * BOUND, soft_cap=5 * BOUND, action=Action.WARN, zone="Asia/Kathmandu")
    set_limit(acme, "acme", cap)
    till.spend()
    till.admit()
    till.flush()
    (row,) = list_limits(acme, "acme")
    now = datetime.now(UTC)
    assert row.resets_at is not None
    assert (row.resets_at - timedelta(hours=18, minutes=15)).time() == datetime.min.time()
    assert now < row.resets_at <= now + timedelta(days=1)
    assert row == LimitRow(
        "acme", Metric.CREDITS, DAY, 10 * BOUND, 5 * BOUND, Action.WARN, "tenant:acme", "", COST, BOUND,
        9 * BOUND - COST, row.resets_at, "Asia/Kathmandu",
    )  # fmt: skip
    assert row.share == Fraction(COST + BOUND, 10 * BOUND)


def test_limits_of_plans_features_users_and_environments_are_listed_with_what_they_count(
    acme: Database, till: Till
) -> None:
    state(acme, "default", Scope(), requests(1000))
    state(acme, "plan:pro", Scope(plan="pro"), requests(500, HOUR))
    state(acme, "chat", Scope(feature="chat"), requests(50))
    state(acme, "dev", Scope(environment="dev"), requests(20))
    state(acme, "u1", Scope(user="u1", feature="chat"), requests(9))
    state(acme, "beta's", Scope(tenant="beta"), requests(1))
    state(acme, "plan:free", Scope(plan="free"), requests(1))
    state(acme, "each call", Scope(), StatedLimit(Metric.CREDITS, Window.CALL, 10 * BOUND))
    set_plan(acme, "acme", "pro")
    for tags in ({}, {"feature": "chat"}, {"feature": "chat", "user": "u1", "environment": "dev"}):
        till.spend(**tags)
    till.flush()
    assert shown(list_limits(acme, "acme")) == [
        ("", "each call", 10 * BOUND, 0),
        ("", "plan:pro", 500, 3),
        ("", "default", 1000, 3),
        ("environment dev", "dev", 20, 1),
        ("feature chat", "chat", 50, 2),
        ("feature chat, user u1", "u1", 9, 1),
    ]
    of_u2 = [row.source for row in list_limits(acme, "acme", user="u2", feature="draw", environment="prod")]
    assert of_u2 == ["each call", "plan:pro", "default"]
    assert [row.source for row in list_limits(acme, "acme", user="u1", environment="prod")][-2:] == ["chat", "u1"]
    assert [row.source for row in list_limits(acme, "acme", nearest=True)][:3] == ["u1", "dev", "chat"]


def test_what_a_more_specific_policy_overrides_is_not_in_force(acme: Database) -> None:
    state(acme, "default", Scope(), requests(1000), requests(5000, TOTAL))
    assert [row.cap for row in list_limits(acme, "acme")] == [1000, 5000]
    set_limit(acme, "acme", requests(2000))
    assert shown(list_limits(acme, "acme")) == [("", "tenant:acme", 2000, 0), ("", "default", 5000, 0)]


def test_a_limit_on_each_user_is_listed_once_until_somebody_calls(acme: Database, till: Till) -> None:
    state(acme, "default", Scope(), requests(10, each="user"))
    (row,) = list_limits(acme, "acme")
    assert (row.counts, row.used, row.held, row.remaining, row.share) == ("each user", None, None, None, None)
    assert row.resets_at is not None
    assert shown(list_limits(acme, "acme", user="u1")) == [("user u1", "default", 10, 0)]
    till.spend(user="u1"), till.spend(user="u1"), till.spend(user="u2"), till.spend()
    till.flush()
    found = [("no user", "default", 10, 1), ("user u1", "default", 10, 2), ("user u2", "default", 10, 1)]
    assert shown(list_limits(acme, "acme")) == found
    assert shown(list_limits(acme, "acme", user="u1")) == [("user u1", "default", 10, 2)]


def test_a_limit_on_each_feature_of_each_user_is_listed_by_feature(acme: Database, till: Till) -> None:
    state(acme, "u1", Scope(user="u1"), requests(10, each="feature"))
    state(acme, "default", Scope(), requests(100))
    assert shown(list_limits(acme, "acme")) == [("", "default", 100, 0), ("each feature, user u1", "u1", 10, None)]
    till.spend(user="u1", feature="chat"), till.spend(user="u2", feature="draw")
    till.flush()
    assert shown(list_limits(acme, "acme"))[1:] == [("feature chat, user u1", "u1", 10, 1)]
    assert shown(list_limits(acme, "acme", feature="draw", user="u1"))[1:] == [("feature draw, user u1", "u1", 10, 0)]


def test_users_with_a_plan_or_a_policy_of_their_own_have_its_limit_and_the_others_the_common_one(
    acme: Database, till: Till
) -> None:
    state(acme, "default", Scope(), requests(10, each="user"))
    state(acme, "plan:pro", Scope(plan="pro"), requests(100))
    state(acme, "u3", Scope(user="u3"), requests(7))
    set_plan(acme, "acme", "pro", user="u1")
    assert shown(list_limits(acme, "acme")) == [
        ("each user", "default", 10, None),
        ("each user", "plan:pro", 100, None),
        ("user u3", "u3", 7, 0),
    ]
    for user in ("u1", "u2", "u3"):
        till.spend(user=user)
    till.flush()
    assert shown(list_limits(acme, "acme")) == [
        ("user u1", "plan:pro", 100, 1),
        ("user u2", "default", 10, 1),
        ("user u3", "u3", 7, 1),
    ]


def test_of_many_users_those_nearest_to_their_cap_are_listed(acme: Database, till: Till) -> None:
    state(acme, "default", Scope(), requests(10, each="user"), requests(100, HOUR, each="user"))
    for n in range(25):
        for _ in range(1 + (n >= 5)):
            till.spend(user=f"u{n:02}")
    till.flush()
    found = list_limits(acme, "acme")
    assert {(row.counts, row.used) for row in found} == {(f"user u{n:02}", 2) for n in range(5, 25)}
    assert len(found) == 40


def test_a_limit_that_no_call_has_come_to_yet_counts_what_is_in_the_ledger(acme: Database, till: Till) -> None:
    set_limit(acme, "acme", StatedLimit(Metric.CREDITS, TOTAL, 100 * BOUND))
    till.spend(user="u1", feature="chat"), till.spend(user="u2")
    till.admit(user="u1", feature="chat")
    till.flush()
    for metric in Metric:
        state(acme, f"{metric}", Scope(user="u1"), StatedLimit(metric, HOUR, 10**9))
    rows = {row.metric: (row.used, row.held) for row in list_limits(acme, "acme", user="u1") if row.counts}
    assert rows == {
        Metric.CREDITS: (COST, BOUND),
        Metric.TOKENS: (SOME.total_tokens, 2000),
        Metric.INPUT_TOKENS: (SOME.input_tokens, 1000),
        Metric.OUTPUT_TOKENS: (SOME.output_tokens, 1000),
        Metric.REQUESTS: (1, 1),
        Metric.CONCURRENCY: (0, 1),
    }


@pytest.mark.parametrize(
    ("ago", "used", "held"),
    [(0, {2}, 1), (1, {1, 2, 3}, 0), (2, {0}, 0), (3, {0}, 0)],
    ids=["now", "last", "older", "old"],
)
def test_a_slot_that_has_not_rolled_on_is_read_as_if_it_had(
    acme: Database, till: Till, ago: int, used: set[int], held: int
) -> None:
    left = 60 - time.time() % 60
    if left < 10:
        time.sleep(left)  # what follows happens within one minute
    set_limit(acme, "acme", requests(100, MINUTE))
    set_limit(acme, "acme", requests(100, DAY))
    till.spend(), till.spend(), till.admit()
    till.flush()
    minute = "4 * (array_position(names, 'requests/minute') - 1) + 1"
    tell(acme, f"UPDATE aikit.counters SET amounts[{minute}] = amounts[{minute}] - 60 * {ago}")
    sliding, day = list_limits(acme, "acme")
    assert sliding.used in used
    assert (sliding.held, day.used, day.held) == (held, 2, 1)
    assert sliding.remaining == 100 - sliding.used - held
    assert sliding.resets_at is not None
    assert timedelta(0) < sliding.resets_at - datetime.now(UTC) <= timedelta(minutes=1)


def test_what_a_window_that_nobody_opened_carries_over_is_counted(acme: Database, till: Till) -> None:
    left = 3600 - time.time() % 3600
    if left < 20:
        time.sleep(left)  # what follows happens within one hour
    set_limit(acme, "acme", requests(100, DAY))
    till.spend(), till.spend(), till.admit()
    till.flush()
    earlier = "admitted_at = date_trunc('hour', now()) - interval '1 second'"
    tell(acme, "SET LOCAL session_replication_role = replica", f"UPDATE aikit.entries SET {earlier}")
    tell(acme, "UPDATE aikit.rollups SET hour = hour - interval '1 hour'", f"UPDATE aikit.holds SET {earlier}")
    tell(acme, "DELETE FROM aikit.counters")
    set_limit(acme, "acme", requests(100, HOUR))
    left = 3600 - time.time() % 3600
    hour = next(row for row in list_limits(acme, "acme") if row.window is HOUR)
    assert hour.held == 0
    assert hour.used in {math.ceil(3 * second / 3600) for second in range(max(0, int(left) - 5), int(left) + 1)}


def test_caps_of_zero_are_used_up_and_limits_on_each_call_tell_nothing(acme: Database) -> None:
    for name, limit in {"none": requests(0), "call": StatedLimit(Metric.TOKENS, Window.CALL, 10)}.items():
        state(acme, name, Scope(), limit)
    shares = {row.source: row.share for row in list_limits(acme)}
    assert shares == {"none": 1, "call": None}
    assert [row.source for row in list_limits(acme, nearest=True)] == ["none", "call"]


def test_all_tenants_are_listed_in_order(acme: Database) -> None:
    for tenant in ("beta", "alpha"):
        add_tenant(acme, tenant)
    state(acme, "default", Scope(), requests(10))
    set_limit(acme, "beta", requests(5))
    assert [(row.tenant, row.cap) for row in list_limits(acme)] == [("acme", 10), ("alpha", 10), ("beta", 5)]
    assert [row.tenant for row in list_limits(acme, "beta")] == ["beta"]


@pytest.mark.parametrize("tag", [{"tenant": ""}, {"user": "a\0"}, {"environment": "test"}], ids=str)
def test_a_tag_that_cant_be_one_is_refused(acme: Database, tag: dict[str, str]) -> None:
    with pytest.raises(ConfigError):
        list_limits(acme, **tag)  # type: ignore[arg-type]  # by name
