"""Plans: which there are, who is on them, and what a move from one to another does."""

from __future__ import annotations

import pytest

from aikit.database.connect import Database
from aikit.errors import ConfigError
from aikit.ledger.audit import list_audit
from aikit.ledger.limits import list_limits
from aikit.ledger.plans import HolderRow, PlanRow, list_holders, list_plans, plans_at, set_plan
from aikit.ledger.policies import apply, put_policy, read_policies
from aikit.ledger.tenants import add_tenant, list_tenants
from aikit.ledger.verify import verify
from aikit.policy.model import AI_ACCESS, Policy, Scope, StatedLimit
from aikit.types import Metric, Window
from support.ledger import BOUND, MINI, SOME, Till, rows

COST = MINI.cost(SOME)
MONTHLY = StatedLimit(Metric.CREDITS, Window.MONTH, 5 * BOUND)
EACH_DAY = StatedLimit(Metric.REQUESTS, Window.DAY, 10, each="user")


def plan(name: str, *limits: StatedLimit, entitlements: tuple[str, ...] = (AI_ACCESS,)) -> Policy:
    return Policy(f"plan:{name}", Scope(plan=name), limits=limits, entitlements=entitlements, description=f"For {name}")


@pytest.fixture
def plans(ledger: Database) -> Database:
    """Two plans, and acme that is on neither."""
    apply(ledger, [plan("free", MONTHLY, EACH_DAY), plan("pro", StatedLimit(Metric.CREDITS, Window.MONTH, 50 * BOUND))])
    add_tenant(ledger, "acme")
    return ledger


def version_of(ledger: Database) -> int:
    return read_policies(ledger).version


def test_plans_are_listed_with_what_they_give_and_who_is_on_them(plans: Database) -> None:
    add_tenant(plans, "beta", plan="free")
    set_plan(plans, "acme", "free")
    set_plan(plans, "acme", "free", user="u1")
    put_policy(plans, Policy("free in dev", Scope(plan="free", environment="dev"), limits=(EACH_DAY,)))
    put_policy(plans, Policy("chat of none", Scope(plan="none", feature="chat"), limits=(EACH_DAY,)))
    assert list_plans(plans) == [
        PlanRow("free", "For free", (AI_ACCESS,), 3, 2, 1),
        PlanRow("pro", "For pro", (AI_ACCESS,), 1, 0, 0),
    ]


def test_of_two_policies_for_a_plan_the_one_of_higher_priority_gives(ledger: Database) -> None:
    put_policy(ledger, plan("free", entitlements=()))
    put_policy(ledger, Policy("a gift", Scope(plan="free"), priority=1, entitlements=(AI_ACCESS, "images")))
    (row,) = list_plans(ledger)
    assert row.entitlements == (AI_ACCESS, "images")


def test_a_tenant_and_its_users_are_moved_one_by_one(plans: Database) -> None:
    assert set_plan(plans, "acme", "free") is None
    first = version_of(plans)
    assert set_plan(plans, "acme", "pro", user="u1") is None
    assert set_plan(plans, "acme", "pro") == "free"
    third = version_of(plans)
    assert third == first + 2
    assert list_holders(plans) == [
        HolderRow("acme", None, "pro", third),
        HolderRow("acme", "u1", "pro", first + 1),
    ]
    assert set_plan(plans, "acme", None, user="u1") == "pro"
    assert list_holders(plans, "acme") == [HolderRow("acme", None, "pro", third)]
    assert list_holders(plans, "beta") == []


def test_who_was_on_which_plan_at_a_version_can_be_told(plans: Database) -> None:
    start = version_of(plans)
    set_plan(plans, "acme", "free")
    set_plan(plans, "acme", "pro", user="u1")
    set_plan(plans, "acme", None)
    with plans.engine().connect() as connection:
        found = [plans_at(connection, "acme", "u1", start + step) for step in range(-1, 4)]
        assert plans_at(connection, "acme", None, start + 2) == (True, "free", None)
    assert found == [
        (False, None, None),
        (True, None, None),
        (True, "free", None),
        (True, "free", "pro"),
        (True, None, "pro"),
    ]


def test_a_move_to_the_same_plan_is_no_new_version(plans: Database) -> None:
    set_plan(plans, "acme", "free")
    version, recorded = version_of(plans), len(list_audit(plans))
    assert set_plan(plans, "acme", "free") == "free"
    assert set_plan(plans, "acme", None, user="u1") is None
    assert (version_of(plans), len(list_audit(plans))) == (version, recorded)


def test_a_move_is_on_record(plans: Database) -> None:
    set_plan(plans, "acme", "free", who="alice")
    set_plan(plans, "acme", "pro", user="u1", who="alice", why="asked for it")
    newest, before = list_audit(plans, action="plan.move")
    assert (newest.subject, newest.tenant, newest.before, newest.after) == ("acme/u1", "acme", None, "pro")
    assert (newest.who, newest.why, newest.policy_version) == ("alice", "asked for it", version_of(plans))
    assert (before.subject, before.after) == ("acme", "free")


def test_an_unknown_plan_is_refused_with_those_that_there_are(plans: Database) -> None:
    for use in (lambda: set_plan(plans, "acme", "gold"), lambda: add_tenant(plans, "beta", plan="gold")):
        with pytest.raises(ConfigError, match="There is no plan 'gold'") as caught:
            use()
        assert caught.value.code == "PLAN_UNKNOWN"
        assert "free, pro" in caught.value.remedy
    assert [row.tenant for row in list_tenants(plans)] == ["acme"]


def test_where_no_plan_is_defined_the_remedy_says_how(ledger: Database) -> None:
    with pytest.raises(ConfigError, match="There is no plan 'free'") as caught:
        add_tenant(ledger, "acme", plan="free")
    assert "aikit policy apply" in caught.value.remedy


def test_an_unknown_tenant_is_refused(plans: Database) -> None:
    with pytest.raises(ConfigError, match="'nobody' is not known") as caught:
        set_plan(plans, "nobody", "free")
    assert caught.value.code == "TENANT_UNKNOWN"


def test_a_move_applies_to_the_next_call_and_keeps_what_was_used(plans: Database, till: Till) -> None:
    set_plan(plans, "acme", "pro")
    for _ in range(6):
        till.settle(till.admit("acme", BOUND), SOME)
    running = till.admit("acme", 5 * BOUND)
    till.flush()
    set_plan(plans, "acme", "free")
    assert till.ask("acme").reason_code == "MONTHLY_BUDGET_EXCEEDED"
    (month,) = [row for row in list_limits(plans, "acme") if row.window is Window.MONTH]
    assert (month.used, month.held, month.cap, month.source) == (6 * COST, 5 * BOUND, 5 * BOUND, "plan:free")
    till.settle(running)
    till.flush()
    assert till.ask("acme").allowed
    assert verify(plans).ok


def test_a_move_opens_the_counters_of_that_tenant_alone_anew(plans: Database, till: Till) -> None:
    for tenant in ("acme", "beta"):
        add_tenant(plans, tenant)
        set_plan(plans, tenant, "free")
        till.spend(tenant, user="u1")
    till.flush()
    set_plan(plans, "acme", "pro", user="u1")
    assert rows(plans, "SELECT DISTINCT tenant FROM aikit.counters") == [("beta",)]


def test_a_user_on_a_plan_of_its_own_is_counted_by_itself(plans: Database, till: Till) -> None:
    set_plan(plans, "acme", "pro")
    set_plan(plans, "acme", "free", user="u1")
    for _ in range(3):
        till.spend("acme", user="u1")
        till.spend("acme", user="u2")
    till.flush()
    used = {(row.source, row.counts): row.used for row in list_limits(plans, "acme") if row.metric is Metric.CREDITS}
    assert used == {("plan:free", "user u1"): 3 * COST, ("plan:pro", ""): 6 * COST}
