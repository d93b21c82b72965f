"""What differs between two sets of policies, as data and in words."""

from __future__ import annotations

from dataclasses import FrozenInstanceError, replace
from typing import Any

import pytest
from hypothesis import given, settings

from aikit.policy.changes import Change, compare, counted_by, counts_differently, words
from aikit.policy.model import Policy, Scope, StatedLimit
from aikit.types import Action, Metric, Window
from support.stated_policies import NANO_PER_CREDIT, policies, policy_sets

USD = 1_000_000_000
MONTHLY = StatedLimit(Metric.CREDITS, Window.MONTH, 5 * USD)
MINUTELY = StatedLimit(Metric.REQUESTS, Window.MINUTE, 10, each="user")
FREE = Policy("plan:free", Scope(plan="free"), limits=(MONTHLY, MINUTELY))


def changed(before: Policy | None, after: Policy | None) -> Change:
    """The one change from one policy to the other."""
    (change,) = compare([before] if before else [], [after] if after else [])
    return change


def told(before: Policy | None, after: Policy | None) -> list[str]:
    return words(changed(before, after), NANO_PER_CREDIT)


def with_limit(**fields: Any) -> Policy:
    """FREE, with another first limit."""
    return replace(FREE, limits=(replace(MONTHLY, **fields), MINUTELY))


@settings(max_examples=30)
@given(policy_sets)
def test_a_set_does_not_differ_from_itself_in_another_order(these: list[Policy]) -> None:
    turned = [replace(policy, limits=policy.limits[::-1]) for policy in reversed(these)]
    assert compare(these, turned) == ()
    assert not counts_differently(these, turned)


@settings(max_examples=50)
@given(policy_sets, policies())
def test_every_added_removed_and_changed_policy_is_found(these: list[Policy], other: Policy) -> None:
    names = {policy.name: policy for policy in these}
    after = [policy for policy in these if policy.name != other.name] + [other]
    kind = "added" if other.name not in names else "changed"
    found = compare(these, after)
    if kind == "changed" and found == ():
        was = names[other.name]
        assert replace(was, limits=()) == replace(other, limits=())
        assert {counted_by(limit): limit for limit in was.limits} == {
            counted_by(limit): limit for limit in other.limits
        }
    else:
        assert [(change.name, change.kind) for change in found] == [(other.name, kind)]
    back = {"added": "removed", "changed": "changed"}
    assert [(change.name, change.kind) for change in compare(after, these)] == [(c.name, back[c.kind]) for c in found]
    for change in found:
        assert words(change, NANO_PER_CREDIT)


def test_changes_are_sorted_by_name_and_frozen() -> None:
    one, two, three = [Policy(name, Scope(user=name)) for name in ("a", "b", "c")]
    found = compare([three, two], [one, replace(two, clamp=True)])
    assert [(change.name, change.kind) for change in found] == [("a", "added"), ("b", "changed"), ("c", "removed")]
    with pytest.raises(FrozenInstanceError):
        found[0].name = "x"  # type: ignore[misc]


@pytest.mark.parametrize(
    ("after", "lines"),
    [
        (with_limit(cap=6 * USD), ["~ plans.free  credits/month: $5.00 → $6.00 (50,000 → 60,000 credits)"]),
        (with_limit(cap=1_234_000_000_001), ["~ plans.free  credits/month: $5.00 → $1,234.000000001"]),
        (with_limit(soft_cap=4 * USD), ["~ plans.free  credits/month soft cap: not stated → $4.00"]),
        (
            with_limit(zone="Europe/Zurich", anchor=14),
            [
                "~ plans.free  credits/month time zone: UTC → Europe/Zurich",
                "~ plans.free  credits/month starts at: day 1 → day 15",
            ],
        ),
        (
            with_limit(action=Action.WARN),
            [
                "~ plans.free  credits/month: $5.00 (50,000 credits) → not stated",
                "~ plans.free  credits/month (warn): not stated → $5.00 (50,000 credits)",
            ],
        ),
        (replace(FREE, limits=(MONTHLY,)), ["~ plans.free  requests/minute each user: 10 → not stated"]),
        (replace(FREE, priority=3), ["~ plans.free  priority: 0 → 3"]),
        (replace(FREE, deny=()), ["~ plans.free  deny: not stated → none at all"]),
        (replace(FREE, allow=("a/*", "b/*")), ["~ plans.free  allow: not stated → a/*, b/*"]),
        (replace(FREE, unpriced={}), ["~ plans.free  unpriced: not stated → deny"]),
        (replace(FREE, unpriced={"input": "5"}), ["~ plans.free  unpriced: not stated → input 5"]),
        (replace(FREE, clamp=False), ["~ plans.free  clamp: not stated → false"]),
        (replace(FREE, max_output_tokens=4096), ["~ plans.free  max_output_tokens: not stated → 4,096"]),
        (replace(FREE, description="a\nb"), ['~ plans.free  description: not stated → "a\\nb"']),
        (replace(FREE, scope=Scope(plan="x")), ['~ "plan:free"  scope: plan:free → plan:x']),
    ],
)
def test_a_change_is_told_field_by_field(after: Policy, lines: list[str]) -> None:
    assert told(FREE, after) == lines


def test_an_added_and_a_removed_policy_is_told_with_all_it_states() -> None:
    limits = (
        StatedLimit(Metric.CONCURRENCY, Window.TOTAL, 4),
        StatedLimit(Metric.TOKENS, Window.DAY, 1000, 900, zone="Asia/Tokyo", anchor=6),
        StatedLimit(Metric.CREDITS, Window.WEEK, 1, anchor=6),
    )
    night = Policy("night", Scope(plan="pro", feature="chat"), clamp=True, limits=limits)
    lines = [
        '"night"  scope: feature:chat plan:pro',
        '"night"  clamp: true',
        '"night"  credits/week: $0.000000001, starts at sunday',
        '"night"  tokens/day: 1,000, soft cap 900, starts at 06:00, Asia/Tokyo',
        '"night"  concurrency: 4',
    ]
    assert told(None, night) == [f"+ {line}" for line in lines]
    assert told(night, None) == [f"- {line}" for line in lines]
    assert told(None, Policy("user:a b", Scope(user="a b"))) == ['+ users."a b"']


@pytest.mark.parametrize(
    ("before", "after", "loosens"),
    [
        (FREE, with_limit(cap=6 * USD), True),
        (FREE, with_limit(cap=4 * USD), False),
        (FREE, with_limit(soft_cap=4 * USD), None),
        (FREE, replace(FREE, limits=(MINUTELY,)), None),
        (with_limit(action=Action.WARN), with_limit(action=Action.WARN, cap=1), None),
        (replace(FREE, deny=("a/*", "b/*")), replace(FREE, deny=("a/*",)), True),
        (replace(FREE, deny=("a/*",)), replace(FREE, deny=("b/*",)), None),
        (FREE, replace(FREE, deny=("a/*",)), None),
        (replace(FREE, allow=("a/*",)), replace(FREE, allow=()), False),
        (replace(FREE, requires=()), replace(FREE, requires=("beta",)), False),
        (replace(FREE, entitlements=()), replace(FREE, entitlements=("ai_access",)), True),
        (replace(FREE, max_output_tokens=10), replace(FREE, max_output_tokens=11), True),
        (replace(FREE, default_output_tokens=10), replace(FREE, default_output_tokens=11), None),
        (replace(FREE, uncapped=True), replace(FREE, uncapped=False), False),
        (replace(FREE, unpriced={}), replace(FREE, unpriced={"input": "1"}), True),
        (replace(FREE, unpriced={"input": "1"}), replace(FREE, unpriced={"input": "2"}), None),
    ],
)
def test_a_change_says_whether_it_loosens_where_that_can_be_told(
    before: Policy, after: Policy, loosens: bool | None
) -> None:
    (field,) = changed(before, after).fields
    assert field.loosens is loosens


@pytest.mark.parametrize(
    ("after", "differently"),
    [
        (with_limit(cap=1, soft_cap=0), False),
        (replace(FREE, max_output_tokens=1, deny=("*",), description="x"), False),
        (replace(FREE, limits=(*FREE.limits, StatedLimit(Metric.CREDITS, Window.CALL, 1))), False),
        (replace(FREE, limits=(MONTHLY,)), True),
        (replace(FREE, scope=Scope(plan="x")), True),
        (replace(FREE, priority=1), True),
        (with_limit(metric=Metric.TOKENS), True),
        (with_limit(window=Window.DAY), True),
        (with_limit(action=Action.WARN), True),
        (with_limit(each="feature"), True),
        (with_limit(zone="Asia/Tokyo"), True),
        (with_limit(anchor=3), True),
    ],
)
def test_only_what_is_counted_makes_other_counters(after: Policy, differently: bool) -> None:
    assert counts_differently([FREE], [after]) is differently
    assert counts_differently([after], [FREE]) is differently
