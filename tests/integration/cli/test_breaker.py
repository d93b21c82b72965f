"""`aikit breaker`: how breakers stand, and forcing and resetting them by hand."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from aikit.breaker.model import TUNING
from aikit.database.connect import Database
from aikit.ledger.audit import verify_audit
from aikit.ledger.verify import verify
from aikit.meter.engine import Meter
from aikit.types import Ending, Entry, Health
from integration.cli.conftest import Cli
from support.attempts import held, meter_on, order, rows, set_limits

MODEL = "openai/gpt-4o-mini"


@pytest.fixture
def meter(ledger: Database, tmp_path: Path) -> Iterator[Meter]:
    set_limits(ledger, "acme", month=10**9)
    with meter_on(ledger, tmp_path / "meter") as meter:
        yield meter


def call(meter: Meter, health: Health = Health.OK, status: int = 200) -> str:
    """What is decided; an admitted one ends so."""
    decision = meter.admit(order(price=None))
    if decision.hold is not None:
        meter.end(Entry(held(decision), Ending.VOIDED, 0, status=status, health=health))
        meter.flush()
    return decision.reason_code


def test_where_nothing_has_ever_opened_it_says_so(cli: Cli) -> None:
    ended = cli.ok("breaker", "list")
    assert (ended.out, ended.err) == (
        "",
        "All are closed: none has ever opened, and nothing was called in the last minute.\n",
    )
    assert cli("breaker", "list", "--json").json("aikit.breaker.list/1")["totals"] == {"breakers": 0, "open": 0}


def test_an_open_one_is_listed_with_what_was_seen_by_all_processes(cli: Cli, meter: Meter) -> None:
    for _ in range(TUNING.consecutive):
        call(meter, Health.FAILED, 500)
    title, head, provider, model = cli.ok("breaker", "list").out.splitlines()
    assert title == "Breakers, and calls in the last minute"
    assert head.split() == ["Breaker", "State", "Why", "Since", "(UTC)", "Calls", "Failed", "Slow"]
    assert provider.split()[:3] == ["openai", "●", "closed"]
    assert model.startswith(f"{MODEL}  ○ OPEN 1")
    assert "failures in a row" in model and model.split()[-3:] == ["5", "5", "0"]
    envelope = cli("breaker", "list", "--json").json("aikit.breaker.list/1")
    assert envelope["totals"] == {"breakers": 2, "open": 1}
    row = envelope["data"][1]
    assert (row["breaker"], row["provider"], row["model"]) == (MODEL, "openai", "gpt-4o-mini")
    assert (row["state"], row["reason"], row["openings"]) == ("open", "consecutive_failures", 1)
    assert (row["calls"], row["failed"], row["slow"], row["who"]) == (5, 5, 0, None)
    assert row["until"].endswith("Z")
    assert envelope["data"][0]["model"] is None


def test_forced_open_it_stops_the_very_next_call(cli: Cli, meter: Meter, ledger: Database) -> None:
    assert call(meter) == "ALLOWED"
    ann = Cli(cli.folder, {**cli.environ, "AIKIT_ACTOR": "ann@ops"})
    told = ann.ok("breaker", "open", MODEL, "--for", "10m", "--reason", "outage at OpenAI").out
    assert told.startswith(f"{MODEL} · ● closed → ■ forced open until 20") and told.endswith(" UTC\n")
    assert call(meter) == "BREAKER_OPEN"
    line = next(line for line in cli.ok("breaker", "list").out.splitlines() if line.startswith(MODEL))
    assert "■ forced open 9m 5" in line or "■ forced open 10m" in line
    assert "ann@ops: outage at OpenAI" in line
    assert cli.data("breaker", "reset", MODEL)["previous_state"] == "forced_open"
    assert call(meter) == "ALLOWED"
    assert verify(ledger).findings == []


def test_a_provider_as_a_whole_stops_all_of_its_models(cli: Cli, meter: Meter) -> None:
    cli.ok("breaker", "open", "openai")
    assert call(meter) == "BREAKER_OPEN"
    data = cli.data("breaker", "show", "openai")
    assert (data["state"], data["until"], data["model"]) == ("forced_open", None, None)
    cli.ok("breaker", "close", "openai", "--for", "1h")
    assert call(meter) == "ALLOWED"
    for _ in range(2 * TUNING.least_calls):
        assert call(meter, Health.QUOTA, 429) == "ALLOWED"


def test_what_was_done_by_hand_is_on_the_record(cli: Cli, ledger: Database) -> None:
    ann = Cli(cli.folder, {**cli.environ, "AIKIT_ACTOR": "ann@ops"})
    ann.ok("breaker", "open", MODEL, "--reason", "they asked")
    ann.ok("breaker", "close", MODEL, "--for", "1h")
    ann.ok("breaker", "reset", MODEL)
    newest, middle, oldest = cli.data("audit", "list", "--action", "breaker")
    assert [row["action"] for row in (newest, middle, oldest)] == ["breaker.reset", "breaker.close", "breaker.open"]
    assert (oldest["who"], oldest["subject"], oldest["why"]) == ("ann@ops", f"breaker:{MODEL}", "they asked")
    assert oldest["before"] == {"state": "closed", "reason": None, "until": None}
    assert oldest["after"] == {"state": "forced_open", "reason": "operator", "until": None}
    lines = cli.ok("audit", "list", "--action", "breaker").out.splitlines()
    assert "forced open → forced closed until 20" in lines[3] and "closed → forced open" in lines[4]
    assert verify_audit(ledger).ok
    moves = cli.data("breaker", "show", MODEL)["moves"]
    assert [(move["was"], move["state"], move["who"]) for move in moves] == [
        ("forced_closed", "closed", "ann@ops"),
        ("forced_open", "forced_closed", "ann@ops"),
        ("closed", "forced_open", "ann@ops"),
    ]
    shown = cli.ok("breaker", "show", MODEL).out
    assert "● closed" in shown and "ann@ops: they asked" in shown


def test_a_forced_time_that_is_over_is_listed_as_over(cli: Cli, ledger: Database) -> None:
    cli.ok("breaker", "open", MODEL, "--for", "1s")
    cli.ok("breaker", "close", "openai", "--for", "1s")
    rows(ledger, "SELECT pg_sleep(1.1)")
    provider, model = cli.data("breaker", "list")
    assert (provider["state"], model["state"]) == ("closed", "half_open")
    assert (provider["until"], model["until"], model["who"]) == (None, None, None)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["open", "opnai/gpt-5"], ["There is no provider named 'opnai'", "anthropic, gemini, openai"]),
        (["open", "openai/"], ["'openai/' is not the name of a breaker", "PROVIDER/MODEL"]),
        (["reset", "/gpt-5"], ["'/gpt-5' is not the name of a breaker"]),
        (["show", "openai/gpt 5"], ["is not the name of a breaker"]),
        (["open", MODEL, "--for", "soon"], ["--for", "'soon' is not a duration; write 30s, 10m, 2h or 1d"]),
        (["open", MODEL, "--for", "0s"], ["can't be forced for 0 seconds", "from 1s to 365d"]),
        (["close", MODEL, "--for", "99999d"], ["from 1s to 365d"]),
        (["open", MODEL, "--reason", "x" * 1001], ["why must be 1 to 1,000 characters"]),
    ],
    ids=lambda value: " ".join(value)[:40],
)
def test_what_can_not_be_meant_is_refused_and_changes_nothing(
    cli: Cli, ledger: Database, arguments: list[str], words: list[str]
) -> None:
    ended = cli("breaker", *arguments)
    assert (ended.code, ended.out) == (2, "")
    for word in words:
        assert word in " ".join(ended.err.split())
    assert "Traceback" not in ended.err
    assert rows(ledger, "SELECT * FROM aikit.breaker_moves") == []
    assert rows(ledger, "SELECT * FROM aikit.audit") == []


def test_a_model_that_nobody_has_heard_of_can_be_forced(cli: Cli) -> None:
    cli.ok("breaker", "open", "openai/to-come")
    assert [row["breaker"] for row in cli.data("breaker", "list")] == ["openai/to-come"]
    assert cli.data("breaker", "show", "gemini/never-heard-of")["state"] == "closed"
