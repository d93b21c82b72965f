"""`aikit tenant` and `aikit limit`."""

from __future__ import annotations

import json
from datetime import datetime

import pytest

from aikit.database.connect import Database
from aikit.ledger.policies import put_policy
from aikit.policy.model import Policy, Scope, StatedLimit
from aikit.types import Metric, Window
from integration.cli.conftest import Cli
from support.ledger import Till

MONTH = ("--tenant", "acme", "--window", "month")
DAY = ("--tenant", "acme", "--window", "day")


def test_a_new_tenant_is_told_that_it_needs_a_limit(cli: Cli) -> None:
    ended = cli.ok("tenant", "add", "acme")
    assert ended.out == "acme: added\n"
    assert "aikit limit set --tenant acme --window month --usd 25" in ended.err
    again = cli("tenant", "add", "acme", "--json")
    assert (again.code, again.json("aikit.tenant.add/1")["data"]) == (
        0,
        {"tenant": "acme", "added": False, "plan": None, "uncapped": False},
    )


def test_an_uncapped_tenant_needs_none(cli: Cli) -> None:
    assert cli.ok("tenant", "add", "free", "--uncapped").err == ""
    assert [(row["tenant"], row["uncapped"]) for row in cli.data("tenant", "list")] == [("free", True)]


def test_a_tenant_is_not_uncapped_by_being_added_again(cli: Cli) -> None:
    cli.ok("tenant", "add", "acme")
    ended = cli("tenant", "add", "acme", "--uncapped")
    assert ended.code == 1
    assert "--uncapped counts only when a tenant is added" in ended.err


def test_a_name_that_is_markup_is_a_name(cli: Cli) -> None:
    cli.ok("tenant", "add", "[bold]x[/]")
    cli.ok("limit", "set", "--tenant", "[bold]x[/]", "--window", "day", "--usd", "1")
    assert "[bold]x[/]" in cli.ok("tenant", "list").out
    assert "[bold]x[/]" in cli.ok("limit", "list").out


@pytest.mark.parametrize("name", ["a\x1b[31mb", "a\nb", " ", "x" * 201])
def test_an_unusable_name_exits_2_and_reaches_no_terminal(cli: Cli, name: str) -> None:
    ended = cli("tenant", "add", name)
    assert (ended.code, ended.out) == (2, "")
    assert ended.err.startswith("error: The tenant ")
    assert "\x1b" not in ended.err


def test_lists_of_nothing_say_what_to_do(cli: Cli) -> None:
    for group in ("tenant", "limit"):
        ended = cli.ok(group, "list")
        assert ended.out == ""
        assert f"aikit {group} " in ended.err


def test_setting_a_limit_tells_the_old_the_new_and_what_is_left(cli: Cli, till: Till) -> None:
    cli.ok("tenant", "add", "acme")
    first = cli.ok("limit", "set", *MONTH, "--usd", "25").out.splitlines()
    assert first[0] == "acme · per month · no limit → $25.00 (250,000 credits)"
    till.admit(nano=2_000_000_000)
    second = cli.ok("limit", "set", *MONTH, "--credits", "30000").out.splitlines()
    assert second[0] == "acme · per month · $25.00 → $3.00 (30,000 credits)"
    assert second[1].startswith("used $0.00 · held $2.00 · left $1.00 · resets 20")
    assert second[1].endswith("-01 00:00 UTC")


def test_a_limit_in_json_has_exact_dollars_and_whole_credits(cli: Cli, till: Till) -> None:
    cli.ok("tenant", "add", "acme")
    cli.ok("limit", "set", *MONTH, "--usd", "25")
    till.spend()
    till.flush()
    written = cli("limit", "set", *MONTH, "--usd", "0.00015", "--json").json("aikit.limit.set/1")["data"]
    resets_at = written.pop("resets_at")
    assert resets_at.endswith("-01T00:00:00Z")
    assert written == {
        "tenant": "acme",
        "metric": "credits",
        "window": "month",
        "action": "block",
        "each": None,
        "source": "tenant:acme",
        "cap_usd": "0.00015",
        "cap_credits": 1,
        "soft_cap_usd": None,
        "soft_cap_credits": None,
        "used_usd": "0.00039",
        "used_credits": 4,
        "held_usd": "0",
        "held_credits": 0,
        "remaining_usd": "0",
        "remaining_credits": 0,
        "previous_cap_usd": "25",
        "previous_cap_credits": 250_000,
        "previous_soft_cap_usd": None,
        "previous_soft_cap_credits": None,
        "time_zone": "UTC",
    }
    (listed,) = cli.data("limit", "list", "--tenant", "acme")
    assert (listed.pop("counts"), listed.pop("resets_at")) == ("tenant", resets_at)
    only_set = {name for name in written if name.startswith("previous_")} | {"each"}
    assert listed == {name: value for name, value in written.items() if name not in only_set}


@pytest.mark.parametrize(
    ("options", "first", "second"),
    [
        (
            "--metric tokens --window day --cap 100000 --soft-cap 80000",
            "tokens per day · no limit → 100,000, soft cap 80,000",
            "used 1,550 · held 0 · left 98,450 · resets 20",
        ),
        (
            "--metric input_tokens --window week --cap 9000",
            "input tokens per week · no limit → 9,000",
            "used 1,200 · held 0 · left 7,800",
        ),
        (
            "--metric output_tokens --window total --cap 9000",
            "output tokens in total · no limit → 9,000",
            "used 350 · held 0 · left 8,650 · never resets",
        ),
        (
            "--metric requests --window hour --cap 10",
            "requests per hour · no limit → 10",
            "used 1 · held 0 · left 9 · resets 20",
        ),
        ("--metric concurrency --cap 5", "calls at once · no limit → 5", "running 0 · left 5"),
        (
            "--window month --usd 9 --soft-usd 7.5",
            "per month · no limit → $9.00 (90,000 credits), soft cap $7.50",
            "used $0.00039",
        ),
        ("--window week --usd 9 --warn", "per week (warn) · no limit → $9.00 (90,000 credits)", "used $0.00039"),
        ("--window call --credits 5", "per call · no limit → $0.0005 (5 credits)", None),
        (
            "--metric requests --window minute --cap 3 --each user",
            "requests per minute, each user · no limit → 3",
            None,
        ),
    ],
)
def test_every_metric_and_window_can_be_capped_and_counts_what_was_used_before(
    cli: Cli, till: Till, options: str, first: str, second: str | None
) -> None:
    cli.ok("tenant", "add", "acme", "--uncapped")
    till.spend()
    till.flush()
    lines = cli.ok("limit", "set", "--tenant", "acme", *options.split()).out.splitlines()
    assert lines[0] == f"acme · {first}"
    assert (lines[1][: len(second)] if second else lines[1:]) == (second or [])


def test_a_day_starts_at_its_anchor_in_its_time_zone(cli: Cli) -> None:
    cli.ok("tenant", "add", "acme")
    cli.ok(
        *[
            "limit",
            "set",
            "--tenant",
            "acme",
            "--window",
            "day",
            "--usd",
            "5",
            "--time-zone",
            "Asia/Tokyo",
            "--anchor",
            "6",
        ]
    )
    (row,) = cli.data("limit", "list")
    assert (row["time_zone"], row["resets_at"][11:]) == ("Asia/Tokyo", "21:00:00Z")
    cli.ok(*["limit", "set", "--tenant", "acme", "--window", "week", "--usd", "5", "--anchor", "Sunday"])
    week = next(row for row in cli.data("limit", "list") if row["window"] == "week")
    assert datetime.fromisoformat(week["resets_at"]).strftime("%A %H:%M") == "Sunday 00:00"


def test_limits_that_count_otherwise_stand_side_by_side_and_the_same_is_replaced(cli: Cli) -> None:
    cli.ok("tenant", "add", "acme")
    for options in ("--usd 5", "--usd 4 --warn", "--usd 3 --each user", "--usd 2 --each feature", "--usd 6"):
        cli.ok("limit", "set", *MONTH, *options.split())
    rows = cli.data("limit", "list", "--tenant", "acme")
    assert sorted((row["action"], row["counts"], row["cap_usd"]) for row in rows) == [
        ("block", "each feature", "2"),
        ("block", "each user", "3"),
        ("block", "tenant", "6"),
        ("warn", "tenant", "4"),
    ]
    assert cli.ok("limit", "remove", *MONTH, "--warn").out == "acme · per month (warn) · removed\n"
    assert cli.ok("limit", "remove", *MONTH, "--each", "user").out == "acme · per month, each user · removed\n"
    assert len(cli.data("limit", "list", "--tenant", "acme")) == 2


def test_limits_are_listed_from_every_policy_with_what_they_count(cli: Cli, ledger: Database, till: Till) -> None:
    cli.ok("tenant", "add", "acme")
    cli.ok("limit", "set", *MONTH, "--usd", "25", "--soft-usd", "20")
    put_policy(ledger, Policy("default", Scope(), limits=(StatedLimit(Metric.REQUESTS, Window.HOUR, 4, each="user"),)))
    till.spend(user="ann")
    till.admit(user="ann")
    till.flush()
    rows = {row["source"]: row for row in cli.data("limit", "list", "--user", "ann")}
    assert (rows["default"]["counts"], rows["default"]["used"], rows["default"]["held"]) == ("user ann", 1, 1)
    assert (rows["tenant:acme"]["counts"], rows["tenant:acme"]["soft_cap_usd"]) == ("tenant", "20")
    assert [row["source"] for row in cli.data("limit", "list", "--nearest")] == ["default", "tenant:acme"]
    lines = cli.ok("limit", "list", "--nearest").out.splitlines()
    assert " ".join(lines[1].split()) == (
        "Tenant Limit Counts Cap Soft cap Used Held Left Of the cap Set by Resets (UTC)"
    )
    assert " 50% " in lines[2]
    assert "requests/hour" in lines[2]
    assert "user ann" in lines[2]
    assert "$20.00" in lines[3]


def test_the_bar_tells_what_is_held_from_what_is_used(cli: Cli, till: Till) -> None:
    cli.ok("tenant", "add", "acme")
    cli.ok("limit", "set", *MONTH, "--usd", "0.0078")
    for _ in range(10):
        till.spend()
    till.flush()
    till.admit(nano=1_560_000)
    assert " 70% #####++..." in cli.ok("limit", "list").out


@pytest.mark.parametrize(
    ("wrong", "said", "remedy"),
    [
        ("--window day --metric tokens --usd 5", "--usd is an amount of money, but the metric is tokens", "Give --cap"),
        ("--window day --metric tokens", "A cap on tokens is a number", "Give --cap"),
        ("--window day --cap 5", "--cap is a number of tokens, requests or calls", "Name the metric with --metric"),
        ("--usd 5", "--window is missing", "Known: call, minute"),
        ("--metric concurrency --cap 5 --window day", "--window has no meaning for concurrency", "Leave it out"),
        ("--metric requests --cap 5 --window call", "--window is call, and every call is one request", "minute"),
        ("--usd 5 --window call --each user", "--each has no meaning for the window call", "Leave it out"),
        ("--usd 5 --window day --soft-usd 5", "--soft-usd is not below the cap", "Lower it"),
        ("--usd 5 --window day --soft-credits 50000", "--soft-credits is not below the cap", "Lower it"),
        ("--usd 5 --window day --soft-cap 4", "--soft-cap is a number of tokens", "--soft-usd or --soft-credits"),
        ("--usd 5 --window day --soft-usd 1 --soft-credits 1", "A soft cap is given in dollars or", "Give one of"),
        ("--usd 5 --window hour --anchor 3", "--anchor has no meaning for the window hour", "day, week or month"),
        ("--usd 5 --window total --time-zone UTC", "--time-zone has no meaning for the window total", "day, week"),
        ("--usd 5 --window day --time-zone Mars/Base", '--time-zone is "Mars/Base"', "IANA"),
        ("--usd 5 --window day --anchor 24", "--anchor is 24", "from 0 to 23"),
        ("--usd 5 --window week --anchor sonday", '--anchor is "sonday"', "Did you mean sunday?"),
        ("--usd 5 --window month --anchor 29", "--anchor is 29", "from 1 to 28"),
    ],
)
def test_a_limit_that_means_nothing_exits_2_with_the_option_and_the_way_out(
    cli: Cli, wrong: str, said: str, remedy: str
) -> None:
    cli.ok("tenant", "add", "acme")
    ended = cli("limit", "set", "--tenant", "acme", *wrong.split())
    assert (ended.code, ended.out) == (2, "")
    assert ended.err.startswith(f"error: {said}")
    assert remedy in ended.err.splitlines()[-1]
    assert cli.data("limit", "list") == []


def test_the_reason_for_a_limit_is_kept(cli: Cli) -> None:
    cli.ok("tenant", "add", "acme")
    cli.ok("limit", "set", *MONTH, "--usd", "5", "--reason", "trial")
    cli.ok("limit", "remove", *MONTH, "--reason", "trial is over")
    assert [row["why"] for row in cli.data("audit", "list", "--action", "policy")] == ["trial is over", "trial"]


@pytest.mark.parametrize(
    "wrong",
    [
        [],
        ["--usd", "1", "--credits", "1"],
        ["--usd", "a lot"],
        ["--usd", "0.0000000001"],
        ["--usd", "99999999999"],
        ["--credits", "-1"],
        ["--credits", "1.5"],
        ["--credits", "9" * 30],
    ],
)
def test_a_cap_that_is_none_exits_2_and_changes_nothing(cli: Cli, wrong: list[str]) -> None:
    cli.ok("tenant", "add", "acme")
    ended = cli("limit", "set", *MONTH, *wrong)
    assert (ended.code, ended.out) == (2, "")
    assert ended.err.startswith("error: ")
    assert cli.data("limit", "list") == []


def test_a_cap_of_zero_is_a_cap(cli: Cli) -> None:
    cli.ok("tenant", "add", "acme")
    assert "no limit → $0.00 (0 credits)" in cli.ok("limit", "set", *MONTH, "--usd", "0").out


@pytest.mark.parametrize("window", ["year", ""])
def test_an_unknown_window_exits_2(cli: Cli, window: str) -> None:
    ended = cli("limit", "set", "--tenant", "acme", "--window", window, "--usd", "1")
    assert ended.code == 2
    assert f"error: Invalid value for '--window': '{window}' is not one of 'call', 'minute'" in ended.err


def test_a_limit_for_an_unknown_tenant_exits_2_with_the_way_out(cli: Cli) -> None:
    ended = cli("limit", "set", *MONTH, "--usd", "1", "--json")
    assert (ended.code, ended.out) == (2, "")
    assert "→ Add it: aikit tenant add acme" in ended.err


def test_a_removed_limit_is_gone_and_one_that_is_not_there_exits_1(cli: Cli) -> None:
    cli.ok("tenant", "add", "acme")
    cli.ok("limit", "set", "--tenant", "acme", "--window", "call", "--usd", "1")
    assert cli.ok("limit", "remove", "--tenant", "acme", "--window", "call").out == "acme · per call · removed\n"
    ended = cli("limit", "remove", "--tenant", "acme", "--window", "call", "--json")
    assert ended.code == 1
    assert json.loads(ended.out)["data"]["removed"] is False
    assert "no limit per call of its own" in ended.err


@pytest.mark.parametrize("wrong", [[], ["--window", "day", "--metric", "concurrency"], ["--window", "year"]])
def test_a_removal_that_names_no_window_where_there_is_one_exits_2(cli: Cli, wrong: list[str]) -> None:
    cli.ok("tenant", "add", "acme")
    ended = cli("limit", "remove", "--tenant", "acme", *wrong)
    assert (ended.code, ended.out) == (2, "")
    assert "--window" in ended.err


def test_a_limit_of_concurrency_is_removed_without_a_window(cli: Cli) -> None:
    cli.ok("tenant", "add", "acme")
    cli.ok("limit", "set", "--tenant", "acme", "--metric", "concurrency", "--cap", "5")
    assert cli.data("limit", "remove", "--tenant", "acme", "--metric", "concurrency")["removed"] is True
    assert cli.data("limit", "list") == []


def test_an_empty_table_of_a_tenant_is_said_so(cli: Cli) -> None:
    cli.ok("tenant", "add", "acme")
    assert "There is no limit for 'acme'" in cli.ok("limit", "list", "--tenant", "acme").err
