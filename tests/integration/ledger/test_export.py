"""An export says what the table says, in each format: every value, exact money, nothing made up for what is unknown."""

from __future__ import annotations

import csv
import io
import json
import sys
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from aikit.database.connect import Database
from aikit.errors import ConfigError
from aikit.ledger.export import rows as exporting
from aikit.ledger.export.fields import fields_of, stored
from aikit.ledger.export.files import written
from aikit.ledger.export.rows import Selection, export
from aikit.ledger.export.tally import tally_file, tally_found, tally_query
from aikit.ledger.tables import entries, refusals
from aikit.ledger.tenants import add_tenant
from support.ledger import CLAUDE, Till, rows, tell
from support.months import month, spend_in

TABLES = {"entries": entries, "refusals": refusals}
ODD = 'a, "b"\nc \\ é \u2028'


@pytest.fixture
def filled(ledger: Database, till: Till) -> Database:
    """Two tenants; attempts of every ending, refused ones, and values that are hard to write down."""
    for tenant in ("acme", "globex"):
        add_tenant(ledger, tenant, uncapped=True)
    for tenant in ("acme", "globex", "acme"):
        till.spend(tenant, user='ann, "the" o\'neil', feature="chat")
    till.spend("acme", price=CLAUDE)
    till.void(till.admit("acme"))
    till.presume(till.admit("acme"))
    till.refuse("acme")
    till.refuse(None)
    till.flush()
    columns = ", ".join(
        column.name for column in entries.c if column.name not in ("seq", "error", "served_model", "nano")
    )
    tell(
        ledger,
        f"INSERT INTO aikit.entries ({columns}, seq, error, served_model, nano) SELECT {columns}, 1, '', "
        f"$${ODD}$$, -9007199254740993 FROM aikit.entries WHERE ending = 'voided'",
    )
    return ledger


def exported(ledger: Database, folder: Path, format: str, **selected: Any) -> bytes:
    path = folder / f"out.{format}"
    with written(path) as file:
        export(ledger, Selection(**selected), format, file)
    return path.read_bytes()


def table(ledger: Database, relation: str) -> list[dict[str, Any]]:
    """The table as it is, JSON as its text."""
    columns = TABLES[relation].c
    names = ", ".join(f"{c.name}::text" if c.name in ("limits", "request") else c.name for c in columns)
    key = ", ".join(c.name for c in TABLES[relation].primary_key)
    found = rows(ledger, f"SELECT {names} FROM aikit.{relation} ORDER BY {key}")
    return [dict(zip(columns.keys(), row, strict=True)) for row in found]


def money(row: dict[str, Any], relation: str) -> dict[str, Decimal | None]:
    """What the fields in dollars must say, by arithmetic of our own."""
    named = {"cost_usd": "nano", "held_usd": "held_nano", "presumed_usd": "presumed"}
    if relation == "refusals":
        named = {"bound_usd": "nano"}
    return {name: None if row[of] is None else Decimal(row[of]) / 10**9 for name, of in named.items()}


def read_csv(text: bytes) -> Iterable[dict[str, Any]]:
    for row in csv.DictReader(io.StringIO(text.decode(), newline="")):
        yield {name: value if value != "" else None for name, value in row.items()}


@pytest.mark.parametrize("relation", TABLES)
def test_json_lines_say_what_the_table_says(filled: Database, tmp_path: Path, relation: str) -> None:
    lines = exported(filled, tmp_path, "jsonl", relation=relation).decode().split("\n")
    assert lines.pop() == ""
    expected = table(filled, relation)
    assert len(lines) == len(expected) >= 2
    for line, row in zip(lines, expected, strict=True):
        found = json.loads(line, parse_float=lambda text: pytest.fail(f"{text} is a float"))
        for name, dollars in money(row, relation).items():
            value = found.pop(name)
            assert (None if value is None else Decimal(value)) == dollars
            assert value is None or isinstance(value, str)
        assert {name: _plain(value, name) for name, value in row.items()} == found


@pytest.mark.parametrize("relation", TABLES)
def test_csv_says_what_the_table_says(filled: Database, tmp_path: Path, relation: str) -> None:
    text = exported(filled, tmp_path, "csv", relation=relation)
    found, expected = list(read_csv(text)), table(filled, relation)
    assert len(found) == len(expected)
    for line, row in zip(found, expected, strict=True):
        for name, dollars in money(row, relation).items():
            value = line.pop(name)
            assert (None if value is None else Decimal(value)) == dollars
        assert {name: _word(value) for name, value in row.items()} == line
    if relation == "entries":
        assert ',"",' in text.decode(), "an empty text is not the same as nothing"


@pytest.mark.parametrize("relation", TABLES)
def test_parquet_says_what_the_table_says_and_has_no_floats(filled: Database, tmp_path: Path, relation: str) -> None:
    import pyarrow
    import pyarrow.parquet

    exported(filled, tmp_path, "parquet", relation=relation)
    source = pyarrow.parquet.read_table(tmp_path / "out.parquet")
    assert not [field for field in source.schema if pyarrow.types.is_floating(field.type)]
    assert source.schema.field("nano").type == pyarrow.int64()
    decided = "refused_at" if relation == "refusals" else "admitted_at"
    assert source.schema.field(decided).type == pyarrow.timestamp("us", tz="UTC")
    expected = table(filled, relation)
    for line, row in zip(source.to_pylist(), expected, strict=True):
        for name, dollars in money(row, relation).items():
            assert line.pop(name) == dollars
        assert {name: str(v) if isinstance(v, UUID) else v for name, v in row.items()} == line


def test_it_is_read_a_few_rows_at_a_time(filled: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = exported(filled, tmp_path, "jsonl")
    monkeypatch.setattr(exporting, "AT_ONCE", 2)
    told: list[int] = []
    with written(tmp_path / "slow.jsonl") as file:
        count = export(filled, Selection(), "jsonl", file, told.append)
    assert (count, told) == (7, [2, 2, 2, 1])
    assert (tmp_path / "slow.jsonl").read_bytes() == whole


def test_a_tenant_and_a_period_narrow_it(ledger: Database, tmp_path: Path) -> None:
    for tenant in ("acme", "globex"):
        add_tenant(ledger, tenant, uncapped=True)
        spend_in(ledger, tmp_path / "spool", month(2), month(3) - timedelta(seconds=1), month(3), tenant=tenant)

    def count(**selected: Any) -> int:
        return exported(ledger, tmp_path, "jsonl", **selected).count(b"\n")

    assert count() == 6
    assert count(tenant="acme") == 3
    assert count(since=month(3)) == 2
    assert count(since=month(2), until=month(3)) == 4
    assert count(relation="refusals", until=month(3)) == 4
    assert count(since=month(4)) == 0


def test_what_was_admitted_in_a_period_is_found_though_its_id_was_made_before(ledger: Database, tmp_path: Path) -> None:
    add_tenant(ledger, "acme", uncapped=True)
    spend_in(ledger, tmp_path / "spool", month(3), made=month(3) - timedelta(seconds=2), refused=0)
    assert exported(ledger, tmp_path, "jsonl", since=month(3)).count(b"\n") == 1
    assert exported(ledger, tmp_path, "jsonl", until=month(3)) == b""


@pytest.mark.parametrize("format", ["jsonl", "parquet"])
@pytest.mark.parametrize("relation", TABLES)
def test_a_file_read_back_comes_to_what_the_table_does(
    filled: Database, tmp_path: Path, relation: str, format: str
) -> None:
    exported(filled, tmp_path, format, relation=relation)
    part = rows(
        filled, "SELECT part FROM aikit.parts WHERE relation = %s AND since <= now() AND until > now()", relation
    )
    (found,) = rows(filled, tally_query(relation, part[0][0]))
    tally = tally_file(tmp_path / f"out.{format}", relation, format)
    assert tally == tally_found(relation, found)
    assert tally is not None
    assert tally.nano == sum(row["nano"] or 0 for row in table(filled, relation))


@pytest.mark.parametrize("format", ["jsonl", "parquet"])
def test_every_column_counts_when_a_file_is_read_back(filled: Database, tmp_path: Path, format: str) -> None:
    part = rows(filled, "SELECT part FROM aikit.parts WHERE relation = 'entries' AND since <= now() AND until > now()")
    exported(filled, tmp_path, format)
    tally = tally_file(tmp_path / f"out.{format}", "entries", format)
    changes = {
        "text": "coalesce(md5({0}), 'x')",
        "json": "'[1]'::json",
        "flag": "NOT {0}",
        "integer": "coalesce({0}, 0) + 1",
    }
    changes |= {"time": "{0} + interval '1 microsecond'"}
    for field in stored(fields_of("entries")):
        if field.name in ("tenant", "attempt", "call", "seq", "ending"):
            continue
        change = changes[field.kind].format(field.name)
        with filled.connect(role="test") as connection:
            connection.autocommit = False
            connection.execute("SET LOCAL session_replication_role = replica")
            connection.execute(
                f"UPDATE aikit.entries SET {field.name} = {change} "
                f"WHERE ending = 'presumed_spent' OR {field.name} IS NULL"
            )
            (found,) = connection.execute(tally_query("entries", part[0][0])).fetchall()
            connection.rollback()
        assert tally != tally_found("entries", found), field.name


def test_a_file_is_private_and_there_as_a_whole_or_not_at_all(filled: Database, tmp_path: Path) -> None:
    path = tmp_path / "out.jsonl"
    exported(filled, tmp_path, "jsonl")
    assert path.stat().st_mode & 0o777 == 0o600
    before = path.read_bytes()

    def fail(_rows: int) -> None:
        raise RuntimeError

    with pytest.raises(RuntimeError), written(path) as file:
        export(filled, Selection(), "jsonl", file, fail)
    assert path.read_bytes() == before
    assert list(tmp_path.glob(".out*")) == []


def test_a_place_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"can't be written: No such file"), written(tmp_path / "no" / "file"):
        pass


def test_what_cannot_be_selected_is_refused(ledger: Database) -> None:
    for selection, format, says in (
        (Selection("counters"), "csv", "no 'counters'"),
        (Selection(), "xml", "no format 'xml'"),
        (Selection(since=month(1), until=month(0)), "csv", "before it begins"),
        (Selection(since=datetime(2026, 1, 1)), "csv", "without a time zone"),
        (Selection(tenant="\n"), "csv", "tenant"),
    ):
        with pytest.raises(ConfigError, match=says):
            export(ledger, selection, format, io.BytesIO())


def test_parquet_without_pyarrow_names_the_remedy(ledger: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(ConfigError) as raised:
        export(ledger, Selection(), "parquet", io.BytesIO())
    assert "pip install 'aikit[parquet]'" in raised.value.remedy


def _plain(value: Any, name: str) -> Any:
    if name in ("limits", "request"):
        return None if value is None else json.loads(value)
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")
    return str(value) if isinstance(value, UUID) else value


def _word(value: Any) -> str | None:
    if value is None or value == "":
        return None
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(_plain(value, ""))
