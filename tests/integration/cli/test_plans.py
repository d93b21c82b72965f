"""`aikit plan`, and tenants and users that are on one."""

from __future__ import annotations

import pytest

from aikit.database.connect import Database
from aikit.ledger.policies import apply
from aikit.policy.file import read_policies
from integration.cli.conftest import Cli

POLICIES = """
[default]
max_prompt_characters = 5000
limits = [{ metric = "requests", window = "minute", cap = 10, each = "user" }]

[plans.free]
description = "To try it"
entitlements = ["ai_access"]
models = { allow = ["openai/gpt-4o-mini"] }
limits = [{ cap_usd = "5.00", soft_cap_usd = "4.00", window = "month" }]

[plans.pro]
entitlements = ["ai_access", "long_context"]
max_output_tokens = 16384
limits = [{ cap_usd = "200.00", window = "month" }, { metric = "concurrency", cap = 20 }]

[plans.closed]
entitlements = []

[[policies]]
name = "night-shift"
scope = { plan = "pro", environment = "prod" }
limits = [{ metric = "output_tokens", window = "hour", cap = 500000, each = "user" }]
"""


@pytest.fixture
def plans(cli: Cli, ledger: Database) -> Cli:
    """`aikit` on a ledger with three plans, nobody on any."""
    apply(ledger, read_policies(POLICIES, where="policies", nano_per_credit=100_000))
    return cli


def test_without_plans_it_is_said_how_to_define_one(cli: Cli) -> None:
    ended = cli.ok("plan", "list")
    assert ended.out == ""
    assert "aikit policy apply policies.toml" in ended.err
    assert cli.data("plan", "list") == []


def test_plans_are_listed_with_what_they_give_and_how_many_are_on_them(plans: Cli) -> None:
    plans.ok("tenant", "add", "acme", "--plan", "pro")
    plans.ok("tenant", "plan", "acme", "free", "--user", "ann")
    envelope = plans("plan", "list", "--json").json("aikit.plan.list/1")
    assert envelope["totals"] == {"plans": 3}
    assert [(row["plan"], row["tenants"], row["users"]) for row in envelope["data"]] == [
        ("closed", 0, 0),
        ("free", 0, 1),
        ("pro", 1, 0),
    ]
    assert envelope["data"][2] == {
        "plan": "pro",
        "description": None,
        "entitlements": ["ai_access", "long_context"],
        "stated_limits": 3,
        "tenants": 1,
        "users": 0,
    }
    lines = plans.ok("plan", "list").out.splitlines()
    assert lines[1].split() == ["Plan", "Gives", "Limits", "Tenants", "Users", "Description"]
    assert lines[3].split() == ["free", "ai_access", "1", "0", "1", "To", "try", "it"]


def test_a_plan_shows_what_it_gives_from_which_policy_and_who_is_on_it(plans: Cli) -> None:
    plans.ok("tenant", "add", "acme", "--plan", "pro")
    plans.ok("tenant", "add", "globex")
    plans.ok("tenant", "plan", "globex", "pro", "--user", "bob")
    envelope = plans("plan", "show", "pro", "--json").json("aikit.plan.show/1")
    data = envelope["data"]
    assert envelope["totals"] == {"holders": 2}
    assert data["holders"] == [{"tenant": "acme", "user": None}, {"tenant": "globex", "user": "bob"}]
    assert (data["entitlements"], data["allow"]) == (["ai_access", "long_context"], None)
    assert (data["max_output_tokens"], data["sources"]["max_output_tokens"]) == (16384, "plan:pro")
    assert (data["max_prompt_characters"], data["sources"]["max_prompt_characters"]) == (5000, "default")
    assert data["narrower"] == ["night-shift"]
    assert {(limit["metric"], limit["window"], limit["source"]) for limit in data["limits"]} == {
        ("credits", "month", "plan:pro"),
        ("concurrency", None, "plan:pro"),
        ("requests", "minute", "default"),
    }
    assert next(limit for limit in data["limits"] if limit["metric"] == "credits")["cap_usd"] == "200"
    text = plans.ok("plan", "show", "pro").out
    for shown in ("ai_access, long_context", "16,384", "requests/minute each user", "$200.00", "night-shift", "bob"):
        assert shown in text


def test_a_plan_that_nobody_is_on_says_how_to_move_one_there(plans: Cli) -> None:
    ended = plans.ok("plan", "show", "free")
    assert "aikit tenant plan NAME free" in ended.err
    assert "openai/gpt-4o-mini" in ended.out
    assert "soft cap $4.00" in ended.out


@pytest.mark.parametrize("command", [["plan", "show", "gold"], ["tenant", "add", "x", "--plan", "gold"]])
def test_a_plan_that_is_not_defined_exits_2_and_names_those_that_are(plans: Cli, command: list[str]) -> None:
    ended = plans(*command, "--json")
    assert (ended.code, ended.out) == (2, "")
    assert "There is no plan 'gold'" in ended.err
    assert "closed, free, pro" in ended.err
    assert plans.data("tenant", "list") == []


def test_moving_a_tenant_shows_the_plan_before_and_after(plans: Cli) -> None:
    assert plans.ok("tenant", "add", "acme", "--plan", "free").out == "acme: added, on the plan free\n"
    assert plans.ok("tenant", "plan", "acme", "pro").out == "acme · free → pro\n"
    assert plans.data("tenant", "plan", "acme", "--none") == {
        "tenant": "acme",
        "user": None,
        "plan": None,
        "previous_plan": "pro",
    }
    assert plans.ok("tenant", "plan", "acme", "free", "--reason", "trial").out == "acme · no plan → free\n"
    assert plans.data("audit", "list", "--action", "plan.move")[0]["why"] == "trial"


def test_moving_a_user_leaves_its_tenant_where_it_is(plans: Cli) -> None:
    plans.ok("tenant", "add", "acme", "--plan", "free")
    assert plans.ok("tenant", "plan", "acme", "pro", "--user", "ann").out == (
        "acme, user ann · none of its own → pro\n"
    )
    assert plans.ok("tenant", "plan", "acme").out == "acme · free\nacme, user ann · pro\n"
    assert plans.data("tenant", "plan", "acme", "--user", "ann") == [{"tenant": "acme", "user": "ann", "plan": "pro"}]
    assert plans.ok("tenant", "plan", "acme", "--none", "--user", "ann").out == (
        "acme, user ann · pro → none of its own\n"
    )
    assert plans.data("tenant", "plan", "acme") == [{"tenant": "acme", "user": None, "plan": "free"}]


def test_a_plan_without_access_is_said_to_refuse(plans: Cli) -> None:
    added = plans.ok("tenant", "add", "acme", "--plan", "closed")
    assert "they need ai_access, which its plan does not give" in added.err
    assert "no ai_access: refused" in plans.ok("tenant", "list").out
    assert "does not give ai_access" in plans.ok("tenant", "plan", "acme", "closed", "--user", "ann").err


def test_a_tenant_is_listed_with_its_plan_and_the_limits_for_all_its_calls(plans: Cli) -> None:
    plans.ok("tenant", "add", "acme", "--plan", "pro")
    (row,) = plans.data("tenant", "list")
    assert (row["plan"], row["limits"], row["lacking"]) == ("pro", 3, [])
    assert plans.ok("tenant", "list").out.splitlines()[2].split()[:3] == ["acme", "pro", "3"]


def test_a_tenant_on_another_plan_is_not_moved_by_being_added_again(plans: Cli) -> None:
    plans.ok("tenant", "add", "acme", "--plan", "free")
    assert plans("tenant", "add", "acme", "--plan", "free").code == 0
    ended = plans("tenant", "add", "acme", "--plan", "pro")
    assert ended.code == 1
    assert "aikit tenant plan acme pro" in ended.err
    assert plans.data("tenant", "plan", "acme")[0]["plan"] == "free"


@pytest.mark.parametrize(
    "wrong",
    [["nobody", "pro"], ["nobody"], ["nobody", "--none"], ["acme", "pro", "--none"], ["acme", "gold"], ["a\nb"]],
)
def test_a_move_that_means_nothing_exits_2_and_changes_nothing(plans: Cli, wrong: list[str]) -> None:
    plans.ok("tenant", "add", "acme", "--plan", "free")
    ended = plans("tenant", "plan", *wrong)
    assert (ended.code, ended.out) == (2, "")
    assert ended.err.startswith("error: ")
    assert plans.data("tenant", "plan", "acme")[0]["plan"] == "free"
