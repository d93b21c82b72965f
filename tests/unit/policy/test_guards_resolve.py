"""Which guards apply to a caller: of each the most specific statement, and none that it switches off."""

from __future__ import annotations

from dataclasses import replace
from itertools import product
from typing import Any, Literal

from hypothesis import given
from hypothesis import strategies as st

from aikit.policy.guards import guard_rule
from aikit.policy.model import Caller, Policy, Scope, StatedGuard
from aikit.policy.resolve import matches, resolve
from aikit.policy.trace import trace
from aikit.types import GuardAction, GuardRule, Place

ANN = Caller("acme", user="ann", feature="chat", environment="prod", plan="pro")
NAMES = ("pii", "secrets", "custom.toxicity")
SCOPES = [
    Scope(*parts) for parts in product((None, "x", "y"), (None, "x", "y"), (None, "x"), (None, "x"), (None, "prod"))
]

statements = st.builds(
    StatedGuard,
    st.sampled_from(NAMES),
    st.sampled_from([*GuardAction, "off"]),
    st.sampled_from([None, (Place.INPUT,), (Place.OUTPUT, Place.TOOL_RESULTS)]),
)
policy_sets = st.lists(
    st.tuples(
        st.sampled_from(SCOPES),
        st.integers(-1, 1),
        st.lists(statements, max_size=3, unique_by=lambda stated: stated.guard),
    ),
    max_size=7,
).map(
    lambda found: [
        Policy(f"p{number}", scope, priority, guards=tuple(sorted(guards, key=lambda stated: stated.guard)))
        for number, (scope, priority, guards) in enumerate(found)
    ]
)
plans = st.sampled_from(["x", "y", None])
callers = st.builds(
    Caller, st.just("x"), st.sampled_from(["x", "y"]), st.sampled_from(["x", None]), st.just("prod"), plans, plans
)


def guards(*stated: tuple[str, GuardAction | Literal["off"]]) -> tuple[StatedGuard, ...]:
    return tuple([StatedGuard(name, action) for name, action in sorted(stated)])


def policy(scope: Scope, *stated: tuple[str, GuardAction | Literal["off"]], **fields: Any) -> Policy:
    return Policy(scope.label, scope, guards=guards(*stated), **fields)


def applying(*policies: Policy) -> list[tuple[str, str, str]]:
    return [(rule.guard, str(rule.action), rule.source) for rule in resolve(policies, ANN).guards]


def test_without_a_statement_there_are_none() -> None:
    assert resolve([Policy("default", Scope())], ANN).guards == ()


def test_the_guards_of_all_policies_apply_together() -> None:
    default = policy(Scope(), ("secrets", GuardAction.BLOCK))
    tenant = policy(Scope(tenant="acme"), ("pii", GuardAction.REDACT))
    assert applying(default, tenant) == [("pii", "redact", "tenant:acme"), ("secrets", "block", "default")]


def test_of_one_guard_the_most_specific_statement_replaces_the_others_whole() -> None:
    stated = StatedGuard("pii", GuardAction.REDACT, (Place.INPUT,), '{"kinds":["email"]}')
    default = Policy("default", Scope(), guards=(stated,))
    feature = policy(Scope(feature="chat"), ("pii", GuardAction.FLAG))
    (rule,) = resolve([default, feature], ANN).guards
    assert (rule.action, rule.options, rule.source) == (GuardAction.FLAG, "{}", "feature:chat")
    assert rule.places != (Place.INPUT,)
    (rule,) = resolve([default], ANN).guards
    assert rule == GuardRule("pii", GuardAction.REDACT, (Place.INPUT,), '{"kinds":["email"]}', "default")


def test_off_removes_what_less_specific_policies_state_and_a_more_specific_one_brings_it_back() -> None:
    default = policy(Scope(), ("pii", GuardAction.BLOCK), ("secrets", GuardAction.BLOCK))
    tenant = policy(Scope(tenant="acme"), ("pii", "off"))
    user = policy(Scope(user="ann"), ("pii", GuardAction.FLAG))
    assert applying(default, tenant) == [("secrets", "block", "default")]
    assert applying(default, tenant, user) == [("pii", "flag", "user:ann"), ("secrets", "block", "default")]


def test_off_in_a_less_specific_policy_switches_nothing_off() -> None:
    default = policy(Scope(), ("pii", "off"))
    plan = policy(Scope(plan="pro"), ("pii", GuardAction.BLOCK))
    assert applying(default, plan) == [("pii", "block", "plan:pro")]


def test_off_in_a_policy_for_others_switches_nothing_off() -> None:
    default = policy(Scope(), ("pii", GuardAction.BLOCK))
    assert applying(default, policy(Scope(tenant="globex"), ("pii", "off"))) == [("pii", "block", "default")]


def test_priority_decides_between_equally_specific_policies_and_then_the_name() -> None:
    low = Policy("a", Scope(), guards=guards(("pii", GuardAction.BLOCK)))
    high = Policy("b", Scope(), priority=1, guards=guards(("pii", "off")))
    assert applying(low, high) == []
    assert applying(low, replace(high, priority=0)) == [("pii", "block", "a")]


@given(policy_sets, callers, st.randoms(use_true_random=False))
def test_the_order_of_the_policies_does_not_matter(policies: list[Policy], caller: Caller, random: Any) -> None:
    shuffled = random.sample(policies, len(policies))
    assert resolve(shuffled, caller).guards == resolve(policies, caller).guards


@given(policy_sets, callers)
def test_each_guard_is_as_the_most_specific_policy_states_it(policies: list[Policy], caller: Caller) -> None:
    rules = {rule.guard: rule for rule in resolve(policies, caller).guards}
    for name in NAMES:
        stating = [
            (match, stated)
            for match in matches(policies, caller)
            for stated in match.policy.guards
            if stated.guard == name
        ]
        if not stating:
            assert name not in rules
            continue
        best = max((match.specificity, match.policy.priority) for match, _ in stating)
        first = min(match.policy.name for match, _ in stating if (match.specificity, match.policy.priority) == best)
        (expected,) = {
            guard_rule(stated, first)
            for match, stated in stating
            if match.policy.name == first and (match.specificity, match.policy.priority) == best
        }
        assert rules.get(name) == expected


@given(policy_sets, callers)
def test_guards_are_sorted_by_name_and_each_is_there_once(policies: list[Policy], caller: Caller) -> None:
    names = [rule.guard for rule in resolve(policies, caller).guards]
    assert names == sorted(set(names))


@given(policy_sets, callers, statements)
def test_a_statement_for_every_call_changes_only_guards_that_no_other_policy_states(
    policies: list[Policy], caller: Caller, stated: StatedGuard
) -> None:
    """Also one that switches off: `off` wins only where it is the more specific."""
    least = Policy("least", Scope(), priority=-2, guards=(stated,))
    before, after = resolve(policies, caller).guards, resolve([*policies, least], caller).guards
    named = {one.guard for match in matches(policies, caller) for one in match.policy.guards}
    added = guard_rule(stated, "least")
    if stated.guard in named or added is None:
        assert after == before
    else:
        assert set(after) == {*before, added}


@given(policy_sets, callers)
def test_a_trace_never_disagrees_and_leaves_no_statement_out(policies: list[Policy], caller: Caller) -> None:
    found = trace(policies[::-1], caller).guards
    rules = [guard_rule(one.stated, one.policy) for one in found]
    assert tuple([rule for rule in rules if rule is not None]) == resolve(policies, caller).guards
    stated = {(match.policy.name, one.guard) for match in matches(policies, caller) for one in match.policy.guards}
    shown = [(one.policy, one.stated.guard) for one in found]
    shown += [(lost.policy, lost.stated.guard) for one in found for lost in one.overruled]
    assert sorted(shown) == sorted(stated)


def test_a_trace_says_why_a_statement_does_not_count() -> None:
    default = policy(Scope(), ("pii", GuardAction.BLOCK))
    tenant = policy(Scope(tenant="acme"), ("pii", "off"))
    (found,) = trace([default, tenant], ANN).guards
    assert (found.stated.action, found.policy) == ("off", "tenant:acme")
    (plain,) = trace([default, tenant], ANN).to_json()["guards"]
    (lost,) = plain.pop("overruled")
    assert plain == {"guard": "pii", "action": "off", "on": None, "options": {}, "policy": "tenant:acme"}
    assert (lost["action"], lost["policy"]) == ("block", "default")
    assert lost["reason"] == "default is less specific than tenant:acme"
