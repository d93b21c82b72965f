import json
from itertools import product
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from aikit.policy.model import BUILT_IN, Caller, Policy, Scope, StatedLimit
from aikit.policy.resolve import FIELDS, candidates, matches, resolve
from aikit.policy.trace import FieldTrace, trace
from aikit.types import Action, Metric, Window

ACME = Caller("acme", "u1", "chat", "prod", plan="pro", user_plan="team")
CAP = StatedLimit(Metric.CREDITS, Window.MONTH, 5)


def policy(scope: Scope, name: str | None = None, **stated: Any) -> Policy:
    return Policy(name or scope.label, scope, **stated)


def field(name: str, policies: list[Policy], caller: Caller = ACME) -> FieldTrace:
    (found,) = [found for found in trace(policies, caller).fields if found.name == name]
    return found


def reasons(name: str, policies: list[Policy], caller: Caller = ACME) -> list[tuple[str, Any, str]]:
    return [(one.policy, one.value, one.reason) for one in field(name, policies, caller).overruled]


def test_a_field_that_no_policy_states_is_built_in() -> None:
    assert field("max_prompt_characters", []) == FieldTrace("max_prompt_characters", 100_000, BUILT_IN)


def test_the_deciding_policy_and_all_that_it_overrules_are_named_with_reasons() -> None:
    stated = [
        policy(Scope(), clamp=True),
        policy(Scope(plan="pro"), clamp=False),
        policy(Scope(plan="team"), clamp=True),
        policy(Scope(user="u1"), clamp=False),
        policy(Scope(user="u1"), "low", priority=-1, clamp=True),
        policy(Scope(user="u1"), "user:u1 again", clamp=True),
    ]
    found = field("clamp", stated)
    assert (found.value, found.policy) == (False, "user:u1")
    assert reasons("clamp", stated) == [
        ("user:u1 again", True, "same scope and priority, later name"),
        ("low", True, "same scope, lower priority (-1 < 0)"),
        ("plan:team", True, "plan:team (the user's own) is less specific than user:u1"),
        ("plan:pro", False, "plan:pro is less specific than user:u1"),
        ("default", True, "default is less specific than user:u1"),
    ]


def test_a_plan_of_both_tenant_and_user_does_not_overrule_itself() -> None:
    caller = Caller("acme", "u1", plan="pro", user_plan="pro")
    stated = [policy(Scope(plan="pro"), clamp=True, limits=(CAP, StatedLimit(Metric.CREDITS, Window.CALL, 1)))]
    assert reasons("clamp", stated, caller) == []
    assert [found.overruled for found in trace(stated, caller).limits] == [(), (), ()]


def test_a_default_output_above_the_ceiling_is_overruled_by_it() -> None:
    stated = [
        policy(Scope(user="u1"), default_output_tokens=500),
        policy(Scope(tenant="acme"), max_output_tokens=100),
        policy(Scope(), default_output_tokens=50),
    ]
    found = field("default_output_tokens", stated)
    assert (found.value, found.policy, found.note) == (100, "tenant:acme", "as max_output_tokens")
    assert reasons("default_output_tokens", stated) == [
        ("user:u1", 500, "above max_output_tokens"),
        ("default", 50, "default is less specific than user:u1"),
    ]


def test_a_default_output_that_nobody_states_says_where_it_comes_from() -> None:
    found = field("default_output_tokens", [policy(Scope(), max_output_tokens=100)])
    assert (found.value, found.policy, found.note) == (100, "default", "as max_output_tokens")


def test_entitlements_that_do_not_count_are_shown_with_the_reason() -> None:
    stated = [
        policy(Scope(plan="team"), entitlements=("ai_access",)),
        policy(Scope(plan="pro"), entitlements=("vision",)),
        policy(Scope(), entitlements=("audio",)),
        policy(Scope(tenant="acme"), requires=("vision",)),
    ]
    found = field("entitlements", stated)
    assert (found.value, found.policy) == (("ai_access",), "plan:team")
    assert reasons("entitlements", stated) == [
        ("plan:pro", ("vision",), "the user's own plan, team, comes before the tenant's"),
        ("default", ("audio",), "default is not for a plan alone, and only a plan's own policy gives entitlements"),
    ]
    assert trace(stated, ACME).lacking == ("vision",)


def test_a_limit_names_those_that_it_overrides_and_whom_it_counts() -> None:
    each = StatedLimit(Metric.REQUESTS, Window.MINUTE, 10, each="user")
    call = StatedLimit(Metric.CREDITS, Window.CALL, 1)
    stated = [
        policy(Scope(), limits=(CAP, call)),
        policy(Scope(tenant="acme"), limits=(StatedLimit(Metric.CREDITS, Window.MONTH, 9),)),
        policy(Scope(plan="pro"), limits=(each,)),
        policy(Scope(user="u1"), limits=(StatedLimit(Metric.REQUESTS, Window.MINUTE, 50),)),
    ]
    found = [
        (one.limit.source, one.limit.cap, one.counts, [(lost.limit.source, lost.limit.cap) for lost in one.overruled])
        for one in trace(stated, ACME).limits
    ]
    assert found == [
        ("default", 1, "each call by itself", []),
        ("tenant:acme", 9, "the whole tenant", [("default", 5)]),
        ("user:u1", 50, "user u1", [("plan:pro", 10)]),
    ]
    (lost,) = trace(stated, ACME).limits[1].overruled
    assert lost.reason == "default is less specific than tenant:acme"


def test_policies_for_others_say_which_part_does_not_fit() -> None:
    stated = [
        policy(Scope(user="u2", tenant="globex")),
        policy(Scope(feature="search")),
        policy(Scope(tenant="globex")),
        policy(Scope(plan="free")),
        policy(Scope(tenant="acme", environment="dev")),
        policy(Scope(tenant="acme")),
    ]
    assert {one.policy: one.reason for one in trace(stated, ACME).unmatched} == {
        "user:u2 tenant:globex": "for user u2, not u1",
        "feature:search": "for feature search, not chat",
        "tenant:globex": "for tenant globex, not acme",
        "plan:free": "for plan free, not team or pro",
        "tenant:acme environment:dev": "for environment dev, not prod",
    }
    nobody = {one.policy: one.reason for one in trace(stated, Caller("t")).unmatched}
    assert nobody["plan:free"] == "for plan free, and there is no plan"
    assert nobody["user:u2 tenant:globex"] == "for user u2, and there is no user"


def test_matching_policies_are_listed_the_most_specific_first() -> None:
    stated = [policy(Scope()), policy(Scope(plan="team"), "teams", priority=3), policy(Scope(user="u1"))]
    assert [(one.policy, one.scope, one.priority) for one in trace(stated, ACME).matched] == [
        ("user:u1", "user:u1", 0),
        ("teams", "plan:team (the user's own)", 3),
        ("default", "default", 0),
    ]


def test_as_json_it_is_plain_and_credits_are_in_nano() -> None:
    stated = [
        policy(Scope(), allow=("openai/*",), unpriced={"input": "5"}, limits=(CAP,)),
        policy(Scope(user="u1"), limits=(StatedLimit(Metric.CREDITS, Window.MONTH, 10**9, action=Action.WARN),)),
        policy(Scope(tenant="acme"), unpriced={}, limits=(StatedLimit(Metric.CREDITS, Window.MONTH, 7),)),
    ]
    plain = trace(stated, ACME).to_json()
    assert json.loads(json.dumps(plain)) == plain
    assert plain["fields"]["allow"] == {"value": ["openai/*"], "policy": "default", "note": "", "overruled": []}
    assert plain["fields"]["unpriced"]["value"] == {}
    assert plain["fields"]["unpriced"]["overruled"][0]["value"] == {"input": "5"}
    assert plain["limits"][0]["overruled"][0]["policy"] == "default"
    assert plain["limits"][1] == {
        "metric": "credits",
        "window": "month",
        "cap": 10**9,
        "soft_cap": None,
        "action": "warn",
        "subject": {"user": "u1"},
        "zone": "UTC",
        "anchor": 0,
        "policy": "user:u1",
        "counts": "user u1",
        "overruled": [],
    }


SCOPES = [Scope(*parts) for parts in product((None, "x"), (None, "x", "y"), (None, "x"), (None, "x"), (None, "prod"))]
STATEMENTS: list[tuple[str, Any]] = [
    *[(name, value) for name in ("allow", "deny", "entitlements", "requires") for value in [(), ("x",)]],
    *[(name, value) for name in ("max_output_tokens", "default_output_tokens") for value in (5, 50, 5000)],
    *[("clamp", False), ("clamp", True), ("uncapped", True), ("max_prompt_characters", 9)],
    *[("unpriced", {}), ("unpriced", {"input": "1"})],
]
LIMITS = [
    StatedLimit(Metric.CREDITS, window, cap, None, action, each)
    for window, cap, action, each in product([Window.CALL, Window.MONTH], [1, 2], Action, [None, "user", "feature"])
]
policy_sets = st.lists(
    st.tuples(
        st.sampled_from(SCOPES),
        st.integers(0, 1),
        st.lists(st.sampled_from(LIMITS), max_size=3),
        st.lists(st.sampled_from(STATEMENTS), max_size=4),
    ),
    max_size=7,
).map(
    lambda found: [
        Policy(f"p{number}", scope, priority, tuple(limits), **dict(stated))
        for number, (scope, priority, limits, stated) in enumerate(found)
    ]
)
plans = st.sampled_from(["x", "y", None])
callers = st.builds(Caller, st.just("x"), st.just("x"), st.sampled_from(["x", None]), st.just("prod"), plans, plans)


@given(policy_sets, callers)
def test_it_never_disagrees_with_the_rules(policies: list[Policy], caller: Caller) -> None:
    rules = resolve(policies, caller)
    found = trace(policies[::-1], caller)
    assert tuple(one.limit for one in found.limits) == rules.limits
    assert found.lacking == rules.lacking
    assert tuple(one.policy for one in found.matched) == rules.policies
    assert [one.name for one in found.fields] == list(FIELDS)
    by_name = {policy.name: policy for policy in policies}
    for one in found.fields:
        assert one.policy == rules.sources[one.name]
        if one.name not in ("entitlements", "requires", "unpriced"):
            assert one.value == getattr(rules, one.name)
        elif one.policy != BUILT_IN:
            assert one.value == getattr(by_name[one.policy], one.name)


@given(policy_sets, callers)
def test_nothing_that_is_stated_for_the_caller_is_left_out(policies: list[Policy], caller: Caller) -> None:
    found = trace(policies, caller)
    assert {one.policy for one in (*found.matched, *found.unmatched)} == {policy.name for policy in policies}
    matching = {match.policy.name: match.policy for match in matches(policies, caller)}
    for one in found.fields:
        named = [lost.policy for lost in one.overruled]
        stating = {name for name, policy in matching.items() if getattr(policy, one.name) is not None}
        assert len(named) == len(set(named))
        assert stating <= {one.policy, *named}
        assert set(named) <= stating
    shown = {lost.limit for one in found.limits for lost in one.overruled} | {one.limit for one in found.limits}
    for group in candidates(matches(policies, caller), caller).values():
        winner = group[0].match.policy
        assert all(one.limit in shown or one.match.policy is winner for one in group)
