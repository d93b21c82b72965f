"""`aikit spend`, `aikit calls` and `aikit ledger verify` on a ledger with known contents."""

from __future__ import annotations

import json

import pytest

from aikit.cli.calls import SHORT
from aikit.database.connect import Database
from aikit.ledger.policies import put_policy
from aikit.policy.model import Policy, Scope, StatedLimit
from aikit.types import TOKEN_CLASSES, Action, Cost, Metric, Window
from integration.cli.conftest import Cli
from support.ledger import CLAUDE, Till, order, tell

SOME_COST = "0.00039"
"""1,000 input at $0.15, 200 cached at $0.15, 350 output at $0.60 a million: 390,000 nano-dollars."""


@pytest.fixture
def spent(cli: Cli, till: Till) -> Till:
    """acme has made two calls and globex one; one of acme's was voided, another refused, and one is running."""
    for tenant in ("acme", "globex"):
        cli.ok("tenant", "add", tenant, "--uncapped")
    till.spend(user="ann", feature="chat")
    till.spend(user="bob", price=CLAUDE)
    till.void(till.admit(user="ann"))
    till.spend("globex")
    till.refuse("acme", "MODEL_NOT_ALLOWED")
    till.flush()
    return till


def test_spend_has_exact_costs_and_their_total(cli: Cli, spent: Till) -> None:
    envelope = cli("spend", "--json").json("aikit.spend/1")
    acme, globex = envelope["data"]
    assert list(acme) == ["tenant", "calls", "tokens", "cost_usd", "credits", "estimated_calls", "unpriced_calls"]
    assert list(envelope["totals"]) == list(acme)[1:]
    assert (acme["tenant"], acme["calls"], globex["tenant"], globex["calls"]) == ("acme", 3, "globex", 1)
    assert globex["cost_usd"] == SOME_COST
    assert globex["credits"] == 4
    assert list(globex["tokens"]) == list(TOKEN_CLASSES)
    assert {name: count for name, count in globex["tokens"].items() if count} == {
        "input": 1000,
        "cache_read": 200,
        "output": 300,
        "reasoning": 50,
    }
    assert envelope["totals"]["calls"] == 4


@pytest.mark.parametrize("by", ["tenant", "user", "feature", "model", "provider", "day", "environment"])
def test_spend_by_anything_adds_up_to_the_same(cli: Cli, spent: Till, by: str) -> None:
    envelope = cli("spend", "--by", by, "--json").json("aikit.spend/1")
    assert all(by in row for row in envelope["data"])
    assert sum(row["calls"] for row in envelope["data"]) == envelope["totals"]["calls"] == 4


def test_calls_that_name_no_user_are_a_row_of_nobody(cli: Cli, spent: Till) -> None:
    assert [row["user"] for row in cli.data("spend", "--by", "user", "--tenant", "globex")] == [None]
    assert [row["user"] for row in cli.data("spend", "--by", "user", "--user", "bob")] == ["bob"]


def test_the_table_of_spend_is_plain_in_a_pipe(cli: Cli, spent: Till) -> None:
    lines = cli.ok("spend", "--since", "today").out.splitlines()
    assert lines[0].startswith("Spend by tenant since 20")
    assert lines[1].split() == ["Tenant", "Calls", "Refused", "Failed", "Input", "Cached", "Output", "Cost", "Share"]
    assert lines[2].split()[:7] == ["acme", "3", "1", "1", "2,400", "400", "700"]
    assert lines[3].split() == ["globex", "1", "0", "0", "1,200", "200", "350", "$0.00039", "4%"]
    assert lines[4].startswith("Total")


def test_a_period_without_calls_is_said_so(cli: Cli) -> None:
    ended = cli.ok("spend", "--since", "2020-01-01", "--until", "2020-02-01")
    assert ended.out == ""
    assert ended.err == "No calls since 2020-01-01 00:00 until 2020-02-01 00:00 UTC.\n"
    empty = cli("spend", "--json").json("aikit.spend/1")
    assert (empty["data"], empty["totals"]["calls"], empty["totals"]["cost_usd"]) == ([], 0, "0")


@pytest.mark.parametrize(
    "wrong", [["--since", "soon"], ["--by", "mood"], ["--until", "2020-01-01"], ["--environment", "home"]]
)
def test_a_wrong_question_exits_2(cli: Cli, wrong: list[str]) -> None:
    ended = cli("spend", *wrong, "--json")
    assert (ended.code, ended.out) == (2, "")


def test_calls_are_listed_the_newest_first_whatever_became_of_them(cli: Cli, spent: Till) -> None:
    running = spent.admit("globex")
    rows = cli.data("calls", "list")
    assert [(row["tenant"], row["state"]) for row in rows] == [
        ("globex", "running"),
        ("acme", "refused"),
        ("globex", "settled"),
        ("acme", "voided"),
        ("acme", "settled"),
        ("acme", "settled"),
    ]
    assert rows[0]["id"] == str(running.order.attempt)
    assert (rows[0]["cost_usd"], rows[0]["bound_usd"]) == (None, "0.001")
    assert (rows[1]["reason_code"], rows[1]["cost_usd"]) == ("MODEL_NOT_ALLOWED", "0")
    assert (rows[2]["cost_usd"], rows[2]["credits"], rows[2]["tokens"]) == (SOME_COST, 4, 1550)


@pytest.mark.parametrize(
    ("filters", "count"),
    [
        (["--tenant", "acme"], 4),
        (["--user", "bob"], 1),
        (["--feature", "chat"], 1),
        (["--model", "openai/gpt-4o-mini"], 4),
        (["--ending", "voided"], 1),
        (["--refused"], 1),
        (["--sent"], 4),
        (["--limit", "2"], 2),
        (["--since", "1h"], 5),
        (["--since", "2999-01-01"], 0),
    ],
)
def test_calls_are_filtered(cli: Cli, spent: Till, filters: list[str], count: int) -> None:
    ended = cli.ok("calls", "list", *filters, "--json")
    assert len(json.loads(ended.out)["data"]) == count


def test_a_call_is_shown_by_its_id_or_the_end_of_it(cli: Cli, spent: Till) -> None:
    listed = next(row for row in cli.data("calls", "list") if row["feature"] == "chat")
    shown = cli.data("calls", "show", listed["id"])
    assert cli.data("calls", "show", listed["id"].replace("-", "")[-SHORT:]) == shown
    assert cli.data("calls", "show", listed["call"]) == shown
    (attempt,) = shown.pop("attempts")
    assert shown == {
        "call": listed["call"],
        "tenant": "acme",
        "user": "ann",
        "feature": "chat",
        "environment": "prod",
        "cost_usd": SOME_COST,
        "credits": 4,
    }
    assert (attempt["id"], attempt["state"], attempt["status"]) == (listed["id"], "settled", 200)
    assert attempt["tokens"]["reasoning"] == 50
    text = cli.ok("calls", "show", listed["id"]).out
    assert f"Call {listed['call']}" in text
    assert "ALLOWED, policy version" in text


@pytest.fixture
def observed(cli: Cli, ledger: Database, till: Till) -> Till:
    """Three calls of acme: the second crosses a soft cap, the third would be refused by a limit that only warns."""
    limits = (
        StatedLimit(Metric.CREDITS, Window.MONTH, 10**9, soft_cap=1_000_000),
        StatedLimit(Metric.REQUESTS, Window.DAY, 2, action=Action.WARN, each="user"),
    )
    cli.ok("tenant", "add", "acme")
    put_policy(ledger, Policy("trial", Scope(tenant="acme"), limits=limits))
    for _ in range(3):
        till.spend(user="ann")
    till.flush()
    return till


@pytest.mark.parametrize(
    ("filters", "count"),
    [
        (["--code", "ALLOWED"], 1),
        (["--code", "ALLOWED_SOFT_CAP"], 2),
        (["--would-refuse"], 1),
        (["--code", "ALLOWED", "--would-refuse"], 0),
        (["--code", "NO_POLICY"], 0),
    ],
)
def test_calls_are_filtered_by_what_was_decided(cli: Cli, observed: Till, filters: list[str], count: int) -> None:
    ended = cli.ok("calls", "list", *filters, "--json")
    assert len(json.loads(ended.out)["data"]) == count
    assert ended.err == ("" if count else "No such calls.\n")


def test_a_call_that_would_have_been_refused_is_marked_and_says_by_which_limit(cli: Cli, observed: Till) -> None:
    newest, *others = cli.data("calls", "list")
    code = "DAILY_REQUEST_LIMIT_EXCEEDED"
    assert (newest["state"], newest["reason_code"], newest["would_refuse"]) == ("settled", "ALLOWED_SOFT_CAP", code)
    assert [row["would_refuse"] for row in others] == [None, None]
    listed = cli.ok("calls", "list").out
    assert f"settled: ALLOWED_SOFT_CAP, would be {code}" in listed
    (attempt,) = cli.data("calls", "show", newest["id"])["attempts"]
    assert (attempt["would_refuse"], attempt["source"], attempt["clamped"]) == (code, None, False)
    limits = {limit["metric"]: limit for limit in attempt["limits"]}
    assert (limits["requests"]["action"], limits["requests"]["counts"]) == ("warn", "user ann")
    assert (limits["credits"]["soft_cap_usd"], limits["credits"]["counts"]) == ("0.001", "tenant")
    text = cli.ok("calls", "show", newest["id"]).out
    assert f"{code}, if that limit blocked" in text
    assert "requests per day (warn)  user ann" in text
    assert "1,000 input tokens at most, 1,000 of output\n" in text


def test_a_clamped_call_says_so(cli: Cli, ledger: Database, till: Till) -> None:
    cli.ok("tenant", "add", "acme")
    bound = StatedLimit(Metric.CREDITS, Window.CALL, 500_000)
    put_policy(ledger, Policy("bound", Scope(tenant="acme"), limits=(bound,), clamp=True))
    asked = order("acme", 1_000_000, feature="chat")._replace(cost=Cost(((0, 1_000),), 1))
    decision = till.meter.admit(asked)
    assert decision.clamped
    (attempt,) = cli.data("calls", "show", str(asked.attempt))["attempts"]
    assert (attempt["clamped"], attempt["bound_usd"]) == (True, "0.0005")
    assert "1,000 of output; clamped to what fits" in cli.ok("calls", "show", str(asked.attempt)).out


def test_a_refusal_by_a_policy_names_it(cli: Cli, ledger: Database, till: Till) -> None:
    cli.ok("tenant", "add", "acme", "--uncapped")
    put_policy(ledger, Policy("no-mini", Scope(), deny=("openai/*",)))
    refused = till.ask()
    assert refused.reason_code == "MODEL_NOT_ALLOWED"
    (attempt,) = cli.data("calls", "show", str(refused.id))["attempts"]
    assert (attempt["state"], attempt["source"]) == ("refused", "no-mini")
    assert "no-mini" in cli.ok("calls", "show", str(refused.id)).out


@pytest.mark.parametrize(
    ("id", "code"), [("0198c0de-0000-7000-8000-000000000000", 1), ("nonsense", 2), ("abcdefab", 2), ("ab", 2)]
)
def test_a_call_that_is_not_there_is_no_crash(cli: Cli, spent: Till, id: str, code: int) -> None:
    ended = cli("calls", "show", id, "--json")
    assert (ended.code, ended.out) == (code, "")
    assert "aikit calls list" in ended.err


def test_a_sound_ledger_is_one_line_and_exits_0(cli: Cli, spent: Till) -> None:
    assert cli.ok("ledger", "verify").out == (
        "entries 4 = counters = rollups · holds 0 open, 0 expired · presumed 0 ($0.00) · 0 nano-dollars unexplained\n"
    )
    sound = cli("ledger", "verify", "--json").json("aikit.ledger.verify/1")
    assert (sound["data"]["ok"], sound["data"]["unexplained_usd"], sound["totals"]) == (True, "0", {"findings": 0})


def test_a_nano_dollar_too_much_is_found_and_exits_1(cli: Cli, spent: Till, ledger: Database) -> None:
    tell(ledger, "UPDATE aikit.rollups SET nano = nano + 1 WHERE tenant = 'globex'")
    text = cli("ledger", "verify")
    assert text.code == 1
    assert text.out.startswith("entries 4 = counters ≠ rollups")
    assert "1 nano-dollars unexplained" in text.out
    ended = cli("ledger", "verify", "--json")
    assert ended.code == 1
    unsound = ended.json("aikit.ledger.verify/1")
    (finding,) = unsound["data"]["findings"]
    assert (unsound["totals"], unsound["data"]["unexplained_usd"]) == ({"findings": 1}, "0.000000001")
    assert (finding["tenant"], finding["expected_usd"], finding["found_usd"]) == ("globex", SOME_COST, "0.000390001")
