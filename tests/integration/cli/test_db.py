"""`aikit db` on a configured database, on the embedded one, and on none."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import psycopg
import pytest

from aikit.database import embedded
from aikit.database.connect import Database
from aikit.ledger.version import HEAD
from integration.cli.conftest import Cli
from support.ledger import tell

NOWHERE = "postgresql://someone:hunter2@127.0.0.1:1/books"


@pytest.fixture
def blank(open_cli: Callable[..., Cli], database: str) -> Cli:
    """`aikit` on an empty database."""
    return open_cli(DATABASE_URL=database)


def test_status_tells_which_database_it_is_and_who_set_it(cli: Cli) -> None:
    data = cli.data("db", "status")
    assert data["source"] == "DATABASE_URL (environment)"
    assert (data["embedded"], data["running"], data["schema"]) == (False, True, {"current": HEAD, "head": HEAD})
    assert data["server_version"][0].isdigit()
    assert data["size_bytes"] > 0
    assert f"{HEAD}, up to date" in cli.ok("db", "status").out


def test_status_says_whether_reads_of_one_tenant_see_nobody_else(cli: Cli, ledger: Database) -> None:
    ready = cli.data("db", "status")["isolation"]
    assert (ready["ready"], ready["exposed"]) == (True, [])
    assert f"the role {ready['role']} sees one tenant alone" in cli.ok("db", "status").out
    tell(ledger, "GRANT INSERT ON aikit.entries TO PUBLIC")
    exposed = cli.data("db", "status")["isolation"]
    assert (exposed["ready"], exposed["role"], len(exposed["exposed"])) == (False, ready["role"], 1)
    assert "may do more than it should; `aikit doctor` says what mends it" in cli.ok("db", "status").out
    tell(ledger, "REVOKE ALL ON aikit.entries FROM PUBLIC", f"DROP POLICY {ready['role']} ON aikit.entries")
    assert cli.data("db", "status")["isolation"] == ready | {"ready": False}
    assert f"the role {ready['role']} is not there; `aikit doctor`" in cli.ok("db", "status").out


def test_status_says_nothing_of_isolation_where_there_is_no_schema(blank: Cli) -> None:
    assert blank("db", "status", "--json").json("aikit.db.status/1")["data"]["isolation"] is None


def test_a_database_without_schema_exits_7_until_it_is_upgraded(blank: Cli) -> None:
    behind = blank("db", "status", "--json")
    assert behind.code == 7
    assert behind.json("aikit.db.status/1")["data"]["schema"] == {"current": None, "head": HEAD}
    assert "aikit db upgrade" in behind.err
    refused = blank("spend", "--json")
    assert (refused.code, refused.out) == (7, "")
    assert "→ Run `aikit db upgrade`." in refused.err
    assert blank.ok("db", "upgrade").out.endswith(f"schema none → {HEAD}\n")
    assert blank.data("db", "upgrade")["from"] == HEAD
    assert blank.ok("db", "upgrade").out.endswith(f"schema {HEAD}, up to date\n")
    assert blank.ok("db", "status").err == ""


def test_a_database_ahead_of_this_aikit_exits_7(blank: Cli, database: str) -> None:
    blank.ok("db", "upgrade")
    with psycopg.connect(database) as connection:
        connection.execute("UPDATE aikit.schema_version SET version_num = '9999'")
    for command in (["db", "status"], ["db", "upgrade"], ["spend"]):
        ended = blank(*command)
        assert ended.code == 7
        assert "→ Upgrade aikit." in ended.err


def test_the_printed_sql_makes_the_schema(open_cli: Callable[..., Cli], database: str) -> None:
    printed = open_cli(DATABASE_URL=NOWHERE).ok("db", "upgrade", "--sql")
    assert printed.err == ""
    with psycopg.connect(database) as connection:
        connection.execute(printed.out)
    assert open_cli(DATABASE_URL=database).data("db", "status")["schema"]["current"] == HEAD


@pytest.mark.parametrize("command", ["db status", "db upgrade", "tenant list", "spend", "calls list", "ledger verify"])
def test_an_unreachable_database_exits_7_and_the_password_stays_secret(
    open_cli: Callable[..., Cli], command: str
) -> None:
    ended = open_cli(DATABASE_URL=NOWHERE)(*command.split())
    assert ended.code == 7
    assert "error: The database someone@127.0.0.1:1/books" in ended.err
    assert "hunter2" not in ended.out + ended.err


def test_a_url_that_cannot_be_read_exits_2_and_is_not_shown(open_cli: Callable[..., Cli]) -> None:
    ended = open_cli(DATABASE_URL="postgres hunter2")("db", "status", "--json")
    assert (ended.code, ended.out) == (2, "")
    assert "postgresql://user:password@host" in ended.err
    assert "hunter2" not in ended.err


@pytest.fixture
def unconfigured(open_cli: Callable[..., Cli], tmp_path: Path) -> Iterator[Cli]:
    """`aikit` without a database; what it starts is stopped."""
    yield open_cli()
    embedded.stop(tmp_path / "data" / "postgres")


def test_the_embedded_database_is_started_by_use_and_not_by_status(unconfigured: Cli) -> None:
    before = unconfigured.data("db", "status")
    assert (before["embedded"], before["running"], before["pid"]) == (True, False, None)
    assert "it starts when it is needed" in unconfigured.ok("db", "status").out
    assert "was not running" in unconfigured.ok("db", "stop").out
    assert unconfigured.data("tenant", "list") == []
    running = unconfigured.data("db", "status")
    assert (running["running"], running["schema"]["current"]) == (True, HEAD)
    assert running["pid"] > 1
    assert unconfigured.data("db", "stop")["stopped"] is True
    assert unconfigured.data("db", "status")["running"] is False


def test_stop_leaves_another_database_alone(cli: Cli) -> None:
    ended = cli.ok("db", "stop")
    assert "was not running" in ended.out
    assert "left alone" in ended.err
    assert cli.data("db", "status")["running"] is True
