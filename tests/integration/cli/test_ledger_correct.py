"""`aikit ledger correct`: shows the difference, asks, and posts it as a further entry."""

from __future__ import annotations

import os
import pty
import subprocess
from typing import Any
from uuid import UUID

import pytest
import typer

from aikit.cli.ledger_correct import read_usage
from aikit.database.connect import Database
from aikit.ledger.verify import verify
from aikit.types import Usage
from integration.cli.conftest import SCRIPT, Cli
from support.ledger import BOUND, MINI, SOME, Till, rows

COST = MINI.cost(SOME)
WHY = ("--reason", "on the bill")


@pytest.fixture
def spent(cli: Cli, till: Till) -> UUID:
    """An attempt of acme that cost $0.00039."""
    cli.ok("tenant", "add", "acme")
    cli.ok("limit", "set", "--tenant", "acme", "--window", "month", "--usd", "100")
    entry = till.spend("acme", user="ann", feature="chat")
    till.flush()
    return entry.hold.order.attempt


def charges(database: Database) -> list[int]:
    return [nano for (nano,) in rows(database, "SELECT nano FROM aikit.entries ORDER BY attempt, seq")]


def test_it_shows_what_was_charged_what_will_be_and_the_difference(cli: Cli, spent: UUID, ledger: Database) -> None:
    ended = cli.ok("ledger", "correct", str(spent), "--usd", "0.0123", *WHY, "--yes")
    assert ended.out.splitlines() == [
        f"Attempt {spent}",
        "  Tenant          acme",
        "  Model           openai/gpt-4o-mini",
        "  Charged so far  $0.00039",
        "  To be charged   $0.0123",
        "  Difference      +$0.01191",
        "corrected: $0.00039 → $0.0123",
    ]
    assert charges(ledger) == [COST, 12_300_000 - COST]
    ended = cli.ok("ledger", "correct", str(spent), "--usd", "$0", *WHY, "--yes")
    assert "Charged so far  $0.0123, in 2 entries" in ended.out
    assert "Difference      -$0.0123" in ended.out
    assert sum(charges(ledger)) == 0
    assert verify(ledger).findings == []


def test_json_has_both_amounts_and_the_difference(cli: Cli, spent: UUID) -> None:
    ended = cli.ok("ledger", "correct", str(spent), "--usd", "0.0123", *WHY, "--yes", "--json")
    data = ended.json("aikit.ledger.correct/1")["data"]
    call = data.pop("call")
    assert call != str(spent)
    assert data == {
        "id": str(spent),
        "tenant": "acme",
        "provider": "openai",
        "model": "gpt-4o-mini",
        "before_usd": "0.00039",
        "after_usd": "0.0123",
        "difference_usd": "0.01191",
        "tokens": None,
        "posted": True,
    }
    assert ended.err == ""
    again = cli.data("ledger", "correct", call, "--usd", "0.0123", *WHY)
    assert (again["id"], again["posted"], again["difference_usd"]) == (str(spent), False, "0")


def test_the_end_of_an_id_as_a_list_shows_it_will_do(cli: Cli, spent: UUID, ledger: Database) -> None:
    cli.ok("ledger", "correct", spent.hex[-8:], "--usd", "1", *WHY, "--yes")
    assert sum(charges(ledger)) == 10**9


def test_without_a_terminal_nothing_is_posted_unless_that_was_settled(cli: Cli, spent: UUID, ledger: Database) -> None:
    ended = cli.script("ledger", "correct", str(spent), "--usd", "1", *WHY)
    assert ended.code == 2
    assert "no terminal to ask on" in ended.err
    assert "--yes" in ended.err
    assert charges(ledger) == [COST]


def test_nothing_to_correct_is_said_and_not_posted(cli: Cli, spent: UUID, ledger: Database) -> None:
    ended = cli.ok("ledger", "correct", str(spent), "--usd", "0.000390", *WHY)
    assert ended.err == "There is nothing to correct: that is what it was charged.\n"
    assert charges(ledger) == [COST]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--usd", "-1"), "zero or more"),
        (("--usd", "ten"), "not an amount"),
        (("--usd", "0.0000000001"), "finer than one nano-dollar"),
        (("--usd", "9000000001"), "nine billion"),
        (("--usd", "0,39"), "not an amount"),
        (("--usd", "1e999999"), "amount"),
        (("--usd", "1.00000000000000000000000000000000000001"), "finer"),
        (("--usd", "NaN"), "zero or more"),
        (("--usage", "inputs=3"), "did you mean input?"),
        (("--usage", "wine=3"), "the classes are input, cache_read"),
        (("--usage", "input=-3"), "whole number"),
        (("--usage", "input=1.5"), "whole number"),
        (("--usage", "input=9999999999999"), "whole number"),
        (("--usage", "input=1,input=2"), "given twice"),
        (("--usage", "input"), "whole number"),
        (("--usage", ""), "no usage class"),
        (("--usage", "input=1", "--usd", "1"), "one of the two"),
        ((), "one of the two"),
    ],
)
def test_what_can_not_be_an_amount_or_a_usage_is_refused(
    cli: Cli, spent: UUID, ledger: Database, arguments: tuple[str, ...], said: str
) -> None:
    ended = cli("ledger", "correct", str(spent), *arguments, *WHY, "--yes")
    assert ended.code == 2
    assert said in " ".join(ended.err.split())
    assert "Traceback" not in ended.err
    assert charges(ledger) == [COST]


def test_a_reason_is_needed(cli: Cli, spent: UUID, ledger: Database) -> None:
    assert cli("ledger", "correct", str(spent), "--usd", "1", "--yes").code == 2
    assert cli("ledger", "correct", str(spent), "--usd", "1", "--reason", " ", "--yes").code == 2
    assert charges(ledger) == [COST]


def test_what_is_no_attempt_that_has_ended_is_refused(cli: Cli, spent: UUID, till: Till) -> None:
    running, refused = till.admit("acme"), till.ask("nobody")
    till.flush()
    unknown = "01a1fe74-716f-7ba1-8606-684059c0115f"
    for id, said in (
        (str(running.order.attempt), "is still running"),
        (str(refused.id), "was refused"),
        (unknown, "no attempt and no call"),
        ("x", "not the id"),
    ):
        ended = cli("ledger", "correct", id, "--usd", "1", *WHY, "--yes")
        assert (ended.code, said in ended.err) == (2, True), ended.err
    till.settle(running)
    till.flush()


def test_a_usage_is_charged_at_the_price_of_the_attempt(cli: Cli, spent: UUID, till: Till, ledger: Database) -> None:
    entry = till.presume(till.admit("acme"))
    till.flush()
    id = str(entry.hold.order.attempt)
    usage = "input=1000, cache_read=200,output=300,reasoning=50"
    ended = cli.ok("ledger", "correct", id, "--usage", usage, *WHY, "--yes")
    assert "Used            1,000 input, 200 cache_read, 300 output, 50 reasoning" in ended.out
    assert ended.out.endswith("corrected: $0.001 → $0.00039\n")
    assert charges(ledger)[1:] == [BOUND, COST - BOUND]
    again = cli("ledger", "correct", id, "--usage", "input=1", *WHY, "--yes")
    assert (again.code, "on record already" in again.err) == (2, True)
    assert verify(ledger).findings == []


def test_what_people_see_of_it_afterwards(cli: Cli, spent: UUID) -> None:
    cli.ok("ledger", "correct", str(spent), "--usd", "25.5", *WHY, "--who", "ann@example.com", "--yes")
    assert cli.data("calls", "list")[0] | {"at": None} == cli.data("calls", "list")[0] | {
        "at": None,
        "cost_usd": "25.5",
        "corrected": True,
        "state": "settled",
        "error": None,
    }
    assert "settled: corrected" in cli.ok("calls", "list").out
    shown = cli.ok("calls", "show", str(spent)).out
    assert "Cost         $25.50" in shown
    assert f"Attempt {spent}, correction 1\n  Why          corrected by hand; " in shown
    assert "Difference   +$25.50" in shown
    assert "Cost in all  $25.50" in shown
    assert shown.count("Decision ") == 1
    kinds = [(one["seq"], one["correction"]) for one in cli.data("calls", "show", str(spent))["attempts"]]
    assert kinds == [(0, None), (1, "by_hand")]
    assert cli.data("spend")[0]["cost_usd"] == "25.5"
    assert cli.data("limit", "list")[0]["used_usd"] == "25.5"
    assert "$25.50" in cli.ok("spend").out
    assert cli.ok("explain", str(spent)).code == 0
    listed = cli.ok("audit", "list", "--action", "ledger").out
    assert "ledger.correct" in listed
    assert "cost: $0.00039 → $25.5" in listed
    change: Any = cli.data("audit", "list", "--action", "ledger")[0]
    assert (change["who"], change["why"]) == ("ann@example.com", "on the bill")
    assert '+   "cost_usd": "25.5"' in cli.ok("audit", "show", str(change["seq"])).out
    assert cli.ok("audit", "verify").code == 0


def test_a_truth_that_came_late_reads_as_such(cli: Cli, spent: UUID, till: Till) -> None:
    hold = till.admit("acme")
    cli.ok("ledger", "expire", "--now", "--yes")
    till.settle(hold)
    till.flush()
    shown = cli.ok("calls", "show", str(hold.order.attempt)).out
    assert "correction 1\n  Why          how it really ended became known late: settled\n" in shown
    assert "Difference   -$0.00061" in shown
    assert "presumed_spent: expired, estimated, corrected" in cli.ok("calls", "list").out


def test_a_usage_is_read_class_by_class() -> None:
    assert read_usage("input=120,output=300") == Usage(input=120, output=300)
    assert read_usage(" cache_read = 1 ,searches=2 ") == Usage(cache_read=1, searches=2)
    with pytest.raises(typer.BadParameter):
        read_usage("input=１")


@pytest.mark.parametrize(("answer", "code", "posted"), [("y", 0, True), ("n", 1, False)])
def test_at_a_terminal_it_asks(cli: Cli, spent: UUID, ledger: Database, answer: str, code: int, posted: bool) -> None:
    ours, theirs = pty.openpty()
    try:
        os.write(ours, f"{answer}\n".encode())
        done = subprocess.run(
            [str(SCRIPT), "ledger", "correct", str(spent), "--usd", "1", *WHY],
            cwd=cli.folder,
            env=dict(cli.environ),
            stdin=theirs,
            stdout=subprocess.PIPE,
            stderr=theirs,
            timeout=60,
        )
        asked = os.read(ours, 4096).decode()
    finally:
        os.close(ours)
        os.close(theirs)
    assert f"Let {spent} have cost $1 in all? [y/N]:" in asked
    assert ("Nothing was posted." in asked) is not posted
    assert (done.returncode, sum(charges(ledger))) == (code, 10**9 if posted else COST)
