"""Whatever is changed, in whatever order: each version can be read again as it was, and a refused change is none."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from aikit.database.connect import Database
from aikit.errors import ConfigError
from aikit.ledger import policies as store
from aikit.ledger.audit import verify_audit
from aikit.ledger.plans import plans_at, set_plan
from aikit.ledger.policies import Applied, apply, history, put_policy, read_policies, remove_policy, rollback
from aikit.ledger.tenants import add_tenant, remove_limit, set_limit
from aikit.ledger.verify import verify
from aikit.meter import rulebook
from aikit.policy.model import AI_ACCESS, Policy, Scope, StatedLimit
from aikit.types import Metric, Window
from support.ledger import Till, rows

MONTHLY = StatedLimit(Metric.CREDITS, Window.MONTH, 1000)
NAMED = {
    policy.name: policy
    for policy in (
        Policy("default", Scope(), limits=(MONTHLY,)),
        Policy("plan:free", Scope(plan="free"), entitlements=(AI_ACCESS,)),
        Policy("also free", Scope(plan="free"), requires=("images",)),
        Policy("tenant:acme", Scope(tenant="acme"), limits=(MONTHLY,), unpriced={"input": "1.50"}),
    )
}
names = st.sampled_from(sorted(NAMED))
stated = st.builds(lambda name, ceiling: replace(NAMED[name], max_output_tokens=ceiling), names, st.integers(1, 2))

InForce = dict[str, tuple[Policy, bool]]
"""By name: the policy, and whether it is by hand."""


@dataclass
class Model:
    """What should be in force, and what was at each version."""

    ledger: Database
    version: int
    policies: InForce = field(default_factory=dict)
    plan: str | None = None
    versions: dict[int, tuple[InForce, str | None]] = field(default_factory=dict)

    def apply(self, wanted: list[Policy]) -> None:
        by_hand = {name: (policy, True) for name, (policy, is_by_hand) in self.policies.items() if is_by_hand}
        from_file = {policy.name: (policy, False) for policy in wanted}
        self.change(by_hand | from_file, lambda: apply(self.ledger, wanted))

    def put(self, policy: Policy) -> None:
        by_hand = self.policies[policy.name][1] if policy.name in self.policies else True
        self.change(self.policies | {policy.name: (policy, by_hand)}, lambda: put_policy(self.ledger, policy))

    def remove(self, name: str) -> None:
        left = {other: entry for other, entry in self.policies.items() if other != name}
        self.change(left, lambda: remove_policy(self.ledger, name))

    def rollback(self, back: int) -> None:
        version = max(self.version - back, min(self.versions))
        self.change(self.versions[version][0], lambda: rollback(self.ledger, version))

    def move(self, plan: str | None) -> None:
        if plan is not None and not defines_free(self.policies):
            return
        if plan != self.plan:
            self.version += 1
        assert set_plan(self.ledger, "acme", plan) == self.plan
        self.plan = plan

    def change(self, after: InForce, act: Callable[[], Applied | bool]) -> None:
        """Do it, and expect this; or, if a plan that is held would be gone, that it is refused and changes nothing."""
        if self.plan and not defines_free(after):
            with pytest.raises(ConfigError, match="acme on free"):
                act()
            return
        changed = after != self.policies
        self.version += changed
        self.policies = after
        done = act()
        assert done is changed if isinstance(done, bool) else done.version == self.version

    def note(self) -> None:
        self.versions[self.version] = dict(self.policies), self.plan


def defines_free(policies: InForce) -> bool:
    return any(policy.scope == Scope(plan="free") for policy, _ in policies.values())


steps = st.one_of(
    st.lists(stated, max_size=4, unique_by=lambda policy: policy.name).map(lambda given: ("apply", given)),
    stated.map(lambda policy: ("put", policy)),
    names.map(lambda name: ("remove", name)),
    st.integers(1, 6).map(lambda back: ("rollback", back)),
    st.sampled_from(["free", None]).map(lambda plan: ("move", plan)),
)


def in_force(ledger: Database, version: int) -> InForce:
    found = read_policies(ledger, version=version).policies
    return {each.policy.name: (each.policy, each.by_hand) for each in found}


@settings(
    max_examples=12,
    deadline=None,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(st.lists(steps, min_size=4, max_size=12))
def test_every_version_can_be_read_as_it_was_after_any_changes(
    ledger: Database, changes: list[tuple[str, object]]
) -> None:
    add_tenant(ledger, "acme")
    set_plan(ledger, "acme", None)
    model = Model(ledger, rollback(ledger, 1).version)
    model.note()
    for name, argument in changes:
        getattr(model, name)(argument)
        model.note()
        assert read_policies(ledger).version == model.version, (name, argument)
    with ledger.engine().connect() as connection:
        for version, (policies, plan) in model.versions.items():
            assert in_force(ledger, version) == policies, version
            assert plans_at(connection, "acme", None, version) == (True, plan, None), version
    assert {row.version for row in history(ledger, 1000)} >= model.versions.keys() - {1}
    assert (verify(ledger).findings, verify_audit(ledger).findings) == ([], ())


@pytest.fixture
def parsed(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The names of the policies that are read, by the store and by a meter."""
    read: list[str] = []
    for module in (store, rulebook):
        original = module.from_body

        def noted(body: dict[str, str], original: Callable[..., Policy] = original) -> Policy:
            read.append(body["name"])
            return original(body)

        monkeypatch.setattr(module, "from_body", noted)
    return read


def test_a_change_for_one_tenant_and_the_next_call_read_the_policies_of_no_other(
    ledger: Database, till: Till, parsed: list[str]
) -> None:
    free = NAMED["plan:free"]
    apply(ledger, [free])
    for number in range(20):
        add_tenant(ledger, f"t{number}", uncapped=True)
        till.void(till.admit(f"t{number}"))
    till.flush()
    for change in (
        lambda: set_limit(ledger, "t7", MONTHLY),
        lambda: remove_limit(ledger, "t7", Metric.CREDITS, Window.MONTH),
        lambda: set_plan(ledger, "t7", "free"),
        lambda: add_tenant(ledger, "new", plan="free"),
        lambda: apply(ledger, [replace(free, clamp=True), replace(NAMED["default"], limits=())]),
    ):
        parsed.clear()
        change()
        till.void(till.admit("t7", 1))
        assert set(parsed) <= {"plan:free", "default", "tenant:t7"}
        assert rows(ledger, "SELECT count(*) FROM aikit.policies WHERE until IS NULL")[0][0] >= 21
