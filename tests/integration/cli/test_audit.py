"""`aikit audit`: what was changed, by whom, and whether the record of it is whole."""

from __future__ import annotations

import json

import pytest

from aikit.database.connect import Database
from integration.cli.conftest import Cli
from support.ledger import tell

MONTH = ("--tenant", "acme", "--window", "month")


@pytest.fixture
def changed(cli: Cli) -> Cli:
    """`aikit` of ann, who added a tenant and set its limit, twice."""
    ann = Cli(cli.folder, {**cli.environ, "AIKIT_ACTOR": "ann@ops"})
    ann.ok("tenant", "add", "acme")
    ann.ok("limit", "set", *MONTH, "--usd", "5")
    ann.ok("limit", "set", *MONTH, "--usd", "6", "--reason", "they asked [nicely]")
    return ann


def test_a_ledger_in_which_nothing_was_changed_says_so(cli: Cli) -> None:
    ended = cli.ok("audit", "list")
    assert (ended.out, ended.err) == ("", "Nothing has been changed yet.\n")
    assert cli.ok("audit", "verify").out.startswith("0 changes · as they were recorded\n")


def test_changes_are_listed_the_newest_first_with_what_and_why(changed: Cli) -> None:
    lines = changed.ok("audit", "list").out.splitlines()
    assert lines[1].split() == ["Seq", "Time", "(UTC)", "Who", "Action", "Of", "Change", "Why"]
    assert [line.split()[0] for line in lines[2:]] == ["3", "2", "1"]
    assert "ann@ops" in lines[2]
    assert "credits/month: $5.00 → $6.00 (50,000 → 60,000 credits)" in lines[2]
    assert lines[2].endswith("they asked [nicely]")
    assert "uncapped: false" in lines[4]


def test_the_list_in_json_has_both_sides_with_money_in_dollars(changed: Cli) -> None:
    envelope = changed("audit", "list", "--limit", "1", "--json").json("aikit.audit.list/1")
    (row,) = envelope["data"]
    assert envelope["totals"] == {"changes": 1}
    assert (row["seq"], row["who"], row["action"], row["subject"]) == (3, "ann@ops", "policy.change", "tenant:acme")
    assert row["before"]["limits"] == [{"metric": "credits", "window": "month", "cap_usd": "5"}]
    assert row["after"]["limits"] == [{"metric": "credits", "window": "month", "cap_usd": "6"}]
    assert len(row["hash"]) == 64


@pytest.mark.parametrize(
    ("filters", "count"),
    [
        (["--who", "ann@ops"], 3),
        (["--who", "ann"], 0),
        (["--action", "tenant.add"], 1),
        (["--action", "policy"], 2),
        (["--tenant", "acme"], 3),
        (["--tenant", "globex"], 0),
        (["--since", "1h"], 3),
        (["--until", "1h"], 0),
        (["--limit", "2"], 2),
    ],
)
def test_changes_are_filtered(changed: Cli, filters: list[str], count: int) -> None:
    ended = changed.ok("audit", "list", *filters, "--json")
    assert len(json.loads(ended.out)["data"]) == count
    assert ended.err == ("" if count else "No such changes.\n")


def test_one_change_is_shown_as_a_diff_of_what_a_policy_file_would_say(changed: Cli) -> None:
    shown = changed.ok("audit", "show", "3").out
    assert "they asked [nicely]" in shown
    assert '\n-   { window = "month", cap_usd = "5.00" },  # 50,000 credits\n' in shown
    assert '\n+   { window = "month", cap_usd = "6.00" },  # 60,000 credits\n' in shown
    assert "\n  [tenants.acme]\n" in shown
    assert '\n+   "uncapped": false\n' in changed.ok("audit", "show", "1").out
    assert changed.data("audit", "show", "3") == changed.data("audit", "list", "--limit", "1")[0]


def test_a_change_that_is_not_there_exits_1(changed: Cli) -> None:
    ended = changed("audit", "show", "99", "--json")
    assert (ended.code, ended.out) == (1, "")
    assert "There is no change 99" in ended.err


def test_a_whole_record_prints_its_head_to_be_kept(changed: Cli) -> None:
    first, second = changed.ok("audit", "verify").out.splitlines()
    assert first == "3 changes · as they were recorded"
    head = second.removeprefix("head ")
    assert head == f"3:{changed.data('audit', 'show', '3')['hash']}"
    changed.ok("limit", "set", *MONTH, "--usd", "7")
    assert changed.data("audit", "verify", "--head", head)["ok"] is True


def test_an_edited_row_is_found_and_exits_1(changed: Cli, ledger: Database) -> None:
    tell(
        ledger,
        "ALTER TABLE aikit.audit DISABLE TRIGGER USER",
        "UPDATE aikit.audit SET who = 'somebody else' WHERE seq = 2",
        "ALTER TABLE aikit.audit ENABLE TRIGGER USER",
    )
    ended = changed("audit", "verify", "--json")
    assert ended.code == 1
    found = ended.json("aikit.audit.verify/1")
    assert (found["data"]["ok"], found["data"]["rows"], found["totals"]) == (False, 3, {"findings": 1})
    assert "row 2" in found["data"]["findings"][0]
    text = changed("audit", "verify")
    assert text.code == 1
    assert "3 changes · 1 finding\n" in text.out


def test_a_head_that_was_noted_elsewhere_tells_a_rewritten_record(changed: Cli) -> None:
    ended = changed("audit", "verify", "--head", f"3:{'0' * 64}")
    assert ended.code == 1
    assert "history was rewritten" in ended.out


@pytest.mark.parametrize(
    "wrong", [["verify", "--head", "nonsense"], ["list", "--since", "soon"], ["show", "x"], ["list", "--limit", "0"]]
)
def test_a_wrong_question_exits_2(cli: Cli, wrong: list[str]) -> None:
    ended = cli("audit", *wrong)
    assert (ended.code, ended.out) == (2, "")
    assert ended.err.startswith("error: ")
