"""`aikit tenant` and `aikit limit`."""

from __future__ import annotations

import json

import pytest

from integration.cli.conftest import Cli
from support.ledger import Till

MONTH = ("--tenant", "acme", "--window", "month")


def test_a_new_tenant_is_told_that_it_needs_a_limit(cli: Cli) -> None:
    ended = cli.ok("tenant", "add", "acme")
    assert ended.out == "acme: added\n"
    assert "aikit limit set --tenant acme --window month --usd 25" in ended.err
    again = cli("tenant", "add", "acme", "--json")
    assert (again.code, again.json("aikit.tenant.add/1")["data"]) == (
        0,
        {"tenant": "acme", "added": False, "uncapped": False},
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
    assert written.pop("created_at").endswith("Z")
    assert written == {
        "tenant": "acme",
        "metric": "credits",
        "window": "month",
        "cap_usd": "0.00015",
        "cap_credits": 1,
        "used_usd": "0.00039",
        "used_credits": 4,
        "held_usd": "0",
        "held_credits": 0,
        "remaining_usd": "0",
        "remaining_credits": 0,
        "previous_cap_usd": "25",
    }
    (listed,) = cli.data("limit", "list", "--tenant", "acme")
    assert {name: listed[name] for name in written if name in listed} == {
        name: value for name, value in written.items() if name != "previous_cap_usd"
    }


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


@pytest.mark.parametrize("window", ["year", "minute", ""])
def test_an_unknown_window_exits_2(cli: Cli, window: str) -> None:
    ended = cli("limit", "set", "--tenant", "acme", "--window", window, "--usd", "1")
    assert ended.code == 2
    assert f"error: Invalid value for '--window': '{window}' is not one of 'call', 'day'" in ended.err


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
    assert "no limit per call" in ended.err
