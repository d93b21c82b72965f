"""The tables in Python are the tables in the database; what is written to the books stays written."""

from __future__ import annotations

from collections.abc import Mapping

import psycopg
import pytest
import sqlalchemy as sa
from psycopg import errors
from sqlalchemy.dialects import postgresql

from aikit.database.connect import Database
from aikit.ledger import schema, tables
from aikit.ledger.tenants import add_tenant
from aikit.ledger.version import HEAD
from support.ledger import Till, rows, tell


def test_the_tables_are_those_of_the_migrated_schema(ledger: Database) -> None:
    with ledger.engine().connect() as connection:
        inspector = sa.inspect(connection)
        months = {part for (part,) in rows(ledger, "SELECT part FROM aikit.parts")}
        found = set(inspector.get_table_names(schema.SCHEMA)) - {"schema_version"} - months
        assert found == {table.name for table in tables.metadata.tables.values()}
        for name in found:
            table = tables.metadata.tables[f"{schema.SCHEMA}.{name}"]
            columns = [(c["name"], _sql(c["type"]), c["nullable"]) for c in inspector.get_columns(name, schema.SCHEMA)]
            assert sorted(columns) == sorted((c.name, _sql(c.type), c.nullable) for c in table.c), name
            key = inspector.get_pk_constraint(name, schema.SCHEMA)["constrained_columns"]
            assert key == [c.name for c in table.primary_key], name
            indexes = {i["name"]: i["column_names"] for i in inspector.get_indexes(name, schema.SCHEMA)}
            assert indexes == {i.name: i.columns.keys() for i in table.indexes}, name


def test_the_view_of_the_counters_has_the_columns_that_reads_expect(ledger: Database) -> None:
    with ledger.engine().connect() as connection:
        found = sa.inspect(connection).get_columns("counts", schema.SCHEMA)
        assert [(c["name"], _sql(c["type"])) for c in found] == [(c.name, _sql(c.type)) for c in tables.counts.c]


@pytest.mark.parametrize("table", [tables.refusals, tables.rollups], ids=str)
def test_tables_that_are_posted_as_whole_rows_have_their_columns_in_order(ledger: Database, table: sa.Table) -> None:
    with ledger.engine().connect() as connection:
        found = sa.inspect(connection).get_columns(table.name, schema.SCHEMA)
        assert [column["name"] for column in found] == table.c.keys()


def _sql(type: sa.types.TypeEngine[object]) -> str:
    return type.compile(postgresql.dialect())


def test_the_version_is_the_newest_migration() -> None:
    assert schema.head() == HEAD


CHANGES: Mapping[str, str] = {
    "UPDATE": "UPDATE aikit.{0} SET {1} = 'another'",
    "DELETE": "DELETE FROM aikit.{}",
    "TRUNCATE": "TRUNCATE aikit.{}",
}


@pytest.mark.parametrize("table", ["entries", "refusals", "prices", "audit"])
@pytest.mark.parametrize("change", CHANGES)
def test_the_books_are_append_only(ledger: Database, till: Till, table: str, change: str) -> None:
    add_tenant(ledger, "acme", uncapped=True)
    till.spend()
    till.refuse("acme")
    till.flush()
    before = rows(ledger, f"SELECT * FROM aikit.{table}")
    assert before
    with pytest.raises(errors.RestrictViolation, match=f"aikit.{table} is append-only: {change} is refused"):
        tell(ledger, CHANGES[change].format(table, "who" if table == "audit" else "provider"))
    assert rows(ledger, f"SELECT * FROM aikit.{table}") == before


def test_a_truncate_of_everything_is_refused_too(ledger: Database) -> None:
    with pytest.raises(errors.RestrictViolation):
        tell(ledger, "TRUNCATE aikit.rollups, aikit.entries CASCADE")


def test_a_credit_never_changes_its_worth(ledger: Database) -> None:
    with pytest.raises(psycopg.errors.RestrictViolation, match="never changes"):
        tell(ledger, "UPDATE aikit.state SET nano_per_credit = 1")
