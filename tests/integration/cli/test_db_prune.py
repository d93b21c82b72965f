"""`aikit db prune`: asks, tells what it did, and leaves books that still agree."""

from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path
from uuid import UUID

import pytest

from aikit.database.connect import Database
from aikit.ledger.tenants import add_tenant
from aikit.money import usd_string
from integration.cli.conftest import Cli
from support.clock import set_clock
from support.ledger import BOUND, MINI, SOME, order, price_row, rows
from support.months import id_of, month, part_of, parts, spend_in

HOUR = timedelta(hours=1)
COST = MINI.cost(SOME)


@pytest.fixture
def old(ledger: Database, tmp_path: Path) -> UUID:
    """An attempt in an old month; then it is three months later. There are two more attempts since."""
    add_tenant(ledger, "acme", uncapped=True)
    attempt, *_ = spend_in(ledger, tmp_path / "spool", month(2) + HOUR, month(4) + HOUR, month(5) + HOUR)
    return attempt


def before(after: int) -> list[str]:
    return ["db", "prune", "--before", f"{month(after):%Y-%m-%d}"]


def test_it_writes_files_detaches_and_the_books_agree(cli: Cli, ledger: Database, old: UUID) -> None:
    done = cli(
        "db", "prune", "--before", f"{month(4):%Y-%m-%d}", "--yes", "--to", "files", "--reason", "yearly", "--json"
    )
    assert done.code == 0, done.err
    found = {one["part"]: one for one in json.loads(done.out)["data"]}
    entries = found[part_of("entries", month(2))]
    assert (entries["rows"], entries["cost_usd"], entries["pruned"]) == (1, usd_string(COST), True)
    assert entries["file"] == str(cli.folder / "files" / f"{part_of('entries', month(2))}.parquet")
    assert entries["left_as"] == f"aikit.pruned_{part_of('entries', month(2))}"
    assert found[part_of("refusals", month(2))]["cost_usd"] is None
    assert rows(ledger, "SELECT count(*) FROM aikit.entries") == [(2,)]
    assert "entries 2 + 1 pruned = counters = rollups" in cli.ok("ledger", "verify").out
    (change,) = [row for row in cli.data("audit", "list") if row["subject"] == part_of("entries", month(2))]
    assert (change["action"], change["why"]) == ("ledger.prune", "yearly")


def test_a_person_is_told_where_what_is(cli: Cli, old: UUID, tmp_path: Path) -> None:
    done = cli.ok(*before(4), "--yes", "--drop", "--format", "jsonl")
    path = tmp_path / "data" / "archive" / f"{part_of('entries', month(2))}.jsonl"
    assert f"{part_of('entries', month(2))}: 1 rows in {path}; dropped" in done.out
    assert path.is_file()


def test_a_dry_run_shows_and_does_nothing(cli: Cli, ledger: Database, old: UUID) -> None:
    here = parts(ledger)
    shown = cli.ok(*before(4), "--dry-run")
    assert part_of("entries", month(2)) in shown.out
    assert {one["pruned"] for one in cli.data(*before(4), "--dry-run")} == {False}
    assert parts(ledger) == here


def test_without_a_terminal_it_does_nothing_unless_told(cli: Cli, ledger: Database, old: UUID) -> None:
    here = parts(ledger)
    refused = cli(*before(4))
    assert refused.code == 2
    assert "Add --yes" in refused.err
    assert parts(ledger) == here


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (before(5), "are in use"),
        ([*before(4), "--format", "csv"], "An archive can't be 'csv'"),
        (["db", "prune", "--before", "soon"], "'soon' is not a time"),
        (["db", "prune"], "--before"),
    ],
)
def test_what_cannot_be_pruned_exits_2(cli: Cli, ledger: Database, old: UUID, arguments: list[str], says: str) -> None:
    here = parts(ledger)
    refused = cli(*arguments, "--yes")
    assert (refused.code, refused.out) == (2, "")
    assert says in refused.err
    assert parts(ledger) == here


def test_a_month_that_has_to_stay_is_told_and_exits_1(cli: Cli, ledger: Database, old: UUID, tmp_path: Path) -> None:
    from aikit.meter.opening import open_meter

    with open_meter(ledger, tmp_path / "spool", price_row) as meter:
        assert meter.admit(order("acme", BOUND)._replace(attempt=id_of(month(2) + HOUR))).hold
        done = cli(*before(4), "--yes")
    assert done.code == 1
    assert f"{part_of('entries', month(2))} has to stay: 1 of its attempts are still held" in done.err
    assert part_of("entries", month(2)) in parts(ledger)
    assert part_of("entries", month(3)) not in parts(ledger), "the others are pruned"


def test_who_looks_for_a_pruned_call_hears_which_file_has_it(cli: Cli, ledger: Database, old: UUID) -> None:
    unknown = str(id_of(month(5)))
    cli.ok(*before(4), "--yes")
    for command in (["calls", "show"], ["explain"]):
        found = cli(*command, str(old))
        assert found.code == 1
        assert f"{part_of('entries', month(2))}.parquet (1 entries, pruned " in found.err
        assert "The ledger has no" in cli(*command, unknown).err
    listed = cli.ok("calls", "list", "--since", f"{month(2):%Y-%m-%d}")
    assert f"What was made before {month(4):%Y-%m-%d} was pruned" in listed.err
    assert cli.ok("calls", "list", "--since", f"{month(4):%Y-%m-%d}").err == ""


def test_a_ledger_without_old_months_says_so(cli: Cli, ledger: Database) -> None:
    set_clock(ledger, month(3))
    cli.ok("db", "prune", "--before", f"{month(2):%Y-%m-%d}", "--yes")
    assert cli.ok("db", "prune", "--before", f"{month(2):%Y-%m-%d}").out.startswith("No month of the ledger is over by")
