"""Rules against runaways in policies: as a file states them, which policy decides, and what they are for a caller."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from aikit.errors import ConfigError
from aikit.policy import runaway
from aikit.policy.changes import compare, counts_differently, words
from aikit.policy.file import read_policies
from aikit.policy.file.runaway import in_words
from aikit.policy.model import Caller, Loops, Policy, Scope, Velocity
from aikit.policy.record import from_body, to_body
from aikit.policy.resolve import resolve
from aikit.policy.trace import trace
from aikit.types import Action, LoopRule, Pace, Repeats, VelocityRule

CREDIT = 100_000
DOLLAR = 10**9
ANN = Caller("acme", user="ann", feature="chat", plan="pro", environment="prod")
LOOPS, VELOCITY = Loops(20), Velocity(5, DOLLAR)


def read(text: str) -> dict[str, Policy]:
    return {one.name: one for one in read_policies(text, where="policies.toml", nano_per_credit=CREDIT)}


def policy(scope: Scope = Scope(), **stated: Any) -> Policy:  # noqa: B008
    return Policy(scope.label, scope, **stated)


def test_a_file_states_them() -> None:
    found = read(
        """
        [default]
        loops = { identical = 20 }
        velocity = { times = 5, floor_usd = "1.00" }
        [plans.pro]
        loops = { identical = 3, seconds = 10, each = "user", action = "warn" }
        velocity = { times = 2, floor_usd = "0.5", each = "feature", action = "warn" }
        [features.chat]
        loops = "off"
        velocity = "off"
        """
    )
    assert (found["default"].loops, found["default"].velocity) == (LOOPS, VELOCITY)
    assert found["plan:pro"].loops == Loops(3, 10, Action.WARN, "user")
    assert found["plan:pro"].velocity == Velocity(2, DOLLAR // 2, Action.WARN, "feature")
    assert (found["feature:chat"].loops, found["feature:chat"].velocity) == ("off", "off")


@pytest.mark.parametrize(
    ("stated", "told"),
    [
        ("loops = true", 'loops: is true. Write "off", or a rule like { identical = 20, seconds = 60 }.'),
        ('loops = "on"', 'loops: is "on". Write "off", or a rule'),
        ("loops = {}", "loops.identical: is missing."),
        ("loops = { identical = 0 }", "loops.identical: is 0. It must be from 1 to 1,000."),
        ("loops = { identical = 9, seconds = 3601 }", "loops.seconds: is 3,601. It must be from 1 to 3,600."),
        ('loops = { identical = 9, window = "hour" }', "loops.window: is not a field here. Known: identical"),
        ("velocity = 5", 'velocity: is 5. Write "off", or a rule like { times = 5, floor_usd = "1.00" }.'),
        ("velocity = { times = 5 }", "velocity.floor_usd: is missing."),
        ('velocity = { times = 1, floor_usd = "1" }', "velocity.times: is 1. It must be from 2 to 1,000."),
        ('velocity = { times = 5, floor_usd = "0" }', "velocity.floor_usd: is nothing."),
        ("velocity = { times = 5, floor_usd = 1.5 }", "velocity.floor_usd: is the float 1.5, which is not exact."),
        ('loops = { identical = 9, action = "stop" }', 'loops.action: is "stop".'),
    ],
)
def test_what_is_wrong_is_told(stated: str, told: str) -> None:
    with pytest.raises(ConfigError) as caught:
        read(f"[default]\n{stated}")
    assert f"policies.toml line 2, default.{told}" in f"{caught.value.message} {caught.value.remedy}"


@pytest.mark.parametrize("rule", ["loops = { identical = 2", 'velocity = { times = 2, floor_usd = "1"'])
def test_one_feature_has_no_others(rule: str) -> None:
    with pytest.raises(ConfigError, match="each: is feature, but the policy is for one feature"):
        read(f'[features.chat]\n{rule}, each = "feature" }}')
    assert read(f'[features.chat]\n{rule}, each = "user" }}')


def test_the_most_specific_policy_decides_and_switches_off() -> None:
    stated = [policy(loops=LOOPS, velocity=VELOCITY), policy(Scope(tenant="acme"), loops=Loops(3))]
    rules = resolve(stated, ANN)
    assert rules.loops == LoopRule(3, 60, "tenant:acme")
    assert rules.velocity == VelocityRule(5, DOLLAR, "default")
    assert (rules.sources["loops"], rules.sources["velocity"]) == ("tenant:acme", "default")
    off = resolve([*stated, policy(Scope(feature="chat"), loops="off", velocity="off")], ANN)
    assert (off.loops, off.velocity, off.sources["loops"]) == (None, None, "feature:chat")
    assert resolve([], ANN).loops is resolve([], ANN).velocity is None


@pytest.mark.parametrize(
    ("scope", "each", "subject"),
    [
        (Scope(), None, ""),
        (Scope(), "user", "user=ann"),
        (Scope(), "feature", "feature=chat"),
        (Scope(feature="chat"), None, "feature=chat"),
        (Scope(plan="pro"), None, ""),
        (Scope(environment="prod"), "user", "environment=prod\x1fuser=ann"),
    ],
)
def test_it_looks_at_what_a_limit_would_count(scope: Scope, each: Any, subject: str) -> None:
    rules = resolve([policy(scope, loops=Loops(2, each=each), velocity=Velocity(2, 1, each=each))], ANN)
    assert rules.loops is not None and rules.velocity is not None
    assert rules.loops.subject == rules.velocity.subject == subject
    assert rules.paced == rules.subjects == (subject,)


def test_whoever_is_a_part_of_what_is_paced_is_counted_whichever_policy_decides() -> None:
    """Else the money of a feature whose rule is off would be missing from what the tenant's rule looks at."""
    stated = [
        policy(velocity=VELOCITY),
        policy(Scope(tenant="acme"), velocity=Velocity(2, 1, each="user")),
        policy(Scope(feature="chat"), velocity="off"),
    ]
    rules = resolve(stated, ANN)
    assert rules.velocity is None
    assert rules.paced == rules.subjects == ("", "user=ann")


def test_counters_are_opened_anew_where_something_else_is_paced() -> None:
    before = [policy(velocity=VELOCITY)]
    assert counts_differently([], before)
    assert counts_differently(before, [policy(velocity=Velocity(5, DOLLAR, each="user"))])
    assert not counts_differently(before, [policy(velocity=Velocity(9, 1, Action.WARN))])
    assert not counts_differently([policy()], [policy(loops=LOOPS)])
    assert not counts_differently([policy()], [policy(velocity="off")])


def test_differences_are_worded() -> None:
    each = Loops(5, 10, Action.WARN, "user")
    (change,) = compare([policy(loops=LOOPS, velocity=VELOCITY)], [policy(loops=each, velocity="off")])
    assert words(change, CREDIT) == [
        "~ default  loops: 20 identical requests in 60 s → 5 identical requests in 10 s, each user, only warns",
        "~ default  velocity: 5 × the hour's rate, $1.00 a minute anyway → off",
    ]
    assert [field.loosens for field in change.fields] == [None, True]


def test_a_trace_has_them_as_the_file_does() -> None:
    found = trace([policy(velocity=VELOCITY), policy(Scope(feature="chat"), velocity="off", loops=LOOPS)], ANN)
    fields = found.to_json()["fields"]
    assert fields["loops"]["value"] == {"identical": 20, "seconds": 60}
    assert fields["velocity"]["value"] == "off"
    assert fields["velocity"]["overruled"] == [
        {
            "policy": "default",
            "value": {"times": 5, "floor_usd": "1"},
            "reason": "default is less specific than feature:chat",
        }
    ]


def test_the_stored_form_is_small_and_comes_back() -> None:
    body = to_body(policy(loops=LOOPS, velocity=Velocity(2, 7, Action.WARN, "user")))
    assert body["loops"] == {"identical": 20}
    assert body["velocity"] == {"times": 2, "floor": 7, "action": "warn", "each": "user"}
    assert to_body(from_body(body)) == body
    with pytest.raises(ConfigError):
        from_body({**body, "loops": {"identical": 20, "unheard": 1}})


def test_what_was_found_is_worded() -> None:
    first = datetime(2026, 11, 21, 14, 3, 20, tzinfo=UTC)
    loop = Repeats(LoopRule(20, 60, "default", subject="feature=chat"), 317, first)
    assert runaway.in_words(loop, 0) == "318 identical requests in 60 s look like a loop; 20 are allowed (default)."
    assert runaway.standing(loop) == "317 before it since 2026-11-21 14:03:20 UTC"
    assert runaway.as_facts(loop) == {
        "rule": "loops",
        "identical": 20,
        "seconds": 60,
        "seen": 317,
        "first_at": "2026-11-21T14:03:20Z",
        "counts": "feature chat",
        "action": "block",
        "source": "default",
    }
    pace = Pace(VelocityRule(5, DOLLAR, "plan:pro"), 2 * DOLLAR, DOLLAR, 12 * DOLLAR)
    assert runaway.standing(pace) == "$3.00 in the last minute, $12.00 in the last hour; $1.00 a minute are allowed"
    assert runaway.as_facts(pace)["minute_usd"] == "3"
    assert in_words(pace.rule) == "5 × the hour's rate, $1.00 a minute anyway"
