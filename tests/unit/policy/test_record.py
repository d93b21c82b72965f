"""What the database keeps of a policy: all that is stated, and nothing else."""

from __future__ import annotations

import json

import pytest
from hypothesis import given

from aikit.errors import ConfigError
from aikit.policy.model import Policy, Scope, StatedLimit
from aikit.policy.record import from_body, to_body
from aikit.types import Action, Metric, Window
from support.stated_policies import policies


@given(policies())
def test_a_policy_comes_back_from_json_as_it_was(policy: Policy) -> None:
    assert from_body(json.loads(json.dumps(to_body(policy)))) == policy


@given(policies())
def test_a_body_has_nothing_that_is_not_stated(policy: Policy) -> None:
    body = to_body(policy)
    assert None not in body.values()
    assert None not in body["scope"].values()
    for name in body.keys() - {"name", "scope"}:
        assert getattr(policy, name) != getattr(Policy(policy.name, policy.scope), name)


def test_the_body_that_the_migration_writes_is_read() -> None:
    body = {
        "name": "tenant:acme",
        "scope": {"tenant": "acme"},
        "uncapped": True,
        "limits": [{"metric": "credits", "window": "month", "cap": 25_000_000_000}],
    }
    policy = Policy(
        "tenant:acme",
        Scope(tenant="acme"),
        uncapped=True,
        limits=(StatedLimit(Metric.CREDITS, Window.MONTH, 25_000_000_000),),
    )
    assert from_body(body) == policy
    assert to_body(policy) == body


def test_a_limit_says_only_how_it_differs_from_the_usual() -> None:
    plain = StatedLimit(Metric.REQUESTS, Window.MINUTE, 10)
    special = StatedLimit(Metric.TOKENS, Window.DAY, 10, 5, Action.WARN, "user", "Europe/Zurich", 6)
    assert to_body(Policy("default", Scope(), limits=(plain, special)))["limits"] == [
        {"metric": "requests", "window": "minute", "cap": 10},
        {
            "metric": "tokens",
            "window": "day",
            "cap": 10,
            "soft_cap": 5,
            "action": "warn",
            "each": "user",
            "zone": "Europe/Zurich",
            "anchor": 6,
        },
    ]


def test_an_empty_list_is_stated_and_an_absent_one_is_not() -> None:
    body = to_body(Policy("default", Scope(), allow=(), unpriced={}, clamp=False))
    assert body == {"name": "default", "scope": {}, "allow": [], "unpriced": {}, "clamp": False}
    assert from_body(body).deny is None


@pytest.mark.parametrize(
    "body",
    [
        {"name": "p", "scope": {}, "colour": "red"},
        {"name": "p", "scope": {"planet": "mars"}},
        {"name": "p", "scope": {}, "limits": [{"metric": "images", "window": "day", "cap": 1}]},
        {"name": "p", "scope": {}, "limits": [{"metric": "tokens", "window": "day", "cap": 1, "grace": 2}]},
        {"name": "p", "scope": {}, "limits": [{"metric": "tokens", "window": "day"}]},
        {"name": "p"},
    ],
)
def test_what_this_version_does_not_know_is_not_passed_over(body: dict[str, object]) -> None:
    with pytest.raises(ConfigError, match="The stored policy 'p' can't be read") as caught:
        from_body(body)
    assert "newer version" in caught.value.remedy
