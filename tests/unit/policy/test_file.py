"""The policy file: what is read from it, and how each mistake in it is told."""

from __future__ import annotations

import pytest
from hypothesis import given, settings

from aikit.errors import ConfigError, Exit
from aikit.policy.file import read_policies
from aikit.policy.file.example import TEMPLATE
from aikit.policy.file.writing import write_policies
from aikit.policy.model import Policy, Scope, StatedLimit
from aikit.types import Action, Metric, Window
from support.policy_mistakes import MISTAKES
from support.stated_policies import NANO_PER_CREDIT, every_example, policy_sets

USD = 1_000_000_000


def read(text: str) -> tuple[Policy, ...]:
    return read_policies(text, where="policies.toml", nano_per_credit=NANO_PER_CREDIT)


def limits(*stated: str) -> tuple[StatedLimit, ...]:
    """What these limits are read as."""
    (policy,) = read(f"[default]\nlimits = [{', '.join(stated)}]")
    return policy.limits


def problems(text: str) -> list[str]:
    """What is wrong with this file."""
    with pytest.raises(ConfigError) as caught:
        read(text)
    assert caught.value.exit is Exit.USAGE
    found: list[str] = caught.value.facts["problems"]
    return found


def test_every_field_is_read() -> None:
    text = """
        [plans.pro]
        description = "For teams"
        priority = -3
        entitlements = ["ai_access"]
        requires = ["beta"]
        models = { allow = ["openai/*"], deny = [] }
        max_output_tokens = 4096
        default_output_tokens = 1024
        max_prompt_characters = 50_000
        max_cost_usd = "$0.50"
        unpriced = { input = "5", output = "15.25" }
        clamp = true
        uncapped = false
        limits = [{ metric = "requests", window = "minute", cap = 10, each = "user" }]
    """
    assert read(text) == (
        Policy(
            "plan:pro",
            Scope(plan="pro"),
            priority=-3,
            limits=(
                StatedLimit(Metric.CREDITS, Window.CALL, USD // 2),
                StatedLimit(Metric.REQUESTS, Window.MINUTE, 10, each="user"),
            ),
            allow=("openai/*",),
            deny=(),
            entitlements=("ai_access",),
            requires=("beta",),
            max_output_tokens=4096,
            default_output_tokens=1024,
            max_prompt_characters=50_000,
            unpriced={"input": "5", "output": "15.25"},
            clamp=True,
            uncapped=False,
            description="For teams",
        ),
    )


def test_the_section_says_the_scope_and_the_scope_the_name() -> None:
    text = """
        [default]
        [plans.free]
        [features."sum up"]
        [tenants.acme]
        [users.u7]
        [environments.dev]
        [[policies]]
        scope = { plan = "pro", feature = "chat", environment = "prod" }
        [[policies]]
        name = "everyone"
        scope = {}
    """
    assert [(policy.name, policy.scope) for policy in read(text)] == [
        ("default", Scope()),
        ("environment:dev", Scope(environment="dev")),
        ("everyone", Scope()),
        ("feature:chat plan:pro environment:prod", Scope(plan="pro", feature="chat", environment="prod")),
        ("feature:sum up", Scope(feature="sum up")),
        ("plan:free", Scope(plan="free")),
        ("tenant:acme", Scope(tenant="acme")),
        ("user:u7", Scope(user="u7")),
    ]


def test_a_policy_may_state_nothing_and_a_file_no_policy() -> None:
    assert read("[default]\n") == (Policy("default", Scope()),)
    assert read("# nothing yet") == ()


@pytest.mark.parametrize(
    ("stated", "expected"),
    [
        ('{ cap_usd = "5.00", window = "month" }', StatedLimit(Metric.CREDITS, Window.MONTH, 5 * USD)),
        ('{ cap_usd = "1,000", window = "total" }', StatedLimit(Metric.CREDITS, Window.TOTAL, 1000 * USD)),
        ('{ cap = 50_000, window = "month" }', StatedLimit(Metric.CREDITS, Window.MONTH, 5 * USD)),
        ('{ cap = 0, window = "day" }', StatedLimit(Metric.CREDITS, Window.DAY, 0)),
        (
            '{ cap_usd = "5", soft_cap = 40_000, window = "month" }',
            StatedLimit(Metric.CREDITS, Window.MONTH, 5 * USD, soft_cap=4 * USD),
        ),
        ('{ metric = "concurrency", cap = 4 }', StatedLimit(Metric.CONCURRENCY, Window.TOTAL, 4)),
        (
            '{ metric = "tokens", window = "hour", cap = 9, soft_cap = 8, action = "warn", each = "feature" }',
            StatedLimit(Metric.TOKENS, Window.HOUR, 9, 8, Action.WARN, "feature"),
        ),
        (
            '{ cap = 1, window = "day", time_zone = "Europe/Zurich", anchor = 6 }',
            StatedLimit(Metric.CREDITS, Window.DAY, 100_000, zone="Europe/Zurich", anchor=6),
        ),
        (
            '{ cap = 1, window = "week", anchor = "sunday" }',
            StatedLimit(Metric.CREDITS, Window.WEEK, 100_000, anchor=6),
        ),
        ('{ cap = 1, window = "month", anchor = 28 }', StatedLimit(Metric.CREDITS, Window.MONTH, 100_000, anchor=27)),
        ('{ cap = 1, window = "month", anchor = 1 }', StatedLimit(Metric.CREDITS, Window.MONTH, 100_000, anchor=0)),
    ],
)
def test_a_limit_is_read_in_the_unit_it_is_counted_in(stated: str, expected: StatedLimit) -> None:
    assert limits(stated) == (expected,)


def test_a_block_and_a_warning_may_count_the_same() -> None:
    assert len(limits('{ cap = 2, window = "day" }', '{ cap = 1, window = "day", action = "warn" }')) == 2


def test_unpriced_models_are_denied_by_a_word() -> None:
    assert read('[default]\nunpriced = "deny"')[0].unpriced == {}


@pytest.mark.parametrize(("text", "told"), MISTAKES.values(), ids=MISTAKES)
def test_a_mistake_is_told_with_its_line_its_field_and_a_remedy(text: str, told: str) -> None:
    (problem,) = problems(text)
    assert problem.startswith("policies.toml line ")
    assert told in problem


def test_one_problem_is_the_message_and_its_remedy_the_remedy() -> None:
    with pytest.raises(ConfigError) as caught:
        read("\n[default]\nclamp = 1")
    assert caught.value.message == "policies.toml line 3, default.clamp: is 1."
    assert caught.value.remedy == "Write true or false, without quotes."


def test_all_problems_are_told_at_once_in_the_order_of_their_lines() -> None:
    text = "[[policies]]\nname = ''\nscope = 1\n[default]\nclamp = 1\nlimits = [{ cap = 1 }, { window = 'day' }]"
    assert [problem.partition(":")[0] for problem in problems(text)] == [
        "policies.toml line 2, policies[0].name",
        "policies.toml line 3, policies[0].scope",
        "policies.toml line 5, default.clamp",
        "policies.toml line 6, default.limits[0].window",
        "policies.toml line 6, default.limits[1]",
    ]


def test_a_message_lists_ten_problems_and_counts_the_others() -> None:
    with pytest.raises(ConfigError) as caught:
        read("".join([f"[plans.p{i}]\nclamp = {i}\n" for i in range(12)]))
    assert caught.value.message.splitlines()[0] == "policies.toml has 12 problems:"
    assert len(caught.value.message.splitlines()) == 12
    assert caught.value.message.endswith("\nand 2 more")
    assert len(caught.value.facts["problems"]) == 12


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("[default]\nclamp = tru", "policies.toml line 2, column 9: Invalid value."),
        ("[default]\n\nlimits = [\n", "policies.toml line 3: Invalid value."),
        ("[plans.a]\n[plans.a]", "policies.toml line 2, column 9: Cannot declare ('plans', 'a') twice."),
        (f"a = {'9' * 5000}", "policies.toml line 1: Exceeds the limit"),
    ],
)
def test_what_is_not_toml_is_told_with_its_line(text: str, told: str) -> None:
    (problem,) = problems(text)
    assert problem.startswith(told)


def test_a_file_that_is_nested_too_deeply_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"policies\.toml is nested too deeply"):
        read(f"a = {'[' * 3000}{']' * 3000}")


def test_a_long_value_is_not_repeated() -> None:
    (problem,) = problems(f"[default]\nmodels.allow = ['{'x' * 500}']")
    assert "is a text of 500 characters" in problem


@settings(max_examples=30)
@given(policy_sets)
def test_what_is_written_reads_back_as_the_same_policies(policies: list[Policy]) -> None:
    text = write_policies(policies, nano_per_credit=NANO_PER_CREDIT)
    assert read(text) == tuple(sorted(policies, key=lambda policy: policy.name))
    assert write_policies(reversed(policies), nano_per_credit=NANO_PER_CREDIT) == text


def test_what_is_written_can_be_read_by_people() -> None:
    text = """\
[default]
max_output_tokens = 4096
limits = [
  { metric = "concurrency", cap = 4 },
]

[plans."free plan"]
description = "To try it"
entitlements = ["ai_access"]
models = { deny = ["*"] }
max_cost_usd = "0.000091"
unpriced = "deny"
limits = [
  { window = "month", cap_usd = "5.00", time_zone = "Europe/Zurich", anchor = 15 },  # 50,000 credits
]

[[policies]]
name = "night"
scope = { feature = "chat", environment = "prod" }
priority = 10
"""
    assert write_policies(read(text), nano_per_credit=NANO_PER_CREDIT) == text


def test_the_template_reads_and_reads_back() -> None:
    policies = read(TEMPLATE)
    assert [policy.name for policy in policies] == ["default", "plan:enterprise", "plan:free", "plan:pro"]
    assert read(write_policies(policies, nano_per_credit=NANO_PER_CREDIT)) == policies
    assert TEMPLATE.startswith("#:schema ./policies.schema.json\n\n")
    default = policies[0]
    assert (default.max_output_tokens, default.max_prompt_characters) == (4096, 100_000)
    assert [(limit.window, limit.cap, limit.each) for limit in default.limits] == [
        (Window.MINUTE, 10, "user"),
        (Window.HOUR, 60, "user"),
    ]


def test_every_example_in_the_template_works_once_it_is_uncommented() -> None:
    policies = {policy.name: policy for policy in read(every_example(TEMPLATE))}
    assert policies.keys() >= {"feature:summarize", "tenant:acme", "user:u7", "environment:dev", "night-shift"}
    assert policies["default"].clamp is policies["default"].uncapped is True
    assert policies["default"].limits[0] == StatedLimit(Metric.CREDITS, Window.CALL, USD // 2)
    assert policies["tenant:acme"].limits[1] == StatedLimit(
        Metric.CREDITS, Window.WEEK, 20 * USD, action=Action.WARN, anchor=6
    )
