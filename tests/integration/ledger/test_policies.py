"""The store of policies: files applied, policies set by hand, earlier versions, and what becomes of the counters."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest

from aikit.database.connect import Database
from aikit.errors import ConfigError
from aikit.ledger import audit
from aikit.ledger.audit import list_audit, verify_audit
from aikit.ledger.limits import list_limits
from aikit.ledger.plans import list_holders, set_plan
from aikit.ledger.policies import (
    apply,
    history,
    plan_change,
    plan_rollback,
    put_policy,
    read_policies,
    remove_policy,
    rollback,
)
from aikit.ledger.tenants import add_tenant, list_tenants, set_limit
from aikit.ledger.verify import verify
from aikit.policy.model import Policy, Scope, StatedLimit
from aikit.types import Action, Metric, Window
from support.ledger import BOUND, MINI, SOME, Till, rows

COST = MINI.cost(SOME)
MONTHLY = StatedLimit(Metric.CREDITS, Window.MONTH, 9 * BOUND)
DAILY = StatedLimit(Metric.CREDITS, Window.DAY, 9 * BOUND)
DEFAULT = Policy("default", Scope(), limits=(MONTHLY,))
FREE = Policy("plan:free", Scope(plan="free"), entitlements=("ai_access",), limits=(DAILY,))
ACME = Policy("tenant:acme", Scope(tenant="acme"), limits=(MONTHLY, DAILY), max_output_tokens=5000)


def capped(policy: Policy, cap: int) -> Policy:
    return replace(policy, limits=tuple([replace(limit, cap=cap) for limit in policy.limits]))


def in_force(ledger: Database, version: int | None = None) -> dict[str, tuple[Policy, bool]]:
    """By name: the policy, and whether it is by hand."""
    found = read_policies(ledger, version=version)
    return {stored.policy.name: (stored.policy, stored.by_hand) for stored in found.policies}


def version_of(ledger: Database) -> int:
    ((version,),) = rows(ledger, "SELECT policy_version FROM aikit.state")
    return int(version)


def test_a_file_is_applied_as_one_new_version(ledger: Database) -> None:
    before = version_of(ledger)
    applied = apply(ledger, [FREE, DEFAULT], who="alice", why="launch")
    assert (applied.version, version_of(ledger)) == (before + 1, before + 1)
    assert [(change.name, change.kind) for change in applied.changes] == [("default", "added"), ("plan:free", "added")]
    found = read_policies(ledger)
    assert found.version == applied.version
    assert [stored.policy for stored in found.policies] == [DEFAULT, FREE]
    assert {(stored.by_hand, stored.since) for stored in found.policies} == {(False, applied.version)}


def test_what_applying_would_change_is_what_applying_changes(ledger: Database) -> None:
    apply(ledger, [DEFAULT, FREE])
    wanted = [capped(DEFAULT, 1), ACME]
    planned = plan_change(ledger, wanted)
    assert [(change.name, change.kind) for change in planned] == [
        ("default", "changed"),
        ("plan:free", "removed"),
        ("tenant:acme", "added"),
    ]
    assert apply(ledger, wanted).changes == planned
    assert plan_change(ledger, wanted) == ()


def test_the_same_file_applied_again_is_no_new_version(ledger: Database) -> None:
    first = apply(ledger, [DEFAULT, FREE])
    recorded = len(list_audit(ledger))
    again = apply(ledger, [FREE, DEFAULT])
    assert (again.version, again.changes) == (first.version, ())
    assert (version_of(ledger), len(list_audit(ledger))) == (first.version, recorded)
    assert rows(ledger, "SELECT count(*) FROM aikit.policies") == [(2,)]


def test_every_version_can_be_read_as_it_was(ledger: Database) -> None:
    steps: Sequence[Sequence[Policy]] = ([DEFAULT], [DEFAULT, FREE], [capped(DEFAULT, 1)], [], [FREE, ACME], [DEFAULT])
    versions = [apply(ledger, step).version for step in steps]
    assert versions == list(range(versions[0], versions[0] + len(steps)))
    for version, step in zip(versions, steps, strict=True):
        assert {policy for policy, _ in in_force(ledger, version).values()} == set(step), version
    assert in_force(ledger, versions[0] - 1) == {}


@pytest.mark.parametrize("version", [-1, 0, 99])
def test_a_version_that_never_was_is_refused_in_words(ledger: Database, version: int) -> None:
    for use in (lambda: read_policies(ledger, version=version), lambda: rollback(ledger, version)):
        with pytest.raises(ConfigError, match=f"There is no policy version {version}; the oldest is 1, the newest 1"):
            use()


def test_a_policy_by_hand_stays_when_a_file_is_applied_that_does_not_name_it(ledger: Database) -> None:
    put_policy(ledger, ACME)
    apply(ledger, [DEFAULT])
    apply(ledger, [FREE])
    assert in_force(ledger) == {"plan:free": (FREE, False), "tenant:acme": (ACME, True)}


def test_a_file_takes_over_a_policy_by_hand_that_it_names(ledger: Database) -> None:
    put_policy(ledger, ACME)
    taken = apply(ledger, [ACME], who="alice")
    assert (taken.changes, taken.version) == ((), version_of(ledger))
    assert in_force(ledger) == {"tenant:acme": (ACME, False)}
    (newest, *_) = list_audit(ledger, tenant="acme")
    assert (newest.action, newest.who, newest.policy_version) == ("policy.owner", "alice", taken.version)
    assert [each.kind for each in apply(ledger, []).changes] == ["removed"]


def test_a_policy_of_the_file_that_is_changed_by_hand_stays_the_files(ledger: Database) -> None:
    apply(ledger, [ACME])
    put_policy(ledger, capped(ACME, 1))
    assert in_force(ledger) == {"tenant:acme": (capped(ACME, 1), False)}


def test_a_policy_is_removed_once(ledger: Database) -> None:
    put_policy(ledger, ACME)
    assert remove_policy(ledger, "tenant:acme", who="alice", why="gone")
    version = version_of(ledger)
    assert not remove_policy(ledger, "tenant:acme")
    assert (in_force(ledger), version_of(ledger)) == ({}, version)
    assert list_audit(ledger)[0].action == "policy.remove"


def test_a_version_that_moved_since_the_difference_was_shown_is_refused(ledger: Database) -> None:
    shown = read_policies(ledger).version
    add_tenant(ledger, "acme")
    with pytest.raises(ConfigError, match=f"at version {shown + 1} by now, no longer at {shown}") as caught:
        apply(ledger, [DEFAULT], expected_version=shown)
    assert (caught.value.code, caught.value.retryable) == ("POLICY_CONFLICT", True)
    assert in_force(ledger) == {}
    assert apply(ledger, [DEFAULT], expected_version=shown + 1).version == shown + 2


def test_of_two_files_applied_at_once_upon_the_same_version_one_wins(ledger: Database) -> None:
    shown = version_of(ledger)

    def attempt(cap: int) -> str:
        try:
            apply(ledger, [capped(DEFAULT, cap)], expected_version=shown)
        except ConfigError as error:
            return error.code
        return "applied"

    with ThreadPoolExecutor(4) as pool:
        outcomes = list(pool.map(attempt, range(1, 5)))
    assert sorted(outcomes) == ["POLICY_CONFLICT"] * 3 + ["applied"]
    assert version_of(ledger) == shown + 1


def test_a_plan_that_somebody_is_on_cant_be_left_out(ledger: Database) -> None:
    apply(ledger, [DEFAULT, FREE])
    for number in range(7):
        add_tenant(ledger, f"t{number}", plan="free")
    version = version_of(ledger)
    with pytest.raises(ConfigError) as caught:
        apply(ledger, [capped(DEFAULT, 1)])
    assert caught.value.code == "PLAN_HELD"
    told = "t0 on free, t1 on free, t2 on free, t3 on free, t4 on free, and others."
    assert str(caught.value).startswith(f"A plan that is in use would no longer be defined: {told}")
    assert (in_force(ledger)["default"], version_of(ledger)) == ((DEFAULT, False), version)
    with pytest.raises(ConfigError, match="t0 on free"):
        remove_policy(ledger, "plan:free")


def test_a_plan_that_only_a_user_is_on_cant_be_left_out_either(ledger: Database) -> None:
    apply(ledger, [FREE])
    add_tenant(ledger, "acme")
    set_plan(ledger, "acme", "free", user="u1")
    with pytest.raises(ConfigError, match="acme on free"):
        apply(ledger, [])
    set_plan(ledger, "acme", None, user="u1")
    assert apply(ledger, []).changes


def test_a_plan_may_be_defined_by_any_policy_that_is_for_it_and_nothing_else(ledger: Database) -> None:
    apply(ledger, [FREE])
    add_tenant(ledger, "acme", plan="free")
    elsewhere = Policy("free in dev", Scope(plan="free", environment="dev"), limits=(DAILY,))
    with pytest.raises(ConfigError, match="acme on free"):
        apply(ledger, [elsewhere])
    put_policy(ledger, Policy("by hand", Scope(plan="free"), entitlements=("ai_access",)))
    assert apply(ledger, [elsewhere]).changes
    with pytest.raises(ConfigError, match="acme on free"):
        remove_policy(ledger, "by hand")


def test_a_rollback_puts_the_policies_back_and_nothing_else(ledger: Database) -> None:
    apply(ledger, [DEFAULT, FREE])
    put_policy(ledger, ACME)
    earlier = version_of(ledger)
    before = in_force(ledger)
    add_tenant(ledger, "beta", plan="free")
    apply(ledger, [capped(DEFAULT, 1), FREE, ACME])
    assert in_force(ledger)["tenant:acme"] == (ACME, False)
    newest = version_of(ledger)
    planned = plan_rollback(ledger, earlier)
    back = rollback(ledger, earlier, who="alice", why="too low")
    assert (back.version, back.changes) == (newest + 1, planned)
    assert [change.name for change in planned] == ["default"]
    assert in_force(ledger) == before == in_force(ledger, earlier)
    assert [row.tenant for row in list_tenants(ledger)] == ["beta"]
    assert [(row.tenant, row.plan) for row in list_holders(ledger)] == [("beta", "free")]
    assert rollback(ledger, back.version).version == back.version


def test_a_rollback_that_would_leave_somebody_without_a_plan_is_refused(ledger: Database) -> None:
    earlier = version_of(ledger)
    apply(ledger, [FREE])
    add_tenant(ledger, "acme", plan="free")
    with pytest.raises(ConfigError, match="acme on free"):
        rollback(ledger, earlier)
    assert in_force(ledger) == {"plan:free": (FREE, False)}


def test_the_history_tells_who_made_each_version_and_why(ledger: Database) -> None:
    apply(ledger, [DEFAULT, FREE], who="alice", why="launch")
    add_tenant(ledger, "acme", plan="free", who="bob")
    rollback_to = version_of(ledger)
    set_limit(ledger, "acme", MONTHLY, who="bob")
    rollback(ledger, rollback_to, who="alice")
    newest = version_of(ledger)
    found = history(ledger)
    assert [row.version for row in found] == [newest, newest - 1, newest - 2, newest - 3]
    assert [(row.who, row.why) for row in found] == [
        ("alice", f"back to version {rollback_to}"),
        ("bob", None),
        ("bob", None),
        ("alice", "launch"),
    ]
    assert [row.summary for row in found] == [
        ("policy.remove tenant:acme",),
        ("policy.add tenant:acme",),
        ("tenant.add acme", "plan.move acme"),
        ("policy.add default", "policy.add plan:free"),
    ]
    assert history(ledger, limit=1) == found[:1]
    assert verify_audit(ledger).ok


def test_a_change_that_fails_on_the_way_changes_nothing(ledger: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    apply(ledger, [DEFAULT])
    version, before = version_of(ledger), in_force(ledger)
    recorded = audit.record

    def fail_at_the_second(*args: object, **kwargs: object) -> None:
        if kwargs["subject"] == "tenant:acme":
            raise RuntimeError("the connection was lost")
        recorded(*args, **kwargs)  # type: ignore[arg-type]  # passed on as it came

    monkeypatch.setattr(audit, "record", fail_at_the_second)
    with pytest.raises(RuntimeError):
        apply(ledger, [FREE, ACME])
    assert (version_of(ledger), in_force(ledger)) == (version, before)
    assert verify_audit(ledger).ok


def test_a_file_applies_to_the_next_call_of_every_process(ledger: Database, open_till: Callable[[], Till]) -> None:
    one, other = open_till(), open_till()
    add_tenant(ledger, "acme")
    assert [till.ask().reason_code for till in (one, other)] == ["NO_POLICY"] * 2
    apply(ledger, [DEFAULT])
    assert one.ask().allowed and other.ask().allowed
    apply(ledger, [capped(DEFAULT, 0)])
    assert [till.ask().reason_code for till in (one, other)] == ["MONTHLY_BUDGET_EXCEEDED"] * 2
    apply(ledger, [])
    assert [till.ask().reason_code for till in (one, other)] == ["NO_POLICY"] * 2


@pytest.fixture
def counted(ledger: Database, till: Till) -> Database:
    """acme and beta have spent once each under the default, and have one call running."""
    apply(ledger, [DEFAULT])
    for tenant in ("acme", "beta"):
        add_tenant(ledger, tenant)
        till.spend(tenant, user="u1"), till.admit(tenant, user="u2")
    till.flush()
    assert open_counters(ledger) == {"acme", "beta"}
    return ledger


def open_counters(ledger: Database) -> set[str]:
    return {tenant for (tenant,) in rows(ledger, "SELECT tenant FROM aikit.counters")}


def listed(ledger: Database) -> set[str]:
    """The tenants with holds that are in counters."""
    return {tenant for (tenant,) in rows(ledger, "SELECT tenant FROM aikit.holds WHERE subjects <> '{}'")}


@pytest.mark.parametrize(
    "changed",
    [
        capped(DEFAULT, 1),
        replace(DEFAULT, limits=(replace(MONTHLY, soft_cap=1),)),
        replace(DEFAULT, allow=("openai/*",), max_output_tokens=5, clamp=True),
        replace(DEFAULT, limits=(MONTHLY, StatedLimit(Metric.CREDITS, Window.CALL, 1))),
    ],
    ids=["cap", "soft cap", "access and ceilings", "a limit on each call"],
)
def test_counters_stay_when_the_same_is_counted(counted: Database, changed: Policy) -> None:
    before = rows(counted, "SELECT * FROM aikit.counters"), rows(counted, "SELECT attempt, generation FROM aikit.holds")
    assert apply(counted, [changed]).changes
    assert before == (
        rows(counted, "SELECT * FROM aikit.counters"),
        rows(counted, "SELECT attempt, generation FROM aikit.holds"),
    )


@pytest.mark.parametrize(
    "changed",
    [
        replace(DEFAULT, limits=(MONTHLY, DAILY)),
        replace(DEFAULT, limits=(replace(MONTHLY, zone="Asia/Tokyo"),)),
        replace(DEFAULT, limits=(MONTHLY, replace(MONTHLY, each="user"))),
        replace(DEFAULT, limits=(replace(MONTHLY, action=Action.WARN),)),
        replace(DEFAULT, scope=Scope(environment="prod")),
        FREE,
    ],
    ids=["another limit", "zone", "each user", "action", "scope", "no limit that applies"],
)
def test_counters_are_opened_anew_for_all_when_a_policy_for_all_counts_otherwise(
    counted: Database, changed: Policy
) -> None:
    apply(counted, [changed])
    assert (open_counters(counted), listed(counted)) == (set(), set())
    assert verify(counted).ok


def test_counters_are_opened_anew_only_for_the_tenant_that_a_policy_is_for(counted: Database) -> None:
    put_policy(counted, ACME)
    assert (open_counters(counted), listed(counted)) == ({"beta"}, {"beta"})
    remove_policy(counted, "tenant:acme")
    assert open_counters(counted) == {"beta"}


def test_nothing_that_was_used_or_held_is_lost_when_counters_are_opened_anew(counted: Database, till: Till) -> None:
    each = replace(MONTHLY, each="user", cap=10**9)
    for wanted in ([replace(DEFAULT, limits=(MONTHLY, DAILY, each))], [DEFAULT, ACME], [DEFAULT]):
        apply(counted, wanted)
        found = [row for row in list_limits(counted, "acme") if not row.counts]
        assert {(row.used, row.held) for row in found} == {(COST, BOUND)}
        till.void(till.admit("acme", user="u1"))
        till.flush()
        assert open_counters(counted) == {"acme"}
        found = [row for row in list_limits(counted, "acme") if not row.counts]
        assert {(row.used, row.held) for row in found} == {(COST, BOUND)}
        assert verify(counted).ok
