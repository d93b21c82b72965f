"""`aikit ledger expire`: what has no ending is presumed spent, by hand."""

from __future__ import annotations

import pytest

from aikit import expiring
from aikit.database.connect import Database
from aikit.ledger.locks import EXPIRING, PROMPTS
from aikit.ledger.verify import verify
from aikit.meter import workers
from integration.cli.conftest import Cli
from support.ledger import BOUND, MINI, SOME, Till, rows, tell

EXPIRE = "UPDATE aikit.holds SET expires_at = now() - interval '1 s'"


@pytest.fixture
def tenants(cli: Cli) -> None:
    for tenant in ("acme", "globex"):
        cli.ok("tenant", "add", tenant, "--uncapped")


@pytest.fixture(autouse=True)
def nobody_else_looks(monkeypatch: pytest.MonkeyPatch) -> None:
    """The meters of these tests leave expired holds alone."""
    monkeypatch.setattr(workers, "EXPIRE_EVERY", 3600.0)


@pytest.fixture
def held(tenants: None, till: Till) -> Till:
    """Three holds of acme and one of globex, none of which has expired."""
    for tenant in ("acme", "acme", "acme", "globex"):
        till.admit(tenant)
    return till


def presumed(database: Database) -> list[tuple[str, int]]:
    query = "SELECT tenant, nano FROM aikit.entries WHERE ending = 'presumed_spent' AND error = 'expired' ORDER BY 1"
    return rows(database, query)


def test_nothing_is_ended_before_its_time(cli: Cli, held: Till, ledger: Database) -> None:
    assert cli.ok("ledger", "expire").out == "No hold was presumed spent.\n"
    envelope = cli("ledger", "expire", "--json").json("aikit.ledger.expire/1")
    assert (envelope["data"], envelope["totals"]) == ([], {"holds": 0, "presumed_usd": "0", "left": 0})
    assert rows(ledger, "SELECT count(*) FROM aikit.holds") == [(4,)]


def test_what_has_expired_is_presumed_spent_and_summed_by_tenant(cli: Cli, held: Till, ledger: Database) -> None:
    with_expired = f"{EXPIRE} WHERE tenant = 'globex' OR attempt = (SELECT min(attempt::text)::uuid FROM aikit.holds)"
    tell(ledger, with_expired)
    envelope = cli("ledger", "expire", "--json").json("aikit.ledger.expire/1")
    assert envelope["data"] == [
        {"tenant": "acme", "holds": 1, "presumed_usd": "0.001"},
        {"tenant": "globex", "holds": 1, "presumed_usd": "0.001"},
    ]
    assert envelope["totals"] == {"holds": 2, "presumed_usd": "0.002", "left": 0}
    assert presumed(ledger) == [("acme", BOUND), ("globex", BOUND)]
    assert rows(ledger, "SELECT count(*) FROM aikit.holds") == [(2,)]
    assert cli("audit", "list", "--action", "ledger").err == "No such changes.\n"
    assert verify(ledger).findings == []


def test_now_shows_how_many_and_how_old_warns_and_ends_all(cli: Cli, held: Till, ledger: Database) -> None:
    tell(ledger, "UPDATE aikit.holds SET admitted_at = admitted_at - interval '3 min' WHERE tenant = 'globex'")
    ended = cli.ok("ledger", "expire", "--now", "--yes", "--reason", "moving house")
    lines = [line.split() for line in ended.out.splitlines()]
    assert ended.out.startswith("Pending holds\n")
    assert lines[2][:4] == ["acme", "3", "0", "$0.003"]
    assert lines[3][:4] == ["globex", "1", "0", "$0.001"]
    assert ended.out.splitlines()[3].endswith("3 min")
    assert "4 holds have not expired: their calls may be running now." in ended.err
    assert lines[-3:] == [["acme", "3", "$0.003"], ["globex", "1", "$0.001"], ["total", "4", "$0.004"]]
    assert len(presumed(ledger)) == 4
    (row,) = cli.data("audit", "list", "--action", "ledger")
    assert (row["action"], row["subject"], row["why"]) == ("ledger.expire", "4 holds", "moving house")
    assert row["after"]["presumed_usd"] == "0.004"
    assert "presumed: $0.004" in cli.ok("audit", "list").out


def test_now_asks_and_without_a_terminal_does_nothing(cli: Cli, held: Till, ledger: Database) -> None:
    ended = cli.script("ledger", "expire", "--now")
    assert ended.code == 2
    assert "no terminal to ask on" in ended.err
    assert presumed(ledger) == []
    assert rows(ledger, "SELECT count(*) FROM aikit.holds") == [(4,)]


def test_calls_that_were_running_correct_what_was_presumed(
    cli: Cli, tenants: None, till: Till, ledger: Database
) -> None:
    hold = till.admit("acme")
    cli.ok("ledger", "expire", "--now", "--yes")
    till.settle(hold)
    till.flush()
    nanos = [nano for (nano,) in rows(ledger, "SELECT nano FROM aikit.entries ORDER BY seq")]
    assert nanos == [BOUND, MINI.cost(SOME) - BOUND]
    assert verify(ledger).findings == []


def test_calls_admitted_after_the_question_are_left_alone(cli: Cli, held: Till, ledger: Database) -> None:
    asked = expiring.database_now(ledger)
    held.admit("acme")
    done = expiring.expire(ledger, asked)
    assert ({tenant: len(amounts) for tenant, amounts in done.presumed.items()}, done.left) == (
        {"acme": 3, "globex": 1},
        0,
    )
    assert rows(ledger, "SELECT count(*) FROM aikit.holds") == [(1,)]


def test_more_than_a_batch_goes_in_batches(cli: Cli, tenants: None, till: Till, ledger: Database) -> None:
    for _ in range(510):
        till.admit("acme")
    batches: list[int] = []
    done = expiring.expire(ledger, expiring.database_now(ledger), on_progress=batches.append)
    assert batches == [500, 10]
    assert len(done.presumed["acme"]) == len(presumed(ledger)) == 510
    assert verify(ledger).findings == []


def test_another_process_that_is_at_it_is_told_and_waited_for_in_vain(
    cli: Cli, held: Till, ledger: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(expiring, "PATIENCE", 0.3)
    tell(ledger, EXPIRE)
    with ledger.connect(role="test") as other:
        other.execute("SELECT pg_advisory_lock(%s, %s)", EXPIRING)
        ended = cli("ledger", "expire", "--json")
        assert ended.code == 1
        assert ended.json("aikit.ledger.expire/1")["totals"] == {"holds": 0, "presumed_usd": "0", "left": 4}
        assert ended.err == "4 holds are left: another process is ending holds just now.\n"
    assert cli.ok("ledger", "expire", "--json").json("aikit.ledger.expire/1")["totals"]["holds"] == 4
    assert verify(ledger).findings == []


def test_whoever_publishes_a_prompt_keeps_nobody_from_expiring(cli: Cli, held: Till, ledger: Database) -> None:
    tell(ledger, EXPIRE)
    with ledger.connect(role="test") as other:
        other.execute("SELECT pg_advisory_lock(%s, %s)", PROMPTS)
        assert cli.ok("ledger", "expire", "--json").json("aikit.ledger.expire/1")["totals"]["holds"] == 4
