"""`aikit ledger rerate`: what other prices would change, and the corrections that change it."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from aikit.database.connect import Database
from aikit.ledger.verify import verify
from aikit.types import Usage
from integration.cli.conftest import Cli
from support.ledger import CLAUDE, MINI, SOME, Till, rows

COST = MINI.cost(SOME)
SINCE = ("ledger", "rerate", "--since", "1h")
WHY = ("--reason", "the contract says so")


@pytest.fixture
def spent(cli: Cli, till: Till, ledger: Database) -> Cli:
    """Three calls of acme and one of globex, at prices that the configuration overrides: input was 0.15, is 0.30."""
    (cli.folder / "aikit.toml").write_text(
        '[prices."openai/gpt-4o-mini"]\ninput = "0.30"\noutput = "0.60"\n'
        '[prices."anthropic/claude"]\ninput = "3"\noutput = "15"\nsearches = "10"\n'
    )
    for tenant in ("acme", "globex"):
        cli.ok("tenant", "add", tenant, "--uncapped")
    till.spend()
    till.spend(usage=Usage(output=100))
    till.spend(price=CLAUDE)
    till.spend("globex")
    till.flush()
    return cli


def entries(database: Database) -> int:
    return int(rows(database, "SELECT count(*) FROM aikit.entries")[0][0])


def test_a_dry_run_shows_each_model_and_posts_nothing(spent: Cli, ledger: Database) -> None:
    ended = spent.ok(*SINCE, "--dry-run")
    lines = ended.out.splitlines()
    assert lines[0].startswith(f"Since {datetime.now(UTC):%Y-}")
    assert lines[1].split()[:4] == ["Model", "Attempts", "Changed", "Unpriced"]
    assert lines[2].split() == ["anthropic/claude", "1", "0", "0", "$0.0089", "$0.0089", "$0.00"]
    assert lines[3].split() == ["openai/gpt-4o-mini", "3", "2", "0", "$0.00084", "$0.0012", "+$0.00036"]
    assert lines[4].split() == ["total", "4", "2", "0", "$0.0097", "$0.01", "+$0.00036"]
    assert (len(lines), entries(ledger)) == (5, 4)


def test_what_a_dry_run_says_is_what_is_posted(spent: Cli, ledger: Database) -> None:
    dry = spent(*SINCE, "--dry-run", "--json").json("aikit.ledger.rerate/1")
    done = spent(*SINCE, *WHY, "--yes", "--json").json("aikit.ledger.rerate/1")
    assert done["data"] == dry["data"]
    assert done["totals"] == dry["totals"] | {"posted": 2}
    assert dry["totals"] == {
        "attempts": 4,
        "changed": 2,
        "unpriced": 0,
        "before_usd": "0.00969",
        "after_usd": "0.01005",
        "difference_usd": "0.00036",
        "posted": 0,
    }
    assert dry["data"][1] == {
        "provider": "openai",
        "model": "gpt-4o-mini",
        "attempts": 3,
        "changed": 2,
        "unpriced": 0,
        "before_usd": "0.00084",
        "after_usd": "0.0012",
        "difference_usd": "0.00036",
    }
    assert entries(ledger) == 6
    assert verify(ledger).findings == []
    again = spent.ok(*SINCE, *WHY)
    assert again.err == "There is nothing to change.\n"
    assert entries(ledger) == 6


def test_it_says_what_it_posted_and_the_calls_say_why(spent: Cli, ledger: Database) -> None:
    ended = spent.ok(*SINCE, *WHY, "--yes", "--tenant", "globex")
    assert ended.out.endswith("posted 1 correction: +$0.00018\n")
    listed = spent.data("calls", "list", "--tenant", "globex")
    assert (listed[0]["cost_usd"], listed[0]["corrected"]) == ("0.00057", True)
    shown = spent.ok("calls", "show", listed[0]["id"]).out
    assert "Why          rerated: other prices; " in shown
    assert "aikit.toml override" in shown
    audited = spent.ok("audit", "list", "--action", "ledger.rerate").out
    assert "cost: $0.00039 → $0.00057" in audited
    assert spent.data("audit", "list")[0]["why"] == "the contract says so"
    assert spent.ok("audit", "verify").code == 0


def test_without_a_terminal_nothing_is_posted_unless_that_was_settled(spent: Cli, ledger: Database) -> None:
    ended = spent.script(*SINCE, *WHY)
    assert ended.code == 2
    assert "no terminal to ask on" in ended.err
    assert "--dry-run" in ended.err
    assert "openai/gpt-4o-mini" in ended.out
    assert entries(ledger) == 4


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--since", "1h"), "--reason"),
        (("--since", "1h", "--reason", " ", "--yes"), "--reason"),
        (("--since", "soon", "--dry-run"), "not a time"),
        (("--dry-run",), "--since"),
    ],
)
def test_what_is_missing_or_unreadable_is_said(spent: Cli, arguments: tuple[str, ...], said: str) -> None:
    ended = spent("ledger", "rerate", *arguments)
    assert (ended.code, said in ended.err) == (2, True), ended.err


def test_filters_and_empty_periods(spent: Cli) -> None:
    def changed(*arguments: str) -> int:
        return int(spent(*SINCE, "--dry-run", "--json", *arguments).json("aikit.ledger.rerate/1")["totals"]["changed"])

    assert changed("--tenant", "acme") == 1
    assert changed("--provider", "anthropic") == 0
    assert changed("--model", "gpt-4o-mini") == 2
    assert changed("--until", "30m") == 0
    assert spent.ok(*SINCE, "--dry-run", "--until", "30m").out.startswith("No attempts with a usage since ")


def test_attempts_without_a_price_are_told(spent: Cli, till: Till) -> None:
    (spent.folder / "aikit.toml").write_text('[prices."openai/gpt-4o-mini"]\ninput = "0.30"\n')
    ended = spent.ok(*SINCE, "--dry-run")
    assert "4 attempts have no price today that covers what they used; they stay as they are." in ended.err
