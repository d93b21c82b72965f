"""Resolution, as a table that reads as sentences, and what holds for all policies."""

from collections.abc import Mapping
from dataclasses import replace
from decimal import Decimal
from itertools import product
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aikit.policy.model import BUILT_IN, Caller, Policy, Scope, StatedLimit
from aikit.policy.resolve import FIELDS, differing, resolve, specificity
from aikit.policy.subject import SEPARATOR
from aikit.types import Action, Metric, Window

ACME = Caller("acme", "u1", "chat", "prod")
ON_PRO = replace(ACME, plan="pro")
TEAM_ON_PRO = replace(ACME, plan="pro", user_plan="team")
BOTH_ON_PRO = replace(ACME, plan="pro", user_plan="pro")


def policy(scope: Scope, name: str | None = None, **stated: Any) -> Policy:
    limits = stated.pop("limits", ())
    return Policy(name or scope.label, scope, limits=limits if isinstance(limits, tuple) else (limits,), **stated)


def default(**stated: Any) -> Policy:
    return policy(Scope(), **stated)


def plan(name: str = "pro", **stated: Any) -> Policy:
    return policy(Scope(plan=name), **stated)


def tenant(**stated: Any) -> Policy:
    return policy(Scope(tenant="acme"), **stated)


def feature(**stated: Any) -> Policy:
    return policy(Scope(feature="chat"), **stated)


def user(**stated: Any) -> Policy:
    return policy(Scope(user="u1"), **stated)


def prod(**stated: Any) -> Policy:
    return policy(Scope(environment="prod"), **stated)


def month(cap: int, **stated: Any) -> StatedLimit:
    return StatedLimit(Metric.CREDITS, Window.MONTH, cap, **stated)


def rate(cap: int, **stated: Any) -> StatedLimit:
    return StatedLimit(Metric.REQUESTS, Window.MINUTE, cap, **stated)


FIELD_ROWS: list[tuple[str, list[Policy], Caller, dict[str, tuple[Any, str]]]] = [
    (
        "without any policy everything is as built in",
        [],
        ACME,
        {
            "allow": (None, BUILT_IN),
            "deny": ((), BUILT_IN),
            "max_output_tokens": (4096, BUILT_IN),
            "default_output_tokens": (4096, BUILT_IN),
            "max_prompt_characters": (100_000, BUILT_IN),
            "unpriced": (None, BUILT_IN),
            "clamp": (False, BUILT_IN),
            "uncapped": (False, BUILT_IN),
        },
    ),
    (
        "the default policy is for every caller",
        [default(clamp=True)],
        Caller("t"),
        {"clamp": (True, "default")},
    ),
    (
        "an environment beats the default",
        [default(clamp=True), prod(clamp=False)],
        ACME,
        {"clamp": (False, "environment:prod")},
    ),
    (
        "a policy for prod is not for dev",
        [default(clamp=True), prod(clamp=False)],
        replace(ACME, environment="dev"),
        {"clamp": (True, "default")},
    ),
    (
        "a policy for prod is not for a call that names no environment",
        [default(clamp=True), prod(clamp=False)],
        Caller("acme"),
        {"clamp": (True, "default")},
    ),
    (
        "the tenant's plan beats an environment",
        [prod(clamp=True), plan(clamp=False)],
        ON_PRO,
        {"clamp": (False, "plan:pro")},
    ),
    (
        "a plan in one environment beats the plan in all",
        [plan(clamp=True), policy(Scope(plan="pro", environment="prod"), clamp=False)],
        ON_PRO,
        {"clamp": (False, "plan:pro environment:prod")},
    ),
    (
        "a plan that nobody here is on says nothing",
        [plan("team", clamp=True)],
        ON_PRO,
        {"clamp": (False, BUILT_IN)},
    ),
    (
        "the user's own plan beats the tenant's",
        [plan("pro", clamp=False), plan("team", clamp=True)],
        TEAM_ON_PRO,
        {"clamp": (True, "plan:team")},
    ),
    (
        "the tenant's plan still says what the user's own does not",
        [plan("pro", max_prompt_characters=5), plan("team", clamp=True)],
        TEAM_ON_PRO,
        {"max_prompt_characters": (5, "plan:pro"), "clamp": (True, "plan:team")},
    ),
    (
        "the tenant by name beats the user's own plan",
        [plan("team", clamp=True), tenant(clamp=False)],
        TEAM_ON_PRO,
        {"clamp": (False, "tenant:acme")},
    ),
    (
        "a feature beats the tenant by name",
        [tenant(clamp=True), feature(clamp=False)],
        ACME,
        {"clamp": (False, "feature:chat")},
    ),
    (
        "a user by name beats the feature",
        [feature(clamp=True), user(clamp=False)],
        ACME,
        {"clamp": (False, "user:u1")},
    ),
    (
        "a user by name beats feature, tenant, plan and environment together",
        [policy(Scope("acme", "pro", "chat", None, "prod"), clamp=True), user(clamp=False)],
        ON_PRO,
        {"clamp": (False, "user:u1")},
    ),
    (
        "a user of one tenant beats that user of any tenant",
        [user(clamp=True), policy(Scope(tenant="acme", user="u1"), clamp=False)],
        ACME,
        {"clamp": (False, "user:u1 tenant:acme")},
    ),
    (
        "a user on a feature beats the user by name alone",
        [user(clamp=True), policy(Scope(feature="chat", user="u1"), clamp=False)],
        ACME,
        {"clamp": (False, "user:u1 feature:chat")},
    ),
    (
        "a policy must fit in all its parts",
        [policy(Scope(user="u1", feature="search"), clamp=True)],
        ACME,
        {"clamp": (False, BUILT_IN)},
    ),
    (
        "a policy of another tenant says nothing",
        [policy(Scope(tenant="globex"), clamp=True)],
        ACME,
        {"clamp": (False, BUILT_IN)},
    ),
    (
        "each field is decided by itself",
        [default(clamp=True, uncapped=True), tenant(clamp=False), user(max_prompt_characters=7)],
        ACME,
        {
            "clamp": (False, "tenant:acme"),
            "uncapped": (True, "default"),
            "max_prompt_characters": (7, "user:u1"),
            "max_output_tokens": (4096, BUILT_IN),
        },
    ),
    (
        "within the same scope the higher priority wins",
        [policy(Scope(), "a", clamp=True), policy(Scope(), "b", priority=1, clamp=False)],
        ACME,
        {"clamp": (False, "b")},
    ),
    (
        "a negative priority comes after none",
        [policy(Scope(), "a", priority=-1, clamp=True), policy(Scope(), "b", clamp=False)],
        ACME,
        {"clamp": (False, "b")},
    ),
    (
        "priority never beats a more specific scope",
        [default(priority=1_000_000, clamp=True), prod(clamp=False)],
        ACME,
        {"clamp": (False, "environment:prod")},
    ),
    (
        "the first name by the alphabet is the last tie-break",
        [policy(Scope(), "b", clamp=True), policy(Scope(), "a", clamp=False)],
        ACME,
        {"clamp": (False, "a")},
    ),
    (
        "an empty allow list is a statement, and allows nothing",
        [default(allow=("openai/*",)), tenant(allow=())],
        ACME,
        {"allow": ((), "tenant:acme")},
    ),
    (
        "of two deny lists the more specific one counts alone",
        [default(deny=("openai/*",)), user(deny=("gemini/*",))],
        ACME,
        {"deny": (("gemini/*",), "user:u1")},
    ),
    (
        "an empty deny list lifts a less specific one",
        [default(deny=("openai/*",)), user(deny=())],
        ACME,
        {"deny": ((), "user:u1")},
    ),
    (
        "allow and deny may come from different policies",
        [default(deny=("openai/*",)), tenant(allow=("*",))],
        ACME,
        {"allow": (("*",), "tenant:acme"), "deny": (("openai/*",), "default")},
    ),
    (
        "an output ceiling that is stated is the default output too",
        [tenant(max_output_tokens=100)],
        ACME,
        {"max_output_tokens": (100, "tenant:acme"), "default_output_tokens": (100, "tenant:acme")},
    ),
    (
        "a default output below the ceiling stands",
        [tenant(max_output_tokens=100), default(default_output_tokens=50)],
        ACME,
        {"default_output_tokens": (50, "default")},
    ),
    (
        "a default output above the ceiling is the ceiling",
        [tenant(max_output_tokens=100), user(default_output_tokens=500)],
        ACME,
        {"max_output_tokens": (100, "tenant:acme"), "default_output_tokens": (100, "tenant:acme")},
    ),
    (
        "a default output above the built-in ceiling is that ceiling",
        [user(default_output_tokens=5000)],
        ACME,
        {"max_output_tokens": (4096, BUILT_IN), "default_output_tokens": (4096, BUILT_IN)},
    ),
    (
        "a ceiling may be raised above the built-in one",
        [user(max_output_tokens=64_000)],
        ACME,
        {"max_output_tokens": (64_000, "user:u1"), "default_output_tokens": (64_000, "user:u1")},
    ),
    (
        "an empty price for models without one denies them",
        [default(unpriced={"input": "5", "output": "15"}), tenant(unpriced={})],
        ACME,
        {"unpriced": (None, "tenant:acme")},
    ),
    (
        "false is a statement too",
        [default(uncapped=True), tenant(uncapped=False)],
        ACME,
        {"uncapped": (False, "tenant:acme")},
    ),
]


@pytest.mark.parametrize(
    ("policies", "caller", "expected"), [row[1:] for row in FIELD_ROWS], ids=[row[0] for row in FIELD_ROWS]
)
def test_of_the_fields(policies: list[Policy], caller: Caller, expected: Mapping[str, tuple[Any, str]]) -> None:
    rules = resolve(policies, caller)
    assert {name: (getattr(rules, name), rules.sources[name]) for name in expected} == expected


LIMIT_ROWS: list[tuple[str, list[Policy], Caller, list[tuple[str, int, str]]]] = [
    ("without any policy there is no limit", [], ACME, []),
    (
        "a default limit counts the whole tenant",
        [default(limits=month(100))],
        ACME,
        [("default", 100, "")],
    ),
    (
        "the tenant's limit overrides the default that counts the same",
        [default(limits=month(100)), tenant(limits=month(500))],
        ACME,
        [("tenant:acme", 500, "")],
    ),
    (
        "the tenant's plan overrides the default, and the tenant by name the plan",
        [default(limits=month(1)), plan(limits=month(2)), tenant(limits=month(3))],
        ON_PRO,
        [("tenant:acme", 3, "")],
    ),
    (
        "a user's own cap does not lift the tenant's, for it counts another subject",
        [tenant(limits=month(500)), user(limits=month(900))],
        ACME,
        [("tenant:acme", 500, ""), ("user:u1", 900, "user=u1")],
    ),
    (
        "a feature's cap does not lift the tenant's",
        [tenant(limits=month(500)), feature(limits=month(900))],
        ACME,
        [("tenant:acme", 500, ""), ("feature:chat", 900, "feature=chat")],
    ),
    (
        "an environment's cap counts that environment and leaves the default be",
        [default(limits=month(500)), prod(limits=month(900))],
        ACME,
        [("default", 500, ""), ("environment:prod", 900, "environment=prod")],
    ),
    (
        "the tenant in prod overrides prod, for both count prod",
        [prod(limits=month(1)), policy(Scope(tenant="acme", environment="prod"), limits=month(2))],
        ACME,
        [("tenant:acme environment:prod", 2, "environment=prod")],
    ),
    (
        "another window is another limit",
        [default(limits=month(1)), tenant(limits=StatedLimit(Metric.CREDITS, Window.DAY, 2))],
        ACME,
        [("tenant:acme", 2, ""), ("default", 1, "")],
    ),
    (
        "another metric is another limit",
        [default(limits=month(1)), tenant(limits=StatedLimit(Metric.TOKENS, Window.MONTH, 2))],
        ACME,
        [("default", 1, ""), ("tenant:acme", 2, "")],
    ),
    (
        "a limit that warns does not lift one that blocks",
        [default(limits=month(100)), tenant(limits=month(500, action=Action.WARN))],
        ACME,
        [("default", 100, ""), ("tenant:acme", 500, "")],
    ),
    (
        "a limit that blocks does not lift one that warns",
        [default(limits=month(100, action=Action.WARN)), tenant(limits=month(500))],
        ACME,
        [("tenant:acme", 500, ""), ("default", 100, "")],
    ),
    (
        "a limit that warns overrides one that warns",
        [default(limits=month(1, action=Action.WARN)), tenant(limits=month(2, action=Action.WARN))],
        ACME,
        [("tenant:acme", 2, "")],
    ),
    (
        "another time zone does not stop a limit from overriding",
        [default(limits=month(1)), tenant(limits=month(2, zone="Europe/Zurich", anchor=14))],
        ACME,
        [("tenant:acme", 2, "")],
    ),
    (
        "a soft cap does not stop a limit from overriding",
        [default(limits=month(1)), tenant(limits=month(2, soft_cap=1))],
        ACME,
        [("tenant:acme", 2, "")],
    ),
    (
        "a cap of zero is a cap",
        [default(limits=month(5)), tenant(limits=month(0))],
        ACME,
        [("tenant:acme", 0, "")],
    ),
    (
        "each user of a plan is counted by itself",
        [plan(limits=rate(10, each="user"))],
        ON_PRO,
        [("plan:pro", 10, "user=u1")],
    ),
    (
        "calls that name no user are counted as one user",
        [plan(limits=rate(10, each="user"))],
        Caller("acme", plan="pro"),
        [("plan:pro", 10, "user=")],
    ),
    (
        "each feature is counted by itself, and calls that name none as one",
        [default(limits=rate(10, each="feature"))],
        Caller("acme"),
        [("default", 10, "feature=")],
    ),
    (
        "a user by name overrides what is stated for each user",
        [plan(limits=rate(10, each="user")), user(limits=rate(50))],
        ON_PRO,
        [("user:u1", 50, "user=u1")],
    ),
    (
        "each user of a feature is counted by itself and that feature alone",
        [default(limits=rate(10, each="user")), feature(limits=rate(5, each="user"))],
        ACME,
        [("feature:chat", 5, f"feature=chat{SEPARATOR}user=u1"), ("default", 10, "user=u1")],
    ),
    (
        "each user in an environment is counted by itself and that environment alone",
        [prod(limits=rate(5, each="user"))],
        ACME,
        [("environment:prod", 5, f"environment=prod{SEPARATOR}user=u1")],
    ),
    (
        "a plan that the user holds counts that user",
        [plan("team", limits=month(7))],
        TEAM_ON_PRO,
        [("plan:team", 7, "user=u1")],
    ),
    (
        "the user's own plan leaves the tenant's plan to count the tenant",
        [plan("pro", limits=month(100)), plan("team", limits=month(7))],
        TEAM_ON_PRO,
        [("plan:pro", 100, ""), ("plan:team", 7, "user=u1")],
    ),
    (
        "the user's own plan overrides what the tenant's plan states for each user",
        [plan("pro", limits=rate(10, each="user")), plan("team", limits=rate(60))],
        TEAM_ON_PRO,
        [("plan:team", 60, "user=u1")],
    ),
    (
        "a plan of both tenant and user counts both",
        [plan(limits=month(100))],
        BOTH_ON_PRO,
        [("plan:pro", 100, ""), ("plan:pro", 100, "user=u1")],
    ),
    (
        "what a plan of both states for each user counts the user once",
        [plan(limits=rate(10, each="user"))],
        BOTH_ON_PRO,
        [("plan:pro", 10, "user=u1")],
    ),
    (
        "a plan does not override itself: of the user all that it states is counted",
        [plan(limits=(month(100), month(10, each="user")))],
        BOTH_ON_PRO,
        [("plan:pro", 100, ""), ("plan:pro", 10, "user=u1"), ("plan:pro", 100, "user=u1")],
    ),
    (
        "a ceiling for a single call counts nothing, so a user's lifts the default's",
        [
            default(limits=StatedLimit(Metric.CREDITS, Window.CALL, 5)),
            user(limits=StatedLimit(Metric.CREDITS, Window.CALL, 9)),
        ],
        ACME,
        [("user:u1", 9, "")],
    ),
    (
        "within the same scope the limit of the higher priority wins",
        [policy(Scope(), "a", limits=month(1)), policy(Scope(), "b", priority=1, limits=month(2))],
        ACME,
        [("b", 2, "")],
    ),
    (
        "within the same scope and priority the limit of the first name wins",
        [policy(Scope(), "b", limits=month(1)), policy(Scope(), "a", limits=month(2))],
        ACME,
        [("a", 2, "")],
    ),
    (
        "a policy without limits lifts none",
        [default(limits=month(1)), tenant(uncapped=True)],
        ACME,
        [("default", 1, "")],
    ),
    (
        "limits of other callers are not there",
        [policy(Scope(user="u2"), limits=month(1)), policy(Scope(tenant="globex"), limits=month(2))],
        ACME,
        [],
    ),
]


@pytest.mark.parametrize(
    ("policies", "caller", "expected"), [row[1:] for row in LIMIT_ROWS], ids=[row[0] for row in LIMIT_ROWS]
)
def test_of_the_limits(policies: list[Policy], caller: Caller, expected: list[tuple[str, int, str]]) -> None:
    rules = resolve(policies, caller)
    assert [(limit.source, limit.cap, limit.subject) for limit in rules.limits] == expected


ACCESS = ("ai_access",)
ENTITLEMENT_ROWS: list[tuple[str, list[Policy], Caller, tuple[str, ...], str | None]] = [
    ("without a plan and a requirement nothing is lacking", [default()], ACME, (), None),
    ("a plan that no policy describes gives no access", [default()], ON_PRO, ACCESS, BUILT_IN),
    ("a plan that gives nothing gives no access", [plan(entitlements=())], ON_PRO, ACCESS, "plan:pro"),
    ("a plan that gives access lacks nothing", [plan(entitlements=ACCESS)], ON_PRO, (), None),
    (
        "a feature may require more than access",
        [plan(entitlements=ACCESS), feature(requires=("vision",))],
        ON_PRO,
        ("vision",),
        "feature:chat",
    ),
    (
        "what is required and given is not lacking",
        [plan(entitlements=("ai_access", "vision")), feature(requires=("vision",))],
        ON_PRO,
        (),
        None,
    ),
    (
        "without a plan all that is required is lacking",
        [feature(requires=("vision", "audio"))],
        ACME,
        ("audio", "vision"),
        "feature:chat",
    ),
    (
        "a requirement of nothing lifts a less specific one",
        [default(requires=("vision",)), feature(requires=())],
        ACME,
        (),
        None,
    ),
    (
        "the user's own plan counts alone, even if it gives less",
        [plan("pro", entitlements=ACCESS), plan("team", entitlements=())],
        TEAM_ON_PRO,
        ACCESS,
        "plan:team",
    ),
    (
        "the user's own plan counts alone if it gives more",
        [plan("pro", entitlements=()), plan("team", entitlements=ACCESS)],
        TEAM_ON_PRO,
        (),
        None,
    ),
    (
        "of two policies for a plan the one of higher priority gives",
        [
            policy(Scope(plan="pro"), "a", entitlements=ACCESS),
            policy(Scope(plan="pro"), "b", priority=1, entitlements=()),
        ],
        ON_PRO,
        ACCESS,
        "b",
    ),
    (
        "a policy for more than a plan gives nothing",
        [policy(Scope(tenant="acme", plan="pro"), entitlements=ACCESS), default(entitlements=ACCESS)],
        ON_PRO,
        ACCESS,
        BUILT_IN,
    ),
    (
        "lacking access and a feature, the feature's policy is the source",
        [feature(requires=("vision",))],
        ON_PRO,
        ("ai_access", "vision"),
        "feature:chat",
    ),
]


@pytest.mark.parametrize(
    ("policies", "caller", "lacking", "source"),
    [row[1:] for row in ENTITLEMENT_ROWS],
    ids=[row[0] for row in ENTITLEMENT_ROWS],
)
def test_of_the_entitlements(
    policies: list[Policy], caller: Caller, lacking: tuple[str, ...], source: str | None
) -> None:
    rules = resolve(policies, caller)
    assert (rules.lacking, rules.sources.get("lacking")) == (lacking, source)


def test_a_limit_keeps_all_that_is_stated_of_it() -> None:
    stated = month(50, soft_cap=40, action=Action.WARN, zone="Asia/Kolkata", anchor=14)
    (limit,) = resolve([tenant(limits=stated)], ACME).limits
    assert (limit.soft_cap, limit.action, limit.zone, limit.anchor) == (40, Action.WARN, "Asia/Kolkata", 14)


def test_a_window_that_no_zone_can_shift_has_none() -> None:
    (limit,) = resolve([tenant(limits=rate(10, zone="Asia/Kolkata", anchor=3))], ACME).limits
    assert (limit.zone, limit.anchor) == ("UTC", 0)


def test_the_price_of_models_without_one_names_its_policy_and_is_complete() -> None:
    price = resolve([tenant(unpriced={"output": "15.00", "input": "5"})], ACME).unpriced
    assert price is not None
    assert (price.provider, price.model, price.source) == ("*", "*", "policy tenant:acme")
    assert price.rates["input"].base == 5 and price.rates["reasoning"].base == Decimal("15.00")
    again = resolve([tenant(unpriced={"input": "5", "output": "15.00"})], ACME).unpriced
    assert again is not None and again.id == price.id


def test_policies_are_named_the_most_specific_first_and_once() -> None:
    stated = [default(), prod(), plan(), tenant(), feature(), user(), plan("team")]
    names = ("user:u1", "feature:chat", "tenant:acme", "plan:pro", "environment:prod", "default")
    assert resolve(stated, BOTH_ON_PRO).policies == names


def test_subjects_are_those_of_limits_with_counters_in_one_order() -> None:
    call = StatedLimit(Metric.CREDITS, Window.CALL, 5)
    rules = resolve(
        [default(limits=(call, rate(1, each="user"))), feature(limits=month(1)), prod(limits=month(2))], ACME
    )
    assert rules.subjects == ("environment=prod", "feature=chat", "user=u1")
    assert resolve([default(limits=call)], ACME).subjects == ()


def test_a_policy_for_a_plan_of_both_is_as_specific_as_by_the_users_own() -> None:
    assert specificity(plan(), BOTH_ON_PRO) == specificity(plan("team"), TEAM_ON_PRO)
    assert specificity(plan("team"), ON_PRO) is None


callers = st.builds(
    Caller,
    st.just("x"),
    st.sampled_from(["x", "y"]),
    st.sampled_from(["x", None]),
    st.sampled_from(["prod", "dev", None]),
    st.sampled_from(["x", "y", None]),
    st.sampled_from(["x", "y", None]),
) | st.builds(Caller, st.sampled_from(["x", "y"]))
SCOPES = [
    *[Scope(*parts) for parts in product((None, "x"), (None, "x"), (None, "x"), (None, "x"), (None, "prod"))],
    *[Scope(), Scope(plan="x"), Scope(plan="y"), Scope(tenant="y"), Scope(user="y"), Scope(environment="dev")],
]
LIMITS = [
    StatedLimit(Metric.CREDITS, window, cap, None, action, each, zone, 1)
    for window, cap, action, each, zone in product(
        [Window.CALL, Window.MINUTE, Window.MONTH], [1, 2], Action, [None, "user", "feature"], ["UTC", "Asia/Kolkata"]
    )
]
STATEMENTS = [
    *[
        (name, value)
        for name in ("allow", "deny", "entitlements", "requires")
        for value in [(), ("x",), ("ai_access",)]
    ],
    *[(name, value) for name in ("max_output_tokens", "default_output_tokens") for value in (5, 50, 5000)],
    *[(name, value) for name in ("clamp", "uncapped") for value in (False, True)],
    *[("max_prompt_characters", 9), ("unpriced", {}), ("unpriced", {"input": "1"})],
]
stated_policies = st.builds(
    lambda scope, priority, stated, limits: Policy("", scope, priority, tuple(limits), **dict(stated)),
    st.sampled_from(SCOPES),
    st.integers(-1, 1),
    st.lists(st.sampled_from(STATEMENTS), max_size=5),
    st.lists(st.sampled_from(LIMITS), max_size=4),
)
policy_sets = st.lists(stated_policies, max_size=7).map(
    lambda found: [replace(one, name=f"p{number}") for number, one in enumerate(found)]
)


def facts(policies: list[Policy], caller: Caller) -> dict[str, Any]:
    """All of the rules, as plain values."""
    rules = resolve(policies, caller)
    found = {name: getattr(rules, name) for name in type(rules).__dataclass_fields__}
    return {**found, "unpriced": rules.unpriced and rules.unpriced.id}


@given(policy_sets, callers, st.randoms(use_true_random=False))
def test_resolution_does_not_depend_on_the_order_of_the_policies(
    policies: list[Policy], caller: Caller, random: Any
) -> None:
    shuffled = random.sample(policies, len(policies))
    assert facts(shuffled, caller) == facts(policies, caller)


@given(policy_sets, callers)
def test_policies_for_other_callers_make_no_difference(policies: list[Policy], caller: Caller) -> None:
    matching = [one for one in policies if differing(one.scope, caller) is None]
    assert facts(matching, caller) == facts(policies, caller)


@given(policy_sets, stated_policies, callers)
def test_a_limit_that_overrides_nothing_removes_no_limit(policies: list[Policy], added: Policy, caller: Caller) -> None:
    def counted(found: list[Policy]) -> dict[tuple[str, ...], set[Any]]:
        groups: dict[tuple[str, ...], set[Any]] = {}
        for limit in resolve(found, caller).limits:
            groups.setdefault((limit.metric, limit.window, limit.action, limit.subject), set()).add(limit)
        return groups

    before = counted(policies)
    after = counted([*policies, replace(added, name="added")])
    for identity, old in before.items():
        new = after[identity]
        assert new == old or {limit.source for limit in new} == {"added"}
    for identity in after.keys() - before.keys():
        assert {limit.source for limit in after[identity]} == {"added"}


def weight(one: Policy, caller: Caller) -> tuple[int, int]:
    """How specific a policy is, as one number, and its priority."""
    tenant, plan, feature, user, environment = one.scope
    own = plan is not None and plan == caller.user_plan
    parts = (user is not None, feature is not None, tenant is not None, own, plan is not None, environment is not None)
    return sum(2**place for place, named in zip(range(5, -1, -1), parts, strict=True) if named), one.priority


@given(policy_sets, callers, st.sampled_from([name for name in FIELDS if name != "entitlements"]))
def test_the_more_specific_statement_always_wins(policies: list[Policy], caller: Caller, field: str) -> None:
    fitting = [one for one in policies if specificity(one, caller) is not None]
    for one in fitting:
        wanted = {
            "tenant": (None, caller.tenant),
            "plan": (None, caller.plan, caller.user_plan),
            "feature": (None, caller.feature),
            "user": (None, caller.user),
            "environment": (None, caller.environment),
        }
        assert all(getattr(one.scope, part) in values for part, values in wanted.items())
    stating = [one for one in fitting if getattr(one, field) is not None]
    rules = resolve(policies, caller)
    if not stating:
        assert field == "default_output_tokens" or rules.sources[field] == BUILT_IN
        return
    best = max(weight(one, caller) for one in stating)
    expected = min(one.name for one in stating if weight(one, caller) == best)
    if field == "default_output_tokens" and rules.sources[field] != expected:
        (decided,) = [one for one in stating if one.name == expected]
        assert decided.default_output_tokens is not None
        assert decided.default_output_tokens > rules.max_output_tokens == rules.default_output_tokens
        expected = rules.sources["max_output_tokens"]
    assert rules.sources[field] == expected


@given(policy_sets, callers)
def test_rules_are_in_one_order_and_never_default_above_their_ceiling(policies: list[Policy], caller: Caller) -> None:
    rules = resolve(policies, caller)
    order = [(limit.subject, limit.metric, limit.window, limit.action) for limit in rules.limits]
    assert order == sorted(order)
    assert len(set(rules.limits)) == len(rules.limits)
    assert list(rules.subjects) == sorted({limit.subject for limit in rules.limits if limit.window != Window.CALL})
    assert rules.default_output_tokens <= rules.max_output_tokens
    assert set(FIELDS) <= rules.sources.keys()
