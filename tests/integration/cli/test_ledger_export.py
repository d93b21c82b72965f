"""`aikit ledger export`: data on stdout or in a file, and nothing else there."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path

import pyarrow.parquet
import pytest

from aikit.database.connect import Database
from aikit.ledger.tenants import add_tenant
from integration.cli.conftest import Cli
from support.ledger import MINI, SOME, Till

COST = MINI.cost(SOME)


@pytest.fixture
def spent(ledger: Database, open_till: Callable[[], Till]) -> None:
    add_tenant(ledger, "acme", uncapped=True)
    add_tenant(ledger, "globex", uncapped=True)
    till = open_till()
    for tenant in ("acme", "acme", "globex"):
        till.spend(tenant)
    till.refuse("acme")
    till.flush()


def test_stdout_is_data(cli: Cli, spent: None) -> None:
    lines = [json.loads(line) for line in cli.ok("ledger", "export", "--since", "today").out.splitlines()]
    assert [(line["tenant"], line["nano"], Decimal(line["cost_usd"]) * 10**9) for line in lines] == [
        ("acme", COST, COST),
        ("acme", COST, COST),
        ("globex", COST, COST),
    ]
    ended = cli.ok("ledger", "export", "--format", "csv", "--tenant", "acme")
    assert [row["tenant"] for row in csv.DictReader(io.StringIO(ended.out))] == ["acme"] * 2
    assert ended.err == "2 entries\n"


def test_refusals_are_exported_too(cli: Cli, spent: None) -> None:
    (line,) = cli.ok("ledger", "export", "--what", "refusals").out.splitlines()
    assert (json.loads(line)["reason_code"], json.loads(line)["bound_usd"]) == ("TENANT_REQUIRED", "0")


def test_a_file_is_written_and_stdout_is_empty(cli: Cli, spent: None) -> None:
    ended = cli.ok("ledger", "export", "--format", "parquet", "-o", "entries.parquet")
    assert (ended.out, ended.err) == ("", "3 entries in entries.parquet\n")
    path = cli.folder / "entries.parquet"
    assert path.stat().st_mode & 0o777 == 0o600
    assert pyarrow.parquet.read_table(path)["nano"].to_pylist() == [COST] * 3


def test_an_empty_ledger_is_an_empty_file_or_a_head(cli: Cli) -> None:
    assert cli.ok("ledger", "export").out == ""
    assert cli.ok("ledger", "export", "--format", "csv").out.startswith("tenant,attempt,call,")


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--format", "parquet"], "Parquet needs a file: add -o FILE."),
        (["--format", "xml"], "There is no format 'xml'."),
        (["--what", "holds"], "There are no 'holds' to export."),
        (["--since", "whenever"], "'whenever' is not a time"),
        (["--since", "2026-02-01", "--until", "2026-01-01"], "before it begins"),
        (["-o", "no/such/folder/file"], "can't be written: No such file or directory"),
    ],
)
def test_what_cannot_be_exported_exits_2_and_writes_nothing(cli: Cli, arguments: list[str], says: str) -> None:
    ended = cli("ledger", "export", *arguments)
    assert (ended.code, ended.out) == (2, "")
    assert says in ended.err
    assert "Traceback" not in ended.err
    assert list(Path(cli.folder).iterdir()) == []
