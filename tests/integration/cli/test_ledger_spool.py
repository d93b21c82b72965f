"""`aikit ledger spool`: what waits on disk is shown without the ledger, and posted with it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from aikit.database.connect import Database
from aikit.ledger.verify import verify
from aikit.meter.spool import Spool, spool_folder
from aikit.types import Ending, Entry, Tags
from integration.cli.conftest import Cli
from support.ledger import SOME, Till, price_row, rows

COST = 390_000


@pytest.fixture
def folder(cli: Cli, ledger: Database) -> Path:
    return spool_folder(ledger, Path(cli.environ["AIKIT_DATA_DIR"]))


@pytest.fixture
def spool(folder: Path) -> Iterator[Spool]:
    """The spool of another process."""
    other = Spool(folder, price_row)
    yield other
    other.release()


@pytest.fixture
def lost(cli: Cli, till: Till, spool: Spool) -> list[Entry]:
    """Two attempts of acme, and one of globex, whose endings could not be posted."""
    for tenant in ("acme", "globex"):
        cli.ok("tenant", "add", tenant, "--uncapped")
    holds = [till.admit("acme", user="ann"), till.admit("acme"), till.admit("globex")]
    entries = [Entry(hold, Ending.SETTLED, COST, SOME, status=200) for hold in holds]
    spool.append(entries)
    return entries


def test_an_empty_spool_is_said_to_be_empty(cli: Cli, folder: Path) -> None:
    assert cli.ok("ledger", "spool").out == f"The spool is empty: {folder}\n"
    assert cli.data("ledger", "spool") == {"folder": str(folder), "files": [], "set_aside": []}


def test_files_are_listed_with_their_owner_and_what_they_hold(cli: Cli, lost: list[Entry], folder: Path) -> None:
    envelope = cli("ledger", "spool", "--json").json("aikit.ledger.spool/1")
    (file,) = envelope["data"]["files"]
    (path,) = folder.iterdir()
    assert (file["file"], file["owned"], file["endings"], file["bytes"]) == (path.name, True, 3, path.stat().st_size)
    assert (file["amount_usd"], file["unread"], file["problem"]) == ("0.00117", 0, None)
    assert file["tenants"] == [
        {"tenant": "acme", "endings": 2, "unchecked": 0, "amount_usd": "0.00078"},
        {"tenant": "globex", "endings": 1, "unchecked": 0, "amount_usd": "0.00039"},
    ]
    assert envelope["totals"] == {
        "files": 1,
        "endings": 3,
        "amount_usd": "0.00117",
        "set_aside": 0,
        "posted": 0,
        "tenants": file["tenants"],
    }
    lines = cli.ok("ledger", "spool").out.splitlines()
    assert lines[2].split()[1:5] == ["running", "3", "$0.0012", f"{path.stat().st_size:,}"]
    assert [line.split() for line in lines[-2:]] == [["acme", "2", "0", "$0.00078"], ["globex", "1", "0", "$0.00039"]]


def test_the_spool_is_shown_while_the_ledger_is_away(open_cli: Callable[..., Cli]) -> None:
    url = "postgresql://app:hidden@127.0.0.1:1/nowhere"
    cli = open_cli(DATABASE_URL=url)
    assert cli.ok("ledger", "spool").out.startswith("The spool is empty")
    away = Spool(spool_folder(Database(url, False, "test"), Path(cli.environ["AIKIT_DATA_DIR"])), price_row)
    away.set_aside([])
    ended = cli.ok("ledger", "spool")
    assert "Set aside: 0 lines" in ended.out
    assert "hidden" not in ended.out + ended.err


def test_what_a_living_process_owns_is_not_posted(cli: Cli, lost: list[Entry], ledger: Database) -> None:
    ended = cli.ok("ledger", "spool", "--post")
    assert ended.err == "Posted 0 endings.\n"
    assert rows(ledger, "SELECT count(*) FROM aikit.entries") == [(0,)]


def test_what_no_process_owns_is_posted_once(cli: Cli, lost: list[Entry], spool: Spool, ledger: Database) -> None:
    spool.release()
    ended = cli.ok("ledger", "spool", "--post", "--json")
    envelope = ended.json("aikit.ledger.spool/1")
    assert (envelope["totals"]["posted"], envelope["totals"]["files"]) == (3, 0)
    assert ended.err == "Posted 3 endings.\n"
    assert rows(ledger, "SELECT count(*), sum(nano)::bigint FROM aikit.entries") == [(3, 3 * COST)]
    assert cli.ok("ledger", "spool", "--post").err == "Posted 0 endings.\n"
    assert rows(ledger, "SELECT count(*) FROM aikit.entries") == [(3,)]
    assert [one for one in verify(ledger).findings if one.kind != "price_changed"] == []


def test_posting_needs_the_ledger(open_cli: Callable[..., Cli], lost: list[Entry], spool: Spool) -> None:
    cli = open_cli(DATABASE_URL="postgresql://app:hidden@127.0.0.1:1/nowhere")
    away = Spool(
        spool_folder(Database(cli.environ["DATABASE_URL"], False, "test"), Path(cli.environ["AIKIT_DATA_DIR"])),
        price_row,
    )
    away.append(lost[:1])
    away.release()
    ended = cli("ledger", "spool", "--post")
    assert ended.code == 7
    assert "hidden" not in ended.err
    assert cli("ledger", "spool", "--json").json("aikit.ledger.spool/1")["totals"]["endings"] == 1


def test_lines_that_were_set_aside_are_counted(cli: Cli, lost: list[Entry], spool: Spool, folder: Path) -> None:
    spool.set_aside(lost[:2])
    assert "Set aside: 2 lines in " in cli.ok("ledger", "spool").out
    data = cli.data("ledger", "spool")
    assert [(one["lines"], one["file"].endswith(".unread")) for one in data["set_aside"]] == [(2, True)]


def test_nothing_of_a_call_but_tenant_and_amount_is_shown(cli: Cli, till: Till, spool: Spool) -> None:
    cli.ok("tenant", "add", "acme", "--uncapped")
    hold = till.admit("acme", user="ann.secret@example.com", feature="hush")
    assert hold.order.call.tags == Tags("acme", "ann.secret@example.com", "hush", "prod")
    spool.append([Entry(hold, Ending.SETTLED, 5, SOME, status=500, error="a long tale")])
    for arguments in (("ledger", "spool"), ("ledger", "spool", "--json")):
        shown = cli.ok(*arguments).out
        assert not [word for word in ("secret", "hush", "tale", "gpt") if word in shown]
